package uncertainty

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// Simulate makes the trials of a link. Days on which no end sent a packet and
// none is missing are left out: no trial draws them. A day that is silent against
// the schedule is drawn like any other, and is one of lost packets only where
// what is missing counts as lost: whoever keeps a bad day back must not be surer
// for it. It fails only on input that cannot be, which the error names, and where
// no end sent a packet on any day. The input is read and not kept.
//
// Each trial draws, in this order: days, FewerDays fewer than there are; what the
// timestamps added, for each end; the distance; and what is added to it for
// each extent. A distance below 1 m is taken as 1 m.
func Simulate(in Input) (*Trials, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("simulate a link: %w", err)
	}
	sampled, sent := in.sampled()
	if !sent {
		return nil, errors.New("simulate a link: no end sent a packet on any day")
	}
	ends, gapped := make([]end, len(in.Ends)), false
	for i := range ends {
		ends[i] = newEnd(&in.Ends[i], sampled, in.Statistic)
		gapped = gapped || ends[i].gaps != nil
	}
	random := splitMix64(in.Seed)
	times := make([]uint32, len(sampled))
	trials := &Trials{n: in.Trials, days: len(sampled), confidence: new(big.Rat).Set(in.Confidence)}
	kept := trials.rank(1)
	low, high, gaps := slices.Repeat([]first{smallest(kept)}, len(ends)), largest(kept), largest(kept)
	for range in.Trials {
		random.days(times, in.FewerDays)
		for e := range ends {
			ends[e].draw(times, random.within(ends[e].delayNS))
		}
		m := in.meters(&random)
		for e := range ends {
			low[e].addLow(&ends[e], m)
		}
		high.addWorse(ends, (*end).asIs, m)
		if gapped {
			gaps.addWorse(ends, (*end).withGaps, m)
		}
	}
	for e := range low {
		trials.low = append(trials.low, low[e].sorted())
	}
	trials.high = high.sorted()
	trials.gaps = trials.high
	if gapped {
		trials.gaps = gaps.sorted()
	}
	return trials, nil
}

// sampled are the indices of the days on which any end sent a packet or should
// have, and whether any did.
func (in *Input) sampled() (days []int, sent bool) {
	for d := range in.Ends[0].Days {
		any := false
		for e := range in.Ends {
			day := &in.Ends[e].Days[d]
			any, sent = any || day.sent() || day.Missing > 0, sent || day.sent()
		}
		if any {
			days = append(days, d)
		}
	}
	return days, sent
}

func (in *Input) meters(random *splitMix64) uint64 {
	m := random.within(in.DistanceM)
	for _, extent := range in.ExtentsM {
		m += random.within(Span{-extent, extent})
	}
	return uint64(max(m, 1))
}

// end is an end prepared for many trials, and what the one under way drew.
type end struct {
	delayNS Span
	packets []uint32 // by day, lost ones included
	high    statistic
	low     statistic // bounds as 0; the same as high without bounds
	gaps    statistic // missing packets as lost besides; nil without any

	drawn   drawn
	drawnNS int64 // what its timestamps added
}

// newEnd prepares the sampled days of an end.
func newEnd(e *End, sampled []int, s policy.Statistic) end {
	made := end{delayNS: e.DelayNS, packets: make([]uint32, len(sampled))}
	missing := make([]uint32, len(sampled))
	bounded, gapped := false, false
	high := sampledDays(e, sampled, false)
	for i, d := range sampled {
		day := &e.Days[d]
		made.packets[i], missing[i] = uint32(high[i].Received()+high[i].Lost()), uint32(day.Missing)
		bounded, gapped = bounded || day.hasBounds(), gapped || day.Missing > 0
	}
	made.high = prepare(s, high, nil)
	made.low = made.high
	if bounded {
		made.low = prepare(s, sampledDays(e, sampled, true), nil)
	}
	if gapped {
		made.gaps = prepare(s, high, missing)
	}
	return made
}

func (e *end) draw(times []uint32, delayNS int64) {
	e.drawn, e.drawnNS = drawn{times, weigh(e.packets, times)}, delayNS
}

// silent tells whether there is no packet on the drawn days: nothing is known.
func (e *end) silent() bool { return e.drawn.packets == 0 }

func (e *end) asIs() statistic { return e.high }

func (e *end) withGaps() statistic {
	if e.gaps == nil {
		return e.high
	}
	return e.gaps
}

// ns makes nanoseconds of a statistic's microseconds, without what the
// timestamps added.
func (e *end) ns(us uint64) uint64 {
	if us == endless {
		return endless
	}
	return uint64(max(int64(us)*1000-e.drawnNS, 0))
}

// us is the longest RTT of which ns makes no more than so many nanoseconds;
// negative if it makes more of any.
func (e *end) us(ns int64) int64 {
	if ns < 0 || ns+e.drawnNS < 0 {
		return -1
	}
	return (ns + e.drawnNS) / 1000
}
