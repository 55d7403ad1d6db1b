package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// loopback is an assignment to measure addresses of this host.
func loopback(targets int) wire.Assignment {
	a := wire.Assignment{
		Schema: wire.SchemaAssignment, Site: "here", Cluster: "c0", Carrier: "carrier-a", Plane: "optical",
		Address: "127.0.0.1", MeshSHA256: strings.Repeat("ab", 32),
	}
	task := wire.Task{Test: "icmp", Method: "icmp", IntervalMS: 100, SizeBytes: 84, WindowS: 1}
	for i := range targets {
		task.Targets = append(task.Targets, wire.Target{
			Site: fmt.Sprintf("there-%d", i), Cluster: "c1", Address: fmt.Sprintf("127.0.%d.%d", 1+i/250, 2+i%250),
		})
	}
	a.Tasks = []wire.Task{task}
	return a
}

// needICMP skips where the test may not send ICMP at all.
func needICMP(t testing.TB) {
	t.Helper()
	if _, err := measure.DetectMode(false); err != nil {
		t.Skipf("SKIPPED: needs ICMP sockets: %v", err)
	}
}

// source is that of the timestamps which this process can have.
func source(t testing.TB) wire.Timestamps {
	t.Helper()
	tap, err := stopwatch.OpenTap()
	if err != nil {
		t.Logf("timed in user space: %v", err)
		return wire.TimestampsUser
	}
	tap.Close()
	return wire.TimestampsKernel
}

// start runs the command until stop is called, which gives status and log.
func start(t *testing.T, args ...string) (stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log, status := &logtest.Buffer{}, make(chan int, 1)
	go func() { status <- cli.Run(ctx, "fibergauge-probe", about, &grammar{}, args, &bytes.Buffer{}, log) }()
	t.Cleanup(cancel)
	return func() (int, string) {
		cancel()
		return <-status, log.String()
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for 30 s: %s", what)
		}
	}
}

var madeLine = regexp.MustCompile(`msg="window made" key="?([^" ]+)"? digest=([0-9a-f]{64})`)

// checkAccount holds the windows at the collector against the log: none is
// missing, none is changed, and none is there that was not made, unless a probe
// was killed, perhaps between a window and its line in the log.
func checkAccount(t *testing.T, c *collector, log string, killed bool) {
	t.Helper()
	made := map[string]string{}
	for _, m := range madeLine.FindAllStringSubmatch(log, -1) {
		if made[m[1]] != "" {
			t.Errorf("window %s was made twice", m[1])
		}
		made[m[1]] = m[2]
	}
	for _, w := range c.all() {
		if digest, ok := made[w.Key.String()]; digest != w.Digest().String() && (ok || !killed) {
			t.Errorf("window %v at the collector was not made so: %q", w.Key, digest)
		}
		delete(made, w.Key.String())
	}
	if len(made) > 0 {
		t.Errorf("%d windows were made and are not at the collector: %v", len(made), made)
	}
}

func TestRunDeliversWhatItMeasures(t *testing.T) {
	needICMP(t)
	t.Parallel()
	a := loopback(3)
	// Targets of its own: where two processes of one host begin to ping the same
	// target in the same way at once, neither is timed by the kernel.
	for i := range a.Tasks[0].Targets {
		a.Tasks[0].Targets[i].Address = fmt.Sprintf("127.1.1.%d", 2+i)
	}
	c := newCollector(t, a)
	stop := start(t, "run", "--site=here", "--collector="+c.url, "--spool="+t.TempDir(), "--log-level=debug", "--origin=emulated", "--seed=7")
	waitFor(t, "full windows of three links", func() bool {
		links := map[string]bool{}
		for _, w := range c.all() {
			if w.EndReason == wire.EndFull && w.Sent > 0 {
				links[w.Dst] = true
			}
		}
		return len(links) == 3
	})
	status, log := stop()
	if status != 0 {
		t.Fatalf("status %d:\n%s", status, log)
	}
	checkAccount(t, c, log, false)
	stopped := 0
	for _, w := range c.all() {
		if w.EndReason == wire.EndStop {
			stopped++
		}
		if w.Received != w.Sent || w.SendError > 0 || w.Sent == 0 && w.Scheduled > 1 {
			t.Errorf("window %v of loopback: %+v", w.Key, w.Counts)
		}
		if w.Origin != wire.OriginEmulated || w.Received > 0 && w.Timestamps != source(t) || w.SrcCluster != "c0" || w.Plane != "optical" {
			t.Errorf("window %v is labelled wrongly: %+v", w.Key, w)
		}
		if w.Sent > 0 && (w.ReplyTTL == nil || w.ReplyTTL.Min != 64) {
			t.Errorf("window %v: reply TTL %+v", w.Key, w.ReplyTTL)
		}
	}
	if stopped == 0 {
		t.Error("no window says that it ended with the stop")
	}
}

