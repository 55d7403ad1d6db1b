package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// mostInterfaces bounds the lines on hosts of many containers.
const mostInterfaces = 16

// Times of the trials with packets.
const (
	echoInterval = 20 * time.Millisecond
	echoTimeout  = 500 * time.Millisecond
	leaveTries   = 3 // the kernel begins to stamp a little after it was asked to
	leaveWait    = 50 * time.Millisecond
)

// Timestamps sends packets and looks where their moments come from. Tests
// bring their own.
type Timestamps struct {
	// Echo tells what times ICMP, and why it is not the kernel.
	Echo func(ctx context.Context) (source wire.Timestamps, reason string, err error)
	// Socket tells what times a UDP socket on an address, and why it is not the
	// kernel.
	Socket func(local netip.Addr) (source wire.Timestamps, reason string, err error)
	// Interfaces are those that are up, have an address and lead out.
	Interfaces func() ([]Interface, error)
	// Leave sends a packet out of an interface; an error says why the kernel
	// did not tell when it left.
	Leave func(ctx context.Context, i Interface) error
	// IPv6 tells whether the host has the family.
	IPv6 bool
}

// Interface is one way out of this host.
type Interface struct {
	Name      string
	Address   netip.Addr // of this host, without zone
	Multicast bool
}

const inUserSpace = "RTTs are upper bounds, and on a busy host loose ones"

// Check tries every source.
func (t Timestamps) Check(ctx context.Context) []Finding {
	all := []Finding{t.echo(ctx), t.socket("udp ipv4", netip.AddrFrom4([4]byte{127, 0, 0, 1}))}
	if t.IPv6 {
		all = append(all, t.socket("udp ipv6", netip.IPv6Loopback()))
	}
	interfaces, err := t.Interfaces()
	if err != nil {
		return append(all, notAsked("timestamps", "interfaces", "cannot be listed: %v", err))
	}
	for _, i := range interfaces[:min(len(interfaces), mostInterfaces)] {
		all = append(all, t.leave(ctx, i))
	}
	if more := len(interfaces) - mostInterfaces; more > 0 {
		all = append(all, notAsked("timestamps", "interfaces", "%d more were not tried", more))
	}
	return all
}

func (t Timestamps) echo(ctx context.Context) Finding {
	source, reason, err := t.Echo(ctx)
	switch {
	case err != nil:
		return notAsked("timestamps", "icmp", "not tried: %v", err)
	case source != wire.TimestampsKernel:
		return found("timestamps", "icmp", "in user space: %s", reason).but(StatusWarning, "%s; see CAP_NET_RAW above", inUserSpace)
	}
	return found("timestamps", "icmp", "by the kernel: seen with an echo to this host")
}

func (t Timestamps) socket(subject string, local netip.Addr) Finding {
	source, reason, err := t.Socket(local)
	switch {
	case err != nil:
		return found("timestamps", subject, "not tried: %v", err).but(StatusWarning, "see that the loopback interface is up")
	case source != wire.TimestampsKernel:
		return found("timestamps", subject, "in user space: %s", reason).but(StatusWarning, inUserSpace)
	}
	return found("timestamps", subject, "by the kernel: seen with a packet to this host")
}

func (t Timestamps) leave(ctx context.Context, i Interface) Finding {
	if !i.Multicast {
		return notAsked("timestamps", i.Name, "not tried: nothing can be sent there that would reach no other host")
	}
	if err := t.Leave(ctx, i); err != nil {
		return found("timestamps", i.Name, "the moment of leaving is not told: %v", err).
			but(StatusWarning, "its driver may give none: STAMP that leaves here is timed in user space")
	}
	return found("timestamps", i.Name, "by the kernel: seen with a packet that left")
}

