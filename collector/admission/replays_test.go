package admission

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestReplays: the journal keeps one entry of a site, batch and moment, so a
// batch that comes again has to come with the moment of the first.
func TestReplays(t *testing.T) {
	m := fakestore.Mesh("now")
	one, two := fakestore.Batch(fakestore.Window(m, 0)), fakestore.Batch(fakestore.Window(m, 0), fakestore.Window(m, 1))
	signed := fakestore.Batch(fakestore.Window(m, 0))
	signed.Sign(signingKey("k"))
	var many []*wire.Batch
	for i := range replaysOfSite {
		w := fakestore.Window(m, 0)
		w.Session = uint64(1000 + i)
		many = append(many, fakestore.Batch(w))
	}
	type post struct {
		after time.Duration
		batch *wire.Batch
	}
	for _, c := range []struct {
		name  string
		posts []post
		// moments is how many the admissions have.
		moments int
	}{
		{"again and again", []post{{0, one}, {time.Millisecond, one}, {time.Second, one}, {replaysAge - 2*time.Second, one}}, 1},
		{"much later", []post{{0, one}, {replaysAge, one}}, 2},
		{"the clock is set back", []post{{0, one}, {-time.Minute, one}}, 2},
		{"another batch", []post{{0, one}, {time.Millisecond, two}, {time.Millisecond, one}, {time.Millisecond, two}}, 2},
		{"signed since", []post{{0, one}, {keysAge, signed}, {time.Millisecond, signed}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, stored := desk(t)
			clock := fakestore.Now()
			d.Now = func() time.Time { return clock }
			for i, p := range c.posts {
				if p.batch == signed {
					enrol(t, stored, "k", clock)
				}
				clock = clock.Add(p.after)
				if ack, err := d.Admit(t.Context(), "a1", p.batch); err != nil || ack.Stored != len(p.batch.Windows) {
					t.Fatalf("post %d: %+v, %v", i, ack, err)
				}
			}
			if len(stored.Admissions()) != len(c.posts) {
				t.Errorf("the store was asked %d times, want %d: it may have lost what it had", len(stored.Admissions()), len(c.posts))
			}
			if diff := cmp.Diff(c.moments, moments(stored)); diff != "" {
				t.Errorf("moments (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("what is remembered is bounded", func(t *testing.T) {
		d, _ := desk(t)
		for range 2 {
			for _, b := range append(many, one, two) {
				if _, err := d.Admit(t.Context(), "a1", b); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := len(d.replays.sites); got != 1 {
			t.Errorf("%d sites are remembered, want 1", got)
		}
	})
}

// TestReplayAfterFailure: an admission that failed is no admission.
func TestReplayAfterFailure(t *testing.T) {
	d, stored := desk(t)
	clock := fakestore.Now()
	d.Now = func() time.Time { return clock }
	batch := fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stored.Change(func(s *fakestore.Store) { s.Block = make(chan struct{}) })
	if _, err := d.Admit(ctx, "a1", batch); err == nil {
		t.Fatal("a cancelled admission succeeded")
	}
	stored.Change(func(s *fakestore.Store) { s.Block = nil })
	clock = clock.Add(time.Second)
	if _, err := d.Admit(t.Context(), "a1", batch); err != nil {
		t.Fatal(err)
	}
	if got := stored.Admissions(); len(got) != 1 || !got[0].At.Equal(clock.Truncate(time.Millisecond)) {
		t.Errorf("admitted %+v, want one at %s", got, clock)
	}
}

func moments(s *fakestore.Store) int {
	all := map[time.Time]bool{}
	for _, a := range s.Admissions() {
		all[a.At] = true
	}
	return len(all)
}
