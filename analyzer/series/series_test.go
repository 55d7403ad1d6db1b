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

func both(w Wanted) func(src, dst *mesh.Site) bool { return w.Takes }

// Whatever the step and however many are merged, each point is that of the
// packets of all windows that start in it, no window is in two points, and none
// is in none.
func TestPointsAreOfTheirPackets(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "Asia/Kolkata"} {
		source, s, m := stage(t, zone)
		cache, err := records.Open(t.Context(), filepath.Join(t.TempDir(), "days.db"), s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close()
		session, err := cache.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
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
					Period: period, Step: c.step, MaxPoints: c.most, Wanted: both(Wanted{Src: "a1", Dst: "b1"}),
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
	got, err := Read(t.Context(), source, Query{Period: period, Step: Hour, MaxPoints: 100, Wanted: both(Wanted{A: "b", B: "a"})})
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
	for _, w := range []Wanted{{Src: "a1", Dst: "a1"}, {A: "a", B: "b", Own: []string{}}, {A: "a", B: "b", Carrier: "two"}, {A: "a", B: "b", Plane: "private-ip"}} {
		got, err := Read(t.Context(), source, Query{Period: period, Step: Day, MaxPoints: 100, Wanted: both(w)})
		if err != nil || len(got.Series) != 0 {
			t.Errorf("%+v: %v, %d series", w, err, len(got.Series))
		}
	}
	if _, err := Read(t.Context(), source, Query{Period: period, Test: "x", Step: Day, MaxPoints: 1, Wanted: both(Wanted{})}); err == nil {
		t.Error("a test that there is not")
	}
}
