package uncertainty

import "math/bits"

// splitMix64 is the generator of Steele, Lea and Flood (Fast Splittable
// Pseudorandom Number Generators, OOPSLA 2014), as in Java and in the seeding
// of xoshiro; its value is the state, at first the seed.
type splitMix64 uint64

func (s *splitMix64) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// below draws from 0 to n − 1: the high half of a 128-bit product. No number is
// likelier than another by more than 2⁻⁶⁴, and each draw takes exactly one step
// of the generator, so that other programs can follow.
func (s *splitMix64) below(n uint64) uint64 {
	high, _ := bits.Mul64(s.next(), n)
	return high
}

func (s *splitMix64) within(span Span) int64 {
	return span.Low + int64(s.below(uint64(span.High-span.Low)+1))
}

// days draws days with replacement, so many fewer than there are, and counts in
// times how often it drew each.
//
// Draws of as many vary less than what they stand for, the more so the fewer
// days there are: by (n−1)/n in variance, and by what the normal distribution
// is narrower than Student's t with n − 1 degrees of freedom (Hesterberg, The
// American Statistician 69, 2015, on percentile intervals). Draws of m of n days
// vary by n/m more. At 95 % m = (n−1)(z/t)² ≈ n − 1 − (z²+1)/2 = n − 3.4 makes
// up for both.
func (s *splitMix64) days(times []uint32, fewer int) {
	clear(times)
	for range max(1, len(times)-fewer) {
		times[s.below(uint64(len(times)))]++
	}
}
