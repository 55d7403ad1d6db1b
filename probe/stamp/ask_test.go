package stamp

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var key = []byte("a key that both ends share")

// The bytes were put together by hand from the figures of RFC 8972.
func TestTLVsOfARequest(t *testing.T) {
	for _, test := range []struct {
		name string
		ask  Ask
		want string
	}{
		{"nothing", Ask{}, ""},
		{"class", Ask{Class: true, DSCP: 46}, "80040004" + "b8000000"},
		{"timestamps", Ask{Timestamps: true}, "80030004" + "00000000"},
		{"follow-up", Ask{FollowUp: true}, "80070010" + "00000000" + "0000000000000000" + "00000000"},
		{"all", Ask{Class: true, DSCP: 63, Timestamps: true, FollowUp: true},
			"80040004fc000000" + "8003000400000000" + "8007001000000000000000000000000000000000"},
		{"empty padding", Ask{Size: 4}, "80010000"},
		{"no room for padding, and none needed", Ask{Timestamps: true, Size: 8}, "8003000400000000"},
	} {
		got, err := test.ask.Append(nil, 7, nil)
		if err != nil || hex.EncodeToString(got) != test.want {
			t.Errorf("%s: %x, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestSizesThatTLVsCannotHave(t *testing.T) {
	for _, test := range []struct {
		name string
		ask  Ask
		key  []byte
		want string
	}{
		{"too small", Ask{FollowUp: true, Size: 19}, nil, "stamp: TLVs of 20 bytes do not fit into 19: ask for a larger packet"},
		{"too small under a key", Ask{FollowUp: true, Size: 39}, key, "stamp: TLVs of 40 bytes do not fit into 39: ask for a larger packet"},
		{"a gap", Ask{Class: true, Size: 11}, nil, "stamp: TLVs of 8 bytes leave 3 of 11, and padding needs 4: ask for a packet 1 bytes larger, or 3 smaller"},
		{"too large", Ask{Size: 1<<16 + 4}, nil, "stamp: 65540 bytes of padding are more than a TLV can say: ask for a smaller packet"},
		{"negative", Ask{Size: -1}, nil, "stamp: TLVs of 0 bytes do not fit into -1: ask for a larger packet"},
	} {
		got, err := test.ask.Append([]byte("as it was"), 7, test.key)
		if err == nil || err.Error() != test.want || string(got) != "as it was" {
			t.Errorf("%s: %q, error %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestPaddingFillsThePacketAndIsUnderTheHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ask := asks().Draw(t, "ask")
		sequence, k := rapid.Uint32().Draw(t, "sequence"), rapid.SampledFrom([][]byte{nil, key}).Draw(t, "key")
		got, err := ask.Append([]byte("base"), sequence, k)
		if err != nil {
			t.Skip(err)
		}
		got = got[len("base"):]
		if ask.Size != 0 && len(got) != ask.Size {
			t.Fatalf("%d bytes, want %d", len(got), ask.Size)
		}
		var types []Type
		if err := EachTLV(got, func(tlv TLV) bool {
			if tlv.Flags != Unrecognised {
				t.Fatalf("flags %x leave a sender", tlv.Flags)
			}
			types = append(types, tlv.Type)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		asked := ask.Class || ask.Timestamps || ask.FollowUp
		if n := len(types); k != nil && asked && types[n-1] != HMAC {
			t.Fatalf("types %v: the HMAC is not the last", types)
		}
		if !look(got).intact(got, sequence, k) || k != nil && asked && look(got).intact(got, sequence+1, k) {
			t.Fatal("the HMAC does not cover what it must")
		}
	})
}

func asks() *rapid.Generator[Ask] {
	return rapid.Custom(func(t *rapid.T) Ask {
		a := Ask{
			Class: rapid.Bool().Draw(t, "class"), Timestamps: rapid.Bool().Draw(t, "timestamps"), FollowUp: rapid.Bool().Draw(t, "followup"),
			Size: rapid.SampledFrom([]int{0, 4, 40, 56, 57, 60, 61, 63, 500, 1428}).Draw(t, "size"),
		}
		if a.Class {
			a.DSCP = rapid.Uint8Range(0, 63).Draw(t, "dscp")
		}
		return a
	})
}

// TestWhatIsAskedIsAnswered goes from a sender to a reflector and back.
func TestWhatIsAskedIsAnswered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ask := asks().Draw(t, "ask")
		k := rapid.SampledFrom([][]byte{nil, key}).Draw(t, "key")
		a := Answer{
			RequestSequence: rapid.Uint32().Draw(t, "request"), ReplySequence: rapid.Uint32().Draw(t, "reply"),
			TrafficClass: rapid.Uint8().Draw(t, "traffic class"), Permitted: rapid.Uint64().Draw(t, "permitted"),
			Timestamps: TimestampSources{FollowsPTP, HardwareAssist, FollowsNTP, SoftwareLocal},
			Previous:   FollowUp{8, Timestamp(rapid.Uint64Range(0, 3).Draw(t, "sent")), HardwareAssist},
		}
		tlvs, err := ask.Append(nil, a.RequestSequence, k)
		if err != nil {
			t.Skip(err)
		}
		dscp, set := a.Fill(tlvs, k)
		got, err := ParseExtensions(tlvs, a.ReplySequence, k)
		if err != nil || set != 0 {
			t.Fatalf("flags %x, error %v", set, err)
		}
		want, wantDSCP := Extensions{HasClass: ask.Class, HasTimestamps: ask.Timestamps}, a.TrafficClass>>2
		if ask.Class {
			if a.Permitted>>ask.DSCP&1 == 1 {
				wantDSCP = ask.DSCP
			}
			want.Class = Class{Asked: ask.DSCP, DSCP: a.TrafficClass >> 2, ECN: a.TrafficClass & 3, Refused: wantDSCP != ask.DSCP}
		}
		if ask.Timestamps {
			want.Timestamps = a.Timestamps
		}
		if ask.FollowUp && a.Previous.Sent != 0 {
			want.HasFollowUp, want.FollowUp = true, a.Previous
		}
		if diff := cmp.Diff(want, got); diff != "" || dscp != wantDSCP {
			t.Fatalf("DSCP %d, want %d; (-want +got):\n%s", dscp, wantDSCP, diff)
		}
		if k != nil && (ask.Class || ask.Timestamps || ask.FollowUp) {
			where := rapid.IntRange(0, len(tlvs)-1).Draw(t, "where")
			if where == len(tlvs)-tlvHeader-hmacSize {
				t.Skip("the HMAC does not cover its own flags")
			}
			tlvs[where] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if got, err := ParseExtensions(tlvs, a.ReplySequence, k); got != (Extensions{}) {
				t.Fatalf("altered to %x, it is read as %+v, %v", tlvs, got, err)
			}
		}
	})
}

func TestReadingAReply(t *testing.T) {
	class := func(f Flags) []byte { return AppendTLV(nil, TLV{f, ClassOfService, []byte{0xb9, 0x45, 0, 0}}) }
	sources := func(f Flags, n int) []byte { return AppendTLV(nil, TLV{f, TimestampInformation, make([]byte, n)}) }
	withClass := Extensions{HasClass: true, Class: Class{Asked: 46, DSCP: 20, ECN: 1, Refused: true}}
	for _, test := range []struct {
		name string
		tlvs []byte
		key  []byte
		want Extensions
		err  error
	}{
		{"nothing", nil, nil, Extensions{}, nil},
		{"nothing under a key", nil, key, Extensions{}, nil},
		{"zeros of an old peer", make([]byte, 30), nil, Extensions{}, nil},
		{"other padding of an old peer", []byte("0123456789abcdef"), nil, Extensions{}, ErrMalformed},
		{"an answer", class(0), nil, withClass, nil},
		{"not understood at all", class(Unrecognised), key, Extensions{}, nil},
		{"one not understood", join(class(0), sources(Unrecognised, 4)), nil, withClass, nil},
		{"sub-TLVs", join(class(0), sources(0, 9)), nil, Extensions{HasClass: true, Class: withClass.Class, HasTimestamps: true}, nil},
		{"malformed, says the reflector", join(class(0), sources(Malformed, 4)), nil, withClass, ErrMalformed},
		{"malformed, say we", join(class(0), sources(0, 3)), nil, withClass, ErrMalformed},
		{"cut", join(class(0), sources(0, 4)[:7]), nil, Extensions{}, ErrMalformed},
		{"not intact, says the reflector", join(class(0), sources(NotIntact, 4)), nil, Extensions{}, ErrNotIntact},
		{"not under an HMAC", class(0), key, Extensions{}, ErrHMAC},
		{"under an HMAC, but no key", seal(class(0), 9, key), nil, Extensions{}, ErrHMAC},
		{"under another HMAC", seal(class(0), 9, []byte("another")), key, Extensions{}, ErrHMAC},
		{"with another sequence number", seal(class(0), 8, key), key, Extensions{}, ErrHMAC},
		{"under the HMAC", seal(class(0), 9, key), key, withClass, nil},
		{"padding behind the HMAC", AppendTLV(seal(class(0), 9, key), TLV{0, ExtraPadding, []byte{1}}), key, withClass, nil},
		{"something else behind the HMAC", join(seal(class(0), 9, key), sources(0, 4)), key, Extensions{}, ErrHMAC},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseExtensions(test.tlvs, 9, test.key)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
