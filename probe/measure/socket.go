package measure

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
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
	flow *flow
	hold bool
	born int           // epoch of the clock to whose slots the beat was set
	halt chan struct{} // closed: send no more
	idle chan struct{} // closed once halted and no packet is on its way

	limit atomic.Int64 // first slot in which nothing is sent any more

	mu       sync.Mutex // protects all following fields
	table    map[int]*window.Packet
	order    []entry          // what was put into the table, oldest first
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
	seq    int
	packet *window.Packet
}

func newSocket(f *flow) *socket {
	now := f.line.now()
	s := &socket{
		flow: f, hold: f.hold, born: now.Epoch,
		halt: make(chan struct{}), idle: make(chan struct{}),
		table: map[int]*window.Packet{}, last: now,
		lastSlot: math.MinInt64,
	}
	s.limit.Store(math.MaxInt64)
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
	s.last, s.lastSlot = now, slot
	s.sent++
	s.purge()
	// A reply from now on is to this packet, also where it is left out.
	delete(s.table, seq)
	s.flow.worked()
	if now.Epoch != s.born {
		s.flow.check(now)
	}
	if s.sent == 1 {
		s.flow.warm(s, slot, now)
	} else if s.sent == maxPackets {
		s.flow.renew()
	}
	if s.sent > 1 && !s.over(slot) {
		if p := s.flow.book.Send(before, now); p != nil {
			s.table[seq] = p
			s.order = append(s.order, entry{seq, p})
			s.waiting = append(s.waiting, p)
			s.flow.observe(Event{Kind: EventSent, Slot: slot})
		}
	}
	return s.goOn(slot + 1)
}

// purge forgets the packets whose windows are made.
func (s *socket) purge() {
	for len(s.order) > 0 && s.order[0].packet.Closed() {
		if oldest := s.order[0]; s.table[oldest.seq] == oldest.packet {
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
	s.mu.Lock()
	s.last = now
	if p := s.table[seq]; p != nil {
		fate := p.Answer(window.Reply{At: now, RTT: rtt, TTL: ttl})
		if i := slices.Index(s.waiting, p); i >= 0 {
			s.waiting = slices.Delete(s.waiting, i, i+1)
		}
		s.flow.observe(Event{Kind: EventReply, Slot: s.flow.grid.Slot(p.Sent().Wall), RTT: rtt, TTL: ttl, Fate: fate})
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
	p := s.table[seq]
	s.mu.Unlock()
	if p != nil {
		p.Duplicate()
		s.flow.observe(Event{Kind: EventDuplicate, Slot: s.flow.grid.Slot(p.Sent().Wall)})
	}
}

// onTheWay counts the packets that may still be answered in time.
func (s *socket) onTheWay(now window.Moment) int {
	for len(s.waiting) > 0 && now.Mono-s.waiting[0].Sent().Mono > s.flow.timeout {
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
