// Package assignment turns the mesh into what one probe is to do now. The mesh
// comes from the version that the collector serves; the assignment goes to the
// probe of the site, which asks for it again and again.
package assignment

import (
	"time"

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// For makes the assignment of a site at a moment: the tests and targets whose
// sites exist then. A site whose own time has not come or is over gets one
// without tasks, so that its probe rests and asks again.
func For(m *mesh.Mesh, site *mesh.Site, now time.Time) *wire.Assignment {
	a := &wire.Assignment{
		Schema:     wire.SchemaAssignment,
		Site:       site.ID,
		Cluster:    site.Cluster,
		Carrier:    site.Carrier,
		Plane:      string(site.Plane),
		Address:    site.Address,
		MeshSHA256: m.SHA256(),
		Tasks:      []wire.Task{},
	}
	if !site.ActiveAt(now) {
		return a
	}
	a.Reflector = reflector(m, site, now)
	for i := range m.Measure {
		test := &m.Measure[i]
		if targets := targets(m, test, site, now); len(targets) > 0 {
			a.Tasks = append(a.Tasks, wire.Task{
				Test:       test.Name,
				Method:     string(test.Method),
				IntervalMS: test.IntervalMS,
				SizeBytes:  test.SizeBytes,
				DSCP:       test.DSCP,
				WindowS:    test.WindowS,
				Targets:    targets,
			})
		}
	}
	return a
}

// targets asks for the links of one site only: mesh.Links goes through all
// pairs of sites, too many to do for each request of a large mesh.
func targets(m *mesh.Mesh, test *mesh.Test, src *mesh.Site, now time.Time) []wire.Target {
	var found []wire.Target
	for i := range m.Sites {
		dst := &m.Sites[i]
		if dst.ActiveAt(now) && m.Measures(test, src, dst) {
			found = append(found, wire.Target{Site: dst.ID, Cluster: dst.Cluster, Address: dst.Address, STAMP: spokenTo(test, dst)})
		}
	}
	return found
}

func spokenTo(test *mesh.Test, dst *mesh.Site) *wire.STAMPTarget {
	if test.Method != mesh.MethodSTAMP {
		return nil
	}
	r := dst.Reflector()
	return &wire.STAMPTarget{Port: r.Port, Timestamps: string(r.Timestamps), Authenticated: r.Authenticated, Plain: r.Plain}
}

// early is how long before it begins, and after it ends, a site is answered.
const early = time.Hour

// reflector is what the site's own reflector needs to know; nil where nobody
// measures the site by STAMP.
func reflector(m *mesh.Mesh, site *mesh.Site, now time.Time) *wire.Reflector {
	r := site.Reflector()
	reflector := &wire.Reflector{Port: r.Port, Authenticated: r.Authenticated}
	for i := range m.Sites {
		src := &m.Sites[i]
		// Probes ask for their assignments at different times.
		near := src.ActiveAt(now) || src.ActiveAt(now.Add(early)) || src.ActiveAt(now.Add(-early))
		if rate := packetsPerS(m, src, site); near && rate > 0 {
			reflector.Sources = append(reflector.Sources, src.Address)
			reflector.PacketsPerS = max(reflector.PacketsPerS, rate)
		}
	}
	if len(reflector.Sources) == 0 {
		return nil
	}
	return reflector
}

// packetsPerS is what all tests by STAMP together send from one site to another.
func packetsPerS(m *mesh.Mesh, src, dst *mesh.Site) (sum float64) {
	for i := range m.Measure {
		if test := &m.Measure[i]; test.Method == mesh.MethodSTAMP && m.Measures(test, src, dst) {
			sum += 1000 / float64(test.IntervalMS)
		}
	}
	return sum
}
