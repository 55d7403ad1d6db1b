package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// sent are the packets of an end that count, taken from its windows one by one.
type sent struct {
	rtts                     []uint32 // ascending
	lost, unstamped, windows int
	summed                   bool // some are known by summaries only
}

func (n *random) sentBy(t *rapid.T, end *api.End) sent {
	var s sent
	for i := range n.windows {
		w := &n.windows[i]
		if w.Src != end.Src || w.Dst != end.Dst || !n.inPeriod(w) {
			continue
		}
		s.windows++
		if !n.counts(w) {
			continue
		}
		s.summed = s.summed || w.Summary != nil
		s.rtts = append(s.rtts, samples(t, w)...)
		s.lost += int(w.Lost)
		s.unstamped += int(w.Unstamped)
	}
	slices.Sort(s.rtts)
	return s
}

func (n *random) inPeriod(w *wire.Window) bool {
	at := time.UnixMilli(w.StartMS)
	return w.Test == n.m.Judged && !at.Before(n.period.From) && at.Before(n.period.To)
}

// counts tells whether a window is of the period and of what the mesh says.
func (n *random) counts(w *wire.Window) bool {
	at := time.UnixMilli(w.StartMS)
	return n.inPeriod(w) && n.m.Site(w.Src).ActiveAt(at) && n.m.Site(w.Dst).ActiveAt(at) &&
		!slices.Contains([]string{w.SrcCluster, w.DstCluster, w.Carrier, w.Method}, "another")
}

// statistic is in milliseconds, if there are so many packets more that were lost;
// +Inf where endless, NaN without packets.
func (s *sent) statistic(of policy.Statistic, more int) float64 {
	all := len(s.rtts) + s.lost + more
	if all == 0 {
		return math.NaN()
	}
	rank := 1
	switch of {
	case policy.Mean:
		if len(s.rtts) == 0 {
			return math.Inf(1)
		}
		sum := 0
		for _, us := range s.rtts {
			sum += int(us)
		}
		return float64((2*sum+len(s.rtts))/(2*len(s.rtts))) / 1000
	case policy.P50:
		rank = (all*50 + 99) / 100
	case policy.P95:
		rank = (all*95 + 99) / 100
	case policy.P99:
		rank = (all*99 + 99) / 100
	}
	if rank > len(s.rtts) {
		return math.Inf(1)
	}
	return float64(s.rtts[rank-1]) / 1000
}

