package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/mesh"
)

// running is the address of a server that runs until the test ends.
func running(t *testing.T, s *Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, nil) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// The client of package api understands all that the server says.
func TestClient(t *testing.T) {
	s, _, tokens, _ := guarded(t)
	address := running(t, s)
	client := func(who string) *api.Client {
		t.Helper()
		c, err := api.NewClient(address, api.Options{Token: tokens[who]})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, admin, ctx := client("one"), client("admin"), t.Context()
	june := api.PeriodQuery{Name: "2025-06"}
	report, err := one.Report(ctx, api.ReportQuery{Period: june, Beside: true, Trend: true})
	if err != nil || report.Excerpt == nil || report.Beside == nil || len(report.Links) != 2 {
		t.Errorf("report: %v, %+v", err, report)
	}
	if again, err := one.Report(ctx, api.ReportQuery{Period: june, Beside: true, Trend: true}); err != nil || !cmp.Equal(report, again) {
		t.Errorf("report again: %v", err)
	}
	if n := strings.Count(counters(s), `route="/api/v1/report",status="304"} 1`); n != 1 {
		t.Error("the second report was not asked for by its tag")
	}
	day := api.PeriodQuery{From: time.Date(2025, 6, 3, 0, 0, 0, 0, s.Mesh.Location()), To: time.Date(2025, 6, 4, 0, 0, 0, 0, s.Mesh.Location())}
	if report, err := one.Report(ctx, api.ReportQuery{Period: day}); err != nil || report.Period.To != "2025-06-04T00:00:00+08:00" {
		t.Errorf("report of a day: %v", err)
	}
	month, err := one.Month(ctx, "2025-06")
	if err != nil || month.Rate == nil {
		t.Errorf("month: %v, %+v", err, month)
	}
	if months, err := one.Months(ctx, 1, "2025-07"); err != nil || len(months.Months) != 1 || !cmp.Equal(&months.Months[0], month) {
		t.Errorf("months: %v, %+v", err, months)
	}
	pairs, err := one.Pairs(ctx, api.PairsQuery{Month: "2025-06", Plane: "optical", Cluster: "a", Hub: "hub", Limit: 1})
	if err != nil || len(pairs.Pairs) != 1 || pairs.Total != 2 {
		t.Errorf("pairs: %v, %+v", err, pairs)
	}
	if next, err := one.Pairs(ctx, api.PairsQuery{Month: "2025-06", Plane: "optical", Cluster: "a", Hub: "hub", Limit: 1, Cursor: pairs.Cursor}); err != nil || len(next.Pairs) != 1 || next.Cursor != "" {
		t.Errorf("more pairs: %v, %+v", err, next)
	}
	if links, err := one.Pairs(ctx, api.PairsQuery{Month: "2025-06", Links: true}); err != nil || !cmp.Equal(links.Pairs, report.Links) {
		t.Errorf("links: %v, %+v", err, links)
	}
	if links, err := one.Pairs(ctx, api.PairsQuery{Month: "2025-06", Carrier: "two", Links: true}); err != nil || len(links.Pairs) != 1 || !links.Pairs[0].Withheld {
		t.Errorf("links of another carrier: %v, %+v", err, links)
	}
	if pair, err := one.Pair(ctx, "2025-06", "b", "a"); err != nil || len(pair.Links) != 2 {
		t.Errorf("pair: %v, %+v", err, pair)
	}
	series, err := one.Series(ctx, api.SeriesQuery{Pairs: [][2]string{{"a", "b"}}, Period: day, Step: "hour", MaxPoints: 10})
	if err != nil || len(series.Series) != 2 || *series.Series[0].Points[0].P95MS != 20 {
		t.Errorf("series: %v, %+v", err, series)
	}
	if heat, err := one.Heatmap(ctx, api.SeriesQuery{Hubs: []string{"hub"}, Period: day, Step: "hour", Buckets: 10}); err != nil || heat.Ends != 2 ||
		!cmp.Equal(heat.EdgesMS, []float64{20}) || !cmp.Equal(heat.Points[0].Counts, []int64{120}) {
		t.Errorf("heatmap: %v, %+v", err, heat)
	}
	if probes, err := one.Probes(ctx, api.ProbesQuery{Clusters: []string{"a"}, Period: day, MaxPoints: 12}); err != nil || len(probes.Probes) != 1 ||
		len(probes.Probes[0].Points) != 12 || probes.Probes[0].Points[5].Windows != 1 {
		t.Errorf("probes: %v, %+v", err, probes)
	}
	if happened, err := one.Annotations(ctx, api.SeriesQuery{Pairs: [][2]string{{"a", "b"}}, Period: day, Kinds: []string{api.PathChange, api.Maintenance}}); err != nil || len(happened.Annotations) != 0 {
		t.Errorf("annotations: %v, %+v", err, happened)
	}
	if network, err := one.Network(ctx); err != nil || len(network.Sites) != 2 || len(network.Links) != 2 {
		t.Errorf("network: %v, %+v", err, network)
	}
	if status, err := one.Status(ctx); err != nil || status.NewestEnd == nil {
		t.Errorf("status: %v, %+v", err, status)
	}
	if list, err := admin.Readers(ctx); err != nil || len(list.Readers) != 7 {
		t.Errorf("readers: %v, %+v", err, list)
	}
	read := func(body io.ReadCloser, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if rows := read(one.Windows(ctx, api.WindowsQuery{Period: day, Samples: true, Format: "csv"})); bytes.Count(rows, []byte("\n")) != 1+120 {
		t.Errorf("windows: %d lines", bytes.Count(rows, []byte("\n")))
	}
	if pdf := read(one.File(ctx, "2025-06", "pdf", "zh")); !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Errorf("file: %.20q", pdf)
	}
	var failed *api.Error
	if _, err := one.Readers(ctx); !errors.As(err, &failed) || failed.Status != 403 || failed.Detail != "role carrier may not read /api/v1/readers" {
		t.Errorf("readers for a carrier: %v", err)
	}
	if _, err := client("unknown").Status(ctx); !errors.As(err, &failed) || failed.Status != 401 {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := one.Pair(ctx, "2025-06", "a/../b?", "a"); !errors.As(err, &failed) || failed.Status != 404 {
		t.Errorf("a cluster with a slash: %v", err)
	}
}

// What docs/api.md says to type, works: block by block against a server that
// knows the names in it.
func TestExamplesOfTheDocument(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("SKIPPED: there is no curl, so the examples of docs/api.md are not tried")
	}
	s, _, tokens, _ := guarded(t)
	m, err := mesh.Load("../../lab/year-mesh.yaml")
	if err != nil {
		t.Fatal(err)
	}
	source := &scenario.Store{}
	for h := range 24 {
		at := time.Date(2025, 6, 3, h, 0, 0, 0, m.Location())
		source.Put(t, scenario.Window(m, "yrd-a", "wuh-a", at, scenario.Same(5_000, 60), 0), scenario.Window(m, "wuh-a", "yrd-a", at, scenario.Same(5_000, 60), 0))
	}
	s.Mesh, s.Store, s.Fallback = m, source, nil
	address := running(t, s)
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllSubmatch(text, -1)
	var asked []string
	for _, block := range blocks {
		script := strings.NewReplacer("https://analyzer.example:8470", address, "--cacert authority.pem ", "").Replace(string(block[1]))
		asked = append(asked, regexp.MustCompile(`/api/v1/[a-z]+`).FindAllString(script, -1)...)
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", script)
		cmd.Dir, cmd.Env = folder, append(os.Environ(), "TOKEN="+tokens["admin"])
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%v: %s\n%s\n%s", err, script, out, &stderr)
		}
		if strings.Contains(script, "--etag-compare") && string(out) != "304\n" {
			t.Errorf("asked again: %s", out)
		}
	}
	slices.Sort(asked)
	want := []string{AnnotationsPath, HeatmapPath, MonthsPath, NetworkPath, ProbesPath, ReportPath, SeriesPath, StatusPath, WindowsPath}
	if diff := cmp.Diff(want, slices.Compact(asked)); diff != "" {
		t.Errorf("examples (-there should be +there are):\n%s", diff)
	}
	for name, begin := range map[string]string{"june.json": "{", "june.pdf": "%PDF-", "june.xlsx": "PK", "windows.csv": "src,dst,", "windows.parquet": "PAR1"} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.HasPrefix(data, []byte(begin)) || len(data) < 1000 {
			t.Errorf("%s: %v, %d bytes", name, err, len(data))
		}
	}
}
