package compliance

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
)

func pairs(compliant, total int) []Counted {
	links := make([]Counted, total)
	for i := range links {
		links[i] = Counted{Link: &Link{Judgement: Judgement{Verdict: api.NotDemonstrated}}, Guarded: api.Inconclusive}
		if i < compliant {
			links[i].Verdict, links[i].Route.Class = api.Compliant, mesh.ClassA
		}
	}
	return links
}

func TestRateIsExact(t *testing.T) {
	rules, targets := NewRules(policy.Default()), policy.Default().Rate
	// metric.md: 65, 75 and 80 % of 45 need 30, 34 and 36 pairs; later years as 2025.
	for year, needed := range map[int]int{2023: 30, 2024: 34, 2025: 36, 2026: 36, 2040: 36} {
		for compliant, met := range map[int]bool{needed - 1: false, needed: true, 45: true, 0: false} {
			r := rules.Rate(targets, year, pairs(compliant, 45))
			if *r.Needed != needed || *r.Met != met || r.Compliant != compliant || r.Total != 45 || r.NotDemonstrated != 45-compliant {
				t.Errorf("%d of 45 in %d: %+v, needs %d, met %v", compliant, year, r, *r.Needed, *r.Met)
			}
		}
	}
	// Exactly at the target is met: 3/4 is 75 %, and 13 of 20 is 65 %.
	for _, c := range []struct{ compliant, total, year int }{{3, 4, 2024}, {13, 20, 2023}, {4, 5, 2025}, {80, 100, 2025}} {
		if r := rules.Rate(targets, c.year, pairs(c.compliant, c.total)); !*r.Met {
			t.Errorf("%d of %d misses %v", c.compliant, c.total, *r.Target)
		}
	}
}

func TestRateCounts(t *testing.T) {
	rules, links := NewRules(policy.Default()), []Counted{}
	for verdict, n := range map[api.Verdict]int{api.Compliant: 3, api.NonCompliant: 2, api.NotDemonstrated: 1} {
		for i := range n {
			class := mesh.ClassC
			if i == 0 {
				class = mesh.ClassB
			}
			links = append(links, Counted{Link: &Link{Judgement: Judgement{Verdict: verdict, Route: mesh.Route{Class: class}}}})
		}
	}
	r := rules.Rate(policy.Default().Rate, 2022, links)
	if r.Target != nil || r.Met != nil || r.Needed != nil {
		t.Errorf("a target before the first year: %+v", r)
	}
	// Not demonstrated is no verdict on a distance: 2 of 3 and 1 of 2.
	if r.Compliant != 3 || r.NonCompliant != 2 || r.NotDemonstrated != 1 || r.Provisional != 3 || r.Fraction != 0.5 {
		t.Errorf("rate is %+v", r)
	}
}

func TestBest(t *testing.T) {
	link := func(name string, verdict api.Verdict, ratio *big.Rat) *Link {
		l := &Link{Subject: Subject{Carrier: name}, Judgement: Judgement{Verdict: verdict, Ratio: ratio, HasMeasured: ratio != nil}}
		if name == "lost" || name == "lost, and faster than light" {
			l.HasMeasured, l.Measured = true, latency.RTT{Unbounded: true}
		}
		return l
	}
	ordered := []*Link{ // best first
		link("fast", api.Compliant, big.NewRat(11, 10)),
		link("fast too", api.Compliant, big.NewRat(14, 10)),
		link("slow", api.NonCompliant, big.NewRat(16, 10)),
		link("slower", api.NonCompliant, big.NewRat(17, 10)),
		link("lost", api.NonCompliant, nil),
		link("some data", api.NotDemonstrated, big.NewRat(10, 10)),
		link("more data", api.NotDemonstrated, big.NewRat(12, 10)),
		link("lost, and faster than light", api.NotDemonstrated, nil),
		link("silent", api.NotDemonstrated, nil),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			t.Run(fmt.Sprint(a.Carrier, " and ", b.Carrier), func(t *testing.T) {
				if got, want := Best([]*Link{a, b}), ordered[min(i, j)]; got != want {
					t.Errorf("%s is better, want %s", got.Carrier, want.Carrier)
				}
			})
		}
	}
	// Of equals the first, so that the order of carriers in the mesh decides.
	one, two := link("one", api.Compliant, big.NewRat(11, 10)), link("two", api.Compliant, big.NewRat(11, 10))
	if got := Best([]*Link{one, two}); got != one {
		t.Errorf("of equals %s", got.Carrier)
	}
}

