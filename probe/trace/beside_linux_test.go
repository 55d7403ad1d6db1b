package trace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
)

// TestRunningTestIsNotDisturbed traces with the port of a STAMP socket that is
// measuring: its replies all come, and nothing that the trace caused passes for
// one or breaks the socket.
func TestRunningTestIsNotDisturbed(t *testing.T) {
	c := chain(t, 5)
	c.reflector(4)
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
					r := c.trace(t, flow, Options{})
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
					c.towns[0].Enter(t)
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
			r := c.trace(t, Flow{Protocol: ICMP, Destination: netip.AddrPortFrom(to, 0), Size: 100}, Options{Watch: 2 * time.Second})
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
