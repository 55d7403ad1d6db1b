package measure

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// socket watches one pinger of a flow: it holds the table of its packets, by
// sequence number, and holds the pinger back until the next packet is due.
//
// A pinger sends at a steady beat, one packet in each slot, close to the
// slot's beginning. It is held by not returning from the call that brings it a
// reply: the beat that passes meanwhile sends as soon as it is let go. It is
// held only while no packet is on its way, so no reply ever waits for it and
// no RTT grows. Where a packet is on its way at the beat, because the RTT is
// long or the packet is lost, the next goes at the beat.
type socket struct {
	flow   *flow
	look   look
	hold   bool
	opened window.Moment // before the first packet; to the slots of its epoch the beat was set
	halt   chan struct{} // closed: send no more
	idle   chan struct{} // closed once halted and no packet is on its way

	limit atomic.Int64 // first slot in which nothing is sent any more

	mu       sync.Mutex // protects all following fields
	table    map[int]*entry
	order    []*entry         // what was put into the table, oldest first
	lastSeq  int              // of the packet sent last
	telling  bool             // somebody will take the sends
	sends    []send           // not taken yet
	early    []stopwatch.Echo // passed the kernel, not told as sent yet
	mistaken bool             // what passed was not this socket's
	waiting  []*window.Packet // on their way, oldest first
	last     window.Moment    // previous reading on this socket
	lastSlot int64            // of the packet sent last
	halted   bool
	finished bool // the pinger was told to send no more
	sent     int
}

// entry is a packet under its sequence number. The number comes again where a
// worn pinger could not be replaced.
type entry struct {
	send
	packet     *window.Packet
	left, came int64                    // when it and its reply passed the kernel, Unix ns; 0: not seen
	ttl        uint8                    // of the request, when it left
	data       [stopwatch.EchoData]byte // of the request, which the reply has to repeat
}

// send is what a pinger tells of one packet: it left between two readings.
type send struct {
	seq      int
	from, to int64 // Unix ns
	epoch    int   // of the later reading
	even     bool  // the clock did not step between the two
}

// handover is how long after the call that sent it a packet may pass the edge
// of the kernel: another core may be the one that empties the queue.
const handover = 10 * time.Millisecond

// holds tells whether a request may be the packet.
func (d send) holds(e stopwatch.Echo) bool {
	return d.even && int(e.Seq) == d.seq && d.from <= e.At && e.At <= d.to+int64(handover)
}

func newSocket(f *flow) *socket {
	now := f.line.now()
	s := &socket{
		flow: f, hold: f.hold, opened: now,
		look: look{f.spec.Address, f.spec.SizeBytes, uint8(f.spec.DSCP)},
		halt: make(chan struct{}), idle: make(chan struct{}),
		table: map[int]*entry{}, last: now,
		lastSlot: math.MinInt64,
	}
	s.limit.Store(math.MaxInt64)
	f.matcher.watch(s)
	return s
}

// Sent enters a packet into the table, unless it is the socket's first: that
// one meets cold neighbour tables and is left out.
func (s *socket) Sent(seq int) bool {
	now := s.flow.line.now()
	slot := s.flow.grid.Slot(now.Wall)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.last
	told := send{seq: seq, from: before.Wall, to: now.Wall, epoch: now.Epoch, even: before.Epoch == now.Epoch}
	if s.telling && len(s.sends) < maxSends {
		s.sends = append(s.sends, told)
	}
	s.last, s.lastSlot = now, slot
	s.sent, s.lastSeq = s.sent+1, seq
	s.purge()
	// A reply from now on is to this packet, also where it is left out.
	delete(s.table, seq)
	s.flow.worked()
	if now.Epoch != s.opened.Epoch {
		s.flow.check(now)
	}
	if s.sent == 1 {
		s.flow.warm(s, slot, now)
	} else if s.sent == maxPackets {
		s.flow.renew()
	}
	if s.sent > 1 && !s.over(slot) {
		if p := s.flow.book.Send(before, now); p != nil {
			e := &entry{send: told, packet: p}
			s.table[seq] = e
			s.order = append(s.order, e)
			s.waiting = append(s.waiting, p)
			s.flow.observe(Event{Kind: EventSent, Slot: slot})
		}
	}
	s.catchUp()
	return s.goOn(slot + 1)
}

