package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/meshes"
	"github.com/fibergauge/fibergauge/collector/metrics"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// bench is an API with everything around it.
type bench struct {
	*API
	store    *fakestore.Store
	versions *meshes.Versions
	now      time.Time
	log      *bytes.Buffer
}

func newBench(t testing.TB, limits Limits) *bench {
	t.Helper()
	b := &bench{store: &fakestore.Store{}, now: fakestore.Now(), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	now := func() time.Time { return b.now }
	counters := metrics.New("test")
	observed := counters.Observe(b.store)
	b.versions = meshes.NewVersions(observed, now, log)
	b.API = New(Config{
		Mesh:     b.versions.Current,
		Admitter: &admission.Desk{Store: observed, Meshes: b.versions, Now: now, FutureTolerance: time.Minute},
		Ready:    observed.Ready,
		Identify: SiteInPath,
		Metrics:  counters,
		Limits:   limits,
		Now:      now,
		Log:      log,
	})
	return b
}

// serving is a bench that serves the mesh "now".
func serving(t testing.TB) *bench {
	t.Helper()
	b := newBench(t, DefaultLimits())
	if err := b.versions.Serve(t.Context(), fakestore.Mesh("now")); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *bench) post(body string, header ...string) *httptest.ResponseRecorder {
	return b.do(http.MethodPost, windowsPath, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

const (
	windowsPath    = "/v1/sites/a1/windows"
	assignmentPath = "/v1/sites/a1/assignment"
)

func encode(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func zip(t testing.TB, s string) string {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func zst(t testing.TB, s string, options ...zstd.EOption) string {
	t.Helper()
	var buf bytes.Buffer
	w, err := zstd.NewWriter(&buf, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// goodBatch is one that is taken.
func goodBatch(t testing.TB) string {
	t.Helper()
	return encode(t, fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0)))
}

func expectProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code wire.Code, message string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	var got wire.Problem
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("the body is no Problem: %v", err)
	}
	if diff := cmp.Diff(wire.Problem{Schema: wire.SchemaError, Code: code, Message: message}, got); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}
