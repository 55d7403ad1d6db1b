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
	var scratch pile
	for i, d := range sampled {
		scratch.us, scratch.upTo, scratch.lost = scratch.us[:0], append(scratch.upTo[:0], 0), 0
		switch day := &e.Days[d]; {
		case !day.hasBounds():
			scratch.add(day.Timed)
		case low:
			scratch.count(0, uint32(day.Bounds.Packets()))
			scratch.add(day.Timed)
		case day.Timed == nil:
			scratch.add(day.Bounds)
		default:
			var both latency.Distribution
			both.Merge(day.Timed)
			both.Merge(day.Bounds)
			scratch.add(&both)
		}
		made[i] = pile{slices.Clone(scratch.us), slices.Clone(scratch.upTo), scratch.lost}
	}
	return made
}

// add counts the packets of a distribution none of whose RTTs is below those
// counted before.
func (p *pile) add(d *latency.Distribution) {
	if d == nil {
		return
	}
	for us, n := range d.Values() {
		p.count(us, uint32(n))
	}
	p.lost += uint32(d.Lost())
}

func (p *pile) count(us, n uint32) {
	if last := len(p.us); last > 0 && p.us[last-1] == us {
		p.upTo[last] += n
		return
	}
	p.us, p.upTo = append(p.us, us), append(p.upTo, p.received()+n)
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
