package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// Points of one end.
const (
	pointsAtOnce    = 1000
	maxPointsAtOnce = 10_000
)

// series answers with what links measured over a time.
func (s *Server) series(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	query, err := queryOf(r, "src", "dst", "a", "b", "carrier", "plane", "test", "period", "from", "to", "step", "max_points")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	wanted, err := wantedOf(query, reader)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	points, err := number(query, "max_points", 1, maxPointsAtOnce, pointsAtOnce)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	step, err := oneOf(query, "step", series.Steps()...)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	period, err := made.Resolve(r.Context(), spanOf(query))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	length := period.To.Sub(period.From)
	if step == "" {
		step = series.StepFor(length)
	}
	if length > step.Longest() {
		problem(w, http.StatusBadRequest, fmt.Sprintf("with step %s a time of at most %d days is answered; ask for less, or for a longer step", step, int(step.Longest()/(24*time.Hour))))
		return
	}
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
	out, err := series.Read(r.Context(), source, series.Query{
		Period: period, Test: query.Get("test"), Step: step, MaxPoints: points, Wanted: wanted.Takes,
	})
	turn.pause() // the reader may take their time
	if err != nil || len(out.Series) == 0 {
		s.noLink(w, r, reader, err)
		return
	}
	s.sendJSON(w, r, out, time.Time{})
}

// annotations answers with what happened on links over a time.
func (s *Server) annotations(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	query, err := queryOf(r, "src", "dst", "a", "b", "carrier", "plane", "test", "period", "from", "to")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	wanted, err := wantedOf(query, reader)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	period, err := made.Resolve(r.Context(), spanOf(query))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if longest := series.Hour.Longest(); period.To.Sub(period.From) > longest {
		problem(w, http.StatusBadRequest, fmt.Sprintf("a time of at most %d days is answered; ask for less", int(longest/(24*time.Hour))))
		return
	}
	turn := turns.take(w, r, reader)
	if turn == nil {
		return
	}
	defer turn.end()
	source, err := s.source(r.Context(), made, series.Hour)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out, links, err := series.Annotations(r.Context(), source, series.Query{Period: period, Test: query.Get("test"), Wanted: wanted.Takes})
	turn.pause()
	if err != nil || links == 0 {
		s.noLink(w, r, reader, err)
		return
	}
	s.sendJSON(w, r, out, time.Time{})
}

// wantedOf is of which links a query asks, as far as the reader may see them.
func wantedOf(query url.Values, reader *readers.Reader) (*series.Wanted, error) {
	wanted := &series.Wanted{
		Src: query.Get("src"), Dst: query.Get("dst"), A: query.Get("a"), B: query.Get("b"),
		Carrier: query.Get("carrier"), Plane: query.Get("plane"), Own: ownOf(reader),
	}
	if (wanted.Src == "" || wanted.Dst == "") && (wanted.A == "" || wanted.B == "") {
		return nil, errors.New("say of which link: src and dst are two sites, a and b two clusters")
	}
	return wanted, nil
}

// noLink says why nothing of any link is answered. Readers who see their own
// links only do not learn whether there are others.
func (s *Server) noLink(w http.ResponseWriter, r *http.Request, reader *readers.Reader, err error) {
	var test *series.TestError
	switch {
	case errors.As(err, &test):
		problem(w, http.StatusBadRequest, err.Error())
	case err != nil:
		s.unavailable(w, r, err)
	case ownOf(reader) != nil:
		problem(w, http.StatusForbidden, fmt.Sprintf("role %s reads of its own links only, and none of them is asked for", reader.Role))
	default:
		problem(w, http.StatusNotFound, "the mesh of that time measures no such link by this test; "+NetworkPath+" lists the links of now")
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
	source.Days = latency.Records(session)
	return source, nil
}
