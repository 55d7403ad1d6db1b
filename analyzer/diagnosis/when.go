package diagnosis

import (
	"math/big"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// Causes that are a part of the time.

// byClock is what each end has within each clock hour.
type byClock [][24]count

// own lists the clock hours that exceed the bound by themselves at some end.
func (c *explanation) own(at byClock) (clocks [24]bool) {
	for _, side := range at {
		for clock, n := range side {
			clocks[clock] = clocks[clock] || c.exceeds(n)
		}
	}
	return clocks
}

// in sums up some clock hours, and all.
func (at byClock) in(clocks [24]bool) (part, all count) {
	for _, side := range at {
		for clock, n := range side {
			all.add(n)
			if clocks[clock] {
				part.add(n)
			}
		}
	}
	return part, all
}

// timeOfDay names the clock hours that exceed the bound by themselves. They
// have to explain the packets above it, and to do so on each day as the other
// days tell them: what happened once is no time of day, and of hours that only
// chance sets apart the other days tell nothing.
func (c *explanation) timeOfDay() []api.Reason {
	whole := make(byClock, len(c.sides))
	daily := make([]byClock, len(c.days))
	for d := range daily {
		daily[d] = make(byClock, len(c.sides))
	}
	for s := range c.sides {
		for _, h := range c.sides[s].hours {
			whole[s][h.Clock].add(h.count)
			daily[h.day][s][h.Clock].add(h.count)
		}
	}
	clocks := c.own(whole)
	part, all := whole.in(clocks)
	if !c.explains(part, all) || !c.recurs(whole, daily) {
		return nil
	}
	var hours []int
	for clock, bad := range clocks {
		if bad {
			hours = append(hours, clock)
		}
	}
	params := c.share(part, all, map[string]any{"hours": hours})
	rtt, ok := c.over(true, func(_ int, h *hour) bool { return !clocks[h.Clock] })
	putRTT(params, "without", rtt, ok)
	return []api.Reason{{Code: api.DiagnosisTimeOfDay, Params: params}}
}

// recurs holds each day against the hours that the other days name.
func (c *explanation) recurs(whole byClock, daily []byClock) bool {
	var part, all count
	others := make(byClock, len(whole))
	for _, day := range daily {
		for s := range whole {
			for clock := range whole[s] {
				others[s][clock] = whole[s][clock].less(day[s][clock])
			}
		}
		p, a := day.in(c.own(others))
		part.add(p)
		all.add(a)
	}
	return c.explains(part, all)
}

// badDays names the days that exceed the bound by themselves, if they are fewer
// than the others.
func (c *explanation) badDays() []api.Reason {
	daily := make([][]count, len(c.sides))
	for s := range c.sides {
		daily[s] = make([]count, len(c.days))
		for _, h := range c.sides[s].hours {
			daily[s][h.day].add(h.count)
		}
	}
	var part, all count
	var dates []string
	bad, days := make([]bool, len(c.days)), 0
	for d := range c.days {
		var both count
		for s := range c.sides {
			both.add(daily[s][d])
			bad[d] = bad[d] || c.exceeds(daily[s][d])
		}
		if both.received+both.lost > 0 {
			days++
		}
		all.add(both)
		if bad[d] {
			part.add(both)
			dates = append(dates, c.days[d])
		}
	}
	if 2*len(dates) >= days || !c.explains(part, all) {
		return nil
	}
	params := c.share(part, all, map[string]any{"days": dates, "days_all": days})
	rtt, ok := c.over(true, func(_ int, h *hour) bool { return !bad[h.day] })
	putRTT(params, "without", rtt, ok)
	return []api.Reason{{Code: api.DiagnosisBadDays, Params: params}}
}

// lasting is how many hours a level of the shortest RTT has to hold, before a
// step and after it: after a whole day, the time of day explains nothing.
const lasting = 24

// level is a stretch of time with a longer shortest RTT than beside it.
type level struct {
	side         int
	first, after *hour // nil: from the first packets, or to the last
	low, high    int64 // shortest RTT beside it and in it, in µs
	hours        int
}

// lastingStep finds the shortest such stretch that explains the packets above
// the bound.
func (c *explanation) lastingStep() []api.Reason {
	all := c.all()
	var found *level
	var part count
	for s := range c.sides {
		for _, l := range c.levels(s) {
			if found != nil && l.hours >= found.hours {
				continue
			}
			var in count
			for s := range c.sides {
				for i := range c.sides[s].hours {
					if h := &c.sides[s].hours[i]; l.holds(h) {
						in.add(h.count)
					}
				}
			}
			if c.explains(in, all) {
				found, part = &l, in
			}
		}
	}
	if found == nil {
		return nil
	}
	end := &c.sides[found.side]
	params := c.share(part, all, map[string]any{
		"src": end.Src, "dst": end.Dst, "from": c.moment(found.first), "to": c.moment(found.after),
		"low_rtt_ms": theory.MS(found.low), "high_rtt_ms": theory.MS(found.high),
	})
	params["ttl_changes"], params["traces"] = c.pathChanges(found)
	rtt, ok := c.over(true, func(_ int, h *hour) bool { return !found.holds(h) })
	putRTT(params, "without", rtt, ok)
	return []api.Reason{{Code: api.DiagnosisStep, Params: params}}
}

func (l *level) holds(h *hour) bool {
	return (l.first == nil || h.FromMS >= l.first.FromMS) && (l.after == nil || h.FromMS < l.after.FromMS)
}

func (c *explanation) moment(h *hour) any {
	if h == nil {
		return nil
	}
	return time.UnixMilli(h.FromMS).In(c.zone).Format(time.RFC3339)
}

// pathChanges counts what tells of another path in the hours about the steps:
// from the last one of a level to the first one of the next.
func (c *explanation) pathChanges(l *level) (ttlChanges, traces int) {
	hours := c.sides[l.side].hours
	for _, step := range []*hour{l.first, l.after} {
		if step == nil {
			continue
		}
		var before int64
		for i := range hours {
			if _, ok := hours[i].shortest(); ok && hours[i].FromMS < step.FromMS {
				before = hours[i].FromMS
			}
		}
		for i := range hours {
			if h := &hours[i]; before <= h.FromMS && h.FromMS <= step.FromMS {
				ttlChanges += h.Path.TTLChanges
				traces += h.Path.Traces
			}
		}
	}
	return ttlChanges, traces
}

// levels finds where the shortest RTT of an end is raised for a day or longer.
func (c *explanation) levels(s int) []level {
	var at []*hour
	var us []int64
	for i := range c.sides[s].hours {
		h := &c.sides[s].hours[i]
		if shortest, ok := h.shortest(); ok {
			at, us = append(at, h), append(us, shortest)
		}
	}
	ups, downs := c.steps(us)
	var out []level
	for _, up := range ups {
		l := level{side: s, first: at[up], low: least(us[max(0, up-lasting):up])}
		to := len(us)
		for _, down := range downs {
			if down > up {
				to, l.after = down, at[down]
				break
			}
		}
		l.high, l.hours = least(us[up:to]), to-up
		out = append(out, l)
	}
	if len(downs) > 0 && (len(ups) == 0 || downs[0] < ups[0]) {
		down := downs[0]
		out = append(out, level{
			side: s, after: at[down], low: least(us[down:min(len(us), down+lasting)]), high: least(us[:down]), hours: down,
		})
	}
	return out
}

// steps gives the places where the shortest RTTs of the day after are above
// those of the day before by the policy's share, and where they are below.
// About a step this holds for a day: the step up is at the first of these
// hours, the step down behind the last.
func (c *explanation) steps(us []int64) (ups, downs []int) {
	wasUp := false
	for k := lasting; k+lasting <= len(us); k++ {
		before, after := least(us[k-lasting:k]), least(us[k:k+lasting])
		up := c.raised(after, before)
		if up && !wasUp {
			at := k
			for k == lasting && at > 1 && c.raised(us[at-1], before) {
				at-- // within the first day
			}
			ups = append(ups, at)
		}
		wasUp = up
		if !c.raised(before, after) {
			continue
		}
		at := k
		for k+lasting == len(us) && at < len(us)-1 && c.raised(us[at], after) {
			at++ // within the last day
		}
		if n := len(downs); n > 0 && downs[n-1] == k-1 {
			downs[n-1] = at
		} else {
			downs = append(downs, at)
		}
	}
	return ups, downs
}

// raised tells whether high is above low by more than the policy's share.
func (c *explanation) raised(high, low int64) bool {
	if high <= low {
		return false // most hours: spare them the fractions
	}
	limit := new(big.Rat).Mul(new(big.Rat).Add(big.NewRat(1, 1), c.step), new(big.Rat).SetInt64(low))
	return new(big.Rat).SetInt64(high).Cmp(limit) > 0
}

func least(us []int64) int64 {
	shortest := us[0]
	for _, v := range us[1:] {
		shortest = min(shortest, v)
	}
	return shortest
}
