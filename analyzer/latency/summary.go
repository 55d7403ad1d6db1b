package latency

import (
	"math"
	"math/big"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Bounds are packets of which only summaries are known: how short and how long
// each may have been, in whole microseconds. No shape is assumed. For any RTT,
// Low has as few packets above it as minimum, mean, maximum and number of each
// window allow, and High as many, so a percentile of all packets lies between
// that of the two, and each of the two can be.
type Bounds struct {
	Low, High Histogram // both have the losses; High also, as losses, packets whose RTT has no known end
	// The sum of the received RTTs lies between these; Endless are received
	// packets of windows that give neither mean nor maximum, and are not in
	// HighUS.
	LowUS, HighUS uint64
	Endless       uint64
}

// longest is what a mean alone is asked for: a packet that by the mean may have
// taken longer counts as endless. The limit of no link is as long, and the
// memory of a distribution grows with what is in it.
const longest = 4_000_000 // µs

// meanError is how far, in µs, a mean may be from that of the RTTs in whole
// microseconds: half for either rounding.
const meanError = 1

// counted tells whether a summary says of how many packets it is.
func counted(w *wire.Window) bool { return w.Sent > w.Unstamped }

// summed is the collector of Bounds.
type summed struct {
	low, high     Distribution
	lowUS, highUS uint64
	endless       uint64
}

// add takes a window with a summary.
func (s *summed) add(w *wire.Window) {
	r := rangeOf(w.Summary, int64(w.Received)-int64(w.Unstamped))
	s.low.AddLost(uint64(w.Lost))
	s.high.AddLost(uint64(w.Lost))
	for k := int64(1); k <= r.n; k++ {
		low := r.least(k)
		s.low.count(uint32(low), 1)
		if high := max(r.most(k), low); high <= max(r.max, longest) && high <= wire.MaxRTTUS {
			s.high.count(uint32(high), 1)
		} else {
			s.high.AddLost(1)
		}
	}
	s.lowUS += uint64(r.sumLow)
	if r.sumHigh == math.MaxInt64 {
		s.endless += uint64(r.n)
	} else {
		s.highUS += uint64(r.sumHigh)
	}
}

// drain moves what was collected.
func (s *summed) drain(into *Bounds) {
	s.low.drain(&into.Low)
	s.high.drain(&into.High)
	into.LowUS, into.HighUS, into.Endless = s.lowUS, s.highUS, s.endless
	s.lowUS, s.highUS, s.endless = 0, 0, 0
}

// spread is what a summary says of n received packets, in µs.
type spread struct {
	n, min, max     int64 // min 0 and max -1 where not known
	hasMin          bool
	sumLow, sumHigh int64 // sumHigh is math.MaxInt64 where nothing bounds it
}

func rangeOf(s *wire.Summary, n int64) spread {
	r := spread{n: n, max: -1, sumHigh: math.MaxInt64}
	if n <= 0 {
		return spread{max: -1}
	}
	if s.MinUS != nil {
		r.min, r.hasMin = int64(*s.MinUS), true
	}
	switch {
	case s.MaxUS != nil:
		r.max = max(int64(*s.MaxUS), r.min)
	case n == 1 && r.hasMin:
		r.max = r.min
	}
	// One packet is the shortest, and another the longest.
	r.sumLow = n * r.min
	if r.max >= 0 {
		r.sumLow += r.max - r.min
		r.sumHigh = n * r.max
		if r.hasMin {
			r.sumHigh -= r.max - r.min
		}
	}
	if s.MeanUS != nil {
		low, high := sumOf(*s.MeanUS, n)
		r.sumLow = max(r.sumLow, low-n*meanError)
		r.sumHigh = max(r.sumLow, min(r.sumHigh, high+n*meanError))
	}
	return r
}

// sumOf is n × mean as the bounds of a sum: RTTs are whole microseconds, and so
// is what they sum up to, so the lower bound is rounded up and the upper down.
func sumOf(mean float64, n int64) (low, high int64) {
	product := new(big.Rat).SetFloat64(mean)
	if product == nil { // no store holds it
		return 0, math.MaxInt64 / 2
	}
	product.Mul(product, new(big.Rat).SetInt64(n))
	floor := new(big.Int).Div(product.Num(), product.Denom())
	high = floor.Int64()
	if low = high; !product.IsInt() {
		low++
	}
	return low, high
}

// least is how short the k-th shortest packet may have been: as short as it
// may be if all longer ones took the maximum.
func (r *spread) least(k int64) int64 {
	switch {
	case k == r.n && r.max >= 0:
		return r.max
	case k == 1 && r.hasMin && r.n > 1, r.max < 0 && k < r.n:
		return r.min
	}
	sum, packets := r.sumLow, k
	if r.max >= 0 {
		sum -= (r.n - k) * r.max
	}
	if r.hasMin && k > 1 {
		sum, packets = sum-r.min, packets-1
	}
	if sum <= 0 {
		return r.min
	}
	low := max(r.min, ceilDiv(sum, packets))
	if r.max >= 0 { // a store may hold a mean that is above it
		low = min(low, r.max)
	}
	return low
}

// most is how long the k-th shortest packet may have been: as long as it may be
// if all shorter ones took the minimum, and the longer ones no longer than it.
func (r *spread) most(k int64) int64 {
	switch {
	case k == 1 && r.hasMin && r.n > 1:
		return r.min
	case k == r.n && r.max >= 0:
		return r.max
	case r.sumHigh == math.MaxInt64:
		return math.MaxInt64
	}
	longer := r.n - k + 1
	sum := r.sumHigh - (k-1)*r.min
	if r.max >= 0 {
		sum, longer = sum-r.max, longer-1
	}
	long := max(r.min, sum/longer)
	if r.max >= 0 {
		long = min(long, r.max)
	}
	return long
}

// withBounds are distributions of all packets, as short and as long as those
// of summaries may have been.
type withBounds struct {
	low, high     Distribution
	lowUS, highUS uint64 // of the summaries only
	endless       uint64
	packets       uint64
}

func (b *withBounds) add(s *Bounds) {
	b.low.AddHistogram(s.Low)
	b.high.AddHistogram(s.High)
	b.lowUS += s.LowUS
	b.highUS += s.HighUS
	b.endless += s.Endless
	b.packets += s.Low.Received() + s.Low.Lost()
}

// Summed is how many packets are known by summaries only. They are not in the
// distribution of the tally.
func (t *Tally) Summed() uint64 { return t.bounds.packets }

// Low is the distribution of all packets if each had been as short as its
// summary allows; the tally's own where all have samples.
func (t *Tally) Low() *Distribution { return t.with(&t.bounds.low) }

// High is that if each had been as long; a packet for which no end is known
// counts as lost.
func (t *Tally) High() *Distribution { return t.with(&t.bounds.high) }

func (t *Tally) with(bound *Distribution) *Distribution {
	if t.Summed() == 0 {
		return &t.Distribution
	}
	var all Distribution
	all.Merge(&t.Distribution)
	all.Merge(bound)
	return &all
}

// MeanBounds are those of the mean of all received packets, rounded as Mean
// rounds; false without packets.
func (t *Tally) MeanBounds() (low, high RTT, ok bool) {
	b := &t.bounds
	received := t.received + b.low.received
	switch {
	case t.Packets()+b.packets == 0:
		return RTT{}, RTT{}, false
	case received == 0:
		return RTT{Unbounded: true}, RTT{Unbounded: true}, true
	}
	low, high = t.meanOf(b.lowUS, received), RTT{Unbounded: true}
	if b.endless == 0 {
		high = t.meanOf(b.highUS, received)
	}
	return low, high, true
}
