package mesh

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

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
	geodesic := GeodesicMeters(a, b)
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
	geodesic := GeodesicMeters(c.Mesh.place(site), c.Mesh.place(other))
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

func sameEnds(a, b *Distance) bool {
	switch {
	case a.Clusters != nil && b.Clusters != nil:
		return joins(a.Clusters, b.Clusters[0], b.Clusters[1])
	case a.Sites != nil && b.Sites != nil:
		return joins(a.Sites, b.Sites[0], b.Sites[1])
	}
	return false
}
