package report

import (
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/mesh"
)

// End is one site of a planned link and what is read of it. Whoever reads by
// the scope finds the days that reports keep, and keeps those that reports find.
type End struct {
	Link  *PlannedLink
	Scope *latency.Scope
}

// Ends are those of all links of a test of the mesh in the period.
func (p *Plan) Ends(test *mesh.Test) (ends []End) {
	links := p.Links
	if test != p.Test {
		links = p.linksOf(test)
	}
	for i := range links {
		for _, end := range links[i].ends {
			ends = append(ends, End{&links[i], end.scope})
		}
	}
	return ends
}
