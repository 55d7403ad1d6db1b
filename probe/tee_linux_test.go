package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// tee stands before the real collector and notes which windows it acknowledged.
type tee struct {
	t      testing.TB
	socket string
	proxy  *httputil.ReverseProxy

	mu       sync.Mutex // protects all following fields
	made     map[wire.Key]bool
	measured []wire.Window
}

func newTee(t testing.TB, collector string) *tee {
	t.Helper()
	p := &tee{t: t, socket: filepath.Join(t.TempDir(), "tee.sock"), made: map[wire.Key]bool{}}
	p.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "collector"})
	p.proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", collector)
	}}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return p
}

// ServeHTTP passes a request on, and counts the windows in it if it was a batch
// that was acknowledged.
func (p *tee) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/windows") {
		p.proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &noted{ResponseWriter: w}
	p.proxy.ServeHTTP(answer, r)
	if answer.status != http.StatusOK {
		return
	}
	if bytes.Contains(answer.body.Bytes(), []byte(`"refused"`)) {
		p.t.Errorf("refused: %.500s", answer.body.Bytes())
		return
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		p.t.Error(err)
		return
	}
	batch, err := wire.DecodeBatch(data)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, window := range batch.Windows {
		if window.Origin == wire.OriginSynthetic {
			p.made[window.Key] = true
		} else {
			p.measured = append(p.measured, window)
		}
	}
}

// counts gives how many of the windows made beforehand have arrived, and those
// that were measured.
func (p *tee) counts() (made int, measured []wire.Window) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.made), p.measured
}

// noted remembers an answer while it passes.
type noted struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

func (n *noted) Write(p []byte) (int, error) {
	n.body.Write(p)
	return n.ResponseWriter.Write(p)
}
