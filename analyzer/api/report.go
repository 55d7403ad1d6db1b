// Package api is what the analyzer says to other programs, and a Client that asks
// it: the JSON of its
// report and of its errors. It imports nothing of Fibergauge, so that a client
// takes no more than these types.
//
// Rules that hold throughout: units are in the names; an RTT that is endless,
// because too many packets were lost, is null with a field "…unbounded": true
// beside it; what does not exist is null without one. Times are RFC 3339 in
// the mesh's time zone. Fields, lists and their order are the same for the
// same input, byte for byte.
package api

//go:generate go run ../schemagen

// SchemaReport names the version of the report's form. The number rises when a
// reader of the old one would misread the new one.
const SchemaReport = "fibergauge.report/1"

// Verdict is what the policy says of a link over a period.
type Verdict string

// Verdicts, by simple acceptance (JCGM 106:2012).
const (
	Compliant       Verdict = "compliant"
	NonCompliant    Verdict = "non-compliant"
	NotDemonstrated Verdict = "not-demonstrated" // too little data, or not plausible
)

// Guarded is what can be said of a link although a month is only a sample and
// neither timestamps nor distances are exact.
type Guarded string

// Guarded verdicts, by an interval of the ratio at the confidence of the policy.
const (
	ProvenCompliant    Guarded = "proven-compliant"     // the whole interval is within the limit
	ProvenNonCompliant Guarded = "proven-non-compliant" // the whole interval is above it
	Inconclusive       Guarded = "inconclusive"         // it holds the limit, or there is none
)

// Report is the answer to: which pairs of clusters comply over a period?
type Report struct {
	Schema       string   `json:"schema"`            // of this form
	GeneratedBy  string   `json:"generated_by"`      // program and version
	Excerpt      *Excerpt `json:"excerpt,omitempty"` // absent if the report is whole
	Period       Period   `json:"period"`
	MeshSHA256   string   `json:"mesh_sha256"`   // of the bytes of mesh.yaml
	PolicySHA256 string   `json:"policy_sha256"` // of the bytes of policy.yaml
	DataSHA256   string   `json:"data_sha256"`   // of the windows; see Data
	Mesh         Mesh     `json:"mesh"`
	Policy       Policy   `json:"policy"`
	Data         Data     `json:"data"`
	Plane        string   `json:"plane"` // of the headline: rate and pairs
	Rate         Rate     `json:"rate"`
	Pairs        []Pair   `json:"pairs"`  // best carrier, headline plane; in the order of the mesh
	Planes       []Plane  `json:"planes"` // the same for every plane of the mesh
	Links        []Pair   `json:"links"`  // every pair of sites that measure each other

	Classes     []Class       `json:"classes"`         // limits inside a hub and inside a city
	Sensitivity []Sensitivity `json:"sensitivity"`     // the rate of the headline under other choices
	Nearest     []Nearest     `json:"nearest"`         // headline: the pairs that would have to change, or the ones that nearly do
	Trend       []Month       `json:"trend,omitempty"` // headline: earlier months, oldest first

	Distributions []Distribution `json:"distributions,omitempty"` // of the pairs that are diagnosed; in the order of planes and pairs

	Beside *Beside `json:"beside,omitempty"` // only if it was asked for

	Revisions []Revision `json:"revisions,omitempty"` // of a filed report that replaces others: all of them, oldest first
}

// Class is a link under one of the Plan's limits besides the ratio: at most 5 ms
// inside a hub and 1 ms inside a city, one way, taken as half the RTT.
type Class struct {
	Class         string    `json:"class"` // hub or city
	Pair          [2]string `json:"pair"`
	Plane         string    `json:"plane"`
	Carrier       string    `json:"carrier"`
	Sites         []string  `json:"sites"`      // in the order of pair
	OneWayMS      *float64  `json:"one_way_ms"` // half of the judged statistic of the worse end, to the nanosecond
	Unbounded     bool      `json:"unbounded,omitempty"`
	LimitOneWayMS float64   `json:"limit_one_way_ms"` // of the policy
	Verdict       Verdict   `json:"verdict"`          // by the limit, as one way
	VerdictAsRTT  Verdict   `json:"verdict_as_rtt"`   // if the limit were meant for the RTT
}

