package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// secondTest is a second test beside the judged one of scenario's meshes, which asks
// for the same.
const secondTest = "  - {test: stamp, method: stamp, links: [{}], interval_ms: 1000, size_bytes: 128, window_s: 900, dscp: 46}\n"

// withStamp is a mesh with this test, and which of the two is judged.
func withStamp(t testing.TB, m *mesh.Mesh, judged string, replace ...string) *mesh.Mesh {
	t.Helper()
	text := strings.NewReplacer(append(replace, "judged: icmp", secondTest+"judged: "+judged)...).Replace(string(m.Bytes()))
	twice, err := mesh.Parse("mesh.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return twice
}

// by is a window as another test would have it.
func by(test string, w wire.Window) wire.Window {
	w.Test, w.Method = test, test
	return w
}

func besides(t testing.TB, m *mesh.Mesh, p *policy.Policy, s *scenario.Store, period Period, archive []store.MeshVersion, beside bool) *api.Report {
	t.Helper()
	plan, err := NewPlan(m, p, period, archive)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, s, Options{GeneratedBy: "test", Complete: true, Beside: beside})
	if err != nil {
		t.Fatal(err)
	}
	return valid(t, r)
}

// measured is what the ends of a made-up network saw within a minute, by link
// as "src>dst" of cluster letters.
type measured map[string]sample

type sample struct {
	rtts []uint32
	lost int
}

// drawMeasured draws plausible RTTs around the limits of scenario's clusters;
// some links lose much, and some are silent.
var drawMeasured = rapid.Custom(func(t *rapid.T) measured {
	links := measured{}
	for _, src := range "abc" {
		for _, dst := range "abc" {
			if src == dst || rapid.IntRange(0, 9).Draw(t, "silent") == 0 {
				continue
			}
			links[fmt.Sprintf("%c>%c", src, dst)] = sample{
				rtts: rapid.SliceOfN(rapid.Uint32Range(16_000, 30_000), 0, 40).Draw(t, "rtts"),
				lost: rapid.IntRange(0, 3).Draw(t, "lost"),
			}
		}
	}
	return links
})

// Whatever other tests measure, and whether it is shown, nothing else of the
// report knows of it.
func TestBesideChangesNothingElse(t *testing.T) {
	m := withStamp(t, scenario.Mesh(t, "UTC", scenario.Sites(), nil), "icmp")
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	rapid.Check(t, func(rt *rapid.T) {
		judged, other := &scenario.Store{}, &scenario.Store{}
		put := func(links measured, name string, stores ...*scenario.Store) {
			for _, link := range slices.Sorted(maps.Keys(links)) {
				w := scenario.Window(m, string(link[0])+"1", string(link[2])+"1", period.From, links[link].rtts, links[link].lost)
				for _, s := range stores {
					s.Put(t, by(name, w))
				}
			}
		}
		put(drawMeasured.Draw(rt, "judged"), "icmp", judged, other)
		put(drawMeasured.Draw(rt, "other"), "stamp", other)
		want := besides(t, m, policy.Default(), judged, period, nil, false)
		if diff := cmp.Diff(want, besides(t, m, policy.Default(), other, period, nil, false)); diff != "" || want.Beside != nil {
			rt.Fatalf("windows of another test show (-want +got):\n%s", diff)
		}
		got := besides(t, m, policy.Default(), other, period, nil, true)
		if got.Beside == nil || len(got.Beside.Tests) != 1 || len(got.Beside.Tests[0].Links) != 3 {
			rt.Fatalf("beside is %+v", got.Beside)
		}
		got.Beside = nil
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("with what is beside (-want +got):\n%s", diff)
		}
	})
}

