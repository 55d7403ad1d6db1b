package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func testEmpty(t *testing.T, place Place) {
	s := place.open(t)
	w := Windows(1, "a", "b", epoch().UnixMilli(), 1)[0]
	equal(t, "windows of an empty store", 0, len(read(t, s, all(&w))))
	equal(t, "journal of an empty store", 0, len(journal(t, s, "")))
	put(t, s, store.Admission{At: epoch(), Site: "a", Batch: "0"})
	equal(t, "journal after an empty admission", 0, len(journal(t, s, "")))
	meshes, err := s.Meshes(t.Context())
	if err != nil || len(meshes) != 0 {
		t.Errorf("meshes of an empty store: %v, %v", meshes, err)
	}
	equal(t, "signing keys of an empty store", 0, len(signingKeys(t, s)))
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	put(t, s, admission(epoch(), w))
	for _, q := range []store.Query{
		{Src: "b", Dst: "a", Test: w.Test, FromMS: 0, ToMS: 1 << 42},
		{Src: "a", Dst: "b", Test: "other", FromMS: 0, ToMS: 1 << 42},
		{Src: `a" or true or "`, Dst: `b\`, Test: "${x}\n", FromMS: 0, ToMS: 1 << 42},
		{Src: "a", Dst: "b", Test: w.Test, FromMS: w.StartMS, ToMS: w.StartMS},
		{Src: "a", Dst: "b", Test: w.Test, FromMS: w.StartMS + 1, ToMS: w.StartMS - 1},
	} {
		equal(t, fmt.Sprintf("windows of %+v", q), 0, len(read(t, s, q)))
	}
}

// testRoundTrip is a law: what was put is read, to the last field.
func testRoundTrip(t *testing.T, place Place) {
	s, other := place.open(t), place.open(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := RandomWindow(rt)
		if err := w.Check(); err != nil {
			rt.Fatalf("the generator made a window that contradicts itself: %v", err)
		}
		// A link of its own, or the windows of two draws could share a key.
		w.Src = fmt.Sprintf("round-trip-%d", n)
		n++
		if err := s.Put(t.Context(), admission(epoch(), w)); err != nil {
			rt.Fatalf("put: %v", err)
		}
		got := read(t, other, all(&w))
		if diff := cmp.Diff(plain([]wire.Window{w}), got); diff != "" {
			rt.Fatalf("the window changed in the store (-want +got):\n%s", diff)
		}
		if w.Digest() != got[0].Window.Digest() {
			rt.Fatalf("the digest changed in the store:\n%s\n%s", w.Canonical(), got[0].Window.Canonical())
		}
	})
}

func testIdempotent(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(2, "a", "b", epoch().UnixMilli(), 20)
	first := admission(epoch(), windows...)
	put(t, s, first)
	put(t, s, first)
	// The same windows in another batch, later, from another handle, in another
	// order and with a repetition inside.
	again := slices.Clone(windows[5:15])
	slices.Reverse(again)
	second := admission(epoch().Add(time.Hour), append(again, windows[7])...)
	put(t, place.open(t), second)
	equal(t, "records", plain(windows), read(t, s, all(&windows[0])))
	equal(t, "journal", []store.Entry{entry(first), entry(second)}, bare(journal(t, s, "")))
}

// testConflicts puts different windows under one key, in every order of
// putting, and expects the order of admission.
func testConflicts(t *testing.T, place Place) {
	s, other := place.open(t), place.open(t)
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for n, order := range orders {
		src := fmt.Sprintf("src%d", n)
		versions := versionsOf(src, 3)
		around := Windows(9, src, "b", versions[0].StartMS-minuteMS, 3)
		put(t, s, admission(epoch(), around[0], around[2]))
		for _, i := range order {
			put(t, s, admission(epoch().Add(time.Duration(i)*time.Millisecond), versions[i]))
		}
		want := []store.Record{
			{Window: around[0]}, {Window: versions[0], Conflicts: versions[1:]}, {Window: around[2]},
		}
		equal(t, fmt.Sprintf("records put in the order %v", order), want, read(t, other, all(&versions[0])))
	}

	t.Run("an earlier admission comes to light", func(t *testing.T) {
		versions := versionsOf("late", 2)
		put(t, s, admission(epoch(), versions[0]))
		put(t, other, admission(epoch().Add(-time.Hour), versions[1]))
		equal(t, "records", []store.Record{{Window: versions[1], Conflicts: versions[:1]}}, read(t, s, all(&versions[0])))
		put(t, s, admission(epoch().Add(-2*time.Hour), versions[0]))
		equal(t, "records", []store.Record{{Window: versions[0], Conflicts: versions[1:]}}, read(t, s, all(&versions[0])))
		// A later repetition takes nothing away.
		put(t, s, admission(epoch().Add(2*time.Hour), versions[0]))
		put(t, s, admission(epoch().Add(3*time.Hour), versions[1]))
		equal(t, "records", []store.Record{{Window: versions[0], Conflicts: versions[1:]}}, read(t, s, all(&versions[0])))
	})

	t.Run("in one batch", func(t *testing.T) {
		versions := versionsOf("one-batch", 4)
		put(t, s, admission(epoch(), versions...))
		slices.SortFunc(versions, func(a, b wire.Window) int {
			x, y := a.Digest(), b.Digest()
			return bytes.Compare(x[:], y[:])
		})
		equal(t, "records, ties by digest", []store.Record{{Window: versions[0], Conflicts: versions[1:]}}, read(t, s, all(&versions[0])))
	})

	t.Run("unlike in other fields than samples", func(t *testing.T) {
		first := versionsOf("relabelled", 1)[0]
		second := first
		second.Carrier, second.Method, second.DstCluster = "another", "stamp", "elsewhere"
		put(t, s, admission(epoch(), first))
		put(t, s, admission(epoch().Add(time.Second), second))
		equal(t, "records", []store.Record{{Window: first, Conflicts: []wire.Window{second}}}, read(t, s, all(&first)))
	})
}

// versionsOf makes windows that differ under one key.
func versionsOf(src string, n int) []wire.Window {
	var versions []wire.Window
	for i := range n {
		versions = append(versions, Windows(uint64(i), src, "b", epoch().UnixMilli()+minuteMS, 1)...)
	}
	return versions
}

// testOrder puts sessions and starts in a random order.
func testOrder(t *testing.T, place Place) {
	s := place.open(t)
	rng := rand.New(rand.NewPCG(3, 0))
	var windows []wire.Window
	for _, startMS := range []int64{1, 999, 1000, epoch().UnixMilli(), epoch().UnixMilli() + 1, 7_258_118_400_000} {
		for _, session := range []uint64{0, 9, 10, 1 << 33, 1<<63 - 1} {
			windows = append(windows, Window(rng, wire.Key{Src: "a", Dst: "b", Test: "t", Session: session, StartMS: startMS}))
		}
	}
	shuffled := slices.Clone(windows)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	put(t, s, admission(epoch(), shuffled[:11]...))
	put(t, s, admission(epoch().Add(-time.Hour), shuffled[11:]...))
	equal(t, "records", plain(windows), read(t, s, all(&windows[0])))
}

func testRange(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(4, "a", "b", epoch().UnixMilli(), 4)
	put(t, s, admission(epoch(), windows...))
	for _, test := range []struct {
		name       string
		from, to   int64 // ms after the start of the first window
		first, end int   // of windows
	}{
		{"from is included", 0, 4 * minuteMS, 0, 4},
		{"to is not", 0, 3 * minuteMS, 0, 3},
		{"to and 1 ms", 0, 3*minuteMS + 1, 0, 4},
		{"from and 1 ms", 1, 4 * minuteMS, 1, 4},
		{"from less 1 ms", minuteMS - 1, 4 * minuteMS, 1, 4},
		{"one window", minuteMS, minuteMS + 1, 1, 2},
		{"between two", minuteMS + 1, 2 * minuteMS, 0, 0},
		{"before all", -9 * minuteMS, 0, 0, 0},
		{"after all", 3*minuteMS + 1, 9 * minuteMS, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := all(&windows[0])
			q.FromMS, q.ToMS = windows[0].StartMS+test.from, windows[0].StartMS+test.to
			equal(t, "records", plain(windows[test.first:test.end]), read(t, s, q))
		})
	}
	t.Run("the widest there is", func(t *testing.T) {
		q := all(&windows[0])
		q.FromMS, q.ToMS = -1<<63, 1<<63-1
		equal(t, "records", plain(windows), read(t, s, q))
	})
}

// testNeighbours looks for windows of links with similar names.
func testNeighbours(t *testing.T, place Place) {
	s := place.open(t)
	want := map[string][]wire.Window{}
	var batch []wire.Window
	for i, src := range []string{"a", "A", "a.", "a-", "aa", "a_b"} {
		want[src] = Windows(uint64(i), src, "b", epoch().UnixMilli(), 2)
		batch = append(batch, want[src]...)
	}
	put(t, s, admission(epoch(), batch...))
	for src, windows := range want {
		equal(t, "records of "+src, plain(windows), read(t, s, all(&windows[0])))
	}
}

// testEarlyBreak leaves loops at every point, with further calls inside, more
// often than a store can have connections.
func testEarlyBreak(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(5, "a", "b", epoch().UnixMilli(), 40)
	for i, w := range windows {
		put(t, s, admission(epoch().Add(time.Duration(i)*time.Second), w))
	}
	for n := range windows {
		seen := 0
		for _, err := range s.Windows(t.Context(), all(&windows[0])) {
			if err != nil {
				t.Fatalf("windows: %v", err)
			}
			if seen == n {
				break
			}
			seen++
		}
		for _, err := range s.Journal(t.Context(), "") {
			if err != nil {
				t.Fatalf("journal: %v", err)
			}
			break
		}
	}
	// Calls inside a loop, of every kind.
	for r, err := range s.Windows(t.Context(), all(&windows[0])) {
		if err != nil {
			t.Fatalf("windows: %v", err)
		}
		put(t, s, admission(epoch(), r.Window))
		equal(t, "records in the middle of a loop", 40, len(read(t, s, all(&windows[0]))))
		if r.Window.StartMS > windows[2].StartMS {
			break
		}
	}
}

// testLongRange has little in many years.
func testLongRange(t *testing.T, place Place) {
	s := place.open(t)
	var windows []wire.Window
	for year := range 6 {
		windows = append(windows, Windows(uint64(year), "a", "b", epoch().AddDate(year, year, year).UnixMilli(), 3)...)
	}
	put(t, s, admission(epoch(), windows...))
	equal(t, "records", plain(windows), read(t, s, all(&windows[0])))
}

func testLargeBatch(t *testing.T, place Place) {
	s := place.open(t)
	var windows []wire.Window
	for i := range wire.MaxBatchWindows {
		// One window of each link: the most spans that an entry can have.
		windows = append(windows, Windows(uint64(i), "a", fmt.Sprintf("a-site-with-quite-a-long-name-%d", i), epoch().UnixMilli(), 1)...)
	}
	a := admission(epoch(), windows...)
	put(t, s, a)
	for _, w := range []wire.Window{windows[0], windows[len(windows)-1]} {
		equal(t, "records", plain([]wire.Window{w}), read(t, s, all(&w)))
	}
	equal(t, "journal", []store.Entry{entry(a)}, bare(journal(t, s, "")))
}

// testLargeWindow has the most samples that a mesh may ask for, and conflicts
// among such windows.
func testLargeWindow(t *testing.T, place Place) {
	s := place.open(t)
	rng := rand.New(rand.NewPCG(6, 0))
	var versions []wire.Window
	for range 2 {
		w := Windows(6, "a", "b", epoch().UnixMilli(), 1)[0]
		rtts := make([]uint32, 90_000)
		for i := range rtts {
			rtts[i] = rng.Uint32N(wire.MaxRTTUS)
		}
		slices.Sort(rtts)
		n := uint32(len(rtts))
		w.Counts = wire.Counts{Scheduled: n, Sent: n, Received: n}
		w.EndMS = w.StartMS + wire.MaxWindow.Milliseconds()
		w.RTTs, w.Stats = wire.AppendRTTs(nil, rtts), wire.StatsOf(rtts)
		if err := w.Check(); err != nil {
			t.Fatalf("check: %v", err)
		}
		versions = append(versions, w)
	}
	put(t, s, admission(epoch(), versions[0]))
	put(t, s, admission(epoch().Add(time.Second), versions[1]))
	got := read(t, s, all(&versions[0]))
	if len(got) != 1 || len(got[0].Conflicts) != 1 {
		t.Fatalf("%d records, not one with one conflict", len(got))
	}
	equal(t, "the window that counts", versions[0].Digest(), got[0].Window.Digest())
	equal(t, "the conflict", versions[1].Digest(), got[0].Conflicts[0].Digest())
}

// testManyWindows has 10⁵ windows of one link beside several others.
func testManyWindows(t *testing.T, place Place) {
	s := place.open(t)
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	byLink := [][]wire.Window{Windows(7, "many", "b", epoch().UnixMilli(), n)}
	for i := range 5 {
		byLink = append(byLink, Windows(uint64(i), fmt.Sprintf("few%d", i), "b", epoch().UnixMilli(), 2000))
	}
	for _, windows := range byLink {
		for batch := range slices.Chunk(windows, wire.MaxBatchWindows) {
			put(t, s, admission(time.UnixMilli(batch[len(batch)-1].EndMS), batch...))
		}
	}
	for _, windows := range byLink {
		i := 0
		for r, err := range s.Windows(t.Context(), all(&windows[0])) {
			switch {
			case err != nil:
				t.Fatalf("windows: %v", err)
			case i == len(windows):
				t.Fatalf("more than %d windows", i)
			case r.Conflicts != nil || r.Window.Digest() != windows[i].Digest():
				t.Fatalf("window %d of %s is another (%d conflicts)", i, r.Window.Key, len(r.Conflicts))
			}
			i++
		}
		equal(t, "windows of "+windows[0].Src, len(windows), i)
	}
}
