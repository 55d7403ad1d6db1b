package uncertainty

import (
	"math"
	"math/bits"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// endless stands for +∞ among microseconds and nanoseconds, which are below it.
const endless uint64 = math.MaxUint64

// drawn is what a trial drew of an end.
type drawn struct {
	times   []uint32 // how often each day was drawn
	packets uint64   // sent on these days, lost ones included
}

// statistic is one of an end, prepared for many trials that draw at least one
// packet. of gives microseconds or endless, atMost whether that is no more than
// us.
type statistic interface {
	of(d *drawn) uint64
	atMost(us uint64, d *drawn) bool
}

// prepare makes a statistic of days and what counts as lost beside them; nil
// for nothing.
func prepare(s policy.Statistic, days []latency.Histogram, missing []uint32) statistic {
	var made statistic
	switch s {
	case policy.P50:
		return newPercentile(50, days, missing)
	case policy.P99:
		return newPercentile(99, days, missing)
	case policy.Mean:
		made = newMean(days)
	case policy.Min:
		made = newShortest(days)
	default: // check knows no other
		return newPercentile(95, days, missing)
	}
	if missing != nil {
		made = ifComplete{made, missing}
	}
	return made
}

// percentile finds a nearest rank, as latency.Distribution.Percentile does,
// without merging the days: whether a value is the one is told by how many
// packets are at or below it, a weighted sum over the days.
//
// A value is kept only if some day's own percentile is at or below it and some
// day's at or above it. No other can be the percentile of drawn days: at
// the largest one, every day has its share at or below, and so have all of
// them together; below the smallest, none has.
type percentile struct {
	percent uint64
	days    int
	missing []uint32 // by day, count as lost; nil for none
	us      []uint32 // ascending
	upTo    []uint32 // packets at or below us[i] on day d, at i × days + d
}

func newPercentile(percent uint64, days []latency.Histogram, missing []uint32) *percentile {
	p := &percentile{percent: percent, days: len(days), missing: missing}
	least, most := latency.RTT{Unbounded: true}, latency.RTT{}
	for d, h := range days {
		packets := h.Received() + h.Lost()
		if missing != nil {
			packets += uint64(missing[d])
		}
		if packets == 0 {
			continue
		}
		own := h.At(p.rank(packets))
		if own.Compare(least) < 0 {
			least = own
		}
		if own.Compare(most) > 0 {
			most = own
		}
	}
	if least.Unbounded {
		return p // of every day, and so of all of them
	}
	longest := uint32(math.MaxUint32)
	if !most.Unbounded {
		longest = uint32(most.US)
	}
	piles := make([]pile, len(days))
	for d, h := range days {
		piles[d] = pileOf(h, uint32(least.US), longest)
	}
	rows := 0
	for range values(piles) {
		rows++
	}
	p.us, p.upTo = make([]uint32, 0, rows), make([]uint32, 0, rows*len(piles))
	for us, passed := range values(piles) {
		p.us = append(p.us, us)
		for d, n := range passed {
			p.upTo = append(p.upTo, piles[d].upTo[n])
		}
	}
	return p
}

func (p *percentile) rank(packets uint64) uint64 { return (packets*p.percent + 99) / 100 }

// rankOf is that of the packets that were drawn.
func (p *percentile) rankOf(d *drawn) uint64 {
	packets := d.packets
	if p.missing != nil {
		packets += weigh(p.missing, d.times)
	}
	return p.rank(packets)
}

// below is how many packets that were drawn are at or below us[i].
func (p *percentile) below(i int, d *drawn) uint64 {
	return weigh(p.upTo[i*p.days:][:p.days], d.times)
}

func (p *percentile) of(d *drawn) uint64 {
	rank := p.rankOf(d)
	from, to := 0, len(p.us)
	for from < to {
		mid := int(uint(from+to) / 2)
		if p.below(mid, d) < rank {
			from = mid + 1
		} else {
			to = mid
		}
	}
	if from == len(p.us) {
		return endless
	}
	return uint64(p.us[from])
}

// atMost looks at the last value that is: it has to have as many packets at or
// below it as the rank asks for.
func (p *percentile) atMost(us uint64, d *drawn) bool {
	if len(p.us) == 0 || uint64(p.us[0]) > us {
		return false
	}
	// Without a branch that nobody can foresee, which slices.BinarySearch has.
	last := 0
	for n := len(p.us); n > 1; {
		half := n / 2
		if uint64(p.us[last+half]) <= us {
			last += half
		}
		n -= half
	}
	return p.below(last, d) >= p.rankOf(d)
}

// weigh sums counts of days as often as each was drawn.
func weigh(counts, times []uint32) uint64 {
	sum := uint64(0)
	times = times[:len(counts)]
	for day, n := range counts {
		sum += uint64(n) * uint64(times[day])
	}
	return sum
}

// mean is over the received packets, rounded as latency.Distribution.Mean is.
type mean struct {
	sums     []uint64 // of the RTTs of a day, in microseconds: below 2³² packets below 2³² µs
	received []uint32
}

func newMean(days []latency.Histogram) *mean {
	m := &mean{make([]uint64, len(days)), make([]uint32, len(days))}
	for d, h := range days {
		m.sums[d], m.received[d] = h.SumUS(), uint32(h.Received())
	}
	return m
}

func (m *mean) of(d *drawn) uint64 {
	received := weigh(m.received, d.times)
	if received == 0 {
		return endless
	}
	high, low := uint64(0), uint64(0)
	for day, n := range d.times {
		h, l := bits.Mul64(m.sums[day], uint64(n))
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high += h + carry
	}
	us, remainder := bits.Div64(high, low, received)
	if remainder >= received-remainder {
		us++
	}
	return us
}

func (m *mean) atMost(us uint64, d *drawn) bool { return m.of(d) <= us }

// shortest is the least RTT of the received packets.
type shortest struct {
	us []uint64 // by day; endless where nothing was received
}

func newShortest(days []latency.Histogram) *shortest {
	s := &shortest{make([]uint64, len(days))}
	for d, h := range days {
		s.us[d] = endless
		if us, ok := h.Shortest(); ok {
			s.us[d] = uint64(us)
		}
	}
	return s
}

func (s *shortest) of(d *drawn) uint64 {
	us := endless
	for day, n := range d.times {
		if n > 0 {
			us = min(us, s.us[day])
		}
	}
	return us
}

func (s *shortest) atMost(us uint64, d *drawn) bool { return s.of(d) <= us }

// ifComplete is endless where packets are missing on a drawn day: mean and min
// are over received packets and say nothing of those.
type ifComplete struct {
	statistic
	missing []uint32 // by day
}

func (s ifComplete) of(d *drawn) uint64 {
	if weigh(s.missing, d.times) > 0 {
		return endless
	}
	return s.statistic.of(d)
}

func (s ifComplete) atMost(us uint64, d *drawn) bool { return s.of(d) <= us }
