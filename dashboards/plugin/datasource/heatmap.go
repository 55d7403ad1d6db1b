package datasource

import (
	"context"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// heatmap counts packets by time and RTT.
func (s *Source) heatmap(ctx context.Context, q *Query) (data.Frames, error) {
	of := q.seriesQuery(min(q.MaxPoints, 500))
	of.Buckets = 50
	key := "GET /api/v1/heatmap?" + of.Values().Encode()
	found, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Heatmap, error) { return c.Heatmap(ctx, of) })
	if err != nil {
		return nil, orEmpty(key, err)
	}
	var times []time.Time
	counts := make([][]*float64, len(found.EdgesMS))
	step := time.Duration(0)
	for i := range found.Points {
		p := &found.Points[i]
		from, to, err := momentsOf(p.From, p.To)
		if err != nil {
			return nil, err
		}
		length := to.Sub(from)
		from, within := q.within(from, to)
		if !within {
			continue
		}
		if len(p.Counts) != len(counts) {
			return nil, fmt.Errorf("the analyzer gives %d counts for %d buckets", len(p.Counts), len(counts))
		}
		step = max(step, length)
		times = append(times, from.UTC())
		for b, n := range p.Counts {
			v := float64(n)
			counts[b] = append(counts[b], &v)
		}
	}
	if len(times) == 0 {
		return nothing(key, "these links have no windows in the time range"), nil
	}
	if len(counts) == 0 {
		return nothing(key, "all packets of these links were lost in the time range, or none has an RTT"), nil
	}
	frame := data.NewFrame("", timeField(times, step))
	meta(frame, "heatmap-rows", key)
	for b := range counts {
		upper := "+Inf"
		if b+1 < len(found.EdgesMS) {
			upper = fmt.Sprint(found.EdgesMS[b+1])
		}
		bucket := data.NewField(upper, data.Labels{"le": upper}, counts[b])
		bucket.Config = &data.FieldConfig{Unit: "short"}
		frame.Fields = append(frame.Fields, bucket)
	}
	return data.Frames{frame}, nil
}
