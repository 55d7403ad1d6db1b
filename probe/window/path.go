package window

import (
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Why a path seems to have changed: wire.Path.Trigger.
const (
	TriggerTTL     = "ttl"      // a reply's TTL differs from that of the reply before
	TriggerRTTStep = "rtt-step" // the median RTT differs from that of the window before
)

// A median RTT has stepped if it differs by more than stepPart of the one
// before, and by more than stepLeast, and both are over stepSamples at least.
const (
	stepPart    = 20 // a twentieth
	stepLeast   = 500 * time.Microsecond
	stepSamples = 5
)

// view is what a window shows of the path, as far as its replies have come.
type view struct {
	ttl    uint8 // of the last reply that has one; 0: none
	p50    time.Duration
	timed  bool // there is a median
	varied bool // the TTL changed within the window
}

func (d *draft) view() view {
	var v view
	var rtts []uint32
	for r := range d.records() {
		if r.ttl != 0 {
			v.varied = v.varied || v.ttl != 0 && v.ttl != r.ttl
			v.ttl = r.ttl
		}
		if fate, rtt := r.best(); fate == Stamped {
			rtts = append(rtts, rtt)
		}
	}
	if v.timed = len(rtts) >= stepSamples; v.timed {
		slices.Sort(rtts)
		v.p50 = time.Duration(rtts[(len(rtts)-1)/2]) * time.Microsecond
	}
	return v
}

// trigger tells why the path seems to have changed since an earlier window;
// empty if it does not.
func (v view) trigger(earlier view) string {
	step := (v.p50 - earlier.p50).Abs()
	switch {
	case v.varied, v.ttl != 0 && earlier.ttl != 0 && v.ttl != earlier.ttl:
		return TriggerTTL
	case v.timed && earlier.timed && step > stepLeast && step > earlier.p50/stepPart:
		return TriggerRTTStep
	}
	return ""
}

// look notes what the window that ends now shows of the path.
func (b *Book) look(d *draft) {
	v := d.view()
	d.trigger = v.trigger(b.seen)
	if v.ttl == 0 {
		v.ttl = b.seen.ttl
	}
	if !v.timed {
		v.p50, v.timed = b.seen.p50, b.seen.timed
	}
	b.seen = v
}

// Suspect tells why the path seems to have changed, once for each window that
// shows it; empty where none does. The window then waits for Traced, at most
// for Grace.
func (b *Book) Suspect() (trigger string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.ended {
		if d.trigger != "" && !d.tracing && b.tracing == nil {
			trigger, d.trigger = d.trigger, ""
			d.tracing, b.tracing = true, d
			return trigger
		}
	}
	return ""
}

// Traced gives the window that Suspect told of its path; nil if there is none.
func (b *Book) Traced(path *wire.Path) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.tracing; d != nil {
		d.path, d.tracing, b.tracing = path, false, nil
	}
}
