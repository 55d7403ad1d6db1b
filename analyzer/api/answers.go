package api

// What the server says besides reports. Schemas rise as that of Report does.
const (
	SchemaMonths  = "fibergauge.months/1"
	SchemaPairs   = "fibergauge.pairs/1"
	SchemaSeries  = "fibergauge.series/1"
	SchemaNetwork = "fibergauge.network/1"
	SchemaStatus  = "fibergauge.status/1"

	SchemaAnnotations = "fibergauge.annotations/1"
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
	Links   Links    `json:"links"`
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
	Maintenance = "maintenance" // works, reason, sites: whether they excuse anything, the report says
	PathChange  = "path_change" // src, dst, ttl_changes, traces: in this hour
)

// Annotation is something in [From, To).
type Annotation struct {
	Kind       string   `json:"kind"` // maintenance or path_change
	From       string   `json:"from"`
	To         string   `json:"to"`
	Works      string   `json:"works,omitempty"`       // entry of the mesh
	Reason     string   `json:"reason,omitempty"`      // as it stands there
	Sites      []string `json:"sites,omitempty"`       // of the links that were asked for
	Src        string   `json:"src,omitempty"`         // the end that saw it
	Dst        string   `json:"dst,omitempty"`         // towards which
	TTLChanges int      `json:"ttl_changes,omitempty"` // replies whose TTL differed from the one before
	Traces     int      `json:"traces,omitempty"`      // times that the probe traced the path because it seemed to change
}
