package document

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

func (s *source) picture(id string, f chart.Figure) *Picture {
	return &Picture{ID: id, Figure: f, Caption: f.Title + wording.Stop(s.lang) + f.Description}
}

func (s *source) caption(of wording.FigureOf) chart.Caption {
	title, description := wording.Caption(s.lang, of, wording.Plane(s.lang, s.Plane))
	return chart.Caption{Title: title, Description: description}
}

func (s *source) verdictWords() chart.VerdictWords {
	return chart.VerdictWords{
		Compliant: wording.Verdict(s.lang, api.Compliant), NonCompliant: wording.Verdict(s.lang, api.NonCompliant),
		NotDemonstrated: wording.Verdict(s.lang, api.NotDemonstrated),
	}
}

// widest is the longest name of a cluster that figures have room for.
const widest = 16

// short names a cluster in a figure: by its identifier if its name is too long.
func (s *source) short(cluster string) string {
	for _, c := range s.Mesh.Clusters {
		if c.ID == cluster {
			if name := wording.Cluster(s.lang, c); utf8.RuneCountInString(name) <= widest {
				return name
			}
		}
	}
	return cluster
}

func (s *source) ranked() *Picture {
	in := chart.Ranked{
		Caption: s.caption(wording.FigureRanked), Limit: s.Policy.Factor, Decimals: 3, Verdicts: s.verdictWords(),
		AxisLabel: wording.Label(s.lang, wording.LabelRatio), LimitLabel: wording.Label(s.lang, wording.LabelLimit) + " " + wording.Number(s.Policy.Factor),
		UnboundedLabel: "∞", NoRatioLabel: wording.Label(s.lang, wording.LabelNoRatio), BeyondLabel: wording.Label(s.lang, wording.LabelBeyond),
	}
	for i := range s.Pairs {
		p := &s.Pairs[i]
		row := chart.RankedRow{A: s.short(p.Pair[0]), B: s.short(p.Pair[1]), Ratio: p.Ratio, Unbounded: p.Unbounded, Verdict: chart.Verdict(p.Verdict)}
		if u := p.Uncertainty; u != nil {
			in.IntervalLabel = wording.Label(s.lang, wording.LabelInterval)
			row.Low, row.LowUnbounded, row.High, row.HighUnbounded = u.RatioLow, u.RatioLowUnbounded, u.RatioHigh, u.RatioHighUnbounded
		}
		if b := p.Bounds; b != nil {
			row.Low, row.High, row.HighUnbounded = b.LowRatio, b.HighRatio, b.HighRatio == nil
		}
		in.Rows = append(in.Rows, row)
	}
	return s.picture("ranked", in.Figure())
}

func (s *source) matrix() *Picture {
	in := chart.Matrix{
		Caption: s.caption(wording.FigureMatrix), Limit: s.Policy.Factor, Decimals: 2, Verdicts: s.verdictWords(),
		UnboundedLabel: "∞", NoRatioLabel: "–",
	}
	at := map[string]int{}
	for i, c := range s.Mesh.Clusters {
		at[c.ID] = i
		in.Names = append(in.Names, s.short(c.ID))
	}
	for i := range s.Pairs {
		p := &s.Pairs[i]
		in.Cells = append(in.Cells, chart.MatrixCell{A: at[p.Pair[0]], B: at[p.Pair[1]], Ratio: p.Ratio, Unbounded: p.Unbounded, Verdict: chart.Verdict(p.Verdict)})
	}
	return s.picture("matrix", in.Figure())
}

func (s *source) clusterMap() *Picture {
	in := chart.Map{Caption: s.caption(wording.FigureMap), Verdicts: s.verdictWords()}
	at := map[string]int{}
	for i, c := range s.Mesh.Clusters {
		at[c.ID] = i
		in.Clusters = append(in.Clusters, chart.MapCluster{Name: wording.Cluster(s.lang, c), LatDeg: c.Lat, LonDeg: c.Lon})
	}
	for i := range s.Pairs {
		p := &s.Pairs[i]
		in.Links = append(in.Links, chart.MapLink{A: at[p.Pair[0]], B: at[p.Pair[1]], Verdict: chart.Verdict(p.Verdict)})
	}
	return s.picture("map", in.Figure())
}

// trendFigure has the months before, and the period if it is a month.
func (s *source) trendFigure() *Picture {
	in := chart.Trend{
		Caption: s.caption(wording.FigureTrend), Decimals: 1,
		AxisLabel: wording.Label(s.lang, wording.LabelRate), RateLabel: wording.Label(s.lang, wording.LabelRate),
		MetLabel: wording.Label(s.lang, wording.LabelMet), MissedLabel: wording.Label(s.lang, wording.LabelMissed),
		BandLabel: wording.Label(s.lang, wording.LabelBand), TargetLabel: wording.Label(s.lang, wording.LabelTarget), NoDataLabel: wording.Label(s.lang, wording.LabelNoData),
	}
	add := func(month string, r api.Rate, band bool) {
		year, err := strconv.Atoi(month[:4])
		number, errOfMonth := strconv.Atoi(month[5:7])
		if err != nil || errOfMonth != nil {
			return
		}
		m := chart.TrendMonth{Year: year, Month: number, Compliant: r.Compliant, Total: r.Total, Target: r.Target, Met: r.Met}
		if band {
			m.Proven, m.Possible = &r.Proven, &r.Possible
		}
		in.Months = append(in.Months, m)
	}
	for _, m := range s.Trend {
		add(m.Month, m.Rate, false)
	}
	if s.isMonth() {
		add(s.Period.From[:7], s.Rate, s.confidence() > 0)
	}
	return s.picture("trend", in.Figure())
}

func (s *source) isMonth() bool {
	from, err := time.Parse(time.RFC3339, s.Period.From)
	to, errTo := time.Parse(time.RFC3339, s.Period.To)
	return err == nil && errTo == nil && from.Day() == 1 && from.AddDate(0, 1, 0).Format(time.DateOnly) == to.Format(time.DateOnly)
}
