package measure

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// route is what the STAMP packets of one socket have in common.
type route struct {
	source netip.Addr // or the unspecified address of the family
	dscp   int
}

// hired is a sender that runs.
type hired struct {
	*sender
	ctx  context.Context // of run
	stop context.CancelFunc
	done chan struct{}
}

// route of a flow's packets; the zero route with other methods than STAMP.
func (p planned) route() route {
	switch {
	case p.labels.Method != MethodSTAMP:
		return route{}
	case !p.spec.Source.IsValid():
		return route{anySource(p.spec.Address), p.spec.DSCP}
	}
	return route{p.spec.Source, p.spec.DSCP}
}

// catchUp returns when the sender has read what waits in its socket.
func (h *hired) catchUp() {
	read := make(chan struct{})
	h.calls <- func() {
		h.collect(h.ctx)
		close(read)
	}
	<-read
}

// startSession begins a STAMP session on the sender of its route.
func (m *Measurer) startSession(p planned, seed uint64) *assigned {
	var key []byte
	if p.stamp.Authenticated && m.cfg.STAMPKey != nil {
		key = m.cfg.STAMPKey(p.spec.Address)
	}
	s := newSession(m.line, p, key, seed, wire.Timeout)
	r := p.route()
	h := m.senders[r]
	if h == nil {
		ctx, stop := context.WithCancel(context.Background())
		h = &hired{
			sender: newSender(m.line, wire.Timeout, func() (socketUDP, error) { return m.openUDP(r) }, m.clockState, m.cfg.Log),
			ctx:    ctx, stop: stop, done: make(chan struct{}),
		}
		h.outgrown = func(local netip.Addr) bool {
			return local.IsUnspecified() && !r.source.IsUnspecified() && SourceFor(r.source).IsValid()
		}
		m.senders[r] = h
		go func() {
			defer close(h.done)
			h.run(ctx)
		}()
	}
	h.calls <- func() { h.add(s) }
	return &assigned{
		key: key, local: h.sender.where,
		name: s.name, plan: p, book: s.book, check: func(window.Moment) {}, done: s.ended,
		stop: func(cause error) {
			reason := endReason(cause)
			h.calls <- func() { h.end(s, reason) }
		},
	}
}

// newSession makes a session with its book; key is for authenticated packets.
func newSession(line *timeline, p planned, key []byte, seed uint64, timeout time.Duration) *session {
	// Replies are known by the address that they come from, in which the zone is
	// a number.
	address, _ := stopwatch.Numbered(p.spec.Address)
	s := &session{
		missing: CheckZone(p.spec.Address),
		name:    p.labels.String(), grid: p.grid, seed: seed, observe: func(Event) {}, ended: make(chan struct{}),
		peer: peer{
			address: netip.AddrPortFrom(address, uint16(p.stamp.Port)), plain: p.stamp.Plain,
			length: p.spec.payload(), dscp: p.spec.DSCP,
		},
	}
	if p.stamp.Timestamps == "ptp" {
		s.peer.format = stamp.PTP
	}
	if p.stamp.Authenticated {
		if s.peer.key = key; key == nil {
			s.missing = fmt.Errorf("no key for %v: add it to the file of --stamp-keys and start the probe again", p.spec.Address)
		}
	}
	s.ask = newAsk(s.peer)
	s.book = newBook(line, p, func(slot int64) int64 { return due(p.grid, seed, slot) }, timeout)
	return s
}

// CheckZone tells whether an address of IPv6 has a zone where it needs one, and
// only there. A link-local address may be that of a neighbour on each link; with
// any other the system leaves the zone out, so that replies seem to come from
// another address.
func CheckZone(a netip.Addr) error {
	switch linkLocal := a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast(); {
	case a.Is4():
		return nil
	case linkLocal && a.Zone() == "":
		return fmt.Errorf("%v may be on any link; say on which, by an interface of this host: %[1]v%%eth0", a)
	case !linkLocal && a.Zone() != "":
		return fmt.Errorf("%v is the same on all links; leave %%%s out", a, a.Zone())
	}
	_, err := stopwatch.Numbered(a)
	return err
}

// dismiss ends the senders that have no session any more.
func (m *Measurer) dismiss() {
	busy := map[route]bool{}
	for _, a := range m.flows {
		busy[a.plan.route()] = true
	}
	for _, a := range m.retired {
		busy[a.plan.route()] = true
	}
	for r, h := range m.senders {
		if !busy[r] {
			h.stop()
			<-h.done
			delete(m.senders, r)
		}
	}
}

// BindAddress is what a socket of a site is bound to: its address if that belongs
// to this host, else any of the family, because behind NAT it does not.
func BindAddress(site netip.Addr) netip.Addr {
	if source := SourceFor(site); source.IsValid() {
		return source
	}
	return anySource(site)
}

func anySource(peer netip.Addr) netip.Addr {
	if peer.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// Ports from which STAMP is sent: of those that no service has by right (RFC
// 6335).
const (
	firstPort = 49152
	lastPort  = 65535
	portTries = 8
)

// openUDP opens the socket of a route. Its port depends on the route alone, if
// it is free: after a new start the packets take the same way through routers
// that choose it by the ports.
func openUDP(r route) (socketUDP, error) {
	source := BindAddress(r.source)
	h := fnv.New32a()
	fmt.Fprintf(h, "%v %d", r.source, r.dscp)
	var first error
	for try := range uint32(portTries + 1) {
		port := uint16(firstPort + (h.Sum32()+try)%(lastPort-firstPort+1))
		if try == portTries {
			port = 0
		}
		conn, err := stopwatch.Listen(stopwatch.Config{Local: netip.AddrPortFrom(source, port), DSCP: r.dscp})
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
