package datasource

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Times that are asked for are whole minutes or hours, so that everybody who
// refreshes meanwhile asks the same.
func period(from, to time.Time) api.PeriodQuery {
	grid := time.Minute
	if to.Sub(from) > 26*time.Hour {
		grid = time.Hour
	}
	return api.PeriodQuery{From: from.Truncate(grid).UTC(), To: roundUp(to, grid)}
}

func roundUp(t time.Time, grid time.Duration) time.Time { return t.Add(grid - 1).Truncate(grid).UTC() }

// longestOfWindows and longestOfAnnotations are as much as the analyzer answers.
const (
	longestOfWindows     = 8 * 24 * time.Hour
	longestOfAnnotations = 400 * 24 * time.Hour
)

// ofWindows is period for single windows: no longer than the time range, which may
// be as long as is answered. A window that begins in its first seconds is left out.
func ofWindows(from, to time.Time) api.PeriodQuery {
	return api.PeriodQuery{From: roundUp(from, time.Minute), To: roundUp(to, time.Minute)}
}

// seriesQuery is the query of the analyzer for the same links.
func (q *Query) seriesQuery(points int) api.SeriesQuery {
	return api.SeriesQuery{
		Ends: q.ends, Pairs: q.pairs, Hubs: q.Hubs, Clusters: q.Clusters, Carriers: q.Carriers, Planes: q.Planes,
		Test: q.Test, Period: period(q.From, q.To), Step: q.Step, MaxPoints: points,
	}
}

func (s *Source) askSeries(ctx context.Context, of api.SeriesQuery) (*api.Series, string, error) {
	key := "GET /api/v1/series?" + of.Values().Encode()
	out, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Series, error) { return c.Series(ctx, of) })
	return out, key, orEmpty(key, err)
}

func (s *Source) askProbes(ctx context.Context, q *Query, points int) (*api.Probes, string, error) {
	of := api.ProbesQuery{Sites: q.Sites, Hubs: q.Hubs, Clusters: q.Clusters, Carriers: q.Carriers, Planes: q.Planes, Period: period(q.From, q.To), MaxPoints: points}
	key := "GET /api/v1/probes?" + of.Values().Encode()
	out, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Probes, error) { return c.Probes(ctx, of) })
	return out, key, orEmpty(key, err)
}

func (s *Source) askNetwork(ctx context.Context) (*network, error) {
	return ask(ctx, s.upstream, "GET /api/v1/network", func(ctx context.Context, c *api.Client) (*network, error) {
		found, err := c.Network(ctx)
		if err != nil {
			return nil, err
		}
		return newNetwork(found)
	})
}

// network is what is measured, and how to find names in it.
type network struct {
	*api.Network
	zone    *time.Location
	cluster map[string]api.Cluster
	hubOf   map[string]string // of a cluster
	place   map[string]int    // of a cluster in the mesh
}

func newNetwork(n *api.Network) (*network, error) {
	zone, err := time.LoadLocation(n.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone of the mesh: %w", err)
	}
	out := &network{n, zone, map[string]api.Cluster{}, map[string]string{}, map[string]int{}}
	for i, c := range n.Clusters {
		out.cluster[c.ID], out.hubOf[c.ID], out.place[c.ID] = c, c.Hub, i
	}
	return out, nil
}

// name is that of a cluster in English, which every mesh has.
func (n *network) name(cluster string) string { return either(n.cluster[cluster].EN, cluster) }

// ordered puts the clusters of a pair into the order of the mesh, which is that of
// the values of a variable.
func (n *network) ordered(pair [2]string) [2]string {
	if n.place[pair[0]] > n.place[pair[1]] {
		pair[0], pair[1] = pair[1], pair[0]
	}
	return pair
}

// pairName names two clusters.
func (n *network) pairName(pair [2]string) string { return n.name(pair[0]) + " – " + n.name(pair[1]) }

// mostMonths are as many as a panel shows.
const mostMonths = 60

