package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// collector stands in for the real one on a Unix socket: it admits everything
// that checks, and keeps it.
type collector struct {
	t   testing.TB
	url string

	mu         sync.Mutex // protects all following fields
	assignment wire.Assignment
	windows    map[wire.Key]wire.Window
	away       bool // answers 503 to everything
	refuse     func(wire.Window) bool
}

func newCollector(t testing.TB, a wire.Assignment) *collector {
	t.Helper()
	c := &collector{t: t, assignment: a, windows: map[wire.Key]wire.Window{}}
	socket := filepath.Join(t.TempDir(), "c.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c.url = "unix:" + socket
	server := &http.Server{Handler: c}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		json.NewEncoder(w).Encode(wire.Problem{Schema: wire.SchemaError, Code: wire.CodeStoreUnavailable, Message: "again later"})
		return
	}
	switch {
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/assignment"):
		tag := fmt.Sprintf("%q", c.assignment.MeshSHA256)
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		json.NewEncoder(w).Encode(c.assignment)
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/windows"):
		c.admit(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *collector) admit(w http.ResponseWriter, r *http.Request) {
	unpacked, err := gzip.NewReader(r.Body)
	if err != nil {
		c.t.Errorf("body: %v", err)
		return
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		c.t.Errorf("body: %v", err)
		return
	}
	batch, err := wire.DecodeBatch(data)
	if err != nil {
		c.t.Errorf("batch: %v", err)
		return
	}
	ack := wire.Ack{Schema: wire.SchemaAck, Batch: batch.Digest().String(), MeshSHA256: c.assignment.MeshSHA256}
	for i, window := range batch.Windows {
		if err := window.Check(); err != nil {
			c.t.Errorf("window %v: %v", window.Key, err)
		}
		if c.refuse != nil && c.refuse(window) {
			ack.Refused = append(ack.Refused, wire.Refusal{Index: i, Key: window.Key, Code: wire.CodeForeignLink, Message: "not yours"})
			continue
		}
		if before, twice := c.windows[window.Key]; twice && before.Digest() != window.Digest() {
			c.t.Errorf("window %v came twice and differs", window.Key)
		}
		c.windows[window.Key] = window
		ack.Stored++
	}
	json.NewEncoder(w).Encode(ack)
}

// set changes the collector between requests.
func (c *collector) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *collector) all() []wire.Window {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []wire.Window
	for _, w := range c.windows {
		all = append(all, w)
	}
	return all
}
