package dashboards

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const twoSites = `
version: 1
name: two
time_zone: UTC
hubs: [{id: h, name: {en: H}}]
clusters:
  - {id: aa, hub: h, name: {en: Aa}, location: {lat: 40.612, lon: 115.065}}
  - {id: bb, hub: h, name: {en: Bb}, location: {lat: 31.154, lon: 121.114}}
carriers: [{id: one, name: {en: One}}]
planes: [optical]
sites:
  - {id: a1, cluster: aa, carrier: one, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: bb, carrier: one, plane: optical, address: 192.0.2.2, role: both}
distances: [{clusters: [aa, bb], km: 1537, class: A, source: register}]
measure: [{test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 60}]
judged: icmp
`

// TestEveryQueryAnswers runs the queries as Grafana would send them, after an
// hour of windows of one link from both ends.
func TestEveryQueryAnswers(t *testing.T) {
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			config := server.NewBucket(t)
			fill(t, config, from)
			for file, d := range load(t, "influxdb/*.json") {
				values := map[string]string{"test": "icmp", "src": "a1", "dst": "b1"}
				for _, v := range d.Templating.List {
					if v.Type != "query" {
						continue
					}
					got := ask(t, config, grafana(text(v.Query), values, from, to))
					if !slices.Contains(texts(got), values[v.Name]) {
						t.Errorf("%s: variable %s offers %v, want %q among them", file, v.Name, texts(got), values[v.Name])
					}
				}
				for _, p := range d.Panels {
					for _, target := range p.Targets {
						rows := ask(t, config, grafana(text(target["query"]), values, from, to))
						holdRows(t, file+": "+p.Title+" "+text(target["refId"]), rows, from, to)
						if text(target["refId"]) == "L" {
							holdLimit(t, rows)
						}
					}
				}
			}
		})
	}
}

// holdRows wants numbers, in the range of time.
func holdRows(t *testing.T, name string, rows []map[string]any, from, to time.Time) {
	t.Helper()
	numbers := 0
	for _, row := range rows {
		at, ok := row["_time"].(time.Time)
		if !ok || at.Before(from) || at.After(to) {
			t.Errorf("%s: a row at %v, outside the range", name, row["_time"])
		}
		switch v := row["_value"].(type) {
		case float64:
			numbers++
			if v < 0 {
				t.Errorf("%s: %v is negative", name, v)
			}
		case int64:
			numbers++
		case nil: // a step without windows
		default:
			t.Errorf("%s: a value of type %T", name, v)
		}
	}
	if numbers == 0 {
		t.Errorf("%s: no values in %d rows", name, len(rows))
	}
}

// holdLimit wants the line of the worked example: 1 537 km, 22.58 ms.
func holdLimit(t *testing.T, rows []map[string]any) {
	t.Helper()
	if len(rows) != 2 {
		t.Fatalf("the limit has %d points, want one at each end of the range", len(rows))
	}
	for _, row := range rows {
		if limit, _ := row["_value"].(float64); limit < 22.578 || limit > 22.579 {
			t.Errorf("the limit of 1537 km is drawn at %v ms, want 22.578", row["_value"])
		}
	}
}

// fill stores what a collector would: the mesh, and an hour of windows.
func fill(t *testing.T, config string, from time.Time) {
	t.Helper()
	s, err := influx.Open(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, err := mesh.Parse("two.yaml", []byte(twoSites))
	if err != nil {
		t.Fatal(err)
	}
	version := store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: from.Add(-time.Hour)}
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		route := m.Route(m.Site(ends[0]), m.Site(ends[1]), from)
		version.Distances = append(version.Distances, store.Distance{Src: ends[0], Dst: ends[1], Meters: route.Meters, GeodesicMeters: route.GeodesicMeters, Class: string(route.Class)})
	}
	if err := s.PutMesh(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		var windows []wire.Window
		for i := range 60 {
			w := conformance.Window(rng, wire.Key{Src: ends[0], Dst: ends[1], Test: "icmp", Session: 1, StartMS: from.Add(time.Duration(i) * time.Minute).UnixMilli()})
			windows = append(windows, w)
		}
		if err := s.Put(t.Context(), store.Admission{At: from.Add(time.Hour), Site: ends[0], Batch: m.SHA256(), MeshSHA256: m.SHA256(), Windows: windows}); err != nil {
			t.Fatal(err)
		}
	}
}

// grafana does to a query what Grafana's InfluxDB data source does.
func grafana(query string, values map[string]string, from, to time.Time) string {
	for name, value := range values {
		query = strings.ReplaceAll(query, "${"+name+"}", value)
	}
	return strings.NewReplacer(
		"v.timeRangeStart", from.Format(time.RFC3339),
		"v.timeRangeStop", to.Format(time.RFC3339),
		"v.windowPeriod", "5m",
		"v.defaultBucket", "v_defaultBucket",
	).Replace(query)
}

// ask runs Flux with the access that a collector's configuration file gives.
func ask(t *testing.T, config, query string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var access struct {
		URL    string `yaml:"url"`
		Org    string `yaml:"org"`
		Bucket string `yaml:"bucket"`
		Token  string `yaml:"token"`
		File   string `yaml:"token_file"`
	}
	if err := yaml.Load(data, &access); err != nil {
		t.Fatal(err)
	}
	if access.File != "" {
		token, err := os.ReadFile(filepath.Join(filepath.Dir(config), filepath.Base(access.File)))
		if err != nil {
			t.Fatal(err)
		}
		access.Token = strings.TrimSpace(string(token))
	}
	client := influxdb2.NewClient(access.URL, access.Token)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	query = strings.ReplaceAll(query, "v_defaultBucket", `"`+access.Bucket+`"`)
	result, err := client.QueryAPI(access.Org).Query(ctx, query)
	if err != nil {
		t.Errorf("%v\n%s", err, query)
		return nil
	}
	var rows []map[string]any
	for result.Next() {
		rows = append(rows, result.Record().Values())
	}
	if result.Err() != nil {
		t.Errorf("%v\n%s", result.Err(), query)
	}
	return rows
}

func texts(rows []map[string]any) []string {
	var list []string
	for _, row := range rows {
		if text, ok := row["_value"].(string); ok {
			list = append(list, text)
		}
	}
	return list
}