// figure is a number of the report in the same form.
func figure(v *float64, unbounded bool) float64 {
	switch {
	case unbounded:
		return math.Inf(1)
	case v == nil:
		return math.NaN()
	}
	return *v
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// figuresAgree: the statistics are those of the packets, the worse end counts, and
// whatever is shown agrees with the verdict, in the JSON and in the table.
func figuresAgree(t *rapid.T, n *random) {
	r := n.report(t)
	for i := range r.Links {
		l := &r.Links[i]
		worst, exact := math.NaN(), len(l.Parts) == 0 && l.Maintenance == nil
		for e := range l.Ends {
			s := n.sentBy(t, &l.Ends[e])
			if s.windows != l.Ends[e].Windows {
				t.Fatalf("%v: %d windows were put, %d are counted", l.Sites, s.windows, l.Ends[e].Windows)
			}
			if l.Maintenance == nil && !s.summed {
				statisticsAgree(t, &l.Ends[e], &s)
			}
			exact = exact && !s.summed
			if v := s.statistic(n.p.Measurement.Statistic, 0); math.IsNaN(worst) || v > worst {
				worst = v
			}
		}
		if got := figure(l.MeasuredRTTMS, l.Unbounded); exact && !same(got, worst) {
			t.Fatalf("%v: %v ms count, want %v", l.Sites, got, worst)
		}
		if exact && l.Verdict != api.NotDemonstrated && (worst <= l.LimitRTTMS) != (l.Verdict == api.Compliant) {
			t.Fatalf("%v: %v ms of %v is %s", l.Sites, worst, l.LimitRTTMS, l.Verdict)
		}
		neverContradicts(t, r, l)
	}
	for i := range r.Pairs {
		neverContradicts(t, r, &r.Pairs[i])
	}
}

func statisticsAgree(t *rapid.T, end *api.End, s *sent) {
	received := func(of policy.Statistic) float64 { // where all are lost, these do not exist
		if len(s.rtts) == 0 {
			return math.NaN()
		}
		return s.statistic(of, 0)
	}
	for _, c := range []struct {
		of        policy.Statistic
		got, want float64
	}{
		{policy.P50, figure(end.P50MS, end.P50Unbounded), s.statistic(policy.P50, 0)},
		{policy.P95, figure(end.P95MS, end.P95Unbounded), s.statistic(policy.P95, 0)},
		{policy.P99, figure(end.P99MS, end.P99Unbounded), s.statistic(policy.P99, 0)},
		{policy.Mean, figure(end.MeanMS, false), received(policy.Mean)},
		{policy.Min, figure(end.MinMS, false), received(policy.Min)},
	} {
		if !same(c.got, c.want) {
			t.Fatalf("%s>%s: %s is %v, want %v", end.Src, end.Dst, c.of, c.got, c.want)
		}
	}
	if int(end.Lost) != s.lost || int(end.Sent) != len(s.rtts)+s.lost+s.unstamped {
		t.Fatalf("%s>%s: %d lost of %d, want %d of %d", end.Src, end.Dst, end.Lost, end.Sent, s.lost, len(s.rtts)+s.lost+s.unstamped)
	}
}

func neverContradicts(t *rapid.T, r *api.Report, p *api.Pair) {
	if p.Ratio == nil || p.Verdict == api.NotDemonstrated {
		return
	}
	complies := p.Verdict == api.Compliant
	if (*p.MeasuredRTTMS <= p.LimitRTTMS) != complies || (*p.Ratio <= r.Policy.Factor) != complies {
		t.Fatalf("%v, %s: %v ms of %v ms, ratio %v of %v", p.Sites, p.Verdict, *p.MeasuredRTTMS, p.LimitRTTMS, *p.Ratio, r.Policy.Factor)
	}
	shown := &table{Report: r}
	var limit, measured, ratio float64
	if _, err := fmt.Sscan(wording.LimitMS(p.LimitRTTMS)+" "+measuredCell(p)+" "+shown.ratioCell(p), &limit, &measured, &ratio); err != nil {
		t.Fatal(err)
	}
	if (measured <= limit) != complies || (ratio <= r.Policy.Factor) != complies {
		t.Fatalf("the table shows %v ms of %v ms, ratio %v as %s", measured, limit, ratio, p.Verdict)
	}
}

// intervalsAgree: ratio_low ≤ ratio ≤ ratio_high ≤ ratio_gaps, and the guarded
// verdict is what they say of the factor. What is proven is so with every packet
// that is missing counted as lost. The interval of a pair holds that of its link.
func intervalsAgree(t *rapid.T, n *random) {
	r := n.report(t)
	own := map[string]*api.Pair{}
	for i := range r.Links {
		l := &r.Links[i]
		own[fmt.Sprint(l.Sites)] = l
		ordered(t, l)
		want := api.Inconclusive
		if u := l.Uncertainty; u != nil && l.Verdict != api.NotDemonstrated {
			switch {
			case figure(u.RatioGaps, u.RatioGapsUnbounded) <= r.Policy.Factor:
				want = api.ProvenCompliant
			case figure(u.RatioLow, u.RatioLowUnbounded) > r.Policy.Factor:
				want = api.ProvenNonCompliant
			}
		}
		if l.Guarded != want && len(l.Parts) == 0 {
			t.Fatalf("%v: %s, want %s by %+v", l.Sites, l.Guarded, want, *l.Uncertainty)
		}
		if l.Guarded == api.ProvenCompliant && l.Verdict != api.Compliant || l.Guarded == api.ProvenNonCompliant && l.Verdict != api.NonCompliant {
			t.Fatalf("%v: %s and %s", l.Sites, l.Verdict, l.Guarded)
		}
		if l.Guarded == api.ProvenCompliant && len(l.Parts) == 0 && l.Maintenance == nil {
			provenWithGaps(t, n, l)
		}
	}
	for _, plane := range r.Planes {
		for i := range plane.Pairs {
			p := &plane.Pairs[i]
			ordered(t, p)
			u, l := p.Uncertainty, own[fmt.Sprint(p.Sites)]
			if u == nil {
				continue
			}
			links := 0
			for _, of := range joining(r, p) {
				links += len(of)
			}
			alone := l.Uncertainty
			if u.Candidates != links || figure(u.RatioLow, u.RatioLowUnbounded) > figure(alone.RatioLow, alone.RatioLowUnbounded) ||
				figure(u.RatioHigh, u.RatioHighUnbounded) < figure(alone.RatioHigh, alone.RatioHighUnbounded) ||
				figure(u.RatioGaps, u.RatioGapsUnbounded) < figure(alone.RatioGaps, alone.RatioGapsUnbounded) {
				t.Fatalf("%v: %+v of %d links, alone %+v", p.Pair, *u, links, *alone)
			}
		}
	}
}

func ordered(t *rapid.T, p *api.Pair) {
	u := p.Uncertainty
	if u == nil {
		return
	}
	low, high := figure(u.RatioLow, u.RatioLowUnbounded), figure(u.RatioHigh, u.RatioHighUnbounded)
	ratio, gaps := figure(p.Ratio, p.Unbounded), figure(u.RatioGaps, u.RatioGapsUnbounded)
	if !(low <= ratio && ratio <= high && high <= gaps) {
		t.Fatalf("%v: ratio %v of %+v: %v ≤ %v ≤ %v", p.Sites, ratio, *u, low, high, gaps)
	}
}

func provenWithGaps(t *rapid.T, n *random, l *api.Pair) {
	for e := range l.Ends {
		end := &l.Ends[e]
		s := n.sentBy(t, end)
		missing := max(0, int(end.Scheduled-end.Sent+end.Unstamped))
		statistic := n.p.Measurement.Statistic
		if v := s.statistic(statistic, missing); v > l.LimitRTTMS || missing > 0 && (statistic == policy.Mean || statistic == policy.Min) {
			t.Fatalf("%v: proven, although %s>%s lacks %d of %d packets, with which it has %v ms of %v", l.Sites, end.Src, end.Dst, missing, end.Scheduled, v, l.LimitRTTMS)
		}
	}
}

// sensitivityAgrees: the cell of the policy's own choice is the rate; a lower
// percentile complies no less often, nor does a longer distance.
func sensitivityAgrees(t *rapid.T, n *random) {
	r := n.report(t)
	cells := map[[2]string]api.Sensitivity{}
	for _, cell := range r.Sensitivity {
		cells[[2]string{cell.Statistic, cell.Distance}] = cell
	}
	own := cells[[2]string{r.Policy.Statistic, "mesh"}]
	if own.Compliant != r.Rate.Compliant || own.Total != r.Rate.Total || own.Fraction != r.Rate.Fraction ||
		(own.Met == nil) != (r.Rate.Met == nil) || own.Met != nil && *own.Met != *r.Rate.Met {
		t.Fatalf("by the policy's own choice %+v, the rate is %+v", own, r.Rate)
	}
	for at, cell := range cells {
		if p95, ok := cells[[2]string{"p95", at[1]}]; at[0] == "p50" && ok && p95.Compliant > cell.Compliant {
			t.Fatalf("%+v\n%+v", cell, p95)
		}
		if longer, ok := cells[[2]string{at[0], "geodesic × 1.4"}]; at[1] == "geodesic × 1.2" && ok && longer.Compliant < cell.Compliant {
			t.Fatalf("%+v\n%+v", cell, longer)
		}
	}
}
