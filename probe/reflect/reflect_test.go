package reflect

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// running is a reflector at work on the loopback addresses of both families.
func running(t *testing.T, change func(*Config)) *Reflector {
	t.Helper()
	config := Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::]:0")},
		Clock:  func() wire.Clock { return wire.Clock{State: wire.ClockSynchronised} },
		Log:    slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	r, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	r.Allow([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// loopbackOf gives the loopback addresses at which a reflector's sockets answer.
func loopbackOf(r *Reflector) (to []netip.AddrPort) {
	for _, local := range r.Local() {
		address := netip.IPv6Loopback()
		if local.Addr().Is4() {
			address = netip.MustParseAddr("127.0.0.1")
		}
		to = append(to, netip.AddrPortFrom(address, local.Port()))
	}
	return to
}

// asker sends requests from a socket of its own.
type asker struct {
	*stopwatch.Conn
	to  netip.AddrPort
	key []byte
	ask stamp.Ask
}

func newAsker(t *testing.T, to netip.AddrPort, dscp int) *asker {
	t.Helper()
	return newAskerFrom(t, netip.AddrPortFrom(to.Addr(), 0), to, dscp)
}

func newAskerFrom(t *testing.T, local, to netip.AddrPort, dscp int) *asker {
	t.Helper()
	c, err := stopwatch.Listen(stopwatch.Config{Local: local, DSCP: dscp})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &asker{Conn: c, to: to}
}

func (a *asker) send(t *testing.T, sequence uint32) {
	t.Helper()
	r := &stamp.Request{Sequence: sequence, Timestamp: stamp.NTP.Stamp(time.Now()), Error: 0x8001, SSID: 5}
	packet, err := a.ask.Append(stamp.AppendRequest(nil, r, a.key), sequence, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Send(a.to, packet); err != nil {
		t.Fatal(err)
	}
}

func (a *asker) receive(t *testing.T) (stamp.Reply, stopwatch.Message) {
	t.Helper()
	var ms [1]stopwatch.Message
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if _, err := a.Wait(deadline); err != nil {
			t.Fatal(err)
		}
		if n, err := a.Receive(ms[:]); err != nil {
			t.Fatal(err)
		} else if n == 1 {
			r, err := stamp.ParseReply(ms[0].Payload, a.key)
			if err != nil {
				t.Fatal(err)
			}
			return r, ms[0]
		}
	}
	t.Fatal("no reply came")
	return stamp.Reply{}, stopwatch.Message{}
}

// TestReflectorAnswersOnRealSockets: the four moments of a packet are in their
// order, and what the reflector tells of its previous reply is when that left.
func TestReflectorAnswersOnRealSockets(t *testing.T) {
	r := running(t, func(c *Config) {
		c.Keys = []Key{{netip.MustParsePrefix("127.0.0.2/32"), secret}}
	})
	for _, to := range loopbackOf(r) {
		t.Run(to.String(), func(t *testing.T) {
			a := newAsker(t, to, 46)
			a.ask = stamp.Ask{FollowUp: true, Class: true, DSCP: 10}
			kernel := a.Source() == wire.TimestampsKernel
			var arrived []int64
			var left []stamp.Timestamp
			for i := range uint32(5) {
				before := stamp.NTP.Stamp(time.Now())
				a.send(t, i)
				reply, m := a.receive(t)
				after := stamp.NTP.Stamp(time.Now())
				for _, order := range [][2]stamp.Timestamp{{before, reply.Received}, {reply.Received, reply.Timestamp}, {reply.Timestamp, after}} {
					if stamp.NTP.Between(order[0], order[1]) < 0 {
						t.Fatalf("sent %x, received %x, answered %x, received back %x", before, reply.Received, reply.Timestamp, after)
					}
				}
				if reply.Sequence != i || reply.Sender.Sequence != i || reply.SSID != 5 {
					t.Errorf("reply %d: %+v", i, reply)
				}
				e, err := stamp.ParseExtensions(reply.TLVs, reply.Sequence, nil)
				if err != nil {
					t.Fatal(err)
				}
				if m.TOS >= 0 {
					if want := (stamp.Class{Asked: 10, DSCP: 46}); e.Class != want || m.TOS != 10<<2 {
						t.Errorf("class %+v, want %+v; reply came with TOS %d, want %d", e.Class, want, m.TOS, 10<<2)
					}
				}
				if m.TTL > 0 && m.TTL != 255 {
					t.Errorf("reply came with TTL %d, want 255", m.TTL)
				}
				arrived, left = append(arrived, m.At), append(left, reply.Timestamp)
				// The first reply was sent before anybody had asked for its moment.
				if e.HasFollowUp != (kernel && i >= 1) {
					t.Fatalf("reply %d: follow-up is %v", i, e.HasFollowUp)
				}
				if f := e.FollowUp; e.HasFollowUp {
					sent := stamp.NTP.Unix(f.Sent, m.At)
					if f.Sequence != i-1 || f.Method != stamp.SoftwareLocal || stamp.NTP.Between(left[i-1], f.Sent) < 0 || sent > arrived[i-1] {
						t.Errorf("reply %d tells of %+v; reply %d left after %x and came at %d", i, f, i-1, left[i-1], arrived[i-1])
					}
				}
			}
		})
	}
	t.Run("authenticated", func(t *testing.T) {
		a := newAsker(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), loopbackOf(r)[0].Port()), 0)
		a.key, a.ask = secret, stamp.Ask{Timestamps: true}
		a.send(t, 1)
		reply, _ := a.receive(t)
		if e, err := stamp.ParseExtensions(reply.TLVs, reply.Sequence, secret); err != nil || !e.HasTimestamps {
			t.Errorf("extensions %+v, %v", e, err)
		}
	})
}

