package shelf

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// stage is a shelf over a store in memory, in a bubble in which it is noon of
// 3 July 2025 in the mesh's time zone.
type stage struct {
	*Shelf
	t      testing.TB
	mesh   *mesh.Mesh
	source *source
	stop   func()
}

// source counts reads of windows, and holds them back while gate is set.
type source struct {
	scenario.Store
	reads   atomic.Int64
	waiting chan struct{} // told of each read that is held back
	gate    chan struct{} // closed: reads go on; nil: none is held back
}

func (s *source) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	s.reads.Add(1)
	if s.gate == nil {
		return s.Store.Windows(ctx, q)
	}
	// What is there now is what is given, however long it takes.
	var found []store.Record
	for record, err := range s.Store.Windows(ctx, q) {
		if err != nil {
			return s.Store.Windows(ctx, q)
		}
		found = append(found, record)
	}
	return func(yield func(store.Record, error) bool) {
		select {
		case s.waiting <- struct{}{}:
		case <-s.gate:
		case <-ctx.Done():
		}
		select {
		case <-s.gate:
		case <-ctx.Done():
			yield(store.Record{}, ctx.Err())
			return
		}
		for _, record := range found {
			if !yield(record, nil) {
				return
			}
		}
	}
}

func (s *source) hold() (held <-chan struct{}, release func()) {
	s.waiting, s.gate = make(chan struct{}), make(chan struct{})
	return s.waiting, sync.OnceFunc(func() { close(s.gate) })
}

// set makes a stage; days says whether day records are kept. It has to be
// called in a bubble, and left by its stop.
func set(t *testing.T, days bool, change func(*Config)) *stage {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	time.Sleep(time.Until(time.Date(2025, 7, 3, 12, 0, 0, 0, m.Location())))
	s := &source{}
	s.Archive = []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)}}
	config := Config{Policy: policy.Default(), Store: s, GeneratedBy: "test", Log: slog.New(slog.DiscardHandler)}
	if days {
		var err error
		config.Days, err = records.Open(t.Context(), filepath.Join(t.TempDir(), "days.db"), s, config.Log)
		if err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	shelf := New(ctx, config)
	return &stage{shelf, t, m, s, func() {
		cancel()
		shelf.Wait()
		if config.Days != nil {
			if err := config.Days.Close(); err != nil {
				t.Error(err)
			}
		}
	}}
}

// window is a minute of 60 packets from a to b or back.
func (s *stage) window(src, dst string, at time.Time, us uint32) wire.Window {
	return scenario.Window(s.mesh, src, dst, at, scenario.Same(us, 60), 0)
}

func (s *stage) at(day, hour, minute int) time.Time {
	return time.Date(2025, 6, day, hour, minute, 0, 0, s.mesh.Location())
}

func (s *stage) key(span string) Key {
	s.t.Helper()
	period, err := s.Resolve(s.t.Context(), report.Span{Period: span})
	if err != nil {
		s.t.Fatal(err)
	}
	return KeyOf(period, false, false)
}

// settle returns when nothing is being made. SQLite sleeps when another
// connection writes, which looks like waiting.
func (s *stage) settle() {
	for {
		synctest.Wait()
		s.mu.Lock()
		under := len(s.flights)
		s.mu.Unlock()
		if under == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *stage) ask(span string) *Made {
	s.t.Helper()
	made, err := s.Report(s.t.Context(), s.key(span), "somebody")
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// A report of a day that is over is made once, and again when the journal names
// a window of it, however late.
func TestLateWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000), s.window("b1", "a1", s.at(3, 0, 0), 20_000))
		first := s.ask("2025-06-03")
		if first.ByAge() || !first.Report.Period.Complete {
			t.Fatalf("by age: %v, complete: %v", first.ByAge(), first.Report.Period.Complete)
		}
		time.Sleep(24 * time.Hour)
		if again := s.ask("2025-06-03"); again != first {
			t.Error("a report that nothing has changed was made again after a day")
		}
		s.source.Admit(t, s.window("a1", "b1", s.at(4, 0, 0), 90_000)) // of another day
		time.Sleep(lookEvery)
		if again := s.ask("2025-06-03"); again != first {
			t.Error("a window of another day made it anew")
		}
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 23, 59), 90_000))
		time.Sleep(lookEvery)
		second := s.ask("2025-06-03")
		if second == first || second.Report.Data.Windows != 3 {
			t.Errorf("with the late window: the same report %v, %d windows", second == first, second.Report.Data.Windows)
		}
		if !second.Modified.After(first.Modified) {
			t.Errorf("it was modified at %s, and at %s before", second.Modified, first.Modified)
		}
		// What does not change the figures does not change when they were.
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 23, 59), 90_000))
		time.Sleep(lookEvery)
		third := s.ask("2025-06-03")
		if third == second || third.Modified != second.Modified {
			t.Errorf("the same window again: the same report %v, modified %s, before %s", third == second, third.Modified, second.Modified)
		}
	})
}

