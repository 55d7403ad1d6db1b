package series

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// ProbesQuery says of which probes is asked: what came of them in the hours that
// meet the period, or of a long one in its days.
type ProbesQuery struct {
	Period    report.Period
	MaxPoints int // of a probe; 0: as many as suit
	Now       time.Time
	// Wanted picks sites, by the mesh of their time.
	Wanted func(m *mesh.Mesh, site *mesh.Site) bool
	// Admitted is what was stored of a site in [fromMS, toMS).
	Admitted func(site string, fromMS, toMS int64) Admissions
}

// Admissions are what was stored of a site in some time.
type Admissions struct {
	N        int
	LastMS   int64 // of the last; 0 without any
	WaitedMS int64 // the longest that a window lay in the spool, from its end; less than 0 where none tells
}

// Longest times for which probes are answered: in hours, and at all.
const (
	LongestInHours  = 8 * 24 * time.Hour
	LongestOfProbes = 400 * 24 * time.Hour
)

// prober is a probe, and what is read of it.
type prober struct {
	site   *mesh.Site
	until  int64 // Unix time in ms from which on the site is gone
	steps  []probeStep
	ends   map[[2]string]bool // by site and test: whether there was a window
	ended  span               // of the windows that ended last, the range in which they start
	lastly []report.End       // whose windows may be these
	last   *wire.Window       // the one that ended last
}

// probeStep is what a probe did in a step.
type probeStep struct {
	latency.Probe
	expected int
}

// health is the state of one answer.
type health struct {
	Source
	ProbesQuery
	step    Step
	steps   []latency.Span
	windowS int // longest of any test
	probes  []*prober
	at      map[string]*prober
}

// Probes answers a query.
func Probes(ctx context.Context, from Source, q ProbesQuery) (*api.Probes, error) {
	newest, err := from.Meshes.Newest()
	if err != nil {
		return nil, err
	}
	h := &health{Source: from, ProbesQuery: q, step: Hour, at: map[string]*prober{}}
	if q.Period.To.Sub(q.Period.From) > LongestInHours {
		h.step = Day
	}
	var plans []*report.Plan
	for _, month := range months(q.Period) {
		plan, err := from.Meshes.Plan(from.Policy, month.Parse)
		if err != nil {
			return nil, err
		}
		plans = append(plans, plan)
		h.addSteps(plan)
	}
	h.choose(newest, plans)
	merged, err := h.merge()
	if err != nil {
		return nil, err
	}
	for _, plan := range plans {
		if err := h.read(ctx, plan); err != nil {
			return nil, err
		}
	}
	out := &api.Probes{
		Schema: api.SchemaProbes, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: newest.TimeZone,
		Now: stamp(q.Now.In(q.Period.From.Location())), Step: string(h.step), Merged: merged, Probes: []api.Probe{},
	}
	for _, p := range h.probes {
		if err := h.findLast(ctx, p); err != nil {
			return nil, err
		}
		out.Probes = append(out.Probes, h.show(p, merged))
	}
	return out, nil
}

// addSteps adds the hours or days of a part that meet the period.
func (h *health) addSteps(plan *report.Plan) {
	for i := range plan.Mesh.Measure {
		h.windowS = max(h.windowS, plan.Mesh.Measure[i].WindowS)
	}
	day := -1
	for _, hour := range latency.NewCalendar(plan.Period.From, plan.Period.To).Hours {
		if h.step == Day && hour.Day == day {
			h.steps[len(h.steps)-1].ToMS = hour.ToMS
			continue
		}
		day = hour.Day
		if h.step == Hour && (hour.ToMS <= h.Period.From.UnixMilli() || hour.FromMS >= h.Period.To.UnixMilli()) {
			continue
		}
		h.steps = append(h.steps, latency.Span{FromMS: hour.FromMS, ToMS: hour.ToMS})
	}
}

// choose finds the probes that exist in the period: in the order of the newest
// mesh, and after these the ones of before.
func (h *health) choose(newest *mesh.Mesh, plans []*report.Plan) {
	found, until := map[string]*mesh.Site{}, map[string]int64{}
	var order []string
	for i := range newest.Sites {
		order = append(order, newest.Sites[i].ID)
	}
	for _, plan := range plans {
		// A plan is of whole days: who was gone before the period, or comes after
		// it, is not silent.
		from, to := plan.Period.From, plan.Period.To
		if from.Before(h.Period.From) {
			from = h.Period.From
		}
		if to.After(h.Period.To) {
			to = h.Period.To
		}
		for i := range plan.Mesh.Sites {
			site := &plan.Mesh.Sites[i]
			if !site.Role.Probes() || !site.ActiveDuring(from, to) || !h.Wanted(plan.Mesh, site) {
				continue
			}
			found[site.ID], until[site.ID] = site, math.MaxInt64 // as it was last
			if t, err := site.Until.In(plan.Mesh.Location()); err == nil && !t.IsZero() {
				until[site.ID] = t.UnixMilli()
			}
			if !slices.Contains(order, site.ID) {
				order = append(order, site.ID)
			}
		}
	}
	for _, id := range order {
		if site := found[id]; site != nil {
			p := &prober{site: site, until: until[id], steps: make([]probeStep, len(h.steps)), ends: map[[2]string]bool{}}
			h.probes = append(h.probes, p)
			h.at[id] = p
		}
	}
}

