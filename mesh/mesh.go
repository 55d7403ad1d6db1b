// Package mesh is the vocabulary of Fibergauge and the reader of mesh.yaml,
// the one file that says what is measured: hubs, clusters, carriers, planes,
// sites, the distances between them, the tests and the maintenance.
//
// Everything downstream takes its identifiers from here: the collector makes
// assignments out of a Mesh, the analyzer judges by its distances. A Mesh is
// immutable once loaded, and is named by the SHA-256 of the file's bytes.
package mesh

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

//go:generate go run ./schemagen

// FormatVersion is the version of the file format that this package reads.
const FormatVersion = 1

// Mesh is one mesh.yaml. The exported fields mirror the file; Load and Parse
// fill the rest and guarantee that every reference resolves.
type Mesh struct {
	Version     int           `yaml:"version" jsonschema:"required,enum=1,description=Version of this file format."`
	Name        string        `yaml:"name" jsonschema:"required,description=Short name of the mesh; letters digits dot dash underscore."`
	TimeZone    string        `yaml:"time_zone" jsonschema:"required,description=IANA time zone whose days and months are judged such as Asia/Shanghai."`
	Hubs        []Hub         `yaml:"hubs" jsonschema:"required"`
	Clusters    []Cluster     `yaml:"clusters" jsonschema:"required"`
	Carriers    []Carrier     `yaml:"carriers" jsonschema:"required"`
	Planes      []Plane       `yaml:"planes" jsonschema:"required,enum=optical,enum=private-ip,enum=public-internet"`
	Sites       []Site        `yaml:"sites" jsonschema:"required"`
	Distances   []Distance    `yaml:"distances" jsonschema:"description=Road distances; between sites wins over between clusters; a missing one is estimated as class C."`
	Measure     []Test        `yaml:"measure" jsonschema:"required"`
	Judged      string        `yaml:"judged" jsonschema:"required,description=Name of the test that decides compliance; the others are shown."`
	Maintenance []Maintenance `yaml:"maintenance" jsonschema:"description=Announced works; they count only where the journal shows that they were registered before they began."`

	sha256   string
	bytes    []byte
	location *time.Location
	warnings []string
	sites    map[string]*Site
	clusters map[string]*Cluster
}

// Name is a name in English and Chinese.
type Name struct {
	EN string `yaml:"en" jsonschema:"required"`
	ZH string `yaml:"zh"`
}

// Hub is a national hub node (枢纽节点).
type Hub struct {
	ID   string `yaml:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]+$"`
	Name Name   `yaml:"name" jsonschema:"required"`
}

// Cluster is a data-centre cluster (集群) in a hub.
type Cluster struct {
	ID        string   `yaml:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]+$"`
	Hub       string   `yaml:"hub" jsonschema:"required"`
	Name      Name     `yaml:"name" jsonschema:"required"`
	StartArea string   `yaml:"start_area" jsonschema:"description=Start area of the cluster as designated."`
	Location  Location `yaml:"location" jsonschema:"required"`
}

// Location is a point on WGS-84.
type Location struct {
	Lat         float64 `yaml:"lat" jsonschema:"required,minimum=-90,maximum=90,description=Degrees north WGS-84."`
	Lon         float64 `yaml:"lon" jsonschema:"required,minimum=-180,maximum=180,description=Degrees east WGS-84."`
	Source      string  `yaml:"source" jsonschema:"description=Where the coordinates come from."`
	Approximate bool    `yaml:"approximate" jsonschema:"description=True where the place is not known to a kilometre or so."`
	ExtentKM    float64 `yaml:"extent_km" jsonschema:"minimum=0,maximum=500,description=Radius within which a site of the cluster may lie; part of the uncertainty of a distance."`
}

// Carrier is a network operator (运营商).
type Carrier struct {
	ID   string `yaml:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]+$"`
	Name Name   `yaml:"name" jsonschema:"required"`
}

// Plane is the kind of network that carries the packets.
type Plane string

// The planes for which figures are published.
const (
	Optical        Plane = "optical"
	PrivateIP      Plane = "private-ip"
	PublicInternet Plane = "public-internet"
)

// Role says what a site does: it measures, it answers, or both.
type Role string

// Roles of a site.
const (
	RoleProbe     Role = "probe"     // runs a probe; nobody measures towards it
	RoleReflector Role = "reflector" // only answers
	RoleBoth      Role = "both"
)

// Probes tells whether a site of this role measures.
func (r Role) Probes() bool { return r == RoleProbe || r == RoleBoth }

