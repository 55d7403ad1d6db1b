// Package diagnosis says why a link does not comply, or only just does. It
// looks at the hours that a verdict of package compliance was made from, and
// gives codes with their parameters to the report.
//
// Nothing is guessed. The packets above the bound are counted, and something is
// named as a cause only if it explains the policy's share of them: if so many
// would be gone, were the packets that it concerns above the bound as rarely as
// all others are. So what is spread evenly, as noise is, explains nothing, how
// near to the limit it may be. Beside each cause stands what the judged RTT
// would be without its packets, exactly.
package diagnosis

import (
	"math/big"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// Rules are what of a policy a diagnosis is made with.
type Rules struct {
	statistic policy.Statistic
	factor    *big.Rat
	near      *big.Rat
	cause     *big.Rat
	step      *big.Rat // share by which a lasting step raises the shortest RTT at least
	fibre     theory.Light
	zone      *time.Location
}

// NewRules prepares a policy; moments are given in the zone.
func NewRules(p *policy.Policy, zone *time.Location) *Rules {
	return &Rules{
		statistic: p.Measurement.Statistic,
		factor:    p.Theory.Factor.Rat(),
		near:      p.Diagnosis.Near.Rat(),
		cause:     p.Diagnosis.Cause.Rat(),
		step:      p.Plausibility.MinStepShare.Rat(),
		fibre:     theory.WithIndex(p.Plausibility.FibreIndex.Rat()),
		zone:      zone,
	}
}

// Of gives the causes that the data shows, in the order of package api; none
// for a link that complies well or was not demonstrated. The ends must still
// have their hours. Where the distance changed, it is about the part whose
// figures stand for the link.
func (r *Rules) Of(l *compliance.Link) []api.Reason {
	bound := r.bound(l)
	if bound == nil {
		return []api.Reason{}
	}
	c := newExplanation(r, l, bound)
	reasons := []api.Reason{}
	for _, look := range []func() []api.Reason{
		c.tooLong, c.lastingStep, c.badDays, c.timeOfDay, c.oneEnd, c.lossOrDelay, c.stretch,
	} {
		reasons = append(reasons, look()...)
	}
	return reasons
}

// Asks tells whether there is anything to explain. Then the days of the link
// need their hours.
func (r *Rules) Asks(l *compliance.Link) bool { return r.bound(l) != nil }

// bound is what RTTs are held against: the limit, or for a link that only just
// complies the RTT at which it would no longer be near to it. Nil where there
// is nothing to explain.
func (r *Rules) bound(l *compliance.Link) *big.Rat {
	switch l.Verdict {
	case api.NonCompliant:
		return l.LimitUS
	case api.Compliant:
		clear := new(big.Rat).Sub(big.NewRat(1, 1), r.near)
		if l.Ratio.Cmp(new(big.Rat).Mul(r.factor, clear)) > 0 {
			return clear.Mul(clear, l.LimitUS)
		}
	}
	return nil
}

// explanation is a link that is looked into.
type explanation struct {
	*Rules
	link    *compliance.Link
	boundUS *big.Rat
	whole   int64 // microseconds within the bound
	days    []string
	sides   []side
}

// side is one end.
type side struct {
	*compliance.End
	hours []hour
}

// hour is a bin and what it holds of packets that count.
type hour struct {
	*latency.Bin
	day int
	count
}

func newExplanation(r *Rules, l *compliance.Link, bound *big.Rat) *explanation {
	c := &explanation{
		Rules: r, link: l, boundUS: bound,
		whole: new(big.Int).Div(bound.Num(), bound.Denom()).Int64(),
	}
	within := within(l)
	for e := range l.Ends {
		s := side{End: &l.Ends[e]}
		for d, day := range s.Days {
			if e == 0 {
				c.days = append(c.days, day.Date)
			}
			for b := range day.Hours() {
				if bin := &day.Bins[b]; within(bin.FromMS) {
					s.hours = append(s.hours, hour{bin, d, c.counted(&bin.Open)})
				}
			}
		}
		c.sides = append(c.sides, s)
	}
	return c
}

func (c *explanation) boundMS() float64 { return theory.FloorMS(c.boundUS) }

// all is the packets of all ends.
func (c *explanation) all() (sum count) {
	for s := range c.sides {
		sum.add(c.sides[s].sum())
	}
	return sum
}

func (s *side) sum() (sum count) {
	for i := range s.hours {
		sum.add(s.hours[i].count)
	}
	return sum
}

// over is the judged statistic of the worse end over some of the hours, with
// the lost packets or of the received ones only; false without packets.
func (c *explanation) over(lost bool, keep func(s int, h *hour) bool) (worst latency.RTT, ok bool) {
	for s := range c.sides {
		var d latency.Distribution
		for i := range c.sides[s].hours {
			h := &c.sides[s].hours[i]
			if !keep(s, h) {
				continue
			}
			for _, part := range h.Open.Sources() {
				if !lost {
					part = part.WithoutLost()
				}
				d.AddHistogram(part)
			}
		}
		if rtt, exists := compliance.StatisticOf(c.statistic, &d); exists && (!ok || rtt.Compare(worst) > 0) {
			worst, ok = rtt, true
		}
	}
	return worst, ok
}

func everyHour(int, *hour) bool { return true }

// putRTT sets an RTT as package api writes it: null where it is endless, with a
// parameter beside it that says so, or does not exist.
func putRTT(params map[string]any, name string, rtt latency.RTT, ok bool) {
	params[name+"_rtt_ms"] = nil
	switch {
	case ok && rtt.Unbounded:
		params[name+"_unbounded"] = true
	case ok:
		params[name+"_rtt_ms"] = theory.MS(rtt.US)
	}
}