// Two tests that saw the same have the same figures, whichever is judged: also
// where packets were lost, windows are foreign, in conflict or summaries, the
// distance changed, and maintenance excuses.
func TestSamePacketsSameFigures(t *testing.T) {
	base := scenario.Mesh(t, "UTC", scenario.Sites(), []string{
		"{clusters: [a, b], km: 1537, class: A, source: register, until: 2025-06-03T12:00:00Z}",
		"{clusters: [a, b], km: 1300, class: A, source: register, from: 2025-06-03T12:00:00Z}",
	})
	works := "maintenance: [{id: w1, sites: [c1], reason: splicing, from: 2025-06-03T03:00:00Z, until: 2025-06-03T03:10:00Z}]\njudged: "
	icmp := withStamp(t, base, "icmp\n"+strings.TrimSuffix(works, "judged: "))
	stampJudged := withStamp(t, base, "stamp\n"+strings.TrimSuffix(works, "judged: "))
	period := on(t, icmp, "2025-06-03")
	var archive []store.MeshVersion
	for _, m := range []*mesh.Mesh{icmp, stampJudged} {
		archive = append(archive, store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: period.From})
	}
	p := with(t, "most: 0.01", "most: 0.5")
	rapid.Check(t, func(rt *rapid.T) {
		s := &scenario.Store{}
		for _, link := range []string{"ab", "ba", "ac", "ca", "bc"} {
			for range rapid.IntRange(0, 4).Draw(rt, "windows") {
				at := period.From.Add(15 * time.Minute * time.Duration(rapid.IntRange(8, 52).Draw(rt, "quarter")))
				rtts := rapid.SliceOfN(rapid.Uint32Range(12_000, 60_000), 1, 20).Draw(rt, "rtts")
				w := scenario.Window(icmp, string(link[0])+"1", string(link[1])+"1", at, rtts, rapid.IntRange(0, 2).Draw(rt, "lost"))
				switch rapid.IntRange(0, 5).Draw(rt, "kind") {
				case 0:
					w.SrcCluster = "elsewhere"
				case 1:
					w = inSum(scenario.Window(icmp, w.Src, w.Dst, at, rtts, 0), rtts, "n", "min", "max")
				}
				s.Put(t, by("icmp", w), by("stamp", w))
			}
		}
		r := besides(t, icmp, p, s, period, archive, true)
		other := r.Beside.Tests[0].Links
		if len(other) != len(r.Links) {
			rt.Fatalf("%d links, judged %d", len(other), len(r.Links))
		}
		for i, want := range r.Links {
			got := other[i]
			seen := []api.OtherEnd{}
			for _, end := range want.Ends {
				seen = append(seen, api.OtherEnd{Seen: end.Seen, Origins: end.Origins, Timestamps: end.Timestamps})
			}
			if diff := cmp.Diff(
				[]any{want.Pair, want.Plane, want.Carrier, want.Sites, want.DistanceKM, want.TheoreticalRTTMS, want.MeasuredRTTMS, want.Ratio, want.Unbounded, want.Bounds, seen},
				[]any{got.Pair, got.Plane, got.Carrier, got.Sites, got.DistanceKM, got.TheoreticalRTTMS, got.MeasuredRTTMS, got.Ratio, got.Unbounded, got.Bounds, got.Ends}); diff != "" {
				rt.Fatalf("%v (-judged +other):\n%s", want.Sites, diff)
			}
			if got.Differs || (got.DifferenceMS != nil) != (want.MeasuredRTTMS != nil) || got.DifferenceMS != nil && *got.DifferenceMS != 0 {
				rt.Fatalf("%v differs from itself: %v %v", want.Sites, got.Differs, got.DifferenceMS)
			}
		}
		// What is judged there is beside here, and the other way round.
		back := besides(t, stampJudged, p, s, period, archive, true)
		if diff := cmp.Diff([]string{r.DataSHA256, r.Beside.DataSHA256}, []string{back.Beside.DataSHA256, back.DataSHA256}); diff != "" || r.DataSHA256 == r.Beside.DataSHA256 && r.Data.Windows > 0 {
			rt.Fatalf("hashes of judged and beside, and of the other mesh crosswise:\n%s", diff)
		}
	})
}

