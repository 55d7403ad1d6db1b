// Package series gives what links measured over a time, in steps that can be
// drawn: of days and hours from the day records, of windows from the store. The
// result is in the form of package api.
//
// No statistic is made of statistics: where several steps make one point, their
// packets are put together first.
package series

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Step is how long a point is, unless several are merged.
type Step string

// Steps. A window is as long as the test says.
const (
	Window Step = "window"
	Hour   Step = "hour"
	Day    Step = "day"
)

// Steps lists all of them.
func Steps() []Step { return []Step{Window, Hour, Day} }

// Longest is the longest time for which a step is answered: what has to be read
// grows with it.
func (s Step) Longest() time.Duration {
	switch s {
	case Window:
		return 8 * 24 * time.Hour
	case Hour:
		return 400 * 24 * time.Hour
	}
	return 3700 * 24 * time.Hour
}

// StepFor is the step that suits a time.
func StepFor(length time.Duration) Step {
	switch {
	case length <= 26*time.Hour:
		return Window
	case length <= 40*24*time.Hour:
		return Hour
	}
	return Day
}

// Source is where meshes, windows and day records come from.
type Source struct {
	Meshes report.Meshes
	Policy *policy.Policy
	Store  latency.Source
	Days   latency.Records // nil: all is read from the windows
}

// Query says what is asked for: the steps that begin in the period.
type Query struct {
	Period    report.Period
	Test      string // empty: the one that is judged
	Step      Step
	MaxPoints int // of an end, at least 1
	// Wanted picks the ends.
	Wanted func(src, dst *mesh.Site) bool
}

// TestError says that the mesh has no such test.
type TestError struct {
	Test  string
	Tests []string // that there are
}

func (e *TestError) Error() string {
	return fmt.Sprintf("test %.40q is none of the mesh; there are %q", e.Test, e.Tests)
}

// reading is the state of one answer.
type reading struct {
	Source
	Query
	out  *api.Series
	ends map[[2]string]*end // by site ids
	all  []*end             // in the order in which they were met

	steps int // that were met so far
	first int // number of the first one in the period
}

// end is one series, and the point of it that is being filled.
type end struct {
	api.LinkSeries
	point int // number of the point; -1 before the first
	from  int64
	to    int64
	rtts  *latency.Distribution
	works bool // some packets are excused
}

// Read answers a query.
func Read(ctx context.Context, from Source, q Query) (*api.Series, error) {
	newest, err := from.Meshes.Newest()
	if err != nil {
		return nil, err
	}
	if q.Test, err = testOf(newest, q.Test); err != nil {
		return nil, err
	}
	r := &reading{Source: from, Query: q, ends: map[[2]string]*end{}, out: &api.Series{
		Schema: api.SchemaSeries, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: newest.TimeZone,
		Test: q.Test, Step: string(q.Step), Statistic: string(from.Policy.Measurement.Statistic),
		Judged: q.Test == newest.Judged, Series: []api.LinkSeries{},
	}}
	r.out.Merged = r.merged(newest.Test(q.Test))
	for _, month := range months(q.Period) {
		if err := r.month(ctx, month); err != nil {
			return nil, err
		}
	}
	for _, e := range r.all {
		e.close(q.Period.From.Location())
		r.out.Series = append(r.out.Series, e.LinkSeries)
	}
	return r.out, nil
}

// testOf is the test of a name, and without one that which is judged.
func testOf(m *mesh.Mesh, name string) (string, error) {
	if name == "" {
		return m.Judged, nil
	}
	if m.Test(name) != nil {
		return name, nil
	}
	e := &TestError{Test: name}
	for i := range m.Measure {
		e.Tests = append(e.Tests, m.Measure[i].Name)
	}
	return "", e
}

// merged is how many steps a point has to take.
func (r *reading) merged(test *mesh.Test) int {
	length := r.Period.To.Sub(r.Period.From)
	step := 24 * time.Hour
	switch r.Step {
	case Window:
		step = time.Duration(test.WindowS) * time.Second
	case Hour:
		step = time.Hour
	}
	steps := int((length + step - 1) / step)
	return max(1, (steps+r.MaxPoints-1)/r.MaxPoints)
}

// months cuts a period into calendar months, each to be read by the mesh of its
// time, and makes whole days of the ends, of which there are records.
func months(p report.Period) (parts []report.Span) {
	date := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	end := date(p.To.Add(-time.Millisecond)).AddDate(0, 0, 1)
	for at := date(p.From); at.Before(end); {
		next := time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		if next.After(end) {
			next = end
		}
		parts = append(parts, report.Span{From: at.Format(time.DateOnly), To: next.Format(time.DateOnly)})
		at = next
	}
	return parts
}

