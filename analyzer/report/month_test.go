package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Four clusters in three hubs, two carriers; Wuhu and the Delta are in one hub.
const monthMesh = `version: 1
name: month
time_zone: Asia/Shanghai
hubs:
  - {id: jjj, name: {en: Beijing-Tianjin-Hebei}}
  - {id: yrd, name: {en: Yangtze River Delta}}
  - {id: cy, name: {en: Chengdu-Chongqing}}
clusters:
  - {id: zjk, hub: jjj, name: {en: Zhangjiakou}, location: {lat: 40.77, lon: 114.88, extent_km: 30}}
  - {id: qpu, hub: yrd, name: {en: Yangtze River Delta Demonstration Area}, location: {lat: 31.15, lon: 121.12}}
  - {id: wuh, hub: yrd, name: {en: Wuhu}, location: {lat: 31.33, lon: 118.38}}
  - {id: cqg, hub: cy, name: {en: Chongqing}, location: {lat: 29.56, lon: 106.55}}
carriers:
  - {id: telecom, name: {en: Telecom}}
  - {id: unicom, name: {en: Unicom}}
planes: [optical]
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 60000, size_bytes: 84, window_s: 900}
judged: icmp
maintenance:
  - {id: splice-7, sites: [zjk-t], from: 2025-06-10T02:00:00+08:00, until: 2025-06-10T04:00:00+08:00, reason: splicing}
  - {id: hurry-1, sites: [cqg-t], from: 2025-06-12T02:00:00+08:00, until: 2025-06-12T04:00:00+08:00, reason: repair}
distances:
  - {clusters: [zjk, qpu], km: 1440, class: A, source: register 1}
  - {clusters: [zjk, wuh], km: 1300, class: B, source: "OSRM, OpenStreetMap 2025-05-01", min_km: 1250, max_km: 1390}
  - {clusters: [qpu, wuh], km: 330, class: A, source: register 3}
sites:
  - {id: zjk-t, cluster: zjk, carrier: telecom, plane: optical, role: both, address: 192.0.2.1}
  - {id: qpu-t, cluster: qpu, carrier: telecom, plane: optical, role: both, address: 192.0.2.2}
  - {id: wuh-t, cluster: wuh, carrier: telecom, plane: optical, role: both, address: 192.0.2.3}
  - {id: cqg-t, cluster: cqg, carrier: telecom, plane: optical, role: both, address: 192.0.2.4}
  - {id: zjk-u, cluster: zjk, carrier: unicom, plane: optical, role: both, address: 192.0.2.5}
  - {id: qpu-u, cluster: qpu, carrier: unicom, plane: optical, role: both, address: 192.0.2.6}
`

// A month with intervals, at the widths that tables are read at.
func TestGoldenMonth(t *testing.T) {
	m, err := mesh.Parse("mesh.yaml", []byte(monthMesh))
	if err != nil {
		t.Fatal(err)
	}
	e := newExample(t, m, "2025-06")
	e.archive = []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.Date(2025, 6, 11, 0, 0, 0, 0, m.Location())}}
	e.both(t, "zjk-t", "qpu-t", always(21_100).onDays(22_000, 7, 8)) // of 21 153 µs
	e.both(t, "zjk-u", "qpu-u", always(23_000))
	e.both(t, "zjk-t", "wuh-t", always(19_000)) // of 19 097 µs
	e.both(t, "zjk-t", "cqg-t", always(24_000).unless(func(at time.Time) bool { return at.Hour() < 3 }))
	e.both(t, "qpu-t", "wuh-t", always(4_000))
	e.both(t, "qpu-t", "cqg-t", func(at time.Time) inWindow { return inWindow{24_500, 14, at.Minute() / 45} })
	e.both(t, "wuh-t", "cqg-t", func(at time.Time) inWindow { return inWindow{20_000, 13, 2} })
	r := e.report(t)
	data, err := JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	var back api.Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{80, 100, 140} {
		var table, again bytes.Buffer
		if err := Table(&table, r, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("month-%d.txt", columns), table.Bytes())
		if err := Table(&again, &back, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(table.String(), again.String()); diff != "" {
			t.Errorf("the JSON read back gives another table (-want +got):\n%s", diff)
		}
		for line := range strings.Lines(table.String()) {
			if n := width(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("a line of %d columns: %s", n, line)
			}
		}
	}
}