// months gives those with data that begin in the time range, oldest first.
func (s *Source) months(ctx context.Context, q *Query, n *network) (found []api.MonthSummary, key string, err error) {
	last := q.To.Add(-time.Nanosecond).In(n.zone)
	before := time.Date(last.Year(), last.Month()+1, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
	key = fmt.Sprintf("GET /api/v1/months?before=%s&limit=%d", before, mostMonths)
	all, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.Months, error) {
		return c.Months(ctx, mostMonths, before)
	})
	if err != nil {
		return nil, key, err
	}
	for _, m := range all.Months {
		begin, err := beginOf(m.Month, n.zone)
		if err != nil {
			return nil, key, err
		}
		if begin.Before(q.From) {
			break
		}
		found = append(found, m)
	}
	slices.Reverse(found)
	return found, key, nil
}

// monthsOf are those that begin in the time range or, if none does, the newest
// before; or the one that is named.
func (s *Source) monthsOf(ctx context.Context, q *Query, n *network) ([]api.MonthSummary, string, error) {
	if q.Month == "" {
		found, key, err := s.months(ctx, q, n)
		if err != nil || len(found) > 0 {
			return found, key, err
		}
		wide := *q
		wide.From = q.To.AddDate(-5, 0, 0)
		found, key, err = s.months(ctx, &wide, n)
		newest := len(found) - 1
		if newest > 0 && tooYoung(&found[newest]) {
			newest--
		}
		return found[max(0, newest):max(0, newest+1)], key, err
	}
	key := "GET /api/v1/months/" + q.Month
	summary, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*api.MonthSummary, error) { return c.Month(ctx, q.Month) })
	if err != nil {
		if _, none := absent(err); none {
			err = nil
		}
		return nil, key, err
	}
	return []api.MonthSummary{*summary}, key, nil
}

// tooYoung tells whether a month has too few days yet for any verdict: its rate is
// 0 as long, which says nothing of the network.
func tooYoung(m *api.MonthSummary) bool {
	return !m.Complete && m.Rate != nil && m.Rate.NotDemonstrated == m.Rate.Total
}

// month is the one that a table is of: the one that is named, or the newest with
// data that begins in the time range, or else before its end. It is empty if
// there is none.
func (s *Source) month(ctx context.Context, q *Query, n *network) (string, error) {
	if q.Month != "" {
		return q.Month, nil
	}
	last := *q
	last.From = q.To.Add(-time.Nanosecond)
	found, _, err := s.monthsOf(ctx, &last, n)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[len(found)-1].Month, nil
}

func beginOf(month string, zone *time.Location) (time.Time, error) {
	begin, err := time.ParseInLocation("2006-01", month, zone)
	if err != nil {
		return begin, fmt.Errorf("the analyzer names a month %.40q: %w", month, err)
	}
	return begin, nil
}

// pairsAtOnce is the size of a page.
const pairsAtOnce = 1000

// askPairs gives the pairs of a month that are asked for: each by its best carrier,
// or by those that are named, also where another is better.
func (s *Source) askPairs(ctx context.Context, q *Query, n *network, month string) (found []api.Pair, key string, err error) {
	links := len(q.Carriers) > 0
	key = fmt.Sprintf("GET /api/v1/months/%s/pairs", month)
	if links {
		key += "?links=1"
	}
	all, err := ask(ctx, s.upstream, key, func(ctx context.Context, c *api.Client) (*[]api.Pair, error) {
		list := []api.Pair{}
		for cursor := ""; ; {
			page, err := c.Pairs(ctx, api.PairsQuery{Month: month, Limit: pairsAtOnce, Cursor: cursor, Links: links})
			if err != nil {
				return nil, err
			}
			list = append(list, page.Pairs...)
			if cursor = page.Cursor; cursor == "" {
				return &list, nil
			}
		}
	})
	if err != nil {
		return nil, key, err
	}
	for _, p := range *all {
		if q.takes(n.hubOf, p.Pair, p.Carrier, p.Plane) {
			found = append(found, p)
		}
	}
	return found, key, nil
}
