package compliance

import (
	"math/big"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// implausible compares the shortest RTT of an end with what light allows over
// the geodesic: wrong coordinates, or a responder that is not where it says.
// Of summaries it takes what the shortest RTT is at most.
func (r *Rules) implausible(end *End, packets *known, route mesh.Route) []api.Reason {
	shortest, ok := packets.high.Min()
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

// flags lists what somebody should look at, moments in the zone of the mesh.
func (r *Rules) flags(link *Link, zone *time.Location) []api.Reason {
	flags := []api.Reason{}
	if len(link.Ends) == 2 {
		a, b := &link.Ends[0], &link.Ends[1]
		if a.HasMeasured && b.HasMeasured && a.Measured.Exact() && b.Measured.Exact() && r.differ(a.Measured.Low, b.Measured.Low) {
			flags = append(flags, api.Reason{Code: api.FlagEndsDiffer, Params: map[string]any{
				"measured_rtt_ms": []*float64{ms(a.Measured.Low), ms(b.Measured.Low)},
			}})
		}
	}
	if link.Ratio != nil && link.Bounds == nil && link.Ratio.Cmp(r.ratioAbove) > 0 {
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
		flags = append(flags, r.minSteps(end, zone)...)
		if end.Conflicts > 0 {
			flags = append(flags, end.reason(api.FlagConflicts, "windows", end.Conflicts))
		}
		if filled, more := end.surplus(); more {
			flags = append(flags, end.reason(api.FlagSurplus, "packets", end.Counted, "filled", filled))
		}
		if end.Foreign > 0 {
			flags = append(flags, end.reason(api.FlagForeign, "windows", end.Foreign))
		}
		if used := end.Summaries - end.Uncounted; used > 0 {
			flags = append(flags, end.reason(api.FlagSummed, "windows", used,
				"min", end.Given.Min, "mean", end.Given.Mean, "max", end.Given.Max, "statistic", string(r.statistic),
				"low_rtt_ms", ms(end.Measured.Low), "high_rtt_ms", ms(end.Measured.High)))
		}
		if end.Uncounted > 0 {
			flags = append(flags, end.reason(api.FlagSummaries, "windows", end.Uncounted))
		}
	}
	if len(link.Works.Late) > 0 {
		flags = append(flags, api.Reason{Code: api.FlagUnregistered, Params: map[string]any{"works": link.Works.Late}})
	}
	return flags
}

// surplus tells how much of a schedule the packets of an end fill, and whether
// they are more: then hours of which there are more weigh more, and whoever runs
// a second probe while the network is idle has another percentile. Imports may
// have somewhat more than the test asks for.
func (e *End) surplus() (filled int64, more bool) {
	for _, n := range e.Over[0].Usable {
		filled += n
	}
	return filled, e.Counted > filled && e.Origins[wire.OriginImported] < e.Windows
}

// minSteps finds the hours whose shortest RTT differs from that of the hour
// before that has one, on one day, by more than the policy allows: the path has
// changed, or what answers has. It names the largest step.
func (r *Rules) minSteps(end *End, zone *time.Location) []api.Reason {
	days := 0
	var largest *big.Rat
	var at, before, after int64
	for _, day := range end.Days {
		stepped, last := false, int64(0)
		for b := range day.Bins {
			if !day.Bins[b].HasRTT {
				continue
			}
			shortest := int64(day.Bins[b].ShortestUS)
			if last > 0 && shortest > 0 {
				step := new(big.Rat).SetFrac64(max(shortest, last)-min(shortest, last), min(shortest, last))
				if step.Cmp(r.minStepShare) > 0 {
					stepped = true
					if largest == nil || step.Cmp(largest) > 0 {
						largest, at, before, after = step, day.Bins[b].FromMS, last, shortest
					}
				}
			}
			last = shortest
		}
		if stepped {
			days++
		}
	}
	if days == 0 {
		return nil
	}
	return []api.Reason{end.reason(api.FlagMinStep,
		"days", days, "at", time.UnixMilli(at).In(zone).Format(time.RFC3339Nano), "before_ms", theory.MS(before), "after_ms", theory.MS(after))}
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

// Differs compares what two tests measured of one link, by the measure for its
// two ends, and tells by how many µs the second is longer; false where there is
// no number. What is not known, or of different distances, is not compared.
func (r *Rules) Differs(a, b *Judgement) (differs bool, longerUS int64, ok bool) {
	if !a.HasMeasured || !b.HasMeasured || a.Bounds != nil || b.Bounds != nil || a.Route != b.Route {
		return false, 0, false
	}
	return r.differ(a.Measured, b.Measured), b.Measured.US - a.Measured.US, !a.Measured.Unbounded && !b.Measured.Unbounded
}

// ms shows an RTT; nil if it is unbounded.
func ms(rtt latency.RTT) *float64 {
	if rtt.Unbounded {
		return nil
	}
	shown := theory.MS(rtt.US)
	return &shown
}
