package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

const repository = "../.."

// bin is the folder of the programs: $FIBERGAUGE_BIN, which make test sets, or
// built for this test.
func bin(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("FIBERGAUGE_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	for _, program := range []string{"probe", "collector", "analyzer", "lab"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "fibergauge-"+program), "./"+program)
		build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, out)
		}
	}
	return dir
}

// run is what a run of the lab left behind.
type run struct {
	dir      string
	bin      string
	json     []byte // report.json
	report   api.Report
	emulated emulated
}

// emulated is what this test needs of emulated.json.
type emulated struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Links []struct {
		Src           string   `json:"src"`
		Dst           string   `json:"dst"`
		ExpectedP50US *float64 `json:"expected_p50_us"`
	} `json:"links"`
}

// runLab runs the lab over a mesh and a wan, and skips the test, saying why,
// where the machine does not allow it.
func runLab(t *testing.T, mesh, wan string, length time.Duration, flags ...string) *run {
	t.Helper()
	r := &run{dir: filepath.Join(t.TempDir(), "out"), bin: bin(t)}
	meshFile, wanFile := write(t, "mesh.yaml", mesh), write(t, "wan.yaml", wan)
	lab := filepath.Join(r.bin, "fibergauge-lab")
	if out, err := exec.CommandContext(t.Context(), lab, "check", "--mesh", meshFile, "--wan", wanFile).CombinedOutput(); err != nil {
		skipOrFail(t, out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), length+2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab, append([]string{"run", "--mesh", meshFile, "--wan", wanFile,
		"--for", length.String(), "--out", r.dir, "--bin", r.bin}, flags...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 30*time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("the lab failed: %v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	t.Logf("\n%s", stdout.String())
	r.json = read(t, filepath.Join(r.dir, "report.json"))
	decode(t, r.json, &r.report)
	decode(t, read(t, filepath.Join(r.dir, "emulated.json")), &r.emulated)
	return r
}

// skipOrFail ends a test for which the lab's check has failed: skipped where the
// machine is the reason, and failed where anything else is, or in CI.
func skipOrFail(t *testing.T, out []byte, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || !machineForbids(string(out)) {
		t.Fatalf("check: %v\n%s", err, out)
	}
	t.Skipf("SKIPPED: no network can be made here: %s", lastLine(out))
}

// machineForbids tells whether the lab said that the machine gives it no network
// namespaces: for want of a right, or of a feature of the kernel.
func machineForbids(out string) bool {
	if strings.Contains(out, "run needs Linux, for its network namespaces;") {
		return true
	}
	_, cause, forbidden := strings.Cut(out, "run needs root on Linux, or unprivileged user namespaces and write access to /dev/net/tun;")
	return forbidden && slices.ContainsFunc([]error{
		syscall.EPERM, syscall.EACCES, // rights
		syscall.ENOENT, syscall.ENODEV, syscall.ENXIO, syscall.ENOSYS, syscall.EINVAL, // features
	}, func(e error) bool { return strings.Contains(cause, e.Error()) })
}

func TestMachineForbids(t *testing.T) {
	const forbidden = "fibergauge-lab: run needs root on Linux, or unprivileged user namespaces and write access to /dev/net/tun; check, the probe, the collector and the analyzer work without "
	for out, want := range map[string]bool{
		forbidden + "(open /dev/net/tun: permission denied)":                  true,
		forbidden + "(unshare: operation not permitted)":                      true,
		forbidden + "(open /dev/net/tun: no such file or directory)":          true,
		forbidden + "(unshare: function not implemented)":                     true,
		forbidden + "(open /dev/net/tun: too many open files)":                false,
		forbidden + "(unshare: no space left on device)":                      false,
		"fibergauge-lab: run needs Linux, for its network namespaces; the…":   true,
		"fibergauge-lab: mesh.yaml: sites: a site needs an address":           false,
		"fibergauge-lab: wan.yaml:3: links: needs a delay; permission denied": false,
		"": false,
	} {
		if got := machineForbids(out); got != want {
			t.Errorf("%q: %t, want %t", out, got, want)
		}
	}
}

// tolerance is how far a measured median may lie from the emulated one: user
// space timing adds to it, and the emulator is late by a little.
const tolerance = 500 * time.Microsecond

// holdMedians compares the p50 of every end with what the lab emulated. Only
// links without loss-free meaning (all lost) have none. It gives the number of
// links compared.
func (r *run) holdMedians(t *testing.T) int {
	t.Helper()
	expected := map[string]float64{}
	for _, l := range r.emulated.Links {
		if l.ExpectedP50US != nil {
			expected[l.Src+">"+l.Dst] = *l.ExpectedP50US
		}
	}
	compared, farthest := 0, time.Duration(0)
	for _, link := range r.report.Links {
		for _, end := range link.Ends {
			want, ok := expected[end.Src+">"+end.Dst]
			if !ok || end.Windows == 0 {
				continue
			}
			if end.P50MS == nil {
				t.Errorf("%s > %s has no p50; emulated is %.3f ms", end.Src, end.Dst, want/1000)
				continue
			}
			off := time.Duration((*end.P50MS*1000 - want) * float64(time.Microsecond))
			farthest = max(farthest, off.Abs())
			if off.Abs() > tolerance {
				t.Errorf("%s > %s: p50 %.3f ms is %v from the emulated %.3f ms", end.Src, end.Dst, *end.P50MS, off, want/1000)
			}
			compared++
		}
	}
	t.Logf("%d medians, the farthest %v from the emulated one", compared, farthest)
	return compared
}

// link finds the result for two sites.
func (r *run) link(t *testing.T, a, b string) api.Pair {
	t.Helper()
	for _, l := range r.report.Links {
		if len(l.Sites) == 2 && (l.Sites[0] == a && l.Sites[1] == b || l.Sites[0] == b && l.Sites[1] == a) {
			return l
		}
	}
	t.Fatalf("no link %s-%s in the report", a, b)
	return api.Pair{}
}

// codes lists the codes of reasons.
func codes(reasons []api.Reason) []string {
	list := []string{}
	for _, r := range reasons {
		list = append(list, r.Code)
	}
	return list
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// ring makes a mesh of clusters along a parallel, each with one site, measured
// by a packet in each interval.
func ring(clusters int, interval time.Duration) string {
	var b strings.Builder
	b.WriteString("version: 1\nname: ring\ntime_zone: UTC\nhubs: [{id: h, name: {en: H}}]\nclusters:\n")
	for i := range clusters {
		fmt.Fprintf(&b, "  - {id: c%02d, hub: h, name: {en: C%d}, location: {lat: 35, lon: %d}}\n", i, i, 90+2*i)
	}
	b.WriteString("carriers: [{id: k, name: {en: K}}]\nplanes: [optical]\nsites:\n")
	for i := range clusters {
		fmt.Fprintf(&b, "  - {id: s%02d, cluster: c%02d, carrier: k, plane: optical, address: 198.51.100.%d, role: both}\n", i, i, i+1)
	}
	fmt.Fprintf(&b, "measure: [{test: icmp, method: icmp, links: [{}], interval_ms: %d, size_bytes: 84, window_s: 5}]\njudged: icmp\n", interval.Milliseconds())
	return b.String()
}
