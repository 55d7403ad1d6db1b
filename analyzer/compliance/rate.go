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
	if r.choice == policy.Best || len(links) == 1 {
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
	if a.Verdict != b.Verdict {
		return best(a.Verdict, b.Verdict) == a.Verdict
	}
	// Among those not demonstrated, one with figures tells more than one without.
	if a.HasMeasured != b.HasMeasured {
		return a.HasMeasured
	}
	return b.exceeds(&a.Judgement)
}

// Counted is the link that stands for a pair, taken out of all that join it.
type Counted struct {
	*Link
	Guarded    api.Guarded
	Candidates int
	Carriers   [][]*Link // the candidates, those of one carrier together
}

// Count takes, for each carrier, the link that the policy says, and of these
// the best. There is at least one link.
func (r *Rules) Count(carriers [][]*Link) Counted {
	c := Counted{Carriers: carriers}
	var counting []*Link
	for _, links := range carriers {
		c.Candidates += len(links)
		counting = append(counting, r.Sites(links))
	}
	c.Link = Best(counting)
	c.Guarded = r.guardedPair(&c)
	return c
}

// guardedPair is what is proven of a pair: that it complies if one carrier is
// proven to, that it does not if all are proven not to.
func (r *Rules) guardedPair(c *Counted) api.Guarded {
	if c.Verdict == api.NotDemonstrated {
		return api.Inconclusive
	}
	denied := 0
	for _, links := range c.Carriers {
		switch r.guardedCarrier(links, c.Candidates) {
		case api.ProvenCompliant:
			return api.ProvenCompliant
		case api.ProvenNonCompliant:
			denied++
		}
	}
	if denied == len(c.Carriers) {
		return api.ProvenNonCompliant
	}
	return api.Inconclusive
}

func (r *Rules) guardedCarrier(links []*Link, candidates int) api.Guarded {
	n := map[api.Guarded]int{}
	for _, link := range links {
		n[r.Guarded(link, candidates)]++
	}
	one, all := api.ProvenCompliant, api.ProvenNonCompliant
	if r.choice != policy.Best {
		one, all = all, one
	}
	switch {
	case n[one] > 0:
		return one
	case n[all] == len(links):
		return all
	}
	return api.Inconclusive
}

// Unstable tells whether a link does not comply although its median would: it
// is capable of the limit, and does not hold it.
func (r *Rules) Unstable(l *Link) bool {
	return l.Verdict == api.NonCompliant &&
		r.by(l, policy.P50, func(j *Judgement) *big.Rat { return j.LimitUS }) == api.Compliant
}

// by is the verdict on a link by another statistic and limit, as Judge comes to
// one: not demonstrated if a part is not, and else every part has to be within.
func (r *Rules) by(l *Link, statistic policy.Statistic, limitUS func(*Judgement) *big.Rat) api.Verdict {
	of := func(j *Judgement) api.Verdict {
		if where, ok := j.By[statistic]; ok {
			return where.against(limitUS(j))
		}
		return api.NonCompliant
	}
	if len(l.Parts) == 0 {
		return of(&l.Judgement)
	}
	all := api.Compliant
	for i := range l.Parts {
		switch of(&l.Parts[i].Judgement) {
		case api.NotDemonstrated:
			return api.NotDemonstrated
		case api.NonCompliant:
			all = api.NonCompliant
		}
	}
	return all
}

// Rate counts the pairs that comply. year is that of the first day of the
// period.
func (r *Rules) Rate(p policy.Rate, year int, pairs []Counted) api.Rate {
	rate := api.Rate{Total: len(pairs), TargetYear: year}
	for _, pair := range pairs {
		r.countVerdict(&rate, &pair)
		// Also one that does not comply, where each of several sites has to: what
		// another site measured makes nothing of it possible.
		if pair.Guarded != api.ProvenNonCompliant && r.rejected(&pair) {
			rate.Rejected++
		}
		switch pair.Guarded {
		case api.ProvenCompliant:
			rate.Proven++
		case api.ProvenNonCompliant:
			rate.ProvenNonCompliant++
		default:
			rate.Inconclusive++
		}
	}
	rate.Possible = rate.Total - rate.ProvenNonCompliant - rate.Rejected
	compare(&rate, p)
	return rate
}

func (r *Rules) countVerdict(rate *api.Rate, pair *Counted) {
	switch pair.Verdict {
	case api.Compliant:
		rate.Compliant++
	case api.NonCompliant:
		rate.NonCompliant++
		if r.Unstable(pair.Link) {
			rate.Unstable++
		}
	default:
		rate.NotDemonstrated++
		return
	}
	if pair.Route.Class == mesh.ClassC {
		rate.Provisional++
	}
}

// rejected tells whether nothing that joins a pair can comply, because light is
// not so fast: of another carrier that is only not demonstrated, it is not known.
func (r *Rules) rejected(pair *Counted) bool {
	for _, links := range pair.Carriers {
		rejected := 0
		for _, link := range links {
			if link.gives(api.ReasonFasterThanLight) {
				rejected++
			}
		}
		if rejected < len(links) && (r.choice != policy.All || rejected == 0) {
			return false
		}
	}
	return len(pair.Carriers) > 0
}

// compare holds a count against the target of its year.
func compare(rate *api.Rate, p policy.Rate) {
	if rate.Total > 0 {
		rate.Fraction = float64(rate.Compliant) / float64(rate.Total)
	}
	if target, ok := p.Target(rate.TargetYear); ok {
		share, _ := target.Share().Float64()
		needed := ceil(new(big.Rat).Mul(target.Share(), new(big.Rat).SetInt64(int64(rate.Total))))
		rate.Target, rate.Needed = &share, &needed
		if rate.Total > 0 { // of no pairs, no share exists
			met := rate.Compliant >= needed
			rate.Met = &met
		}
	}
}

func ceil(v *big.Rat) int {
	floor := new(big.Int).Div(v.Num(), v.Denom())
	if !v.IsInt() {
		floor.Add(floor, big.NewInt(1))
	}
	return int(floor.Int64())
}
