package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func testCancelled(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(1, "a", "b", epoch().UnixMilli(), 2)
	put(t, s, admission(epoch(), windows[0]))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	calls := map[string]func() error{
		"put":             func() error { return s.Put(ctx, admission(epoch(), windows[1])) },
		"put mesh":        func() error { return s.PutMesh(ctx, store.MeshVersion{SHA256: windows[0].MeshSHA256}) },
		"meshes":          func() error { _, err := s.Meshes(ctx); return err },
		"put signing key": func() error { return s.PutSigningKey(ctx, SigningKey("a", 1, epoch())) },
		"signing keys":    func() error { _, err := s.SigningKeys(ctx); return err },
		"ready":           func() error { return s.Ready(ctx) },
		"windows": func() (last error) {
			for _, err := range s.Windows(ctx, all(&windows[0])) {
				last = err
			}
			return last
		},
		"journal": func() (last error) {
			for _, err := range s.Journal(ctx, "") {
				last = err
			}
			return last
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrPermanent) {
			t.Errorf("%s under a cancelled context: %v", name, err)
		}
	}
	equal(t, "records", plain(windows[:1]), read(t, s, all(&windows[0])))
}

// testCancelledMidway ends contexts inside loops and inside writes.
func testCancelledMidway(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(2, "a", "b", epoch().UnixMilli(), wire.MaxBatchWindows)
	a := admission(epoch(), windows...)

	rng := rand.New(rand.NewPCG(2, 0))
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(30_000))*time.Microsecond)
		err := s.Put(ctx, a)
		if err != nil && (!errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrPermanent)) {
			t.Errorf("put under a context that ends: %v", err)
		}
		cancel()
	}
	put(t, s, a)
	equal(t, "records", plain(windows), read(t, s, all(&windows[0])))
	equal(t, "journal", []store.Entry{entry(a)}, bare(journal(t, s, "")))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, last := 0, error(nil)
	for _, err := range s.Windows(ctx, all(&windows[0])) {
		seen, last = seen+1, err
		cancel()
	}
	if seen != 2 || !errors.Is(last, context.Canceled) {
		t.Errorf("a loop whose context was cancelled at its first record ended after %d with %v", seen, last)
	}
}

func testPermanent(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(3, "a", "b", epoch().UnixMilli(), 2)
	windows[1].Session = math.MaxInt64 + 1
	if err := s.Put(t.Context(), admission(epoch(), windows...)); !errors.Is(err, store.ErrPermanent) {
		t.Errorf("a session that is no signed integer: %v", err)
	}
	if err := s.PutMesh(t.Context(), store.MeshVersion{SHA256: "5e", ServedFrom: epoch()}); !errors.Is(err, store.ErrPermanent) {
		t.Errorf("a mesh whose hash is none: %v", err)
	}
	// The store is none the worse for it.
	put(t, s, admission(epoch(), windows[0]))
	equal(t, "records", plain(windows[:1]), read(t, s, all(&windows[0])))
}

// testAway takes the store away from under a handle that is in use.
func testAway(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(4, "a", "b", epoch().UnixMilli(), 3)
	put(t, s, admission(epoch(), windows[0]))

	back := place.Away(t)
	for _, w := range windows[1:] {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := s.Put(ctx, admission(epoch(), w)); err == nil || errors.Is(err, store.ErrPermanent) {
			t.Errorf("put into a store that is away: %v", err)
		}
		cancel()
	}
	back()

	ctx, cancel := tolerant(t)
	defer cancel()
	for {
		err := s.Put(ctx, admission(epoch(), windows[1:]...))
		if err == nil {
			break
		}
		if errors.Is(err, store.ErrPermanent) || ctx.Err() != nil {
			t.Fatalf("put into a store that is back: %v", err)
		}
	}
	equal(t, "records", plain(windows), read(t, s, all(&windows[0])))
	equal(t, "records in another handle", plain(windows), read(t, place.open(t), all(&windows[0])))
}

// testTwoWriters puts from several goroutines of two handles: windows of their
// own, the same windows, and different windows under the same keys.
func testTwoWriters(t *testing.T, place Place) {
	const each = 20
	handles := []store.Store{place.open(t), place.open(t)}
	shared := Windows(100, "shared", "b", epoch().UnixMilli(), each)
	var group sync.WaitGroup
	for n := range 6 {
		s := handles[n%2]
		group.Go(func() {
			own := Windows(uint64(n), fmt.Sprintf("own%d", n), "b", epoch().UnixMilli(), each)
			rival := Windows(uint64(n), "rivals", "b", epoch().UnixMilli(), each)
			for i := range own {
				at := epoch().Add(time.Duration(n) * time.Second)
				if err := s.Put(t.Context(), admission(at, own[i], rival[i], shared[(i+n)%each])); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	group.Wait()

	for n := range 6 {
		own := Windows(uint64(n), fmt.Sprintf("own%d", n), "b", epoch().UnixMilli(), each)
		equal(t, "records of "+own[0].Src, plain(own), read(t, handles[(n+1)%2], all(&own[0])))
	}
	equal(t, "records of all writers", plain(shared), read(t, handles[0], all(&shared[0])))

	rivals := make([]store.Record, each)
	for n := range 6 {
		for i, w := range Windows(uint64(n), "rivals", "b", epoch().UnixMilli(), each) {
			if n == 0 {
				rivals[i].Window = w
			} else {
				rivals[i].Conflicts = append(rivals[i].Conflicts, w)
			}
		}
	}
	equal(t, "records of rivals", rivals, read(t, handles[1], all(&rivals[0].Window)))
	equal(t, "entries", 6*each, len(journal(t, handles[0], "")))
}
