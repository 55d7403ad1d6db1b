package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// inSum is a window as an importer would have it that was not given samples.
// The names say which of min, mean and max it was given; "n" the number of
// packets.
func inSum(w wire.Window, rtts []uint32, given ...string) wire.Window {
	sum := uint64(0)
	for _, us := range rtts {
		sum += uint64(us)
	}
	least, most, mean := slices.Min(rtts), slices.Max(rtts), float64((sum+uint64(len(rtts))/2)/uint64(len(rtts)))
	w.RTTs, w.Stats, w.Origin, w.Session = nil, nil, wire.OriginImported, 2
	w.Summary = &wire.Summary{Source: "elsewhere"}
	counted := false
	for _, name := range given {
		switch name {
		case "min":
			w.Summary.MinUS = &least
		case "mean":
			w.Summary.MeanUS = &mean
		case "max":
			w.Summary.MaxUS = &most
		case "n":
			counted = true
		}
	}
	if !counted {
		w.Counts = wire.Counts{Scheduled: w.Scheduled}
	}
	return w
}

// The limit of 1537 km is 22.578 ms.
func TestSummariesWorked(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical reflector"}, nil)
	minute := func(slow int) []uint32 { return append(scenario.Same(20_000, 60-slow), scenario.Same(30_000, slow)...) }
	for _, c := range []struct {
		name    string
		rtts    []uint32
		samples int // minutes of ten that have samples
		given   string
		p       *policy.Policy
		want    string
		bounds  string // of the judged statistic, in ms
	}{
		{name: "every maximum is below the limit", rtts: scenario.Same(22_500, 60), given: "n min mean max",
			want: "compliant (summaries_used)"},
		{name: "and nothing but the maximum is known", rtts: append(scenario.Same(20_000, 40), scenario.Same(22_500, 20)...), given: "n max",
			want: "compliant (summaries_used)", bounds: "0 22.5"},
		{name: "every minimum is above the limit", rtts: append(scenario.Same(22_600, 40), scenario.Same(30_000, 20)...), given: "n min",
			want: "non-compliant: bound_above_limit (summaries_used)", bounds: "22.6 ∞"},
		{name: "minimum below, maximum above", rtts: minute(2), given: "n min max",
			want: "not-demonstrated: only_bounds (summaries_used)", bounds: "20 30"},
		// A mean of 20.167 ms is a sum of 1210.02 ms, or 60 µs more. The longest
		// has 30 ms and 56 of the others no less than 20: three share 60.08 ms.
		{name: "the mean says that few are long", rtts: minute(1), given: "n min mean max",
			want: "compliant (summaries_used)", bounds: "20 20.026"},
		// Four of 60 packets may have all of it.
		{name: "a mean alone", rtts: scenario.Same(20_000, 60), given: "n mean",
			want: "not-demonstrated: only_bounds (summaries_used)", bounds: "0 300.015"},
		{name: "by the minimum, which is known", rtts: minute(2), given: "n min",
			p: with(t, "statistic: p95", "statistic: min"), want: "compliant (summaries_used)"},
		{name: "by the mean", rtts: minute(20), given: "n mean",
			p: with(t, "statistic: p95", "statistic: mean"), want: "non-compliant: bound_above_limit (summaries_used)", bounds: "23.332 23.334"},
		// Nine are at 30 ms, so the 31st longest is the 22nd of the last minute.
		{name: "nine of ten minutes with samples", rtts: minute(1), samples: 9, given: "n min mean max",
			want: "compliant (summaries_used)", bounds: "20 20.003"},
		{name: "five of ten, and the rest may be anything", rtts: minute(1), samples: 5, given: "n min max",
			want: "not-demonstrated: only_bounds (summaries_used)", bounds: "20 30"},
		{name: "nobody says of how many packets", rtts: scenario.Same(20_000, 60), given: "min mean max",
			want: "not-demonstrated: too_few_packets (summaries_unused)"},
		{name: "faster than light", rtts: append(scenario.Same(1_000, 1), scenario.Same(20_000, 59)...), given: "n min max",
			want: "not-demonstrated: faster_than_light (summaries_used)", bounds: "1 20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:10:00Z")
			s := &scenario.Store{}
			for i := range 10 {
				w := scenario.Window(m, "a1", "b1", period.From.Add(time.Duration(i)*time.Minute), c.rtts, 0)
				if i >= c.samples {
					w = inSum(w, c.rtts, strings.Fields(c.given)...)
				}
				s.Put(t, w)
			}
			p := c.p
			if p == nil {
				p = policy.Default()
			}
			r := build(t, m, p, s, period)
			if got := summary(r); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			pair := pairOf(r, "a", "b")
			got := ""
			if b := pair.Bounds; b != nil {
				got = value(b.LowMS) + " " + value(b.HighMS)
				if pair.MeasuredRTTMS != nil || pair.Ratio != nil {
					t.Error("a figure stands beside bounds of it")
				}
			}
			if got != c.bounds {
				t.Errorf("bounds %q, want %q", got, c.bounds)
			}
			checkTable(t, r, pair)
		})
	}
}

