package measure

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
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
// identifier in the header). So the first packet that looks like a socket's,
// and that left while this sent its first, tells the UUID.
type matcher struct {
	line *timeline
	tap  Tap

	mu      sync.Mutex // protects all following fields; taken before socket.mu
	alike   map[look][]*socket
	owners  map[tracker]*socket
	strange map[tracker][]stopwatch.Echo // nobody's yet, in order; each begins with a request
	dropped uint64
}

// look is what the packets of two flows may have in common.
type look struct {
	peer netip.Addr
	size int
	dscp uint8
}

// tracker is pro-bing's UUID.
type tracker [16]byte

func trackerOf(e stopwatch.Echo) tracker { return tracker(e.Data[8:]) }

// newMatcher gives nil where there is no tap; a nil matcher does nothing.
func newMatcher(line *timeline, tap Tap) *matcher {
	if tap == nil {
		return nil
	}
	return &matcher{line: line, tap: tap, alike: map[look][]*socket{}, owners: map[tracker]*socket{}, strange: map[tracker][]stopwatch.Echo{}}
}

// watch follows the packets of a socket.
func (m *matcher) watch(s *socket) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alike[s.look] = append(m.alike[s.look], s)
}

// forget tells a socket of the last of its packets.
func (m *matcher) forget(s *socket) {
	if m == nil {
		return
	}
	m.read()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alike[s.look] = slices.DeleteFunc(m.alike[s.look], func(o *socket) bool { return o == s })
	if len(m.alike[s.look]) == 0 {
		delete(m.alike, s.look)
	}
	maps.DeleteFunc(m.owners, func(_ tracker, o *socket) bool { return o == s })
}

// strangeFor is how long a packet may be seen before its socket tells that it
// was sent: as long as a process may be kept from running between the two.
const strangeFor = 10 * time.Second

// read tells the sockets what has passed. What the kernel has handed to a
// socket has passed before.
func (m *matcher) read() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var passed []stopwatch.Echo
	m.tap.Read(func(e stopwatch.Echo) { passed = append(passed, e) })
	// A reading from after everything that was read.
	now := m.line.now()
	for _, e := range passed {
		t := trackerOf(e)
		if owner := m.owners[t]; owner != nil {
			owner.passed(e, now)
		} else if !e.Reply || m.strange[t] != nil {
			m.strange[t] = append(m.strange[t], e)
		}
	}
	for t, echoes := range m.strange {
		owner, known := m.ownerOf(echoes[0])
		if !known && time.Duration(now.Wall-echoes[0].At).Abs() < strangeFor {
			continue
		}
		delete(m.strange, t)
		if owner == nil {
			continue
		}
		m.owners[t] = owner
		for _, e := range echoes {
			owner.passed(e, now)
		}
	}
}

// ownerOf gives the socket whose first packet a request is; nil if it is
// nobody's. It is not known while a socket may yet tell that it is its.
func (m *matcher) ownerOf(e stopwatch.Echo) (owner *socket, known bool) {
	for _, s := range m.alike[look{e.Peer, e.Size, e.TOS >> 2}] {
		began, told := s.beganWith(e)
		switch {
		case !told:
			return nil, false
		case began && owner != nil:
			return nil, true // two of ours that look alike began at once
		case began:
			owner = s
		}
	}
	for t, o := range m.owners {
		if owner != nil && o == owner {
			// Another process's packets look like ours and began with them.
			delete(m.owners, t)
			return nil, true
		}
	}
	return owner, true
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
