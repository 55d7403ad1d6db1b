package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Way is how packets to an address leave this host.
type Way struct {
	Interface string
	MTU       int // bytes of an IP packet
}

// RouteTo asks the system which way packets to an address leave. Nothing is
// sent: connecting a UDP socket only chooses the way.
func RouteTo(to netip.Addr) (Way, error) {
	conn, err := net.Dial("udp", netip.AddrPortFrom(to, stampPort).String())
	if err != nil {
		return Way{}, err
	}
	defer conn.Close()
	from := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	interfaces, err := net.Interfaces()
	if err != nil {
		return Way{}, err
	}
	for _, i := range interfaces {
		for _, a := range addressesOf(i) {
			if a == from {
				return Way{i.Name, i.MTU}, nil
			}
		}
	}
	return Way{}, fmt.Errorf("no interface has the address %v, which they would leave from", from)
}

// addressesOf gives the addresses of an interface, without zones.
func addressesOf(i net.Interface) []netip.Addr {
	var all []netip.Addr
	addrs, err := i.Addrs()
	if err != nil {
		return nil // it has gone meanwhile
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, ip.Unmap())
			}
		}
	}
	return all
}

// MTU looks whether the packets of the tests fit the interfaces by which they
// leave. It goes by the assignment that Ask has found.
func (c *Collector) MTU(route func(netip.Addr) (Way, error)) Check {
	return func(ctx context.Context) []Finding {
		if c.URL == "" {
			return []Finding{notAsked("mtu", "", "not asked: --collector is absent")}
		}
		targets, size := c.destinations(ctx)
		byWay := map[Way]int{}
		var all, lost []Finding
		for _, to := range targets {
			way, err := route(to)
			if err != nil {
				lost = append(lost, found("mtu", to.String(), "no way leads there: %v", err).but(StatusFailed, "give the host a route to it"))
				continue
			}
			byWay[way]++
		}
		for way, n := range byWay {
			f := found("mtu", way.Interface, "%d bytes; the way to the collector", way.MTU).with("mtu_bytes", int64(way.MTU))
			if c.assignment != nil {
				f.Text = fmt.Sprintf("%d bytes; the way to %s, longest packet %d bytes", way.MTU, cli.Count(n, "target"), size)
				f = f.with("packet_bytes", int64(size)).with("targets", int64(n))
			}
			if size > way.MTU {
				f = f.but(StatusFailed, "raise the MTU of %s, or lower size_bytes in the mesh: fragments are not measured", way.Interface)
			}
			all = append(all, f)
		}
		slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.Subject, b.Subject) })
		// A site that is cut off would fill the screen.
		if most := 5; len(lost) > most {
			more := len(lost) - most
			lost = append(lost[:most], found("mtu", "", "no way leads to %d more either", more).but(StatusFailed, "as above"))
		}
		if all = append(all, lost...); len(all) == 0 {
			return []Finding{notAsked("mtu", "", "there is nothing to send packets to")}
		}
		return all
	}
}

// destinations are what packets go to, and the length of the longest: the
// targets of the assignment, or without one the collector itself.
func (c *Collector) destinations(ctx context.Context) (to []netip.Addr, size int) {
	if c.assignment != nil {
		return targetsOf(c.assignment)
	}
	host := c.host()
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, 0
	}
	if host == "" || c.unknown || c.proxy() != "" {
		return nil, 0
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, _ := c.Lookup(ctx, host) // Resolve has said why not
	return addresses[:min(1, len(addresses))], 0
}

// targetsOf gives the addresses of all tests, each once.
func targetsOf(a *wire.Assignment) (to []netip.Addr, size int) {
	seen := map[netip.Addr]bool{}
	for _, task := range a.Tasks {
		size = max(size, task.SizeBytes)
		for _, target := range task.Targets {
			if address, err := netip.ParseAddr(target.Address); err == nil && !seen[address] {
				seen[address] = true
				to = append(to, address)
			}
		}
	}
	return to, size
}