// Two reports of a second do not bear the same Last-Modified, by which whoever has
// the first would be told that it is the second.
func TestModifiedBySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		first := s.ask("2025-06-03")
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 1), 20_000))
		time.Sleep(time.Second / 2)
		second := s.ask("2025-06-03")
		if second.Report.Data.Windows != 2 || second.Made.Unix() != first.Made.Unix() {
			t.Fatalf("%d windows, made at %s and %s: this proves nothing", second.Report.Data.Windows, first.Made, second.Made)
		}
		if second.Modified.Unix() <= first.Modified.Unix() {
			t.Errorf("modified at %s, and at %s before", second.Modified, first.Modified)
		}
	})
}

// A trend rests on the months before as well.
func TestLateWindowOfTheTrend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		may := func(minute int) wire.Window {
			return s.window("a1", "b1", time.Date(2025, 5, 9, 0, minute, 0, 0, s.mesh.Location()), 20_000)
		}
		s.source.Admit(t, may(0), s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		plain, trend := s.key("2025-06"), s.key("2025-06")
		trend.Trend = true
		var first, second [2]*Made
		ask := func(made *[2]*Made) {
			for i, key := range []Key{plain, trend} {
				var err error
				if made[i], err = s.Report(t.Context(), key, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		ask(&first)
		ask(&first) // the second one made days of May that were not there when the first was
		if len(first[1].Report.Trend) != 1 {
			t.Fatalf("the trend has %d months", len(first[1].Report.Trend))
		}
		s.source.Admit(t, may(1))
		time.Sleep(lookEvery)
		ask(&second)
		if second[0] != first[0] || second[1] == first[1] {
			t.Errorf("made again: without the trend %v, with it %v", second[0] != first[0], second[1] != first[1])
		}
	})
}

// A version of the mesh that comes into the archive makes all reports anew: it
// may judge them, and says what was announced when.
func TestAnotherMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		first := s.ask("2025-06-03")
		other := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), []string{"{clusters: [a, b], km: 1200, class: A, source: register}"})
		s.source.Archive = append(s.source.Archive, store.MeshVersion{SHA256: other.SHA256(), Bytes: other.Bytes(), ServedFrom: s.at(2, 0, 0)})
		time.Sleep(lookEvery)
		if second := s.ask("2025-06-03"); second.Report.MeshSHA256 != other.SHA256() || first.Report.MeshSHA256 != s.mesh.SHA256() {
			t.Errorf("judged by mesh %s, and before by %s", second.Report.MeshSHA256, first.Report.MeshSHA256)
		}
	})
}

// Another store that stands where this one stood has none of its days: nothing
// that was made of them is good.
func TestAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		first := s.ask("2025-06-03")
		archive := s.source.Archive
		s.source.Store = scenario.Store{Archive: archive}
		s.source.Admit(t, s.window("b1", "a1", s.at(9, 0, 0), 20_000))
		time.Sleep(lookEvery)
		if second := s.ask("2025-06-03"); first.Report.Data.Windows != 1 || second.Report.Data.Windows != 0 {
			t.Errorf("%d windows, and of the other store %d", first.Report.Data.Windows, second.Report.Data.Windows)
		}
	})
}

