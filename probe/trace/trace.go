package trace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Protocol is that of the packets sent.
type Protocol string

// Protocols.
const (
	ICMP Protocol = "icmp" // echo requests
	UDP  Protocol = "udp"  // STAMP requests
)

// Flow is what the packets of a test have in common. Protocol and Destination
// are required.
type Flow struct {
	Protocol Protocol
	// Source is what the test sends from. Without an address, or with the
	// unspecified one, the system chooses it. The port is that of the test's
	// socket, which stays open meanwhile; 0 is a port that is held for the
	// trace alone. With ICMP it means nothing.
	Source netip.AddrPort
	// Destination has the reflector's port; with ICMP that means nothing.
	Destination netip.AddrPort
	DSCP        int
	// Size is that of the IP packet in bytes, header included; 0 is the
	// smallest possible.
	Size int

	ID    uint16 // ICMP: identifier of the echo requests; 0 is any
	Label uint32 // IPv6: flow label, 20 bits
	Key   []byte // UDP: of a reflector that answers only what is authenticated; nil is none
}

// Most and least of what a Flow and Options may ask.
const (
	// MaxHops is how many a wire.Path can hold.
	MaxHops = 64
	maxSize = 9216
	// echoData is the least that an echo request carries: what keeps the
	// checksum the same, and what tells that a reply is to this trace.
	echoData = 16
)

// Options say how to trace; zero is the default of each.
type Options struct {
	MaxHops int           // 1 to 64; 0 is 64
	Timeout time.Duration // how long an answer is waited for; 0 is 1 s
	Limit   time.Duration // how long all takes at most; 0 is 3 s
	Pause   time.Duration // between two packets; 0 is 10 ms
	// Watch is how long, before all that, a packet of the running test is waited
	// for, to take over what only it shows and the Flow leaves out: the flow
	// label that the system gives to IPv6, and the identifier that it gives to
	// datagram sockets of ICMP. 0 is not at all.
	Watch time.Duration
}

// Result is what was found.
type Result struct {
	AtMS       int64      `json:"at_ms"` // when it began, Unix time in ms
	Protocol   Protocol   `json:"protocol"`
	Source     netip.Addr `json:"source"` // that the packets were sent from
	SourcePort uint16     `json:"source_port,omitempty"`
	Address    netip.Addr `json:"address"` // of the destination
	Port       uint16     `json:"port,omitempty"`
	ID         uint16     `json:"icmp_id,omitempty"`
	Label      uint32     `json:"flow_label,omitempty"`
	// Hops are those from TTL 1 to the destination, or else to the last that
	// anybody answered. A silent one has no address. RTTs end at the kernel's
	// moment of receiving and begin at the process's of sending.
	Hops    []wire.Hop `json:"hops"`
	Reached bool       `json:"reached"` // the last hop is the destination
	// Unreachable is why the last hop let nothing through; empty if it did not
	// say so. A destination where nothing listens says "port unreachable".
	Unreachable string `json:"unreachable,omitempty"`
	Loop        bool   `json:"loop,omitempty"`       // a router was met again and again
	Beyond      int    `json:"beyond,omitempty"`     // hops after the last of Hops that were asked and silent
	Sent        int    `json:"sent"`                 // packets
	Duplicates  int    `json:"duplicates,omitempty"` // further answers for a hop
}

// Path is the result as a window keeps it; trigger is why it was traced.
func (r *Result) Path(trigger string) *wire.Path {
	return &wire.Path{Trigger: trigger, AtMS: r.AtMS, Hops: r.Hops}
}

// Check tells what of a Flow makes no sense, and fills in what may be left out.
func (f *Flow) Check() error {
	a := f.Destination.Addr()
	switch {
	case f.Protocol != ICMP && f.Protocol != UDP:
		return fmt.Errorf("trace: protocol %q is not icmp or udp", f.Protocol)
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast():
		return fmt.Errorf("trace: %v is not the address of one host", a)
	case a.Zone() != "":
		return fmt.Errorf("trace to %v: it is on this host's own link, and no router lies between", a)
	case f.Protocol == UDP && f.Destination.Port() == 0:
		return fmt.Errorf("trace to %v: no port is given", a)
	case f.DSCP < 0 || f.DSCP > 63:
		return fmt.Errorf("trace to %v: DSCP %d is not within 0 to 63", a, f.DSCP)
	case f.Label >= 1<<20:
		return fmt.Errorf("trace to %v: a flow label has 20 bits, and %#x has more", a, f.Label)
	}
	f.Destination = netip.AddrPortFrom(a.Unmap(), f.Destination.Port())
	if s := f.Source.Addr().Unmap(); s.IsValid() && !s.IsUnspecified() {
		if s.Is4() != f.is4() {
			return fmt.Errorf("trace to %v: the source %v is of the other family; give one of the family of the target", f.Destination.Addr(), s)
		}
		f.Source = netip.AddrPortFrom(s, f.Source.Port())
	}
	if f.Size == 0 {
		f.Size = f.least()
	}
	if f.Size < f.least() {
		return fmt.Errorf("trace to %v: a packet of %d bytes is too short; the least is %d", f.Destination.Addr(), f.Size, f.least())
	}
	if f.Size > maxSize {
		return fmt.Errorf("trace to %v: a packet of %d bytes is too long; the most is %d", f.Destination.Addr(), f.Size, maxSize)
	}
	return nil
}