// The trend begins with the first month that has data, and has gaps where there
// was none.
func TestTrend(t *testing.T) {
	e := newExample(t, sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil), "2025-02")
	e.both(t, "a1", "b1", always(40_000))
	e.period = on(t, e.m, "2025-04")
	e.both(t, "a1", "b1", always(20_000))
	e.period = on(t, e.m, "2025-05-10") // no month; what is before it is
	e.p = with(t, "clusters: [all]", "clusters: [a, b]")
	plan, err := NewPlan(e.m, e.p, e.period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, e.s, Options{Trend: true, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := Table(&table, r, Look{Width: 100}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(table.String(), "Months before, plane optical\n")
	got, _, _ = strings.Cut(got, "\n\n")
	want := `  2025-02          0 of 1 pair complies = 0.0 % · target 80 % (2025) · missed, 1 more needed
  2025-03          0 of 1 pair complies = 0.0 % · target 80 % (2025) · missed, 1 more needed
  2025-04          1 of 1 pair complies = 100.0 % · target 80 % (2025) · met`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A month begins where its first day does, which in Asunción was at 1 o'clock on
// 1 October 2023.
func TestTrendBeginsWithTheDay(t *testing.T) {
	e := newExample(t, sparse(t, "America/Asuncion", []string{"a1 a one optical both", "b1 b one optical both"}, nil), "2023-09")
	e.both(t, "a1", "b1", always(20_000))
	e.period = on(t, e.m, "2023-11")
	e.p = with(t, "clusters: [all]", "clusters: [a, b]", "months: 12", "months: 2")
	plan, err := NewPlan(e.m, e.p, e.period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, e.s, Options{Trend: true, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, month := range r.Trend {
		got = append(got, fmt.Sprintf("%s %d", month.Month, month.Rate.Compliant))
	}
	if diff := cmp.Diff([]string{"2023-09 1", "2023-10 0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where the time zone changed, a month is that of its own mesh, as in a report
// of that month.
func TestTrendInTheZoneOfEachMonth(t *testing.T) {
	sites := []string{"a1 a one optical both", "b1 b one optical both"}
	was, is := sparse(t, "UTC", sites, nil), sparse(t, "Asia/Shanghai", sites, nil)
	e := newExample(t, was, "2025-06")
	e.both(t, "a1", "b1", always(20_000).onDays(40_000, 1))
	archive := []store.MeshVersion{
		{SHA256: was.SHA256(), Bytes: was.Bytes(), ServedFrom: time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)},
		{SHA256: is.SHA256(), Bytes: is.Bytes(), ServedFrom: time.Date(2025, 7, 5, 0, 0, 0, 0, time.UTC)},
	}
	// Of the longest RTT the first day of June decides: by UTC it is all there.
	p := with(t, "statistic: p95", "statistic: p99", "clusters: [all]", "clusters: [a, b]", "months: 12", "months: 1", "days: 0.75", "days: 1", "packets_of_day: 0.75", "packets_of_day: 1")
	plan, err := Meshes{Archive: archive}.Plan(p, inItsZone("2025-07"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, e.s, Options{Trend: true, Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trend) != 1 || r.Trend[0].Rate.NonCompliant != 1 {
		t.Errorf("trend is %+v", r.Trend)
	}
}

// Three decimals do not put an end of an interval on the other side of the
// limit: what is not proven would look as if it were.
func TestIntervalAtTheLimit(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		guarded   api.Guarded
		want      string
	}{
		{1.2, 1.5, api.ProvenCompliant, "1.200–1.500 proven"},
		{1.2, 1.50004, api.Inconclusive, "1.200–1.50004"},
		{1.49996, 1.6, api.Inconclusive, "1.500–1.600"},
		{1.50004, 1.6, api.ProvenNonCompliant, "1.50004–1.600 proven"},
	} {
		r := &table{Report: &api.Report{Policy: api.Policy{Factor: 1.5}}}
		p := &api.Pair{Guarded: c.guarded, Uncertainty: &api.Uncertainty{RatioLow: &c.low, RatioHigh: &c.high}}
		if got := r.intervalCell(p); got != c.want {
			t.Errorf("from %v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}
