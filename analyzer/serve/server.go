// Package serve answers reports over HTTP: GET /api/v1/report with a period
// gives the JSON that the command prints, or the excerpt that the reader may
// see, and GET /healthz tells whether the store answers. Administrators also
// read who the readers are, and /metrics. Errors are problems in the form of
// RFC 9457.
//
// Who asks is said by a token (package readers). Without a list of readers
// everybody who can connect sees everything, so the command then listens on
// loopback only.
package serve

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Paths that are answered.
const (
	ReportPath  = "/api/v1/report"  // the query is period, or from and to, as on the command line, and beside=1
	ReadersPath = "/api/v1/readers" // no query
	metricsPath = "/metrics"
	healthPath  = "/healthz"
)

// Bounds on a connection. A report of a month reads for seconds, one of a year
// for minutes; once it is made, it has to be taken.
const (
	readTimeout    = 5 * time.Second // also of the TLS handshake
	writeTimeout   = 10 * time.Minute
	takeTimeout    = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	drainTimeout   = 5 * time.Second
	maxHeaderBytes = 16 << 10
)

// Store is what the server needs of a store.Store.
type Store interface {
	latency.Source
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
	Ready(ctx context.Context) error
}

// Server answers from one policy and store.
type Server struct {
	Mesh        *mesh.Mesh // judges every period; nil: the archive of the store does
	Policy      *policy.Policy
	Store       Store
	Days        *records.Cache       // day records; nil: every report reads all windows
	Fallback    *report.Period       // of requests that name no period; nil: they are refused
	Readers     func() *readers.List // who may ask; nil: everybody, everything
	GeneratedBy string
	Metrics     *Metrics
	Log         *slog.Logger
}

// Run serves on the listener until the context ends, and then lets what is
// under way finish for a few seconds. With a TLS configuration nothing else is
// spoken.
func (s *Server) Run(ctx context.Context, listener net.Listener, encryption *tls.Config) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	made := s.shelf(requests)
	defer made.Wait()
	defer cancel()
	listener = newCrowd(listener, maxConnections, maxConnectionsOfEach, s.Metrics.crowded.Inc)
	if encryption != nil {
		listener = tls.NewListener(listener, encryption)
	}
	server := &http.Server{
		Handler:                      s.handler(made),
		DisableGeneralOptionsHandler: true, // its answer asks nobody who they are
		ReadHeaderTimeout:            readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		BaseContext:    func(net.Listener) context.Context { return requests },
		ErrorLog:       log.New(newQuiet(s.Log), "", 0),
		Protocols:      new(http.Protocols),
	}
	// One request at a time on a connection, so that the bounds on connections
	// are bounds on requests.
	server.Protocols.SetHTTP1(true)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(requests, drainTimeout)
	defer stop()
	if err := server.Shutdown(drain); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("stop serving: %w", err), server.Close())
	}
	return nil
}

// route is how one path is answered, and to whom.
type route struct {
	roles  []readers.Role
	answer func(w http.ResponseWriter, r *http.Request, reader *readers.Reader)
}

// shelf is where the reports are from. What is made ends with the context.
func (s *Server) shelf(ctx context.Context) *shelf.Shelf {
	return shelf.New(ctx, shelf.Config{
		Mesh: s.Mesh, Policy: s.Policy, Store: s.Store, Days: s.Days, GeneratedBy: s.GeneratedBy, Log: s.Log,
	})
}

// Handler answers the requests until the context ends.
func (s *Server) Handler(ctx context.Context) http.Handler { return s.handler(s.shelf(ctx)) }

func (s *Server) handler(made *shelf.Shelf) http.Handler {
	everybody, admin := readers.Roles(), []readers.Role{readers.Admin}
	metrics := s.Metrics.handler()
	routes := map[string]route{
		ReportPath: {everybody, func(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
			s.report(w, r, reader, made)
		}},
		ReadersPath: {admin, s.readers},
		metricsPath: {admin, func(w http.ResponseWriter, r *http.Request, _ *readers.Reader) { metrics.ServeHTTP(w, r) }},
		healthPath:  {everybody, s.health},
	}
	door := &access{list: s.Readers, now: time.Now, tries: newTries(), metrics: s.Metrics, log: newQuiet(s.Log)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		path, role := "", ""
		// Strangers do not even learn which paths there are.
		if reader := door.identify(answer, r); reader != nil {
			path, role = s.dispatch(routes, door, answer, r, reader), string(reader.Role)
		}
		s.Metrics.requests.WithLabelValues(path, role, strconv.Itoa(answer.status)).Inc()
	})
}

