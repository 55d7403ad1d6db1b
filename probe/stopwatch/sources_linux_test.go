package stopwatch

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// anyPrefix draws prefixes that are often near each other.
func anyPrefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := anyAddress().Draw(t, "address")
		return netip.PrefixFrom(a, rapid.OneOf(rapid.IntRange(0, a.BitLen()), rapid.Just(a.BitLen())).Draw(t, "bits"))
	})
}

func anyAddress() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		b := make([]byte, rapid.SampledFrom([]int{4, 16}).Draw(t, "bytes"))
		for i := range b {
			b[i] = rapid.SampledFrom([]byte{0, 1, 0x20, 0x7f, 0x80, 0xff}).Draw(t, "byte")
		}
		a, _ := netip.AddrFromSlice(b)
		return a
	})
}

// ipHeader is as much of one as the filter reads.
func ipHeader(source netip.Addr) []byte {
	if source.Is4() {
		return append([]byte{11: 0, 0: 0x45}, append(source.AsSlice(), 0, 0, 0, 0)...)
	}
	return append([]byte{7: 0, 0: 0x60}, append(source.AsSlice(), make([]byte, 16)...)...)
}

// TestFromOnlyIsContains: the filter lets pass what one of the prefixes holds.
func TestFromOnlyIsContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := rapid.SliceOf(anyPrefix()).Draw(t, "sources")
		program := fromOnly(0, sources)
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		candidates := rapid.SliceOfN(anyAddress(), 1, 8).Draw(t, "addresses")
		for _, p := range sources {
			// The ends of a prefix, and what lies beyond them.
			first := p.Masked().Addr()
			b := first.AsSlice()
			for i := p.Bits(); i < first.BitLen(); i++ {
				b[i/8] |= 0x80 >> (i % 8)
			}
			last, _ := netip.AddrFromSlice(b)
			candidates = append(candidates, first, last, first.Prev(), last.Next())
		}
		for _, a := range candidates {
			if !a.IsValid() {
				continue // there is none beyond
			}
			want := slices.ContainsFunc(sources, func(p netip.Prefix) bool { return p.Contains(a) })
			passes, err := vm.Run(ipHeader(a))
			if err != nil {
				t.Fatal(err)
			}
			if (passes != 0) != want {
				t.Fatalf("%v passes with %d, and %v holds it: %v", a, passes, sources, want)
			}
		}
	})
}

// TestFromOnlyIsShort: as many sources of each family as a large mesh has make a
// filter that the kernel takes, and each is one.
func TestFromOnlyIsShort(t *testing.T) {
	for name, test := range map[string]struct {
		prefix netip.Prefix
		hosts  int
	}{
		"IPv4": {netip.MustParsePrefix("10.0.0.0/8"), 900},
		"IPv6": {netip.MustParsePrefix("2001:db8::/64"), 900},
	} {
		t.Run(name, func(t *testing.T) {
			var sources []netip.Prefix
			a := test.prefix.Addr()
			for range test.hosts {
				a = a.Next().Next()
				sources = append(sources, netip.PrefixFrom(a, a.BitLen()))
			}
			program := fromOnly(0, sources)
			if len(program) > unix.BPF_MAXINSNS {
				t.Fatalf("%d instructions for %d sources", len(program), test.hosts)
			}
			vm, err := bpf.NewVM(program)
			must(t, err)
			for _, source := range sources {
				for _, a := range []netip.Addr{source.Addr(), source.Addr().Next()} {
					passes, err := vm.Run(ipHeader(a))
					must(t, err)
					if (passes != 0) != (a == source.Addr()) {
						t.Fatalf("%v passes with %d", a, passes)
					}
				}
			}
			c := listen(t, Config{Local: loopbacks[name]})
			err = c.Only(sources)
			if errors.Is(err, syscall.ENOMEM) {
				t.Skipf("SKIPPED: needs net.core.optmem_max to have room for %d instructions: %v", len(program), err)
			}
			must(t, err)
		})
	}
}

