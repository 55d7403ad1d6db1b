package policy

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// checker holds a policy against its document; every check returns the first
// fault with its place. Every field has to be written out: a policy that
// leaves something to the program would change with the program.
type checker struct {
	*Policy
	doc *yamlfile.Document
}

func (p *Policy) check(doc *yamlfile.Document) error {
	c := &checker{p, doc}
	return yamlfile.First(
		c.checkHead, c.checkTheory, c.checkMeasurement, c.checkRate, c.checkSufficiency, c.checkPlausibility,
		c.checkUncertainty, c.checkAside, c.checkSensitivity,
	)
}

func (c *checker) checkHead() error {
	if c.Version != FormatVersion {
		return c.doc.Errorf("version", "is %d; this program reads version %d", c.Version, FormatVersion)
	}
	if !wire.IsIdentifier(c.Name) {
		return c.doc.Errorf("name", "%q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", c.Name, wire.MaxIdentifier)
	}
	return nil
}

func (c *checker) checkTheory() error {
	t := c.Theory
	switch t.Convention {
	case ByGroupIndex:
		if t.USPerKM != "" {
			return c.doc.Errorf("theory.us_per_km", "goes with convention us-per-km only; the convention is group-index")
		}
		if err := c.within("theory.group_index", t.GroupIndex, 1, 3); err != nil {
			return err
		}
	case ByDelay:
		if t.GroupIndex != "" {
			return c.doc.Errorf("theory.group_index", "goes with convention group-index only; the convention is us-per-km")
		}
		// From light in vacuum, rounded down, to three times it.
		if err := c.within("theory.us_per_km", t.USPerKM, 3, 10); err != nil {
			return err
		}
	default:
		return c.choice("theory.convention", string(t.Convention), string(ByGroupIndex), string(ByDelay))
	}
	return c.within("theory.factor", t.Factor, 1, 100)
}

func (c *checker) checkMeasurement() error {
	m := c.Measurement
	if !slices.Contains(Statistics(), m.Statistic) {
		return c.choice("measurement.statistic", string(m.Statistic), string(P95), string(P50), string(P99), string(Mean), string(Min))
	}
	if !slices.Contains([]Choice{Best, Worst, All}, m.Sites) {
		return c.choice("measurement.sites", string(m.Sites), string(Best), string(Worst), string(All))
	}
	if m.ResidenceCapUS < 1 || m.ResidenceCapUS > 10_000 {
		return c.doc.Errorf("measurement.residence_cap_us", "%d is not within 1 to 10000", m.ResidenceCapUS)
	}
	return nil
}

