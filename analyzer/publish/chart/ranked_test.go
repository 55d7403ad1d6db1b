package chart

import (
	"fmt"
	"testing"
)

func rankedRows(names []string, note string) []RankedRow {
	random := seeded()
	var rows []RankedRow
	for i, a := range names {
		for _, b := range names[i+1:] {
			ratio := 1.08 + 0.62*random.Float64()*random.Float64() + 0.1*random.Float64()
			r := RankedRow{A: a, B: b, Ratio: &ratio, Low: ptr(ratio - 0.08*random.Float64()), High: ptr(ratio + 0.12*random.Float64()), Verdict: judged(ratio)}
			switch len(rows) {
			case 3:
				r = RankedRow{A: a, B: b, Unbounded: true, Low: ptr(1.4), HighUnbounded: true, Verdict: NonCompliant}
			case 7:
				r = RankedRow{A: a, B: b, Verdict: NotDemonstrated, Note: note}
			case 11:
				r = RankedRow{A: a, B: b, Low: ptr(1.2), High: ptr(1.62), Verdict: NotDemonstrated}
			case 13:
				r.HighUnbounded, r.High = true, nil
			case 17:
				r.Ratio, r.Low, r.High, r.Verdict = ptr(3.71), ptr(3.1), ptr(4.2), NonCompliant
			case 19:
				r.Verdict = NotDemonstrated
			case 23:
				r = RankedRow{A: a, B: b, Unbounded: true, LowUnbounded: true, HighUnbounded: true, Verdict: NonCompliant}
			case 29:
				r.Ratio, r.Low, r.High, r.Verdict = ptr(1.5003), ptr(1.47), ptr(1.53), NonCompliant
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func rankedEN() Ranked {
	return Ranked{
		Caption:   Caption{"Ratios of 45 pairs", "One row for each pair."},
		Rows:      rankedRows(english, "no link of both clusters is measured"),
		Limit:     1.5,
		Decimals:  3,
		AxisLabel: "p95 of the RTT over the theoretical RTT", LimitLabel: "limit 1.5", UnboundedLabel: "∞",
		NoRatioLabel: "Without a ratio", IntervalLabel: "interval at 95 %", BeyondLabel: "beyond the axis",
		Verdicts: wordsEN,
	}
}

func rankedZH() Ranked {
	in := rankedEN()
	in.Rows = rankedRows(chinese, "判定期内无测量窗口")
	in.AxisLabel, in.LimitLabel, in.NoRatioLabel = "往返时延 P95 与理论时延之比", "限值 1.5", "无比值的集群对"
	in.IntervalLabel, in.BeyondLabel, in.Verdicts = "95% 置信区间", "超出坐标范围", wordsZH
	return in
}

func rankedSamples(all map[string]Figure) {
	in := rankedEN()
	all["ranked"] = in.Figure()
	all["ranked-zh"] = rankedZH().Figure()
	small := rankedZH()
	small.WidthPT = 300
	all["-ranked-zh-small"] = small.Figure()
	in.WidthPT = 300
	all["-ranked-small"] = in.Figure()
	one := rankedEN()
	one.Rows = one.Rows[:1]
	all["-ranked-one"] = one.Figure()
	one.Rows = nil
	all["-ranked-none"] = one.Figure()
	endless := rankedZH()
	for i := range endless.Rows {
		r := endless.Rows[i]
		endless.Rows[i] = RankedRow{A: r.A, B: r.B, Unbounded: true, Verdict: NonCompliant}
	}
	all["-ranked-unbounded"] = endless.Figure()
	silent := rankedEN()
	for i := range silent.Rows {
		r := silent.Rows[i]
		silent.Rows[i] = RankedRow{A: r.A, B: r.B, Verdict: NotDemonstrated, Note: "too few packets on 12 of 30 days, which is more than the policy excuses"}
	}
	all["-ranked-silent"] = silent.Figure()
	many := rankedEN()
	many.Rows = nil
	random := seeded()
	for i := range 200 {
		ratio := 0.7 + random.ExpFloat64()*0.5
		many.Rows = append(many.Rows, RankedRow{A: fmt.Sprint("cluster ", i), B: "centre", Ratio: &ratio, Verdict: judged(ratio)})
	}
	all["-ranked-many"] = many.Figure()
	for i, f := range many.Figures(60) {
		all[fmt.Sprint("-ranked-many-", i)] = f
	}
}

// TestRankedShowsEveryPair in the order of the ratios.
func TestRankedShowsEveryPair(t *testing.T) {
	in := rankedZH()
	words := wordsOf(in.Figure())
	for _, r := range in.Rows {
		if words[r.A+" – "+r.B] != 1 {
			t.Errorf("%s – %s stands there %d times", r.A, r.B, words[r.A+" – "+r.B])
		}
	}
	if words["1.5003"] != 1 {
		t.Error("1.5003 is not written as being above 1.5")
	}
}

// TestRankedPages: what does not fit on one page stands on the next, by the
// same axis.
func TestRankedPages(t *testing.T) {
	in := rankedZH()
	pages := in.Figures(20)
	if len(pages) != 3 {
		t.Fatalf("%d pages", len(pages))
	}
	rows := 0
	for _, r := range in.Rows {
		for _, page := range pages {
			rows += wordsOf(page)[r.A+" – "+r.B]
		}
	}
	if rows != 45 {
		t.Errorf("%d rows on all pages", rows)
	}
	limit := func(f Figure) float64 {
		for _, m := range f.Marks {
			if p, ok := m.(Path); ok && p.Stroke.Ink == InkLimit {
				return p.Parts[0][0].X
			}
		}
		return -1
	}
	if limit(pages[0]) != limit(pages[1]) {
		t.Errorf("the limit stands at %v and at %v", limit(pages[0]), limit(pages[1]))
	}
}
