package datasource

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// TestBadQueries are refused with what is allowed, by the plugin, before anything
// is asked.
func TestBadQueries(t *testing.T) {
	s := sourceAt(t, "http://127.0.0.1:1", "{}", nil)
	for _, c := range []struct{ query, want string }{
		{`{"queryType": "tables"}`, `the query type "tables" is not known; choose one in the editor`},
		{`{"queryType": "series", "metric": "speed"}`, `the metric of query type series is "speed"; allowed: rtt, ratio, loss, ipdv, packets, limit, theoretical`},
		{`{"statistics": ["p95", "p90"]}`, `statistics is "p90"; allowed: min, p50, p95, p99, mean`},
		{`{"step": "week"}`, `step is "week"; allowed: window, hour, day`},
		{`{"queryType": "matrix", "over": "year"}`, `over is "year"; allowed: month, range`},
		{`{"queryType": "pairs", "month": "June"}`, `month is "June"; write one such as 2025-06, or leave it empty for the newest in the time range`},
		{`{"pairs": ["yrd-wuh"]}`, `"yrd-wuh" is no pair; write one such as yrd/wuh`},
		{`{"ends": ["yrd-a"]}`, `"yrd-a" is no end; write one such as yrd-a>wuh-a`},
		{`{"queryType": "annotations", "kinds": ["rain"]}`, `kinds is "rain"; allowed: maintenance, path_change, clock_step, distance_change`},
		{`{"version": 2}`, `the query has version 2, and this plugin reads up to 1: update the plugin`},
		{`{"hubs": "all"}`, `the query cannot be read: `},
		{`nonsense`, `the query cannot be read: `},
	} {
		got := s.one(t, c.query)
		if got.Error == nil || !strings.HasPrefix(got.Error.Error(), c.want) || got.Status != backend.StatusBadRequest {
			t.Errorf("%s: %v %v, want %q", c.query, got.Status, got.Error, c.want)
		}
	}
}

// TestOldQueries: what was saved by another version, or by hand, is still read.
func TestOldQueries(t *testing.T) {
	for query, want := range map[string]*Query{
		``:                                    {Type: TypeSeries, Metric: "rtt"},
		`{}`:                                  {Type: TypeSeries, Metric: "rtt"},
		`{"refId": "B", "unknown": {"a": 1}}`: {Type: TypeSeries, Metric: "rtt"},
		`{"pairs": ["*"], "hubs": ["$__all"], "clusters": [""], "carriers": ["a", "All"]}`: {Type: TypeSeries, Metric: "rtt"},
		`{"pairs": ["a/b"], "ends": ["x>y"]}`: {
			Type: TypeSeries, Metric: "rtt", Pairs: []string{"a/b"}, Ends: []string{"x>y"}, pairs: [][2]string{{"a", "b"}}, ends: [][2]string{{"x", "y"}},
		},
	} {
		got, err := ParseQuery(asked(query))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		want.From, want.To, want.MaxPoints = june, july, 100
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Query{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestEmptyTimeRange(t *testing.T) {
	ask := asked("{}")
	ask.TimeRange.To = ask.TimeRange.From
	if _, err := ParseQuery(ask); err == nil || !strings.HasPrefix(err.Error(), "the time range is empty") {
		t.Errorf("%v", err)
	}
}

// TestPeriod: those who refresh within a minute, or an hour of a long time, ask
// the same, and never for less than they look at.
func TestPeriod(t *testing.T) {
	at := time.Date(2025, 6, 3, 12, 34, 10, 0, time.UTC)
	for _, length := range []time.Duration{time.Minute, time.Hour, 26 * time.Hour, 27 * time.Hour, 365 * 24 * time.Hour} {
		first, second := period(at.Add(-length), at), period(at.Add(10*time.Second-length), at.Add(10*time.Second))
		if first != second {
			t.Errorf("%s: %v and ten seconds later %v", length, first, second)
		}
		if first.From.After(at.Add(-length)) || first.To.Before(at) {
			t.Errorf("%s before %s: %v leaves something out", length, at, first)
		}
	}
}

// TestLongRanges: what the analyzer would refuse as too long is not asked of it.
func TestLongRanges(t *testing.T) {
	at := time.Date(2025, 6, 3, 12, 34, 10, 0, time.UTC)
	if p := ofWindows(at.Add(-longestOfWindows), at); p.To.Sub(p.From) > longestOfWindows || p.To.Before(at) {
		t.Errorf("eight days of windows are asked for as %v", p)
	}
	var lengths []time.Duration
	s := through(t, func(r *http.Request) (int, http.Header, any) {
		from, errFrom := momentOf(r.URL.Query().Get("from"))
		to, errTo := momentOf(r.URL.Query().Get("to"))
		if errFrom != nil || errTo != nil {
			t.Errorf("%s: %v, %v", r.URL, errFrom, errTo)
		}
		lengths = append(lengths, to.Sub(from))
		return http.StatusOK, nil, &api.Annotations{}
	})
	for _, query := range []string{`{"queryType": "annotations"}`, `{"metric": "ipdv"}`} {
		ask := asked(query)
		ask.TimeRange.From = at.AddDate(-3, 0, 0)
		q, err := ParseQuery(ask)
		if err != nil {
			t.Fatal(err)
		}
		if frames, err := answers[q.Type](s, t.Context(), q); err != nil || len(frames) > 1 {
			t.Errorf("%s: %v, %v", query, frames, err)
		}
	}
	if len(lengths) != 1 || lengths[0] > longestOfAnnotations {
		t.Errorf("three years are asked for as %v", lengths)
	}
}

// FuzzQuery: no query ends the plugin.
func FuzzQuery(f *testing.F) {
	for _, query := range every() {
		f.Add(query)
	}
	f.Add(`{"pairs": ["a/b", "$__all"], "limit": -3, "alias": "{{from}}"}`)
	f.Fuzz(func(t *testing.T, query string) {
		q, err := ParseQuery(asked(query))
		if err == nil && answers[q.Type] == nil {
			t.Errorf("%q was read as type %q, which nobody answers", query, q.Type)
		}
	})
}
