package datasource

import (
	"context"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// silence is after how long without a window a probe is taken for dead: three of
// its longest windows, and a minute for the way.
func silence(n *network) float64 {
	longest := 0
	for _, t := range n.Tests {
		longest = max(longest, t.WindowS)
	}
	return float64(3*longest + 60)
}

// probes is how each probe stands.
func (s *Source) probes(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	found, executed, err := s.askProbes(ctx, q, 1)
	if err != nil {
		return nil, err
	}
	if len(found.Probes) == 0 {
		return nothing(executed, "the mesh has no such probe"), nil
	}
	var site, cluster, carrier, plane, clock, timestamps, version []string
	var alive []bool
	var silent, missing []*float64
	var lastEnd, lastAdmitted []*time.Time
	var ends, heard, clockError []int64
	var ppm []float64
	for i := range found.Probes {
		p := &found.Probes[i]
		end, err := momentOrNone(p.LastEnd)
		if err != nil {
			return nil, err
		}
		admitted, err := momentOrNone(p.LastAdmitted)
		if err != nil {
			return nil, err
		}
		site, cluster, carrier, plane = append(site, p.Site), append(cluster, p.Cluster), append(carrier, p.Carrier), append(plane, p.Plane)
		alive, silent = append(alive, p.SilentS != nil && *p.SilentS <= silence(n)), append(silent, p.SilentS)
		lastEnd, lastAdmitted = append(lastEnd, end), append(lastAdmitted, admitted)
		ends, heard = append(ends, int64(p.Ends)), append(heard, int64(p.EndsHeard))
		clock, clockError, ppm = append(clock, p.Clock), append(clockError, p.ClockErrorUS), append(ppm, p.ClockPPM)
		timestamps, version = append(timestamps, p.Timestamps), append(version, p.ProbeVersion)
		missing = append(missing, missingOf(p.Points))
	}
	up := field("alive", "", "", alive)
	up.Config.Mappings = data.ValueMappings{data.ValueMapper{
		"true": {Text: "alive", Color: "#0072B2", Index: 0}, "false": {Text: "silent", Color: "#D55E00", Index: 1},
	}}
	return data.Frames{table("", executed,
		field("site", "", "", site), field("cluster", "", "", cluster), field("carrier", "", "", carrier), field("plane", "", "", plane),
		up, decimals(field("silent", "silent for", "s", silent), 0), field("last_end", "newest window", "", lastEnd),
		field("last_admitted", "last stored", "", lastAdmitted), field("ends", "links", "short", ends), field("ends_heard", "links heard", "short", heard),
		field("clock", "", "", clock), field("clock_error", "clock error", "µs", clockError), decimals(field("clock_ppm", "clock rate, ppm", "none", ppm), 2),
		field("timestamps", "", "", timestamps), field("probe_version", "probe version", "", version),
		decimals(field("missing", "windows missing", "percent", missing), 2))}, nil
}

// missingOf is the share of the windows that were expected and did not come.
func missingOf(points []api.ProbePoint) *float64 {
	windows, expected := 0, 0
	for i := range points {
		// More than was asked for in one step fills no gap in another.
		windows += min(points[i].Windows, points[i].Expected)
		expected += points[i].Expected
	}
	return percent(expected-windows, expected)
}

func percent(part, all int) *float64 {
	if all == 0 {
		return nil
	}
	v := 100 * float64(part) / float64(all)
	return &v
}

var probeUnits = map[string]shown{
	"missing": {"percent", 2}, "waited": {"s", 0}, "clock_error": {"µs", 0}, "clock_ppm": {"none", 2}, "unsynchronised": {"percent", 1},
	"user_timestamps": {"percent", 1},
}

// probeValue is a metric of a step.
func probeValue(metric string, p *api.ProbePoint) *float64 {
	count := func(n int64) *float64 {
		v := float64(n)
		return &v
	}
	switch metric {
	case "missing":
		return missingOf([]api.ProbePoint{*p})
	case "waited":
		return p.WaitedS
	case "admissions":
		return count(int64(p.Admissions))
	}
	if p.Windows == 0 {
		return nil // of what did not come nothing is known
	}
	switch metric {
	case "clock_error":
		return count(p.ClockErrorUS)
	case "clock_ppm":
		v := p.ClockPPM
		return &v
	case "unsynchronised":
		return percent(p.Unsynchronised, p.Windows)
	case "user_timestamps":
		return percent(p.User, p.Hardware+p.Kernel+p.User)
	case "clock_steps":
		return count(int64(p.ClockSteps))
	case "late":
		return count(p.Late)
	case "duplicate":
		return count(p.Duplicate)
	case "send_error":
		return count(p.SendError)
	}
	return count(p.Unstamped)
}

func labelsOf(p *api.Probe) data.Labels {
	return data.Labels{"site": p.Site, "cluster": p.Cluster, "carrier": p.Carrier, "plane": p.Plane}
}

// probeSeries is how probes did over the time.
func (s *Source) probeSeries(ctx context.Context, q *Query) (data.Frames, error) {
	found, executed, err := s.askProbes(ctx, q, min(q.MaxPoints, 2000))
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	for i := range found.Probes {
		p := &found.Probes[i]
		l := &line{}
		for j := range p.Points {
			from, to, err := momentsOf(p.Points[j].From, p.Points[j].To)
			if err != nil {
				return nil, err
			}
			if from.Before(q.From) || !from.Before(q.To) {
				continue
			}
			l.step = max(l.step, to.Sub(from))
			l.add(from, to, probeValue(q.Metric, &p.Points[j]))
		}
		if len(l.times) == 0 {
			continue
		}
		show, ok := probeUnits[q.Metric]
		if !ok {
			show = shown{"short", 0}
		}
		frames = append(frames, q.lineFrame(l, labelsOf(p), p.Site, show, nil, executed))
	}
	if len(frames) == 0 {
		return nothing(executed, "no probe has a step that begins in the time range; choose a longer one"), nil
	}
	return frames, nil
}
