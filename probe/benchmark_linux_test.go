package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	probing "github.com/prometheus-community/pro-bing"

	"github.com/fibergauge/fibergauge/probe/measure"
)

const (
	benchmarkTargets = 100
	benchmarkTime    = 30 * time.Second
	// asBare is the variable that makes the test binary be pro-bing alone.
	asBare = "FIBERGAUGE_PROBE_TEST_AS_BARE"
)

// BenchmarkTargets measures what one probe with 100 targets of this host, one
// packet a second each, takes of the processor and of memory, beside pro-bing
// alone with the same targets at the same time:
//
//	go test -run '^$' -bench Targets -benchtime 1x ./probe
func BenchmarkTargets(b *testing.B) {
	needICMP(b)
	a := loopback(benchmarkTargets)
	a.Tasks[0].IntervalMS, a.Tasks[0].WindowS = 1000, 15
	c := newCollector(b, a)
	for range b.N {
		probe := process(b, "run", "--site=here", "--collector="+c.url, "--spool="+b.TempDir())
		bare := process(b)
		bare.Env = append(bare.Env, asBare+"=1")
		var wg sync.WaitGroup
		var mu sync.Mutex // a B is not safe for concurrent use
		for _, one := range []struct {
			name string
			cmd  *exec.Cmd
		}{{"probe", probe}, {"pro-bing", bare}} {
			if err := one.cmd.Start(); err != nil {
				b.Fatal(err)
			}
			wg.Go(func() {
				time.Sleep(10 * time.Second) // start, first assignment, first windows
				before := cpu(b, one.cmd.Process.Pid)
				time.Sleep(benchmarkTime)
				mu.Lock()
				defer mu.Unlock()
				b.ReportMetric(100*(cpu(b, one.cmd.Process.Pid)-before).Seconds()/benchmarkTime.Seconds(), one.name+"-%core")
				b.ReportMetric(resident(b, one.cmd.Process.Pid), one.name+"-MiB")
				_ = one.cmd.Process.Signal(syscall.SIGTERM)
				_ = one.cmd.Wait()
			})
		}
		wg.Wait()
	}
	b.ReportMetric(0, "ns/op") // says nothing here
	sent, received := uint32(0), uint32(0)
	for _, w := range c.all() {
		sent, received = sent+w.Sent, received+w.Received
	}
	if sent == 0 || received < sent*99/100 {
		b.Errorf("%d of %d packets received", received, sent)
	}
}

// bare runs pro-bing with the benchmark's targets and nothing around it.
func bare() {
	mode, err := measure.DetectMode(false)
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	for _, target := range loopback(benchmarkTargets).Tasks[0].Targets {
		p := probing.New(target.Address)
		p.SetIPAddr(&net.IPAddr{IP: net.ParseIP(target.Address)})
		p.SetPrivileged(mode == measure.ModeRaw)
		p.Size, p.RecordRtts, p.RecordTTLs = 56, false, false
		p.SetLogger(probing.NoopLogger{})
		wg.Go(func() { _ = p.RunWithContext(context.Background()) })
	}
	wg.Wait()
}

// cpu is the processor time that a process has taken.
func cpu(b *testing.B, pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// User and system time in ticks of 10 ms, fields 14 and 15 (proc(5)).
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	total := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	return time.Duration(total) * 10 * time.Millisecond
}

// resident is the resident memory of a process in MiB.
func resident(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
