package report

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// moreLossNeverImproves: a packet that was received is lost instead, at the same
// moment, so that as much data is there as before.
//
// Two kinds of packets are left out, for which it is not so. One that is faster
// than light in fibre: without the only one a link is plausible again and is
// judged. And where the mean is judged, which leaves losses out, any but the
// shortest of its end: without its longest packet a mean is shorter. That is why
// the mean is no default. Nor do the mean and the minimum in the sensitivity
// matrix follow, but where the minimum is judged the law holds.
func moreLossNeverImproves(t *rapid.T, n *random) {
	mean := n.p.Measurement.Statistic == policy.Mean
	at, packet, ok := n.drawReceived(t, mean)
	if !ok {
		return
	}
	worse := n.clone()
	w := &worse.windows[at]
	lose(t, w, packet)
	before, after := n.report(t), worse.report(t)
	what := fmt.Sprintf("one more loss on %s", w.Key)
	neverBetter(t, what, before, after, mean)
	for i := range before.Links {
		b, a := &before.Links[i], &after.Links[i]
		if !mean && figure(a.MeasuredRTTMS, a.Unbounded) < figure(b.MeasuredRTTMS, b.Unbounded) {
			t.Fatalf("%s: %v had %v ms and has %v", what, a.Sites, figure(b.MeasuredRTTMS, b.Unbounded), figure(a.MeasuredRTTMS, a.Unbounded))
		}
		for e := range b.Ends {
			if b, a := &b.Ends[e], &a.Ends[e]; b.Sufficient != a.Sufficient || b.Sufficiency != a.Sufficiency || b.Sent != a.Sent {
				t.Fatalf("%s: the data of %s>%s is enough for another verdict", what, b.Src, b.Dst)
			}
		}
	}
	for i := range before.Sensitivity {
		if b, a := before.Sensitivity[i], after.Sensitivity[i]; a.Compliant > b.Compliant && a.Statistic[0] == 'p' {
			t.Fatalf("%s: %+v is %+v", what, b, a)
		}
	}
}

// drawReceived draws a window that counts and a received packet of it that is
// plausible; the shortest of its end, if that is asked for, and then of an end of
// which all packets have samples.
func (n *random) drawReceived(t *rapid.T, shortest bool) (window, packet int, ok bool) {
	shortestOf := map[mesh.Link]uint32{}
	summed := map[mesh.Link]bool{}
	for i := range n.windows {
		w, link := &n.windows[i], mesh.Link{Src: n.windows[i].Src, Dst: n.windows[i].Dst}
		if n.counts(w) {
			summed[link] = summed[link] || w.Summary != nil
			if w.Stats != nil && (shortestOf[link] == 0 || w.Stats.MinUS < shortestOf[link]) {
				shortestOf[link] = w.Stats.MinUS
			}
		}
	}
	var windows []int
	for i := range n.windows {
		w, link := &n.windows[i], mesh.Link{Src: n.windows[i].Src, Dst: n.windows[i].Dst}
		// The longest of a window is plausible if any is; of the shortest of an end
		// it has to be that one.
		if n.counts(w) && w.Stats != nil && n.plausible(w, w.Stats.MaxUS) &&
			(!shortest || !summed[link] && w.Stats.MinUS == shortestOf[link] && n.plausible(w, w.Stats.MinUS)) {
			windows = append(windows, i)
		}
	}
	if len(windows) == 0 {
		return 0, 0, false
	}
	window = rapid.SampledFrom(windows).Draw(t, "window")
	rtts := samples(t, &n.windows[window])
	if shortest {
		return window, 0, true
	}
	packet = rapid.IntRange(0, len(rtts)-1).Draw(t, "packet")
	if !n.plausible(&n.windows[window], rtts[packet]) {
		packet = len(rtts) - 1
	}
	return window, packet, true
}

// plausible tells whether an RTT is none below what light in fibre allows.
func (n *random) plausible(w *wire.Window, us uint32) bool {
	route := n.m.Route(n.m.Site(w.Src), n.m.Site(w.Dst), n.period.From)
	return big.NewRat(int64(us), 1).Cmp(fibreFloor(n, route)) >= 0
}

// neverBetter holds two reports of one mesh, policy and period against each other:
// nothing may comply or be proven that did and was not, and what cannot comply may
// not become possible; the latter unless it is said not to matter.
func neverBetter(t *rapid.T, what string, before, after *api.Report, exceptPossible bool) {
	better := func(b, a *api.Pair) bool {
		return a.Verdict == api.Compliant && b.Verdict != api.Compliant ||
			a.Guarded == api.ProvenCompliant && b.Guarded != api.ProvenCompliant ||
			!exceptPossible && b.Guarded == api.ProvenNonCompliant && a.Guarded != api.ProvenNonCompliant
	}
	compare := func(before, after []api.Pair) {
		for i := range before {
			if b, a := &before[i], &after[i]; better(b, a) {
				t.Fatalf("%s: %v %v on %s was %s, %s and is %s, %s", what, b.Pair, b.Sites, b.Plane, b.Verdict, b.Guarded, a.Verdict, a.Guarded)
			}
		}
	}
	compare(before.Links, after.Links)
	for i := range before.Planes {
		compare(before.Planes[i].Pairs, after.Planes[i].Pairs)
	}
	neverRises(t, what, before, after, exceptPossible)
}

