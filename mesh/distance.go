package mesh

import (
	"math"
	"time"

	"github.com/tidwall/geodesic"
)

// Circuity is the road distance of large motorway networks, China's included,
// over the geodesic: Wang et al., npj Complexity 1:22, 2024. It makes a class C
// distance out of two places.
const Circuity = 1.3

// How far a distance that nobody registered may be off: one of class C is from
// least to most times the geodesic, one of class B at least so many percent.
const (
	CircuityLeast = 1.2
	CircuityMost  = 1.4
	ClassBPercent = 2
)

// Route is what is known of the way between two sites at a moment.
type Route struct {
	Meters         int64 // road distance, whole metres
	MinMeters      int64 // lower end of what the road may measure; equals Meters in class A
	MaxMeters      int64 // upper end
	Class          DistanceClass
	Source         string
	Estimated      bool // nobody surveyed it: geodesic × Circuity
	GeodesicMeters int64
	Medium         Medium
}

// Route gives the distance that counts between two sites at t: that of the
// sites, else that of their clusters, else an estimate from the geodesic.
func (m *Mesh) Route(src, dst *Site, t time.Time) Route {
	geodesic := GeodesicMeters(m.place(src), m.place(dst))
	if d := m.distance(t, func(d *Distance) bool { return joins(d.Sites, src.ID, dst.ID) }); d != nil {
		return d.route(geodesic)
	}
	if d := m.distance(t, func(d *Distance) bool { return joins(d.Clusters, src.Cluster, dst.Cluster) }); d != nil {
		return d.route(geodesic)
	}
	return estimate(geodesic)
}

// ClusterRoute gives the distance between two clusters at t, for pairs that no
// site stands for.
func (m *Mesh) ClusterRoute(a, b *Cluster, t time.Time) Route {
	geodesic := GeodesicMeters(a.Location, b.Location)
	if d := m.distance(t, func(d *Distance) bool { return joins(d.Clusters, a.ID, b.ID) }); d != nil {
		return d.route(geodesic)
	}
	return estimate(geodesic)
}

func (m *Mesh) distance(t time.Time, is func(*Distance) bool) *Distance {
	for i := range m.Distances {
		if d := &m.Distances[i]; d.life.contains(t) && is(d) {
			return d
		}
	}
	return nil
}

// DistanceChanges lists the moments inside (from, to) at which a distance
// between the two sites begins or ends, so that a period can be cut there.
func (m *Mesh) DistanceChanges(src, dst *Site, from, to time.Time) []time.Time {
	var changes []time.Time
	for i := range m.Distances {
		d := &m.Distances[i]
		if !joins(d.Sites, src.ID, dst.ID) && !joins(d.Clusters, src.Cluster, dst.Cluster) {
			continue
		}
		for _, t := range []time.Time{d.life.from, d.life.until} {
			if !t.IsZero() && t.After(from) && t.Before(to) {
				changes = append(changes, t)
			}
		}
	}
	return changes
}

func (d *Distance) route(geodesic int64) Route {
	r := Route{
		Meters: meters(d.KM), MinMeters: meters(d.KM), MaxMeters: meters(d.KM),
		Class: d.Class, Source: d.Source, GeodesicMeters: geodesic, Medium: d.Medium,
	}
	switch d.Class {
	case ClassB:
		// metric.md: spans shortest to fastest route, at least ± 2 %.
		r.MinMeters, r.MaxMeters = r.Meters*(100-ClassBPercent)/100, r.Meters*(100+ClassBPercent)/100
		if d.MinKM > 0 {
			r.MinMeters = min(r.MinMeters, meters(d.MinKM))
		}
		if d.MaxKM > 0 {
			r.MaxMeters = max(r.MaxMeters, meters(d.MaxKM))
		}
	case ClassC:
		r.MinMeters, r.MaxMeters = scaled(geodesic, CircuityLeast), scaled(geodesic, CircuityMost)
	}
	return r
}

func estimate(geodesic int64) Route {
	return Route{
		Meters: scaled(geodesic, Circuity), MinMeters: scaled(geodesic, CircuityLeast), MaxMeters: scaled(geodesic, CircuityMost),
		Class: ClassC, Source: "geodesic (WGS-84) × 1.3", Estimated: true, GeodesicMeters: geodesic, Medium: Fibre,
	}
}

// ExtentsMeters are the extents of the clusters of those sites that have no
// place of their own: so far from their cluster's they may stand, in metres.
func (m *Mesh) ExtentsMeters(sites ...*Site) []int64 {
	var extents []int64
	for _, site := range sites {
		if extent := meters(m.clusters[site.Cluster].Location.ExtentKM); site.Location == nil && extent > 0 {
			extents = append(extents, extent)
		}
	}
	return extents
}

// place is where a site stands: its own coordinates, else its cluster's.
func (m *Mesh) place(s *Site) Location {
	if s.Location != nil {
		return *s.Location
	}
	return m.clusters[s.Cluster].Location
}

// GeodesicMeters is the length of the geodesic on WGS-84 (Karney 2013),
// rounded to the metre: the rounding makes it the same on every machine.
func GeodesicMeters(a, b Location) int64 {
	var length float64
	geodesic.WGS84.Inverse(a.Lat, a.Lon, b.Lat, b.Lon, &length, nil, nil)
	return int64(math.Round(length))
}

func meters(km float64) int64 { return int64(math.Round(km * 1000)) }

func scaled(meters int64, factor float64) int64 {
	// In tenths, so that 1.3 is exactly thirteen tenths.
	tenths := int64(math.Round(factor * 10))
	return (meters*tenths + 5) / 10
}

func joins(ends []string, a, b string) bool {
	return len(ends) == 2 && (ends[0] == a && ends[1] == b || ends[0] == b && ends[1] == a)
}
