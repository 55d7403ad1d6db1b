package series

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Works are those at the sites of the links that are wanted, each once though
// they last over two months; of the path each hour counts.
func TestAnnotations(t *testing.T) {
	m, err := mesh.Parse("mesh.yaml", append(scenario.Mesh(t, "UTC", scenario.Sites(), nil).Bytes(), []byte(`
maintenance:
  - {id: both, reason: new fibre, from: 2025-05-31T22:00:00Z, until: 2025-06-01T02:00:00Z, sites: [a1, c1]}
  - {id: elsewhere, reason: secret, from: 2025-06-01T00:00:00Z, until: 2025-06-01T02:00:00Z, sites: [c1]}
  - {id: later, reason: new fibre, from: 2025-06-03T00:00:00Z, until: 2025-06-03T02:00:00Z, sites: [a1]}
`)...))
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	changed := func(src, dst string, hour, minute int) {
		w := scenario.Window(m, src, dst, time.Date(2025, 6, 1, hour, minute, 0, 0, time.UTC), scenario.Same(20_000, 60), 0)
		w.ReplyTTL = &wire.ReplyTTL{Min: 60, Max: 61, Changes: 2}
		s.Put(t, w)
	}
	changed("b1", "a1", 5, 0)
	changed("b1", "a1", 5, 30)
	changed("a1", "b1", 5, 0)
	changed("a1", "b1", 23, 0)
	changed("a1", "c1", 5, 0)
	period, err := report.ParsePeriod("", "2025-05-31", "2025-06-01T20:00:00Z", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	got, links, err := Annotations(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s},
		Query{Period: period, Wanted: both(Wanted{Pairs: [][2]string{{"a", "b"}}})})
	if err != nil {
		t.Fatal(err)
	}
	want := []api.Annotation{
		{Kind: api.Maintenance, From: "2025-05-31T22:00:00Z", To: "2025-06-01T02:00:00Z", Works: "both", Reason: "new fibre", Sites: []string{"a1"}},
		{Kind: api.PathChange, From: "2025-06-01T05:00:00Z", To: "2025-06-01T06:00:00Z", Src: "a1", Dst: "b1", TTLChanges: 2},
		{Kind: api.PathChange, From: "2025-06-01T05:00:00Z", To: "2025-06-01T06:00:00Z", Src: "b1", Dst: "a1", TTLChanges: 4},
	}
	if diff := cmp.Diff(want, got.Annotations); diff != "" || links != 4 {
		t.Errorf("%d ends in two months; (-want +got):\n%s", links, diff)
	}
}