// Many who ask at once get one report, made once.
func TestManyAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		s.ask("2025-06-03")
		once := s.source.reads.Swap(0)
		time.Sleep(s.MaxAge)
		held, release := s.source.hold()
		made := make([]*Made, 200)
		key := s.key("2025-06-03")
		var all sync.WaitGroup
		for i := range made {
			all.Go(func() {
				var err error
				if made[i], err = s.Report(t.Context(), key, "one reader"); err != nil {
					t.Error(err)
				}
			})
		}
		<-held
		synctest.Wait() // all have asked
		release()
		all.Wait()
		if n := s.source.reads.Load(); n != once {
			t.Errorf("windows were read %d times for 200, and %d times for one", n, once)
		}
		for i := range made {
			if made[i] == nil || made[i] != made[0] {
				t.Fatalf("asker %d has another report", i)
			}
		}
	})
}

// What came while a report was being made, and before somebody joined who waits
// for it, is in what that one gets.
func TestJoinedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		key := s.key("2025-06-03")
		held, release := s.source.hold()
		windows := make(chan int, 2)
		ask := func() {
			made, err := s.Report(t.Context(), key, "")
			if err != nil {
				t.Error(err)
			}
			windows <- made.Report.Data.Windows
		}
		go ask()
		<-held
		time.Sleep(lookEvery)
		go ask() // in the middle of the first
		synctest.Wait()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 1), 20_000))
		release()
		first, second := <-windows, <-windows
		if first+second != 1+2 {
			t.Errorf("one has %d windows and one %d; who asked first had to get 1, and who joined 2", first, second)
		}
	})
}

// A day that is not over: whoever asks within a minute gets the report that is
// there; from half a minute on another is made meanwhile. When it is over, a
// report that says it is not is good for nothing.
func TestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		today := time.Now().In(s.mesh.Location())
		name := today.Format(time.DateOnly)
		s.source.Admit(t, s.window("a1", "b1", today.Add(-time.Hour), 20_000))
		first := s.ask(name)
		if !first.ByAge() || first.Report.Period.Complete {
			t.Fatalf("by age: %v, complete: %v", first.ByAge(), first.Report.Period.Complete)
		}
		s.source.Admit(t, s.window("a1", "b1", today.Add(-time.Minute), 20_000))
		time.Sleep(29 * time.Second)
		if s.ask(name) != first {
			t.Error("made again within half a minute")
		}
		time.Sleep(2 * time.Second)
		if s.ask(name) != first {
			t.Error("the asker had to wait although there is one of half a minute")
		}
		s.settle()
		second := s.ask(name)
		if second == first || second.Report.Data.Windows != 2 {
			t.Errorf("nothing was made meanwhile; %d windows", second.Report.Data.Windows)
		}
		time.Sleep(DefaultMaxAge)
		if s.ask(name) == second {
			t.Error("a report of a minute was given")
		}
		midnight := time.Date(today.Year(), today.Month(), today.Day()+1, 0, 0, 0, 0, today.Location())
		time.Sleep(time.Until(midnight.Add(-time.Second)))
		last := s.ask(name)
		time.Sleep(time.Second)
		over := s.ask(name)
		if last.Report.Period.Complete || !over.Report.Period.Complete || over.ByAge() {
			t.Errorf("complete a second before midnight: %v, at midnight: %v, by age: %v", last.Report.Period.Complete, over.Report.Period.Complete, over.ByAge())
		}
	})
}

// Who lists months does not wait: what is there is shown, of a day that is not
// over also if it is old, and what is not is made meanwhile, one at a time.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		today := s.key(time.Now().In(s.mesh.Location()).Format(time.DateOnly))
		past, other := s.key("2025-06-03"), s.key("2025-06-04")
		soon := func(keys ...Key) *Made {
			t.Helper()
			made, err := s.Soon(t.Context(), keys...)
			if err != nil {
				t.Fatal(err)
			}
			return made
		}
		if soon(past) != nil || soon(other) != nil {
			t.Error("there is a report that nobody has made")
		}
		s.settle()
		first := soon(past)
		if first == nil || soon(other) != nil {
			t.Errorf("the first was made: %v; so was the other, beside it", first != nil)
		}
		s.settle()
		trend := past
		trend.Trend = true
		if soon(trend, past) != first {
			t.Error("one that is there is not shown if it is named second")
		}
		soon(today)
		s.settle()
		old := soon(today)
		time.Sleep(time.Hour)
		if got := soon(today); old == nil || got != old {
			t.Error("that of today is not shown after an hour")
		}
		s.settle()
		if soon(today) == old {
			t.Error("that of today was not made again")
		}
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		time.Sleep(2 * lookEvery)
		if soon(past) != nil {
			t.Error("a report is shown that lacks a window of its day")
		}
	})
}

