package measure

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Once is one measurement of one target, now.
type Once struct {
	Spec    Spec
	Mode    Mode              // with ICMP
	STAMP   *wire.STAMPTarget // nil: ICMP
	Key     []byte            // for authenticated STAMP
	Count   int               // packets, besides the warm-up packet
	Timeout time.Duration     // after its sending a packet is lost
	Tap     Tap               // times packets in the kernel; nil: the process does
	Observe func(Event)       // called for each event, from one goroutine at a time
	Log     *slog.Logger
}

// Run measures with the code that measures windows, in slots that begin now
// instead of in UTC, and gives what would be a window's counts and RTTs. Where
// the context ends first it gives what there is by then.
func (o Once) Run(ctx context.Context) wire.Window {
	line := newTimeline(SystemClock(), 1, func() (uint64, error) { return 2, nil }, o.Log)
	if o.STAMP != nil {
		return o.session(ctx, line, openUDP)
	}
	return o.run(ctx, line, func() pinger { return &probingPinger{spec: o.Spec, mode: o.Mode} })
}

func (o Once) run(ctx context.Context, line *timeline, newPinger func() pinger) wire.Window {
	tap := o.Tap
	if zone := o.Spec.Address.Zone(); tap != nil && zone != "" {
		tap = zoned{tap, zone}
	}
	matcher := newMatcher(line, tap)
	f := newFlow(line, matcher, o.planned(line, MethodICMP), rand.Uint64(), o.Timeout, o.Log)
	f.newPinger, f.hold = newPinger, canHold(o.Mode)
	ctx, stop := context.WithTimeout(ctx, o.patience())
	defer stop()
	// Two sockets are open where one has worn out or the clock has stepped.
	var mu sync.Mutex // protects outcomes and whatever Observe touches
	outcomes := 0
	f.observe = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		o.Observe(e)
		if e.Kind == EventSent || e.Kind == EventRefused {
			outcomes++
		}
		if outcomes == o.Count {
			f.end.Store(e.Slot + 1)
			stop()
		}
	}
	f.run(ctx)
	matcher.read()
	return merge(f.book.Flush(line.now()))
}

// zoned is a tap for the packets of one link: what a tap sees of a packet does
// not tell its zone, and the address measured has one.
type zoned struct {
	Tap
	zone string
}

func (z zoned) Read(do func(stopwatch.Echo)) {
	z.Tap.Read(func(e stopwatch.Echo) {
		e.Peer = e.Peer.WithZone(z.zone)
		do(e)
	})
}

// session measures by STAMP.
func (o Once) session(ctx context.Context, line *timeline, open func(route) (socketUDP, error)) wire.Window {
	p := o.planned(line, MethodSTAMP)
	one := newSession(line, p, o.Key, rand.Uint64(), o.Timeout)
	s := newSender(line, o.Timeout, func() (socketUDP, error) { return open(p.route()) }, ClockState, o.Log)
	enough := make(chan struct{})
	outcomes := 0
	one.observe = func(e Event) {
		o.Observe(e)
		if e.Kind == EventSent || e.Kind == EventRefused {
			outcomes++
		}
		if outcomes == o.Count && !one.ending {
			s.end(one, wire.EndStop)
			close(enough)
		}
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.run(sending)
	}()
	s.calls <- func() { s.add(one) }

	// Whether the kernel gives moments takes 200 ms to find out, on a busy host
	// longer: not at the cost of short slots.
	const opening = time.Second
	patience := time.NewTimer(opening + o.patience())
	defer patience.Stop()
	select {
	case <-enough:
	case <-ctx.Done():
	case <-patience.C:
	}
	s.calls <- func() {
		if !one.ending {
			s.end(one, wire.EndStop)
		}
	}
	<-one.ended
	stop()
	<-stopped
	return merge(one.book.Flush(line.now()))
}

// planned is a flow with slots that begin now, and a window that only the stop
// ends.
func (o Once) planned(line *timeline, method string) planned {
	p := planned{
		spec: o.Spec, grid: window.Grid{Base: line.now().Wall, Interval: o.Spec.Interval, Length: 50 * 365 * 24 * time.Hour},
		labels: window.Labels{Src: "here", Dst: o.Spec.Address.String(), Test: "ping", Method: method, DSCP: o.Spec.DSCP},
	}
	if o.STAMP != nil {
		p.stamp = *o.STAMP
	}
	return p
}

// patience is how long the packets may take to be sent. Those that a busy host
// could not send in their slots are sent later, but a host that cannot send at
// all is not waited for.
func (o Once) patience() time.Duration {
	planned := time.Duration(o.Count+1) * o.Spec.Interval
	return planned + planned/4 + 200*time.Millisecond
}

// merge adds up windows: there are several where the wall clock stepped.
func merge(windows []wire.Window) wire.Window {
	if len(windows) == 0 {
		return wire.Window{}
	}
	all := windows[0]
	for _, w := range windows[1:] {
		all.Scheduled += w.Scheduled
		all.Sent += w.Sent
		all.Received += w.Received
		all.Lost += w.Lost
		all.Late += w.Late
		all.Duplicate += w.Duplicate
		all.SendError += w.SendError
		all.Unstamped += w.Unstamped
		all.IPDV, all.STAMP, all.OneWay = nil, nil, nil // not known across the step
		if w.Timestamps == wire.TimestampsUser && w.Received > 0 {
			all.Timestamps = w.Timestamps // upper bounds, as a whole
		}
		if t := w.ReplyTTL; all.ReplyTTL == nil {
			all.ReplyTTL = t
		} else if t != nil {
			all.ReplyTTL = &wire.ReplyTTL{
				Min: min(all.ReplyTTL.Min, t.Min), Max: max(all.ReplyTTL.Max, t.Max),
				Changes: all.ReplyTTL.Changes + t.Changes,
			}
		}
		rtts := append(decoded(all), decoded(w)...)
		slices.Sort(rtts)
		all.RTTs, all.Stats = wire.AppendRTTs([]byte{}, rtts), wire.StatsOf(rtts)
	}
	return all
}

func decoded(w wire.Window) []uint32 {
	rtts, err := wire.DecodeRTTs(nil, w.RTTs)
	if err != nil {
		panic(err) // coded by this process a moment ago
	}
	return rtts
}
