package measure

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// errAssignment is the cause by which a flow is told that the assignment no
// longer has it.
var errAssignment = errors.New("the assignment changed")

// endReason is why the last window of a flow ends.
func endReason(cause error) wire.EndReason {
	if errors.Is(cause, errAssignment) {
		return wire.EndAssignment
	}
	return wire.EndStop
}

// Times of the supervision of a flow.
const (
	firstBackoff = time.Second
	maxBackoff   = 15 * time.Second
)

// flow measures one target by one test: one pinger at a time, replaced when it
// fails, wears out or is out of step with the wall clock.
//
// A pinger is started so that its beat falls just behind the beginnings of the
// slots. Its successor starts beside it; from the slot after the successor's
// warm-up packet on only the successor sends, while the old one goes on
// listening for wire.Grace: a replacement loses neither packet nor reply.
type flow struct {
	name      string
	spec      Spec
	matcher   *matcher // nil: nobody looks on
	grid      window.Grid
	book      *window.Book
	line      *timeline
	timeout   time.Duration
	hold      bool
	seed      uint64
	newPinger func() pinger
	observe   func(Event)
	log       *slog.Logger

	renewal chan struct{} // capacity 1: a new pinger is wanted
	end     atomic.Int64  // first slot that is not measured any more
	failing atomic.Bool   // for the log

	mu      sync.Mutex // protects all following fields; taken after socket.mu
	active  *socket    // the one that sends; nil while there is none
	epoch   int        // for which the book is started
	started bool
}

// EventKind says what an Event tells.
type EventKind int

// Kinds of events.
const (
	EventSent EventKind = iota
	EventReply
	EventDuplicate
	EventRefused
)

// Event is something that happened to one packet, for whoever watches live.
type Event struct {
	Kind EventKind
	Slot int64
	RTT  time.Duration // of a reply
	TTL  int           // of a reply; not positive where unknown
	Fate window.Fate   // of a reply
	Err  error         // of a refusal
}

// Parts of a slot that stay free at its ends, in thousandths of its length: so
// that neither the jitter of a timer nor slewing carries a packet into the
// neighbouring slot.
const (
	earliestBeat = 2
	margin       = 10
)

// due draws the moment of a slot's packet: uniformly over the slot but for its
// margins, from a seed and the number of the slot alone, so that a recorded
// seed gives all moments again.
func due(g window.Grid, seed uint64, slot int64) int64 {
	u := rand.New(rand.NewPCG(seed, uint64(slot))).Float64()
	return g.Begin(slot) + phase(g, margin, 1000-margin, u)
}

func (f *flow) due(slot int64) int64 { return due(f.grid, f.seed, slot) }

// phase gives a point between two thousandths of a slot.
func phase(g window.Grid, from, to int64, u float64) int64 {
	thousandth := float64(g.Interval) / 1000
	return int64(thousandth * (float64(from) + u*float64(to-from)))
}

// beat draws how far behind the beginnings of the slots pinger number n sends.
// A pinger that cannot be held beats at a random place of the slot.
func (f *flow) beat(n uint64) int64 {
	u := rand.New(rand.NewPCG(f.seed, ^n)).Float64()
	if !f.hold {
		return phase(f.grid, margin, 1000-margin, u)
	}
	return phase(f.grid, earliestBeat, margin, u)
}

// running is a socket and its pinger.
type running struct {
	socket *socket
	cancel context.CancelFunc
	err    error
}

// run measures until the context ends, and then waits for the replies that are
// still to come. It returns with no packet undecided.
func (f *flow) run(ctx context.Context) {
	r := &relay{flow: f, ended: make(chan *running), backoff: firstBackoff}
	launch := time.NewTimer(r.untilBeat(0))
	defer launch.Stop()
	for {
		select {
		case <-ctx.Done():
			r.stop(context.Cause(ctx))
			return
		case <-launch.C:
			r.launch()
		case <-f.renewal:
			f.resync()
			launch.Reset(r.untilBeat(0))
		case ended := <-r.ended:
			if again := r.remove(ended); again {
				launch.Reset(r.untilBeat(r.pause()))
			}
		}
	}
}

// warm makes a socket the one that counts, once its first packet has left in
// the given slot.
func (f *flow) warm(s *socket, slot int64, now window.Moment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.active; old != nil && old != s {
		old.stopBefore(slot + 1)
	}
	f.active = s
	f.start(slot+1, now)
}

// worked notes that a packet left, for the log.
func (f *flow) worked() {
	if f.failing.CompareAndSwap(true, false) {
		f.log.Info("sending works again", "link", f.name)
	}
}

// start opens the books. A flow whose first packet is refused starts with that
// refusal; any other with the slot after the warm-up packet.
func (f *flow) start(slot int64, now window.Moment) {
	if !f.started || f.epoch != now.Epoch {
		if f.started {
			f.book.Cut(f.line.endOf(f.epoch), wire.EndClockStep)
		}
		f.book.Start(slot, now.Epoch)
		f.started, f.epoch = true, now.Epoch
	}
}

