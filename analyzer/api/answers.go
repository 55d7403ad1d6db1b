package api

// What the server says besides reports. Schemas rise as that of Report does.
const (
	SchemaMonths  = "fibergauge.months/1"
	SchemaPairs   = "fibergauge.pairs/1"
	SchemaSeries  = "fibergauge.series/1"
	SchemaNetwork = "fibergauge.network/1"
	SchemaStatus  = "fibergauge.status/1"

	SchemaAnnotations = "fibergauge.annotations/1"
	SchemaHeatmap     = "fibergauge.heatmap/1"
	SchemaProbes      = "fibergauge.probes/1"
)

// Months are the months of which there is data, newest first.
type Months struct {
	Schema string         `json:"schema"`
	Months []MonthSummary `json:"months"`
	// Before is the query parameter for the months that follow; absent where
	// there are none.
	Before string `json:"before,omitempty"`
}

// MonthSummary is the headline of a month.
type MonthSummary struct {
	Month    string `json:"month"`    // 2025-06
	Complete bool   `json:"complete"` // it is over
	// Pending says that the report is not made yet, so that there is no rate: it
	// is being made, and whoever asks later finds it.
	Pending bool     `json:"pending"`
	AsOf    string   `json:"as_of,omitempty"` // what was stored before is in the figures
	Plane   string   `json:"plane,omitempty"` // of the headline
	Rate    *Rate    `json:"rate"`            // null while it is pending
	Origins *Origins `json:"origins"`         // null while it is pending
	// Planes are the rates on each plane, in the order of the mesh; absent while it
	// is pending.
	Planes []PlaneRates `json:"planes,omitempty"`
	Links  Links        `json:"links"`
}

// PlaneRates are what is public of a Plane of a report, without its pairs.
type PlaneRates struct {
	Plane    string    `json:"plane"` // as in mesh.yaml
	Rate     Rate      `json:"rate"`
	Carriers []Carrier `json:"carriers"` // the rate of each carrier by itself
	Hubs     []Hub     `json:"hubs"`     // over the pairs with a cluster in the hub
}

// Links are paths of this server.
type Links struct {
	Report string `json:"report"` // as JSON
	CSV    string `json:"csv"`
	XLSX   string `json:"xlsx"`
	HTML   string `json:"html"`
	PDF    string `json:"pdf"`
	Pairs  string `json:"pairs"`
}

// Pairs are pairs of a month's report, in its order: the best carrier on each
// plane, or, of the pairs of two clusters, every link.
type Pairs struct {
	Schema     string `json:"schema"`
	Month      string `json:"month"`
	DataSHA256 string `json:"data_sha256"` // of the report; another one has other pages
	Total      int    `json:"total"`       // that the filters leave
	Pairs      []Pair `json:"pairs"`
	Links      []Pair `json:"links,omitempty"` // between two clusters; only if these were asked for
	// Cursor is the query parameter for the pairs that follow; absent where
	// there are none.
	Cursor string `json:"cursor,omitempty"`
}

// Series is what links measured over a time, cut into steps.
type Series struct {
	Schema    string       `json:"schema"`
	From      string       `json:"from"`
	To        string       `json:"to"`
	TimeZone  string       `json:"time_zone"`
	Test      string       `json:"test"`
	Step      string       `json:"step"`      // window, hour or day
	Merged    int          `json:"merged"`    // steps in a point, so that there are not too many points
	Statistic string       `json:"statistic"` // that is judged, if the test is
	Judged    bool         `json:"judged"`    // the test is
	Series    []LinkSeries `json:"series"`
}

// LinkSeries is one end of a link.
type LinkSeries struct {
	Src     string    `json:"src"`
	Dst     string    `json:"dst"`
	Pair    [2]string `json:"pair"` // clusters: of src and of dst
	Carrier string    `json:"carrier"`
	Plane   string    `json:"plane"`
	Limits  []Limit   `json:"limits"`
	Points  []Point   `json:"points"` // those with packets
}

// Limit is the limit of a link for as long as its distance holds.
type Limit struct {
	From             string  `json:"from"`
	To               string  `json:"to"`
	DistanceKM       float64 `json:"distance_km"`
	TheoreticalRTTMS float64 `json:"theoretical_rtt_ms"` // rounded to the nanosecond
	LimitRTTMS       float64 `json:"limit_rtt_ms"`       // rounded down to the nanosecond
}

