package stopwatch

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/wire"
)

var loopbacks = map[string]netip.AddrPort{
	"IPv4": netip.MustParseAddrPort("127.0.0.1:0"),
	"IPv6": netip.MustParseAddrPort("[::1]:0"),
}

func listen(t testing.TB, config Config) *Conn {
	t.Helper()
	c, err := Listen(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// next waits for one packet.
func next(t testing.TB, c *Conn) Message {
	t.Helper()
	var ms [1]Message
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if _, err := c.Wait(deadline); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Receive(ms[:]); err != nil {
			t.Fatal(err)
		} else if n == 1 {
			return ms[0]
		}
	}
	t.Fatal("no packet came")
	return Message{}
}

// stampsOf collects n moments of sending by their ids.
func stampsOf(t testing.TB, c *Conn, n int) map[uint32]int64 {
	t.Helper()
	got := map[uint32]int64{}
	var s [16]SendStamp
	for deadline := time.Now().Add(5 * time.Second); len(got) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("%d moments of sending, want %d", len(got), n)
		}
		read, err := c.Sent(s[:])
		if err != nil {
			t.Fatal(err)
		}
		for _, stamp := range s[:read] {
			if _, twice := got[stamp.ID]; twice || stamp.Source != wire.TimestampsKernel {
				t.Fatalf("stamp %+v: told twice is %v", stamp, twice)
			}
			got[stamp.ID] = stamp.At
		}
	}
	return got
}

// TestConnTellsWhenItsPacketsLeftAndCame holds the kernel's moments between
// those of the process, on both sides of a packet and of its answer.
func TestConnTellsWhenItsPacketsLeftAndCame(t *testing.T) {
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, Config{Local: local, DSCP: 46, TTL: 200}), listen(t, Config{Local: local})
			for _, c := range []*Conn{a, b} {
				if c.Source() != wire.TimestampsKernel || c.Reason() != "" {
					t.Fatalf("source %s: %s", c.Source(), c.Reason())
				}
			}
			for range 20 {
				id, before, err := a.Send(b.Local(), []byte("question"))
				if err != nil {
					t.Fatal(err)
				}
				got := next(t, b)
				after := time.Now().UnixNano()
				sent := stampsOf(t, a, 1)[id]
				if before > sent || sent > got.At || got.At > after {
					t.Fatalf("sent %d by the process, %d by the kernel, received %d by the kernel, %d by the process", before, sent, got.At, after)
				}
				want := Message{From: a.Local(), To: local.Addr(), TTL: 200, TOS: 46 << 2, At: got.At, Source: wire.TimestampsKernel, Payload: []byte("question")}
				if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})); diff != "" {
					t.Fatalf("message (-want +got):\n%s", diff)
				}
				_, before, err = b.SendBy(Way{From: got.To, TOS: 10 << 2, Stamped: true}, got.From, got.Payload)
				if err != nil {
					t.Fatal(err)
				}
				answer := next(t, a)
				if string(answer.Payload) != "question" || answer.TOS != 10<<2 || answer.From != b.Local() || answer.At < before {
					t.Fatalf("answer %+v", answer)
				}
				stampsOf(t, b, 1)
			}
		})
	}
}

// TestConnAnswersFromTheAddressAsked has a socket on every address answer from
// the one of many that the packet was sent to.
func TestConnAnswersFromTheAddressAsked(t *testing.T) {
	a := listen(t, Config{Local: loopbacks["IPv4"]})
	b := listen(t, Config{Local: netip.MustParseAddrPort("0.0.0.0:0")})
	asked := netip.AddrPortFrom(netip.MustParseAddr("127.3.2.1"), b.Local().Port())
	if _, _, err := a.Send(asked, []byte("x")); err != nil {
		t.Fatal(err)
	}
	m := next(t, b)
	if m.To != asked.Addr() {
		t.Fatalf("asked %v, told %v", asked.Addr(), m.To)
	}
	if _, _, err := b.SendBy(Way{From: m.To, TOS: -1}, m.From, m.Payload); err != nil {
		t.Fatal(err)
	}
	if answer := next(t, a); answer.From != asked {
		t.Errorf("answered from %v, want %v", answer.From, asked)
	}
}

// TestConnTellsApartWhatIsStampedAndWhatNot: ids count only packets that ask.
func TestConnTellsApartWhatIsStampedAndWhatNot(t *testing.T) {
	a, b := listen(t, Config{Local: loopbacks["IPv4"]}), listen(t, Config{Local: loopbacks["IPv4"]})
	want := map[uint32]int64{}
	for i := range 40 {
		id, at, err := a.SendBy(Way{TOS: -1, Stamped: i%3 == 0}, b.Local(), []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			want[id] = at
		}
	}
	got := stampsOf(t, a, len(want))
	for id, at := range want {
		if d := got[id] - at; d < 0 || d > int64(time.Second) {
			t.Errorf("packet %d: stamped %d ns after it was sent", id, d)
		}
	}
}

