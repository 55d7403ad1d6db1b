package compliance

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// implausible compares the shortest RTT of an end with what light allows over
// the geodesic: wrong coordinates, or a responder that is not where it says.
func (r *Rules) implausible(end *End, tally *latency.Tally, route mesh.Route) []api.Reason {
	shortest, ok := tally.Min()
	if !ok || shortest.Unbounded {
		return nil
	}
	rtt := new(big.Rat).SetInt64(shortest.US)
	if floor := theory.InVacuum().RTTUS(route.GeodesicMeters); rtt.Cmp(floor) < 0 {
		return []api.Reason{end.reason(api.ReasonFasterThanLight, "min_ms", theory.MS(shortest.US), "floor_ms", theory.CeilMS(floor))}
	}
	if route.Medium == mesh.HollowCore || route.Medium == mesh.Microwave {
		return nil
	}
	floor := new(big.Rat).Mul(r.fibre.RTTUS(route.GeodesicMeters), r.fibreKeeps)
	if rtt.Cmp(floor) < 0 {
		return []api.Reason{end.reason(api.ReasonFasterThanFibre, "min_ms", theory.MS(shortest.US), "floor_ms", theory.CeilMS(floor))}
	}
	return nil
}

// flags lists what somebody should look at.
func (r *Rules) flags(link *Link) []api.Reason {
	flags := []api.Reason{}
	if len(link.Ends) == 2 {
		a, b := &link.Ends[0], &link.Ends[1]
		if a.HasMeasured && b.HasMeasured && r.differ(a.Measured, b.Measured) {
			flags = append(flags, api.Reason{Code: api.FlagEndsDiffer, Params: map[string]any{
				"measured_rtt_ms": []*float64{ms(a.Measured), ms(b.Measured)},
			}})
		}
	}
	if link.Ratio != nil && link.Ratio.Cmp(r.ratioAbove) > 0 {
		above, _ := r.ratioAbove.Float64()
		flags = append(flags, api.Reason{Code: api.FlagRatioHigh, Params: map[string]any{
			"ratio": theory.ShowRatio(link.Ratio, r.ratioAbove), "above": above,
		}})
	}
	for i := range link.Ends {
		end := &link.Ends[i]
		if end.ResidenceMaxUS > r.residenceCapUS {
			flags = append(flags, end.reason(api.FlagResidence, "max_us", end.ResidenceMaxUS, "cap_us", r.residenceCapUS))
		}
		if rate := new(big.Rat).SetUint64(end.ClockRateMaxPPB); rate.Cmp(r.clockRatePPB) > 0 {
			above, _ := new(big.Rat).Quo(r.clockRatePPB, big.NewRat(1000, 1)).Float64()
			flags = append(flags, end.reason(api.FlagClockRate, "max_ppm", float64(end.ClockRateMaxPPB)/1000, "above_ppm", above))
		}
		if end.Conflicts > 0 {
			flags = append(flags, end.reason(api.FlagConflicts, "windows", end.Conflicts))
		}
		if end.Foreign > 0 {
			flags = append(flags, end.reason(api.FlagForeign, "windows", end.Foreign))
		}
		if end.Summaries > 0 {
			flags = append(flags, end.reason(api.FlagSummaries, "windows", end.Summaries))
		}
	}
	return flags
}

// differ tells whether two ends of one link disagree: an RTT covers both
// directions, whoever measures it.
func (r *Rules) differ(a, b latency.RTT) bool {
	if a.Unbounded || b.Unbounded {
		return a.Unbounded != b.Unbounded
	}
	longer, shorter := max(a.US, b.US), min(a.US, b.US)
	difference := new(big.Rat).SetInt64(longer - shorter)
	share := new(big.Rat).Mul(r.endsDifferShare, new(big.Rat).SetInt64(longer))
	return difference.Cmp(r.endsDifferUS) > 0 && difference.Cmp(share) > 0
}

// ms shows an RTT; nil if it is unbounded.
func ms(rtt latency.RTT) *float64 {
	if rtt.Unbounded {
		return nil
	}
	shown := theory.MS(rtt.US)
	return &shown
}
