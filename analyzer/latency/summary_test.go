package latency

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// summarise is what an importer would have of packets; give says which of min,
// mean and max.
func summarise(rtts []uint32, lost int, give [3]bool) *wire.Window {
	sum := uint64(0)
	for _, us := range rtts {
		sum += uint64(us)
	}
	n := uint64(len(rtts))
	least, most, mean := slices.Min(rtts), slices.Max(rtts), float64((2*sum+n)/(2*n))
	w := &wire.Window{Summary: &wire.Summary{Source: "test"}}
	w.Sent, w.Received, w.Lost = uint32(len(rtts)+lost), uint32(len(rtts)), uint32(lost)
	for i, set := range []func(){
		func() { w.Summary.MinUS = &least }, func() { w.Summary.MeanUS = &mean }, func() { w.Summary.MaxUS = &most },
	} {
		if give[i] {
			set()
		}
	}
	return w
}

// bounded is a tally of summaries and, beside them, packets with samples.
func bounded(windows []*wire.Window, samples *Distribution) *Tally {
	var s summed
	for _, w := range windows {
		s.add(w)
	}
	var bounds Bounds
	s.drain(&bounds)
	t := &Tally{}
	t.Merge(samples)
	t.bounds.add(&bounds)
	return t
}

func anyGiven() *rapid.Generator[[3]bool] {
	return rapid.Custom(func(t *rapid.T) [3]bool {
		bits := rapid.IntRange(1, 7).Draw(t, "given")
		return [3]bool{bits&1 > 0, bits&2 > 0, bits&4 > 0}
	})
}

// The statistics of the packets themselves lie within the bounds.
func TestBoundsHoldTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var truth, sampled Distribution
		var windows []*wire.Window
		for range rapid.IntRange(1, 8).Draw(t, "windows") {
			rtts := rapid.SliceOfN(rapid.Uint32Range(0, 40_000), 1, 12).Draw(t, "rtts")
			lost := rapid.IntRange(0, 2).Draw(t, "lost")
			into := []*Distribution{&truth}
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				into = append(into, &sampled)
			} else {
				windows = append(windows, summarise(rtts, lost, anyGiven().Draw(t, "give")))
			}
			for _, d := range into {
				for _, us := range rtts {
					d.AddRTT(us, 1)
				}
				d.AddLost(uint64(lost))
			}
		}
		tally := bounded(windows, &sampled)
		low, high := tally.Low(), tally.High()
		if low.Packets() != truth.Packets() || high.Packets() != truth.Packets() || low.Lost() != truth.Lost() {
			t.Fatalf("%d and %d packets, %d lost; want %d, %d lost", low.Packets(), high.Packets(), low.Lost(), truth.Packets(), truth.Lost())
		}
		within := func(what string, low, truth, high RTT) {
			if low.Compare(truth) > 0 || truth.Compare(high) > 0 {
				t.Fatalf("%s: %v is not within %v to %v", what, truth, low, high)
			}
		}
		for _, percent := range []int{1, 50, 95, 99, 100} {
			a, _ := low.Percentile(percent)
			b, _ := truth.Percentile(percent)
			c, _ := high.Percentile(percent)
			within("percentile", a, b, c)
		}
		a, _ := low.Min()
		b, _ := truth.Min()
		c, _ := high.Min()
		within("min", a, b, c)
		mean, _ := truth.Mean()
		if tally.Summed() > 0 {
			least, most, _ := tally.MeanBounds()
			within("mean", least, mean, most)
		}
	})
}

// Each bound can be: some packets of the same minimum and maximum have it. All
// small numbers of packets are tried.
func TestBoundsAreSharp(t *testing.T) {
	const most = 7
	var all func(n int, from uint32, prefix []uint32, yield func([]uint32))
	all = func(n int, from uint32, prefix []uint32, yield func([]uint32)) {
		if n == 0 {
			yield(prefix)
			return
		}
		for us := from; us <= most; us++ {
			all(n-1, us, append(prefix[:len(prefix):len(prefix)], us), yield)
		}
	}
	for n := 1; n <= 4; n++ {
		type key struct{ least, most uint32 }
		type extremes struct{ low, high []uint32 }
		seen := map[key]*extremes{}
		all(n, 0, nil, func(rtts []uint32) {
			k := key{rtts[0], rtts[n-1]}
			x := seen[k]
			if x == nil {
				x = &extremes{slices.Clone(rtts), slices.Clone(rtts)}
				seen[k] = x
			}
			for i, us := range rtts {
				x.low[i], x.high[i] = min(x.low[i], us), max(x.high[i], us)
			}
		})
		for k, want := range seen {
			s := rangeOf(&wire.Summary{MinUS: &k.least, MaxUS: &k.most}, int64(n))
			for i := range n {
				if low, high := s.least(int64(i+1)), s.most(int64(i+1)); low != int64(want.low[i]) || high != int64(want.high[i]) {
					t.Errorf("%d packets from %d to %d, the one of rank %d: %d to %d, want %d to %d", n, k.least, k.most, i+1, low, high, want.low[i], want.high[i])
				}
			}
		}
	}
}

// With a mean, by hand: ten packets of 10 to 30 ms with a mean of 12 ms have a
// sum of 120 ms, give or take 10 µs for the rounding.
func TestBoundsByTheMean(t *testing.T) {
	least, most, mean := uint32(10_000), uint32(30_000), 12_000.0
	for _, c := range []struct {
		name      string
		summary   wire.Summary
		rank      int64
		low, high int64
	}{
		{"the shortest", wire.Summary{MinUS: &least, MeanUS: &mean, MaxUS: &most}, 1, 10_000, 10_000},
		{"the longest", wire.Summary{MinUS: &least, MeanUS: &mean, MaxUS: &most}, 10, 30_000, 30_000},
		// 120 010 − 30 000 − 8 × 10 000, and it is no longer than the longest.
		{"but one", wire.Summary{MinUS: &least, MeanUS: &mean, MaxUS: &most}, 9, 10_000, 10_010},
		{"without max, two share what is above 80 000", wire.Summary{MinUS: &least, MeanUS: &mean}, 9, 10_000, 20_005},
		{"without max, one may have it all", wire.Summary{MinUS: &least, MeanUS: &mean}, 10, 12_222, 30_010},
		{"a mean alone, one has it all", wire.Summary{MeanUS: &mean}, 10, 11_999, 120_010},
		{"a mean alone, all the same", wire.Summary{MeanUS: &mean}, 1, 0, 12_001},
		// 119 990 − 9 × 13 000 would be left for it.
		{"without min, the shortest", wire.Summary{MeanUS: &mean, MaxUS: at(13_000)}, 1, 2_990, 11_890},
	} {
		s := rangeOf(&c.summary, 10)
		if low, high := s.least(c.rank), s.most(c.rank); low != c.low || high != c.high {
			t.Errorf("%s: %d to %d, want %d to %d", c.name, low, high, c.low, c.high)
		}
	}
}

func at(us uint32) *uint32 { return &us }