func neverRises(t *rapid.T, what string, before, after *api.Report, exceptPossible bool) {
	was := rates(before)
	for i, of := range rates(after) {
		b, a := was[i].rate, of.rate
		if a.Compliant > b.Compliant || a.Proven > b.Proven || a.Possible > b.Possible && !exceptPossible || b.Met != nil && *a.Met && !*b.Met {
			t.Fatalf("%s: %s was %+v\nand is %+v\n%s", what, of.name, b, a, shownLinks(after))
		}
	}
}

// silenceProvesNothing: whoever keeps back the windows of a link that have losses
// or RTTs above the limit proves nothing with that: what is missing counts as lost.
// What the rest has may well be shorter, so this is about what is proven, not about
// the verdict.
//
// Left out are windows that are not all that was sent in their time, and ends with
// parts, works or lives of their own: there the schedule may be filled without
// them, or more than filled.
func silenceProvesNothing(t *rapid.T, n *random) {
	before := n.report(t)
	simple, limitMS := map[mesh.Link]bool{}, map[mesh.Link]float64{}
	for i := range before.Links {
		l := &before.Links[i]
		for _, end := range l.Ends {
			limitMS[mesh.Link{Src: end.Src, Dst: end.Dst}] = l.LimitRTTMS
			simple[mesh.Link{Src: end.Src, Dst: end.Dst}] = len(l.Parts) == 0 && l.Maintenance == nil &&
				l.Guarded != api.ProvenCompliant && l.Uncertainty != nil
		}
	}
	lives := func(site string) bool { s := n.m.Site(site); return s.From != "" || s.Until != "" }
	var windows []int
	busy := map[string]int{}
	for i := range n.windows {
		busy[fmt.Sprint(n.windows[i].Src, " ", n.windows[i].Dst, n.windows[i].EndMS)]++
	}
	for i := range n.windows {
		w := &n.windows[i]
		if simple[mesh.Link{Src: w.Src, Dst: w.Dst}] && n.counts(w) && !lives(w.Src) && !lives(w.Dst) &&
			busy[fmt.Sprint(w.Src, " ", w.Dst, w.EndMS)] == 1 && (w.Stats == nil || n.plausible(w, w.Stats.MinUS)) {
			windows = append(windows, i)
		}
	}
	if len(windows) == 0 {
		return
	}
	of := n.windows[rapid.SampledFrom(windows).Draw(t, "window of the link")].Key
	less := n.clone()
	less.windows = nil
	for i := range n.windows {
		w := &n.windows[i]
		bad := w.Lost > 0 || w.Stats != nil && float64(w.Stats.MaxUS)/1000 > limitMS[mesh.Link{Src: w.Src, Dst: w.Dst}]
		if !bad || !slices.Contains(windows, i) || !(w.Src == of.Src && w.Dst == of.Dst || w.Src == of.Dst && w.Dst == of.Src) {
			less.windows = append(less.windows, *w)
		}
	}
	after := less.report(t)
	for i := range before.Links {
		b, a := &before.Links[i], &after.Links[i]
		if b.Uncertainty != nil && a.Uncertainty != nil && a.Guarded == api.ProvenCompliant && b.Guarded != api.ProvenCompliant {
			t.Fatalf("without %d windows %v is proven: %+v\nwith them %+v", len(n.windows)-len(less.windows), a.Sites, *a.Uncertainty, *b.Uncertainty)
		}
	}
}

// tighterNeverRaises: no rate rises, nor what is proven, nor what is possible.
func tighterNeverRaises(t *rapid.T, n *random) {
	looser, tighter := n, n.clone()
	thousandths := rapid.IntRange(1000, 2500).Draw(t, "factor")
	tighter.p.Theory.Factor = policy.Decimal(fmt.Sprintf("%d.%03d", thousandths/1000, thousandths%1000))
	if tighter.p.Theory.Factor.Rat().Cmp(looser.p.Theory.Factor.Rat()) > 0 {
		looser, tighter = tighter, looser
	}
	before, after := looser.report(t), tighter.report(t)
	what := fmt.Sprintf("factor %s instead of %s", tighter.p.Theory.Factor, looser.p.Theory.Factor)
	neverBetter(t, what, before, after, false)
	for i, b := range before.Sensitivity {
		if a := after.Sensitivity[i]; a.Compliant > b.Compliant {
			t.Fatalf("%s: %+v is %+v", what, b, a)
		}
	}
}

// stricterChoiceNeverRaises: what complies with `all` does with `worst`, and what
// does with `worst` does with `best`.
func stricterChoiceNeverRaises(t *rapid.T, n *random) {
	var before *api.Report
	for _, choice := range []policy.Choice{policy.Best, policy.Worst, policy.All} {
		stricter := n
		if n.p.Measurement.Sites != choice {
			stricter = n.clone()
			stricter.p.Measurement.Sites = choice
		}
		after := stricter.report(t)
		if before != nil {
			neverRises(t, "sites: "+string(choice), withoutOrdered(before), withoutOrdered(after), false)
		}
		before = after
	}
}

