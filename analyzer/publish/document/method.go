package document

import (
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/mesh"
)

// rulesOf reads the policy that stands in the report.
func rulesOf(r *api.Report) (wording.Rules, error) {
	p, err := policy.Parse("the policy in the report", []byte(r.Policy.Text))
	if err != nil {
		return wording.Rules{}, fmt.Errorf("lay out the report: %w; make the report again with this version", err)
	}
	if p.SHA256() != r.PolicySHA256 {
		return wording.Rules{}, fmt.Errorf("lay out the report: the policy in it has the SHA-256 %s, but it names %s: one of the two was altered", p.SHA256(), r.PolicySHA256)
	}
	share := func(d policy.Decimal) float64 { v, _ := d.Rat().Float64(); return v }
	span := func(of []policy.Decimal) [2]float64 { return [2]float64{share(of[0]), share(of[1])} }
	rules := wording.Rules{
		Statistic: r.Policy.Statistic, Factor: r.Policy.Factor, Theory: r.Policy.Theory, Sites: r.Policy.Sites,
		PacketsOfDay: share(p.Sufficiency.PacketsOfDay), Days: share(p.Sufficiency.Days), PacketsOfHour: share(p.Sufficiency.PacketsOfHour),
		DemonstrationPackets: p.Sufficiency.DemonstrationPackets,
		ResidenceCapUS:       p.Measurement.ResidenceCapUS,
		FibreIndex:           string(p.Plausibility.FibreIndex), FibreMargin: share(p.Plausibility.FibreMargin),
		EndsDifferMS: share(p.Plausibility.EndsDifferMS), EndsDifferShare: share(p.Plausibility.EndsDifferShare), RatioAbove: share(p.Plausibility.RatioAbove),
		Confidence: share(p.Uncertainty.Confidence), Trials: p.Uncertainty.Trials, CompleteDays: p.Uncertainty.CompleteDays, FewerDays: p.Uncertainty.FewerDays,
		HardwareAddsUS: span(p.Uncertainty.HardwareAddsUS), KernelAddsUS: span(p.Uncertainty.KernelAddsUS),
		MaintenanceMost: share(p.Maintenance.Most), WithinHubMS: share(p.Classes.WithinHubMS), WithinCityMS: share(p.Classes.WithinCityMS),
		ClassBShare: mesh.ClassBPercent / 100.0, Circuity: mesh.Circuity, CircuityMayBe: [2]float64{mesh.CircuityLeast, mesh.CircuityMost},
	}
	for _, t := range p.Rate.Targets {
		target, _ := t.Share().Float64()
		rules.Targets = append(rules.Targets, wording.Target{Year: t.Year, Share: target})
	}
	return rules, nil
}

func paragraphs(texts ...string) []Block {
	var blocks []Block
	for _, text := range texts {
		if text != "" {
			blocks = append(blocks, Paragraph{Text: text})
		}
	}
	return blocks
}

func (s *source) method() []Block {
	example := ""
	if pairs := s.headline().Pairs; len(pairs) > 0 {
		example = wording.Example(s.lang, s.Mesh, &pairs[0], s.rules)
	}
	l, r := s.lang, s.rules
	return paragraphs(wording.Indicator(l, r), wording.TheoreticalLatency(l, r), wording.Reading(l), example, wording.MeasuredLatency(l, r),
		wording.WhichCounts(l, r), wording.Residence(l, r), wording.Sufficiency(l, r), wording.DistanceClasses(l, r), wording.Plausibility(l, r),
		wording.RateRule(l), wording.MaintenanceRule(l, r), wording.MeshRule(l))
}

func (s *source) decision() []Block {
	return paragraphs(wording.DecisionRule(s.lang, s.rules), wording.GuardedRule(s.lang, s.rules), wording.PossibleRule(s.lang))
}

func (s *source) uncertainty() []Block {
	t := s.table("uncertainty", wording.Heading(s.lang, wording.SectionUncertainty), heads{
		{"source", wording.ColumnSource, 25}, {"size", wording.ColumnSize, 30}, {"treatment", wording.ColumnTreatment, 45},
	})
	for _, d := range wording.Budget(s.lang, s.rules) {
		t.Rows = append(t.Rows, []Cell{{Text: d.Source}, {Text: d.Size}, {Text: d.Treatment}})
	}
	return append(paragraphs(wording.Interval(s.lang, s.rules)), t)
}

func (s *source) quality() []Block {
	enough, ends, foreign, uncounted, rejected, quarantined := 0, 0, 0, 0, 0, 0
	var single []string
	for i := range s.Links {
		l := &s.Links[i]
		for e := range l.Ends {
			ends++
			if l.Ends[e].Sufficient {
				enough++
			}
		}
		if l.SingleEnded {
			single = append(single, wording.Pair(s.lang, s.Mesh, l.Pair))
		}
		foreign += sum(l.Flags, api.FlagForeign)
		uncounted += sum(l.Flags, api.FlagSummaries)
		rejected += min(1, times(l.Reasons, api.ReasonFasterThanLight))
		quarantined += min(1, times(l.Reasons, api.ReasonFasterThanFibre))
	}
	amount := []string{wording.Amount(s.lang, s.Data), wording.TimestampSources(s.lang, s.Data.Timestamps)}
	kept := []string{wording.Enough(s.lang, enough, ends), wording.Implausible(s.lang, rejected, quarantined), wording.LeftOut(s.lang, s.Data.Conflicts, foreign, uncounted)}
	if len(single) > 0 {
		amount = append(amount, wording.SingleEnded(s.lang, single))
	}
	for _, plane := range s.planes() {
		if s.Excerpt != nil { // of which links maintenance excuses something is not in it
			amount = append(amount, wording.WithoutExcuse(s.lang, *plane))
		} else {
			kept = append(kept, wording.Maintenance(s.lang, *plane))
		}
	}
	if s.Excerpt != nil {
		amount = append(amount, wording.QualityOfExcerpt(s.lang, *s.Excerpt))
		if len(s.Excerpt.Carriers) == 0 {
			kept = nil
		}
	}
	return paragraphs(append(amount, kept...)...)
}

func times(reasons []api.Reason, code string) (n int) {
	for _, r := range reasons {
		if r.Code == code {
			n++
		}
	}
	return n
}

// sum of the windows that flags of a code count.
func sum(flags []api.Reason, code string) (n int) {
	for _, f := range flags {
		if f.Code != code {
			continue
		}
		switch windows := f.Params["windows"].(type) {
		case int:
			n += windows
		case float64: // read back from JSON
			n += int(windows)
		}
	}
	return n
}

// recompute says how to get the same figures, and names what they came from.
func (s *source) recompute() []Block {
	var blocks []Block
	if s.Excerpt != nil {
		blocks = paragraphs(wording.RecomputeExcerpt(s.lang))
	}
	list := List{}
	for _, step := range wording.Recompute(s.lang, s.Report, "sqlite:fibergauge.sqlite") {
		text := step.Text
		if step.Command != "" {
			text += " " + step.Command
		}
		list.Items = append(list.Items, text)
	}
	t := s.table("hashes", wording.Head(s.lang, wording.ColumnHash), heads{{"of", wording.ColumnFile, 15}, {"sha256", wording.ColumnHash, 85}})
	for _, h := range [][2]string{{"mesh", s.MeshSHA256}, {"policy", s.PolicySHA256}, {"data", s.DataSHA256}} {
		t.Rows = append(t.Rows, []Cell{{Text: h[0]}, {Text: h[1]}})
	}
	return append(blocks, list, t, Paragraph{Text: wording.GeneratedBy(s.lang, s.Report)})
}