// Without day records nothing tells what changed, so age does.
func TestWithoutDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		first := s.ask("2025-06-03")
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 1), 20_000))
		time.Sleep(20 * time.Second)
		if s.ask("2025-06-03") != first {
			t.Error("made again within half a minute")
		}
		time.Sleep(DefaultMaxAge)
		if made := s.ask("2025-06-03"); made.Report.Data.Windows != 2 || !made.ByAge() {
			t.Errorf("after a minute: %d windows, by age %v", made.Report.Data.Windows, made.ByAge())
		}
	})
}

// A report that could not be made is not kept, nor is why.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, true, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		key := s.key("2025-06-03")
		s.source.Err = errors.New("no answer")
		if _, err := s.Report(t.Context(), key, ""); !errors.Is(err, ErrStore) {
			t.Errorf("%v", err)
		}
		s.source.Err = nil
		made := s.ask("2025-06-03")
		if made.Report.Data.Windows != 1 {
			t.Errorf("%d windows", made.Report.Data.Windows)
		}
		s.source.Err = errors.New("no answer")
		time.Sleep(lookEvery)
		if _, err := s.Report(t.Context(), key, ""); !errors.Is(err, ErrStore) {
			t.Errorf("nobody knows whether it is good still, and the error is %v", err)
		}
		s.source.Err = nil
		if s.ask("2025-06-03") != made {
			t.Error("it was good all the time, and made again")
		}
	})
}

// Who asked first may leave first: the report is made nevertheless. All stops
// when the program does.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		key := s.key("2025-06-03")
		held, release := s.source.hold()
		ctx, leave := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := s.Report(ctx, key, "first")
			failed <- err
		}()
		<-held
		got := make(chan *Made, 1)
		go func() {
			made, err := s.Report(t.Context(), key, "second")
			if err != nil {
				t.Error(err)
			}
			got <- made
		}()
		synctest.Wait()
		leave()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		release()
		if made := <-got; made == nil || s.Kept(key) != made {
			t.Error("who stayed got another report than the one that is kept")
		}

		held, _ = s.source.hold()
		other := s.key("2025-06-04")
		go func() {
			_, err := s.Report(context.WithoutCancel(t.Context()), other, "third")
			failed <- err
		}()
		<-held
		s.stop()
		if err := <-failed; !errors.Is(err, context.Canceled) || s.Kept(other) != nil {
			t.Errorf("the program stops, and the asker gets %v", err)
		}
	})
}

// One asker causes one build at a time; to wait for what others make is no
// build.
func TestBuildsOfOneAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		third, fourth := s.key("2025-06-03"), s.key("2025-06-04")
		held, release := s.source.hold()
		var all sync.WaitGroup
		ask := func(key Key, asker string) {
			all.Go(func() {
				if _, err := s.Report(t.Context(), key, asker); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		ask(third, "one")
		<-held
		ask(third, "one")
		ask(fourth, "two")
		ask(fourth, "one")
		if _, err := s.Report(t.Context(), s.key("2025-06-05"), "one"); !errors.Is(err, ErrBusy) {
			t.Errorf("a second build of the same asker: %v", err)
		}
		release()
		all.Wait()
		if _, err := s.Report(t.Context(), s.key("2025-06-05"), "one"); err != nil {
			t.Errorf("after them: %v", err)
		}
	})
}

// What is wanted soon is made one at a time, also while a reader has reports made
// without a pause.
func TestSoonWhileOthersAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		keys := []Key{s.key("2025-06-03"), s.key("2025-06-04"), s.key("2025-06-05")}
		held, release := s.source.hold()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.Report(t.Context(), keys[0], "one"); err != nil {
				t.Error(err)
			}
		})
		<-held
		for _, key := range keys {
			if made, err := s.Soon(t.Context(), key); made != nil || err != nil {
				t.Errorf("%v, %v", made, err)
			}
		}
		s.mu.Lock()
		if s.flights[keys[1]] == nil || s.flights[keys[2]] != nil {
			t.Errorf("begun: the second day %t, the third %t", s.flights[keys[1]] != nil, s.flights[keys[2]] != nil)
		}
		s.mu.Unlock()
		release()
		all.Wait()
		synctest.Wait()
		for i, key := range keys {
			if made, err := s.Soon(t.Context(), key); (made != nil) != (i < 2) || err != nil {
				t.Errorf("day %d: there %t, %v", i, made != nil, err)
			}
		}
		synctest.Wait()
	})
}

