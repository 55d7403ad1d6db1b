// Package ping measures one target now and shows the result to a person or as
// JSON. It resolves the name, hands the address to package measure, and turns
// what comes back into a Result and the Result into text.
package ping

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Request says what to measure.
type Request struct {
	Target    string // name or address
	IPv4      bool   // only IPv4
	IPv6      bool   // only IPv6
	Count     int
	Interval  time.Duration
	Timeout   time.Duration
	SizeBytes int // of the IP packet
	DSCP      int
	Tap       measure.Tap       // times ICMP in the kernel; nil: the process does
	STAMP     *wire.STAMPTarget // how the reflector is spoken to; nil: ICMP
	Key       []byte            // for authenticated STAMP
}

// Result is what a measurement found. Statistics are over the replies that
// came in time; they are null where there is none.
type Result struct {
	Target     string          `json:"target"`  // as it was asked for
	Address    string          `json:"address"` // that was measured
	Method     string          `json:"method"`
	Sent       int             `json:"sent"` // without the warm-up packet
	Received   int             `json:"received"`
	Lost       int             `json:"lost"`
	Late       int             `json:"late"` // answered after the timeout; part of lost
	Duplicate  int             `json:"duplicate"`
	SendError  int             `json:"send_error"` // refused by the socket; not part of sent
	Unstamped  int             `json:"unstamped"`  // answered without a trustworthy RTT; part of received
	MinUS      *uint32         `json:"min_us"`
	P50US      *uint32         `json:"p50_us"`
	P95US      *uint32         `json:"p95_us"`
	P99US      *uint32         `json:"p99_us"`
	MaxUS      *uint32         `json:"max_us"`
	MeanUS     *float64        `json:"mean_us"`
	IPDVMeanUS *float64        `json:"ipdv_mean_us"`
	TTL        *wire.ReplyTTL  `json:"reply_ttl"`
	Timestamps wire.Timestamps `json:"timestamps"`
	STAMP      *STAMP          `json:"stamp,omitempty"`

	dscp      int // of the packets sent
	rtts      []uint32
	sendError error // the last
}

// STAMP is what only the replies of a reflector tell.
type STAMP struct {
	Authenticated  bool   `json:"authenticated"`
	ResidenceMaxUS uint32 `json:"residence_max_us"` // longest time that the reflector claims to have kept a packet
	Capped         int    `json:"capped"`           // packets that it claims to have kept for longer than what is taken out
	ForwardLost    int    `json:"forward_lost"`     // of the lost, those known to be lost on the way there
	ReverseLost    int    `json:"reverse_lost"`     // of the lost, those known to be lost on the way back
	Reordered      int    `json:"reordered"`
	DSCPReceived   *int   `json:"dscp_received"` // as the requests reached the reflector; null where it does not tell
}

// Resolve finds the address of the target: the first of the family asked for,
// or IPv4 before IPv6.
func (r Request) Resolve(ctx context.Context) (netip.Addr, error) {
	network := "ip"
	switch {
	case r.IPv4 && !r.IPv6:
		network = "ip4"
	case r.IPv6 && !r.IPv4:
		network = "ip6"
	}
	if a, err := netip.ParseAddr(r.Target); err == nil {
		if network == "ip4" && !a.Unmap().Is4() || network == "ip6" && a.Unmap().Is4() {
			return a, fmt.Errorf("resolve target: %s is not an IPv%s address; leave --ipv%[2]s out", r.Target, network[2:])
		}
		return checked(a.Unmap())
	}
	if at, err := netip.ParseAddrPort(r.Target); err == nil {
		return netip.Addr{}, fmt.Errorf("resolve target: %s has a port; give the address %v alone, and with stamp the port to --port", r.Target, at.Addr())
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, r.Target)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return netip.Addr{}, fmt.Errorf("resolve target: no address is known for %q; check the name, or give an address", r.Target)
		}
		return netip.Addr{}, fmt.Errorf("resolve target %q: %w", r.Target, err)
	}
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return a.Unmap(), nil
		}
	}
	return checked(addrs[0])
}

