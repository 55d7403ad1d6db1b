package compliance

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// What stands beside the rate: none of it changes a verdict.

// Plain counts verdicts without asking what is proven: for results that have
// no interval.
func (r *Rules) Plain(p policy.Rate, year int, verdicts []api.Verdict) api.Rate {
	rate := api.Rate{Total: len(verdicts), TargetYear: year, Possible: len(verdicts), Inconclusive: len(verdicts)}
	for _, v := range verdicts {
		switch v {
		case api.Compliant:
			rate.Compliant++
		case api.NonCompliant:
			rate.NonCompliant++
		default:
			rate.NotDemonstrated++
		}
	}
	compare(&rate, p)
	return rate
}

// ofPair takes the verdict of a pair out of one for each link: of each carrier
// the one that the policy says, as Sites does, and of these the best.
func (r *Rules) ofPair(c *Counted, of func(*Link) api.Verdict) api.Verdict {
	verdict := api.NotDemonstrated
	for _, links := range c.Carriers {
		verdict = best(verdict, r.ofCarrier(links, of))
	}
	return verdict
}

func (r *Rules) ofCarrier(links []*Link, of func(*Link) api.Verdict) api.Verdict {
	n := map[api.Verdict]int{}
	for _, link := range links {
		n[of(link)]++
	}
	order := bestFirst()
	switch r.choice {
	case policy.Worst:
		order = []api.Verdict{api.NonCompliant, api.Compliant, api.NotDemonstrated}
	case policy.All:
		order = []api.Verdict{api.NonCompliant, api.NotDemonstrated, api.Compliant}
	}
	for _, verdict := range order {
		if n[verdict] > 0 {
			return verdict
		}
	}
	return api.NotDemonstrated
}

// Ordered gives, for a pair, the verdict of what the first cluster measured
// towards the second, and the other way round.
func (r *Rules) Ordered(c *Counted) (out [2]api.Verdict) {
	for from := range out {
		out[from] = r.ofPair(c, func(l *Link) api.Verdict {
			for i := range l.Ends {
				if l.Ends[i].Src == l.Sites[from] {
					return l.Ends[i].Verdict
				}
			}
			return api.NotDemonstrated
		})
	}
	return out
}

// WithoutExcuse is the verdict of a pair if maintenance excused nothing.
func (r *Rules) WithoutExcuse(c *Counted) api.Verdict {
	return r.ofPair(c, func(l *Link) api.Verdict {
		if l.Unexcused != nil {
			return l.Unexcused.Verdict
		}
		return l.Verdict
	})
}

// bestFirst are the verdicts in the order in which several are chosen from.
func bestFirst() []api.Verdict {
	return []api.Verdict{api.Compliant, api.NonCompliant, api.NotDemonstrated}
}

func best(a, b api.Verdict) api.Verdict {
	order := bestFirst()
	return order[min(slices.Index(order, a), slices.Index(order, b))]
}

// Choice is another way to compute a rate.
type Choice struct {
	Statistic policy.Statistic
	Light     theory.Light
	LightName string
	Circuity  *big.Rat // nil: distances as the mesh has them
	Distance  string
}

// Choices are the cells of the sensitivity matrix.
func Choices(s policy.Sensitivity) []Choice {
	var choices []Choice
	type light struct {
		theory.Light
		name string
	}
	var lights []light
	for _, index := range s.GroupIndex {
		lights = append(lights, light{theory.WithIndex(index.Rat()), fmt.Sprintf("index %s", index)})
	}
	for _, us := range s.USPerKM {
		lights = append(lights, light{theory.WithDelay(us.Rat()), fmt.Sprintf("%s µs/km", us)})
	}
	for _, statistic := range s.Statistics {
		for _, l := range lights {
			choices = append(choices, Choice{statistic, l.Light, l.name, nil, "mesh"})
			for _, circuity := range s.Circuity {
				choices = append(choices, Choice{statistic, l.Light, l.name, circuity.Rat(), fmt.Sprintf("geodesic × %s", circuity)})
			}
		}
	}
	return choices
}

// Under counts the pairs that would comply by another choice.
func (r *Rules) Under(choice Choice, p policy.Rate, year int, pairs []Counted) api.Sensitivity {
	verdicts := make([]api.Verdict, len(pairs))
	for i := range pairs {
		verdicts[i] = r.ofPair(&pairs[i], func(l *Link) api.Verdict { return r.linkUnder(choice, l) })
	}
	rate := r.Plain(p, year, verdicts)
	return api.Sensitivity{
		Statistic: string(choice.Statistic), Light: choice.LightName, Distance: choice.Distance,
		Compliant: rate.Compliant, Total: rate.Total, Fraction: rate.Fraction, Met: rate.Met,
	}
}

func (r *Rules) linkUnder(choice Choice, link *Link) api.Verdict {
	if !link.judgeable() {
		return api.NotDemonstrated
	}
	limit := func(j *Judgement) *big.Rat {
		rtt := choice.Light.RouteRTTUS(j.Route)
		if choice.Circuity != nil {
			rtt = new(big.Rat).Mul(choice.Light.RTTUS(j.Route.GeodesicMeters), choice.Circuity)
		}
		return theory.LimitUS(rtt, r.factor)
	}
	return r.by(link, choice.Statistic, limit)
}