// Sensitivity is how many pairs would comply under other choices than the
// policy's. Whether there is enough data, and whether it is plausible, stays.
type Sensitivity struct {
	Statistic string  `json:"statistic"` // that would be judged
	Light     string  `json:"light"`     // such as "index 1.468" or "5 µs/km"
	Distance  string  `json:"distance"`  // mesh, or "geodesic × 1.3"
	Compliant int     `json:"compliant"`
	Total     int     `json:"total"`
	Fraction  float64 `json:"fraction"`
	Met       *bool   `json:"met"` // null without a target or any pair
}

// Nearest is a pair near to the limit, and by how much its measured RTT is
// above it (positive) or below.
type Nearest struct {
	Pair      [2]string `json:"pair"`    // clusters
	Carrier   string    `json:"carrier"` // that counts for the pair
	Verdict   Verdict   `json:"verdict"`
	ExcessMS  *float64  `json:"excess_ms"` // measured − limit, rounded up to the nanosecond; null where unbounded or unmeasured; where only bounds are known, of the one that decides
	ExcessKM  *float64  `json:"excess_km"` // fibre that this is one way, by the policy's light
	Unbounded bool      `json:"unbounded,omitempty"`
}

// Month is the rate of an earlier month, without intervals: nothing of it is
// proven here, and all of it possible.
type Month struct {
	Month string `json:"month"` // 2025-05
	Rate  Rate   `json:"rate"`
}

// Excerpt says for whom a report was cut: of links of other carriers it has the
// public figures only (Pair.Withheld), and Data.Conflicts counts those of the
// links that are there in full. Rates, hashes, mesh, policy and the other counts
// of Data are of the whole.
type Excerpt struct {
	Role     string   `json:"role"`               // of the reader
	Carriers []string `json:"carriers,omitempty"` // whose links are there in full
}

// Period is [from, to).
type Period struct {
	From          string `json:"from"`          // the first moment
	To            string `json:"to"`            // the moment after the last
	TimeZone      string `json:"time_zone"`     // of the mesh, IANA
	Demonstration bool   `json:"demonstration"` // shorter than a day
	Complete      bool   `json:"complete"`      // was over when the report was made
}

// Mesh says what was measured.
type Mesh struct {
	Name string `json:"name"` // as in mesh.yaml
	// InForceSHA256 names the version that collectors had last begun to serve
	// when the period ended. If it is not the mesh_sha256 of the report, the
	// report says what another mesh would make of the period. Absent where no
	// version is archived.
	InForceSHA256 string `json:"in_force_sha256,omitempty"`

	Test     string    `json:"test"`   // the one that is judged
	Method   string    `json:"method"` // of the test
	Clusters []Cluster `json:"clusters"`
	Hubs     []Named   `json:"hubs,omitempty"`     // of the clusters, in the order of mesh.yaml
	Carriers []Named   `json:"carriers,omitempty"` // in the order of mesh.yaml
}

// Cluster names a cluster for people.
type Cluster struct {
	ID  string `json:"id"`           // as in mesh.yaml
	Hub string `json:"hub"`          // identifier
	EN  string `json:"en"`           // name in English
	ZH  string `json:"zh,omitempty"` // name in Chinese
	// Where it is, in degrees north and east, WGS-84.
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"` // as lat
}

// Policy repeats what a reader needs to understand the figures.
type Policy struct {
	Name      string  `json:"name"`      // as in policy.yaml
	Statistic string  `json:"statistic"` // p95, p50, p99, mean or min
	Theory    string  `json:"theory"`    // theoretical RTT, such as "2 × distance × 1.468 / c"
	Reading   string  `json:"reading"`   // what is not quoted from the Plan but read into it
	Factor    float64 `json:"factor"`    // limit over theoretical RTT
	Sites     string  `json:"sites"`     // best, worst or all
	Text      string  `json:"text"`      // all of policy.yaml, of which the report has the SHA-256
}

// Data is what the report was computed from. Its SHA-256 is over one line for
// each link, test and day with windows, sorted by these:
//
//	src SP dst SP test SP day SP hash LF
//
// where the hash is the SHA-256, in hex, over the windows that start on that
// day of the mesh's time zone and in the period, in the order of their start
// and session, in the form that docs/metric.md states: all of a window that a
// figure may follow from, and its conflicts.
type Data struct {
	Windows      int           `json:"windows"`     // all that are in the period
	Conflicts    int           `json:"conflicts"`   // windows that differ from an earlier one under the same key; not used
	FirstStart   *string       `json:"first_start"` // null without windows
	LastEnd      *string       `json:"last_end"`    // null without windows
	Origins      Origins       `json:"origins"`
	Timestamps   Timestamps    `json:"timestamps"`
	MeshVersions []MeshVersion `json:"mesh_versions"` // by which the windows were measured
}

