package mesh

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small is a valid mesh of two clusters, one line a thing, so that a test can
// spoil one line and name it in the expected message.
const small = `version: 1
name: small
time_zone: Asia/Shanghai
hubs:
  - {id: north, name: {en: North}}
  - {id: south, name: {en: South, zh: 南}}
clusters:
  - {id: aa, hub: north, name: {en: Aa}, location: {lat: 40.612, lon: 115.065}}
  - {id: bb, hub: south, name: {en: Bb}, location: {lat: 31.154, lon: 121.114}}
carriers:
  - {id: one, name: {en: One}}
planes: [optical, private-ip]
sites:
  - {id: a1, cluster: aa, carrier: one, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: bb, carrier: one, plane: optical, address: "2001:db8::1", role: both, from: 2025-01-01, until: 2026-01-01}
  - {id: b2, cluster: bb, carrier: one, plane: optical, address: 192.0.2.3, role: reflector, city: wujiang}
distances:
  - {clusters: [aa, bb], km: 1537, class: A, source: register}
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, dscp: 0, window_s: 60}
judged: icmp
maintenance:
  - {id: m1, sites: [a1], from: 2025-06-01, until: 2025-06-02T00:00:00+08:00, reason: works}
`

func TestSmallMeshIsValid(t *testing.T) {
	m, err := Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.SHA256(), "d"; len(got) != 64 {
		t.Errorf("SHA-256 %q, want 64 digits like %s…", got, want)
	}
	if len(m.Warnings()) != 0 {
		t.Errorf("warnings: %v", m.Warnings())
	}
}

