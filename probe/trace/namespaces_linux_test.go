package trace

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// country is a number of network namespaces with wires between them. The test's
// goroutine lives in the first.
type country struct {
	t     *testing.T
	towns []netns.NsHandle
	wires int
}

func newCountry(t *testing.T, towns int) *country {
	t.Helper()
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		t.Skipf("SKIPPED: needs network namespaces: %v", err)
	}
	c := &country{t: t}
	t.Cleanup(func() {
		for _, ns := range c.towns {
			ns.Close()
		}
		if err := netns.Set(before); err == nil {
			runtime.UnlockOSThread()
		}
		before.Close()
	})
	for range towns {
		ns, err := netns.New()
		if err != nil {
			t.Skipf("SKIPPED: needs root for network namespaces: %v", err)
		}
		c.towns = append(c.towns, ns)
		lo, err := netlink.LinkByName("lo")
		must(t, err)
		must(t, netlink.LinkSetUp(lo))
		for name, value := range map[string]string{
			"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1",
			"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
			// Or the link-local address, which finds neighbours, is tentative for
			// a second.
			"ipv6/conf/default/accept_dad": "0", "ipv6/conf/all/accept_dad": "0",
			"ipv4/ping_group_range": "0 2147483647",
		} {
			must(t, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644))
		}
		answerEvery(t, 0)
	}
	c.visit(0)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answerEvery sets how many milliseconds lie between two ICMP errors to one
// address; 0 is no limit. A new peer may be answered if a minute has passed, so
// an hour makes a router silent.
func answerEvery(t *testing.T, ms int) {
	t.Helper()
	for _, name := range []string{"ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit"} {
		must(t, os.WriteFile("/proc/sys/net/"+name, []byte(fmt.Sprint(ms)), 0o644))
	}
}

const silence = 3_600_000

// visit moves the test's goroutine to a town.
func (c *country) visit(town int) {
	c.t.Helper()
	must(c.t, netns.Set(c.towns[town]))
}

// try runs a subtest at home: it has a goroutine of its own, which would
// otherwise send from the machine's own network.
func (c *country) try(t *testing.T, name string, do func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread
		must(t, netns.Set(c.towns[0]))
		do(t)
	})
}

// in does something in a town and comes home.
func (c *country) in(town int, do func()) {
	c.t.Helper()
	c.visit(town)
	do()
	c.visit(0)
}

// wire joins two towns by a network of its own and gives its number: the
// addresses are 10.0.N.1 and 2001:db8:N::1 in the first, and .2 and ::2 in the
// second.
func (c *country) wire(a, b int) int {
	t := c.t
	t.Helper()
	c.wires++
	n := c.wires
	name := fmt.Sprintf("wire%d", n)
	c.in(a, func() {
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name, PeerNamespace: netlink.NsFd(int(c.towns[b]))}))
	})
	for end, town := range []int{a, b} {
		c.in(town, func() {
			link, err := netlink.LinkByName(name)
			must(t, err)
			for _, a := range []string{fmt.Sprintf("10.0.%d.%d/24", n, end+1), fmt.Sprintf("2001:db8:%d::%d/64", n, end+1)} {
				addr, err := netlink.ParseAddr(a)
				must(t, err)
				if addr.IP.To4() == nil {
					addr.Flags = unix.IFA_F_NODAD // or it is tentative for seconds
				}
				must(t, netlink.AddrAdd(link, addr))
			}
			must(t, netlink.LinkSetUp(link))
		})
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
	c.in(town, func() {
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
			last = trace(c.t, Flow{Protocol: ICMP, Destination: netip.AddrPortFrom(to(v6), 0)}, Options{Timeout: 100 * time.Millisecond})
			if last.Reached && last.Sent == hops && last.Duplicates == 0 {
				break
			}
		}
		if !last.Reached || last.Sent != hops {
			c.t.Fatalf("the wires do not carry packets to %v: %+v", to(v6), last)
		}
	}
}
