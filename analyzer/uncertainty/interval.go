package uncertainty

import (
	"math/big"
	"math/bits"

	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// Ratio is a measured RTT over the theoretical one.
type Ratio struct {
	Value     *big.Rat // nil where unbounded
	Unbounded bool
}

// Compare orders ratios: negative if r is smaller than o.
func (r Ratio) Compare(o Ratio) int {
	switch {
	case r.Unbounded && o.Unbounded:
		return 0
	case r.Unbounded:
		return 1
	case o.Unbounded:
		return -1
	}
	return r.Value.Cmp(o.Value)
}

// Interval is where the ratio of a link lies in months like this one, at the
// confidence of the input: from Low to High.
type Interval struct {
	Low  Ratio // what only bounds an RTT from above counts as no time at all
	High Ratio
	Gaps Ratio // in place of High, if all that is missing had been lost; never below it
}

// ratio is a ratio but for the speed of light, the same factor in every trial:
// nanoseconds, or endless, over metres.
type ratio struct{ ns, meters uint64 }

func (r ratio) compare(o ratio) int {
	switch {
	case r.ns == endless && o.ns == endless:
		return 0
	case r.ns == endless:
		return 1
	case o.ns == endless:
		return -1
	}
	rHigh, rLow := bits.Mul64(r.ns, o.meters)
	oHigh, oLow := bits.Mul64(o.ns, r.meters)
	switch {
	case rHigh < oHigh || rHigh == oHigh && rLow < oLow:
		return -1
	case rHigh > oHigh || rLow > oLow:
		return 1
	}
	return 0
}

// by is the exact ratio by a light.
func (r ratio) by(light theory.Light) Ratio {
	if r.ns == endless {
		return Ratio{Unbounded: true}
	}
	us := big.NewRat(int64(r.ns), 1000)
	return Ratio{Value: us.Quo(us, light.RTTUS(int64(r.meters)))}
}

// rank is max(1, ⌊n × (1 − confidence) / (2 × candidates)⌋): an interval goes
// from the smallest trial of that rank to the largest, which leaves out equal
// shares at either end (JCGM 101:2008, 7.7). What it may leave out is
// divided among the candidates (Bonferroni), since choosing the best of several
// is as many chances to be wrong.
func (t *Trials) rank(candidates int) int {
	share := new(big.Rat).Sub(big.NewRat(1, 1), t.confidence)
	share.Mul(share, big.NewRat(int64(t.n), 2*int64(candidates)))
	return max(1, int(new(big.Int).Quo(share.Num(), share.Denom()).Int64()))
}

// Interval is that of a link which is the best of so many candidates, one or
// more, by a light; it is widened to contain the measured ratio. The more
// candidates, the wider.
//
// Low is the largest of what the ends by themselves leave below it: the truth
// of the worse end is no lower than that of any. The smallest of the trials'
// worse ends would not do, since the worse of two ends that are alike is always
// the one that had bad luck.
func (t *Trials) Interval(light theory.Light, candidates int, measured Ratio) Interval {
	if candidates < 1 {
		panic("uncertainty: an interval without a candidate") // the link itself is one
	}
	i := t.rank(candidates) - 1
	low := Ratio{Value: new(big.Rat)}
	for _, end := range t.low {
		low = later(low, end[i].by(light))
	}
	if measured.Compare(low) < 0 {
		low = measured
	}
	high := later(t.high[i].by(light), measured)
	return Interval{Low: low, High: high, Gaps: later(t.gaps[i].by(light), high)}
}

func later(r, o Ratio) Ratio {
	if o.Compare(r) > 0 {
		return o
	}
	return r
}
