// Package policy reads policy.yaml: every number and choice by which the
// analyzer judges. Nothing of it is hard-coded where verdicts are made; the
// verdicts carry the SHA-256 of the file's bytes.
//
// Numbers are kept as they are written and used as exact fractions.
package policy

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// FormatVersion is the version of the file format that this package reads.
const FormatVersion = 1

//go:embed default.yaml
var defaultYAML []byte

// Policy is one policy.yaml. default.yaml documents every field.
type Policy struct {
	Version      int          `yaml:"version"`
	Name         string       `yaml:"name"`
	Theory       Theory       `yaml:"theory"`
	Measurement  Measurement  `yaml:"measurement"`
	Rate         Rate         `yaml:"rate"`
	Sufficiency  Sufficiency  `yaml:"sufficiency"`
	Plausibility Plausibility `yaml:"plausibility"`
	Uncertainty  Uncertainty  `yaml:"uncertainty"`
	Maintenance  Maintenance  `yaml:"maintenance"`
	Classes      Classes      `yaml:"classes"`
	Sensitivity  Sensitivity  `yaml:"sensitivity"`
	Diagnosis    Diagnosis    `yaml:"diagnosis"`

	text   []byte
	sha256 string
}

// Decimal is a number as it is written in the file.
type Decimal string

// Rat is the number as an exact fraction. It was checked when the policy was
// loaded.
func (d Decimal) Rat() *big.Rat {
	value, err := theory.ParseDecimal(string(d))
	if err != nil {
		panic("policy: " + err.Error()) // only by a Policy made by hand
	}
	return value
}

// Convention says how the theoretical latency follows from the distance.
type Convention string

// Conventions of the theoretical latency.
const (
	ByGroupIndex Convention = "group-index" // distance × index / c
	ByDelay      Convention = "us-per-km"   // distance × a round figure
)

// Theory is how the limit follows from the distance.
type Theory struct {
	Convention Convention `yaml:"convention"`
	GroupIndex Decimal    `yaml:"group_index"` // only with ByGroupIndex
	USPerKM    Decimal    `yaml:"us_per_km"`   // only with ByDelay; one way
	Factor     Decimal    `yaml:"factor"`
}

// Light is how long light takes by the convention of the policy.
func (t Theory) Light() theory.Light {
	if t.Convention == ByDelay {
		return theory.WithDelay(t.USPerKM.Rat())
	}
	return theory.WithIndex(t.GroupIndex.Rat())
}

// Statistic is what of a distribution is compared with the limit.
type Statistic string

// Statistics. Percentiles are over all packets sent, lost ones endless; mean
// and min over the received ones.
const (
	P50  Statistic = "p50"
	P95  Statistic = "p95"
	P99  Statistic = "p99"
	Mean Statistic = "mean"
	Min  Statistic = "min"
)

// Statistics are all of them.
func Statistics() []Statistic { return []Statistic{P50, P95, P99, Mean, Min} }

// Choice says which of several pairs of sites counts for a pair of clusters.
type Choice string

// Choices among several pairs of sites.
const (
	Best  Choice = "best"  // the best demonstrated
	Worst Choice = "worst" // the worst demonstrated
	All   Choice = "all"   // as Worst, and each has to be demonstrated
)

// Measurement is what is judged.
type Measurement struct {
	Statistic      Statistic `yaml:"statistic"`
	Sites          Choice    `yaml:"sites"`
	ResidenceCapUS int       `yaml:"residence_cap_us"`
}

// AllClusters stands in Rate.Clusters for every cluster of the mesh.
const AllClusters = "all"

// Rate is over which pairs the rate is taken, and what it has to reach.
type Rate struct {
	HeadlinePlane []string `yaml:"headline_plane"` // the first that the mesh has
	Clusters      []string `yaml:"clusters"`       // AllClusters alone, or identifiers
	Targets       []Target `yaml:"targets"`        // ascending years
}

// Target is the share of pairs that has to comply from a year on.
type Target struct {
	Year    int     `yaml:"year"`
	Percent Decimal `yaml:"percent"`
}

// Share is the target as a fraction of one.
func (t Target) Share() *big.Rat {
	return new(big.Rat).Mul(t.Percent.Rat(), big.NewRat(1, 100))
}

// Target is the one that holds in a year; false before the first.
func (r Rate) Target(year int) (Target, bool) {
	var holds Target
	for _, t := range r.Targets {
		if t.Year <= year {
			holds = t
		}
	}
	return holds, holds.Year != 0
}