// Origins counts windows by where they come from. Whatever is not measured
// tells nothing of a real network.
type Origins struct {
	Measured  int `json:"measured"`  // by probes, in a real network
	Emulated  int `json:"emulated"`  // real packets over an emulated network
	Synthetic int `json:"synthetic"` // generated, without any packet
	Imported  int `json:"imported"`  // measured by another system
}

// Timestamps counts the windows that have an RTT by the source of their
// timestamps. Those of user space only ever add delay: such an RTT is an upper
// bound.
type Timestamps struct {
	Hardware int `json:"hardware"` // by the network card
	Kernel   int `json:"kernel"`   // by the operating system
	User     int `json:"user"`     // by the program itself
}

// MeshVersion counts windows by the mesh that their probe followed.
type MeshVersion struct {
	SHA256  string `json:"sha256"`  // of the bytes of mesh.yaml
	Windows int    `json:"windows"` // measured by it
}

// Rate is the share of pairs that comply. Pairs that are not demonstrated
// stay in the total.
type Rate struct {
	Compliant       int      `json:"compliant"`        // pairs whose verdict is compliant
	Total           int      `json:"total"`            // all pairs that are judged
	Fraction        float64  `json:"fraction"`         // compliant / total; 0 without any pair
	Target          *float64 `json:"target"`           // share; null where the policy has none for the year
	Met             *bool    `json:"met"`              // compliant / total ≥ target, as exact fractions; null without a target or any pair
	TargetYear      int      `json:"target_year"`      // year of the period's first day
	Needed          *int     `json:"needed"`           // pairs that have to comply to meet the target
	NonCompliant    int      `json:"non_compliant"`    // pairs
	NotDemonstrated int      `json:"not_demonstrated"` // pairs
	Provisional     int      `json:"provisional"`      // of the compliant and non-compliant: judged by an estimated distance

	Proven             int `json:"proven"`               // compliant at the confidence of the policy
	Possible           int `json:"possible"`             // total − proven_non_compliant − rejected
	ProvenNonCompliant int `json:"proven_non_compliant"` // at the confidence of the policy
	Rejected           int `json:"rejected"`             // cannot comply, being faster than light; none of the proven_non_compliant
	Inconclusive       int `json:"inconclusive"`         // neither proven nor proven not
	Unstable           int `json:"unstable"`             // of the non-compliant: the median would comply
}

// Plane is the result on one plane, with the best carrier for each pair.
type Plane struct {
	Plane    string    `json:"plane"` // as in mesh.yaml
	Rate     Rate      `json:"rate"`
	Carriers []Carrier `json:"carriers"` // the rate of each carrier by itself
	Pairs    []Pair    `json:"pairs"`

	Hubs              []Hub `json:"hubs"`               // over the pairs with a cluster in the hub
	BetweenHubs       Rate  `json:"between_hubs"`       // without pairs inside one hub
	Ordered           Rate  `json:"ordered"`            // each end by itself: from cluster to cluster
	WithMaintenance   Rate  `json:"with_maintenance"`   // if nothing were excused
	ExcusedLinks      int   `json:"excused_links"`      // links of which maintenance excuses something
	UnregisteredWorks int   `json:"unregistered_works"` // entries in the period that were listed too late to count
}

// Hub is the rate over the pairs with at least one cluster in a hub.
type Hub struct {
	Hub  string `json:"hub"` // identifier
	Rate Rate   `json:"rate"`
}

// Carrier is the rate of one carrier on one plane.
type Carrier struct {
	Carrier string `json:"carrier"` // identifier
	Rate    Rate   `json:"rate"`
}

