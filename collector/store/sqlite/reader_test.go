package sqlite_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	process "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
)

const (
	firstMS  = 1_748_707_200_000
	minuteMS = 60_000
	nobody   = 65534
)

// putMinute stores one window.
func putMinute(ctx context.Context, s store.Store, minute int) error {
	windows := conformance.Windows(1, "a", "b", firstMS+int64(minute)*minuteMS, 1)
	return s.Put(ctx, store.Admission{At: time.UnixMilli(int64(minute)), Site: "a", Batch: "x", Windows: windows})
}

// count reads all that putMinute stored, windows and journal.
func count(ctx context.Context, s store.Reader) (windows int, err error) {
	for r, err := range s.Windows(ctx, store.Query{Src: "a", Dst: "b", Test: "icmp-1s", ToMS: 1 << 42}) {
		if err != nil {
			return 0, err
		}
		if r.Window.StartMS != firstMS+int64(windows)*minuteMS {
			return 0, fmt.Errorf("window %d starts at %d", windows, r.Window.StartMS)
		}
		windows++
	}
	entries := 0
	for _, err := range s.Journal(ctx, "") {
		if err != nil {
			return 0, err
		}
		entries++
	}
	if entries < windows { // more, if a collector writes meanwhile
		return 0, fmt.Errorf("%d entries for %d windows", entries, windows)
	}
	return windows, s.Ready(ctx)
}

// storeOf makes a store of n windows in a folder that everybody may enter.
func storeOf(t *testing.T, n int) (path string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder, "store.db")
	s := open(t, path)
	for i := range n {
		if err := putMinute(t.Context(), s, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// trace is what a reader could have changed: names, sizes, times and content of
// the folder's files, and the folder's own time.
func trace(t *testing.T, path string) map[string]string {
	t.Helper()
	found := map[string]string{}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, filepath.Dir(path)) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := os.ReadFile(name) // nothing of a folder
		found[filepath.Base(name)] = fmt.Sprintf("%s %s %x", info.Mode(), info.ModTime(), sha256.Sum256(content))
	}
	return found
}

// child is a process of its own that has opened a store. It does something for
// each line that it is sent, and answers with a line.
type child struct {
	t      *testing.T
	cmd    *process.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
}

const childEnv = "FIBERGAUGE_TEST_CHILD"

