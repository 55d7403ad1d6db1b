package chart

// Matrix is the ratio of every pair of clusters as in a road atlas: each pair
// once, above the diagonal, so that whoever counts cells counts pairs. To see
// all pairs of a cluster one goes along its row and up its column. Below the
// diagonal stands the legend.
type Matrix struct {
	Size
	Caption
	Names    []string
	Cells    []MatrixCell
	Limit    float64
	Decimals int // of ratios

	UnboundedLabel string // such as "∞"
	NoRatioLabel   string // such as "–"
	Verdicts       VerdictWords
}

// MatrixCell is a pair: the places of its clusters among the names. Without a
// cell a pair stays white.
type MatrixCell struct {
	A, B      int
	Ratio     *float64
	Unbounded bool
	Verdict   Verdict
}

type matrixPlot struct {
	*canvas
	in     Matrix
	n      int // rows and columns: the first has no column, the last no row
	x0, y0 float64
	w, h   float64 // of a cell
	size   float64 // of the ratios
	above  bool    // the mark stands above the ratio and not beside it
	heads  [][]string
	turned bool
}

// Figure draws the matrix. It is as wide as it has to be, up to the size asked
// for: cells of two clusters need no page.
func (in Matrix) Figure() Figure {
	p := &matrixPlot{canvas: newCanvas(in.Size), in: in, n: max(0, len(in.Names)-1)}
	p.layout()
	cells := p.unique()
	p.fills(cells)
	p.net()
	for _, c := range cells {
		p.cell(c)
	}
	p.names()
	y := p.y0 + float64(p.n)*p.h + 0.5*p.em
	items := p.verdictItems(in.Verdicts)
	if !p.corner(items) {
		y = p.legend(items, 0, y)
	}
	p.narrow()
	return p.figure(y, in.Caption)
}

// layout finds how large cells and words may be.
func (p *matrixPlot) layout() {
	for i := range p.n {
		p.x0 = max(p.x0, min(TextWidth(p.in.Names[i], p.em, false), 0.24*p.width)+0.6*p.em)
	}
	ratio := 0.0
	for _, c := range p.in.Cells {
		ratio = max(ratio, TextWidth(p.words(c), p.em, false))
	}
	p.w = min((p.width-p.x0-0.5)/float64(max(1, p.n)), max(7*p.em, ratio+3*p.em))
	p.size, p.h = p.em, 2*p.em
	if ratio+2.2*p.em > p.w {
		p.above, p.h = true, 2.6*p.em
		p.size = min(p.em, p.em*(p.w-1.5)/max(ratio, 0.01))
		p.h = min(p.h, max(p.w*1.1, 2.2*p.size))
	}
	p.columns()
}

// columns sets the names over the columns level if they fit, in two or three
// lines if need be, and upright if not even then.
func (p *matrixPlot) columns() {
	lines := 1
	for i := 1; i <= p.n; i++ {
		head, ok := wrap(p.in.Names[i], p.em, p.w-0.4*p.em, 3)
		if !ok {
			p.turned = true
			break
		}
		p.heads = append(p.heads, head)
		lines = max(lines, len(head))
	}
	if !p.turned {
		p.y0 = float64(lines)*1.2*p.em + 0.5*p.em
		return
	}
	p.heads = nil
	longest := 0.0
	for i := 1; i <= p.n; i++ {
		head := fit(p.in.Names[i], p.headSize(), 12*p.em)
		p.heads = append(p.heads, []string{head})
		longest = max(longest, TextWidth(head, p.headSize(), false))
	}
	p.y0 = longest + 0.8*p.em
}

func (p *matrixPlot) headSize() float64 { return min(p.em, p.w/1.15) }

// unique leaves out what is no pair, and the second of the same.
func (p *matrixPlot) unique() []MatrixCell {
	seen := map[[2]int]bool{}
	var cells []MatrixCell
	for _, c := range p.in.Cells {
		c.A, c.B = min(c.A, c.B), max(c.A, c.B)
		if c.A < 0 || c.B >= len(p.in.Names) || c.A == c.B || seen[[2]int{c.A, c.B}] {
			continue
		}
		seen[[2]int{c.A, c.B}] = true
		cells = append(cells, c)
	}
	return cells
}

