package stopwatch

import (
	"math"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// fromOnly is a filter that lets pass the packets whose source is in one of the
// prefixes. header is where the IP header begins. Both families may come to
// one socket, and what an IPv6 socket shows as a mapped address comes as IPv4.
//
// It searches by halves, so thousands of sources cost a packet little more
// than one. Its length is some four instructions a source of IPv4.
func fromOnly(header uint32, sources []netip.Prefix) []bpf.Instruction {
	var v4, v6 []netip.Prefix
	for _, p := range disjoint(sources) {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	const source4, source6 = 12, 8 // RFC 791, RFC 8200
	of4, of6 := matches(header+source4, v4, 0), matches(header+source6, v6, 0)
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: header, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x40, SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(of6)) + 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x60, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	return append(append(program, of6...), of4...)
}

// wholePacket is what a filter returns that keeps all bytes of a packet.
const wholePacket = 1<<32 - 1

// disjoint sorts prefixes, and leaves out those that lie in others.
func disjoint(prefixes []netip.Prefix) []netip.Prefix {
	sorted := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.IsValid() {
			sorted = append(sorted, p.Masked())
		}
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	last := netip.Prefix{}
	return slices.DeleteFunc(sorted, func(p netip.Prefix) bool {
		if last.Contains(p.Addr()) {
			return true
		}
		last = p
		return false
	})
}

// span is what a word of an address may be, and what is done with it then.
type span struct {
	from, to uint32
	then     []bpf.Instruction
}

// matches looks whether an address lies in one of the prefixes, which are
// sorted, disjoint, and agree in the words before the one at off, the nth.
func matches(off uint32, prefixes []netip.Prefix, n int) []bpf.Instruction {
	if len(prefixes) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: 0}}
	}
	var spans []span
	for len(prefixes) > 0 {
		first, bits := word(prefixes[0], n), prefixes[0].Bits()-32*n
		if bits <= 32 {
			spans = append(spans, span{first, first | uint32(1<<(32-bits)-1), []bpf.Instruction{bpf.RetConstant{Val: wholePacket}}})
			prefixes = prefixes[1:]
			continue
		}
		alike := slices.IndexFunc(prefixes, func(p netip.Prefix) bool { return word(p, n) != first })
		if alike < 0 {
			alike = len(prefixes)
		}
		spans = append(spans, span{first, first, matches(off+4, prefixes[:alike], n+1)})
		prefixes = prefixes[alike:]
	}
	return append([]bpf.Instruction{bpf.LoadAbsolute{Off: off, Size: 4}}, search(spans)...)
}

func word(p netip.Prefix, n int) uint32 {
	b := p.Addr().AsSlice()[4*n:]
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// search finds the span that holds the word loaded.
func search(spans []span) []bpf.Instruction {
	if len(spans) == 1 {
		s := spans[0]
		if s.from == s.to {
			return append([]bpf.Instruction{
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: s.from, SkipTrue: 1},
				bpf.RetConstant{Val: 0},
			}, s.then...)
		}
		return append([]bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: s.from, SkipFalse: 1},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: s.to, SkipFalse: 1},
			bpf.RetConstant{Val: 0},
		}, s.then...)
	}
	upper := spans[len(spans)/2:]
	low, high := search(spans[:len(spans)/2]), search(upper)
	var program []bpf.Instruction
	if len(low) > math.MaxUint8 { // farther than a conditional jump can go
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: upper[0].from, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(low))})
	} else {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: upper[0].from, SkipTrue: uint8(len(low))})
	}
	return append(append(program, low...), high...)
}
