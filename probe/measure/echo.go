package measure

import (
	"context"
	"net/netip"
	"time"
)

// Spec says how the packets of a flow look and where they go.
type Spec struct {
	Address   netip.Addr
	Source    netip.Addr // invalid: the system chooses
	SizeBytes int        // of the IP packet, header included
	DSCP      int
	Interval  time.Duration
}

// payload is the length of what an ICMP or UDP packet of the size carries: the
// two have headers of one length.
func (s Spec) payload() int {
	header := ipv4Header
	if s.Address.Is6() {
		header = ipv6Header
	}
	return s.SizeBytes - header - icmpHeader
}

// pinger sends one echo request at once and then one every Interval, on one
// socket, until the context ends or the socket fails; it may be run once. It
// calls its watcher from one goroutine at a time, and neither sends nor
// receives while a call lasts.
type pinger interface {
	Run(ctx context.Context, w watcher) error
}

// watcher is told what happens to the packets of a pinger. seq counts the
// packets of one pinger from 0. A pinger that is answered false sends no more,
// but goes on receiving.
type watcher interface {
	Sent(seq int) (more bool)
	Refused(err error)
	Answered(seq int, rtt time.Duration, ttl int) (more bool)
	Duplicated(seq int)
}
