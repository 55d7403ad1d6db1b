package document

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/mesh"
)

// source is what a document is made from.
type source struct {
	*api.Report
	lang  wording.Language
	rules wording.Rules
}

// Of lays out a report in a language. It fails on a report whose policy it
// cannot read.
func Of(r *api.Report, lang wording.Language) (*Document, error) {
	rules, err := rulesOf(r)
	if err != nil {
		return nil, err
	}
	s := &source{r, lang, rules}
	d := &Document{
		Language: lang, Title: wording.Title(lang, r.Period), Subtitle: wording.Subtitle(lang, r.Mesh, r.Period),
		Watermark: wording.Watermark(lang, r.Data.Origins), Footer: s.footer(),
		Warnings: s.warnings(), Data: []*Table{s.allPairs()},
	}
	if ends := s.allEnds(); len(ends.Rows) > 0 { // none are public
		d.Data = append(d.Data, ends)
	}
	if n := len(r.Revisions); n > 0 {
		d.Warnings = append(d.Warnings, wording.Revised(lang, r.Revisions[n-1]))
	}
	for _, section := range []struct {
		id      string
		heading wording.Section
		blocks  []Block
	}{
		{"result", wording.SectionResult, s.result()},
		{"pairs", wording.SectionPairs, s.pairs()},
		{"causes", wording.SectionNonCompliant, s.because(caused)},
		{"distributions", wording.SectionDistributions, s.distributions()},
		{"not-demonstrated", wording.SectionNotDemonstrated, s.because(undemonstrated)},
		{"nearest", wording.SectionNearest, s.nearest()},
		{"carriers", wording.SectionCarriers, s.carriers()},
		{"hubs", wording.SectionHubs, s.hubs()},
		{"scopes", wording.SectionScopes, s.scopes()},
		{"sensitivity", wording.SectionSensitivity, s.sensitivity()},
		{"trend", wording.SectionTrend, s.trend()},
		{"quality", wording.SectionQuality, s.quality()},
		{"flags", wording.SectionFlags, s.because(flagged)},
		{"method", wording.SectionMethod, s.method()},
		{"decision", wording.SectionDecision, s.decision()},
		{"uncertainty", wording.SectionUncertainty, s.uncertainty()},
		{"recompute", wording.SectionRecompute, s.recompute()},
		{"revisions", wording.SectionRevisions, s.revisions()},
	} {
		if len(section.blocks) > 0 {
			d.Sections = append(d.Sections, Section{ID: section.id, Heading: wording.Heading(lang, section.heading), Blocks: section.blocks})
		}
	}
	return d, nil
}

func (s *source) warnings() []string {
	var texts []string
	for _, warning := range wording.Warnings(s.lang, s.Report) {
		texts = append(texts, warning.Text)
	}
	classC, estimated := 0, 0
	for i := range s.Pairs {
		if p := &s.Pairs[i]; p.Provisional {
			classC++
			if p.Estimated {
				estimated++
			}
		}
	}
	if classC > 0 {
		texts = append(texts, wording.EstimatedDistances(s.lang, classC, estimated, mesh.Circuity))
	}
	if in := s.Mesh.InForceSHA256; in != "" && in != s.MeshSHA256 {
		texts = append(texts, wording.OtherMesh(s.lang, in))
	}
	if s.Excerpt != nil {
		texts = append(texts, wording.ForReader(s.lang, *s.Excerpt))
	}
	return texts
}

func (s *source) footer() string {
	return fmt.Sprintf("%s · mesh %s · policy %s · data %s", s.GeneratedBy,
		wording.ShortHash(s.MeshSHA256), wording.ShortHash(s.PolicySHA256), wording.ShortHash(s.DataSHA256))
}

// confidence is that of the intervals; 0 where no pair has one.
func (s *source) confidence() float64 {
	for _, plane := range s.Planes {
		for i := range plane.Pairs {
			if len(plane.Pairs[i].Parts) > 0 || plane.Pairs[i].Uncertainty != nil {
				return s.rules.Confidence
			}
		}
	}
	return 0
}

// planes begin with the headline.
func (s *source) planes() []*api.Plane {
	var planes []*api.Plane
	for i := range s.Planes {
		if p := &s.Planes[i]; p.Plane == s.Plane {
			planes = slices.Insert(planes, 0, p)
		} else {
			planes = append(planes, p)
		}
	}
	return planes
}

