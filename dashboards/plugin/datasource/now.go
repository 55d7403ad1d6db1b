package datasource

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// nowValues gives one number for each end, probe or month, for alert rules.
func (s *Source) nowValues(ctx context.Context, q *Query) (data.Frames, error) {
	switch q.Metric {
	case "ratio", "rtt", "loss":
		return s.endValues(ctx, q)
	case "rate", "rate_margin":
		return s.rateValue(ctx, q)
	}
	return s.probeValues(ctx, q)
}

// numeric is a number with labels, which an alias may name.
func (q *Query) numeric(unit, executed string, labels data.Labels, value float64) *data.Frame {
	f := data.NewField(q.Metric, labels, []float64{value})
	f.Config = &data.FieldConfig{Unit: unit}
	f.Config.SetDecimals(map[string]uint16{"ms": 3, "none": 3, "percent": 2}[unit])
	if q.Alias != "" {
		f.Config.DisplayNameFromDS = named(q.Alias, labels, map[string]string{"metric": q.Metric})
	}
	frame := data.NewFrame("", f)
	meta(frame, data.FrameTypeNumericMulti, executed)
	return frame
}

// highest keeps as many frames as are asked for, those with the highest numbers.
func (q *Query) highest(frames data.Frames) data.Frames {
	slices.SortStableFunc(frames, func(a, b *data.Frame) int {
		return cmp.Compare(b.Fields[0].At(0).(float64), a.Fields[0].At(0).(float64))
	})
	if q.Limit > 0 && len(frames) > q.Limit {
		frames = frames[:q.Limit]
	}
	return frames
}

func (s *Source) endValues(ctx context.Context, q *Query) (data.Frames, error) {
	found, executed, err := s.rangeFigures(ctx, q.seriesQuery(1))
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	for i := range found {
		f := &found[i]
		value := map[string]*float64{"ratio": f.ratio, "rtt": f.rtt, "loss": f.loss}[q.Metric]
		if value == nil {
			continue
		}
		frames = append(frames, q.numeric(seriesUnits[q.Metric].unit, executed,
			data.Labels{"from": f.src, "to": f.dst, "pair": f.pair[0] + "/" + f.pair[1], "carrier": f.carrier, "plane": f.plane}, *value))
	}
	if len(frames) == 0 {
		return nothing(executed, "the distances of these links changed within the time range, so that there is no ratio of all of it"), nil
	}
	return q.highest(frames), nil
}

func (s *Source) probeValues(ctx context.Context, q *Query) (data.Frames, error) {
	found, executed, err := s.askProbes(ctx, q, 1)
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	for i := range found.Probes {
		p := &found.Probes[i]
		value := probeNow(q, p)
		if value == nil {
			continue
		}
		frames = append(frames, q.numeric(map[string]string{"silent": "s", "waited": "s", "missing": "percent"}[q.Metric], executed, labelsOf(p), *value))
	}
	if len(frames) == 0 {
		return nothing(executed, "no probe tells this in the time range"), nil
	}
	return q.highest(frames), nil
}

// probeNow is a metric of a probe over the whole time range. One from which
// nothing came has been silent for all of it, if anything was to come.
func probeNow(q *Query, p *api.Probe) *float64 {
	switch q.Metric {
	case "silent":
		if p.SilentS != nil {
			return p.SilentS
		}
		if !slices.ContainsFunc(p.Points, func(at api.ProbePoint) bool { return at.Expected > 0 }) {
			return nil // it has not begun, or has no link
		}
		v := q.To.Sub(q.From).Seconds()
		return &v
	case "unsynchronised":
		if p.Clock == "" {
			return nil
		}
		v := 0.0
		if p.Clock == "unsynchronised" {
			v = 1
		}
		return &v
	case "missing":
		return missingOf(p.Points)
	}
	var waited *float64
	for i := range p.Points {
		if w := p.Points[i].WaitedS; w != nil && (waited == nil || *w > *waited) {
			waited = w
		}
	}
	return waited
}

// rateValue is the rate of the month, or how far it is above the target.
func (s *Source) rateValue(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	month, err := s.month(ctx, q, n)
	if err != nil {
		return nil, err
	}
	if month == "" {
		return nothing("GET /api/v1/months", "there is no month with data before the end of the time range"), nil
	}
	of := *q
	of.Month = month
	found, key, err := s.monthsOf(ctx, &of, n)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nothing(key, "there is no report of "+month), nil
	}
	summary := &found[0]
	rate := q.rateOf(summary)
	if rate == nil || rate.Total == 0 {
		return nothing(key, "the report of "+month+" has no such rate"), nil
	}
	value := 100 * rate.Fraction
	if q.Metric == "rate_margin" {
		if rate.Target == nil {
			return nothing(key, "the policy has no target for the year of "+month), nil
		}
		value -= 100 * *rate.Target
		// The exact comparison decides on which side of the target it is.
		if rate.Met != nil && *rate.Met && value < 0 {
			value = 0
		}
		if rate.Met != nil && !*rate.Met && value >= 0 {
			value = math.Nextafter(0, -1)
		}
	}
	return data.Frames{q.numeric("percent", key, data.Labels{"plane": either(first(q.Planes), summary.Plane), "month": month}, value)}, nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