// The worse ends are compared by max(1 ms, 5 %).
func TestDiffers(t *testing.T) {
	for _, c := range []struct {
		name          string
		judged, other string // RTT in µs at a1 and b1; lost: all are
		want          string // measured, ratio, difference, differs
	}{
		{"the same", "20000 20000", "20000 20000", "20 1.3287 0 false"},
		{"1 ms", "15000 15000", "16000 16000", "16 1.0629 1 false"},
		{"more than 1 ms and 5 %", "15000 15000", "16001 16001", "16.001 1.063 1.001 true"},
		{"less by as much", "16001 16001", "15000 15000", "15 0.9965 -1.001 true"},
		{"more than 1 ms, not 5 %", "40000 40000", "41500 41500", "41.5 2.757 1.5 false"},
		{"of the worse ends", "16000 20000", "20000 12000", "20 1.3287 0 false"},
		{"of one end", "20000 20000", "- 22000", "22 1.4615 2 true"},
		{"the other is endless", "20000 20000", "lost 20000", "∞ true"},
		{"the judged one is endless", "20000 lost", "20000 20000", "20 1.3287 – true"},
		{"both are", "lost lost", "lost lost", "∞ false"},
		{"nothing judged", "- -", "20000 20000", "20 1.3287 – false"},
		{"no windows", "20000 20000", "- -", "– false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := withStamp(t, scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil), "icmp")
			period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
			s := &scenario.Store{}
			for test, seen := range map[string]string{"icmp": c.judged, "stamp": c.other} {
				for i, what := range strings.Fields(seen) {
					src, dst := [2]string{"a1", "b1"}[i], [2]string{"b1", "a1"}[i]
					var us uint32
					switch what {
					case "-":
						continue
					case "lost":
						s.Put(t, by(test, scenario.Window(m, src, dst, period.From, nil, 60)))
					default:
						if _, err := fmt.Sscan(what, &us); err != nil {
							t.Fatal(err)
						}
						s.Put(t, by(test, scenario.Window(m, src, dst, period.From, scenario.Same(us, 60), 0)))
					}
				}
			}
			link := besides(t, m, policy.Default(), s, period, nil, true).Beside.Tests[0].Links[0]
			show := func(v *float64) string {
				if v == nil {
					return "–"
				}
				return fmt.Sprint(*v)
			}
			got := fmt.Sprint(show(link.MeasuredRTTMS), " ", show(link.Ratio), " ", show(link.DifferenceMS), " ", link.Differs)
			switch {
			case link.Unbounded:
				got = fmt.Sprint("∞ ", link.Differs)
			case link.MeasuredRTTMS == nil:
				got = fmt.Sprint("– ", link.Differs)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if len(link.Ends) != 2 || link.Ends[0].Scheduled != 60 {
				t.Errorf("ends are %+v", link.Ends)
			}
		})
	}
}

// A test with longer windows leaves out those of which any moment is excused.
func TestExcusedInOtherWindows(t *testing.T) {
	m := withStamp(t, scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil),
		"icmp\nmaintenance: [{id: w1, sites: [a1], reason: splicing, from: 2025-06-03T10:07:00Z, until: 2025-06-03T10:08:00Z}]\n",
		"interval_ms: 1000, size_bytes: 84, window_s: 900}", "interval_ms: 1000, size_bytes: 84, window_s: 60}")
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T11:00:00Z")
	plan, err := NewPlan(m, with(t, "most: 0.01", "most: 0.5"), period, []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: period.From}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, &scenario.Store{}, Options{Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	got := []int64{r.Links[0].Ends[0].Scheduled, r.Beside.Tests[0].Links[0].Ends[0].Scheduled}
	if diff := cmp.Diff([]int64{3600 - 60, 3600 - 900}, got); diff != "" {
		t.Errorf("scheduled by windows of a minute, and of a quarter of an hour (-want +got):\n%s", diff)
	}
}

