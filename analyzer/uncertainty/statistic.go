package uncertainty

import (
	"math"
	"math/bits"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// endless stands for +∞ among microseconds and nanoseconds, which are below it.
const endless uint64 = math.MaxUint64

// statistic is one of an end, prepared for many trials. of gives microseconds
// or endless, where day d was drawn times[d] times and at least one packet was
// sent on the drawn days.
type statistic interface {
	of(times []uint32) uint64
}

// count is one day as a side of the interval counts it.
type count struct {
	*latency.Distribution
	missing uint64 // counted as lost
}

// prepare makes a statistic over days, of which day gives one at a time: those
// made for it can be dropped before the next.
func prepare(s policy.Statistic, days int, day func(int) count) statistic {
	switch s {
	case policy.P50:
		return newPercentile(50, days, day)
	case policy.P99:
		return newPercentile(99, days, day)
	case policy.Mean:
		return newMean(days, day)
	case policy.Min:
		return newShortest(days, day)
	}
	return newPercentile(95, days, day) // check knows no other
}

// percentile finds a nearest rank, as latency.Distribution.Percentile does,
// without merging the days: whether a value is the one is told by how many
// packets are at or below it, a weighted sum over the days.
//
// A value is kept only if some day's own percentile is at or below it and some
// day's at or above it. No other can be the percentile of drawn days: above
// the largest one, every day has its share at or below, and so have all of
// them together; below the smallest, none has.
type percentile struct {
	percent uint64
	packets []uint32 // by day, lost and missing ones included
	us      []uint32 // ascending
	upTo    []uint32 // packets at or below us[i] on day d, at i × days + d
}

// pile is the received packets of a day.
type pile struct {
	us   []uint32 // ascending
	upTo []uint32 // packets at or below us[i]
}

func newPercentile(percent uint64, days int, day func(int) count) *percentile {
	p := &percentile{percent: percent, packets: make([]uint32, days)}
	piles := make([]pile, days)
	least, most := endless, uint64(0)
	for d := range piles {
		c := day(d)
		n := c.Packets() + c.missing
		if n == 0 {
			continue
		}
		p.packets[d] = uint32(n)
		piles[d].fill(c.Distribution)
		own := piles[d].at(p.rank(n))
		least, most = min(least, own), max(most, own)
	}
	p.fill(piles, least, most)
	return p
}

func (p *percentile) rank(packets uint64) uint64 { return (packets*p.percent + 99) / 100 }

func (p *pile) fill(d *latency.Distribution) {
	seen := uint64(0)
	for us, n := range d.Values() {
		seen += n
		p.us = append(p.us, us)
		p.upTo = append(p.upTo, uint32(seen))
	}
}

// at is the RTT at a rank, in microseconds, or endless.
func (p *pile) at(rank uint64) uint64 {
	i, _ := slices.BinarySearchFunc(p.upTo, rank, func(n uint32, rank uint64) int {
		if uint64(n) < rank {
			return -1
		}
		return 1
	})
	if i == len(p.us) {
		return endless
	}
	return uint64(p.us[i])
}

// fill makes a row for each value from least to most that occurred on any day.
func (p *percentile) fill(piles []pile, least, most uint64) {
	next := make([]int, len(piles)) // of each pile, the first value that has no row
	for d := range piles {
		for next[d] < len(piles[d].us) && uint64(piles[d].us[next[d]]) < least {
			next[d]++
		}
	}
	for {
		us := endless
		for d := range piles {
			if next[d] < len(piles[d].us) {
				us = min(us, uint64(piles[d].us[next[d]]))
			}
		}
		if us == endless || us > most {
			return
		}
		p.us = append(p.us, uint32(us))
		for d := range piles {
			if next[d] < len(piles[d].us) && uint64(piles[d].us[next[d]]) == us {
				next[d]++
			}
			upTo := uint32(0)
			if next[d] > 0 {
				upTo = piles[d].upTo[next[d]-1]
			}
			p.upTo = append(p.upTo, upTo)
		}
	}
}

func (p *percentile) of(times []uint32) uint64 {
	rank := p.rank(weigh(p.packets, times))
	from, to := 0, len(p.us)
	for from < to {
		mid := int(uint(from+to) / 2)
		if weigh(p.upTo[mid*len(times):][:len(times)], times) < rank {
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

// weigh sums counts of days as often as each was drawn.
func weigh(counts, times []uint32) uint64 {
	sum := uint64(0)
	for d, n := range counts[:len(times)] {
		sum += uint64(n) * uint64(times[d])
	}
	return sum
}

// mean is over the received packets, rounded as latency.Distribution.Mean is.
type mean struct {
	sums     []uint64 // of the RTTs of a day, in microseconds: below 2³² packets below 2³² µs
	received []uint32
}

func newMean(days int, day func(int) count) *mean {
	m := &mean{make([]uint64, days), make([]uint32, days)}
	for d := range days {
		c := day(d)
		m.received[d] = uint32(c.Packets() - c.Lost())
		for us, n := range c.Values() {
			m.sums[d] += uint64(us) * n
		}
	}
	return m
}

func (m *mean) of(times []uint32) uint64 {
	received := weigh(m.received, times)
	if received == 0 {
		return endless
	}
	high, low := uint64(0), uint64(0)
	for d, sum := range m.sums {
		h, l := bits.Mul64(sum, uint64(times[d]))
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

// shortest is the least RTT of the received packets.
type shortest struct {
	us []uint64 // by day; endless where nothing was received
}

func newShortest(days int, day func(int) count) *shortest {
	s := &shortest{make([]uint64, days)}
	for d := range days {
		s.us[d] = endless
		if rtt, ok := day(d).Min(); ok && !rtt.Unbounded {
			s.us[d] = uint64(rtt.US)
		}
	}
	return s
}

func (s *shortest) of(times []uint32) uint64 {
	us := endless
	for d, own := range s.us {
		if times[d] > 0 {
			us = min(us, own)
		}
	}
	return us
}

// ifComplete is endless where packets are missing on a drawn day: mean and min
// are over received packets and say nothing of those.
type ifComplete struct {
	statistic
	missing []uint32 // by day
}

func (s ifComplete) of(times []uint32) uint64 {
	if weigh(s.missing, times) > 0 {
		return endless
	}
	return s.statistic.of(times)
}
