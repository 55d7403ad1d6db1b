package chart

import (
	"fmt"
	"testing"
)

func bands() Bands {
	random := seeded()
	in := Bands{
		Caption: Caption{"RTT by day", "Percentiles of each day."}, LimitUS: 15_310,
		AxisLabel: "RTT, ms", P95Label: "p95", P50Label: "p50", InnerLabel: "p50 to p95", OuterLabel: "shortest to p99",
		LimitLabel: "limit", BeyondLabel: "p95 beyond the axis or endless", NoDataLabel: "no data",
	}
	for i := range 31 {
		base := 14_100.0
		if i > 18 {
			base = 14_450
		}
		d := BandDay{Label: fmt.Sprint(i + 1), MinUS: ptr(base), P50US: ptr(base + 120 + 60*random.Float64()), P95US: ptr(base + 500 + 500*random.Float64()), P99US: ptr(base + 1200 + 900*random.Float64())}
		switch i {
		case 8, 9, 24:
			d = BandDay{Label: d.Label}
		case 12:
			d.P95US, d.P99US = nil, nil
		case 13:
			d.P95US, d.P99US = ptr(19_000.0), nil
		}
		in.Days = append(in.Days, d)
	}
	return in
}

func bandsSamples(all map[string]Figure) {
	in := bands()
	all["bands"] = in.Figure()
	zh := bands()
	zh.AxisLabel, zh.P95Label, zh.P50Label, zh.InnerLabel, zh.OuterLabel = "往返时延（ms）", "P95", "中位数", "中位数至 P95", "最小值至 P99"
	zh.LimitLabel, zh.BeyondLabel, zh.NoDataLabel = "限值", "P95 超出坐标或无界", "无数据"
	zh.WidthPT = 300
	all["-bands-small"] = zh.Figure()
	in.Days = in.Days[:1]
	all["-bands-one"] = in.Figure()
	in.Days, in.LimitUS = nil, 0
	all["-bands-none"] = in.Figure()
	lost := bands()
	for i := range lost.Days {
		lost.Days[i] = BandDay{Label: lost.Days[i].Label, MinUS: ptr(14_000.0)}
	}
	all["-bands-lost"] = lost.Figure()
	small := bands()
	small.WidthPT, small.TextPT = 230, 7
	small.BeyondLabel, small.NoDataLabel, small.InnerLabel, small.OuterLabel, small.P50Label = "", "", "", "", ""
	var parts []Figure
	for range 5 {
		parts = append(parts, small.Figure())
	}
	all["-bands-tiled"] = Tile(Caption{"Five links", "Percentiles by day."}, 2, 20, parts...)
	all["-tiled-none"] = Tile(Caption{}, 0, 10)
}

// TestBandsShowEveryEndlessDay by an arrow, also the one above the axis.
func TestBandsShowEveryEndlessDay(t *testing.T) {
	in := bands()
	in.BeyondLabel = ""
	heads := 0
	for _, m := range in.Figure().Marks {
		if p, ok := m.(Path); ok && p.Fill == InkNonCompliant {
			heads += len(p.Parts)
		}
	}
	if heads != 2 {
		t.Errorf("%d days are marked as beyond, not 2", heads)
	}
}

// TestTileMovesAndKeeps: every mark of every part is there, and the parts
// themselves are as they were.
func TestTileMovesAndKeeps(t *testing.T) {
	part := sampler()
	before := part.SVG("x")
	all := Tile(Caption{"a", "b"}, 2, 10, part, part, part)
	if all.Width != 210 || all.Height != 131 || len(all.Marks) != 3*len(part.Marks) {
		t.Errorf("%v x %v with %d marks", all.Width, all.Height, len(all.Marks))
	}
	if c, ok := all.Marks[2*len(part.Marks)+2].(Circle); !ok || c.Center != (Point{50, 100.5}) {
		t.Errorf("the third part has its circle as %v", all.Marks[2*len(part.Marks)+2])
	}
	if part.SVG("x") != before {
		t.Error("a part was changed")
	}
}