func (c *checker) checkRate() error {
	r := c.Rate
	if len(r.HeadlinePlane) == 0 {
		return c.doc.Errorf("rate.headline_plane", "is missing; list planes, the first that the mesh has counts")
	}
	planes := []string{string(mesh.Optical), string(mesh.PrivateIP), string(mesh.PublicInternet)}
	for i, plane := range r.HeadlinePlane {
		if !slices.Contains(planes, plane) {
			return c.choice(fmt.Sprintf("rate.headline_plane[%d]", i), plane, planes...)
		}
	}
	if err := c.checkClusters(); err != nil {
		return err
	}
	if len(r.Targets) == 0 {
		return c.doc.Errorf("rate.targets", "is missing; give at least one, such as {year: 2025, percent: 80}")
	}
	for i, t := range r.Targets {
		at := fmt.Sprintf("rate.targets[%d]", i)
		if t.Year < 1970 || t.Year > 2200 {
			return c.doc.Errorf(at+".year", "%d is not within 1970 to 2200", t.Year)
		}
		if i > 0 && t.Year <= r.Targets[i-1].Year {
			return c.doc.Errorf(at+".year", "%d does not come after %d; list the years in order", t.Year, r.Targets[i-1].Year)
		}
		if err := c.within(at+".percent", t.Percent, 0, 100); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkClusters() error {
	clusters := c.Rate.Clusters
	if slices.Contains(clusters, AllClusters) {
		if len(clusters) > 1 {
			return c.doc.Errorf("rate.clusters", "has all beside others; write [all] or identifiers")
		}
		return nil
	}
	if len(clusters) < 2 {
		return c.doc.Errorf("rate.clusters", "has %d; write [all] or at least two identifiers", len(clusters))
	}
	for i, id := range clusters {
		at := fmt.Sprintf("rate.clusters[%d]", i)
		if !wire.IsIdentifier(id) {
			return c.doc.Errorf(at, "%q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", id, wire.MaxIdentifier)
		}
		if slices.Contains(clusters[:i], id) {
			return c.doc.Errorf(at, "%q is given twice; keep one", id)
		}
	}
	return nil
}

func (c *checker) checkSufficiency() error {
	s := c.Sufficiency
	for _, field := range []struct {
		at    string
		value Decimal
	}{
		{"sufficiency.packets_of_day", s.PacketsOfDay},
		{"sufficiency.days", s.Days},
		{"sufficiency.packets_of_hour", s.PacketsOfHour},
	} {
		if err := c.within(field.at, field.value, 0, 1); err != nil {
			return err
		}
	}
	if s.DemonstrationPackets < 1 || s.DemonstrationPackets > 1_000_000 {
		return c.doc.Errorf("sufficiency.demonstration_packets", "%d is not within 1 to 1000000", s.DemonstrationPackets)
	}
	return nil
}

func (c *checker) checkPlausibility() error {
	p := c.Plausibility
	for _, field := range []struct {
		at          string
		value       Decimal
		least, most int64
	}{
		{"plausibility.fibre_index", p.FibreIndex, 1, 3},
		{"plausibility.fibre_margin", p.FibreMargin, 0, 1},
		{"plausibility.ends_differ_ms", p.EndsDifferMS, 0, 60_000},
		{"plausibility.ends_differ_share", p.EndsDifferShare, 0, 1},
		{"plausibility.ratio_above", p.RatioAbove, 1, 1000},
		{"plausibility.clock_rate_ppm", p.ClockRatePPM, 0, 100_000},
		{"plausibility.min_step_share", p.MinStepShare, 0, 100},
	} {
		if err := c.within(field.at, field.value, field.least, field.most); err != nil {
			return err
		}
	}
	return nil
}

// minTrials leaves some trials beyond each end of the interval, also where
// several candidates share the confidence.
const minTrials, maxTrials = 1000, 1_000_000

func (c *checker) checkUncertainty() error {
	u := c.Uncertainty
	if err := c.within("uncertainty.confidence", u.Confidence, 0, 1); err != nil {
		return err
	}
	if v := u.Confidence.Rat(); v.Sign() == 0 || v.Cmp(big.NewRat(1, 1)) == 0 {
		return c.doc.Errorf("uncertainty.confidence", "%s is not between 0 and 1, such as 0.95", u.Confidence)
	}
	if u.Trials < minTrials || u.Trials > maxTrials {
		return c.doc.Errorf("uncertainty.trials", "%d is not within %d to %d", u.Trials, minTrials, maxTrials)
	}
	if u.CompleteDays < 2 || u.CompleteDays > 366 {
		return c.doc.Errorf("uncertainty.complete_days", "%d is not within 2 to 366", u.CompleteDays)
	}
	if u.FewerDays < 0 || u.FewerDays >= u.CompleteDays {
		return c.doc.Errorf("uncertainty.fewer_days", "%d is not within 0 to %d, one less than complete_days", u.FewerDays, u.CompleteDays-1)
	}
	for _, field := range []struct {
		at string
		us []Decimal
	}{
		{"uncertainty.hardware_adds_us", u.HardwareAddsUS},
		{"uncertainty.kernel_adds_us", u.KernelAddsUS},
	} {
		if len(field.us) != 2 {
			return c.doc.Errorf(field.at, "has %d numbers; give the least and the most, such as [0, 50]", len(field.us))
		}
		for i, us := range field.us {
			if err := c.within(fmt.Sprintf("%s[%d]", field.at, i), us, 0, 10_000); err != nil {
				return err
			}
		}
		if least, most := AddedNS(field.us); least > most {
			return c.doc.Errorf(field.at, "begins with the larger number; write [%s, %s]", field.us[1], field.us[0])
		}
	}
	return nil
}

func (c *checker) checkAside() error {
	for _, field := range []struct {
		at          string
		value       Decimal
		least, most int64
	}{
		{"maintenance.most", c.Maintenance.Most, 0, 1},
		{"classes.within_hub_ms", c.Classes.WithinHubMS, 0, 60_000},
		{"classes.within_city_ms", c.Classes.WithinCityMS, 0, 60_000},
		{"diagnosis.near", c.Diagnosis.Near, 0, 1},
		{"diagnosis.cause", c.Diagnosis.Cause, 0, 1},
	} {
		if err := c.within(field.at, field.value, field.least, field.most); err != nil {
			return err
		}
	}
	if c.Diagnosis.Months < 1 || c.Diagnosis.Months > 120 {
		return c.doc.Errorf("diagnosis.months", "%d is not within 1 to 120", c.Diagnosis.Months)
	}
	return nil
}

// maxChoices bounds the cells of the sensitivity matrix.
const maxChoices = 10

func (c *checker) checkSensitivity() error {
	s := c.Sensitivity
	for i, statistic := range s.Statistics {
		if !slices.Contains(Statistics(), statistic) {
			return c.choice(fmt.Sprintf("sensitivity.statistics[%d]", i), string(statistic), string(P95), string(P50), string(P99), string(Mean), string(Min))
		}
	}
	for _, field := range []struct {
		at          string
		values      []Decimal
		least, most int64
	}{
		{"sensitivity.group_index", s.GroupIndex, 1, 3},
		{"sensitivity.us_per_km", s.USPerKM, 3, 10},
		{"sensitivity.circuity", s.Circuity, 1, 2},
	} {
		if len(field.values) > maxChoices {
			return c.doc.Errorf(field.at, "has %d; at most %d are shown", len(field.values), maxChoices)
		}
		for i, value := range field.values {
			if err := c.within(fmt.Sprintf("%s[%d]", field.at, i), value, field.least, field.most); err != nil {
				return err
			}
		}
	}
	if len(s.Statistics) == 0 || len(s.GroupIndex)+len(s.USPerKM) == 0 {
		return c.doc.Errorf("sensitivity", "needs at least one of statistics, and one of group_index or us_per_km")
	}
	return nil
}

func (c *checker) within(at string, value Decimal, least, most int64) error {
	if value == "" {
		return c.doc.Errorf(at, "is missing; it is within %d to %d", least, most)
	}
	v, err := theory.ParseDecimal(string(value))
	if err != nil {
		return c.doc.Errorf(at, "%v", err)
	}
	if v.Cmp(big.NewRat(least, 1)) < 0 || v.Cmp(big.NewRat(most, 1)) > 0 {
		return c.doc.Errorf(at, "%s is not within %d to %d", value, least, most)
	}
	return nil
}

func (c *checker) choice(at, value string, allowed ...string) error {
	if value == "" {
		return c.doc.Errorf(at, "is missing; allowed: %s", strings.Join(allowed, ", "))
	}
	return c.doc.Errorf(at, "%q is not known; allowed: %s", value, strings.Join(allowed, ", "))
}
