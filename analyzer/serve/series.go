package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// maxPointsAtOnce bounds the points of one end that may be asked for; series bounds
// those of all.
const maxPointsAtOnce = 10_000

// filters are parameters that pick ends, each of which may be given several times.
// src and dst, a and b are from when a query could name one link only.
func filters() []string { return []string{"end", "pair", "hub", "cluster", "carrier", "plane"} }

// drawn is what the answers over a time are asked by.
type drawn struct {
	url.Values
	series.Query
}

// drawnBy reads a query, or says what is wrong with it and gives false. names are
// the parameters that the path has besides filters, test and period; of a kind
// there may be several.
func (s *Server) drawnBy(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, names ...string) (q drawn, ok bool) {
	wrong := func(err error) (drawn, bool) {
		problem(w, http.StatusBadRequest, err.Error())
		return q, false
	}
	var err error
	if q.Values, err = listsOf(r, append(filters(), "kind"), slices.Concat(filters(), []string{"src", "dst", "a", "b", "test", "period", "from", "to"}, names)...); err != nil {
		return wrong(err)
	}
	wanted, err := wantedOf(q.Values, reader)
	if err != nil {
		return wrong(err)
	}
	if q.MaxPoints, err = number(q.Values, "max_points", 1, maxPointsAtOnce, 0); err != nil {
		return wrong(err)
	}
	if q.Step, err = oneOf(q.Values, "step", series.Steps()...); err != nil {
		return wrong(err)
	}
	q.Wanted, q.Test = wanted.Takes, q.Get("test")
	if q.Period, err = made.Resolve(r.Context(), spanOf(q.Values)); err != nil {
		s.refuse(w, r, err)
		return q, false
	}
	length := q.Period.To.Sub(q.Period.From)
	if q.Step == "" {
		q.Step = series.StepFor(length)
	}
	if length > q.Step.Longest() {
		return wrong(fmt.Errorf("with step %s a time of at most %d days is answered; ask for less, or for a longer step", q.Step, int(q.Step.Longest()/(24*time.Hour))))
	}
	return q, true
}

// series answers with what links measured over a time.
func (s *Server) series(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns, sums *series.Sums) {
	q, ok := s.drawnBy(w, r, reader, made, "step", "max_points")
	if !ok {
		return
	}
	s.ofLinks(w, r, reader, made, turns, q.Step, func(ctx context.Context, from series.Source) (any, int, error) {
		if from.Days != nil {
			from.Sums = sums
		}
		out, err := series.Read(ctx, from, q.Query)
		if err != nil {
			return nil, 0, err
		}
		return out, len(out.Series), nil
	})
}

// Buckets of a heatmap.
const (
	leastBuckets = 5
	mostBuckets  = 200
	someBuckets  = 50
)

// heatmap counts the packets of links by how long they took.
func (s *Server) heatmap(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	q, ok := s.drawnBy(w, r, reader, made, "step", "max_points", "buckets")
	if !ok {
		return
	}
	var err error
	if q.Buckets, err = number(q.Values, "buckets", leastBuckets, mostBuckets, someBuckets); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	s.ofLinks(w, r, reader, made, turns, q.Step, func(ctx context.Context, from series.Source) (any, int, error) {
		out, err := series.Heatmap(ctx, from, q.Query)
		if err != nil {
			return nil, 0, err
		}
		return out, out.Ends, nil
	})
}

// ofLinks answers with what is read of links or probes, in its turn; read tells of
// how many.
func (s *Server) ofLinks(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns, step series.Step,
	read func(ctx context.Context, from series.Source) (out any, links int, err error),
) {
	turn := turns.take(w, r, reader)
	if turn == nil {
		return
	}
	defer turn.end()
	source, err := s.source(r.Context(), made, step)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out, links, err := read(r.Context(), source)
	turn.pause() // the reader may take their time
	if err != nil || links == 0 {
		s.nothing(w, r, reader, err)
		return
	}
	s.sendJSON(w, r, out, time.Time{})
}

