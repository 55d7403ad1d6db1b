package trace

import (
	"encoding/binary"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
)

// Lengths of headers in bytes, and numbers of protocols (RFC 791, 8200, 768,
// 792, 4443).
const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
	icmpHeader = 8

	protoICMP   = 1
	protoUDP    = 17
	protoICMPv6 = 58

	echoRequest   = 8
	echoReply     = 0
	echoRequestV6 = 128
	echoReplyV6   = 129
)

// constant is what the 16-bit words of a payload add up to in each packet, so
// that the checksum, which some routers choose the way by, is always the same.
const constant = 0xfbe6

// packets makes the packets of a trace and knows them again. What is numbered
// counts up from a start that is drawn for each trace.
type packets struct {
	flow     Flow   // checked, and with the source that the system chose
	number   uint32 // of STAMP requests: far from those of a test, which begin at 0
	sequence uint16 // of echo requests
	ssid     uint16 // far from those of a test, which begin at 1
	token    uint64 // in echo requests
	ipID     uint16 // in IPv4 headers
}

// build makes the packet of a probe.
func (p *packets) build(n, ttl int, now time.Time) []byte {
	b := p.appendIP(make([]byte, 0, p.flow.Size), n, ttl)
	if p.flow.Protocol == UDP {
		return p.appendUDP(b, n, now)
	}
	return p.appendEcho(b, n)
}

// protocol is the number of what follows the IP header.
func (p *packets) protocol() uint8 {
	switch {
	case p.flow.Protocol == UDP:
		return protoUDP
	case p.flow.is4():
		return protoICMP
	}
	return protoICMPv6
}

// request is the type of an echo request.
func (p *packets) request() byte {
	if p.flow.is4() {
		return echoRequest
	}
	return echoRequestV6
}

func (p *packets) appendIP(b []byte, n, ttl int) []byte {
	source, destination := p.flow.Source.Addr().AsSlice(), p.flow.Destination.Addr().AsSlice()
	tos := uint8(p.flow.DSCP << 2)
	if p.flow.is4() {
		b = append(b, 4<<4|ipv4Header/4, tos)
		b = binary.BigEndian.AppendUint16(b, uint16(p.flow.Size))
		b = binary.BigEndian.AppendUint16(b, p.ipID+uint16(n))
		// Not to be cut, as the system sends the test's packets; the kernel adds
		// the checksum.
		b = append(b, 1<<6, 0, uint8(ttl), p.protocol(), 0, 0)
		return append(append(b, source...), destination...)
	}
	b = binary.BigEndian.AppendUint32(b, 6<<28|uint32(tos)<<20|p.flow.Label)
	b = binary.BigEndian.AppendUint16(b, uint16(p.flow.Size-ipv6Header))
	b = append(b, p.protocol(), uint8(ttl))
	return append(append(b, source...), destination...)
}

// appendUDP appends a STAMP request in UDP.
func (p *packets) appendUDP(b []byte, n int, now time.Time) []byte {
	start := len(b)
	length := p.flow.Size - start
	b = binary.BigEndian.AppendUint16(b, p.flow.Source.Port())
	b = binary.BigEndian.AppendUint16(b, p.flow.Destination.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	payload := len(b)
	b = stamp.AppendRequest(b, &stamp.Request{
		Sequence: p.number + uint32(n), Timestamp: stamp.NTP.Stamp(now), SSID: p.ssid,
		Error: stamp.NewErrorEstimate(false, stamp.NTP, time.Hour),
	}, p.flow.Key)
	room := p.flow.Size - len(b)
	// The last 15 µs of the timestamp, which nobody needs, keep the checksum
	// the same. Where the HMAC covers it, padding does, if there is any.
	spare := payload + 10
	if p.flow.Key != nil {
		spare = len(b) + 4
	}
	if padded, err := (&stamp.Ask{Size: room}).Append(b, 0, p.flow.Key); err == nil && room > 0 {
		b = padded
	}
	b = append(b, make([]byte, p.flow.Size-len(b))...)
	if p.flow.Key == nil || room >= 6 {
		compensate(b[payload:], spare-payload)
	}
	p.checksum(b[start:], 6)
	if b[start+6] == 0 && b[start+7] == 0 {
		b[start+6], b[start+7] = 0xff, 0xff // 0 says that there is none (RFC 768)
	}
	return b
}

// appendEcho appends an ICMP echo request.
func (p *packets) appendEcho(b []byte, n int) []byte {
	start := len(b)
	b = append(b, p.request(), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, p.flow.ID)
	b = binary.BigEndian.AppendUint16(b, p.sequence+uint16(n))
	b = append(b, make([]byte, echoData/2)...)
	b = binary.BigEndian.AppendUint64(b, p.token)
	b = append(b, make([]byte, p.flow.Size-len(b))...)
	compensate(b[start+4:], icmpHeader-4) // over the sequence number too
	p.checksum(b[start:], 2)
	return b
}

// compensate sets the word at a place so that all add up to the constant.
func compensate(b []byte, at int) {
	b[at], b[at+1] = 0, 0
	binary.BigEndian.PutUint16(b[at:], fold(constant+uint32(^sum(0, b))))
}

// checksum writes the checksum of UDP or ICMP at a place.
func (p *packets) checksum(b []byte, at int) {
	start := uint32(0)
	if !p.flow.is4() || p.flow.Protocol == UDP {
		// The pseudo-header (RFC 768; RFC 8200, section 8.1).
		start = uint32(sum(0, p.flow.Source.Addr().AsSlice())) + uint32(sum(0, p.flow.Destination.Addr().AsSlice())) +
			uint32(len(b)) + uint32(p.protocol())
	}
	binary.BigEndian.PutUint16(b[at:], ^sum(start, b))
}

// sum adds up 16-bit words in one's complement (RFC 1071).
func sum(start uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		start += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		start += uint32(b[0]) << 8
	}
	return fold(start)
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
