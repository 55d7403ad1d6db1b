package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestOnTheWire looks on in the first router: all packets of a trace are alike
// in what routers choose the way by, and none is sent more than twice.
func TestOnTheWire(t *testing.T) {
	c := chain(t, 4)
	answerEvery(t, c.towns[2], silence)
	key := []byte("0123456789abcdef")
	for _, v6 := range []bool{false, true} {
		for _, flow := range []Flow{
			{Protocol: UDP, DSCP: 46, Size: 128},
			{Protocol: UDP, DSCP: 46, Size: 201, Key: key},
			{Protocol: ICMP, DSCP: 46, Size: 84, ID: 4711},
		} {
			c.try(t, fmt.Sprintf("%s of %d bytes, v6 %v", flow.Protocol, flow.Size, v6), func(t *testing.T) {
				flow.Destination = netip.AddrPortFrom(end(3, 2, v6), 863)
				header, at := ipv4Header, 2
				if v6 {
					header, flow.Label = ipv6Header, 0xabcde
				}
				if flow.Protocol == UDP {
					at = 6
				}
				all := uint16(unix.ETH_P_ALL)
				all = all<<8 | all>>8
				var fd int
				var err error
				c.towns[1].Do(t, func() { fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, int(all)) })
				must(t, err)
				defer unix.Close(fd)
				r := c.trace(t, flow, Options{Timeout: 300 * time.Millisecond})
				if diff := cmp.Diff(along(3, v6, 2), addresses(r.Hops)); diff != "" || !r.Reached {
					t.Errorf("%+v (-want +got)\n%s", r, diff)
				}
				var first []byte
				ttls := map[byte]int{}
				for buffer := make([]byte, 2000); ; {
					n, from, err := unix.Recvfrom(fd, buffer, 0)
					if errors.Is(err, unix.EAGAIN) {
						break
					}
					must(t, err)
					b := slices.Clone(buffer[:n])
					if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_HOST || !bytes.HasSuffix(b[:min(n, header)], flow.Destination.Addr().AsSlice()) {
						continue
					}
					if first == nil {
						first = b
					}
					ttl := 8
					if v6 {
						ttl = 7
						if b[0] != 0x6b || b[1] != 0x8a || b[2] != 0xbc || b[3] != 0xde {
							t.Errorf("traffic class and label: % x", b[:4])
						}
					} else if b[1] != 46<<2 || b[6] != 0x40 {
						t.Errorf("TOS and flags: % x", b[:8])
					}
					ttls[b[ttl]]++
					if n != flow.Size || !bytes.Equal(b[header:header+4], first[header:header+4]) || !bytes.Equal(b[header+at:header+at+2], first[header+at:header+at+2]) {
						t.Errorf("%d bytes, which begin with % x, the first with % x", n, b[header:header+8], first[header:header+8])
					}
				}
				if diff := cmp.Diff(map[byte]int{1: 1, 2: 2, 3: 1}, ttls); diff != "" {
					t.Errorf("packets by TTL (-want +got)\n%s", diff)
				}
			})
		}
	}
}

