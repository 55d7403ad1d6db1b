package stopwatch

import (
	"net/netip"
	"testing"

	"github.com/fibergauge/fibergauge/internal/testnet"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestNumbered(t *testing.T) {
	testnet.New(t).Enter(t) // where the only device is the loopback one, number 1
	for _, test := range []struct{ address, want, err string }{
		{"fe80::1%lo", "fe80::1%1", ""},
		{"fe80::1%1", "fe80::1%1", ""},
		{"fe80::1", "fe80::1", ""},
		{"192.0.2.1", "192.0.2.1", ""},
		{"fe80::1%eth0", "fe80::1%eth0", `fe80::1%eth0: this host has no interface "eth0"; give one that it has behind the %`},
		{"fe80::1%2", "fe80::1%2", `fe80::1%2: this host has no interface "2"; give one that it has behind the %`},
		{"fe80::1%0", "fe80::1%0", `fe80::1%0: this host has no interface "0"; give one that it has behind the %`},
	} {
		got, err := Numbered(netip.MustParseAddr(test.address))
		if got.String() != test.want || err == nil != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: %v, %v; want %s, %s", test.address, got, err, test.want, test.err)
		}
	}
}

// TestConnOnALink has a socket on a link-local address, which it is given by
// the name of the interface, find out what the kernel stamps, and send to the
// name.
func TestConnOnALink(t *testing.T) {
	n := testnet.New(t)
	n.Address(t, "lo", "fe80::1/64")
	n.Enter(t)
	c := listen(t, Config{Local: netip.MustParseAddrPort("[fe80::1%lo]:0")})
	if c.Source() != wire.TimestampsKernel {
		t.Errorf("source %s: %s", c.Source(), c.Reason())
	}
	for _, zone := range []string{"lo", "1"} {
		to := netip.AddrPortFrom(c.Local().Addr().WithZone(zone), c.Local().Port())
		if _, _, err := c.Send(to, []byte("to "+zone)); err != nil {
			t.Fatal(err)
		}
		m := next(t, c)
		if want := netip.AddrPortFrom(netip.MustParseAddr("fe80::1%1"), to.Port()); m.From != want || string(m.Payload) != "to "+zone {
			t.Errorf("%q came from %v, want %v", m.Payload, m.From, want)
		}
	}
}
