package stopwatch

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/fibergauge/fibergauge/internal/testnet"
)

// twoHosts makes two network namespaces with a wire between them and moves the
// test's goroutine into the first. What is built on the wire decides which
// devices a packet passes.
func twoHosts(t *testing.T, build func(t *testing.T, wire netlink.Link) netlink.Link) {
	t.Helper()
	here, there := testnet.New(t), testnet.New(t)
	testnet.Wire(t, "wire", here, there)
	furnish := func(n *testnet.Namespace, addresses ...string) {
		n.Do(t, func() {
			wire, err := netlink.LinkByName("wire")
			must(t, err)
			top := build(t, wire)
			must(t, netlink.LinkSetUp(wire))
			n.Address(t, top.Attrs().Name, addresses...)
		})
	}
	furnish(here, "198.51.100.1/24", "2001:db8::1/64")
	furnish(there, "198.51.100.2/24", "2001:db8::2/64")
	here.Ready(t)
	there.Ready(t)
	here.Enter(t)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func plain(_ *testing.T, wire netlink.Link) netlink.Link { return wire }

func vlan(t *testing.T, wire netlink.Link) netlink.Link {
	link := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "vlan7", ParentIndex: wire.Attrs().Index}, VlanId: 7}
	if err := netlink.LinkAdd(link); err != nil {
		t.Skipf("SKIPPED: this kernel has no VLANs: %v", err)
	}
	return link
}

func bond(t *testing.T, wire netlink.Link) netlink.Link {
	link := netlink.NewLinkBond(netlink.LinkAttrs{Name: "bond7"})
	link.Mode = netlink.BOND_MODE_ACTIVE_BACKUP
	if err := netlink.LinkAdd(link); err != nil {
		t.Skipf("SKIPPED: this kernel has no bonding: %v", err)
	}
	must(t, netlink.LinkSetBondSlave(wire, link))
	return link
}

func macvlan(t *testing.T, wire netlink.Link) netlink.Link {
	link := &netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "macvlan7", ParentIndex: wire.Attrs().Index}, Mode: netlink.MACVLAN_MODE_BRIDGE}
	if err := netlink.LinkAdd(link); err != nil {
		t.Skipf("SKIPPED: this kernel has no macvlan: %v", err)
	}
	return link
}

// pinger sends echo requests and receives nothing: the kernel answers, and the
// tap looks on.
type pinger struct {
	conn *icmp.PacketConn
	to   net.Addr
	v6   bool
}

func newPinger(t *testing.T, to string, tos int) *pinger {
	t.Helper()
	ip := netip.MustParseAddr(to)
	p := &pinger{to: &net.UDPAddr{IP: ip.AsSlice()}, v6: ip.Is6()}
	var err error
	if p.v6 {
		if p.conn, err = icmp.ListenPacket("udp6", "::"); err == nil {
			err = p.conn.IPv6PacketConn().SetTrafficClass(tos)
		}
	} else if p.conn, err = icmp.ListenPacket("udp4", "0.0.0.0"); err == nil {
		err = p.conn.IPv4PacketConn().SetTOS(tos)
	}
	must(t, err)
	t.Cleanup(func() { p.conn.Close() })
	return p
}

func (p *pinger) send(t *testing.T, seq int, data []byte) {
	t.Helper()
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if p.v6 {
		kind = ipv6.ICMPTypeEchoRequest
	}
	b, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{Seq: seq, Data: data}}).Marshal(nil)
	must(t, err)
	_, err = p.conn.WriteTo(b, p.to)
	must(t, err)
}

func openForTest(t *testing.T) *Tap {
	t.Helper()
	tap, err := OpenTap()
	must(t, err)
	t.Cleanup(tap.Close)
	return tap
}

// passed waits until the tap has seen as many echoes as are wanted.
func passed(t *testing.T, tap *Tap, want int) []Echo {
	t.Helper()
	var seen []Echo
	for deadline := time.Now().Add(5 * time.Second); len(seen) < want; {
		tap.Read(func(e Echo) { seen = append(seen, e) })
		if time.Now().After(deadline) {
			t.Fatalf("%d echoes passed, want %d: %+v", len(seen), want, seen)
		}
		time.Sleep(time.Millisecond)
	}
	return seen
}

