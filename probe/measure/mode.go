package measure

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"golang.org/x/net/icmp"
)

// Mode is the kind of socket that sends ICMP.
type Mode string

// Modes. Raw sockets need privileges, and every raw socket of a host sees
// every reply: they cost more the more targets there are.
const (
	ModeDatagram Mode = "datagram"
	ModeRaw      Mode = "raw"
)

// DetectMode finds out by trying which sockets this process may open: datagram
// if it can, raw only where that is refused.
func DetectMode(ipv6 bool) (Mode, error) {
	datagram, raw, any := "udp4", "ip4:icmp", "0.0.0.0"
	if ipv6 {
		datagram, raw, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	var refused error
	// On Windows pro-bing works with raw sockets only.
	if runtime.GOOS != "windows" {
		c, err := icmp.ListenPacket(datagram, any)
		if err == nil {
			return ModeDatagram, c.Close()
		}
		refused = err
	}
	c, err := icmp.ListenPacket(raw, any)
	if err == nil {
		return ModeRaw, c.Close()
	}
	if refused == nil {
		refused = err
	}
	return "", fmt.Errorf("open an ICMP socket: %w; let the group use datagram sockets (sysctl net.ipv4.ping_group_range=\"0 2147483647\") or give the program CAP_NET_RAW", refused)
}

// SourceFor gives the address if it belongs to this host. Behind NAT the
// address of a site is not the host's, and the system has to choose.
func SourceFor(address netip.Addr) netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == address.Unmap() {
				return address
			}
		}
	}
	return netip.Addr{}
}
