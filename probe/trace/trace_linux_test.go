package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// along are the addresses that the chain's routers answer from, and the last
// one's at the end.
func along(hops int, v6 bool, silent ...int) []string {
	var want []string
	for hop := 1; hop <= hops; hop++ {
		want = append(want, end(hop, 2, v6).String())
	}
	for _, hop := range silent {
		want[hop-1] = ""
	}
	return want
}

// reflector answers in a town until the test ends.
func (c *country) reflector(town int, keys ...reflect.Key) {
	t := c.t
	t.Helper()
	var r *reflect.Reflector
	c.in(town, func() {
		var err error
		r, err = reflect.Listen(reflect.Config{
			Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:862"), netip.MustParseAddrPort("[::]:862")},
			Keys:   keys, Clock: func() wire.Clock { return wire.Clock{} }, Log: slog.New(slog.DiscardHandler),
		})
		must(t, err)
	})
	r.Allow([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

func trace(t *testing.T, flow Flow, options Options) Result {
	t.Helper()
	if _, err := netlink.LinkByName("wire1"); err != nil {
		t.Fatalf("not in a namespace of the test's own: %v", err)
	}
	begun := time.Now()
	r, err := Run(t.Context(), flow, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Hops {
		if h.Address != "" && (h.RTTUS == 0 || time.Duration(h.RTTUS)*time.Microsecond > time.Since(begun)) {
			t.Errorf("hop %d has an RTT of %d µs", h.TTL, h.RTTUS)
		}
	}
	return r
}

// TestChain traces over five routers, the third of which is silent.
func TestChain(t *testing.T) {
	c := chain(t, 7)
	c.in(3, func() { answerEvery(t, silence) })
	key := []byte("0123456789abcdef")
	c.reflector(6, reflect.Key{Prefix: netip.MustParsePrefix("10.0.1.9/32"), Secret: key})
	c.in(0, func() {
		// A second address, from which only what is authenticated is answered.
		runs(t, "ip", "addr", "add", "10.0.1.9/24", "dev", "wire1")
	})
	for _, v6 := range []bool{false, true} {
		to := end(6, 2, v6)
		for _, tt := range []struct {
			name        string
			flow        Flow
			unreachable string
		}{
			{"icmp", Flow{Protocol: ICMP, ID: 4711, DSCP: 46}, ""},
			{"large icmp", Flow{Protocol: ICMP, Size: 1500}, ""},
			{"stamp", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862)}, ""},
			{"large stamp", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862), Size: 1500, DSCP: 46, Label: 0xabcde}, ""},
			{"nobody listens", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 863)}, "port unreachable"},
			{"authenticated", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862), Source: netip.MustParseAddrPort("10.0.1.9:0"), Key: key}, ""},
		} {
			if v6 && tt.flow.Key != nil {
				continue
			}
			c.try(t, fmt.Sprintf("%s %v", tt.name, to), func(t *testing.T) {
				if !tt.flow.Destination.IsValid() {
					tt.flow.Destination = netip.AddrPortFrom(to, 0)
				}
				r := trace(t, tt.flow, Options{Timeout: 500 * time.Millisecond})
				if diff := cmp.Diff(along(6, v6, 3), addresses(r.Hops)); diff != "" {
					t.Errorf("hops (-want +got)\n%s", diff)
				}
				if !r.Reached || r.Unreachable != tt.unreachable || r.Loop || r.Beyond != 0 || r.Duplicates != 0 {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// runs runs a program on this thread's namespace.
func runs(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: %s: %v: %s", name, err, out)
	}
}

// TestRunningTestIsNotDisturbed traces with the port of a STAMP socket that is
// measuring: its replies all come, and nothing that the trace caused passes for
// one or breaks the socket.
func TestRunningTestIsNotDisturbed(t *testing.T) {
	c := chain(t, 5)
	c.reflector(4)
	c.try(t, "settle", func(t *testing.T) { // until routers know their neighbours
		for _, v6 := range []bool{false, true} {
			for r := (Result{Sent: -1}); r.Sent != 4; {
				r = trace(t, Flow{Protocol: ICMP, Destination: netip.AddrPortFrom(end(4, 2, v6), 0)}, Options{})
			}
		}
	})
	for _, v6 := range []bool{false, true} {
		for _, port := range []uint16{862, 863} {
			c.try(t, fmt.Sprintf("v6 %v to port %d", v6, port), func(t *testing.T) {
				to := netip.AddrPortFrom(end(4, 2, v6), port)
				any := netip.IPv4Unspecified()
				if v6 {
					any = netip.IPv6Unspecified()
				}
				conn, err := stopwatch.Listen(stopwatch.Config{Local: netip.AddrPortFrom(any, 50862)})
				must(t, err)
				defer conn.Close()
				var sent []stamp.Timestamp
				answered, foreign := map[uint32]int{}, 0
				stop := make(chan struct{})
				var measuring sync.WaitGroup
				measuring.Go(func() {
					messages := make([]stopwatch.Message, 32)
					for ended := false; ; {
						at := stamp.NTP.Stamp(time.Now())
						_, _, err := conn.Send(netip.AddrPortFrom(to.Addr(), 862), stamp.AppendRequest(nil, &stamp.Request{Sequence: uint32(len(sent)), Timestamp: at, SSID: 1}, nil))
						if err != nil {
							t.Errorf("send: %v", err)
						}
						sent = append(sent, at)
						for until := time.Now().Add(5 * time.Millisecond); ; {
							ready, err := conn.Wait(until)
							if err != nil {
								t.Errorf("wait: %v", err)
								return
							}
							if _, err := conn.Sent(make([]stopwatch.SendStamp, 32)); err != nil {
								t.Errorf("sent: %v", err)
							}
							if !ready {
								break
							}
							n, err := conn.Receive(messages)
							if err != nil {
								t.Errorf("receive: %v", err)
							}
							for _, m := range messages[:n] {
								reply, err := stamp.ParseReply(m.Payload, nil)
								if err != nil {
									t.Errorf("no reply came: %v", err)
								} else if s := reply.Sender.Sequence; s < uint32(len(sent)) && sent[s] == reply.Sender.Timestamp && reply.SSID == 1 {
									answered[s]++
								} else {
									foreign++
									if s < 1<<31 || reply.SSID < 1<<15 {
										t.Errorf("a reply to the trace looks like one to the test: %+v", reply)
									}
								}
							}
						}
						if ended {
							return
						}
						select {
						case <-stop:
							ended = true
						default:
						}
					}
				})
				flow := Flow{Protocol: UDP, Source: netip.AddrPortFrom(any, 50862), Destination: to, Size: 128}
				for range 3 {
					r := trace(t, flow, Options{})
					if diff := cmp.Diff(along(4, v6), addresses(r.Hops)); diff != "" || !r.Reached || r.SourcePort != 50862 || r.Duplicates != 0 {
						t.Errorf("%+v (-want +got)\n%s", r, diff)
					}
				}
				close(stop)
				measuring.Wait()
				for s := range sent {
					if answered[uint32(s)] != 1 {
						t.Errorf("packet %d of %d has %d replies", s, len(sent), answered[uint32(s)])
					}
				}
				if (foreign > 0) != (port == 862) {
					t.Errorf("%d replies of the trace came", foreign)
				}
			})
		}
	}
}

// TestTracesSideBySide: traces of one and the same flow, at once, do not take
// each other's answers for their own.
func TestTracesSideBySide(t *testing.T) {
	c := chain(t, 5)
	c.reflector(4)
	for _, v6 := range []bool{false, true} {
		c.try(t, fmt.Sprintf("v6 %v", v6), func(t *testing.T) {
			source := netip.AddrPortFrom(end(1, 1, v6), 50862)
			held, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(source))
			must(t, err)
			defer held.Close()
			var tracing sync.WaitGroup
			for i := range 8 {
				flow := Flow{Protocol: UDP, Source: source, Destination: netip.AddrPortFrom(end(4, 2, v6), 862)}
				if i%2 == 0 {
					flow.Protocol, flow.ID = ICMP, 4711
				}
				tracing.Go(func() {
					runtime.LockOSThread() // and never unlocked: the runtime ends the thread
					if err := netns.Set(c.towns[0]); err != nil {
						t.Error(err)
						return
					}
					r, err := Run(t.Context(), flow, Options{})
					if diff := cmp.Diff(along(4, v6), addresses(r.Hops)); diff != "" || err != nil || !r.Reached {
						t.Errorf("%+v, %v (-want +got)\n%s", r, err, diff)
					}
				})
			}
			tracing.Wait()
		})
	}
}

// TestIdentifierIsTakenOver: the echo requests of a datagram socket bear an
// identifier that the kernel chose; the trace's bear it too, and the socket goes
// on as before.
func TestIdentifierIsTakenOver(t *testing.T) {
	c := chain(t, 3)
	for _, v6 := range []bool{false, true} {
		c.try(t, fmt.Sprintf("v6 %v", v6), func(t *testing.T) {
			to := end(2, 2, v6)
			family, protocol, kind := unix.AF_INET, unix.IPPROTO_ICMP, byte(echoRequest)
			if v6 {
				family, protocol, kind = unix.AF_INET6, unix.IPPROTO_ICMPV6, echoRequestV6
			}
			fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, protocol)
			must(t, err)
			defer unix.Close(fd)
			replies, foreign, sent := 0, 0, 0
			mark := []byte("a ping of the test")
			ctx, stop := context.WithCancel(t.Context())
			var pinging sync.WaitGroup
			pinging.Go(func() {
				buffer := make([]byte, 200)
				for ended := false; !ended; {
					ended = ctx.Err() != nil
					if !ended {
						if err := unix.Sendto(fd, append([]byte{kind, 0, 0, 0, 0, 0, 0, byte(sent)}, mark...), 0, sockaddr(to)); err != nil {
							t.Errorf("send: %v", err)
						}
						sent++
						time.Sleep(10 * time.Millisecond)
					} else {
						time.Sleep(500 * time.Millisecond) // what is on its way
					}
					for {
						n, _, err := unix.Recvfrom(fd, buffer, 0)
						if errors.Is(err, unix.EAGAIN) {
							break
						}
						if err != nil {
							t.Errorf("receive: %v", err)
							break
						}
						if n == icmpHeader+len(mark) {
							replies++
						} else {
							foreign++
						}
					}
				}
			})
			r := trace(t, Flow{Protocol: ICMP, Destination: netip.AddrPortFrom(to, 0), Size: 100}, Options{Watch: 2 * time.Second})
			stop()
			pinging.Wait()
			local, err := unix.Getsockname(fd)
			must(t, err)
			id := 0
			switch local := local.(type) {
			case *unix.SockaddrInet4:
				id = local.Port
			case *unix.SockaddrInet6:
				id = local.Port
			}
			if diff := cmp.Diff(along(2, v6), addresses(r.Hops)); diff != "" || !r.Reached || int(r.ID) != id {
				t.Errorf("identifier %d, want %d: %+v (-want +got)\n%s", r.ID, id, r, diff)
			}
			if replies != sent || foreign == 0 {
				t.Errorf("%d of %d pings were answered, and %d of the trace's requests", replies, sent, foreign)
			}
		})
	}
}

// TestEqualWays forks the way, by ports and, in IPv6, by the flow label: the
// trace of each flow goes where an ordinary socket's packets of that flow go.
func TestEqualWays(t *testing.T) {
	c := newCountry(t, 5) // home, fork, two ways, the end
	home, north, south := c.wire(0, 1), c.wire(1, 2), c.wire(1, 3)
	northEnd, southEnd := c.wire(2, 4), c.wire(3, 4)
	// A network that only the end has.
	c.in(4, func() {
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
			must(t, netns.Set(c.towns[1]))
			for _, family := range []string{"ipv4", "ipv6"} {
				must(t, os.WriteFile("/proc/sys/net/"+family+"/fib_multipath_hash_policy", []byte(tt.policy), 0o644))
			}
			must(t, netns.Set(c.towns[0]))
			must(t, os.WriteFile("/proc/sys/net/ipv6/auto_flowlabels", []byte(tt.labels), 0o644))
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
				r := trace(t, Flow{Protocol: UDP, Source: source, Destination: to}, Options{Watch: time.Second})
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
		must(t, unix.Sendto(int(fd), []byte("where does this end?"), 0, portOf(to)))
		defer func() {
			must(t, unix.SetsockoptInt(int(fd), level, ttl, 64))
			must(t, unix.SetsockoptInt(int(fd), level, ask, 0))
		}()
		for deadline := time.Now().Add(5 * time.Second); offender == "" && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
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

// TestDeadEnds: what does not reach its destination ends in time and says why.
func TestDeadEnds(t *testing.T) {
	c := chain(t, 4)
	c.in(2, func() {
		for _, args := range [][]string{
			{"route", "add", "prohibit", "10.0.70.0/24"}, {"-6", "route", "add", "prohibit", "2001:db8:70::/64"},
			{"route", "add", "blackhole", "10.0.71.0/24"}, {"-6", "route", "add", "blackhole", "2001:db8:71::/64"},
			{"route", "add", "10.0.72.0/24", "via", "10.0.2.1"}, {"-6", "route", "add", "2001:db8:72::/64", "via", "2001:db8:2::1"},
			{"route", "add", "unreachable", "10.0.73.0/24"}, {"-6", "route", "add", "unreachable", "2001:db8:73::/64"},
		} {
			runs(t, "ip", args...)
		}
	})
	for wire := 70; wire <= 73; wire++ {
		c.route(0, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(1, 2, v6)} })
		c.route(1, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(2, 2, v6)} })
	}
	for _, v6 := range []bool{false, true} {
		unreachable := "host unreachable"
		if v6 {
			unreachable = "no route"
		}
		for _, tt := range []struct {
			name string
			wire int
			want Result
			hops []string
		}{
			{"prohibited", 70, Result{Unreachable: "prohibited"}, along(2, v6)},
			{"unreachable", 73, Result{Unreachable: unreachable}, along(2, v6)},
			{"blackhole", 71, Result{Beyond: 10}, along(1, v6)},
			{"loop", 72, Result{Loop: true}, nil},
		} {
			for _, protocol := range []Protocol{ICMP, UDP} {
				c.try(t, fmt.Sprintf("%s %s v6 %v", tt.name, protocol, v6), func(t *testing.T) {
					begun := time.Now()
					r := trace(t, Flow{Protocol: protocol, Destination: netip.AddrPortFrom(end(tt.wire, 2, v6), 862)}, Options{Timeout: 200 * time.Millisecond})
					if r.Reached || r.Unreachable != tt.want.Unreachable || r.Loop != tt.want.Loop || r.Beyond != tt.want.Beyond && !r.Loop {
						t.Errorf("%+v", r)
					}
					if diff := cmp.Diff(tt.hops, addresses(r.Hops)); tt.hops != nil && diff != "" {
						t.Errorf("hops (-want +got)\n%s", diff)
					}
					if r.Loop && (len(r.Hops) < 4 || len(r.Hops) > 20) {
						t.Errorf("a loop of two routers was followed over %d hops", len(r.Hops))
					}
					t.Logf("%v: %+v", time.Since(begun), r)
				})
			}
		}
	}
}

func TestNoPrivilege(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before, less [2]unix.CapUserData
	must(t, unix.Capget(&header, &before[0]))
	less = before
	less[0].Effective &^= 1 << unix.CAP_NET_RAW
	must(t, unix.Capset(&header, &less[0]))
	defer func() { must(t, unix.Capset(&header, &before[0])) }()
	_, err := Run(t.Context(), Flow{Protocol: ICMP, Destination: netip.MustParseAddrPort("127.0.0.1:0")}, Options{})
	want := "trace to 127.0.0.1: open a raw socket: operation not permitted; give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW in a systemd unit)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
