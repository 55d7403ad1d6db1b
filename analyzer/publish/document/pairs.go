package document

import (
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// IDs of the tables in Document.Data.
const (
	Pairs = "pairs" // of every plane
	Ends  = "ends"  // of every link
)

// pairs has the figures of the headline, and a table for each plane.
func (s *source) pairs() []Block {
	blocks := []Block{s.ranked(), s.matrix()}
	for _, plane := range s.planes() {
		t := s.table("pairs_"+ID(plane.Plane), wording.Plane(s.lang, plane.Plane), heads{
			{"pair", wording.ColumnPair, 18}, {"carrier", wording.ColumnCarrier, 9}, {"distance_km", wording.ColumnDistance, 10}, {"distance_class", wording.ColumnDistanceClass, 9},
			{"limit_rtt_ms", wording.ColumnLimit, 9}, {"measured_rtt_ms", wording.ColumnMeasured, 11}, {"ratio", wording.ColumnRatio, 7},
			{"interval", wording.ColumnInterval, 13}, {"loss_percent", wording.ColumnLoss, 7}, {"verdict", wording.ColumnVerdict, 11}, {"guarded", wording.ColumnGuarded, 13},
		})
		for i := range plane.Pairs {
			p := &plane.Pairs[i]
			t.Rows = append(t.Rows, []Cell{
				{Text: wording.Pair(s.lang, s.Mesh, p.Pair)}, {Text: wording.Carrier(s.lang, s.Mesh, p.Carrier)}, number(p.DistanceKM, 0), {Text: p.DistanceClass},
				limit(p.LimitRTTMS), s.measured(p), s.ratio(p.Ratio, p.Unbounded), s.interval(p), loss(p), s.verdict(p.Verdict), {Text: wording.Guarded(s.lang, p.Guarded)},
			})
		}
		blocks = append(blocks, t)
	}
	return blocks
}

// measured is the judged RTT, or where it lies if only that is known.
func (s *source) measured(p *api.Pair) Cell {
	if b := p.Bounds; b != nil {
		low, high := figure(b.LowMS, b.LowMS == nil, 3), figure(b.HighMS, b.HighMS == nil, 3)
		return Cell{Text: wording.Range(s.lang, low.Text, high.Text)}
	}
	return figure(p.MeasuredRTTMS, p.Unbounded, 3)
}

func (s *source) interval(p *api.Pair) Cell {
	u := p.Uncertainty
	if u == nil {
		return unknown
	}
	low, high := s.ratio(u.RatioLow, u.RatioLowUnbounded), s.ratio(u.RatioHigh, u.RatioHighUnbounded)
	return Cell{Text: wording.Range(s.lang, low.Text, high.Text)}
}

// allPairs is for programs and spreadsheets: a column for each figure.
func (s *source) allPairs() *Table {
	t := s.table(Pairs, wording.Heading(s.lang, wording.SectionPairs), heads{
		{"plane", wording.ColumnPlane, 14}, {"pair", wording.ColumnPair, 30}, {"carrier", wording.ColumnCarrier, 12}, {"sites", wording.ColumnSites, 20},
		{"distance_km", wording.ColumnDistance, 12}, {"distance_class", wording.ColumnDistanceClass, 10}, {"theoretical_rtt_ms", wording.ColumnTheoretical, 12},
		{"limit_rtt_ms", wording.ColumnLimit, 12}, {"measured_rtt_ms", wording.ColumnMeasured, 12}, {"ratio", wording.ColumnRatio, 10},
		{"ratio_low", wording.ColumnRatioLow, 10}, {"ratio_high", wording.ColumnRatioHigh, 10}, {"loss_percent", wording.ColumnLoss, 10},
		{"verdict", wording.ColumnVerdict, 16}, {"guarded", wording.ColumnGuarded, 18}, {"why", wording.ColumnReason, 60},
	})
	for _, plane := range s.planes() {
		for i := range plane.Pairs {
			p := &plane.Pairs[i]
			low, high := unknown, unknown
			if u := p.Uncertainty; u != nil {
				low, high = s.ratio(u.RatioLow, u.RatioLowUnbounded), s.ratio(u.RatioHigh, u.RatioHighUnbounded)
			}
			t.Rows = append(t.Rows, []Cell{
				{Text: wording.Plane(s.lang, p.Plane)}, {Text: wording.Pair(s.lang, s.Mesh, p.Pair)}, {Text: wording.Carrier(s.lang, s.Mesh, p.Carrier)}, {Text: strings.Join(p.Sites, " ")},
				number(p.DistanceKM, 3), {Text: p.DistanceClass}, number(p.TheoreticalRTTMS, 6), number(p.LimitRTTMS, 6), s.measured(p), s.ratio(p.Ratio, p.Unbounded),
				low, high, loss(p), s.verdict(p.Verdict), {Text: wording.Guarded(s.lang, p.Guarded)}, {Text: s.reasons(p.Reasons)},
			})
		}
	}
	return t
}

// allEnds says what each end measured, and how much of its schedule.
func (s *source) allEnds() *Table {
	t := s.table(Ends, wording.Heading(s.lang, wording.SectionQuality), heads{
		{"plane", wording.ColumnPlane, 14}, {"carrier", wording.ColumnCarrier, 12}, {"src", wording.ColumnFrom, 14}, {"dst", wording.ColumnTo, 14},
		{"scheduled", wording.ColumnScheduled, 12}, {"sent", wording.ColumnSent, 12}, {"lost", wording.ColumnLost, 10}, {"loss_percent", wording.ColumnLoss, 9},
		{"p50_ms", wording.ColumnP50, 10}, {"p95_ms", wording.ColumnP95, 10}, {"p99_ms", wording.ColumnP99, 10}, {"mean_ms", wording.ColumnMean, 10}, {"min_ms", wording.ColumnMin, 10},
		{"days_sufficient", wording.ColumnDaysSufficient, 10}, {"days", wording.ColumnDays, 8}, {"hours_sufficient", wording.ColumnHoursSufficient, 10}, {"windows", wording.ColumnWindows, 10},
	})
	for i := range s.Links {
		l := &s.Links[i]
		for e := range l.Ends {
			end := &l.Ends[e]
			share := unknown
			if percent, known := end.LossPercent(); known {
				share = number(percent, 4)
			}
			t.Rows = append(t.Rows, []Cell{
				{Text: wording.Plane(s.lang, l.Plane)}, {Text: wording.Carrier(s.lang, s.Mesh, l.Carrier)}, {Text: end.Src}, {Text: end.Dst},
				count(end.Scheduled), count(end.Sent), count(end.Lost), share,
				figure(end.P50MS, end.P50Unbounded, 3), figure(end.P95MS, end.P95Unbounded, 3), figure(end.P99MS, end.P99Unbounded, 3), figure(end.MeanMS, false, 3), figure(end.MinMS, false, 3),
				count(end.Sufficiency.DaysSufficient), count(end.Sufficiency.Days), count(end.Sufficiency.HoursSufficient), count(end.Windows),
			})
		}
	}
	return t
}
