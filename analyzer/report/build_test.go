package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// build judges a period and fails the test if that fails.
func build(t testing.TB, m *mesh.Mesh, p *policy.Policy, s *scenario.Store, period Period) *api.Report {
	t.Helper()
	plan, err := NewPlan(m, p, period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, s, Options{GeneratedBy: "test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return valid(t, r)
}

// with is the default policy with texts replaced, in pairs of old and new.
func with(t testing.TB, replace ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(strings.NewReplacer(replace...).Replace(string(policy.DefaultBytes()))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// on is a period of a mesh, of one name or between two.
func on(t testing.TB, m *mesh.Mesh, names ...string) Period {
	t.Helper()
	var period Period
	var err error
	if len(names) == 1 {
		period, err = ParsePeriod(names[0], "", "", m.Location())
	} else {
		period, err = ParsePeriod("", names[0], names[1], m.Location())
	}
	if err != nil {
		t.Fatal(err)
	}
	return period
}

func pairOf(r *api.Report, a, b string) *api.Pair {
	for i := range r.Pairs {
		if r.Pairs[i].Pair == [2]string{a, b} {
			return &r.Pairs[i]
		}
	}
	return nil
}

func codes(reasons []api.Reason) string {
	var all []string
	for _, r := range reasons {
		all = append(all, r.Code)
	}
	return strings.Join(all, " ")
}

// summary is verdict and codes of the pair a, b.
func summary(r *api.Report) string {
	pair := pairOf(r, "a", "b")
	s := string(pair.Verdict)
	if len(pair.Reasons) > 0 {
		s += ": " + codes(pair.Reasons)
	}
	if len(pair.Flags) > 0 {
		s += " (" + codes(pair.Flags) + ")"
	}
	return s
}

const minutesOfDay = 24 * 60

// share keeps the first minutes of each day, so many of ten thousand.
func share(tenThousandths int) func(time.Time) bool {
	return func(t time.Time) bool {
		return (t.Hour()*60+t.Minute())*10_000 < tenThousandths*minutesOfDay
	}
}

func TestVerdicts(t *testing.T) {
	shanghai := "Asia/Shanghai"
	limit := uint32(scenario.LimitUS)
	type put func(s *scenario.Store, m *mesh.Mesh, p Period)
	both := func(us uint32, n, lost int, keep func(time.Time) bool) put {
		return func(s *scenario.Store, m *mesh.Mesh, p Period) {
			s.Both(t, m, "a1", "b1", p.From, p.To, scenario.Same(us, n), lost, keep)
		}
	}
	ends := func(forward, back put) put {
		return func(s *scenario.Store, m *mesh.Mesh, p Period) { forward(s, m, p); back(s, m, p) }
	}
	one := func(src, dst string, us uint32, n, lost int, keep func(time.Time) bool) put {
		return func(s *scenario.Store, m *mesh.Mesh, p Period) {
			s.Fill(t, m, src, dst, p.From, p.To, scenario.Same(us, n), lost, keep)
		}
	}
	day, week, demo := []string{"2025-06-03"}, []string{"2025-06-02", "2025-06-06"}, []string{"2025-06-03T10:00:00+08:00", "2025-06-03T10:01:00+08:00"}
	for _, c := range []struct {
		name   string
		period []string
		put    put
		want   string
	}{
		{"at the limit", day, both(limit, 60, 0, nil), "compliant"},
		{"a microsecond below the limit", day, both(limit-1, 60, 0, nil), "compliant"},
		{"a microsecond above the limit", day, both(limit+1, 60, 0, nil), "non-compliant: above_limit"},
		{"one end a microsecond above", day, ends(one("a1", "b1", limit, 60, 0, nil), one("b1", "a1", limit+1, 60, 0, nil)), "non-compliant: above_limit"},
		{"one in twenty lost", day, both(limit, 57, 3, nil), "compliant"},
		{"a little more than one in twenty lost", day, both(limit, 56, 4, nil), "non-compliant: unbounded unbounded"},
		{"all lost", day, both(limit, 0, 60, nil), "non-compliant: unbounded unbounded"},
		{"all lost at one end", day, ends(one("a1", "b1", limit, 60, 0, nil), one("b1", "a1", limit, 0, 60, nil)), "non-compliant: unbounded (ends_differ)"},
		{"no data", day, func(*scenario.Store, *mesh.Mesh, Period) {}, "not-demonstrated: no_windows no_windows"},
		{"one end without data", day, one("a1", "b1", limit, 60, 0, nil), "not-demonstrated: no_windows"},
		{"one end without data, the other lost all", day, one("a1", "b1", limit, 0, 60, nil), "not-demonstrated: no_windows"},
		{"75 % of a day", day, both(limit, 45, 0, nil), "compliant"},
		{"74.9 % of a day", day, func(s *scenario.Store, m *mesh.Mesh, p Period) {
			// 674 of 900 packets a quarter of an hour are 74.89 %.
			for at := p.From; at.Before(p.To); at = at.Add(15 * time.Minute) {
				for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
					w := scenario.Window(m, ends[0], ends[1], at, scenario.Same(limit, 674), 0)
					w.EndMS = at.Add(15 * time.Minute).UnixMilli()
					s.Put(t, w)
				}
			}
		}, "not-demonstrated: too_few_days silent_hours too_few_days silent_hours"},
		{"silent from six in the evening", day, both(limit, 60, 0, share(7500)), "not-demonstrated: silent_hours silent_hours"},
		{"silent every night", week, both(limit, 60, 0, func(at time.Time) bool { return at.Hour() >= 5 }), "not-demonstrated: silent_hours silent_hours"},
		{"three of four days", week, both(limit, 60, 0, func(at time.Time) bool { return at.Day() != 3 }), "compliant"},
		{"two of four days", week, both(limit, 60, 0, func(at time.Time) bool { return at.Day() != 3 && at.Day() != 4 }), "not-demonstrated: too_few_days silent_hours too_few_days silent_hours"},
		{"demonstration of twenty packets", demo, both(limit, 20, 0, nil), "compliant"},
		{"demonstration of nineteen packets", demo, both(limit, 19, 0, nil), "not-demonstrated: too_few_packets too_few_packets"},
		{"demonstration with one lost of twenty", demo, both(limit, 19, 1, nil), "compliant"},
		{"demonstration with two lost of twenty", demo, both(limit, 18, 2, nil), "non-compliant: unbounded unbounded"},
		// 2 × 999.835 km: light in vacuum needs 6670.2 µs, in fibre 9791.8 µs, less 2 % 9595.96 µs.
		{"faster than light", demo, both(6670, 20, 0, nil), "not-demonstrated: faster_than_light faster_than_light"},
		{"as fast as light, too fast for fibre", demo, both(6671, 20, 0, nil), "not-demonstrated: faster_than_fibre faster_than_fibre"},
		{"just too fast for fibre", demo, both(9595, 20, 0, nil), "not-demonstrated: faster_than_fibre faster_than_fibre"},
		{"as fast as fibre", demo, both(9596, 20, 0, nil), "compliant"},
		{"ends 1 ms apart", demo, ends(one("a1", "b1", 15_000, 20, 0, nil), one("b1", "a1", 16_000, 20, 0, nil)), "compliant"},
		{"ends more than 1 ms and 5 % apart", demo, ends(one("a1", "b1", 15_000, 20, 0, nil), one("b1", "a1", 16_001, 20, 0, nil)), "compliant (ends_differ)"},
		{"ends more than 1 ms but not 5 % apart", demo, ends(one("a1", "b1", 40_000, 20, 0, nil), one("b1", "a1", 41_500, 20, 0, nil)), "non-compliant: above_limit"},
		{"five times the theoretical", demo, both(75_262, 20, 0, nil), "non-compliant: above_limit"},
		{"more than five times", demo, both(75_263, 20, 0, nil), "non-compliant: above_limit (ratio_high)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := scenario.Mesh(t, shanghai, scenario.Sites(), nil)
			period := on(t, m, c.period...)
			s := &scenario.Store{}
			c.put(s, m, period)
			r := build(t, m, policy.Default(), s, period)
			if got := summary(r); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if period.To.Sub(period.From) < time.Hour != r.Period.Demonstration {
				t.Errorf("demonstration is %v", r.Period.Demonstration)
			}
		})
	}
}

func TestWorkedExample(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00+08:00", "2025-06-03T10:01:00+08:00")
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(22_579, 60), 0, nil)
	got := *pairOf(build(t, m, policy.Default(), s, period), "a", "b")
	if len(got.Ends) != 2 || got.Ends[0].Src != "a1" || got.Ends[0].Scheduled != 60 || *got.Ends[0].P95MS != 22.579 {
		t.Errorf("ends are %+v", got.Ends)
	}
	got.Ends = nil
	measured, ratio := 22.579, 1.50001 // 1.5000 would be a lie
	want := api.Pair{
		Pair: [2]string{"a", "b"}, Plane: "optical", Carrier: "one", Sites: []string{"a1", "b1"},
		DistanceKM: 1537, DistanceClass: "A", DistanceSource: "register", GeodesicKM: got.GeodesicKM,
		TheoreticalRTTMS: 15.05252, LimitRTTMS: 22.57878, MeasuredRTTMS: &measured, Ratio: &ratio,
		Verdict: api.NonCompliant, Origins: api.Origins{Synthetic: 2},
		Reasons: []api.Reason{{Code: "above_limit", Params: map[string]any{"measured_rtt_ms": 22.579, "limit_rtt_ms": 22.57878}}},
		Flags:   []api.Reason{},
		Diagnosis: []api.Reason{{Code: "route_too_long", Params: map[string]any{
			"min_rtt_ms": 22.579, "bound_rtt_ms": 22.57878, "geodesic_rtt_ms": 9.791826, "stretch": 2.3059,
		}}},
		Guarded: api.Inconclusive, // a minute proves nothing
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatistics(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:02:00Z")
	s := &scenario.Store{}
	// Of 100 packets: 60 at 15 ms, 36 at 20 ms, 2 at 21 ms, 2 lost.
	rtts := slices.Concat(scenario.Same(15_000, 30), scenario.Same(20_000, 18), scenario.Same(21_000, 1))
	s.Both(t, m, "a1", "b1", period.From, period.To, rtts, 1, nil)
	for statistic, want := range map[string]string{
		"p50": "15 false", "p95": "20 false", "p99": "none true", "mean": "16.959 false", "min": "15 false",
	} {
		pair := pairOf(build(t, m, with(t, "statistic: p95", "statistic: "+statistic), s, period), "a", "b")
		got := "none"
		if pair.MeasuredRTTMS != nil {
			got = fmt.Sprint(*pair.MeasuredRTTMS)
		}
		if got += fmt.Sprint(" ", pair.Unbounded); got != want {
			t.Errorf("%s: %s, want %s", statistic, got, want)
		}
	}
}

func TestDaylightSaving(t *testing.T) {
	for _, c := range []struct {
		zone, day     string
		wantScheduled int64
	}{
		{"Europe/Berlin", "2025-03-30", 23 * 3600}, // no 02:xx
		{"Europe/Berlin", "2025-10-26", 25 * 3600},
		{"America/Santiago", "2025-09-06", 24 * 3600},
		{"America/Santiago", "2025-09-07", 23 * 3600}, // begins at 01:00
		{"Africa/Cairo", "2025-04-25", 23 * 3600},     // likewise
		{"America/Havana", "2025-11-02", 25 * 3600},   // has midnight twice
	} {
		m := scenario.Mesh(t, c.zone, scenario.Sites(), nil)
		period := on(t, m, c.day)
		s := &scenario.Store{}
		s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
		r := build(t, m, policy.Default(), s, period)
		if got := summary(r); got != "compliant" || r.Period.Demonstration {
			t.Errorf("%s %s: %s, demonstration %v", c.zone, c.day, got, r.Period.Demonstration)
		}
		if end := pairOf(r, "a", "b").Ends[0]; end.Scheduled != c.wantScheduled || end.Sent != c.wantScheduled || end.Sufficiency.Days != 1 {
			t.Errorf("%s %s: scheduled %d, sent %d, %+v", c.zone, c.day, end.Scheduled, end.Sent, end.Sufficiency)
		}
	}
}

func TestSingleEnded(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical reflector"}, nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	s.Fill(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
	r := build(t, m, policy.Default(), s, period)
	pair := pairOf(r, "a", "b")
	if pair.Verdict != api.Compliant || !pair.SingleEnded || len(pair.Ends) != 1 {
		t.Errorf("%s, single-ended %v, %d ends", pair.Verdict, pair.SingleEnded, len(pair.Ends))
	}
	if got := pairOf(r, "a", "c"); got.Verdict != api.NotDemonstrated || codes(got.Reasons) != api.ReasonNoSites {
		t.Errorf("a pair without sites is %s: %s", got.Verdict, codes(got.Reasons))
	}
	if r.Rate.Total != 3 || r.Rate.Compliant != 1 || r.Rate.NotDemonstrated != 2 {
		t.Errorf("rate is %+v", r.Rate)
	}
}

func TestSeveralSites(t *testing.T) {
	sites := []string{"a1 a one optical both", "b1 b one optical both", "b2 b one optical both"}
	type rtts map[string]uint32 // by site of b; absent: no data
	for _, c := range []struct {
		choice string
		rtts   rtts
		want   string
		sites  string
	}{
		{"best", rtts{"b1": 30_000, "b2": 20_000}, "compliant", "b2"},
		{"best", rtts{"b1": 20_000}, "compliant", "b1"},
		{"best", rtts{"b1": 30_000}, "non-compliant: above_limit", "b1"},
		{"best", rtts{"b1": 21_000, "b2": 20_000}, "compliant", "b2"},
		{"worst", rtts{"b1": 30_000, "b2": 20_000}, "non-compliant: above_limit", "b1"},
		{"worst", rtts{"b2": 20_000}, "compliant", "b2"},
		{"worst", rtts{}, "not-demonstrated: no_windows no_windows", "b1"},
		{"all", rtts{"b1": 30_000}, "non-compliant: above_limit", "b1"},
		{"all", rtts{"b2": 20_000}, "not-demonstrated: site_not_demonstrated", "b2"},
		{"all", rtts{"b1": 21_000, "b2": 20_000}, "compliant", "b1"},
	} {
		m := scenario.Mesh(t, "UTC", sites, nil)
		period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
		s := &scenario.Store{}
		for site, us := range c.rtts {
			s.Both(t, m, "a1", site, period.From, period.To, scenario.Same(us, 60), 0, nil)
		}
		r := build(t, m, with(t, "sites: best", "sites: "+c.choice), s, period)
		if got := summary(r); got != c.want || pairOf(r, "a", "b").Sites[1] != c.sites {
			t.Errorf("%s of %v: %s by %v, want %s by %s", c.choice, c.rtts, got, pairOf(r, "a", "b").Sites, c.want, c.sites)
		}
		if len(r.Links) != 2 {
			t.Errorf("%d links", len(r.Links))
		}
	}
}

func TestCarriersAndPlanes(t *testing.T) {
	var sites []string
	for _, carrier := range []string{"one", "two", "three"} {
		for _, plane := range []string{"optical", "private-ip"} {
			for _, cluster := range []string{"a", "b"} {
				sites = append(sites, fmt.Sprintf("%s-%s-%s %s %s %s both", cluster, carrier, plane, cluster, carrier, plane))
			}
		}
	}
	m := scenario.Mesh(t, "UTC", sites, nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	for name, us := range map[string]uint32{"one-optical": 30_000, "two-optical": 19_000, "three-optical": 20_000, "one-private-ip": 31_000, "three-private-ip": 32_000} {
		s.Both(t, m, "a-"+name, "b-"+name, period.From, period.To, scenario.Same(us, 60), 0, nil)
	}
	r := build(t, m, with(t, "clusters: [all]", "clusters: [a, b]"), s, period)
	var got []string
	for _, plane := range r.Planes {
		line := fmt.Sprintf("%s %d/%d by %s:", plane.Plane, plane.Rate.Compliant, plane.Rate.Total, plane.Pairs[0].Carrier)
		for _, carrier := range plane.Carriers {
			line += fmt.Sprintf(" %s %d", carrier.Carrier, carrier.Rate.Compliant)
		}
		got = append(got, line)
	}
	want := []string{"optical 1/1 by two: one 0 two 1 three 1", "private-ip 0/1 by one: one 0 two 0 three 0", "public-internet 0/1 by :"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var table bytes.Buffer
	if err := Table(&table, r, Look{Width: 100}); err != nil {
		t.Fatal(err)
	}
	golden(t, "carriers.txt", table.Bytes())
	if r.Plane != "optical" || len(r.Links) != 6 {
		t.Errorf("headline %s, %d links", r.Plane, len(r.Links))
	}
	if r := build(t, m, with(t, "[optical, private-ip, public-internet]", "[private-ip]"), s, period); r.Plane != "private-ip" || r.Rate.Compliant != 0 {
		t.Errorf("headline %s with %d compliant", r.Plane, r.Rate.Compliant)
	}
}

// Where the distance changes, each part is judged by its own.
func TestDistanceChange(t *testing.T) {
	distances := []string{
		"{clusters: [a, b], km: 1537, class: A, source: old, until: 2025-06-03}",
		"{clusters: [a, b], km: 1300, class: A, source: new, from: 2025-06-03}",
	}
	// The limit is 22 578 µs and then 19 096 µs.
	for _, c := range []struct {
		name          string
		before, after uint32 // RTT; 0: silent
		want          string
		km            float64
	}{
		{"both comply", 22_000, 19_000, "compliant", 1300},
		{"later above its limit", 18_000, 20_000, "non-compliant: above_limit", 1300},
		{"earlier above its limit", 23_000, 18_000, "non-compliant: above_limit", 1537},
		{"later silent", 22_000, 0, "not-demonstrated: too_few_days silent_hours too_few_days silent_hours part_not_demonstrated", 1537},
	} {
		m := scenario.Mesh(t, "UTC", scenario.Sites(), distances)
		period := on(t, m, "2025-06-02", "2025-06-04")
		cut := period.From.AddDate(0, 0, 1)
		s := &scenario.Store{}
		if c.before > 0 {
			s.Both(t, m, "a1", "b1", period.From, cut, scenario.Same(c.before, 60), 0, nil)
		}
		if c.after > 0 {
			s.Both(t, m, "a1", "b1", cut, period.To, scenario.Same(c.after, 60), 0, nil)
		}
		r := build(t, m, policy.Default(), s, period)
		pair := pairOf(r, "a", "b")
		if got := summary(r); got != c.want || pair.DistanceKM != c.km || len(pair.Parts) != 2 {
			t.Errorf("%s: %s by %v km in %d parts, want %s by %v km", c.name, got, pair.DistanceKM, len(pair.Parts), c.want, c.km)
		}
	}
	// A registered hollow-core route undercuts fibre, but not vacuum.
	m := scenario.Mesh(t, "UTC", scenario.Sites(), []string{"{clusters: [a, b], km: 1537, class: A, source: register, medium: hollow-core}"})
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	for us, want := range map[uint32]string{6671: "compliant", 6670: "not-demonstrated: faster_than_light faster_than_light"} {
		s := &scenario.Store{}
		s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(us, 60), 0, nil)
		if got := summary(build(t, m, policy.Default(), s, period)); got != want {
			t.Errorf("hollow core at %d µs: %s, want %s", us, got, want)
		}
	}
}

// What is scheduled ends with the site; what was not scheduled is not missed.
func TestSiteLife(t *testing.T) {
	sites := []string{"a1 a one optical both", "b1 b one optical both until: 2025-06-03", "b2 b one optical both from: 2025-06-03"}
	m := scenario.Mesh(t, "UTC", sites, nil)
	period := on(t, m, "2025-06-02", "2025-06-04")
	cut := period.From.AddDate(0, 0, 1)
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, cut, scenario.Same(20_000, 60), 0, nil)
	r := build(t, m, policy.Default(), s, period)
	if got := summary(r); got != "compliant" {
		t.Error(got)
	}
	for _, link := range r.Links {
		if link.Pair == [2]string{"a", "b"} && link.Ends[0].Scheduled != 86_400 {
			t.Errorf("%v: %d packets scheduled", link.Sites, link.Ends[0].Scheduled)
		}
		if slices.Equal(link.Sites, []string{"b1", "b2"}) {
			t.Error("two sites that never existed together make a link")
		}
	}
}

// A site that lived for the last seconds of a month, and was heard in all of
// them, demonstrates nothing of that month.
func TestBriefLife(t *testing.T) {
	for seconds, want := range map[int]string{
		19: "not-demonstrated: too_few_packets too_few_packets",
		20: "compliant",
	} {
		begin := time.Date(2025, 7, 1, 0, 0, -seconds, 0, time.UTC)
		m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both from: " + begin.Format(time.RFC3339)}, nil)
		s := &scenario.Store{}
		for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
			w := scenario.Window(m, ends[0], ends[1], begin, scenario.Same(20_000, seconds), 0)
			w.EndMS = begin.UnixMilli() + int64(seconds)*1000
			s.Put(t, w)
		}
		if got := summary(build(t, m, policy.Default(), s, on(t, m, "2025-06"))); got != want {
			t.Errorf("%d s: %s, want %s", seconds, got, want)
		}
	}
}

// What a probe measured under another mesh, before or after a site's life or
// between other clusters, is held against no distance of this one.
func TestForeignWindows(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both until: 2025-06-03"}, nil)
	period := on(t, m, "2025-06-02", "2025-06-04")
	cut := period.From.AddDate(0, 0, 1)
	for name, change := range map[string]func(*wire.Window){
		"after the end of b1":     func(w *wire.Window) { w.StartMS, w.EndMS = cut.UnixMilli(), cut.Add(time.Minute).UnixMilli() },
		"of another src cluster":  func(w *wire.Window) { w.SrcCluster = "c" },
		"of another dst cluster":  func(w *wire.Window) { w.DstCluster = "c" },
		"of another carrier":      func(w *wire.Window) { w.Carrier = "two" },
		"of another plane":        func(w *wire.Window) { w.Plane = "private-ip" },
		"by another method":       func(w *wire.Window) { w.Method = "stamp" },
		"not foreign, to be sure": func(*wire.Window) {},
	} {
		s := &scenario.Store{}
		s.Both(t, m, "a1", "b1", period.From, cut, scenario.Same(20_000, 60), 0, nil)
		before := build(t, m, policy.Default(), s, period)
		w := scenario.Window(m, "a1", "b1", cut.Add(-time.Minute), nil, 60_000)
		w.Session = 2
		change(&w)
		s.Put(t, w)
		after := build(t, m, policy.Default(), s, period)
		want := "compliant (foreign_unused)"
		if name == "not foreign, to be sure" {
			want = "non-compliant: unbounded (ends_differ more_than_asked)"
		}
		if got := summary(after); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if before.DataSHA256 == after.DataSHA256 || after.Data.Windows != before.Data.Windows+1 {
			t.Errorf("%s: the data does not show the window", name)
		}
	}
}

// Links inside a cluster are shown, count in no rate, and without a distance
// are not judged.
func TestWithinCluster(t *testing.T) {
	inside := scenario.Mesh(t, "UTC", []string{"a1 a one optical both", "a2 a one optical both", "b1 b one optical both"}, nil)
	m, err := mesh.Parse("mesh.yaml", bytes.Replace(inside.Bytes(), []byte("links: [{}]"), []byte("links: [{within_cluster: true}]"), 1))
	if err != nil {
		t.Fatal(err)
	}
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	s.Both(t, m, "a1", "a2", period.From, period.To, scenario.Same(500, 60), 0, nil)
	r := build(t, m, policy.Default(), s, period)
	if len(r.Links) != 3 || r.Rate.Total != 3 {
		t.Errorf("%d links, %d pairs in the rate", len(r.Links), r.Rate.Total)
	}
	link := r.Links[0]
	if link.Pair != [2]string{"a", "a"} || codes(link.Reasons) != api.ReasonNoDistance || link.Ratio != nil || *link.MeasuredRTTMS != 0.5 {
		t.Errorf("%v is %s: %s", link.Pair, link.Verdict, codes(link.Reasons))
	}
}

func TestOtherMeshVersion(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	w := scenario.Window(m, "a1", "b1", period.From, scenario.Same(20_000, 60), 0)
	w.MeshSHA256 = strings.Repeat("0", 64)
	s.Put(t, w)
	r := build(t, m, policy.Default(), s, period)
	if diff := cmp.Diff([]api.MeshVersion{{SHA256: w.MeshSHA256, Windows: 1}}, r.Data.MeshVersions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var table bytes.Buffer
	if err := Table(&table, r, Look{Width: 100}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "All data was measured under another version of the mesh") {
		t.Error(table.String())
	}
}

func TestConflictsAndSources(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
	before := build(t, m, policy.Default(), s, period)

	other := scenario.Window(m, "a1", "b1", period.From, scenario.Same(12_000, 60), 0)
	s.Put(t, other)
	imported := scenario.Window(m, "a1", "b1", period.From.Add(30*time.Second), nil, 0)
	imported.Session, imported.Origin = 2, wire.OriginImported
	imported.Received, imported.Sent, imported.Scheduled = 0, 0, 60
	least := uint32(1)
	imported.Summary = &wire.Summary{MinUS: &least, Source: "elsewhere 1"}
	s.Put(t, imported)
	after := build(t, m, policy.Default(), s, period)

	pair := pairOf(after, "a", "b")
	if *pair.MeasuredRTTMS != 20 || pair.Ends[0].Conflicts != 1 || pair.Ends[0].Sent != 60 || codes(pair.Flags) != "conflicts summaries_unused" {
		t.Errorf("measured %v, %d conflicts, %d sent, flags %s", *pair.MeasuredRTTMS, pair.Ends[0].Conflicts, pair.Ends[0].Sent, codes(pair.Flags))
	}
	if diff := cmp.Diff(api.Origins{Synthetic: 2, Imported: 1}, after.Data.Origins); diff != "" || after.Data.Conflicts != 1 {
		t.Errorf("%d conflicts, origins (-want +got):\n%s", after.Data.Conflicts, diff)
	}
	if before.DataSHA256 == after.DataSHA256 {
		t.Error("other data has the same hash")
	}
}

func TestResidence(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	for us, want := range map[uint32]string{200: "compliant", 201: "compliant (residence_above_cap)"} {
		s := &scenario.Store{}
		s.Fill(t, m, "b1", "a1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
		w := scenario.Window(m, "a1", "b1", period.From, scenario.Same(20_000, 60), 0)
		w.STAMP = &wire.STAMP{ResidenceMaxUS: us}
		s.Put(t, w)
		if got := summary(build(t, m, policy.Default(), s, period)); got != want {
			t.Errorf("%d µs: %s, want %s", us, got, want)
		}
	}
}

func TestClockRate(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	for ppb, want := range map[int64]string{
		100_000: "compliant", -100_000: "compliant",
		100_001: "compliant (clock_rate)", -100_001: "compliant (clock_rate)", math.MinInt64: "compliant (clock_rate)",
	} {
		s := &scenario.Store{}
		s.Fill(t, m, "b1", "a1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
		w := scenario.Window(m, "a1", "b1", period.From, scenario.Same(20_000, 60), 0)
		w.Clock.FrequencyPPB = ppb
		s.Put(t, w)
		if got := summary(build(t, m, policy.Default(), s, period)); got != want {
			t.Errorf("%d ppb: %s, want %s", ppb, got, want)
		}
	}
}

func TestPolicyThatDoesNotFit(t *testing.T) {
	m, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"clusters: [all]", "clusters: [zjk, xyz]", `policy default does not fit mesh national: rate.clusters names "xyz", which is not a cluster of the mesh`},
		{"[optical, private-ip, public-internet]", "[private-ip]", `policy default does not fit mesh national: rate.headline_plane names none of its planes; put one of optical there`},
	} {
		_, err := NewPlan(m, with(t, c.old, c.new), on(t, m, "2025-06"), nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.new, err, c.want)
		}
	}
}

func TestStoreFails(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	plan, err := NewPlan(m, policy.Default(), on(t, m, "2025-06-03"), nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no answer")
	if _, err := Build(t.Context(), plan, &scenario.Store{Err: broken}, Options{}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	var _ store.Query // the fake keeps to the contract's types
}

func TestNoTargetBefore2023(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	r := build(t, m, policy.Default(), &scenario.Store{}, on(t, m, "2022-06-03"))
	if r.Rate.Target != nil || r.Rate.Met != nil || r.Rate.Needed != nil {
		t.Errorf("rate is %+v", r.Rate)
	}
}
