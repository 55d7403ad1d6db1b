package measure

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// session is what a STAMP session-sender knows of one session (RFC 8762): how
// its packets look, and which of them are on their way. A sender calls it, from
// one goroutine.
type session struct {
	name    string
	peer    peer
	grid    window.Grid
	seed    uint64
	book    *window.Book
	observe func(Event)

	missing error  // why nothing can be sent; nil if it can
	id      uint16 // SSID: tells apart the sessions with one reflector
	ask     *stamp.Ask
	started bool  // the book is
	warm    bool  // a packet has left; the first meets cold neighbour tables and is left out
	next    int64 // slot in which the next packet is sent
	due     int64 // Unix ns
	place   int   // in the schedule; -1: not in it

	number   uint32    // of the packet sent next
	requests []request // in order of sending; the numbers have no gaps
	highest  uint32    // of the requests that were answered; valid with answered
	answered bool
	last     *told // by the latest reply, until the reflector says when it really left

	ending  bool          // nothing is sent any more
	endBy   time.Duration // monotonic: until then replies are waited for
	ended   chan struct{}
	failing bool // for the log
}

// peer is how a reflector is spoken to.
type peer struct {
	address netip.AddrPort
	key     []byte // nil: unauthenticated
	format  stamp.Format
	plain   bool // padding instead of TLVs
	length  int  // of the UDP payload
	dscp    int
}

// request is one packet from its sending until its window is made.
type request struct {
	packet   *window.Packet // nil: left out
	sent     stamp.Timestamp
	begun    int64 // the process's moment before it sent, Unix ns
	left     int64 // the kernel's; 0: not known
	answered bool
}

// told is what a reply told.
type told struct {
	request  *window.Packet
	reply    window.Reply
	sequence uint32          // the reply's own
	received stamp.Timestamp // T2
	format   stamp.Format    // of the reflector's stamps
	came     int64           // T4, Unix ns
}

// newAsk chooses what is asked of a reflector: as much as the packet has room
// for. It gives nil where the packet has room for no TLV, or its length fits
// none: then it is padded with zeros.
func newAsk(p peer) *stamp.Ask {
	room := p.length - stamp.SizeUnauthenticated
	if p.key != nil {
		room = p.length - stamp.SizeAuthenticated
	}
	if p.plain || room <= 0 {
		return nil
	}
	for _, ask := range []stamp.Ask{{Class: true, FollowUp: true}, {Class: true}, {}} {
		ask.DSCP, ask.Size = uint8(p.dscp), room
		if _, err := ask.Append(nil, 0, p.key); err == nil {
			return &ask
		}
	}
	return nil
}

// build appends the packet that is sent next.
func (s *session) build(dst []byte, now int64, clock wire.Clock) ([]byte, stamp.Timestamp) {
	r := stamp.Request{
		Sequence: s.number, Timestamp: s.peer.format.StampUnix(now), SSID: s.id,
		Error: stamp.NewErrorEstimate(clock.State == wire.ClockSynchronised, s.peer.format, time.Duration(clock.MaxErrorUS)*time.Microsecond),
	}
	dst = stamp.AppendRequest(dst, &r, s.peer.key)
	if s.ask != nil {
		var err error
		if dst, err = s.ask.Append(dst, s.number, s.peer.key); err != nil {
			panic(err) // newAsk has tried it
		}
	}
	for len(dst) < s.peer.length {
		dst = append(dst, 0)
	}
	return dst, r.Timestamp
}

// sent notes that a packet left the socket. The number after the first one is
// left out: a stateful reflector numbers what reaches it, and so shows by the
// gap that it does not just repeat our numbers.
func (s *session) sent(r request) (number uint32) {
	number = s.number
	if r.packet != nil {
		r.packet.Mark(number)
	}
	s.requests = append(s.requests, r)
	s.number++
	if !s.warm {
		s.warm = true
		s.requests = append(s.requests, request{})
		s.number++
	}
	return number
}

// request finds a packet by its number; nil if it is forgotten.
func (s *session) request(number uint32) *request {
	first := s.number - uint32(len(s.requests))
	if i := number - first; i < uint32(len(s.requests)) {
		return &s.requests[i]
	}
	return nil
}

// forget lets go of packets to which a reply would come too late to count for
// anything.
func (s *session) forget(now window.Moment, timeout time.Duration) {
	n := 0
	for ; n < len(s.requests)-1; n++ {
		if p := s.requests[n].packet; p != nil {
			if _, sent := p.Sent(); now.Mono-sent <= timeout+wire.Grace {
				break
			}
		}
	}
	if n > 0 {
		s.requests = s.requests[:copy(s.requests, s.requests[n:])]
	}
}