// refuse notes a refusal by the system, but not that of a successor while
// another socket sends.
func (f *flow) refuse(s *socket, now window.Moment, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active != nil && f.active != s {
		return
	}
	slot := f.grid.Slot(now.Wall)
	f.start(slot, now)
	if f.book.Refuse(now) {
		f.observe(Event{Kind: EventRefused, Slot: slot, Err: err})
	}
	if f.failing.CompareAndSwap(false, true) {
		f.log.Warn("sending is refused: counted as send errors, tried again", "link", f.name, "error", err)
	}
}

// renew asks for a new pinger.
func (f *flow) renew() {
	select {
	case f.renewal <- struct{}{}:
	default:
	}
}

// check asks for a new pinger if the wall clock has stepped.
func (f *flow) check(now window.Moment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started && f.epoch != now.Epoch {
		f.renew()
	}
}

// resync ends the window in hand if the wall clock has stepped since it began.
func (f *flow) resync() {
	now := f.line.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.started && f.epoch != now.Epoch {
		f.book.Cut(f.line.endOf(f.epoch), wire.EndClockStep)
		f.started = false
	}
}

// relay hands the work from one pinger to the next.
type relay struct {
	flow    *flow
	live    []*running
	ended   chan *running
	backoff time.Duration
	number  uint64
	begun   time.Duration // monotonic, of the newest
}

// untilBeat is how long to wait for the first beat that is at least a time
// ahead.
func (r *relay) untilBeat(atLeast time.Duration) time.Duration {
	f := r.flow
	r.number++
	now := f.line.now().Wall
	earliest := now + int64(atLeast)
	beat := f.beat(r.number)
	at := f.grid.Begin(f.grid.Slot(earliest)) + beat
	if at < earliest {
		at += int64(f.grid.Interval)
	}
	return time.Duration(at - now)
}

func (r *relay) launch() {
	f := r.flow
	ctx, cancel := context.WithCancel(context.Background())
	one := &running{socket: newSocket(f), cancel: cancel}
	r.live = append(r.live, one)
	r.begun = f.line.now().Mono
	p := f.newPinger()
	go func() {
		one.err = p.Run(ctx, one.socket)
		r.ended <- one
	}()
	// Predecessors have nothing to do but listen, once the new one sends; if
	// it cannot, they go on.
	for _, old := range r.live[:len(r.live)-1] {
		time.AfterFunc(wire.Grace+f.grid.Interval, func() {
			if old.socket.retired() {
				old.cancel()
			}
		})
	}
}

// remove forgets a pinger that ended and tells whether another must be started
// in its place.
func (r *relay) remove(ended *running) bool {
	f := r.flow
	ended.cancel()
	retired := ended.socket.retired()
	newest := ended == r.live[len(r.live)-1]
	r.live = slices.DeleteFunc(r.live, func(l *running) bool { return l == ended })
	f.matcher.forget(ended.socket)
	// Also of one that was told to end: whoever stops the flow would wait for
	// what is on its way.
	ended.socket.abandon()
	if !retired {
		now := f.line.now()
		if ended.err != nil && !ended.socket.everSent() {
			f.refuse(ended.socket, now, ended.err)
		}
		f.mu.Lock()
		if f.active == ended.socket {
			f.active = nil
		}
		f.mu.Unlock()
		f.log.Debug("a pinger ended", "link", f.name, "error", ended.err)
	}
	if retired {
		return false
	}
	// The one started last may be retired already, where one started before it
	// was the later to send: then nobody else would take over.
	return newest || !slices.ContainsFunc(r.live, func(l *running) bool { return !l.socket.retired() })
}

// pause is how long to wait before the next try; it grows while pingers do not
// last.
func (r *relay) pause() time.Duration {
	if r.flow.line.now().Mono-r.begun > time.Minute {
		r.backoff = firstBackoff
	}
	wait := r.backoff/2 + rand.N(r.backoff/2)
	r.backoff = min(2*r.backoff, maxBackoff)
	return wait
}

// stop ends the window in hand, waits for the replies on their way, and then
// closes the sockets.
func (r *relay) stop(cause error) {
	f := r.flow
	reason := endReason(cause)
	for _, l := range r.live {
		l.socket.stopSending()
	}
	f.resync()
	f.book.Cut(f.line.now(), reason)
	deadline := time.NewTimer(f.timeout + 10*time.Millisecond)
	defer deadline.Stop()
	idle := make(chan struct{})
	go func(live []*running) {
		defer close(idle)
		for _, l := range live {
			<-l.socket.idle
		}
	}(slices.Clone(r.live))
	for over := false; !over; {
		select {
		case <-idle:
			over = true
		case <-deadline.C:
			over = true
		case ended := <-r.ended:
			r.remove(ended)
		}
	}
	for _, l := range r.live {
		l.cancel()
	}
	for len(r.live) > 0 {
		ended := <-r.ended
		f.matcher.forget(ended.socket)
		ended.socket.lose()
		r.live = slices.DeleteFunc(r.live, func(l *running) bool { return l == ended })
	}
	<-idle
}
