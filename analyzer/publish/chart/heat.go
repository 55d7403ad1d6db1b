package chart

import "fmt"

// Heat is the share of packets above the limit by hour and day: days from left
// to right, as time goes, and hours from the top, so that a bad time of day is
// a row and a bad day a column.
type Heat struct {
	Size
	Caption
	Days  []HeatDay
	Steps []float64 // upper ends of the steps above 0, at most five, ascending; nil: 1, 5, 20, 50, 100 %
	Name  string    // above the map; empty: none

	WithoutLegend bool // of small multiples, which have one together

	DayLabel    string // such as "day of October 2026"
	HourLabel   string // such as "hour"
	ShareLabel  string // of the legend, such as "packets above the limit"
	NoDataLabel string
}

// HeatDay is a day; its label is short, such as "17".
type HeatDay struct {
	Label  string
	Shares [24]*float64 // 0 to 1; nil: no data
}

var heatInks = [...]Ink{InkHeat0, InkHeat1, InkHeat2, InkHeat3, InkHeat4, InkHeat5}

// The first step is nothing at all; one ends at 5 %, of which a p95 is made.
var heatSteps = []float64{0.01, 0.05, 0.2, 0.5, 1}

type heatPlot struct {
	*canvas
	in    Heat
	frame box
	cell  struct{ w, h float64 }
}

// Figure draws the map. Where there is no data it is hatched.
func (in Heat) Figure() Figure {
	p := in.plot()
	above := 0.8 * p.em
	if in.Name != "" {
		p.add(Text{At: Point{0, p.em}, Words: fit(in.Name, p.em*bolder, p.width), SizePT: p.em, Bold: true, Ink: InkText})
		above = 1.9 * p.em
	}
	left := max(TextWidth("24", p.em, false), min(TextWidth(in.HourLabel, p.em, false), 0.15*p.width)) + 0.7*p.em
	days := float64(max(1, len(in.Days)))
	p.cell.w = min((p.width-left-0.5)/days, 3.2*p.em)
	p.cell.h = max(0.72*p.em, min(p.cell.w*0.62, 1.1*p.em))
	p.frame = box{left, above, left + p.cell.w*days, above + 24*p.cell.h}
	p.cells()
	p.net()
	y := p.labels()
	if !in.WithoutLegend {
		y = p.legend(p.items(), 0, y+0.3*p.em)
	}
	return p.figure(y, in.Caption)
}

// Legend is a figure of the legend alone, for maps without.
func (in Heat) Legend() Figure {
	p := in.plot()
	return p.figure(p.legend(p.items(), 0, 0), in.Caption)
}

func (in Heat) plot() *heatPlot {
	if len(in.Steps) == 0 || len(in.Steps) >= len(heatInks) {
		in.Steps = heatSteps
	}
	return &heatPlot{canvas: newCanvas(in.Size), in: in}
}

// step of a share; -1 without data.
func (p *heatPlot) step(day, hour int) int {
	v, ok := known(p.in.Days[day].Shares[hour])
	switch {
	case !ok:
		return -1
	case v <= 0:
		return 0
	}
	for i, end := range p.in.Steps {
		if v <= end {
			return i + 1
		}
	}
	return len(p.in.Steps)
}

// cells draws each step as one mark.
func (p *heatPlot) cells() {
	for step := -1; step <= len(p.in.Steps); step++ {
		areas := p.areas(step)
		if step < 0 {
			p.hatch(areas, InkFrame)
			continue
		}
		var rings [][]Point
		for _, a := range areas {
			rings = append(rings, a.ring())
		}
		p.fill(heatInks[step], rings...)
	}
}

