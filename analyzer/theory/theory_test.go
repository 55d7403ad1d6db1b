package theory

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/mesh"
)

func TestWorkedExample(t *testing.T) {
	// metric.md: 1 537 km.
	light := InFibre()
	rtt := light.RouteRTTUS(mesh.Route{Meters: 1_537_000})
	for _, c := range []struct {
		name string
		got  *big.Rat
		want string // milliseconds
	}{
		{"one way", light.OneWayUS(1_537_000), "7.526"},
		{"rtt", rtt, "15.053"},
		{"limit", LimitUS(rtt, big.NewRat(3, 2)), "22.579"},
		{"one way by convention", WithDelay(big.NewRat(5, 1)).OneWayUS(1_537_000), "7.685"},
		{"a kilometre in fibre", new(big.Rat).Mul(light.OneWayUS(1000), big.NewRat(1000, 1)), "4.897"},
		{"a kilometre in vacuum", new(big.Rat).Mul(InVacuum().OneWayUS(1000), big.NewRat(1000, 1)), "3.336"},
	} {
		if got := new(big.Rat).Mul(c.got, big.NewRat(1, 1000)).FloatString(3); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if index, err := ParseDecimal(GroupIndex); err != nil || WithIndex(index).usPerMeter.Cmp(light.usPerMeter) != 0 {
		t.Errorf("InFibre has not the index %s", GroupIndex)
	}
}

func TestCompliesAtTheLimit(t *testing.T) {
	// A distance whose limit is a whole number of microseconds: with
	// 299 792 458 m the limit is 3 × 1 468 000 µs.
	limit := LimitUS(InFibre().RTTUS(LightSpeed), big.NewRat(3, 2))
	for _, c := range []struct {
		us   int64
		want bool
	}{{3*1_468_000 - 1, true}, {3 * 1_468_000, true}, {3*1_468_000 + 1, false}} {
		if got := Complies(c.us, limit); got != c.want {
			t.Errorf("%d µs: complies %v, want %v", c.us, got, c.want)
		}
	}
}

func TestCompliesIsTheIntegerRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meters := rapid.Int64Range(1, 40_000_000).Draw(t, "meters")
		// Near the limit, where it matters.
		rtt := meters*3*1_468_000/LightSpeed + rapid.Int64Range(-2, 2).Draw(t, "off")
		limit := LimitUS(InFibre().RTTUS(meters), big.NewRat(3, 2))
		want := rtt*LightSpeed <= 3*meters*1_468_000
		if got := Complies(rtt, limit); got != want {
			t.Fatalf("%d m, %d µs: complies %v, the integers say %v", meters, rtt, got, want)
		}
		if ratio := Ratio(rtt, InFibre().RTTUS(meters)); (ratio.Cmp(big.NewRat(3, 2)) <= 0) != want {
			t.Fatalf("%d m, %d µs: the ratio %s contradicts the verdict", meters, rtt, ratio)
		}
	})
}

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		in   string
		want *big.Rat
	}{
		{"1.468", big.NewRat(367, 250)},
		{"1.5", big.NewRat(3, 2)},
		{"0.75", big.NewRat(3, 4)},
		{"20", big.NewRat(20, 1)},
		{"007", big.NewRat(7, 1)},
	} {
		if got, err := ParseDecimal(c.in); err != nil || got.Cmp(c.want) != 0 {
			t.Errorf("%q: %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "0x10", "1/2", "1_000", " 1", "1.4.6", "١", "1234567890.123456789"} {
		if got, err := ParseDecimal(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"1.468", "0", ".", "1e9", "999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseDecimal(s)
		if err == nil && v.Sign() < 0 {
			t.Errorf("%q is negative: %v", s, v)
		}
	})
}