// Answers tells whether a site of this role can be measured.
func (r Role) Answers() bool { return r == RoleReflector || r == RoleBoth }

// Site is one place in one cluster, of one carrier on one plane. It stands for
// an egress router.
type Site struct {
	ID       string    `yaml:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]+$"`
	Cluster  string    `yaml:"cluster" jsonschema:"required"`
	Carrier  string    `yaml:"carrier" jsonschema:"required"`
	Plane    Plane     `yaml:"plane" jsonschema:"required,enum=optical,enum=private-ip,enum=public-internet"`
	Address  string    `yaml:"address" jsonschema:"required,description=IPv4 or IPv6 address that is measured and from which the site measures."`
	Role     Role      `yaml:"role" jsonschema:"required,enum=probe,enum=reflector,enum=both"`
	City     string    `yaml:"city" jsonschema:"description=City of the site; sites of one city fall under the limit inside a city."`
	Location *Location `yaml:"location" jsonschema:"description=Own place of the site if it is known; else the cluster's counts."`
	STAMP    *STAMP    `yaml:"stamp" jsonschema:"description=How the reflector of the site is spoken to by STAMP tests; the defaults if absent."`
	From     Moment    `yaml:"from" jsonschema:"description=First moment at which the site exists; a date in the mesh's time zone or RFC 3339."`
	Until    Moment    `yaml:"until" jsonschema:"description=First moment at which the site no longer exists."`

	life interval
}

// STAMP says how the reflector of a site is spoken to: one of another make may
// need another way than ours.
type STAMP struct {
	Port          int        `yaml:"port" jsonschema:"minimum=1,maximum=65535,default=862,description=UDP port on which the reflector listens."`
	Timestamps    Timestamps `yaml:"timestamps" jsonschema:"enum=ntp,enum=ptp,default=ntp,description=Format of the timestamps in our packets; some reflectors answer in the one and claim the other."`
	Authenticated bool       `yaml:"authenticated" jsonschema:"description=True for authenticated packets; the probe has the key from its --stamp-keys."`
	Plain         bool       `yaml:"plain" jsonschema:"description=True for a TWAMP-Light peer: packets have padding instead of TLVs."`
}

// Timestamps is a format of timestamps (RFC 8762 and RFC 8186).
type Timestamps string

// Formats of timestamps. NTP is meant where nothing is said.
const (
	NTP Timestamps = "ntp"
	PTP Timestamps = "ptp"
)

// STAMPPort is where a reflector listens unless the site says otherwise (RFC
// 8762, section 4.1).
const STAMPPort = 862

// Reflector is how the reflector of a site is spoken to, defaults filled in.
func (s *Site) Reflector() STAMP {
	r := STAMP{}
	if s.STAMP != nil {
		r = *s.STAMP
	}
	if r.Port == 0 {
		r.Port = STAMPPort
	}
	if r.Timestamps == "" {
		r.Timestamps = NTP
	}
	return r
}

// DistanceClass says how well a distance is known.
type DistanceClass string

// Distance classes.
const (
	ClassA DistanceClass = "A" // registered by the regulator
	ClassB DistanceClass = "B" // routed on a named map
	ClassC DistanceClass = "C" // geodesic × 1.3, an estimate
)

// Medium is what carries the light; it decides which RTTs are plausible.
type Medium string

// Media of a route. Fibre is meant where nothing is said.
const (
	Fibre      Medium = "fibre"
	HollowCore Medium = "hollow-core"
	Microwave  Medium = "microwave"
)

// Distance is a road distance between two clusters or two sites.
type Distance struct {
	Clusters []string      `yaml:"clusters" jsonschema:"minItems=2,maxItems=2,description=Two clusters; give either this or sites."`
	Sites    []string      `yaml:"sites" jsonschema:"minItems=2,maxItems=2,description=Two sites; wins over the distance of their clusters."`
	KM       float64       `yaml:"km" jsonschema:"required,description=Length of the road in kilometres; at most three decimals count."`
	Class    DistanceClass `yaml:"class" jsonschema:"required,enum=A,enum=B,enum=C"`
	Source   string        `yaml:"source" jsonschema:"required,description=Who says so: register and number or map and date."`
	MinKM    float64       `yaml:"min_km" jsonschema:"description=Shortest route on the map (class B)."`
	MaxKM    float64       `yaml:"max_km" jsonschema:"description=Length of the fastest route on the map (class B)."`
	Medium   Medium        `yaml:"medium" jsonschema:"enum=fibre,enum=hollow-core,enum=microwave,description=Fibre unless a hollow-core or microwave route is registered."`
	From     Moment        `yaml:"from"`
	Until    Moment        `yaml:"until"`

	life interval
}

