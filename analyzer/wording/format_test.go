package wording

import (
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

func TestFill(t *testing.T) {
	v := values{"n": "1", "m": "2", "brace": "{n}"}
	for text, want := range map[string]string{
		"{n} {n:pair|pairs}, {m} {m:pair|pairs}": "1 pair, 2 pairs",
		"{m:one|}{n:is|are}":                     "is",
		"{brace}":                                "{n}", // what a value has in braces stays
		"{nobody}":                               "{nobody}",
		"no name":                                "no name",
		"":                                       "",
	} {
		if got := say(EN, Text{EN: text}, v); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// No figure is shown on the other side of what it is compared with.
func TestFiguresStayOnTheirSide(t *testing.T) {
	target, missed, met := 0.8, false, true
	known := 22.5
	for _, c := range []struct{ got, want string }{
		{RateDigits(api.Rate{Compliant: 7_999, Total: 10_000, Target: &target, Met: &missed}), "79.9"},
		{RateDigits(api.Rate{Compliant: 8_000, Total: 10_000, Target: &target, Met: &met}), "80.0"},
		{RateDigits(api.Rate{Compliant: 2, Total: 3}), "66.7"},
		{RateDigits(api.Rate{}), "0.0"},
		{Ratio(1.50004, 1.5), "1.50004"},
		{Ratio(1.5, 1.5), "1.500"},
		{Ratio(1.3998, 1.5), "1.400"},
		{LimitMS(22.578789), "22.578"},
		{Number(0.65 * 100), "65"},
		{Number(4.8967), "4.8967"},
		{MS(22.5, -1), "22.5"},
		{Figure(&known, false, Number), "22.5"},
		{Figure(nil, true, Number), "∞"},
		{Figure(nil, false, Number), "–"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
