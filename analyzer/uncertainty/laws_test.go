package uncertainty

import (
	"math"
	"math/big"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// drawSome gives a few RTTs close together, far apart, often and rarely.
var drawSome = rapid.Custom(func(t *rapid.T) latency.Histogram {
	var d latency.Distribution
	for range rapid.IntRange(0, 6).Draw(t, "values") {
		us := rapid.OneOf(rapid.Uint32Range(0, 12), rapid.Uint32Range(4090, 4100), rapid.Uint32Range(8100, 8300)).Draw(t, "us")
		d.AddRTT(us, rapid.OneOf(rapid.Uint64Range(1, 4), rapid.Uint64Range(1, math.MaxUint32/16)).Draw(t, "n"))
	}
	return d.Histogram()
})

var statistics = []policy.Statistic{policy.P50, policy.P95, policy.P99, policy.Mean, policy.Min}

var drawDay = rapid.Custom(func(t *rapid.T) Day {
	few := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 3), rapid.Uint64Range(0, math.MaxUint32/16))
	d := Day{Timed: drawSome.Draw(t, "timed"), Missing: few.Draw(t, "missing")}
	if rapid.Bool().Draw(t, "bounded") {
		d.Bounds = drawSome.Draw(t, "bounds")
	}
	d.Timed = d.Timed.WithLost(few.Draw(t, "lost"))
	return d
})

func drawSpan(t *rapid.T, name string, low, high int64) Span {
	from := rapid.Int64Range(low, high).Draw(t, name)
	return Span{from, rapid.OneOf(rapid.Just(from), rapid.Int64Range(from, high)).Draw(t, name+" to")}
}

var drawInput = rapid.Custom(func(t *rapid.T) Input {
	in := Input{
		DistanceM:  drawSpan(t, "meters", 1, 3_000_000),
		ExtentsM:   rapid.SliceOfN(rapid.Int64Range(0, 100_000), 0, 2).Draw(t, "extents"),
		Statistic:  rapid.SampledFrom(statistics).Draw(t, "statistic"),
		Trials:     rapid.IntRange(1, 60).Draw(t, "trials"),
		FewerDays:  rapid.IntRange(0, 4).Draw(t, "fewer days"),
		Seed:       rapid.Uint64().Draw(t, "seed"),
		Confidence: big.NewRat(rapid.Int64Range(0, 99).Draw(t, "percent"), 100),
	}
	days := rapid.IntRange(1, 6).Draw(t, "days")
	for range rapid.IntRange(1, 2).Draw(t, "ends") {
		in.Ends = append(in.Ends, End{drawSpan(t, "delay", -20_000, 80_000), rapid.SliceOfN(drawDay, days, days).Draw(t, "days")})
	}
	return in
})

// simulate makes trials of what has any packet; nil of what has none.
func simulate(t *rapid.T, in Input) *Trials {
	trials, err := Simulate(in)
	if _, sent := in.sampled(); err != nil && sent {
		t.Fatal(err)
	}
	return trials
}

func TestIntervalIsThatOfTheDefinition(t *testing.T) {
	light := theory.InFibre()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput.Draw(t, "input")
		trials := simulate(t, in)
		if trials == nil {
			return
		}
		low, high, gaps := naive(in, light)
		for _, ratios := range append(low, high, gaps) {
			slices.SortFunc(ratios, Ratio.Compare)
		}
		for candidates := range 4 {
			candidates++
			// ⌊trials × (1 − percent/100) / (2 × candidates)⌋ in whole numbers.
			percent := new(big.Rat).Mul(in.Confidence, big.NewRat(100, 1)).Num().Int64()
			rank := max(1, in.Trials*(100-int(percent))/(200*candidates))
			want := Interval{low[0][rank-1], high[in.Trials-rank], gaps[in.Trials-rank]}
			for _, end := range low {
				want.Low = later(want.Low, end[rank-1])
			}
			measured := want.High // contained already, so nothing is widened
			if want.Gaps.Compare(want.High) < 0 {
				t.Fatalf("gaps %s are below %s", show(want.Gaps), show(want.High))
			}
			if diff := cmp.Diff(want.shown(), trials.Interval(light, candidates, measured).shown()); diff != "" {
				t.Fatalf("%d candidates (-want +got):\n%s", candidates, diff)
			}
		}
	})
}

