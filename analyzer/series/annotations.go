package series

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

// Kinds are those of annotations.
func Kinds() []string {
	return []string{api.Maintenance, api.PathChange, api.ClockStep, api.DistanceChange}
}

// happening is the state of one answer.
type happening struct {
	*reading
	out       *api.Annotations
	works     map[string]bool // by identifier
	windowS   int             // longest of any mesh
	clocks    map[string][]int64
	distances map[[2]string]float64 // of links, their sites sorted: the last one, in km
}

// Annotations gives what happened on the links of a query, of which the step and
// the points do not matter: works that the mesh lists, hours in which the path
// seems to have changed, clocks of probes that jumped and changes of distances.
// ends counts those that were looked at.
func Annotations(ctx context.Context, from Source, q Query) (out *api.Annotations, ends int, err error) {
	r, err := newReading(from, q)
	if err != nil {
		return nil, 0, err
	}
	h := &happening{
		reading: r, works: map[string]bool{}, clocks: map[string][]int64{}, distances: map[[2]string]float64{},
		out: &api.Annotations{
			Schema: api.SchemaAnnotations, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: r.newest.TimeZone,
			Test: r.Test, Annotations: []api.Annotation{},
		},
	}
	for i := range r.parts {
		p := &r.parts[i]
		if h.asked(api.Maintenance) {
			h.addWorks(p)
		}
		if h.asked(api.DistanceChange) {
			h.addDistances(p)
		}
		if err := h.readEnds(ctx, p); err != nil {
			return nil, 0, err
		}
	}
	h.addClockSteps()
	slices.SortStableFunc(h.out.Annotations, func(a, b api.Annotation) int {
		return cmp.Or(momentOf(a).Compare(momentOf(b)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst))
	})
	return h.out, len(r.ends), nil
}

func (h *happening) asked(kind string) bool { return fits(h.Kinds, kind) }

// at writes a moment in the zone of the period.
func (h *happening) at(ms int64) string {
	return stamp(time.UnixMilli(ms).In(h.Period.From.Location()))
}

// readEnds adds what the ends of a part saw. Nothing is read that is to come, or
// that nobody asks for.
func (h *happening) readEnds(ctx context.Context, p *part) error {
	paths, clocks := h.asked(api.PathChange), h.asked(api.ClockStep)
	if !paths && !clocks || p.plan.Period.From.After(time.Now()) {
		return nil
	}
	for _, end := range p.ends {
		h.windowS = max(h.windowS, end.Scope.Test.WindowS)
		link, err := latency.Read(ctx, h.Store, h.Days, end.Scope, paths)
		if err != nil {
			return err
		}
		for _, day := range link.Days {
			if paths {
				h.addPathChanges(end, day)
			}
			if src := end.Scope.Src.ID; clocks {
				h.clocks[src] = append(h.clocks[src], day.Probe.ClockSteps...)
			}
		}
	}
	return nil
}

// addPathChanges adds the hours of a day in which the path seems to have changed.
func (h *happening) addPathChanges(end report.End, day *latency.Day) {
	for _, bin := range day.Hours() {
		if !h.in(bin.FromMS) || bin.Path.TTLChanges == 0 && bin.Path.Traces == 0 {
			continue
		}
		at, _ := end.Scope.Calendar.HourAt(bin.FromMS)
		h.out.Annotations = append(h.out.Annotations, api.Annotation{
			Kind: api.PathChange, From: h.at(bin.FromMS), To: h.at(end.Scope.Calendar.Hours[at].ToMS),
			Src: end.Scope.Src.ID, Dst: end.Scope.Dst.ID, TTLChanges: bin.Path.TTLChanges, Traces: bin.Path.Traces,
		})
	}
}

// addClockSteps adds the moments at which clocks jumped, each once however many
// links of the probe saw it.
func (h *happening) addClockSteps() {
	for _, site := range slices.Sorted(maps.Keys(h.clocks)) {
		for _, ms := range once(h.clocks[site], int64(h.windowS)*1000) {
			if h.in(ms) {
				h.out.Annotations = append(h.out.Annotations, api.Annotation{Kind: api.ClockStep, From: h.at(ms), To: h.at(ms), Sites: []string{site}})
			}
		}
	}
}

// addDistances adds the moments at which the distance of a link changes, by the mesh
// of each time. Both ends have the same one, and the first stands for it.
func (h *happening) addDistances(p *part) {
	seen := map[[2]string]bool{}
	for _, end := range p.ends {
		src, dst := end.Scope.Src.ID, end.Scope.Dst.ID
		link := [2]string{min(src, dst), max(src, dst)}
		if seen[link] {
			continue
		}
		seen[link] = true
		for _, s := range end.Link.Stretches {
			from, after := s.From.UnixMilli(), km(s.Route.Meters)
			before, known := h.distances[link]
			h.distances[link] = after
			if !known || before == after || !h.in(from) {
				continue
			}
			h.out.Annotations = append(h.out.Annotations, api.Annotation{
				Kind: api.DistanceChange, From: h.at(from), To: h.at(from), Src: src, Dst: dst, BeforeKM: before, AfterKM: after,
			})
		}
	}
}

// addWorks adds the works at the sites of some links that meet the period, each
// once. Of those at other sites the reader may not know.
func (h *happening) addWorks(p *part) {
	sites := map[string]bool{}
	for _, end := range p.ends {
		sites[end.Scope.Src.ID], sites[end.Scope.Dst.ID] = true, true
	}
	for i := range p.plan.Mesh.Maintenance {
		w := &p.plan.Mesh.Maintenance[i]
		begin, until := w.Bounds()
		var at []string
		for _, site := range w.Sites {
			if sites[site] {
				at = append(at, site)
			}
		}
		if len(at) == 0 || h.works[w.ID] || !begin.Before(h.Period.To) || !until.After(h.Period.From) {
			continue
		}
		h.works[w.ID] = true
		h.out.Annotations = append(h.out.Annotations, api.Annotation{
			Kind: api.Maintenance, From: h.at(begin.UnixMilli()), To: h.at(until.UnixMilli()), Works: w.ID, Reason: w.Reason, Sites: at,
		})
	}
}

// momentOf is the beginning of an annotation, which this package has written.
func momentOf(a api.Annotation) time.Time {
	at, err := time.Parse(time.RFC3339Nano, a.From)
	if err != nil {
		return time.Time{}
	}
	return at
}
