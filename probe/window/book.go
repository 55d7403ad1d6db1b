// Package window collects the packets of one flow from their sending until
// their fate is decided, and makes wire.Windows of them.
//
// It does no I/O and starts nothing: package measure tells it what happened
// and when, and takes the windows that are ready. Every moment is passed in, so
// that a test can play any history of packets and clocks.
package window

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Moment is one reading of both clocks.
type Moment struct {
	Wall  int64         // Unix time in ns
	Mono  time.Duration // since any fixed point; never steps
	Epoch int           // number of steps of the wall clock seen so far
}

// Grid divides the wall clock into slots, one packet each, and windows.
type Grid struct {
	Base     int64         // Unix ns from which slots and windows are counted; 0 aligns them in UTC
	Interval time.Duration // length of a slot; divides Length
	Length   time.Duration // length of a full window
}

// Slot is the number of the slot in which a wall-clock time lies.
func (g Grid) Slot(wall int64) int64 { return floorDiv(wall-g.Base, int64(g.Interval)) }

// Begin is the wall-clock time at which a slot begins, in Unix ns.
func (g Grid) Begin(slot int64) int64 { return g.Base + slot*int64(g.Interval) }

// windowEnd is the end of the full window in which a slot lies.
func (g Grid) windowEnd(slot int64) int64 {
	return g.Base + (floorDiv(g.Begin(slot)-g.Base, int64(g.Length))+1)*int64(g.Length)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Labels are what a window says besides its packets.
type Labels struct {
	Src, Dst, Test         string
	SrcCluster, DstCluster string
	Carrier, Plane, Method string
	Origin                 wire.Origin
	MeshSHA256             string
	DSCP                   int // of the packets, for which a window has no field
	ProbeVersion           string
}

// String names the link and the test.
func (l Labels) String() string { return l.Src + ">" + l.Dst + "/" + l.Test }

// Config is what a Book needs to know of its flow.
type Config struct {
	Labels  Labels
	Grid    Grid
	Timeout time.Duration // after its sending a packet is lost
	Grace   time.Duration // after its end a window is closed at the latest
	// Due is the wall-clock time in Unix ns at which the packet of a slot is
	// due. It lies inside the slot and is always the same for the same slot.
	Due func(slot int64) int64
	// Session numbers the windows that begin in an epoch, which may have ended.
	Session func(epoch int) uint64
	// Clock tells the state of the wall clock, for the window that ends now.
	Clock func() wire.Clock
}

// Book keeps the packets of one flow. Each slot has at most one outcome: a
// packet sent, or a send refused by the socket. A further packet in a slot,
// which only a starved process sends, is left out whatever becomes of it, and
// so is the first packet of every socket. So sent + send_error never exceeds
// scheduled.
//
// A window that is cut counts as scheduled the slots that were due before its
// end, and those that have an outcome. All methods are safe for concurrent use.
type Book struct {
	mu  sync.Mutex // protects all following fields
	cfg Config

	next    int64 // first slot that has no outcome and may get one
	outcome int64 // Unix ns of the last outcome
	open    *draft
	ended   []*draft  // in order of time
	seen    view      // of the path, by the window ended last
	tracing *draft    // that waits for a path; nil if none does
	before  *answered // the last packet of the window made last, if it was answered
	relabel *relabelling
}

// relabelling waits for the slot with which new labels begin.
type relabelling struct {
	labels Labels
	begin  int64 // Unix ns
}

// draft is a window that is not made yet.
type draft struct {
	labels     Labels
	session    uint64
	epoch      int
	start, end int64 // Unix ns; end is that of the full window until it has ended
	reason     wire.EndReason
	endMono    time.Duration
	clock      wire.Clock
	firstSlot  int64
	scheduled  int64

	trigger string // why the path seems to have changed; empty: it does not, or somebody was told
	tracing bool   // a path is waited for
	path    *wire.Path

	settled   []record  // of the packets about which nothing more is learned
	packets   []*Packet // the others, in order of sending after those
	oneWays   oneWays
	refused   uint32
	duplicate uint32
}

// New makes a Book that counts nothing until Start.
func New(cfg Config) *Book { return &Book{cfg: cfg} }

// Start opens the first window with a slot, which must begin in the future or
// now. After a Cut it starts the flow again.
func (b *Book) Start(slot int64, epoch int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.next, b.outcome = slot, math.MinInt64
		b.begin(slot, epoch)
	}
}

func (b *Book) begin(slot int64, epoch int) {
	b.open = &draft{
		labels: b.cfg.Labels, session: b.cfg.Session(epoch), epoch: epoch,
		start: b.cfg.Grid.Begin(slot), end: b.cfg.Grid.windowEnd(slot), firstSlot: slot,
	}
}

// Send records that a packet was sent. before is a reading from before the
// packet got its time stamp. It gives nil where the packet is left out.
func (b *Book) Send(before, at Moment) *Packet {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.take(at) {
		return nil
	}
	p := newPacket(b, before, at)
	b.open.packets = append(b.open.packets, p)
	return p
}

