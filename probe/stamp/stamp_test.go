package stamp

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The packets of these tests were built by hand from the figures of RFC 8762
// and RFC 8972, field by field; scapy's contrib.stamp reads the same values
// from the unauthenticated request.
const (
	requestHex = "00000007" + "ebe1a2b380000000" + "8a14" + "1234" +
		"00000000000000000000000000000000000000000000000000000000" +
		"80040004b8000000"
	replyHex = "00000009" + "ebe1a2b3c0000000" + "8114" + "1234" +
		"ebe1a2b3bf000000" + "00000007" + "ebe1a2b380000000" + "8a14" + "0000" +
		"3d" + "000000"
	authenticatedReplyHex = "00000009" + "000000000000000000000000" + "ebe1a2b3c0000000" + "8114" + "1234" +
		"00000000" + "ebe1a2b3bf000000" + "0000000000000000" +
		"00000007" + "000000000000000000000000" + "ebe1a2b380000000" + "8a14" + "000000000000" +
		"3d" + "000000000000000000000000000000"
)

func request() Request {
	return Request{Sequence: 7, Timestamp: 0xebe1a2b380000000, Error: 0x8a14, SSID: 0x1234,
		TLVs: AppendTLV(nil, TLV{Flags: Unrecognised, Type: ClassOfService, Value: []byte{0xb8, 0, 0, 0}})}
}

func reply() Reply {
	return Reply{Sequence: 9, Timestamp: 0xebe1a2b3c0000000, Error: 0x8114, SSID: 0x1234, Received: 0xebe1a2b3bf000000,
		Sender: Echo{Sequence: 7, Timestamp: 0xebe1a2b380000000, Error: 0x8a14, TTL: 61}, TLVs: []byte{}}
}

func TestPacketsAreLaidOutAsTheRFCsSay(t *testing.T) {
	req, rep := request(), reply()
	for _, test := range []struct {
		name string
		got  []byte
		want string
	}{
		{"request", AppendRequest(nil, &req, nil), requestHex},
		{"reply", AppendReply(nil, &rep, nil), replyHex},
		{"authenticated reply but its HMAC", AppendReply(nil, &rep, []byte("key"))[:hmacCovers], authenticatedReplyHex},
	} {
		if got := hex.EncodeToString(test.got); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
	if n := len(AppendRequest(nil, &Request{}, []byte("key"))); n != SizeAuthenticated {
		t.Errorf("an authenticated request has %d bytes, want %d", n, SizeAuthenticated)
	}
	if !req.Error.Synchronised() || req.Error.Format() != NTP || ErrorEstimate(0x4001).Format() != PTP {
		t.Error("the bits of an error estimate are misread")
	}
}

func TestPacketsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var key []byte
		if rapid.Bool().Draw(t, "authenticated") {
			key = rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		}
		tlvs := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "tlvs")
		req := Request{
			Sequence: rapid.Uint32().Draw(t, "sequence"), Timestamp: Timestamp(rapid.Uint64().Draw(t, "t1")),
			Error: ErrorEstimate(rapid.Uint16().Draw(t, "error")), SSID: rapid.Uint16().Draw(t, "ssid"), TLVs: tlvs,
		}
		got, err := ParseRequest(AppendRequest(nil, &req, key), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(req, got); diff != "" {
			t.Fatalf("request (-sent +read):\n%s", diff)
		}
		rep := Reply{
			Sequence: req.Sequence + 1, Timestamp: Timestamp(rapid.Uint64().Draw(t, "t3")), Error: req.Error, SSID: req.SSID,
			Received: Timestamp(rapid.Uint64().Draw(t, "t2")),
			Sender:   Echo{req.Sequence, req.Timestamp, req.Error, rapid.Uint8().Draw(t, "ttl")}, TLVs: tlvs,
		}
		gotReply, err := ParseReply(AppendReply(nil, &rep, key), key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rep, gotReply); diff != "" {
			t.Fatalf("reply (-sent +read):\n%s", diff)
		}
	})
}

// TestEveryAlteredByteIsNoticed flips each bit that the HMAC covers, and each
// of the HMAC.
func TestEveryAlteredByteIsNoticed(t *testing.T) {
	key := []byte("a key that both ends share")
	rep := reply()
	packet := AppendReply(nil, &rep, key)
	for i := range SizeAuthenticated * 8 {
		packet[i/8] ^= 1 << (i % 8)
		if _, err := ParseReply(packet, key); !errors.Is(err, ErrHMAC) {
			t.Errorf("bit %d flipped: %v", i, err)
		}
		packet[i/8] ^= 1 << (i % 8)
	}
	if _, err := ParseReply(packet, []byte("another key")); !errors.Is(err, ErrHMAC) {
		t.Errorf("another key: %v", err)
	}
}