func checked(a netip.Addr) (netip.Addr, error) {
	if err := measure.CheckZone(a); err != nil {
		return a, fmt.Errorf("resolve target: %w", err)
	}
	return a, nil
}

// Run measures. Where live is not nil, a line on it follows the measurement.
func (r Request) Run(ctx context.Context, address netip.Addr, mode measure.Mode, live io.Writer, log *slog.Logger) *Result {
	result := &Result{Target: r.Target, Address: address.String(), Method: measure.MethodICMP, Timestamps: wire.TimestampsUser, dscp: r.DSCP}
	if r.STAMP != nil {
		result.Method = measure.MethodSTAMP
	}
	line := &liveLine{out: live, name: r.name(address), count: r.Count}
	once := measure.Once{
		Spec: r.Spec(address),
		Mode: mode, STAMP: r.STAMP, Key: r.Key,
		Count: r.Count, Timeout: r.Timeout, Tap: r.Tap, Log: log,
		Observe: func(e measure.Event) {
			if e.Kind == measure.EventRefused {
				result.sendError = e.Err
			}
			line.show(e)
		},
	}
	w := once.Run(ctx)
	line.clear()
	result.fill(w)
	return result
}

// Spec is how the packets look.
func (r Request) Spec(address netip.Addr) measure.Spec {
	return measure.Spec{Address: address, SizeBytes: r.SizeBytes, DSCP: r.DSCP, Interval: r.Interval}
}

func (r Request) name(address netip.Addr) string {
	if r.Target == address.String() {
		return r.Target
	}
	return fmt.Sprintf("%s (%s)", r.Target, address)
}

func (r *Result) fill(w wire.Window) {
	r.Sent, r.Received, r.Lost, r.Late = int(w.Sent), int(w.Received), int(w.Lost), int(w.Late)
	r.Duplicate, r.SendError, r.Unstamped = int(w.Duplicate), int(w.SendError), int(w.Unstamped)
	r.TTL = w.ReplyTTL
	if w.Timestamps != "" {
		r.Timestamps = w.Timestamps
	}
	if s := w.Stats; s != nil {
		r.MinUS, r.P50US, r.P95US, r.P99US, r.MaxUS, r.MeanUS = &s.MinUS, &s.P50US, &s.P95US, &s.P99US, &s.MaxUS, &s.MeanUS
	}
	if s := w.STAMP; s != nil {
		r.STAMP = &STAMP{
			Authenticated: s.Authenticated, ResidenceMaxUS: s.ResidenceMaxUS, Capped: int(s.Capped),
			ForwardLost: int(s.ForwardLost), ReverseLost: int(s.ReverseLost), Reordered: int(s.Reordered), DSCPReceived: s.DSCPReceived,
		}
	}
	if w.IPDV != nil {
		r.IPDVMeanUS = &w.IPDV.MeanUS
	}
	rtts, err := wire.DecodeRTTs(nil, w.RTTs)
	if err != nil {
		panic(err) // coded by this process a moment ago
	}
	r.rtts = rtts
}

// Err tells why nothing was received; nil where something was.
func (r *Result) Err() error {
	switch {
	case r.Received > 0:
		return nil
	case r.Sent == 0 && r.sendError != nil:
		return fmt.Errorf("ping %s: nothing could be sent: %w", r.Address, r.sendError)
	case r.Sent == 0:
		return fmt.Errorf("ping %s: stopped before anything was sent", r.Address)
	}
	ask := "does it answer ICMP echo?"
	if r.Method == measure.MethodSTAMP {
		ask = "does a STAMP reflector listen there, with the same key if there is one, and does it allow this host?"
	}
	return fmt.Errorf("ping %s: none of %d packets was answered; is the target up, and %s", r.Address, r.Sent, ask)
}