func (f *Flow) is4() bool { return f.Destination.Addr().Is4() }

// least is the size of the smallest packet.
func (f *Flow) least() int {
	header := ipv6Header
	if f.is4() {
		header = ipv4Header
	}
	switch {
	case f.Protocol == ICMP:
		return header + icmpHeader + echoData
	case f.Key != nil:
		return header + udpHeader + stamp.SizeAuthenticated
	}
	return header + udpHeader + stamp.SizeUnauthenticated
}

func (o *Options) fill() error {
	if o.MaxHops == 0 {
		o.MaxHops = MaxHops
	}
	if o.MaxHops < 1 || o.MaxHops > MaxHops {
		return fmt.Errorf("trace: %d hops are not within 1 to %d", o.MaxHops, MaxHops)
	}
	for _, d := range []struct {
		of       *time.Duration
		standard time.Duration
	}{{&o.Timeout, time.Second}, {&o.Limit, 3 * time.Second}, {&o.Pause, 10 * time.Millisecond}} {
		if *d.of <= 0 {
			*d.of = d.standard
		}
	}
	return nil
}

// sockets are what a trace sends and listens with.
type sockets interface {
	// send sends an IP packet with its header.
	send(packet []byte) error
	// receive waits until something comes, at most so long, and hands on what
	// came. The data are valid during the call.
	receive(wait time.Duration, do func(message)) error
	close()
}

// message is a packet that came.
type message struct {
	udp  bool // else ICMP
	from netip.Addr
	data []byte // from the header of UDP or ICMP on
	at   int64  // the kernel's moment, Unix ns; 0: it gave none
}

// Run traces once. It needs CAP_NET_RAW. Where the context ends first, it gives
// what was found by then, and the context's error. A destination that is not
// reached is no error.
func Run(ctx context.Context, flow Flow, options Options) (Result, error) {
	if err := flow.Check(); err != nil {
		return Result{}, err
	}
	if err := options.fill(); err != nil {
		return Result{}, err
	}
	s, err := openSockets(ctx, &flow, options.Watch)
	if err != nil {
		return Result{}, fmt.Errorf("trace to %v: %w", flow.Destination.Addr(), err)
	}
	defer s.close()
	t := &tracer{sockets: s, plan: newPlan(options), packets: newPackets(flow)}
	err = t.run(ctx)
	return t.result(), err
}

// tracer is a trace under way.
type tracer struct {
	sockets sockets
	plan    *plan
	packets *packets
	begun   time.Time
	left    [probes]time.Time // when each packet was sent
	sent    int
}

// attention is the longest that an ended context goes unnoticed.
const attention = 50 * time.Millisecond

func (t *tracer) run(ctx context.Context) error {
	t.begun = time.Now()
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("trace to %v: %w", t.packets.flow.Destination.Addr(), err)
		}
		now := time.Since(t.begun)
		if n, due := t.plan.next(now); due {
			if err := t.send(n); err != nil {
				return fmt.Errorf("trace to %v: send: %w", t.packets.flow.Destination.Addr(), err)
			}
			continue
		}
		if t.plan.done(now) {
			return nil
		}
		if err := t.sockets.receive(min(t.plan.idle(now), attention), t.take); err != nil {
			return fmt.Errorf("trace to %v: receive: %w", t.packets.flow.Destination.Addr(), err)
		}
	}
}

func (t *tracer) send(n int) error {
	packet := t.packets.build(n, ttlOf(n), time.Now())
	t.left[n] = time.Now()
	err := t.sockets.send(packet)
	if errors.Is(err, errBusy) {
		return nil // as if it were lost on the way
	}
	t.sent++
	return err
}

// take takes what came, if it is an answer to this trace.
func (t *tracer) take(m message) {
	a, ok := t.packets.answer(m)
	if !ok || t.left[a.n].IsZero() {
		return
	}
	a.rtt = time.Since(t.left[a.n])
	// A moment that contradicts the process's own is one of a stepped clock.
	if kernel := time.Duration(m.at - t.left[a.n].UnixNano()); m.at != 0 && kernel > 0 && kernel <= a.rtt {
		a.rtt = kernel
	}
	t.plan.answered(a)
}

func (t *tracer) result() Result {
	f := &t.packets.flow
	r := Result{AtMS: t.begun.UnixMilli(), Protocol: f.Protocol, Source: f.Source.Addr(), Address: f.Destination.Addr(), Sent: t.sent}
	if f.Protocol == UDP {
		r.SourcePort, r.Port = f.Source.Port(), f.Destination.Port()
	} else {
		r.ID = f.ID
	}
	r.Label = f.Label
	t.plan.fill(&r)
	return r
}

func newPackets(flow Flow) *packets {
	p := &packets{flow: flow, number: 1<<31 | rand.Uint32N(1<<30), sequence: uint16(rand.Uint32()), ssid: 1<<15 | uint16(rand.Uint32()), token: rand.Uint64()}
	// Never 0, for which the kernel would put another.
	p.ipID = uint16(1 + rand.IntN(1<<16-probes-1))
	return p
}
