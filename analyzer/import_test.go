package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
)

// put writes a file into a folder of the test.
func put(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImportAtlas(t *testing.T) {
	dir := t.TempDir()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	meshFile, spec := put(t, dir, "mesh.yaml", string(m.Bytes())), "sqlite:"+filepath.Join(dir, "store.sqlite")
	var results []string
	for i := range 3 {
		for probe, dst := range map[int]string{677: "192.0.2.2", 678: "192.0.2.1", 9: "192.0.2.1"} {
			results = append(results, fmt.Sprintf(`{"fw":5080,"type":"ping","msm_id":2,"prb_id":%d,"timestamp":%d,"dst_addr":%q,"sent":2,"rcvd":1,"result":[{"rtt":20.%d},{"x":"*"}]}`,
				probe, 1748736000+i*240, dst, i))
		}
	}
	slices.Sort(results)
	file := put(t, dir, "a.json", "["+strings.Join(results, ",\n")+"]")
	places := put(t, dir, "places.yaml", "probes: {677: a1}\ntargets: {192.0.2.1: a1}\n")
	args := []string{"import", "ripe-atlas", "--mesh", meshFile, "--store", spec, "--map", places, "--probe", "678=b1", file}
	const head = "rows     9 of 1 files: 0 bad, 3 left out, 0 told twice\n"
	const tail = "left out        3  of probe 9, which is no site; map it by --probe 9=SITE\n"

	if out, stderr, status := run(t.Context(), append(args, "--dry-run")...); status != 0 || stderr != "" || out != head+"windows  2 of 2 links: 0 stored now, 0 stored before\n"+tail+"dry run  nothing is stored, and the store was not asked what it has\n" {
		t.Errorf("dry run: %d\n%s%s", status, out, stderr)
	}
	if _, err := os.Stat(strings.TrimPrefix(spec, "sqlite:")); err == nil {
		t.Error("a dry run made a store")
	}
	if out, stderr, status := run(t.Context(), args...); status != 0 || !strings.Contains(stderr, "making a new SQLite store") || out != head+"windows  2 of 2 links: 2 stored now, 0 stored before\n"+tail {
		t.Errorf("%d\n%s%s", status, out, stderr)
	}
	if out, stderr, status := run(t.Context(), args...); status != 0 || stderr != "" || out != head+"windows  2 of 2 links: 0 stored now, 2 stored before\n"+tail {
		t.Errorf("again: %d\n%s%s", status, out, stderr)
	}
	if out, stderr, status := run(t.Context(), "verify", "--mesh", meshFile, "--store", spec, "--period", "2025-06-01"); status != 0 {
		t.Errorf("verify: %d\n%s%s", status, out, stderr)
	}
	out, stderr, status := run(t.Context(), "report", "--mesh", meshFile, "--store", spec, "--period", "2025-06-01")
	if status != 0 || !strings.Contains(out, "All data is IMPORTED") {
		t.Errorf("report: %d %s\n%s", status, stderr, out)
	}
}

func TestImportMistakes(t *testing.T) {
	dir := t.TempDir()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	meshFile, spec := put(t, dir, "mesh.yaml", string(m.Bytes())), "sqlite:"+filepath.Join(dir, "store.sqlite")
	stamp := put(t, dir, "stamp.yaml", strings.Replace(string(m.Bytes()), "method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84", "method: stamp, links: [{}], interval_ms: 1000, size_bytes: 128", 1))
	good := put(t, dir, "good.csv", "src,dst,time,rtt_ms\na1,b1,1748736000,20\n")
	bad := put(t, dir, "bad.csv", "src,dst,time,rtt_ms\na1,b1,1748736000,20\na1,b1,1748736000,x\n")
	places := put(t, dir, "places.yaml", "probes: {x: a1}\n")
	unknown := put(t, dir, "unknown.yaml", "probe: {677: a1}\n")
	atlas := func(args ...string) []string {
		return append([]string{"import", "ripe-atlas", "--mesh", meshFile, "--store", spec, good}, args...)
	}
	table := func(file string, args ...string) []string {
		return append([]string{"import", "csv", "--mesh", meshFile, "--store", spec, file, "--src", "src", "--dst", "dst"}, args...)
	}
	for _, c := range []struct {
		args []string
		want string // on stderr
	}{
		{atlas(), "fibergauge-analyzer: no probe is mapped to a site; give --probe ID=SITE, or --map FILE\n"},
		{atlas("--probe", "x=a1"), "fibergauge-analyzer: --probe: \"x\" is not the number of a probe\n"},
		{atlas("--probe", "1=zz"), "fibergauge-analyzer: probe 1: the mesh has no site zz\n"},
		{atlas("--probe", "1=a1", "--target", "b=b1"), "fibergauge-analyzer: --target: \"b\" is not an IP address\n"},
		{atlas("--map", places), "fibergauge-analyzer: " + places + ":1: probes.x: \"x\" is not the number of a probe\n"},
		{atlas("--map", unknown), "fibergauge-analyzer: " + unknown + ":1: probe: unknown field; allowed: probes, targets\n"},
		{atlas("--probe", "1=a1", "--test", "no"), "fibergauge-analyzer: --test no is no test of the mesh; it has icmp\n"},
		{atlas("--probe", "1=a1", "--mesh", stamp), "fibergauge-analyzer: test icmp is measured by stamp, RIPE Atlas pings by ICMP echo; name one of method icmp by --test\n"},
		{table(dir, "--time", "time", "--rtt", "rtt_ms"), "fibergauge-analyzer: " + dir + " is no regular file; save it as one first\n"},
		{table(dir+"/no.csv", "--time", "time", "--rtt", "rtt_ms"), "fibergauge-analyzer: " + dir + "/no.csv: cannot be read: no such file or directory\n"},
		{table(good, "--time", "time"), "fibergauge-analyzer: no column has an RTT; give --rtt, or one of --min, --mean, --max\n"},
		{table(good, "--time", "when", "--rtt", "rtt_ms"), "fibergauge-analyzer: " + good + ":1: there is no column when; columns are \"src, dst, time, rtt_ms\"\n"},
		{table(bad, "--time", "time", "--rtt", "rtt_ms"), bad + ":3: rtt_ms: \"x\" is not a decimal number; if it stands for a lost packet, give --lost=\"x\"\n" +
			"fibergauge-analyzer: 1 of 2 rows are bad, so nothing is imported; mend them, or leave them out by --skip-bad\n"},
		{table(good, "--time", "time", "--rtt", "rtt_ms", "--store", "mysql:x"), "fibergauge-analyzer: store \"mysql:x\" is neither sqlite:PATH nor influx:FILE\n"},
	} {
		if _, stderr, status := run(t.Context(), c.args...); status != 2 || stderr != c.want {
			t.Errorf("%v: status %d\n%swant\n%s", c.args, status, stderr, c.want)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(spec, "sqlite:")); err == nil {
		t.Error("a mistake made a store")
	}
	if out, stderr, status := run(t.Context(), table(bad, "--time", "time", "--rtt", "rtt_ms", "--lost", "x")...); status != 0 || !strings.Contains(out, "1 stored now") {
		t.Errorf("%d\n%s%s", status, out, stderr)
	}
}

// TestImportThenExport gives the rows back, whatever they were.
func TestImportThenExport(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		meshFile, spec := put(t, dir, "mesh.yaml", string(m.Bytes())), "sqlite:"+filepath.Join(dir, "store.sqlite")
		const from = 1748707200000 // 2025-06-01 in Shanghai
		const second = 1000
		packets, summaries := map[string]int{}, map[string]int{}
		samples, sums := "time_ms;dst;src;rtt_us\n", "when_ms,src,dst,least_us,mean_us,most_us,sent,received\n"
		ends := rapid.SampledFrom([]string{"a1 b1", "b1 a1", "a1 c1"})
		for range rapid.IntRange(1, 20).Draw(rt, "packets") {
			src, dst, _ := strings.Cut(ends.Draw(rt, "ends"), " ")
			at := from + rapid.Int64Range(0, 3*3600).Draw(rt, "at")*second
			rtt := rapid.SampledFrom([]string{"", "20000", "20001", "31337", "60000000"}).Draw(rt, "rtt")
			samples += fmt.Sprintf("%d;%s;%s;%s\n", at, dst, src, rtt)
			packets[fmt.Sprintf("%s %s %d %s", src, dst, at-at%900_000, rtt)]++
		}
		for i := range rapid.IntRange(1, 9).Draw(rt, "summaries") {
			src, dst, _ := strings.Cut(ends.Draw(rt, "ends"), " ")
			row := fmt.Sprintf("%d,%s,%s,%d,%d,%d,%d,%d", from+i*61*second, src, dst, 10+i, 20+i, 30+i, 5, 4)
			sums += row + "\n"
			summaries[row]++
		}
		for _, args := range [][]string{
			{put(t, dir, "samples.csv", samples), "--time", "time_ms", "--rtt", "rtt_us"},
			{put(t, dir, "sums.csv", sums), "--time", "when_ms", "--min", "least_us", "--mean", "mean_us", "--max", "most_us", "--sent", "sent", "--received", "received"},
		} {
			args = append([]string{"import", "csv", "--mesh", meshFile, "--store", spec, "--src", "src", "--dst", "dst"}, args...)
			if out, stderr, status := run(t.Context(), args...); status != 0 {
				rt.Fatalf("%d\n%s%s", status, out, stderr)
			}
		}
		export := func(more ...string) []map[string]string {
			out, stderr, status := run(t.Context(), append([]string{"export", "--mesh", meshFile, "--store", spec, "--period", "2025-06-01"}, more...)...)
			if status != 0 {
				rt.Fatalf("%d %s", status, stderr)
			}
			return tableOf(rt, out)
		}
		got := map[string]int{}
		for _, r := range export("--samples") {
			got[fmt.Sprintf("%s %s %s %s", r["src"], r["dst"], r["start_ms"], r["rtt_us"])]++
		}
		if diff := cmp.Diff(packets, got); diff != "" {
			rt.Fatalf("packets (-want +got):\n%s", diff)
		}
		got = map[string]int{}
		for _, r := range export() {
			if r["summary_source"] != "" {
				got[strings.Join([]string{r["start_ms"], r["src"], r["dst"], r["summary_min_us"], r["summary_mean_us"], r["summary_max_us"], r["sent"], r["received"]}, ",")]++
			}
		}
		if diff := cmp.Diff(summaries, got); diff != "" {
			rt.Fatalf("summaries (-want +got):\n%s", diff)
		}
	})
}

