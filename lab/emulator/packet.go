package emulator

import (
	"encoding/binary"
	"net/netip"
)

// addresses reads source and destination out of an IP packet.
func addresses(p []byte) (src, dst netip.Addr, ok bool) {
	if len(p) == 0 {
		return src, dst, false
	}
	switch p[0] >> 4 {
	case 4:
		if len(p) < 20 {
			return src, dst, false
		}
		return netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20])), true
	case 6:
		if len(p) < 40 {
			return src, dst, false
		}
		return netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40])), true
	}
	return src, dst, false
}

// pass takes the TTL or hop limit down as the given number of routers would,
// and tells whether the packet survives. The packet was accepted by addresses.
func pass(p []byte, hops int) bool {
	if hops == 0 {
		return true
	}
	if p[0]>>4 == 6 {
		if int(p[7]) <= hops {
			return false
		}
		p[7] -= byte(hops)
		return true
	}
	if int(p[8]) <= hops {
		return false
	}
	before := binary.BigEndian.Uint16(p[8:])
	p[8] -= byte(hops)
	after := binary.BigEndian.Uint16(p[8:])
	// RFC 1624, equation 3.
	sum := uint32(^binary.BigEndian.Uint16(p[10:])) + uint32(^before) + uint32(after)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum))
	return true
}