// dispatch answers a request of a known reader and gives the path of its route,
// empty if there is none.
func (s *Server) dispatch(routes map[string]route, door *access, w http.ResponseWriter, r *http.Request, reader *readers.Reader) string {
	route, ok := routes[r.URL.Path]
	switch {
	case !ok:
		problem(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.80q; reports are at %s", r.URL.Path, ReportPath))
		return ""
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%.20q is not answered here; use GET", r.Method))
	case door.permit(w, reader, r, route.roles...):
		route.answer(w, r, reader)
	}
	return r.URL.Path
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (s *Server) report(w http.ResponseWriter, r *http.Request, reader *readers.Reader, shelf *shelf.Shelf) {
	asked, err := s.asked(r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	made := s.take(w, r, reader, shelf, asked)
	if made == nil {
		return
	}
	body, err := made.JSON(reader)
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	if reader.Name != "" {
		period := made.Report.Period
		s.Log.Info("a report was asked for", "reader", reader.Name, "role", reader.Role, "from", period.From, "to", period.To)
	}
	if made.ByAge() {
		w.Header().Set("Age", strconv.Itoa(int(time.Since(made.Made).Seconds())))
	}
	s.send(w, r, "application/json", body, made.Modified)
}

// take takes a report from the shelf for a reader who may have it, or says why
// not and gives nil.
func (s *Server) take(w http.ResponseWriter, r *http.Request, reader *readers.Reader, shelf *shelf.Shelf, asked asked) *shelf.Made {
	period, err := shelf.Resolve(r.Context(), asked.span)
	if err != nil {
		s.refuse(w, r, err)
		return nil
	}
	if !asked.fallback && !reader.Whole() && !wholeDays(period) {
		problem(w, http.StatusForbidden, fmt.Sprintf("role %s may ask for whole days only, by the mesh's time zone; the figures of a minute would tell how well others measure", reader.Role))
		return nil
	}
	made, err := shelf.Report(r.Context(), keyOf(period, asked), reader.Name)
	if err != nil {
		s.refuse(w, r, err)
		return nil
	}
	return made
}

func keyOf(p report.Period, a asked) shelf.Key { return shelf.KeyOf(p, a.trend, a.beside) }

// refuse says why there is no report.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var period *shelf.PeriodError
	switch {
	case errors.As(err, &period):
		problem(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, shelf.ErrBusy):
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusTooManyRequests, "another report for this reader is being made; ask for the next after it")
	case errors.Is(err, shelf.ErrStore), errors.Is(err, context.Canceled):
		if r.Context().Err() == nil {
			s.Log.Error("report failed", "query", r.URL.RawQuery, "error", err)
		}
		problem(w, http.StatusServiceUnavailable, "the store cannot be read now; the log of the analyzer says why")
	default:
		problem(w, http.StatusInternalServerError, err.Error())
	}
}

// wholeDays tells whether a period begins and ends with a day, which is not
// everywhere at midnight.
func wholeDays(p report.Period) bool {
	begins := func(t time.Time) bool { return t.Add(-time.Millisecond).Day() != t.Day() }
	return begins(p.From) && begins(p.To)
}

// readers tells who the readers are.
func (s *Server) readers(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
	if s.Readers == nil {
		problem(w, http.StatusNotFound, "there is no list of readers here; serve --readers FILE has one")
		return
	}
	body, err := json.MarshalIndent(s.Readers().Public(time.Now()), "", "  ")
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.write(w, "application/json", append(body, '\n'))
}

// asked is what a request wants to know.
type asked struct {
	span          shelf.Span
	fallback      bool // the request names no period
	trend, beside bool
}

// asked reads the query strictly: a parameter that is misspelt would otherwise
// give a report of something else.
func (s *Server) asked(r *http.Request) (a asked, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return a, fmt.Errorf("the query %.80q cannot be read: %w", r.URL.RawQuery, err)
	}
	for name, values := range query {
		if name != "period" && name != "from" && name != "to" && name != "beside" {
			return a, fmt.Errorf("%.40q is no parameter; allowed: period, from, to, beside", name)
		}
		if len(values) > 1 {
			return a, fmt.Errorf("%s is given twice; keep one", name)
		}
	}
	if a.beside = query.Has("beside"); a.beside && query.Get("beside") != "1" {
		return a, fmt.Errorf("beside is %.40q; allowed: 1", query.Get("beside"))
	}
	query.Del("beside")
	if len(query) == 0 && s.Fallback != nil {
		a.fallback = true
		a.span = shelf.Span{From: s.Fallback.From.Format(time.RFC3339Nano), To: s.Fallback.To.Format(time.RFC3339Nano)}
		return a, nil
	}
	// A + in a query means a space, and in RFC 3339 nothing else can be meant.
	value := func(name string) string { return strings.ReplaceAll(query.Get(name), " ", "+") }
	a.span = shelf.Span{Period: value("period"), From: value("from"), To: value("to")}
	return a, nil
}

func (s *Server) health(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
	if err := s.Store.Ready(r.Context()); err != nil {
		s.Log.Warn("store is not ready", "error", err)
		problem(w, http.StatusServiceUnavailable, "the store does not answer; the log of the analyzer says why")
		return
	}
	s.write(w, "text/plain; charset=utf-8", []byte("ok\n"))
}

func (s *Server) write(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	// A recorder in a test has no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(takeTimeout))
	if _, err := w.Write(body); err != nil {
		s.Log.Debug("answer not delivered", "error", err)
	}
}

func problem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
	if err != nil {
		body = []byte("{}") // texts and a number always have a JSON form
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}