// maxSends bounds what a socket tells before anybody takes it.
const maxSends = 1000

// tellSends sets whether somebody wants to be told of the sends from now on.
func (s *socket) tellSends(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.telling, s.sends = on, nil
}

// takeSends gives what was sent since it was last asked, and the sequence
// number of the next packet.
func (s *socket) takeSends() (sends []send, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sends, s.sends = s.sends, nil
	if s.sent > 0 {
		next = s.lastSeq + 1
	}
	return sends, next
}

// passed takes what the kernel saw of the socket's packets. On stacked devices
// it sees one several times: the last moment of a request and the first of a
// reply are nearest the wire. It gives false where the packets are not this
// socket's.
func (s *socket) passed(e stopwatch.Echo, now window.Moment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !e.Reply && lookOf(e) != s.look:
		s.mistaken = true
	case int(e.Seq) > s.lastSeq || s.sent == 0:
		s.keep(e)
	default:
		s.time(e, now)
	}
	if s.mistaken {
		s.mistaken, s.early = false, nil
		return false
	}
	return true
}

// maxEarly bounds what is kept of packets that are not told as sent yet: one,
// as often as it is seen, and its replies.
const maxEarly = 100

// keep keeps what the kernel saw before the pinger told of it: of replies those
// behind their requests only, because a target can make up any number.
func (s *socket) keep(e stopwatch.Echo) {
	if len(s.early) < maxEarly && (!e.Reply || slices.ContainsFunc(s.early, func(o stopwatch.Echo) bool {
		return !o.Reply && o.Seq == e.Seq && o.Data == e.Data
	})) {
		s.early = append(s.early, e)
	}
}

// catchUp takes what the kernel saw before the pinger told of it.
func (s *socket) catchUp() {
	if len(s.early) == 0 {
		return
	}
	now := s.flow.line.now()
	s.early = slices.DeleteFunc(s.early, func(e stopwatch.Echo) bool {
		told := int(e.Seq) <= s.lastSeq
		if told {
			s.time(e, now)
		}
		return told
	})
}

func (s *socket) time(e stopwatch.Echo, now window.Moment) {
	entry := s.table[int(e.Seq)]
	switch {
	case entry == nil || entry.came != 0:
	case !e.Reply && entry.left != 0 && e.TTL < entry.ttl:
		// It came back to this host, which sent it on: it had left before.
	case !e.Reply && entry.even && !entry.holds(e):
		s.mistaken = true
	case !e.Reply:
		entry.left, entry.ttl, entry.data = e.At, e.TTL, e.Data
	case entry.left != 0 && e.Data == entry.data:
		entry.came = e.At
		entry.packet.Answer(window.Reply{At: now, RTT: time.Duration(entry.came - entry.left), TTL: int(e.TTL), Source: wire.TimestampsKernel})
	}
}

// purge forgets the packets whose windows are made.
func (s *socket) purge() {
	for len(s.order) > 0 && s.order[0].packet.Closed() {
		if oldest := s.order[0]; s.table[oldest.seq] == oldest {
			delete(s.table, oldest.seq)
		}
		s.order = s.order[1:]
	}
}

// Refused notes that the socket could not send.
func (s *socket) Refused(err error) {
	now := s.flow.line.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = now
	s.flow.refuse(s, now, err)
}

