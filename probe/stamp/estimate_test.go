package stamp

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestErrorEstimateIsLaidOutAsTheRFCSays(t *testing.T) {
	for _, test := range []struct {
		name  string
		got   ErrorEstimate
		want  uint16
		bound time.Duration
	}{
		// 2^-32 s is 0.23 ns: 1 ns is at most 5 of them, 1 ms at most 4 294 968,
		// which is 132 × 2^15 rounded up.
		{"none", NewErrorEstimate(false, NTP, 0), 0x0001, 1},
		{"less than none", NewErrorEstimate(false, NTP, -time.Second), 0x0001, 1},
		{"1 ns", NewErrorEstimate(true, NTP, 1), 0x8005, 2},
		{"1 ms", NewErrorEstimate(true, PTP, time.Millisecond), 0xc000 | 15<<8 | 132, 1007081},
		{"1 s", NewErrorEstimate(false, PTP, time.Second), 0x4000 | 25<<8 | 128, time.Second},
		{"for ever", NewErrorEstimate(false, NTP, math.MaxInt64), 58<<8 | 138, math.MaxInt64},
		{"all bits", 0xffff, 0xffff, math.MaxInt64},
	} {
		if uint16(test.got) != test.want {
			t.Errorf("%s: %04x, want %04x", test.name, uint16(test.got), test.want)
		}
		if bound, known := test.got.Bound(); !known || bound != test.bound {
			t.Errorf("%s: a bound of %d, %v, want %d", test.name, bound, known, test.bound)
		}
	}
	if bound, known := ErrorEstimate(0x8a00).Bound(); known || bound != 0 {
		t.Errorf("a multiplier of 0 is read as %v, %v", bound, known)
	}
}

func TestErrorIsNeverUnderstated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bound := time.Duration(rapid.Int64Min(0).Draw(t, "bound") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		synced, format := rapid.Bool().Draw(t, "synced"), rapid.SampledFrom([]Format{NTP, PTP}).Draw(t, "format")
		e := NewErrorEstimate(synced, format, bound)
		if e.Synchronised() != synced || e.Format() != format || e&0xff == 0 {
			t.Fatalf("%v, %v, %v becomes %04x", synced, format, bound, uint16(e))
		}
		got, known := e.Bound()
		if !known || got < bound {
			t.Fatalf("%v becomes %04x, which is %v, %v", bound, uint16(e), got, known)
		}
		if over := got - bound; got != math.MaxInt64 && over > bound/128+2 {
			t.Fatalf("%v becomes %04x, which is %v: %v too much", bound, uint16(e), got, over)
		}
		// No smaller one would do.
		if m := e & 0xff; m > 1 && got != math.MaxInt64 {
			if less, _ := (e - 1).Bound(); less > bound {
				t.Fatalf("%v becomes %04x, but %v would do", bound, uint16(e), less)
			}
		}
	})
}
