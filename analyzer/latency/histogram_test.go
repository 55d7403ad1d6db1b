package latency

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawRTTs draws RTTs that stand alone, in a row and over several blocks, often
// and seldom.
var drawRTTs = rapid.Custom(func(t *rapid.T) map[uint32]uint64 {
	rtts := map[uint32]uint64{}
	us := rapid.Uint32Range(0, 70_000).Draw(t, "first")
	for range rapid.IntRange(0, 4*blockValues).Draw(t, "values") {
		rtts[us] = rapid.OneOf(rapid.Uint64Range(1, 9), rapid.Uint64Range(1, 70_000), rapid.Just(uint64(1)<<33)).Draw(t, "packets")
		us += rapid.OneOf(rapid.Just(uint32(1)), rapid.Uint32Range(1, 300), rapid.Uint32Range(1, 90_000)).Draw(t, "step")
	}
	return rtts
})

// What a histogram answers is what looking at every RTT gives.
func TestHistogramAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rtts, lost := drawRTTs.Draw(t, "rtts"), rapid.Uint64Range(0, 3).Draw(t, "lost")
		var d Distribution
		for us, n := range rtts {
			d.AddRTT(us, n)
		}
		d.AddLost(lost)
		h := d.Histogram()
		if !h.whole() {
			t.Fatal("it is not whole")
		}
		var back Distribution
		back.AddHistogram(h)
		if again := back.Histogram(); again != h || back.Lost() != lost || back.Packets() != d.Packets() {
			t.Fatal("it does not come back")
		}
		ascending := slices.Sorted(maps.Keys(rtts))
		received, sum := uint64(0), uint64(0)
		for _, us := range ascending {
			received += rtts[us]
			sum += uint64(us) * rtts[us]
		}
		shortest, any := h.Shortest()
		if h.Received() != received || h.Lost() != lost || h.SumUS() != sum || any != (len(ascending) > 0) || any && shortest != ascending[0] {
			t.Fatalf("%d received, %d lost, %d µs, shortest %d: want %d, %d, %d, of %v", h.Received(), h.Lost(), h.SumUS(), shortest, received, lost, sum, ascending)
		}
		near := func(name string) int64 {
			us := rapid.Int64Range(-2, 100_000).Draw(t, name)
			if len(ascending) > 0 && rapid.Bool().Draw(t, "near one") {
				us = int64(rapid.SampledFrom(ascending).Draw(t, name)) + rapid.Int64Range(-1, 1).Draw(t, "beside")
			}
			return us
		}
		bound, above := near("bound"), uint64(0)
		for _, us := range ascending {
			if int64(us) > bound {
				above += rtts[us]
			}
		}
		if got := h.Above(bound); got != above {
			t.Fatalf("%d above %d µs, want %d", got, bound, above)
		}
		least, most := uint32(max(near("least"), 0)), uint32(max(near("most"), 0))
		want, got := map[uint32]uint64{}, map[uint32]uint64{}
		for us, n := range rtts {
			if least <= us && us <= most {
				want[us] = n
			}
		}
		last := int64(-1)
		for us, n := range h.Between(least, most) {
			if got[us] = n; int64(us) <= last {
				t.Fatalf("%d µs after %d", us, last)
			}
			last = int64(us)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("between %d and %d (-want +got):\n%s", least, most, diff)
		}
		rank := rapid.Uint64Range(0, received+lost+1).Draw(t, "rank")
		wantAt := RTT{Unbounded: true}
		if rank > 0 {
			wantAt = d.at(rank)
		}
		if got := h.At(rank); got != wantAt {
			t.Fatalf("at rank %d of %d: %v, want %v", rank, received, got, wantAt)
		}
	})
}

func TestHistogramsTogether(t *testing.T) {
	of := func(lost uint64, us ...uint32) Histogram {
		var d Distribution
		for _, us := range us {
			d.AddRTT(us, 1)
		}
		d.AddLost(lost)
		return d.Histogram()
	}
	for _, c := range []struct {
		name      string
		got, want Histogram
	}{
		{"with nothing", of(1, 5).With(""), of(1, 5)},
		{"nothing with", Histogram("").With(of(1, 5)), of(1, 5)},
		{"losses with", of(2).With(of(1, 5)), of(3, 5)},
		{"with losses", of(1, 5).With(of(2)), of(3, 5)},
		{"only losses", of(1).With(of(2)), of(3)},
		{"both", of(1, 5, 9).With(of(2, 1, 5, math.MaxUint32)), of(3, 1, 5, 5, 9, math.MaxUint32)},
		{"more losses", of(1, 5).WithLost(2), of(3, 5)},
		{"no more losses", of(1, 5).WithLost(0), of(1, 5)},
		{"losses of nothing", Histogram("").WithLost(2), of(2)},
		{"without losses", of(3, 5).WithoutLost(), of(0, 5)},
		{"losses without losses", of(3).WithoutLost(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

// A histogram answers as the distribution whose packets it has.
func TestHistogramAnswersAlike(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		h := anyHistogram(rng)
		var d Distribution
		d.AddHistogram(h)
		type answers struct {
			Packets, Lost uint64
			Of            [7]RTT
			Ok            [7]bool
		}
		of := func(x interface {
			Packets() uint64
			Lost() uint64
			Min() (RTT, bool)
			Mean() (RTT, bool)
			Percentile(int) (RTT, bool)
		}) (a answers) {
			a.Packets, a.Lost = x.Packets(), x.Lost()
			a.Of[0], a.Ok[0] = x.Min()
			a.Of[1], a.Ok[1] = x.Mean()
			for i, percent := range []int{1, 50, 95, 99, 100} {
				a.Of[i+2], a.Ok[i+2] = x.Percentile(percent)
			}
			if a.Packets == 0 {
				a.Of = [7]RTT{} // not asked for
			}
			return a
		}
		if diff := cmp.Diff(of(&d), of(h)); diff != "" {
			t.Fatalf("(-distribution +histogram):\n%s", diff)
		}
	}
}
