package measure

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/window"
)

// reading is what a scripted clock shows next.
type reading struct{ wall, mono time.Duration }

// script is a clock that shows given readings, and the last one for ever.
func script(readings ...reading) Clock {
	i := -1
	return func() (int64, time.Duration) {
		i = min(i+1, len(readings)-1)
		return int64(readings[i].wall), readings[i].mono
	}
}

func TestTimelineSeesSteps(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, tt := range []struct {
		name    string
		next    []reading // after one at (100 s, 0)
		epoch   int
		session uint64
	}{
		{"even", []reading{{101 * s, s}}, 0, 7},
		{"slewed by 500 ppm", []reading{{101*s + 500*time.Microsecond, s}}, 0, 7},
		{"a millisecond", []reading{{100*s + ms, 0}}, 0, 7},
		{"above a millisecond", []reading{{100*s + ms + 1, 0}}, 1, 7},
		{"forward", []reading{{105 * s, s}}, 1, 7},
		{"backward", []reading{{99 * s, s}}, 1, 8},
		{"backward by the tolerance", []reading{{101*s - 2*ms, s}}, 0, 7},
		{"backward by more", []reading{{101*s - 2*ms - 1, s}}, 1, 8},
		// Put to sleep between the two readings of one instant.
		{"interrupted once", []reading{{101 * s, 2 * s}, {102 * s, 2 * s}}, 0, 7},
		{"interrupted twice", []reading{{101 * s, 2 * s}, {102 * s, 3 * s}, {103 * s, 3 * s}}, 0, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := newTimeline(script(append([]reading{{100 * s, 0}}, tt.next...)...), 7,
				func() (uint64, error) { return 8, nil }, slog.New(slog.DiscardHandler))
			at := line.now()
			if at.Epoch != tt.epoch || line.sessionOf(at.Epoch) != tt.session {
				t.Errorf("epoch %d, session %d; want %d, %d", at.Epoch, line.sessionOf(at.Epoch), tt.epoch, tt.session)
			}
			last := tt.next[len(tt.next)-1]
			if at.Wall != int64(last.wall) || at.Mono != last.mono {
				t.Errorf("moment %+v; want %+v", at, last)
			}
			// The step is seen once.
			if again := line.now(); again.Epoch != tt.epoch {
				t.Errorf("epoch %d at the next reading", again.Epoch)
			}
			if tt.epoch > 0 {
				// The old epoch ended now, on the old clock.
				if session := line.sessionOf(0); session != 7 {
					t.Errorf("the old epoch is of session %d, want still 7", session)
				}
				if end := line.endOf(0); end.Wall != int64(100*s+last.mono) || end.Epoch != 0 {
					t.Errorf("the old epoch ended at %+v", end)
				}
			}
		})
	}
}

// TestEveryEpochEndsOnItsOwnClock: a clock that is set wrong and put right before
// anybody asks, ended its first epoch at the time that this epoch showed.
func TestEveryEpochEndsOnItsOwnClock(t *testing.T) {
	const s, year = time.Second, 365 * 24 * time.Hour
	line := newTimeline(script(reading{100 * s, 0},
		reading{102*s + year, 2 * s}, reading{102*s + year, 2 * s}, reading{102*s + year, 2 * s},
		reading{103 * s, 3 * s}), 7, func() (uint64, error) { return 8, nil }, slog.New(slog.DiscardHandler))
	line.now()
	if at := line.now(); at.Epoch != 2 {
		t.Fatalf("epoch %d; want 2", at.Epoch)
	}
	for epoch, want := range []window.Moment{
		{Wall: int64(102 * s), Mono: 2 * s, Epoch: 0},
		{Wall: int64(103*s + year), Mono: 3 * s, Epoch: 1},
	} {
		if got := line.endOf(epoch); got != want {
			t.Errorf("epoch %d ended at %+v; want %+v", epoch, got, want)
		}
	}
}

func TestSessionRisesWithoutTheSpool(t *testing.T) {
	line := newTimeline(script(reading{100 * time.Second, 0}, reading{50 * time.Second, 0}), 7,
		func() (uint64, error) { return 0, errors.New("disk full") }, slog.New(slog.DiscardHandler))
	line.now()
	if got := line.sessionOf(1); got != 8 {
		t.Errorf("session %d; want 8", got)
	}
}

// TestMomentsLieInTheirSlots: whatever the seed and the slot, a packet is due
// inside its slot, behind every beat, and so at the same place again.
func TestMomentsLieInTheirSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &flow{seed: rapid.Uint64().Draw(t, "seed"), hold: true}
		f.grid.Interval = time.Duration(rapid.IntRange(10, 60_000).Draw(t, "interval_ms")) * time.Millisecond
		slot := rapid.Int64Range(0, 1<<40/int64(f.grid.Interval/time.Millisecond)).Draw(t, "slot")
		due := f.due(slot)
		begin, end := f.grid.Begin(slot), f.grid.Begin(slot+1)
		if f.grid.Slot(due) != slot || due-begin < int64(f.grid.Interval)/200 || end-due < int64(f.grid.Interval)/200 {
			t.Fatalf("due %d in slot from %d to %d", due, begin, end)
		}
		if again := f.due(slot); again != due {
			t.Fatalf("due %d and then %d", due, again)
		}
		if beat := f.beat(rapid.Uint64().Draw(t, "pinger")); beat <= 0 || begin+beat > due {
			t.Fatalf("the beat %d is behind the moment %d", beat, due-begin)
		}
	})
}