func (h *health) merge() (int, error) {
	_, merged, err := pointsOf(len(h.steps), h.MaxPoints, mostNumbers/max(1, len(h.probes)), fmt.Sprintf("%d probes", len(h.probes)))
	return merged, err
}

// read adds what came in a part of the period. Of what is to come nothing is
// expected, and nothing read.
func (h *health) read(ctx context.Context, plan *report.Plan) error {
	for i := range plan.Mesh.Measure {
		test := &plan.Mesh.Measure[i]
		for _, end := range plan.Ends(test) {
			p := h.at[end.Scope.Src.ID]
			if p == nil || !h.Wanted(plan.Mesh, end.Scope.Src) {
				continue
			}
			key := [2]string{end.Scope.Dst.ID, test.Name}
			p.ends[key] = p.ends[key] || false
			if plan.Period.From.After(h.Now) {
				continue
			}
			h.expect(p, plan, end.Scope)
			heard, err := h.readEnd(ctx, p, plan, end)
			if err != nil {
				return err
			}
			p.ends[key] = p.ends[key] || heard
		}
	}
	return nil
}

func (h *health) readEnd(ctx context.Context, p *prober, plan *report.Plan, end report.End) (heard bool, err error) {
	if h.step == Day {
		return h.days(ctx, p, end)
	}
	query := store.Query{
		Src: end.Scope.Src.ID, Dst: end.Scope.Dst.ID, Test: end.Scope.Test.Name,
		FromMS: max(h.steps[0].FromMS, plan.Period.From.UnixMilli()), ToMS: min(h.steps[len(h.steps)-1].ToMS, plan.Period.To.UnixMilli()),
	}
	err = h.windows(ctx, end.Scope, query, func(w *wire.Window) error {
		heard = true
		if at, ok := h.stepOf(w.StartMS); ok {
			p.steps[at].Count(w)
		}
		p.see(w)
		return nil
	})
	return heard, err
}

// see keeps a window if it ended last; of several, any order of reading gives the
// same one.
func (p *prober) see(w *wire.Window) {
	if p.last == nil || w.EndMS > p.last.EndMS ||
		w.EndMS == p.last.EndMS && w.Key.String() < p.last.Key.String() {
		kept := *w
		kept.RTTs, kept.STAMP, kept.OneWay, kept.Path = nil, nil, nil, nil
		p.last = &kept
	}
}

// stepOf finds the step of a moment.
func (h *health) stepOf(ms int64) (int, bool) {
	at, found := slices.BinarySearchFunc(h.steps, ms, func(s latency.Span, ms int64) int {
		switch {
		case s.ToMS <= ms:
			return -1
		case s.FromMS > ms:
			return 1
		}
		return 0
	})
	return at, found
}

// days adds days from the records, and notes where the last windows are.
func (h *health) days(ctx context.Context, p *prober, end report.End) (heard bool, err error) {
	days, err := latency.ReadSums(ctx, h.Store, h.Days, end.Scope)
	if err != nil {
		return false, err
	}
	last := latency.Span{}
	for _, day := range days {
		if day.Probe.Windows == 0 {
			continue
		}
		heard = true
		at, ok := h.stepOf(day.FirstMS)
		if !ok {
			continue
		}
		p.steps[at].Probe.Add(&day.Probe)
		last = h.steps[at]
	}
	switch {
	case last.FromMS == 0 || last.FromMS < p.ended.fromMS:
	case last.FromMS > p.ended.fromMS:
		p.ended, p.lastly = span{fromMS: last.FromMS, toMS: last.ToMS}, []report.End{end}
	default:
		p.lastly = append(p.lastly, end)
	}
	return heard, nil
}

// findLast reads the windows of the last day in which there are any.
func (h *health) findLast(ctx context.Context, p *prober) error {
	// Most often the last hour of the day, or of the day so far, has them.
	to := min(p.ended.toMS, h.Now.UnixMilli()+1)
	seen := func(w *wire.Window) error {
		p.see(w)
		return nil
	}
	for _, from := range []int64{max(p.ended.fromMS, to-time.Hour.Milliseconds()), p.ended.fromMS} {
		for _, end := range p.lastly {
			scope := end.Scope
			query := store.Query{Src: scope.Src.ID, Dst: scope.Dst.ID, Test: scope.Test.Name, FromMS: from, ToMS: p.ended.toMS}
			if err := h.windows(ctx, scope, query, seen); err != nil {
				return err
			}
		}
		if p.last != nil {
			return nil
		}
	}
	return nil
}

// expect counts the windows of an end that begin in each step while both sites
// exist, and are over.
func (h *health) expect(p *prober, plan *report.Plan, scope *latency.Scope) {
	length := int64(scope.Test.WindowS) * 1000
	from, to := plan.Period.From.UnixMilli(), min(plan.Period.To.UnixMilli(), h.Now.UnixMilli()-length+1)
	for _, site := range []*mesh.Site{scope.Src, scope.Dst} {
		// The mesh was checked when it was loaded: its moments can be read.
		if t, err := site.From.In(plan.Mesh.Location()); err == nil && !t.IsZero() {
			from = max(from, t.UnixMilli())
		}
		if t, err := site.Until.In(plan.Mesh.Location()); err == nil && !t.IsZero() {
			to = min(to, t.UnixMilli())
		}
	}
	for i, s := range h.steps {
		if a, b := max(from, s.FromMS), min(to, s.ToMS); a < b {
			p.steps[i].expected += int(ceilDiv(b, length) - ceilDiv(a, length))
		}
	}
}
