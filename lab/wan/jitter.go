package wan

import (
	"math"
	"slices"
	"time"
)

// Distribution is the shape of the jitter.
type Distribution string

// Shapes of jitter. Each is given by its median m, and is never negative: a
// packet can be held up, but not sped up.
const (
	None        Distribution = "none"
	Uniform     Distribution = "uniform"     // 0 to 2 m
	Normal      Distribution = "normal"      // mean m, standard deviation m/3, cut at 0 and 2 m
	Exponential Distribution = "exponential" // mean m / ln 2: a long tail upwards
)

var distributions = []Distribution{None, Uniform, Normal, Exponential}

// Jitter is extra delay, drawn anew for every packet on each way.
type Jitter struct {
	Distribution Distribution `yaml:"distribution"`
	MedianMS     float64      `yaml:"median_ms"` // of the extra delay on one way
}

// quantile is the inverse of cdf, in nanoseconds; u is in [0, 1).
func (j Jitter) quantile(u float64) float64 {
	m := j.MedianMS * float64(time.Millisecond)
	switch j.Distribution {
	case Uniform:
		return 2 * m * u
	case Normal:
		// The cut takes the same share off both ends, so the median stays. The
		// conversion forbids a fused multiply-add.
		return m + float64(m/3*math.Sqrt2*math.Erfinv((2*u-1)*withinThreeSigma))
	case Exponential:
		return -math.Log1p(-u) * m / math.Ln2
	}
	return 0
}

// cdf is the share of packets held up by at most x nanoseconds.
func (j Jitter) cdf(x float64) float64 {
	m := j.MedianMS * float64(time.Millisecond)
	switch {
	case x < 0:
		return 0
	case m == 0:
		return 1
	}
	switch j.Distribution {
	case Uniform:
		return min(1, x/(2*m))
	case Normal:
		return min(1, 0.5+math.Erf((x-m)/(m/3)/math.Sqrt2)/withinThreeSigma/2)
	case Exponential:
		return -math.Expm1(-x * math.Ln2 / m)
	}
	return 1
}

// withinThreeSigma is the share of a normal distribution that lies within
// three standard deviations of its mean: erf(3/√2).
const withinThreeSigma = 0.9973002039367398

// points is on how many quantiles of the forward way the round trip is
// computed; 256 give its median to better than a thousandth of the jitter.
const points = 256

// roundTrip is the share of requests that are answered within x nanoseconds,
// where p is how the link behaves. A duplicated request has two answers, of
// which the first counts.
func (p *Profile) roundTrip(x float64, quantiles []float64) float64 {
	if p.Cut {
		return 0
	}
	pass, held := 1-p.Loss, float64(p.ReorderBy)
	back := func(y float64) float64 {
		return pass * ((1-p.Reorder)*p.Jitter.cdf(y) + p.Reorder*p.Jitter.cdf(y-held))
	}
	answered := func(y float64) float64 {
		one := back(y)
		return (1-p.Duplicate)*one + p.Duplicate*(1-(1-one)*(1-one))
	}
	sum := 0.0
	for _, q := range quantiles {
		left := x - float64(p.RTT) - q
		sum += (1-p.Reorder)*answered(left) + p.Reorder*answered(left-held)
	}
	return pass * sum / float64(len(quantiles))
}

// quantiles are the middles of equally likely parts of the jitter.
func (j Jitter) quantiles() []float64 {
	if j.MedianMS == 0 || j.Distribution == None || j.Distribution == "" {
		return []float64{0}
	}
	q := make([]float64, points)
	for i := range q {
		q[i] = j.quantile((float64(i) + 0.5) / points)
	}
	return slices.Clip(q)
}
