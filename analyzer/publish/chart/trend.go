package chart

import "fmt"

// Trend is the rate of compliance month by month against its target, on an
// axis from 0 to 100 %: a cut axis would make small changes look large.
type Trend struct {
	Size
	Caption
	Months   []TrendMonth // oldest first, without holes: a month without data has Total 0
	Decimals int          // of rates in %

	AxisLabel   string // such as "compliant pairs, % of all"
	RateLabel   string // of the legend, as are the next; empty ones are left out
	MetLabel    string
	MissedLabel string
	BandLabel   string // proven to possible
	TargetLabel string
	NoDataLabel string
}

// TrendMonth is a month. Counts are of pairs.
type TrendMonth struct {
	Year, Month      int
	Compliant, Total int
	Proven, Possible *int     // the band; both or none
	Target           *float64 // share
	Met              *bool    // nil without a target
}

type trendPlot struct {
	*canvas
	in    Trend
	frame box
	step  float64 // between months
	y     scale
}

// Figure draws the trend. A month is a column; the line breaks where a month
// has no data.
func (in Trend) Figure() Figure {
	p := &trendPlot{canvas: newCanvas(in.Size), in: in}
	left := TextWidth("100%", p.em, false) + 0.7*p.em
	p.frame = box{left, 3 * p.em, p.width - 0.5*p.em, 3*p.em + min(24*p.em, max(14*p.em, 0.36*p.width))}
	p.y = scale{0, 1, p.frame.y1, p.frame.y0}
	p.step = (p.frame.x1 - p.frame.x0) / float64(max(1, len(in.Months)))
	p.text(0, p.em, in.AxisLabel, Start, InkFaint)
	p.gaps()
	p.band()
	p.grid()
	taken := p.targets()
	p.rate(taken)
	y := p.months()
	y = p.legend(p.items(), 0, y+0.3*p.em)
	return p.figure(y, in.Caption)
}

// x is the middle of a month.
func (p *trendPlot) x(i int) float64 { return p.frame.x0 + (float64(i)+0.5)*p.step }

func (m TrendMonth) rate() (float64, bool) {
	if m.Total <= 0 {
		return 0, false
	}
	return float64(m.Compliant) / float64(m.Total), true
}

func (p *trendPlot) grid() {
	var lines [][]Point
	for v := 0; v <= 100; v += 20 {
		y := p.y.at(float64(v) / 100)
		p.text(p.frame.x0-0.7*p.em, y+0.35*p.em, fmt.Sprintf("%d%%", v), End, InkFaint)
		if v > 0 {
			lines = append(lines, []Point{{p.frame.x0, y}, {p.frame.x1, y}})
		}
	}
	p.lines(lines, Stroke{Ink: InkGrid, Width: 0.6})
	p.line(p.frame.x0, p.frame.y1, p.frame.x1, p.frame.y1, Stroke{Ink: InkFrame, Width: 0.8})
}

// gaps hatches the months that have no data.
func (p *trendPlot) gaps() {
	var areas []box
	for i, m := range p.in.Months {
		if m.Total <= 0 {
			areas = append(areas, box{p.x(i) - p.step/2, p.frame.y0, p.x(i) + p.step/2, p.frame.y1})
		}
	}
	p.hatch(areas, InkGrid)
}

// runs calls f for each stretch of months [from, to) of which all have what is
// asked.
func (p *trendPlot) runs(has func(TrendMonth) bool, f func(from, to int)) {
	from := -1
	for i := 0; i <= len(p.in.Months); i++ {
		in := i < len(p.in.Months) && has(p.in.Months[i])
		switch {
		case in && from < 0:
			from = i
		case !in && from >= 0:
			f(from, i)
			from = -1
		}
	}
}

// band draws from proven to possible as a column of each month: between months
// there is nothing that could be proven.
func (p *trendPlot) band() {
	var rings [][]Point
	for i, m := range p.in.Months {
		if m.Total <= 0 || m.Proven == nil || m.Possible == nil {
			continue
		}
		half := min(0.32*p.step, 1.4*p.em)
		lo, hi := float64(*m.Proven)/float64(m.Total), float64(*m.Possible)/float64(m.Total)
		top, bottom := p.y.at(min(1, hi)), p.y.at(max(0, lo))
		if bottom-top > 0.01 {
			rings = append(rings, box{p.x(i) - half, top, p.x(i) + half, bottom}.ring())
		}
	}
	p.fill(InkAccentSoft, rings...)
	var edges [][]Point
	for _, r := range rings {
		edges = append(edges, r[:2], r[2:])
	}
	p.lines(edges, Stroke{Ink: InkAccentMid, Width: 1})
}

// rate draws the line and its points, with the value beside each where there
// is room.
func (p *trendPlot) rate(taken []box) {
	has := func(m TrendMonth) bool { _, ok := m.rate(); return ok }
	var parts [][]Point
	p.runs(has, func(from, to int) {
		var part []Point
		for i := from; i < to; i++ {
			v, _ := p.in.Months[i].rate()
			part = append(part, Point{p.x(i), p.y.at(v)})
		}
		if len(part) > 1 {
			parts = append(parts, part)
		}
	})
	p.lines(parts, Stroke{Ink: InkAccent, Width: 1.5})
	r := 0.36 * p.em
	for i, m := range p.in.Months {
		v, ok := m.rate()
		if !ok {
			continue
		}
		x, y := p.x(i), p.y.at(v)
		p.point(m.Met, x, y, r)
		words := sided(100*v, p.in.Decimals, func(v float64) bool { return m.Target == nil || v >= 100**m.Target })
		taken = p.value(words, x, y, r, taken)
	}
}

// point is filled where the target is met and hollow where it is not.
func (p *trendPlot) point(met *bool, x, y, r float64) {
	switch {
	case met == nil:
		p.add(Circle{Center: Point{x, y}, Radius: 0.8 * r, Fill: InkAccent})
	case *met:
		p.verdict(Compliant, x, y, r)
	default:
		p.verdict(NonCompliant, x, y, r)
	}
}

func (p *trendPlot) items() []item {
	var items []item
	add := func(words string, draw func(x, y float64)) {
		if words != "" {
			items = append(items, item{draw, words})
		}
	}
	e, r := p.em, 0.36*p.em
	add(p.in.RateLabel, func(x, y float64) { p.line(x-e, y, x+e, y, Stroke{Ink: InkAccent, Width: 1.5}) })
	add(p.in.MetLabel, func(x, y float64) { p.point(new(true), x, y, r) })
	add(p.in.MissedLabel, func(x, y float64) { p.point(new(false), x, y, r) })
	add(p.in.BandLabel, func(x, y float64) {
		b := box{x - 0.6*e, y - 0.45*e, x + 0.6*e, y + 0.45*e}
		p.fill(InkAccentSoft, b.ring())
		p.lines([][]Point{b.ring()[:2], b.ring()[2:]}, Stroke{Ink: InkAccentMid, Width: 1})
	})
	add(p.in.TargetLabel, func(x, y float64) {
		p.line(x-e, y, x+e, y, Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed})
	})
	add(p.in.NoDataLabel, func(x, y float64) { p.hatch([]box{{x - e, y - 0.5*e, x + e, y + 0.5*e}}, InkFrame) })
	return items
}