func (p *matrixPlot) at(c MatrixCell) box {
	x, y := p.x0+float64(c.B-1)*p.w, p.y0+float64(c.A)*p.h
	return box{x, y, x + p.w, y + p.h}
}

func (p *matrixPlot) fills(cells []MatrixCell) {
	for _, v := range []Verdict{Compliant, NonCompliant, NotDemonstrated} {
		_, soft := v.inks()
		var rings [][]Point
		for _, c := range cells {
			if _, of := c.Verdict.inks(); of == soft {
				rings = append(rings, p.at(c).ring())
			}
		}
		p.fill(soft, rings...)
	}
}

// net draws the borders of the cells above the diagonal, as steps.
func (p *matrixPlot) net() {
	var lines [][]Point
	right := p.x0 + float64(p.n)*p.w
	for i := range p.n {
		y, x := p.y0+float64(i+1)*p.h, p.x0+float64(i)*p.w
		lines = append(lines, []Point{{x, y}, {right, y}}, []Point{{x, p.y0}, {x, y}})
	}
	if p.n > 0 {
		lines = append(lines, []Point{{p.x0, p.y0}, {right, p.y0}}, []Point{{right, p.y0}, {right, p.y0 + float64(p.n)*p.h}})
	}
	p.lines(lines, Stroke{Ink: InkGrid, Width: 0.6})
}

func (p *matrixPlot) words(c MatrixCell) string {
	switch v, ok := known(c.Ratio); {
	case ok:
		return ratioText(v, p.in.Limit, p.in.Decimals)
	case c.Unbounded:
		return p.in.UnboundedLabel
	}
	return p.in.NoRatioLabel
}

func (p *matrixPlot) cell(c MatrixCell) {
	b := p.at(c)
	x, y := (b.x0+b.x1)/2, (b.y0+b.y1)/2
	r := 0.3 * p.em
	if p.above {
		r = min(r, 0.3*p.size, 0.12*p.h)
		p.verdict(c.Verdict, x, b.y0+0.27*p.h, r)
		p.sized(x, b.y1-0.17*p.h, p.words(c), Middle, InkText, p.size)
		return
	}
	p.verdict(c.Verdict, b.x0+0.9*p.em, y, r)
	p.sized(b.x1-0.5*p.em, y+0.35*p.em, p.words(c), End, InkText, p.size)
}

func (p *matrixPlot) names() {
	for i := range p.n {
		size := min(p.em, 0.9*p.h)
		p.sized(p.x0-0.6*p.em, p.y0+(float64(i)+0.5)*p.h+0.35*size, fit(p.in.Names[i], size, p.x0-0.6*p.em), End, InkText, size)
	}
	for i, head := range p.heads {
		x := p.x0 + (float64(i)+0.5)*p.w
		if p.turned {
			size := p.headSize()
			p.add(Text{At: Point{x + 0.33*size, p.y0 - 0.5*p.em}, Words: head[0], SizePT: size, Turn: -90, Ink: InkText})
			continue
		}
		for j, words := range head {
			p.text(x, p.y0-0.5*p.em-float64(len(head)-1-j)*1.2*p.em, words, Middle, InkText)
		}
	}
}

// corner sets the legend one under another below the diagonal, if there is room
// for all of it.
func (p *matrixPlot) corner(items []item) bool {
	line := 1.5 * p.em
	top := p.y0 + float64(p.n)*p.h - float64(len(items))*line
	for i, it := range items {
		// The row in which the entry begins may have no cell this far left.
		row := int((top + float64(i)*line - p.y0) / p.h)
		if top < p.y0 || p.x0+2.4*p.em+TextWidth(it.words, p.em, false) > p.x0+float64(row)*p.w-p.em {
			return false
		}
	}
	for i, it := range items {
		p.legend([]item{it}, p.x0, top+float64(i)*line)
	}
	return true
}
