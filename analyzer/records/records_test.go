package records_test

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// stored is windows with the journal of their admission, and counts how often
// windows are read.
type stored struct {
	scenario.Store
	entries []store.Entry
	read    int
}

// admit puts windows and then their entry, as stores do.
func (s *stored) admit(t testing.TB, windows ...wire.Window) {
	s.Put(t, windows...)
	entry := store.Entry{
		Cursor: store.Cursor(strconv.Itoa(len(s.entries) + 1)), At: time.UnixMilli(int64(len(s.entries))),
		Site: windows[0].Src, Batch: fmt.Sprint("batch ", len(s.entries)), Windows: len(windows),
	}
	for _, w := range windows {
		entry.Spans = append(entry.Spans, store.Span{Src: w.Src, Dst: w.Dst, Test: w.Test, FirstMS: w.StartMS, LastMS: w.StartMS, Windows: 1})
	}
	s.entries = append(s.entries, entry)
}

func (s *stored) Journal(_ context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		from := 0
		if after != "" {
			from, _ = strconv.Atoi(string(after))
		}
		for i := from; i < len(s.entries); i++ {
			if !yield(s.entries[i], nil) {
				return
			}
		}
	}
}

func (s *stored) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	s.read++
	return s.Store.Windows(ctx, q)
}

// june is three days of a link of the mesh.
func june(m *mesh.Mesh) *latency.Scope {
	from := time.Date(2025, 6, 3, 0, 0, 0, 0, m.Location())
	return &latency.Scope{
		Test: m.Test("icmp"), Src: m.Site("a1"), Dst: m.Site("b1"),
		Calendar: latency.NewCalendar(from, from.AddDate(0, 0, 3)),
	}
}

func window(m *mesh.Mesh, day, minute int, us uint32) wire.Window {
	start := time.Date(2025, 6, 3+day, 0, minute, 0, 0, m.Location())
	return scenario.Window(m, "a1", "b1", start, scenario.Same(us, 50), 3)
}

// cleaning is what testing.TB and rapid.T have in common.
type cleaning interface {
	Helper()
	Fatal(args ...any)
	Error(args ...any)
	Cleanup(func())
	Context() context.Context
}

