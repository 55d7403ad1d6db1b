package measure

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
)

// Tap tells of the echo packets that passed the kernel, with its moments:
// stopwatch.Tap, or what stands in for it in a test.
type Tap interface {
	// Read calls do for what has passed since the last Read, in order.
	Read(do func(stopwatch.Echo))
	// Dropped counts what passed unseen.
	Dropped() uint64
}

// matcher finds the socket to which a packet that passed the kernel belongs. A
// pinger does not tell what makes its packets unique, which is a UUID behind
// the time stamp at the beginning of the payload (the kernel changes the
// identifier in the header). It tells the number of each packet, and that it
// left between two readings of the clock: the UUID that is in all such packets,
// and in no other socket's, is the pinger's. One packet mostly tells it. Where
// two that look alike send at the same moment, a later one does.
type matcher struct {
	line *timeline
	tap  Tap

	mu         sync.Mutex // protects all following fields; taken before socket.mu
	owners     map[tracker]*socket
	unknown    map[look][]*suspect
	strange    map[tracker]*stranger
	remembered int // echoes of all strangers
	dropped    uint64
}

// look is what the packets of two flows may have in common.
type look struct {
	peer netip.Addr
	size int
	dscp uint8
}

func lookOf(e stopwatch.Echo) look { return look{e.Peer, e.Size, e.TOS >> 2} }

// tracker is pro-bing's UUID.
type tracker [16]byte

func trackerOf(e stopwatch.Echo) tracker { return tracker(e.Data[8:]) }

// suspect is a socket whose tracker is not known.
type suspect struct {
	socket *socket
	told   []send    // by the socket, not compared yet
	next   int       // sequence number of what it will tell next
	maybe  []tracker // all that it can be; empty: no packet told yet
	upTo   int64     // what left before has been compared, Unix ns
	epoch  int       // of upTo
}

// ahead is how many packets a socket may send while the tap is read.
const ahead = 16

// maySend tells whether a request has a number that the socket has told and is
// not compared, or will tell next.
func (s *suspect) maySend(e stopwatch.Echo) bool {
	first := s.next
	if len(s.told) > 0 {
		first = s.told[0].seq
	}
	return e.Seq-uint16(first) < uint16(s.next-first)+ahead
}

// stranger is a tracker that is nobody's yet.
type stranger struct {
	echoes []stopwatch.Echo // in order; the first is a request
	last   int64            // when its last request left, Unix ns
}

// newMatcher gives nil where there is no tap; a nil matcher does nothing.
func newMatcher(line *timeline, tap Tap) *matcher {
	if tap == nil {
		return nil
	}
	return &matcher{
		line: line, tap: tap,
		owners: map[tracker]*socket{}, unknown: map[look][]*suspect{}, strange: map[tracker]*stranger{},
	}
}

// watch follows the packets of a socket.
func (m *matcher) watch(s *socket) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspect(s, s.opened)
}

func (m *matcher) suspect(s *socket, since window.Moment) {
	s.tellSends(true)
	m.unknown[s.look] = append(m.unknown[s.look], &suspect{socket: s, upTo: since.Wall, epoch: since.Epoch})
}

// clear forgets that a socket's tracker is not known.
func (m *matcher) clear(s *socket) {
	m.unknown[s.look] = slices.DeleteFunc(m.unknown[s.look], func(o *suspect) bool { return o.socket == s })
	if len(m.unknown[s.look]) == 0 {
		delete(m.unknown, s.look)
	}
	s.tellSends(false)
}

// forget tells a socket of the last of its packets.
func (m *matcher) forget(s *socket) {
	if m == nil {
		return
	}
	m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear(s)
	maps.DeleteFunc(m.owners, func(_ tracker, o *socket) bool { return o == s })
}

const (
	// strangeFor is how long a packet may be seen before its socket tells that
	// it was sent: as long as a process may be kept from running between the two.
	strangeFor = 10 * time.Second
	// maxRemembered is how many packets of strangers are kept, in case they are
	// ours after all: another process may ping the same target as fast as it can.
	maxRemembered = 10_000
)

// read tells the sockets what has passed. What the kernel has handed to a
// socket has passed before.
func (m *matcher) read() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// What a socket has told by now has passed when the tap is read.
	m.ask()
	var passed []stopwatch.Echo
	m.tap.Read(func(e stopwatch.Echo) { passed = append(passed, e) })
	// A reading from after everything that was read.
	now := m.line.now()
	for _, e := range passed {
		if t := trackerOf(e); m.owners[t] != nil {
			m.hand(t, e, now)
		} else {
			m.remember(t, e)
		}
	}
	for _, alike := range m.unknown {
		for _, s := range alike {
			for _, d := range s.told {
				m.compare(s, d)
			}
		}
	}
	m.decide(now)
	m.expire(now)
}

