package datasource

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// Types of a query; docs/grafana.md says what each gives.
const (
	TypeSeries      = "series"
	TypeHeatmap     = "heatmap"
	TypeRate        = "rate"
	TypeVerdicts    = "verdicts"
	TypeMatrix      = "matrix"
	TypePairs       = "pairs"
	TypeChanges     = "changes"
	TypeSites       = "sites"
	TypeLinks       = "links"
	TypeProbes      = "probes"
	TypeProbeSeries = "probe_series"
	TypeNow         = "now"
	TypeAnnotations = "annotations"
)

// Metrics of each type, the default first.
var metrics = map[string][]string{
	TypeSeries: {"rtt", "ratio", "loss", "ipdv", "packets", "limit", "theoretical"},
	TypeMatrix: {"ratio", "rtt", "verdict"},
	TypeProbeSeries: {
		"missing", "waited", "clock_error", "clock_ppm", "unsynchronised", "user_timestamps",
		"clock_steps", "late", "duplicate", "send_error", "unstamped", "admissions",
	},
	TypeNow: {"ratio", "rtt", "loss", "silent", "unsynchronised", "waited", "missing", "rate", "rate_margin"},
}

// OverMonth and OverRange are of which time a table is.
const (
	OverMonth = "month"
	OverRange = "range"
)

// Query is what a panel asks.
type Query struct {
	Version    int       `json:"version"`
	Type       string    `json:"-"`
	Hubs       []string  `json:"hubs"`
	Clusters   []string  `json:"clusters"`
	Carriers   []string  `json:"carriers"`
	Planes     []string  `json:"planes"`
	Pairs      []string  `json:"pairs"` // a/b
	Ends       []string  `json:"ends"`  // src>dst
	Sites      []string  `json:"sites"`
	Test       string    `json:"test"`
	Metric     string    `json:"metric"`
	Statistics []string  `json:"statistics"`
	Step       string    `json:"step"`
	Alias      string    `json:"alias"`
	Month      string    `json:"month"`
	Over       string    `json:"over"`
	Limit      int       `json:"limit"`
	Kinds      []string  `json:"kinds"`
	Dashboard  string    `json:"dashboard"`
	From, To   time.Time `json:"-"` // [From, To)
	MaxPoints  int       `json:"-"`

	pairs, ends [][2]string
}

// newestVersion of the form of a query.
const newestVersion = 1

// ParseQuery reads a query. What is wrong in it is said so that whoever typed it
// can mend it.
func ParseQuery(asked backend.DataQuery) (*Query, error) {
	q := &Query{}
	var typed struct {
		QueryType string `json:"queryType"`
	}
	if len(asked.JSON) > 0 {
		if err := errors.Join(json.Unmarshal(asked.JSON, q), json.Unmarshal(asked.JSON, &typed)); err != nil {
			return nil, fmt.Errorf("the query cannot be read: %w; open it in the editor and save it again", err)
		}
	}
	q.Type = either(typed.QueryType, asked.QueryType, TypeSeries)
	q.From, q.To = asked.TimeRange.From, asked.TimeRange.To
	if q.MaxPoints = int(asked.MaxDataPoints); q.MaxPoints <= 0 {
		q.MaxPoints = 1000 // as an alert rule asks
	}
	return q, q.check()
}

func (q *Query) check() error {
	if q.Version > newestVersion {
		return fmt.Errorf("the query has version %d, and this plugin reads up to %d: update the plugin", q.Version, newestVersion)
	}
	if _, known := answers[q.Type]; !known {
		return fmt.Errorf("the query type %.40q is not known; choose one in the editor", q.Type)
	}
	if !q.From.Before(q.To) {
		return errors.New("the time range is empty; choose one that ends after it begins")
	}
	if allowed := metrics[q.Type]; allowed != nil {
		q.Metric = either(q.Metric, allowed[0])
		if !slices.Contains(allowed, q.Metric) {
			return fmt.Errorf("the metric of query type %s is %.40q; allowed: %s", q.Type, q.Metric, strings.Join(allowed, ", "))
		}
	}
	for _, of := range []struct {
		name    string
		have    []string
		allowed []string
	}{
		{"step", some(q.Step), []string{"window", "hour", "day"}},
		{"over", some(q.Over), []string{OverMonth, OverRange}},
		{"statistics", q.Statistics, []string{"min", "p50", "p95", "p99", "mean"}},
		{"kinds", q.Kinds, []string{"maintenance", "path_change", "clock_step", "distance_change"}},
	} {
		for _, have := range of.have {
			if !slices.Contains(of.allowed, have) {
				return fmt.Errorf("%s is %.40q; allowed: %s", of.name, have, strings.Join(of.allowed, ", "))
			}
		}
	}
	if q.Month != "" {
		if _, err := time.Parse("2006-01", q.Month); err != nil {
			return fmt.Errorf("month is %.40q; write one such as 2025-06, or leave it empty for the newest in the time range", q.Month)
		}
	}
	for _, list := range []*[]string{&q.Hubs, &q.Clusters, &q.Carriers, &q.Planes, &q.Pairs, &q.Ends, &q.Sites} {
		*list = chosen(*list)
	}
	var err error
	if q.pairs, err = split(q.Pairs, "/", "pair", "yrd/wuh"); err != nil {
		return err
	}
	q.ends, err = split(q.Ends, ">", "end", "yrd-a>wuh-a")
	return err
}

// chosen drops what stands for all: then nothing is left out.
func chosen(list []string) []string {
	var kept []string
	for _, element := range list {
		switch element = strings.TrimSpace(element); element {
		case "*", "$__all", "All":
			return nil
		case "":
		default:
			kept = append(kept, element)
		}
	}
	return kept
}

func split(list []string, by, what, example string) (out [][2]string, err error) {
	for _, element := range list {
		a, b, ok := strings.Cut(element, by)
		if !ok || a == "" || b == "" {
			return nil, fmt.Errorf("%.80q is no %s; write one such as %s", element, what, example)
		}
		out = append(out, [2]string{a, b})
	}
	return out, nil
}

// takes tells whether a pair of clusters is asked for.
func (q *Query) takes(hubOf map[string]string, pair [2]string, carrier, plane string) bool {
	within := func(list []string, have ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(have, func(h string) bool { return slices.Contains(list, h) })
	}
	return within(q.Hubs, hubOf[pair[0]], hubOf[pair[1]]) && within(q.Clusters, pair[:]...) &&
		within(q.Carriers, carrier) && within(q.Planes, plane) &&
		(len(q.pairs) == 0 || slices.Contains(q.pairs, pair) || slices.Contains(q.pairs, [2]string{pair[1], pair[0]}))
}

// either is the first that is not empty.
func either(choices ...string) string {
	for _, c := range choices {
		if c != "" {
			return c
		}
	}
	return ""
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