// Sufficiency is how much data a verdict needs, as shares of what the mesh
// schedules.
type Sufficiency struct {
	PacketsOfDay         Decimal `yaml:"packets_of_day"`
	Days                 Decimal `yaml:"days"`
	PacketsOfHour        Decimal `yaml:"packets_of_hour"`
	DemonstrationPackets int     `yaml:"demonstration_packets"`
}

// Plausibility is what cannot be and what is flagged.
type Plausibility struct {
	FibreIndex      Decimal `yaml:"fibre_index"`
	FibreMargin     Decimal `yaml:"fibre_margin"` // share by which light in fibre may be undercut
	EndsDifferMS    Decimal `yaml:"ends_differ_ms"`
	EndsDifferShare Decimal `yaml:"ends_differ_share"` // of the longer one
	RatioAbove      Decimal `yaml:"ratio_above"`
	ClockRatePPM    Decimal `yaml:"clock_rate_ppm"` // of the correction, up or down
	MinStepShare    Decimal `yaml:"min_step_share"` // of the shorter one of two hours
}

// Uncertainty is how the interval of a ratio is found.
type Uncertainty struct {
	Confidence     Decimal   `yaml:"confidence"`
	Trials         int       `yaml:"trials"`
	Seed           uint64    `yaml:"seed"`
	CompleteDays   int       `yaml:"complete_days"`
	FewerDays      int       `yaml:"fewer_days"`
	HardwareAddsUS []Decimal `yaml:"hardware_adds_us"` // least and most
	KernelAddsUS   []Decimal `yaml:"kernel_adds_us"`
}

// AddedNS is a range of microseconds as whole nanoseconds.
func AddedNS(us []Decimal) (least, most int64) {
	ns := func(d Decimal) int64 {
		v := new(big.Rat).Mul(d.Rat(), big.NewRat(1000, 1))
		return new(big.Int).Div(v.Num(), v.Denom()).Int64()
	}
	return ns(us[0]), ns(us[1])
}

// Maintenance is how much of a period announced works may excuse.
type Maintenance struct {
	Most Decimal `yaml:"most"`
}

// Classes are the limits of the Plan inside a hub and a city, one way.
type Classes struct {
	WithinHubMS  Decimal `yaml:"within_hub_ms"`
	WithinCityMS Decimal `yaml:"within_city_ms"`
}

// Sensitivity lists the choices under which the rate is given besides.
type Sensitivity struct {
	Statistics []Statistic `yaml:"statistics"`
	GroupIndex []Decimal   `yaml:"group_index"`
	USPerKM    []Decimal   `yaml:"us_per_km"`
	Circuity   []Decimal   `yaml:"circuity"`
}

// Diagnosis is when a pair is looked into, and what is called a cause.
type Diagnosis struct {
	Near   Decimal `yaml:"near"`
	Cause  Decimal `yaml:"cause"`
	Months int     `yaml:"months"`
}

// DefaultBytes are the bytes of the default policy, to be printed and edited.
func DefaultBytes() []byte { return append([]byte(nil), defaultYAML...) }

// Default is the policy of metric.md.
func Default() *Policy {
	p, err := Parse("default policy", defaultYAML)
	if err != nil {
		panic(err) // it is part of the program, and tested
	}
	return p
}

// Load reads a policy from a file.
func Load(file string) (*Policy, error) {
	p := &Policy{}
	doc, data, err := yamlfile.Read(file, p)
	if err != nil {
		return nil, err
	}
	return p.finish(doc, data)
}

// Parse reads a policy from bytes; name stands in the errors for the file.
func Parse(name string, data []byte) (*Policy, error) {
	p := &Policy{}
	doc, err := yamlfile.Parse(name, data, p)
	if err != nil {
		return nil, err
	}
	return p.finish(doc, data)
}

func (p *Policy) finish(doc *yamlfile.Document, data []byte) (*Policy, error) {
	p.text = data
	sum := sha256.Sum256(data)
	p.sha256 = hex.EncodeToString(sum[:])
	if err := p.check(doc); err != nil {
		return nil, err
	}
	return p, nil
}

// SHA256 is the hash of the file's bytes, in hex: the version of the policy.
func (p *Policy) SHA256() string { return p.sha256 }

// Bytes are those of the file. The caller does not change them.
func (p *Policy) Bytes() []byte { return p.text }
