package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/ping"
)

var repository = filepath.Join("..", "..")

// count is how many packets each measurement sends that count.
const count = 10

// missing skips the test loudly for what cannot be had, but in continuous
// integration it fails.
func missing(t *testing.T, peer, format string, args ...any) {
	t.Helper()
	miss := t.Skipf
	if os.Getenv("CI") == "true" {
		miss = t.Fatalf
	}
	miss("NOT TESTED against "+peer+": "+format, args...)
}

// peer gives the path of a program that is not ours.
func peer(t *testing.T, name string) string {
	t.Helper()
	find := exec.CommandContext(t.Context(), filepath.Join(repository, "scripts", "peers"), "path", name)
	var log bytes.Buffer
	find.Stderr = &log
	path, err := find.Output()
	if err != nil {
		missing(t, name, "%v: %s", err, log.String())
	}
	return strings.TrimSpace(string(path))
}

// binaries names the folder of our programs; make test sets it.
const binaries = "FIBERGAUGE_BIN"

// TestMain builds our program once where nobody has.
func TestMain(m *testing.M) { os.Exit(withProbe(m.Run)) }

func withProbe(run func() int) int {
	if os.Getenv(binaries) != "" {
		return run()
	}
	dir, err := os.MkdirTemp("", "fibergauge-interop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "fibergauge-probe"), "./probe")
	build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
		return 1
	}
	if err := os.Setenv(binaries, dir); err != nil {
		panic(err)
	}
	return run()
}

// probe is our program.
func probe() string { return filepath.Join(os.Getenv(binaries), "fibergauge-probe") }

// process is a program that runs until it is told to stop.
type process struct {
	cmd    *exec.Cmd
	result *logtest.Buffer // standard output
	all    *logtest.Buffer // standard error
}

func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "RUST_LOG=info", "NO_COLOR=1")
	return cmd
}

// start starts a program, and waits until it says that it is ready. It gives
// what ready finds.
func start(t *testing.T, ready *regexp.Regexp, program string, args ...string) (*process, []string) {
	t.Helper()
	p := &process{cmd: command(context.Background(), program, args...), result: &logtest.Buffer{}, all: &logtest.Buffer{}}
	p.cmd.Stdout, p.cmd.Stderr = p.result, p.all
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if found := ready.FindStringSubmatch(p.result.String() + p.all.String()); found != nil {
			return p, found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v does not get ready:\n%s%s", p.cmd, p.result, p.all)
		}
	}
}

// stop lets the program end in good order, and gives its results.
func (p *process) stop(t *testing.T) string {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v: %v\n%s", p.cmd, err, p.all)
	}
	return p.result.String()
}

// port gives a port of this process that the system gives to nobody who asks
// for any, for peers that cannot tell which one they got.
func port(offset int) string {
	const each, first, ranges = 64, 10_000, 300
	return fmt.Sprint(first + os.Getpid()%ranges*each + offset)
}

// Keys in hex. No reflector has the second.
const (
	sharedKey  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	anotherKey = "f0e0d0c0b0a09080706050403020100000102030405060708090a0b0c0d0e0f0"
)

// keyFile writes a key as our programs read it.
func keyFile(t *testing.T, key string) string {
	t.Helper()
	return write(t, "keys.yaml", fmt.Sprintf("- {prefix: 127.0.0.0/8, key: %s}\n- {prefix: '::1', key: %[1]s}\n", key))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// measure measures by our sender.
func measure(t *testing.T, program, address, port string, args ...string) ping.Result {
	t.Helper()
	args = append([]string{"ping", address, "--method=stamp", "--port=" + port, "--count=" + fmt.Sprint(count), "--interval=10ms", "--json"}, args...)
	cmd := command(t.Context(), program, args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	var r ping.Result
	if jsonErr := json.Unmarshal(out, &r); jsonErr != nil {
		t.Fatalf("%v: %v, %v\n%s", cmd, err, jsonErr, log.String())
	}
	return r
}

// outcome is what our sender must have learned.
type outcome struct {
	Sent, Received, Lost, Late, Duplicate, SendError, Unstamped int
	Authenticated                                               bool
	ForwardLost, ReverseLost, Reordered                         int
	DSCPReceived                                                int // -1: it was not told
}

// checkOutcome holds what our sender learned against what it must have.
func checkOutcome(t *testing.T, r ping.Result, want outcome) {
	t.Helper()
	got := outcome{
		Sent: r.Sent, Received: r.Received, Lost: r.Lost, Late: r.Late, Duplicate: r.Duplicate, SendError: r.SendError, Unstamped: r.Unstamped,
		DSCPReceived: -1,
	}
	if s := r.STAMP; s != nil {
		got.Authenticated, got.ForwardLost, got.ReverseLost, got.Reordered = s.Authenticated, s.ForwardLost, s.ReverseLost, s.Reordered
		if s.DSCPReceived != nil {
			got.DSCPReceived = *s.DSCPReceived
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("our sender (-want +got):\n%s", diff)
	}
	if want.Received == 0 {
		return
	}
	if r.Timestamps != "kernel" || r.P50US == nil || !sane(float64(*r.P50US)/1000) {
		told, _ := json.Marshal(r)
		t.Errorf("our sender's timestamps or RTTs are not those of loopback: %s", told)
	}
}

// sane tells whether a median RTT over loopback can be believed.
func sane(ms float64) bool { return 0 < ms && ms < 100 }

var reflectorListens = regexp.MustCompile(`msg="reflector listens" on=(\S+):(\d+)`)

// reflect starts our reflector. It gives its port.
func reflect(t *testing.T, program, address string, args ...string) (*process, string) {
	t.Helper()
	listen := address + ":0"
	if strings.Contains(address, ":") {
		listen = "[" + address + "]:0"
	}
	p, found := start(t, reflectorListens, program, append([]string{"reflect", "--listen=" + listen, "--allow=127.0.0.0/8,::1"}, args...)...)
	return p, found[2]
}

// checkReflector stops our reflector and holds its account against want.
func checkReflector(t *testing.T, p *process, want string) {
	t.Helper()
	p.stop(t)
	_, account, _ := strings.Cut(p.all.String(), `msg="reflector stopped" `)
	account = strings.ReplaceAll(strings.TrimSpace(account), "since_start.", "")
	if account != want {
		t.Errorf("our reflector counted %s, want %s", account, want)
	}
}
