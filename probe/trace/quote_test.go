package trace

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/stamp"
)

// examplePackets are those of a trace from 192.0.2.1 to 198.51.100.2, or from
// 2001:db8::1 to 2001:db8::2.
func examplePackets(protocol Protocol, v6 bool) *packets {
	p := &packets{
		flow: Flow{
			Protocol: protocol, Source: netip.MustParseAddrPort("192.0.2.1:50000"), Destination: netip.MustParseAddrPort("198.51.100.2:862"),
			DSCP: 46, ID: 4711,
		},
		number: 1 << 31, sequence: 65500, ssid: 40000, token: 0x0123456789abcdef, ipID: 1000,
	}
	if v6 {
		p.flow.Source, p.flow.Destination = netip.MustParseAddrPort("[2001:db8::1]:50000"), netip.MustParseAddrPort("[2001:db8::2]:862")
		p.flow.Label = 0x12345
	}
	if err := p.flow.Check(); err != nil {
		panic(err)
	}
	return p
}

var (
	router  = netip.MustParseAddr("203.0.113.7")
	moment0 = time.Unix(1_800_000_000, 123456789)
)

// icmp is an ICMP message that quotes a packet.
func icmp(what, code byte, quoted []byte) []byte {
	return append([]byte{what, code, 0, 0, 0, 0, 0, 0}, quoted...)
}

// withOptions adds options to the IPv4 header of a packet.
func withOptions(packet []byte) []byte {
	return slices.Concat([]byte{packet[0] + 2}, packet[1:20], []byte{7, 7, 4, 0, 0, 0, 0, 0}, packet[20:])
}

// withExtensions adds all kinds of extension headers to an IPv6 packet.
func withExtensions(packet []byte) []byte {
	extensions := slices.Concat(
		[]byte{43, 0, 1, 4, 0, 0, 0, 0},
		[]byte{51, 1}, make([]byte, 14),
		[]byte{44, 1}, make([]byte, 10),
		[]byte{60, 0, 0, 1, 0, 0, 0, 9},
		[]byte{packet[6], 0}, make([]byte, 6))
	return slices.Concat(packet[:6], []byte{0}, packet[7:40], extensions, packet[40:])
}