func open(t cleaning, file string, s *stored) *records.Cache {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cache, err := records.Open(t.Context(), file, s, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return cache
}

func begin(t testing.TB, cache *records.Cache) *records.Session {
	t.Helper()
	session, err := cache.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func read(t testing.TB, s *stored, kept latency.Records, scope *latency.Scope) *latency.Link {
	t.Helper()
	link, err := latency.Read(t.Context(), s, kept, scope, true)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// same compares what is kept with what is read from the windows.
func same(t testing.TB, want, got *latency.Link) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("from the records it is otherwise than from the windows (-want +got):\n%s", diff)
	}
}

func TestWindowsAreReadOnce(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	s, scope := &stored{}, june(m)
	s.admit(t, window(m, 0, 0, 20_000), window(m, 0, 70, 21_000), window(m, 1, 0, 22_000))
	cache := open(t, filepath.Join(t.TempDir(), "days.db"), s)
	for _, c := range []struct {
		name  string
		admit []wire.Window
		scope func(*latency.Scope)
		reads int
	}{
		{"nothing is kept yet", nil, nil, 1},
		{"all is kept", nil, nil, 0},
		{"a day has changed", []wire.Window{window(m, 1, 5, 30_000)}, nil, 1},
		{"another day has a conflict", []wire.Window{window(m, 0, 0, 9_000)}, nil, 1},
		{"another link", []wire.Window{scenario.Window(m, "b1", "a1", time.Date(2025, 6, 3, 0, 0, 0, 0, m.Location()), nil, 1)}, nil, 0},
		{"another day of the link", []wire.Window{window(m, 9, 0, 9_000)}, nil, 0},
		{"the first and the last day, read apart", []wire.Window{window(m, 0, 9, 1), window(m, 2, 9, 1)}, nil, 2},
		{"part of the days", nil, func(s *latency.Scope) {
			from := time.UnixMilli(s.Calendar.FromMS).In(m.Location())
			s.Calendar = latency.NewCalendar(from, from.AddDate(0, 0, 2))
		}, 0},
		{"maintenance excuses an hour", nil, func(s *latency.Scope) {
			s.Excused = []latency.Span{{FromMS: s.Calendar.FromMS, ToMS: s.Calendar.FromMS + 900_000}}
		}, 1},
		{"nothing excuses it again", nil, nil, 1},
	} {
		if c.admit != nil {
			s.admit(t, c.admit...)
		}
		at := *scope
		if c.scope != nil {
			c.scope(&at)
		}
		want := read(t, s, nil, &at)
		s.read = 0
		got := read(t, s, begin(t, cache), &at)
		if s.read != c.reads {
			t.Errorf("%s: windows were read %d times, want %d", c.name, s.read, c.reads)
		}
		same(t, want, got)
	}
}

// What is stored while a day is made spoils it.
func TestStoredMeanwhile(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	file := filepath.Join(t.TempDir(), "days.db")
	s, scope := &stored{}, june(m)
	s.admit(t, window(m, 0, 0, 20_000))
	cache, other := open(t, file, s), open(t, file, s)
	late := &lateSaver{Session: begin(t, cache), before: func() {
		s.admit(t, window(m, 0, 5, 30_000))
		begin(t, other) // somebody reads the journal on
	}}
	read(t, s, late, scope)
	same(t, read(t, s, nil, scope), read(t, s, begin(t, cache), scope))
}

// lateSaver saves after something has happened.
type lateSaver struct {
	*records.Session
	before func()
}

func (l *lateSaver) Save(ctx context.Context, keys []latency.DayKey, days []*latency.Day) error {
	if l.before != nil {
		l.before()
		l.before = nil
	}
	return l.Session.Save(ctx, keys, days)
}

// A store that was begun anew under the same name has none of the days of the
// one before.
func TestAnotherStore(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	file := filepath.Join(t.TempDir(), "days.db")
	first := &stored{}
	for i := range 5 {
		first.admit(t, window(m, 0, i, 20_000))
	}
	read(t, first, begin(t, open(t, file, first)), june(m))
	for name, second := range map[string]*stored{"empty": {}, "shorter": {}, "longer": {}, "same beginning": {}} {
		n := map[string]int{"shorter": 2, "longer": 9, "same beginning": 4}[name]
		if name == "same beginning" {
			second.admit(t, window(m, 0, 0, 20_000))
		}
		for i := range n {
			second.admit(t, window(m, 1, i, 25_000))
			second.entries[len(second.entries)-1].Batch += name
		}
		s := *first
		cache := open(t, filepath.Join(t.TempDir(), "days.db"), &s)
		read(t, &s, begin(t, cache), june(m))
		s = *second
		same(t, read(t, second, nil, june(m)), read(t, &s, begin(t, cache), june(m)))
	}
}

func TestDamage(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	s := &stored{}
	s.admit(t, window(m, 0, 0, 20_000))
	want := read(t, s, nil, june(m))
	for name, harm := range map[string]func(t *testing.T, file string){
		"not a database": func(t *testing.T, file string) {
			write(t, file, []byte("no database at all, but longer than a header has to be: "+file))
		},
		"cut off": func(t *testing.T, file string) { write(t, file, contents(t, file)[:5000]) },
		"a folder that is missing": func(t *testing.T, file string) {
			if err := os.RemoveAll(filepath.Dir(file)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "days", "days.db")
			log := slog.New(slog.DiscardHandler)
			cache, err := records.Open(t.Context(), file, s, log)
			if err != nil {
				t.Fatal(err)
			}
			read(t, s, begin(t, cache), june(m))
			if err := cache.Close(); err != nil {
				t.Fatal(err)
			}
			harm(t, file)
			same(t, want, read(t, s, begin(t, open(t, file, s)), june(m)))
		})
	}
}

