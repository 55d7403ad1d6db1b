package chart

import "math"

// ECDF shows of a few pairs which share of the packets came back within which
// time. Each has a panel with an axis of its own: pairs differ in distance, and
// what matters lies close to the limit of each.
//
// The share is drawn on the logarithm of what is missing to 100 %, as latency
// is read in practice: from 0 to 90, from 90 to 99 and from 99 to 99.9 % take
// the same height. So nothing is cut off, and the tail, of which the verdict is
// made, has most of the room; cut at 90 % one would not see how the bulk lies,
// and on an even axis 95 and 99 % could not be told apart. Lost packets never
// come back: the curve ends below 100 % by their share.
//
// A pair complies where its curve passes through the shaded corner.
type ECDF struct {
	Size
	Caption
	Pairs []ECDFPair
	Level float64 // the share that is judged, such as 0.95

	XLabel         string // such as "RTT, ms"
	YLabel         string // such as "packets that came back by then"
	LevelLabel     string // such as "p95"
	LimitLabel     string // such as "limit"
	UnboundedLabel string // such as "∞"
	NoDataLabel    string
}

// ECDFPair is a pair, by the end that is judged.
type ECDFPair struct {
	A, B    string
	Steps   []ECDFStep // by RTT, ascending
	Packets int64      // all that count, the lost ones with them
	LimitUS float64    // 0: none
	Verdict Verdict
}

// ECDFStep says how many packets came back within an RTT.
type ECDFStep struct{ RTTUS, Packets int64 }

var shares = []float64{0, 0.5, 0.9, 0.95, 0.99, 0.999}

// tail is the height of a share, from 0 at the bottom to 1 at 99.9 % and above.
func tail(share float64) float64 {
	if share >= 0.999 {
		return 1
	}
	return max(0, -math.Log10(1-share)/3)
}

type panel struct {
	*canvas
	in    ECDF
	pair  ECDFPair
	frame box
	x     scale // of ms
}

// Figure draws the panels, two beside each other where there is room.
func (in ECDF) Figure() Figure {
	c := newCanvas(in.Size)
	columns := 1
	if len(in.Pairs) > 1 && c.width >= 45*c.em {
		columns = 2
	}
	left := TextWidth("99.9%", c.em, false) + 0.7*c.em
	apart := 2 * c.em
	width := (c.width - float64(columns-1)*apart) / float64(columns)
	height := 15 * c.em
	y := 1.5 * c.em
	c.text(0, c.em, in.YLabel, Start, InkFaint)
	for i, pair := range in.Pairs {
		column := i % columns
		if i > 0 && column == 0 {
			y += height + 6.2*c.em
		}
		x := float64(column) * (width + apart)
		p := &panel{canvas: c, in: in, pair: pair}
		p.frame = box{x + left, y + 3.2*c.em, x + width - 0.5*c.em, y + 3.2*c.em + height}
		p.draw(x, y)
	}
	y += height + 3.2*c.em
	if len(in.Pairs) == 0 {
		y = 2.6 * c.em
		c.text(0, y, in.NoDataLabel, Start, InkFaint)
	} else {
		last := float64((len(in.Pairs)-1)%columns+1)*(width+apart) - apart
		c.text(last-0.5*c.em, y+3*c.em, in.XLabel, End, InkFaint)
	}
	return c.figure(y+3.5*c.em, in.Caption)
}

// quantile gives the RTT in ms by nearest rank; false if it falls among the
// lost packets. That a share such as 0.95 is no binary fraction must not make
// it one rank more.
func (p ECDFPair) quantile(share float64) (float64, bool) {
	rank := max(1, int64(math.Ceil(share*float64(p.Packets)*(1-1e-12))))
	for _, s := range p.Steps {
		if s.Packets >= rank {
			return float64(s.RTTUS) / 1e3, true
		}
	}
	return 0, false
}

// ms writes whole microseconds. Of a limit that is none, what is shown is below
// it, so that no RTT can look as if it kept to it and not.
func ms(us float64) string { return decimal(math.Floor(us)/1e3, 3) + " ms" }

func (p *panel) empty() bool { return len(p.pair.Steps) == 0 || p.pair.Packets <= 0 }

