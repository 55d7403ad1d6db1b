package diagnosis

import (
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// Causes that hold all the time: the end, the direction, what happens to the
// packets, and how long the way is.

// oneEnd names the end that alone exceeds the bound.
func (c *explanation) oneEnd() []api.Reason {
	if len(c.sides) != 2 {
		return nil
	}
	for s := range c.sides {
		one, other := c.sides[s].sum(), c.sides[1-s].sum()
		all := one
		all.add(other)
		if !c.exceeds(one) || c.exceeds(other) || !c.explains(one, all) {
			continue
		}
		params := c.share(one, all, map[string]any{"src": c.sides[s].Src, "dst": c.sides[s].Dst})
		rtt, ok := c.over(true, func(side int, _ *hour) bool { return side == s })
		putRTT(params, "measured", rtt, ok)
		rtt, ok = c.over(true, func(side int, _ *hour) bool { return side != s })
		putRTT(params, "without", rtt, ok)
		return []api.Reason{{Code: api.DiagnosisOneEnd, Params: params}}
	}
	return nil
}

// lossOrDelay tells what the statistic hangs on: each of the two that would
// exceed the bound without the other; if they do so only together, the one that
// has the policy's share of the packets above it. Mean and min leave losses out.
func (c *explanation) lossOrDelay() []api.Reason {
	all := c.all()
	byDelay := slices.ContainsFunc(c.sides, func(s side) bool {
		n := s.sum()
		return c.exceeds(count{received: n.received, slow: n.slow, excess: n.excess})
	})
	if _, ok := c.percent(); !ok {
		if !byDelay { // an end lost all
			return nil
		}
		return append(c.directionOfDelay(), c.delay(all)...)
	}
	byLoss := slices.ContainsFunc(c.sides, func(s side) bool {
		n := s.sum()
		return c.exceeds(count{received: n.received, lost: n.lost})
	})
	above := new(big.Rat).SetInt(uint64s(c.above(all)))
	if !byLoss && !byDelay {
		byLoss = c.reaches(new(big.Rat).SetInt(uint64s(all.lost)), above)
		byDelay = c.reaches(new(big.Rat).SetInt(uint64s(all.slow)), above)
	}
	var directions, kinds []api.Reason
	if byLoss {
		directions = append(directions, c.directionOfLoss(all)...)
		kinds = append(kinds, c.loss(all)...)
	}
	if byDelay {
		directions = append(directions, c.directionOfDelay()...)
		kinds = append(kinds, c.delay(all)...)
	}
	return append(directions, kinds...)
}

func (c *explanation) loss(all count) []api.Reason {
	params := map[string]any{"packets": all.received + all.lost, "lost": all.lost, "bound_rtt_ms": c.boundMS()}
	rtt, ok := c.over(false, everyHour)
	putRTT(params, "without", rtt, ok)
	return []api.Reason{{Code: api.DiagnosisLoss, Params: params}}
}

// delay says nothing where tooLong has said more.
func (c *explanation) delay(all count) []api.Reason {
	if us, ok := c.shortest(); ok && us > c.whole {
		return nil
	}
	params := map[string]any{"packets": all.received + all.lost, "above_packets": all.slow, "bound_rtt_ms": c.boundMS()}
	rtt, ok := c.link.Measured, c.link.HasMeasured
	if all.lost > 0 {
		rtt, ok = c.over(false, everyHour)
	}
	putRTT(params, "received", rtt, ok)
	return []api.Reason{{Code: api.DiagnosisDelay, Params: params}}
}

// way is one direction between the sites, as both ends tell of it.
type way struct {
	lost    uint64
	delay   latency.Distribution
	errorUS uint32
}

// ways gives the direction from the first site to the second, and the one
// back.
func (c *explanation) ways() *[2]way {
	var w [2]way
	for s := range c.sides {
		there, back := &w[0], &w[1]
		if c.sides[s].Src != c.link.Sites[0] {
			there, back = back, there
		}
		for i := range c.sides[s].hours {
			h := &c.sides[s].hours[i]
			there.lost += h.Path.ForwardLost
			back.lost += h.Path.ReverseLost
			there.delay.AddHistogram(h.Path.Forward)
			back.delay.AddHistogram(h.Path.Reverse)
			for _, way := range []*way{there, back} {
				way.errorUS = max(way.errorUS, h.Path.OneWayErrorUS)
			}
		}
	}
	return &w
}

// directionOfLoss names the direction that loses more, if the policy's share of
// all losses would be gone were it as good as the other.
func (c *explanation) directionOfLoss(all count) []api.Reason {
	ways := c.ways()
	for from := range ways {
		worse, other := ways[from].lost, ways[1-from].lost
		if worse <= other || !c.reaches(new(big.Rat).SetInt(uint64s(worse-other)), new(big.Rat).SetInt(uint64s(all.lost))) {
			continue
		}
		return []api.Reason{{Code: api.DiagnosisDirectionLoss, Params: map[string]any{
			"from": c.link.Sites[from], "to": c.link.Sites[1-from], "lost": worse, "lost_back": other, "lost_all": all.lost,
		}}}
	}
	return nil
}

// directionOfDelay names the direction that takes longer, if the policy's share
// of what both take beyond the theoretical RTT would be gone were it as short
// as the other, even if the clocks are as far off as they may be. The one-way
// delays have to stand for the policy's share of the received packets.
func (c *explanation) directionOfDelay() []api.Reason {
	ways := c.ways()
	received := new(big.Rat).SetInt(uint64s(c.all().received))
	var us [2]int64
	for i := range ways {
		rtt, ok := compliance.StatisticOf(c.statistic, &ways[i].delay)
		if !ok || ways[i].errorUS == 0 || !c.reaches(new(big.Rat).SetInt(uint64s(ways[i].delay.Packets())), received) {
			return nil
		}
		us[i] = rtt.US
	}
	beyond := new(big.Rat).Sub(new(big.Rat).SetInt64(us[0]+us[1]), c.link.TheoreticalUS)
	errorUS := int64(ways[0].errorUS)
	for from := range ways {
		more := us[from] - us[1-from] - 2*errorUS
		if more <= 0 || !c.reaches(new(big.Rat).SetInt64(more), beyond) {
			continue
		}
		return []api.Reason{{Code: api.DiagnosisDirectionDelay, Params: map[string]any{
			"from": c.link.Sites[from], "to": c.link.Sites[1-from],
			"one_way_ms": theory.MS(us[from]), "one_way_back_ms": theory.MS(us[1-from]), "clock_error_ms": theory.MS(errorUS),
		}}}
	}
	return nil
}

// shortest is the shortest RTT that any end saw.
func (c *explanation) shortest() (us int64, ok bool) {
	for s := range c.sides {
		for i := range c.sides[s].hours {
			if v, any := c.sides[s].hours[i].shortest(); any && (!ok || v < us) {
				us, ok = v, true
			}
		}
	}
	return us, ok
}

// tooLong tells that even the shortest RTT is above the bound.
func (c *explanation) tooLong() []api.Reason {
	us, ok := c.shortest()
	if !ok || us <= c.whole {
		return nil
	}
	return []api.Reason{{Code: api.DiagnosisTooLong, Params: c.overGeodesic(us, map[string]any{"bound_rtt_ms": c.boundMS()})}}
}

// stretch tells that the shortest RTT has the policy's share of what the judged
// one is above the theoretical RTT: so much of it is there when nothing queues.
// Where the shortest is above the bound itself, tooLong has said so.
func (c *explanation) stretch() []api.Reason {
	us, ok := c.shortest()
	if !ok || us > c.whole || c.link.Measured.Unbounded {
		return nil
	}
	beyond := func(us int64) *big.Rat {
		return new(big.Rat).Sub(new(big.Rat).SetInt64(us), c.link.TheoreticalUS)
	}
	if !c.reaches(beyond(us), beyond(c.link.Measured.US)) {
		return nil
	}
	return []api.Reason{{Code: api.DiagnosisStretch, Params: c.overGeodesic(us, map[string]any{
		"measured_rtt_ms": theory.MS(c.link.Measured.US), "theoretical_rtt_ms": theory.NearMS(c.link.TheoreticalUS),
	})}}
}

// overGeodesic adds the shortest RTT, and how often it holds the RTT of light
// in fibre over the geodesic, where there is one.
func (c *explanation) overGeodesic(us int64, params map[string]any) map[string]any {
	params["min_rtt_ms"] = theory.MS(us)
	if geodesic := c.link.Route.GeodesicMeters; geodesic > 0 {
		rtt := c.fibre.RTTUS(geodesic)
		params["geodesic_rtt_ms"] = theory.NearMS(rtt)
		params["stretch"] = theory.ShowRatio(theory.Ratio(us, rtt), new(big.Rat))
	}
	return params
}
