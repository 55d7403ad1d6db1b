package uncertainty

import (
	"iter"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// sampledDays are those of an end, as one side of the interval counts them: each
// bound as an RTT of 0 on the low side, and as the RTT that it is on the high
// one.
func sampledDays(e *End, sampled []int, low bool) []latency.Histogram {
	days := make([]latency.Histogram, len(sampled))
	for i, d := range sampled {
		day := &e.Days[d]
		bounds := day.Bounds
		if low && day.hasBounds() {
			var none latency.Distribution
			none.AddRTT(0, bounds.Received())
			bounds = none.Histogram()
		}
		days[i] = day.Timed.With(bounds)
	}
	return days
}

// pile is the packets of a day whose RTTs lie within some stretch, which have
// to be counted often.
type pile struct {
	us   []uint32 // RTTs that occurred, ascending
	upTo []uint32 // packets at or below the first i of them, with those below the stretch
}

// pileOf takes the RTTs from least to most, of which there are packets at or
// above least.
func pileOf(h latency.Histogram, least, most uint32) (p pile) {
	packets := uint32(h.Received() - h.Above(int64(least)-1))
	p.upTo = append(p.upTo, packets)
	for us, n := range h.Between(least, most) {
		packets += uint32(n)
		p.us, p.upTo = append(p.us, us), append(p.upTo, packets)
	}
	return p
}

// values yields each value that is in any pile, ascending, and of each pile how
// many values are at or below it.
func values(piles []pile) iter.Seq2[uint32, []int] {
	return func(yield func(uint32, []int) bool) {
		passed := make([]int, len(piles))
		for {
			us := endless
			for d, n := range passed {
				if n < len(piles[d].us) {
					us = min(us, uint64(piles[d].us[n]))
				}
			}
			if us == endless {
				return
			}
			for d, n := range passed {
				if n < len(piles[d].us) && uint64(piles[d].us[n]) == us {
					passed[d]++
				}
			}
			if !yield(uint32(us), passed) {
				return
			}
		}
	}
}
