package endtoend

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// A month of three clusters: the load of the day takes 2 ms at its peak, which
// x–y and x–z cannot bear although their medians comply; y–z never does; probes
// fall silent now and then.
const (
	historyMesh = `
version: 1
name: test
time_zone: Asia/Shanghai
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: x, hub: h, name: {en: X}, location: {lat: 40, lon: 110}}
  - {id: y, hub: h, name: {en: Y}, location: {lat: 38, lon: 110}}
  - {id: z, hub: h, name: {en: Z}, location: {lat: 36, lon: 110}}
carriers: [{id: a, name: {en: A}}]
planes: [optical]
sites:
  - {id: x-a, cluster: x, carrier: a, plane: optical, address: 192.0.2.1, role: both}
  - {id: y-a, cluster: y, carrier: a, plane: optical, address: 192.0.2.2, role: both}
  - {id: z-a, cluster: z, carrier: a, plane: optical, address: 192.0.2.3, role: both}
distances:
  - {clusters: [x, y], km: 300, class: A, source: test}
  - {clusters: [x, z], km: 800, class: A, source: test}
  - {clusters: [y, z], km: 400, class: A, source: test}
measure: [{test: stamp, method: stamp, links: [{}], interval_ms: 30000, size_bytes: 128, window_s: 900}]
judged: stamp
`
	// Theoretical RTTs are 2.938, 7.835 and 3.917 ms.
	historyWAN = `
version: 1
seed: 11
defaults: {stretch: 1.1, hops: 6, jitter: {distribution: exponential, median_ms: 0.005}}
links:
  - {from: x, to: z, stretch: 1.35}
  - {from: y, to: z, stretch: 1.7}
history:
  diurnal: {peak: "21:00", delay_ms: 2, jitter: 1, loss: 1}
  path_changes: {per_year: 0}
  lossy: {per_year: 0}
  silent: {per_year: 40, hours: 4}
`
)

// TestHistory generates a month and has it judged, by the programs.
func TestHistory(t *testing.T) {
	dir := bin(t)
	meshFile, store := write(t, "mesh.yaml", historyMesh), "sqlite:"+filepath.Join(t.TempDir(), "store.sqlite")
	program := func(name string, args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "fibergauge-"+name), args...).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, complaints(err))
		}
		return out
	}
	said := program("lab", "generate", "--mesh", meshFile, "--wan", write(t, "wan.yaml", historyWAN), "--from", "2025-06", "--to", "2025-06", "--store", store)
	t.Logf("%s", said)
	r := &run{}
	if err := json.Unmarshal(program("analyzer", "report", "--mesh", meshFile, "--store", store, "--period", "2025-06", "--cache", t.TempDir(), "--format", "json"), &r.report); err != nil {
		t.Fatal(err)
	}
	if o := r.report.Data.Origins; o.Synthetic == 0 || o.Synthetic != r.report.Data.Windows {
		t.Errorf("of %d windows %d are synthetic, want all", r.report.Data.Windows, o.Synthetic)
	}
	silent := int64(0)
	for _, c := range []struct {
		a, b     string
		verdict  api.Verdict
		p50, p95 float64 // ms: a quarter of the load at p50, nine tenths of it at p95
	}{
		{"x-a", "y-a", api.NonCompliant, 3.73, 5.04},
		{"x-a", "z-a", api.NonCompliant, 11.08, 12.38},
		{"y-a", "z-a", api.NonCompliant, 7.16, 8.46},
	} {
		link := r.link(t, c.a, c.b)
		if link.Verdict != c.verdict {
			t.Errorf("%s–%s: %s, want %s", c.a, c.b, link.Verdict, c.verdict)
		}
		for _, end := range link.Ends {
			if !end.Sufficient || end.P50MS == nil || end.P95MS == nil {
				t.Fatalf("%s>%s: %+v", end.Src, end.Dst, end)
			}
			if d := *end.P50MS - c.p50; d < -0.15 || d > 0.15 {
				t.Errorf("%s>%s: p50 %.3f ms, want about %.2f", end.Src, end.Dst, *end.P50MS, c.p50)
			}
			if d := *end.P95MS - c.p95; d < -0.15 || d > 0.15 {
				t.Errorf("%s>%s: p95 %.3f ms, want about %.2f", end.Src, end.Dst, *end.P95MS, c.p95)
			}
			silent += end.Scheduled - end.Sent
		}
	}
	if silent == 0 {
		t.Error("no probe was ever silent")
	}
}

func complaints(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}
