package compliance

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// Between is where a statistic lies, both ends included: at one value where
// every packet has a sample, and else where the summaries of imports leave it.
type Between struct{ Low, High latency.RTT }

// Exact tells whether the statistic is known.
func (b Between) Exact() bool { return b.Low == b.High }

// worse is where the longer of two statistics lies.
func (b Between) worse(o Between) Between {
	if o.Low.Compare(b.Low) > 0 {
		b.Low = o.Low
	}
	if o.High.Compare(b.High) > 0 {
		b.High = o.High
	}
	return b
}

// against is the verdict by a limit: what lies on both sides of it is not
// demonstrated.
func (b Between) against(limitUS *big.Rat) api.Verdict {
	within := func(rtt latency.RTT) bool { return !rtt.Unbounded && theory.Complies(rtt.US, limitUS) }
	switch {
	case within(b.High):
		return api.Compliant
	case !within(b.Low):
		return api.NonCompliant
	}
	return api.NotDemonstrated
}

// known is what is known of the packets over one calendar.
type known struct {
	*latency.Tally
	low, high *latency.Distribution
}

func knownOf(t *latency.Tally) *known { return &known{t, t.Low(), t.High()} }

// of is where a statistic lies; false without packets.
func (k *known) of(statistic policy.Statistic) (b Between, ok bool) {
	if statistic == policy.Mean && k.Summed() > 0 {
		b.Low, b.High, ok = k.MeanBounds()
		return b, ok
	}
	b.Low, ok = StatisticOf(statistic, k.low)
	b.High, _ = StatisticOf(statistic, k.high)
	return b, ok
}

// Bounded tells whether packets of a link are known by summaries only: then a
// statistic may be known between bounds only, and nothing is said that needs
// the RTTs of single packets.
func (l *Link) Bounded() bool {
	for i := range l.Ends {
		if end := &l.Ends[i]; end.Summaries > end.Uncounted {
			return true
		}
	}
	return false
}
