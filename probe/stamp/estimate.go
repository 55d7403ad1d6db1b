package stamp

import (
	"math"
	"math/bits"
	"time"
)

// ErrorEstimate says how well a timestamp is known (RFC 4656, section 4.1.2,
// with the format bit of RFC 8186): whether the clock follows UTC, and a bound
// on its error of Multiplier × 2^(Scale-32) seconds.
type ErrorEstimate uint16

// Bits of an ErrorEstimate; Scale is 6 bits wide and Multiplier 8.
const (
	synchronised = 1 << 15
	ptpFormat    = 1 << 14
	scaleShift   = 8
	scaleMask    = 1<<6 - 1
)

// NewErrorEstimate gives the smallest estimate that does not understate bound;
// it overstates it by less than 1 % and a quarter of a nanosecond.
func NewErrorEstimate(synced bool, f Format, bound time.Duration) ErrorEstimate {
	var e ErrorEstimate
	if synced {
		e |= synchronised
	}
	if f == PTP {
		e |= ptpFormat
	}
	scale, multiplier := smallest(uint64(max(bound, 0)))
	return e | scale<<scaleShift | multiplier
}

// smallest gives scale and multiplier; a multiplier of 0 is forbidden.
func smallest(ns uint64) (scale, multiplier ErrorEstimate) {
	// In units of 2^-32 s, or of 2^-30 s where those would overflow.
	hi, lo := bits.Mul64(ns, 1<<32)
	if hi >= uint64(time.Second) {
		scale = 2
		hi, lo = bits.Mul64(ns, 1<<30)
	}
	units, rest := bits.Div64(hi, lo, uint64(time.Second))
	if rest > 0 {
		units++
	}
	for ; units > math.MaxUint8; scale++ {
		units = units/2 + units%2 // always up
	}
	return scale, ErrorEstimate(max(units, 1))
}

// Synchronised tells whether the clock says that it follows UTC.
func (e ErrorEstimate) Synchronised() bool { return e&synchronised != 0 }

// Format is that of the timestamps that the same party made.
func (e ErrorEstimate) Format() Format {
	if e&ptpFormat != 0 {
		return PTP
	}
	return NTP
}

// Bound is the greatest error of the timestamps, rounded up to the nanosecond
// and the longest Duration where it is longer. It is not known where the peer
// left the multiplier 0, which RFC 4656 forbids.
func (e ErrorEstimate) Bound() (bound time.Duration, known bool) {
	multiplier, scale := uint64(e&math.MaxUint8), e>>scaleShift&scaleMask
	if multiplier == 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(multiplier*uint64(time.Second), 1<<scale)
	if hi >= 1<<31 {
		return math.MaxInt64, true
	}
	ns := hi<<32 | lo>>32
	if lo<<32 != 0 && ns < math.MaxInt64 {
		ns++
	}
	return time.Duration(ns), true
}
