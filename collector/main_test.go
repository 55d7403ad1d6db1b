package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func run(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, log logtest.Buffer
	status = cli.Run(ctx, "fibergauge-collector", about, &grammar{}, args, &out, &log)
	return status, out.String(), log.String()
}

// folder is one with a short name, for sockets, with a mesh in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeMesh(t, dir, "m.yaml", fakestore.MeshYAML("now"))
	return dir
}

func writeMesh(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWrongUsage(t *testing.T) {
	dir := folder(t)
	t.Chdir(dir)
	writeMesh(t, dir, "bad.yaml", []byte("version: 2\n"))
	writeMesh(t, dir, "config.yaml", []byte("mesh: m.yaml\nlisten_on: here\n"))
	good := []string{"--mesh", "m.yaml", "--store", "sqlite:x.db"}
	const away = ` can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:8862, or unix:PATH`
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no mesh", []string{"--store", "sqlite:x.db"}, 2, "missing flags: --mesh=FILE; see fibergauge-collector COMMAND --help"},
		{"unknown flag", append([]string{"--tls"}, good...), 2, "unknown flag --tls, did you mean one of \"--tls-certificate\", \"--tls-key\"?; see fibergauge-collector COMMAND --help"},
		{"all addresses", append([]string{"--listen", "0.0.0.0:8862"}, good...), 2, `listen: "0.0.0.0:8862"` + away},
		{"another address", append([]string{"--listen", "192.0.2.1:8862"}, good...), 2, `listen: "192.0.2.1:8862"` + away},
		{"no host", append([]string{"--listen", ":8862"}, good...), 2, `listen: ":8862"` + away},
		{"no port", append([]string{"--listen", "127.0.0.1"}, good...), 2, `listen: "127.0.0.1" is not an address; write 127.0.0.1:8862, [::1]:8862 or unix:PATH`},
		{"no socket path", append([]string{"--listen", "unix:"}, good...), 2, "listen: unix: names no path; write unix:/run/fibergauge/collector.sock"},
		{"socket mode", append([]string{"--socket-mode", "0777"}, good...), 2, `--socket-mode must be one of "0600","0660" but got "0777"; see fibergauge-collector COMMAND --help`},
		{"site rate", append([]string{"--site-rate", "0"}, good...), 2, "site-rate: 0 is not above 0 and at most 10000"},
		{"site rate is no number", append([]string{"--site-rate", "NaN"}, good...), 2, "site-rate: NaN is not above 0 and at most 10000"},
		{"batches", append([]string{"--max-batches", "0"}, good...), 2, "max-batches: 0 is not within 1 to 10000"},
		{"tolerance", append([]string{"--future-tolerance", "2h"}, good...), 2, "future-tolerance: 2h0m0s is not within 0s to 1h"},
		{"store timeout", append([]string{"--store-timeout", "10ms"}, good...), 2, "store-timeout: 10ms is not within 1s to 10m"},
		{"stop timeout", append([]string{"--stop-timeout", "1h"}, good...), 2, "stop-timeout: 1h0m0s is not within 0s to 10m"},
		{"no mesh file", []string{"--mesh", "none.yaml", "--store", "sqlite:x.db"}, 2, "none.yaml: cannot be read: no such file or directory"},
		{"bad mesh", []string{"--mesh", "bad.yaml", "--store", "sqlite:x.db"}, 2, "bad.yaml:1: version: is 2; this program reads version 1"},
		{"unknown store", []string{"--mesh", "m.yaml", "--store", "mysql:x", "--listen", "unix:c.sock"}, 2, `store "mysql:x" is neither sqlite:PATH nor influx:FILE`},
		{"store without a place", []string{"--mesh", "m.yaml", "--store", "sqlite:", "--listen", "unix:c.sock"}, 2, `store "sqlite:" names no file; give sqlite:PATH or influx:FILE`},
		{"no store file", []string{"--mesh", "m.yaml", "--store", "influx:none.yaml", "--listen", "unix:c.sock"}, 2, "none.yaml: cannot be read: no such file or directory"},
		{"another file as store", []string{"--mesh", "m.yaml", "--store", "sqlite:config.yaml", "--listen", "unix:c.sock"}, 2, "store config.yaml: is not an SQLite database; give another path"},
		{"bad setting", append([]string{"--config", "config.yaml"}, good...), 2,
			"config.yaml:2: listen_on: unknown setting; fibergauge-collector COMMAND knows: allow-unsigned, client-ca, crl, future-tolerance, listen, log-format, log-level, max-batches, max-connections, mesh, past-tolerance, pki, site-rate, socket-mode, stop-timeout, store, store-timeout, tls-certificate, tls-key, trust-domain"},
	} {
		for _, command := range []string{"serve", "check"} {
			t.Run(c.name+"/"+command, func(t *testing.T) {
				status, stdout, stderr := run(t.Context(), append([]string{command}, c.args...)...)
				if diff := cmp.Diff("fibergauge-collector: "+strings.ReplaceAll(c.want, "COMMAND", command)+"\n", stderr); diff != "" || status != c.status {
					t.Errorf("status %d, want %d; stderr (-want +got):\n%s", status, c.status, diff)
				}
				if strings.Contains(stdout, "listen ") {
					t.Errorf("stdout says that all is well: %s", stdout)
				}
			})
		}
	}
	left, err := filepath.Glob("*")
	if diff := cmp.Diff([]string{"bad.yaml", "config.yaml", "m.yaml"}, left); diff != "" || err != nil {
		t.Errorf("something was left behind (-want +got):\n%s%v", diff, err)
	}
}

