package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// sure says how much of the rate holds at the confidence of the policy; empty
// where no pair has an interval, as in a period of a few days.
func (t *table) sure() string {
	confidence := t.confidence()
	if confidence == "" {
		return ""
	}
	r := t.Rate
	line := fmt.Sprintf("%d proven to comply, %d possible, %d inconclusive (%s %% intervals)",
		r.Proven, r.Possible, r.Inconclusive, confidence)
	if r.Unstable > 0 {
		line += fmt.Sprintf(" · %d capable but unstable", r.Unstable)
	}
	return line
}

// confidence is that of the intervals, in percent; empty where there are none.
func (t *table) confidence() string {
	for i := range t.Pairs {
		if u := t.Pairs[i].Uncertainty; u != nil {
			return wording.Number(u.Confidence * 100)
		}
	}
	return ""
}

// intervalCell is the interval of the ratio, and whether it proves the verdict.
func (t *table) intervalCell(p *api.Pair) string {
	u := p.Uncertainty
	if u == nil {
		return "–"
	}
	end := func(ratio *float64) string {
		if ratio == nil {
			return "∞"
		}
		return t.threeDigits(*ratio)
	}
	cell := end(u.RatioLow) + "–" + end(u.RatioHigh)
	if u.RatioLowUnbounded {
		cell = end(u.RatioLow)
	}
	if p.Guarded != api.Inconclusive {
		cell += " proven"
	}
	return cell
}

// intervals lists what a narrow table has no column for, in the order of the
// rows.
func (t *table) intervals() {
	confidence := t.confidence()
	if confidence == "" || t.Width >= widthOfInterval {
		return
	}
	var all []string
	for i := range t.worst {
		if p := &t.worst[i]; p.Uncertainty != nil {
			all = append(all, ids(p)+" "+t.intervalCell(p))
		}
	}
	t.line("")
	t.line("%s", t.paint(confidence+" % intervals of the ratio", text.Bold))
	for _, line := range wrapItems(all, " · ", t.Width-2) {
		t.line("  %s", line)
	}
}

// wrapItems joins texts into lines and breaks none of them.
func wrapItems(items []string, joint string, columns int) []string {
	var lines []string
	for _, item := range items {
		if last := len(lines) - 1; last >= 0 && width(lines[last])+width(joint)+width(item) <= columns {
			lines[last] += joint + item
		} else {
			lines = append(lines, item)
		}
	}
	return lines
}

func endCell(ms *float64) string {
	if ms == nil {
		return "∞"
	}
	return strconv.FormatFloat(*ms, 'f', 3, 64)
}

// beside gives what stands beside the rate of the headline.
func (t *table) beside() {
	var plane *api.Plane
	for i := range t.Planes {
		if t.Planes[i].Plane == t.Plane {
			plane = &t.Planes[i]
		}
	}
	if plane == nil || t.Period.Demonstration {
		return
	}
	t.line("")
	t.line("%s", t.paint("Beside the rate, plane "+plane.Plane, text.Bold))
	if plane.BetweenHubs.Total > 0 {
		t.rate("between hubs", rateLine(plane.BetweenHubs, false))
	}
	t.rate("each end alone", strings.Replace(rateLine(plane.Ordered, false), "pairs", "ordered links", 1))
	if plane.ExcusedLinks > 0 {
		t.rate("nothing excused", rateLine(plane.WithMaintenance, false)+"; maintenance excuses something of "+plural(plane.ExcusedLinks, "link"))
	}
	for _, hub := range plane.Hubs {
		t.rate("hub "+hub.Hub, rateLine(hub.Rate, false))
	}
	t.classes()
	t.sensitivity()
	t.nearest()
}

// trend gives the rates of earlier months, where they were asked for.
func (t *table) trend() {
	if len(t.Trend) == 0 {
		return
	}
	t.line("")
	t.line("%s", t.paint("Months before, plane "+t.Plane, text.Bold))
	for _, month := range t.Trend {
		t.rate(month.Month, rateLine(month.Rate, true))
	}
}

func (t *table) classes() {
	type class struct {
		name  string
		limit float64
	}
	met, all := map[class]int{}, map[class]int{}
	var order []class
	for _, c := range t.Classes {
		if c.Plane != t.Plane {
			continue
		}
		k := class{c.Class, c.LimitOneWayMS}
		if all[k] == 0 {
			order = append(order, k)
		}
		all[k]++
		if c.Verdict == api.Compliant {
			met[k]++
		}
	}
	for _, k := range order {
		t.rate(wording.Scope(wording.EN, k.name), wording.ScopeLine(wording.EN, met[k], all[k], k.limit))
	}
}

// sensitivity says how far the rate hangs on the choices of the policy.
func (t *table) sensitivity() {
	if len(t.Sensitivity) == 0 {
		return
	}
	low, high := t.Sensitivity[0], t.Sensitivity[0]
	for _, s := range t.Sensitivity {
		if s.Compliant < low.Compliant {
			low = s
		}
		if s.Compliant > high.Compliant {
			high = s
		}
	}
	if low.Compliant == high.Compliant {
		t.rate("other choices", fmt.Sprintf("%d of %d by each of the %d", low.Compliant, low.Total, len(t.Sensitivity)))
		return
	}
	t.rate("other choices", fmt.Sprintf("from %s to %s of %d; the JSON has all %d", wording.Choice(wording.EN, low), wording.Choice(wording.EN, high), low.Total, len(t.Sensitivity)))
}

func (t *table) nearest() {
	if len(t.Nearest) == 0 {
		return
	}
	t.line("")
	head := "Narrowly within the limit, by the ratio"
	if t.Nearest[0].Verdict == api.NonCompliant {
		head = "Nearest to complying, by the ratio"
	}
	t.line("%s", t.paint(head, text.Bold))
	for _, n := range t.Nearest {
		pair := abreast(n.Pair[0], "–", n.Pair[1], maxIDs)
		t.rate(pair, wording.Excess(wording.EN, n))
	}
}