// ask takes what the sockets whose tracker is not known have told.
func (m *matcher) ask() {
	for _, alike := range m.unknown {
		for _, s := range alike {
			s.told, s.next = s.socket.takeSends()
		}
	}
}

// hand gives a packet to the owner of its tracker. One that left while the
// owner did not send it shows that the owner is another.
func (m *matcher) hand(t tracker, e stopwatch.Echo, now window.Moment) {
	owner := m.owners[t]
	if owner == nil || owner.passed(e, now) {
		return
	}
	delete(m.owners, t)
	m.suspect(owner, now)
}

// remember keeps what may be a socket's: a request with the number of a packet
// that one sends, and what answers it. So somebody who pings the same target as
// fast as he can mostly takes no room from ours.
func (m *matcher) remember(t tracker, e stopwatch.Echo) {
	known := m.strange[t]
	if m.remembered == maxRemembered || e.Reply && known == nil {
		return
	}
	if !e.Reply && !slices.ContainsFunc(m.unknown[lookOf(e)], func(s *suspect) bool { return s.maySend(e) }) {
		return
	}
	if known == nil {
		known = &stranger{}
		m.strange[t] = known
	}
	known.echoes = append(known.echoes, e)
	if !e.Reply {
		known.last = e.At
	}
	m.remembered++
}

// compare leaves of what a socket's tracker may be that with which a packet
// left while the socket sent one. Where none did the tap has missed the packet.
func (m *matcher) compare(s *suspect, d send) {
	s.upTo, s.epoch = d.to, d.epoch
	var seen []tracker
	for t, stranger := range m.strange {
		if slices.ContainsFunc(stranger.echoes, func(e stopwatch.Echo) bool {
			return !e.Reply && lookOf(e) == s.socket.look && d.holds(e)
		}) {
			seen = append(seen, t)
		}
	}
	if len(seen) == 0 {
		return
	}
	both := slices.DeleteFunc(slices.Clone(s.maybe), func(t tracker) bool { return !slices.Contains(seen, t) })
	if len(both) == 0 {
		both = seen
	}
	s.maybe = both
}

// decide makes the sockets owners of the trackers that can be no other's.
func (m *matcher) decide(now window.Moment) {
	for _, alike := range m.unknown {
		may := map[tracker]int{}
		for _, s := range alike {
			for _, t := range s.maybe {
				may[t]++
			}
		}
		for _, s := range slices.Clone(alike) {
			if len(s.maybe) != 1 || may[s.maybe[0]] != 1 {
				continue
			}
			t := s.maybe[0]
			known := m.strange[t]
			if known == nil {
				continue // it went to a socket with another look a moment ago
			}
			delete(m.strange, t)
			m.clear(s.socket)
			m.owners[t] = s.socket
			for _, e := range known.echoes {
				m.hand(t, e, now)
			}
		}
	}
}

// expire forgets the strangers that are nobody's.
func (m *matcher) expire(now window.Moment) {
	m.remembered = 0
	for t, stranger := range m.strange {
		may := slices.ContainsFunc(m.unknown[lookOf(stranger.echoes[0])], func(s *suspect) bool {
			return slices.Contains(s.maybe, t) || stranger.last > s.upTo || now.Epoch != s.epoch
		})
		if !may || time.Duration(now.Wall-stranger.last).Abs() > strangeFor {
			delete(m.strange, t)
			continue
		}
		// The first is a request, and stays one.
		for len(stranger.echoes) > 1 && time.Duration(now.Wall-stranger.echoes[0].At).Abs() > strangeFor {
			next := 1 + slices.IndexFunc(stranger.echoes[1:], func(e stopwatch.Echo) bool { return !e.Reply })
			if next == 0 {
				break
			}
			stranger.echoes = slices.Clone(stranger.echoes[next:])
		}
		m.remembered += len(stranger.echoes)
	}
	for _, alike := range m.unknown {
		for _, s := range alike {
			s.maybe = slices.DeleteFunc(s.maybe, func(t tracker) bool { return m.strange[t] == nil })
		}
	}
}

// missed is how many packets passed unseen since it was last asked.
func (m *matcher) missed() uint64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.dropped
	m.dropped = m.tap.Dropped()
	return m.dropped - before
}
