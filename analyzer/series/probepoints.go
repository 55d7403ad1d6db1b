package series

import (
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// show puts a probe as package api says it, several steps to a point.
func (h *health) show(p *prober, merged int) api.Probe {
	zone := h.Period.From.Location()
	at := func(ms int64) string { return stamp(time.UnixMilli(ms).In(zone)) }
	out := api.Probe{
		Site: p.site.ID, Cluster: p.site.Cluster, Carrier: p.site.Carrier, Plane: string(p.site.Plane),
		Ends: len(p.ends), Points: []api.ProbePoint{},
	}
	for _, heard := range p.ends {
		if heard {
			out.EndsHeard++
		}
	}
	if w := p.last; w != nil {
		end, silent := at(w.EndMS), 0.0
		if until := min(h.Period.To.UnixMilli(), h.Now.UnixMilli(), p.until); until > w.EndMS {
			silent = float64(until-w.EndMS) / 1000
		}
		out.LastEnd, out.SilentS = &end, &silent
		out.Clock, out.ClockErrorUS, out.ClockPPM = string(w.Clock.State), w.Clock.MaxErrorUS, ppm(w.Clock.FrequencyPPB)
		out.Timestamps, out.ProbeVersion = string(w.Timestamps), w.ProbeVersion
	}
	jumps := p.jumps(int64(h.windowS) * 1000)
	for first := 0; first < len(h.steps); first += merged {
		steps := h.steps[first:min(first+merged, len(h.steps))]
		span := latency.Span{FromMS: steps[0].FromMS, ToMS: steps[len(steps)-1].ToMS}
		point := pointOfProbe(p.steps[first : first+len(steps)])
		point.From, point.To = at(span.FromMS), at(span.ToMS)
		for _, ms := range jumps {
			if span.FromMS <= ms && ms < span.ToMS {
				point.ClockSteps++
			}
		}
		admitted := h.Admitted(p.site.ID, span.FromMS, span.ToMS)
		if point.Admissions = admitted.N; admitted.N > 0 {
			last := at(admitted.LastMS)
			out.LastAdmitted = &last
			if admitted.WaitedMS >= 0 {
				waited := float64(admitted.WaitedMS) / 1000
				point.WaitedS = &waited
			}
		}
		out.Points = append(out.Points, point)
	}
	if out.LastAdmitted == nil {
		if before := h.Admitted(p.site.ID, 0, h.steps[0].FromMS); before.N > 0 {
			last := at(before.LastMS)
			out.LastAdmitted = &last
		}
	}
	return out
}

func pointOfProbe(steps []probeStep) api.ProbePoint {
	var all latency.Probe
	point := api.ProbePoint{}
	for i := range steps {
		all.Add(&steps[i].Probe)
		point.Expected += steps[i].expected
	}
	n := &all.Packets
	point.Windows, point.Sent, point.Lost, point.Late = all.Windows, n.Sent, n.Lost, n.Late
	point.Duplicate, point.SendError, point.Unstamped = n.Duplicate, n.SendError, n.Unstamped
	point.Hardware, point.Kernel, point.User = all.Hardware, all.Kernel, all.User
	point.Unsynchronised, point.ClockUnknown = all.Unsynchronised, all.ClockUnknown
	point.ClockErrorUS, point.ClockPPM = all.ClockErrorMaxUS, ppm(int64(all.ClockRateMaxPPB))
	return point
}

func ppm(ppb int64) float64 { return float64(ppb) / 1000 }

// jumps are the moments at which the clock jumped.
func (p *prober) jumps(windowMS int64) (all []int64) {
	for i := range p.steps {
		all = append(all, p.steps[i].ClockSteps...)
	}
	return once(all, windowMS)
}

// once makes one of the moments at which several links saw the clock jump: those
// within a window's length from the first.
func once(moments []int64, windowMS int64) (all []int64) {
	slices.Sort(moments)
	for _, ms := range moments {
		if n := len(all); n == 0 || ms-all[n-1] >= windowMS {
			all = append(all, ms)
		}
	}
	return all
}