// start runs a child that reads or writes, as nobody if asked.
func start(t *testing.T, what, path string, asNobody bool) *child {
	t.Helper()
	// By its descriptor, because nobody may not enter the folder of the test's
	// executable.
	cmd := process.Command("/proc/self/exe", "-test.run=^TestChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), childEnv+"="+what+":"+path)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	if what == "fill" {
		if os.Geteuid() != 0 {
			t.Skip("SKIPPED: to mount a file system, the tests have to run as root")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	if asNobody {
		if os.Geteuid() != 0 {
			t.Skip("SKIPPED: to read as another user, the tests have to run as root")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t, cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(c.kill)
	return c
}

func (c *child) say(line string) (answer string) {
	c.t.Helper()
	if line != "" {
		if _, err := fmt.Fprintln(c.stdin, line); err != nil {
			c.t.Fatal(err)
		}
	}
	if !c.stdout.Scan() {
		c.t.Fatalf("the child has ended: %v", c.stdout.Err())
	}
	return c.stdout.Text()
}

func (c *child) wants(line, want string) {
	c.t.Helper()
	if got := c.say(line); got != want {
		c.t.Fatalf("%q gives %q, want %q", line, got, want)
	}
}

// close ends the child in good order, kill does not.
func (c *child) close() {
	c.t.Helper()
	if err := c.stdin.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.wants("", "closed")
	_ = c.cmd.Wait()
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	_ = c.cmd.Wait()
}

// TestChild is the other process of other tests.
func TestChild(t *testing.T) {
	what, path, _ := strings.Cut(os.Getenv(childEnv), ":")
	if what == "" {
		t.Skip("the process of another test")
	}
	var reader store.Reader
	var writer store.Store
	var err error
	folder := path
	if what == "fill" {
		if err := smallDisk(folder); err != nil {
			fmt.Println("mount:", err)
			return
		}
		path = filepath.Join(folder, "store.db")
	}
	if what != "read" {
		writer, err = sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
		reader = writer
	} else {
		reader, err = sqlite.OpenReader(t.Context(), path)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open")
	for lines, n := bufio.NewScanner(os.Stdin), 0; lines.Scan(); {
		switch word, number, _ := strings.Cut(lines.Text(), " "); word {
		case "put":
			fmt.Sscan(number, &n)
			if n < 1000 {
				fmt.Println("put", n, putMinute(t.Context(), writer, n))
				continue
			}
			windows := conformance.Windows(2, "a", "c", firstMS, n)
			fmt.Println("put", n, writer.Put(t.Context(), store.Admission{At: time.UnixMilli(1), Site: "a", Batch: "x", Windows: windows}))
		case "ready":
			fmt.Println("ready", writer.Ready(t.Context()))
		case "fill":
			if err := fill(folder); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println("filled")
		case "empty":
			if err := os.Remove(filepath.Join(folder, "filler")); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println("emptied")
		case "count":
			got, err := count(t.Context(), reader)
			fmt.Println("counted", got, err)
		}
	}
	if err := reader.Close(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("closed")
}

// TestReaderLeavesNoTrace reads stores that nobody writes.
func TestReaderLeavesNoTrace(t *testing.T) {
	for _, test := range []struct {
		name     string
		asNobody bool
		prepare  func(t *testing.T, path string)
	}{
		{"own", false, func(*testing.T, string) {}},
		{"somebody else's", true, func(*testing.T, string) {}},
		{"read-only", true, func(t *testing.T, path string) { chmod(t, path, 0o444); chmod(t, filepath.Dir(path), 0o555) }},
		{"everybody's", true, func(t *testing.T, path string) { chmod(t, path, 0o666); chmod(t, filepath.Dir(path), 0o777) }},
		{"empty log", true, func(t *testing.T, path string) { write(t, path+"-wal", "") }},
		{"without a log", true, func(t *testing.T, path string) { exec1(t, path, "PRAGMA journal_mode = DELETE") }},
		{"log of a killed collector, somebody else's", true, killCollector},
		{"log of a killed collector, own", false, killCollector},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := storeOf(t, 3)
			test.prepare(t, path)
			before := trace(t, path)
			c := start(t, "read", path, test.asNobody)
			c.wants("", "open")
			want := "counted 3 <nil>"
			if strings.HasPrefix(test.name, "log of") {
				want = "counted 4 <nil>"
			}
			c.wants("count", want)
			c.wants("count", want)
			c.close()
			if diff := cmp.Diff(before, trace(t, path)); diff != "" {
				t.Errorf("the folder has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func exec1(t *testing.T, path, statement string) {
	t.Helper()
	db := raw(t, path)
	exec(t, db, statement)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// killCollector lets one put the window of minute 3 and die.
func killCollector(t *testing.T, path string) {
	t.Helper()
	c := start(t, "write", path, false)
	c.wants("", "open")
	c.wants("put 3", "put 3 <nil>")
	c.kill()
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the collector has left no log: %v", err)
	}
}

// TestReaderBesideWriter has a reader open while collectors come, write and go,
// orderly or not. It sees what was confirmed.
func TestReaderBesideWriter(t *testing.T) {
	for name, asNobody := range map[string]bool{"own": false, "somebody else's": true} {
		t.Run(name, func(t *testing.T) {
			path := storeOf(t, 1)
			n := 1
			r := start(t, "read", path, asNobody)
			r.wants("", "open")
			counted := func() {
				t.Helper()
				r.wants("count", fmt.Sprintf("counted %d <nil>", n))
			}
			counted()
			for round := range 4 {
				w := start(t, "write", path, false)
				w.wants("", "open")
				if round%2 == 1 { // else the first read meets the log with one commit
					counted()
				}
				for range 3 {
					w.wants(fmt.Sprintf("put %d", n), fmt.Sprintf("put %d <nil>", n))
					n++
					counted()
					late := start(t, "read", path, asNobody)
					late.wants("", "open")
					late.wants("count", fmt.Sprintf("counted %d <nil>", n))
					late.close()
				}
				if round == 2 {
					w.kill()
				} else {
					w.close()
				}
				counted()
			}
			r.close()
		})
	}
}

// TestReadersTogether has many read through one Reader while a collector that
// comes and goes changes how the file has to be opened.
func TestReadersTogether(t *testing.T) {
	path := storeOf(t, 1)
	r, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const rounds = 15
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if n, err := count(t.Context(), r); err != nil || n < 1 || n > rounds+1 {
					t.Errorf("%d windows, %v", n, err)
					return
				}
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		w := start(t, "write", path, false)
		w.wants("", "open")
		w.wants(fmt.Sprintf("put %d", n), fmt.Sprintf("put %d <nil>", n))
		w.close()
	}
	stop()
	wg.Wait()
	if n, err := count(t.Context(), r); n != rounds+1 || err != nil {
		t.Errorf("%d windows, %v", n, err)
	}
}

// TestReaderWithoutIndex meets a log beside which the index of it is missing,
// as after a copy of the two files.
func TestReaderWithoutIndex(t *testing.T) {
	path := storeOf(t, 3)
	killCollector(t, path)
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	start(t, "read", path, true).wants("", path+": windows stand in its log, "+path+"-wal, which cannot be read in a folder that may not be written (permission denied); "+
		`copy it with: sqlite3 FILE ".backup COPY", as somebody who may write there, or give write permission to the folder`)
	c := start(t, "read", path, false)
	c.wants("", "open")
	c.wants("count", "counted 4 <nil>")
}

func TestOpenReaderRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string // after the path
	}{
		{"missing", func(*testing.T, string) {}, "there is no such file; give the one that the collector writes"},
		{"empty", func(t *testing.T, path string) { write(t, path, "") }, "the file is empty; give the one that the collector writes"},
		{"text", func(t *testing.T, path string) { write(t, path, strings.Repeat("version: 1\n", 500)) },
			"is not an SQLite database; give another path"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "is a folder; give the path of a file in it"},
		{"another program's", func(t *testing.T, path string) { exec1(t, path, "CREATE TABLE notes (x)") },
			"is the SQLite database of another program; give a path of its own"},
		{"newer", func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			exec1(t, path, "PRAGMA user_version = 7")
		}, "was written by a newer Fibergauge (schema 7, this one knows 2); upgrade this program"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			test.prepare(t, path)
			before := trace(t, path)
			s, err := sqlite.OpenReader(t.Context(), path)
			if err == nil {
				t.Fatal("was opened", s.Close())
			}
			if want := path + ": " + test.want; err.Error() != want {
				t.Errorf("error\n %s, not\n %s", err, want)
			}
			if _, ok := errors.AsType[*sqlite.FileError](err); !ok {
				t.Errorf("%T is no FileError", err)
			}
			if diff := cmp.Diff(before, trace(t, path)); diff != "" {
				t.Errorf("the folder has changed (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		path := storeOf(t, 1)
		chmod(t, path, 0o600)
		start(t, "read", path, true).wants("", path+": may not be read: permission denied; mend its permissions")
	})
}

// TestReaderOfReplacedFile does not mix two files.
func TestReaderOfReplacedFile(t *testing.T) {
	path, other := storeOf(t, 2), storeOf(t, 5)
	s, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n, err := count(t.Context(), s); n != 2 || err != nil {
		t.Fatalf("%d windows, %v", n, err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if _, err := count(t.Context(), s); err == nil || !strings.Contains(err.Error(), "was removed or replaced while it was open") {
		t.Errorf("error is %v", err)
	}
}

// TestReaderDuringCheckpoints reads without a pause while a collector writes
// enough to move its log into the file, and start it anew, several times.
func TestReaderDuringCheckpoints(t *testing.T) {
	for name, asNobody := range map[string]bool{"own": false, "somebody else's": true} {
		t.Run(name, func(t *testing.T) {
			path := storeOf(t, 1)
			w := start(t, "write", path, false)
			w.wants("", "open")
			r := start(t, "read", path, asNobody)
			r.wants("", "open")
			const puts = 300
			done := make(chan int)
			go func() {
				defer close(done)
				for n := 1; n <= puts; n++ {
					if _, err := fmt.Fprintln(w.stdin, "put", n); err != nil || !w.stdout.Scan() || w.stdout.Text() != fmt.Sprintf("put %d <nil>", n) {
						t.Errorf("put %d gives %q, %v", n, w.stdout.Text(), err)
						return
					}
					done <- n
				}
			}()
			stored, running := 0, true
			for running {
				select {
				case n, ok := <-done:
					if running = ok; ok {
						stored = n
					}
					continue
				default:
				}
				var got int
				if answer := r.say("count"); !counts(answer, &got) || got < stored+1 {
					t.Fatalf("%q after %d were stored", answer, stored+1)
				}
			}
			r.wants("count", fmt.Sprintf("counted %d <nil>", puts+1))
		})
	}
}

func counts(answer string, n *int) bool {
	var rest string
	found, err := fmt.Sscanf(answer, "counted %d %s", n, &rest)
	return found == 2 && err == nil && rest == "<nil>"
}
