package stamp

import (
	"encoding/hex"
	"testing"
)

// TestAnswers shows each rule of RFC 8972 for a reflector by the bytes that come
// and those that go. An HMAC is written as H, one that does not fit as X; both
// are made over what stands before them.
func TestAnswers(t *testing.T) {
	const (
		class   = "80040004" + "b8000000" // asks for DSCP 46
		classed = "00040004" + "b9440000" // came with DSCP 20 and ECT(1)
		sources = "80030004" + "00000000"
		sourced = "00030004" + "02010102"
		follow  = "80070010" + "00000000" + "0000000000000000" + "00000000"
		told    = "00070010" + "00000008" + "ebe1a2b3c0000000" + "01000000"
		padding = "80010003" + "aabbcc"
		padded  = "00010003" + "aabbcc"
		later   = "80630002" + "abcd" // of a type unknown here
	)
	permit := func(a *Answer) { a.Permitted = 1 << 46 }
	for _, test := range []struct {
		name string
		in   string
		key  []byte
		with func(*Answer)
		want string
		dscp uint8
		set  Flags
	}{
		{"nothing", "", nil, nil, "", 20, 0},
		{"all", class + sources + follow + padding, nil, permit, classed + sourced + told + padded, 46, 0},
		{"class, not permitted", class, nil, nil, "00040004b9450000", 20, 0},
		{"class, as the request came", "8004000450000000", nil, nil, "0004000451440000", 20, 0},
		{"class, twice", class + "80040004" + "04000000", nil, func(a *Answer) { a.Permitted = 1<<46 | 1<<1 },
			classed + "00040004" + "05450000", 46, 0},
		{"class, reserved bits set by the sender", "80040004" + "bbffffff", nil, permit, classed, 46, 0},
		{"class, not known here", class + sources, nil, func(a *Answer) { a.NoClass = true }, class + sourced, 20, Unrecognised},
		{"follow-up, nothing known", follow, nil, func(a *Answer) { a.Previous = FollowUp{} }, "00" + follow[2:], 20, 0},
		{"follow-up, fields set by the sender", "80070010" + "ffffffffffffffffffffffffffffffff", nil, nil, told, 20, 0},
		{"sub-TLVs are left", "80030008" + "00000000" + "80010000", nil, nil, "00030008" + "02010102" + "80010000", 20, 0},
		{"reserved flags are cleared", "9f630000" + "9f010000", nil, nil, "80630000" + "00010000", 20, Unrecognised},
		{"a sender that forgets U", "0063000000040004b8000000", nil, permit, "80630000" + classed, 46, Unrecognised},

		{"unknown", later + sources, nil, nil, later + sourced, 20, Unrecognised},
		{"malformed by length", sources + "80040003" + "b80000" + follow, nil, permit, sourced + "40040003" + "b80000" + follow, 20, Malformed},
		{"malformed follow-up", "8007000f" + "ffffffffffffffffffffffffffffff", nil, nil, "4007000f" + "000000000000000000000000ffffff", 20, Malformed},
		{"beyond the packet", sources + "80040004" + "b80000", nil, permit, sourced + "40040004" + "b80000", 20, Malformed},
		{"unknown and beyond the packet", sources + "80630009" + "00", nil, nil, sourced + "c0630009" + "00", 20, Unrecognised | Malformed},
		{"no room for a length", sources + "8004", nil, nil, sourced + "4004", 20, Malformed},
		{"no room for a type", sources + "80", nil, nil, sourced + "80", 20, 0},

		{"under an HMAC", class + sources + "H", key, permit, classed + sourced + "H", 46, 0},
		{"padding behind the HMAC", class + "H" + padding, key, permit, classed + "H" + padded, 46, 0},
		{"zeros behind the HMAC", class + "H" + "0000000000", key, permit, classed + "H" + "0000000000", 46, 0},
		{"malformed under an HMAC", "80040003" + "b80000" + sources + "H", key, nil, "40040003" + "b80000" + sources + "H", 20, Malformed},
		{"the HMAC does not fit", class + later + "X", key, permit, "20040004b8000000" + "a0630002abcd" + "X", 20, NotIntact | Unrecognised},
		{"no key for the HMAC", class + "H", nil, permit, "20040004b8000000" + "X", 20, NotIntact},
		{"no HMAC for the key", class + padding, key, permit, "20040004b8000000" + "20010003aabbcc", 20, NotIntact},
		{"padding alone needs none", padding, key, nil, padded, 20, 0},
		{"padding twice does", padding + padding, key, nil, "20010003aabbcc" + "20010003aabbcc", 20, NotIntact},
		{"HMAC before another", class + "H" + sources, key, permit, "20040004b8000000" + "X" + "2003000400000000", 20, NotIntact},
		{"HMAC before what is cut", class + "H" + "800400", key, permit, "20040004b8000000" + "X" + "600400", 20, NotIntact | Malformed},
		{"HMAC twice", class + "HH", key, permit, "20040004b8000000" + "XX", 20, NotIntact},
		{"HMAC of another length", class + "8008000f" + "000000000000000000000000000000", key, permit,
			"20040004b8000000" + "6008000f" + "000000000000000000000000000000", 20, NotIntact | Malformed},

		{"zeros of an old peer", "000000000000000000000000", key, nil, "000000000000000000000000", 20, 0},
		{"other padding of an old peer", "0102030405060708090a0b0c", key, nil, "0102030405060708090a0b0c", 20, 0},
		{"all ones of an old peer", "ffffffffffffffff", nil, nil, "ffffffffffffffff", 20, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := Answer{
				RequestSequence: 7, ReplySequence: 9, TrafficClass: 20<<2 | 1,
				Timestamps: TimestampSources{FollowsPTP, HardwareAssist, FollowsNTP, SoftwareLocal},
				Previous:   FollowUp{8, 0xebe1a2b3c0000000, HardwareAssist},
			}
			if test.with != nil {
				test.with(&a)
			}
			in := spell(t, test.in, 0x80, 7, nil)
			want := spell(t, test.want, 0, 9, in)
			dscp, set := a.Fill(in, test.key)
			if got := hex.EncodeToString(in); got != hex.EncodeToString(want) {
				t.Errorf("\ngot  %s\nwant %x", got, want)
			}
			if dscp != test.dscp || set != test.set {
				t.Errorf("DSCP %d, flags %02x, want %d, %02x", dscp, set, test.dscp, test.set)
			}
		})
	}
}

