package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/internal/testnet"
)

const (
	// hostile is how many idle and slow clients there are.
	hostile = 10_000
	// hostileMost is the resident memory that the collector may have meanwhile,
	// SQLite and the Go runtime included, in MiB. Each connection within the
	// limit of 4096 takes some 20 KiB.
	hostileMost = 256
	// ackWithin is how soon a healthy probe has to have its acknowledgement.
	ackWithin = time.Second
)

// TestTenThousandSlowClients holds the program, with the limits that it has
// without flags, against clients that do nothing, send headers by the byte,
// headers without end, or bodies that never come, while a healthy probe posts.
func TestTenThousandSlowClients(t *testing.T) {
	needDescriptors(t, hostile+500)
	network := testnet.New(t)
	network.Enter(t)
	// The transport connects on goroutines of its own, which are elsewhere.
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(_ context.Context, kind, address string) (conn net.Conn, err error) {
			network.Do(t, func() { conn, err = net.Dial(kind, address) })
			return conn, err
		},
	}}
	defer client.CloseIdleConnections()
	c := startChild(t, client)
	var worst time.Duration
	n := 0
	healthy := func() {
		t.Helper()
		begin := time.Now()
		batch := fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), n))
		n++
		resp, err := client.Post(c.url+"/v1/sites/a1/windows", "application/json", bytes.NewReader(batch.Encode()))
		if err != nil {
			t.Fatalf("the healthy probe: %v; log:\n%s", err, c.log)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"stored":1`)) {
			t.Fatalf("the healthy probe: %d %s, %v", resp.StatusCode, body, err)
		}
		worst = max(worst, time.Since(begin))
	}
	healthy()
	before := c.resident(t)

	kinds := []string{
		"",
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", // and then idle
		"GET /healthz HTTP/1.1\r\nX-Slow: ",
		"GET /healthz HTTP/1.1\r\nX-Huge: " + strings.Repeat("x", 15<<10),
		"POST /v1/sites/b1/windows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x00",
	}
	slow := make(chan net.Conn)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			network.Enter(t)
			for conn := range slow {
				// They go on, so that none of them is merely idle.
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = conn.Write([]byte("x"))
			}
		})
	}
	for i := range hostile {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatalf("client %d: %v; log:\n%s", i, err, c.log)
		}
		defer conn.Close()
		// What was cut off meanwhile cannot be written to, and that is well.
		_, _ = io.WriteString(conn, kinds[i%len(kinds)])
		if i%len(kinds) == 2 || i%len(kinds) == 4 {
			slow <- conn
		}
		if i%250 == 0 {
			healthy()
			time.Sleep(50 * time.Millisecond) // a site may ask 20 times a second
		}
	}
	close(slow)
	wg.Wait()
	for range 20 {
		healthy()
		time.Sleep(60 * time.Millisecond)
	}
	// One that comes anew, without a connection from before.
	client.CloseIdleConnections()
	healthy()

	after := c.resident(t)
	t.Logf("%d hostile clients: slowest of %d acknowledgements %v; resident %d MiB before, %d MiB after, at most %d MiB",
		hostile, n, worst.Round(time.Millisecond), before, after, c.most(t))
	allowed := hostileMost
	if detectsRaces() {
		allowed *= 5 // the detector's own memory
	}
	if most := c.most(t); most > allowed {
		t.Errorf("%d MiB were resident; at most %d are allowed", most, allowed)
	}
	if worst > ackWithin {
		t.Errorf("an acknowledgement took %v; want at most %v", worst, ackWithin)
	}
	resp, err := client.Get(c.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"connections_ended_total{cause=\"displaced\"}", "connections_ended_total{cause=\"no_request\"}", "connections"} {
		if v := value(t, string(metrics), "fibergauge_collector_"+name); v < 1 || name == "connections" && v > 4096 {
			t.Errorf("%s is %g", name, v)
		}
	}
	if stored := value(t, string(metrics), "fibergauge_collector_windows_stored_total"); int(stored) != n {
		t.Errorf("%g windows stored, want %d", stored, n)
	}
}

func detectsRaces() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// needDescriptors lets this process open files.
func needDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= n {
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: max(n, limit.Max)}); err != nil {
		t.Skipf("SKIPPED: needs %d open files: %v", n, err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
}

// child is the program as a process of its own, in the network of whoever
// started it.
type child struct {
	cmd          *exec.Cmd
	log          *logtest.Buffer
	address, url string
}

func startChild(t *testing.T, client *http.Client) *child {
	t.Helper()
	dir := folder(t)
	// The port of a listener that was just closed is free in a network of our own.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &child{log: &logtest.Buffer{}, address: l.Addr().String()}
	c.url = "http://" + c.address
	l.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cmd = exec.CommandContext(ctx, self, "-test.run=^TestChild$")
	c.cmd.Env = append(os.Environ(), childEnv+"="+fmt.Sprintf("serve --past-tolerance=0s --listen=%s --mesh=%s --store=sqlite:%s",
		c.address, filepath.Join(dir, "m.yaml"), filepath.Join(dir, "x.db")))
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = c.cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := client.Get(c.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return c
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the collector does not come up: %v; log:\n%s", err, c.log)
		}
	}
}

// resident and most are the memory of the process, now and ever, in MiB.
func (c *child) resident(t *testing.T) int { return c.status(t, "VmRSS:") }
func (c *child) most(t *testing.T) int     { return c.status(t, "VmHWM:") }

func (c *child) status(t *testing.T, field string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == field {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatalf("the process tells no %s", field)
	return 0
}

// value is that of a counter.
func value(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Errorf("no %s in\n%s", name, metrics)
	return 0
}
