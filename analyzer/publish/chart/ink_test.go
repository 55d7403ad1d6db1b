package chart

import (
	"math"
	"testing"
)

// luminance of WCAG 2.1.
func luminance(c RGB) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

func contrast(a, b RGB) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TestContrast: text 4.5:1 to what it stands on, lines that mean something 3:1
// (WCAG 2.1, 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	for _, theme := range []Theme{Paper, Dark} {
		for _, c := range []struct {
			on, of Ink
			least  float64
		}{
			{InkPaper, InkText, 7}, {InkPaper, InkFaint, 4.5}, {InkPaper, InkLimit, 7}, {InkPaper, InkAccent, 4.5},
			{InkPaper, InkCompliant, 3}, {InkPaper, InkNonCompliant, 3}, {InkPaper, InkUndecided, 3}, {InkPaper, InkFrame, 3},
			{InkCompliantSoft, InkText, 7}, {InkNonCompliantSoft, InkText, 7}, {InkUndecidedSoft, InkText, 7}, {InkAccentSoft, InkText, 7},
			{InkCompliantSoft, InkCompliant, 3}, {InkNonCompliantSoft, InkNonCompliant, 3}, {InkUndecidedSoft, InkUndecided, 3},
		} {
			if got := contrast(theme.Colour(c.on), theme.Colour(c.of)); got < c.least {
				t.Errorf("theme %d: %s on %s has a contrast of %.2f, less than %v", theme, c.of, c.on, got, c.least)
			}
		}
	}
}

// TestHeatIsReadableInGrey: each step is darker than the one before, on a dark
// page lighter, by what an eye tells apart.
func TestHeatIsReadableInGrey(t *testing.T) {
	steps := []Ink{InkHeat0, InkHeat1, InkHeat2, InkHeat3, InkHeat4, InkHeat5}
	for i := 1; i < len(steps); i++ {
		for _, theme := range []Theme{Paper, Dark} {
			a, b := luminance(theme.Colour(steps[i-1])), luminance(theme.Colour(steps[i]))
			if theme == Dark {
				a, b = b, a
			}
			if (a+0.05)/(b+0.05) < 1.15 {
				t.Errorf("theme %d: %s and %s have luminances of %.3f and %.3f", theme, steps[i-1], steps[i], a, b)
			}
		}
	}
}
