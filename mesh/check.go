package mesh

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"
	// The zones of the world come with the program: a minimal container has none.
	_ "time/tzdata"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// Bounds on what one mesh may hold, far above any real one; they keep a
// mistyped file from using up the memory.
const (
	maxClusters = 1000
	maxSites    = 20_000
	maxLinks    = 1_000_000
)

// maxIdentifier is the length that the wire format takes.
const maxIdentifier = 64

// checker holds a mesh against its document; every check returns the first
// fault with its place.
type checker struct {
	*Mesh
	doc *yamlfile.Document
}

func (m *Mesh) check(doc *yamlfile.Document) error {
	c := &checker{m, doc}
	for _, check := range []func() error{
		c.checkHead, c.checkHubs, c.checkClusters, c.checkCarriers, c.checkPlanes,
		c.checkSites, c.checkDistances, c.checkPlaces, c.checkTests, c.checkMaintenance,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkHead() error {
	if c.Version != FormatVersion {
		return c.doc.Errorf("version", "is %d; this program reads version %d", c.Version, FormatVersion)
	}
	if err := c.identifier("name", c.Name); err != nil {
		return err
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if c.TimeZone == "" || c.TimeZone == "Local" || err != nil {
		return c.doc.Errorf("time_zone", "%q is not an IANA time zone; write one like Asia/Shanghai or UTC", c.TimeZone)
	}
	c.location = zone
	return nil
}

func (c *checker) checkHubs() error {
	if len(c.Hubs) == 0 {
		return c.doc.Errorf("hubs", "is missing; a mesh has at least one hub")
	}
	seen := map[string]bool{}
	for i, hub := range c.Hubs {
		at := fmt.Sprintf("hubs[%d]", i)
		if err := c.named(at, hub.ID, hub.Name, seen); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkClusters() error {
	if len(c.Clusters) < 2 || len(c.Clusters) > maxClusters {
		return c.doc.Errorf("clusters", "has %d; 2 to %d are allowed", len(c.Clusters), maxClusters)
	}
	c.clusters = map[string]*Cluster{}
	seen := map[string]bool{}
	for i := range c.Clusters {
		cluster, at := &c.Clusters[i], fmt.Sprintf("clusters[%d]", i)
		if err := c.named(at, cluster.ID, cluster.Name, seen); err != nil {
			return err
		}
		if !slices.ContainsFunc(c.Hubs, func(h Hub) bool { return h.ID == cluster.Hub }) {
			return c.doc.Errorf(at+".hub", "%q is not a hub of this mesh; hubs are %s", cluster.Hub, list(c.Hubs, func(h Hub) string { return h.ID }))
		}
		if err := c.place(at+".location", cluster.Location); err != nil {
			return err
		}
		c.clusters[cluster.ID] = cluster
	}
	return nil
}

func (c *checker) checkCarriers() error {
	if len(c.Carriers) == 0 {
		return c.doc.Errorf("carriers", "is missing; a mesh has at least one carrier")
	}
	seen := map[string]bool{}
	for i, carrier := range c.Carriers {
		if err := c.named(fmt.Sprintf("carriers[%d]", i), carrier.ID, carrier.Name, seen); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) checkPlanes() error {
	if len(c.Planes) == 0 {
		return c.doc.Errorf("planes", "is missing; allowed: %s, %s, %s", Optical, PrivateIP, PublicInternet)
	}
	seen := map[Plane]bool{}
	for i, plane := range c.Planes {
		at := fmt.Sprintf("planes[%d]", i)
		if plane != Optical && plane != PrivateIP && plane != PublicInternet {
			return c.doc.Errorf(at, "%q is not a plane; allowed: %s, %s, %s", plane, Optical, PrivateIP, PublicInternet)
		}
		if seen[plane] {
			return c.doc.Errorf(at, "%q is given twice; keep one", plane)
		}
		seen[plane] = true
	}
	return nil
}

func (c *checker) checkSites() error {
	if len(c.Sites) < 2 || len(c.Sites) > maxSites {
		return c.doc.Errorf("sites", "has %d; 2 to %d are allowed", len(c.Sites), maxSites)
	}
	c.sites = map[string]*Site{}
	addresses := map[netip.Addr]string{}
	seen := map[string]bool{}
	for i := range c.Sites {
		site, at := &c.Sites[i], fmt.Sprintf("sites[%d]", i)
		if err := c.fresh(at+".id", site.ID, seen); err != nil {
			return err
		}
		if err := c.siteReferences(at, site); err != nil {
			return err
		}
		addr, err := netip.ParseAddr(site.Address)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() {
			return c.doc.Errorf(at+".address", "%q is not an IPv4 or IPv6 address of one host", site.Address)
		}
		if other := addresses[addr]; other != "" {
			return c.doc.Errorf(at+".address", "%s is the address of site %s already; each site has its own", addr, other)
		}
		addresses[addr] = site.ID
		if site.Location != nil {
			if err := c.place(at+".location", *site.Location); err != nil {
				return err
			}
		}
		if site.life, err = c.interval(at, site.From, site.Until); err != nil {
			return err
		}
		c.sites[site.ID] = site
	}
	return nil
}

func (c *checker) siteReferences(at string, site *Site) error {
	if c.clusters[site.Cluster] == nil {
		return c.doc.Errorf(at+".cluster", "%q is not a cluster of this mesh; clusters are %s", site.Cluster, list(c.Clusters, func(x Cluster) string { return x.ID }))
	}
	if !slices.ContainsFunc(c.Carriers, func(x Carrier) bool { return x.ID == site.Carrier }) {
		return c.doc.Errorf(at+".carrier", "%q is not a carrier of this mesh; carriers are %s", site.Carrier, list(c.Carriers, func(x Carrier) string { return x.ID }))
	}
	if !slices.Contains(c.Planes, site.Plane) {
		return c.doc.Errorf(at+".plane", "%q is not a plane of this mesh; planes are %s", site.Plane, list(c.Planes, func(x Plane) string { return string(x) }))
	}
	if site.Role != RoleProbe && site.Role != RoleReflector && site.Role != RoleBoth {
		return c.doc.Errorf(at+".role", "%q is not a role; allowed: probe, reflector, both", site.Role)
	}
	if site.City != "" {
		return c.identifier(at+".city", site.City)
	}
	return nil
}

func (c *checker) checkDistances() error {
	for i := range c.Distances {
		d, at := &c.Distances[i], fmt.Sprintf("distances[%d]", i)
		if err := c.distanceEnds(at, d); err != nil {
			return err
		}
		if !slices.Contains([]DistanceClass{ClassA, ClassB, ClassC}, d.Class) {
			return c.doc.Errorf(at+".class", "%q is not a distance class; allowed: A, B, C", d.Class)
		}
		if d.Source == "" || strings.ContainsAny(d.Source, "\n\r") {
			return c.doc.Errorf(at+".source", "is missing; say on one line who measured it: register and number, or map and date")
		}
		switch d.Medium {
		case "":
			d.Medium = Fibre
		case Fibre, HollowCore, Microwave:
		default:
			return c.doc.Errorf(at+".medium", "%q is not a medium; allowed: fibre, hollow-core, microwave", d.Medium)
		}
		var err error
		if d.life, err = c.interval(at, d.From, d.Until); err != nil {
			return err
		}
		if err := c.distanceLength(at, d); err != nil {
			return err
		}
		for j := range i {
			if other := &c.Distances[j]; sameEnds(d, other) && d.life.meets(other.life) {
				return c.doc.Errorf(at, "gives the same ends as distances[%d] for overlapping times; end one with until where the other begins with from", j)
			}
		}
	}
	return nil
}

func (c *checker) distanceEnds(at string, d *Distance) error {
	if (d.Clusters == nil) == (d.Sites == nil) {
		return c.doc.Errorf(at, "names its ends by clusters: [a, b] or by sites: [a, b]; give one of them")
	}
	field, ends, kind := ".clusters", d.Clusters, "cluster"
	known := func(id string) bool { return c.clusters[id] != nil }
	if d.Sites != nil {
		field, ends, kind = ".sites", d.Sites, "site"
		known = func(id string) bool { return c.sites[id] != nil }
	}
	if len(ends) != 2 || ends[0] == ends[1] {
		return c.doc.Errorf(at+field, "has to name two different %ss", kind)
	}
	for i, id := range ends {
		if !known(id) {
			return c.doc.Errorf(fmt.Sprintf("%s%s[%d]", at, field, i), "%q is not a %s of this mesh", id, kind)
		}
	}
	return nil
}

// distanceLength refuses a road shorter than the geodesic and warns of one
// above twice it: a longer road raises the limit.
func (c *checker) distanceLength(at string, d *Distance) error {
	if !(d.KM > 0 && d.KM <= 40_000) {
		return c.doc.Errorf(at+".km", "%v is not a road distance; it is above 0 and at most 40000 km", d.KM)
	}
	if math.Abs(d.KM*1000-math.Round(d.KM*1000)) > 1e-6 {
		return c.doc.Errorf(at+".km", "%v has more than three decimals; whole metres count", d.KM)
	}
	var a, b Location
	if d.Clusters != nil {
		a, b = c.clusters[d.Clusters[0]].Location, c.clusters[d.Clusters[1]].Location
	} else {
		a, b = c.Mesh.place(c.sites[d.Sites[0]]), c.Mesh.place(c.sites[d.Sites[1]])
	}
	geodesic := geodesicMeters(a, b)
	if meters(d.KM) < geodesic {
		return c.doc.Errorf(at+".km", "%v km is shorter than the geodesic of %.3f km; no road is", d.KM, float64(geodesic)/1000)
	}
	if d.MinKM != 0 && !(d.MinKM > 0 && d.MinKM <= d.KM) {
		return c.doc.Errorf(at+".min_km", "%v is not above 0 and at most km, %v", d.MinKM, d.KM)
	}
	if d.MaxKM != 0 && !(d.MaxKM >= d.KM && d.MaxKM <= 40_000) {
		return c.doc.Errorf(at+".max_km", "%v is not at least km, %v", d.MaxKM, d.KM)
	}
	if meters(d.KM) > 2*geodesic {
		c.warn(at+".km", "%v km is more than twice the geodesic of %.3f km; a longer road raises the limit, so check it", d.KM, float64(geodesic)/1000)
	}
	return nil
}

// checkPlaces warns, once a site, where the distance of two clusters cannot be
// that of sites with places of their own: the road is shorter than their
// geodesic, or longer than twice it, which raises the limit.
func (c *checker) checkPlaces() error {
	for i := range c.Sites {
		site := &c.Sites[i]
		if site.Location == nil {
			continue
		}
		for j := range c.Sites {
			if other := &c.Sites[j]; (other.Location == nil || i < j) && c.warnOfPlace(fmt.Sprintf("sites[%d].location", i), site, other) {
				break
			}
		}
	}
	return nil
}

func (c *checker) warnOfPlace(at string, site, other *Site) bool {
	if site.Cluster == other.Cluster || site.Carrier != other.Carrier || site.Plane != other.Plane {
		return false
	}
	geodesic := geodesicMeters(c.Mesh.place(site), c.Mesh.place(other))
	for i := range c.Distances {
		d := &c.Distances[i]
		own := func(d *Distance) bool { return joins(d.Sites, site.ID, other.ID) }
		road := meters(d.KM)
		if !joins(d.Clusters, site.Cluster, other.Cluster) || road >= geodesic && road <= 2*geodesic || c.distance(d.life.from, own) != nil {
			continue
		}
		c.warn(at, "is %.3f km by geodesic from site %s, and the road between their clusters is %v km; if the place is right, give the two sites a distance of their own",
			float64(geodesic)/1000, other.ID, d.KM)
		return true
	}
	return false
}

func (c *checker) checkTests() error {
	if len(c.Measure) == 0 {
		return c.doc.Errorf("measure", "is missing; a mesh has at least one test")
	}
	seen := map[string]bool{}
	for i := range c.Measure {
		test, at := &c.Measure[i], fmt.Sprintf("measure[%d]", i)
		if err := c.fresh(at+".test", test.Name, seen); err != nil {
			return err
		}
		if err := c.checkTest(at, test); err != nil {
			return err
		}
	}
	if c.Judged == "" || c.Test(c.Judged) == nil {
		return c.doc.Errorf("judged", "%q is not a test of this mesh; tests are %s", c.Judged, list(c.Measure, func(t Test) string { return t.Name }))
	}
	return nil
}

func (c *checker) checkTest(at string, test *Test) error {
	switch {
	case test.Method == MethodSTAMP:
		return c.doc.Errorf(at+".method", "%q is not measured by this version yet; allowed: icmp", test.Method)
	case test.Method != MethodICMP:
		return c.doc.Errorf(at+".method", "%q is not a method; allowed: icmp", test.Method)
	case test.WindowS < 1 || 900%test.WindowS != 0:
		return c.doc.Errorf(at+".window_s", "%d does not divide 15 minutes; 60 does", test.WindowS)
	case test.IntervalMS < 10 || test.WindowS*1000%test.IntervalMS != 0:
		return c.doc.Errorf(at+".interval_ms", "%d is not at least 10 and a divisor of the window's %d ms", test.IntervalMS, test.WindowS*1000)
	case test.SizeBytes < 72 || test.SizeBytes > 9000:
		return c.doc.Errorf(at+".size_bytes", "%d is not within 72 to 9000, the IP header included", test.SizeBytes)
	case test.DSCP < 0 || test.DSCP > 63:
		return c.doc.Errorf(at+".dscp", "%d is not within 0 to 63", test.DSCP)
	case len(test.Links) == 0:
		return c.doc.Errorf(at+".links", "is missing; write - {} for all links")
	}
	for i, pattern := range test.Links {
		if err := c.linkPattern(fmt.Sprintf("%s.links[%d]", at, i), pattern); err != nil {
			return err
		}
	}
	links := 0
	for i := range c.Sites {
		for j := range c.Sites {
			if c.Measures(test, &c.Sites[i], &c.Sites[j]) {
				links++
			}
		}
	}
	if links == 0 {
		return c.doc.Errorf(at+".links", "matches no link; a link joins two sites of one carrier and plane, from a probe to a reflector")
	}
	if links > maxLinks {
		return c.doc.Errorf(at+".links", "matches %d links; at most %d are allowed", links, maxLinks)
	}
	return nil
}

func (c *checker) linkPattern(at string, p LinkPattern) error {
	for _, end := range []struct{ field, pattern string }{{".from", p.From}, {".to", p.To}} {
		if _, err := path.Match(end.pattern, ""); err != nil {
			return c.doc.Errorf(at+end.field, "%q is not a shell pattern; * and ? and [a-z] are", end.pattern)
		}
		matches := func(s Site) bool { return matchesSite(end.pattern, &s) }
		if !slices.ContainsFunc(c.Sites, matches) {
			return c.doc.Errorf(at+end.field, "%q matches no site or cluster of this mesh", end.pattern)
		}
	}
	for i, id := range p.Carriers {
		if !slices.ContainsFunc(c.Carriers, func(x Carrier) bool { return x.ID == id }) {
			return c.doc.Errorf(fmt.Sprintf("%s.carriers[%d]", at, i), "%q is not a carrier of this mesh; carriers are %s", id, list(c.Carriers, func(x Carrier) string { return x.ID }))
		}
	}
	for i, plane := range p.Planes {
		if !slices.Contains(c.Planes, plane) {
			return c.doc.Errorf(fmt.Sprintf("%s.planes[%d]", at, i), "%q is not a plane of this mesh; planes are %s", plane, list(c.Planes, func(x Plane) string { return string(x) }))
		}
	}
	return nil
}

func (c *checker) checkMaintenance() error {
	seen := map[string]bool{}
	for i := range c.Maintenance {
		w, at := &c.Maintenance[i], fmt.Sprintf("maintenance[%d]", i)
		if err := c.fresh(at+".id", w.ID, seen); err != nil {
			return err
		}
		if len(w.Sites) == 0 {
			return c.doc.Errorf(at+".sites", "is missing; name the sites whose links are affected")
		}
		for j, id := range w.Sites {
			if c.sites[id] == nil {
				return c.doc.Errorf(fmt.Sprintf("%s.sites[%d]", at, j), "%q is not a site of this mesh", id)
			}
		}
		if w.From == "" || w.Until == "" {
			return c.doc.Errorf(at, "needs both from and until")
		}
		if w.Reason == "" || strings.ContainsAny(w.Reason, "\n\r") {
			return c.doc.Errorf(at+".reason", "is missing; say on one line what is done")
		}
		var err error
		if w.life, err = c.interval(at, w.From, w.Until); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) interval(at string, from, until Moment) (interval, error) {
	var i interval
	var err error
	if i.from, err = from.In(c.location); err != nil {
		return i, c.doc.Errorf(at+".from", "%v", err)
	}
	if i.until, err = until.In(c.location); err != nil {
		return i, c.doc.Errorf(at+".until", "%v", err)
	}
	if !i.from.IsZero() && !i.until.IsZero() && !i.from.Before(i.until) {
		return i, c.doc.Errorf(at+".until", "%s is not after from, %s", until, from)
	}
	return i, nil
}

func (c *checker) named(at, id string, name Name, seen map[string]bool) error {
	if err := c.fresh(at+".id", id, seen); err != nil {
		return err
	}
	if name.EN == "" || strings.ContainsAny(name.EN+name.ZH, "\n\r") {
		return c.doc.Errorf(at+".name.en", "is missing; give the English name on one line")
	}
	return nil
}

func (c *checker) fresh(at, id string, seen map[string]bool) error {
	if err := c.identifier(at, id); err != nil {
		return err
	}
	if seen[id] {
		return c.doc.Errorf(at, "%q is given twice; identifiers are unique", id)
	}
	seen[id] = true
	return nil
}

func (c *checker) identifier(at, id string) error {
	outside := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}
	if id == "" || len(id) > maxIdentifier || strings.ContainsFunc(id, outside) {
		return c.doc.Errorf(at, "%q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", id, maxIdentifier)
	}
	return nil
}

func (c *checker) place(at string, l Location) error {
	switch {
	case !(l.Lat >= -90 && l.Lat <= 90):
		return c.doc.Errorf(at+".lat", "%v is not within -90 to 90 degrees north", l.Lat)
	case !(l.Lon >= -180 && l.Lon <= 180):
		return c.doc.Errorf(at+".lon", "%v is not within -180 to 180 degrees east", l.Lon)
	case l.Lat == 0 && l.Lon == 0:
		return c.doc.Errorf(at, "is 0, 0; give lat and lon in degrees")
	case !(l.ExtentKM >= 0 && l.ExtentKM <= 500):
		return c.doc.Errorf(at+".extent_km", "%v is not within 0 to 500", l.ExtentKM)
	}
	return nil
}

func (c *checker) warn(at, format string, args ...any) {
	c.warnings = append(c.warnings, c.doc.Errorf(at, format, args...).Error())
}

// list names what exists, for an error; a long list is cut.
func list[T any](items []T, id func(T) string) string {
	const most = 12
	var ids []string
	for i, item := range items {
		if i == most {
			ids = append(ids, fmt.Sprintf("… (%d more)", len(items)-most))
			break
		}
		ids = append(ids, id(item))
	}
	return strings.Join(ids, ", ")
}

func sameEnds(a, b *Distance) bool {
	switch {
	case a.Clusters != nil && b.Clusters != nil:
		return joins(a.Clusters, b.Clusters[0], b.Clusters[1])
	case a.Sites != nil && b.Sites != nil:
		return joins(a.Sites, b.Sites[0], b.Sites[1])
	}
	return false
}

// meets tells whether two intervals have a moment in common.
func (i interval) meets(o interval) bool {
	return (i.until.IsZero() || o.from.Before(i.until)) && (o.until.IsZero() || i.from.Before(o.until))
}
