package report

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// TestRandomMeshes holds what docs/metric.md says against random meshes, policies
// and data sets, each law against each. The tests of every day draw few; ten
// thousand are
//
//	go test ./analyzer/report -run RandomMeshes -rapid.checks=10000 -timeout 2h -v
//
// whose last lines say how many passed: near its timeout package rapid ends early.
func TestRandomMeshes(t *testing.T) {
	laws := []func(*rapid.T, *random){
		countsAddUp, pairsFollowFromLinks, figuresAgree, intervalsAgree, floorsHold, sensitivityAgrees, schemaFollowed,
		renamingChangesNothing, orderChangesNothing, strangersChangeNothing,
		moreLossNeverImproves, silenceProvesNothing, tighterNeverRaises, stricterChoiceNeverRaises, summariesContainTheTruth,
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := drawRandom.Draw(rt, "network")
		for _, holds := range laws {
			holds(rt, n)
		}
	})
}

// labelled is a rate of a report; plain, where it has no intervals.
type labelled struct {
	name  string
	rate  api.Rate
	plain bool
}

// rates are all rates of a report.
func rates(r *api.Report) []labelled {
	all := []labelled{{"headline", r.Rate, false}}
	for _, plane := range r.Planes {
		all = append(all, labelled{plane.Plane, plane.Rate, false},
			labelled{plane.Plane + " between hubs", plane.BetweenHubs, false},
			labelled{plane.Plane + " ordered", plane.Ordered, true},
			labelled{plane.Plane + " with maintenance", plane.WithMaintenance, true})
		for _, carrier := range plane.Carriers {
			all = append(all, labelled{plane.Plane + " " + carrier.Carrier, carrier.Rate, false})
		}
		for _, hub := range plane.Hubs {
			all = append(all, labelled{plane.Plane + " " + hub.Hub, hub.Rate, false})
		}
	}
	for _, month := range r.Trend {
		all = append(all, labelled{month.Month, month.Rate, false})
	}
	return all
}

// countsAddUp: 0 ≤ proven ≤ compliant ≤ possible ≤ total, every pair is counted
// once in each way of counting, and the target is met by exact fractions.
func countsAddUp(t *rapid.T, n *random) {
	r := n.report(t)
	for _, of := range rates(r) {
		rate := of.rate
		switch {
		case rate.Proven < 0 || rate.Proven > rate.Compliant || rate.Compliant > rate.Possible || rate.Possible > rate.Total,
			rate.Compliant+rate.NonCompliant+rate.NotDemonstrated != rate.Total,
			rate.Proven+rate.ProvenNonCompliant+rate.Inconclusive != rate.Total,
			rate.Possible != rate.Total-rate.ProvenNonCompliant-rate.Rejected,
			rate.Rejected < 0 || rate.Rejected > rate.Total-rate.Compliant,
			rate.Provisional > rate.Compliant+rate.NonCompliant || rate.Unstable > rate.NonCompliant,
			of.plain && (rate.Proven != 0 || rate.Possible != rate.Total):
			t.Fatalf("%s: %+v", of.name, rate)
		}
		holdTarget(t, n.p, of)
	}
	for _, plane := range r.Planes {
		countPairs(t, n.m, r, &plane)
	}
	if r.Plane == "" || !slices.ContainsFunc(r.Planes, func(p api.Plane) bool { return p.Plane == r.Plane && p.Rate.Compliant == r.Rate.Compliant }) {
		t.Fatalf("the headline is not the rate of plane %s", r.Plane)
	}
}

// holdTarget compares a rate with the target of its year in integers.
func holdTarget(t *rapid.T, p *policy.Policy, of labelled) {
	rate := of.rate
	if rate.Total > 0 && rate.Fraction != float64(rate.Compliant)/float64(rate.Total) || rate.Total == 0 && rate.Fraction != 0 {
		t.Fatalf("%s: %d of %d is %v", of.name, rate.Compliant, rate.Total, rate.Fraction)
	}
	target, ok := p.Rate.Target(rate.TargetYear)
	if !ok || rate.Total == 0 {
		if rate.Met != nil {
			t.Fatalf("%s: met %v without a target, or of no pairs", of.name, *rate.Met)
		}
		return
	}
	enough := func(compliant int) bool {
		return new(big.Rat).SetInt64(int64(compliant)*100).Cmp(new(big.Rat).Mul(target.Percent.Rat(), big.NewRat(int64(rate.Total), 1))) >= 0
	}
	if *rate.Met != enough(rate.Compliant) || !enough(*rate.Needed) || *rate.Needed > 0 && enough(*rate.Needed-1) {
		t.Fatalf("%s: %d of %d, needed %d, met %v", of.name, rate.Compliant, rate.Total, *rate.Needed, *rate.Met)
	}
}

