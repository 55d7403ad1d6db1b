package pdf

import (
	_ "embed" // fonts
	"strings"
	"unicode"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
)

// Liberation Sans has what Latin text needs, Droid Sans Fallback the Chinese
// characters, as TrueType outlines, of which parts can be embedded. Where they
// come from, and their licences, stands beside them.
var (
	//go:embed fonts/LiberationSans-Regular.ttf
	latin []byte
	//go:embed fonts/LiberationSans-Bold.ttf
	latinBold []byte
	//go:embed fonts/DroidSansFallbackFull.ttf
	han []byte
)

const (
	latinFont = "latin"
	hanFont   = "han"
)

func (p *page) addFonts() {
	p.AddUTF8FontFromBytes(latinFont, "", latin)
	p.AddUTF8FontFromBytes(latinFont, "B", latinBold)
	p.AddUTF8FontFromBytes(hanFont, "", han)
}

// span is a line of text in one size.
type span struct {
	text string
	size float64
	bold bool
	ink  chart.Ink
}

// isHan tells which of the two fonts has a character.
func isHan(r rune) bool {
	return unicode.Is(unicode.Han, r) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xffef
}

// runs cuts a text where the font changes.
func runs(text string) []string {
	var all []string
	from, was := 0, false
	for i, r := range text {
		if is := isHan(r); i == 0 {
			was = is
		} else if is != was {
			all, from, was = append(all, text[from:i]), i, is
		}
	}
	if text == "" {
		return nil
	}
	return append(all, text[from:])
}

// use chooses the font of a run. The Chinese one has no bold: its outlines are
// drawn as well as filled.
func (p *page) use(run string, size float64, bold bool) (drawn bool) {
	r := []rune(run)[0]
	switch {
	case isHan(r):
		p.SetFont(hanFont, "", size)
		return bold
	case bold:
		p.SetFont(latinFont, "B", size)
	default:
		p.SetFont(latinFont, "", size)
	}
	return false
}

func (p *page) width(text string, size float64, bold bool) float64 {
	w := 0.0
	for _, run := range runs(text) {
		p.use(run, size, bold)
		w += p.GetStringWidth(run)
	}
	return w
}

// put writes a line with its baseline at y.
func (p *page) put(s span, x, y float64) {
	c := chart.Paper.Colour(s.ink)
	p.SetTextColor(int(c.R), int(c.G), int(c.B))
	for _, run := range runs(s.text) {
		if p.use(run, s.size, s.bold) {
			p.SetDrawColor(int(c.R), int(c.G), int(c.B))
			p.SetLineWidth(s.size * 0.03)
			p.SetTextRenderingMode(2)
		}
		p.Text(x, y, run)
		p.SetTextRenderingMode(0)
		x += p.GetStringWidth(run)
	}
}

func (p *page) right(s span, x, y float64) { p.put(s, x-p.width(s.text, s.size, s.bold), y) }

// wrap breaks text into lines: at spaces and beside Chinese characters, never
// before closing punctuation or after opening, and within a word only if it is
// longer than a line, as hashes are.
func (p *page) wrap(text string, size float64, bold bool, width float64) []string {
	var lines []string
	line := ""
	fits := func(s string) bool { return p.width(strings.TrimRight(s, " "), size, bold) <= width }
	for _, piece := range pieces(text) {
		if fits(line + piece) {
			line += piece
			continue
		}
		if line != "" {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		line = ""
		for piece = strings.TrimLeft(piece, " "); !fits(piece); {
			n := len(piece)
			for n > 1 && !fits(piece[:n]) {
				n--
			}
			for n > 1 && n < len(piece) && piece[n]&0xc0 == 0x80 { // within a character
				n--
			}
			lines, piece = append(lines, piece[:n]), piece[n:]
		}
		line = piece
	}
	return append(lines, strings.TrimRight(line, " "))
}

const (
	closing = "，。、；：！？）》」』】…—％%)]},.;:!?°·"
	opening = "（《「『【([{"
)

// pieces are what a line may end behind.
func pieces(text string) []string {
	var all []string
	piece := ""
	end := func() {
		if piece != "" {
			all, piece = append(all, piece), ""
		}
	}
	last := rune(0)
	for _, r := range text {
		breaks := last == ' ' || (isHan(r) || isHan(last)) && !strings.ContainsRune(closing, r) && !strings.ContainsRune(opening, last)
		if breaks && r != ' ' {
			end()
		}
		piece += string(r)
		last = r
	}
	end()
	return all
}
