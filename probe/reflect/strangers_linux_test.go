package reflect

import (
	"net"
	"net/netip"
	"testing"

	"github.com/fibergauge/fibergauge/internal/testnet"
)

// Addresses of the wire that wired makes.
var wires = map[string]struct{ reflector, friend, stranger string }{
	"IPv4": {"198.51.100.1", "198.51.100.2", "198.51.100.3"},
	"IPv6": {"2001:db8::1", "2001:db8::2", "2001:db8::3"},
}

// wired makes two network namespaces with a wire between them, and moves the
// test's goroutine into that of the senders. inside does something in that of
// the reflector.
func wired(t *testing.T) (inside func(do func())) {
	t.Helper()
	here, there := testnet.New(t), testnet.New(t)
	testnet.Wire(t, "wire", here, there)
	here.Address(t, "wire", "198.51.100.2/24", "198.51.100.3/24", "2001:db8::2/64", "2001:db8::3/64")
	there.Address(t, "wire", "198.51.100.1/24", "2001:db8::1/64")
	here.Ready(t)
	here.Enter(t)
	return func(do func()) { there.Do(t, do) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStrangersDoNotReachTheProcess floods a reflector from an address that it
// does not answer, and then asks from one that it does. That all packets of the
// flood were dropped when the answer comes, and that the process has received
// none of them, only the kernel can bring about.
func TestStrangersDoNotReachTheProcess(t *testing.T) {
	inside := wired(t)
	var r *Reflector
	inside(func() { r = running(t, nil) })
	const flood = 500
	var want Counters
	sequence := uint32(0)
	turn := func(name, friend, stranger string) {
		t.Helper()
		addresses := wires[name]
		var to netip.AddrPort
		for _, local := range r.Local() {
			if local.Addr().Is4() == (name == "IPv4") {
				to = netip.AddrPortFrom(netip.MustParseAddr(addresses.reflector), local.Port())
			}
		}
		from := func(address string) *asker {
			return newAskerFrom(t, netip.AddrPortFrom(netip.MustParseAddr(address), 0), to, 0)
		}
		strange, a := from(stranger), from(friend)
		ask := func() {
			sequence++
			a.send(t, sequence)
			if reply, _ := a.receive(t); reply.Sender.Sequence != sequence {
				t.Errorf("%s: a reply to %d, want %d", name, reply.Sender.Sequence, sequence)
			}
			want.Received++
			want.Answered++
		}
		ask() // and the neighbour is known
		for i := range uint32(flood) {
			strange.send(t, i)
		}
		ask()
		want.Sessions++
		want.Filtered += flood
		waitFor(t, func() bool { return r.Counters().Answered == want.Answered })
		if got := r.Counters(); got != want {
			t.Fatalf("%s, %s is allowed and %s is not: counters %+v, want %+v", name, friend, stranger, got, want)
		}
	}
	host := func(address string) netip.Prefix {
		a := netip.MustParseAddr(address)
		return netip.PrefixFrom(a, a.BitLen())
	}
	four, six := wires["IPv4"], wires["IPv6"]
	r.Allow([]netip.Prefix{host(four.friend), host(six.friend)})
	turn("IPv4", four.friend, four.stranger)
	turn("IPv6", six.friend, six.stranger)

	// From now on it is the other way round.
	r.Allow([]netip.Prefix{host(four.stranger), host(six.stranger)})
	turn("IPv4", four.stranger, four.friend)
	turn("IPv6", six.stranger, six.friend)

	// More than a filter holds: the process looks at each packet itself.
	many := []netip.Prefix{host(four.friend), host(six.friend)}
	for a := netip.MustParseAddr("10.0.0.1"); len(many) < 5000; a = a.Next().Next() {
		many = append(many, netip.PrefixFrom(a, 32))
	}
	r.Allow(many)
	to := netip.AddrPortFrom(netip.MustParseAddr(four.reflector), r.Local()[0].Port())
	for _, address := range []string{four.stranger, four.friend} {
		newAskerFrom(t, netip.AddrPortFrom(netip.MustParseAddr(address), 0), to, 0).send(t, 0)
	}
	want.Received += 2
	want.NotAllowed++
	want.Answered++
	want.Sessions++
	waitFor(t, func() bool { return r.Counters() == want })

	r.Allow([]netip.Prefix{netip.MustParsePrefix("198.51.100.2/32"), netip.MustParsePrefix("2001:db8::2/127")})
	turn("IPv4", four.friend, four.stranger)
}

// TestAReflectorThatAllowsNobody shuts everybody out from the start.
func TestAReflectorThatAllowsNobody(t *testing.T) {
	inside := wired(t)
	var r *Reflector
	inside(func() {
		r = running(t, nil)
		r.Allow(nil)
	})
	for i, address := range []string{wires["IPv4"].reflector, wires["IPv6"].reflector} {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), r.Local()[i].Port())))
		must(t, err)
		for range 10 {
			_, err = conn.Write(make([]byte, 44))
			must(t, err)
		}
		conn.Close()
	}
	waitFor(t, func() bool { return r.Counters().Filtered == 20 })
	if got, want := r.Counters(), (Counters{Filtered: 20}); got != want {
		t.Errorf("counters %+v, want %+v", got, want)
	}
}