// Point is what an end measured in [From, To). Statistics are over all packets
// that have samples, so what maintenance excuses is in them.
type Point struct {
	From         string   `json:"from"`
	To           string   `json:"to"`
	Packets      int64    `json:"packets"` // that the statistics are of
	Lost         int64    `json:"lost"`    // of these
	MinMS        *float64 `json:"min_ms"`  // null if all were lost, as the mean is
	P50MS        *float64 `json:"p50_ms"`
	P50Unbounded bool     `json:"p50_unbounded,omitempty"`
	P95MS        *float64 `json:"p95_ms"`
	P95Unbounded bool     `json:"p95_unbounded,omitempty"`
	P99MS        *float64 `json:"p99_ms"`
	P99Unbounded bool     `json:"p99_unbounded,omitempty"`
	MeanMS       *float64 `json:"mean_ms"` // of the received, to the microsecond
	// Variation between successive packets (RFC 3393), of the windows that tell it:
	// the highest mean of one window, and the highest of all. Only where the step
	// is window; day records do not have it.
	IPDVMeanMS *float64 `json:"ipdv_mean_ms,omitempty"`
	IPDVMaxMS  *float64 `json:"ipdv_max_ms,omitempty"`
	// Excused says that maintenance excuses some of the packets. Of single
	// windows it is not said.
	Excused bool `json:"excused,omitempty"`
}

// Network is what is measured now: the newest mesh. Sites and links are those
// that the reader sees in full.
type Network struct {
	Schema     string        `json:"schema"`
	Name       string        `json:"name"`
	MeshSHA256 string        `json:"mesh_sha256"`
	TimeZone   string        `json:"time_zone"`
	Hubs       []Named       `json:"hubs"`
	Clusters   []Cluster     `json:"clusters"`
	Carriers   []Named       `json:"carriers"`
	Planes     []string      `json:"planes"`
	Judged     string        `json:"judged"` // the test that decides
	Tests      []Test        `json:"tests"`
	Sites      []Site        `json:"sites"`
	Links      []NetworkLink `json:"links"`
}

// Named is an identifier with its names.
type Named struct {
	ID string `json:"id"`           // as in mesh.yaml
	EN string `json:"en"`           // name in English
	ZH string `json:"zh,omitempty"` // name in Chinese
}

// Test is what is measured of links.
type Test struct {
	Test       string `json:"test"`
	Method     string `json:"method"`
	IntervalMS int    `json:"interval_ms"` // between packets
	WindowS    int    `json:"window_s"`
	SizeBytes  int    `json:"size_bytes"` // of the IP packet
	DSCP       int    `json:"dscp"`
}

// Site stands for an egress router.
type Site struct {
	ID      string  `json:"id"`
	Cluster string  `json:"cluster"`
	Carrier string  `json:"carrier"`
	Plane   string  `json:"plane"`
	Role    string  `json:"role"` // probe, reflector or both
	Lat     float64 `json:"lat"`  // its own place if it is known, else the cluster's
	Lon     float64 `json:"lon"`
}

// NetworkLink is measured from one site to another, and has a limit by the
// policy of the server.
type NetworkLink struct {
	Src              string    `json:"src"`
	Dst              string    `json:"dst"`
	Pair             [2]string `json:"pair"` // clusters: of src and of dst
	Carrier          string    `json:"carrier"`
	Plane            string    `json:"plane"`
	Tests            []string  `json:"tests"` // in the order of the mesh
	DistanceKM       float64   `json:"distance_km"`
	DistanceClass    string    `json:"distance_class"`
	Estimated        bool      `json:"estimated"`
	TheoreticalRTTMS float64   `json:"theoretical_rtt_ms"` // rounded to the nanosecond
	LimitRTTMS       float64   `json:"limit_rtt_ms"`       // rounded down to the nanosecond
}

// Status is how the server stands.
type Status struct {
	Schema       string  `json:"schema"`
	Server       string  `json:"server"`      // program and version
	Now          string  `json:"now"`         // by the server's clock
	MeshSHA256   string  `json:"mesh_sha256"` // the newest
	PolicySHA256 string  `json:"policy_sha256"`
	TimeZone     string  `json:"time_zone"`
	NewestEnd    *string `json:"newest_end"` // of the window that ended last; null without any
}

// Annotations are what happened on links, in the order of its beginning.
type Annotations struct {
	Schema      string       `json:"schema"`
	From        string       `json:"from"`
	To          string       `json:"to"`
	TimeZone    string       `json:"time_zone"`
	Test        string       `json:"test"`
	Annotations []Annotation `json:"annotations"`
}

// Kinds of an annotation.
const (
	Maintenance    = "maintenance"     // works, reason, sites: whether they excuse anything, the report says
	PathChange     = "path_change"     // src, dst, ttl_changes, traces: in this hour
	ClockStep      = "clock_step"      // sites: the wall clock of the probe there jumped, at from
	DistanceChange = "distance_change" // src, dst, before_km, after_km: the limit is another one from then on
)