// waiting tells whether a packet may still be answered in time.
func (s *session) waiting(now window.Moment, timeout time.Duration) bool {
	for i := len(s.requests) - 1; i >= 0; i-- {
		p := s.requests[i].packet
		if p == nil || s.requests[i].answered {
			continue
		}
		_, sent := p.Sent()
		return now.Mono-sent <= timeout
	}
	return false
}

// reply takes a reply; false if it is to none of the session's packets. left
// looks once more for the kernel's moment of sending of a request.
func (s *session) reply(m *stopwatch.Message, now window.Moment, own wire.Clock, left func()) bool {
	reply, err := stamp.ParseReply(m.Payload, s.peer.key)
	if err != nil {
		return false
	}
	r := s.request(reply.Sender.Sequence)
	// The reflector repeats our stamp: whoever does not see our packets cannot
	// make it up.
	if r == nil || r.sent != reply.Sender.Timestamp || r.begun == 0 {
		return false
	}
	if r.packet == nil {
		return true
	}
	if r.answered {
		r.packet.Duplicate()
		s.observe(Event{Kind: EventDuplicate, Slot: s.slotOf(r.packet)})
		return true
	}
	r.answered = true
	if r.left == 0 && m.Source == wire.TimestampsKernel {
		left()
	}
	t := &told{
		request: r.packet, sequence: reply.Sequence, received: reply.Received, format: reply.Error.Format(), came: m.At,
		reply: window.Reply{At: now, TTL: m.TTL, Source: m.Source, STAMP: &window.STAMP{
			Authenticated: s.peer.key != nil, ReplySequence: reply.Sequence, DSCP: -1,
			Reordered: s.answered && int32(reply.Sender.Sequence-s.highest) < 0,
		}},
	}
	began := r.left
	if began == 0 || m.Source == wire.TimestampsUser {
		began, t.reply.Source = r.begun, wire.TimestampsUser
	}
	if !s.answered || int32(reply.Sender.Sequence-s.highest) > 0 {
		s.highest, s.answered = reply.Sender.Sequence, true
	}
	t.reply.STAMP.Raw = time.Duration(m.At - began)
	t.oneWay(began, reply, own)
	s.extensions(reply, t)
	fate := t.leftAt(reply.Timestamp)
	s.last = t
	if best, rtt := r.packet.Outcome(); fate != window.Closed {
		s.observe(Event{Kind: EventReply, Slot: s.slotOf(r.packet), RTT: max(rtt, 0), TTL: m.TTL, Fate: best})
	}
	return true
}

func (s *session) slotOf(p *window.Packet) int64 {
	wall, _ := p.Sent()
	return s.grid.Slot(wall)
}

// extensions reads the TLVs of a reply: how the request was marked when it
// reached the reflector, and when the reply before this one really left.
func (s *session) extensions(reply stamp.Reply, t *told) {
	if s.ask == nil || len(reply.TLVs) == 0 {
		return
	}
	e, err := stamp.ParseExtensions(reply.TLVs, reply.Sequence, s.peer.key)
	if err != nil {
		return // what was read is not to be trusted
	}
	if e.HasClass {
		t.reply.STAMP.DSCP = int(e.Class.DSCP)
	}
	if e.HasFollowUp && s.last != nil && s.last.sequence == e.FollowUp.Sequence && e.FollowUp.Sent != 0 {
		s.last.leftAt(e.FollowUp.Sent)
	}
}

// leftAt records the reply with the moment at which it left the reflector (T3).
// It is recorded again where the reflector tells that moment better.
func (t *told) leftAt(sent stamp.Timestamp) window.Fate {
	// A copy: the packet keeps what it was given.
	s := *t.reply.STAMP
	s.Residence = t.format.Between(t.received, sent)
	if s.OneWay != nil {
		o := *s.OneWay
		o.Reverse = time.Duration(t.came - t.format.Unix(sent, t.came))
		s.OneWay = &o
	}
	t.reply.STAMP = &s
	t.reply.RTT = s.Raw - s.Subtracted()
	return t.request.Answer(t.reply)
}

// oneWay notes the delay on the way to the reflector if both clocks say that
// they follow UTC.
func (t *told) oneWay(began int64, reply stamp.Reply, own wire.Clock) {
	bound, known := reply.Error.Bound()
	if own.State != wire.ClockSynchronised || !reply.Error.Synchronised() || !known {
		return
	}
	t.reply.STAMP.OneWay = &window.OneWay{
		Forward: time.Duration(t.format.Unix(reply.Received, began) - began),
		Error:   min(bound, time.Hour) + time.Duration(own.MaxErrorUS)*time.Microsecond,
	}
}

func (p peer) String() string {
	if p.key != nil {
		return fmt.Sprintf("%v, authenticated", p.address)
	}
	return p.address.String()
}
