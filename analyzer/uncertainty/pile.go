package uncertainty

import (
	"iter"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// pile is the packets of a day as one side of the interval counts them.
type pile struct {
	us   []uint32 // RTTs that occurred, ascending
	upTo []uint32 // packets among the first i of them
	lost uint32
}

// piles makes those of the sampled days of an end: each bound counts as an RTT
// of 0 on the low side, and as the RTT that it is on the high one.
func piles(e *End, sampled []int, low bool) []pile {
	made := make([]pile, len(sampled))
	for i, d := range sampled {
		day := &e.Days[d]
		bounds := day.Bounds
		if low && day.hasBounds() {
			bounds = latency.Histogram{US: []uint32{0}, N: []uint32{uint32(bounds.Received())}}
		}
		all := day.Timed.With(&bounds)
		p := &made[i]
		p.us, p.upTo, p.lost = all.US, make([]uint32, len(all.US)+1), uint32(all.Lost)
		for k, n := range all.N {
			p.upTo[k+1] = p.upTo[k] + n
		}
	}
	return made
}

func (p *pile) received() uint32 { return p.upTo[len(p.us)] }

// at is the RTT at a rank, 1 being the shortest, in microseconds; or endless.
func (p *pile) at(rank uint64) uint64 {
	if rank > uint64(p.received()) {
		return endless
	}
	i, _ := slices.BinarySearch(p.upTo, uint32(rank))
	return uint64(p.us[i-1])
}

// values yields each value from least to most that occurred on any day, and of
// each pile how many values are at or below it.
func values(piles []pile, least, most uint64) iter.Seq2[uint32, []int] {
	return func(yield func(uint32, []int) bool) {
		if least == endless {
			return
		}
		passed := make([]int, len(piles))
		for d := range piles {
			passed[d], _ = slices.BinarySearch(piles[d].us, uint32(least))
		}
		for {
			us := endless
			for d, n := range passed {
				if n < len(piles[d].us) {
					us = min(us, uint64(piles[d].us[n]))
				}
			}
			if us == endless || us > most {
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
