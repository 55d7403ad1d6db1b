package document

import (
	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// because lists, for each pair of which there is anything, what pick gives.
func (s *source) because(about cause) []Block {
	var blocks []Block
	for _, plane := range s.planes() {
		t := s.table(about.id+"_"+ID(plane.Plane), wording.Plane(s.lang, plane.Plane), heads{
			{"pair", wording.ColumnPair, 20}, {"carrier", wording.ColumnCarrier, 10}, {"ratio", wording.ColumnRatio, 9}, {"why", wording.ColumnReason, 75},
		})
		for i := range plane.Pairs {
			p := &plane.Pairs[i]
			if reasons := about.pick(p); len(reasons) > 0 {
				t.Rows = append(t.Rows, []Cell{{Text: wording.Pair(s.lang, s.Mesh, p.Pair)}, {Text: wording.Carrier(s.lang, s.Mesh, p.Carrier)}, s.ratio(p.Ratio, p.Unbounded), {Text: s.reasons(reasons)}})
			}
		}
		if len(t.Rows) > 0 {
			blocks = append(blocks, t)
		}
	}
	return blocks
}

// cause is what is to be told of some pairs.
type cause struct {
	id   string
	pick func(*api.Pair) []api.Reason
}

var (
	caused = cause{"causes", func(p *api.Pair) []api.Reason {
		if p.Verdict == api.NotDemonstrated {
			return nil
		}
		return append(append([]api.Reason(nil), p.Reasons...), p.Diagnosis...)
	}}
	undemonstrated = cause{"not_demonstrated", func(p *api.Pair) []api.Reason {
		if p.Verdict != api.NotDemonstrated {
			return nil
		}
		return p.Reasons
	}}
	flagged = cause{"flags", func(p *api.Pair) []api.Reason { return p.Flags }}
)

// reasons is one text.
func (s *source) reasons(reasons []api.Reason) string {
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = wording.Reason(s.lang, r)
	}
	return wording.Sequence(s.lang, texts)
}

func (s *source) nearest() []Block {
	t := s.table("nearest", wording.Plane(s.lang, s.Plane), heads{
		{"pair", wording.ColumnPair, 30}, {"carrier", wording.ColumnCarrier, 14}, {"verdict", wording.ColumnVerdict, 16}, {"excess_ms", wording.ColumnExcessMS, 14}, {"excess_km", wording.ColumnExcessKM, 14},
	})
	for _, n := range s.Nearest {
		t.Rows = append(t.Rows, []Cell{{Text: wording.Pair(s.lang, s.Mesh, n.Pair)}, {Text: wording.Carrier(s.lang, s.Mesh, n.Carrier)}, s.verdict(n.Verdict), figure(n.ExcessMS, n.Unbounded, 3), figure(n.ExcessKM, n.Unbounded, 0)})
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Block{t}
}

func (s *source) scopes() []Block {
	if len(s.Classes) == 0 {
		return nil
	}
	t := s.table("scopes", wording.Heading(s.lang, wording.SectionScopes), heads{
		{"class", wording.ColumnScope, 16}, {"plane", wording.ColumnPlane, 14}, {"pair", wording.ColumnPair, 24}, {"carrier", wording.ColumnCarrier, 12},
		{"one_way_ms", wording.ColumnOneWay, 11}, {"limit_one_way_ms", wording.ColumnOneWayLimit, 11}, {"verdict", wording.ColumnVerdict, 14}, {"verdict_as_rtt", wording.ColumnVerdictAsRTT, 16},
	})
	for _, c := range s.Classes {
		t.Rows = append(t.Rows, []Cell{
			{Text: wording.Scope(s.lang, c.Class)}, {Text: wording.Plane(s.lang, c.Plane)}, {Text: wording.Pair(s.lang, s.Mesh, c.Pair)}, {Text: wording.Carrier(s.lang, s.Mesh, c.Carrier)},
			figure(c.OneWayMS, c.Unbounded, 4), number(c.LimitOneWayMS, -1), s.verdict(c.Verdict), s.verdict(c.VerdictAsRTT),
		})
	}
	return []Block{Paragraph{Text: wording.ScopesRule(s.lang, s.rules)}, t}
}

func (s *source) sensitivity() []Block {
	if len(s.Sensitivity) == 0 {
		return nil
	}
	t := s.table("sensitivity", wording.Plane(s.lang, s.Plane), heads{
		{"statistic", wording.ColumnStatistic, 22}, {"light", wording.ColumnLight, 18}, {"distance", wording.ColumnDistances, 24}, {"compliant", wording.ColumnCompliant, 10}, {"total", wording.ColumnTotal, 10}, {"rate_percent", wording.ColumnRate, 10},
	})
	for _, c := range s.Sensitivity {
		rate := number(c.Fraction*100, 1)
		rate.Text = wording.RateDigits(api.Rate{Compliant: c.Compliant, Total: c.Total, Met: c.Met, Target: s.Rate.Target})
		t.Rows = append(t.Rows, []Cell{
			{Text: wording.Statistic(s.lang, c.Statistic)}, {Text: wording.Light(s.lang, c.Light)}, {Text: wording.Distances(s.lang, c.Distance)}, count(c.Compliant), count(c.Total), rate,
		})
	}
	return []Block{t}
}
