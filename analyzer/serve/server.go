// Package serve is the HTTP API that readers ask, as docs/openapi-analyzer.yaml
// describes it: reports in all forms, their months and pairs, what was measured
// over a time, the windows themselves. Reports come from package shelf, series
// from package series, windows from package export; routes.go lists what there is
// and who may have it. Errors are problems in the form of RFC 9457.
//
// It is also a web site for people, drawn by package portal: site.go says to whom
// and from which report, login.go and session.go who a browser is.
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
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/export"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
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
	export.Source
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
	Ahead       bool                 // Run makes the months that a list begins with before anybody asks
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
	of := s.parts(made)
	var ahead sync.WaitGroup
	defer made.Wait()
	defer ahead.Wait()
	defer cancel()
	listener = newCrowd(listener, maxConnections, maxConnectionsOfEach, s.Metrics.crowded.Inc)
	if encryption != nil {
		listener = tls.NewListener(listener, encryption)
	}
	server := &http.Server{
		Handler:                      s.ownNames(s.handlerOf(of)),
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
	if s.Ahead {
		ahead.Go(func() { s.lookAhead(requests, of) })
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

// readers tells who the readers are.
func (s *Server) readers(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
	if _, err := queryOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.Readers == nil {
		problem(w, http.StatusNotFound, "there is no list of readers here; serve --readers FILE has one")
		return
	}
	body, err := json.MarshalIndent(s.Readers().Public(time.Now()), "", "  ")
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.fresh(w, "application/json", append(body, '\n'))
}

func (s *Server) health(w http.ResponseWriter, r *http.Request, _ *readers.Reader) {
	if err := s.Store.Ready(r.Context()); err != nil {
		s.Log.Warn("store is not ready", "error", err)
		problem(w, http.StatusServiceUnavailable, "the store does not answer; the log of the analyzer says why")
		return
	}
	s.fresh(w, "text/plain; charset=utf-8", []byte("ok\n"))
}

func problem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
	if err != nil {
		body = []byte("{}") // texts and a number always have a JSON form
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}
