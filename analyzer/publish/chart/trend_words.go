package chart

import (
	"fmt"
	"math"
)

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
				w := TextWidth(words, p.em, false)
				at := box{x0: min(p.x(i)-p.step/2+0.3*p.em, p.width-w)}
				at.x1 = at.x0 + w
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

// value writes a rate above its point, or below where that is taken or the line
// of the target would go through it.
func (p *trendPlot) value(words string, x, y, r float64, taken []box) []box {
	half := TextWidth(words, p.em, false) / 2
	month := int(math.Round((x-p.frame.x0)/p.step - 0.5))
	x = min(max(x, p.frame.x0+half), p.width-half)
	if 2*half > p.step-0.2*p.em && len(p.in.Months) > 1 {
		// Not every month has room: the first and the last, and every so many.
		if every := int(math.Ceil((2*half + 0.4*p.em) / p.step)); (len(p.in.Months)-1-month)%every != 0 {
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

// months writes the numbers of the months, and the year under its first.
func (p *trendPlot) months() float64 {
	y := p.frame.y1 + 1.5*p.em
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