// The section of the table at the widths that tables are read at.
func TestGoldenBeside(t *testing.T) {
	text := strings.NewReplacer(
		"planes: [optical]", "planes: [optical, public-internet]",
		"judged: icmp", `  - {test: stamp-ef, method: stamp, links: [{}], interval_ms: 60000, size_bytes: 128, dscp: 46, window_s: 900}
  - {test: deep, method: icmp, links: [{from: "*-p", to: "zjk-*"}], interval_ms: 60000, size_bytes: 1400, window_s: 900}
  - {test: nowhere, method: icmp, links: [{from: "old"}], interval_ms: 60000, size_bytes: 84, window_s: 900}
judged: icmp`,
	).Replace(monthMesh) + `  - {id: zjk-p, cluster: zjk, carrier: telecom, plane: public-internet, role: both, address: 192.0.2.7}
  - {id: qpu-p, cluster: qpu, carrier: telecom, plane: public-internet, role: both, address: 192.0.2.8}
  - {id: qpu-q, cluster: qpu, carrier: telecom, plane: public-internet, role: both, address: 192.0.2.9}
  - {id: old, cluster: qpu, carrier: telecom, plane: optical, role: both, address: 192.0.2.10, until: 2025-01-01}
`
	m, err := mesh.Parse("mesh.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	e := newExample(t, m, "2025-06-03")
	other := func(src, dst string, us uint32, lost int, until int) {
		for _, link := range [][2]string{{src, dst}, {dst, src}} {
			for at := e.period.From; at.Before(e.period.To) && at.Hour() < until; at = at.Add(15 * time.Minute) {
				w := scenario.Window(e.m, link[0], link[1], at, scenario.Same(us, 15-lost), lost)
				w.EndMS, w.Scheduled = at.Add(15*time.Minute).UnixMilli(), w.Sent
				w.Test, w.Method = "stamp-ef", "stamp"
				w.Origin = wire.OriginMeasured
				e.s.Put(t, w)
			}
		}
	}
	for _, l := range []struct {
		a, b          string
		judged, other uint32
		lost, until   int
	}{
		{"zjk-t", "qpu-t", 21_100, 21_050, 0, 24},
		{"zjk-u", "qpu-u", 23_000, 21_200, 0, 24},
		{"zjk-t", "wuh-t", 19_000, 20_400, 0, 6},
		{"zjk-t", "cqg-t", 24_000, 24_100, 2, 24},
		{"qpu-t", "wuh-t", 4_000, 0, 0, 0},
		{"qpu-t", "cqg-t", 24_500, 24_900, 0, 24},
		{"zjk-p", "qpu-p", 31_000, 31_300, 0, 24},
		{"zjk-p", "qpu-q", 31_000, 36_000, 0, 24},
	} {
		e.both(t, l.a, l.b, always(l.judged))
		other(l.a, l.b, l.other, l.lost, l.until)
	}
	r := besides(t, e.m, e.p, e.s, e.period, nil, true)
	data, err := JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	var back api.Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{72, 80, 100} {
		var table, again bytes.Buffer
		if err := Table(&table, r, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		if err := Table(&again, &back, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(table.String(), again.String()); diff != "" {
			t.Errorf("the JSON read back gives another table (-want +got):\n%s", diff)
		}
		_, section, _ := strings.Cut(table.String(), "\nTests that are not judged")
		golden(t, fmt.Sprintf("beside-%d.txt", columns), []byte("Tests that are not judged"+section))
		for line := range strings.Lines(table.String()) {
			if n := width(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("a line of %d columns: %s", n, line)
			}
		}
		// The rest is what it is without the section.
		r.Beside = nil
		var without bytes.Buffer
		if err := Table(&without, r, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		r.Beside = back.Beside
		if head, _, _ := strings.Cut(table.String(), "\nTests that are not judged"); !strings.HasPrefix(without.String(), head) {
			t.Errorf("the rest differs:\n%s", cmp.Diff(without.String(), head))
		}
	}
}
