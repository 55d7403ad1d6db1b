package measure

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/trace"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// fate is what the fake network does with one packet.
type fate struct {
	rtt   time.Duration // 0: never answered
	again bool          // answered twice
	lie   time.Duration // by which the reply's payload says that it was sent later
	early bool          // a reply that repeats another time stamp comes at once
}

// network stands in for pro-bing and everything behind it. It behaves like
// pro-bing's loop: one goroutine, a steady beat, and nothing sent or received
// while a call lasts.
type network struct {
	clock Clock
	// fate decides over packet number seq of pinger number n. An error refuses
	// it, and ends the pinger if it is its first, as with pro-bing.
	fate func(n, seq int) (fate, error)
	die  <-chan struct{} // ends all pingers with an error
	wrap int             // sequence numbers are below it; 0: do not wrap
	// busy is how long a reply waits in the kernel for the process.
	busy time.Duration
	// unseen tells which packets the tap misses.
	unseen func(stopwatch.Echo) bool
	udp    *reflectors // what STAMP packets meet

	mu      sync.Mutex // protects all following fields
	passed  []stopwatch.Echo
	pingers int
	sent    []int64 // Unix ns of every packet, warm-up packets included
	live    int
}

type fakePinger struct {
	network *network
	spec    Spec
}

func (n *network) pinger(spec Spec) func() pinger {
	return func() pinger { return &fakePinger{n, spec} }
}

// pass shows a packet to the tap, at this moment.
func (n *network) pass(spec Spec, number, seq int, reply bool) {
	n.passWith(spec, number, seq, reply, 0)
}

