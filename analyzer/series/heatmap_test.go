package series

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// sorted are the RTTs and the losses of the windows of some ends that start in a
// stretch.
func sorted(t *testing.T, s *scenario.Store, ends [][2]string, fromMS, toMS int64) (rtts []uint32, lost int64) {
	t.Helper()
	for _, end := range ends {
		for record, err := range s.Windows(t.Context(), store.Query{Src: end[0], Dst: end[1], Test: "icmp", FromMS: fromMS, ToMS: toMS}) {
			if err != nil {
				t.Fatal(err)
			}
			if rtts, err = wire.DecodeRTTs(rtts, record.Window.RTTs); err != nil {
				t.Fatal(err)
			}
			lost += int64(record.Window.Lost)
		}
	}
	slices.Sort(rtts)
	return rtts, lost
}

// Every count is that of a sort of the packets, whatever the step, however many
// steps make a point and wherever the records are from; the buckets are as few and
// as narrow as was asked for.
func TestCountsAreOfTheirPackets(t *testing.T) {
	source, s, m := stage(t, "Asia/Kolkata")
	from, err := report.ParsePeriod("2025-05-31", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s.Put(t, scenario.Window(m, "b1", "a1", from.From, []uint32{900_000, 41_000, 17_123}, 2),
		scenario.Window(m, "c1", "a1", from.From, scenario.Same(3, 60), 0)) // of another link
	session := beginSession(t, openDays(t, s))
	ends := [][2]string{{"a1", "b1"}, {"b1", "a1"}}
	for _, c := range []struct {
		step     Step
		from, to string
		points   int
		buckets  int
		edges    []float64 // first, second, last
	}{
		{Day, "2025-05-29", "2025-06-03", 100, 50, []float64{17, 17.2, 24.8}},
		{Hour, "2025-05-29", "2025-06-03", 7, 5, []float64{16, 18, 24}},
		{Hour, "2025-05-30T05:00:00Z", "2025-06-02T07:20:00Z", 1000, 200, []float64{17.1, 17.15, 24.95}},
		{Window, "2025-05-30T18:30:00Z", "2025-05-31T18:07:00Z", 9, 10, []float64{17, 18, 24}},
	} {
		period, err := report.ParsePeriod("", c.from, c.to, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		source.Days = nil
		q := Query{Period: period, Step: c.step, MaxPoints: c.points, Buckets: c.buckets, Wanted: both(Wanted{Pairs: [][2]string{{"a", "b"}}})}
		got, err := Heatmap(t.Context(), source, q)
		if err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprint(c)
		n := len(got.EdgesMS)
		if n < 2 || n > c.buckets || got.Ends != 2 || len(got.Points) == 0 || len(got.Points) > c.points {
			t.Fatalf("%s: edges %v, %d ends, %d points", at, got.EdgesMS, got.Ends, len(got.Points))
		}
		if diff := cmp.Diff(c.edges, []float64{got.EdgesMS[0], got.EdgesMS[1], got.EdgesMS[n-1]}, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: edges (-want +got):\n%s", at, diff)
		}
		for _, p := range got.Points {
			from, to := moment(t, p.From).UnixMilli(), moment(t, p.To).UnixMilli()
			if c.step == Window {
				from, to = max(from, period.From.UnixMilli()), min(to, period.To.UnixMilli())
			}
			rtts, lost := sorted(t, s, ends, from, to)
			want := make([]int64, n)
			for _, us := range rtts {
				i := n - 1
				for float64(us)/1000 < got.EdgesMS[i]-1e-9 {
					i--
				}
				want[i]++
			}
			if diff := cmp.Diff(want, p.Counts); diff != "" || p.Lost != lost {
				t.Errorf("%s: %s: %d lost, want %d; (-packets +counts):\n%s", at, p.From, p.Lost, lost, diff)
			}
		}
		source.Days = session
		for range 2 { // made, and kept
			again, err := Heatmap(t.Context(), source, q)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("%s: from the records: %v\n%s", at, err, diff)
			}
		}
	}
}

// No bucket could be narrower with as many of them, and the 99.9th percentile is
// in the last.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		rtts  []uint32
		most  int
		first int64
		width int64
		n     int
	}{
		{[]uint32{20_000}, 5, 20_000, 1, 1},
		{[]uint32{20_000, 20_004}, 5, 20_000, 1, 5},
		{[]uint32{20_000, 20_005}, 5, 20_000, 2, 3},
		{[]uint32{19_999, 20_048}, 5, 19_980, 20, 4}, // of 10 there were six
		{[]uint32{0, 3_000_000}, 5, 0, 1_000_000, 4},
		{append(slices.Repeat([]uint32{100}, 999), 3_000_000), 50, 100, 1, 1},
		{append(slices.Repeat([]uint32{100}, 998), 149, 3_000_000), 50, 100, 1, 50},
		{nil, 50, 0, 0, 0},
	} {
		var all whole
		for _, us := range c.rtts {
			all.rtts.AddRTT(us, 1)
		}
		all.rtts.AddLost(7)
		if got, want := bucketsOf(&all.rtts, c.most), (buckets{c.first, c.width, c.n}); got != want {
			t.Errorf("%.5d…, at most %d: %+v, want %+v", c.rtts[:min(2, len(c.rtts))], c.most, got, want)
		}
	}
}

// Where all packets were lost, or none was sent, there are no buckets.
func TestHeatmapOfNothing(t *testing.T) {
	source, s, m := stage(t, "UTC")
	period, err := report.ParsePeriod("2025-06-20", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lost int
		want []api.HeatmapPoint
	}{{0, []api.HeatmapPoint{}}, {60, []api.HeatmapPoint{{From: "2025-06-20T00:00:00Z", To: "2025-06-21T00:00:00Z", Lost: 60, Counts: []int64{}}}}} {
		if c.lost > 0 {
			s.Put(t, scenario.Window(m, "a1", "b1", period.From, nil, c.lost))
		}
		got, err := Heatmap(t.Context(), source, Query{Period: period, Step: Day, Buckets: 50, Wanted: both(Wanted{})})
		if err != nil || len(got.EdgesMS) != 0 {
			t.Fatalf("%v, %+v", err, got)
		}
		if diff := cmp.Diff(c.want, got.Points); diff != "" {
			t.Errorf("%d lost (-want +got):\n%s", c.lost, diff)
		}
	}
}
