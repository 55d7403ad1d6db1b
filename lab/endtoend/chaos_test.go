package endtoend

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
)

// stormy is a small mesh that makes eight windows a second at each site, so that
// something is always on its way.
var stormy = strings.Replace(ring(5, 100*time.Millisecond), "window_s: 5}]",
	"window_s: 1}, {test: stamp, method: stamp, links: [{}], interval_ms: 100, size_bytes: 128, window_s: 1}]", 1)

// chaos is what these tests need of account.json.
type chaos struct {
	Faults int    `json:"faults"`
	ByKind string `json:"by_kind"`
	Felt   struct {
		SpoolRefused int `json:"spool_refused"`
		StepsForward int `json:"steps_forward"`
		StepsBack    int `json:"steps_back"`
		Panics       int `json:"panics"`
	} `json:"felt"`
	Links []struct {
		Link string `json:"link"`
		Made int    `json:"made"`
	} `json:"links"`
	Total struct {
		Made     int `json:"made"`
		InHand   int `json:"in_hand"`
		Stored   int `json:"stored"`
		Spooled  int `json:"spooled"`
		Aside    int `json:"aside"`
		Dropped  int `json:"dropped"`
		Lost     int `json:"lost"`
		Twice    int `json:"twice"`
		Changed  int `json:"changed"`
		Invented int `json:"invented"`
	} `json:"total"`
	Wrong []string `json:"wrong"`
}

// older builds a probe and a collector that call themselves another version: no
// version has been released yet that this one could follow.
func older(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"probe", "collector"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-X github.com/fibergauge/fibergauge/internal/cli.version=older",
			"-o", filepath.Join(dir, "fibergauge-"+program), "./"+program)
		build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, out)
		}
	}
	return dir
}

// runChaos plays the stormy mesh with faults; its exit status is the first
// thing that is held.
func runChaos(t *testing.T, length time.Duration, flags ...string) *chaos {
	t.Helper()
	programs, dir := bin(t), filepath.Join(t.TempDir(), "out")
	mesh, wan := write(t, "mesh.yaml", stormy), write(t, "wan.yaml", plainWAN)
	lab := filepath.Join(programs, "fibergauge-lab")
	if out, err := exec.CommandContext(t.Context(), lab, "check", "--mesh", mesh, "--wan", wan).CombinedOutput(); err != nil {
		skipOrFail(t, out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), length+2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab, append([]string{"chaos", "--mesh", mesh, "--wan", wan,
		"--for", length.String(), "--out", dir, "--bin", programs}, flags...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 30*time.Second
	if err := cmd.Run(); err != nil {
		t.Errorf("the chaos run failed: %v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	t.Logf("\n%s", stdout.String())
	var c chaos
	decode(t, read(t, filepath.Join(dir, "account.json")), &c)
	sum := c.Total
	if sum.Lost+sum.Twice+sum.Changed+sum.Invented+sum.Aside > 0 || len(c.Wrong) > 0 || c.Felt.Panics > 0 {
		t.Errorf("%+v, %v", sum, c.Wrong)
	}
	if sum.Made+sum.InHand != sum.Stored+sum.Spooled+sum.Dropped {
		t.Errorf("does not add up: %+v", sum)
	}
	// What the harm left of a window a second on two tests.
	if len(c.Links) != 20 {
		t.Errorf("%d links made windows, want 20", len(c.Links))
	}
	for _, link := range c.Links {
		if least := int(length.Seconds()) / 2; link.Made < least {
			t.Errorf("%s made only %d windows, want at least %d", link.Link, link.Made, least)
		}
	}
	return &c
}

// TestChaos does three minutes of harm of every kind that an SQLite store leaves
// room for. The flags are fixed, so the faults are always the same.
func TestChaos(t *testing.T) {
	c := runChaos(t, 3*time.Minute, "--seed", "7", "--older", older(t))
	if c.Faults < 20 {
		t.Errorf("only %d faults", c.Faults)
	}
	for _, kind := range []string{"acks-lost", "clock-step", "collector-kill", "collector-older", "disk-full", "link-cut", "link-lossy", "probe-kill", "probe-older", "way-cut", "way-silent"} {
		if !strings.Contains(c.ByKind, kind+" ") {
			t.Errorf("no %s among %s", kind, c.ByKind)
		}
	}
	if f := c.Felt; f.SpoolRefused == 0 || f.StepsForward == 0 || f.StepsBack == 0 {
		t.Errorf("some of the harm was not felt: %+v", f)
	}
}

// TestChaosInfluxDB kills the store's server too.
func TestChaosInfluxDB(t *testing.T) {
	c := runChaos(t, 40*time.Second, "--seed", "4", "--influxd", influxtest.Executable(t, "1.8"))
	if !strings.Contains(c.ByKind, "store-kill ") {
		t.Errorf("the store was not killed: %s", c.ByKind)
	}
}