// Pair is two clusters, or two sites that stand for them, and how their RTT
// compares with the limit.
type Pair struct {
	Pair    [2]string `json:"pair"`    // clusters
	Plane   string    `json:"plane"`   // optical, private-ip or public-internet
	Carrier string    `json:"carrier"` // empty where no carrier joins them
	// Withheld says that only the public figures are here: sites, ends, flags,
	// diagnosis, maintenance and distance_source are empty whatever they were,
	// and so are, of the uncertainty, the seed, the days and ratio_gaps. The
	// numbers in origins are 1 where there are any. geodesic_km is 0 if it is not
	// that of the clusters.
	Withheld         bool     `json:"withheld,omitempty"`
	Sites            []string `json:"sites"`              // in the order of pair; empty where none stand for it
	DistanceKM       float64  `json:"distance_km"`        // by road, one way, to the metre
	DistanceClass    string   `json:"distance_class"`     // A registered by the regulator, B routed on a named map, C estimated
	DistanceSource   string   `json:"distance_source"`    // who says so
	Estimated        bool     `json:"estimated"`          // the distance was not surveyed
	Provisional      bool     `json:"provisional"`        // the distance is of class C
	GeodesicKM       float64  `json:"geodesic_km"`        // on WGS-84, between the places
	TheoreticalRTTMS float64  `json:"theoretical_rtt_ms"` // rounded to the nanosecond
	LimitRTTMS       float64  `json:"limit_rtt_ms"`       // rounded down to the nanosecond
	MeasuredRTTMS    *float64 `json:"measured_rtt_ms"`    // the judged statistic of the worse end, exact; null if only Bounds are known
	Ratio            *float64 `json:"ratio"`              // never rounded to the other side of the factor
	Unbounded        bool     `json:"unbounded,omitempty"`
	Verdict          Verdict  `json:"verdict"`          // by simple acceptance
	Reasons          []Reason `json:"reasons"`          // why the verdict is not compliant; else empty
	Bounds           *Bounds  `json:"bounds,omitempty"` // of the judged statistic, where it is not known
	Flags            []Reason `json:"flags"`            // what somebody should look at; no influence on the verdict
	SingleEnded      bool     `json:"single_ended"`     // the other end does not measure
	Origins          Origins  `json:"origins"`
	Ends             []End    `json:"ends"`
	Parts            []Part   `json:"parts,omitempty"` // where the distance changed within the period

	Guarded     Guarded      `json:"guarded"`     // by the interval
	Uncertainty *Uncertainty `json:"uncertainty"` // null without an interval, and where there are parts
	Unstable    bool         `json:"unstable"`    // the median would comply, the judged statistic does not
	Maintenance *Excused     `json:"maintenance,omitempty"`
	Diagnosis   []Reason     `json:"diagnosis"` // why the RTT is near to the limit or above; from data, never guessed
}

// Bounds are where a statistic lies, both ends included, if of some packets only
// summaries are known: imports that give minimum, mean or maximum. They follow
// from these and the numbers of packets alone.
type Bounds struct {
	Statistic string   `json:"statistic,omitempty"`  // of ends; of links it is the judged one
	LowMS     *float64 `json:"low_ms"`               // null where unbounded
	HighMS    *float64 `json:"high_ms"`              // null where nothing bounds it, or too many packets were lost
	LowRatio  *float64 `json:"low_ratio,omitempty"`  // of links, where there is a distance
	HighRatio *float64 `json:"high_ratio,omitempty"` // as low_ratio
}

// Uncertainty is the interval of a ratio, and what it was made from.
type Uncertainty struct {
	Confidence         float64  `json:"confidence"`      // of the interval, before it is divided
	Candidates         int      `json:"candidates"`      // links among which the best counts: the confidence is divided among them (Bonferroni)
	Trials             int      `json:"trials"`          // of the Monte Carlo simulation
	Seed               string   `json:"seed"`            // of SplitMix64, decimal
	Days               int      `json:"days"`            // that were drawn from
	CompleteDays       int      `json:"complete_days"`   // on which both ends have enough data
	DistanceMinKM      float64  `json:"distance_min_km"` // what the distance may be at least
	DistanceMaxKM      float64  `json:"distance_max_km"` // what it may be at most
	RatioLow           *float64 `json:"ratio_low"`       // null where unbounded
	RatioLowUnbounded  bool     `json:"ratio_low_unbounded,omitempty"`
	RatioHigh          *float64 `json:"ratio_high"` // null where unbounded
	RatioHighUnbounded bool     `json:"ratio_high_unbounded,omitempty"`
	RatioGaps          *float64 `json:"ratio_gaps"` // in place of the high end, if every packet that is missing had been lost
	RatioGapsUnbounded bool     `json:"ratio_gaps_unbounded,omitempty"`
}