// withoutOrdered leaves out what each end has by itself: of a link that is not
// demonstrated one end may be.
func withoutOrdered(r *api.Report) *api.Report {
	c := *r
	c.Planes = slices.Clone(r.Planes)
	for i := range c.Planes {
		c.Planes[i].Ordered = api.Rate{}
	}
	return &c
}

// strangersChangeNothing: a window of another test or another time changes no
// byte, nor does one that was put before. One under other labels than the mesh has,
// and another one under the same key, are only counted and flagged.
func strangersChangeNothing(t *rapid.T, n *random) {
	if len(n.windows) == 0 {
		return
	}
	at := rapid.IntRange(0, len(n.windows)-1).Draw(t, "window")
	other, w := n.clone(), n.windows[at]
	r := n.report(t)
	if rapid.Bool().Draw(t, "of no concern") {
		elsewhere, before := w, w
		elsewhere.Test = "other"
		before.StartMS, before.EndMS = n.period.To.UnixMilli(), n.period.To.UnixMilli()+60_000
		other.windows = append(other.windows, elsewhere, before)
		other.conflicts = append([]wire.Window{w}, other.conflicts...)
		if n.trend { // which reads the month
			return
		}
		if a, b := string(rendered(t, r)), string(rendered(t, other.report(t))); a != b {
			t.Fatalf("with a window of no concern:\n%s", cmp.Diff(strings.Split(a, "\n"), strings.Split(b, "\n")))
		}
		return
	}
	foreign, conflict := w, w
	estrange(&foreign, rapid.IntRange(0, 3).Draw(t, "label"))
	foreign.Session = 7
	conflict.ProbeVersion = "another"
	other.windows = append(other.windows, foreign)
	other.conflicts = append(other.conflicts, conflict)
	a, b := essenceOfJudgement(r), essenceOfJudgement(other.report(t))
	if a != b {
		t.Fatalf("with a foreign window and a conflict:\n%s", cmp.Diff(strings.Split(a, "\n"), strings.Split(b, "\n")))
	}
}

// summariesContainTheTruth: who knows of some windows only minimum, mean or maximum
// comes to the same verdict, or to none. The floors of light are looked at with the
// longest that the shortest RTT can be, so this is about links that are judged with
// all samples.
func summariesContainTheTruth(t *rapid.T, n *random) {
	less := n.clone()
	which, every := rapid.IntRange(1, 7).Draw(t, "what is known"), rapid.IntRange(1, 5).Draw(t, "every")
	for i := range less.windows {
		if i%every == 0 && less.windows[i].Summary == nil {
			asSummary(&less.windows[i], which)
		}
	}
	before, after := n.report(t), less.report(t)
	for i := range before.Links {
		b, a := &before.Links[i], &after.Links[i]
		if b.Verdict != api.NotDemonstrated && a.Verdict != b.Verdict && (a.Verdict != api.NotDemonstrated || len(a.Parts) == 0 && !has(a, api.ReasonOnlyBounds)) {
			t.Fatalf("%v was %s with samples and is %s with summaries: %s", b.Sites, b.Verdict, a.Verdict, codes(a.Reasons))
		}
		if v := figure(b.MeasuredRTTMS, b.Unbounded); a.Bounds != nil && b.Bounds == nil && b.MeasuredRTTMS != nil && len(b.Parts) == 0 {
			if *a.Bounds.LowMS > v || a.Bounds.HighMS != nil && *a.Bounds.HighMS < v {
				t.Fatalf("%v has %v ms, not within %+v", b.Sites, v, *a.Bounds)
			}
		}
	}
}

// essenceOfJudgement is the report without what counts windows.
func essenceOfJudgement(r *api.Report) string {
	lines := ""
	for _, of := range rates(r) {
		lines += fmt.Sprintln(of.name, of.rate.Compliant, of.rate.NonCompliant, of.rate.NotDemonstrated, of.rate.Proven, of.rate.Possible, of.rate.Unstable, of.rate.Provisional)
	}
	for i := range r.Links {
		l := &r.Links[i]
		lines += fmt.Sprintln(l.Sites, l.Verdict, l.Guarded, figure(l.Ratio, l.Unbounded), codes(l.Diagnosis))
		if u := l.Uncertainty; u != nil {
			lines += fmt.Sprintln(figure(u.RatioLow, u.RatioLowUnbounded), figure(u.RatioHigh, u.RatioHighUnbounded), figure(u.RatioGaps, u.RatioGapsUnbounded), u.Days, u.CompleteDays)
		}
		for _, e := range l.Ends {
			lines += fmt.Sprintln(e.Src, e.Dst, e.Sent, e.Lost, e.Sufficient, e.Sufficiency, figure(e.P50MS, e.P50Unbounded), figure(e.P99MS, e.P99Unbounded))
		}
	}
	for _, cell := range r.Sensitivity {
		lines += fmt.Sprintln(cell.Statistic, cell.Light, cell.Distance, cell.Compliant)
	}
	return lines
}
