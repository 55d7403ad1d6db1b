package mesh

import (
	"fmt"
	"net/netip"
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
	return yamlfile.First(
		c.checkHead, c.checkHubs, c.checkClusters, c.checkCarriers, c.checkPlanes,
		c.checkSites, c.checkDistances, c.checkPlaces, c.checkTests, c.checkMaintenance,
	)
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
		if addr.IsLinkLocalUnicast() {
			return c.doc.Errorf(at+".address", "%s is link-local, so it means another host on every network; give the address that other sites reach", addr)
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
		if err := c.identifier(at+".city", site.City); err != nil {
			return err
		}
	}
	return c.checkReflector(at+".stamp", site)
}

func (c *checker) checkReflector(at string, site *Site) error {
	if site.STAMP == nil {
		return nil
	}
	r := site.Reflector()
	switch {
	case !site.Role.Answers():
		return c.doc.Errorf(at, "says how the reflector of the site is spoken to, which has none by its role %s; allowed with reflector and both", site.Role)
	case r.Port < 1 || r.Port > 65535:
		return c.doc.Errorf(at+".port", "%d is not within 1 to 65535", r.Port)
	case r.Timestamps != NTP && r.Timestamps != PTP:
		return c.doc.Errorf(at+".timestamps", "%q is not a format of timestamps; allowed: ntp, ptp", r.Timestamps)
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