// TestShortPacketsOfOldPeers takes what TWAMP-Light peers send, and nothing
// shorter.
func TestShortPacketsOfOldPeers(t *testing.T) {
	req, rep := request(), reply()
	whole, answer := AppendRequest(nil, &req, nil), AppendReply(nil, &rep, nil)
	for n := range len(whole) {
		got, err := ParseRequest(whole[:n], nil)
		if short := n < SizeShortRequest; errors.Is(err, ErrShort) != short {
			t.Errorf("a request of %d bytes: %v", n, err)
		} else if !short && (got.Sequence != 7 || got.Timestamp != req.Timestamp || got.Error != req.Error) {
			t.Errorf("a request of %d bytes is read as %+v", n, got)
		}
	}
	for n := range len(answer) {
		got, err := ParseReply(answer[:n], nil)
		if short := n < SizeShortReply; errors.Is(err, ErrShort) != short {
			t.Errorf("a reply of %d bytes: %v", n, err)
		} else if !short && got.Sender != rep.Sender {
			t.Errorf("a reply of %d bytes is read as %+v", n, got)
		}
	}
	for n := range SizeAuthenticated {
		if _, err := ParseReply(make([]byte, n), []byte("key")); !errors.Is(err, ErrShort) {
			t.Errorf("an authenticated reply of %d bytes: %v", n, err)
		}
	}
}

func TestEachTLV(t *testing.T) {
	packed := AppendTLV(nil, TLV{0, ExtraPadding, []byte{0, 0, 0}})
	packed = AppendTLV(packed, TLV{Unrecognised | Malformed, ClassOfService, []byte{}})
	for _, test := range []struct {
		name  string
		bytes []byte
		want  []Type
		err   string
	}{
		{"two", packed, []Type{ExtraPadding, ClassOfService}, ""},
		{"none", nil, nil, ""},
		{"header cut", packed[:9], []Type{ExtraPadding}, "stamp: the packet is too short: 2 bytes are left for a TLV, at least 4 are needed"},
		{"value cut", packed[:6], nil, "stamp: the packet is too short: a TLV of type 1 says 3 bytes, 2 are left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []Type
			err := EachTLV(test.bytes, func(tlv TLV) bool { got = append(got, tlv.Type); return true })
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != test.err {
				t.Errorf("error %q, want %q", message, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("types (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStampsKeepTheNanosecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]Format{NTP, PTP}).Draw(t, "format")
		from := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		d := time.Duration(rapid.Int64Range(-int64(24*time.Hour), int64(24*time.Hour)).Draw(t, "d"))
		if got := format.Between(format.Stamp(from), format.Stamp(from.Add(d))); got != d {
			t.Fatalf("%v apart, read as %v", d, got)
		}
	})
}

// TestStampsComeBackAsUnixTime draws times before 1970 too, and others up to 68
// years from them.
func TestStampsComeBackAsUnixTime(t *testing.T) {
	const age = int64(1<<31-2) * int64(time.Second)
	rapid.Check(t, func(t *rapid.T) {
		format := rapid.SampledFrom([]Format{NTP, PTP}).Draw(t, "format")
		ns := rapid.Int64Range(-age, 3*age).Draw(t, "ns")
		stamp := format.StampUnix(ns)
		if other := format.Stamp(time.Unix(0, ns)); stamp != other {
			t.Fatalf("%d is stamped %x, and %x as a time", ns, stamp, other)
		}
		near := ns + rapid.Int64Range(-age, age).Draw(t, "apart")
		if got := format.Unix(stamp, near); got != ns {
			t.Fatalf("%d comes back as %d, near %d", ns, got, near)
		}
	})
}

// TestStampsAcrossTheWrap goes over the end of NTP's first era, in 2036, and
// that of the seconds since 1970, in 2106.
func TestStampsAcrossTheWrap(t *testing.T) {
	for _, test := range []struct {
		format Format
		wrap   time.Time
	}{
		{NTP, time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)},
		{PTP, time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC)},
	} {
		if s := test.format.Stamp(test.wrap); s != 0 {
			t.Errorf("format %d does not wrap at %v: %x", test.format, test.wrap, s)
		}
		before, after := test.wrap.Add(-time.Microsecond), test.wrap.Add(30*time.Millisecond)
		if got := test.format.Between(test.format.Stamp(before), test.format.Stamp(after)); got != after.Sub(before) {
			t.Errorf("format %d: %v across the wrap, want %v", test.format, got, after.Sub(before))
		}
	}
}

func BenchmarkReply(b *testing.B) {
	rep := reply()
	buf := make([]byte, 0, 128)
	for b.Loop() {
		if _, err := ParseReply(AppendReply(buf[:0], &rep, nil), nil); err != nil {
			b.Fatal(err)
		}
	}
}
