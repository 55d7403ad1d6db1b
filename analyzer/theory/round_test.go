package theory

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestRound(t *testing.T) {
	third := big.NewRat(22_578_780, 1000)
	third.Add(third, big.NewRat(1, 3000)) // 22.578780333… ms
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"whole microseconds", MS(15053), 15.053},
		{"nearest", NearMS(big.NewRat(15_052_520_500_000, 1_000_000_000)), 15.052521},
		{"down", FloorMS(third), 22.57878},
		{"up", CeilMS(third), 22.578781},
		{"up, exact already", CeilMS(big.NewRat(1500, 1)), 1.5},
		{"ratio", ShowRatio(big.NewRat(2, 3), big.NewRat(3, 2)), 0.6667},
		{"ratio at the factor", ShowRatio(big.NewRat(3, 2), big.NewRat(3, 2)), 1.5},
		{"ratio just above", ShowRatio(big.NewRat(1_500_040, 1_000_000), big.NewRat(3, 2)), 1.50004},
		{"ratio far above", ShowRatio(big.NewRat(23, 10), big.NewRat(3, 2)), 2.3},
		{"ratio just within a long factor", ShowRatio(big.NewRat(144_444, 100_000), big.NewRat(1_444_441, 1_000_000)), 1.4444},
		{"ratio just within", ShowRatio(big.NewRat(149_999, 100_000), big.NewRat(149_999, 100_000)), 1.49999},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

// What is shown of a limit and of a ratio tells the same as the exact values.
func TestShownNeverContradicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meters := rapid.Int64Range(1000, 10_000_000).Draw(t, "meters")
		factor := big.NewRat(rapid.Int64Range(1000, 3000).Draw(t, "thousandths"), 1000)
		theoretical := InFibre().RTTUS(meters)
		limit := LimitUS(theoretical, factor)
		whole := new(big.Int).Div(limit.Num(), limit.Denom()).Int64()
		rtt := max(1, whole+rapid.Int64Range(-2, 2).Draw(t, "off"))
		complies := Complies(rtt, limit)
		if (MS(rtt) <= FloorMS(limit)) != complies {
			t.Fatalf("%v ms against %v ms, but complies is %v", MS(rtt), FloorMS(limit), complies)
		}
		f, _ := factor.Float64()
		if shown := ShowRatio(Ratio(rtt, theoretical), factor); (shown <= f) != complies {
			t.Fatalf("ratio %v against %v, but complies is %v", shown, f, complies)
		}
	})
}