// TestTapSeesPacketsOnEveryKindOfDevice holds what the tap says against what
// was sent, and its moments against the clock before and after.
func TestTapSeesPacketsOnEveryKindOfDevice(t *testing.T) {
	const data = "eight bytes and a tracker, then padding"
	for _, device := range []struct {
		name    string
		build   func(*testing.T, netlink.Link) netlink.Link
		out, in int // devices on which a packet for this host is seen
	}{{"veth", plain, 1, 1}, {"vlan", vlan, 2, 2}, {"bond", bond, 2, 2}, {"macvlan", macvlan, 2, 1}} {
		for _, to := range []string{"198.51.100.2", "2001:db8::2", "127.0.0.1", "::1"} {
			t.Run(device.name+" "+to, func(t *testing.T) {
				twoHosts(t, device.build)
				out, in, size := device.out, device.in, 20+8+len(data)
				if netip.MustParseAddr(to).IsLoopback() {
					out, in = 1, 1
				}
				if netip.MustParseAddr(to).Is6() {
					size += 20
				}
				tap := openForTest(t)
				p := newPinger(t, to, 0xb8)
				before := time.Now().UnixNano()
				p.send(t, 0x1234, []byte(data))
				seen := passed(t, tap, out+in)
				after := time.Now().UnixNano()
				last := before
				for i, e := range seen {
					if reply := i >= out; e.Reply != reply || e.Seq != 0x1234 || e.Peer.String() != to || e.Size != size || e.TOS != 0xb8 || e.TTL != 64 || string(e.Data[:]) != data[:EchoData] {
						t.Errorf("echo %d is %+v", i, e)
					}
					if e.At < last || e.At > after {
						t.Errorf("echo %d passed at %d, not within %d to %d", i, e.At, last, after)
					}
					last = e.At
				}
			})
		}
	}
}

// TestTapLeavesTheRestAlone sends what it must not show.
func TestTapLeavesTheRestAlone(t *testing.T) {
	twoHosts(t, plain)
	tap := openForTest(t)
	p := newPinger(t, "198.51.100.2", 0)
	p.send(t, 1, []byte("too short"))
	p.send(t, 2, make([]byte, 4000)) // in fragments
	udp, err := net.Dial("udp4", "198.51.100.2:9")
	must(t, err)
	defer udp.Close()
	_, err = udp.Write(make([]byte, 100))
	must(t, err)
	p.send(t, 3, make([]byte, EchoData))
	var seen []uint16 // of fragments, the first ones
	for _, e := range passed(t, tap, 4) {
		seen = append(seen, e.Seq)
	}
	if want := []uint16{2, 2, 3, 3}; !slices.Equal(seen, want) {
		t.Errorf("numbers %v, want %v", seen, want)
	}
}

// TestTapCountsWhatItMissed lets more packets pass than the ring holds, and
// then goes on as if nothing had been.
func TestTapCountsWhatItMissed(t *testing.T) {
	twoHosts(t, plain)
	tap := openForTest(t)
	p := newPinger(t, "198.51.100.2", 0)
	const sent = frameCount/2 + 1000
	for i := range sent {
		p.send(t, i, make([]byte, EchoData))
	}
	seen := passed(t, tap, frameCount)
	if len(seen) != frameCount {
		t.Errorf("%d seen, want %d", len(seen), frameCount)
	}
	if want := uint64(2*sent - frameCount); tap.Dropped() != want {
		t.Errorf("%d dropped, want %d", tap.Dropped(), want)
	}
	p.send(t, 7, make([]byte, EchoData))
	for _, e := range passed(t, tap, 2) {
		if e.Seq != 7 {
			t.Errorf("seen: %+v", e)
		}
	}
	if again := tap.Dropped(); again != 2*sent-frameCount {
		t.Errorf("%d dropped after the ring was read", again)
	}
}

func TestATapThatIsClosedIsQuiet(t *testing.T) {
	twoHosts(t, plain)
	tap := openForTest(t)
	tap.Close()
	tap.Close()
	tap.Read(func(e Echo) { t.Errorf("seen: %+v", e) })
	if n := tap.Dropped(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

func FuzzParseEcho(f *testing.F) {
	v4 := append([]byte{0x45, 0xb8, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2, 8, 0, 0, 0, 0, 9, 0, 1}, make([]byte, EchoData)...)
	v6 := append([]byte{0x6b, 0x80, 0, 0, 0, 40, 58, 64}, make([]byte, 32)...)
	v6 = append(append(v6, 129, 0, 0, 0, 0, 9, 0, 1), make([]byte, EchoData)...)
	f.Add(v4)
	f.Add(v6)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := parseEcho(b)
		if !ok {
			return
		}
		if is6 := b[0]>>4 == 6; e.Peer.Is6() != is6 {
			t.Errorf("version %d gives %v", b[0]>>4, e.Peer)
		}
	})
}
