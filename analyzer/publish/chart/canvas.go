package chart

import "math"

// canvas collects the marks of a figure.
type canvas struct {
	marks []Mark
	width float64
	em    float64 // size of the text
}

func newCanvas(s Size) *canvas {
	s = s.orDefault()
	return &canvas{width: s.WidthPT, em: s.TextPT}
}

func (c *canvas) figure(height float64, about Caption) Figure {
	return Figure{Width: c.width, Height: math.Ceil(height), Title: about.Title, Description: about.Description, Marks: c.marks}
}

// box is a rectangle along the axes.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) ring() []Point {
	return []Point{{b.x0, b.y0}, {b.x1, b.y0}, {b.x1, b.y1}, {b.x0, b.y1}}
}

func (b box) overlaps(o box) bool {
	return b.x0 < o.x1 && o.x0 < b.x1 && b.y0 < o.y1 && o.y0 < b.y1
}

func (b box) grown(by float64) box { return box{b.x0 - by, b.y0 - by, b.x1 + by, b.y1 + by} }

func (b box) within(o box) bool {
	return b.x0 >= o.x0 && b.y0 >= o.y0 && b.x1 <= o.x1 && b.y1 <= o.y1
}

func (c *canvas) add(m Mark) { c.marks = append(c.marks, m) }

func (c *canvas) line(x0, y0, x1, y1 float64, s Stroke) {
	c.add(Path{Parts: [][]Point{{{x0, y0}, {x1, y1}}}, Stroke: s})
}

// lines draws many of one look as one mark.
func (c *canvas) lines(parts [][]Point, s Stroke) {
	if len(parts) > 0 {
		c.add(Path{Parts: parts, Stroke: s})
	}
}

func (c *canvas) fill(ink Ink, rings ...[]Point) {
	if len(rings) > 0 {
		c.add(Path{Parts: rings, Closed: true, Fill: ink})
	}
}

// text writes words with a baseline at y. They are shifted, and if need be
// shortened, to stay in the frame.
func (c *canvas) text(x, y float64, words string, anchor Anchor, ink Ink) {
	c.sized(x, y, words, anchor, ink, c.em)
}

func (c *canvas) sized(x, y float64, words string, anchor Anchor, ink Ink, size float64) {
	if words == "" {
		return
	}
	words = fit(words, size, c.width)
	w := TextWidth(words, size, false)
	switch anchor {
	case Start:
		x = min(max(x, 0), c.width-w)
	case Middle:
		x = min(max(x, w/2), c.width-w/2)
	case End:
		x = max(min(x, c.width), w)
	}
	c.add(Text{At: Point{x, y}, Words: words, Anchor: anchor, SizePT: size, Ink: ink})
}

// verdict draws the shape of a verdict: a filled dot, a hollow diamond, a
// cross. What lies under the diamond does not show through.
func (c *canvas) verdict(v Verdict, x, y, r float64) {
	ink, _ := v.inks()
	width := max(r*0.45, 0.5)
	switch v {
	case Compliant:
		c.add(Circle{Center: Point{x, y}, Radius: r, Fill: ink})
	case NonCompliant:
		d := r * 1.15
		c.add(Path{Parts: [][]Point{{{x, y - d}, {x + d, y}, {x, y + d}, {x - d, y}}}, Closed: true, Stroke: Stroke{Ink: ink, Width: width}, Fill: InkPaper})
	default:
		d := r * 0.9
		c.lines([][]Point{{{x - d, y - d}, {x + d, y + d}}, {{x - d, y + d}, {x + d, y - d}}}, Stroke{Ink: ink, Width: width})
	}
}

// arrow is a filled head that ends at x and points to the right.
func (c *canvas) arrow(ink Ink, x, y, r float64) {
	c.fill(ink, []Point{{x, y}, {x - 1.8*r, y - r}, {x - 1.8*r, y + r}})
}

// hatch fills areas with slanting lines: nothing is known there. The lines of
// neighbours meet.
func (c *canvas) hatch(areas []box, ink Ink) {
	const apart = 4.0
	var parts [][]Point
	for _, a := range areas {
		// Lines x + y = s, from the lower left to the upper right.
		for s := math.Ceil((a.x0+a.y0)/apart) * apart; s < a.x1+a.y1; s += apart {
			from := Point{max(a.x0, s-a.y1), min(a.y1, s-a.x0)}
			to := Point{min(a.x1, s-a.y0), max(a.y0, s-a.x1)}
			if to.X-from.X > 0.3 {
				parts = append(parts, []Point{from, to})
			}
		}
	}
	c.lines(parts, Stroke{Ink: ink, Width: 0.6})
}

// under writes labels under columns, every second or third where they are close.
func (c *canvas) under(labels []string, x0, step, y float64) {
	widest := 0.0
	for _, l := range labels {
		widest = max(widest, TextWidth(l, c.em, false))
	}
	every := 1
	for float64(every)*step < widest+0.3*c.em && every < len(labels) {
		every++
	}
	right := 0.0
	for i := 0; i < len(labels); i += every {
		words := fit(labels[i], c.em, c.width-x0)
		w := TextWidth(words, c.em, false)
		x := min(max(x0+(float64(i)+0.5)*step, x0-0.3*c.em+w/2), c.width-w/2)
		if x-w/2 < right {
			continue
		}
		c.text(x, y, words, Middle, InkFaint)
		right = x + w/2
	}
}

// narrow takes away the room on the right that no mark needs.
func (c *canvas) narrow() {
	right := 0.0
	for _, m := range c.marks {
		switch m := m.(type) {
		case Path:
			for _, part := range m.Parts {
				for _, at := range part {
					right = max(right, at.X+m.Stroke.Width)
				}
			}
		case Circle:
			right = max(right, m.Center.X+m.Radius+m.Stroke.Width)
		case Text:
			for _, at := range m.corners() {
				right = max(right, at.X)
			}
		}
	}
	c.width = min(c.width, math.Ceil(right+0.5))
}

// item is one entry of a legend.
type item struct {
	draw  func(x, y float64) // around its middle, within one em to both sides; nil for words alone
	words string
}

// verdictItems are the entries of the verdicts that have a word.
func (c *canvas) verdictItems(words VerdictWords) []item {
	var items []item
	for _, w := range []struct {
		v     Verdict
		words string
	}{{Compliant, words.Compliant}, {NonCompliant, words.NonCompliant}, {NotDemonstrated, words.NotDemonstrated}} {
		if w.words != "" {
			items = append(items, item{func(x, y float64) { c.verdict(w.v, x, y, 0.33*c.em) }, w.words})
		}
	}
	return items
}

// legend sets entries in rows from the left below y, and gives the y below.
func (c *canvas) legend(items []item, x0, y float64) float64 {
	if len(items) == 0 {
		return y
	}
	line, key, apart := 1.5*c.em, 2.4*c.em, 1.2*c.em
	x := x0
	y += line / 2
	for _, it := range items {
		key := key
		if it.draw == nil {
			key = 0
		}
		words := fit(it.words, c.em, c.width-x0-key)
		w := key + TextWidth(words, c.em, false)
		if x > x0 && x+w > c.width {
			x, y = x0, y+line
		}
		if it.draw != nil {
			it.draw(x+c.em, y)
		}
		c.text(x+key, y+0.35*c.em, words, Start, InkText)
		x += w + apart
	}
	return y + line/2
}
