package mesh

import (
	"path"
	"slices"
	"time"
)

// ActiveDuring tells whether the site exists at some moment of [from, to).
func (s *Site) ActiveDuring(from, to time.Time) bool { return s.life.meets(interval{from, to}) }

// ActiveAt tells whether the site exists at t.
func (s *Site) ActiveAt(t time.Time) bool { return s.life.contains(t) }

// Links lists the links that a test measures at some moment of [from, to), in
// the order of the sites in the file: by source, then by destination.
func (m *Mesh) Links(test *Test, from, to time.Time) []Link {
	var links []Link
	for i := range m.Sites {
		src := &m.Sites[i]
		if !src.Role.Probes() || !src.ActiveDuring(from, to) {
			continue
		}
		for j := range m.Sites {
			dst := &m.Sites[j]
			if dst.ActiveDuring(from, to) && m.Measures(test, src, dst) {
				links = append(links, Link{src.ID, dst.ID})
			}
		}
	}
	return links
}

// MeasuredAt lists the links that any test measures at t, each once, in the
// order of the tests and of Links.
func (m *Mesh) MeasuredAt(t time.Time) []Link {
	var links []Link
	seen := map[Link]bool{}
	for i := range m.Measure {
		for _, l := range m.Links(&m.Measure[i], t, t.Add(time.Millisecond)) {
			if !seen[l] {
				seen[l] = true
				links = append(links, l)
			}
		}
	}
	return links
}

// Measures tells whether a test measures from src to dst, whenever both exist.
func (m *Mesh) Measures(test *Test, src, dst *Site) bool {
	if src == dst || !src.Role.Probes() || !dst.Role.Answers() ||
		src.Carrier != dst.Carrier || src.Plane != dst.Plane {
		return false
	}
	return slices.ContainsFunc(test.Links, func(p LinkPattern) bool { return p.matches(src, dst) })
}

func (p LinkPattern) matches(src, dst *Site) bool {
	return (src.Cluster != dst.Cluster || p.WithinCluster) &&
		(len(p.Carriers) == 0 || slices.Contains(p.Carriers, src.Carrier)) &&
		(len(p.Planes) == 0 || slices.Contains(p.Planes, src.Plane)) &&
		src.Matches(p.From) && dst.Matches(p.To)
}

// MeasuresBy tells whether any test by a method measures from a site to another.
func (m *Mesh) MeasuresBy(method Method, src, dst *Site) bool {
	return slices.ContainsFunc(m.Measure, func(test Test) bool { return test.Method == method && m.Measures(&test, src, dst) })
}

// Matches holds a shell pattern against the identifiers of the site and its
// cluster; an empty one matches every site. A malformed pattern, which readers
// of files refuse, matches none.
func (s *Site) Matches(pattern string) bool {
	if pattern == "" {
		return true
	}
	bySite, _ := path.Match(pattern, s.ID)
	byCluster, _ := path.Match(pattern, s.Cluster)
	return bySite || byCluster
}

// Pairs lists all unordered pairs of clusters, in the order of the file.
func (m *Mesh) Pairs() []Pair {
	var pairs []Pair
	for i, a := range m.Clusters {
		for _, b := range m.Clusters[i+1:] {
			pairs = append(pairs, Pair{a.ID, b.ID})
		}
	}
	return pairs
}

// UnderMaintenance lists the entries that cover a link at some moment of
// [from, to). Whether an entry counts depends on when it was registered, which
// the journal knows.
func (m *Mesh) UnderMaintenance(link Link, from, to time.Time) []*Maintenance {
	var found []*Maintenance
	for i := range m.Maintenance {
		w := &m.Maintenance[i]
		if w.life.meets(interval{from, to}) && (slices.Contains(w.Sites, link.Src) || slices.Contains(w.Sites, link.Dst)) {
			found = append(found, w)
		}
	}
	return found
}

// Bounds are the first moment of the works and the first after them.
func (w *Maintenance) Bounds() (from, until time.Time) { return w.life.from, w.life.until }