// checkTable holds that a table says what is known, and of what.
func checkTable(t *testing.T, r *api.Report, p *api.Pair) {
	t.Helper()
	for _, columns := range []int{80, 140} {
		var out strings.Builder
		if err := Table(&out, r, Look{Width: columns}); err != nil {
			t.Fatal(err)
		}
		mark := ""
		if p.Bounds != nil {
			mark = map[api.Verdict]string{api.Compliant: "≤" + value(p.Bounds.HighMS), api.NonCompliant: "≥" + value(p.Bounds.LowMS), api.NotDemonstrated: "?"}[p.Verdict]
		}
		if !strings.Contains(out.String(), mark) || !strings.Contains(out.String(), "imported windows") {
			t.Errorf("at %d columns without %q:\n%s", columns, mark, out.String())
		}
	}
}

// What summaries leave open they do not decide: the verdict by them is that by
// the packets themselves, or none.
func TestSummariesNeverContradict(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:04:00Z")
	decided := map[api.Verdict]int{}
	rapid.Check(t, func(rt *rapid.T) {
		p := with(t, "statistic: p95", "statistic: "+rapid.SampledFrom([]string{"p50", "p95", "p99", "mean", "min"}).Draw(rt, "statistic"))
		truth, sums := &scenario.Store{}, &scenario.Store{}
		base := rapid.Uint32Range(19_000, 25_000).Draw(rt, "base")
		for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
			for at := period.From; at.Before(period.To); at = at.Add(time.Minute) {
				rtts := scenario.Same(base, rapid.IntRange(10, 60).Draw(rt, "packets"))
				for i := range rapid.IntRange(0, 6).Draw(rt, "others") {
					rtts[i] = rapid.Uint32Range(18_000, 30_000).Draw(rt, "rtt")
				}
				w := scenario.Window(m, ends[0], ends[1], at, rtts, rapid.SampledFrom([]int{0, 0, 0, 1, 9}).Draw(rt, "lost"))
				truth.Put(t, w)
				if given := rapid.SampledFrom([]string{"", "n min mean max", "n min max", "n mean", "n max", "n min"}).Draw(rt, "given"); given != "" {
					w = inSum(w, rtts, strings.Fields(given)...)
				}
				sums.Put(t, w)
			}
		}
		want, got := pairOf(build(t, m, p, truth, period), "a", "b"), pairOf(build(t, m, p, sums, period), "a", "b")
		decided[got.Verdict]++
		if got.Verdict != want.Verdict && (got.Verdict != api.NotDemonstrated || codes(got.Reasons) != "only_bounds") {
			rt.Fatalf("%s by summaries (%s), %s by the packets", got.Verdict, codes(got.Reasons), want.Verdict)
		}
		if b := got.Bounds; b != nil && !want.Unbounded {
			if b.LowMS == nil || *b.LowMS > *want.MeasuredRTTMS || b.HighMS != nil && *b.HighMS < *want.MeasuredRTTMS {
				rt.Fatalf("%s is not within %s to %s", value(want.MeasuredRTTMS), value(b.LowMS), value(b.HighMS))
			}
		}
		if got.Ends[0].Sent != want.Ends[0].Sent || got.Ends[0].Lost != want.Ends[0].Lost || got.Ends[0].Sufficiency != want.Ends[0].Sufficiency {
			rt.Fatalf("%+v, want %+v", got.Ends[0], want.Ends[0])
		}
	})
	for _, verdict := range []api.Verdict{api.Compliant, api.NonCompliant, api.NotDemonstrated} {
		if decided[verdict] == 0 {
			t.Errorf("no case was %s: this tries too little", verdict)
		}
	}
}

