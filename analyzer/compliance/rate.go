package compliance

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
)

// Sites picks, among the links of one carrier between two clusters, the one
// that counts by the policy. There is at least one link.
func (r *Rules) Sites(links []*Link) *Link {
	if r.choice == policy.Best {
		return Best(links)
	}
	// The worst that is demonstrated, else any.
	worst := links[0]
	var undecided []string
	for _, link := range links {
		if link.Verdict == api.NotDemonstrated {
			undecided = append(undecided, link.Sites[0]+"-"+link.Sites[1])
		} else if worst.Verdict == api.NotDemonstrated || better(worst, link) {
			worst = link
		}
	}
	if r.choice == policy.All && worst.Verdict == api.Compliant && len(undecided) > 0 {
		counted := *worst
		counted.Verdict = api.NotDemonstrated
		counted.Reasons = []api.Reason{{Code: api.ReasonSiteUndecided, Params: map[string]any{"sites": undecided}}}
		return &counted
	}
	return worst
}

// Best picks the link with the best verdict and, among these, the lowest
// ratio; the earlier one of equals. A link that was not demonstrated is never
// the best of several, unless all are so.
func Best(links []*Link) *Link {
	best := links[0]
	for _, link := range links[1:] {
		if better(link, best) {
			best = link
		}
	}
	return best
}

func better(a, b *Link) bool {
	order := map[api.Verdict]int{api.Compliant: 0, api.NonCompliant: 1, api.NotDemonstrated: 2}
	if order[a.Verdict] != order[b.Verdict] {
		return order[a.Verdict] < order[b.Verdict]
	}
	// Among those not demonstrated, one with figures tells more than one without.
	if a.Verdict == api.NotDemonstrated && (a.Ratio == nil) != (b.Ratio == nil) {
		return a.Ratio != nil
	}
	return b.exceeds(&a.Judgement)
}

// Rate counts the pairs that comply. year is that of the first day of the
// period.
func Rate(p policy.Rate, year int, pairs []*Link) api.Rate {
	rate := api.Rate{Total: len(pairs), TargetYear: year}
	for _, pair := range pairs {
		switch pair.Verdict {
		case api.Compliant:
			rate.Compliant++
		case api.NonCompliant:
			rate.NonCompliant++
		default:
			rate.NotDemonstrated++
			continue
		}
		if pair.Route.Class == mesh.ClassC {
			rate.Provisional++
		}
	}
	if rate.Total > 0 {
		rate.Fraction = float64(rate.Compliant) / float64(rate.Total)
	}
	if target, ok := p.Target(year); ok {
		share, _ := target.Share().Float64()
		needed := ceil(new(big.Rat).Mul(target.Share(), new(big.Rat).SetInt64(int64(rate.Total))))
		met := rate.Compliant >= needed
		rate.Target, rate.Needed, rate.Met = &share, &needed, &met
	}
	return rate
}

func ceil(v *big.Rat) int {
	floor := new(big.Int).Div(v.Num(), v.Denom())
	if !v.IsInt() {
		floor.Add(floor, big.NewInt(1))
	}
	return int(floor.Int64())
}