// month adds what was measured in a part of a month.
func (r *reading) month(ctx context.Context, part report.Span) error {
	plan, err := r.Meshes.Plan(r.Policy, part.Parse)
	if err != nil {
		return err
	}
	if plan.Period.From.After(time.Now()) {
		return nil
	}
	test := plan.Mesh.Test(r.Test)
	if test == nil {
		return nil // it was not measured then
	}
	// Ends whose distance changes have hours that are cut; all are drawn by
	// those that are not.
	calendar := latency.NewCalendar(plan.Period.From, plan.Period.To)
	if r.steps == 0 {
		r.first = r.before(calendar)
	}
	for _, planned := range plan.Ends(test) {
		if !r.Wanted(planned.Scope.Src, planned.Scope.Dst) {
			continue
		}
		e := r.end(planned)
		r.addLimits(e, planned.Link)
		if r.Step == Window {
			err = r.windows(ctx, plan, planned.Scope, e)
		} else {
			err = r.days(ctx, planned.Scope, calendar, e)
		}
		if err != nil {
			return err
		}
	}
	r.steps += r.stepsOf(calendar)
	return nil
}

// before counts the steps that begin before the period.
func (r *reading) before(c *latency.Calendar) (n int) {
	day := -1
	for _, h := range c.Hours {
		begins := r.Step == Hour || h.Day != day
		if day = h.Day; begins && h.FromMS < r.Period.From.UnixMilli() {
			n++
		}
	}
	return n
}

func (r *reading) stepsOf(c *latency.Calendar) int {
	if r.Step == Hour {
		return len(c.Hours)
	}
	return len(c.Days)
}

func (r *reading) end(planned report.End) *end {
	src, dst := planned.Scope.Src, planned.Scope.Dst
	e := r.ends[[2]string{src.ID, dst.ID}]
	if e == nil {
		e = &end{point: -1, LinkSeries: api.LinkSeries{
			Src: src.ID, Dst: dst.ID, Pair: [2]string{src.Cluster, dst.Cluster}, Carrier: src.Carrier, Plane: string(src.Plane),
			Limits: []api.Limit{}, Points: []api.Point{},
		}}
		r.ends[[2]string{src.ID, dst.ID}] = e
		r.all = append(r.all, e)
	}
	return e
}

// addLimits adds the limits of a part, or prolongs the last one.
func (r *reading) addLimits(e *end, link *report.PlannedLink) {
	light, factor := r.Policy.Theory.Light(), r.Policy.Theory.Factor.Rat()
	for _, s := range link.Stretches {
		from, to := s.From, s.To
		if from.Before(r.Period.From) {
			from = r.Period.From
		}
		if to.After(r.Period.To) {
			to = r.Period.To
		}
		if !from.Before(to) {
			continue
		}
		rtt := light.RouteRTTUS(s.Route)
		limit := api.Limit{
			From: stamp(from), To: stamp(to), DistanceKM: km(s.Route.Meters),
			TheoreticalRTTMS: theory.NearMS(rtt), LimitRTTMS: theory.FloorMS(theory.LimitUS(rtt, factor)),
		}
		if n := len(e.Limits); n > 0 {
			last := limit
			last.From, last.To = e.Limits[n-1].From, e.Limits[n-1].To
			if last == e.Limits[n-1] && last.To == limit.From {
				e.Limits[n-1].To = limit.To
				continue
			}
		}
		e.Limits = append(e.Limits, limit)
	}
}

// days adds days or hours from the records, or the windows where there are none.
func (r *reading) days(ctx context.Context, scope *latency.Scope, calendar *latency.Calendar, e *end) error {
	link, err := latency.Read(ctx, r.Store, r.Days, scope, r.Step == Hour)
	if err != nil {
		return err
	}
	for d, day := range link.Days {
		if len(day.Bins) == 0 {
			continue
		}
		if r.Step == Day {
			first, last := day.Bins[0].FromMS, day.Bins[len(day.Bins)-1].FromMS
			at, _ := calendar.HourAt(last)
			r.add(e, r.steps+d, first, calendar.Hours[at].ToMS, &day.Open, &day.Excused)
			continue
		}
		bins := day.Hours()
		for b := range bins {
			at, _ := calendar.HourAt(bins[b].FromMS)
			hour := calendar.Hours[at]
			r.add(e, r.steps+at, hour.FromMS, hour.ToMS, &bins[b].Open, &bins[b].Excused)
		}
	}
	return nil
}

