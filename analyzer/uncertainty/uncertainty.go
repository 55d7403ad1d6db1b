// Package uncertainty says how far a link's ratio, measured over theoretical
// RTT, may be from what months like this one would give: an interval beside
// the ratio. The distributions of package latency come from package
// compliance, one for each day; the intervals go back there and decide whether
// a verdict is proven.
//
// The interval is found by Monte Carlo (JCGM 101:2008, propagation of
// distributions). Each trial draws whole days with replacement, because the
// RTTs of neighbouring minutes are strongly correlated and an interval that
// took them as independent would be far too narrow (the block bootstrap,
// Künsch, Annals of Statistics 17, 1989; a block is a day, the same one at
// both ends). It then draws what the timestamps may have added to every RTT,
// how long the road may be, and where a site may stand in its cluster, each
// from a rectangular distribution.
//
// Everything is whole numbers: nanoseconds, metres, exact fractions, and a
// generator that any language has in four lines. The same input gives the same
// interval in every program; testdata/interval.py is a second one.
package uncertainty

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// Input is one link over a stretch of time with one distance.
type Input struct {
	Ends      []End // one or more, all over the same days
	DistanceM Span  // along the road, in metres; low is high where it is exact
	// ExtentsM has the extent of the cluster, in metres, for each site of which
	// no other place is known: so much shorter or longer the road may be.
	ExtentsM []int64

	Statistic  policy.Statistic
	Trials     int
	FewerDays  int // that a trial draws than there are, but always one: see splitMix64.days
	Seed       uint64
	Confidence *big.Rat // within [0, 1): 19/20 for an interval of 95 %
}

// End is what one end measured.
type End struct {
	// DelayNS is what the timestamps may have added to an RTT, in ns. It is
	// taken from the statistic, of which no less than 0 is left.
	DelayNS Span
	Days    []Day // in the order of their dates
}

// Day is the packets of one end on one day: with the missing ones, at most
// 2³² − 1.
type Day struct {
	Timed   latency.Histogram // timed by hardware or kernel, and every lost packet
	Bounds  latency.Histogram // received later than the network took, so upper bounds only
	Missing uint64            // scheduled, never sent, and nothing excuses it
}

// Span is a rectangular distribution over the whole numbers from Low to High,
// both included.
type Span struct{ Low, High int64 }

func (d *Day) hasBounds() bool { return d.Bounds.Received() > 0 }

// sent tells whether any packet was.
func (d *Day) sent() bool { return d.Timed != "" || d.hasBounds() }

// What lies beyond these is a mistake, and would not fit 64 bits everywhere.
const (
	maxMeters  = 1_000_000_000_000     // a light-hour
	maxDelayNS = 1_000_000_000_000_000 // eleven days
)

func (in *Input) check() error {
	if len(in.Ends) == 0 {
		return errors.New("no end is given")
	}
	if !slices.Contains([]policy.Statistic{policy.P50, policy.P95, policy.P99, policy.Mean, policy.Min}, in.Statistic) {
		return fmt.Errorf("statistic %q is not known", in.Statistic)
	}
	if in.FewerDays < 0 {
		return fmt.Errorf("%d days fewer; allowed: 0 and more", in.FewerDays)
	}
	if in.Trials < 1 {
		return fmt.Errorf("%d trials; allowed: 1 and more", in.Trials)
	}
	if in.Confidence == nil || in.Confidence.Sign() < 0 || in.Confidence.Cmp(big.NewRat(1, 1)) >= 0 {
		return fmt.Errorf("confidence %v; allowed: a share from 0 to below 1", in.Confidence)
	}
	if err := in.DistanceM.check("distance in m", 1, maxMeters); err != nil {
		return err
	}
	for _, extent := range in.ExtentsM {
		if extent < 0 || extent > maxMeters {
			return fmt.Errorf("extent of %d m; allowed: 0 to %d", extent, maxMeters)
		}
	}
	for i := range in.Ends {
		if err := in.Ends[i].check(len(in.Ends[0].Days)); err != nil {
			return fmt.Errorf("end %d: %w", i, err)
		}
	}
	return nil
}

func (e *End) check(days int) error {
	if err := e.DelayNS.check("delay in ns", -maxDelayNS, maxDelayNS); err != nil {
		return err
	}
	if len(e.Days) != days {
		return fmt.Errorf("%d days, but %d at the first end; give a day without packets as an empty one", len(e.Days), days)
	}
	for i := range e.Days {
		if err := e.Days[i].check(); err != nil {
			return fmt.Errorf("day %d: %w", i, err)
		}
	}
	return nil
}

func (d *Day) check() error {
	left := uint64(math.MaxUint32)
	if lost := d.Bounds.Lost(); lost > 0 {
		return fmt.Errorf("%d lost packets among the bounds; a loss is none, count it among the timed ones", lost)
	}
	for _, n := range []uint64{d.Missing, d.Timed.Received(), d.Timed.Lost(), d.Bounds.Received()} {
		if n > left {
			return fmt.Errorf("more than %d packets", uint64(math.MaxUint32))
		}
		left -= n
	}
	return nil
}

func (s Span) check(what string, low, high int64) error {
	if s.Low < low || s.High > high || s.Low > s.High {
		return fmt.Errorf("%s from %d to %d; allowed: ascending, within %d to %d", what, s.Low, s.High, low, high)
	}
	return nil
}
