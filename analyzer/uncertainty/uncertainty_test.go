package uncertainty

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// perKM makes a ratio of 1 out of 10 µs over 1 000 m.
func perKM() theory.Light { return theory.WithDelay(big.NewRat(5, 1)) }

// packets are so many of each RTT in µs.
type packets map[uint32]uint64

func distribution(received packets, lost uint64) latency.Histogram {
	var d latency.Distribution
	for us, n := range received {
		d.AddRTT(us, n)
	}
	d.AddLost(lost)
	return d.Histogram()
}

func show(r Ratio) string {
	if r.Unbounded {
		return "∞"
	}
	return r.Value.RatString()
}

type shown struct{ Low, High, Gaps string }

func (i Interval) shown() shown { return shown{show(i.Low), show(i.High), show(i.Gaps)} }

// The five numbers that Rosetta Code gives for this seed, and the first three
// of the seed 0; both also by the C of the generator's page.
func TestSplitMix64(t *testing.T) {
	for seed, want := range map[uint64][]uint64{
		1234567: {6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821},
		0:       {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f},
	} {
		random := splitMix64(seed)
		var got []uint64
		for range want {
			got = append(got, random.next())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

// The same five numbers as shares of 2⁶⁴: 0.3501, 0.1736, 0.5322, 0.2490, 0.8895.
func TestDraw(t *testing.T) {
	for _, c := range []struct {
		span Span
		want []int64
	}{
		{Span{0, 1}, []int64{0, 0, 1, 0, 1}},
		{Span{7, 7}, []int64{7, 7, 7, 7, 7}},
		{Span{-50, 49}, []int64{-15, -33, 3, -26, 38}},
		{Span{0, 1000}, []int64{350, 173, 532, 249, 890}},
	} {
		random := splitMix64(1234567)
		var got []int64
		for range c.want {
			got = append(got, random.within(c.span))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.span, diff)
		}
	}
}

// TestByHand goes through four trials over two days. Of each trial the
// generator gives five numbers; by the seed 1234567 they draw
//
//	days  of 1001 ns  of 3 m  of ±1 m
//	0 0   532         0       +1
//	0 1   275         1       +1
//	0 0   601         0        0
//	0 1     8         1       −1
//
// Without a confidence the second smallest and the second largest of four
// count.
func TestByHand(t *testing.T) {
	one := End{
		DelayNS: Span{0, 1000},
		Days: []Day{
			{Timed: distribution(packets{10: 1}, 0), Bounds: distribution(packets{14: 2}, 0)},
			{Timed: distribution(packets{20: 1}, 1), Missing: 2},
		},
	}
	exact := func(days ...Day) End { return End{Days: days} }
	full, empty := Day{Timed: distribution(packets{10: 1}, 0)}, Day{Timed: distribution(nil, 0)}
	for _, c := range []struct {
		name      string
		ends      []End
		statistic policy.Statistic
		distance  Span
		extents   []int64
		want      shown
	}{
		// The distances are 1001, 1002, 1000 and 1000 m. In µs, low is 0 10 0 10,
		// high 14 each time, gaps 14 20 14 20. So high is 13468/10010,
		// 13725/10020, 13399/10000, 13992/10000, of which the second largest is
		// the second, and so is that of gaps, 19725/10020.
		{"percentile", []End{one}, policy.P50, Span{1000, 1002}, []int64{1}, shown{"0", "915/668", "1315/668"}},
		// Low is 20/6 or 30/4, so 3 8 3 8; high is 76/6 or 58/4, so 13 15 13 15:
		// 2468/10010 above 2399/10000, 14725/10020 below 14992/10000.
		{"mean", []End{one}, policy.Mean, Span{1000, 1002}, []int64{1}, shown{"1234/5005", "2945/2004", "∞"}},
		// High is 10 each time: 9725/10020 below 9992/10000.
		{"min", []End{one}, policy.Min, Span{1000, 1002}, []int64{1}, shown{"0", "1945/2004", "∞"}},
		// The third number of each trial is the first end's delay, the fourth
		// the second's, the fifth the distance. Trials 1 and 3 draw no packet
		// of the second end.
		{"an end without packets", []End{exact(full, full), exact(empty, Day{Timed: distribution(packets{30: 1}, 0)})}, policy.P95, Span{1000, 1000}, nil, shown{"1", "∞", "∞"}},
		// Trials 2 and 4 draw the one packet that is missing.
		{"one packet missing", []End{exact(full, Day{Timed: full.Timed, Missing: 1})}, policy.Mean, Span{1000, 1000}, nil, shown{"1", "1", "∞"}},
		// The extent makes 5, 5, 0 and −4 m of 1 m, the last two taken as 1 m.
		{"a road of no length", []End{exact(full, full)}, policy.P95, Span{1, 1}, []int64{5}, shown{"200", "1000", "1000"}},
	} {
		trials, err := Simulate(Input{
			Ends: c.ends, DistanceM: c.distance, ExtentsM: c.extents,
			Statistic: c.statistic, Trials: 4, Seed: 1234567, Confidence: new(big.Rat),
		})
		if err != nil {
			t.Fatal(err)
		}
		within := trials.low[0][1].by(perKM())
		if diff := cmp.Diff(c.want, trials.Interval(perKM(), 1, within).shown()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Of one day every trial is that day: nothing is left to chance.
func TestNearestRank(t *testing.T) {
	hundred := packets{}
	for us := range uint32(100) {
		hundred[us+1] = 1
	}
	for _, c := range []struct {
		received packets
		lost     uint64
		want     map[policy.Statistic]string // in µs over 1 µs
	}{
		{hundred, 0, map[policy.Statistic]string{policy.P50: "50", policy.P95: "95", policy.P99: "99", policy.Mean: "51", policy.Min: "1"}},
		{hundred, 1, map[policy.Statistic]string{policy.P50: "51", policy.P95: "96", policy.P99: "100", policy.Mean: "51", policy.Min: "1"}},
		{hundred, 2, map[policy.Statistic]string{policy.P50: "51", policy.P95: "97", policy.P99: "∞", policy.Mean: "51", policy.Min: "1"}},
		{packets{3: 1, 4: 2}, 3, map[policy.Statistic]string{policy.P50: "4", policy.P95: "∞", policy.P99: "∞", policy.Mean: "4", policy.Min: "3"}},
		{nil, 1, map[policy.Statistic]string{policy.P50: "∞", policy.P95: "∞", policy.P99: "∞", policy.Mean: "∞", policy.Min: "∞"}},
	} {
		for statistic, want := range c.want {
			trials, err := Simulate(Input{
				Ends: []End{{Days: []Day{{Timed: distribution(c.received, c.lost)}}}}, DistanceM: Span{100, 100},
				Statistic: statistic, Trials: 3, Confidence: big.NewRat(19, 20),
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shown{want, want, want}, trials.Interval(perKM(), 1, trials.low[0][0].by(perKM())).shown()); diff != "" {
				t.Errorf("%s of %v and %d lost (-want +got):\n%s", statistic, c.received, c.lost, diff)
			}
		}
	}
}

func TestWidenedToContainWhatWasMeasured(t *testing.T) {
	trials := &Trials{
		n: 100, confidence: big.NewRat(96, 100),
		low:  [][]ratio{{{10_000, 1000}, {20_000, 1000}}, {{0, 1000}, {25_000, 1250}}, {{9_000, 1000}, {11_000, 1000}}},
		high: []ratio{{60_000, 1000}, {50_000, 1000}},
		gaps: []ratio{{endless, 1000}, {70_000, 1000}},
	}
	whole := func(n int64) Ratio { return Ratio{Value: big.NewRat(n, 1)} }
	for _, c := range []struct {
		candidates int
		measured   Ratio
		want       shown
	}{
		{1, whole(3), shown{"2", "5", "7"}},
		{2, whole(3), shown{"1", "6", "∞"}},
		{3, whole(3), shown{"1", "6", "∞"}}, // a rank of less than 1 is 1
		{1, whole(1), shown{"1", "5", "7"}},
		{1, whole(6), shown{"2", "6", "7"}},
		{1, whole(8), shown{"2", "8", "8"}},
		{1, Ratio{Unbounded: true}, shown{"2", "∞", "∞"}},
	} {
		if diff := cmp.Diff(c.want, trials.Interval(perKM(), c.candidates, c.measured).shown()); diff != "" {
			t.Errorf("%d candidates, measured %s (-want +got):\n%s", c.candidates, show(c.measured), diff)
		}
	}
}

// The largest counts and RTTs that there can be: their sum needs more than 64
// bits.
func TestLargestCounts(t *testing.T) {
	const most = math.MaxUint32
	day := Day{Timed: distribution(packets{most: most - 1}, 1)}
	days := []Day{day, day, day}
	for _, statistic := range statistics {
		trials, err := Simulate(Input{
			Ends: []End{{Days: days}}, DistanceM: Span{1, 1}, Statistic: statistic, Trials: 1, Confidence: new(big.Rat),
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ratio{most * 1000, 1}, trials.high[0], cmp.AllowUnexported(ratio{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", statistic, diff)
		}
	}
}

func TestInputThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"no end":              {func(in *Input) { in.Ends = nil }, "no end is given"},
		"more days":           {func(in *Input) { in.FewerDays = -1 }, "-1 days fewer; allowed: 0 and more"},
		"no trials":           {func(in *Input) { in.Trials = 0 }, "0 trials; allowed: 1 and more"},
		"another statistic":   {func(in *Input) { in.Statistic = "p90" }, `statistic "p90" is not known`},
		"no confidence":       {func(in *Input) { in.Confidence = nil }, "confidence <nil>; allowed: a share from 0 to below 1"},
		"certainty":           {func(in *Input) { in.Confidence = big.NewRat(1, 1) }, "confidence 1/1; allowed: a share from 0 to below 1"},
		"less than nothing":   {func(in *Input) { in.Confidence = big.NewRat(-1, 20) }, "confidence -1/20; allowed: a share from 0 to below 1"},
		"no distance":         {func(in *Input) { in.DistanceM = Span{} }, "distance in m from 0 to 0; allowed: ascending, within 1 to 1000000000000"},
		"descending distance": {func(in *Input) { in.DistanceM = Span{9, 8} }, "distance in m from 9 to 8; allowed: ascending, within 1 to 1000000000000"},
		"long road":           {func(in *Input) { in.DistanceM.High = math.MaxInt64 }, "distance in m from 1000 to 9223372036854775807; allowed: ascending, within 1 to 1000000000000"},
		"extent":              {func(in *Input) { in.ExtentsM = []int64{-1} }, "extent of -1 m; allowed: 0 to 1000000000000"},
		"delay":               {func(in *Input) { in.Ends[0].DelayNS = Span{math.MinInt64, math.MaxInt64} }, "end 0: delay in ns from -9223372036854775808 to 9223372036854775807; allowed: ascending, within -1000000000000000 to 1000000000000000"},
		"other days":          {func(in *Input) { in.Ends[1].Days = in.Ends[1].Days[:1] }, "end 1: 1 days, but 2 at the first end; give a day without packets as an empty one"},
		"lost bounds":         {func(in *Input) { in.Ends[1].Days[1].Bounds = distribution(nil, 3) }, "end 1: day 1: 3 lost packets among the bounds; a loss is none, count it among the timed ones"},
		"too many packets":    {func(in *Input) { in.Ends[0].Days[0].Missing = math.MaxUint32 }, "end 0: day 0: more than 4294967295 packets"},
		"far too many":        {func(in *Input) { in.Ends[0].Days[0].Missing = math.MaxUint64 }, "end 0: day 0: more than 4294967295 packets"},
		"nothing measured":    {func(in *Input) { in.Ends = []End{{Days: []Day{{Missing: 9}, {}}}} }, "no end sent a packet on any day"},
	} {
		days := func() []Day {
			return []Day{{Timed: distribution(packets{10: 1}, 0)}, {Timed: distribution(packets{20: 1}, 1)}}
		}
		in := Input{
			Ends: []End{{Days: days()}, {Days: days()}}, DistanceM: Span{1000, 1000},
			Statistic: policy.P95, Trials: 1, Confidence: big.NewRat(19, 20),
		}
		c.change(&in)
		if _, err := Simulate(in); err == nil || err.Error() != "simulate a link: "+c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestNoFloatingPoint(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		read++
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if n.Kind == token.FLOAT || n.Kind == token.IMAG {
					t.Errorf("%s: %s", fset.Position(n.Pos()), n.Value)
				}
			case *ast.Ident:
				if strings.Contains(strings.ToLower(n.Name), "float") || strings.HasPrefix(n.Name, "complex") {
					t.Errorf("%s: %s", fset.Position(n.Pos()), n.Name)
				}
			}
			return true
		})
	}
	if read == 0 {
		t.Error("no file of the package was found")
	}
}

// naive makes the trials by the definition: it merges the drawn days and asks
// package latency.
func naive(in Input, light theory.Light) (low [][]Ratio, high, gaps []Ratio) {
	low = make([][]Ratio, len(in.Ends))
	random := splitMix64(in.Seed)
	draw := func(low, high int64) int64 {
		n := new(big.Int).SetInt64(high - low + 1)
		n.Mul(n, new(big.Int).SetUint64(random.next()))
		return low + n.Rsh(n, 64).Int64()
	}
	var days []int
	for d := range in.Ends[0].Days {
		for _, end := range in.Ends {
			if day := &end.Days[d]; day.Timed.Received()+day.Timed.Lost()+day.Bounds.Received()+day.Missing > 0 {
				days = append(days, d)
				break
			}
		}
	}
	for range in.Trials {
		var drawn []int
		for range max(1, len(days)-in.FewerDays) {
			drawn = append(drawn, days[draw(0, int64(len(days)-1))])
		}
		worst := []*big.Rat{new(big.Rat), new(big.Rat)} // as it is and with gaps; nil for +∞
		var alone []*big.Rat                            // the bounds as 0
		for _, end := range in.Ends {
			delay := big.NewRat(draw(end.DelayNS.Low, end.DelayNS.High), 1000)
			sides := []*big.Rat{nil, nil, nil}
			for i, rtt := range merged(end, drawn, in.Statistic) {
				if !rtt.Unbounded {
					us := new(big.Rat).SetInt64(rtt.US)
					if sides[i] = us.Sub(us, delay); us.Sign() < 0 {
						us.SetInt64(0)
					}
				}
			}
			alone = append(alone, sides[0])
			for i, us := range sides[1:] {
				if us == nil || worst[i] == nil {
					worst[i] = nil
				} else if us.Cmp(worst[i]) > 0 {
					worst[i] = us
				}
			}
		}
		meters := draw(in.DistanceM.Low, in.DistanceM.High)
		for _, extent := range in.ExtentsM {
			meters += draw(-extent, extent)
		}
		ratio := func(us *big.Rat) Ratio {
			if us == nil {
				return Ratio{Unbounded: true}
			}
			return Ratio{Value: new(big.Rat).Quo(us, light.RTTUS(max(meters, 1)))}
		}
		for e, us := range alone {
			low[e] = append(low[e], ratio(us))
		}
		high, gaps = append(high, ratio(worst[0])), append(gaps, ratio(worst[1]))
	}
	return low, high, gaps
}

func merged(end End, drawn []int, statistic policy.Statistic) [3]latency.RTT {
	var low, high, gaps latency.Distribution
	missing := uint64(0)
	for _, d := range drawn {
		day := end.Days[d]
		low.AddHistogram(day.Timed)
		low.AddRTT(0, day.Bounds.Received())
		high.AddHistogram(day.Timed)
		high.AddHistogram(day.Bounds)
		missing += day.Missing
	}
	if high.Packets() == 0 {
		return [3]latency.RTT{{}, {Unbounded: true}, {Unbounded: true}}
	}
	gaps.Merge(&high)
	gaps.AddLost(missing)
	of := func(d *latency.Distribution) (rtt latency.RTT) {
		switch statistic {
		case policy.P50:
			rtt, _ = d.Percentile(50)
		case policy.P95:
			rtt, _ = d.Percentile(95)
		case policy.P99:
			rtt, _ = d.Percentile(99)
		case policy.Mean:
			rtt, _ = d.Mean()
		case policy.Min:
			rtt, _ = d.Min()
		}
		return rtt
	}
	sides := [3]latency.RTT{of(&low), of(&high), of(&gaps)}
	if missing > 0 && (statistic == policy.Mean || statistic == policy.Min) {
		sides[2] = latency.RTT{Unbounded: true}
	}
	return sides
}