// TestBadMeshes is the table of what people get wrong, each with the exact
// line that they are told. Each case replaces one text of the small mesh.
func TestBadMeshes(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"tab", "name: small", "name:\tsmall\n\tx: 1", `m.yaml:3: is not valid YAML: found a tab character that violates indentation`},
		{"unknown field", "judged:", "judge:", `m.yaml:21: judge: unknown field; allowed: version, name, time_zone, hubs, clusters, carriers, planes, sites, distances, measure, judged, maintenance`},
		{"unknown field of a site", "role: both}", "rôle: both}", `m.yaml:14: sites[0].rôle: unknown field; allowed: id, cluster, carrier, plane, address, role, city, location, stamp, from, until`},
		{"field twice", "name: small", "name: small\nname: large", `m.yaml:3: name: is given twice; keep one`},
		{"text for number", "version: 1", "version: one", `m.yaml:1: version: must be a whole number, not "one"`},
		{"number with a fraction", "window_s: 60", "window_s: 60.5", `m.yaml:20: measure[0].window_s: must be a whole number, not "60.5"`},
		{"list for mapping", "hubs:", "hubs: []\nplanes2:", `m.yaml:5: planes2: unknown field; allowed: version, name, time_zone, hubs, clusters, carriers, planes, sites, distances, measure, judged, maintenance`},
		{"mapping for list", "planes: [optical, private-ip]", "planes: {optical: true}", `m.yaml:12: planes: must be a list`},
		{"alias", "name: {en: South, zh: 南}", "name: *x", `m.yaml:6: is not valid YAML: unknown anchor 'x' referenced`},
		{"version", "version: 1", "version: 2", `m.yaml:1: version: is 2; this program reads version 1`},
		{"no name", "name: small\n", "", `m.yaml: name: "" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"time zone", "Asia/Shanghai", "Asia/Atlantis", `m.yaml:3: time_zone: "Asia/Atlantis" is not an IANA time zone; write one like Asia/Shanghai or UTC`},
		{"local time zone", "Asia/Shanghai", "Local", `m.yaml:3: time_zone: "Local" is not an IANA time zone; write one like Asia/Shanghai or UTC`},
		{"hub twice", "id: south", "id: north", `m.yaml:6: hubs[1].id: "north" is given twice; identifiers are unique`},
		{"hub unknown", "hub: south", "hub: west", `m.yaml:9: clusters[1].hub: "west" is not a hub of this mesh; hubs are north, south`},
		{"identifier", "id: bb", "id: b b", `m.yaml:9: clusters[1].id: "b b" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"latitude", "lat: 31.154", "lat: 131.154", `m.yaml:9: clusters[1].location.lat: 131.154 is not within -90 to 90 degrees north`},
		{"latitude not a number", "lat: 31.154", "lat: .nan", `m.yaml:9: clusters[1].location.lat: NaN is not within -90 to 90 degrees north`},
		{"no place", "location: {lat: 31.154, lon: 121.114}", "location: {lat: 0, lon: 0}", `m.yaml:9: clusters[1].location: is 0, 0; give lat and lon in degrees`},
		{"plane", "[optical, private-ip]", "[optical, lambda]", `m.yaml:12: planes[1]: "lambda" is not a plane; allowed: optical, private-ip, public-internet`},
		{"plane of a site", "plane: optical, address: 192.0.2.3", "plane: public-internet, address: 192.0.2.3", `m.yaml:16: sites[2].plane: "public-internet" is not a plane of this mesh; planes are optical, private-ip`},
		{"cluster of a site", "cluster: bb, carrier: one, plane: optical, address: 192.0.2.3", "cluster: cc, carrier: one, plane: optical, address: 192.0.2.3", `m.yaml:16: sites[2].cluster: "cc" is not a cluster of this mesh; clusters are aa, bb`},
		{"address", "192.0.2.3", "192.0.2.333", `m.yaml:16: sites[2].address: "192.0.2.333" is not an IPv4 or IPv6 address of one host`},
		{"host name for address", "192.0.2.3", "router.example", `m.yaml:16: sites[2].address: "router.example" is not an IPv4 or IPv6 address of one host`},
		{"link-local address", "192.0.2.3", "fe80::1", `m.yaml:16: sites[2].address: fe80::1 is link-local, so it means another host on every network; give the address that other sites reach`},
		{"address twice", "192.0.2.3", "192.0.2.1", `m.yaml:16: sites[2].address: 192.0.2.1 is the address of site a1 already; each site has its own`},
		{"role", "role: reflector", "role: mirror", `m.yaml:16: sites[2].role: "mirror" is not a role; allowed: probe, reflector, both`},
		{"from after until", "until: 2026-01-01", "until: 2024-01-01", `m.yaml:15: sites[1].until: 2024-01-01 is not after from, 2025-01-01`},
		{"date", "from: 2025-01-01,", "from: 1.1.2025,", `m.yaml:15: sites[1].from: "1.1.2025" is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00`},
		{"distance below the geodesic", "km: 1537", "km: 1000", `m.yaml:18: distances[0].km: 1000 km is shorter than the geodesic of 1182.293 km; no road is`},
		{"distance negative", "km: 1537", "km: -1", `m.yaml:18: distances[0].km: -1 is not a road distance; it is above 0 and at most 40000 km`},
		{"distance infinite", "km: 1537", "km: .inf", `m.yaml:18: distances[0].km: +Inf is not a road distance; it is above 0 and at most 40000 km`},
		{"distance in millimetres", "km: 1537", "km: 1537.0001", `m.yaml:18: distances[0].km: 1537.0001 has more than three decimals; whole metres count`},
		{"distance class", "class: A", "class: D", `m.yaml:18: distances[0].class: "D" is not a distance class; allowed: A, B, C`},
		{"distance source", ", source: register", "", `m.yaml:18: distances[0].source: is missing; say on one line who measured it: register and number, or map and date`},
		{"distance to itself", "clusters: [aa, bb]", "clusters: [aa, aa]", `m.yaml:18: distances[0].clusters: has to name two different clusters`},
		{"distance unknown end", "clusters: [aa, bb]", "clusters: [aa, zz]", `m.yaml:18: distances[0].clusters[1]: "zz" is not a cluster of this mesh`},
		{"distance without ends", "clusters: [aa, bb], ", "", `m.yaml:18: distances[0]: names its ends by clusters: [a, b] or by sites: [a, b]; give one of them`},
		{"distance twice", "measure:", "  - {clusters: [bb, aa], km: 1600, class: A, source: other}\nmeasure:", `m.yaml:19: distances[1]: gives the same ends as distances[0] for overlapping times; end one with until where the other begins with from`},
		{"medium", "source: register", "source: register, medium: string", `m.yaml:18: distances[0].medium: "string" is not a medium; allowed: fibre, hollow-core, microwave`},
		{"method", "method: icmp", "method: telepathy", `m.yaml:20: measure[0].method: "telepathy" is not a method; allowed: icmp, stamp`},
		{"reflector of a site without one", "role: both}", "role: probe, stamp: {port: 862}}", `m.yaml:14: sites[0].stamp: says how the reflector of the site is spoken to, which has none by its role probe; allowed with reflector and both`},
		{"port of a reflector", "role: both}", "role: both, stamp: {port: 70000}}", `m.yaml:14: sites[0].stamp.port: 70000 is not within 1 to 65535`},
		{"timestamps of a reflector", "role: both}", "role: both, stamp: {timestamps: unix}}", `m.yaml:14: sites[0].stamp.timestamps: "unix" is not a format of timestamps; allowed: ntp, ptp`},
		{"size for STAMP", "method: icmp", "method: stamp", `m.yaml:20: measure[0].size_bytes: 84 is less than the 92 that a STAMP packet to site a1 needs, with an IPv6 header; 128 leaves room for its extensions, 192 if it is authenticated`},
		{"window", "window_s: 60", "window_s: 70", `m.yaml:20: measure[0].window_s: 70 does not divide 15 minutes; 60 does`},
		{"interval", "interval_ms: 1000", "interval_ms: 700", `m.yaml:20: measure[0].interval_ms: 700 is not at least 10 and a divisor of the window's 60000 ms`},
		{"size", "size_bytes: 84", "size_bytes: 64", `m.yaml:20: measure[0].size_bytes: 64 is not within 72 to 9000, the IP header included`},
		{"DSCP", "dscp: 0", "dscp: 64", `m.yaml:20: measure[0].dscp: 64 is not within 0 to 63`},
		{"no links", "links: [{}]", "links: []", `m.yaml:20: measure[0].links: is missing; write - {} for all links`},
		{"link pattern", "links: [{}]", "links: [{from: '[a'}]", `m.yaml:20: measure[0].links[0].from: "[a" is not a shell pattern; * and ? and [a-z] are`},
		{"link pattern matches nothing", "links: [{}]", "links: [{to: 'x*'}]", `m.yaml:20: measure[0].links[0].to: "x*" matches no site or cluster of this mesh`},
		{"no link at all", "links: [{}]", "links: [{planes: [private-ip]}]", `m.yaml:20: measure[0].links: matches no link; a link joins two sites of one carrier and plane, from a probe to a reflector`},
		{"carrier of a pattern", "links: [{}]", "links: [{carriers: [two]}]", `m.yaml:20: measure[0].links[0].carriers[0]: "two" is not a carrier of this mesh; carriers are one`},
		{"judged", "judged: icmp", "judged: udp", `m.yaml:21: judged: "udp" is not a test of this mesh; tests are icmp`},
		{"maintenance without end", ", until: 2025-06-02T00:00:00+08:00", "", `m.yaml:23: maintenance[0]: needs both from and until`},
		{"maintenance of nobody", "sites: [a1]", "sites: [a9]", `m.yaml:23: maintenance[0].sites[0]: "a9" is not a site of this mesh`},
		{"empty", small, "", `m.yaml: is empty`},
		{"a text", small, "hello", `m.yaml:1: must be a mapping with the fields version, name, time_zone, hubs, clusters, carriers, planes, sites, distances, measure, judged, maintenance`},
	} {
		t.Run(test.name, func(t *testing.T) {
			spoilt := strings.Replace(small, test.old, test.new, 1)
			if spoilt == small {
				t.Fatalf("%q is not in the small mesh", test.old)
			}
			_, err := Parse("m.yaml", []byte(spoilt))
			if err == nil {
				t.Fatalf("accepted; want %s", test.want)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load("no-such.yaml")
	if want := "no-such.yaml: cannot be read: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLongRoadIsFlagged(t *testing.T) {
	m, err := Parse("m.yaml", []byte(strings.Replace(small, "km: 1537", "km: 2500", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"m.yaml:18: distances[0].km: 2500 km is more than twice the geodesic of 1182.293 km; a longer road raises the limit, so check it"}
	if diff := cmp.Diff(want, m.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A road between clusters may be none between sites that stand elsewhere.
func TestPlaceThatTheRoadDoesNotFitIsFlagged(t *testing.T) {
	const advice = " and the road between their clusters is 1537 km; if the place is right, give the two sites a distance of their own"
	own := "  - {sites: [b1, a1], km: 300, class: A, source: register}\n  - {sites: [b2, a1], km: 300, class: A, source: register}\nmeasure:"
	for _, c := range []struct {
		place, distances string
		want             []string
	}{
		{"lat: 39, lon: 116", "measure:", nil},
		{"lat: 33, lon: 120", "measure:", []string{"m.yaml:14: sites[0].location: is 230.135 km by geodesic from site b1," + advice}},
		{"lat: 45, lon: 110", "measure:", []string{"m.yaml:14: sites[0].location: is 1816.209 km by geodesic from site b1," + advice}},
		{"lat: 33, lon: 120", own, nil},
	} {
		m, err := Parse("m.yaml", []byte(strings.NewReplacer("192.0.2.1,", "192.0.2.1, location: {"+c.place+"},", "measure:", c.distances).Replace(small)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, m.Warnings()); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", c.place, diff)
		}
	}
}

func TestLinksFollowRolesAndTime(t *testing.T) {
	m, err := Parse("m.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	day := func(s Moment) time.Time {
		at, err := s.In(m.Location())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     []Link
	}{
		{"while b1 exists", day("2025-06-01"), day("2025-07-01"), []Link{{"a1", "b1"}, {"a1", "b2"}, {"b1", "a1"}}},
		{"before b1 exists", day("2024-06-01"), day("2024-07-01"), []Link{{"a1", "b2"}}},
		{"up to the moment at which b1 begins", day("2024-12-01"), day("2025-01-01"), []Link{{"a1", "b2"}}},
		{"one moment longer", day("2024-12-01"), day("2025-01-01").Add(time.Millisecond), []Link{{"a1", "b1"}, {"a1", "b2"}, {"b1", "a1"}}},
		{"after b1 ended", day("2026-01-01"), day("2026-02-01"), []Link{{"a1", "b2"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, m.Links(m.Test("icmp"), test.from, test.to)); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRouteTakesTheDistanceOfTheSitesFirst(t *testing.T) {
	m, err := Parse("m.yaml", []byte(strings.Replace(small, "measure:",
		"  - {sites: [b2, a1], km: 1500.25, class: B, source: map, min_km: 1400, max_km: 1505, until: 2025-06-15}\nmeasure:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	at := func(date Moment) time.Time {
		moment, err := date.In(m.Location())
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	byCluster := Route{Meters: 1_537_000, MinMeters: 1_537_000, MaxMeters: 1_537_000, Class: ClassA, Source: "register", GeodesicMeters: 1_182_293, Medium: Fibre}
	bySite := Route{Meters: 1_500_250, MinMeters: 1_400_000, MaxMeters: 1_530_255, Class: ClassB, Source: "map", GeodesicMeters: 1_182_293, Medium: Fibre}
	for _, test := range []struct {
		name     string
		src, dst string
		on       Moment
		want     Route
	}{
		{"of the clusters", "a1", "b1", "2025-06-01", byCluster},
		{"of the sites", "a1", "b2", "2025-06-14", bySite},
		{"either way round", "b2", "a1", "2025-06-14", bySite},
		{"once that of the sites has ended", "a1", "b2", "2025-06-15", byCluster},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, m.Route(m.Site(test.src), m.Site(test.dst), at(test.on))); diff != "" {
				t.Errorf("route (-want +got):\n%s", diff)
			}
		})
	}
	changes := m.DistanceChanges(m.Site("a1"), m.Site("b2"), at("2025-06-01"), at("2025-07-01"))
	if diff := cmp.Diff([]time.Time{at("2025-06-15")}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("m.yaml", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "m.yaml") {
				t.Errorf("not one line that names the file: %q", err)
			}
			return
		}
		m.Links(m.Test(m.Judged), time.Time{}, time.Now())
		for _, p := range m.Pairs() {
			if r := m.ClusterRoute(m.Cluster(p.A), m.Cluster(p.B), time.Now()); r.Meters < r.GeodesicMeters {
				t.Errorf("%v: a road of %d m below the geodesic of %d m", p, r.Meters, r.GeodesicMeters)
			}
		}
	})
}
