package dashboards

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// The generated year of the national mesh: what dashboards show is asked for as
// if it had just ended, in the time zone of the mesh.
var (
	yearEnd   = time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC)
	yearBegin = time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC)
)

// programs is the folder of the programs: $FIBERGAUGE_BIN, which make test sets,
// or built for this test.
func programs(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("FIBERGAUGE_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	for _, program := range []string{"collector", "analyzer", "lab"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "fibergauge-"+program), "./"+program)
		build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build, err, out)
		}
	}
	return dir
}

// national is a collector and an analyzer over one store.
type national struct {
	url      string
	analyzer *os.Process
}

// startNational generates the year, unless $FIBERGAUGE_YEAR names a store that
// holds it, has a collector archive the mesh, and an analyzer serve it all. Months
// are made before it returns.
func startNational(t testing.TB) *national {
	t.Helper()
	bin, dir := programs(t), t.TempDir()
	file := os.Getenv("FIBERGAUGE_YEAR")
	if file == "" {
		file = filepath.Join(dir, "year.sqlite")
		generate := exec.CommandContext(t.Context(), filepath.Join(bin, "fibergauge-lab"), "generate", "--mesh", "../lab/year-mesh.yaml",
			"--wan", "../lab/national-wan.yaml", "--from", "2025-01", "--to", "2025-12", "--store", "sqlite:"+file)
		if out, err := generate.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	start(t, filepath.Join(bin, "fibergauge-collector"), "serve", "--mesh", "../lab/year-mesh.yaml", "--store", "sqlite:"+file, "--listen", "127.0.0.1:0")
	// The mesh is the one that the collector has archived.
	url, process := start(t, filepath.Join(bin, "fibergauge-analyzer"), "serve", "--store", "sqlite:"+file, "--cache", filepath.Join(dir, "cache"), "--listen", "127.0.0.1:0")
	n := &national{url, process}
	n.awaitMonths(t)
	return n
}

var served = regexp.MustCompile(`(?:url=|address=|listen=|addr=)"?((?:https?://)?127\.0\.0\.1:\d+)`)

// start runs a program until the test ends, and gives the address it serves.
func start(t testing.TB, program string, args ...string) (url string, process *os.Process) {
	t.Helper()
	server := exec.Command(program, args...)
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = server.Wait()
	})
	lines, said := bufio.NewScanner(log), ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if match := served.FindStringSubmatch(lines.Text()); match != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return match[1], server.Process
		}
	}
	t.Fatalf("%s does not say where it serves:\n%s", program, said)
	return "", nil
}

// awaitMonths waits until the reports of all months are made, which the first who
// asks begins.
func (n *national) awaitMonths(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		pending := n.pendingMonths(t)
		if pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after five minutes %d months are not made", pending)
		}
	}
}

func (n *national) pendingMonths(t testing.TB) (pending int) {
	t.Helper()
	response, err := http.Get(n.url + "/api/v1/months?limit=60")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var months api.Months
	if err := json.NewDecoder(response.Body).Decode(&months); err != nil || response.StatusCode != 200 || len(months.Months) != 12 {
		t.Fatal(fmt.Errorf("%d, %d months: %w", response.StatusCode, len(months.Months), err))
	}
	for _, m := range months.Months {
		if m.Pending {
			pending++
		}
	}
	return pending
}
