package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/serve"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "fibergauge-analyzer-cache")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	userCache = func() (string, error) { return folder, nil }
	status := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// run runs the program and gives what it printed and its exit status.
func run(ctx context.Context, args ...string) (stdout, stderr string, status int) {
	var out, err bytes.Buffer
	status = cli.Run(ctx, "fibergauge-analyzer", about, &grammar{}, args, &out, &err)
	return out.String(), err.String(), status
}

// stage is a folder with a mesh and a store that holds a minute of data: a to
// b complies, and the other pairs have no data.
func stage(t *testing.T) (meshFile, spec string) {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	meshFile = filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(meshFile, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(meshFile), "store.sqlite")
	s, err := sqlite.Open(t.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 6, 3, 10, 0, 0, 0, m.Location())
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		w := scenario.Window(m, ends[0], ends[1], at, scenario.Same(20_000, 60), 0)
		if err := s.Put(t.Context(), store.Admission{At: at, Site: ends[0], Batch: w.Digest().String(), MeshSHA256: m.SHA256(), Windows: []wire.Window{w}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return meshFile, "sqlite:" + file
}

func minute() []string {
	return []string{"--from", "2025-06-03T10:00:00+08:00", "--to", "2025-06-03T10:01:00+08:00"}
}

func TestReportCommand(t *testing.T) {
	meshFile, spec := stage(t)
	args := append([]string{"report", "--mesh", meshFile, "--store", spec}, minute()...)

	table, stderr, status := run(t.Context(), args...)
	if status != 0 || stderr != "" || !strings.Contains(table, "1 of 3 pairs comply = 33.3 % · target 80 % (2025) · missed, 2 more needed\n") {
		t.Errorf("status %d, %s\n%s", status, stderr, table)
	}
	if strings.Contains(table, "\x1b") {
		t.Error("colours go into a pipe")
	}

	text, stderr, status := run(t.Context(), append(args, "--format", "json")...)
	var r api.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil || status != 0 || stderr != "" {
		t.Fatalf("status %d, %v, %s", status, err, stderr)
	}
	if r.Schema != api.SchemaReport || r.Rate.Compliant != 1 || r.Data.Windows != 2 || r.Pairs[0].Verdict != api.Compliant || !r.Period.Complete {
		t.Errorf("report is %+v", r)
	}

	out := filepath.Join(t.TempDir(), "report.json")
	stdout, stderr, status := run(t.Context(), append(args, "--format", "json", "--out", out)...)
	written, err := os.ReadFile(out)
	if err != nil || status != 0 || stdout+stderr != "" || string(written) != text {
		t.Errorf("--out: status %d, %v, %q, %q", status, err, stdout, stderr)
	}

	stdout, stderr, status = run(t.Context(), append(args, "--fail-below-target")...)
	if status != 3 || stdout != table || stderr != "fibergauge-analyzer: the target is missed: 1 of 3 pairs comply, 3 are needed\n" {
		t.Errorf("--fail-below-target: status %d, %q", status, stderr)
	}
}

// What a collector archived judges, and a file only if it is given.
func TestWithoutMesh(t *testing.T) {
	meshFile, spec := stage(t)
	without := append([]string{"report", "--store", spec, "--format", "json"}, minute()...)
	const nothing = "fibergauge-analyzer: no mesh is given, and no collector has archived one in this store; give the one to judge by with --mesh FILE\n"
	if stdout, stderr, status := run(t.Context(), without...); status != 2 || stdout != "" || stderr != nothing {
		t.Errorf("nothing archived: status %d, %q, %q", status, stdout, stderr)
	}
	m, err := mesh.Load(meshFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), strings.TrimPrefix(spec, "sqlite:"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.PutMesh(t.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)}), s.Close()); err != nil {
		t.Fatal(err)
	}
	by, stderr, status := run(t.Context(), append(without, "--mesh", meshFile)...)
	if status != 0 {
		t.Fatal(stderr)
	}
	archived, stderr, status := run(t.Context(), without...)
	if diff := cmp.Diff(by, archived); diff != "" || status != 0 {
		t.Errorf("status %d, %s (-with the file +without):\n%s", status, stderr, diff)
	}
	for _, command := range [][]string{{"check"}, {"export"}, {"verify"}} {
		with, withLog, status := run(t.Context(), append(command, "--store", spec, "--period", "2025-06-03", "--mesh", meshFile)...)
		without, withoutLog, again := run(t.Context(), append(command, "--store", spec, "--period", "2025-06-03")...)
		if diff := cmp.Diff(with, without); diff != "" || status != again || with == "" {
			t.Errorf("%s: status %d and %d, %s%s (-with the file +without):\n%s", command, status, again, withLog, withoutLog, diff)
		}
	}
}

