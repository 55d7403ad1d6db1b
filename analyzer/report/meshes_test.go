package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// The road between a and b was registered twice, the second time without saying
// since when: then it must not change the months that were judged before.
func TestAMonthIsJudgedByItsMesh(t *testing.T) {
	road := func(km string) *mesh.Mesh {
		return scenario.Mesh(t, "Asia/Shanghai", []string{"a1 a one optical both", "b1 b one optical both"},
			[]string{"{clusters: [a, b], km: " + km + ", class: A, source: register}"})
	}
	first, second, third := road("1537"), road("1300"), road("1800")
	served := func(m *mesh.Mesh, at string) store.MeshVersion {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		return store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: when}
	}
	archive := []store.MeshVersion{
		served(first, "2025-05-20T00:00:00Z"),
		served(second, "2025-06-30T15:59:59.999Z"), // the last moment of June in Shanghai
		served(third, "2025-07-31T16:00:00Z"),      // the first of August
	}
	s := &scenario.Store{}
	for _, day := range []string{"2025-05-10", "2025-06-10", "2025-07-10", "2025-08-10"} {
		period := on(t, first, day)
		s.Both(t, first, "a1", "b1", period.From, period.To, scenario.Same(21_000, 60), 0, nil)
	}
	// A day is too little for a month, and not what this is about.
	p := with(t, "days: 0.75", "days: 0.01", "packets_of_hour: 0.75", "packets_of_hour: 0.01", "clusters: [all]", "clusters: [a, b]")
	for _, c := range []struct {
		name, period string
		file         *mesh.Mesh
		archive      []store.MeshVersion
		want         string
	}{
		{"before any was served", "2025-05-10", nil, archive[1:], "1300 km, in force"},
		{"served within it", "2025-05", nil, archive, "1537 km, in force"},
		{"served in its last moment", "2025-06", nil, archive, "1300 km, in force"},
		{"served as it ended", "2025-07", nil, archive, "1300 km, in force"},
		{"the last one", "2025-08", nil, archive, "1800 km, in force"},
		{"another by hand", "2025-08", first, archive, "1537 km, not in force"},
		{"by hand, without an archive", "2025-08", first, nil, "1537 km, nothing archived"},
	} {
		plan, err := Meshes{File: c.file, Archive: c.archive}.Plan(p, inItsZone(c.period))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r, err := Build(t.Context(), plan, s, Options{Complete: true})
		if err != nil {
			t.Fatal(err)
		}
		got := "1537 km"
		switch r.MeshSHA256 {
		case second.SHA256():
			got = "1300 km"
		case third.SHA256():
			got = "1800 km"
		}
		if km := pairOf(r, "a", "b").DistanceKM; !strings.HasPrefix(got, wording.Number(km)) {
			t.Errorf("%s: %v km by mesh of %s", c.name, km, got)
		}
		switch r.Mesh.InForceSHA256 {
		case "":
			got += ", nothing archived"
		case r.MeshSHA256:
			got += ", in force"
		default:
			got += ", not in force"
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if warned := strings.Contains(tableOf(t, r), "not the mesh of the period"); warned != strings.HasSuffix(got, "not in force") {
			t.Errorf("%s: the table warns: %v", c.name, warned)
		}
	}

	plan, err := Meshes{Archive: archive}.Plan(p, inItsZone("2025-08"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, s, Options{Complete: true, Trend: true})
	if err != nil {
		t.Fatal(err)
	}
	// 21 ms is within the limit of 1 537 km, 22.6 ms, and not of 1 300, 19.1 ms.
	var trend []string
	for _, month := range r.Trend {
		trend = append(trend, month.Month+" "+rateLine(month.Rate, false))
	}
	if diff := cmp.Diff([]string{"2025-05 1 of 1 pair complies = 100.0 %", "2025-06 0 of 1 pair complies = 0.0 %", "2025-07 0 of 1 pair complies = 0.0 %"}, trend); diff != "" {
		t.Errorf("trend (-want +got):\n%s", diff)
	}

	if _, err := (Meshes{}).Plan(policy.Default(), inItsZone("2025-08")); err == nil || !strings.Contains(err.Error(), "--mesh FILE") {
		t.Errorf("without any mesh: %v", err)
	}
}

// inItsZone reads a period once its time zone is known.
func inItsZone(period string) func(*time.Location) (Period, error) {
	return func(zone *time.Location) (Period, error) { return ParsePeriod(period, "", "", zone) }
}

func tableOf(t *testing.T, r *api.Report) string {
	var b bytes.Buffer
	if err := Table(&b, r, Look{Width: 200}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Which period is meant costs as little for ten years as for a day: readers may
// ask it as often as they like.
func TestPeriodIsNotPlanned(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", []string{"a1 a one optical both", "b1 b one optical both"}, nil)
	archive := []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.Unix(0, 0)}}
	for _, meshes := range []Meshes{{File: m, Archive: archive}, {Archive: archive}} {
		cost := func(span Span) float64 {
			plan, err := meshes.Plan(policy.Default(), span.Parse)
			if err != nil {
				t.Fatal(err)
			}
			if period, by, err := meshes.Period(span.Parse); err != nil || !period.From.Equal(plan.Period.From) || !period.To.Equal(plan.Period.To) || by.SHA256() != m.SHA256() {
				t.Errorf("%+v: %+v by %s, %v; planned %+v", span, period, by.SHA256(), err, plan.Period)
			}
			return testing.AllocsPerRun(5, func() { _, _, _ = meshes.Period(span.Parse) })
		}
		day, years := cost(Span{From: "2015-01-01", To: "2015-01-02"}), cost(Span{From: "2015-01-01", To: "2024-12-31"})
		if years > day*1.1+1 {
			t.Errorf("ten years take %v allocations, a day %v", years, day)
		}
	}
	if _, _, err := (Meshes{}).Period(inItsZone("2025-08")); err == nil || !strings.Contains(err.Error(), "--mesh FILE") {
		t.Errorf("without any mesh: %v", err)
	}
}