// TestEqualWays forks the way, by ports and, in IPv6, by the flow label: the
// trace of each flow goes where an ordinary socket's packets of that flow go.
func TestEqualWays(t *testing.T) {
	c := newCountry(t, 5) // home, fork, two ways, the end
	home, north, south := c.wire(0, 1), c.wire(1, 2), c.wire(1, 3)
	northEnd, southEnd := c.wire(2, 4), c.wire(3, 4)
	// A network that only the end has.
	c.towns[4].Do(t, func() {
		runs(t, "ip", "addr", "add", "10.0.99.2/24", "dev", "lo")
		runs(t, "ip", "addr", "add", "2001:db8:99::2/64", "dev", "lo", "nodad")
	})
	const far = 99
	one := func(wire, side int) func(bool) []netip.Addr {
		return func(v6 bool) []netip.Addr { return []netip.Addr{end(wire, side, v6)} }
	}
	c.route(0, far, one(home, 2))
	c.route(1, far, func(v6 bool) []netip.Addr { return []netip.Addr{end(north, 2, v6), end(south, 2, v6)} })
	c.route(2, far, one(northEnd, 2))
	c.route(3, far, one(southEnd, 2))
	c.route(2, home, one(north, 1))
	c.route(3, home, one(south, 1))
	c.route(4, home, one(northEnd, 1))
	for _, w := range []int{north, south} {
		c.route(0, w, one(home, 2)) // so that what they answer from is known
	}
	c.reflector(4)
	c.settle(func(v6 bool) netip.Addr { return end(far, 2, v6) }, 3)
	for _, tt := range []struct {
		name, policy, labels string
		v6                   bool
	}{
		{"IPv4 by ports", "1", "0", false},
		// The kernel's own labels are left out, because it keeps beside a packet,
		// and even over the test's wires, the hash that it made for the label.
		{"IPv6 by ports", "1", "0", true},
		{"IPv6 by label", "0", "1", true},
	} {
		c.try(t, tt.name, func(t *testing.T) {
			for _, family := range []string{"ipv4", "ipv6"} {
				c.towns[1].Sysctl(t, family+"/fib_multipath_hash_policy", tt.policy)
			}
			c.towns[0].Sysctl(t, "ipv6/auto_flowlabels", tt.labels)
			to := netip.AddrPortFrom(end(far, 2, tt.v6), 862)
			taken := map[string]int{}
			for port := range uint16(12) {
				source := netip.AddrPortFrom(end(home, 1, tt.v6), 51000+port)
				conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(source))
				must(t, err)
				want := secondHop(t, conn, to)
				ctx, stop := context.WithCancel(t.Context())
				var sending sync.WaitGroup
				sending.Go(func() {
					for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
						_, _ = conn.WriteToUDPAddrPort([]byte("a packet of the test"), to)
					}
				})
				r := c.trace(t, Flow{Protocol: UDP, Source: source, Destination: to}, Options{Watch: time.Second})
				stop()
				sending.Wait()
				conn.Close()
				got := addresses(r.Hops)
				if !r.Reached || len(got) != 3 || got[1] != want {
					t.Errorf("from port %d an ordinary packet goes by %s, the trace by %v", source.Port(), want, got)
				}
				if (r.Label != 0) != (tt.labels == "1") {
					t.Errorf("the label is %#x", r.Label)
				}
				taken[want]++
			}
			if len(taken) != 2 {
				t.Errorf("the routers do not fork, so nothing was tried: %v", taken)
			}
		})
	}
}

// secondHop sends from an ordinary socket and asks its error queue who let the
// packet end.
func secondHop(t *testing.T, conn *net.UDPConn, to netip.AddrPort) string {
	t.Helper()
	raw, err := conn.SyscallConn()
	must(t, err)
	offender := ""
	must(t, raw.Control(func(fd uintptr) {
		level, ttl, ask := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVERR
		if to.Addr().Is6() {
			level, ttl, ask = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR
		}
		must(t, unix.SetsockoptInt(int(fd), level, ttl, 2))
		must(t, unix.SetsockoptInt(int(fd), level, ask, 1))
		defer func() {
			must(t, unix.SetsockoptInt(int(fd), level, ttl, 64))
			must(t, unix.SetsockoptInt(int(fd), level, ask, 0))
		}()
		for tries := 0; offender == "" && tries < 5000; tries++ {
			if tries%500 == 0 {
				must(t, unix.Sendto(int(fd), []byte("where does this end?"), 0, portOf(to)))
			}
			time.Sleep(time.Millisecond)
			control := make([]byte, 512)
			_, n, _, _, err := unix.Recvmsg(int(fd), make([]byte, 100), control, unix.MSG_ERRQUEUE)
			if errors.Is(err, unix.EAGAIN) {
				continue
			}
			must(t, err)
			messages, err := unix.ParseSocketControlMessage(control[:n])
			must(t, err)
			for _, m := range messages {
				if size := int(unsafe.Sizeof(unix.SockExtendedErr{})); len(m.Data) >= size+unix.SizeofSockaddrInet4 {
					if b := m.Data[size:]; to.Addr().Is4() {
						offender = netip.AddrFrom4([4]byte(b[4:])).String()
					} else {
						offender = netip.AddrFrom16([16]byte(b[8:])).String()
					}
				}
			}
		}
	}))
	return offender
}

func portOf(a netip.AddrPort) unix.Sockaddr {
	switch to := sockaddr(a.Addr()).(type) {
	case *unix.SockaddrInet4:
		to.Port = int(a.Port())
		return to
	case *unix.SockaddrInet6:
		to.Port = int(a.Port())
		return to
	}
	return nil
}