// countPairs counts the pairs of a plane once more, for each set that has a rate.
func countPairs(t *rapid.T, m *mesh.Mesh, r *api.Report, plane *api.Plane) {
	hub := func(cluster string) string { return m.Cluster(cluster).Hub }
	check := func(what string, rate api.Rate, in func(*api.Pair) bool) {
		var want api.Rate
		for i := range plane.Pairs {
			p := &plane.Pairs[i]
			if !in(p) {
				continue
			}
			want.Total++
			*map[api.Verdict]*int{
				api.Compliant: &want.Compliant, api.NonCompliant: &want.NonCompliant, api.NotDemonstrated: &want.NotDemonstrated,
			}[p.Verdict]++
			*map[api.Guarded]*int{
				api.ProvenCompliant: &want.Proven, api.ProvenNonCompliant: &want.ProvenNonCompliant, api.Inconclusive: &want.Inconclusive,
			}[p.Guarded]++
			if p.Unstable {
				want.Unstable++
			}
			if p.Provisional && p.Verdict != api.NotDemonstrated {
				want.Provisional++
			}
			if rejected(r, p) {
				want.Rejected++
			}
		}
		got := api.Rate{
			Total: rate.Total, Compliant: rate.Compliant, NonCompliant: rate.NonCompliant, NotDemonstrated: rate.NotDemonstrated,
			Proven: rate.Proven, ProvenNonCompliant: rate.ProvenNonCompliant, Inconclusive: rate.Inconclusive,
			Unstable: rate.Unstable, Provisional: rate.Provisional, Rejected: rate.Rejected,
		}
		if got != want {
			t.Fatalf("plane %s, %s:\ngot  %+v\nwant %+v", plane.Plane, what, got, want)
		}
	}
	check("all", plane.Rate, func(*api.Pair) bool { return true })
	check("between hubs", plane.BetweenHubs, func(p *api.Pair) bool { return hub(p.Pair[0]) != hub(p.Pair[1]) })
	for _, h := range plane.Hubs {
		check(h.Hub, h.Rate, func(p *api.Pair) bool { return hub(p.Pair[0]) == h.Hub || hub(p.Pair[1]) == h.Hub })
	}
	if plane.Ordered.Total != 2*plane.Rate.Total || plane.WithMaintenance.Total != plane.Rate.Total {
		t.Fatalf("plane %s: %d pairs, %d ordered, %d with maintenance", plane.Plane, plane.Rate.Total, plane.Ordered.Total, plane.WithMaintenance.Total)
	}
	if w := plane.WithMaintenance; plane.ExcusedLinks == 0 && (w.Compliant != plane.Rate.Compliant || w.NonCompliant != plane.Rate.NonCompliant) {
		t.Fatalf("plane %s: nothing is excused, and without that it is %+v", plane.Plane, w)
	}
	for _, carrier := range plane.Carriers {
		if carrier.Rate.Total != plane.Rate.Total || carrier.Rate.Compliant > plane.Rate.Compliant {
			t.Fatalf("plane %s: %d comply, of carrier %s alone %d", plane.Plane, plane.Rate.Compliant, carrier.Carrier, carrier.Rate.Compliant)
		}
	}
}

// joining are the links of a pair of clusters on a plane, by carrier.
func joining(r *api.Report, pair *api.Pair) map[string][]*api.Pair {
	links := map[string][]*api.Pair{}
	for i := range r.Links {
		if l := &r.Links[i]; l.Pair == pair.Pair && l.Plane == pair.Plane {
			links[l.Carrier] = append(links[l.Carrier], l)
		}
	}
	return links
}

func has(p *api.Pair, reasonCodes ...string) bool {
	is := func(r api.Reason) bool { return slices.Contains(reasonCodes, r.Code) }
	return slices.ContainsFunc(p.Reasons, is) ||
		slices.ContainsFunc(p.Parts, func(part api.Part) bool { return slices.ContainsFunc(part.Reasons, is) })
}

// rejected tells whether a pair that is not proven non-compliant cannot comply,
// because of the speed of light.
func rejected(r *api.Report, pair *api.Pair) bool {
	links := joining(r, pair)
	for _, of := range links {
		light := 0
		for _, l := range of {
			if has(l, api.ReasonFasterThanLight) {
				light++
			}
		}
		if light < len(of) && (r.Policy.Sites != string(policy.All) || light == 0) {
			return false
		}
	}
	return len(links) > 0 && pair.Guarded != api.ProvenNonCompliant
}

