package stopwatch

import "net/netip"

// Echo is an ICMP echo packet that passed a network device of this host: a
// request that left it, or a reply that came.
type Echo struct {
	Reply bool
	Peer  netip.Addr // where a request goes, or a reply comes from
	Seq   uint16
	TTL   uint8 // or hop limit
	TOS   uint8 // or traffic class: DSCP and ECN
	Size  int   // of the IP packet in bytes
	At    int64 // kernel reading of the wall clock, Unix ns
	// Data is how the payload begins. It comes back in the reply as it went
	// out, unlike the identifier, which the kernel and NAT rewrite.
	Data [EchoData]byte
}

// EchoData is how much of the payload an Echo tells: a time stamp and a UUID,
// in the case of pro-bing.
const EchoData = 24

// Lengths and codes of IP and ICMP (RFC 791, 792, 8200, 4443).
const (
	ipv4Header  = 20
	ipv6Header  = 40
	icmpHeader  = 8
	protoICMP   = 1
	protoICMPv6 = 58

	echoRequest   = 8
	echoReply     = 0
	echoRequestV6 = 128
	echoReplyV6   = 129
)

// parseEcho reads an IP packet, of which the end may be cut off. It gives false
// for what is no echo packet, is no first fragment, or is too short to tell.
func parseEcho(b []byte) (e Echo, ok bool) {
	if len(b) < ipv4Header {
		return e, false
	}
	var icmp []byte
	var request, reply byte = echoRequest, echoReply
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&0xf) * 4
		if header < ipv4Header || len(b) < header || b[9] != protoICMP || b[6]&0x1f != 0 || b[7] != 0 {
			return e, false
		}
		icmp = b[header:]
		e.TOS, e.TTL, e.Size = b[1], b[8], int(b[2])<<8|int(b[3])
	case 6:
		if len(b) < ipv6Header || b[6] != protoICMPv6 {
			return e, false
		}
		icmp, request, reply = b[ipv6Header:], echoRequestV6, echoReplyV6
		e.TOS, e.TTL, e.Size = b[0]<<4|b[1]>>4, b[7], ipv6Header+(int(b[4])<<8|int(b[5]))
	default:
		return e, false
	}
	if len(icmp) < icmpHeader+EchoData || icmp[1] != 0 {
		return e, false
	}
	switch icmp[0] {
	case request:
		e.Peer = address(b, 16, 24)
	case reply:
		e.Reply, e.Peer = true, address(b, 12, 8)
	default:
		return e, false
	}
	e.Seq = uint16(icmp[6])<<8 | uint16(icmp[7])
	copy(e.Data[:], icmp[icmpHeader:])
	return e, true
}

// address gives the address that stands at one place in an IPv4 header, at the
// other in an IPv6 one.
func address(b []byte, v4, v6 int) netip.Addr {
	if b[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(b[v4:]))
	}
	return netip.AddrFrom16([16]byte(b[v6:]))
}