func TestAnswers(t *testing.T) {
	const n = 70 // the second attempt at TTL 7
	destination4, destination6 := netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8::2")
	udp4, udp6 := examplePackets(UDP, false), examplePackets(UDP, true)
	echo4, echo6 := examplePackets(ICMP, false), examplePackets(ICMP, true)
	packet := func(p *packets) []byte { return p.build(n, 7, moment0) }
	changed := func(b []byte, at int, value byte) []byte {
		b = bytes.Clone(b)
		b[at] = value
		return b
	}
	reply := func(p *packets) []byte {
		b := make([]byte, 4, 200)
		binary.BigEndian.PutUint16(b, p.flow.Destination.Port())
		binary.BigEndian.PutUint16(b[2:], p.flow.Source.Port())
		return stamp.AppendReply(append(b, 0, 0, 0, 0), &stamp.Reply{Sequence: 3, SSID: p.ssid, Sender: stamp.Echo{Sequence: p.number + n}}, p.flow.Key)
	}
	answered := func(p *packets, kind byte) []byte {
		return changed(packet(p)[p.flow.Size-p.flow.least()+len(packet(p))-echoData-icmpHeader:], 0, kind)
	}
	for _, tt := range []struct {
		name string
		p    *packets
		m    message
		want answer // without a kind: none
	}{
		{"time exceeded", udp4, message{from: router, data: icmp(11, 0, packet(udp4))}, answer{n: n, kind: exceeded, from: router}},
		{"with 8 bytes", udp4, message{from: router, data: icmp(11, 0, packet(udp4)[:28])}, answer{n: n, kind: exceeded, from: router}},
		{"with 11 bytes", udp4, message{from: router, data: icmp(11, 0, packet(udp4)[:31])}, answer{n: n, kind: exceeded, from: router}},
		{"with 7 bytes", udp4, message{from: router, data: icmp(11, 0, packet(udp4)[:27])}, answer{}},
		{"with options", udp4, message{from: router, data: icmp(11, 0, withOptions(packet(udp4)))}, answer{n: n, kind: exceeded, from: router}},
		{"with options and 8 bytes", udp4, message{from: router, data: icmp(11, 0, withOptions(packet(udp4))[:36])}, answer{n: n, kind: exceeded, from: router}},
		{"options cut", udp4, message{from: router, data: icmp(11, 0, withOptions(packet(udp4))[:24])}, answer{}},
		{"another identification where the payload is there", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 5, 9))}, answer{n: n, kind: exceeded, from: router}},
		{"reassembly", udp4, message{from: router, data: icmp(11, 1, packet(udp4))}, answer{}},
		{"a fragment", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 7, 1))}, answer{}},
		{"another source port", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 20, 0))}, answer{}},
		{"another destination port", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 23, 0))}, answer{}},
		{"another destination", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 19, 3))}, answer{}},
		{"another source", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 15, 3))}, answer{}},
		{"another protocol", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 9, 6))}, answer{}},
		{"the test's own packet", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 28, 0))}, answer{}},
		{"another version", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 0, 0x65))}, answer{}},
		{"a header too short", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 0, 0x44))}, answer{}},
		{"another trace with 8 bytes", udp4, message{from: router, data: icmp(11, 0, changed(packet(udp4), 4, 0x77)[:28])}, answer{}},
		{"nothing quoted", udp4, message{from: router, data: icmp(11, 0, nil)}, answer{}},
		{"nothing", udp4, message{from: router}, answer{}},
		{"redirect", udp4, message{from: router, data: icmp(5, 1, packet(udp4))}, answer{}},
		{"port unreachable", udp4, message{from: destination4, data: icmp(3, 3, packet(udp4))}, answer{n: n, kind: arrived, from: destination4, why: "port unreachable"}},
		{"port unreachable, says a router", udp4, message{from: router, data: icmp(3, 3, packet(udp4))}, answer{n: n, kind: unreachable, from: router, why: "port unreachable"}},
		{"host unreachable", udp4, message{from: router, data: icmp(3, 1, packet(udp4)[:28])}, answer{n: n, kind: unreachable, from: router, why: "host unreachable"}},
		{"prohibited by the destination", udp4, message{from: destination4, data: icmp(3, 13, packet(udp4))}, answer{n: n, kind: unreachable, from: destination4, why: "prohibited"}},
		{"an unknown code", udp4, message{from: router, data: icmp(3, 99, packet(udp4))}, answer{n: n, kind: unreachable, from: router, why: "unreachable"}},
		{"reply", udp4, message{udp: true, from: destination4, data: reply(udp4)}, answer{n: n, kind: arrived, from: destination4}},
		{"short reply", udp4, message{udp: true, from: destination4, data: reply(udp4)[:8+stamp.SizeShortReply]}, answer{n: n, kind: arrived, from: destination4}},
		{"a reply cut", udp4, message{udp: true, from: destination4, data: reply(udp4)[:8+stamp.SizeShortReply-1]}, answer{}},
		{"reply from elsewhere", udp4, message{udp: true, from: router, data: reply(udp4)}, answer{}},
		{"reply to the test", udp4, message{udp: true, from: destination4, data: changed(reply(udp4), 8+24, 0)}, answer{}},
		{"echo reply to a UDP trace", udp4, message{from: destination4, data: answered(echo4, 0)}, answer{}},

		{"IPv6 time exceeded", udp6, message{from: router, data: icmp(3, 0, packet(udp6))}, answer{n: n, kind: exceeded, from: router}},
		{"IPv6 with extensions", udp6, message{from: router, data: icmp(3, 0, withExtensions(packet(udp6)))}, answer{n: n, kind: exceeded, from: router}},
		{"IPv6 extensions cut", udp6, message{from: router, data: icmp(3, 0, withExtensions(packet(udp6))[:80])}, answer{}},
		{"IPv6 with 12 bytes", udp6, message{from: router, data: icmp(3, 0, packet(udp6)[:52])}, answer{n: n, kind: exceeded, from: router}},
		{"IPv6 with 8 bytes, which tell nothing apart", udp6, message{from: router, data: icmp(3, 0, packet(udp6)[:48])}, answer{}},
		{"IPv6 reassembly", udp6, message{from: router, data: icmp(3, 1, packet(udp6))}, answer{}},
		{"IPv6 header cut", udp6, message{from: router, data: icmp(3, 0, packet(udp6)[:39])}, answer{}},
		{"IPv6 port unreachable", udp6, message{from: destination6, data: icmp(1, 4, packet(udp6))}, answer{n: n, kind: arrived, from: destination6, why: "port unreachable"}},
		{"IPv6 no route", udp6, message{from: router, data: icmp(1, 0, packet(udp6))}, answer{n: n, kind: unreachable, from: router, why: "no route"}},
		{"IPv6 too big", udp6, message{from: router, data: icmp(2, 0, packet(udp6))}, answer{n: n, kind: unreachable, from: router, why: "packet too big"}},
		{"IPv6 reply", udp6, message{udp: true, from: destination6, data: reply(udp6)}, answer{n: n, kind: arrived, from: destination6}},

		{"echo exceeded", echo4, message{from: router, data: icmp(11, 0, packet(echo4)[:28])}, answer{n: n, kind: exceeded, from: router}},
		{"another identifier", echo4, message{from: router, data: icmp(11, 0, changed(packet(echo4), 24, 0))}, answer{}},
		{"echo of another trace", echo4, message{from: router, data: icmp(11, 0, changed(packet(echo4), 26, 0x80))}, answer{}},
		{"the test's own echo", echo4, message{from: router, data: icmp(11, 0, changed(packet(echo4), 36, 0xff))}, answer{}},
		{"what was quoted is no request", echo4, message{from: router, data: icmp(11, 0, changed(packet(echo4), 20, 0))}, answer{}},
		{"echo reply", echo4, message{from: destination4, data: answered(echo4, 0)}, answer{n: n, kind: arrived, from: destination4}},
		{"echo reply to another", echo4, message{from: destination4, data: changed(answered(echo4, 0), 20, 0)}, answer{}},
		{"echo reply cut", echo4, message{from: destination4, data: answered(echo4, 0)[:20]}, answer{}},
		{"echo request", echo4, message{from: destination4, data: answered(echo4, 8)}, answer{}},
		{"IPv6 echo exceeded with 8 bytes", echo6, message{from: router, data: icmp(3, 0, packet(echo6)[:48])}, answer{n: n, kind: exceeded, from: router}},
		{"IPv6 echo reply", echo6, message{from: destination6, data: answered(echo6, 129)}, answer{n: n, kind: arrived, from: destination6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.p.answer(tt.m)
			if !ok {
				got = answer{}
			}
			if got != tt.want || ok != (tt.want.kind != 0) {
				t.Errorf("%+v, %v; want %+v", got, ok, tt.want)
			}
		})
	}
}