// tableOf reads CSV with a header.
func tableOf(t interface{ Fatal(...any) }, text string) []map[string]string {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		r := map[string]string{}
		for i, name := range rows[0] {
			r[name] = row[i]
		}
		all = append(all, r)
	}
	return all
}

func TestExport(t *testing.T) {
	meshFile, spec := stage(t)
	args := append([]string{"export", "--mesh", meshFile, "--store", spec}, minute()...)
	out, stderr, status := run(t.Context(), args...)
	if rows := tableOf(t, out); status != 0 || len(rows) != 2 || rows[0]["p95_us"] != "20000" || !strings.Contains(stderr, "origin=synthetic windows=2") {
		t.Errorf("%d %s\n%s", status, stderr, out)
	}
	samples, _, status := run(t.Context(), append(args, "--samples")...)
	if rows := tableOf(t, samples); status != 0 || len(rows) != 120 {
		t.Errorf("%d, %d samples", status, len(rows))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "w.parquet")
	if out, stderr, status := run(t.Context(), append(args, "--format", "parquet", "--out", file)...); status != 0 || out != "" {
		t.Errorf("%d %s%s", status, stderr, out)
	}
	data, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(data, []byte("PAR1")) || !bytes.HasSuffix(data, []byte("PAR1")) {
		t.Errorf("%v, %.10q", err, data)
	}
	for want, more := range map[string][]string{
		"--out " + dir + " is a folder; name a file in it":                                           {"--out", dir},
		"write " + dir + "/no/x: there is no such folder; make it, or name another":                  {"--out", dir + "/no/x"},
		"store " + dir + "/no.sqlite: there is no such file; give the one that the collector writes": {"--store", "sqlite:" + dir + "/no.sqlite"},
	} {
		if _, stderr, status := run(t.Context(), append(args, more...)...); status != 2 || stderr != "fibergauge-analyzer: "+want+"\n" {
			t.Errorf("%v: %d %s", more, status, stderr)
		}
	}
	if names := slices.Sorted(maps.Keys(list(t, dir))); !slices.Equal(names, []string{"w.parquet"}) {
		t.Errorf("files %v", names)
	}
}

