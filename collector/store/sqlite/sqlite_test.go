package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Place {
		path := filepath.Join(t.TempDir(), "a folder", "x?y#z%41.db")
		return conformance.Place{
			Open: func(t *testing.T) store.Store { return open(t, path) },
			Away: func(t *testing.T) func() {
				lock := raw(t, path)
				exec(t, lock, "BEGIN EXCLUSIVE")
				return func() { exec(t, lock, "ROLLBACK") }
			},
		}
	})
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// raw opens the file as another program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	db, err := sql.Open("sqlite", "file:"+escaped+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string // after the path
	}{
		{"text", func(t *testing.T, path string) { write(t, path, strings.Repeat("version: 1\n", 500)) },
			"is not an SQLite database; give another path"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "is a folder; give the path of a file in it"},
		{"another program's", func(t *testing.T, path string) { exec(t, raw(t, path), "CREATE TABLE notes (x)") },
			"is the SQLite database of another program; give a path of its own"},
		{"newer", func(t *testing.T, path string) {
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			exec(t, raw(t, path), "PRAGMA user_version = 7")
		}, "was written by a newer Fibergauge (schema 7, this one knows 2); upgrade this program"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			test.prepare(t, path)
			before, _ := os.ReadFile(path) // nothing where it is a folder
			s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("was opened", s.Close())
			}
			if want := path + ": " + test.want; err.Error() != want {
				t.Errorf("error\n %s, not\n %s", err, want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestView asks the view, also what docs/store.md shows.
func TestView(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	defer s.Close()
	start := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	windows := conformance.Windows(1, "a", "b", start.UnixMilli(), 3)
	rival := conformance.Windows(2, "a", "b", start.UnixMilli(), 1)
	for i, batch := range [][]wire.Window{windows, rival} {
		if err := s.Put(t.Context(), store.Admission{At: start.Add(time.Duration(i) * time.Hour), Site: "a", Batch: "x", Windows: batch}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := raw(t, path).Query(`SELECT time, src, dst, received, p95_us, end_ms, counts FROM rtt
		WHERE time >= '2025-06-01' AND src = 'a' ORDER BY start_ms, admitted_ms`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var when, src, dst string
		var received, p95, endMS, counts int64
		if err := rows.Scan(&when, &src, &dst, &received, &p95, &endMS, &counts); err != nil {
			t.Fatal(err)
		}
		w := []wire.Window{windows[0], rival[0], windows[1], windows[2]}[n]
		if when != time.UnixMilli(w.StartMS).UTC().Format("2006-01-02T15:04:05.000Z") || src != w.Src || dst != w.Dst ||
			received != int64(w.Received) || p95 != int64(w.Stats.P95US) || endMS != w.EndMS || (counts == 1) != (n != 1) {
			t.Errorf("row %d: %s %s %s %d %d %d %d for %s", n, when, src, dst, received, p95, endMS, counts, w.Key)
		}
	}
	if n != 4 {
		t.Errorf("%d rows, not 4", n)
	}

	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "store.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(string(docs), "```sql\n")
	query, _, _ = strings.Cut(query, "```")
	var worst int
	documented := "SELECT count(*) FROM (" + strings.TrimSuffix(strings.TrimSpace(strings.Replace(query, "zjk-a", "a", 1)), ";") + ")"
	if err := raw(t, path).QueryRow(documented).Scan(&worst); err != nil || worst != 3 {
		t.Errorf("the query of docs/store.md gives %d rows, not 3: %v", worst, err)
	}
}

// TestOpenTogether makes a new file from many handles at once.
func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	errs := make(chan error)
	const handles = 8
	for range handles {
		go func() {
			s, err := sqlite.Open(context.WithoutCancel(t.Context()), path, slog.New(slog.DiscardHandler))
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range handles {
		if err := <-errs; err != nil {
			t.Errorf("open: %v", err)
		}
	}
}

// TestRemovedFile has the file removed, and replaced by another, while it is
// open. What would be written then is lost with it, so it is not confirmed.
func TestRemovedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	defer s.Close()
	putAt := func(minute int64) error {
		windows := conformance.Windows(1, "a", "b", 1_748_707_200_000+minute*60_000, 1)
		return s.Put(t.Context(), store.Admission{At: time.UnixMilli(minute), Site: "a", Batch: "x", Windows: windows})
	}
	if err := putAt(0); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"removed", "replaced"} {
		for name, err := range map[string]error{
			"put": putAt(1), "ready": s.Ready(t.Context()),
			"put mesh": s.PutMesh(t.Context(), store.MeshVersion{SHA256: strings.Repeat("ab", 32)}),
		} {
			if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), "was removed or replaced while it was open; put it back") {
				t.Errorf("%s, %s: %v", name, state, err)
			}
		}
		write(t, path, "")
	}
	if err := os.Rename(path+".aside", path); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"put": putAt(1), "ready": s.Ready(t.Context())} {
		if err != nil {
			t.Errorf("%s, put back: %v", name, err)
		}
	}
}

// TestManyReaders reads more links at once than there are connections, from a
// file whose contexts are not known yet: nobody may hold one connection while
// waiting for another.
func TestManyReaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	const links, contexts = 24, 200
	for i := range links {
		windows := conformance.Windows(uint64(i), fmt.Sprintf("a%d", i), "b", 1_748_707_200_000, contexts)
		for j := range windows {
			windows[j].ProbeVersion = fmt.Sprintf("%d.%d", i, j)
		}
		if err := s.Put(t.Context(), store.Admission{At: time.UnixMilli(1), Site: "a", Batch: "x", Windows: windows}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of a reader that would never end
	defer cancel()
	var wg sync.WaitGroup
	for i := range links {
		wg.Go(func() {
			n := 0
			for r, err := range s.Windows(ctx, store.Query{Src: fmt.Sprintf("a%d", i), Dst: "b", Test: "icmp-1s", ToMS: 1 << 42}) {
				if err != nil {
					t.Errorf("link %d: %v", i, err)
					return
				}
				if want := fmt.Sprintf("%d.%d", i, n); r.Window.ProbeVersion != want {
					t.Errorf("link %d: version %s, not %s", i, r.Window.ProbeVersion, want)
				}
				n++
			}
			if n != contexts {
				t.Errorf("link %d: %d windows, not %d", i, n, contexts)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPut(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "store.db"))
	defer s.Close()
	windows := conformance.Windows(1, "a", "b", 1_748_707_200_000, wire.MaxBatchWindows)
	for n := int64(0); b.Loop(); n++ {
		for i := range windows {
			windows[i].StartMS += wire.MaxBatchWindows * 60_000
			windows[i].EndMS += wire.MaxBatchWindows * 60_000
		}
		if err := s.Put(b.Context(), store.Admission{At: time.UnixMilli(n), Site: "a", Batch: "x", Windows: windows}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(windows))/b.Elapsed().Seconds(), "windows/s")
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store.db")
	s := open(b, path)
	const batches = 44 // about a month of minutes
	for i := range batches {
		windows := conformance.Windows(uint64(i), "a", "b", 1_748_707_200_000+int64(i)*wire.MaxBatchWindows*60_000, wire.MaxBatchWindows)
		if err := s.Put(b.Context(), store.Admission{At: time.UnixMilli(int64(i)), Site: "a", Batch: "x", Windows: windows}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // checkpoints, so that the file has its size
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	s = open(b, path)
	defer s.Close()
	for b.Loop() {
		n := 0
		for _, err := range s.Windows(b.Context(), store.Query{Src: "a", Dst: "b", Test: "icmp-1s", ToMS: 1 << 42}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != batches*wire.MaxBatchWindows {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N*batches*wire.MaxBatchWindows)/b.Elapsed().Seconds(), "windows/s")
	b.ReportMetric(float64(info.Size())/(batches*wire.MaxBatchWindows), "B/window")
}