// TestChecksumIsTheSame: whatever the flow, all its packets have one checksum,
// which is right, and differ where they are to be told apart.
func TestChecksumIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v6 := rapid.Bool().Draw(t, "v6")
		p := examplePackets(rapid.SampledFrom([]Protocol{UDP, ICMP}).Draw(t, "protocol"), v6)
		p.number, p.sequence, p.token = 1<<31|rapid.Uint32Max(1<<30).Draw(t, "number"), rapid.Uint16().Draw(t, "sequence"), rapid.Uint64().Draw(t, "token")
		p.flow.Size = p.flow.least() + rapid.IntRange(0, 100).Draw(t, "more")
		if p.flow.Protocol == UDP && rapid.Bool().Draw(t, "authenticated") {
			p.flow.Key = []byte("0123456789abcdef")
			p.flow.Size = p.flow.least() + rapid.IntRange(6, 100).Draw(t, "padding")
		}
		header, at := ipv4Header, 2
		if v6 {
			header = ipv6Header
		}
		if p.flow.Protocol == UDP {
			at = 6
		}
		var first []byte
		for n := range probes {
			b := p.build(n, ttlOf(n), moment0.Add(time.Duration(n)*17*time.Millisecond))
			if len(b) != p.flow.Size {
				t.Fatalf("%d bytes, want %d", len(b), p.flow.Size)
			}
			transport := b[header:]
			if first == nil {
				first = transport
			}
			if !bytes.Equal(transport[:4], first[:4]) || !bytes.Equal(transport[at:at+2], first[at:at+2]) {
				t.Fatalf("packet %d begins with % x, the first with % x", n, transport[:8], first[:8])
			}
			pseudo := uint32(0)
			if v6 || p.flow.Protocol == UDP {
				pseudo = uint32(sum(0, p.flow.Source.Addr().AsSlice())) + uint32(sum(0, p.flow.Destination.Addr().AsSlice())) + uint32(len(transport)) + uint32(p.protocol())
			}
			if s := sum(pseudo, transport); s != 0xffff {
				t.Fatalf("packet %d has a wrong checksum: everything adds up to %#x", n, s)
			}
			if p.flow.Protocol == UDP {
				request, err := stamp.ParseRequest(transport[udpHeader:], p.flow.Key)
				if err != nil || request.Sequence != p.number+uint32(n) || request.SSID != p.ssid {
					t.Fatalf("packet %d is %+v, %v", n, request, err)
				}
			}
			kind := byte(exceededV4)
			if v6 {
				kind = exceededV6
			}
			if a, ok := p.answer(message{from: router, data: icmp(kind, 0, b)}); !ok || a.n != n {
				t.Fatalf("packet %d is taken for %d, %v", n, a.n, ok)
			}
		}
	})
}