// spell reads hexadecimal digits, in which H stands for an HMAC TLV that fits,
// with these flags, and X for one that does not: in an answer it is the
// request's, flagged.
func spell(t *testing.T, s string, flags Flags, sequence uint32, request []byte) (b []byte) {
	for len(s) > 0 {
		switch s[0] {
		case 'H', 'X':
			sum := digestTLVs(key, sequence, b)
			if s[0] == 'X' && request == nil {
				sum[3] ^= 4
			}
			tlv := AppendTLV(nil, TLV{flags, HMAC, sum[:]})
			if s[0] == 'X' && request != nil {
				tlv = append([]byte{byte(NotIntact)}, request[len(b)+1:len(b)+tlvHeader+hmacSize]...)
			}
			b, s = append(b, tlv...), s[1:]
		default:
			octet, err := hex.DecodeString(s[:2])
			if err != nil {
				t.Fatal(err)
			}
			b, s = append(b, octet...), s[2:]
		}
	}
	return b
}

// TestNothingAllocates goes the whole way of a packet, there and back.
func TestNothingAllocates(t *testing.T) {
	for _, k := range [][]byte{nil, key} {
		ask := Ask{Class: true, Timestamps: true, FollowUp: true, Size: 200}
		there, back := make([]byte, 0, 512), make([]byte, 0, 512)
		if n := testing.AllocsPerRun(100, func() { exchange(t, &ask, there, back, k) }); n != 0 {
			t.Errorf("with a key of %d bytes, an exchange allocates %v times", len(k), n)
		}
	}
}

// exchange lets a packet go there and back.
func exchange(tb testing.TB, ask *Ask, there, back, key []byte) {
	there, err := ask.Append(AppendRequest(there, &Request{Sequence: 7}, key), 7, key)
	if err != nil {
		tb.Fatal(err)
	}
	req, err := ParseRequest(there, key)
	if err != nil {
		tb.Fatal(err)
	}
	(&Answer{RequestSequence: req.Sequence, ReplySequence: 9, TrafficClass: 0xb8}).Fill(req.TLVs, key)
	rep, err := ParseReply(AppendReply(back, &Reply{Sequence: 9, TLVs: req.TLVs}, key), key)
	if err != nil {
		tb.Fatal(err)
	}
	if e, err := ParseExtensions(rep.TLVs, rep.Sequence, key); err != nil || !e.HasClass || e.Class.DSCP != 46 {
		tb.Fatal(e, err)
	}
}

func BenchmarkExchange(b *testing.B) {
	ask := Ask{Class: true, Timestamps: true, FollowUp: true}
	there, back := make([]byte, 0, 512), make([]byte, 0, 512)
	for _, bench := range []struct {
		name string
		key  []byte
	}{{"unauthenticated", nil}, {"authenticated", key}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				exchange(b, &ask, there, back, bench.key)
			}
		})
	}
}
