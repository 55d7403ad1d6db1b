package imports

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestParseRTT(t *testing.T) {
	for _, c := range []struct {
		text string
		unit Unit
		want uint32
		err  string
	}{
		{"31.337", Milliseconds, 31337, ""},
		{"43.869999999999997", Milliseconds, 43870, ""},
		{"0.0005", Milliseconds, 1, ""},
		{"0.00049", Milliseconds, 0, `"0.00049" ms is nothing, which no packet takes`},
		{"22578.5", Microseconds, 22579, ""},
		{"22578.4999", Microseconds, 22578, ""},
		{"2.05e1", Milliseconds, 20500, ""},
		{"+2.", Milliseconds, 2000, ""},
		{".25", Milliseconds, 250, ""},
		{"1E-3", Milliseconds, 1, ""},
		{"000020", Milliseconds, 20000, ""},
		{"60000", Milliseconds, 60_000_000, ""},
		{"60000.0005", Milliseconds, 0, `"60000.0005" ms is above 60 s`},
		{"60000001", Microseconds, 0, `"60000001" us is above 60 s`},
		{"1e99", Milliseconds, 0, `"1e99" ms is above 60 s`},
		{"1e100", Milliseconds, 0, `"1e100" is out of all proportion`},
		{"1e-99", Milliseconds, 0, `"1e-99" ms is nothing, which no packet takes`},
		{"0", Milliseconds, 0, `"0" ms is nothing, which no packet takes`},
		{"-0.0", Milliseconds, 0, `"-0.0" ms is nothing, which no packet takes`},
		{"-1", Milliseconds, 0, `"-1" is negative`},
		{"", Milliseconds, 0, `"" is not a decimal number`},
		{".", Milliseconds, 0, `"." is not a decimal number`},
		{"1e", Milliseconds, 0, `"1e" is not a decimal number`},
		{"1e+-2", Milliseconds, 0, `"1e+-2" is not a decimal number`},
		{"--1", Milliseconds, 0, `"--1" is not a decimal number`},
		{"1.2.3", Milliseconds, 0, `"1.2.3" is not a decimal number`},
		{"22,578", Milliseconds, 0, `"22,578" is not a decimal number`},
		{"0x10", Milliseconds, 0, `"0x10" is not a decimal number`},
		{"NaN", Milliseconds, 0, `"NaN" is not a decimal number`},
		{"Inf", Milliseconds, 0, `"Inf" is not a decimal number`},
		{"١", Milliseconds, 0, `"١" is not a decimal number`},
		{"1.0000000000000000000000000000000000000000000000000000000000000000", Milliseconds, 0, `"1.0000000000000000000000000000000000000000000000000000000000000000" is too long for a number`},
	} {
		got, err := ParseRTT(c.text, c.unit)
		if text := fmt.Sprint(err); got != c.want || (c.err == "") != (err == nil) || err != nil && text != c.err {
			t.Errorf("ParseRTT(%q, %s) is %d, %v; want %d, %s", c.text, c.unit, got, err, c.want, c.err)
		}
	}
}

// TestParseRTTIsExact holds it against exact fractions.
func TestParseRTTIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9]{0,6}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "text")
		exact, ok := new(big.Rat).SetString(text)
		got, err := ParseRTT(text, Milliseconds)
		if !ok {
			if err == nil {
				t.Fatalf("%q is no number and gives %d", text, got)
			}
			return
		}
		// ⌊1000 x + 1/2⌋
		exact.Mul(exact, big.NewRat(1000, 1)).Add(exact, big.NewRat(1, 2))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		if within := want.Sign() > 0 && want.Cmp(big.NewInt(wire.MaxRTTUS)) <= 0; within != (err == nil) {
			t.Fatalf("%q is %s µs, and gives %v", text, want, err)
		}
		if err == nil && want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("%q is %d µs, want %s", text, got, want)
		}
	})
}