// Classes holds a link against the limits inside a hub and inside a city, as
// far as its sites are in one.
func (r *Rules) Classes(m *mesh.Mesh, l *Link) []api.Class {
	a, b := m.Site(l.Sites[0]), m.Site(l.Sites[1])
	var out []api.Class
	if m.Cluster(a.Cluster).Hub == m.Cluster(b.Cluster).Hub {
		out = append(out, r.class("hub", r.withinHub, l))
	}
	if a.City != "" && a.City == b.City {
		out = append(out, r.class("city", r.withinCity, l))
	}
	return out
}

func (r *Rules) class(name string, limitUS *big.Rat, l *Link) api.Class {
	half := big.NewRat(1, 2)
	c := api.Class{
		Class: name, Pair: [2]string{l.Pair.A, l.Pair.B}, Plane: l.Plane, Carrier: l.Carrier, Sites: l.Sites,
		LimitOneWayMS: theory.FloorMS(new(big.Rat).Mul(limitUS, half)),
		Verdict:       api.NotDemonstrated, VerdictAsRTT: api.NotDemonstrated,
	}
	measured, ok := l.worst()
	if !ok {
		return c
	}
	if measured.Exact() {
		c.Unbounded = measured.Low.Unbounded
		if !c.Unbounded {
			shown := theory.NearMS(big.NewRat(measured.Low.US, 2))
			c.OneWayMS = &shown
		}
	}
	if l.Lacking || l.implausible() {
		return c
	}
	c.Verdict, c.VerdictAsRTT = measured.against(limitUS), measured.against(new(big.Rat).Mul(limitUS, half))
	return c
}

// Nearest lists the pairs whose ratio is nearest to the limit: those that do not
// comply, where the target is missed, else those that do. So many at most, or
// as many as are missing.
func (r *Rules) Nearest(rate api.Rate, pairs []Counted, most int) []api.Nearest {
	wanted := api.NonCompliant
	if rate.Met == nil || *rate.Met {
		wanted = api.Compliant
	} else {
		most = max(most, *rate.Needed-rate.Compliant)
	}
	var near []Counted
	for _, pair := range pairs {
		if pair.Verdict == wanted {
			near = append(near, pair)
		}
	}
	slices.SortStableFunc(near, func(a, b Counted) int {
		if wanted == api.Compliant {
			a, b = b, a
		}
		switch {
		case a.exceeds(&b.Judgement):
			return 1
		case b.exceeds(&a.Judgement):
			return -1
		}
		return 0
	})
	out := []api.Nearest{}
	for _, pair := range near[:min(most, len(near))] {
		out = append(out, r.nearest(&pair))
	}
	return out
}

func (r *Rules) nearest(c *Counted) api.Nearest {
	n := api.Nearest{Pair: [2]string{c.Pair.A, c.Pair.B}, Carrier: c.Carrier, Verdict: c.Verdict}
	if !c.HasMeasured || c.Measured.Unbounded {
		n.Unbounded = c.HasMeasured
		return n
	}
	excess := new(big.Rat).Sub(new(big.Rat).SetInt64(c.Measured.US), c.LimitUS)
	ms := theory.CeilMS(excess)
	// One way, so half of the RTT; a light's RTT over a kilometre is two.
	perKM := r.light.RTTUS(1000)
	km := theory.NearKM(new(big.Rat).Quo(excess, perKM))
	n.ExcessMS, n.ExcessKM = &ms, &km
	return n
}

// judgeable tells whether there is enough data, and whether it is plausible. Where
// only bounds left the verdict open, another statistic or limit may decide.
func (l *Link) judgeable() bool {
	is := func(j *Judgement) bool {
		return j.Verdict != api.NotDemonstrated || len(j.Reasons) > 0 && j.Reasons[0].Code == api.ReasonOnlyBounds
	}
	if l.Lacking || len(l.Parts) == 0 {
		return !l.Lacking && is(&l.Judgement)
	}
	return !slices.ContainsFunc(l.Parts, func(p Part) bool { return !is(&p.Judgement) })
}

// worst is the judged statistic of the worse end over the whole period.
func (l *Link) worst() (worst Between, ok bool) {
	for i := range l.Ends {
		if end := &l.Ends[i]; end.HasMeasured {
			worst, ok = worst.worse(end.Measured), true
		}
	}
	return worst, ok
}

// implausible tells whether an RTT was below what light allows.
func (l *Link) implausible() bool {
	return l.gives(api.ReasonFasterThanLight) || l.gives(api.ReasonFasterThanFibre)
}

// gives tells whether a reason is among those of the verdict, or of a part: what
// one part cannot be, the whole cannot.
func (l *Link) gives(code string) bool {
	is := func(r api.Reason) bool { return r.Code == code }
	return slices.ContainsFunc(l.Reasons, is) ||
		slices.ContainsFunc(l.Parts, func(p Part) bool { return slices.ContainsFunc(p.Reasons, is) })
}
