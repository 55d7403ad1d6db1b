package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/internal/testnet"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// catchUpLinks and catchUpHours are the outage that is made up for.
const (
	catchUpLinks = 100
	catchUpHours = 24
)

// catchUpMesh has a site that measures 100 others, all of them loopback
// addresses of the benchmark's own network.
func catchUpMesh() string {
	var b strings.Builder
	b.WriteString(`version: 1
name: bench
time_zone: UTC
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: c0, hub: h, name: {en: A}, location: {lat: 40, lon: 110}}
  - {id: c1, hub: h, name: {en: B}, location: {lat: 30, lon: 115}}
carriers: [{id: x, name: {en: X}}]
planes: [optical]
sites:
  - {id: here, cluster: c0, carrier: x, plane: optical, address: 127.0.0.1, role: both}
`)
	for i := range catchUpLinks {
		fmt.Fprintf(&b, "  - {id: there-%d, cluster: c1, carrier: x, plane: optical, address: 127.0.1.%d, role: reflector}\n", i, 2+i)
	}
	b.WriteString("measure:\n  - {test: icmp, method: icmp, links: [{from: here}], interval_ms: 1000, size_bytes: 84, window_s: 60}\njudged: icmp\n")
	return b.String()
}

// fillSpool makes the windows of an outage that ends now.
func fillSpool(b *testing.B, dir, mesh string) {
	b.Helper()
	s, err := spool.Open(dir, 1<<30, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	end := time.Now().Truncate(time.Minute)
	rtts := make([]uint32, 60)
	for minute := range catchUpHours * 60 {
		start := end.Add(time.Duration(minute-catchUpHours*60) * time.Minute)
		var windows []wire.Window
		for link := range catchUpLinks {
			for i := range rtts {
				rtts[i] = uint32(15_000 + 7*i + link)
			}
			windows = append(windows, wire.Window{
				Key:        wire.Key{Src: "here", Dst: fmt.Sprintf("there-%d", link), Test: "icmp", Session: 1, StartMS: start.UnixMilli()},
				SrcCluster: "c0", DstCluster: "c1", Carrier: "x", Plane: "optical", Method: "icmp",
				EndMS: start.Add(time.Minute).UnixMilli(), EndReason: wire.EndFull,
				Counts: wire.Counts{Scheduled: 60, Sent: 60, Received: 60},
				RTTs:   wire.AppendRTTs(nil, rtts), Stats: wire.StatsOf(rtts),
				Timestamps: wire.TimestampsKernel, Clock: wire.Clock{State: wire.ClockUnknown}, Origin: wire.OriginSynthetic,
				MeshSHA256: mesh, ProbeVersion: "devel",
			})
		}
		if err := s.Put(windows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatchUp fills a spool with the windows of 100 links and 24 hours, has
// the real program deliver them to the real collector with SQLite while it
// measures 100 targets, and holds the RTTs of that time against those of the
// same program, collector and targets when nothing waits:
//
//	go test -run '^$' -bench CatchUp -benchtime 1x -timeout 30m ./probe
//
// It fails unless all is delivered at 100 times real time or faster.
func BenchmarkCatchUp(b *testing.B) {
	network := testnet.New(b)
	network.Enter(b)
	dir := b.TempDir()
	mesh := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(mesh, []byte(catchUpMesh()), 0o600); err != nil {
		b.Fatal(err)
	}
	program := filepath.Join(os.Getenv("FIBERGAUGE_BIN"), "fibergauge-collector")
	if os.Getenv("FIBERGAUGE_BIN") == "" {
		program = filepath.Join(dir, "fibergauge-collector")
		if out, err := exec.Command("go", "build", "-o", program, "../collector").CombinedOutput(); err != nil {
			b.Fatalf("build the collector: %v\n%s", err, out)
		}
	}
	socket := filepath.Join(dir, "c.sock")
	collector := exec.Command(program, "serve", "--mesh="+mesh, "--store=sqlite:"+filepath.Join(dir, "x.db"), "--listen=unix:"+socket)
	log, err := os.Create(filepath.Join(dir, "collector.log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	collector.Stderr = log
	if err := collector.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = collector.Process.Kill(); _ = collector.Wait() })

	hash := meshHash(b, log.Name())
	filled := b.TempDir()
	fillSpool(b, filled, hash)
	for range b.N {
		// One probe with nothing to catch up, then one with a day.
		quiet := catchUpRun(b, socket, b.TempDir(), 0)
		busy := catchUpRun(b, socket, filled, catchUpLinks*catchUpHours*60)
		b.ReportMetric(float64(quiet.p50), "quiet-p50-µs")
		b.ReportMetric(float64(quiet.p99), "quiet-p99-µs")
		b.ReportMetric(float64(busy.p50), "catching-up-p50-µs")
		b.ReportMetric(float64(busy.p99), "catching-up-p99-µs")
		b.ReportMetric(busy.took.Seconds(), "s")
		ratio := catchUpHours * 3600 / busy.took.Seconds()
		b.ReportMetric(ratio, "×real-time")
		if ratio < 100 {
			b.Errorf("delivered at %.0f × real time; want 100", ratio)
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing here
}

func meshHash(b *testing.B, log string) string {
	b.Helper()
	found := regexp.MustCompile(`msg="serving mesh" .*sha256=([0-9a-f]{64})`)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(log)
		if err != nil {
			b.Fatal(err)
		}
		if m := found.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	text, _ := os.ReadFile(log)
	b.Fatalf("the collector does not serve:\n%s", text)
	return ""
}

type caught struct {
	p50, p99 uint32
	took     time.Duration
}

// catchUpRun lets a probe run until it has delivered what waited and for two
// windows at least, and reads the RTTs that it measured from its spool's way to
// the collector: the collector's counters say when all has arrived.
func catchUpRun(b *testing.B, socket, spoolDir string, waiting int) caught {
	b.Helper()
	proxy := newTee(b, socket)
	cmd := shipped(b, "run", "--site=here", "--collector=unix:"+proxy.socket, "--spool="+spoolDir)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var c caught
	for c.took == 0 || time.Since(begin) < 100*time.Second {
		if synthetic, _ := proxy.counts(); c.took == 0 && synthetic >= waiting {
			c.took = time.Since(begin)
		}
		if time.Since(begin) > 20*time.Minute {
			b.Fatalf("%d of %d were delivered in 20 minutes", func() int { n, _ := proxy.counts(); return n }(), waiting)
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	_, measured := proxy.counts()
	var rtts []uint32
	for _, w := range measured {
		if w.Received != w.Sent || w.Unstamped > 0 {
			b.Errorf("window %v: %+v", w.Key, w.Counts)
		}
		some, err := wire.DecodeRTTs(nil, w.RTTs)
		if err != nil {
			b.Fatal(err)
		}
		rtts = append(rtts, some...)
	}
	if len(rtts) < 1000 {
		b.Fatalf("%d RTTs", len(rtts))
	}
	slices.Sort(rtts)
	c.p50, c.p99 = rtts[len(rtts)/2], rtts[len(rtts)-1-len(rtts)/100]
	b.Logf("%s windows waited: %d RTTs, p50 %d µs, p99 %d µs, arrived in %v", strconv.Itoa(waiting), len(rtts), c.p50, c.p99, c.took.Round(time.Second))
	return c
}
