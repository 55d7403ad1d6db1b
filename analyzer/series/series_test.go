package series

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// stage is a link that is measured each hour from 29 May to 2 June, but for one
// hour and one day, now and then without an answer; its distance changes in the
// middle of an hour of 1 June.
func stage(t *testing.T, zone string) (Source, *scenario.Store, *mesh.Mesh) {
	t.Helper()
	m := scenario.Mesh(t, zone, scenario.Sites(), []string{
		"{clusters: [a, b], km: 1537, class: A, source: register, until: 2025-06-01T12:30:00Z}",
		"{clusters: [a, b], km: 1200, class: A, source: register, from: 2025-06-01T12:30:00Z}",
	})
	s := &scenario.Store{}
	random := rand.New(rand.NewPCG(1, 2))
	from := time.Date(2025, 5, 29, 0, 0, 0, 0, m.Location())
	for h := range 5 * 24 {
		if at := from.Add(time.Duration(h) * time.Hour); h != 30 && h/24 != 3 {
			for _, minute := range []int{0, 1, 45} {
				rtts := make([]uint32, random.IntN(60))
				for i := range rtts {
					rtts[i] = 20_000 + random.Uint32N(5000)
				}
				s.Put(t, scenario.Window(m, "a1", "b1", at.Add(time.Duration(minute)*time.Minute), rtts, random.IntN(4)))
			}
		}
	}
	return Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}, s, m
}

