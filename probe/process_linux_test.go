package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// asProgram is the variable that makes the test binary be the program.
const asProgram = "FIBERGAUGE_PROBE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if mode := os.Getenv(asBare); mode != "" {
		targets, err := strconv.Atoi(os.Args[1])
		if err != nil {
			panic(err)
		}
		bare(measure.Mode(mode), targets)
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main("fibergauge-probe", about, &grammar{}))
	}
	os.Exit(m.Run())
}

// process makes the program a process of its own, not started yet.
func process(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// TestKilled kills the probe without warning while the collector is away: what
// it had made is delivered by its successor, once, unchanged, and the windows
// of the two do not share a session.
func TestKilled(t *testing.T) {
	needICMP(t)
	t.Parallel()
	c := newCollector(t, loopback(3))
	args := []string{"run", "--site=here", "--collector=" + c.url, "--spool=" + t.TempDir(), "--log-level=debug"}
	log := &logtest.Buffer{}
	first := process(t, args...)
	first.Stderr = log
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first windows at the collector", func() bool { return len(c.all()) > 0 })
	c.set(func() { c.away = true })
	before := len(madeLine.FindAllString(log.String(), -1))
	waitFor(t, "windows in the spool", func() bool { return len(madeLine.FindAllString(log.String(), -1)) >= before+6 })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()

	c.set(func() { c.away = false })
	second := process(t, args...)
	second.Stderr = log
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "windows of the second session", func() bool {
		sessions := map[uint64]bool{}
		for _, w := range c.all() {
			sessions[w.Session] = true
		}
		return len(sessions) == 2
	})
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := second.Wait(); err != nil || time.Since(begin) > drainTime+wire.Timeout {
		t.Errorf("stop took %v: %v\n%s", time.Since(begin), err, log)
	}
	checkAccount(t, c, log.String(), true)
}
