package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Plan is what a mesh and a policy ask to be judged over a period.
type Plan struct {
	Mesh     *mesh.Mesh
	Policy   *policy.Policy
	Period   Period
	Test     *mesh.Test  // the judged one
	Headline mesh.Plane  // of the rate at the top
	Pairs    []mesh.Pair // over which the rate is taken
	Links    []PlannedLink

	calendar *latency.Calendar
	archive  []store.MeshVersion
	meshes   Meshes                // of the months before
	versions map[string]*mesh.Mesh // of the archive, by hash, as far as they were read

	// Most links share their hours and their schedule.
	calendars map[[2]time.Time]*latency.Calendar
	schedules map[life][]int64
}

// life is when a link exists within a calendar, and what asks for its packets.
type life struct {
	test                                 *mesh.Test
	calendar                             *latency.Calendar
	srcFrom, srcUntil, dstFrom, dstUntil mesh.Moment
}

// PlannedLink is two sites of which a test is to be read, and the directions in
// which they measure.
type PlannedLink struct {
	Subject   compliance.Subject
	Stretches []compliance.Stretch

	ends []plannedEnd
}

type plannedEnd struct {
	scope      *latency.Scope
	calendars  []*latency.Calendar // the period, then its stretches if several
	scheduled  [][]int64           // by calendar and hour, what is excused left out
	unexcused  [][]int64           // the same with it
	onlyBounds bool
}

// NewPlan finds out what is to be judged. It refuses a policy that does not
// fit the mesh. The archive says since when works were announced: those that
// no archived version listed before they began excuse nothing.
func NewPlan(m *mesh.Mesh, p *policy.Policy, period Period, archive []store.MeshVersion) (*Plan, error) {
	plan := &Plan{
		Mesh: m, Policy: p, Period: period, Test: m.Test(m.Judged), archive: archive,
		meshes: Meshes{File: m, Archive: archive}, versions: map[string]*mesh.Mesh{},
		calendar:  latency.NewCalendar(period.From, period.To),
		calendars: map[[2]time.Time]*latency.Calendar{}, schedules: map[life][]int64{},
	}
	if err := plan.chooseHeadline(); err != nil {
		return nil, err
	}
	if err := plan.choosePairs(); err != nil {
		return nil, err
	}
	plan.Links = plan.linksOf(plan.Test)
	plan.countCandidates()
	return plan, nil
}

func (p *Plan) chooseHeadline() error {
	for _, plane := range p.Policy.Rate.HeadlinePlane {
		if slices.Contains(p.Mesh.Planes, mesh.Plane(plane)) {
			p.Headline = mesh.Plane(plane)
			return nil
		}
	}
	return fmt.Errorf("policy %s does not fit mesh %s: rate.headline_plane names none of its planes; put one of %s there",
		p.Policy.Name, p.Mesh.Name, joined(p.Mesh.Planes))
}

func (p *Plan) choosePairs() error {
	required := p.Policy.Rate.Clusters
	if required[0] == policy.AllClusters {
		p.Pairs = p.Mesh.Pairs()
		return nil
	}
	for _, id := range required {
		if p.Mesh.Cluster(id) == nil {
			return fmt.Errorf("policy %s does not fit mesh %s: rate.clusters names %q, which is not a cluster of the mesh",
				p.Policy.Name, p.Mesh.Name, id)
		}
	}
	for _, pair := range p.Mesh.Pairs() {
		if slices.Contains(required, pair.A) && slices.Contains(required, pair.B) {
			p.Pairs = append(p.Pairs, pair)
		}
	}
	return nil
}

// linksOf pairs the links of a test that join the same two sites.
func (p *Plan) linksOf(test *mesh.Test) (links []PlannedLink) {
	order := map[string]int{}
	for i, c := range p.Mesh.Clusters {
		order[c.ID] = i
	}
	position := map[string]int{}
	for i := range p.Mesh.Sites {
		position[p.Mesh.Sites[i].ID] = i
	}
	index := map[[2]string]int{}
	for _, link := range p.Mesh.Links(test, p.Period.From, p.Period.To) {
		a, b := p.Mesh.Site(link.Src), p.Mesh.Site(link.Dst)
		if ca, cb := order[a.Cluster], order[b.Cluster]; cb < ca || cb == ca && position[b.ID] < position[a.ID] {
			a, b = b, a
		}
		at, known := index[[2]string{a.ID, b.ID}]
		if !known {
			at = len(links)
			links = append(links, PlannedLink{
				Subject: compliance.Subject{
					Pair: mesh.Pair{A: a.Cluster, B: b.Cluster}, Plane: string(a.Plane), Carrier: a.Carrier,
					Sites: []string{a.ID, b.ID}, ExtentsM: p.Mesh.ExtentsMeters(a, b),
					Works: p.works(a, b),
				},
				Stretches: p.stretches(a, b),
			})
			index[[2]string{a.ID, b.ID}] = at
		}
		planned := &links[at]
		planned.ends = append(planned.ends, p.end(test, link, planned))
	}
	// Sites whose lives do not meet measure nothing.
	links = slices.DeleteFunc(links, func(l PlannedLink) bool { return l.Scheduled() == 0 })
	for i := range links {
		// Whatever the order of the sites in the file, the end at the first
		// cluster comes first.
		if l := &links[i]; l.ends[0].scope.Src.ID != l.Subject.Sites[0] {
			slices.Reverse(l.ends)
		}
	}
	return links
}