// annotations answers with what happened on links over a time.
func (s *Server) annotations(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	q, ok := s.drawnBy(w, r, reader, made, "kind")
	if !ok {
		return
	}
	q.Kinds = q.Values["kind"]
	for _, kind := range q.Kinds {
		if !slices.Contains(series.Kinds(), kind) {
			problem(w, http.StatusBadRequest, fmt.Sprintf("kind is %.40q; allowed: %s", kind, strings.Join(series.Kinds(), ", ")))
			return
		}
	}
	if longest := series.Hour.Longest(); q.Period.To.Sub(q.Period.From) > longest {
		problem(w, http.StatusBadRequest, fmt.Sprintf("a time of at most %d days is answered; ask for less", int(longest/(24*time.Hour))))
		return
	}
	s.ofLinks(w, r, reader, made, turns, series.Hour, func(ctx context.Context, from series.Source) (any, int, error) {
		return series.Annotations(ctx, from, q.Query)
	})
}

// wantedOf is of which links a query asks, as far as the reader may see them.
func wantedOf(query url.Values, reader *readers.Reader) (*series.Wanted, error) {
	for _, two := range [][2]string{{"src", "dst"}, {"a", "b"}} {
		if (query.Get(two[0]) == "") != (query.Get(two[1]) == "") {
			return nil, fmt.Errorf("%s goes with %s; give both, or %s", two[0], two[1], strings.Join(filters(), ", "))
		}
	}
	ends, err := twoOf(query, "end", ">", "src", "dst")
	if err != nil {
		return nil, err
	}
	pairs, err := twoOf(query, "pair", "/", "a", "b")
	if err != nil {
		return nil, err
	}
	return &series.Wanted{
		Ends: ends, Pairs: pairs, Hubs: query["hub"], Clusters: query["cluster"],
		Carriers: query["carrier"], Planes: query["plane"], Own: ownOf(reader),
	}, nil
}

// twoOf reads a parameter of which each is two names, and the two parameters that
// do for one of it.
func twoOf(query url.Values, name, between, first, second string) (all [][2]string, err error) {
	for _, text := range query[name] {
		a, b, ok := strings.Cut(text, between)
		if !ok || a == "" || b == "" || strings.Contains(b, between) {
			return nil, fmt.Errorf("%s is %.80q; allowed: two names with %s between them, such as %s%s%s", name, text, between, first, between, second)
		}
		all = append(all, [2]string{a, b})
	}
	if query.Get(first) != "" {
		all = append(all, [2]string{query.Get(first), query.Get(second)})
	}
	return all, nil
}

// nothing says why nothing of any link or probe is answered. Readers who see their
// own only do not learn whether there are others.
func (s *Server) nothing(w http.ResponseWriter, r *http.Request, reader *readers.Reader, err error) {
	var test *series.TestError
	var size *series.SizeError
	switch {
	case errors.As(err, &test), errors.As(err, &size):
		problem(w, http.StatusBadRequest, err.Error())
	case err != nil:
		s.unavailable(w, r, err)
	case ownOf(reader) != nil:
		problem(w, http.StatusForbidden, fmt.Sprintf("role %s reads of its own links and probes only, and none of them is asked for", reader.Role))
	default:
		problem(w, http.StatusNotFound, "the mesh of that time has no such link or probe, or does not measure it by this test; "+NetworkPath+" lists those of now")
	}
}

// ownOf are the carriers whose ends a reader sees; nil: those of all.
func ownOf(reader *readers.Reader) []string {
	if reader.Whole() {
		return nil
	}
	return append([]string{}, reader.Carriers...)
}

func (s *Server) source(ctx context.Context, made *shelf.Shelf, step series.Step) (series.Source, error) {
	meshes, err := made.Meshes(ctx)
	if err != nil {
		return series.Source{}, err
	}
	source := series.Source{Meshes: meshes, Policy: s.Policy, Store: s.Store}
	if s.Days == nil || step == series.Window {
		return source, nil
	}
	session, err := s.Days.Begin(ctx)
	if err != nil {
		return source, fmt.Errorf("%w: %w", shelf.ErrStore, err)
	}
	source.Days, source.Generation = latency.Records(session), session.Generation()
	source.Changed = func(ctx context.Context, span latency.Span, generation int64) (bool, error) {
		since, err := s.Days.Since(ctx, span, generation)
		return since.Touched || !since.Kept, err
	}
	return source, nil
}