// Excused is what maintenance excuses of a link, and the result without that.
type Excused struct {
	Works         []string `json:"works"`           // entries of the mesh, in the order of their beginnings
	Seconds       int64    `json:"seconds"`         // excused
	Beyond        int64    `json:"beyond_s"`        // seconds over the share that may be excused
	MeasuredRTTMS *float64 `json:"measured_rtt_ms"` // this and the rest: if nothing were excused
	Ratio         *float64 `json:"ratio"`
	Unbounded     bool     `json:"unbounded,omitempty"`
	Verdict       Verdict  `json:"verdict"`
	Reasons       []Reason `json:"reasons"`
	Bounds        *Bounds  `json:"bounds,omitempty"`
}

// Reason is a code with its parameters; text is rendered from them.
type Reason struct {
	Code   string         `json:"code"`
	Params map[string]any `json:"params,omitempty"` // what the code says of them, units in the names
}

// Codes of reasons for a verdict. The parameters "src" and "dst" name the end.
const (
	ReasonAboveLimit      = "above_limit"           // measured_rtt_ms, limit_rtt_ms
	ReasonUnbounded       = "unbounded"             // src, dst, packets, lost: the statistic falls among the lost packets
	ReasonBoundAbove      = "bound_above_limit"     // statistic, low_rtt_ms, limit_rtt_ms: all that summaries allow is above the limit
	ReasonOnlyBounds      = "only_bounds"           // statistic, low_rtt_ms, high_rtt_ms (null: unbounded), limit_rtt_ms: summaries leave it on both sides of the limit
	ReasonNoSites         = "no_sites"              // no link of the judged test joins the clusters on this plane
	ReasonNoWindows       = "no_windows"            // src, dst
	ReasonTooFewPackets   = "too_few_packets"       // src, dst, packets, required
	ReasonTooFewDays      = "too_few_days"          // src, dst, days, days_sufficient, required_share
	ReasonSilentHours     = "silent_hours"          // src, dst, hours: clock hours with too few packets
	ReasonNoDistance      = "no_distance"           // the two places are the same
	ReasonFasterThanLight = "faster_than_light"     // src, dst, min_ms, floor_ms: rejected
	ReasonFasterThanFibre = "faster_than_fibre"     // src, dst, min_ms, floor_ms: quarantined
	ReasonSiteUndecided   = "site_not_demonstrated" // sites: under the policy that all have to be
	ReasonPartUndecided   = "part_not_demonstrated" // from, to: before or after the distance changed
	ReasonWithheld        = "withheld"              // in an excerpt: there are reasons that are not public
	FlagEndsDiffer        = "ends_differ"           // measured_rtt_ms of both ends
	FlagRatioHigh         = "ratio_high"            // ratio, above
	FlagResidence         = "residence_above_cap"   // src, dst, max_us, cap_us
	FlagClockRate         = "clock_rate"            // src, dst, max_ppm, above_ppm: the probe's clock ran faster or slower than its crystal
	FlagConflicts         = "conflicts"             // src, dst, windows
	FlagSurplus           = "more_than_asked"       // src, dst, packets, filled: windows overlap, or hold more packets than the test asks for in their time
	FlagForeign           = "foreign_unused"        // src, dst, windows: begun outside the life of a site, or under other labels than the mesh has
	FlagMinStep           = "min_rtt_step"          // src, dst, days, at, before_ms, after_ms: the shortest RTT of an hour is not that of the next
	FlagUnregistered      = "works_unregistered"    // works: listed too late to excuse anything
	FlagSummaries         = "summaries_unused"      // src, dst, windows: imports without samples that do not say of how many packets they are
	FlagSummed            = "summaries_used"        // src, dst, windows, statistic, low_rtt_ms, high_rtt_ms (null: unbounded), and how many of the windows give min, mean, max: imports without samples
)

