package trace

import (
	"encoding/binary"
	"net/netip"

	"github.com/fibergauge/fibergauge/probe/stamp"
)

// Types of ICMP errors (RFC 792, RFC 4443).
const (
	unreachableV4 = 3
	exceededV4    = 11

	unreachableV6 = 1
	tooBigV6      = 2
	exceededV6    = 3
)

// refusal is a code of an ICMP error in words. here tells that it is the
// destination's own word that the packet has arrived.
type refusal struct {
	why  string
	here bool
}

// Codes of unreachable destinations (RFC 792, RFC 1812 section 5.2.7.1; RFC
// 4443 section 3.1).
func refusalV4(code uint8) refusal {
	switch code {
	case 0, 6:
		return refusal{why: "network unreachable"}
	case 1, 7, 8:
		return refusal{why: "host unreachable"}
	case 2:
		return refusal{why: "protocol unreachable", here: true}
	case 3:
		return refusal{why: "port unreachable", here: true}
	case 4:
		return refusal{why: "packet too big"}
	case 9, 10, 13:
		return refusal{why: "prohibited"}
	}
	return refusal{why: "unreachable"}
}

func refusalV6(code uint8) refusal {
	switch code {
	case 0:
		return refusal{why: "no route"}
	case 1, 5:
		return refusal{why: "prohibited"}
	case 3:
		return refusal{why: "host unreachable"}
	case 4:
		return refusal{why: "port unreachable", here: true}
	case 6:
		return refusal{why: "route rejected"}
	}
	return refusal{why: "unreachable"}
}

// quote is the packet that an ICMP error is about, as much as it quotes of it.
type quote struct {
	source, destination netip.Addr
	protocol            uint8  // of what follows the headers
	ipID                uint16 // with IPv4
	data                []byte // from the header of UDP or ICMP on
}

// parseQuote reads what an ICMP error quotes. It is false for what is cut
// before the ports or the identifier, and for what is no first fragment.
func parseQuote(b []byte, is4 bool) (quote, bool) {
	var q quote
	var ok bool
	if is4 {
		q, ok = parseQuoteV4(b)
	} else {
		q, ok = parseQuoteV6(b)
	}
	return q, ok && len(q.data) >= 8
}

func parseQuoteV4(b []byte) (quote, bool) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return quote{}, false
	}
	header := int(b[0]&0xf) * 4
	if header < ipv4Header || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return quote{}, false
	}
	return quote{
		source: netip.AddrFrom4([4]byte(b[12:])), destination: netip.AddrFrom4([4]byte(b[16:])),
		protocol: b[9], ipID: binary.BigEndian.Uint16(b[4:]), data: b[header:],
	}, true
}

// Extension headers (RFC 8200, section 4; RFC 4302).
const (
	hopByHop           = 0
	routing            = 43
	fragment           = 44
	authentication     = 51
	destinationOptions = 60
)

func parseQuoteV6(b []byte) (quote, bool) {
	if len(b) < ipv6Header || b[0]>>4 != 6 {
		return quote{}, false
	}
	q := quote{
		source: netip.AddrFrom16([16]byte(b[8:])), destination: netip.AddrFrom16([16]byte(b[24:])),
		protocol: b[6], data: b[ipv6Header:],
	}
	for {
		length := 0
		if len(q.data) < 8 {
			return quote{}, false
		}
		switch q.protocol {
		case hopByHop, routing, destinationOptions:
			length = 8 + 8*int(q.data[1])
		case authentication:
			length = 8 + 4*int(q.data[1])
		case fragment:
			if binary.BigEndian.Uint16(q.data[2:])&^7 != 0 {
				return quote{}, false
			}
			length = 8
		default:
			return q, true
		}
		if len(q.data) < length {
			return quote{}, false
		}
		q.protocol, q.data = q.data[0], q.data[length:]
	}
}

// answer tells what a message says of which packet of ours; false if it is
// about none.
func (p *packets) answer(m message) (answer, bool) {
	if m.udp {
		return p.reply(m)
	}
	if len(m.data) < icmpHeader {
		return answer{}, false
	}
	what, code, body := m.data[0], m.data[1], m.data[icmpHeader:]
	is4 := p.flow.is4()
	switch {
	case is4 && what == echoReply, !is4 && what == echoReplyV6:
		return p.echo(m)
	case is4 && what == exceededV4 && code == 0, !is4 && what == exceededV6 && code == 0:
		n, ok := p.quoted(body)
		return answer{n: n, kind: exceeded, from: m.from}, ok
	}
	var r refusal
	switch {
	case is4 && what == unreachableV4:
		r = refusalV4(code)
	case !is4 && what == unreachableV6:
		r = refusalV6(code)
	case !is4 && what == tooBigV6:
		r = refusal{why: "packet too big"}
	default:
		return answer{}, false
	}
	n, ok := p.quoted(body)
	a := answer{n: n, kind: unreachable, from: m.from, why: r.why}
	// A firewall on the way may say that a port is unreachable, but not from the
	// destination's address unless it stands in for it.
	if r.here && m.from == p.flow.Destination.Addr() {
		a.kind = arrived
	}
	return a, ok
}