// Refuse records that the socket refused to send. It tells whether the refusal
// counts, which it does once in a slot.
func (b *Book) Refuse(at Moment) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.take(at) {
		return false
	}
	b.open.refused++
	return true
}

// take claims the slot of a moment for an outcome.
func (b *Book) take(at Moment) bool {
	b.roll(at)
	slot := b.cfg.Grid.Slot(at.Wall)
	if b.open == nil || at.Epoch != b.open.epoch || slot < b.next || at.Wall < b.open.start {
		return false
	}
	b.next, b.outcome = slot+1, at.Wall
	return true
}

// Relabel gives the windows new labels from the next slot on; the window in
// hand ends there because of the assignment, unless it is full there.
func (b *Book) Relabel(labels Labels, now Moment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	if b.open == nil {
		b.cfg.Labels = labels
		return
	}
	slot := b.cfg.Grid.Slot(now.Wall) + 1
	b.relabel = &relabelling{labels, b.cfg.Grid.Begin(max(slot, b.open.firstSlot))}
}

// Advance ends the windows whose time is over, and lets go of packets that are
// older than Timeout and Grace.
func (b *Book) Advance(now Moment) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(now)
	for _, d := range b.ended {
		d.settle(now, b.cfg.Timeout+b.cfg.Grace)
	}
	if b.open != nil {
		b.open.settle(now, b.cfg.Timeout+b.cfg.Grace)
	}
}

func (b *Book) roll(now Moment) {
	for b.open != nil && b.open.epoch == now.Epoch {
		end, reason := b.open.end, wire.EndFull
		if b.relabel != nil && b.relabel.begin < end {
			end, reason = b.relabel.begin, wire.EndAssignment
		}
		if now.Wall < end {
			return
		}
		epoch := b.open.epoch
		b.end(end, reason, now)
		if b.relabel != nil && b.relabel.begin <= end {
			b.cfg.Labels, b.relabel = b.relabel.labels, nil
		}
		b.next = max(b.next, b.cfg.Grid.Slot(end))
		b.begin(b.cfg.Grid.Slot(end), epoch)
	}
}

// Cut ends the window in hand early; nothing is counted until the next Start.
// at is the end on the clock by which the window was dated.
func (b *Book) Cut(at Moment, reason wire.EndReason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roll(at)
	if b.relabel != nil {
		b.cfg.Labels, b.relabel = b.relabel.labels, nil
	}
	if d := b.open; d != nil {
		end := at.Wall
		if b.outcome >= d.start {
			end = max(end, b.outcome+1)
		}
		b.end(min(ceilMilli(end), d.end), reason, at)
	}
}

// end takes the window in hand out of use. One that has not begun leaves no
// trace.
func (b *Book) end(end int64, reason wire.EndReason, now Moment) {
	d := b.open
	b.open = nil
	if end-d.start < int64(time.Millisecond) {
		return
	}
	// The last slot of a cut window counts if its moment has come.
	last := b.cfg.Grid.Slot(end - 1)
	if b.cfg.Grid.Begin(last+1) > end && b.cfg.Due(last) >= end && b.next <= last {
		last--
	}
	d.scheduled = max(last-d.firstSlot+1, 0)
	d.end, d.reason, d.clock = end, reason, b.cfg.Clock()
	d.endMono = now.Mono - time.Duration(now.Wall-end)
	b.look(d)
	b.ended = append(b.ended, d)
}

func ceilMilli(ns int64) int64 {
	const ms = int64(time.Millisecond)
	return (ns + ms - 1) / ms * ms
}

// Take gives the windows that are decided, oldest first: every packet answered
// and Timeout over since the end (a duplicate may still come), or else Grace.
func (b *Book) Take(now Moment) []wire.Window {
	return b.takeIf(now, func(d *draft) bool {
		over := now.Mono - d.endMono
		return over >= b.cfg.Grace || over >= b.cfg.Timeout && !d.tracing && d.answered()
	})
}

// Flush gives the windows that have ended and of which every packet is
// answered or lost, without waiting for what comes late.
func (b *Book) Flush(now Moment) []wire.Window {
	return b.takeIf(now, func(d *draft) bool { return d.decided(now, b.cfg.Timeout) })
}

func (b *Book) takeIf(now Moment, ready func(*draft) bool) []wire.Window {
	b.mu.Lock()
	defer b.mu.Unlock()
	var made []wire.Window
	for len(b.ended) > 0 && ready(b.ended[0]) {
		last := b.ended[0].lastAnswered()
		made = append(made, b.ended[0].make(b.before))
		b.before = last
		b.ended = slices.Delete(b.ended, 0, 1)
	}
	return made
}

// Empty tells whether no window is in hand.
func (b *Book) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open == nil && len(b.ended) == 0
}
