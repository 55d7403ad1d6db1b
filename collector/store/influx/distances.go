package influx

import (
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"github.com/fibergauge/fibergauge/collector/store"
)

// distancePoints puts the distances of a mesh version where a dashboard finds
// them: from the newest point of a link it draws the limit. Nothing of ours
// reads them back.
func distancePoints(distances []store.Distance, at time.Time) []*write.Point {
	var points []*write.Point
	for _, d := range distances {
		points = append(points, write.NewPoint("link", map[string]string{"src": d.Src, "dst": d.Dst}, map[string]any{
			"distance_m": d.Meters, "geodesic_m": d.GeodesicMeters, "distance_class": d.Class,
		}, at.Truncate(time.Millisecond)))
	}
	return points
}
