package stamp

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	req, rep := request(), reply()
	f.Add(AppendRequest(nil, &req, nil), []byte(nil))
	f.Add(AppendReply(nil, &rep, nil), []byte(nil))
	f.Add(AppendReply(nil, &rep, []byte("key")), []byte("key"))
	f.Fuzz(func(t *testing.T, packet, key []byte) {
		if len(key) == 0 {
			key = nil
		}
		if got, err := ParseRequest(packet, key); err == nil && len(packet) >= layoutOf(key != nil).size {
			again, err := ParseRequest(AppendRequest(nil, &got, key), key)
			if err != nil || !cmp.Equal(got, again) {
				t.Errorf("request %+v comes back as %+v, %v", got, again, err)
			}
		}
		got, err := ParseReply(packet, key)
		if err != nil {
			return
		}
		whole := len(packet) >= layoutOf(key != nil).size
		again, err := ParseReply(AppendReply(nil, &got, key), key)
		if err != nil || whole && !cmp.Equal(got, again) {
			t.Errorf("reply %+v comes back as %+v, %v", got, again, err)
		}
		var packed []byte
		if EachTLV(got.TLVs, func(tlv TLV) bool { packed = AppendTLV(packed, tlv); return true }) == nil && !bytes.Equal(packed, got.TLVs) {
			t.Errorf("TLVs %x come back as %x", got.TLVs, packed)
		}
	})
}

// seal appends an HMAC TLV that fits, which a fuzzer would never find.
func seal(tlvs []byte, sequence uint32, key []byte) []byte {
	sum := digestTLVs(key, sequence, tlvs)
	return AppendTLV(tlvs, TLV{Unrecognised, HMAC, sum[:]})
}

// seeds are TLVs of all kinds, in order and not.
func seeds() [][]byte {
	all, err := (&Ask{Class: true, DSCP: 46, Timestamps: true, FollowUp: true, Size: 60}).Append(nil, 7, nil)
	if err != nil {
		panic(err)
	}
	return [][]byte{
		all,
		all[:len(all)-1],
		AppendTLV(nil, TLV{Unrecognised, 99, []byte("of tomorrow")}),
		AppendTLV(AppendTLV(nil, TLV{Unrecognised, ClassOfService, []byte{1, 2, 3}}), TLV{Unrecognised, TimestampInformation, make([]byte, 4)}),
		AppendTLV(nil, TLV{Unrecognised, FollowUpTelemetry, bytes.Repeat([]byte{7}, 15)}),
		AppendTLV(AppendTLV(nil, TLV{Unrecognised, HMAC, make([]byte, 16)}), TLV{Unrecognised, ExtraPadding, []byte{1}}),
		AppendTLV(AppendTLV(nil, TLV{Unrecognised, HMAC, make([]byte, 16)}), TLV{Unrecognised, ClassOfService, make([]byte, 4)}),
		make([]byte, 24),
	}
}

// FuzzFill holds the laws of a reflector's TLVs: as long as they came, the same
// types and lengths, the same again when answered again, nothing but flags
// changed where the HMAC did not fit, and an HMAC that fits afterwards.
func FuzzFill(f *testing.F) {
	for _, tlvs := range seeds() {
		f.Add(tlvs, []byte(nil), false, uint32(7), uint32(9), uint8(0xb9), uint64(1)<<46)
		f.Add(tlvs, []byte("key"), true, uint32(7), uint32(9), uint8(0xb9), uint64(0))
	}
	f.Fuzz(func(t *testing.T, tlvs, key []byte, sealed bool, request, reply uint32, class uint8, permitted uint64) {
		if len(key) == 0 {
			key = nil
		}
		before := look(tlvs)
		sealed = sealed && key != nil
		if sealed {
			tlvs = seal(tlvs[:len(tlvs):len(tlvs)], request, key)
		}
		a := Answer{
			RequestSequence: request, ReplySequence: reply, TrafficClass: class, NoClass: class&ecnMask == ecnMask, Permitted: permitted,
			Timestamps: TimestampSources{FollowsPTP, HardwareAssist, FollowsNTP, SoftwareLocal},
			Previous:   FollowUp{reply - 1, 0xebe1a2b3c0000000, HardwareAssist},
		}
		const guard = 0x5a
		room := append(bytes.Clone(tlvs), guard)
		got := room[:len(tlvs)]
		dscp, set := a.Fill(got, key)

		if room[len(tlvs)] != guard {
			t.Fatal("what follows the TLVs was written to")
		}
		if dscp != class>>2 && (dscp > 63 || permitted>>dscp&1 == 0) {
			t.Fatalf("DSCP %d neither came nor is permitted", dscp)
		}
		holdFrames(t, tlvs, got, set)
		if after := look(got); sealed && before.whole && before.hmac < 0 && wholly(tlvs, before.count+1) {
			if set&NotIntact != 0 || !after.intact(got, reply, key) {
				t.Fatalf("the HMAC fitted in %x, and does not in %x", tlvs, got)
			}
		}
		e, err := ParseExtensions(got, reply, key)
		if set == 0 && err != nil && look(got).flags&(Malformed|NotIntact) == 0 && look(got).whole {
			t.Fatalf("nothing is flagged in %x, but it cannot be read: %v", got, err)
		}
		if e.HasTimestamps && set&NotIntact != 0 {
			t.Fatalf("%+v was read from what was not intact", e)
		}

		again := bytes.Clone(got)
		a.RequestSequence = reply
		if a.Fill(again, key); !bytes.Equal(again, got) {
			t.Fatalf("answered again, %x becomes %x", got, again)
		}
	})
}