// Codes of a diagnosis, in the order in which they stand. "bound_rtt_ms" is the
// limit, or for a pair that complies what its RTT would have to be so as not to
// be near to it; "above_packets" are those above the bound. Of percentiles, lost
// packets are above it. Counts are of the packets of both ends, those with "_all"
// of all, the others of what the code names. "without_rtt_ms" is the judged RTT
// if the packets that it names were left out, "without_unbounded" that it is
// endless.
const (
	DiagnosisTooLong        = "route_too_long"         // min_rtt_ms, bound_rtt_ms, geodesic_rtt_ms, stretch: even the shortest RTT is above the bound
	DiagnosisStep           = "lasting_step"           // src, dst, from, to, low_rtt_ms, high_rtt_ms, ttl_changes, traces, packets, packets_all, above_packets, above_packets_all, bound_rtt_ms, without_rtt_ms: from and to (null: throughout) the shortest RTT is high, beside it low
	DiagnosisBadDays        = "bad_days"               // days, days_all, packets, packets_all, above_packets, above_packets_all, bound_rtt_ms, without_rtt_ms
	DiagnosisTimeOfDay      = "time_of_day"            // hours, packets, packets_all, above_packets, above_packets_all, bound_rtt_ms, without_rtt_ms
	DiagnosisOneEnd         = "one_end"                // src, dst, measured_rtt_ms, packets, packets_all, above_packets, above_packets_all, bound_rtt_ms, without_rtt_ms: without is the other end
	DiagnosisDirectionLoss  = "one_direction_loss"     // from, to, lost, lost_back, lost_all: packets lost on the way from a site to another, and on the way back
	DiagnosisDirectionDelay = "one_direction_delay"    // from, to, one_way_ms, one_way_back_ms, clock_error_ms: each may be off by the clocks' error
	DiagnosisLoss           = "loss"                   // packets, lost, bound_rtt_ms, without_rtt_ms
	DiagnosisDelay          = "delay"                  // packets, above_packets, bound_rtt_ms, received_rtt_ms: of the received packets
	DiagnosisStretch        = "stretch"                // min_rtt_ms, measured_rtt_ms, theoretical_rtt_ms, geodesic_rtt_ms, stretch: most of what is above the theoretical RTT is there when nothing queues
	DiagnosisOtherCarrier   = "other_carrier_complies" // carriers, ratios: between the same clusters, on the same plane
)

// End is what one site measured towards the other by the judged test, and
// whether that is enough.
type End struct {
	Seen
	Sufficient  bool        `json:"sufficient"` // enough data for a verdict
	Sufficiency Sufficiency `json:"sufficiency"`
	Origins     Origins     `json:"origins"`
	Timestamps  Timestamps  `json:"timestamps"`
}

// OtherEnd is what one site measured towards the other by a test that is not
// judged.
type OtherEnd struct {
	Seen
	Origins    Origins    `json:"origins"`
	Timestamps Timestamps `json:"timestamps"`
}

// Seen is what one site measured towards the other by one test. Counts are of
// packets but for windows and conflicts.
type Seen struct {
	Src       string `json:"src"`        // site that measured
	Dst       string `json:"dst"`        // site that answered
	Scheduled int64  `json:"scheduled"`  // what the mesh asks for over the period, what maintenance excuses left out
	Sent      int64  `json:"sent"`       // this and the next six: also what maintenance excuses
	Received  int64  `json:"received"`   // answered in time
	Lost      int64  `json:"lost"`       // not answered in time
	Late      int64  `json:"late"`       // of the lost: answered after the timeout
	Duplicate int64  `json:"duplicate"`  // answers beyond the first
	SendError int64  `json:"send_error"` // never left; not in sent
	Unstamped int64  `json:"unstamped"`  // of the received: without a trustworthy RTT; in no statistic
	// What the statistics are of: sent less unstamped, and the lost among these,
	// over the windows that maintenance does not excuse.
	CountedPackets int64 `json:"counted_packets"`
	CountedLost    int64 `json:"counted_lost"` // of the counted packets
	Statistics
	Windows   int `json:"windows"`   // of the test, in the period
	Conflicts int `json:"conflicts"` // windows that differ from an earlier one under the same key; not used
}

// Statistics are those of the packets of one end over the whole period, what
// maintenance excuses left out.
type Statistics struct {
	P50MS        *float64 `json:"p50_ms"` // median
	P50Unbounded bool     `json:"p50_unbounded,omitempty"`
	P95MS        *float64 `json:"p95_ms"` // 95th percentile by nearest rank, a lost packet being endless
	P95Unbounded bool     `json:"p95_unbounded,omitempty"`
	P99MS        *float64 `json:"p99_ms"` // 99th percentile, likewise
	P99Unbounded bool     `json:"p99_unbounded,omitempty"`
	MeanMS       *float64 `json:"mean_ms"`          // of the received, to the microsecond
	MinMS        *float64 `json:"min_ms"`           // of the received
	Bounds       []Bounds `json:"bounds,omitempty"` // of the statistics that are not known, which are null above
}

