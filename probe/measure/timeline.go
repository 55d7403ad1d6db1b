package measure

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
)

// Clock reads the wall clock (Unix ns) and a clock that never steps, at the
// same instant.
type Clock func() (wall int64, mono time.Duration)

// SystemClock is the clock of the machine.
func SystemClock() Clock {
	start := time.Now()
	return func() (int64, time.Duration) {
		now := time.Now()
		return now.UnixNano(), now.Sub(start)
	}
}

// timeline watches the wall clock against the monotonic one. Every reading of
// the time in this package goes through it, so a step is known before anything
// is dated by the clock that stepped.
type timeline struct {
	clock Clock
	log   *slog.Logger
	// raise makes a new session after a backward step, because what is
	// measured now may begin at the same time as what was measured before.
	raise func() (uint64, error)

	mu      sync.Mutex // protects all following fields
	last    window.Moment
	session uint64
	ends    []ended // the latest epochs
}

// ended is how an epoch ended, on its own clock, and its session.
type ended struct {
	window.Moment
	session uint64
}

// maxEnds is how many ends of epochs are remembered: a flow asks for one within
// a moment of the step, so that more matter only to a clock gone mad.
const maxEnds = 100

func newTimeline(clock Clock, session uint64, raise func() (uint64, error), log *slog.Logger) *timeline {
	wall, mono := clock()
	return &timeline{clock: clock, log: log, raise: raise, session: session,
		last: window.Moment{Wall: wall, Mono: mono}}
}

// now reads both clocks. The epoch rises with every step of the wall clock.
func (t *timeline) now() window.Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	var at window.Moment
	var step time.Duration
	// The two clocks are read one after the other: a process that is put to
	// sleep in between sees a difference that is gone at the next reading.
	for range 3 {
		at, step = t.read()
		if step == 0 {
			t.last = at
			return at
		}
	}
	if len(t.ends) == maxEnds {
		t.ends = slices.Delete(t.ends, 0, 1)
	}
	end := window.Moment{Wall: t.last.Wall + int64(at.Mono-t.last.Mono), Mono: at.Mono, Epoch: t.last.Epoch}
	t.ends = append(t.ends, ended{end, t.session})
	t.stepped(step)
	at.Epoch++
	t.last = at
	return at
}

func (t *timeline) read() (window.Moment, time.Duration) {
	wall, mono := t.clock()
	span := mono - t.last.Mono
	step := time.Duration(wall-t.last.Wall) - span
	if step.Abs() <= time.Millisecond+span/1000 {
		step = 0
	}
	return window.Moment{Wall: wall, Mono: mono, Epoch: t.last.Epoch}, step
}

func (t *timeline) stepped(step time.Duration) {
	if step >= 0 {
		t.log.Warn("the wall clock stepped forward: windows are cut", "by", step)
		return
	}
	session, err := t.raise()
	if err != nil {
		// What cannot be numbered durably cannot be spooled either: the spool
		// complains again with every window.
		t.log.Error("the wall clock stepped back and the new session was not recorded", "by", step, "error", err)
		session = t.session + 1
	}
	t.session = max(session, t.session+1)
	t.log.Warn("the wall clock stepped back: windows are cut and the session is raised", "by", step, "session", t.session)
}

// sessionOf is the session of windows that begin in an epoch. One that has ended
// keeps its own: a window that is dated by its clock may be seen only after a
// step back, and the new session will come to that time again.
func (t *timeline) sessionOf(epoch int) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if epoch >= t.last.Epoch || len(t.ends) == 0 {
		return t.session
	}
	return t.ended(epoch).session
}

// endOf tells when an epoch ended, on its own clock. For one that is forgotten
// it gives the oldest that is not: the difference cannot be known any more.
func (t *timeline) endOf(epoch int) window.Moment {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := t.ended(epoch).Moment
	end.Epoch = epoch
	return end
}

// ended finds an epoch that has ended, or the oldest that is remembered.
func (t *timeline) ended(epoch int) ended {
	for _, e := range t.ends {
		if e.Epoch == epoch {
			return e
		}
	}
	return t.ends[0]
}
