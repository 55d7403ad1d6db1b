package window

import (
	"math"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Packet is one packet from its sending until its window is made. There are
// some 150 000 at once in a probe with 2 000 links, so it is kept small.
type Packet struct {
	book  *Book
	draft *draft // nil once the window is made
	wall  int64  // when it was sent, Unix ns
	mono  time.Duration
	heard *heard // what a reply by STAMP told; nil until there is one in time

	lead      uint32 // µs by which a reading before the packet's first time stamp came earlier
	epoch     int32  // of that reading
	sequence  uint32
	seen      [2]sighting // by source: kernel, user
	ttl       uint8       // 0: not known
	abandoned bool
}

func newPacket(b *Book, before, sent Moment) *Packet {
	lead := (sent.Mono - before.Mono + time.Microsecond - 1) / time.Microsecond
	return &Packet{
		book: b, draft: b.open, wall: sent.Wall, mono: sent.Mono,
		lead: uint32(min(max(lead, 0), math.MaxUint32)), epoch: int32(before.Epoch),
	}
}

// sighting is a reply as the stamps of one source tell of it.
type sighting struct {
	rtt  uint32 // µs; of a stamped reply
	fate Fate   // Waiting: not seen
}

// Places in Packet.seen, better source first.
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
	Closed                // its window is made: nothing counts any more
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
	p.seen[which] = sighting{fate: p.fateBy(r)}
	if p.seen[which].fate == Stamped {
		p.seen[which].rtt = micros(r.RTT)
	}
	if r.STAMP != nil && p.seen[which].fate != Late {
		p.heard = r.STAMP.keep()
	}
	return p.seen[which].fate
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

// best is what is known of the reply, by the best source that saw it.
func (p *Packet) best() sighting {
	switch {
	case p.seen[kernel].fate != Waiting:
		return p.seen[kernel]
	case p.seen[user].fate == Waiting && p.abandoned:
		return sighting{fate: Abandoned}
	}
	return p.seen[user]
}

// by is what a window says of the packet whose RTTs are all of one source.
func (p *Packet) by(source wire.Timestamps) sighting {
	s := p.best()
	if source != wire.TimestampsUser && s.fate == Stamped && p.seen[kernel].fate == Waiting {
		return sighting{fate: Unstamped}
	}
	return s
}

// Outcome is the packet's fate so far, by the best source that saw a reply, and
// the RTT of a stamped one.
func (p *Packet) Outcome() (Fate, time.Duration) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	s := p.best()
	return s.fate, time.Duration(s.rtt) * time.Microsecond
}

// Duplicate records a further reply to a packet that was answered.
func (p *Packet) Duplicate() {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if fate := p.best().fate; p.draft != nil && (fate == Stamped || fate == Unstamped) {
		p.draft.duplicate++
	}
}

// Abandon records that a reply can no longer be received because our own
// socket failed. It counts as a send error: the network lost nothing.
func (p *Packet) Abandon(now Moment) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft != nil && now.Mono-p.mono <= p.book.cfg.Timeout {
		p.abandoned = true
	}
}

// Closed tells whether the packet's window is made, so that nobody need
// remember the packet.
func (p *Packet) Closed() bool {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.draft == nil
}

// Sent is when the packet was sent: Unix ns, and by the clock that never steps.
func (p *Packet) Sent() (wall int64, mono time.Duration) { return p.wall, p.mono }
