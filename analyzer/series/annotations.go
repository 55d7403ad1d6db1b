package series

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

// Annotations gives what happened on the links of a query, of which the step and
// the points do not matter: works that the mesh lists, and hours in which the
// path seems to have changed. links counts the ends that were looked at.
func Annotations(ctx context.Context, from Source, q Query) (out *api.Annotations, links int, err error) {
	newest, err := from.Meshes.Newest()
	if err != nil {
		return nil, 0, err
	}
	if q.Test, err = testOf(newest, q.Test); err != nil {
		return nil, 0, err
	}
	out = &api.Annotations{
		Schema: api.SchemaAnnotations, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: newest.TimeZone,
		Test: q.Test, Annotations: []api.Annotation{},
	}
	works := map[string]bool{} // by identifier
	for _, part := range months(q.Period) {
		plan, err := from.Meshes.Plan(from.Policy, part.Parse)
		if err != nil {
			return nil, 0, err
		}
		sites := map[string]bool{}
		if test := plan.Mesh.Test(q.Test); test != nil {
			for _, end := range plan.Ends(test) {
				if !q.Wanted(plan.Mesh, end.Scope.Src, end.Scope.Dst) {
					continue
				}
				links++
				sites[end.Scope.Src.ID], sites[end.Scope.Dst.ID] = true, true
				if plan.Period.From.After(time.Now()) {
					continue
				}
				if err := pathChanges(ctx, from, q, end, out); err != nil {
					return nil, 0, err
				}
			}
		}
		addWorks(plan, q, sites, works, out)
	}
	slices.SortStableFunc(out.Annotations, func(a, b api.Annotation) int {
		return cmp.Or(momentOf(a).Compare(momentOf(b)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst))
	})
	return out, links, nil
}

// pathChanges adds the hours of an end in which the path seems to have changed.
func pathChanges(ctx context.Context, from Source, q Query, end report.End, out *api.Annotations) error {
	link, err := latency.Read(ctx, from.Store, from.Days, end.Scope, true)
	if err != nil {
		return err
	}
	zone := q.Period.From.Location()
	for _, day := range link.Days {
		for _, bin := range day.Hours() {
			if bin.FromMS < q.Period.From.UnixMilli() || bin.FromMS >= q.Period.To.UnixMilli() || bin.Path.TTLChanges == 0 && bin.Path.Traces == 0 {
				continue
			}
			at, _ := end.Scope.Calendar.HourAt(bin.FromMS)
			out.Annotations = append(out.Annotations, api.Annotation{
				Kind: api.PathChange, From: stamp(time.UnixMilli(bin.FromMS).In(zone)),
				To:  stamp(time.UnixMilli(end.Scope.Calendar.Hours[at].ToMS).In(zone)),
				Src: end.Scope.Src.ID, Dst: end.Scope.Dst.ID, TTLChanges: bin.Path.TTLChanges, Traces: bin.Path.Traces,
			})
		}
	}
	return nil
}

// addWorks adds the works at some sites that meet the period, each once. Of
// those at other sites the reader may not know.
func addWorks(plan *report.Plan, q Query, sites, known map[string]bool, out *api.Annotations) {
	zone := q.Period.From.Location()
	for i := range plan.Mesh.Maintenance {
		w := &plan.Mesh.Maintenance[i]
		begin, until := w.Bounds()
		var at []string
		for _, site := range w.Sites {
			if sites[site] {
				at = append(at, site)
			}
		}
		if len(at) == 0 || known[w.ID] || !begin.Before(q.Period.To) || !until.After(q.Period.From) {
			continue
		}
		known[w.ID] = true
		out.Annotations = append(out.Annotations, api.Annotation{
			Kind: api.Maintenance, From: stamp(begin.In(zone)), To: stamp(until.In(zone)), Works: w.ID, Reason: w.Reason, Sites: at,
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
