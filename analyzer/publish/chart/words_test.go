package chart

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextWidth(t *testing.T) {
	for words, want := range map[string]float64{"": 0, "1.50": 22.4, "长三角示范区": 60, "∞": 10, "Wuhu": 29.1, "e\u0301": 6.2} {
		if got := TextWidth(words, 10, false); got < want-0.01 || got > want+0.01 {
			t.Errorf("%q is %.2f wide, not %v", words, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		words string
		width float64
		want  []string
	}{
		{"Wuhu", 40, []string{"Wuhu"}},
		{"Yangtze River Delta Demonstration Zone", 130, []string{"Yangtze River Delta", "Demonstration Zone"}},
		{"长三角示范区", 50, []string{"长三角", "示范区"}},
		{"Demonstration", 40, nil},
		{"a b c d", 8, nil}, // four lines
		{"", 40, []string{""}},
	} {
		got, ok := wrap(c.words, 10, c.width, 2)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != (c.want != nil) {
			t.Errorf("%q in %v: %v\n%s", c.words, c.width, ok, diff)
		}
	}
}

// TestPairLabel keeps something of both names.
func TestPairLabel(t *testing.T) {
	for _, width := range []float64{60, 100, 150, 300} {
		label := pairLabel(english[1], "Wuhu", 8, width)
		a, b, ok := strings.Cut(label, " – ")
		if !ok || a == "" || b == "" || TextWidth(label, 8, false) > width {
			t.Errorf("%q in %v is %v wide", label, width, TextWidth(label, 8, false))
		}
		if width >= 100 && b != "Wuhu" {
			t.Errorf("%q: the short name was shortened", label)
		}
	}
}

func TestRatioText(t *testing.T) {
	for _, c := range []struct {
		v        float64
		decimals int
		want     string
	}{{1.4996, 2, "1.50"}, {1.5, 2, "1.50"}, {1.5003, 2, "1.5003"}, {1.504, 2, "1.504"}, {1.51, 2, "1.51"}, {1.500000001, 2, "1.500000001"}, {1.5000000000001, 2, "1.5000000000001"}} {
		if got := ratioText(c.v, 1.5, c.decimals); got != c.want {
			t.Errorf("%v is written %s, not %s", c.v, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		most   int
		want   []string
	}{
		{1, 2, 5, []string{"1.0", "1.2", "1.4", "1.6", "1.8", "2.0"}},
		{0, 100, 2, []string{"0", "50", "100"}},
		{14.17, 16.4, 5, []string{"14.5", "15.0", "15.5", "16.0"}},
		{-0.3, 0.3, 3, []string{"-0.2", "0.0", "0.2"}},
		{2, 2, 3, nil},
	} {
		values, decimals := ticks(c.lo, c.hi, c.most)
		var got []string
		for _, v := range values {
			got = append(got, decimal(v, decimals))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v to %v: %s", c.lo, c.hi, diff)
		}
	}
}