// quoted finds the probe that an ICMP error quotes.
func (p *packets) quoted(body []byte) (n int, ok bool) {
	q, ok := parseQuote(body, p.flow.is4())
	if !ok || q.source != p.flow.Source.Addr() || q.destination != p.flow.Destination.Addr() || q.protocol != p.protocol() {
		return 0, false
	}
	if p.flow.Protocol == ICMP {
		if q.data[0] != p.request() || q.data[1] != 0 || binary.BigEndian.Uint16(q.data[4:]) != p.flow.ID {
			return 0, false
		}
		if len(q.data) >= icmpHeader+echoData && binary.BigEndian.Uint64(q.data[icmpHeader+echoData/2:]) != p.token {
			return 0, false // the test's own request, or another trace's
		}
		return within(uint32(binary.BigEndian.Uint16(q.data[6:]) - p.sequence))
	}
	if binary.BigEndian.Uint16(q.data) != p.flow.Source.Port() || binary.BigEndian.Uint16(q.data[2:]) != p.flow.Destination.Port() {
		return 0, false
	}
	switch payload := q.data[udpHeader:]; {
	case len(payload) >= 4:
		// The best word there is: some routers change the identification.
		return within(binary.BigEndian.Uint32(payload) - p.number)
	case p.flow.is4():
		return within(uint32(q.ipID - p.ipID))
	}
	return 0, false // in IPv6 nothing before the payload differs
}

func within(n uint32) (int, bool) { return int(n % probes), n < probes }

// echo finds the probe that an echo reply answers.
func (p *packets) echo(m message) (answer, bool) {
	b := m.data
	if p.flow.Protocol != ICMP || m.from != p.flow.Destination.Addr() || len(b) < icmpHeader+echoData || b[1] != 0 ||
		binary.BigEndian.Uint16(b[4:]) != p.flow.ID || binary.BigEndian.Uint64(b[icmpHeader+echoData/2:]) != p.token {
		return answer{}, false
	}
	n, ok := within(uint32(binary.BigEndian.Uint16(b[6:]) - p.sequence))
	return answer{n: n, kind: arrived, from: m.from}, ok
}

// reply finds the probe that a reflector answers.
func (p *packets) reply(m message) (answer, bool) {
	b := m.data
	if p.flow.Protocol != UDP || m.from != p.flow.Destination.Addr() || len(b) < udpHeader ||
		binary.BigEndian.Uint16(b) != p.flow.Destination.Port() || binary.BigEndian.Uint16(b[2:]) != p.flow.Source.Port() {
		return answer{}, false
	}
	reply, err := stamp.ParseReply(b[udpHeader:], p.flow.Key)
	if err != nil {
		return answer{}, false
	}
	n, ok := within(reply.Sender.Sequence - p.number)
	return answer{n: n, kind: arrived, from: m.from}, ok
}

// adopt takes the flow label and the identifier from a packet that passed, if
// it is one of the flow.
func (f *Flow) adopt(b []byte) bool {
	p := packets{flow: *f}
	q, ok := parseQuote(b, f.is4())
	if !ok || q.protocol != p.protocol() || q.source != f.Source.Addr() || q.destination != f.Destination.Addr() {
		return false
	}
	tos := b[1]
	if !f.is4() {
		tos = b[0]<<4 | b[1]>>4
	}
	if int(tos>>2) != f.DSCP {
		return false // another test's
	}
	if f.Protocol == UDP {
		if binary.BigEndian.Uint16(q.data) != f.Source.Port() || binary.BigEndian.Uint16(q.data[2:]) != f.Destination.Port() {
			return false
		}
	} else {
		if q.data[0] != p.request() {
			return false
		}
		f.ID = binary.BigEndian.Uint16(q.data[4:])
	}
	if !f.is4() {
		f.Label = binary.BigEndian.Uint32(b) & (1<<20 - 1)
	}
	return true
}
