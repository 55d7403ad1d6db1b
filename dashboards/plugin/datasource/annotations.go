package datasource

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// annotations is what happened on links over the time.
func (s *Source) annotations(ctx context.Context, q *Query) (data.Frames, error) {
	of := q.seriesQuery(0)
	of.Step, of.Kinds = "", q.Kinds
	cut := q.To.Sub(q.From) > longestOfAnnotations-time.Hour
	if cut {
		of.Period = period(q.To.Add(time.Hour-longestOfAnnotations), q.To)
	}
	key := fmt.Sprintf("GET /api/v1/annotations?%s kinds %q", of.Values().Encode(), q.Kinds)
	found, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Annotations, error) { return c.Annotations(ctx, of) })
	if err != nil {
		return nil, orEmpty(key, err)
	}
	times, ends := []time.Time{}, []time.Time{}
	titles, texts, tags := []string{}, []string{}, []string{}
	for i := range found.Annotations {
		a := &found.Annotations[i]
		from, to, err := momentsOf(a.From, a.To)
		if err != nil {
			return nil, err
		}
		if to.Before(q.From) || !from.Before(q.To) {
			continue
		}
		title, text := said(a)
		times, ends = append(times, from.UTC()), append(ends, to.UTC())
		titles, texts, tags = append(titles, title), append(texts, text), append(tags, strings.ReplaceAll(a.Kind, "_", "-"))
	}
	if len(times) == 0 {
		return nil, nil
	}
	frame := data.NewFrame("", data.NewField("time", nil, times), data.NewField("timeEnd", nil, ends),
		data.NewField("title", nil, titles), data.NewField("text", nil, texts), data.NewField("tags", nil, tags))
	meta(frame, "", key)
	frame.Meta.DataTopic = data.DataTopicAnnotations
	if cut {
		notice(frame, data.NoticeSeverityInfo, "of the last 400 days only")
	}
	return data.Frames{frame}, nil
}

// said puts an annotation into words.
func said(a *api.Annotation) (title, text string) {
	switch a.Kind {
	case api.Maintenance:
		return "Works " + a.Works, fmt.Sprintf("%s, at %s", either(a.Reason, "no reason given"), strings.Join(a.Sites, ", "))
	case api.PathChange:
		return "Path change", fmt.Sprintf("seen from %s towards %s: the TTL of replies changed %d times, the path was traced %d times", a.Src, a.Dst, a.TTLChanges, a.Traces)
	case api.ClockStep:
		return "Clock step", "the wall clock jumped at " + strings.Join(a.Sites, ", ")
	case api.DistanceChange:
		return "Distance change", fmt.Sprintf("%s – %s: from %g km to %g km, and the limit with it", a.Src, a.Dst, a.BeforeKM, a.AfterKM)
	}
	return strings.ReplaceAll(a.Kind, "_", " "), ""
}
