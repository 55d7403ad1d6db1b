package measure

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Once is one measurement of one target, now.
type Once struct {
	Spec    Spec
	Mode    Mode
	Count   int           // packets, besides the warm-up packet
	Timeout time.Duration // after its sending a packet is lost
	Observe func(Event)   // called for each event, from one goroutine at a time
	Log     *slog.Logger
}

// Run measures with the code that measures windows, in slots that begin now
// instead of in UTC, and gives what would be a window's counts and RTTs. Where
// the context ends first it gives what there is by then.
func (o Once) Run(ctx context.Context) wire.Window {
	line := newTimeline(SystemClock(), 1, func() (uint64, error) { return 2, nil }, o.Log)
	return o.run(ctx, line, func() pinger { return &probingPinger{spec: o.Spec, mode: o.Mode} })
}

func (o Once) run(ctx context.Context, line *timeline, newPinger func() pinger) wire.Window {
	start := line.now()
	// A window without end: only the stop cuts it.
	grid := window.Grid{Base: start.Wall, Interval: o.Spec.Interval, Length: time.Duration(o.Count+2) * o.Spec.Interval}
	f := newFlow(line, planned{spec: o.Spec, grid: grid, labels: window.Labels{Src: "here", Dst: o.Spec.Address.String(), Test: "ping"}},
		rand.Uint64(), o.Timeout, o.Log)
	f.newPinger, f.slots, f.hold = newPinger, int64(o.Count), canHold(o.Mode)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	outcomes := 0
	f.observe = func(e Event) {
		o.Observe(e)
		if e.Kind == EventSent || e.Kind == EventRefused {
			outcomes++
		}
		if outcomes == o.Count {
			stop()
		}
	}
	go func() {
		// By now every slot is over, whatever came of it. Replies are waited
		// for by the flow.
		select {
		case <-time.After(time.Duration(o.Count+1) * o.Spec.Interval):
			stop()
		case <-ctx.Done():
		}
	}()
	f.run(ctx)
	var all wire.Window
	for _, w := range f.book.Flush(line.now()) {
		all = w // a step of the clock leaves the part after it
	}
	return all
}
