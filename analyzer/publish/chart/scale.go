package chart

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to points, linearly.
type scale struct{ lo, hi, from, to float64 }

func (s scale) at(v float64) float64 {
	if s.hi == s.lo {
		return (s.from + s.to) / 2
	}
	return s.from + (v-s.lo)/(s.hi-s.lo)*(s.to-s.from)
}

// ticks gives round values from lo to hi, at most so many, and how many
// decimals they need.
func ticks(lo, hi float64, most int) (values []float64, decimals int) {
	if !(hi > lo) || most < 1 {
		return nil, 0
	}
	step, decimals := roundStep((hi - lo) / float64(most))
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		values = append(values, i*step)
	}
	return values, decimals
}

// ticks gives as many round values as their words have room for on the scale.
func (s scale) ticks(em float64) (values []float64, decimals int) {
	length := math.Abs(s.to - s.from)
	for most := max(1, int(length/(2*em))); most > 0; most-- {
		values, decimals = ticks(s.lo, s.hi, most)
		widest := 0.0
		for _, v := range values {
			widest = max(widest, TextWidth(decimal(v, decimals), em, false))
		}
		if len(values) < 2 || s.at(values[1])-s.at(values[0]) >= widest+1.2*em {
			return values, decimals
		}
	}
	return values[:1], decimals
}

// roundStep is the least of 1, 2, 5 times a power of ten that is not below.
func roundStep(atLeast float64) (step float64, decimals int) {
	power := math.Floor(math.Log10(atLeast))
	base := math.Pow(10, power)
	for _, times := range []float64{1, 2, 5, 10} {
		if step = times * base; step >= atLeast*(1-1e-9) {
			if times == 10 {
				power++
			}
			break
		}
	}
	return step, int(max(0, -power))
}

// known gives the value of what exists and is a number.
func known(p *float64) (float64, bool) {
	if p == nil || math.IsNaN(*p) || math.IsInf(*p, 0) {
		return 0, false
	}
	return *p, true
}

func decimal(v float64, decimals int) string {
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	return text
}

// sided writes a value that is judged, with so many decimals or as many more as
// it takes for what is written to be judged alike: 1.5003 is not 1.50.
func sided(v float64, decimals int, judge func(float64) bool) string {
	for ; decimals < 9; decimals++ {
		text := decimal(v, decimals)
		if shown, err := strconv.ParseFloat(text, 64); err != nil || judge(shown) == judge(v) {
			return text
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// ratioText writes a ratio that complies up to a limit.
func ratioText(v, limit float64, decimals int) string {
	return sided(v, decimals, func(v float64) bool { return v <= limit })
}

// share writes a share as a percentage with as few decimals as it needs, at
// most two.
func share(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e4)/100, 'f', -1, 64) + "%"
}
