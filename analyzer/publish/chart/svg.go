package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// SVG writes the figure as an element for an HTML page that has the rules of
// CSS. The id must be the page's only one of that name; with "-t" and "-d" it
// names title and description. Same figure, same bytes.
func (f Figure) SVG(id string) string {
	return f.svg(`<svg class="fg-chart" id="`+escape(id)+`"`, id, "")
}

// SVGFile writes the figure as a file of its own, in the colours of a theme.
func (f Figure) SVGFile(theme Theme) string {
	var style strings.Builder
	fmt.Fprintf(&style, "<style>text{font-family:%s}", fonts)
	for _, ink := range f.inks() {
		c := theme.Colour(ink)
		fmt.Fprintf(&style, ".s-%s{stroke:#%02x%02x%02x}.f-%[1]s{fill:#%02[2]x%02[3]x%02[4]x}", ink, c.R, c.G, c.B)
	}
	style.WriteString("</style>\n")
	paper := theme.Colour(InkPaper)
	fmt.Fprintf(&style, "<path fill=\"#%02x%02x%02x\" d=\"M0 0H%sV%sH0z\"/>\n", paper.R, paper.G, paper.B, number(f.Width), number(f.Height))
	return f.svg(`<svg xmlns="http://www.w3.org/2000/svg"`, "fg", style.String())
}

func (f Figure) svg(open, id, style string) string {
	var b strings.Builder
	id = escape(id)
	w, h := number(f.Width), number(f.Height)
	fmt.Fprintf(&b, "%s role=\"img\" aria-labelledby=\"%s-t %s-d\" viewBox=\"0 0 %s %s\" width=\"%spt\" height=\"%spt\" fill=\"none\" font-size=\"8\">\n",
		open, id, id, w, h, w, h)
	fmt.Fprintf(&b, "<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n", id, escape(f.Title), id, escape(f.Description))
	b.WriteString(style)
	for _, m := range f.Marks {
		switch m := m.(type) {
		case Path:
			fmt.Fprintf(&b, "<path%s d=\"%s\"/>\n", look(m.Stroke, m.Fill), m.data())
		case Circle:
			fmt.Fprintf(&b, "<circle%s cx=\"%s\" cy=\"%s\" r=\"%s\"/>\n", look(m.Stroke, m.Fill), number(m.Center.X), number(m.Center.Y), number(m.Radius))
		case Text:
			b.WriteString(m.svg())
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// inks that the figure has, in their fixed order.
func (f Figure) inks() []Ink {
	used := map[Ink]bool{}
	for _, m := range f.Marks {
		switch m := m.(type) {
		case Path:
			used[m.Stroke.Ink], used[m.Fill] = true, true
		case Circle:
			used[m.Stroke.Ink], used[m.Fill] = true, true
		case Text:
			used[m.Ink] = true
		}
	}
	var all []Ink
	for _, ink := range Inks() {
		if used[ink] {
			all = append(all, ink)
		}
	}
	return all
}

func look(s Stroke, fill Ink) string {
	var class, rest string
	if fill != None {
		class = "f-" + string(fill)
	}
	if s.Ink != None && s.Width > 0 {
		class = strings.TrimSpace(class + " s-" + string(s.Ink))
		if s.Width != 1 {
			rest = ` stroke-width="` + number(s.Width) + `"`
		}
		if dash := s.Dash.Lengths(); dash != nil {
			lengths := make([]string, len(dash))
			for i, l := range dash {
				lengths[i] = number(l)
			}
			rest += ` stroke-dasharray="` + strings.Join(lengths, " ") + `"`
		}
	}
	return ` class="` + class + `"` + rest
}

// data is the path in the letters of SVG, the short ones where a line is
// horizontal or vertical.
func (p Path) data() string {
	var b strings.Builder
	for _, part := range p.Parts {
		lastX, lastY := "", ""
		for i, at := range part {
			x, y := number(at.X), number(at.Y)
			switch {
			case i == 0:
				b.WriteString("M" + x + " " + y)
			case x == lastX && y == lastY:
			case y == lastY:
				b.WriteString("H" + x)
			case x == lastX:
				b.WriteString("V" + y)
			default:
				b.WriteString("L" + x + " " + y)
			}
			lastX, lastY = x, y
		}
		if p.Closed {
			b.WriteString("z")
		}
	}
	return b.String()
}

func (t Text) svg() string {
	var b strings.Builder
	x, y := number(t.At.X), number(t.At.Y)
	fmt.Fprintf(&b, `<text class="f-%s" x="%s" y="%s"`, t.Ink, x, y)
	if t.SizePT != 8 {
		fmt.Fprintf(&b, ` font-size="%s"`, number(t.SizePT))
	}
	switch t.Anchor {
	case Middle:
		b.WriteString(` text-anchor="middle"`)
	case End:
		b.WriteString(` text-anchor="end"`)
	}
	if t.Bold {
		b.WriteString(` font-weight="700"`)
	}
	if t.Turn != 0 {
		fmt.Fprintf(&b, ` transform="rotate(%s %s %s)"`, number(t.Turn), x, y)
	}
	fmt.Fprintf(&b, ">%s</text>\n", escape(t.Words))
	return b.String()
}

// number has at most two decimals: 1/100 pt is finer than any printer.
func number(v float64) string {
	r := math.Round(v*100) / 100
	if r == 0 {
		return "0" // not -0
	}
	return strconv.FormatFloat(r, 'f', -1, 64)
}

// escape makes words safe as content and as a value, and leaves out what XML
// cannot hold.
func escape(words string) string {
	var b strings.Builder
	for _, r := range words {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case r < ' ' || r == 0xFFFE || r == 0xFFFF:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