// LossPercent is the share of lost packets among those that the statistics are
// of; not known where there are none.
func (s *Seen) LossPercent() (percent float64, known bool) {
	if s.CountedPackets <= 0 {
		return 0, false
	}
	return 100 * float64(s.CountedLost) / float64(s.CountedPackets), true
}

// Beside is what the tests of the mesh measured that are not judged. Nothing of
// it is in any other part of the report.
type Beside struct {
	// DataSHA256 is over the windows of these tests, in the form of Data.
	DataSHA256 string `json:"data_sha256"`
	// Two RTTs differ if the difference is above both: so many ms, and that
	// share of the longer one. The policy has them for the two ends of a link.
	DiffersAboveMS    float64     `json:"differs_above_ms"`
	DiffersAboveShare float64     `json:"differs_above_share"` // as differs_above_ms
	Tests             []OtherTest `json:"tests"`               // in the order of the mesh
}

// OtherTest is a test that is not judged, and what it measured.
type OtherTest struct {
	Test      string      `json:"test"`       // its name in mesh.yaml
	Method    string      `json:"method"`     // as in mesh.yaml
	SizeBytes int         `json:"size_bytes"` // of the IP packet
	DSCP      int         `json:"dscp"`       // of the IP header
	Links     []OtherLink `json:"links"`      // that the test measures in the period, in the order of the report's links
}

// OtherLink is what a test that is not judged measured between two sites. The
// RTTs are of the worse end and, where the distance changed within the period,
// of the part with the highest ratio, as those of a Pair are.
type OtherLink struct {
	Pair             [2]string  `json:"pair"` // clusters
	Plane            string     `json:"plane"`
	Carrier          string     `json:"carrier"`
	Sites            []string   `json:"sites"` // in the order of pair
	DistanceKM       float64    `json:"distance_km"`
	TheoreticalRTTMS float64    `json:"theoretical_rtt_ms"` // rounded to the nanosecond
	MeasuredRTTMS    *float64   `json:"measured_rtt_ms"`    // the statistic that is judged of the judged test; null without packets, and if only Bounds are known
	Ratio            *float64   `json:"ratio"`              // measured RTT over theoretical RTT
	Unbounded        bool       `json:"unbounded,omitempty"`
	Bounds           *Bounds    `json:"bounds,omitempty"` // of the measured RTT, where it is not known
	Worse            Statistics `json:"worse"`            // each of the end that has it longer
	// DifferenceMS is the measured RTT less that of the judged test between the
	// same sites; null unless both are known, bounded, and over the same distance.
	DifferenceMS *float64 `json:"difference_ms"`
	// Differs says that the two differ by more than Beside says; one that is
	// unbounded alone always does.
	Differs bool       `json:"differs"`
	Ends    []OtherEnd `json:"ends"`
}

// Sufficiency is how much of the schedule an end fulfilled.
type Sufficiency struct {
	Days            int `json:"days"`             // with scheduled packets
	DaysSufficient  int `json:"days_sufficient"`  // of these, with enough packets
	Hours           int `json:"hours"`            // clock hours with scheduled packets, at most 24
	HoursSufficient int `json:"hours_sufficient"` // of these, with enough packets
}

// Part is a stretch of the period over which one distance held. Each is judged
// like a period of its own, and the pair complies only if every part does.
type Part struct {
	From             string   `json:"from"` // from when its distance held
	To               string   `json:"to"`   // until when
	DistanceKM       float64  `json:"distance_km"`
	DistanceClass    string   `json:"distance_class"`
	TheoreticalRTTMS float64  `json:"theoretical_rtt_ms"`
	LimitRTTMS       float64  `json:"limit_rtt_ms"`
	MeasuredRTTMS    *float64 `json:"measured_rtt_ms"`
	Ratio            *float64 `json:"ratio"`
	Unbounded        bool     `json:"unbounded,omitempty"`
	Verdict          Verdict  `json:"verdict"`
	Reasons          []Reason `json:"reasons"`
	Bounds           *Bounds  `json:"bounds,omitempty"`
}
