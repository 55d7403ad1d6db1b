package pdf

import (
	"codeberg.org/go-pdf/fpdf"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

const (
	captionRoom = 34
	smallest    = 0.6 // of its size may be left of a figure, if that saves a page
)

// most is how large a figure may be on a page.
func most(f *chart.Figure) float64 {
	return min(1, textWidth/f.Width, (bottom-top-captionRoom)/f.Height)
}

// least is the height that a picture needs.
func least(b *document.Picture) float64 {
	return b.Figure.Height*most(&b.Figure)*smallest + captionRoom
}

// picture draws a figure, made smaller if it is wider or higher than a page, or
// a little higher than what is left of this one.
func (p *page) picture(b *document.Picture) {
	f := b.Figure
	p.room(least(b))
	scale := min(most(&f), (bottom-p.y-captionRoom)/f.Height)
	p.y += 4
	p.TransformBegin()
	p.TransformScale(scale*100, scale*100, margin, p.y)
	for _, m := range f.Marks {
		p.mark(m, margin, p.y)
	}
	p.TransformEnd()
	p.y += f.Height*scale + 2
	p.lines(b.Caption, noteSize, false, chart.InkFaint, 1.4)
	p.y += 8
}

// mark draws a mark of a figure whose origin is at x, y.
func (p *page) mark(m chart.Mark, x, y float64) {
	switch m := m.(type) {
	case chart.Path:
		style := p.style(m.Stroke, m.Fill)
		if style == "" {
			return
		}
		for _, part := range m.Parts {
			for i, at := range part {
				if i == 0 {
					p.MoveTo(x+at.X, y+at.Y)
				} else {
					p.LineTo(x+at.X, y+at.Y)
				}
			}
			if m.Closed {
				p.ClosePath()
			}
		}
		p.DrawPath(style)
	case chart.Circle:
		if style := p.style(m.Stroke, m.Fill); style != "" {
			p.Circle(x+m.Center.X, y+m.Center.Y, m.Radius, style)
		}
	case chart.Text:
		p.words(m, x, y)
	}
	p.SetDashPattern(nil, 0)
}

// style sets pens and gives what is to be drawn: the line, the area, or both.
func (p *page) style(s chart.Stroke, fill chart.Ink) string {
	style := ""
	if fill != chart.None {
		p.fill(fill)
		style = "F"
	}
	if s.Ink != chart.None {
		p.stroke(s)
		style += "D"
	}
	return style
}

func (p *page) words(t chart.Text, x, y float64) {
	at := fpdf.PointType{X: x + t.At.X, Y: y + t.At.Y}
	left, width := at.X, p.width(t.Words, t.SizePT, t.Bold)
	switch t.Anchor {
	case chart.Middle:
		left -= width / 2
	case chart.End:
		left -= width
	}
	if t.Turn != 0 {
		p.TransformBegin()
		p.TransformRotate(-t.Turn, at.X, at.Y) // it turns the other way
		defer p.TransformEnd()
	}
	p.put(span{t.Words, t.SizePT, t.Bold, t.Ink}, left, at.Y)
}

func (p *page) fill(ink chart.Ink) {
	c := chart.Paper.Colour(ink)
	p.SetFillColor(int(c.R), int(c.G), int(c.B))
}

func (p *page) stroke(s chart.Stroke) {
	c := chart.Paper.Colour(s.Ink)
	p.SetDrawColor(int(c.R), int(c.G), int(c.B))
	p.SetLineWidth(s.Width)
	p.SetDashPattern(s.Dash.Lengths(), 0)
}
