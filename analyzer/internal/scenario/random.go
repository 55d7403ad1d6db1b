package scenario

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/mesh"
)

// DrawMesh draws a mesh for a period, as Parse takes it: up to six clusters in up
// to three hubs, carriers and planes, with whatever docs/mesh.md allows of sites,
// distances and maintenance. The longer the period, the fewer sites, packets and
// windows: a case is to be cheap, so that many can be drawn. At least one link is
// measured at some time.
func DrawMesh(t *rapid.T, zone string, from, to time.Time) *mesh.Mesh {
	d := drawing{t, from, to, &mesh.Mesh{Version: mesh.FormatVersion, Name: "random", TimeZone: zone, Judged: "judged"}}
	d.clusters()
	d.carriers()
	d.sites()
	d.distances()
	d.test()
	d.maintenance()
	return d.m
}

type drawing struct {
	*rapid.T
	from, to time.Time
	m        *mesh.Mesh
}

func (d *drawing) int(label string, least, most int) int {
	return rapid.IntRange(least, most).Draw(d.T, label)
}

// oneIn is rarely so; never, in what a failure is shrunk to.
func (d *drawing) oneIn(label string, n int) bool { return OneIn(d.T, label, n) }

// OneIn is so in one of n cases; never, in what a failure is shrunk to.
func OneIn(t *rapid.T, label string, n int) bool {
	return rapid.IntRange(0, n-1).Draw(t, label) == n-1
}

// moment is one of the period, mostly on the bound of a quarter or an eighth of
// it, and else at any second.
func (d *drawing) moment(label string) time.Time {
	length := d.to.Sub(d.from)
	at := d.from.Add(length / 8 * time.Duration(d.int(label, 0, 8)))
	if d.oneIn(label+" at any second", 4) {
		at = at.Add(time.Duration(d.int(label+" seconds", 0, int(length.Seconds())/8)) * time.Second)
	}
	return at.Truncate(time.Second)
}

func written(at time.Time) mesh.Moment { return mesh.Moment(at.UTC().Format(time.RFC3339)) }

// life draws from and until; mostly neither.
func (d *drawing) life(label string, rarely int) (from, until mesh.Moment) {
	if d.oneIn(label+" begins", rarely) {
		from = written(d.moment(label + " from"))
	}
	if d.oneIn(label+" ends", rarely) {
		until = written(d.moment(label + " until"))
	}
	if from != "" && until != "" {
		a, _ := time.Parse(time.RFC3339, string(from))
		b, _ := time.Parse(time.RFC3339, string(until))
		if !a.Before(b) {
			until = ""
		}
	}
	return from, until
}

func (d *drawing) clusters() {
	for i := range d.int("hubs", 1, 3) {
		d.m.Hubs = append(d.m.Hubs, mesh.Hub{ID: fmt.Sprintf("hub-%d", i), Name: mesh.Name{EN: "Hub"}})
	}
	for i := range rapid.SampledFrom([]int{2, 3, 3, 4, 5, 6}).Draw(d.T, "clusters") {
		place := d.place("cluster", i)
		place.ExtentKM = float64(rapid.SampledFrom([]int{0, 0, 5, 40}).Draw(d.T, "extent"))
		d.m.Clusters = append(d.m.Clusters, mesh.Cluster{
			ID: fmt.Sprintf("cluster-%d", i), Name: mesh.Name{EN: "Cluster"}, Location: place,
			Hub: d.m.Hubs[d.int("hub", 0, len(d.m.Hubs)-1)].ID,
		})
	}
}

// place is one for each number, within a hundredth of a degree or so; now and
// then exactly where another is, so that there is no distance.
func (d *drawing) place(what string, i int) mesh.Location {
	if i > 0 && d.oneIn(what+" in the same place", 40) {
		return mesh.Location{Lat: 30, Lon: 100}
	}
	near := float64(d.int(what+" hundredths", 0, 100)) / 100
	return mesh.Location{Lat: 30 + float64(i%3)*4 + near*float64(min(i, 1)), Lon: 100 + float64(i)*2}
}

func (d *drawing) carriers() {
	for i := range d.int("carriers", 1, 3) {
		d.m.Carriers = append(d.m.Carriers, mesh.Carrier{ID: fmt.Sprintf("carrier-%d", i), Name: mesh.Name{EN: "Carrier"}})
	}
	planes := rapid.Permutation([]mesh.Plane{mesh.Optical, mesh.PrivateIP, mesh.PublicInternet}).Draw(d.T, "planes")
	d.m.Planes = planes[:d.int("planes", 1, 3)]
}

func (d *drawing) sites() {
	most := 10
	switch length := d.to.Sub(d.from); {
	case length > 24*time.Hour:
		most = 4
	case length > time.Hour:
		most = 7
	}
	for i := range d.int("sites", 2, most) {
		site := mesh.Site{ID: fmt.Sprintf("site-%d", i), Address: fmt.Sprintf("192.0.2.%d", i+1), Role: mesh.RoleBoth}
		cluster, carrier, plane := i, 0, 0 // of the first two, which are a link
		if i > 1 {
			cluster = d.int("of cluster", 0, len(d.m.Clusters)-1)
			// Most on one plane, so that there is much to choose from.
			carrier = d.int("of carrier", 0, len(d.m.Carriers)-1)
			plane = max(0, d.int("on plane", -3, len(d.m.Planes)-1))
		}
		if i > 0 {
			site.Role = rapid.SampledFrom([]mesh.Role{mesh.RoleBoth, mesh.RoleBoth, mesh.RoleBoth, mesh.RoleReflector}).Draw(d.T, "role")
		}
		if i > 1 && d.oneIn("only measures", 12) {
			site.Role = mesh.RoleProbe
		}
		site.Cluster, site.Carrier, site.Plane = d.m.Clusters[cluster].ID, d.m.Carriers[carrier].ID, d.m.Planes[plane]
		if d.oneIn("in the city", 4) {
			site.City = "city"
		}
		if d.oneIn("place known", 5) {
			own := d.m.Clusters[cluster].Location
			own.Lat, own.ExtentKM = own.Lat+float64(d.int("own hundredths", 0, 20))/100, 0
			site.Location = &own
		}
		site.From, site.Until = d.life("site", 12)
		d.m.Sites = append(d.m.Sites, site)
	}
}

