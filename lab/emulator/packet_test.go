package emulator

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/ipv4"
	"pgregory.net/rapid"
)

// checksum is that of RFC 791 over a header; 0 where the header bears its own.
func checksum(header []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func TestPassKeepsTheChecksum(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(rt, "header")
		p[0], p[10], p[11] = 0x45, 0, 0
		binary.BigEndian.PutUint16(p[10:], checksum(p))
		ttl, hops := int(p[8]), rapid.IntRange(0, 255).Draw(rt, "hops")
		survives := pass(p, hops)
		if survives != (hops == 0 || hops < ttl) {
			rt.Errorf("TTL %d over %d hops: survives %v", ttl, hops, survives)
		}
		if survives && (int(p[8]) != ttl-hops || checksum(p) != 0) {
			rt.Errorf("TTL %d over %d hops is %d; checksum over the header %#x, want 0", ttl, hops, p[8], checksum(p))
		}
	})
}

func TestPassIPv6(t *testing.T) {
	p := make([]byte, 40)
	p[0], p[7] = 0x60, 64
	if !pass(p, 60) || p[7] != 4 {
		t.Errorf("hop limit 64 over 60 hops is %d, want 4", p[7])
	}
	if pass(p, 4) {
		t.Error("hop limit 4 survives 4 hops")
	}
}

func FuzzAddresses(f *testing.F) {
	header, err := (&ipv4.Header{Version: 4, Len: 20, Src: []byte{192, 0, 2, 1}, Dst: []byte{192, 0, 2, 2}}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header)
	f.Add(header[:19])
	f.Add(append([]byte{0x60}, make([]byte, 39)...))
	f.Add([]byte{0x60})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, p []byte) {
		src, dst, ok := addresses(p)
		if ok != (src.IsValid() && dst.IsValid()) {
			t.Errorf("ok is %v for %v and %v", ok, src, dst)
		}
		if ok {
			pass(p, 3)
		}
	})
}

func TestAddresses(t *testing.T) {
	six := make([]byte, 40)
	six[0] = 0x60
	copy(six[8:], netip.MustParseAddr("2001:db8::1").AsSlice())
	copy(six[24:], netip.MustParseAddr("2001:db8::2").AsSlice())
	src, dst, ok := addresses(six)
	got := []string{src.String(), dst.String()}
	if d := cmp.Diff([]string{"2001:db8::1", "2001:db8::2"}, got); d != "" || !ok {
		t.Errorf("%v %s", ok, d)
	}
	if _, _, ok := addresses(six[:39]); ok {
		t.Error("39 bytes are taken for a header of IPv6")
	}
}
