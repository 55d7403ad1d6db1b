package measure

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestSessionsKnowTheirPeersByNumberedZones, as the replies come, and send
// nothing where the zone is wrong.
func TestSessionsKnowTheirPeersByNumberedZones(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Skipf("SKIPPED: needs an interface: %v", err)
	}
	name := interfaces[0].Name
	number := netip.MustParseAddr("fe80::1").WithZone(strconv.Itoa(interfaces[0].Index)).String()
	for _, test := range []struct{ address, peer, missing string }{
		{"192.0.2.1", "192.0.2.1", ""},
		{"2001:db8::1", "2001:db8::1", ""},
		{"fe80::1%" + name, number, ""},
		{number, number, ""},
		{"fe80::1", "fe80::1", "fe80::1 may be on any link; say on which, by an interface of this host: fe80::1%eth0"},
		{"ff02::1", "ff02::1", "ff02::1 may be on any link; say on which, by an interface of this host: ff02::1%eth0"},
		{"fe80::1%no-such", "fe80::1%no-such", `fe80::1%no-such: this host has no interface "no-such"; give one that it has behind the %`},
		{"2001:db8::1%" + name, "", "2001:db8::1%" + name + " is the same on all links; leave %" + name + " out"},
	} {
		address := netip.MustParseAddr(test.address)
		s := newSession(nil, planned{
			spec: Spec{Address: address, SizeBytes: 128, Interval: time.Second}, stamp: wire.STAMPTarget{Port: 862},
			grid: window.Grid{Interval: time.Second, Length: time.Minute},
		}, nil, 1, wire.Timeout)
		missing := ""
		if s.missing != nil {
			missing = s.missing.Error()
		}
		if got := s.peer.address.Addr().String(); missing != test.missing || test.peer != "" && got != test.peer {
			t.Errorf("%s: peer %s, missing %q; want %s, %q", test.address, got, missing, test.peer, test.missing)
		}
	}
}
