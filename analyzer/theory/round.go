package theory

import (
	"math/big"
	"strconv"
)

// What follows is for showing. It happens after every decision, and rounds so
// that what is shown never contradicts what was decided. Each result is the
// float64 nearest to a decimal number, the same on every machine.

// decimalsMS makes milliseconds exact to the nanosecond.
const decimalsMS = 6

// MS shows whole microseconds as milliseconds.
func MS(us int64) float64 { return float64(us) / 1000 }

// NearMS shows microseconds as milliseconds, to the nearest nanosecond, half up.
func NearMS(us *big.Rat) float64 { return decimal(milli(us), decimalsMS, half()) }

// FloorMS shows microseconds as milliseconds, rounded down to the nanosecond.
// A limit is shown so: an RTT of whole microseconds is within the limit
// exactly if it is within what is shown.
func FloorMS(us *big.Rat) float64 { return decimal(milli(us), decimalsMS, new(big.Rat)) }

// CeilMS shows microseconds as milliseconds, rounded up to the nanosecond. A
// floor is shown so: an RTT below it is below what is shown.
func CeilMS(us *big.Rat) float64 {
	return -decimal(new(big.Rat).Neg(milli(us)), decimalsMS, new(big.Rat))
}

func milli(us *big.Rat) *big.Rat { return new(big.Rat).Mul(us, big.NewRat(1, 1000)) }

func half() *big.Rat { return big.NewRat(1, 2) }

// Ratios are shown with four decimals where these tell the truth, and with as
// many as are needed where they don't; a float64 holds fifteen.
const (
	ratioDecimals    = 4
	maxRatioDecimals = 15
)

// ShowRatio rounds a ratio half up to four decimals, or to as many more as put
// it on its true side of the factor: 1.50004 is above 1.5, so it is not 1.5.
func ShowRatio(ratio, factor *big.Rat) float64 {
	complies := ratio.Cmp(factor) <= 0
	for decimals := ratioDecimals; ; decimals++ {
		rounded := round(ratio, decimals, half())
		if (rounded.Cmp(factor) <= 0) == complies || decimals == maxRatioDecimals {
			return float(rounded, decimals)
		}
	}
}

// decimal is the float64 nearest to a number rounded to decimals.
func decimal(v *big.Rat, decimals int, carry *big.Rat) float64 {
	return float(round(v, decimals, carry), decimals)
}

// round gives ⌊v × 10^decimals + carry⌋ / 10^decimals.
func round(v *big.Rat, decimals int, carry *big.Rat) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	scaled := new(big.Rat).Mul(v, new(big.Rat).SetInt(scale))
	scaled.Add(scaled, carry)
	floor := new(big.Int).Div(scaled.Num(), scaled.Denom()) // Euclidean: down, for a positive divisor
	return new(big.Rat).SetFrac(floor, scale)
}

func float(rounded *big.Rat, decimals int) float64 {
	f, err := strconv.ParseFloat(rounded.FloatString(decimals), 64)
	if err != nil {
		panic("theory: " + err.Error()) // FloatString writes numbers
	}
	return f
}

// NearKM shows kilometres to the nearest metre, half up.
func NearKM(km *big.Rat) float64 { return decimal(km, 3, half()) }
