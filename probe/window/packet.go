package window

import (
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Packet is one packet from its sending until its window is made.
type Packet struct {
	book  *Book
	draft *draft // nil once the window is made
	sent  Moment
	epoch int // before the packet got its time stamp

	fate Fate
	rtt  uint32 // µs; of a stamped reply
	ttl  uint8  // 0: not known
}

// Fate is what became of a packet.
type Fate int

// Fates of a packet. A late reply leaves the packet lost.
const (
	Waiting   Fate = iota // no reply yet; lost when its window is made
	Stamped               // answered in time, with an RTT
	Unstamped             // answered in time, without a trustworthy RTT
	Late                  // answered after Timeout
	Abandoned             // our own socket died before the reply could come
	Closed                // its window is made: nothing counts any more
)

// Reply is one reply as the method of measurement saw it.
type Reply struct {
	At  Moment        // when it was seen
	RTT time.Duration // by the wall clock
	TTL int           // of the reply; not positive where unknown
}

// Answer records the first reply to a packet. The RTT counts if the wall clock
// ran evenly from before the packet's time stamp until after the reply's, and
// if it is one that can be: nothing is ever clamped.
func (p *Packet) Answer(r Reply) Fate {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft == nil {
		return Closed
	}
	even := p.epoch == r.At.Epoch && r.RTT >= 0 && r.RTT <= wire.MaxRTTUS*time.Microsecond
	if r.At.Mono-p.sent.Mono > p.book.cfg.Timeout || even && r.RTT > p.book.cfg.Timeout {
		p.fate = Late
		return p.fate
	}
	p.fate = Unstamped
	if even {
		p.fate, p.rtt = Stamped, uint32(r.RTT.Round(time.Microsecond)/time.Microsecond)
	}
	if r.TTL > 0 && r.TTL <= 255 {
		p.ttl = uint8(r.TTL)
	}
	return p.fate
}

// Duplicate records a further reply to a packet that was answered.
func (p *Packet) Duplicate() {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft != nil && (p.fate == Stamped || p.fate == Unstamped) {
		p.draft.duplicate++
	}
}

// Abandon records that a reply can no longer be received because our own
// socket failed. It counts as a send error: the network lost nothing.
func (p *Packet) Abandon(now Moment) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	if p.draft != nil && p.fate == Waiting && now.Mono-p.sent.Mono <= p.book.cfg.Timeout {
		p.fate = Abandoned
	}
}

// Closed tells whether the packet's window is made, so that nobody need
// remember the packet.
func (p *Packet) Closed() bool {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.draft == nil
}

// Sent is when the packet was sent.
func (p *Packet) Sent() Moment { return p.sent }
