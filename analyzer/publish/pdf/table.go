package pdf

import (
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

const (
	cellPad    = 3.0
	lineHeight = tableSize * 1.32
)

// table writes a table with its heads on every page. Rows are not broken.
func (p *page) table(t *document.Table) {
	widths := columnWidths(t)
	numeric := t.NumericColumns()
	head := p.head(t, widths)
	p.room(p.beginning(t))
	if t.Title != "" {
		p.y += 4
		p.lines(t.Title, bodySize, true, chart.InkText, 1.4)
		p.y += 2
	}
	p.row(head, widths, numeric, chart.InkAccentSoft)
	for i, cells := range t.Rows {
		r := p.layOut(cells, widths)
		if p.y+r.height > bottom {
			p.AddPage()
			p.row(head, widths, numeric, chart.InkAccentSoft)
		}
		shade := chart.None
		if i%2 == 1 {
			shade = chart.InkUndecidedSoft
		}
		p.row(r, widths, numeric, shade)
	}
	p.rule(p.y, chart.InkFrame)
	p.y += 3
	p.y += 8
}

// beginning is the height that a table needs before it may be broken: its title,
// its heads, and its first row.
func (p *page) beginning(t *document.Table) float64 {
	widths := columnWidths(t)
	height := p.head(t, widths).height
	if t.Title != "" {
		height += 6 + float64(len(p.wrap(t.Title, bodySize, true, textWidth)))*bodySize*1.4
	}
	if len(t.Rows) > 0 {
		height += p.layOut(t.Rows[0], widths).height
	}
	return height
}

func (p *page) head(t *document.Table, widths []float64) laidOut {
	names := make([]document.Cell, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = document.Cell{Text: c.Name, Strong: true, Ink: chart.InkText}
	}
	return p.layOut(names, widths)
}

func columnWidths(t *document.Table) []float64 {
	shares := 0
	for _, c := range t.Columns {
		shares += c.Share
	}
	widths := make([]float64, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = textWidth * float64(c.Share) / float64(shares)
	}
	return widths
}

// laidOut is a row with its lines broken.
type laidOut struct {
	cells  []document.Cell
	lines  [][]string
	height float64
}

func (p *page) layOut(cells []document.Cell, widths []float64) laidOut {
	r := laidOut{cells: cells}
	most := 1
	for i, c := range cells {
		lines := p.wrap(c.Text, tableSize, c.Strong, widths[i]-2*cellPad)
		r.lines = append(r.lines, lines)
		most = max(most, len(lines))
	}
	r.height = float64(most)*lineHeight + 2*cellPad - 1
	return r
}

func (p *page) row(r laidOut, widths []float64, numeric []bool, shade chart.Ink) {
	if shade != chart.None {
		p.fill(shade)
		p.Rect(margin, p.y, textWidth, r.height, "F")
	}
	x := margin
	for i, c := range r.cells {
		ink := c.Ink
		if ink == chart.None {
			ink = chart.InkText
		}
		for n, line := range r.lines[i] {
			s := span{line, tableSize, c.Strong, ink}
			y := p.y + cellPad + tableSize*0.86 + float64(n)*lineHeight
			if numeric[i] {
				p.right(s, x+widths[i]-cellPad, y)
			} else {
				p.put(s, x+cellPad, y)
			}
		}
		x += widths[i]
	}
	p.y += r.height
}
