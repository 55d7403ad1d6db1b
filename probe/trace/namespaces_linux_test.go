package trace

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/fibergauge/fibergauge/internal/testnet"
)

// country is a number of network namespaces with wires between them. The test's
// goroutine lives in the first.
type country struct {
	t     *testing.T
	towns []*testnet.Namespace
	wires int
}

func newCountry(t *testing.T, towns int) *country {
	t.Helper()
	c := &country{t: t}
	for range towns {
		town := testnet.New(t)
		for name, value := range map[string]string{
			"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1",
			"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
			// Or the link-local address, which finds neighbours, is tentative for
			// a second.
			"ipv6/conf/default/accept_dad": "0", "ipv6/conf/all/accept_dad": "0",
		} {
			town.Sysctl(t, name, value)
		}
		answerEvery(t, town, 0)
		c.towns = append(c.towns, town)
	}
	c.towns[0].Enter(t)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answerEvery sets how many milliseconds lie between two ICMP errors of a town
// to one address; 0 is no limit. A new peer may be answered if a minute has
// passed, so an hour makes a router silent.
func answerEvery(t *testing.T, town *testnet.Namespace, ms int) {
	t.Helper()
	for _, name := range []string{"ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"} {
		town.Sysctl(t, name, fmt.Sprint(ms))
	}
}

const silence = 3_600_000

// try runs a subtest at home: it has a goroutine of its own, which would
// otherwise send from the machine's own network.
func (c *country) try(t *testing.T, name string, do func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		c.towns[0].Enter(t)
		do(t)
	})
}

// wire joins two towns by a network of its own and gives its number: the
// addresses are 10.0.N.1 and 2001:db8:N::1 in the first, and .2 and ::2 in the
// second.
func (c *country) wire(a, b int) int {
	c.t.Helper()
	c.wires++
	n := c.wires
	name := fmt.Sprintf("wire%d", n)
	testnet.Wire(c.t, name, c.towns[a], c.towns[b])
	for side, town := range []int{a, b} {
		c.towns[town].Address(c.t, name, fmt.Sprintf("10.0.%d.%d/24", n, side+1), fmt.Sprintf("2001:db8:%d::%d/64", n, side+1))
	}
	return n
}

// end gives an address of a wire: of the town where it begins or, with 2, ends.
func end(wire, side int, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::%d", wire, side))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", wire, side))
}

// route leads what goes to a wire's network through a neighbour; several
// neighbours are equally good.
func (c *country) route(town, wire int, through func(v6 bool) []netip.Addr) {
	t := c.t
	t.Helper()
	c.towns[town].Do(t, func() {
		for _, v6 := range []bool{false, true} {
			bits := 24
			if v6 {
				bits = 64
			}
			prefix := netip.PrefixFrom(end(wire, 0, v6), bits).Masked()
			r := netlink.Route{Dst: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(bits, prefix.Addr().BitLen())}}
			neighbours := through(v6)
			if len(neighbours) == 1 {
				r.Gw = neighbours[0].AsSlice()
			} else {
				for _, a := range neighbours {
					r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{Gw: a.AsSlice()})
				}
			}
			must(t, netlink.RouteAdd(&r))
		}
	})
}

// chain joins the towns one after the other, wire N between town N-1 and N,
// and leads everything along it.
func chain(t *testing.T, towns int) *country {
	t.Helper()
	c := newCountry(t, towns)
	for town := range towns - 1 {
		c.wire(town, town+1)
	}
	for town := range towns {
		for wire := 1; wire < towns; wire++ {
			switch {
			case wire < town:
				c.route(town, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(town, 1, v6)} })
			case wire > town+1:
				c.route(town, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(town+1, 2, v6)} })
			}
		}
	}
	c.settle(func(v6 bool) netip.Addr { return end(towns-1, 2, v6) }, towns-1)
	return c
}

// settle waits until the way to an address carries packets: wires need a moment
// until they do, and routers until they know their neighbours.
func (c *country) settle(to func(v6 bool) netip.Addr, hops int) {
	c.t.Helper()
	for _, v6 := range []bool{false, true} {
		var last Result
		for range 100 {
			last = c.trace(c.t, Flow{Protocol: ICMP, Destination: netip.AddrPortFrom(to(v6), 0)}, Options{Timeout: 100 * time.Millisecond})
			if last.Reached && last.Sent == hops && last.Duplicates == 0 {
				break
			}
		}
		if !last.Reached || last.Sent != hops {
			c.t.Fatalf("the wires do not carry packets to %v: %+v", to(v6), last)
		}
	}
}
