package chart

import (
	"testing"

	"pgregory.net/rapid"
)

// drawn gives inputs that nobody would make by hand.
type drawn struct{ *rapid.T }

func (d drawn) size() Size {
	return Size{WidthPT: rapid.Float64Range(100, 700).Draw(d.T, "width"), TextPT: rapid.Float64Range(5, 12).Draw(d.T, "text")}
}

func (d drawn) word() string {
	return rapid.OneOf(rapid.SampledFrom(english), rapid.SampledFrom(chinese), rapid.StringN(0, 30, -1)).Draw(d.T, "word")
}

func (d drawn) times() *float64 {
	return rapid.OneOf(
		rapid.Just[*float64](nil), rapid.Map(rapid.Float64Range(0.5, 3), ptr[float64]), rapid.Map(rapid.Float64(), ptr[float64]),
	).Draw(d.T, "times")
}

func (d drawn) share() *float64 {
	return rapid.OneOf(rapid.Just[*float64](nil), rapid.Map(rapid.Float64Range(0, 1), ptr[float64])).Draw(d.T, "share")
}

func (d drawn) us() *float64 {
	return rapid.OneOf(rapid.Just[*float64](nil), rapid.Map(rapid.Float64Range(100, 1e5), ptr[float64])).Draw(d.T, "us")
}

func (d drawn) verdict() Verdict {
	return rapid.SampledFrom([]Verdict{Compliant, NonCompliant, NotDemonstrated, "?"}).Draw(d.T, "verdict")
}

func (d drawn) n(least, most int) int { return rapid.IntRange(least, most).Draw(d.T, "n") }
func (d drawn) yes() bool             { return rapid.Bool().Draw(d.T, "yes") }

func (d drawn) ranked() []Figure {
	in := Ranked{Size: d.size(), Limit: 1.5, Decimals: d.n(0, 4), AxisLabel: d.word(), LimitLabel: d.word(), UnboundedLabel: "∞", NoRatioLabel: d.word(), IntervalLabel: d.word(), BeyondLabel: d.word(), Verdicts: wordsZH}
	for range d.n(0, 12) {
		in.Rows = append(in.Rows, RankedRow{A: d.word(), B: d.word(), Ratio: d.times(), Low: d.times(), High: d.times(), LowUnbounded: d.yes(), HighUnbounded: d.yes(), Unbounded: d.yes(), Verdict: d.verdict(), Note: d.word()})
	}
	return in.Figures(d.n(1, 8))
}

func (d drawn) trend() []Figure {
	in := Trend{Size: d.size(), Decimals: d.n(0, 2), AxisLabel: d.word(), RateLabel: d.word(), BandLabel: d.word(), TargetLabel: d.word()}
	for i := range d.n(0, 13) {
		m := TrendMonth{Year: 2024 + i/5, Month: i%12 + 1, Total: d.n(0, 45), Target: d.share()}
		m.Compliant = d.n(0, m.Total)
		if d.yes() {
			m.Proven, m.Possible = ptr(d.n(0, m.Compliant)), ptr(d.n(m.Compliant, m.Total))
		}
		in.Months = append(in.Months, m)
	}
	return []Figure{in.Figure()}
}

func (d drawn) ecdf() []Figure {
	in := ECDF{Size: d.size(), Level: 0.95, XLabel: d.word(), YLabel: d.word(), LevelLabel: "p95", LimitLabel: "limit", UnboundedLabel: "∞", NoDataLabel: d.word()}
	for range d.n(0, 6) {
		pair := ECDFPair{A: d.word(), B: d.word(), LimitUS: float64(d.n(0, 40_000)), Verdict: d.verdict()}
		rtt := int64(d.n(0, 30_000))
		for range d.n(0, 20) {
			rtt += int64(d.n(1, 3000))
			pair.Packets += int64(d.n(1, 500))
			pair.Steps = append(pair.Steps, ECDFStep{rtt, pair.Packets})
		}
		pair.Packets += int64(d.n(0, 100))
		in.Pairs = append(in.Pairs, pair)
	}
	return []Figure{in.Figure()}
}

func (d drawn) heat() []Figure {
	in := Heat{Size: d.size(), DayLabel: d.word(), HourLabel: d.word(), ShareLabel: d.word(), NoDataLabel: d.word()}
	for range d.n(0, 31) {
		day := HeatDay{Label: d.word()}
		for h := range 4 {
			day.Shares[6*h+d.n(0, 5)] = d.share()
		}
		in.Days = append(in.Days, day)
	}
	return []Figure{in.Figure()}
}

func (d drawn) matrix() []Figure {
	in := Matrix{Size: d.size(), Limit: 1.5, Decimals: d.n(0, 3), UnboundedLabel: "∞", NoRatioLabel: "–", Verdicts: wordsEN}
	n := d.n(0, 30)
	for range n {
		in.Names = append(in.Names, d.word())
	}
	for range d.n(0, 40) {
		in.Cells = append(in.Cells, MatrixCell{A: d.n(-1, n), B: d.n(-1, n), Ratio: d.times(), Unbounded: d.yes(), Verdict: d.verdict()})
	}
	return []Figure{in.Figure()}
}

func (d drawn) clusters() []Figure {
	in := Map{Size: d.size(), Verdicts: wordsEN}
	for range d.n(0, 15) {
		in.Clusters = append(in.Clusters, MapCluster{d.word(), rapid.Float64Range(-90, 90).Draw(d.T, "lat"), rapid.Float64Range(-180, 180).Draw(d.T, "lon")})
	}
	for range d.n(0, 30) {
		in.Links = append(in.Links, MapLink{d.n(-1, 15), d.n(0, 16), d.verdict()})
	}
	return []Figure{in.Figure()}
}

func (d drawn) bands() []Figure {
	in := Bands{Size: d.size(), LimitUS: float64(d.n(0, 40_000)), AxisLabel: d.word(), P95Label: d.word(), BeyondLabel: d.word(), NoDataLabel: d.word()}
	for range d.n(0, 31) {
		in.Days = append(in.Days, BandDay{d.word(), d.us(), d.us(), d.us(), d.us()})
	}
	return []Figure{in.Figure()}
}

// TestWhateverIsDrawnIsSound: of any size and any data, also such as make no
// sense.
func TestWhateverIsDrawnIsSound(t *testing.T) {
	for name, draw := range map[string]func(drawn) []Figure{
		"ranked": drawn.ranked, "trend": drawn.trend, "ecdf": drawn.ecdf, "heat": drawn.heat, "matrix": drawn.matrix, "map": drawn.clusters, "bands": drawn.bands,
	} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			for _, f := range draw(drawn{t}) {
				for _, fault := range append(outside(f), overlaps(f)...) {
					t.Error(fault)
				}
			}
		}))
	}
}
