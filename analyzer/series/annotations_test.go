package series

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
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
	if diff := cmp.Diff(want, got.Annotations); diff != "" || links != 2 {
		t.Errorf("%d ends; (-want +got):\n%s", links, diff)
	}
}

// The step of a clock is one of its site, whatever the number of links that saw it,
// from windows and from records; of kinds that are not asked for nothing is read.
func TestClockSteps(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s := &scenario.Store{}
	stepped := func(src, dst string, at time.Time, ms int) {
		w := scenario.Window(m, src, dst, at, scenario.Same(20_000, 60), 0)
		w.EndMS, w.EndReason = w.EndMS-int64(ms), wire.EndClockStep
		w.ReplyTTL = &wire.ReplyTTL{Min: 60, Max: 61, Changes: 1}
		s.Put(t, w)
	}
	at := time.Date(2025, 6, 1, 9, 0, 0, 0, m.Location())
	stepped("a1", "b1", at, 100)
	stepped("a1", "c1", at, 3000)
	stepped("b1", "a1", at, 0)
	stepped("a1", "b1", at.Add(2*time.Hour), 0)
	stepped("a1", "b1", at.Add(-48*time.Hour), 0) // before the period
	stepped("c1", "a1", at.Add(30*24*time.Hour), 0)
	step := func(text, site string) api.Annotation {
		return api.Annotation{Kind: api.ClockStep, From: text, To: text, Sites: []string{site}}
	}
	june := []api.Annotation{step("2025-06-01T09:00:57+08:00", "a1"), step("2025-06-01T09:01:00+08:00", "b1"), step("2025-06-01T11:01:00+08:00", "a1")}
	session := beginSession(t, openDays(t, s))
	for _, c := range []struct {
		to     string
		wanted Wanted
		want   []api.Annotation
	}{
		{"2025-06-02", Wanted{}, june},
		{"2025-07-03", Wanted{}, append(slices.Clone(june), step("2025-07-01T09:01:00+08:00", "c1"))},
		{"2025-06-02", Wanted{Ends: [][2]string{{"a1", "b1"}}}, []api.Annotation{step("2025-06-01T09:00:59.9+08:00", "a1"), june[2]}},
		{"2025-06-02", Wanted{Ends: [][2]string{{"c1", "b1"}}}, []api.Annotation{}},
	} {
		period, err := report.ParsePeriod("", "2025-05-31", c.to, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		for _, days := range []latency.Records{nil, session, session} {
			got, _, err := Annotations(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s, Days: days},
				Query{Period: period, Wanted: both(c.wanted), Kinds: []string{api.ClockStep}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Annotations); diff != "" {
				t.Errorf("%+v, records %v (-want +got):\n%s", c.wanted, days != nil, diff)
			}
		}
	}
	s.Err = errors.New("nothing has to be read")
	period, err := report.ParsePeriod("2025-06", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	source := Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}
	for kind, reads := range map[string]bool{api.Maintenance: false, api.DistanceChange: false, api.PathChange: true, api.ClockStep: true} {
		if _, _, err := Annotations(t.Context(), source, Query{Period: period, Wanted: both(Wanted{}), Kinds: []string{kind}}); (err != nil) != reads {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// The distance of a link changes once for both of its ends, in the middle of a month
// and between two meshes; what is registered again with the same length is no
// change, nor is what is not in the period.
func TestDistanceChanges(t *testing.T) {
	distances := func(last string) []string {
		return []string{
			"{clusters: [a, b], km: 1537, class: A, source: register, until: 2025-05-20}",
			"{clusters: [a, b], km: 1200, class: A, source: register, from: 2025-05-20, until: 2025-06-10T06:30:00Z}",
			last,
		}
	}
	old := scenario.Mesh(t, "UTC", scenario.Sites(), distances("{clusters: [a, b], km: 1200, class: B, source: map, from: 2025-06-10T06:30:00Z}"))
	now := scenario.Mesh(t, "UTC", scenario.Sites(), append(distances("{clusters: [a, b], km: 1100.5, class: A, source: register, from: 2025-06-10T06:30:00Z}"),
		"{sites: [c1, a1], km: 1500, class: A, source: register}"))
	meshes := report.Meshes{Archive: []store.MeshVersion{
		{SHA256: old.SHA256(), Bytes: old.Bytes(), ServedFrom: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)},
		{SHA256: now.SHA256(), Bytes: now.Bytes(), ServedFrom: time.Date(2025, 7, 5, 0, 0, 0, 0, time.UTC)},
	}}
	period, err := report.ParsePeriod("", "2025-05-25", "2025-08-01", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from time.Time
		want []api.Annotation
	}{
		{period.From, []api.Annotation{
			{Kind: api.DistanceChange, From: "2025-07-01T00:00:00Z", To: "2025-07-01T00:00:00Z", Src: "a1", Dst: "b1", BeforeKM: 1200, AfterKM: 1100.5},
			{Kind: api.DistanceChange, From: "2025-07-01T00:00:00Z", To: "2025-07-01T00:00:00Z", Src: "a1", Dst: "c1", BeforeKM: 1443.684, AfterKM: 1500},
		}},
		{period.From.AddDate(0, 0, -10), []api.Annotation{
			{Kind: api.DistanceChange, From: "2025-05-20T00:00:00Z", To: "2025-05-20T00:00:00Z", Src: "a1", Dst: "b1", BeforeKM: 1537, AfterKM: 1200},
			{Kind: api.DistanceChange, From: "2025-07-01T00:00:00Z", To: "2025-07-01T00:00:00Z", Src: "a1", Dst: "b1", BeforeKM: 1200, AfterKM: 1100.5},
			{Kind: api.DistanceChange, From: "2025-07-01T00:00:00Z", To: "2025-07-01T00:00:00Z", Src: "a1", Dst: "c1", BeforeKM: 1443.684, AfterKM: 1500},
		}},
	} {
		period.From = c.from
		got, _, err := Annotations(t.Context(), Source{Meshes: meshes, Policy: policy.Default(), Store: &scenario.Store{}},
			Query{Period: period, Wanted: both(Wanted{}), Kinds: []string{api.DistanceChange}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got.Annotations); diff != "" {
			t.Errorf("from %s (-want +got):\n%s", c.from, diff)
		}
	}
}
