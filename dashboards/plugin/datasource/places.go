package datasource

import (
	"context"
	"math"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// sites are places on a map, with how the pairs of their cluster do.
func (s *Source) sites(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	found, executed, err := s.figures(ctx, q, n)
	if err != nil && !isEmpty(err) { // the sites are there all the same
		return nil, err
	}
	var site, cluster, name, hub, carrier, plane, role []string
	var lat, lon []float64
	var worst []*float64
	var pairs, compliant []int64
	for i := range n.Sites {
		at := &n.Sites[i]
		if !q.takes(n.hubOf, [2]string{at.Cluster, at.Cluster}, at.Carrier, at.Plane) {
			continue
		}
		site, cluster, name, hub = append(site, at.ID), append(cluster, at.Cluster), append(name, n.name(at.Cluster)), append(hub, n.hubOf[at.Cluster])
		carrier, plane, role = append(carrier, at.Carrier), append(plane, at.Plane), append(role, at.Role)
		lat, lon = append(lat, at.Lat), append(lon, at.Lon)
		ratio, all, good := ofSite(at, found)
		worst, pairs, compliant = append(worst, ratio), append(pairs, all), append(compliant, good)
	}
	if len(site) == 0 {
		return nothing(executed, "the mesh has no such site"), nil
	}
	return data.Frames{table("", executed,
		field("site", "", "", site), field("cluster", "", "", cluster), field("name", "", "", name), field("hub", "", "", hub),
		field("carrier", "", "", carrier), field("plane", "", "", plane), field("role", "", "", role),
		field("lat", "", "", lat), field("lon", "", "", lon), decimals(field("worst_ratio", "worst ratio", "none", worst), 3),
		field("pairs", "", "short", pairs), field("compliant", "pairs that comply", "short", compliant))}, nil
}

// ofSite is the worst ratio that the cluster of a site has on its plane, and how
// many pairs it has and comply.
func ofSite(at *api.Site, found []figure) (worst *float64, pairs, compliant int64) {
	for i := range found {
		f := &found[i]
		if f.plane != at.Plane || f.pair[0] != at.Cluster && f.pair[1] != at.Cluster {
			continue
		}
		pairs++
		if f.verdict != nil && *f.verdict == string(api.Compliant) {
			compliant++
		}
		if f.ratio != nil && (worst == nil || *f.ratio > *worst) {
			worst = f.ratio
		}
	}
	return worst, pairs, compliant
}

// links are pairs on a map: a mark half way, and both ends.
func (s *Source) links(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	found, executed, err := s.figures(ctx, q, n)
	if err != nil {
		return nil, err
	}
	distance := map[[2]string]float64{}
	for i := range n.Links {
		link := &n.Links[i]
		distance[link.Pair], distance[[2]string{link.Pair[1], link.Pair[0]}] = link.DistanceKM, link.DistanceKM
	}
	var pair, name, carrier, plane []string
	var verdict []*string
	var ratio []*float64
	var lat, lon, latA, lonA, latB, lonB, km []float64
	for i := range found {
		f := &found[i]
		a, b := n.cluster[f.pair[0]], n.cluster[f.pair[1]]
		if a.ID == "" || b.ID == "" {
			continue // of another mesh
		}
		midLat, midLon := halfWay(a.Lat, a.Lon, b.Lat, b.Lon)
		known := n.ordered(f.pair)
		pair, name = append(pair, known[0]+"/"+known[1]), append(name, n.pairName(known))
		lat, lon = append(lat, midLat), append(lon, midLon)
		latA, lonA, latB, lonB = append(latA, a.Lat), append(lonA, a.Lon), append(latB, b.Lat), append(lonB, b.Lon)
		carrier, plane, km = append(carrier, f.carrier), append(plane, f.plane), append(km, distance[f.pair])
		verdict, ratio = append(verdict, f.verdict), append(ratio, f.ratio)
	}
	said := field("verdict", "", "", verdict)
	said.Config.Mappings = verdictMapping
	shown := field("name", "", "", name)
	shown.Config.Links = q.toLink("${__data.fields.pair}")
	return data.Frames{table("", executed,
		field("pair", "", "", pair), shown, field("lat", "", "", lat), field("lon", "", "", lon),
		field("lat_a", "", "", latA), field("lon_a", "", "", lonA), field("lat_b", "", "", latB), field("lon_b", "", "", lonB),
		field("carrier", "", "", carrier), field("plane", "", "", plane), decimals(field("ratio", "", "none", ratio), 3), said,
		decimals(field("distance", "", "lengthkm", km), 1))}, nil
}

// halfWay is the middle of two places on the sphere, in degrees, to the nearest
// ten-thousandth: a mark on a map needs no more, and it is the same on every
// machine.
func halfWay(lat1, lon1, lat2, lon2 float64) (lat, lon float64) {
	x1, y1, z1 := onSphere(lat1, lon1)
	x2, y2, z2 := onSphere(lat2, lon2)
	x, y, z := x1+x2, y1+y2, z1+z2
	degrees := func(rad float64) float64 { return math.Round(rad*180/math.Pi*1e4) / 1e4 }
	return degrees(math.Atan2(z, math.Hypot(x, y))), degrees(math.Atan2(y, x))
}

func onSphere(lat, lon float64) (x, y, z float64) {
	lat, lon = lat*math.Pi/180, lon*math.Pi/180
	return math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)
}