// Answered finds the packet that was answered, and then holds the pinger until
// the next is due.
func (s *socket) Answered(seq int, rtt time.Duration, ttl int) bool {
	now := s.flow.line.now()
	s.flow.matcher.read()
	s.mu.Lock()
	s.last = now
	if e := s.table[seq]; e != nil {
		p := e.packet
		// pro-bing takes the moment of sending out of the reply, where the one
		// who answers may have put another.
		if _, sent := p.Sent(); rtt >= 0 && rtt < now.Mono-sent {
			rtt = now.Mono - sent
		}
		fate := p.Answer(window.Reply{At: now, RTT: rtt, TTL: ttl, Source: wire.TimestampsUser})
		if best, kernel := p.Outcome(); best == window.Stamped && fate != window.Closed {
			fate, rtt = best, kernel
		}
		if i := slices.Index(s.waiting, p); i >= 0 {
			s.waiting = slices.Delete(s.waiting, i, i+1)
		}
		s.flow.observe(Event{Kind: EventReply, Slot: s.slotOf(p), RTT: rtt, TTL: ttl, Fate: fate})
	}
	onTheWay := s.onTheWay(now)
	if s.halted && onTheWay == 0 {
		s.closeIdle()
	}
	slot := s.flow.grid.Slot(now.Wall)
	if s.lastSlot >= slot {
		slot++
	}
	more, free := s.goOn(slot), onTheWay == 0
	s.mu.Unlock()

	if !more || !s.hold || !free {
		return more
	}
	return s.wait(time.Duration(s.flow.due(slot) - now.Wall))
}

// wait holds the pinger; false if it was told to stop meanwhile.
func (s *socket) wait(d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.halt:
			return false
		}
	}
	// What happens from now on is compared with a reading from after the hold.
	now := s.flow.line.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = now
	return s.goOn(s.flow.grid.Slot(now.Wall))
}

// Duplicated notes a further reply to a packet.
func (s *socket) Duplicated(seq int) {
	s.mu.Lock()
	e := s.table[seq]
	s.mu.Unlock()
	if e != nil {
		e.packet.Duplicate()
		s.flow.observe(Event{Kind: EventDuplicate, Slot: s.slotOf(e.packet)})
	}
}

func (s *socket) slotOf(p *window.Packet) int64 {
	wall, _ := p.Sent()
	return s.flow.grid.Slot(wall)
}

// onTheWay counts the packets that may still be answered in time.
func (s *socket) onTheWay(now window.Moment) int {
	for len(s.waiting) > 0 {
		if _, sent := s.waiting[0].Sent(); now.Mono-sent <= s.flow.timeout {
			break
		}
		s.waiting = s.waiting[1:]
	}
	return len(s.waiting)
}

// stopSending lets no further packet out; idle is closed when none is on its
// way any more.
func (s *socket) stopSending() {
	now := s.flow.line.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halted {
		return
	}
	s.halted = true
	close(s.halt)
	if s.onTheWay(now) == 0 {
		s.closeIdle()
	}
}

func (s *socket) closeIdle() {
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

// over tells whether nothing is to be sent in a slot.
func (s *socket) over(slot int64) bool {
	return s.halted || slot >= s.limit.Load() || slot >= s.flow.end.Load()
}

// goOn is the answer to the pinger: whether it is to send in a slot.
func (s *socket) goOn(slot int64) bool {
	s.finished = s.finished || s.over(slot)
	return !s.finished
}

// stopBefore sets the first slot in which this socket sends nothing. It takes
// no lock: the one who calls holds another socket's.
func (s *socket) stopBefore(slot int64) { s.limit.Store(slot) }

// abandon gives up the packets on their way: the socket is gone.
func (s *socket) abandon() {
	now := s.flow.line.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.waiting {
		p.Abandon(now)
	}
	s.waiting = nil
	s.closeIdle()
}

// lose leaves the packets on their way to be counted as lost: their time is up.
func (s *socket) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
	s.closeIdle()
}

// retired tells whether the socket was told to send no more.
func (s *socket) retired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted || s.finished || s.limit.Load() != math.MaxInt64
}

// everSent tells whether any packet left the socket.
func (s *socket) everSent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent > 0
}
