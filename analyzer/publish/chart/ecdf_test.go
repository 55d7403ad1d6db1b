package chart

import (
	"math"
	"slices"
	"testing"
)

// ecdfPair has packets of a floor with an exponential tail, and lost ones.
func ecdfPair(a, b string, floorUS, meanUS, limitUS float64, lost int64) ECDFPair {
	random := seeded()
	var rtts []int64
	for range 20_000 {
		rtts = append(rtts, int64(floorUS+meanUS*random.ExpFloat64()))
	}
	slices.Sort(rtts)
	p := ECDFPair{A: a, B: b, Packets: int64(len(rtts)) + lost, LimitUS: limitUS, Verdict: NonCompliant}
	for i, rtt := range rtts {
		if i+1 == len(rtts) || rtts[i+1] != rtt {
			p.Steps = append(p.Steps, ECDFStep{rtt, int64(i + 1)})
		}
	}
	if v, ok := p.quantile(0.95); ok && v*1e3 <= limitUS {
		p.Verdict = Compliant
	}
	return p
}

func ecdf(names []string) ECDF {
	return ECDF{
		Caption: Caption{"Pairs near to their limit", "Share of packets by RTT."}, Level: 0.95,
		XLabel: "RTT, ms", YLabel: "packets that came back by then, of all sent", LevelLabel: "p95", LimitLabel: "limit", UnboundedLabel: "∞", NoDataLabel: "no data",
		Pairs: []ECDFPair{
			ecdfPair(names[0], names[2], 14_200, 350, 15_310, 12),
			ecdfPair(names[1], names[3], 19_800, 700, 21_600, 500),
			ecdfPair(names[4], names[5], 3_900, 900, 4_450, 0),
			ecdfPair(names[6], names[7], 22_750, 120, 23_400, 1_400),
			{A: names[8], B: names[9], LimitUS: 8_250, Verdict: NotDemonstrated},
			ecdfPair(names[0], names[9], 13_000, 80, 12_400, 30),
		},
	}
}

func ecdfSamples(all map[string]Figure) {
	in := ecdf(english)
	all["ecdf"] = in.Figure()
	in.WidthPT = 300
	all["-ecdf-small"] = in.Figure()
	zh := ecdf(chinese)
	zh.XLabel, zh.YLabel, zh.LevelLabel, zh.LimitLabel, zh.NoDataLabel = "往返时延（ms）", "按时返回的报文占全部发送报文之比", "P95", "限值", "无数据"
	zh.Pairs = zh.Pairs[:3]
	all["ecdf-zh"] = zh.Figure()
	zh.Pairs = zh.Pairs[:1]
	all["-ecdf-one"] = zh.Figure()
	zh.Pairs = nil
	all["-ecdf-none"] = zh.Figure()
	odd := ecdf(english)
	odd.Pairs = []ECDFPair{
		{A: "one packet", B: "no limit", Steps: []ECDFStep{{10_000, 1}}, Packets: 1, Verdict: Compliant},
		{A: "all lost", B: "no limit", Packets: 100, Verdict: NonCompliant},
		{A: "same RTT", B: "at the limit", Steps: []ECDFStep{{10_000, 1000}}, Packets: 1000, LimitUS: 10_000, Verdict: Compliant},
		{A: "far", B: "away", Steps: []ECDFStep{{10_000, 10}, {3_000_000, 1000}}, Packets: 1000, LimitUS: 12_000, Verdict: NonCompliant},
	}
	all["-ecdf-odd"] = odd.Figure()
}

// TestCurveIsThinnedButTrue: a few hundred points stand for many thousands, and
// each of them is of the data.
func TestCurveIsThinnedButTrue(t *testing.T) {
	c := newCanvas(Size{})
	pair := ecdfPair("a", "b", 14_200, 350, 15_310, 12)
	p := &panel{canvas: c, in: ecdf(english), pair: pair, frame: box{30, 30, 230, 150}}
	p.x = p.span()
	points := p.curve()
	if len(points) > 400 || len(points) < 100 {
		t.Errorf("%d steps became %d points", len(pair.Steps), len(points))
	}
	for i := 1; i < len(points); i++ {
		if points[i].X < points[i-1].X || points[i].Y > points[i-1].Y {
			t.Fatalf("the curve goes back at %v", points[i])
		}
	}
	// Where the curve crosses the level, it is within a step's fineness.
	want, _ := pair.quantile(0.95)
	for i := 1; i < len(points); i++ {
		if points[i].Y <= p.y(0.95) {
			if math.Abs(points[i].X-p.x.at(want)) > 1 {
				t.Errorf("the curve reaches 95 %% at %.2f pt and not at %.2f", points[i].X, p.x.at(want))
			}
			break
		}
	}
}

// TestQuantileIsNearestRank for every number of packets: the 19th of 20 and the
// 20th of 21, and none where that many came back not.
func TestQuantileIsNearestRank(t *testing.T) {
	for n := int64(1); n <= 2000; n++ {
		p := ECDFPair{Packets: n}
		for i := int64(1); i <= n; i++ {
			p.Steps = append(p.Steps, ECDFStep{1000 * i, i})
		}
		want := (95*n + 99) / 100
		if got, ok := p.quantile(0.95); !ok || got != float64(want) {
			t.Fatalf("the p95 of %d packets is number %v, not %d", n, got, want)
		}
		p.Steps = p.Steps[:want-1]
		if got, ok := p.quantile(0.95); ok {
			t.Fatalf("of %d packets %d came back, and the p95 is %v", n, want-1, got)
		}
	}
}
