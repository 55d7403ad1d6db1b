package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/cli"
)

func execute(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	status = cli.Run(t.Context(), "fibergauge-lab", about, &grammar{}, args, &out, &complaints)
	return status, out.String(), complaints.String()
}

func TestBadInput(t *testing.T) {
	const mesh, wan = "../mesh/national.yaml", "national-wan.yaml"
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("version: 1\nseed: 1\ndefaults: {rtt_ms: fast}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(dir, "away.yaml")
	if err := os.WriteFile(away, []byte("version: 1\nseed: 1\ndefaults: {stretch: 1.1}\ncollector: [{at: 5s, for: 5s, how: stop}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no mesh", []string{"check", "--wan", wan}, "missing flags: --mesh=FILE; see fibergauge-lab check --help"},
		{"no such mesh", []string{"check", "--mesh", dir + "/none", "--wan", wan}, dir + "/none: cannot be read: no such file or directory"},
		{"bad wan", []string{"check", "--mesh", mesh, "--wan", bad}, bad + `:3: defaults.rtt_ms: must be a number, not "fast"`},
		{"bad wan, told before anything is made", []string{"run", "--mesh", mesh, "--wan", bad, "--out", out}, bad + `:3: defaults.rtt_ms: must be a number, not "fast"`},
		{"no time", []string{"run", "--mesh", mesh, "--wan", wan, "--out", out, "--for", "0s"}, "--for 0s is not within 1s to 24h"},
		{"too little chaos", []string{"chaos", "--mesh", mesh, "--wan", wan, "--out", out, "--for", "5s"}, "--for 5s is not within 30s to 24h"},
		{"a spool larger than its disk", []string{"chaos", "--mesh", mesh, "--wan", wan, "--out", out, "--spool-max-mib", "64"}, "--spool-max-mib 64 is not within 1 to 4"},
		{"two stores", []string{"chaos", "--mesh", mesh, "--wan", wan, "--out", out, "--influxd", "/bin/true", "--store", "influx:x"}, "--influxd and --store exclude each other"},
		{"no such server", []string{"chaos", "--mesh", mesh, "--wan", wan, "--out", out, "--influxd", dir + "/none"}, `--influxd: exec: "` + dir + `/none": stat ` + dir + `/none: no such file or directory`},
		{"outages twice", []string{"chaos", "--mesh", mesh, "--wan", away, "--out", out}, away + ` takes the collector away by itself; chaos wants a file without "collector"`},
		{"history to come", []string{"generate", "--mesh", mesh, "--wan", wan, "--from", "2025-01", "--to", "2199-01", "--store", "sqlite:" + out}, "--to, 2199-01, is not over yet: what has not been is not history"},
		{"history of no time", []string{"generate", "--mesh", mesh, "--wan", wan, "--from", "2025-1", "--to", "2025-02", "--store", "sqlite:" + out}, `--from: "2025-1" is not a month or day such as 2025-06 or 2025-06-03`},
		{"history of no test", []string{"generate", "--mesh", mesh, "--wan", wan, "--from", "2025-01", "--to", "2025-02", "--store", "sqlite:" + out, "--test", "http"}, `--test "http" is not a test of ../mesh/national.yaml`},
		{"history to no store", []string{"generate", "--mesh", mesh, "--wan", wan, "--from", "2025-01", "--to", "2025-02", "--store", out}, `store "` + out + `" is neither sqlite:PATH nor influx:FILE`},
		{"history of a bad wan", []string{"generate", "--mesh", mesh, "--wan", bad, "--from", "2025-01", "--to", "2025-02", "--store", "sqlite:" + out}, bad + `:3: defaults.rtt_ms: must be a number, not "fast"`},
		{"odd time", []string{"run", "--mesh", mesh, "--wan", wan, "--out", out, "--for", "5x"}, `--for: expected duration but got "5x": time: unknown unit "x" in duration "5x"; see fibergauge-lab run --help`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr := execute(t, c.args...)
			if d := cmp.Diff("fibergauge-lab: "+c.want+"\n", stderr); d != "" || status != cli.StatusUsage || stdout != "" {
				t.Errorf("status %d, output %q\n%s", status, stdout, d)
			}
		})
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("bad input left something at %s: %v", out, err)
	}
}

// TestCheckTellsWhatIsEmulated needs no privilege for what it looks at.
func TestCheckTellsWhatIsEmulated(t *testing.T) {
	_, stdout, _ := execute(t, "check", "--mesh", "../mesh/national.yaml", "--wan", "national-wan.yaml")
	for _, want := range []string{"10 network namespaces", "All delays are emulated", "zjk-a  yrd-a"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
	if got := strings.Count(stdout, "-a  "); got < 90 {
		t.Errorf("%d links listed, want 90", got)
	}
}