// TestConnOutlivesRefusals: nobody listens at the other end, and the ICMP error
// that comes back neither ends the socket nor passes for a moment of sending.
func TestConnOutlivesRefusals(t *testing.T) {
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, Config{Local: local}), listen(t, Config{Local: local})
			gone := listen(t, Config{Local: local})
			nobody := gone.Local()
			if err := gone.Close(); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				refused, at, err := a.Send(nobody, []byte("refused"))
				if err != nil {
					t.Fatalf("send to a closed port: %v", err)
				}
				answered, _, err := a.Send(b.Local(), []byte("taken"))
				if err != nil {
					t.Fatalf("send after a refusal: %v", err)
				}
				got := stampsOf(t, a, 2)
				if got[refused] < at || got[answered] < got[refused] {
					t.Fatalf("sent at %d, stamps %v", at, got)
				}
				next(t, b)
			}
		})
	}
}

func TestConnCountsWhatItDropped(t *testing.T) {
	a := listen(t, Config{Local: loopbacks["IPv4"]})
	b := listen(t, Config{Local: loopbacks["IPv4"], BufferBytes: 4096, PayloadBytes: 100})
	if n := b.Overflows(); n != 0 {
		t.Fatalf("%d before anything was sent", n)
	}
	const sent = 200
	for range sent {
		if _, _, err := a.Send(b.Local(), make([]byte, 90)); err != nil {
			t.Fatal(err)
		}
	}
	received := 0
	var ms [7]Message
	for {
		n, err := b.Receive(ms[:])
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		received += n
	}
	if dropped := b.Overflows(); received == 0 || received == sent || uint64(received)+dropped != sent {
		t.Errorf("%d received and %d dropped of %d", received, dropped, sent)
	}
	before := b.Overflows()
	if _, _, err := a.Send(b.Local(), make([]byte, 101)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Send(b.Local(), make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	// Anybody may send what is too long for any reply: nothing was lost by it.
	if m := next(t, b); len(m.Payload) != 100 || b.Overflows() != before {
		t.Errorf("%d bytes received, %d dropped; want the one that fits, and none dropped", len(m.Payload), b.Overflows()-before)
	}
}

// TestWrongChecksumsAreNoOverflow sends what the kernel drops and counts like
// packets for which there was no room.
func TestWrongChecksumsAreNoOverflow(t *testing.T) {
	c := listen(t, Config{Local: loopbacks["IPv4"]})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		t.Skipf("SKIPPED: needs CAP_NET_RAW: %v", err)
	}
	defer unix.Close(fd)
	port := c.Local().Port()
	// The checksum of a longer packet is looked at when it is received.
	packet := append([]byte{0x12, 0x34, byte(port >> 8), byte(port), 308 >> 8, 308 & 0xff, 0xba, 0xad}, make([]byte, 300)...)
	for range 10 {
		must(t, unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	if _, _, err := c.Send(c.Local(), []byte("behind them")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, c); string(m.Payload) != "behind them" || c.drops.Load() != 0 {
		t.Errorf("received %q, %d counted before", m.Payload, c.drops.Load())
	}
	if n := c.Overflows(); n != 0 || c.drops.Load() == 0 {
		t.Errorf("%d are taken for lost, the kernel counts %d", n, c.drops.Load())
	}
}

func TestConnOfTheProcess(t *testing.T) {
	a, b := listen(t, Config{Local: loopbacks["IPv4"], User: true}), listen(t, Config{Local: loopbacks["IPv4"]})
	if a.Source() != wire.TimestampsUser || a.Reason() == "" {
		t.Errorf("source %s, reason %q", a.Source(), a.Reason())
	}
	b.UseUser("the interface does not stamp")
	for range 3 {
		for _, way := range [][2]*Conn{{a, b}, {b, a}} {
			_, at, err := way[0].Send(way[1].Local(), []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			if m := next(t, way[1]); m.Source != wire.TimestampsUser || m.At < at || m.At > time.Now().UnixNano() {
				t.Errorf("%+v, sent at %d", m, at)
			}
			if n, err := way[0].Sent(make([]SendStamp, 1)); n != 0 || err != nil {
				t.Errorf("%d stamps, %v; the process has none to tell", n, err)
			}
		}
	}
}

// TestConnFallsBackWhereNoPacketShowsThatTheKernelStamps takes loopback away,
// so that the socket cannot send to itself.
func TestConnFallsBackWhereNoPacketShowsThatTheKernelStamps(t *testing.T) {
	twoHosts(t, plain)
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetDown(lo))
	c := listen(t, Config{Local: netip.MustParseAddrPort("0.0.0.0:0")})
	if c.Source() != wire.TimestampsUser || c.Reason() != "the kernel gave no moment for a packet that the socket sent to itself" {
		t.Errorf("source %s, reason %q", c.Source(), c.Reason())
	}
	if err := c.Verify(); err == nil || c.Source() != wire.TimestampsUser {
		t.Errorf("source %s, error %v, while nothing has changed", c.Source(), err)
	}

	must(t, netlink.LinkSetUp(lo))
	if err := c.Verify(); err != nil || c.Source() != wire.TimestampsKernel || c.Reason() != "" {
		t.Fatalf("source %s, reason %q, error %v, when it can", c.Source(), c.Reason(), err)
	}
	id, _, err := c.Send(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), c.Local().Port()), []byte("x"))
	must(t, err)
	if m := next(t, c); m.Source != wire.TimestampsKernel {
		t.Errorf("received %+v", m)
	}
	if at := stampsOf(t, c, 1)[id]; at == 0 {
		t.Errorf("no moment of sending of packet %d", id)
	}
	c.UseUser("the interface does not stamp")
	if err := c.Verify(); err != nil || c.Source() != wire.TimestampsUser {
		t.Errorf("source %s, error %v, after it was given up for good", c.Source(), err)
	}
}

// TestConnChangesItsSource between the reading of a packet and its handing out.
func TestConnChangesItsSource(t *testing.T) {
	a, b := listen(t, Config{Local: loopbacks["IPv4"]}), listen(t, Config{Local: loopbacks["IPv4"]})
	_, at, err := a.Send(b.Local(), []byte("x"))
	must(t, err)
	if ok, err := b.Wait(time.Time{}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if n, err := b.Receive(nil); n != 0 || err != nil {
		t.Errorf("no room: %d, %v", n, err)
	}
	b.UseUser("the interface does not stamp")
	if m := next(t, b); m.Source != wire.TimestampsUser || m.At < at || m.At > time.Now().UnixNano() {
		t.Errorf("%+v, sent at %d", m, at)
	}
}

func TestConnWaits(t *testing.T) {
	a, b := listen(t, Config{Local: loopbacks["IPv4"]}), listen(t, Config{Local: loopbacks["IPv4"]})
	if ok, err := b.Wait(time.Now().Add(time.Millisecond)); ok || err != nil {
		t.Errorf("past the deadline: %v, %v", ok, err)
	}
	b.Wake()
	if ok, err := b.Wait(time.Time{}); ok || err != nil {
		t.Errorf("woken before: %v, %v", ok, err)
	}
	waited := make(chan error)
	wait := func() {
		_, err := b.Wait(time.Time{})
		waited <- err
	}
	go wait()
	b.Wake()
	if err := <-waited; err != nil {
		t.Errorf("woken: %v", err)
	}
	// A Wake that met no Wait may still end this one: then it waits again.
	if _, _, err := a.Send(b.Local(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, b); string(m.Payload) != "x" {
		t.Errorf("received %q", m.Payload)
	}
	go wait()
	b.Close()
	if err := <-waited; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := b.Receive(make([]Message, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("receive on a closed socket: %v", err)
	}
	if _, _, err := b.Send(a.Local(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("send on a closed socket: %v", err)
	}
	if _, err := b.Sent(make([]SendStamp, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("stamps of a closed socket: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := listen(t, Config{Local: loopbacks["IPv4"]})
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no address", Config{}, "listen: no local address is given; use 0.0.0.0 or :: for every one"},
		{"DSCP", Config{Local: loopbacks["IPv4"], DSCP: 64}, "listen on 127.0.0.1:0: DSCP 64 is not within 0 to 63"},
		{"TTL", Config{Local: loopbacks["IPv4"], TTL: 256}, "listen on 127.0.0.1:0: TTL 256 is not within 1 to 255"},
		{"taken", Config{Local: taken.Local()}, "listen on " + taken.Local().String() + ": bind: address already in use; another program listens there"},
		{"foreign address", Config{Local: netip.MustParseAddrPort("192.0.2.1:862")}, "listen on 192.0.2.1:862: bind: cannot assign requested address; the address is not one of this host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Listen(test.config)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			if err.Error() != test.want {
				t.Errorf("%q, want %q", err, test.want)
			}
		})
	}
	if _, _, err := taken.Send(netip.MustParseAddrPort("[::1]:9"), nil); err == nil || !strings.Contains(err.Error(), "other family") {
		t.Errorf("send to the other family: %v", err)
	}
}

func TestConnTakesNoMemoryForAPacket(t *testing.T) {
	a, b := listen(t, Config{Local: loopbacks["IPv4"]}), listen(t, Config{Local: loopbacks["IPv4"]})
	to, payload := b.Local(), make([]byte, 44)
	var ms [8]Message
	var stamps [8]SendStamp
	if n := testing.AllocsPerRun(200, func() {
		if _, _, err := a.Send(to, payload); err != nil {
			t.Fatal(err)
		}
		if ok, err := b.Wait(time.Time{}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if n, err := b.Receive(ms[:]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := a.Sent(stamps[:]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

// TestStampsStayWithTheirPackets refuses packets in each of the ways in which
// the kernel may or may not have numbered them already, between others that
// are sent: no moment may go to a wrong packet.
func TestStampsStayWithTheirPackets(t *testing.T) {
	twoHosts(t, plain)
	_, prohibited, err := net.ParseCIDR("203.0.113.0/24")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{Dst: prohibited, Type: unix.RTN_PROHIBIT}))
	local := netip.MustParseAddrPort("198.51.100.1:0")
	there := netip.MustParseAddrPort("198.51.100.2:862")
	c := listen(t, Config{Local: local})
	if c.Source() != wire.TimestampsKernel {
		t.Fatal(c.Reason())
	}
	if _, _, err := c.Send(there, nil); err != nil { // so that the neighbour is known
		t.Fatal(err)
	}
	stampsOf(t, c, 1)
	refusals := map[string]func() error{
		"no route": func() error {
			_, _, err := c.Send(netip.MustParseAddrPort("192.0.2.9:862"), []byte("x"))
			return err
		},
		"prohibiting route": func() error {
			_, _, err := c.Send(netip.MustParseAddrPort("203.0.113.9:862"), []byte("x"))
			return err
		},
		"too long": func() error {
			_, _, err := c.Send(there, make([]byte, 70_000))
			return err
		},
		"an address that is not ours": func() error {
			_, _, err := c.SendBy(Way{From: netip.MustParseAddr("192.0.2.1"), TOS: -1, Stamped: true}, there, []byte("x"))
			return err
		},
	}
	for name, refuse := range refusals {
		if refuse() == nil {
			t.Fatalf("%s: sent", name)
		}
	}
	checkStamps(t, c, there, 50, func() {
		for name, refuse := range refusals {
			if refuse() == nil {
				t.Fatalf("%s: sent", name)
			}
		}
	}, false)
}

// TestConnStampsOnEveryKindOfDevice: nobody listens at the other end, so each
// packet also brings an ICMP error.
func TestConnStampsOnEveryKindOfDevice(t *testing.T) {
	for _, device := range []struct {
		name  string
		build func(*testing.T, netlink.Link) netlink.Link
	}{{"veth", plain}, {"vlan", vlan}, {"bond", bond}, {"macvlan", macvlan}} {
		for from, to := range map[string]string{"198.51.100.1:0": "198.51.100.2:862", "[2001:db8::1]:0": "[2001:db8::2]:862"} {
			t.Run(device.name+" "+to, func(t *testing.T) {
				twoHosts(t, device.build)
				c, there := listen(t, Config{Local: netip.MustParseAddrPort(from)}), netip.MustParseAddrPort(to)
				if c.Source() != wire.TimestampsKernel {
					t.Fatal(c.Reason())
				}
				if _, _, err := c.Send(there, nil); err != nil { // so that the neighbour is known
					t.Fatal(err)
				}
				stampsOf(t, c, 1)
				checkStamps(t, c, there, 20, func() {}, false)
			})
		}
	}
}

// TestStampsOfPacketsThatQueue sends through a queue that is slower than the
// sender, until the socket's own memory is full and packets are refused that
// may have their numbers already.
func TestStampsOfPacketsThatQueue(t *testing.T) {
	twoHosts(t, plain)
	link, err := netlink.LinkByName("wire")
	must(t, err)
	if err := netlink.QdiscReplace(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       1 << 20, Buffer: 100_000, Limit: 1 << 20, // bytes a second, ticks of 64 ns, bytes: 1 kB takes a millisecond
	}); err != nil {
		t.Skipf("SKIPPED: this kernel has no token bucket queue: %v", err)
	}
	c, there := listen(t, Config{Local: netip.MustParseAddrPort("198.51.100.1:0")}), netip.MustParseAddrPort("198.51.100.2:862")
	if _, _, err := c.Send(there, nil); err != nil {
		t.Fatal(err)
	}
	stampsOf(t, c, 1)
	must(t, c.socket.SetWriteBuffer(8192))
	refused := 0
	checkStamps(t, c, there, 100, func() {
		if _, _, err := c.Send(there, make([]byte, 1000)); errors.Is(err, unix.EAGAIN) {
			refused++
		}
		time.Sleep(100 * time.Microsecond)
	}, true)
	if refused == 0 {
		t.Error("nothing was refused, so nothing was tried")
	}
}

// checkStamps sends n packets, with a disturbance between them, and holds the
// moment of each between its sending and that of the next: so none is another's.
// Where packets may queue, none may be too early.
func checkStamps(t *testing.T, c *Conn, to netip.AddrPort, n int, disturb func(), queued bool) {
	t.Helper()
	type sent struct {
		id uint32
		at int64
	}
	var all []sent
	for len(all) < n {
		id, at, err := c.Send(to, make([]byte, 1000))
		if err == nil {
			all = append(all, sent{id, at})
		}
		disturb()
	}
	end := time.Now().UnixNano()
	got := map[uint32]int64{}
	var s [16]SendStamp
	patience := 5 * time.Second
	if queued {
		patience = 500 * time.Millisecond // not all will come
	}
	for deadline := time.Now().Add(patience); len(got) < n && time.Now().Before(deadline); {
		read, err := c.Sent(s[:])
		must(t, err)
		for _, stamp := range s[:read] {
			got[stamp.ID] = stamp.At
		}
		time.Sleep(time.Millisecond)
	}
	for i, p := range all {
		until := end
		if i+1 < len(all) {
			until = all[i+1].at
		}
		at, ok := got[p.id]
		switch {
		case !ok && !queued:
			t.Errorf("packet %d has no moment", i)
		case ok && at < p.at:
			t.Errorf("packet %d has a moment %v before it was sent", i, time.Duration(p.at-at))
		case ok && !queued && at > until:
			t.Errorf("packet %d has a moment %v after the next one was sent", i, time.Duration(at-until))
		}
	}
	if len(got) == 0 {
		t.Error("no packet has a moment")
	}
	t.Logf("%d packets sent, %d have a moment", len(all), len(got))
}

// TestWaitOnAThread holds the waits of a Conn that has a thread to what those
// of any other do, with moments of sending left unread.
func TestWaitOnAThread(t *testing.T) {
	c, err := Listen(Config{Local: netip.MustParseAddrPort("127.0.0.1:0"), Thread: true})
	must(t, err)
	if ready, err := c.Wait(time.Now().Add(-time.Second)); ready || err != nil {
		t.Errorf("a deadline that is over: %v, %v", ready, err)
	}
	if ready, err := c.Wait(time.Now().Add(time.Millisecond)); ready || err != nil {
		t.Errorf("a deadline to come: %v, %v", ready, err)
	}
	// The moment of sending is there and unread: the wait goes on all the same.
	id, _, err := c.Send(netip.MustParseAddrPort("127.0.0.1:9"), []byte("to nobody"))
	must(t, err)
	if ready, err := c.Wait(time.Now().Add(10 * time.Millisecond)); ready || err != nil {
		t.Errorf("with a stamp unread: %v, %v", ready, err)
	}
	if c.Source() == wire.TimestampsKernel {
		var stamps [4]SendStamp
		if n, err := c.Sent(stamps[:]); n != 1 || err != nil || stamps[0].ID != id {
			t.Errorf("stamps %+v, %v, want that of %d", stamps[:n], err, id)
		}
	}
	for range 3 { // woken before and while it waits
		c.Wake()
		if ready, err := c.Wait(time.Time{}); ready || err != nil {
			t.Errorf("woken: %v, %v", ready, err)
		}
		time.AfterFunc(time.Millisecond, c.Wake)
		if ready, err := c.Wait(time.Time{}); ready || err != nil {
			t.Errorf("woken while waiting: %v, %v", ready, err)
		}
	}
	_, _, err = c.Send(c.Local(), []byte("to itself"))
	must(t, err)
	if ready, err := c.Wait(time.Time{}); !ready || err != nil {
		t.Fatalf("a packet came: %v, %v", ready, err)
	}
	var messages [4]Message
	if n, err := c.Receive(messages[:]); n != 1 || err != nil || string(messages[0].Payload) != "to itself" || messages[0].Source != c.Source() {
		t.Errorf("received %+v, %v", messages[:n], err)
	}
	time.AfterFunc(time.Millisecond, func() { c.Close() })
	if _, err := c.Wait(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while waiting: %v", err)
	}
}
