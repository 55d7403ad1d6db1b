// Package serve answers reports over HTTP: GET /api/v1/report with a period
// gives the JSON that the command prints, GET /healthz tells whether the store
// answers. Errors are problems in the form of RFC 9457.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

// ReportPath is where reports are; the query is period, or from and to, as on
// the command line.
const ReportPath = "/api/v1/report"

// Bounds on a connection. A report of a month reads for seconds, one of a year
// for minutes.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Minute
	idleTimeout  = 2 * time.Minute
	drainTimeout = 5 * time.Second
)

// Store is what the server needs of a store.Store.
type Store interface {
	latency.Source
	Ready(ctx context.Context) error
}

// Server answers from one mesh, policy and store.
type Server struct {
	Mesh        *mesh.Mesh
	Policy      *policy.Policy
	Store       Store
	Fallback    *report.Period // of requests that name no period; nil: they are refused
	GeneratedBy string
	Log         *slog.Logger
}

// Run serves on the listener until the context ends, and then lets what is
// under way finish for a few seconds.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
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

// Handler answers the requests.
func (s *Server) Handler() http.Handler {
	// Two reports at once keep the memory bounded, and a second reader served.
	slots := make(chan struct{}, 2)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ReportPath, func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			s.report(w, r)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc(ReportPath, notAllowed)
	mux.HandleFunc("/healthz", notAllowed)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.80q; reports are at %s", r.URL.Path, ReportPath))
	})
	return mux
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	period, err := s.period(r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	plan, err := report.NewPlan(s.Mesh, s.Policy, period)
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	made, err := report.Build(r.Context(), plan, s.Store, report.Options{
		GeneratedBy: s.GeneratedBy, Complete: !time.Now().Before(period.To),
	})
	if err != nil {
		if r.Context().Err() == nil {
			s.Log.Error("report failed", "query", r.URL.RawQuery, "error", err)
		}
		problem(w, http.StatusServiceUnavailable, "the store cannot be read now; the log of the analyzer says why")
		return
	}
	body, err := report.JSON(made)
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	s.write(w, body)
}

// period reads the query strictly: a parameter that is misspelt would
// otherwise give a report of something else.
func (s *Server) period(r *http.Request) (report.Period, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return report.Period{}, fmt.Errorf("the query %.80q cannot be read: %w", r.URL.RawQuery, err)
	}
	for name, values := range query {
		if name != "period" && name != "from" && name != "to" {
			return report.Period{}, fmt.Errorf("%.40q is no parameter; allowed: period, from, to", name)
		}
		if len(values) > 1 {
			return report.Period{}, fmt.Errorf("%s is given twice; keep one", name)
		}
	}
	if len(query) == 0 && s.Fallback != nil {
		return *s.Fallback, nil
	}
	// A + in a query means a space, and in RFC 3339 nothing else can be meant.
	value := func(name string) string { return strings.ReplaceAll(query.Get(name), " ", "+") }
	return report.ParsePeriod(value("period"), value("from"), value("to"), s.Mesh.Location())
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if err := s.Store.Ready(r.Context()); err != nil {
		s.Log.Warn("store is not ready", "error", err)
		problem(w, http.StatusServiceUnavailable, "the store does not answer; the log of the analyzer says why")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.write(w, []byte("ok\n"))
}

func (s *Server) write(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		s.Log.Debug("answer not delivered", "error", err)
	}
}

func notAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%.20q is not answered here; use GET", r.Method))
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