// Where min and max are the same the statistic is known; but of single days and
// packets nothing is, so there is neither interval nor diagnosis.
func TestNoIntervalFromSummaries(t *testing.T) {
	e := june(t)
	e.both(t, "a1", "b1", always(20_000))
	before := e.pair(t)
	if before.Uncertainty == nil {
		t.Fatal("no interval without summaries")
	}
	e.s = &scenario.Store{}
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		for at := e.period.From; at.Before(e.period.To); at = at.Add(15 * time.Minute) {
			rtts := scenario.Same(20_000, 15)
			w := scenario.Window(e.m, ends[0], ends[1], at, rtts, 0)
			w.EndMS, w.Scheduled = at.Add(15*time.Minute).UnixMilli(), w.Sent
			e.s.Put(t, inSum(w, rtts, "n", "min", "max"))
		}
	}
	after := e.pair(t)
	got := []string{judged(after), value(after.MeasuredRTTMS), fmt.Sprint(after.Uncertainty == nil, len(after.Diagnosis))}
	if diff := cmp.Diff([]string{"compliant, inconclusive", "20", "true 0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// By the p95 bounds leave the verdict open. By the median they do not: 60 packets
// of 20.667 ms on average, one of which took 30 ms, leave the 30th no more than
// (60 × 20.668 − 29 × 20 − 30) / 30 = 21.001 ms.
func TestSummariesUnderAnotherStatistic(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical reflector"}, nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	rtts := append(scenario.Same(20_000, 56), scenario.Same(30_000, 4)...)
	s := &scenario.Store{}
	s.Put(t, inSum(scenario.Window(m, "a1", "b1", period.From, rtts, 0), rtts, "n", "min", "mean", "max"))
	r := build(t, m, policy.Default(), s, period)
	if got := summary(r); got != "not-demonstrated: only_bounds (summaries_used)" {
		t.Fatal(got)
	}
	for _, cell := range r.Sensitivity {
		want := map[string]int{"p50": 1, "mean": 1}[cell.Statistic]
		if cell.Light == "index 1.468" && cell.Distance == "mesh" && cell.Compliant != want {
			t.Errorf("%s: %d comply, want %d", cell.Statistic, cell.Compliant, want)
		}
	}
}

// One part of a link is not demonstrated and another does not comply, so the link
// is not demonstrated, and the other pair of sites counts: in the cell of the
// policy's own choice as in the rate.
func TestPartsUnderThePolicysOwnChoice(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical reflector", "b2 b one optical reflector"}, []string{
		"{clusters: [a, b], km: 1537, class: A, source: register}",
		"{sites: [a1, b2], km: 1537, class: A, source: register, until: 2025-06-03T10:01:00Z}",
		"{sites: [a1, b2], km: 1500, class: A, source: register, from: 2025-06-03T10:01:00Z}",
	})
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:02:00Z")
	later := period.From.Add(time.Minute)
	s := &scenario.Store{}
	for _, at := range []time.Time{period.From, later} {
		s.Put(t, scenario.Window(m, "a1", "b1", at, scenario.Same(20_000, 60), 0))
	}
	above, open := scenario.Same(31_000, 60), append(scenario.Same(20_000, 56), scenario.Same(30_000, 4)...)
	s.Put(t, inSum(scenario.Window(m, "a1", "b2", period.From, above, 0), above, "n", "min", "max"))
	s.Put(t, inSum(scenario.Window(m, "a1", "b2", later, open, 0), open, "n", "min", "max"))
	r := build(t, m, with(t, "sites: best", "sites: worst"), s, period)
	var parts []api.Verdict
	for _, part := range r.Links[1].Parts {
		parts = append(parts, part.Verdict)
	}
	if diff := cmp.Diff([]api.Verdict{api.NonCompliant, api.NotDemonstrated}, parts); diff != "" || r.Rate.Compliant != 1 {
		t.Fatalf("%d comply; parts (-want +got):\n%s", r.Rate.Compliant, diff)
	}
	for _, cell := range r.Sensitivity {
		if cell.Statistic == "p95" && cell.Light == "index 1.468" && cell.Distance == "mesh" && cell.Compliant != 1 {
			t.Errorf("by the policy's own choice %d comply", cell.Compliant)
		}
	}
}

// Nor is anything explained by other carriers.
func TestNoOtherCarriersFromSummaries(t *testing.T) {
	e := newExample(t, sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both", "a2 a two optical both", "b2 b two optical both"}, nil), "2025-06")
	e.both(t, "a2", "b2", always(20_000))
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		for at := e.period.From; at.Before(e.period.To); at = at.Add(15 * time.Minute) {
			rtts := scenario.Same(40_000, 15)
			w := scenario.Window(e.m, ends[0], ends[1], at, rtts, 0)
			w.EndMS, w.Scheduled = at.Add(15*time.Minute).UnixMilli(), w.Sent
			e.s.Put(t, inSum(w, rtts, "n", "min", "max"))
		}
	}
	for _, l := range build(t, e.m, policy.Default(), e.s, e.period).Links {
		if l.Carrier == "one" && (l.Verdict != api.NonCompliant || len(l.Diagnosis) > 0) {
			t.Errorf("%s: %+v", l.Verdict, l.Diagnosis)
		}
	}
}

// value writes one end of a bound, of which null is endless.
func value(v *float64) string {
	return wording.Figure(v, v == nil, func(v float64) string { return wording.MS(v, -1) })
}
