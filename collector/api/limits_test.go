package api

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestSiteRate(t *testing.T) {
	b := serving(t)
	ask := func(site string) *httptest.ResponseRecorder {
		return b.do("GET", "/v1/sites/"+site+"/assignment", "")
	}
	for i := range b.Limits.SiteBurst {
		if w := ask("a1"); w.Code != 200 {
			t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
		}
	}
	w := ask("a1")
	expectProblem(t, w, 429, wire.CodeOverloaded, "site a1 sends more than 20 requests a second; put more windows into a batch")
	if got := w.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q, want 1", got)
	}
	if w := ask("b1"); w.Code != 200 {
		t.Errorf("another site: %d %s", w.Code, w.Body)
	}
	b.now = b.now.Add(50 * time.Millisecond)
	if w := ask("a1"); w.Code != 200 {
		t.Errorf("a twentieth of a second later: %d %s", w.Code, w.Body)
	}
	if w := ask("a1"); w.Code != 429 {
		t.Errorf("and again: %d %s", w.Code, w.Body)
	}
}

// TestStrangersShareOneLimit: names that the mesh does not have are free to
// invent, so they must not come with a limit, and memory, each.
func TestStrangersShareOneLimit(t *testing.T) {
	b := serving(t)
	for i := range b.Limits.SiteBurst {
		if w := b.do("GET", fmt.Sprintf("/v1/sites/z%d/assignment", i), ""); w.Code != 404 {
			t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
		}
	}
	if w := b.do("GET", "/v1/sites/another/assignment", ""); w.Code != 429 {
		t.Errorf("one more stranger: %d %s", w.Code, w.Body)
	}
	if w := b.do("GET", assignmentPath, ""); w.Code != 200 {
		t.Errorf("a site of the mesh: %d %s", w.Code, w.Body)
	}
	if n := len(b.gate.sites); n != 2 {
		t.Errorf("%d sites are remembered, want a1 and the strangers", n)
	}
}

func TestGateForgetsSitesThatAreGone(t *testing.T) {
	g := newGate(DefaultLimits(), fakestore.Now)
	m := fakestore.Mesh("now")
	if g.request(m, "a1") != nil || g.request(m, "b1") != nil {
		t.Fatal("refused")
	}
	smaller, err := mesh.Parse("mesh.yaml", bytes.Replace(bytes.Replace(fakestore.MeshYAML("small"), []byte("id: b1"), []byte("id: b2"), 1), []byte("to: b1"), []byte("to: b2"), 1))
	if err != nil {
		t.Fatal(err)
	}
	if g.request(smaller, "a1") != nil || len(g.sites) != 1 {
		t.Errorf("%d sites are remembered, want 1", len(g.sites))
	}
}

func TestBatchesInHand(t *testing.T) {
	limits := DefaultLimits()
	limits.Batches, limits.SiteBatches = 3, 2
	b := newBench(t, limits)
	if err := b.versions.Serve(t.Context(), fakestore.Mesh("now")); err != nil {
		t.Fatal(err)
	}
	m := b.Mesh()
	var leave []func()
	for _, site := range []string{"a1", "a1", "b1"} {
		out, no := b.gate.batch(m, site)
		if no != nil {
			t.Fatalf("%s: %s", site, no.body)
		}
		leave = append(leave, out)
	}
	w := b.post(goodBatch(t))
	expectProblem(t, w, 429, wire.CodeOverloaded, "2 batches of site a1 are in hand; send the next after an answer")
	leave[0]()
	out, no := b.gate.batch(m, "b1")
	if no != nil {
		t.Fatalf("%s", no.body)
	}
	w = b.post(goodBatch(t))
	expectProblem(t, w, 503, wire.CodeOverloaded, "3 batches are in hand; send this one again later")
	if got := w.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q, want 1", got)
	}
	out()
	if w := b.post(goodBatch(t)); w.Code != 200 {
		t.Errorf("with a free place: %d %s", w.Code, w.Body)
	}
}

// inHand counts the batches in hand.
func (g *gate) inHand() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.batches
}