// HostTimestamps tries the sources of this host.
func HostTimestamps(ipv6 bool, log *slog.Logger) Timestamps {
	return Timestamps{
		Echo:       func(ctx context.Context) (wire.Timestamps, string, error) { return echoHere(ctx, log) },
		Socket:     socketHere,
		Interfaces: interfacesHere,
		Leave:      leaveHere,
		IPv6:       ipv6,
	}
}

// echoHere measures this host as a target is measured.
func echoHere(ctx context.Context, log *slog.Logger) (wire.Timestamps, string, error) {
	mode, err := measure.DetectMode(false)
	if err != nil {
		return "", "", errors.New("no ICMP socket opens")
	}
	tap, err := stopwatch.OpenTap()
	if err != nil {
		return wire.TimestampsUser, err.Error(), nil
	}
	defer tap.Close()
	var refused error
	w := measure.Once{
		Spec: measure.Spec{Address: netip.AddrFrom4([4]byte{127, 0, 0, 1}), SizeBytes: 84, Interval: echoInterval},
		Mode: mode, Count: 2, Timeout: echoTimeout, Tap: tap, Log: log,
		Observe: func(e measure.Event) {
			if e.Kind == measure.EventRefused {
				refused = e.Err
			}
		},
	}.Run(ctx)
	switch {
	case w.Received > 0:
		return w.Timestamps, "the kernel's moments of the packets did not show", nil
	case refused != nil:
		return "", "", refused
	}
	return "", "", errors.New("this host does not answer its own echo")
}

func socketHere(local netip.Addr) (wire.Timestamps, string, error) {
	conn, err := stopwatch.Listen(stopwatch.Config{Local: netip.AddrPortFrom(local, 0)})
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	return conn.Source(), conn.Reason(), nil
}

// interfacesHere gives one address for each, IPv4 if it has one. Those of the
// link alone lead nowhere that is measured.
func interfacesHere() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []Interface
	for _, i := range all {
		addresses := slices.DeleteFunc(addressesOf(i), netip.Addr.IsLinkLocalUnicast)
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || len(addresses) == 0 {
			continue
		}
		first := max(slices.IndexFunc(addresses, netip.Addr.Is4), 0)
		out = append(out, Interface{i.Name, addresses[first], i.Flags&net.FlagMulticast != 0})
	}
	return out, nil
}

// leaveHere sends to the hosts of the interface's own network, to the port that
// everybody throws away (RFC 863), because such a packet leaves without
// anybody's answer and no router passes it on.
func leaveHere(ctx context.Context, i Interface) error {
	local, to := i.Address, netip.AddrFrom4([4]byte{224, 0, 0, 1})
	if local.Is6() {
		to = netip.MustParseAddr("ff02::1").WithZone(i.Name)
	}
	conn, err := stopwatch.Listen(stopwatch.Config{Local: netip.AddrPortFrom(local, 0), TTL: 1})
	if err != nil {
		return err
	}
	defer conn.Close()
	if conn.Source() != wire.TimestampsKernel {
		return errors.New(conn.Reason())
	}
	var stamps [4]stopwatch.SendStamp
	for range leaveTries {
		id, _, err := conn.Send(netip.AddrPortFrom(to, 9), []byte("fibergauge-probe doctor: does the kernel stamp this?"))
		if err != nil {
			return err
		}
		for end := time.Now().Add(leaveWait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
			n, err := conn.Sent(stamps[:])
			if err != nil {
				return err
			}
			if slices.ContainsFunc(stamps[:n], func(s stopwatch.SendStamp) bool { return s.ID == id }) {
				return nil
			}
		}
	}
	return fmt.Errorf("%d packets left without one", leaveTries)
}

// HasIPv6 tells whether this host has an address of IPv6 that others can reach.
func HasIPv6() bool {
	all, _ := net.Interfaces() // none where they cannot be listed
	return slices.ContainsFunc(all, func(i net.Interface) bool {
		return i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 && slices.ContainsFunc(addressesOf(i), func(a netip.Addr) bool {
			return a.Is6() && !a.IsLinkLocalUnicast()
		})
	})
}
