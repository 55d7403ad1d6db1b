package series

import (
	"slices"

	"github.com/fibergauge/fibergauge/mesh"
)

// Wanted picks ends: of every list that is not empty, one element has to fit.
type Wanted struct {
	Ends     [][2]string // from site, to site
	Pairs    [][2]string // clusters, in any order
	Hubs     []string    // of either cluster
	Clusters []string    // either of the two
	Carriers []string
	Planes   []string
	Own      []string // carriers that the reader may see; nil: all
}

// Takes tells whether an end is wanted.
func (w *Wanted) Takes(m *mesh.Mesh, src, dst *mesh.Site) bool {
	a, b := src.Cluster, dst.Cluster
	return (w.Own == nil || slices.Contains(w.Own, src.Carrier)) &&
		fits(w.Carriers, src.Carrier) && fits(w.Planes, string(src.Plane)) &&
		fits(w.Clusters, a, b) && fits(w.Hubs, m.Cluster(a).Hub, m.Cluster(b).Hub) &&
		fits(w.Pairs, [2]string{a, b}, [2]string{b, a}) && fits(w.Ends, [2]string{src.ID, dst.ID})
}

// fits tells whether a list is empty or has any of some.
func fits[T comparable](list []T, any ...T) bool {
	return len(list) == 0 || slices.ContainsFunc(any, func(one T) bool { return slices.Contains(list, one) })
}
