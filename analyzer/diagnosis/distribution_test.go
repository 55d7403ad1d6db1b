package diagnosis

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

func histogramOf(rtts []uint32, lost uint64) latency.Histogram {
	var d latency.Distribution
	for _, us := range rtts {
		d.AddRTT(us, 1)
	}
	d.AddLost(lost)
	return d.Histogram()
}

// Each point of an ECDF is one of the sorted packets, the percentiles that can be
// judged are among them, and there are few.
func TestECDF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtts := rapid.SliceOfN(rapid.Uint32Range(0, rapid.SampledFrom([]uint32{3, 500, 1 << 20}).Draw(t, "largest")), 0, 5000).Draw(t, "rtts")
		lost := rapid.Uint64Range(0, 300).Draw(t, "lost")
		h := histogramOf(rtts, lost)
		var d latency.Distribution
		d.AddHistogram(h)
		points := ecdf(&d)
		slices.Sort(rtts)
		if len(points.RTTUS) > 182 || len(points.RTTUS) != len(points.Within) || len(rtts) > 0 && len(points.RTTUS) == 0 {
			t.Fatalf("%d RTTs, %d counts of %d packets", len(points.RTTUS), len(points.Within), len(rtts))
		}
		for i, us := range points.RTTUS {
			if i > 0 && us <= points.RTTUS[i-1] {
				t.Fatalf("not ascending: %v", points.RTTUS)
			}
			if within, _ := slices.BinarySearch(rtts, uint32(us)+1); int64(within) != points.Within[i] {
				t.Fatalf("%d packets are within %d µs, not %d", within, us, points.Within[i])
			}
		}
		for _, percent := range []int{50, 95, 99} {
			rtt, ok := d.Percentile(percent)
			if ok && !rtt.Unbounded && !slices.Contains(points.RTTUS, rtt.US) {
				t.Fatalf("p%d, %d µs, is no point of %v", percent, rtt.US, points.RTTUS)
			}
		}
		if n := len(rtts); n > 0 && (points.RTTUS[0] != int64(rtts[0]) || points.RTTUS[len(points.RTTUS)-1] != int64(rtts[n-1])) {
			t.Fatalf("from %d to %d µs: %v", rtts[0], rtts[n-1], points.RTTUS)
		}
	})
}

// The statistic of an hour is that of a Distribution of its packets.
func TestStatisticOfHour(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := histogramOf(rapid.SliceOfN(rapid.Uint32Range(1, 400), 0, 300).Draw(t, "rtts"), rapid.Uint64Range(0, 40).Draw(t, "lost"))
		var d latency.Distribution
		d.AddHistogram(h)
		for _, statistic := range policy.Statistics() {
			r := &Rules{statistic: statistic}
			want, exists := compliance.StatisticOf(statistic, &d)
			us, ok := r.statisticIn(h)
			if ok != (exists && !want.Unbounded) || ok && us != want.US {
				t.Fatalf("%s is %d, %v, want %+v, %v", statistic, us, ok, want, exists)
			}
		}
	})
}

// month is a link of 30 days with so many RTTs in each hour; at 3 o'clock of each
// day one in ten is lost, and at 4 o'clock there is nothing.
func month(hourly int) *compliance.Link {
	random := rand.New(rand.NewPCG(1, 2))
	l := &compliance.Link{Judgement: compliance.Judgement{LimitUS: big.NewRat(45_157, 2), Verdict: api.NonCompliant}}
	for range 2 {
		end, tally := &latency.Link{Src: "a1", Dst: "b1"}, &latency.Tally{}
		for d := range 30 {
			day := &latency.Day{Date: time.Date(2025, 6, d+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)}
			for clock := range 24 {
				rtts, lost := make([]uint32, hourly), 0
				for i := range rtts {
					rtts[i] = 22_000 + uint32(random.ExpFloat64()*250)
				}
				switch clock {
				case 3:
					rtts, lost = rtts[:hourly-hourly/10], hourly/10
				case 4:
					rtts = nil
				}
				bin := latency.Bin{Clock: clock}
				bin.Open.Kernel = histogramOf(rtts, uint64(lost))
				tally.AddHistogram(bin.Open.Kernel)
				day.Bins = append(day.Bins, bin)
			}
			end.Days = append(end.Days, day)
		}
		l.Ends = append(l.Ends, compliance.End{Link: end, Over: []*latency.Tally{tally}})
	}
	return l
}

func TestDistribution(t *testing.T) {
	l := month(20)
	// The other end is slower by a single packet of a hundred.
	slow := &l.Ends[1]
	slow.Src, slow.Dst = "b1", "a1"
	h := histogramOf(slices.Repeat([]uint32{99_000}, 2_000), 5)
	slow.Over[0].AddHistogram(h)
	slow.Days[7].Bins[9].Open.User = h
	r := &Rules{statistic: policy.P95}
	got := r.Distribution(l)
	if got.Src != "b1" || got.Dst != "a1" || got.Packets != 30*23*20+2_005 || got.Lost != 30*2+5 || len(got.Days) != 30 {
		t.Fatalf("%s to %s: %d packets, %d lost, %d days", got.Src, got.Dst, got.Packets, got.Lost, len(got.Days))
	}
	day := got.Days[7]
	type hour struct {
		packets, above int64
		us             *int64
	}
	at := func(clock int) hour { return hour{day.Packets[clock], day.Above[clock], day.RTTUS[clock]} }
	if diff := cmp.Diff(hour{}, at(4), cmp.AllowUnexported(hour{})); diff != "" {
		t.Errorf("an hour without packets (-want +got):\n%s", diff)
	}
	// Two of twenty lost: p95 falls among them.
	if lossy := at(3); lossy.us != nil || lossy.packets != 20 || lossy.above < 2 {
		t.Errorf("an hour of losses is %+v", lossy)
	}
	if busy := at(9); busy.us == nil || *busy.us != 99_000 || busy.packets != 2_025 || busy.above < 2_005 {
		t.Errorf("the slow hour is %+v", busy)
	}
}

// A month of a packet a second, which is all that is there.
func BenchmarkDistribution(b *testing.B) {
	l, r := month(3_600), &Rules{statistic: policy.P95}
	for b.Loop() {
		r.Distribution(l)
	}
}