// openDays opens new day records over a store.
func openDays(t *testing.T, s *scenario.Store) *records.Cache {
	t.Helper()
	cache, err := records.Open(t.Context(), filepath.Join(t.TempDir(), "days.db"), s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return cache
}

func beginSession(t *testing.T, cache *records.Cache) *records.Session {
	t.Helper()
	session, err := cache.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func both(w Wanted) func(m *mesh.Mesh, src, dst *mesh.Site) bool { return w.Takes }

// Whatever the step and however many are merged, each point is that of the
// packets of all windows that start in it, no window is in two points, and none
// is in none.
func TestPointsAreOfTheirPackets(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "Asia/Kolkata"} {
		source, s, m := stage(t, zone)
		session := beginSession(t, openDays(t, s))
		for _, c := range []struct {
			step     Step
			from, to string
			most     int
		}{
			{Hour, "2025-05-29", "2025-06-03", 1000}, {Hour, "2025-05-29", "2025-06-03", 7}, {Hour, "2025-05-30T05:00:00Z", "2025-06-02T07:20:00Z", 5},
			{Hour, "2025-05-29", "2025-06-03", 1}, {Day, "2025-05-29", "2025-06-03", 100}, {Day, "2025-05-29", "2025-06-03", 2}, {Day, "2025-05-30", "2025-06-02", 1},
			{Window, "2025-05-31T03:00:00Z", "2025-06-01T04:07:00Z", 10_000}, {Window, "2025-05-31T03:20:00Z", "2025-06-01T14:07:00Z", 9},
		} {
			period, err := report.ParsePeriod("", c.from, c.to, m.Location())
			if err != nil {
				t.Fatal(err)
			}
			for _, days := range []latency.Records{nil, session} {
				at := fmt.Sprintf("%s %s, records %v", zone, fmt.Sprint(c), days != nil)
				source.Days = days
				got, err := Read(t.Context(), source, Query{
					Period: period, Step: c.step, MaxPoints: c.most, Wanted: both(Wanted{Ends: [][2]string{{"a1", "b1"}}}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Series) != 1 || len(got.Series[0].Points) == 0 || len(got.Series[0].Points) > c.most {
					t.Fatalf("%s: %d series, points %d", at, len(got.Series), len(got.Series[0].Points))
				}
				last := time.Time{}
				var seen int64
				for _, p := range got.Series[0].Points {
					from, to := moment(t, p.From), moment(t, p.To)
					if from.Before(last) || !from.Before(to) {
						t.Errorf("%s: a point from %s to %s, after one to %s", at, p.From, p.To, last)
					}
					last = to
					sum := packets(t, s, from, to, period, c.step)
					want := pointOf(sum, from.In(m.Location()), to.In(m.Location()), false)
					if diff := cmp.Diff(want, p); diff != "" {
						t.Errorf("%s: (-packets +point):\n%s", at, diff)
					}
					seen += p.Packets
				}
				if all := int64(packets(t, s, moment(t, got.Series[0].Points[0].From), last, period, c.step).Packets()); all != seen {
					t.Errorf("%s: %d packets in points, of %d", at, seen, all)
				}
			}
		}
	}
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// packets are those of the windows that start in [from, to), of which the period
// cuts single windows but no steps.
func packets(t *testing.T, s *scenario.Store, from, to time.Time, period report.Period, step Step) *latency.Distribution {
	t.Helper()
	sum, q := new(latency.Distribution), store.Query{Src: "a1", Dst: "b1", Test: "icmp", FromMS: from.UnixMilli(), ToMS: to.UnixMilli()}
	if step == Window {
		q.FromMS, q.ToMS = max(q.FromMS, period.From.UnixMilli()), min(q.ToMS, period.To.UnixMilli())
	}
	for record, err := range s.Windows(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sum.Add(&record.Window, nil); err != nil {
			t.Fatal(err)
		}
	}
	return sum
}

// The limit follows the distance, also in the middle of an hour, and is one line
// over months with the same.
func TestLimits(t *testing.T) {
	source, _, m := stage(t, "UTC")
	period, err := report.ParsePeriod("", "2025-05-30T06:00:00Z", "2025-06-02", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), source, Query{Period: period, Step: Hour, MaxPoints: 100, Wanted: both(Wanted{Pairs: [][2]string{{"b", "a"}}})})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Series) != 2 || !got.Judged || got.Statistic != "p95" {
		t.Fatalf("%d series, judged %v, by %s", len(got.Series), got.Judged, got.Statistic)
	}
	want := []api.Limit{
		{From: "2025-05-30T06:00:00Z", To: "2025-06-01T12:30:00Z", DistanceKM: 1537, TheoreticalRTTMS: 15.05252, LimitRTTMS: 22.57878},
		{From: "2025-06-01T12:30:00Z", To: "2025-06-02T00:00:00Z", DistanceKM: 1200, TheoreticalRTTMS: 11.752130, LimitRTTMS: 17.628195},
	}
	for _, s := range got.Series {
		if diff := cmp.Diff(want, s.Limits); diff != "" {
			t.Errorf("%s>%s (-want +got):\n%s", s.Src, s.Dst, diff)
		}
	}
}

func TestNothingWanted(t *testing.T) {
	source, _, m := stage(t, "UTC")
	period, err := report.ParsePeriod("2025-06", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []Wanted{
		{Ends: [][2]string{{"a1", "a1"}}}, {Own: []string{}}, {Carriers: []string{"two"}}, {Planes: []string{"private-ip"}}, {Hubs: []string{"bub"}},
		{Ends: [][2]string{{"a1", "b1"}}, Clusters: []string{"c"}}, {Pairs: [][2]string{{"a", "b"}}, Clusters: []string{"c"}},
	} {
		got, err := Read(t.Context(), source, Query{Period: period, Step: Day, MaxPoints: 100, Wanted: both(w)})
		if err != nil || len(got.Series) != 0 {
			t.Errorf("%+v: %v, %d series", w, err, len(got.Series))
		}
	}
	if _, err := Read(t.Context(), source, Query{Period: period, Test: "x", Step: Day, MaxPoints: 1, Wanted: both(Wanted{})}); err == nil {
		t.Error("a test that there is not")
	}
}

// Of every list that is not empty something has to fit, and nothing that is not
// the reader's own.
func TestWanted(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{
		"a1 a one optical both", "b1 b one optical both", "c1 c one optical both", "a2 a two private-ip both", "b2 b two private-ip both",
	}, nil)
	const all = 8
	for _, c := range []struct {
		name string
		w    Wanted
		ends int
	}{
		{"all", Wanted{}, all},
		{"an end, one way", Wanted{Ends: [][2]string{{"a1", "b1"}}}, 1},
		{"two ends", Wanted{Ends: [][2]string{{"a1", "b1"}, {"b2", "a2"}}}, 2},
		{"a pair, in any order", Wanted{Pairs: [][2]string{{"b", "a"}}}, 4},
		{"a cluster", Wanted{Clusters: []string{"c"}}, 4},
		{"a cluster twice is no pair", Wanted{Pairs: [][2]string{{"c", "c"}}}, 0},
		{"the hub", Wanted{Hubs: []string{"x", "hub"}}, all},
		{"another hub", Wanted{Hubs: []string{"x"}}, 0},
		{"a carrier", Wanted{Carriers: []string{"two"}}, 2},
		{"a plane", Wanted{Planes: []string{"optical"}}, 6},
		{"a carrier on another plane", Wanted{Carriers: []string{"two"}, Planes: []string{"optical"}}, 0},
		{"own", Wanted{Own: []string{"two"}}, 2},
		{"own of what is named", Wanted{Pairs: [][2]string{{"a", "b"}}, Own: []string{"two"}}, 2},
		{"none is one's own", Wanted{Own: []string{}}, 0},
	} {
		n := 0
		for _, l := range m.Links(m.Test("icmp"), time.Unix(0, 0), time.Now()) {
			if c.w.Takes(m, m.Site(l.Src), m.Site(l.Dst)) {
				n++
			}
		}
		if n != c.ends {
			t.Errorf("%s: %d ends, want %d", c.name, n, c.ends)
		}
	}
}

// However many points are asked for, there are no more, and no more in all than
// an answer has room for.
func TestMerge(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	from := Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: &scenario.Store{}}
	for _, c := range []struct {
		step        Step
		from, to    string
		asked, room int
		merged      int // 0: refused
	}{
		{Day, "2025-01-01", "2026-01-01", 365, 2222, 1},
		{Day, "2025-01-01", "2026-01-01", 364, 2222, 2},
		{Day, "2025-01-01", "2026-01-01", 0, 2222, 1},
		{Day, "2025-01-01", "2026-01-01", 1, 1, 365},
		{Day, "2025-01-01", "2026-01-01", 0, 100, 4},
		{Day, "2025-01-01", "2026-01-01", 1000, 365, 1}, // there are no more
		{Day, "2025-01-01", "2026-01-01", 1000, 364, 0},
		{Hour, "2025-01-01T00:30:00+08:00", "2025-01-03", 10_000, 100_000, 1},
		{Hour, "2025-01-01", "2025-01-03", 47, 100_000, 2},
		{Hour, "2025-01-01", "2025-01-03", 0, 0, 0},
		{Window, "2025-01-01", "2025-01-02", 96, 1000, 1},
		{Window, "2025-01-01T00:01:00+08:00", "2025-01-02T00:01:00+08:00", 96, 1000, 2}, // it meets 97
		{Window, "2025-01-01", "2025-01-02", 1, 1000, 96},
	} {
		period, err := report.ParsePeriod("", c.from, c.to, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		r, err := newReading(from, Query{Period: period, Step: c.step, MaxPoints: c.asked, Wanted: both(Wanted{})})
		if err != nil {
			t.Fatal(err)
		}
		err = r.merge(c.room, "6 ends")
		if refused := err != nil; refused != (c.merged == 0) || !refused && r.merged != c.merged {
			t.Errorf("%v: merged %d, %v", c, r.merged, err)
		}
		if c.merged > 0 && c.step == Window {
			length := r.windowMS() * int64(r.merged)
			most := max(c.asked, 1)
			if points := ceilDiv(period.To.UnixMilli()-r.baseMS, length); r.baseMS > period.From.UnixMilli() || int(points) > most {
				t.Errorf("%v: %d points", c, points)
			}
		}
	}
}

// Variation is that of the windows, the highest of those that make a point, and
// nothing where none tells it.
func TestVariation(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	s := &scenario.Store{}
	at := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	for i, ipdv := range []*wire.IPDV{{MeanUS: 12.5, MaxUS: 900}, {MeanUS: 80.25, MaxUS: 100}, nil, nil} {
		w := scenario.Window(m, "a1", "b1", at.Add(time.Duration(i)*15*time.Minute), scenario.Same(20_000, 60), 0)
		w.IPDV = ipdv
		s.Put(t, w)
	}
	period, err := report.ParsePeriod("", "2025-06-01", "2025-06-01T01:00:00Z", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	q := Query{Period: period, Step: Window, MaxPoints: 2, Wanted: both(Wanted{Ends: [][2]string{{"a1", "b1"}}})}
	r, err := newReading(Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}, q)
	if err != nil || r.steps != 4 {
		t.Fatalf("%v, %d steps", err, r.steps)
	}
	for _, c := range []struct {
		points     int
		mean, most []float64 // 0: absent
	}{{4, []float64{0.0125, 0.08025, 0, 0}, []float64{0.9, 0.1, 0, 0}}, {1, []float64{0.08025}, []float64{0.9}}} {
		q.MaxPoints = c.points
		got, err := Read(t.Context(), r.Source, q)
		if err != nil {
			t.Fatal(err)
		}
		var mean, most []float64
		for _, p := range got.Series[0].Points {
			mean, most = append(mean, valueOf(p.IPDVMeanMS)), append(most, valueOf(p.IPDVMaxMS))
		}
		if diff := cmp.Diff([][]float64{c.mean, c.most}, [][]float64{mean, most}); diff != "" {
			t.Errorf("%d points (-want +got):\n%s", c.points, diff)
		}
	}
}

func valueOf(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// Of what is to come there are links and limits, and no points.
func TestToCome(t *testing.T) {
	source, _, m := stage(t, "UTC")
	year := time.Now().Year() + 2
	period, err := report.ParsePeriod(fmt.Sprint(year), "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), source, Query{Period: period, Step: Day, Wanted: both(Wanted{})})
	if err != nil || len(got.Series) != 6 || len(got.Series[0].Points) != 0 || len(got.Series[0].Limits) != 1 {
		t.Errorf("%v, %+v", err, got)
	}
}
