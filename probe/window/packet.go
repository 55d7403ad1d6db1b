package window

import (
	"math"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Packet is one packet from its sending until nothing that comes counts any
// more: its window is made, or it is Timeout and Grace old.
type Packet struct {
	book  *Book
	draft *draft // nil once nothing counts any more
	wall  int64  // when it was sent, Unix ns
	mono  time.Duration
	lead  uint32 // µs by which a reading before the packet's first time stamp came earlier
	epoch int32  // of that reading
	record
	oneWay *OneWay
}

// record is what a window needs to know of a packet. A probe with 2 000 links
// holds some 130 000 at the end of a minute, so it is kept small.
type record struct {
	sequence uint32
	rtt      [2]uint32 // µs, of stamped replies, by source: kernel, user
	raw      uint32    // by STAMP, µs: T4−T1
	stayed   uint32    // by STAMP, µs: T3−T2
	reply    uint32    // by STAMP: number of the reply
	fate     [2]Fate   // by source; Waiting: it saw none
	ttl      uint8     // 0: not known
	dscp     int8      // by STAMP, of the request when it came; negative: not known
	marks    marks
}

// marks are bits of a record.
type marks uint8

const (
	abandoned     marks = 1 << iota // our own socket died
	heard                           // a reply by STAMP came in time; the following are of it
	authenticated                   //
	reordered                       //
	capped                          // more is claimed than is taken out
	doubled                         // a further reply came
)

func (r *record) is(m marks) bool { return r.marks&m != 0 }

func newPacket(b *Book, before, sent Moment) *Packet {
	lead := (sent.Mono - before.Mono + time.Microsecond - 1) / time.Microsecond
	return &Packet{
		book: b, draft: b.open, wall: sent.Wall, mono: sent.Mono,
		lead: uint32(min(max(lead, 0), math.MaxUint32)), epoch: int32(before.Epoch),
	}
}

// Sources of a record, the better first.
const (
	kernel = iota
	user
)

// Fate is what became of a packet.
type Fate uint8

// Fates of a packet. A late reply leaves the packet lost.
const (
	Waiting   Fate = iota // no reply yet; lost when its window is made
	Stamped               // answered in time, with an RTT
	Unstamped             // answered in time, without a trustworthy RTT
	Late                  // answered after Timeout
	Abandoned             // our own socket died before the reply could come
	Closed                // nothing that comes counts any more
)

// Reply is one reply as one stopwatch saw it.
type Reply struct {
	At     Moment          // when the process learned of it
	RTT    time.Duration   // by the wall clock
	TTL    int             // of the reply; not positive where unknown
	Source wire.Timestamps // of both stamps that make the RTT
	STAMP  *STAMP          // what else the reply tells; nil with other methods
}

// Answer records the first reply to a packet as one source of timestamps saw
// it; the same reply may be recorded once by each source. The RTT counts if the
// wall clock ran evenly from before the packet's first time stamp until the
// process learned of the reply, and if it is one that can be: nothing is ever
// clamped. By the kernel's stamps a reply is in time although a busy process
// learned of it after Timeout.
func (p *Packet) Answer(r Reply) Fate {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft == nil {
		return Closed
	}
	if r.TTL > 0 && r.TTL <= 255 {
		p.ttl = uint8(r.TTL)
	}
	which := kernel
	if r.Source == wire.TimestampsUser {
		which = user
	}
	p.fate[which] = p.fateBy(r)
	if p.fate[which] == Stamped {
		p.rtt[which] = micros(r.RTT)
	}
	if r.STAMP != nil && p.fate[which] != Late {
		p.hear(r.STAMP)
	}
	return p.fate[which]
}

func (p *Packet) fateBy(r Reply) Fate {
	timeout, span := p.book.cfg.Timeout, r.At.Mono-p.mono+time.Duration(p.lead)*time.Microsecond
	// No reply takes longer than it took the process to learn of it, but for
	// what the two clocks may drift apart.
	even := int(p.epoch) == r.At.Epoch && r.RTT >= 0 && r.RTT <= wire.MaxRTTUS*time.Microsecond &&
		r.RTT <= span+time.Millisecond+span/1000
	learned := r.At.Mono - p.mono
	switch {
	case even && r.RTT > timeout, learned > timeout && (!even || r.Source == wire.TimestampsUser):
		return Late
	case even:
		return Stamped
	}
	return Unstamped
}

// best is the packet's fate by the best source that saw a reply, and the RTT in
// µs of a stamped one.
func (r *record) best() (Fate, uint32) {
	switch {
	case r.fate[kernel] != Waiting:
		return r.fate[kernel], r.rtt[kernel]
	case r.fate[user] == Waiting && r.is(abandoned):
		return Abandoned, 0
	}
	return r.fate[user], r.rtt[user]
}

// by is what a window says of the packet whose RTTs are all of one source.
func (r *record) by(source wire.Timestamps) (Fate, uint32) {
	fate, rtt := r.best()
	if source != wire.TimestampsUser && fate == Stamped && r.fate[kernel] == Waiting {
		return Unstamped, 0
	}
	return fate, rtt
}

// Outcome is the packet's fate so far, by the best source that saw a reply, and
// the RTT of a stamped one.
func (p *Packet) Outcome() (Fate, time.Duration) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	fate, rtt := p.best()
	return fate, time.Duration(rtt) * time.Microsecond
}

// Duplicate records a further reply to a packet that was answered.
func (p *Packet) Duplicate() {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if fate, _ := p.best(); p.draft != nil && (fate == Stamped || fate == Unstamped) {
		p.draft.duplicate++
		p.marks |= doubled
	}
}

// Abandon records that a reply can no longer be received because our own
// socket failed. It counts as a send error: the network lost nothing.
func (p *Packet) Abandon(now Moment) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft != nil && now.Mono-p.mono <= p.book.cfg.Timeout {
		p.marks |= abandoned
	}
}

// Closed tells whether nothing that comes counts any more, so that nobody need
// remember the packet.
func (p *Packet) Closed() bool {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.draft == nil
}

// Sent is when the packet was sent: Unix ns, and by the clock that never steps.
func (p *Packet) Sent() (wall int64, mono time.Duration) { return p.wall, p.mono }
