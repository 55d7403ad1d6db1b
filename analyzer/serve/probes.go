package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/mesh"
)

// nowEvery is how often the moment changes that an answer is of. What hangs on it,
// such as how long a probe is silent, would else make each answer another, so that
// nobody had what is there.
const nowEvery = time.Minute

// probes answers with how those do that measure.
func (s *Server) probes(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns, admitted *admissions) {
	lists := []string{"site", "hub", "cluster", "carrier", "plane"}
	query, err := listsOf(r, lists, append(slices.Clone(lists), "period", "from", "to", "max_points")...)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	points, err := number(query, "max_points", 1, maxPointsAtOnce, 0)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	period, err := made.Resolve(r.Context(), spanOf(query))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	length, step := period.To.Sub(period.From), series.Day
	if length > series.LongestOfProbes {
		problem(w, http.StatusBadRequest, fmt.Sprintf("a time of at most %d days is answered; ask for less", int(series.LongestOfProbes/(24*time.Hour))))
		return
	}
	if length <= series.LongestInHours {
		step = series.Window // of which no day records are needed
	}
	s.ofLinks(w, r, reader, made, turns, step, func(ctx context.Context, from series.Source) (any, int, error) {
		if err := admitted.follow(ctx); err != nil {
			return nil, 0, err
		}
		out, err := series.Probes(ctx, from, series.ProbesQuery{
			Period: period, MaxPoints: points, Now: time.Now().Truncate(nowEvery),
			Wanted: wantedProbes(query, ownOf(reader)), Admitted: admitted.of,
		})
		if err != nil {
			return nil, 0, err
		}
		return out, len(out.Probes), nil
	})
}

// wantedProbes picks sites: of every parameter that is given, one has to fit.
func wantedProbes(query url.Values, own []string) func(m *mesh.Mesh, site *mesh.Site) bool {
	is := func(name, have string) bool { return !query.Has(name) || slices.Contains(query[name], have) }
	return func(m *mesh.Mesh, site *mesh.Site) bool {
		return (own == nil || slices.Contains(own, site.Carrier)) &&
			is("site", site.ID) && is("cluster", site.Cluster) && is("hub", m.Cluster(site.Cluster).Hub) &&
			is("carrier", site.Carrier) && is("plane", string(site.Plane))
	}
}
