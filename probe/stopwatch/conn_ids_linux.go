package stopwatch

// remembered is how many packets back a stamp may belong to, a power of two:
// two seconds of 2 000 packets a second.
const remembered = 4096

// inQueue is the longest that a packet is taken to wait on this host, in ns;
// a stamp that has not come by then does not come any more.
const inQueue = 1_000_000_000

// numberings is how many times within inQueue the numbering may begin again
// while every moment still finds its packet.
const numberings = 256

// ids finds the packet that a stamp belongs to. The kernel numbers the packets
// of a socket that ask for a stamp, from 0. Whether one that it then refused
// has used up a number depends on where it was refused and on the kernel's
// version, so after each refusal the numbering is begun again. Stamps of
// packets that wait in a queue meanwhile still bear numbers of before.
type ids struct {
	next    uint32             // of the next packet, as callers know it
	bases   [numberings]uint32 // of the packets that the kernel called 0, the current numbering's first
	used    int                // bases before the current one that are known
	muddled int64              // until this moment stamps of a forgotten numbering may come; Unix ns
	records [remembered]record
}

type record struct {
	id      uint32
	at      int64 // when it was sent, by the process; Unix ns
	waiting bool  // for its stamp
}

// sent notes a packet that the kernel took, and gives it its id.
func (s *ids) sent(at int64) uint32 {
	id := s.next
	s.records[id%remembered] = record{id: id, at: at, waiting: true}
	s.next++
	return id
}

// restart notes that the kernel numbers from 0 again.
func (s *ids) restart(at int64) {
	if s.bases[0] == s.next {
		return // nothing was numbered since the last time
	}
	if s.used < numberings-1 {
		s.used++
	} else if s.anyWaiting(s.bases[s.used], s.bases[s.used-1], at) {
		s.muddled = at + inQueue
	}
	copy(s.bases[1:], s.bases[:s.used])
	s.bases[0] = s.next
}

func (s *ids) anyWaiting(from, until uint32, at int64) bool {
	for id := from; id != until; id++ {
		if s.waiting(id, at) != nil {
			return true
		}
	}
	return false
}

// find gives the id of the packet that the kernel called number and stamped at
// a moment. It is false for a stamp that may belong to either of two packets,
// which happens only if a packet was refused while others waited in a queue,
// and for one from before its packet, which happens only if the clock stepped.
func (s *ids) find(number uint32, at int64) (uint32, bool) {
	if at < s.muddled {
		return 0, false
	}
	var found *record
	until := s.next
	for _, from := range s.bases[:s.used+1] {
		if number < until-from {
			if r := s.waiting(from+number, at); r != nil && found != nil {
				return 0, false
			} else if r != nil {
				found = r
			}
		}
		until = from
	}
	if found == nil {
		return 0, false
	}
	found.waiting = false
	return found.id, true
}

// waiting gives the packet of an id if a stamp of a moment can be its own.
func (s *ids) waiting(id uint32, at int64) *record {
	r := &s.records[id%remembered]
	if r.id != id || !r.waiting || at < r.at || at-r.at > inQueue {
		return nil
	}
	return r
}