// One form goes where the table does, all of them into a folder; both say the
// same of the same period.
func TestPublished(t *testing.T) {
	meshFile, spec := stage(t)
	args := append([]string{"report", "--mesh", meshFile, "--store", spec}, minute()...)
	page, stderr, status := run(t.Context(), append(args, "--format", "html", "--lang", "zh")...)
	if status != 0 || stderr != "" || !strings.HasPrefix(page, "<!DOCTYPE html>\n<html lang=\"zh-Hans\">") {
		t.Fatalf("status %d, %s, %.200s", status, stderr, page)
	}
	folder := filepath.Join(t.TempDir(), "filed")
	if _, stderr, status := run(t.Context(), append(args, "--format", "all", "--out", folder)...); status != 0 {
		t.Fatal(stderr)
	}
	const name = "report-20250603T020000Z-to-20250603T020100Z"
	written, err := os.ReadFile(filepath.Join(folder, name+".zh.html"))
	if err != nil || string(written) != page {
		t.Errorf("in the folder stands another page, %v", err)
	}
	for _, form := range []string{".json", ".en.pdf", ".zh.pdf", ".en.xlsx", ".zh.xlsx", ".en.html", ".en.pairs.csv", ".zh.ends.csv"} {
		if info, err := os.Stat(filepath.Join(folder, name+form)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// What is to be looked at in the mesh that judges is told once, wherever it comes
// from: a road of more than twice the geodesic raises the limit.
func TestWarningsOfTheMesh(t *testing.T) {
	meshFile, spec := stage(t)
	m, err := mesh.Load(meshFile)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = mesh.Parse("mesh.yaml", bytes.ReplaceAll(m.Bytes(), []byte("km: 1537"), []byte("km: 2537"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meshFile, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), strings.TrimPrefix(spec, "sqlite:"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.PutMesh(t.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)}), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		append([]string{"report", "--store", spec}, minute()...),
		append([]string{"report", "--store", spec, "--mesh", meshFile}, minute()...),
		{"check", "--store", spec, "--period", "2025-06"},
		{"check", "--store", spec, "--mesh", meshFile, "--period", "2025-06"},
	} {
		_, stderr, status := run(t.Context(), args...)
		if n := strings.Count(stderr, "twice the geodesic"); status != 0 || n != 1 {
			t.Errorf("%v: status %d, told %d times: %s", args, status, n, stderr)
		}
	}
}

// A bare date in a configuration file is the one in the mesh's time zone, as on
// the command line, and not YAML's in UTC.
func TestConfigurationFile(t *testing.T) {
	meshFile, spec := stage(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string]string{
		"period: 2025-06-03":                  "2025-06-03 (Asia/Shanghai)",
		"from: 2025-06-02\nto: 2025-06-04":    "2025-06-02 to 2025-06-03 (Asia/Shanghai)",
		"period: 2025\nlog-level: warn":       "2025-01-01 to 2025-12-31 (Asia/Shanghai)",
		"period: 2025\nfail-below-target: no": "2025-01-01 to 2025-12-31 (Asia/Shanghai)",
	} {
		if err := os.WriteFile(config, []byte("mesh: "+meshFile+"\nstore: "+spec+"\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, status := run(t.Context(), "report", "--config", config)
		if status != 0 || !strings.Contains(stdout, "\n"+want+"\n") {
			t.Errorf("%s: status %d, %s\n%s", text, status, stderr, stdout)
		}
	}
	if err := os.WriteFile(config, []byte("mesh: "+meshFile+"\nstore: "+spec+"\nperiod: 2025\nfail-below-target: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := run(t.Context(), "report", "--config", config); status != 3 {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// A reader of the store leaves it as it was.
func TestReportLeavesTheStore(t *testing.T) {
	meshFile, spec := stage(t)
	file := strings.TrimPrefix(spec, "sqlite:")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := run(t.Context(), append([]string{"report", "--mesh", meshFile, "--store", spec}, minute()...)...); status != 0 {
		t.Fatal(stderr)
	}
	after, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file of the store has changed (%v)", err)
	}
}

func TestPolicyCommand(t *testing.T) {
	stdout, _, status := run(t.Context(), "policy", "--print")
	if status != 0 || stdout != string(policy.DefaultBytes()) {
		t.Errorf("status %d, other bytes than the default:\n%s", status, stdout)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, status = run(t.Context(), "policy", "--policy", file)
	if want := "policy default is good; its version is " + policy.Default().SHA256() + "\n"; status != 0 || stdout != want {
		t.Errorf("status %d, %q, want %q", status, stdout, want)
	}
}

func TestCheckCommand(t *testing.T) {
	meshFile, spec := stage(t)
	m, err := mesh.Load(meshFile)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := run(t.Context(), "check", "--mesh", meshFile, "--store", spec, "--period", "2025-06")
	want := `mesh    scenario, ` + m.SHA256() + `
policy  default, ` + policy.Default().SHA256() + `
store   ` + spec + ` answers
period  2025-06-01T00:00:00+08:00 to 2025-07-01T00:00:00+08:00
judged  p95 of test icmp, at most 1.5 times the theoretical RTT
links   3 pairs of sites, 2 by an estimated distance; 15552000 packets scheduled
rate    3 pairs of all clusters on plane optical; target 80 %
`
	if status != 0 || stdout != want {
		t.Errorf("status %d, %s\n got %s\nwant %s", status, stderr, stdout, want)
	}
}

// An analyzer asks InfluxDB with a token that may only read, and without the
// collectors' secret.
func TestCheckInflux(t *testing.T) {
	meshFile, _ := stage(t)
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			config, token := server.ReadOnly(t, server.NewBucket(t))
			for _, c := range []struct{ config, token, says string }{
				{config, token, ""},
				{config, "wrong:token", "check token"},
				{strings.Replace(config, "bucket: ", "bucket: no", 1), token, "check url, org and bucket"},
			} {
				file := filepath.Join(t.TempDir(), "influx.yaml")
				for name, content := range map[string]string{file: c.config, filepath.Join(filepath.Dir(file), "token"): c.token} {
					if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				stdout, stderr, status := run(t.Context(), "check", "--mesh", meshFile, "--store", "influx:"+file)
				if c.says == "" && (status != 0 || stderr != "" || !strings.Contains(stdout, "influx.yaml answers\n")) ||
					c.says != "" && (status != 1 || stdout != "" || !strings.Contains(stderr, c.says)) {
					t.Errorf("%q wanted: status %d, stdout %q, stderr %q", c.says, status, stdout, stderr)
				}
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	meshFile, spec := stage(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	misfit := file("misfit.yaml", strings.Replace(string(policy.DefaultBytes()), "[all]", "[a, z]", 1))
	broken := file("broken.yaml", strings.Replace(string(policy.DefaultBytes()), "statistic: p95", "statistic: p96", 1))
	early := file("early.yaml", strings.Replace(string(policy.DefaultBytes()), "2023, percent", "2024, percent", 1))
	empty := file("empty.sqlite", "")
	missing := filepath.Join(dir, "none")
	report := func(more ...string) []string {
		return append([]string{"report", "--mesh", meshFile, "--store", spec}, more...)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"report"}, "missing flags: --store=SPEC; see fibergauge-analyzer report --help"},
		{[]string{"repot"}, `unexpected argument repot, did you mean "report"?; see fibergauge-analyzer --help`},
		{report("--perod", "2025"), "unknown flag --perod, did you mean \"--period\"?; see fibergauge-analyzer report --help"},
		{report(), "no period is given; give --period, such as 2025-06, or --from and --to"},
		{report("--period", "2025-6"), `period "2025-6" is not a year, month or day such as 2025, 2025-06 or 2025-06-03`},
		{report("--period", "2025", "--to", "2026"), "--period goes without --from and --to; give one or the other"},
		{report("--from", "2025-06-02", "--to", "2025-06-01"), "to, 2025-06-01, is not after from, 2025-06-02"},
		{report("--period", "2025", "--format", "docx"), `--format must be one of "table","json","csv","xlsx","html","pdf","all" but got "docx"; see fibergauge-analyzer report --help`},
		{report("--period", "2025", "--format", "pdf", "--lang", "fr"), `--lang must be one of "en","zh" but got "fr"; see fibergauge-analyzer report --help`},
		{report("--period", "2025", "--lang", "zh"), "--lang zh: the table is in English; choose --format csv, xlsx, html, pdf or all"},
		{report("--period", "2025", "--format", "all"), "--format all is many files; name a folder by --out"},
		{report("--period", "2025", "--format", "all", "--out", meshFile), "--out " + meshFile + " is a file; name a folder for the files of --format all"},
		{report("--period", "2025", "--policy", missing), missing + ": cannot be read: no such file or directory"},
		{report("--period", "2025", "--policy", broken), broken + `:26: measurement.statistic: "p96" is not known; allowed: p95, p50, p99, mean, min`},
		{report("--period", "2025", "--policy", early), early + ":48: rate.targets[1].year: 2024 does not come after 2024; list the years in order"},
		{report("--period", "2025", "--policy", misfit), `policy default does not fit mesh scenario: rate.clusters names "z", which is not a cluster of the mesh`},
		{report("--period", "2022", "--fail-below-target"), "--fail-below-target: policy default has no target for 2022"},
		{report("--period", "2025-06-03", "--out", missing+"/report.json"), "write " + missing + "/report.json: there is no such folder; make it, or name another"},
		{report("--period", "2025-06-03", "--out", dir), "--out " + dir + " is a folder; name a file in it"},
		{[]string{"report", "--mesh", missing, "--store", spec, "--period", "2025"}, missing + ": cannot be read: no such file or directory"},
		{[]string{"report", "--mesh", meshFile, "--store", "sqlite:" + missing, "--period", "2025"}, "store " + missing + ": there is no such file; give the one that the collector writes"},
		{[]string{"report", "--mesh", meshFile, "--store", "sqlite:" + empty, "--period", "2025"}, "store " + empty + ": the file is empty; give the one that the collector writes"},
		{[]string{"report", "--mesh", meshFile, "--store", "store.sqlite", "--period", "2025"}, `store "store.sqlite" is neither sqlite:PATH nor influx:FILE`},
		{[]string{"report", "--mesh", meshFile, "--store", "sqlite:" + meshFile, "--period", "2025"}, "store " + meshFile + ": is not an SQLite database; give another path"},
		{[]string{"serve", "--mesh", meshFile, "--store", spec, "--listen", "0.0.0.0:80"}, "--listen 0.0.0.0:80 is not loopback; without --readers this program serves 127.0.0.0/8 and [::1] only"},
		{[]string{"serve", "--mesh", meshFile, "--store", spec, "--listen", "localhost"}, "--listen localhost is not an address and port such as 127.0.0.1:8470"},
		{[]string{"serve", "--mesh", meshFile, "--store", spec, "--from", "2025-06-01"}, "--from goes with --to; give both"},
		{[]string{"policy", "--print", "--policy", broken}, "--print shows the default policy; leave out --policy " + broken},
	} {
		stdout, stderr, status := run(t.Context(), c.args...)
		// The name of a temporary file has a number in it.
		stderr = regexp.MustCompile(`json\.\d+`).ReplaceAllString(stderr, "json.*")
		if want := "fibergauge-analyzer: " + c.want + "\n"; stderr != want || status != cli.StatusUsage || stdout != "" {
			t.Errorf("%s: status %d, stdout %q\n got %swant %s", strings.Join(c.args, " "), status, stdout, stderr, want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a store that did not exist was made")
	}
}

// The server says where it is, answers there, and ends with the context.
func TestServeCommand(t *testing.T) {
	meshFile, spec := stage(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, "fibergauge-analyzer", about, &grammar{},
			append([]string{"serve", "--mesh", meshFile, "--store", spec, "--listen", "127.0.0.1:0"}, minute()...), io.Discard, writer)
		writer.Close()
	}()
	line := make([]byte, 4096)
	n, err := reader.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`http://\S+`).FindString(string(line[:n]))
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	response, err := http.Get(strings.TrimSuffix(url, "/") + serve.ReportPath)
	if err != nil {
		t.Fatalf("%v; the log says %s", err, line[:n])
	}
	defer response.Body.Close()
	var r api.Report
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil || r.Rate.Compliant != 1 {
		t.Errorf("%v, %+v", err, r.Rate)
	}
	stop()
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestOutWritesThroughLinks holds that a link stays one, and that what is no
// regular file is written to and not replaced.
func TestOutWritesThroughLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := writeOut(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v now (%v)", info.Mode(), err)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "new" {
		t.Errorf("the target holds %q (%v), want new", got, err)
	}

	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		got, err := os.ReadFile(pipe)
		read <- fmt.Sprint(string(got), err)
	}()
	if err := writeOut(pipe, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "new<nil>" {
		t.Errorf("the pipe gave %q", got)
	}
}
