package chart

import (
	"math"
	"strings"
	"unicode"
)

// What fonts have above and below the baseline, in em. CJK stands higher than
// Latin, and no font is known here: the larger of both.
const (
	ascent  = 0.86
	descent = 0.24
)

// bolder is how much wider words in bold are, at most.
const bolder = 1.15

// latin gives the advance of printable ASCII in 1/100 em: the largest of DejaVu
// Sans, Liberation Sans (whose widths are Arial's) and Noto Sans, from their
// hmtx tables, rounded up. Most fonts take some 10 % less, so that nothing that
// fits here overlaps there.
var latin = [...]uint8{
	32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 56, 84, 32, 37, 32, 38, // space to /
	64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 56, // 0 to ?
	102, 69, 69, 73, 78, 67, 62, 78, 76, 34, 50, 67, 56, 91, 76, 79, // @ to O
	67, 79, 73, 67, 62, 74, 69, 99, 69, 67, 69, 40, 38, 40, 84, 56, // P to _
	50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, // ` to o
	64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 56, 64, 84, // p to ~
}

// TextWidth estimates the width of words in points, rather too wide.
func TextWidth(words string, sizePT float64, bold bool) float64 {
	em := 0.0
	for _, r := range words {
		switch {
		case r >= ' ' && r <= '~':
			em += float64(latin[r-' ']) / 100
		case unicode.Is(unicode.Mn, r): // a combining accent has no width
		case r < 0x2000:
			em += 0.7
		default:
			em += 1.0 // signs such as ≤ … ∞; Han, kana, Hangul, full-width forms
		}
	}
	if bold {
		em *= bolder
	}
	return em * sizePT
}

// fit shortens words to a width, with an ellipsis in place of what goes.
func fit(words string, sizePT, width float64) string {
	if TextWidth(words, sizePT, false) <= width {
		return words
	}
	runes := []rune(words)
	for n := len(runes) - 1; n > 0; n-- {
		short := strings.TrimRight(string(runes[:n]), " ") + "…"
		if TextWidth(short, sizePT, false) <= width {
			return short
		}
	}
	return "…"
}

// pairLabel joins two names within a width. Each is shortened by itself: of a
// line cut at its end one could not tell which pair it is of.
func pairLabel(a, b string, sizePT, width float64) string {
	const between = " – "
	room := width - TextWidth(between, sizePT, false)
	wa, wb := TextWidth(a, sizePT, false), TextWidth(b, sizePT, false)
	if wa+wb > room {
		half := room / 2
		switch {
		case wa <= half:
			b = fit(b, sizePT, room-wa)
		case wb <= half:
			a = fit(a, sizePT, room-wb)
		default:
			a, b = fit(a, sizePT, half), fit(b, sizePT, half)
		}
	}
	return a + between + b
}

// wrap breaks words into at most so many lines of a width, as even as they can
// be; false if they do not fit. Latin breaks at spaces, Han between any two.
func wrap(words string, sizePT, width float64, lines int) ([]string, bool) {
	best, ok := fill(words, sizePT, width)
	if !ok || len(best) > lines {
		return nil, false
	}
	for width -= 0.1 * sizePT; width > 0; width -= 0.1 * sizePT {
		even, ok := fill(words, sizePT, width)
		if !ok || len(even) > len(best) {
			break
		}
		best = even
	}
	return best, true
}

// fill puts as much into every line as goes.
func fill(words string, sizePT, width float64) ([]string, bool) {
	var done []string
	line := ""
	for _, piece := range pieces(words) {
		if next := line + piece; TextWidth(strings.TrimSpace(next), sizePT, false) <= width {
			line = next
			continue
		}
		if line != "" {
			done = append(done, strings.TrimSpace(line))
		}
		line = piece
		if TextWidth(strings.TrimSpace(piece), sizePT, false) > width {
			return nil, false
		}
	}
	return append(done, strings.TrimSpace(line)), true
}

func pieces(words string) []string {
	var all []string
	from := 0
	for i, r := range words {
		if i > from && (r == ' ' || unicode.Is(unicode.Han, r)) {
			all = append(all, words[from:i])
			from = i
		}
	}
	return append(all, words[from:])
}

// corners of what a text may cover, in order around it.
func (t Text) corners() [4]Point {
	w := TextWidth(t.Words, t.SizePT, t.Bold)
	x := 0.0
	switch t.Anchor {
	case Middle:
		x = -w / 2
	case End:
		x = -w
	}
	up, down := -ascent*t.SizePT, descent*t.SizePT
	sin, cos := math.Sincos(t.Turn * math.Pi / 180)
	at := func(x, y float64) Point { return Point{t.At.X + x*cos - y*sin, t.At.Y + x*sin + y*cos} }
	return [4]Point{at(x, up), at(x+w, up), at(x+w, down), at(x, down)}
}