// Their products differ in either half of 128 bits, up or down.
func TestRatiosCompareAsFractions(t *testing.T) {
	light := theory.InFibre()
	ratios := []ratio{{endless, 1}, {endless, 5}}
	for _, ns := range []uint64{0, 1, 2, 1 << 32, 1<<32 + 1, 1<<49 - 1, maxDelayNS - 1, maxDelayNS} {
		for _, meters := range []uint64{1, 2, 1 << 20, 1<<32 - 1, maxMeters - 1, maxMeters} {
			ratios = append(ratios, ratio{ns, meters})
		}
	}
	for _, a := range ratios {
		for _, b := range ratios {
			if got, want := a.compare(b), a.by(light).Compare(b.by(light)); got != want {
				t.Errorf("%v and %v compare as %d, their fractions as %d", a, b, got, want)
			}
		}
	}
}

func TestLaws(t *testing.T) {
	light := theory.InFibre()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput.Draw(t, "input")
		trials := simulate(t, in)
		if trials == nil {
			return
		}
		measured := Ratio{Unbounded: true}
		if rapid.Bool().Draw(t, "bounded") {
			measured = Ratio{Value: big.NewRat(rapid.Int64Range(0, 4000).Draw(t, "thousandths"), 1000)}
		}
		before := trials.Interval(light, 1, measured)
		for candidates := 2; candidates < 9; candidates++ {
			wider := trials.Interval(light, candidates, measured)
			if wider.Low.Compare(before.Low) > 0 || wider.High.Compare(before.High) < 0 || wider.Gaps.Compare(before.Gaps) < 0 {
				t.Fatalf("%d candidates have %v, one less %v", candidates, wider.shown(), before.shown())
			}
			before = wider
		}
		if before.Low.Compare(measured) > 0 || before.High.Compare(measured) < 0 || before.Gaps.Compare(before.High) < 0 {
			t.Fatalf("%v, measured %s", before.shown(), show(measured))
		}

		// A day on which nobody sent or should have changes nothing.
		same := in
		same.Ends = nil
		for _, end := range in.Ends {
			days := []Day{{}}
			for _, day := range end.Days {
				days = append(days, day, Day{})
			}
			same.Ends = append(same.Ends, End{end.DelayNS, days})
		}
		if diff := cmp.Diff(before.shown(), simulate(t, same).Interval(light, 8, measured).shown()); diff != "" {
			t.Fatalf("with days without packets (-want +got):\n%s", diff)
		}
	})
}

// Whoever keeps a day back is no surer for it, however bad the day was.
func TestSilenceMakesNothingSurer(t *testing.T) {
	light := theory.InFibre()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput.Draw(t, "input")
		silent := in
		day := rapid.IntRange(0, len(in.Ends[0].Days)-1).Draw(t, "day")
		silent.Ends = nil
		for _, end := range in.Ends {
			days := slices.Clone(end.Days)
			days[day] = Day{Missing: days[day].Missing + days[day].Timed.Received() + days[day].Timed.Lost() + days[day].Bounds.Received()}
			silent.Ends = append(silent.Ends, End{end.DelayNS, days})
		}
		before, after := simulate(t, in), simulate(t, silent)
		if before == nil || after == nil {
			return
		}
		measured := Ratio{Value: new(big.Rat)}
		if b, a := before.Interval(light, 1, measured).Gaps, after.Interval(light, 1, measured).Gaps; a.Compare(b) < 0 {
			t.Fatalf("without day %d gaps fall from %s to %s", day, show(b), show(a))
		}
	})
}

// However many run at once, and on however many processors.
func TestSameEverywhere(t *testing.T) {
	in := month(false)
	in.Trials = 500
	interval := func() shown {
		trials, err := Simulate(in)
		if err != nil {
			t.Error(err)
			return shown{}
		}
		return trials.Interval(theory.InFibre(), 3, Ratio{Value: big.NewRat(5, 4)}).shown()
	}
	want := interval()
	for _, processors := range []int{1, 4} {
		previous := runtime.GOMAXPROCS(processors)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if diff := cmp.Diff(want, interval()); diff != "" {
					t.Errorf("on %d processors (-want +got):\n%s", processors, diff)
				}
			})
		}
		group.Wait()
		runtime.GOMAXPROCS(previous)
	}
}