func (d *drawing) distances() {
	for i := range d.m.Clusters {
		for j := range i {
			a, b := &d.m.Clusters[j], &d.m.Clusters[i]
			d.between(mesh.Distance{Clusters: []string{a.ID, b.ID}}, a.Location, b.Location, 2)
		}
	}
	for i := range d.m.Sites {
		for j := range i {
			a, b := &d.m.Sites[j], &d.m.Sites[i]
			if a.Cluster != b.Cluster && a.Carrier == b.Carrier && a.Plane == b.Plane {
				d.between(mesh.Distance{Sites: []string{b.ID, a.ID}}, d.placeOf(a), d.placeOf(b), 6)
			}
		}
	}
}

func (d *drawing) placeOf(s *mesh.Site) mesh.Location {
	if s.Location != nil {
		return *s.Location
	}
	for i := range d.m.Clusters {
		if d.m.Clusters[i].ID == s.Cluster {
			return d.m.Clusters[i].Location
		}
	}
	return mesh.Location{}
}

// between draws the distances of two ends, in one of so many cases any: one
// throughout, one for a time, or one after the other.
func (d *drawing) between(ends mesh.Distance, a, b mesh.Location, rarely int) {
	if !d.oneIn("registered", rarely) {
		return
	}
	geodesic := mesh.GeodesicMeters(a, b)
	one, two := d.road(ends, geodesic), d.road(ends, geodesic)
	switch d.int("changes", 0, 5) {
	case 5:
		cut := written(d.moment("changes at"))
		one.Until, two.From = cut, cut
		d.m.Distances = append(d.m.Distances, one, two)
	case 4:
		one.From, one.Until = d.life("distance", 2)
		d.m.Distances = append(d.m.Distances, one)
	default:
		d.m.Distances = append(d.m.Distances, one)
	}
}

func (d *drawing) road(ends mesh.Distance, geodesic int64) mesh.Distance {
	meters := geodesic + geodesic*int64(d.int("detour", 0, 1200))/1000 + 1
	ends.KM, ends.Source = float64(meters)/1000, "register"
	ends.Class = rapid.SampledFrom([]mesh.DistanceClass{mesh.ClassA, mesh.ClassB, mesh.ClassC}).Draw(d.T, "class")
	if ends.Class == mesh.ClassB && d.oneIn("routes", 2) {
		ends.MinKM, ends.MaxKM = float64(meters-meters/20)/1000, float64(meters+meters/10)/1000
	}
	if d.oneIn("no fibre", 8) {
		ends.Medium = rapid.SampledFrom([]mesh.Medium{mesh.HollowCore, mesh.Microwave}).Draw(d.T, "medium")
	}
	return ends
}

func (d *drawing) test() {
	test := mesh.Test{Name: d.m.Judged, Method: mesh.MethodICMP, SizeBytes: 128, Links: []mesh.LinkPattern{{}}, WindowS: 900}
	if d.oneIn("stamp", 2) {
		test.Method = mesh.MethodSTAMP
	}
	packets := d.int("packets of a window", 1, 3)
	if d.to.Sub(d.from) <= time.Hour {
		test.WindowS = rapid.SampledFrom([]int{60, 300}).Draw(d.T, "window_s")
		packets = rapid.SampledFrom([]int{1, 5, 10}).Draw(d.T, "packets")
	}
	test.IntervalMS = test.WindowS * 1000 / packets
	switch d.int("links", 0, 8) {
	case 8:
		test.Links = []mesh.LinkPattern{{From: d.m.Sites[0].ID}, {To: d.m.Clusters[0].ID}}
	case 7:
		test.Links[0].WithinCluster = true
	case 6:
		test.Links[0].Carriers = []string{d.m.Carriers[0].ID}
	}
	other := mesh.Test{Name: "other", Method: mesh.MethodICMP, SizeBytes: 84, Links: []mesh.LinkPattern{{}}, WindowS: 900, IntervalMS: 1000}
	d.m.Measure = []mesh.Test{test, other}
}

func (d *drawing) maintenance() {
	for i := range max(0, d.int("works", -2, 2)) {
		// No two at once: these are listed in the order of the file.
		begin := d.moment("works begin").Truncate(2 * time.Second).Add(time.Duration(i) * time.Second)
		until := begin.Add(d.to.Sub(d.from) / time.Duration(d.int("works last", 1, 20))).Truncate(time.Second)
		if !begin.Before(until) {
			until = begin.Add(time.Second)
		}
		d.m.Maintenance = append(d.m.Maintenance, mesh.Maintenance{
			ID: fmt.Sprintf("works-%d", i), Reason: "works", From: written(begin), Until: written(until),
			Sites: []string{d.m.Sites[d.int("works at", 0, len(d.m.Sites)-1)].ID},
		})
	}
}