func TestServeFails(t *testing.T) {
	dir := folder(t)
	t.Chdir(dir)
	live, err := net.Listen("unix", "live.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if err := os.WriteFile("read.yaml", []byte("url: http://127.0.0.1:8086\nbucket: b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inUse := port.Addr().String()
	for _, c := range []struct {
		listen, store, want string
		status              int
	}{
		{"unix:live.sock", "sqlite:x.db", "listen: another program answers at live.sock; stop it or choose another path", 1},
		{"unix:m.yaml", "sqlite:x.db", "listen: m.yaml exists and is not a socket; choose another path", 1},
		{inUse, "sqlite:x.db", "listen: " + inUse + " is in use by another program; stop it or choose another port", 1},
		{"unix:c.sock", "influx:read.yaml", "read.yaml: secret_file: is missing; name the file with the secret that all collectors of this store share (to make it: openssl rand -hex 32)", 2},
	} {
		for _, command := range []string{"serve", "check"} {
			status, stdout, stderr := run(t.Context(), command, "--mesh", "m.yaml", "--store", c.store, "--listen", c.listen)
			if diff := cmp.Diff("fibergauge-collector: "+strings.ReplaceAll(c.want, "COMMAND", command)+"\n", stderr); diff != "" || status != c.status {
				t.Errorf("%s --listen %s: status %d, stderr (-want +got):\n%s", command, c.listen, status, diff)
			}
			if strings.Contains(stdout, "listen ") {
				t.Errorf("%s --listen %s: stdout says that all is well: %s", command, c.listen, stdout)
			}
		}
	}
	status, _, stderr := run(t.Context(), "serve", "--mesh", "m.yaml")
	if want := "fibergauge-collector: missing flags: --store=SPEC; see fibergauge-collector serve --help\n"; status != 2 || stderr != want {
		t.Errorf("serve without a store: status %d, %q", status, stderr)
	}
	left, err := filepath.Glob("*")
	if diff := cmp.Diff([]string{"live.sock", "m.yaml", "read.yaml"}, left); diff != "" || err != nil {
		t.Errorf("something was left behind (-want +got):\n%s%v", diff, err)
	}
}

// childEnv holds the arguments with which TestChild runs the program.
const childEnv = "FIBERGAUGE_TEST_CHILD"

// TestChild is the program as TestCheckPermissions runs it.
func TestChild(t *testing.T) {
	args := os.Getenv(childEnv)
	if args == "" {
		t.Skip("the process of another test")
	}
	os.Exit(cli.Run(t.Context(), "fibergauge-collector", about, &grammar{}, strings.Fields(args), os.Stdout, os.Stderr))
}

// TestCheckPermissions has nobody, who may write almost nothing, check.
func TestCheckPermissions(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: to be another user, the tests have to run as root")
	}
	dir := folder(t)
	t.Chdir(dir)
	for _, name := range []string{".", "open", "shut", "mixed"} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{".": 0o755, "m.yaml": 0o644, "open": 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"shut/x.db": 0o644, "open/x.db": 0o644, "open/mine.db": 0o666, "shut/mine.db": 0o666} {
		s, err := open.Writer(t.Context(), "sqlite:"+name, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Close(), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("open/empty.db", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const mend = "; mend its permissions"
	for _, c := range []struct {
		store, listen string
		status        int
		want          string // the line of the store, or the error
	}{
		{"open/mine.db", "unix:open/c.sock", 0, "ready"},
		{"open/new.db", "unix:open/c.sock", 0, "not there yet; serve would make it"},
		{"open/a/b/new.db", "unix:open/c.sock", 0, "not there yet; serve would make it"},
		{"open/x.db", "unix:open/c.sock", 2, "store open/x.db: cannot be written: permission denied" + mend},
		{"open/empty.db", "unix:open/c.sock", 2, "store open/empty.db: cannot be written: permission denied" + mend},
		{"shut/x.db", "unix:open/c.sock", 2, "store shut/x.db: cannot be written: permission denied" + mend},
		{"shut/mine.db", "unix:open/c.sock", 2, "store shut/mine.db: its folder cannot be written, and the log has to be made there: permission denied" + mend},
		{"shut/new.db", "unix:open/c.sock", 2, "store shut/new.db: cannot be made: folder shut cannot be written: permission denied" + mend + ", or choose another path"},
		{"shut/a/b/new.db", "unix:open/c.sock", 2, "store shut/a/b/new.db: cannot be made: folder shut cannot be written: permission denied" + mend + ", or choose another path"},
		{"open/mine.db", "unix:shut/c.sock", 1, "listen: the folder of the Unix socket shut/c.sock must exist and be writable: permission denied"},
		{"open/mine.db", "unix:none/c.sock", 1, "listen: the folder of the Unix socket none/c.sock must exist and be writable: no such file or directory"},
	} {
		before := tree(t)
		// By its descriptor, because nobody may not enter the folder of the
		// test's executable.
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childEnv+"=check --mesh m.yaml --store sqlite:"+c.store+" --listen "+c.listen)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		wantErr := "fibergauge-collector: " + c.want + "\n"
		if c.status == 0 {
			wantErr = ""
			if line := "\nstore    sqlite:" + c.store + ": " + c.want + "\nlisten   "; !strings.Contains(stdout.String(), line) {
				t.Errorf("%s: no line %q in\n%s", c.store, line, stdout.String())
			}
		}
		if diff := cmp.Diff(wantErr, stderr.String()); diff != "" || cmd.ProcessState.ExitCode() != c.status {
			t.Errorf("%s, %s: status %d, want %d; stderr (-want +got):\n%s", c.store, c.listen, cmd.ProcessState.ExitCode(), c.status, diff)
		}
		if diff := cmp.Diff(before, tree(t)); diff != "" {
			t.Errorf("%s, %s: something was changed (-want +got):\n%s", c.store, c.listen, diff)
		}
	}
}

// tree is what stands below the working directory, and when it was changed.
func tree(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			found[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCheck(t *testing.T) {
	dir := folder(t)
	t.Chdir(dir)
	want := `mesh     now (m.yaml)
sha256   ` + fakestore.Mesh("now").SHA256() + `
clusters 2 in 1 hub, 1 pair
sites    7, 6 of them now
test     icmp: 6 links now, icmp every 1000 ms, windows of 60 s, judged
test     slow: 1 link now, icmp every 60000 ms, windows of 900 s
distance 1 of 1 pair estimated (class C, geodesic × 1.3)
store    sqlite:new/x.db: not there yet; serve would make it
listen   unix:c.sock, without TLS: local connections only
`
	status, stdout, stderr := run(t.Context(), "check", "--mesh", "m.yaml", "--store", "sqlite:new/x.db", "--listen", "unix:c.sock")
	if diff := cmp.Diff(want, stdout); diff != "" || status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q, stdout (-want +got):\n%s", status, stderr, diff)
	}
	left, err := filepath.Glob("*")
	if diff := cmp.Diff([]string{"m.yaml"}, left); diff != "" || err != nil {
		t.Errorf("check left something (-want +got):\n%s%v", diff, err)
	}

	status, stdout, stderr = run(t.Context(), "check", "--mesh", "m.yaml", "--listen", "127.0.0.1:0")
	want = strings.Replace(want, "sqlite:new/x.db: not there yet; serve would make it", "not asked; give --store", 1)
	want = strings.Replace(want, "unix:c.sock", "127.0.0.1:0", 1)
	if diff := cmp.Diff(want, stdout); diff != "" || status != 0 || stderr != "" {
		t.Errorf("without a store: status %d, stderr %q, stdout (-want +got):\n%s", status, stderr, diff)
	}

	if err := os.WriteFile("empty.db", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ = run(t.Context(), "check", "--mesh", "m.yaml", "--store", "sqlite:empty.db", "--listen", "unix:c.sock")
	if info, err := os.Stat("empty.db"); err != nil || info.Size() != 0 || status != 0 || !strings.Contains(stdout, "serve would make it") {
		t.Errorf("an empty file: status %d, %v, %v, stdout\n%s", status, info, err, stdout)
	}

	status, _, stderr = run(t.Context(), "check", "--mesh", "m.yaml", "--store", "sqlite:m.yaml/deep/x.db", "--listen", "unix:c.sock")
	want = "fibergauge-collector: store m.yaml/deep/x.db: its folder cannot be made: m.yaml is not a folder; choose another path\n"
	if diff := cmp.Diff(want, stderr); diff != "" || status != 2 {
		t.Errorf("a file for a folder: status %d, stderr (-want +got):\n%s", status, diff)
	}
}

// serving is a collector that runs on a Unix socket and a SQLite file.
type serving struct {
	client http.Client
	log    *logtest.Buffer
	stop   func() int
}

func startServing(t *testing.T, dir string, flags ...string) *serving {
	t.Helper()
	sock := filepath.Join(dir, "c.sock")
	s := &serving{log: &logtest.Buffer{}, client: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", sock)
		},
	}}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		args := []string{"serve", "--mesh", filepath.Join(dir, "m.yaml"), "--store", "sqlite:" + filepath.Join(dir, "x.db"), "--listen", "unix:" + sock, "--past-tolerance=0s"}
		ended <- cli.Run(ctx, "fibergauge-collector", about, &grammar{}, append(args, flags...), io.Discard, s.log)
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	s.wait(t, "it serves", func() bool {
		resp, err := s.client.Get("http://collector/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return s
}

// wait waits for something that happens in another goroutine.
func (s *serving) wait(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s; log:\n%s", what, s.log)
		}
	}
}

func (s *serving) post(t *testing.T, batch *wire.Batch) *wire.Ack {
	t.Helper()
	body, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Post("http://collector/v1/sites/"+batch.Site+"/windows", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", resp.StatusCode, data, err)
	}
	ack, err := wire.DecodeAck(data)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// TestToleranceIsInForce: the flags about time reach the desk where windows are
// admitted.
func TestToleranceIsInForce(t *testing.T) {
	s := startServing(t, folder(t), "--past-tolerance=1h")
	ack := s.post(t, fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0)))
	if len(ack.Refused) != 1 || !strings.Contains(ack.Refused[0].Message, "earlier than the collector's clock allows") {
		t.Errorf("a window of long ago: %+v", ack)
	}
}

// TestServe runs a collector with a real store through a change of the mesh
// and a restart, and reads back what it kept.
func TestServe(t *testing.T) {
	dir := folder(t)
	now, next := fakestore.Mesh("now"), fakestore.Mesh("next")
	first, second := fakestore.Window(now, 1), fakestore.Window(now, 0)

	s := startServing(t, dir)
	ack := s.post(t, fakestore.Batch(first))
	if ack.Stored != 1 || ack.MeshSHA256 != now.SHA256() {
		t.Errorf("ack %+v", ack)
	}
	// SIGHUP goes to the whole test binary, in which only this collector
	// listens for it.
	writeMesh(t, dir, "m.yaml", fakestore.MeshYAML("next"))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "the next mesh is served", func() bool { return strings.Contains(s.log.String(), "msg=\"serving mesh\" mesh=next") })
	// A window of the version before, and one that was sent before.
	ack = s.post(t, fakestore.Batch(first, second))
	if ack.Stored != 2 || ack.MeshSHA256 != next.SHA256() {
		t.Errorf("ack %+v", ack)
	}
	if status := s.stop(); status != cli.StatusDone {
		t.Errorf("status %d; log:\n%s", status, s.log)
	}
	if !strings.HasSuffix(strings.TrimSpace(s.log.String()), `msg="collector stopped"`) {
		t.Errorf("log:\n%s", s.log)
	}
	if _, err := os.Lstat(filepath.Join(dir, "c.sock")); err == nil {
		t.Error("the socket is still there")
	}

	// Another collector on the same store knows the version before.
	s = startServing(t, dir)
	third := fakestore.Window(now, 2)
	if ack := s.post(t, fakestore.Batch(third)); ack.Stored != 1 {
		t.Errorf("after a restart: ack %+v", ack)
	}
	s.stop()

	kept, err := open.Reader(t.Context(), "sqlite:"+filepath.Join(dir, "x.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	var records []store.Record
	for record, err := range kept.Windows(t.Context(), store.Query{Src: "a1", Dst: "b1", Test: "icmp", ToMS: fakestore.Now().UnixMilli()}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	if diff := cmp.Diff([]store.Record{{Window: third}, {Window: first}, {Window: second}}, records); diff != "" {
		t.Errorf("windows (-want +got):\n%s", diff)
	}
	entries := 0
	for entry, err := range kept.Journal(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if entries++; entry.Site != "a1" || len(entry.Spans) != 1 {
			t.Errorf("journal entry %+v", entry)
		}
	}
	if entries != 3 {
		t.Errorf("%d journal entries, want 3", entries)
	}
	versions, err := kept.Meshes(t.Context())
	if err != nil || len(versions) != 2 || versions[0].SHA256 != now.SHA256() || !bytes.Equal(versions[1].Bytes, next.Bytes()) {
		t.Errorf("versions %+v, %v", versions, err)
	}
}
