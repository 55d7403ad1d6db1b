package stopwatch

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Numbered gives an address whose zone is the number of its interface, as the
// addresses of packets received have it, so that the two can be compared. What
// people write is a name, or a number; without a zone nothing changes. The
// error is that this host has no such interface.
func Numbered(a netip.Addr) (netip.Addr, error) {
	if a.Zone() == "" {
		return a, nil
	}
	found, err := net.InterfaceByName(a.Zone())
	if err != nil {
		var index int
		if index, err = strconv.Atoi(a.Zone()); err == nil {
			found, err = net.InterfaceByIndex(index)
		}
	}
	if err != nil {
		return a, fmt.Errorf("%v: this host has no interface %q; give one that it has behind the %%", a, a.Zone())
	}
	return a.WithZone(strconv.Itoa(found.Index)), nil
}