func list(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}

// TestImportIntoInflux: a second time finds all windows, and verify their
// entries.
func TestImportIntoInflux(t *testing.T) {
	dir := t.TempDir()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	meshFile := put(t, dir, "mesh.yaml", string(m.Bytes()))
	rows := "src,dst,time,rtt_ms\n"
	for i := range 100 {
		rows += fmt.Sprintf("a1,b1,%d,20.%d\nb1,a1,%d,21\n", 1748736000+i*300, i, 1748736000+i*300)
	}
	file := put(t, dir, "rows.csv", rows)
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			spec := "influx:" + influxtest.Start(t, series).NewBucket(t)
			for _, want := range []string{"68 stored now, 0 stored before", "0 stored now, 68 stored before"} {
				out, stderr, status := run(t.Context(), "import", "csv", "--mesh", meshFile, "--store", spec, "--src", "src", "--dst", "dst", "--time", "time", "--rtt", "rtt_ms", file)
				if status != 0 || !strings.Contains(out, want) {
					t.Fatalf("%d\n%s%s", status, out, stderr)
				}
			}
			if out, stderr, status := run(t.Context(), "verify", "--mesh", meshFile, "--store", spec, "--period", "2025-06"); status != 0 {
				t.Errorf("verify: %d\n%s%s", status, out, stderr)
			}
			out, stderr, status := run(t.Context(), "export", "--mesh", meshFile, "--store", spec, "--period", "2025-06", "--samples")
			if status != 0 || len(tableOf(t, out)) != 200 {
				t.Errorf("export: %d %s, %d packets", status, stderr, len(tableOf(t, out)))
			}
		})
	}
}
