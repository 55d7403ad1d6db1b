package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	probing "github.com/prometheus-community/pro-bing"

	"github.com/fibergauge/fibergauge/internal/testnet"
	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// benchmarkTime holds the end of a window of a minute, when a probe has the
	// most in its hands.
	benchmarkTime = 65 * time.Second
	warmUpTime    = 10 * time.Second // start, first assignment
	// asBare is the variable that makes the test binary be pro-bing alone, in
	// the mode that it names, with as many targets as the argument says.
	asBare = "FIBERGAUGE_PROBE_TEST_AS_BARE"
)

// load is what a program took of the machine.
type load struct {
	cores float64 // of one
	mib   float64 // resident at most
}

// shipped is the program as it is shipped, where make bench has built it; this
// test binary carries much that it does not.
func shipped(b *testing.B, args ...string) *exec.Cmd {
	b.Helper()
	cmd := process(b, args...)
	if dir := os.Getenv("FIBERGAUGE_BIN"); dir != "" {
		cmd.Path = filepath.Join(dir, "fibergauge-probe")
		cmd.Args[0] = cmd.Path
	}
	return cmd
}

// weigh lets a program run and measures it, after its warm-up.
func weigh(b *testing.B, cmd *exec.Cmd) load {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(warmUpTime)
	before := cpu(b, cmd.Process.Pid)
	time.Sleep(benchmarkTime)
	l := load{(cpu(b, cmd.Process.Pid) - before).Seconds() / benchmarkTime.Seconds(), resident(b, cmd.Process.Pid)}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	return l
}

func (l load) report(b *testing.B, name string) {
	b.ReportMetric(100*l.cores, name+"-%core")
	b.ReportMetric(l.mib, name+"-MiB")
}

// BenchmarkEcho measures what one probe takes of the processor and of memory
// that pings targets of this host, one packet a second each, beside pro-bing
// alone with the same targets, one after the other:
//
//	go test -run '^$' -bench Echo -benchtime 1x ./probe
func BenchmarkEcho(b *testing.B) {
	for _, bench := range []struct {
		name    string
		targets int
		bare    measure.Mode
	}{{"100", 100, measure.ModeDatagram}, {"500", 500, measure.ModeRaw}} {
		b.Run(bench.name, func(b *testing.B) {
			testnet.New(b).Enter(b)
			for range b.N {
				bare := process(b, strconv.Itoa(bench.targets))
				bare.Env = append(bare.Env, asBare+"="+string(bench.bare))
				weigh(b, bare).report(b, "pro-bing-"+string(bench.bare))
				a := loopback(bench.targets)
				a.Tasks[0].IntervalMS, a.Tasks[0].WindowS = 1000, 60
				c := newCollector(b, a)
				weigh(b, shipped(b, "run", "--site=here", "--collector="+c.url, "--spool="+b.TempDir())).report(b, "probe")
				c.hold(b)
			}
			b.ReportMetric(0, "ns/op") // says nothing here
		})
	}
}

// BenchmarkSTAMP measures one probe with 2 000 reflectors, beside fping with
// 2 000 targets, one packet a second each, and the RTTs beside those of a probe
// with one reflector.
func BenchmarkSTAMP(b *testing.B) {
	const many = 2000
	testnet.New(b).Enter(b)
	for range b.N {
		reflector := shipped(b, "reflect", "--listen=0.0.0.0:862", "--allow=127.0.0.0/8", "--rate=1000000")
		reflector.Stderr = os.Stderr
		if err := reflector.Start(); err != nil {
			b.Fatal(err)
		}
		for _, links := range []int{1, many} {
			a := loopback(links)
			task := &a.Tasks[0]
			task.Test, task.Method, task.SizeBytes, task.IntervalMS, task.WindowS = "stamp", measure.MethodSTAMP, 128, 1000, 60
			for i := range task.Targets {
				task.Targets[i].STAMP = &wire.STAMPTarget{Port: stamp.Port, Timestamps: "ntp"}
			}
			c := newCollector(b, a)
			name := fmt.Sprintf("%d-links", links)
			weigh(b, shipped(b, "run", "--site=here", "--collector="+c.url, "--spool="+b.TempDir())).report(b, name)
			b.ReportMetric(c.hold(b), name+"-p99-µs")
		}
		_ = reflector.Process.Kill()
		_ = reflector.Wait()
		if fping, err := exec.LookPath("fping"); err != nil {
			b.Logf("SKIPPED beside fping: %v", err)
		} else {
			targets := ""
			for _, target := range loopback(many).Tasks[0].Targets {
				targets += target.Address + "\n"
			}
			cmd := exec.Command(fping, "-l", "-q", "-p", "1000", "-i", "0.1")
			cmd.Stdin = strings.NewReader(targets)
			weigh(b, cmd).report(b, "fping")
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing here
}

// hold fails if a packet was lost, and gives the p99 of all RTTs in µs.
func (c *collector) hold(b *testing.B) float64 {
	b.Helper()
	var sent, received, unstamped uint32
	var rtts []uint32
	for _, w := range c.all() {
		sent, received, unstamped = sent+w.Sent, received+w.Received, unstamped+w.Unstamped
		some, err := wire.DecodeRTTs(nil, w.RTTs)
		if err != nil {
			b.Fatal(err)
		}
		rtts = append(rtts, some...)
	}
	if sent == 0 || received != sent || unstamped > 0 {
		b.Errorf("%d of %d packets received, %d of them without an RTT", received, sent, unstamped)
	}
	if len(rtts) == 0 {
		return 0
	}
	slices.Sort(rtts)
	return float64(rtts[len(rtts)-1-len(rtts)/100])
}

// bare runs pro-bing with the benchmark's targets and nothing around it.
func bare(mode measure.Mode, targets int) {
	var wg sync.WaitGroup
	for _, target := range loopback(targets).Tasks[0].Targets {
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

// resident is the most memory that a process has had resident, in MiB.
func resident(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatalf("process %d tells no VmHWM", pid)
	return 0
}