// A file of a version that wrote other records is begun anew, and holds then what
// this one writes.
func TestOtherVersion(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	s, file := &stored{}, filepath.Join(t.TempDir(), "days.db")
	w := window(m, 0, 0, 20_000)
	w.EndReason = wire.EndClockStep
	s.admit(t, w)
	want := read(t, s, nil, june(m))
	for _, c := range []struct {
		set  string
		made bool
	}{{"PRAGMA user_version", false}, {"PRAGMA user_version = 4", true}, {"PRAGMA user_version = 99", true}} {
		cache, err := records.Open(t.Context(), file, s, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		read(t, s, begin(t, cache), june(m))
		if err := cache.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), c.set); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		s.read = 0
		cache = open(t, file, s)
		got := read(t, s, begin(t, cache), june(m))
		if same(t, want, got); (s.read > 0) != c.made || len(got.Probe.ClockSteps) != 1 {
			t.Errorf("%s: windows were read %d times; steps %v", c.set, s.read, got.Probe.ClockSteps)
		}
	}
}

func contents(t *testing.T, file string) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, file string, data []byte) {
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever comes in whatever order, through two programs on one file: what is
// kept is what the windows say.
func TestRecordsAreTheWindows(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	folder := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s := &stored{}
		file := filepath.Join(folder, fmt.Sprint(n))
		caches := []*records.Cache{open(rt, file, s), open(rt, file, s)}
		var held []*records.Session
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0, 1:
				s.admit(t, window(m, rapid.IntRange(0, 3).Draw(rt, "day"), rapid.IntRange(0, 1439).Draw(rt, "minute"), uint32(rapid.IntRange(1, 50_000).Draw(rt, "us"))))
			case 2:
				held = append(held, begin(t, rapid.SampledFrom(caches).Draw(rt, "cache")))
			case 3:
				want := read(t, s, nil, june(m))
				got := read(t, s, begin(t, rapid.SampledFrom(caches).Draw(rt, "cache")), june(m))
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					rt.Fatalf("(-want +got):\n%s", diff)
				}
			}
			if len(held) > 0 && rapid.Bool().Draw(rt, "late") {
				// One that began earlier makes days now, of what is there now.
				read(t, s, held[0], june(m))
				held = held[1:]
			}
		}
		want := read(t, s, nil, june(m))
		if diff := cmp.Diff(want, read(t, s, begin(t, caches[0]), june(m)), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
		// With the hours at rest the days as a whole are the same.
		scope := june(m)
		resting, err := latency.Read(t.Context(), s, begin(t, caches[0]), scope, false)
		if err != nil {
			rt.Fatal(err)
		}
		if !resting.HoursAtRest() {
			rt.Fatal("hours were read that nobody asked for")
		}
		for _, excused := range []bool{false, true} {
			if diff := cmp.Diff(want.Over(scope.Calendar, excused), resting.Over(scope.Calendar, excused),
				cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("(-with the hours +with these at rest):\n%s", diff)
			}
		}
	})
}

// The hours of a link are those of the days that were read, or none.
func TestWake(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	for name, c := range map[string]struct {
		meanwhile func(s *stored, other *records.Cache)
		awake     bool
	}{
		"nothing came": {func(*stored, *records.Cache) {}, true},
		"windows came": {func(s *stored, other *records.Cache) {
			s.admit(t, window(m, 0, 5, 30_000))
		}, true}, // this session does not know of them
		"windows came and the journal was read": {func(s *stored, other *records.Cache) {
			s.admit(t, window(m, 0, 5, 30_000))
			begin(t, other)
		}, false},
		"windows came and the day was made anew": {func(s *stored, other *records.Cache) {
			s.admit(t, window(m, 0, 5, 30_000))
			read(t, s, begin(t, other), june(m))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			file, s, scope := filepath.Join(t.TempDir(), "days.db"), &stored{}, june(m)
			s.admit(t, window(m, 0, 0, 20_000), window(m, 1, 0, 21_000))
			cache, other := open(t, file, s), open(t, file, s)
			want := read(t, s, begin(t, cache), scope)
			session := begin(t, cache)
			got, err := latency.Read(t.Context(), s, session, scope, false)
			if err != nil {
				t.Fatal(err)
			}
			c.meanwhile(s, other)
			awake, err := got.Wake(t.Context(), session, scope)
			if err != nil || awake != c.awake {
				t.Fatalf("awake is %v (%v), want %v", awake, err, c.awake)
			}
			if awake {
				same(t, want, got)
			}
		})
	}
}
