package dashboards

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"math/rand/v2"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// dashboard is what the tests look at of Grafana's classic JSON.
type dashboard struct {
	ID            *int     `json:"id"`
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"`
	Inputs        any      `json:"__inputs"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type variable struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Query       string `json:"query"`
	Refresh     int    `json:"refresh"`
	Description string `json:"description"`
}

type panel struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		RefID string `json:"refId"`
		Query string `json:"query"`
	} `json:"targets"`
}

func load(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[file] = d
	}
	return all
}

// TestDashboardsKeepTheRules holds what a provisioned dashboard has to be.
func TestDashboardsKeepTheRules(t *testing.T) {
	for file, d := range load(t) {
		if d.ID != nil || !regexp.MustCompile(`^fibergauge-[a-z-]+$`).MatchString(d.UID) {
			t.Errorf("%s: id %v, uid %q; want null and a readable one", file, d.ID, d.UID)
		}
		if d.SchemaVersion != 37 || d.Editable || d.GraphTooltip != 1 || d.Inputs != nil || len(d.Tags) == 0 {
			t.Errorf("%s: schemaVersion %d, editable %v, graphTooltip %d, __inputs %v, tags %v", file, d.SchemaVersion, d.Editable, d.GraphTooltip, d.Inputs, d.Tags)
		}
		for _, v := range d.Templating.List {
			if v.Description == "" || v.Type == "query" && v.Refresh != 2 {
				t.Errorf("%s: variable %s has no description or does not follow the time range", file, v.Name)
			}
		}
		for _, p := range d.Panels {
			if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %q lacks a title, description, unit or target", file, p.Title)
			}
		}
	}
}

func TestProvisioningIsYAML(t *testing.T) {
	files, err := filepath.Glob("provisioning/*/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var provisioned struct {
			APIVersion int `yaml:"apiVersion"`
		}
		if err := yaml.Load(data, &provisioned); err != nil || provisioned.APIVersion != 1 {
			t.Errorf("%s: apiVersion %d, %v", file, provisioned.APIVersion, err)
		}
	}
}

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
			for file, d := range load(t) {
				values := map[string]string{"test": "icmp", "src": "a1", "dst": "b1"}
				for _, v := range d.Templating.List {
					if v.Type != "query" {
						continue
					}
					got := ask(t, config, grafana(v.Query, values, from, to))
					if !slices.Contains(texts(got), values[v.Name]) {
						t.Errorf("%s: variable %s offers %v, want %q among them", file, v.Name, texts(got), values[v.Name])
					}
				}
				for _, p := range d.Panels {
					for _, target := range p.Targets {
						rows := ask(t, config, grafana(target.Query, values, from, to))
						holdRows(t, file+": "+p.Title+" "+target.RefID, rows, from, to)
						if target.RefID == "L" {
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
