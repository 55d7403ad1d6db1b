package chart

import (
	"fmt"
	"math"
)

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
	p.frame = box{left, 2.2 * p.em, p.width - 0.5*p.em, 2.2*p.em + min(24*p.em, max(14*p.em, 0.36*p.width))}
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

// targets draws the steps of the target, and writes each over its beginning.
// It gives where these words are.
func (p *trendPlot) targets() []box {
	var parts [][]Point
	var taken []box
	p.runs(func(m TrendMonth) bool { return m.Target != nil }, func(from, to int) {
		var part []Point
		for i := from; i < to; i++ {
			y := p.y.at(min(1, max(0, *p.in.Months[i].Target)))
			if i == from || *p.in.Months[i].Target != *p.in.Months[i-1].Target {
				words := share(*p.in.Months[i].Target)
				at := box{p.x(i) - p.step/2 + 0.3*p.em, 0, 0, 0}
				at.x1 = at.x0 + TextWidth(words, p.em, false)
				at.y1, at.y0 = y-0.1*p.em, y-1.3*p.em
				if free(at, taken) {
					p.text(at.x0, y-0.4*p.em, words, Start, InkLimit)
					taken = append(taken, at)
				}
			}
			part = append(part, Point{p.x(i) - p.step/2, y}, Point{p.x(i) + p.step/2, y})
		}
		parts = append(parts, part)
	})
	p.lines(parts, Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed})
	return taken
}

func free(b box, taken []box) bool {
	for _, t := range taken {
		if b.overlaps(t) {
			return false
		}
	}
	return true
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

// value writes a rate above its point, or below where that is taken or the line
// of the target would go through it.
func (p *trendPlot) value(words string, x, y, r float64, taken []box) []box {
	half := TextWidth(words, p.em, false) / 2
	if 2*half > p.step-0.2*p.em && len(p.in.Months) > 1 {
		// Not every month has room: the first and the last, and every so many.
		if i, every := int(math.Round((x-p.frame.x0)/p.step-0.5)), int(math.Ceil((2*half+0.4*p.em)/p.step)); (len(p.in.Months)-1-i)%every != 0 {
			return taken
		}
	}
	best := box{}
	for _, baseline := range []float64{y - r - 0.45*p.em, y + r + 1.05*p.em, y - r - 1.6*p.em, y + r + 2.2*p.em} {
		at := box{x - half, baseline - ascent*p.em, x + half, baseline + descent*p.em}
		if at.y1 > p.frame.y1 || at.y0 < p.em*1.3 || !free(at, taken) {
			continue
		}
		if best == (box{}) || p.crossed(best) && !p.crossed(at) {
			best = at
		}
	}
	if best == (box{}) {
		return taken
	}
	p.text(x, best.y1-descent*p.em, words, Middle, InkText)
	return append(taken, best)
}

// crossed says whether the line of a target or the edge of a band goes through a
// place.
func (p *trendPlot) crossed(b box) bool {
	for i, m := range p.in.Months {
		if p.x(i)+p.step/2 < b.x0 || p.x(i)-p.step/2 > b.x1 {
			continue
		}
		var edges []float64
		if m.Target != nil {
			edges = append(edges, *m.Target)
		}
		if m.Total > 0 && m.Proven != nil && m.Possible != nil {
			edges = append(edges, float64(*m.Proven)/float64(m.Total), float64(*m.Possible)/float64(m.Total))
		}
		for _, edge := range edges {
			if y := p.y.at(edge); y > b.y0 && y < b.y1 {
				return true
			}
		}
	}
	return false
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

// months writes the numbers of the months, and the year under its first.
func (p *trendPlot) months() float64 {
	y := p.frame.y1 + 1.2*p.em
	every := 1
	for _, m := range p.in.Months {
		for float64(every)*p.step < TextWidth(fmt.Sprint(m.Month), p.em, false)+0.4*p.em && every < len(p.in.Months) {
			every++
		}
	}
	right := -1.0
	var ticks [][]Point
	for i, m := range p.in.Months {
		if (len(p.in.Months)-1-i)%every == 0 {
			p.text(p.x(i), y, fmt.Sprint(m.Month), Middle, InkFaint)
		}
		if i > 0 && m.Year == p.in.Months[i-1].Year {
			continue
		}
		x := p.x(i) - p.step/2
		if i > 0 {
			ticks = append(ticks, []Point{{x, p.frame.y1}, {x, y + 1.3*p.em}})
		}
		if words := fmt.Sprint(m.Year); x+0.4*p.em > right {
			p.text(x+0.4*p.em, y+1.2*p.em, words, Start, InkText)
			right = min(x+0.4*p.em, p.width-TextWidth(words, p.em, false)) + TextWidth(words, p.em, false)
		}
	}
	p.lines(ticks, Stroke{Ink: InkFrame, Width: 0.6})
	return y + 1.6*p.em
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
