package report

import (
	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
)

// distributionsOf are those of the links that count for pairs, named.
func distributionsOf(pairs []compliance.Counted) (all []api.Distribution) {
	for _, p := range pairs {
		if p.Distribution == nil || p.Verdict == api.NotDemonstrated {
			continue
		}
		d := *p.Distribution
		d.Pair, d.Plane, d.Carrier, d.Sites = [2]string{p.Pair.A, p.Pair.B}, p.Plane, p.Carrier, p.Sites
		all = append(all, d)
	}
	return all
}