// pairsFollowFromLinks: of each carrier the link that measurement.sites says, and
// of the carriers the best; with `best` what is proven is so of a link by itself.
func pairsFollowFromLinks(t *rapid.T, n *random) {
	r := n.report(t)
	order := []api.Verdict{api.Compliant, api.NonCompliant, api.NotDemonstrated}
	for _, plane := range r.Planes {
		for i := range plane.Pairs {
			pair, want := &plane.Pairs[i], api.NotDemonstrated
			proven, denied, carriers := false, 0, joining(r, pair)
			for _, links := range carriers {
				of := ofCarrier(policy.Choice(r.Policy.Sites), links)
				want = order[min(slices.Index(order, want), slices.Index(order, of))]
				is := func(g api.Guarded) func(*api.Pair) bool { return func(l *api.Pair) bool { return l.Guarded == g } }
				proven = proven || slices.ContainsFunc(links, is(api.ProvenCompliant))
				if slices.ContainsFunc(links, is(api.ProvenNonCompliant)) {
					denied++
				}
			}
			if pair.Verdict != want {
				t.Fatalf("%v on %s by %s: %s, want %s of\n%s", pair.Pair, pair.Plane, r.Policy.Sites, pair.Verdict, want, shownLinks(r))
			}
			if pair.Guarded == api.ProvenCompliant && (!proven || pair.Verdict != api.Compliant) ||
				pair.Guarded == api.ProvenNonCompliant && (denied < len(carriers) || pair.Verdict != api.NonCompliant) {
				t.Fatalf("%v on %s: %s and %s of\n%s", pair.Pair, pair.Plane, pair.Verdict, pair.Guarded, shownLinks(r))
			}
			bestCounts(t, r, pair, carriers)
		}
	}
}

func ofCarrier(choice policy.Choice, links []*api.Pair) api.Verdict {
	n := map[api.Verdict]int{}
	for _, l := range links {
		n[l.Verdict]++
	}
	switch {
	case choice == policy.Best && n[api.Compliant] > 0:
		return api.Compliant
	case n[api.NonCompliant] > 0:
		return api.NonCompliant
	case n[api.Compliant] == 0 || choice == policy.All && n[api.NotDemonstrated] > 0:
		return api.NotDemonstrated
	}
	return api.Compliant
}

// bestCounts: with `best`, no link of the same verdict has a lower ratio than the
// one that stands for the pair. Where one is known by bounds, no ratio is shown.
func bestCounts(t *rapid.T, r *api.Report, pair *api.Pair, carriers map[string][]*api.Pair) {
	if r.Policy.Sites != string(policy.Best) || pair.Ratio == nil {
		return
	}
	for _, links := range carriers {
		for _, l := range links {
			if l.Verdict == pair.Verdict && l.Ratio != nil && *l.Ratio < *pair.Ratio {
				t.Fatalf("%v on %s has ratio %v, and its link %v has %v", pair.Pair, pair.Plane, *pair.Ratio, l.Sites, *l.Ratio)
			}
		}
	}
}

// shownLinks is what there is to choose from, for a failure.
func shownLinks(r *api.Report) string {
	text := ""
	for _, l := range r.Links {
		text += fmt.Sprintln(l.Sites, l.Plane, l.Carrier, l.Verdict, l.Guarded, codes(l.Reasons))
	}
	return text
}

// floorsHold: a link whose shortest RTT is below what light allows never complies,
// whatever its statistic says; nor does one of which an end has too little data.
func floorsHold(t *rapid.T, n *random) {
	r := n.report(t)
	for i := range r.Links {
		l := &r.Links[i]
		a, b := n.m.Site(l.Sites[0]), n.m.Site(l.Sites[1])
		floor := theory.InVacuum().RTTUS(int64(l.GeodesicKM*1000 + 0.5))
		if route := n.m.Route(a, b, n.period.From); len(n.m.DistanceChanges(a, b, n.period.From, n.period.To)) == 0 && route.Medium == mesh.Fibre {
			floor = fibreFloor(n, route)
		}
		for _, end := range l.Ends {
			// A part over which nothing is scheduled is left out, whatever it has.
			below := len(l.Parts) == 0 && end.MinMS != nil && big.NewRat(int64(*end.MinMS*1000+0.5), 1).Cmp(floor) < 0
			if (below || !end.Sufficient) && l.Verdict != api.NotDemonstrated {
				t.Fatalf("%v: %s, although %s>%s has %v ms at least (floor %s µs) and enough data: %v",
					l.Sites, l.Verdict, end.Src, end.Dst, *end.MinMS, floor.FloatString(3), end.Sufficient)
			}
		}
	}
}
