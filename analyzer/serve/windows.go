package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/export"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Media types of windows.
const (
	csvKind     = "text/csv; charset=utf-8"
	parquetKind = "application/vnd.apache.parquet"
)

// exportWanted is the form that a reader wants most; empty if none.
func exportWanted(accept []string) export.Format {
	if len(accept) == 0 {
		return export.CSV
	}
	switch asCSV, asParquet := wanted(accept, csvKind), wanted(accept, parquetKind); {
	case asCSV == 0 && asParquet == 0:
		return ""
	case asParquet > asCSV:
		return export.Parquet
	}
	return export.CSV
}

// piece is how many bytes of an export are given at once; what fails before the
// first one is answered as a problem.
const piece = 256 << 10

// longest is how long an export may take: one that is taken piece by piece is kept
// in memory meanwhile.
const longest = time.Hour

// windows streams what the store has of a period.
func (s *Server) windows(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	query, err := queryOf(r, "period", "from", "to", "test", "src", "dst", "carrier", "plane", "samples", "format")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	samples, err := switched(query, "samples")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	format, err := oneOf(query, "format", export.CSV, export.Parquet)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if format == "" {
		w.Header().Add("Vary", "Accept")
		format = exportWanted(r.Header.Values("Accept"))
	}
	if format == "" {
		problem(w, http.StatusNotAcceptable, "Accept names nothing that there is; windows are to be had as text/csv and application/vnd.apache.parquet")
		return
	}
	period, err := made.Resolve(r.Context(), spanOf(query))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	meshes, err := made.Meshes(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	newest, err := made.Newest(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	select {
	case turns.exports <- struct{}{}:
		defer func() { <-turns.exports }()
	case <-r.Context().Done():
		return
	}
	turn := turns.take(w, r, reader)
	if turn == nil {
		return
	}
	defer turn.end()
	own := ownOf(reader)
	is := func(name, have string) bool { return !query.Has(name) || query.Get(name) == have }
	options := export.Options{
		Format: format, Samples: samples, Test: query.Get("test"),
		Link: func(src, dst string) bool { return is("src", src) && is("dst", dst) },
		Keep: func(win *wire.Window) bool {
			return is("carrier", win.Carrier) && is("plane", win.Plane) && (own == nil || slices.Contains(own, win.Carrier))
		},
	}
	if own != nil {
		carriers := carriersOf(meshes, newest)
		everything := options.Link
		// Of a site that is in no mesh the windows say whose they are.
		options.Link = func(src, dst string) bool {
			of, known := carriers[src]
			return everything(src, dst) && (!known || slices.ContainsFunc(own, func(c string) bool { return of[c] }))
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	kind := csvKind
	if format == export.Parquet {
		kind = parquetKind
	}
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="windows.%s"`, format))
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	stream := &stream{ctx: ctx, turn: turn, w: w, control: http.NewResponseController(w)}
	if r.Method == http.MethodHead {
		return
	}
	buffered := bufio.NewWriterSize(stream, piece)
	_, err = export.Write(ctx, buffered, s.Store, newest, period, options)
	if err = errors.Join(err, flushed(err, buffered)); err == nil {
		if reader.Name != "" {
			s.Log.Info("windows were asked for", "reader", reader.Name, "role", reader.Role, "from", period.From, "to", period.To)
		}
		return
	}
	if !stream.begun {
		w.Header().Del("Content-Disposition")
		s.unavailable(w, r, err)
		return
	}
	if r.Context().Err() == nil {
		s.Log.Error("an export was broken off", "query", r.URL.RawQuery, "error", err)
	}
	// The status is out: only an answer that does not end tells that it is not
	// whole.
	panic(http.ErrAbortHandler)
}

// flushed gives what is left, unless something is wrong already.
func flushed(err error, w *bufio.Writer) error {
	if err != nil {
		return nil
	}
	return w.Flush()
}

// stream gives the reader time for each piece, not for all of them, and others
// the turn meanwhile.
type stream struct {
	ctx     context.Context
	turn    *turn
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (s *stream) Write(p []byte) (int, error) {
	s.begun = true
	// A recorder in a test has no deadlines.
	_ = s.control.SetWriteDeadline(time.Now().Add(takeTimeout))
	s.turn.pause()
	n, err := s.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.turn.resume(s.ctx)
}

// carriersOf tells whose a site is or was, by all meshes.
func carriersOf(meshes report.Meshes, newest *mesh.Mesh) map[string]map[string]bool {
	carriers := map[string]map[string]bool{}
	add := func(m *mesh.Mesh) {
		for i := range m.Sites {
			site := &m.Sites[i]
			if carriers[site.ID] == nil {
				carriers[site.ID] = map[string]bool{}
			}
			carriers[site.ID][site.Carrier] = true
		}
	}
	add(newest)
	for _, version := range meshes.Archive {
		if old, err := mesh.Parse(version.SHA256, version.Bytes); err == nil {
			add(old)
		}
	}
	return carriers
}