// Two builds run at once, the others wait, and only so many.
func TestBuildsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		_, release := s.source.hold()
		var all sync.WaitGroup
		first := s.key("2025-06-03")
		for i := range maxPending {
			key := first
			key.ToMS += int64(i)
			all.Go(func() {
				if _, err := s.Report(t.Context(), key, ""); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := len(s.slots); n != atOnce {
			t.Errorf("%d builds at once", n)
		}
		if _, err := s.Report(t.Context(), s.key("2025-06-04"), ""); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many: %v", err)
		}
		release()
		all.Wait()
	})
}

// What is kept has a bound: what was not asked for the longest goes first.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, func(c *Config) { c.MaxBytes = 200_000 })
		defer s.stop()
		weigh := func() {
			t.Helper()
			var sum int64
			for _, m := range s.kept.at {
				sum += m.weight
			}
			if sum != s.kept.bytes || sum > s.MaxBytes {
				t.Fatalf("%d bytes are kept, counted as %d; at most %d are allowed", sum, s.kept.bytes, s.MaxBytes)
			}
		}
		favourite := s.key("2025-06-01")
		for day := 1; day <= 30; day++ {
			made := s.ask(s.at(day, 0, 0).Format(time.DateOnly))
			s.ask("2025-06-01") // asked for all the time
			for _, r := range []*readers.Reader{
				{Role: readers.Viewer}, {Role: readers.Carrier, Carriers: []string{"one"}}, {Role: readers.Regulator},
			} {
				body, err := made.JSON(r)
				if err != nil {
					t.Fatal(err)
				}
				body.Gzip()
				weigh()
			}
		}
		if s.Kept(favourite) == nil || s.Kept(s.key("2025-06-02")) != nil {
			t.Error("what was asked for the longest ago did not go first")
		}

		// What was cut out of a report is kept too, once for all who see the same.
		made := s.ask("2025-06-30")
		before := s.kept.bytes
		for range 2 {
			made.Excerpt(&readers.Reader{Role: readers.Carrier, Carriers: []string{"three"}})
			if grown := s.kept.bytes - before; grown < 1000 || grown != made.size {
				t.Errorf("an excerpt counts %d bytes of the %d of a report", grown, made.size)
			}
		}
		weigh()

		// What is larger than all that may be kept is given and not kept.
		s.MaxBytes, s.kept.max = 1000, 1000
		if s.ask("2025-06-09") == nil || len(s.kept.at) != 0 {
			t.Errorf("%d are kept", len(s.kept.at))
		}
		weigh()
	})
}

// Bytes are made once for all who see the same; different bytes have different
// tags.
func TestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t, false, nil)
		defer s.stop()
		s.source.Admit(t, s.window("a1", "b1", s.at(3, 0, 0), 20_000))
		made := s.ask("2025-06-03")
		body := func(r *readers.Reader) *Body {
			t.Helper()
			b, err := made.JSON(r)
			if err != nil {
				t.Fatal(err)
			}
			want, err := report.JSON(r.Excerpt(made.Report))
			if err != nil {
				t.Fatal(err)
			}
			if string(b.Plain) != string(want) {
				t.Errorf("role %s gets other bytes than its excerpt", r.Role)
			}
			return b
		}
		regulator, admin := body(&readers.Reader{Role: readers.Regulator}), body(&readers.Reader{Role: readers.Admin})
		one := body(&readers.Reader{Name: "x", Role: readers.Carrier, Carriers: []string{"one"}})
		same := body(&readers.Reader{Name: "y", Role: readers.Carrier, Carriers: []string{"one"}})
		viewer := body(&readers.Reader{Role: readers.Viewer})
		if regulator != admin || one != same {
			t.Error("what is the same was made twice")
		}
		tags := map[string]bool{}
		for _, b := range []*Body{regulator, one, viewer} {
			tags[b.ETag], tags[b.GzipETag()] = true, true
		}
		if len(tags) != 6 {
			t.Errorf("%d tags of 6 bodies: %v", len(tags), tags)
		}
	})
}
