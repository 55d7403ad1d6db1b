package uncertainty

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// Simulate makes the trials of a link. Days on which no end sent a packet are
// left out: no trial draws them. It fails only on input that cannot be, which
// the error names, and where no day is left. The input is read and not kept.
//
// Each trial draws, in this order: days, FewerDays fewer than there are; what the
// timestamps added, for each end; the distance; and what is added to it for
// each extent. A distance below 1 m is taken as 1 m.
func Simulate(in Input) (*Trials, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("simulate a link: %w", err)
	}
	sampled := in.sampled()
	if len(sampled) == 0 {
		return nil, errors.New("simulate a link: no end sent a packet on any day")
	}
	ends := make([]end, len(in.Ends))
	for i := range ends {
		ends[i] = newEnd(&in.Ends[i], sampled, in.Statistic)
	}
	random := splitMix64(in.Seed)
	times, days := make([]uint32, len(sampled)), make([]drawn, 0, len(sampled))
	trials := &Trials{n: in.Trials, days: len(sampled), confidence: new(big.Rat).Set(in.Confidence)}
	kept := trials.rank(1)
	descending := func(a, b ratio) int { return b.compare(a) }
	low, high, gaps := first{n: kept, order: ratio.compare}, first{n: kept, order: descending}, first{n: kept, order: descending}
	for range in.Trials {
		days = random.days(times, in.FewerDays, days[:0])
		var worse sides
		for e := range ends {
			worse = worse.worse(ends[e].of(days).less(random.within(ends[e].delayNS)))
		}
		m := in.meters(&random)
		low.add(ratio{worse.low, m})
		high.add(ratio{worse.high, m})
		gaps.add(ratio{worse.gaps, m})
	}
	trials.low, trials.high, trials.gaps = low.sorted(), high.sorted(), gaps.sorted()
	return trials, nil
}

// sampled are the indices of the days on which any end sent a packet.
func (in *Input) sampled() []int {
	var days []int
	for d := range in.Ends[0].Days {
		if slices.ContainsFunc(in.Ends, func(e End) bool { return e.Days[d].packets() > 0 }) {
			days = append(days, d)
		}
	}
	return days
}

func (in *Input) meters(random *splitMix64) uint64 {
	m := random.within(in.DistanceM)
	for _, extent := range in.ExtentsM {
		m += random.within(Span{-extent, extent})
	}
	return uint64(max(m, 1))
}

// end is an end prepared for many trials.
type end struct {
	delayNS Span
	packets []uint32 // by day, lost ones included
	high    statistic
	low     statistic // nil without bounds: the same as high
	gaps    statistic // nil without missing packets: the same as high
}

// newEnd prepares the sampled days of an end.
func newEnd(e *End, sampled []int, s policy.Statistic) end {
	made := end{delayNS: e.DelayNS, packets: make([]uint32, len(sampled))}
	missing := make([]uint32, len(sampled))
	bounded, gapped := false, false
	for i, d := range sampled {
		day := &e.Days[d]
		made.packets[i], missing[i] = day.packets(), uint32(day.Missing)
		bounded, gapped = bounded || day.hasBounds(), gapped || day.Missing > 0
	}
	if bounded {
		made.low = prepare(s, piles(e, sampled, true), nil)
	}
	high := piles(e, sampled, false)
	made.high = prepare(s, high, nil)
	if gapped {
		made.gaps = prepare(s, high, missing)
	}
	return made
}

// sides are the three figures of a trial: the bounds as 0, the bounds as they
// are, and the missing packets as lost besides.
type sides struct{ low, high, gaps uint64 }

// of is in microseconds. Of an end without packets nothing is known.
func (e *end) of(days []drawn) sides {
	if weigh(e.packets, days) == 0 {
		return sides{0, endless, endless}
	}
	high := e.high.of(days)
	s := sides{high, high, high}
	if e.low != nil {
		s.low = e.low.of(days)
	}
	if e.gaps != nil {
		s.gaps = e.gaps.of(days)
	}
	return s
}

// less makes nanoseconds of microseconds, without what the timestamps added.
func (s sides) less(delayNS int64) sides {
	return sides{less(s.low, delayNS), less(s.high, delayNS), less(s.gaps, delayNS)}
}

func less(us uint64, delayNS int64) uint64 {
	if us == endless {
		return endless
	}
	return uint64(max(int64(us)*1000-delayNS, 0))
}

func (s sides) worse(o sides) sides {
	return sides{max(s.low, o.low), max(s.high, o.high), max(s.gaps, o.gaps)}
}