// areas of a step: runs of hours of a day, joined with the same of the next
// days. So a quiet month is a few rectangles and not 744.
func (p *heatPlot) areas(step int) []box {
	var done []box
	open := map[[2]int]int{} // run of hours → its area in done
	for day := range p.in.Days {
		next := map[[2]int]int{}
		for from := 0; from < 24; from++ {
			if p.step(day, from) != step {
				continue
			}
			to := from
			for to < 24 && p.step(day, to) == step {
				to++
			}
			run := [2]int{from, to}
			i, ok := open[run]
			if !ok {
				i = len(done)
				done = append(done, box{p.x(day), p.y(from), 0, p.y(to)})
			}
			done[i].x1 = p.x(day + 1)
			next[run] = i
			from = to
		}
		open = next
	}
	return done
}

func (p *heatPlot) x(day int) float64  { return p.frame.x0 + float64(day)*p.cell.w }
func (p *heatPlot) y(hour int) float64 { return p.frame.y0 + float64(hour)*p.cell.h }

// net divides the cells, every sixth hour more.
func (p *heatPlot) net() {
	var thin, thick [][]Point
	for hour := 1; hour < 24; hour++ {
		line := []Point{{p.frame.x0, p.y(hour)}, {p.frame.x1, p.y(hour)}}
		if hour%6 == 0 {
			thick = append(thick, line)
		} else {
			thin = append(thin, line)
		}
	}
	for day := 1; day < len(p.in.Days); day++ {
		thin = append(thin, []Point{{p.x(day), p.frame.y0}, {p.x(day), p.frame.y1}})
	}
	p.lines(thin, Stroke{Ink: InkPaper, Width: 0.5})
	p.lines(thick, Stroke{Ink: InkPaper, Width: 1.2})
	p.add(Path{Parts: [][]Point{p.frame.ring()}, Closed: true, Stroke: Stroke{Ink: InkFrame, Width: 0.6}})
}

// labels stand at the beginnings of the hours, and under the days.
func (p *heatPlot) labels() float64 {
	for hour := 0; hour <= 24; hour += 6 {
		y := p.y(hour) + 0.35*p.em
		p.text(p.frame.x0-0.5*p.em, y, fmt.Sprintf("%02d", hour), End, InkFaint)
	}
	p.text(p.frame.x0-0.5*p.em, p.y(3)+0.35*p.em, fit(p.in.HourLabel, p.em, p.frame.x0-0.5*p.em), End, InkFaint)
	labels := make([]string, len(p.in.Days))
	for i, d := range p.in.Days {
		labels[i] = d.Label
	}
	y := p.frame.y1 + 1.5*p.em
	p.under(labels, p.frame.x0, p.cell.w, y)
	p.text(p.frame.x0, y+1.3*p.em, p.in.DayLabel, Start, InkFaint)
	if p.in.DayLabel != "" {
		y += 1.3 * p.em
	}
	return y + 0.4*p.em
}

// items of the legend: what is counted, then the steps from 0 up.
func (p *heatPlot) items() []item {
	key := func(fill func(b box)) func(x, y float64) {
		return func(x, y float64) {
			b := box{x - 0.7*p.em, y - 0.5*p.em, x + 0.9*p.em, y + 0.5*p.em}
			fill(b)
			p.add(Path{Parts: [][]Point{b.ring()}, Closed: true, Stroke: Stroke{Ink: InkFrame, Width: 0.6}})
		}
	}
	var items []item
	for i := range len(p.in.Steps) + 1 {
		words := "0"
		if i == 1 {
			words = "≤ " + share(p.in.Steps[0])
		} else if i > 1 {
			words = share(p.in.Steps[i-2])[:len(share(p.in.Steps[i-2]))-1] + "–" + share(p.in.Steps[i-1])
		}
		items = append(items, item{key(func(b box) { p.fill(heatInks[i], b.ring()) }), words})
	}
	if p.in.NoDataLabel != "" {
		items = append(items, item{key(func(b box) { p.hatch([]box{b}, InkFrame) }), p.in.NoDataLabel})
	}
	if p.in.ShareLabel != "" {
		items = append([]item{{nil, p.in.ShareLabel}}, items...)
	}
	return items
}