func TestRunKeepsWhatItCannotDeliver(t *testing.T) {
	needICMP(t)
	t.Parallel()
	c, dir := newCollector(t, loopback(2)), t.TempDir()
	args := []string{"run", "--site=here", "--collector=" + c.url, "--spool=" + dir, "--log-level=debug"}
	stop := start(t, args...)
	waitFor(t, "the first window", func() bool { return len(c.all()) > 0 })
	c.set(func() { c.away = true })
	before := len(c.all())
	time.Sleep(2500 * time.Millisecond)
	// The last windows are tried for a while, but not for ever.
	status, log := stop()
	if status != 0 || len(c.all()) != before {
		t.Fatalf("status %d, %d windows delivered to a collector that was away:\n%s", status, len(c.all())-before, log)
	}
	// A second probe starts with the collector away: it goes on with the
	// assignment that was kept, and delivers all once the collector is back.
	stop = start(t, args...)
	time.Sleep(5 * time.Second)
	c.set(func() { c.away = false })
	waitFor(t, "delivery after the return", func() bool { return len(c.all()) > before+4 })
	status, second := stop()
	if status != 0 {
		t.Fatalf("status %d:\n%s", status, second)
	}
	checkAccount(t, c, log+second, false)
	sessions := map[uint64]bool{}
	for _, w := range c.all() {
		sessions[w.Session] = true
	}
	if len(sessions) != 2 {
		t.Errorf("two starts made %d sessions", len(sessions))
	}
}

func TestRunFollowsTheAssignment(t *testing.T) {
	needICMP(t)
	t.Parallel()
	c := newCollector(t, loopback(2))
	stop := start(t, "run", "--site=here", "--collector="+c.url, "--spool="+t.TempDir(), "--log-level=debug", "--poll=1h")
	waitFor(t, "the first window", func() bool { return len(c.all()) > 0 })
	// A new mesh drops one target and keeps the other. The probe learns of it
	// from the next acknowledgement.
	mesh := strings.Repeat("cd", 32)
	c.set(func() {
		c.assignment = loopback(1)
		c.assignment.MeshSHA256 = mesh
	})
	waitFor(t, "a window of the new mesh", func() bool {
		for _, w := range c.all() {
			if w.MeshSHA256 == mesh && w.EndReason == wire.EndFull {
				return true
			}
		}
		return false
	})
	status, log := stop()
	if status != 0 {
		t.Fatalf("status %d:\n%s", status, log)
	}
	checkAccount(t, c, log, false)
	// Of the link that stays, windows join without a gap.
	ends := map[int64]bool{}
	starts := map[int64]bool{}
	for _, w := range c.all() {
		if w.Dst == "there-0" {
			starts[w.StartMS], ends[w.EndMS] = true, true
		}
		if w.Dst == "there-1" && w.MeshSHA256 == mesh {
			t.Errorf("window %v of a link that the new mesh does not have", w.Key)
		}
	}
	gaps := 0
	for end := range ends {
		if !starts[end] {
			gaps++
		}
	}
	if gaps != 1 { // the very last end
		t.Errorf("%d ends without a window that follows; want only the last", gaps)
	}
}
