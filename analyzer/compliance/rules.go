// Package compliance judges: it holds the distributions of package latency
// against the theoretical latency and the policy, and says for each pair of
// clusters whether it complies, does not, or was not demonstrated, and why.
// Its results go into the report.
//
// A verdict rests on whole microseconds and exact fractions only.
//
// Where the distance of a link changes within the period, the period is cut
// there and each part is judged like a period of its own, data and limit; the
// link complies only if the whole period has enough data and each part
// complies. A window belongs to the part in which it starts, so no packet is
// compared with a distance that was not in force when its window started.
package compliance

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/analyzer/uncertainty"
)

// Rules are a policy in the form that verdicts are made with: exact fractions.
type Rules struct {
	light     theory.Light
	factor    *big.Rat
	statistic policy.Statistic
	choice    policy.Choice

	packetsOfDay, days, packetsOfHour *big.Rat
	demonstration                     int64

	fibre           theory.Light
	fibreKeeps      *big.Rat // 1 − margin
	endsDifferUS    *big.Rat
	endsDifferShare *big.Rat
	ratioAbove      *big.Rat
	residenceCapUS  uint32
	clockRatePPB    *big.Rat
	minStepShare    *big.Rat

	confidence               *big.Rat
	trials                   int
	seed                     uint64
	completeDaysNeeded       int
	fewerDays                int
	hardwareAdds, kernelAdds uncertainty.Span

	withinHub, withinCity *big.Rat // limits of an RTT, in microseconds
}

// NewRules prepares a policy for judging.
func NewRules(p *policy.Policy) *Rules {
	hardwareLeast, hardwareMost := policy.AddedNS(p.Uncertainty.HardwareAddsUS)
	kernelLeast, kernelMost := policy.AddedNS(p.Uncertainty.KernelAddsUS)
	return &Rules{
		light:           p.Theory.Light(),
		factor:          p.Theory.Factor.Rat(),
		statistic:       p.Measurement.Statistic,
		choice:          p.Measurement.Sites,
		packetsOfDay:    p.Sufficiency.PacketsOfDay.Rat(),
		days:            p.Sufficiency.Days.Rat(),
		packetsOfHour:   p.Sufficiency.PacketsOfHour.Rat(),
		demonstration:   int64(p.Sufficiency.DemonstrationPackets),
		fibre:           theory.WithIndex(p.Plausibility.FibreIndex.Rat()),
		fibreKeeps:      new(big.Rat).Sub(big.NewRat(1, 1), p.Plausibility.FibreMargin.Rat()),
		endsDifferUS:    new(big.Rat).Mul(p.Plausibility.EndsDifferMS.Rat(), big.NewRat(1000, 1)),
		endsDifferShare: p.Plausibility.EndsDifferShare.Rat(),
		ratioAbove:      p.Plausibility.RatioAbove.Rat(),
		residenceCapUS:  uint32(p.Measurement.ResidenceCapUS),
		clockRatePPB:    new(big.Rat).Mul(p.Plausibility.ClockRatePPM.Rat(), big.NewRat(1000, 1)),
		minStepShare:    p.Plausibility.MinStepShare.Rat(),

		confidence: p.Uncertainty.Confidence.Rat(), trials: p.Uncertainty.Trials, seed: p.Uncertainty.Seed,
		completeDaysNeeded: p.Uncertainty.CompleteDays, fewerDays: p.Uncertainty.FewerDays,
		hardwareAdds: uncertainty.Span{Low: hardwareLeast, High: hardwareMost},
		kernelAdds:   uncertainty.Span{Low: kernelLeast, High: kernelMost},

		// Twice the one-way limit, in microseconds.
		withinHub:  new(big.Rat).Mul(p.Classes.WithinHubMS.Rat(), big.NewRat(2000, 1)),
		withinCity: new(big.Rat).Mul(p.Classes.WithinCityMS.Rat(), big.NewRat(2000, 1)),
	}
}

// Factor is the limit over the theoretical RTT.
func (r *Rules) Factor() *big.Rat { return r.factor }

// WithoutIntervals are the same rules, by which nothing is proven: for results of
// which only the rate is shown.
func (r *Rules) WithoutIntervals() *Rules {
	rules := *r
	rules.trials = 0
	return &rules
}

// measured is what the policy compares with the limit; false without packets.
func (r *Rules) measured(d *latency.Distribution) (latency.RTT, bool) {
	return StatisticOf(r.statistic, d)
}

// StatisticOf takes a statistic of a distribution; false without packets.
func StatisticOf(statistic policy.Statistic, d *latency.Distribution) (latency.RTT, bool) {
	switch statistic {
	case policy.P50:
		return d.Percentile(50)
	case policy.P99:
		return d.Percentile(99)
	case policy.Mean:
		return d.Mean()
	case policy.Min:
		return d.Min()
	}
	return d.Percentile(95)
}
