package chart

import (
	"cmp"
	"math"
	"slices"
)

// Ranked is the ratio of every pair, the best at the top, with the interval
// around it and the limit as a line through all.
type Ranked struct {
	Size
	Caption
	Rows     []RankedRow // in any order; of equal ones the first stays first
	Limit    float64
	Decimals int // of ratios

	AxisLabel      string // such as "ratio to the theoretical RTT"
	LimitLabel     string // such as "limit 1.5"
	UnboundedLabel string // in place of a ratio, such as "∞"; short
	NoRatioLabel   string // over the pairs that have none
	IntervalLabel  string // of the legend; empty if no row has one
	BeyondLabel    string // of the legend: what an arrow means
	Verdicts       VerdictWords
}

// RankedRow is a pair. The ratio may be nil and the interval not, where only
// bounds are known. With neither, and not unbounded, there is no ratio at all:
// Note then stands in the row.
type RankedRow struct {
	A, B                        string
	Ratio, Low, High            *float64 // times; the interval may be absent
	LowUnbounded, HighUnbounded bool
	Unbounded                   bool
	Verdict                     Verdict
	Note                        string
}

// place gives where the verdict of a row stands: at the ratio, at the bound that
// decides, or in the midst of bounds that leave it open.
func (r RankedRow) place() (float64, bool) {
	if v, ok := known(r.Ratio); ok {
		return v, true
	}
	low, hasLow := known(r.Low)
	high, hasHigh := known(r.High)
	switch {
	case r.Unbounded || !hasLow && !hasHigh:
		return 0, false
	case !hasHigh || hasLow && r.Verdict == NonCompliant:
		return low, true
	case !hasLow || r.Verdict == Compliant:
		return high, true
	}
	return (low + high) / 2, true
}

// rank orders rows: those with a ratio, then the unbounded, then the rest.
func (r RankedRow) rank() int {
	if _, ok := r.place(); ok {
		return 0
	}
	if r.Unbounded {
		return 1
	}
	return 2
}

// rankedPlot is where the rows of a figure lie.
type rankedPlot struct {
	*canvas
	in          Ranked
	labels      float64 // right end of the names
	x           scale
	row         float64
	top, bottom float64
}

// Figure draws the ranking. Its axis begins at 1, or below the least value, and
// ends at most twice as far above 1 as the limit, so that one bad pair does not
// press all others together; what lies beyond is an arrow at the right edge,
// with its value still beside it.
func (in Ranked) Figure() Figure { return in.Figures(max(1, len(in.Rows)))[0] }

// Figures draws the ranking on several pages of at most so many rows, all with
// the same axis. There is always one.
func (in Ranked) Figures(perPage int) []Figure {
	in.Rows = slices.Clone(in.Rows)
	slices.SortStableFunc(in.Rows, func(a, b RankedRow) int {
		va, _ := a.place()
		vb, _ := b.place()
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(va, vb))
	})
	if len(in.Rows) == 0 {
		return []Figure{in.page(nil)}
	}
	var all []Figure
	for rows := range slices.Chunk(in.Rows, max(1, perPage)) {
		all = append(all, in.page(rows))
	}
	return all
}

func (in Ranked) page(rows []RankedRow) Figure {
	p := in.plan()
	first := slices.IndexFunc(rows, func(r RankedRow) bool { return r.rank() == 2 })
	if first < 0 {
		first = len(rows)
	}
	y := 0.0
	if first > 0 || len(rows) == 0 {
		p.bottom = p.top + float64(max(1, first))*p.row
		p.grid(first)
		for i, r := range rows[:first] {
			p.drawRow(r, p.top+(float64(i)+0.5)*p.row)
		}
		y = p.axis()
	}
	y = p.without(rows[first:], y)
	items := p.verdictItems(in.Verdicts)
	if in.IntervalLabel != "" {
		items = append(items, item{func(x, y float64) { p.interval(InkText, x-p.em, x+p.em, y, true, true) }, in.IntervalLabel})
	}
	if in.BeyondLabel != "" {
		items = append(items, item{func(x, y float64) { p.arrow(InkText, x+0.4*p.em, y, 0.36*p.em) }, in.BeyondLabel})
	}
	y = p.legend(items, 0, y+0.4*p.em)
	return p.figure(y, in.Caption)
}

// plan is of all rows, also those of other pages.
func (in Ranked) plan() *rankedPlot {
	p := &rankedPlot{canvas: newCanvas(in.Size), in: in}
	p.row = 1.4 * p.em
	for _, r := range in.Rows {
		p.labels = max(p.labels, TextWidth(pairLabel(r.A, r.B, p.em, 0.42*p.width), p.em, false))
	}
	values := TextWidth(in.UnboundedLabel, p.em, false)
	for _, r := range in.Rows {
		values = max(values, TextWidth(p.value(r), p.em, false))
	}
	values = min(values, 0.2*p.width)
	lo, hi := in.span()
	p.x = scale{lo, hi, p.labels + 1.2*p.em, p.width - values - 1.2*p.em}
	p.top = 3 * p.em
	return p
}

// span is what the axis shows.
func (in Ranked) span() (lo, hi float64) {
	lo, hi = 1, in.Limit+0.1*math.Abs(in.Limit-1)
	furthest := in.Limit + math.Abs(in.Limit-1)
	for _, r := range in.Rows {
		for _, p := range []*float64{r.Ratio, r.Low, r.High} {
			if v, ok := known(p); ok {
				lo, hi = max(0, min(lo, v)), max(hi, min(v, furthest))
			}
		}
	}
	step, _ := roundStep((hi - lo) / 10)
	return math.Floor(lo/step+1e-9) * step, math.Ceil(hi/step-1e-9) * step
}