// wholly tells whether b is so many TLVs from end to end.
func wholly(b []byte, count int) bool {
	for ; count > 0; count-- {
		tlv, whole := next(b)
		if tlv == nil || !whole {
			return false
		}
		b = b[len(tlv):]
	}
	return len(b) == 0
}

// holdFrames checks that got has the TLVs of sent, and if something was not
// intact, their values.
func holdFrames(t *testing.T, sent, got []byte, set Flags) {
	for len(sent) > 0 {
		was, _ := next(sent)
		is, _ := next(got)
		if len(was) != len(is) {
			t.Fatalf("a TLV of %d bytes became one of %d", len(was), len(is))
		}
		if was == nil {
			was, is = sent, got
			if !bytes.Equal(was, is) {
				t.Fatalf("padding %x became %x", was, is)
			}
		}
		if head := min(len(was), tlvHeader); !bytes.Equal(was[1:head], is[1:head]) {
			t.Fatalf("header %x became %x", was[:head], is[:head])
		}
		if set&NotIntact != 0 && !bytes.Equal(was[1:], is[1:]) {
			t.Fatalf("%x is not intact, but became %x", was, is)
		}
		sent, got = sent[len(was):], got[len(is):]
	}
}

// FuzzExtensions reads what a reflector may send, and holds that what was read
// is read the same when written anew.
func FuzzExtensions(f *testing.F) {
	for _, tlvs := range seeds() {
		(&Answer{TrafficClass: 0xb9, Timestamps: TimestampSources{1, 2, 3, 4}, Previous: FollowUp{8, 1 << 40, HardwareAssist}}).Fill(tlvs, nil)
		f.Add(tlvs, []byte(nil), false, uint32(9))
		f.Add(tlvs, []byte("key"), true, uint32(9))
	}
	f.Fuzz(func(t *testing.T, tlvs, key []byte, sealed bool, sequence uint32) {
		if len(key) == 0 {
			key = nil
		}
		if sealed && key != nil {
			tlvs = seal(tlvs[:len(tlvs):len(tlvs)], sequence, key)
		}
		e, err := ParseExtensions(tlvs, sequence, key)
		if err != nil && !errors.Is(err, ErrMalformed) && e != (Extensions{}) {
			t.Fatalf("%v, but %+v was read", err, e)
		}
		var anew []byte
		if e.HasClass {
			anew = appendBlank(anew, ClassOfService, classSize)
			e.Class.put(anew[len(anew)-classSize:])
		}
		if e.HasTimestamps {
			anew = appendBlank(anew, TimestampInformation, timestampSourceSize)
			e.Timestamps.put(anew[len(anew)-timestampSourceSize:])
		}
		if e.HasFollowUp {
			anew = appendBlank(anew, FollowUpTelemetry, followUpSize)
			e.FollowUp.put(anew[len(anew)-followUpSize:])
		}
		for b := anew; len(b) > 0; {
			tlv, _ := next(b)
			tlv[0] = 0
			b = b[len(tlv):]
		}
		if again, err := ParseExtensions(anew, sequence, nil); err != nil || again != e {
			t.Fatalf("%+v comes back as %+v, %v", e, again, err)
		}
	})
}

// FuzzFields reads timestamps and error estimates.
func FuzzFields(f *testing.F) {
	f.Add(uint64(0xebe1a2b380000000), uint16(0x8a14), int64(1_700_000_000_000_000_000))
	f.Add(uint64(0), uint16(0x7fff), int64(4_294_967_296_000_000_000))
	f.Fuzz(func(t *testing.T, stamp uint64, estimate uint16, near int64) {
		e := ErrorEstimate(estimate)
		bound, known := e.Bound()
		if known != (estimate&0xff != 0) || bound < 0 {
			t.Fatalf("%04x has the bound %v, %v", estimate, bound, known)
		}
		if anew, _ := NewErrorEstimate(e.Synchronised(), e.Format(), bound).Bound(); known && anew < bound {
			t.Fatalf("a bound of %v becomes one of %v", bound, anew)
		}
		if near < math.MinInt64/2 || near > math.MaxInt64/2 {
			return // a century more would not fit into nanoseconds
		}
		format := e.Format()
		unix := format.Unix(Timestamp(stamp), near)
		if d := time.Duration(unix - near); d < -(1<<31+1)*time.Second || d > (1<<31+5)*time.Second {
			t.Fatalf("%x is read as %v from the time that it is near to", stamp, d)
		}
		if format == NTP || uint32(stamp) < uint32(time.Second) {
			if back := format.Between(format.StampUnix(unix), Timestamp(stamp)); back < -1 || back > 1 {
				t.Fatalf("%x is read as %d, which is %v before it", stamp, unix, back)
			}
		}
	})
}
