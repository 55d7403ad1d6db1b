// Package report makes the compliance report: it plans what a mesh and a
// policy ask to be judged, reads the windows from the store, has package
// compliance judge them, and gives the result in the form of package api. The
// table that people read is rendered from that form, so the two cannot differ.
package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/diagnosis"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// Options are what a report needs besides its plan and its data.
type Options struct {
	GeneratedBy string // program and version
	Complete    bool   // the period is over
	// Records, if set, keeps day records, so that windows are read once.
	Records latency.Records
	Trend   bool // add the months before, as many as the policy says
	Beside  bool // add what the tests measured that are not judged
	// Progress, if set, is told after each link how many of all are done; it is
	// called by several goroutines.
	Progress func(done, total int)
}

// Build reads what the plan asks for and judges it. The result depends on
// nothing but its arguments and the windows.
func Build(ctx context.Context, plan *Plan, source latency.Source, o Options) (*api.Report, error) {
	rules := compliance.NewRules(plan.Policy)
	var others []unjudged
	if o.Beside {
		others = plan.unjudged()
	}
	from := feed{source: source, records: o.Records, read: counter(len(plan.Links)+linksIn(others), o.Progress)}
	results, err := plan.judge(ctx, judging{rules, diagnosis.NewRules(plan.Policy, plan.Mesh.Location())}, from)
	if err != nil {
		return nil, err
	}
	otherCarriers(rules, results)
	r := &api.Report{
		Schema:      api.SchemaReport,
		GeneratedBy: o.GeneratedBy,
		Period: api.Period{
			From: stamp(plan.Period.From), To: stamp(plan.Period.To), TimeZone: plan.Mesh.TimeZone,
			Demonstration: plan.calendar.ShortOfDay, Complete: o.Complete,
		},
		MeshSHA256: plan.Mesh.SHA256(), PolicySHA256: plan.Policy.SHA256(), DataSHA256: dataHash(endsOf(results)),
		Mesh: plan.meshOf(), Policy: plan.policyOf(rules), Data: plan.dataOf(results),
		Plane: string(plan.Headline),
		Links: []api.Pair{}, Classes: []api.Class{}, Sensitivity: []api.Sensitivity{}, Nearest: []api.Nearest{},
	}
	for _, result := range results {
		r.Links = append(r.Links, plan.pairOf(rules, &compliance.Counted{
			Link: result, Guarded: rules.Guarded(result, 1), Candidates: 1,
		}))
		r.Classes = append(r.Classes, rules.Classes(plan.Mesh, result)...)
	}
	for _, plane := range plan.Mesh.Planes {
		counted, shown := plan.planeOf(rules, plane, results)
		r.Planes = append(r.Planes, shown)
		r.Distributions = append(r.Distributions, distributionsOf(counted)...)
		if plane != plan.Headline {
			continue
		}
		r.Rate, r.Pairs = shown.Rate, shown.Pairs
		for _, choice := range compliance.Choices(plan.Policy.Sensitivity) {
			r.Sensitivity = append(r.Sensitivity, rules.Under(choice, plan.Policy.Rate, plan.Period.From.Year(), counted))
		}
		r.Nearest = rules.Nearest(shown.Rate, counted, mostNearest)
	}
	if o.Beside {
		if r.Beside, err = plan.besideOf(ctx, rules, from, others, results); err != nil {
			return nil, err
		}
	}
	if o.Trend {
		from.read = func() {}
		if r.Trend, err = plan.trend(ctx, rules.WithoutIntervals(), from); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// trend gives the rates of the months before the one in which the period
// begins, from the first with any window.
func (p *Plan) trend(ctx context.Context, rules *compliance.Rules, from feed) ([]api.Month, error) {
	var months []api.Month
	// A date, and no moment: a month begins where its mesh says, which is not
	// everywhere at midnight.
	first := time.Date(p.Period.From.Year(), p.Period.From.Month(), 1, 0, 0, 0, 0, time.UTC)
	for back := p.Policy.Diagnosis.Months; back > 0; back-- {
		month := first.AddDate(0, -back, 0).Format("2006-01")
		plan, err := p.meshes.Plan(p.Policy, Span{Period: month}.Parse)
		if err != nil {
			return nil, fmt.Errorf("judge %s for the trend: %w", month, err)
		}
		results, err := plan.judge(ctx, judging{rules: rules}, from)
		if err != nil {
			return nil, err
		}
		if len(months) == 0 && plan.dataOf(results).Windows == 0 {
			continue
		}
		_, shown := plan.planeOf(rules, p.Headline, results)
		months = append(months, api.Month{Month: month, Rate: shown.Rate})
	}
	return months, nil
}

// Prepare makes the day records that a report of the plan needs, and judges
// nothing.
func Prepare(ctx context.Context, plan *Plan, source latency.Source, records latency.Records) error {
	from := feed{source: source, records: records}
	return someAtOnce(ctx, len(plan.Links), func(ctx context.Context, i int) error {
		_, err := plan.Links[i].read(ctx, from, false)
		return err
	})
}

// feed is where windows come from, and who is told when all of a link are
// read.
type feed struct {
	source  latency.Source
	records latency.Records
	read    func()
}

// counter counts links and says how many of all were read; progress may be nil.
func counter(total int, progress func(done, total int)) func() {
	var done atomic.Int64
	return func() {
		if n := done.Add(1); progress != nil {
			progress(int(n), total)
		}
	}
}

// someAtOnce does something for each of so many links: the memory that it takes
// is that of the links under way, not of all.
func someAtOnce(ctx context.Context, links int, do func(ctx context.Context, link int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i := range links {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// mostNearest is how many pairs near to the limit are listed, if no more have
// to change.
const mostNearest = 5

// judging is by what links are judged and, unless it is nil, looked into.
type judging struct {
	rules *compliance.Rules
	why   *diagnosis.Rules
}

// judge reads and judges the planned links.
func (p *Plan) judge(ctx context.Context, by judging, from feed) ([]*compliance.Link, error) {
	results := make([]*compliance.Link, len(p.Links))
	return results, someAtOnce(ctx, len(p.Links), func(ctx context.Context, i int) (err error) {
		results[i], err = p.Links[i].judge(ctx, by, from)
		from.read()
		return err
	})
}

// judge reads the ends of a link and judges it, with what maintenance excuses
// and, where that is anything, without.
func (l *PlannedLink) judge(ctx context.Context, by judging, from feed) (*compliance.Link, error) {
	links, err := l.read(ctx, from, l.cutsDays())
	if err != nil {
		return nil, err
	}
	result, err := by.rules.Judge(l.Subject, l.Stretches, l.endsOf(links, false))
	if err != nil {
		return nil, err
	}
	asked := by.why != nil && !result.Bounded() && by.why.Asks(result)
	if asked {
		awake, err := l.wake(ctx, from, links)
		if err != nil {
			return nil, err
		}
		if !awake { // windows came meanwhile
			if links, err = l.read(ctx, from, true); err != nil {
				return nil, err
			}
			if result, err = by.rules.Judge(l.Subject, l.Stretches, l.endsOf(links, false)); err != nil {
				return nil, err
			}
			asked = !result.Bounded() && by.why.Asks(result) // by these windows it may be clear
		}
	}
	if len(l.Subject.Works.Spans) > 0 {
		unexcused := by.rules.Outcome(l.Stretches, l.endsOf(links, true))
		result.Unexcused = &unexcused
	}
	if asked {
		result.Diagnosis = by.why.Of(result)
		result.Distribution = by.why.Distribution(result)
	}
	for e := range result.Ends {
		result.Ends[e].Drop()
	}
	return result, nil
}

// cutsDays tells whether the hours of days are needed to judge: the distance may
// change at noon.
func (l *PlannedLink) cutsDays() bool { return len(l.Stretches) > 1 }

func (l *PlannedLink) read(ctx context.Context, from feed, hours bool) (_ []*latency.Link, err error) {
	links := make([]*latency.Link, len(l.ends))
	for e, end := range l.ends {
		if links[e], err = latency.Read(ctx, from.source, from.records, end.scope, hours); err != nil {
			return nil, err
		}
	}
	return links, nil
}

// wake loads the hours of the ends; false if they have to be read again.
func (l *PlannedLink) wake(ctx context.Context, from feed, links []*latency.Link) (bool, error) {
	for e, end := range l.ends {
		if awake, err := links[e].Wake(ctx, from.records, end.scope); err != nil || !awake {
			return false, err
		}
	}
	return true, nil
}

// otherCarriers adds to the diagnosis of links that do not comply which other
// carriers do, between the same clusters on the same plane: neither the places
// nor the distance are to blame then.
func otherCarriers(rules *compliance.Rules, results []*compliance.Link) {
	type between struct {
		pair  mesh.Pair
		plane string
	}
	carriers := map[between][]string{} // in the order of their first links
	links := map[between]map[string][]*compliance.Link{}
	for _, l := range results {
		at := between{l.Pair, l.Plane}
		if links[at] == nil {
			links[at] = map[string][]*compliance.Link{}
		}
		if links[at][l.Carrier] == nil {
			carriers[at] = append(carriers[at], l.Carrier)
		}
		links[at][l.Carrier] = append(links[at][l.Carrier], l)
	}
	for _, l := range results {
		if l.Verdict != api.NonCompliant || l.Bounded() {
			continue // of what summaries bound nothing is explained
		}
		at := between{l.Pair, l.Plane}
		var names []string
		var ratios []float64
		for _, carrier := range carriers[at] {
			if carrier == l.Carrier {
				continue
			}
			if other := rules.Sites(links[at][carrier]); other.Verdict == api.Compliant {
				names, ratios = append(names, carrier), append(ratios, theory.ShowRatio(other.Ratio, rules.Factor()))
			}
		}
		if len(names) > 0 {
			l.Diagnosis = append(l.Diagnosis, api.Reason{
				Code: api.DiagnosisOtherCarrier, Params: map[string]any{"carriers": names, "ratios": ratios},
			})
		}
	}
}

func (l *PlannedLink) endsOf(links []*latency.Link, excused bool) []compliance.End {
	ends := make([]compliance.End, len(l.ends))
	for e := range l.ends {
		planned := &l.ends[e]
		ends[e] = compliance.End{Link: links[e], Scheduled: planned.scheduled, OnlyBounds: planned.onlyBounds, Excused: excused}
		if excused {
			ends[e].Scheduled = planned.unexcused
		}
		for _, calendar := range planned.calendars {
			ends[e].Over = append(ends[e].Over, links[e].Over(calendar, excused))
		}
	}
	return ends
}

// planeOf takes, on one plane, the best carrier for each pair of clusters.
func (p *Plan) planeOf(rules *compliance.Rules, plane mesh.Plane, results []*compliance.Link) ([]compliance.Counted, api.Plane) {
	out := api.Plane{Plane: string(plane), Carriers: []api.Carrier{}, Pairs: []api.Pair{}, Hubs: []api.Hub{}}
	year := p.Period.From.Year()
	type key struct {
		pair    mesh.Pair
		carrier string
	}
	joining := map[key][]*compliance.Link{}
	late := map[string]bool{}
	for _, r := range results {
		if r.Plane != string(plane) {
			continue
		}
		joining[key{r.Pair, r.Carrier}] = append(joining[key{r.Pair, r.Carrier}], r)
		if len(r.Works.Spans) > 0 {
			out.ExcusedLinks++
		}
		for _, entry := range r.Works.Late {
			late[entry] = true
		}
	}
	out.UnregisteredWorks = len(late)
	byCarrier := make([][]compliance.Counted, len(p.Mesh.Carriers))
	served := make([]bool, len(p.Mesh.Carriers))
	var best []compliance.Counted
	for _, pair := range p.Pairs {
		unserved := rules.Unserved(
			compliance.Subject{Pair: pair, Plane: string(plane)},
			p.Mesh.ClusterRoute(p.Mesh.Cluster(pair.A), p.Mesh.Cluster(pair.B), p.Period.From))
		var candidates [][]*compliance.Link
		for c, carrier := range p.Mesh.Carriers {
			links := joining[key{pair, carrier.ID}]
			if len(links) == 0 {
				byCarrier[c] = append(byCarrier[c], rules.Count([][]*compliance.Link{{unserved}}))
				continue
			}
			served[c] = true
			byCarrier[c] = append(byCarrier[c], rules.Count([][]*compliance.Link{links}))
			candidates = append(candidates, links)
		}
		if len(candidates) == 0 {
			candidates = [][]*compliance.Link{{unserved}}
		}
		best = append(best, rules.Count(candidates))
	}
	out.Rate = rules.Rate(p.Policy.Rate, year, best)
	for c, pairs := range byCarrier {
		// A carrier without any site on the plane is not of this plane.
		if served[c] {
			out.Carriers = append(out.Carriers, api.Carrier{
				Carrier: p.Mesh.Carriers[c].ID, Rate: rules.Rate(p.Policy.Rate, year, pairs),
			})
		}
	}
	p.beside(rules, &out, best)
	for i := range best {
		out.Pairs = append(out.Pairs, p.pairOf(rules, &best[i]))
	}
	return best, out
}

// beside adds the rates over other sets than all pairs.
func (p *Plan) beside(rules *compliance.Rules, out *api.Plane, pairs []compliance.Counted) {
	year := p.Period.From.Year()
	hub := func(cluster string) string { return p.Mesh.Cluster(cluster).Hub }
	var between []compliance.Counted
	var ordered, unexcused []api.Verdict
	for i := range pairs {
		pair := &pairs[i]
		if hub(pair.Pair.A) != hub(pair.Pair.B) {
			between = append(between, *pair)
		}
		ways := rules.Ordered(pair)
		ordered = append(ordered, ways[:]...)
		unexcused = append(unexcused, rules.WithoutExcuse(pair))
	}
	out.BetweenHubs = rules.Rate(p.Policy.Rate, year, between)
	out.Ordered = rules.Plain(p.Policy.Rate, year, ordered)
	out.WithMaintenance = rules.Plain(p.Policy.Rate, year, unexcused)
	for _, h := range p.Mesh.Hubs {
		var touching []compliance.Counted
		for _, pair := range pairs {
			if hub(pair.Pair.A) == h.ID || hub(pair.Pair.B) == h.ID {
				touching = append(touching, pair)
			}
		}
		if len(touching) > 0 {
			out.Hubs = append(out.Hubs, api.Hub{Hub: h.ID, Rate: rules.Rate(p.Policy.Rate, year, touching)})
		}
	}
}

func endsOf(results []*compliance.Link) (ends []*latency.Link) {
	for _, result := range results {
		for _, end := range result.Ends {
			ends = append(ends, end.Link)
		}
	}
	return ends
}

// dataHash is the hash over the days of ends, which it sorts; package api says
// how.
func dataHash(ends []*latency.Link) string {
	slices.SortFunc(ends, func(a, b *latency.Link) int {
		return cmp.Or(cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
	})
	sum := sha256.New()
	for _, end := range ends {
		for _, day := range end.Days {
			if day.Windows == 0 {
				continue
			}
			fmt.Fprintf(sum, "%s %s %s %s %s\n", end.Src, end.Dst, end.Test, day.Date, day.SHA256)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
