package chart

import "testing"

func trend() Trend {
	in := Trend{
		Caption: Caption{"Rate of compliance", "Thirteen months against the target."}, Decimals: 1,
		AxisLabel: "compliant pairs, % of all", RateLabel: "rate", MetLabel: "target met", MissedLabel: "target missed",
		BandLabel: "proven to possible", TargetLabel: "target", NoDataLabel: "no data",
	}
	compliant := []int{28, 29, 29, 0, 31, 33, 32, 34, 35, 36, 35, 38, 37}
	for i, c := range compliant {
		m := TrendMonth{Year: 2024 + (i+9)/12, Month: (i+9)%12 + 1, Compliant: c, Total: 45}
		if c == 0 {
			m.Total = 0
		}
		target := 0.65
		if m.Year > 2024 {
			target = 0.75
		}
		m.Target, m.Met = &target, ptr(float64(c) >= target*45)
		if i > 4 {
			m.Proven, m.Possible = ptr(c-2-i%3), ptr(c+1+i%4)
		}
		in.Months = append(in.Months, m)
	}
	return in
}

func trendSamples(all map[string]Figure) {
	in := trend()
	all["trend"] = in.Figure()
	in.WidthPT = 300
	all["-trend-small"] = in.Figure()
	in = trend()
	in.AxisLabel, in.RateLabel, in.MetLabel, in.MissedLabel = "达标集群对占比（%）", "达标率", "达到目标", "未达目标"
	in.BandLabel, in.TargetLabel, in.NoDataLabel = "已证明至可能", "年度目标", "无数据"
	for i := range in.Months {
		in.Months[i].Year++
		if in.Months[i].Year == 2026 {
			in.Months[i].Target = ptr(0.8)
		}
	}
	all["trend-zh"] = in.Figure()
	one := trend()
	one.Months = one.Months[12:]
	all["-trend-one"] = one.Figure()
	none := trend()
	for i := range none.Months {
		none.Months[i] = TrendMonth{Year: none.Months[i].Year, Month: none.Months[i].Month}
	}
	all["-trend-nothing"] = none.Figure()
	none.Months = nil
	all["-trend-empty"] = none.Figure()
	full := trend()
	for i := range full.Months {
		full.Months[i].Compliant, full.Months[i].Total = 45*(i%2), 45
		full.Months[i].Proven, full.Months[i].Possible = ptr(0), ptr(45)
	}
	all["-trend-extremes"] = full.Figure()
}

// TestTrendKeepsTheSideOfTheTarget: 79.96 % is not 80.0 % where 80 is asked.
func TestTrendKeepsTheSideOfTheTarget(t *testing.T) {
	in := Trend{Decimals: 1, Months: []TrendMonth{{Year: 2026, Month: 1, Compliant: 1999, Total: 2500, Target: ptr(0.8), Met: ptr(false)}}}
	if words := wordsOf(in.Figure()); words["79.96"] != 1 {
		t.Errorf("%v has no 79.96", words)
	}
}