// passWith puts a mark into the time stamp of the payload.
func (n *network) passWith(spec Spec, number, seq int, reply bool, mark byte) {
	e := stopwatch.Echo{
		Reply: reply, Peer: spec.Address, Seq: uint16(seq), TTL: 64, TOS: uint8(spec.DSCP << 2), Size: spec.SizeBytes, At: n.wall(),
		Data: [stopwatch.EchoData]byte{0: mark, 8: byte(number), 9: byte(number >> 8)},
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.unseen == nil || !n.unseen(e) {
		n.passed = append(n.passed, e)
	}
}

// Read makes the network a Tap.
func (n *network) Read(do func(stopwatch.Echo)) {
	n.mu.Lock()
	passed := n.passed
	n.passed = nil
	n.mu.Unlock()
	for _, e := range passed {
		do(e)
	}
}

// Dropped makes the network a Tap.
func (n *network) Dropped() uint64 { return 0 }

// stamp is a time stamp as pro-bing puts one into a packet.
func (n *network) wall() int64 { wall, _ := n.clock(); return wall }

type reply struct {
	seq   int
	stamp int64
	again bool
}

func (p *fakePinger) Run(ctx context.Context, w watcher) error {
	n := p.network
	n.mu.Lock()
	number := n.pingers
	n.pingers++
	n.live++
	n.mu.Unlock()
	defer func() { n.mu.Lock(); n.live--; n.mu.Unlock() }()

	replies := make(chan reply, 100)
	// A Ticker that is received from late, as this one is meant to be, crashes
	// the race detector in a synctest bubble too. So the beat is a goroutine that
	// leaves one tick behind, as a Ticker does.
	beat := make(chan struct{}, 1)
	over := make(chan struct{})
	defer close(over)
	var tick func()
	tick = func() {
		select {
		case beat <- struct{}{}:
		default:
		}
		after(over, p.spec.Interval, tick)
	}
	after(over, p.spec.Interval, tick)
	sent, received, more := 0, 0, true
	send := func() error {
		stamp := n.wall()
		f, err := n.fate(number, sent)
		if err != nil {
			w.Refused(err)
			return err
		}
		n.mu.Lock()
		n.sent = append(n.sent, stamp)
		n.mu.Unlock()
		seq := sent
		if n.wrap > 0 {
			seq %= n.wrap
		}
		sent++
		n.pass(p.spec, number, seq, false)
		if f.early {
			n.passWith(p.spec, number, seq, true, 1)
		}
		if f.rtt > 0 {
			after(over, f.rtt, func() {
				n.pass(p.spec, number, seq, true)
				after(over, n.busy, func() { replies <- reply{seq, stamp + int64(f.lie), false} })
			})
		}
		if f.again {
			after(over, f.rtt+n.busy+time.Millisecond, func() { replies <- reply{seq, stamp, true} })
		}
		more = w.Sent(seq)
		return nil
	}
	if err := send(); err != nil {
		return err
	}
	for more || received < sent {
		select {
		case <-ctx.Done():
			return nil
		case <-n.die:
			return errors.New("the socket died")
		case r := <-replies:
			if r.again {
				w.Duplicated(r.seq)
				continue
			}
			received++
			more = w.Answered(r.seq, time.Duration(n.wall()-r.stamp), 64) && more
		case <-beat:
			if more {
				_ = send()
			}
		}
	}
	return nil
}

// after does something later, unless it is over before. It has a goroutine for
// that, and a timer that cannot be over when it is received from: else the race
// detector crashes in a synctest bubble (Go 1.26.8).
func after(over <-chan struct{}, d time.Duration, do func()) {
	go func() {
		timer := time.NewTimer(max(d, time.Nanosecond))
		defer timer.Stop()
		select {
		case <-timer.C:
			do()
		case <-over:
		}
	}()
}

// steppingClock is the bubble's clock with a wall clock that can be set.
type steppingClock struct {
	mu      sync.Mutex
	offset  time.Duration
	skipped time.Duration
	start   time.Time
}

func newClock() *steppingClock { return &steppingClock{start: time.Now()} }

func (c *steppingClock) read() (int64, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return now.UnixNano() + int64(c.offset+c.skipped), now.Sub(c.start) + c.skipped
}

// skip lets time pass in which the process was not running.
func (c *steppingClock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skipped += d
}

func (c *steppingClock) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// rig is a Measurer on a fake network.
type rig struct {
	t           *testing.T
	clock       *steppingClock
	network     *network
	assignments chan *wire.Assignment
	stop        func() []wire.Window

	mu      sync.Mutex
	windows []wire.Window
	session uint64
	traces  []trace.Flow
	noTrace error // what a trace says
}

// newRig starts a Measurer inside a synctest bubble. stop ends it and gives
// every window that it put.
func newRig(t *testing.T, fates func(n, seq int) (fate, error), change ...func(*Config, *network)) *rig {
	r := &rig{t: t, clock: newClock(), session: 1, assignments: make(chan *wire.Assignment)}
	r.network = &network{clock: r.clock.read, fate: fates}
	cfg := Config{
		Origin: wire.OriginSynthetic, Version: "devel", Seed: 1, Session: 1,
		Raise: func() (uint64, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.session++
			return r.session, nil
		},
		Put: func(ws []wire.Window) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.windows = append(r.windows, ws...)
			return nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, do := range change {
		do(&cfg, r.network)
	}
	m := New(cfg)
	m.clock = r.clock.read
	m.newPinger = r.network.pinger
	m.tracer.run = func(_ context.Context, f trace.Flow, _ trace.Options) (trace.Result, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.traces = append(r.traces, f)
		return trace.Result{Hops: []wire.Hop{{TTL: 1, Address: "192.0.2.2"}}, Reached: true}, r.noTrace
	}
	if udp := r.network.udp; udp != nil {
		udp.clock = r.clock.read
		m.openUDP, m.clockState = udp.open, func() wire.Clock { return wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 300} }
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx, r.assignments) }()
	r.stop = func() []wire.Window {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, w := range r.windows {
			if err := w.Check(); err != nil {
				t.Errorf("window %v: %v", w.Key, err)
			}
		}
		if r.network.live != 0 {
			t.Errorf("%d pingers are left behind", r.network.live)
		}
		return r.windows
	}
	return r
}

// assignment asks for one target, a packet a second, windows of ten seconds.
func assignment(targets ...string) *wire.Assignment {
	a := &wire.Assignment{
		Schema: wire.SchemaAssignment, Site: "here", Cluster: "c0", Carrier: "x", Plane: "optical", Address: "192.0.2.1",
		MeshSHA256: string(make64('a')),
		Tasks:      []wire.Task{{Test: "icmp", Method: "icmp", IntervalMS: 1000, SizeBytes: 84, WindowS: 10}},
	}
	for i, site := range targets {
		a.Tasks[0].Targets = append(a.Tasks[0].Targets, wire.Target{Site: site, Cluster: "c1", Address: "192.0.2." + string(rune('2'+i))})
	}
	return a
}

func make64(c byte) []byte {
	b := make([]byte, 64)
	for i := range b {
		b[i] = c
	}
	return b
}

func sum(ws []wire.Window) (c wire.Counts) {
	for _, w := range ws {
		c.Scheduled += w.Scheduled
		c.Sent += w.Sent
		c.Received += w.Received
		c.Lost += w.Lost
		c.Late += w.Late
		c.Duplicate += w.Duplicate
		c.SendError += w.SendError
		c.Unstamped += w.Unstamped
	}
	return c
}

// offsets are the places of packets in their seconds.
func offsets(sent []int64) []time.Duration {
	var all []time.Duration
	for _, at := range sent {
		all = append(all, time.Duration(at%int64(time.Second)))
	}
	return all
}