// add adds a step to its point, if it begins in the period.
func (r *reading) add(e *end, step int, fromMS, toMS int64, shares ...*latency.Share) {
	if fromMS < r.Period.From.UnixMilli() || fromMS >= r.Period.To.UnixMilli() {
		return
	}
	if point := (step - r.first) / r.out.Merged; point != e.point {
		e.close(r.Period.From.Location())
		e.point, e.from = point, fromMS
	}
	e.to = toMS
	for i, share := range shares {
		before := e.packets()
		for _, h := range share.Sources() {
			if e.rtts == nil {
				e.rtts = new(latency.Distribution)
			}
			e.rtts.AddHistogram(h)
		}
		e.works = e.works || i == 1 && e.packets() > before
	}
}

func (e *end) packets() uint64 {
	if e.rtts == nil {
		return 0
	}
	return e.rtts.Packets()
}

// windows adds windows, each in the step in which it starts.
func (r *reading) windows(ctx context.Context, plan *report.Plan, scope *latency.Scope, e *end) error {
	from, to := r.Period.From.UnixMilli(), r.Period.To.UnixMilli()
	step := int64(scope.Test.WindowS) * 1000 * int64(r.out.Merged)
	base := from / step * step
	query := store.Query{
		Src: scope.Src.ID, Dst: scope.Dst.ID, Test: scope.Test.Name,
		FromMS: max(from, plan.Period.From.UnixMilli()), ToMS: min(to, plan.Period.To.UnixMilli()),
	}
	var scratch []uint32
	for record, err := range r.Store.Windows(ctx, query) {
		if err != nil {
			return fmt.Errorf("read windows of %s>%s: %w", scope.Src.ID, scope.Dst.ID, err)
		}
		w := &record.Window
		if w.SrcCluster != scope.Src.Cluster || w.DstCluster != scope.Dst.Cluster || w.Carrier != scope.Src.Carrier || w.Plane != string(scope.Src.Plane) {
			continue // not of what the mesh says is there
		}
		if point := int((w.StartMS - base) / step); point != e.point {
			e.close(r.Period.From.Location())
			e.point, e.from = point, base+int64(point)*step
			e.to = e.from + step
		}
		if e.rtts == nil {
			e.rtts = new(latency.Distribution)
		}
		if scratch, err = e.rtts.Add(w, scratch); err != nil {
			return err
		}
	}
	return nil
}

// close ends the point that is being filled. One without packets is none.
func (e *end) close(zone *time.Location) {
	if e.packets() > 0 {
		e.Points = append(e.Points, pointOf(e.rtts, time.UnixMilli(e.from).In(zone), time.UnixMilli(e.to).In(zone), e.works))
	}
	e.rtts, e.works = nil, false
}

func pointOf(d *latency.Distribution, from, to time.Time, works bool) api.Point {
	p := api.Point{From: stamp(from), To: stamp(to), Packets: int64(d.Packets()), Lost: int64(d.Lost()), Excused: works}
	p.MinMS, _ = show(d.Min())
	p.MeanMS, _ = show(d.Mean())
	for _, of := range []struct {
		percent   int
		ms        **float64
		unbounded *bool
	}{{50, &p.P50MS, &p.P50Unbounded}, {95, &p.P95MS, &p.P95Unbounded}, {99, &p.P99MS, &p.P99Unbounded}} {
		*of.ms, *of.unbounded = show(d.Percentile(of.percent))
	}
	return p
}

func show(rtt latency.RTT, _ bool) (ms *float64, unbounded bool) {
	if rtt.Unbounded {
		return nil, true
	}
	v := theory.MS(rtt.US)
	return &v, false
}

func km(meters int64) float64 { return float64(meters) / 1000 }

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

// Wanted picks ends by what is not empty of sites, clusters in any order,
// carrier and plane.
type Wanted struct {
	Src, Dst, A, B string
	Carrier, Plane string
	Own            []string // carriers; nil: all
}

// Takes tells whether an end is wanted.
func (w *Wanted) Takes(src, dst *mesh.Site) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(w.Src, src.ID) && is(w.Dst, dst.ID) && is(w.Carrier, src.Carrier) && is(w.Plane, string(src.Plane)) &&
		(is(w.A, src.Cluster) && is(w.B, dst.Cluster) || is(w.A, dst.Cluster) && is(w.B, src.Cluster)) &&
		(w.Own == nil || slices.Contains(w.Own, src.Carrier))
}
