package series

import (
	"context"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// reading is what has to be read for one answer.
type reading struct {
	Source
	Query
	newest *mesh.Mesh
	parts  []part
	ends   []*reach // in the order in which they are met
	first  int      // number of the first step in the period
	steps  int      // in the period
	merged int      // steps in a point
	baseMS int64    // where points of windows begin
}

// reach is one end, over all parts.
type reach struct {
	number   int
	src, dst *mesh.Site // as they were first met
}

// part is what of a month is in the period, by the mesh of that time.
type part struct {
	plan     *report.Plan
	ends     []report.End
	reach    []*reach          // as ends
	calendar *latency.Calendar // hours that no change of a distance cuts
	before   int               // steps in earlier parts
}

// span is a step within its point.
type span struct{ point, fromMS, toMS int64 }

// sink takes what was measured: end by end within a part, steps ascending.
type sink interface {
	// share takes a day or an hour.
	share(end *reach, at span, open, excused *latency.Share) error
	// window takes one window, whose span is its point.
	window(end *reach, at span, w *wire.Window) error
}

// newReading plans all that has to be read.
func newReading(from Source, q Query) (*reading, error) {
	newest, err := from.Meshes.Newest()
	if err != nil {
		return nil, err
	}
	if q.Test, err = testOf(newest, q.Test); err != nil {
		return nil, err
	}
	r := &reading{Source: from, Query: q, newest: newest}
	known := map[[2]string]*reach{}
	for _, month := range months(q.Period) {
		if err := r.plan(month, known); err != nil {
			return nil, err
		}
	}
	r.countSteps()
	return r, nil
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

func (r *reading) plan(month report.Span, known map[[2]string]*reach) error {
	plan, err := r.Meshes.Plan(r.Policy, month.Parse)
	if err != nil {
		return err
	}
	p := part{plan: plan, calendar: latency.NewCalendar(plan.Period.From, plan.Period.To)}
	if n := len(r.parts); n > 0 {
		p.before = r.parts[n-1].before + r.stepsOf(r.parts[n-1].calendar)
	}
	if test := plan.Mesh.Test(r.Test); test != nil { // else it was not measured then
		for _, end := range plan.Ends(test) {
			src, dst := end.Scope.Src, end.Scope.Dst
			if !r.Wanted(plan.Mesh, src, dst) {
				continue
			}
			key := [2]string{src.ID, dst.ID}
			if known[key] == nil {
				known[key] = &reach{len(r.ends), src, dst}
				r.ends = append(r.ends, known[key])
			}
			p.ends, p.reach = append(p.ends, end), append(p.reach, known[key])
		}
	}
	r.parts = append(r.parts, p)
	return nil
}

func (r *reading) stepsOf(c *latency.Calendar) int {
	if r.Step == Hour {
		return len(c.Hours)
	}
	return len(c.Days)
}

// in tells whether a moment is in the period.
func (r *reading) in(ms int64) bool {
	return r.Period.From.UnixMilli() <= ms && ms < r.Period.To.UnixMilli()
}

// countSteps counts the steps that begin in the period, and those before it.
func (r *reading) countSteps() {
	if r.Step == Window {
		window := r.windowMS()
		r.steps = int(ceilDiv(r.Period.To.UnixMilli(), window) - r.Period.From.UnixMilli()/window)
		return
	}
	for i := range r.parts {
		day := -1
		for _, h := range r.parts[i].calendar.Hours {
			begins := r.Step == Hour || h.Day != day
			switch day = h.Day; {
			case begins && h.FromMS < r.Period.From.UnixMilli():
				r.first++
			case begins && r.in(h.FromMS):
				r.steps++
			}
		}
	}
}

func (r *reading) windowMS() int64 { return int64(r.newest.Test(r.Test).WindowS) * 1000 }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// pointsOf gives as many points as there may be at most, and how many steps one has
// to take for that. asked is 0 if nobody says how many.
func pointsOf(steps, asked, room int, what string) (most, merged int, err error) {
	if most = asked; most == 0 {
		most = max(1, min(pointsUnasked, room))
	}
	if points := min(most, steps); points > room {
		lower := "ask for fewer ends"
		if room > 0 {
			lower = fmt.Sprintf("lower max_points to %d, or ask for less", room)
		}
		return 0, 0, &SizeError{fmt.Sprintf("%d points of %s are more than the %d numbers that an answer may have; %s", points, what, mostNumbers, lower)}
	}
	return most, max(1, int(ceilDiv(int64(steps), int64(most)))), nil
}

// merge decides how many steps make a point, so that there is room for all. what
// says of which numbers there would be too many.
func (r *reading) merge(room int, what string) (err error) {
	var most int
	if most, r.merged, err = pointsOf(r.steps, r.MaxPoints, room, what); err != nil || r.Step != Window {
		return err
	}
	// Points of windows begin at multiples of their length, so that who asks
	// again a little later meets the same ones. One more than fits them touches
	// the period.
	if r.merged > 1 && most > 1 {
		r.merged = int(ceilDiv(int64(r.steps), int64(most-1)))
	}
	aligned := r.windowMS()
	if most > 1 {
		aligned *= int64(r.merged)
	}
	r.baseMS = r.Period.From.UnixMilli() / aligned * aligned
	return nil
}

// each gives all that is in the period to a sink. Of what is to come nothing is
// read.
func (r *reading) each(ctx context.Context, to sink) error {
	for i := range r.parts {
		p := &r.parts[i]
		if p.plan.Period.From.After(time.Now()) {
			return nil
		}
		if r.Step != Window {
			if err := r.shares(ctx, p, to); err != nil {
				return err
			}
			continue
		}
		for k, end := range p.ends {
			if err := r.windows(ctx, p, end.Scope, p.reach[k], to); err != nil {
				return err
			}
		}
	}
	return nil
}

// shares gives the days or hours of a part.
func (r *reading) shares(ctx context.Context, p *part, to sink) error {
	read := func(ctx context.Context, k int) ([]*latency.Day, error) {
		if r.Step == Day {
			return latency.ReadSums(ctx, r.Store, r.Days, p.ends[k].Scope)
		}
		link, err := latency.Read(ctx, r.Store, r.Days, p.ends[k].Scope, true)
		if err != nil {
			return nil, err
		}
		return link.Days, nil
	}
	if at, whole := r.atOnce(p); whole && r.Sums != nil {
		return r.sums(ctx, p, at, read, to)
	}
	return inOrder(ctx, len(p.ends), read, func(k int, days []*latency.Day) error {
		give := r.giveHours
		if r.Step == Day {
			give = r.giveDays
		}
		return give(p, p.reach[k], days, to)
	})
}

// atOnce tells whether all days of a part go into one point, and are over, and
// gives the step that they make together.
func (r *reading) atOnce(p *part) (span, bool) {
	hours := p.calendar.Hours
	if r.Step != Day || len(hours) == 0 || p.plan.Period.To.After(time.Now()) {
		return span{}, false
	}
	from, to := hours[0].FromMS, hours[len(hours)-1].ToMS
	first, last := (p.before-r.first)/r.merged, (p.before+len(p.calendar.Days)-1-r.first)/r.merged
	return span{int64(first), from, to}, first == last && r.in(from) && r.in(to-1)
}

// sums gives all days of each end together, as far as these are kept.
func (r *reading) sums(ctx context.Context, p *part, at span, read func(context.Context, int) ([]*latency.Day, error), to sink) error {
	key := sumKey{p.plan.Mesh.SHA256(), r.Test, latency.Span{FromMS: at.fromMS, ToMS: at.toMS}}
	known, err := r.Sums.month(ctx, key, &r.Source)
	if err != nil {
		return err
	}
	ends := func(k int) [2]string { return [2]string{p.reach[k].src.ID, p.reach[k].dst.ID} }
	more := map[[2]string]sum{}
	err = inOrder(ctx, len(p.ends), func(ctx context.Context, k int) (sum, error) {
		if of, is := known[ends(k)]; is {
			return of, nil
		}
		days, err := read(ctx, k)
		if err != nil {
			return sum{}, err
		}
		return sumOf(days), nil
	}, func(k int, of sum) error {
		if _, is := known[ends(k)]; !is {
			more[ends(k)] = of
		}
		open, excused := of.shares()
		return to.share(p.reach[k], at, open, excused)
	})
	if err == nil && len(more) > 0 {
		r.Sums.keep(key, r.Generation, more)
	}
	return err
}

func (r *reading) giveDays(p *part, end *reach, days []*latency.Day, to sink) error {
	hours := p.calendar.Hours
	for d, day := range days {
		first := hours
		for len(hours) > 0 && hours[0].Day == d {
			hours = hours[1:]
		}
		last := first[len(first)-len(hours)-1]
		if err := r.give(end, p.before+d, first[0].FromMS, last.ToMS, &day.Open, &day.Excused, to); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) giveHours(p *part, end *reach, days []*latency.Day, to sink) error {
	for _, day := range days {
		bins := day.Hours()
		for b := range bins {
			// An hour that a change of the distance cuts is several bins.
			at, _ := p.calendar.HourAt(bins[b].FromMS)
			hour := p.calendar.Hours[at]
			if err := r.give(end, p.before+at, hour.FromMS, hour.ToMS, &bins[b].Open, &bins[b].Excused, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reading) give(end *reach, step int, fromMS, toMS int64, open, excused *latency.Share, to sink) error {
	if !r.in(fromMS) {
		return nil
	}
	return to.share(end, span{int64((step - r.first) / r.merged), fromMS, toMS}, open, excused)
}

// windows gives windows, each in the step in which it starts.
func (r *reading) windows(ctx context.Context, p *part, scope *latency.Scope, end *reach, to sink) error {
	length := r.windowMS() * int64(r.merged)
	query := store.Query{
		Src: scope.Src.ID, Dst: scope.Dst.ID, Test: scope.Test.Name,
		FromMS: max(r.Period.From.UnixMilli(), p.plan.Period.From.UnixMilli()), ToMS: min(r.Period.To.UnixMilli(), p.plan.Period.To.UnixMilli()),
	}
	return r.Source.windows(ctx, scope, query, func(w *wire.Window) error {
		point := (w.StartMS - r.baseMS) / length
		from := r.baseMS + point*length
		return to.window(end, span{point, from, from + length}, w)
	})
}

// windows gives those that are of what the mesh says is there.
func (s *Source) windows(ctx context.Context, scope *latency.Scope, query store.Query, each func(w *wire.Window) error) error {
	for record, err := range s.Store.Windows(ctx, query) {
		if err != nil {
			return fmt.Errorf("read windows of %s>%s: %w", query.Src, query.Dst, err)
		}
		if scope.Foreign(&record.Window) {
			continue
		}
		if err := each(&record.Window); err != nil {
			return err
		}
	}
	return nil
}