// Method is how a link is measured.
type Method string

// Methods of measurement.
const (
	MethodICMP  Method = "icmp"  // ICMP echo, RFC 792 and RFC 4443
	MethodSTAMP Method = "stamp" // RFC 8762
)

// Test is a named entry under measure.
type Test struct {
	Name       string        `yaml:"test" jsonschema:"required,description=Name of the test."`
	Method     Method        `yaml:"method" jsonschema:"required,enum=icmp,enum=stamp"`
	Links      []LinkPattern `yaml:"links" jsonschema:"required,description=The links that are measured; a link matching any of the patterns is."`
	IntervalMS int           `yaml:"interval_ms" jsonschema:"required,minimum=10,maximum=900000,description=One packet is sent in each interval at a random moment; divides the window."`
	SizeBytes  int           `yaml:"size_bytes" jsonschema:"required,minimum=72,maximum=9000,description=Length of the IP packet with its header."`
	DSCP       int           `yaml:"dscp" jsonschema:"minimum=0,maximum=63"`
	WindowS    int           `yaml:"window_s" jsonschema:"required,minimum=1,maximum=900,description=Length of a window; divides 15 minutes."`
}

// LinkPattern selects links by the ends. A link runs between two different
// sites of one carrier and plane in different clusters.
type LinkPattern struct {
	From          string   `yaml:"from" jsonschema:"description=Shell pattern over site or cluster identifiers; all if absent."`
	To            string   `yaml:"to" jsonschema:"description=Shell pattern over site or cluster identifiers; all if absent."`
	Carriers      []string `yaml:"carriers" jsonschema:"description=Only these carriers."`
	Planes        []Plane  `yaml:"planes" jsonschema:"description=Only these planes."`
	WithinCluster bool     `yaml:"within_cluster" jsonschema:"description=Also links between two sites of one cluster."`
}

// Maintenance is announced work during which a link may be silent or slow.
type Maintenance struct {
	ID     string   `yaml:"id" jsonschema:"required,pattern=^[A-Za-z0-9._-]+$"`
	Sites  []string `yaml:"sites" jsonschema:"required,description=Sites whose links are affected."`
	From   Moment   `yaml:"from" jsonschema:"required"`
	Until  Moment   `yaml:"until" jsonschema:"required"`
	Reason string   `yaml:"reason" jsonschema:"required"`

	life interval
}

// Link is an ordered pair of sites: the first measures, the second answers.
type Link struct {
	Src, Dst string // site identifiers
}

// Pair is an unordered pair of clusters, in the order of the mesh file.
type Pair struct {
	A, B string // cluster identifiers
}

// Load reads a mesh from a file.
func Load(file string) (*Mesh, error) {
	m := &Mesh{}
	doc, data, err := yamlfile.Read(file, m)
	if err != nil {
		return nil, err
	}
	return m.finish(doc, data)
}

// Parse reads a mesh from bytes; name stands in the errors for the file.
func Parse(name string, data []byte) (*Mesh, error) {
	m := &Mesh{}
	doc, err := yamlfile.Parse(name, data, m)
	if err != nil {
		return nil, err
	}
	return m.finish(doc, data)
}

func (m *Mesh) finish(doc *yamlfile.Document, data []byte) (*Mesh, error) {
	sum := sha256.Sum256(data)
	m.sha256, m.bytes = hex.EncodeToString(sum[:]), data
	if err := m.check(doc); err != nil {
		return nil, err
	}
	return m, nil
}

// SHA256 is the hash of the file's bytes, in hex: the version of the mesh.
func (m *Mesh) SHA256() string { return m.sha256 }

// Bytes are the file's bytes, for the archive. They must not be changed.
func (m *Mesh) Bytes() []byte { return m.bytes }

// Location is the time zone whose days and months are judged.
func (m *Mesh) Location() *time.Location { return m.location }

// Warnings are findings that do not make the mesh unusable but that somebody
// should look at, each on one line.
func (m *Mesh) Warnings() []string { return m.warnings }

// Site finds a site by its identifier; nil if there is none.
func (m *Mesh) Site(id string) *Site { return m.sites[id] }

// Cluster finds a cluster by its identifier; nil if there is none.
func (m *Mesh) Cluster(id string) *Cluster { return m.clusters[id] }

// Test finds a test by its name; nil if there is none.
func (m *Mesh) Test(name string) *Test {
	for i := range m.Measure {
		if m.Measure[i].Name == name {
			return &m.Measure[i]
		}
	}
	return nil
}
