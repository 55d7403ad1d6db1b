package chart

import (
	"math"
	"slices"
)

// Bands is how the RTT of one link lay day by day: from the shortest to the
// 99th percentile, with the 95th as a line against the limit. A day is a step
// and not a point of a curve: between two days there is nothing.
type Bands struct {
	Size
	Caption
	Days    []BandDay
	LimitUS float64 // 0: none

	AxisLabel   string // such as "RTT, ms"
	P95Label    string // of the legend, as are the next; left out are empty ones, and what does not occur
	P50Label    string
	InnerLabel  string // the band from p50 to p95
	OuterLabel  string // the band from the shortest to p99
	LimitLabel  string
	BeyondLabel string // p95 is endless or above the axis
	NoDataLabel string
}

// BandDay is a day; its label is short. A day without a minimum has no data. A
// percentile that is nil then is endless: too many packets were lost.
type BandDay struct {
	Label                      string
	MinUS, P50US, P95US, P99US *float64
}

type bandsPlot struct {
	*canvas
	in    Bands
	frame box
	step  float64
	y     scale // of ms
}

// Figure draws the bands. The axis begins near the shortest RTT and not at 0:
// most of an RTT is light in fibre, and what varies would not be seen.
func (in Bands) Figure() Figure {
	p := &bandsPlot{canvas: newCanvas(in.Size), in: in}
	lo, hi := p.span()
	top := 2.2 * p.em
	height := min(18*p.em, max(10*p.em, 0.3*p.width))
	values, decimals := ticks(lo, hi, int(height/(2.4*p.em)))
	left := 0.0
	for _, v := range values {
		left = max(left, TextWidth(decimal(v, decimals), p.em, false)+0.7*p.em)
	}
	p.frame = box{left, top, p.width - 0.5, top + height}
	p.y = scale{lo, hi, p.frame.y1, p.frame.y0}
	p.step = (p.frame.x1 - p.frame.x0) / float64(max(1, len(in.Days)))
	p.text(0, p.em, in.AxisLabel, Start, InkFaint)
	p.gaps()
	p.bands()
	p.grid(values, decimals)
	p.lines(p.percentile(func(d BandDay) *float64 { return d.P50US }), Stroke{Ink: InkAccent, Width: 0.8})
	p.lines(p.percentile(func(d BandDay) *float64 { return d.P95US }), Stroke{Ink: InkAccent, Width: 1.6})
	p.beyond()
	if in.LimitUS > 0 {
		y := p.y.at(in.LimitUS / 1e3)
		p.line(p.frame.x0, y, p.frame.x1, y, Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed})
	}
	y := p.days()
	y = p.legend(p.items(), 0, y+0.3*p.em)
	return p.figure(y, in.Caption)
}

// span holds the limit, every minimum and median, of the tail as much again.
func (p *bandsPlot) span() (lo, hi float64) {
	lo, hi, furthest := math.Inf(1), math.Inf(-1), math.Inf(-1)
	see := func(us float64) { lo, hi = min(lo, us/1e3), max(hi, us/1e3) }
	if p.in.LimitUS > 0 {
		see(p.in.LimitUS)
	}
	for _, d := range p.in.Days {
		shortest, ok := known(d.MinUS)
		if !ok {
			continue
		}
		see(shortest)
		if v, ok := known(d.P50US); ok {
			see(v)
		}
		for _, tail := range []*float64{d.P95US, d.P99US} {
			if v, ok := known(tail); ok {
				lo, furthest = min(lo, v/1e3), max(furthest, v/1e3)
			}
		}
	}
	if math.IsInf(lo, 0) {
		return 0, 1
	}
	width := max(hi-lo, 0.02*hi, 0.01)
	return max(0, lo-0.05*width), max(hi+0.1*width, min(furthest+0.05*width, hi+width))
}

// x is where a day begins.
func (p *bandsPlot) x(day int) float64 { return p.frame.x0 + float64(day)*p.step }

// level is the height of an RTT, endless ones and those above at the top.
func (p *bandsPlot) level(us *float64) float64 {
	v, ok := known(us)
	if !ok {
		return p.frame.y0
	}
	return min(max(p.y.at(v/1e3), p.frame.y0), p.frame.y1)
}

func (d BandDay) empty() bool {
	_, ok := known(d.MinUS)
	return !ok
}

func (p *bandsPlot) gaps() {
	var areas []box
	for i, d := range p.in.Days {
		switch n := len(areas); {
		case !d.empty():
		case n > 0 && i > 0 && p.in.Days[i-1].empty():
			areas[n-1].x1 = p.x(i + 1)
		default:
			areas = append(areas, box{p.x(i), p.frame.y0, p.x(i + 1), p.frame.y1})
		}
	}
	p.hatch(areas, InkGrid)
}