func TestAdopt(t *testing.T) {
	for _, protocol := range []Protocol{UDP, ICMP} {
		for _, v6 := range []bool{false, true} {
			p := examplePackets(protocol, v6)
			b := p.build(0, 64, moment0)
			f := p.flow
			f.ID, f.Label = 0, 0
			if !f.adopt(b) || protocol == ICMP && f.ID != 4711 || v6 != (f.Label == 0x12345) {
				t.Errorf("%s, v6 %v: %+v", protocol, v6, f)
			}
			for name, change := range map[string]func(*Flow){
				"to elsewhere":      func(f *Flow) { f.Destination = netip.AddrPortFrom(f.Destination.Addr().Next(), 862) },
				"from elsewhere":    func(f *Flow) { f.Source = netip.AddrPortFrom(f.Source.Addr().Next(), 50000) },
				"with another DSCP": func(f *Flow) { f.DSCP = 0 },
			} {
				other := p.flow
				other.ID, other.Label = 0, 0
				change(&other)
				if other.adopt(b) || other.ID != 0 || other.Label != 0 {
					t.Errorf("%s, v6 %v: a packet %s was taken: %+v", protocol, v6, name, other)
				}
			}
		}
	}
}

// FuzzAnswer: whatever comes, an answer is about a probe that there is, and
// only what names the destination is one.
func FuzzAnswer(f *testing.F) {
	for _, protocol := range []Protocol{UDP, ICMP} {
		for _, v6 := range []bool{false, true} {
			p := examplePackets(protocol, v6)
			b := p.build(5, 6, moment0)
			for _, kind := range []byte{0, 1, 2, 3, 11, 129} {
				f.Add(protocol == UDP, v6, false, icmp(kind, 0, b))
				f.Add(protocol == UDP, v6, false, icmp(kind, 0, b[:min(len(b), 48)]))
			}
			if v6 {
				f.Add(protocol == UDP, v6, false, icmp(3, 0, withExtensions(b)))
			} else {
				f.Add(protocol == UDP, v6, false, icmp(11, 0, withOptions(b)))
			}
			f.Add(protocol == UDP, v6, true, b[20:])
		}
	}
	p := map[bool]map[bool]*packets{
		true:  {true: examplePackets(UDP, true), false: examplePackets(UDP, false)},
		false: {true: examplePackets(ICMP, true), false: examplePackets(ICMP, false)},
	}
	f.Fuzz(func(t *testing.T, isUDP, v6, udp bool, data []byte) {
		p := p[isUDP][v6]
		to := p.flow.Destination.Addr()
		for _, from := range []netip.Addr{router, to} {
			a, ok := p.answer(message{udp: udp, from: from, data: data})
			if !ok {
				continue
			}
			if a.n < 0 || a.n >= probes || a.from != from || a.kind < exceeded || a.kind > arrived || (a.kind == unreachable) && a.why == "" {
				t.Errorf("%+v", a)
			}
			if from == router && (a.kind == arrived || !bytes.Contains(data, to.AsSlice())) {
				t.Errorf("%+v from a router by % x", a, data)
			}
		}
		if q, ok := parseQuote(data, !v6); ok && (len(q.data) < 8 || !bytes.HasSuffix(data, q.data) || q.source.Is4() == v6 || q.destination.Is4() == v6) {
			t.Errorf("%+v of % x", q, data)
		}
		flow := p.flow
		if flow.adopt(data) && (flow.Label >= 1<<20 || flow.Destination != p.flow.Destination) {
			t.Errorf("%+v of % x", flow, data)
		}
	})
}