// Annotation is something in [From, To).
type Annotation struct {
	Kind       string   `json:"kind"` // as above
	From       string   `json:"from"`
	To         string   `json:"to"`                    // of a moment, as from
	Works      string   `json:"works,omitempty"`       // entry of the mesh
	Reason     string   `json:"reason,omitempty"`      // as it stands there
	Sites      []string `json:"sites,omitempty"`       // of the links that were asked for
	Src        string   `json:"src,omitempty"`         // the end that saw it
	Dst        string   `json:"dst,omitempty"`         // towards which
	TTLChanges int      `json:"ttl_changes,omitempty"` // replies whose TTL differed from the one before
	Traces     int      `json:"traces,omitempty"`      // times that the probe traced the path because it seemed to change
	BeforeKM   float64  `json:"before_km,omitempty"`   // distance until then
	AfterKM    float64  `json:"after_km,omitempty"`    // and from then on
}

// Heatmap counts the packets of all ends that were asked for, together, by when
// they were sent and how long they took.
type Heatmap struct {
	Schema   string         `json:"schema"`
	From     string         `json:"from"`
	To       string         `json:"to"`
	TimeZone string         `json:"time_zone"`
	Test     string         `json:"test"`
	Step     string         `json:"step"`     // window, hour or day
	Merged   int            `json:"merged"`   // steps in a point
	Ends     int            `json:"ends"`     // whose packets are counted
	EdgesMS  []float64      `json:"edges_ms"` // lower edges of the buckets, ascending; the last one has no upper edge
	Points   []HeatmapPoint `json:"points"`   // those with packets
}

// HeatmapPoint is what was sent in [From, To).
type HeatmapPoint struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Lost   int64   `json:"lost"`
	Counts []int64 `json:"counts"` // of the received, one for each edge
}

// Probes is how those that measure do: what came from each, over a time.
type Probes struct {
	Schema   string  `json:"schema"`
	From     string  `json:"from"`
	To       string  `json:"to"`
	TimeZone string  `json:"time_zone"`
	Now      string  `json:"now"`    // by the server's clock
	Step     string  `json:"step"`   // hour or day
	Merged   int     `json:"merged"` // steps in a point
	Probes   []Probe `json:"probes"` // a site with the role probe or both, in the order of the mesh
}

// Probe is the probe of a site. What it is like, such as its clock, is that of the
// window that ended last in the period; absent without any.
type Probe struct {
	Site         string  `json:"site"`
	Cluster      string  `json:"cluster"`
	Carrier      string  `json:"carrier"`
	Plane        string  `json:"plane"`
	Ends         int     `json:"ends"`          // links that it should measure, once for each test
	EndsHeard    int     `json:"ends_heard"`    // of these, with a window in the period
	LastEnd      *string `json:"last_end"`      // of the window that ended last in the period
	LastAdmitted *string `json:"last_admitted"` // when something of it was stored last, before the period ended
	// SilentS is from LastEnd to the end of the period, to now or until the site is
	// gone, whatever is earliest: null without a window.
	SilentS      *float64     `json:"silent_s"`
	Clock        string       `json:"clock,omitempty"` // synchronised, unsynchronised or unknown
	ClockErrorUS int64        `json:"clock_error_us,omitempty"`
	ClockPPM     float64      `json:"clock_ppm,omitempty"`  // correction of its rate
	Timestamps   string       `json:"timestamps,omitempty"` // hardware, kernel or user
	ProbeVersion string       `json:"probe_version,omitempty"`
	Points       []ProbePoint `json:"points"` // one for each step, those without windows too
}

// ProbePoint is what came of a probe for [From, To).
type ProbePoint struct {
	From           string   `json:"from"`
	To             string   `json:"to"`
	Windows        int      `json:"windows"`  // that start in it
	Expected       int      `json:"expected"` // that the mesh asks for in it, as far as it is past
	Sent           int64    `json:"sent"`     // packets, as all that follow
	Lost           int64    `json:"lost"`
	Late           int64    `json:"late"` // of the lost: they came after the time-out
	Duplicate      int64    `json:"duplicate"`
	SendError      int64    `json:"send_error"`
	Unstamped      int64    `json:"unstamped"`
	Hardware       int      `json:"hardware"` // windows by the source of their timestamps
	Kernel         int      `json:"kernel"`
	User           int      `json:"user"`
	Unsynchronised int      `json:"unsynchronised"` // windows by the state of the clock
	ClockUnknown   int      `json:"clock_unknown"`
	ClockErrorUS   int64    `json:"clock_error_us"` // the largest that a window states
	ClockPPM       float64  `json:"clock_ppm"`      // the largest correction of its rate, up or down
	ClockSteps     int      `json:"clock_steps"`    // moments at which it jumped
	Admissions     int      `json:"admissions"`     // stored in this time, of whatever time
	WaitedS        *float64 `json:"waited_s"`       // the longest that a window admitted in this time had lain in the spool: from its end; null without any
}