func TestRejected(t *testing.T) {
	light := []api.Reason{{Code: api.ReasonFasterThanLight}}
	whole := &Link{Judgement: Judgement{Verdict: api.NotDemonstrated, Reasons: light}}
	part := &Link{
		Judgement: Judgement{Verdict: api.NotDemonstrated, Reasons: []api.Reason{{Code: api.ReasonPartUndecided}}},
		Parts:     []Part{{Judgement: Judgement{Verdict: api.Compliant}}, {Judgement: Judgement{Verdict: api.NotDemonstrated, Reasons: light}}},
	}
	silent := &Link{Judgement: Judgement{Verdict: api.NotDemonstrated, Reasons: []api.Reason{{Code: api.ReasonNoWindows}}}}
	for _, test := range []struct {
		name     string
		carriers [][]*Link
		rejected int
	}{
		{"over the period", [][]*Link{{whole}}, 1},
		{"in one part", [][]*Link{{part}}, 1},
		{"all carriers", [][]*Link{{whole}, {part}}, 1},
		{"another carrier is silent", [][]*Link{{whole}, {silent}}, 0},
		{"another site is silent", [][]*Link{{part, silent}}, 0},
		{"silent", [][]*Link{{silent}}, 0},
		{"no carrier", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			pair := Counted{Link: silent, Carriers: test.carriers, Guarded: api.Inconclusive}
			rate := NewRules(policy.Default()).Rate(policy.Default().Rate, 2025, []Counted{pair})
			if rate.Rejected != test.rejected || rate.Possible != 1-test.rejected {
				t.Errorf("%d rejected, %d possible; want %d rejected", rate.Rejected, rate.Possible, test.rejected)
			}
		})
	}
}

// Where all sites have to comply, one that is faster than light rules that out,
// whatever another one measured. Were it not so, one loss more, or a tighter
// factor, would make the pair possible.
func TestRejectedAmongAll(t *testing.T) {
	light := &Link{Judgement: Judgement{Verdict: api.NotDemonstrated, Reasons: []api.Reason{{Code: api.ReasonFasterThanLight}}}}
	all := policy.Default()
	all.Measurement.Sites = policy.All
	for _, test := range []struct {
		verdict  api.Verdict
		guarded  api.Guarded
		rejected int
	}{
		{api.NotDemonstrated, api.Inconclusive, 1},
		{api.NonCompliant, api.Inconclusive, 1},
		{api.NonCompliant, api.ProvenNonCompliant, 0}, // counted there
	} {
		other := &Link{Judgement: Judgement{Verdict: test.verdict}}
		pair := Counted{Link: other, Carriers: [][]*Link{{other, light}}, Guarded: test.guarded}
		rate := NewRules(all).Rate(all.Rate, 2025, []Counted{pair})
		if rate.Rejected != test.rejected || rate.Possible != 0 {
			t.Errorf("%s, %s: %d rejected, %d possible", test.verdict, test.guarded, rate.Rejected, rate.Possible)
		}
	}
}

// No share of nothing meets or misses a target: a mesh of one hub has no pairs
// between hubs.
func TestNoPairsMeetNothing(t *testing.T) {
	rate := NewRules(policy.Default()).Rate(policy.Default().Rate, 2025, nil)
	if rate.Met != nil || rate.Target == nil || *rate.Needed != 0 {
		t.Errorf("of no pairs %+v", rate)
	}
}
