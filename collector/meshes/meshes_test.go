package meshes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/mesh"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestServedOnlyWhenArchived(t *testing.T) {
	stored := &fakestore.Store{Away: true}
	v := NewVersions(stored, fakestore.Now, quiet())
	m := fakestore.Mesh("one")
	err := v.Serve(t.Context(), m)
	if want := fmt.Sprintf("archive mesh %.12s: the store is away", m.SHA256()); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if v.Current() != nil {
		t.Error("a version is served that nobody archived")
	}
	stored.Change(func(s *fakestore.Store) { s.Away = false })
	if err := v.Serve(t.Context(), m); err != nil || v.Current() != m {
		t.Errorf("served %v, %v", v.Current(), err)
	}
	archived, err := stored.Meshes(t.Context())
	if err != nil || len(archived) != 1 || !bytes.Equal(archived[0].Bytes, m.Bytes()) || !archived[0].ServedFrom.Equal(fakestore.Now()) {
		t.Errorf("archived %v, %v", archived, err)
	}
}

// A mistake that is taken back by the file of before goes on to judge.
func TestAnEarlierVersionAgain(t *testing.T) {
	stored, log, now := &fakestore.Store{}, &record{}, fakestore.Now()
	v := NewVersions(stored, func() time.Time { return now }, slog.New(slog.NewTextHandler(log, nil)))
	for _, step := range []struct {
		name string
		warn bool
	}{{"one", false}, {"one", false}, {"two", false}, {"one", true}, {"one, changed", false}, {"two", true}} {
		now = now.Add(time.Minute)
		if err := v.Serve(t.Context(), fakestore.Mesh(strings.ReplaceAll(step.name, ", ", "-"))); err != nil {
			t.Fatal(err)
		}
		if lines := log.take(); (len(lines) == 1 && strings.Contains(lines[0], "reports judge by that")) != step.warn || len(lines) > 1 {
			t.Errorf("%s: log %q", step.name, lines)
		}
	}
}

func TestFindAsksTheArchiveAndRemembersOnlyWhatIsThere(t *testing.T) {
	stored := &fakestore.Store{}
	other := NewVersions(stored, fakestore.Now, quiet())
	ours := NewVersions(stored, fakestore.Now, quiet())
	one, two := fakestore.Mesh("one"), fakestore.Mesh("two")
	find := func(want ...string) {
		t.Helper()
		found, err := ours.Find(t.Context(), []string{one.SHA256(), two.SHA256()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(found)), cmp.Transformer("sort", func(s []string) []string { return slices.Sorted(slices.Values(s)) })); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
	}
	if err := ours.Serve(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	find(one.SHA256())
	// Another collector on the same store serves it a moment later.
	if err := other.Serve(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	find(one.SHA256(), two.SHA256())
	lookups := stored.Lookups()
	stored.Change(func(s *fakestore.Store) { s.Away = true })
	find(one.SHA256(), two.SHA256())
	if stored.Lookups() != lookups {
		t.Error("the archive was asked for what is known")
	}
}

// TestManyAskAtOnce: after a restart all probes send windows of the same
// earlier version; the archive is read once for all of them.
func TestManyAskAtOnce(t *testing.T) {
	stored := &fakestore.Store{}
	earlier := fakestore.Mesh("earlier")
	if err := NewVersions(stored, fakestore.Now, quiet()).Serve(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	v := NewVersions(stored, fakestore.Now, quiet())
	before := stored.Lookups()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			found, err := v.Find(t.Context(), []string{earlier.SHA256()})
			if err != nil || found[earlier.SHA256()] == nil {
				t.Errorf("found %v, %v", found, err)
			}
		})
	}
	wg.Wait()
	if got := stored.Lookups() - before; got != 1 {
		t.Errorf("%d lookups, want 1", got)
	}
	v.lookup <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Find(ctx, []string{"unknown"}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the archive: %v, want the context's error", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	stored := &fakestore.Store{}
	v := NewVersions(stored, fakestore.Now, quiet())
	var hashes []string
	for i := range 3 * maxParsed {
		m := fakestore.Mesh(fmt.Sprintf("v%d", i))
		hashes = append(hashes, m.SHA256())
		if err := v.Serve(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	found, err := v.Find(t.Context(), hashes)
	if err != nil || len(found) != len(hashes) {
		t.Errorf("found %d of %d, %v", len(found), len(hashes), err)
	}
	if len(v.parsed) != maxParsed || len(v.order) != maxParsed {
		t.Errorf("%d versions kept, %d in order; want %d", len(v.parsed), len(v.order), maxParsed)
	}
}

// TestFollow lets a file go through what happens to files, in fake time.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "mesh.yaml")
		write := func(data []byte) {
			t.Helper()
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(fakestore.MeshYAML("one"))
		first, err := mesh.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		stored := &fakestore.Store{Away: true}
		log := &record{}
		v := NewVersions(stored, time.Now, quiet())
		hangup := make(chan os.Signal)
		refused := 0
		f := &Follower{
			File: file, Versions: v, Every: 2 * time.Second, Timeout: time.Second, Nudge: hangup,
			Served: func(m *mesh.Mesh) { log.add("served " + m.Name) }, Failed: func() { refused++ },
			Log: slog.New(slog.NewTextHandler(log, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		f.Begin(ctx, first)
		go func() { defer close(done); f.Run(ctx) }()
		looks := func(n int) { time.Sleep(time.Duration(n) * f.Every); synctest.Wait() }
		expect := func(step string, want ...string) {
			t.Helper()
			synctest.Wait()
			got := log.take()
			if len(got) != len(want) {
				t.Fatalf("%s: log %q, want %q", step, got, want)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("%s: log %q, want %q", step, got[i], want[i])
				}
			}
		}

		looks(3)
		expect("store away", "the mesh is not served, because the store did not archive it")
		stored.Change(func(s *fakestore.Store) { s.Away = false })
		looks(2)
		expect("store back", "served one")
		looks(2)
		expect("unchanged")
		write([]byte("version: 9\n"))
		looks(3)
		expect("bad file", "mesh.yaml:1: version: is 9; this program reads version 1")
		if v.Current() != first || refused != 1 {
			t.Errorf("a bad file is served, or counted %d times", refused)
		}
		hangup <- syscall.SIGHUP
		expect("bad file, asked", "mesh.yaml:1: version: is 9; this program reads version 1")
		write(fakestore.MeshYAML("two"))
		looks(2)
		expect("good file", "served two")
		hangup <- syscall.SIGHUP
		expect("unchanged, asked", "the mesh file has not changed")
		write(fakestore.MeshYAML("three"))
		hangup <- syscall.SIGHUP
		expect("changed, asked", "served three")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		looks(3)
		expect("file gone", "mesh.yaml: cannot be read: no such file or directory")
		write(fakestore.MeshYAML("three"))
		looks(2)
		expect("file back", "served three")
		stored.Change(func(s *fakestore.Store) { s.Away = true })
		write(fakestore.MeshYAML("four"))
		looks(3)
		expect("store away again", "the mesh is not served")
		if v.Current().Name != "three" {
			t.Errorf("%s is served before it is archived", v.Current().Name)
		}
		write(fakestore.MeshYAML("three"))
		stored.Change(func(s *fakestore.Store) { s.Away = false })
		looks(2)
		expect("taken back", "served three")
		cancel()
		<-done
	})
}

// record keeps log lines for a test.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Write(line []byte) (int, error) {
	r.add(string(line))
	return len(line), nil
}

func (r *record) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}