// Demonstration tells whether the period is shorter than a day.
func (p *Plan) Demonstration() bool { return p.calendar.ShortOfDay }

// Scheduled is the number of packets that the mesh asks for.
func (l *PlannedLink) Scheduled() int64 {
	var sum int64
	for _, end := range l.ends {
		for _, n := range end.unexcused[0] {
			sum += n
		}
	}
	return sum
}

// stretches cuts the period where the distance changes.
func (p *Plan) stretches(a, b *mesh.Site) []compliance.Stretch {
	cuts := p.Mesh.DistanceChanges(a, b, p.Period.From, p.Period.To)
	cuts = append(cuts, p.Period.To)
	slices.SortFunc(cuts, time.Time.Compare)
	from := p.Period.From
	stretches := []compliance.Stretch{{From: from, Route: p.Mesh.Route(a, b, from)}}
	for _, cut := range cuts {
		last := &stretches[len(stretches)-1]
		last.To = cut.In(p.Period.From.Location())
		if route := p.Mesh.Route(a, b, cut); cut.Before(p.Period.To) && route != last.Route {
			stretches = append(stretches, compliance.Stretch{From: last.To, Route: route})
		}
	}
	return stretches
}

// countCandidates tells each link of how many it may be the best: itself, those
// of its carrier between the same clusters, and those of all carriers.
func (p *Plan) countCandidates() {
	type group struct {
		pair           mesh.Pair
		plane, carrier string
	}
	n := map[group]int{}
	for i := range p.Links {
		s := &p.Links[i].Subject
		n[group{s.Pair, s.Plane, s.Carrier}]++
		n[group{s.Pair, s.Plane, ""}]++
	}
	for i := range p.Links {
		s := &p.Links[i].Subject
		s.Candidates = []int{1, n[group{s.Pair, s.Plane, s.Carrier}], n[group{s.Pair, s.Plane, ""}]}
		slices.Sort(s.Candidates)
		s.Candidates = slices.Compact(s.Candidates)
	}
}

func (p *Plan) end(test *mesh.Test, link mesh.Link, planned *PlannedLink) plannedEnd {
	stretches, excused := planned.Stretches, p.inWindowsOf(test, planned.Subject.Works.Spans)
	src, dst := p.Mesh.Site(link.Src), p.Mesh.Site(link.Dst)
	end := plannedEnd{
		scope:      &latency.Scope{Test: test, Src: src, Dst: dst, Calendar: p.calendar, Excused: excused},
		calendars:  []*latency.Calendar{p.calendar},
		onlyBounds: test.Method == mesh.MethodICMP && !dst.Role.Probes(),
	}
	if len(stretches) > 1 {
		var cuts []time.Time
		for _, s := range stretches {
			end.calendars = append(end.calendars, p.calendarOf(s))
			cuts = append(cuts, s.From)
		}
		end.scope.Calendar = latency.NewCalendar(p.Period.From, p.Period.To, cuts...)
	}
	for _, calendar := range end.calendars {
		whole := p.schedule(test, calendar, src, dst)
		end.unexcused = append(end.unexcused, whole)
		if len(excused) > 0 {
			whole = calendar.Schedule(test, src, dst, p.Mesh.Location(), excused...)
		}
		end.scheduled = append(end.scheduled, whole)
	}
	return end
}

func (p *Plan) calendarOf(s compliance.Stretch) *latency.Calendar {
	key := [2]time.Time{s.From, s.To}
	if p.calendars[key] == nil {
		p.calendars[key] = latency.NewCalendar(s.From, s.To)
	}
	return p.calendars[key]
}

func (p *Plan) schedule(test *mesh.Test, calendar *latency.Calendar, src, dst *mesh.Site) []int64 {
	key := life{test, calendar, src.From, src.Until, dst.From, dst.Until}
	if p.schedules[key] == nil {
		p.schedules[key] = calendar.Schedule(test, src, dst, p.Mesh.Location())
	}
	return p.schedules[key]
}

func joined[T ~string](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	return strings.Join(texts, ", ")
}