func (p *rankedPlot) value(r RankedRow) string {
	if v, ok := known(r.Ratio); ok {
		return ratioText(v, p.in.Limit, p.in.Decimals)
	}
	if r.Unbounded {
		return p.in.UnboundedLabel
	}
	v, ok := r.place()
	write := func(v float64) string { return ratioText(v, p.in.Limit, p.in.Decimals) }
	switch {
	case !ok:
		return ""
	case r.Low != nil && v == *r.Low:
		return "≥" + write(v)
	case r.High != nil && v == *r.High:
		return "≤" + write(v)
	}
	return write(*r.Low) + "–" + write(*r.High)
}

// grid draws what lies behind the rows: ticks, and a faint line after each five.
func (p *rankedPlot) grid(rows int) {
	var behind [][]Point
	values, _ := p.x.ticks(p.em)
	for _, v := range values {
		behind = append(behind, []Point{{p.x.at(v), p.top}, {p.x.at(v), p.bottom}})
	}
	for i := 5; i < rows; i += 5 {
		y := p.top + float64(i)*p.row
		behind = append(behind, []Point{{0, y}, {p.width, y}})
	}
	p.lines(behind, Stroke{Ink: InkGrid, Width: 0.6})
	at := p.x.at(p.in.Limit)
	p.line(at, p.top-0.2*p.em, at, p.bottom, Stroke{Ink: InkLimit, Width: 1.2, Dash: Dashed})
	p.text(at, p.top-1.75*p.em, p.in.LimitLabel, Middle, InkLimit)
}

// axis writes the values above and, of long figures, below the rows.
func (p *rankedPlot) axis() float64 {
	values, decimals := p.x.ticks(p.em)
	baselines := []float64{p.top - 0.5*p.em}
	if p.bottom-p.top > 20*p.row {
		baselines = append(baselines, p.bottom+1.2*p.em)
	}
	var frame [][]Point
	for i, y := range baselines {
		for _, v := range values {
			p.text(p.x.at(v), y, decimal(v, decimals), Middle, InkFaint)
		}
		edge := []float64{p.top, p.bottom}[i]
		frame = append(frame, []Point{{p.x.from, edge}, {p.x.to, edge}})
	}
	p.lines(frame, Stroke{Ink: InkFrame, Width: 0.8})
	y := baselines[len(baselines)-1]
	if len(baselines) == 1 {
		y = p.bottom
	}
	p.text(p.x.from, y+1.4*p.em, p.in.AxisLabel, Start, InkFaint)
	return y + 2*p.em
}

func (p *rankedPlot) name(r RankedRow, y float64) {
	p.text(p.labels, y+0.35*p.em, pairLabel(r.A, r.B, p.em, p.labels+0.01), End, InkText)
}

func (p *rankedPlot) drawRow(r RankedRow, y float64) {
	p.name(r, y)
	p.text(p.width, y+0.35*p.em, fit(p.value(r), p.em, p.width-p.x.to-0.5*p.em), End, InkText)
	ink, _ := r.Verdict.inks()
	size := 0.33 * p.em
	v, ok := r.place()
	low, hasLow := known(r.Low)
	high, hasHigh := known(r.High)
	beyond := !ok || v > p.x.hi
	if !hasLow && (r.LowUnbounded || beyond) {
		low, hasLow = p.x.hi, true
	}
	if !hasHigh && (r.HighUnbounded || beyond) {
		high, hasHigh = math.Inf(1), true
	}
	if hasLow && hasHigh {
		from := max(p.x.from, min(p.x.at(low), p.x.to-5*size))
		p.interval(ink, from, max(p.x.from, min(p.x.at(high), p.x.to)), y, low <= p.x.hi && r.Low != nil, high <= p.x.hi)
		if high > p.x.hi {
			p.arrow(ink, p.x.to, y, size)
		}
	}
	at := p.x.to - 4*size
	if !beyond {
		at = max(p.x.from, min(p.x.at(v), p.x.to))
	}
	p.verdict(r.Verdict, at, y, size)
}

// interval is a bar from low to high with an end where it does end.
func (p *rankedPlot) interval(ink Ink, from, to, y float64, low, high bool) {
	parts := [][]Point{{{from, y}, {to, y}}}
	end := 0.22 * p.em
	if low {
		parts = append(parts, []Point{{from, y - end}, {from, y + end}})
	}
	if high {
		parts = append(parts, []Point{{to, y - end}, {to, y + end}})
	}
	p.lines(parts, Stroke{Ink: ink, Width: 1})
}

// without lists the pairs that have no ratio.
func (p *rankedPlot) without(rows []RankedRow, y float64) float64 {
	if len(rows) == 0 {
		return y
	}
	if y > 0 {
		y += 0.6 * p.em
		p.line(0, y, p.width, y, Stroke{Ink: InkGrid, Width: 0.6})
		y += 0.3 * p.em
	}
	y += 1.1 * p.em
	p.text(0, y, p.in.NoRatioLabel, Start, InkFaint)
	y += 0.5 * p.em
	for _, r := range rows {
		p.name(r, y+p.row/2)
		p.verdict(r.Verdict, p.x.from+0.5*p.em, y+p.row/2, 0.33*p.em)
		x := p.x.from + 1.6*p.em
		p.text(x, y+p.row/2+0.35*p.em, fit(r.Note, p.em, p.width-x), Start, InkFaint)
		y += p.row
	}
	return y + 0.3*p.em
}