// TestReflectorStaysSilent sends what must not be answered ahead of what is;
// packets of one socket are answered in their order, so a reply to the second
// alone means none to the first.
func TestReflectorStaysSilent(t *testing.T) {
	r := running(t, nil)
	to := loopbackOf(r)[0]
	a := newAsker(t, to, 0)
	if _, _, err := a.Send(to, []byte("no test packet")[:13]); err != nil {
		t.Fatal(err)
	}
	a.send(t, 9)
	if reply, _ := a.receive(t); reply.Sender.Sequence != 9 {
		t.Errorf("a reply to %d", reply.Sender.Sequence)
	}
	r.Allow(nil)
	a.send(t, 10)
	waitFor(t, func() bool { c := r.Counters(); return c.NotAllowed+c.Filtered == 1 })
	r.Allow([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	a.send(t, 11)
	if reply, _ := a.receive(t); reply.Sender.Sequence != 11 || reply.Sequence != 1 {
		t.Errorf("a reply %d to %d, want 1 to 11", reply.Sequence, reply.Sender.Sequence)
	}
	waitFor(t, func() bool { return r.Counters().Answered == 2 })
	c := r.Counters()
	// Where the kernel drops it, it is not received.
	c.Received, c.NotAllowed, c.Filtered = c.Received+c.Filtered, c.NotAllowed+c.Filtered, 0
	if want := (Counters{Received: 4, Answered: 2, NotAllowed: 1, Short: 1, Sessions: 1}); c != want {
		t.Errorf("counters %+v, want %+v", c, want)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 5 s")
		}
	}
}

// TestTwoReflectorsDoNotTalk sends from the port on which the reflector listens
// itself, as a forger would who wants it to talk with another one.
func TestTwoReflectorsDoNotTalk(t *testing.T) {
	r := running(t, func(c *Config) { c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")} })
	to := r.Local()[0]
	forger, err := stopwatch.Listen(stopwatch.Config{Local: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), to.Port())})
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	if _, _, err := forger.Send(to, stamp.AppendRequest(nil, request(0), nil)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return r.Counters().Received == 1 })
	if c := r.Counters(); c != (Counters{Received: 1, Loop: 1}) {
		t.Errorf("counters %+v", c)
	}
}

// failing is a socket that fails in one of its methods.
type failing struct {
	wait, receive, sent, send error
}

func (f *failing) Local() netip.AddrPort                   { return local }
func (f *failing) Wait(time.Time) (bool, error)            { return true, f.wait }
func (f *failing) Sent([]stopwatch.SendStamp) (int, error) { return 0, f.sent }
func (f *failing) Receive(ms []stopwatch.Message) (n int, _ error) {
	if f.receive != nil {
		return 0, f.receive
	}
	ask := stamp.Ask{FollowUp: true}
	packet, err := ask.Append(stamp.AppendRequest(nil, request(0), nil), 7, nil)
	ms[0] = stopwatch.Message{From: sender, To: here, Payload: packet}
	return 1, err
}
func (f *failing) SendBy(stopwatch.Way, netip.AddrPort, []byte) (uint32, int64, error) {
	return 0, 0, f.send
}

func TestServeEndsWhenItsSocketDoes(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name string
		conn failing
		want error
	}{
		{"closed while it waits", failing{wait: net.ErrClosed}, nil},
		{"closed while it receives", failing{receive: net.ErrClosed}, nil},
		{"closed while it sends", failing{send: net.ErrClosed}, nil},
		{"wait", failing{wait: broken}, broken},
		{"receive", failing{receive: broken}, broken},
		{"stamps", failing{sent: broken}, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newTestReflector(nil)
			r.known = make([]int, 1)
			if err := r.serve(t.Context(), 0, &test.conn); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}

// TestAReplyThatCannotLeave is counted, and the reflector goes on.
func TestAReplyThatCannotLeave(t *testing.T) {
	r := newTestReflector(nil)
	s := &server{answerer: r.newAnswerer(local), conn: &failing{send: syscall.ENETUNREACH}}
	for range 3 {
		if err := s.round(); err != nil {
			t.Fatal(err)
		}
	}
	if want := (Counters{Received: 3, Unsent: 3, Unstamped: 3}); s.counts != want {
		t.Errorf("counts %+v, want %+v", s.counts, want)
	}
}

func TestListenNeedsAnAddressOfThisHost(t *testing.T) {
	config := Config{Clock: func() wire.Clock { return wire.Clock{} }, Log: slog.New(slog.DiscardHandler)}
	if _, err := Listen(config); err == nil {
		t.Error("no address: no error")
	}
	config.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("192.0.2.1:0")}
	if _, err := Listen(config); err == nil {
		t.Error("an address that is not of this host: no error")
	}
}

func TestCountersInALog(t *testing.T) {
	var c Counters
	names := func() (names []string) {
		for _, a := range c.LogValue().Group() {
			names = append(names, a.Key)
		}
		return names
	}
	if got, want := names(), []string{"received", "answered", "sessions"}; !slices.Equal(got, want) {
		t.Errorf("nothing dropped: %v, want %v", got, want)
	}
	c = Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	if got := names(); len(got) != 14 {
		t.Errorf("%d counters are shown: %v", len(got), got)
	}
	d := c
	d.add(&c)
	want := Counters{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 12, 13, 14} // the last three are asked for, not counted
	if d != want {
		t.Errorf("sum %+v, want %+v", d, want)
	}
}