// bands are the columns of the days: all to p99, and within these p50 to p95.
func (p *bandsPlot) bands() {
	var wide, narrow [][]Point
	for i, d := range p.in.Days {
		if !d.empty() {
			wide = append(wide, box{p.x(i), p.level(d.P99US), p.x(i + 1), p.level(d.MinUS)}.ring())
			narrow = append(narrow, box{p.x(i), p.level(d.P95US), p.x(i + 1), p.level(d.P50US)}.ring())
		}
	}
	p.fill(InkAccentSoft, wide...)
	p.fill(InkAccentMid, narrow...)
}

// percentile gives its steps, broken where a day has none.
func (p *bandsPlot) percentile(of func(BandDay) *float64) [][]Point {
	var parts [][]Point
	joined := false
	for i, d := range p.in.Days {
		v, ok := known(of(d))
		if !ok || d.empty() || p.y.at(v/1e3) < p.frame.y0 {
			joined = false
			continue
		}
		y := p.y.at(v / 1e3)
		if !joined {
			parts = append(parts, nil)
		}
		last := &parts[len(parts)-1]
		*last = append(*last, Point{p.x(i), y}, Point{p.x(i + 1), y})
		joined = true
	}
	return parts
}

// beyond marks the days whose p95 is not on the axis.
func (p *bandsPlot) beyond() {
	r := min(0.36*p.em, 0.4*p.step)
	var heads [][]Point
	for i, d := range p.in.Days {
		if p.isBeyond(d) {
			heads = append(heads, p.head(p.x(i)+p.step/2, p.frame.y0, r))
		}
	}
	p.fill(InkNonCompliant, heads...)
}

func (p *bandsPlot) isBeyond(d BandDay) bool {
	v, ok := known(d.P95US)
	return !d.empty() && (!ok || v/1e3 > p.y.hi)
}

// head of an arrow that points up to y.
func (p *bandsPlot) head(x, y, r float64) []Point {
	return []Point{{x, y}, {x + r, y + 1.8*r}, {x - r, y + 1.8*r}}
}

func (p *bandsPlot) grid(values []float64, decimals int) {
	var lines [][]Point
	for _, v := range values {
		y := p.y.at(v)
		p.text(p.frame.x0-0.7*p.em, y+0.35*p.em, decimal(v, decimals), End, InkFaint)
		lines = append(lines, []Point{{p.frame.x0, y}, {p.frame.x1, y}})
	}
	p.lines(lines, Stroke{Ink: InkGrid, Width: 0.5})
	p.line(p.frame.x0, p.frame.y1, p.frame.x1, p.frame.y1, Stroke{Ink: InkFrame, Width: 0.8})
}

func (p *bandsPlot) days() float64 {
	labels := make([]string, len(p.in.Days))
	for i, d := range p.in.Days {
		labels[i] = d.Label
	}
	y := p.frame.y1 + 1.5*p.em
	p.under(labels, p.frame.x0, p.step, y)
	return y + 0.3*p.em
}

func (p *bandsPlot) items() []item {
	var items []item
	add := func(words string, draw func(x, y float64)) {
		if words != "" {
			items = append(items, item{draw, words})
		}
	}
	e := p.em
	area := func(ink Ink) func(x, y float64) {
		return func(x, y float64) { p.fill(ink, box{x - 0.8*e, y - 0.45*e, x + 0.8*e, y + 0.45*e}.ring()) }
	}
	line := func(s Stroke) func(x, y float64) {
		return func(x, y float64) { p.line(x-e, y, x+e, y, s) }
	}
	add(p.in.P95Label, line(Stroke{Ink: InkAccent, Width: 1.6}))
	add(p.in.P50Label, line(Stroke{Ink: InkAccent, Width: 0.8}))
	add(p.in.InnerLabel, area(InkAccentMid))
	add(p.in.OuterLabel, area(InkAccentSoft))
	add(p.in.LimitLabel, line(Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed}))
	if slices.ContainsFunc(p.in.Days, p.isBeyond) {
		add(p.in.BeyondLabel, func(x, y float64) { p.fill(InkNonCompliant, p.head(x, y-0.36*e, 0.36*e)) })
	}
	if !slices.ContainsFunc(p.in.Days, BandDay.empty) {
		return items
	}
	add(p.in.NoDataLabel, func(x, y float64) { p.hatch([]box{{x - e, y - 0.5*e, x + e, y + 0.5*e}}, InkFrame) })
	return items
}
