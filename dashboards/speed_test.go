package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/fibergauge/fibergauge/dashboards/plugin/datasource"
	"github.com/fibergauge/fibergauge/dashboards/plugin/plugintest"
)

// engineers look at the overview, each of whose browsers refreshes it so often.
const (
	engineers   = 50
	refresh     = 10 * time.Second
	lookingFor  = time.Minute
	clockTicks  = 100 // a second, in /proc (USER_HZ)
	overviewAge = 365 * 24 * time.Hour
)

// BenchmarkOverview asks for all that the overview shows of a year of 45 pairs.
//
//   - first: by a plugin that knows nothing yet, as after a start of Grafana: p95
//     of the time until the last panel has its answer.
//   - engineers: fifty look at it for a minute, each with a refresh of ten seconds,
//     through one plugin: how many cores that costs the analyzer.
func BenchmarkOverview(b *testing.B) {
	log.DefaultLogger = log.NewNullLogger()
	n := startNational(b)
	queries := overviewQueries(b)
	b.Run("first", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			source := newSource(b, n.url)
			began := time.Now()
			look(b.Context(), b, source, queries, yearEnd)
			took = append(took, time.Since(began))
			source.Dispose()
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[(len(took)*95+99)/100-1].Milliseconds()), "p95-ms")
	})
	b.Run("engineers", func(b *testing.B) {
		source := newSource(b, n.url)
		defer source.Dispose()
		for b.Loop() {
			before, began := cpu(b, n.analyzer), time.Now()
			ctx, stop := context.WithTimeout(b.Context(), lookingFor)
			var all sync.WaitGroup
			for i := range engineers {
				all.Go(func() {
					wait := time.NewTimer(refresh * time.Duration(i) / engineers)
					for {
						select {
						case <-ctx.Done():
							return
						case <-wait.C:
							// Their time range moves on, as that of a clock does.
							look(b.Context(), b, source, queries, yearEnd.Add(time.Since(began)-time.Hour))
							wait.Reset(refresh)
						}
					}
				})
			}
			all.Wait()
			stop()
			b.ReportMetric((cpu(b, n.analyzer)-before).Seconds()/time.Since(began).Seconds(), "analyzer-cores")
		}
	})
}

func newSource(b *testing.B, url string) *datasource.Source {
	b.Helper()
	made, err := datasource.New(b.Context(), *plugintest.Settings(url, "").DataSourceInstanceSettings)
	if err != nil {
		b.Fatal(err)
	}
	return made.(*datasource.Source)
}

// panelQuery is a query and how far back it looks.
type panelQuery struct {
	body []byte
	age  time.Duration
}

func overviewQueries(b *testing.B) (all []panelQuery) {
	b.Helper()
	text, err := os.ReadFile("latency/overview.json")
	if err != nil {
		b.Fatal(err)
	}
	d, err := parse(string(text))
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range d.Panels {
		age := overviewAge
		if strings.HasSuffix(p.TimeFrom, "h") {
			if age, err = time.ParseDuration(p.TimeFrom); err != nil {
				b.Fatal(err)
			}
		}
		for _, target := range p.Targets {
			body, err := json.Marshal(filled(target, map[string][]string{"plane": {"optical"}, "carrier": {"*"}, "datasource": {"fibergauge"}}))
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, panelQuery{body, age})
		}
	}
	return all
}

// look asks for every panel at once, as a browser does.
func look(ctx context.Context, b *testing.B, source *datasource.Source, queries []panelQuery, now time.Time) {
	var all sync.WaitGroup
	for _, q := range queries {
		all.Go(func() {
			answer, err := source.QueryData(ctx, &backend.QueryDataRequest{Queries: []backend.DataQuery{{
				RefID: "A", JSON: q.body, MaxDataPoints: 1000, TimeRange: backend.TimeRange{From: now.Add(-q.age), To: now},
			}}})
			if err != nil || answer.Responses["A"].Error != nil {
				b.Errorf("%s: %v %v", q.body, err, answer.Responses["A"].Error)
			}
		})
	}
	all.Wait()
}

// cpu is the time that a process has had the processor.
func cpu(b *testing.B, of *os.Process) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", of.Pid))
	if err != nil {
		b.Skipf("needs /proc: %v", err)
	}
	// The name of the program, in brackets, may hold anything.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}