func (s *source) headline() *api.Plane { return s.planes()[0] }

func (s *source) result() []Block {
	var blocks []Block
	rates := s.rateTable("planes", wording.Heading(s.lang, wording.SectionPlanes), wording.ColumnPlane)
	for i, plane := range s.planes() {
		result := wording.Result{
			Period: s.Period, Plane: plane.Plane, Rate: plane.Rate, Origins: s.Data.Origins,
			NoData: !slices.ContainsFunc(s.Links, func(l api.Pair) bool { return l.Plane == plane.Plane && windows(&l) > 0 }), Confidence: s.confidence(),
		}
		if n := len(s.Trend); i == 0 && n > 0 {
			result.Before = &s.Trend[n-1]
		}
		blocks = append(blocks, Paragraph{Text: wording.Headline(s.lang, result), Lead: i == 0})
		if rest := wording.Rest(s.lang, plane.Rate); i == 0 && rest != "" {
			blocks = append(blocks, Paragraph{Text: rest})
		}
		rates.Rows = append(rates.Rows, s.rateRow(wording.Plane(s.lang, plane.Plane), plane.Rate))
	}
	return append(blocks, rates, s.clusterMap())
}

func windows(p *api.Pair) int {
	o := p.Origins
	return o.Measured + o.Emulated + o.Synthetic + o.Imported
}

// rateTable has a row for each rate.
func (s *source) rateTable(id, title string, of wording.Column) *Table {
	return s.table(id, title,
		heads{{"name", of, 24}, {"compliant", wording.ColumnCompliant, 10}, {"total", wording.ColumnTotal, 8}, {"rate_percent", wording.ColumnRate, 9},
			{"target_percent", wording.ColumnTarget, 9}, {"non_compliant", wording.ColumnNonCompliant, 10}, {"not_demonstrated", wording.ColumnNotDemonstrated, 12},
			{"proven", wording.ColumnProven, 10}, {"possible", wording.ColumnPossible, 10}})
}

func (s *source) rateRow(name string, r api.Rate) []Cell {
	rate := number(r.Fraction*100, 1)
	rate.Text = wording.RateDigits(r)
	target := unknown
	if r.Target != nil {
		target = number(*r.Target*100, -1)
		target.Text = wording.Number(*r.Target * 100)
	}
	switch {
	case r.Met == nil:
	case *r.Met:
		rate.Ink = chart.InkCompliant
	default:
		rate.Ink = chart.InkNonCompliant
	}
	rate.Strong = true
	return []Cell{{Text: name}, count(r.Compliant), count(r.Total), rate, target, count(r.NonCompliant), count(r.NotDemonstrated), count(r.Proven), count(r.Possible)}
}

func (s *source) carriers() []Block {
	var blocks []Block
	for _, plane := range s.planes() {
		t := s.rateTable("carriers_"+ID(plane.Plane), wording.Plane(s.lang, plane.Plane), wording.ColumnCarrier)
		for _, c := range plane.Carriers {
			t.Rows = append(t.Rows, s.rateRow(wording.Carrier(s.lang, s.Mesh, c.Carrier), c.Rate))
		}
		if len(t.Rows) > 0 {
			blocks = append(blocks, t)
		}
	}
	return blocks
}

func (s *source) hubs() []Block {
	t := s.rateTable("hubs", wording.Plane(s.lang, s.Plane), wording.ColumnHub)
	for _, h := range s.headline().Hubs {
		t.Rows = append(t.Rows, s.rateRow(wording.Hub(s.lang, s.Mesh, h.Hub), h.Rate))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return []Block{t}
}

func (s *source) trend() []Block {
	if len(s.Trend) == 0 {
		return nil
	}
	t := s.rateTable("trend", wording.Plane(s.lang, s.Plane), wording.ColumnMonth)
	for _, m := range s.Trend {
		t.Rows = append(t.Rows, s.rateRow(wording.MonthOf(s.lang, m.Month), m.Rate))
	}
	return []Block{s.trendFigure(), t}
}

// ID is the end that tables of one plane, or of another name of the mesh, have
// in their IDs.
func ID(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}