func (p *panel) draw(x, y float64) {
	width := p.frame.x1 - x
	name := pairLabel(p.pair.A, p.pair.B, p.em*bolder, width-1.4*p.em)
	p.add(Text{At: Point{x + 1.4*p.em, y + 1.1*p.em}, Words: name, SizePT: p.em, Bold: true, Ink: InkText})
	p.verdict(p.pair.Verdict, x+0.5*p.em, y+0.78*p.em, 0.36*p.em)
	p.x = p.span()
	level, ok := p.pair.quantile(p.in.Level)
	words := p.in.LevelLabel + " " + p.in.UnboundedLabel
	if ok {
		words = p.in.LevelLabel + " " + decimal(level, 3) + " ms"
	}
	if p.empty() {
		words = p.in.NoDataLabel
	}
	limit := p.pair.LimitUS / 1e3
	if limit > 0 {
		words += " · " + p.in.LimitLabel + " " + ms(p.pair.LimitUS)
		p.fill(InkCompliantSoft, box{p.frame.x0, p.frame.y0, min(p.x.at(limit), p.frame.x1), p.y(p.in.Level)}.ring())
	}
	p.text(x+1.4*p.em, y+2.4*p.em, fit(words, p.em, width-1.4*p.em), Start, InkFaint)
	if p.empty() {
		p.hatch([]box{p.frame}, InkGrid)
	}
	p.grid()
	if limit > 0 {
		p.line(p.x.at(limit), p.frame.y0, p.x.at(limit), p.frame.y1, Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed})
	}
	if p.empty() {
		return
	}
	p.lines([][]Point{p.curve()}, Stroke{Ink: InkAccent, Width: 1.4})
	switch at := p.y(p.in.Level); {
	case !ok:
		ink, _ := p.pair.Verdict.inks()
		p.verdict(p.pair.Verdict, p.frame.x1-1.4*p.em, at, 0.36*p.em)
		p.line(p.frame.x1-p.em, at, p.frame.x1-0.3*p.em, at, Stroke{Ink: ink, Width: 1})
		p.arrow(ink, p.frame.x1, at, 0.36*p.em)
	default:
		p.verdict(p.pair.Verdict, p.x.at(level), at, 0.36*p.em)
	}
}

func (p *panel) y(share float64) float64 {
	return p.frame.y1 - tail(share)*(p.frame.y1-p.frame.y0)
}

// span holds the shortest RTT, the limit and what is judged, and of the tail as
// much again at the most.
func (p *panel) span() scale {
	var values []float64
	if p.pair.LimitUS > 0 {
		values = append(values, p.pair.LimitUS/1e3)
	}
	furthest := 0.0
	if !p.empty() {
		values = append(values, float64(p.pair.Steps[0].RTTUS)/1e3)
		furthest = float64(p.pair.Steps[len(p.pair.Steps)-1].RTTUS) / 1e3
		if v, ok := p.pair.quantile(p.in.Level); ok {
			values = append(values, v)
		}
		if v, ok := p.pair.quantile(shares[len(shares)-1]); ok {
			furthest = v
		}
	}
	if len(values) == 0 {
		values = []float64{0, 1}
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	width := max(hi-lo, 0.02*hi, 0.01)
	end := max(hi+0.15*width, min(furthest+0.05*width, hi+width))
	return scale{max(0, lo-0.06*width), end, p.frame.x0, p.frame.x1}
}

func (p *panel) grid() {
	var lines [][]Point
	for _, s := range shares {
		y := p.y(s)
		p.text(p.frame.x0-0.7*p.em, y+0.35*p.em, share(s), End, InkFaint)
		if s > 0 {
			lines = append(lines, []Point{{p.frame.x0, y}, {p.frame.x1, y}})
		}
	}
	values, decimals := p.x.ticks(p.em)
	if p.empty() {
		values = nil
	}
	right := math.Inf(-1)
	for _, v := range values {
		lines = append(lines, []Point{{p.x.at(v), p.frame.y0}, {p.x.at(v), p.frame.y1}})
		words := decimal(v, decimals)
		half := TextWidth(words, p.em, false) / 2
		// The last is moved to the left so as not to reach into the next panel.
		if x := min(p.x.at(v), p.frame.x1+0.5*p.em-half); x-half > right {
			p.text(x, p.frame.y1+1.5*p.em, words, Middle, InkFaint)
			right = x + half
		}
	}
	p.lines(lines, Stroke{Ink: InkGrid, Width: 0.6})
	p.line(p.frame.x0, p.frame.y1, p.frame.x1, p.frame.y1, Stroke{Ink: InkFrame, Width: 0.8})
	at := p.y(p.in.Level)
	p.line(p.frame.x0, at, p.frame.x1, at, Stroke{Ink: InkLimit, Width: 0.8, Dash: Dotted})
}

// curve is the steps as far as the frame goes. Of steps finer than a printer
// draws, one stands for those before it, and a slope for small ones.
func (p *panel) curve() []Point {
	const fine = 0.8
	total := float64(p.pair.Packets)
	points := []Point{{p.x.at(float64(p.pair.Steps[0].RTTUS) / 1e3), p.frame.y1}}
	last := points[0]
	for i, s := range p.pair.Steps {
		at := Point{p.x.at(float64(s.RTTUS) / 1e3), p.y(float64(s.Packets) / total)}
		if at.X > p.frame.x1 {
			break
		}
		if i < len(p.pair.Steps)-1 && at.X-last.X < fine && last.Y-at.Y < fine && at.Y > p.frame.y0 {
			continue
		}
		if at.X-last.X > 2*fine {
			points = append(points, Point{at.X, last.Y})
		}
		points = append(points, at)
		if last = at; at.Y <= p.frame.y0 {
			return points
		}
	}
	return append(points, Point{p.frame.x1, last.Y})
}