// TestOnlyShutsOutStrangers lets a stranger send ahead of a friend, again and
// again with other friends: what comes first is the friend's.
func TestOnlyShutsOutStrangers(t *testing.T) {
	twoHosts(t, plain)
	for name, two := range map[string][2]netip.Addr{
		"IPv4": {netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("127.0.0.1")},
		"IPv6": {netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::1")},
	} {
		// Both are addresses of this namespace; what goes to itself needs no wire.
		c, a, b := listen(t, Config{Local: loopbacks[name]}), listen(t, Config{Local: netip.AddrPortFrom(two[0], 0)}), listen(t, Config{Local: netip.AddrPortFrom(two[1], 0)})
		to := c.Local()
		for i, friend := range []*Conn{a, b, a} {
			stranger := b
			if friend == b {
				stranger = a
			}
			must(t, c.Only([]netip.Prefix{netip.PrefixFrom(friend.Local().Addr(), two[0].BitLen())}))
			before := c.Filtered()
			for range 100 {
				_, _, err := stranger.SendBy(Way{TOS: -1}, to, []byte("stranger"))
				must(t, err)
			}
			_, _, err := friend.SendBy(Way{TOS: -1}, to, []byte("friend"))
			must(t, err)
			if m := next(t, c); string(m.Payload) != "friend" || m.From != friend.Local() {
				t.Fatalf("%s, turn %d: %q came from %v", name, i, m.Payload, m.From)
			}
			if n := c.Filtered() - before; n != 100 {
				t.Errorf("%s, turn %d: %d packets are told to be filtered, want 100", name, i, n)
			}
			if n := c.Overflows(); n != 0 {
				t.Errorf("%s, turn %d: %d overflows", name, i, n)
			}
		}
		before := c.Filtered()
		_, _, err := b.SendBy(Way{TOS: -1}, to, []byte("stranger"))
		must(t, err)
		must(t, c.Close())
		if n := c.Filtered() - before; n != 1 {
			t.Errorf("%s: a packet was filtered before the end, and %d are told after it", name, n)
		}
	}
}

// TestOnlyOnASocketOfBothFamilies: IPv4 comes to it as IPv4, whatever address it
// shows.
func TestOnlyOnASocketOfBothFamilies(t *testing.T) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6unspecified})
	must(t, err)
	defer socket.Close()
	port := uint16(socket.LocalAddr().(*net.UDPAddr).Port)
	raw, err := socket.SyscallConn()
	must(t, err)
	allow := func(sources ...netip.Prefix) {
		must(t, raw.Control(func(fd uintptr) { err = filter(int(fd), fromOnly(networkHeader, sources)) }))
		must(t, err)
	}
	first := netip.MustParseAddr("127.0.0.1")
	second := netip.MustParseAddr("127.0.0.2")
	sixth := netip.MustParseAddr("::1")
	host := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
	for _, test := range []struct {
		allowed netip.Addr
		sources []netip.Addr
	}{
		{second, []netip.Addr{first, sixth, second}},
		{sixth, []netip.Addr{first, second, sixth}},
		{first, []netip.Addr{second, sixth, first}},
	} {
		allow(host(test.allowed))
		for _, source := range test.sources {
			c := listen(t, Config{Local: netip.AddrPortFrom(source, 0)})
			to := first
			if source.Is6() {
				to = sixth
			}
			_, _, err := c.SendBy(Way{TOS: -1}, netip.AddrPortFrom(to, port), []byte("x"))
			must(t, err)
		}
		must(t, socket.SetReadDeadline(time.Now().Add(5*time.Second)))
		var b [8]byte
		_, from, err := socket.ReadFromUDPAddrPort(b[:])
		must(t, err)
		if from.Addr().Unmap() != test.allowed {
			t.Errorf("%v is allowed, and %v came in", test.allowed, from)
		}
	}
	must(t, socket.SetReadDeadline(time.Now().Add(-time.Second)))
	if _, from, err := socket.ReadFromUDPAddrPort(make([]byte, 8)); err == nil {
		t.Errorf("a further packet came in, from %v", from)
	}
}

// TestOnlyWithTooMany lets everybody in rather than keep the filter of before,
// which would shut out the new ones.
func TestOnlyWithTooMany(t *testing.T) {
	c := listen(t, Config{Local: loopbacks["IPv4"]})
	must(t, c.Only(nil))
	var many []netip.Prefix
	a := netip.MustParseAddr("10.0.0.0")
	for range 5000 {
		a = a.Next().Next()
		many = append(many, netip.PrefixFrom(a, 32))
	}
	if err := c.Only(many); err == nil {
		t.Fatal("no error")
	}
	if _, _, err := c.Send(c.Local(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, c); string(m.Payload) != "x" {
		t.Errorf("%q came", m.Payload)
	}
	if err := c.Only(many); err == nil { // now without a filter before
		t.Fatal("no error")
	}
	must(t, c.Close())
	if err := c.Only(nil); !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.EBADF) {
		t.Errorf("after Close: %v", err)
	}
}
