package report

import (
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

// Worked examples of docs/metric.md over whole months. Each expectation is
// computed by hand: RTTs are the same all day, so that a distribution is known
// without computing it. The limit between a and b is 22 578.78 µs.

// sparse is a mesh that asks for a packet a minute, so that a month is quick to
// make, with texts of it replaced, in pairs of old and new.
func sparse(t testing.TB, zone string, sites, distances []string, replace ...string) *mesh.Mesh {
	t.Helper()
	text := strings.NewReplacer(append(replace, "interval_ms: 1000", "interval_ms: 60000")...).
		Replace(string(scenario.Mesh(t, zone, sites, distances).Bytes()))
	m, err := mesh.Parse("mesh.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// inWindow is what an end sees within a quarter of an hour: packets of one RTT.
type inWindow struct {
	us             uint32
	received, lost int
}

// seen says what an end sees at a time; nothing at all makes no window.
type seen func(at time.Time) inWindow

// always sees 15 packets of one RTT in each quarter of an hour: all that are
// asked for.
func always(us uint32) seen { return func(time.Time) inWindow { return inWindow{us, 15, 0} } }

// onDays sees another RTT than always.
func (s seen) onDays(us uint32, days ...int) seen {
	return func(at time.Time) inWindow {
		if slices.Contains(days, at.Day()) {
			return inWindow{us, 15, 0}
		}
		return s(at)
	}
}

// unless is silent where so says.
func (s seen) unless(so func(at time.Time) bool) seen {
	return func(at time.Time) inWindow {
		if so(at) {
			return inWindow{}
		}
		return s(at)
	}
}

// example is a network over a period.
type example struct {
	m          *mesh.Mesh
	p          *policy.Policy
	s          *scenario.Store
	period     Period
	archive    []store.MeshVersion
	timestamps wire.Timestamps
}

func newExample(t testing.TB, m *mesh.Mesh, period ...string) *example {
	t.Helper()
	return &example{m: m, p: policy.Default(), s: &scenario.Store{}, period: on(t, m, period...), timestamps: wire.TimestampsHardware}
}

// twentyDays are the fewest that give an interval.
func twentyDays() []string { return []string{"2025-06-01", "2025-06-21"} }

// june is the month of 30 days between two sites.
func june(t testing.TB) *example {
	t.Helper()
	return newExample(t, sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil), "2025-06")
}

func (e *example) end(t testing.TB, src, dst string, see seen) {
	t.Helper()
	for at := e.period.From; at.Before(e.period.To); at = at.Add(15 * time.Minute) {
		in := see(at)
		if in.received+in.lost == 0 {
			continue
		}
		w := scenario.Window(e.m, src, dst, at, scenario.Same(in.us, in.received), in.lost)
		w.EndMS = at.Add(15 * time.Minute).UnixMilli()
		w.Scheduled = w.Sent
		w.Timestamps = e.timestamps
		e.s.Put(t, w)
	}
}

func (e *example) both(t testing.TB, a, b string, see seen) {
	t.Helper()
	e.end(t, a, b, see)
	e.end(t, b, a, see)
}

func (e *example) report(t testing.TB) *api.Report {
	t.Helper()
	plan, err := NewPlan(e.m, e.p, e.period, e.archive)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, e.s, Options{GeneratedBy: "test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return valid(t, r)
}

func (e *example) pair(t testing.TB) *api.Pair {
	t.Helper()
	return pairOf(e.report(t), "a", "b")
}

// judged is verdict and guarded verdict.
func judged(p *api.Pair) string { return string(p.Verdict) + ", " + string(p.Guarded) }

const (
	goodAndProven = "compliant, proven-compliant"
	goodAndUnsure = "compliant, inconclusive"
	badAndProven  = "non-compliant, proven-non-compliant"
	badAndUnsure  = "non-compliant, inconclusive"
	unknown       = "not-demonstrated, inconclusive"
)

func TestGuardedVerdict(t *testing.T) {
	// one in so many windows
	quarters := func(every int) func(time.Time) bool {
		return func(at time.Time) bool { return int(at.Unix()/900)%every == 0 }
	}
	both := func(see seen) func(*testing.T, *example) {
		return func(t *testing.T, e *example) { e.both(t, "a1", "b1", see) }
	}
	timed := func(by wire.Timestamps, see seen) func(*testing.T, *example) {
		return func(t *testing.T, e *example) {
			e.timestamps = by
			e.both(t, "a1", "b1", see)
		}
	}
	for _, c := range []struct {
		name   string
		period string
		put    func(*testing.T, *example)
		want   string
	}{
		// Hardware adds 0 to 1 µs at each end, each as likely: more than 0.975 of
		// it is taken off in one of forty trials of an end. What is measured is in
		// the interval itself.
		{"at the limit", "2025-06", both(always(22_578)), goodAndProven},
		{"1 µs above, of which the timestamps may be the cause", "2025-06", both(always(22_579)), badAndUnsure},
		{"2 µs above", "2025-06", both(always(22_580)), badAndProven},
		// The kernel adds 0 to 50 µs: 48.75 µs in the same way.
		{"kernel 49 µs above", "2025-06", timed(wire.TimestampsKernel, always(22_627)), badAndUnsure},
		{"kernel 50 µs above", "2025-06", timed(wire.TimestampsKernel, always(22_628)), badAndProven},
		// Two days of 30 are 6.7 %. A month of 30 draws has fewer than two of
		// them, and complies, with (28/30)^30 + 30 × 2/30 × (28/30)^29 = 40 %.
		{"two slow days", "2025-06", both(always(20_000).onDays(30_000, 9, 10)), badAndUnsure},
		// One is 3.3 %: at least two are drawn with 26 %.
		{"one slow day", "2025-06", both(always(20_000).onDays(30_000, 9)), goodAndUnsure},
		// Fewer than two of ten slow days are drawn with 1 in 12 000.
		{"ten slow days", "2025-06", both(always(20_000).onDays(30_000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)), badAndProven},
		{"timed in user space, fast", "2025-06", timed(wire.TimestampsUser, always(20_000)), goodAndProven},
		{"timed in user space, slow", "2025-06", timed(wire.TimestampsUser, always(40_000)), badAndUnsure},
		{"one end timed by hardware, slow", "2025-06", func(t *testing.T, e *example) {
			e.end(t, "a1", "b1", always(40_000))
			e.timestamps = wire.TimestampsUser
			e.end(t, "b1", "a1", always(40_000))
		}, badAndProven},
		// User space does not lose packets.
		{"timed in user space, all lost", "2025-06", timed(wire.TimestampsUser, func(time.Time) inWindow { return inWindow{0, 0, 15} }), badAndProven},
		{"19 complete days", "2025-06-01 2025-06-20", both(always(20_000)), goodAndUnsure},
		{"20 complete days", "2025-06-01 2025-06-21", both(always(20_000)), goodAndProven},
		// 9.99 % missing, as if lost: the 95th percentile would be endless.
		{"gaps of 10 %", "2025-06", both(always(20_000).unless(quarters(10))), goodAndUnsure},
		{"gaps of 4 %", "2025-06", both(always(20_000).unless(quarters(25))), goodAndProven},
		{"gaps of three whole days", "2025-06", both(always(20_000).unless(func(at time.Time) bool { return at.Day() > 27 })), goodAndUnsure},
		// It may have been as slow as in "one slow day": keeping it back must not
		// make anything surer.
		{"gaps of one whole day", "2025-06", both(always(20_000).unless(func(at time.Time) bool { return at.Day() > 29 })), goodAndUnsure},
		{"gaps of 10 %, above the limit all the same", "2025-06", both(always(40_000).unless(quarters(10))), badAndProven},
		{"silent every night", "2025-06", both(always(20_000).unless(func(at time.Time) bool { return at.Hour() < 5 })), unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := june(t)
			e.period = on(t, e.m, strings.Fields(c.period)...)
			c.put(t, e)
			pair := e.pair(t)
			if got := judged(pair); got != c.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, c.want, pair.Uncertainty)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	e := june(t)
	e.both(t, "a1", "b1", always(20_000).unless(func(at time.Time) bool { return at.Day() == 30 }))
	u := e.pair(t).Uncertainty
	if u == nil {
		t.Fatal("there is no interval")
	}
	// 20 000 / 15 052.52 = 1.32868; less 0.975 µs 1.32862.
	want := api.Uncertainty{
		Confidence: 0.95, Candidates: 1, Trials: 10_000, Seed: u.Seed, Days: 30, CompleteDays: 29,
		DistanceMinKM: 1537, DistanceMaxKM: 1537, RatioLow: new(1.3286), RatioHigh: new(1.3287), RatioGapsUnbounded: true,
	}
	if diff := cmp.Diff(want, *u); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The road between a and c was never surveyed: from 1.2 to 1.4 times 1110.5 km,
// each as likely, so that at the 2.5 % ends it is 1.205 and 1.395 times that.
// Judged by 1.3 times, a ratio r lies from r × 1.3 / 1.395 to r × 1.3 / 1.205.
func TestIntervalOfClassC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    float64
		want string
	}{
		{1.35, "compliant, proven-compliant"},         // up to 1.456
		{1.45, "compliant, inconclusive"},             // up to 1.564
		{1.55, "non-compliant, inconclusive"},         // from 1.444
		{1.65, "non-compliant, proven-non-compliant"}, // from 1.538
	} {
		m := sparse(t, "UTC", []string{"a1 a one optical both", "c1 c one optical both"}, nil)
		e := newExample(t, m, "2025-06")
		route := m.Route(m.Site("a1"), m.Site("c1"), e.period.From)
		theoretical := 2 * float64(route.Meters) * 1.468 / 299.792458 // µs
		e.both(t, "a1", "c1", always(uint32(c.r*theoretical)))
		pair := pairOf(e.report(t), "a", "c")
		if got := judged(pair); got != c.want || !pair.Provisional {
			t.Errorf("ratio %v: %s, want %s", c.r, got, c.want)
		}
		low, high := *pair.Uncertainty.RatioLow, *pair.Uncertainty.RatioHigh
		if math.Abs(low-c.r*1.3/1.395) > 0.002 || math.Abs(high-c.r*1.3/1.205) > 0.002 {
			t.Errorf("ratio %v: from %v to %v", c.r, low, high)
		}
	}
}

// Two sites in one place whose road is registered in class C: the road may be of
// no length, and there is no ratio of an RTT to nothing. The report says the rest.
func TestNoIntervalWithoutLength(t *testing.T) {
	at := ` location: {lat: 30, lon: 100}`
	m := sparse(t, "UTC", []string{"a1 a one optical both" + at, "b1 b one optical both" + at},
		[]string{"{clusters: [a, b], km: 1537, class: C, source: register}"})
	e := newExample(t, m, twentyDays()...)
	e.both(t, "a1", "b1", always(20_000))
	if pair := e.pair(t); judged(pair) != goodAndUnsure || pair.Uncertainty != nil {
		t.Errorf("%s, %+v", judged(pair), pair.Uncertainty)
	}
}

// A router that only answers pings does so when it has nothing better to do.
func TestReflectorOnly(t *testing.T) {
	sites := []string{"a1 a one optical both", "b1 b one optical reflector"}
	for _, c := range []struct {
		method string
		us     uint32
		want   string
	}{
		{"icmp", 40_000, badAndUnsure},
		{"icmp", 20_000, goodAndProven},
		{"stamp", 40_000, badAndProven}, // answers with its own timestamps
	} {
		e := newExample(t, sparse(t, "UTC", sites, nil, "method: icmp", "method: "+c.method, "size_bytes: 84", "size_bytes: 128"), "2025-06")
		e.end(t, "a1", "b1", always(c.us))
		pair := e.pair(t)
		if got := judged(pair); got != c.want || !pair.SingleEnded {
			t.Errorf("%s at %d µs: %s, single-ended %v, want %s", c.method, c.us, got, pair.SingleEnded, c.want)
		}
	}
}

// carriers joins a and b by one link of each carrier.
func carriers(t testing.TB, see ...seen) *example {
	t.Helper()
	names := []string{"one", "two", "three"}[:len(see)]
	var sites []string
	for _, carrier := range names {
		sites = append(sites, "a-"+carrier+" a "+carrier+" optical both", "b-"+carrier+" b "+carrier+" optical both")
	}
	e := newExample(t, sparse(t, "UTC", sites, nil), twentyDays()...)
	for i, carrier := range names {
		if see[i] != nil {
			e.both(t, "a-"+carrier, "b-"+carrier, see[i])
		}
	}
	return e
}

// The more links the best is taken of, the wider each one's interval.
func TestBonferroni(t *testing.T) {
	t.Parallel()
	width := map[int]float64{}
	for n := 1; n <= 3; n++ {
		e := carriers(t, slices.Repeat([]seen{always(20_000)}, n)...)
		// Added delays from 0 to 5 ms at each end: the rank-th of 10 000 trials
		// takes off 5 ms × (1 − rank / 10 000), see TestGuardedVerdict; rank is
		// 250, 125 and 83.
		e.p = with(t, "hardware_adds_us: [0, 1]", "hardware_adds_us: [0, 5000]")
		r := e.report(t)
		u := pairOf(r, "a", "b").Uncertainty
		if u.Candidates != n {
			t.Errorf("%d links: %d candidates", n, u.Candidates)
		}
		width[n] = *u.RatioHigh - *u.RatioLow
		rank := []float64{250, 125, 83}[n-1]
		if want := 5000 * (1 - rank/10_000) / 15_052.52; math.Abs(width[n]-want) > 0.003 {
			t.Errorf("%d links: the interval is %v wide, want %v", n, width[n], want)
		}
		for _, link := range r.Links {
			if link.Uncertainty.Candidates != 1 || math.Abs(*link.Uncertainty.RatioHigh-*link.Uncertainty.RatioLow-5000*0.975/15_052.52) > 0.003 {
				t.Errorf("%d links: by itself one has %+v", n, link.Uncertainty)
			}
		}
	}
	if width[1] >= width[2] || width[2] >= width[3] {
		t.Errorf("widths are %v", width)
	}
}

func TestBestOfTwoCarriers(t *testing.T) {
	t.Parallel()
	fast, slow, near := always(20_000), always(40_000), always(22_579)
	for _, c := range []struct {
		name     string
		one, two seen
		want     string
		carrier  string
	}{
		{"one is fast", slow, fast, goodAndProven, "two"},
		{"both are slow", always(41_000), slow, badAndProven, "two"},
		{"one is slow, one near the limit", slow, near, badAndUnsure, "two"},
		{"one is slow, one was not measured", slow, nil, badAndUnsure, "one"},
		{"one may comply by luck, one surely does", always(20_000).onDays(30_000, 9), always(21_000), goodAndProven, "one"},
	} {
		pair := carriers(t, c.one, c.two).pair(t)
		if got := judged(pair); got != c.want || pair.Carrier != c.carrier {
			t.Errorf("%s: %s by %s, want %s by %s", c.name, got, pair.Carrier, c.want, c.carrier)
		}
	}
}

// "31 of 45 = 68.9 % (proven 24, possible 36)", with three pairs.
func TestProvenAndPossible(t *testing.T) {
	t.Parallel()
	figures := func(r api.Rate) string {
		return fmt.Sprintf("%d of %d, %d proven, %d possible, %d proven not, %d rejected, %d inconclusive",
			r.Compliant, r.Total, r.Proven, r.Possible, r.ProvenNonCompliant, r.Rejected, r.Inconclusive)
	}
	sites := append(scenario.Sites(), "a2 a two optical both", "c2 c two optical both")
	// Light needs 7.4 ms for the 2 × 1110.5 km from a to c and back; the limit is
	// 21.2 ms. From b to c the limit is 27.8 ms.
	for _, c := range []struct {
		name   string
		second seen // what the other carrier sees from a to c
		want   string
	}{
		{"rejected, and the other carrier too", always(5_000), "1 of 3, 1 proven, 1 possible, 1 proven not, 1 rejected, 1 inconclusive"},
		// It might have complied.
		{"rejected, and the other carrier was silent", nil, "1 of 3, 1 proven, 2 possible, 1 proven not, 0 rejected, 1 inconclusive"},
		{"rejected, and the other carrier is slow", always(90_000), "1 of 3, 1 proven, 2 possible, 1 proven not, 0 rejected, 1 inconclusive"},
		{"rejected, and the other carrier is fast", always(15_000), "2 of 3, 2 proven, 2 possible, 1 proven not, 0 rejected, 0 inconclusive"},
	} {
		e := newExample(t, sparse(t, "UTC", sites, nil), twentyDays()...)
		e.both(t, "a1", "b1", always(20_000))
		e.both(t, "b1", "c1", always(90_000))
		e.both(t, "a1", "c1", always(5_000))
		if c.second != nil {
			e.both(t, "a2", "c2", c.second)
		}
		if got := figures(e.report(t).Rate); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestUnstable(t *testing.T) {
	for us, want := range map[uint32]bool{20_000: true, 22_579: false} {
		e := june(t)
		e.both(t, "a1", "b1", always(us).onDays(30_000, 1, 2, 3, 4))
		r := e.report(t)
		if pair := pairOf(r, "a", "b"); pair.Verdict != api.NonCompliant || pair.Unstable != want || (r.Rate.Unstable == 1) != want {
			t.Errorf("%d µs on most days: %s, unstable %v, %d in the rate", us, pair.Verdict, pair.Unstable, r.Rate.Unstable)
		}
	}
}

// Unix time has no leap seconds: the day of one has 86 400 like any other, and
// a packet sent within it stands in the second that Unix time repeats.
func TestLeapSecond(t *testing.T) {
	for _, c := range []struct{ zone, day string }{
		{"UTC", "2016-12-31"},           // 23:59:60 is its last second
		{"UTC", "2017-01-01"},           // the day after
		{"Asia/Shanghai", "2017-01-01"}, // 07:59:60
	} {
		m := scenario.Mesh(t, c.zone, scenario.Sites(), nil)
		period := on(t, m, c.day)
		if seconds := period.To.Unix() - period.From.Unix(); seconds != 86_400 {
			t.Errorf("%s in %s has %d seconds", c.day, c.zone, seconds)
		}
		s := &scenario.Store{}
		s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
		r := build(t, m, policy.Default(), s, period)
		end := pairOf(r, "a", "b").Ends[0]
		want := api.Sufficiency{Days: 1, DaysSufficient: 1, Hours: 24, HoursSufficient: 24}
		if summary(r) != "compliant" || end.Scheduled != 86_400 || end.Sent != 86_400 || end.Sufficiency != want {
			t.Errorf("%s in %s: %s, scheduled %d, sent %d, %+v", c.day, c.zone, summary(r), end.Scheduled, end.Sent, end.Sufficiency)
		}
	}
}

// A month of 31 days has an hour less where the clock is set forward, and one
// more where it is set back; the hour of the night is full both times.
func TestDaylightSavingOverMonths(t *testing.T) {
	for month, hours := range map[string]int64{"2025-03": 31*24 - 1, "2025-10": 31*24 + 1} {
		e := newExample(t, sparse(t, "Europe/Berlin", []string{"a1 a one optical both", "b1 b one optical both"}, nil), month)
		e.both(t, "a1", "b1", always(20_000))
		pair := e.pair(t)
		want := api.Sufficiency{Days: 31, DaysSufficient: 31, Hours: 24, HoursSufficient: 24}
		if end := pair.Ends[0]; end.Scheduled != hours*60 || end.Sent != hours*60 || end.Sufficiency != want {
			t.Errorf("%s: scheduled %d, sent %d, %+v", month, end.Scheduled, end.Sent, end.Sufficiency)
		}
		if judged(pair) != goodAndProven || pair.Uncertainty.CompleteDays != 31 {
			t.Errorf("%s: %s, %+v", month, judged(pair), pair.Uncertainty)
		}
	}
}

// What is yet to come is missing: of a month that is still running a verdict
// needs three quarters, and nobody is proven to comply in it before it is over: a
// day yet to come may be as bad as any.
func TestRunningMonth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		us   uint32
		day  int // the first without data
		want string
	}{
		{20_000, 23, unknown},       // 22 of 30 days are 73 %
		{20_000, 24, goodAndUnsure}, // 23 are 77 %
		{20_000, 29, goodAndUnsure}, // 28 are 93 %
		{20_000, 30, goodAndUnsure},
		{20_000, 31, goodAndProven},
		{40_000, 24, badAndProven}, // losing the rest does not help
	} {
		e := june(t)
		e.both(t, "a1", "b1", always(c.us).unless(func(at time.Time) bool { return at.Day() >= c.day }))
		if got := judged(e.pair(t)); got != c.want {
			t.Errorf("%d µs until day %d: %s, want %s", c.us, c.day, got, c.want)
		}
	}
}

// Each part needs its own 20 days. The limit falls from 22 578 to 19 097 µs.
func TestDistanceChangesWithIntervals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		period        string
		cut           string
		before, after uint32
		want          string
	}{
		{"in mid-month, 15 days each", "2025-06", "2025-06-16", 20_000, 18_000, goodAndUnsure},
		{"in mid-month, surely too slow", "2025-06", "2025-06-16", 20_000, 40_000, badAndUnsure},
		{"after 19 days of two months", "2025-06-01 2025-08-01", "2025-06-20", 20_000, 18_000, goodAndUnsure},
		{"after 20 days of two months", "2025-06-01 2025-08-01", "2025-06-21", 20_000, 18_000, goodAndProven},
		{"the one part too slow is proven, the other too short", "2025-06", "2025-06-06", 20_000, 40_000, badAndProven},
		{"the slow part is too short", "2025-06", "2025-06-06", 40_000, 18_000, badAndUnsure},
		{"1 µs above in the second part", "2025-06-01 2025-08-01", "2025-07-01", 20_000, 19_098, badAndUnsure},
	} {
		m := sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, []string{
			"{clusters: [a, b], km: 1537, class: A, source: old, until: " + c.cut + "}",
			"{clusters: [a, b], km: 1300, class: A, source: new, from: " + c.cut + "}",
		})
		e := newExample(t, m, strings.Fields(c.period)...)
		cut, err := mesh.Moment(c.cut).In(time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		e.both(t, "a1", "b1", func(at time.Time) inWindow {
			if at.Before(cut) {
				return inWindow{c.before, 15, 0}
			}
			return inWindow{c.after, 15, 0}
		})
		pair := e.pair(t)
		if got := judged(pair); got != c.want || len(pair.Parts) != 2 || pair.Uncertainty != nil {
			t.Errorf("%s: %s in %d parts, want %s", c.name, got, len(pair.Parts), c.want)
		}
	}
}

// A reflector claims 10 ms of each RTT of 22 779 µs as its own. Only 200 µs of
// them were taken out by the probe, so what is judged is 1 µs above the limit;
// with all of them it would be far below.
func TestResidenceOfTenMilliseconds(t *testing.T) {
	m := sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil, "method: icmp", "method: stamp", "size_bytes: 84", "size_bytes: 128")
	period := on(t, m, "2025-06-03T10:00:00Z", "2025-06-03T10:30:00Z")
	s := &scenario.Store{}
	raw := scenario.Same(22_779, 15)
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		for at := period.From; at.Before(period.To); at = at.Add(15 * time.Minute) {
			w := scenario.Window(m, ends[0], ends[1], at, scenario.Same(22_779-wire.MaxResidenceUS, 15), 0)
			w.STAMP = &wire.STAMP{RawRTTs: wire.AppendRTTs(nil, raw), ResidenceMaxUS: 10_000, Capped: 15}
			w.EndMS = at.Add(15 * time.Minute).UnixMilli()
			s.Put(t, w)
		}
	}
	r := build(t, m, policy.Default(), s, period)
	if got, want := summary(r), "non-compliant: above_limit (residence_above_cap residence_above_cap)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if measured := *pairOf(r, "a", "b").MeasuredRTTMS; measured != 22.579 {
		t.Errorf("measured %v ms", measured)
	}
	for record, err := range s.Windows(t.Context(), store.Query{Src: "a1", Dst: "b1", Test: "icmp", FromMS: 0, ToMS: math.MaxInt64}) {
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := wire.DecodeRTTs(nil, record.Window.STAMP.RawRTTs); err != nil || !slices.Equal(kept, raw) {
			t.Errorf("raw RTTs are %v, %v", kept, err)
		}
	}
}

// works lists announced works in a mesh.
func works(t testing.TB, entries ...string) *mesh.Mesh {
	t.Helper()
	text := "judged: icmp\nmaintenance:"
	for i, entry := range entries {
		text += fmt.Sprintf("\n  - {id: w%d, sites: [a1], reason: splicing, %s}", i+1, entry)
	}
	return sparse(t, "UTC", []string{"a1 a one optical both", "b1 b one optical both"}, nil, "judged: icmp", text)
}

// From midnight to eight on 10 June the link is slow: 32 windows of 2880, 1.11 %,
// which the 99th percentile does not bear. At most 1 % of June may be excused:
// 7.2 hours, in whole windows 7 hours or 25 200 s.
func TestMaintenance(t *testing.T) {
	two := "from: 2025-06-10T00:00:00Z, until: 2025-06-10T02:00:00Z"
	// A second in each of 40 windows.
	var crumbs []string
	for at := time.Date(2025, 6, 10, 0, 7, 0, 0, time.UTC); len(crumbs) < 40; at = at.Add(15 * time.Minute) {
		crumbs = append(crumbs, fmt.Sprintf("from: %s, until: %s", at.Format(time.RFC3339), at.Add(time.Second).Format(time.RFC3339)))
	}
	for _, c := range []struct {
		name    string
		works   []string
		old     []string // as archived; nil: the same
		served  string
		want    string // verdict, works, seconds, beyond, scheduled packets
		without string // verdict if nothing is excused
	}{
		{"registered before it began", []string{two}, nil, "2025-06-09T23:59:59.999Z", "compliant [w1] 7200 0 43080", "non-compliant"},
		{"registered as it began", []string{two}, nil, "2025-06-10T00:00:00Z", "non-compliant: above_limit (works_unregistered) 43200", ""},
		{"never served", []string{two}, nil, "", "non-compliant: above_limit (works_unregistered) 43200", ""},
		{"made longer after it was archived", []string{two}, []string{"from: 2025-06-10T00:00:00Z, until: 2025-06-10T01:59:00Z"}, "2025-06-01T00:00:00Z", "non-compliant: above_limit (works_unregistered) 43200", ""},
		{"more than 1 %", []string{"from: 2025-06-10T00:00:00Z, until: 2025-06-10T10:00:00Z"}, nil, "2025-06-01T00:00:00Z", "compliant [w1] 25200 10800 42780", "non-compliant"},
		{"more than 1 %, the slow hours last", []string{"from: 2025-06-09T17:00:00Z, until: 2025-06-10T08:00:00Z"}, nil, "2025-06-01T00:00:00Z", "non-compliant: above_limit [w1] 25200 28800 42780", "non-compliant"},
		{"overlapping", []string{"from: 2025-06-10T01:00:00Z, until: 2025-06-10T02:00:00Z", "from: 2025-06-10T00:00:00Z, until: 2025-06-10T01:30:00Z"}, nil, "2025-06-01T00:00:00Z", "compliant [w2 w1] 7200 0 43080", "non-compliant"},
		{"over the bounds of windows", []string{"from: 2025-06-10T00:10:00Z, until: 2025-06-10T00:20:00Z"}, nil, "2025-06-01T00:00:00Z", "non-compliant: above_limit [w1] 1800 0 43170", "non-compliant"},
		{"announced in a window that had begun", []string{"from: 2025-06-10T00:10:00Z, until: 2025-06-10T00:20:00Z"}, nil, "2025-06-10T00:05:00Z", "non-compliant: above_limit [w1] 900 0 43185", "non-compliant"},
		{"announced and over in one window", []string{"from: 2025-06-10T00:10:00Z, until: 2025-06-10T00:14:00Z"}, nil, "2025-06-10T00:05:00Z", "non-compliant: above_limit [w1] 0 0 43200", ""},
		{"many brief ones", crumbs, nil, "2025-06-01T00:00:00Z", "compliant [w1 … w40] 25200 10800 42780", "non-compliant"},
		{"over the end of the month", []string{"from: 2025-06-30T23:00:00Z, until: 2025-07-03"}, nil, "2025-06-01T00:00:00Z", "non-compliant: above_limit [w1] 3600 0 43140", "non-compliant"},
		{"of another month", []string{"from: 2025-07-01, until: 2025-07-03"}, nil, "2025-06-01T00:00:00Z", "non-compliant: above_limit 43200", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newExample(t, works(t, c.works...), "2025-06")
			e.p = with(t, "statistic: p95", "statistic: p99", "min_step_share: 0.05", "min_step_share: 0.5")
			if c.served != "" {
				served, err := time.Parse(time.RFC3339, c.served)
				if err != nil {
					t.Fatal(err)
				}
				old := e.m
				if c.old != nil {
					old = works(t, c.old...)
				}
				e.archive = []store.MeshVersion{
					{SHA256: old.SHA256(), Bytes: old.Bytes(), ServedFrom: served},
					{SHA256: e.m.SHA256(), Bytes: e.m.Bytes(), ServedFrom: e.period.To},
				}
			}
			e.both(t, "a1", "b1", func(at time.Time) inWindow {
				if at.Day() == 10 && at.Hour() < 8 {
					return inWindow{30_000, 15, 0}
				}
				return inWindow{20_000, 15, 0}
			})
			r := e.report(t)
			pair, plane := pairOf(r, "a", "b"), r.Planes[0]
			got := summary(r)
			if m := pair.Maintenance; m != nil {
				listed := m.Works
				if len(listed) > 5 {
					listed = []string{listed[0], "…", listed[len(listed)-1]}
				}
				got += fmt.Sprintf(" %v %d %d", listed, m.Seconds, m.Beyond)
			}
			if got += fmt.Sprint(" ", pair.Ends[0].Scheduled); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			excused, complying := 0, 0
			if c.without != "" {
				excused = 1
				if got := pair.Maintenance; got == nil || string(got.Verdict) != c.without || *got.MeasuredRTTMS != 30 {
					t.Errorf("without it is %+v, want %s", got, c.without)
				}
			}
			if plane.ExcusedLinks != excused || plane.WithMaintenance.Compliant != complying {
				t.Errorf("%d links are excused, %d would comply without", plane.ExcusedLinks, plane.WithMaintenance.Compliant)
			}
		})
	}
}

// What stands beside the rate follows the same choice among sites as the rate.
func TestBesideFollowsTheSites(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]string{"best": "1 2 1", "worst": "0 0 0", "all": "0 0 0"} {
		sites := []string{"a1 a one optical both", "b1 b one optical both", "b2 b one optical both"}
		m := sparse(t, "UTC", sites, nil, "judged: icmp",
			"judged: icmp\nmaintenance: [{id: w1, sites: [b1], reason: splicing, from: 2025-06-10, until: 2025-06-10T01:00:00Z}]")
		e := newExample(t, m, "2025-06")
		e.archive = []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: e.period.From}}
		e.p = with(t, "sites: best", "sites: "+choice)
		e.both(t, "a1", "b1", always(20_000))
		e.both(t, "a1", "b2", always(40_000))
		plane := e.report(t).Planes[0]
		if got := fmt.Sprint(plane.Rate.Compliant, " ", plane.Ordered.Compliant, " ", plane.WithMaintenance.Compliant); got != want {
			t.Errorf("%s: rate, ordered, with maintenance: %s, want %s", choice, got, want)
		}
	}
}

func TestOrderedHubsAndBetween(t *testing.T) {
	m := sparse(t, "UTC", scenario.Sites(), nil,
		"hubs: [{id: hub, name: {en: Hub}}]", "hubs: [{id: hub, name: {en: Hub}}, {id: far, name: {en: Far}}]", "{id: c, hub: hub,", "{id: c, hub: far,")
	e := newExample(t, m, "2025-06-03")
	e.end(t, "a1", "b1", always(20_000))
	e.end(t, "b1", "a1", always(30_000)) // so the pair does not comply, and one of its ends does
	e.both(t, "a1", "c1", always(15_000))
	plane := e.report(t).Planes[0]
	got := map[string]string{
		"all": count(plane.Rate), "between hubs": count(plane.BetweenHubs), "ordered": count(plane.Ordered),
	}
	for _, hub := range plane.Hubs {
		got[hub.Hub] = count(hub.Rate)
	}
	want := map[string]string{
		"all":          "1 1 1 of 3", // ac, ab, bc
		"between hubs": "1 0 1 of 2", // ac, bc
		"ordered":      "3 1 2 of 6", // a to b, a to c and back; b to a; b to c and back
		"hub":          "1 1 1 of 3", // a and b are in it: all pairs
		"far":          "1 0 1 of 2", // ac, bc
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// count is how many comply, do not, and are not demonstrated.
func count(r api.Rate) string {
	return fmt.Sprintf("%d %d %d of %d", r.Compliant, r.NonCompliant, r.NotDemonstrated, r.Total)
}

// Inside a hub at most 5 ms, inside a city 1 ms: one way, so an RTT of 10 and
// 2 ms; or 5 and 1 ms if an RTT is meant.
func TestClasses(t *testing.T) {
	sites := []string{"a1 a one optical both city: Alphaville", "a2 a one optical both city: Alphaville", "b1 b one optical both"}
	for _, c := range []struct {
		src, dst string
		us       uint32
		want     string
	}{
		{"a1", "a2", 1_000, "hub 0.5 of 5 compliant compliant; city 0.5 of 1 compliant compliant"},
		{"a1", "a2", 1_001, "hub 0.5005 of 5 compliant compliant; city 0.5005 of 1 compliant non-compliant"},
		{"a1", "a2", 2_000, "hub 1 of 5 compliant compliant; city 1 of 1 compliant non-compliant"},
		{"a1", "a2", 2_001, "hub 1.0005 of 5 compliant compliant; city 1.0005 of 1 non-compliant non-compliant"},
		{"a1", "a2", 5_001, "hub 2.5005 of 5 compliant non-compliant; city 2.5005 of 1 non-compliant non-compliant"},
		{"a1", "b1", 10_000, "hub 5 of 5 compliant non-compliant"},
		{"a1", "b1", 10_001, "hub 5.0005 of 5 non-compliant non-compliant"},
		{"a1", "b1", 9_000, "hub 4.5 of 5 not-demonstrated not-demonstrated"}, // faster than fibre
	} {
		e := newExample(t, sparse(t, "UTC", sites, nil, "links: [{}]", "links: [{within_cluster: true}]"), "2025-06-03")
		e.both(t, c.src, c.dst, always(c.us))
		var got []string
		for _, class := range e.report(t).Classes {
			if slices.Equal(class.Sites, []string{c.src, c.dst}) {
				got = append(got, fmt.Sprintf("%s %v of %v %s %s", class.Class, *class.OneWayMS, class.LimitOneWayMS, class.Verdict, class.VerdictAsRTT))
			}
		}
		if joined := strings.Join(got, "; "); joined != c.want {
			t.Errorf("%s-%s at %d µs:\ngot  %s\nwant %s", c.src, c.dst, c.us, joined, c.want)
		}
	}
}

// Each cell anew from the packets, with floating point and without any code of
// the analyzer.
func TestSensitivity(t *testing.T) {
	e := newExample(t, sparse(t, "UTC", scenario.Sites(), nil), "2025-06")
	type days map[uint32]int // of June, by RTT
	links := map[string]days{
		"ab": {20_000: 27, 24_000: 3},
		"ac": {19_600: 29, 26_000: 1},
		"bc": {25_600: 16, 28_600: 14},
	}
	packets := map[string][]uint32{}
	for pair, days := range links {
		var byDay []uint32
		for us, n := range days {
			byDay = append(byDay, scenario.Same(us, n)...)
		}
		slices.Sort(byDay)
		packets[pair] = byDay
		e.both(t, pair[:1]+"1", pair[1:]+"1", func(at time.Time) inWindow { return inWindow{byDay[at.Day()-1], 15, 0} })
	}
	statistic := func(name string, sorted []uint32) float64 {
		if name == "mean" {
			sum := 0.0
			for _, us := range sorted {
				sum += float64(us)
			}
			return sum / float64(len(sorted))
		}
		share := map[string]float64{"p50": 0.50, "p95": 0.95, "p99": 0.99}[name]
		return float64(sorted[int(math.Ceil(share*float64(len(sorted))))-1])
	}
	perMeter := map[string]float64{"index 1.468": 1.468 / 299.792458, "index 1.4682": 1.4682 / 299.792458, "5 µs/km": 0.005}
	r := e.report(t)
	seen := map[int]bool{}
	for _, cell := range r.Sensitivity {
		want := 0
		for pair, sorted := range packets {
			p := pairOf(r, pair[:1], pair[1:])
			meters := map[string]float64{
				"mesh": p.DistanceKM * 1000, "geodesic × 1.2": p.GeodesicKM * 1200, "geodesic × 1.3": p.GeodesicKM * 1300, "geodesic × 1.4": p.GeodesicKM * 1400,
			}[cell.Distance]
			if statistic(cell.Statistic, sorted) <= 1.5*2*meters*perMeter[cell.Light] {
				want++
			}
		}
		seen[want] = true
		if cell.Compliant != want || cell.Total != 3 || *cell.Met != (want == 3) {
			t.Errorf("%s, %s, %s: %d of %d, want %d", cell.Statistic, cell.Light, cell.Distance, cell.Compliant, cell.Total, want)
		}
	}
	if len(r.Sensitivity) != 4*3*4 || len(seen) < 3 {
		t.Errorf("%d cells with %d different results", len(r.Sensitivity), len(seen))
	}
}

func TestNearest(t *testing.T) {
	e := newExample(t, sparse(t, "UTC", scenario.Sites(), nil), "2025-06-03")
	e.both(t, "a1", "b1", always(22_000))
	e.both(t, "a1", "c1", always(30_000)) // of 21 207 µs: 1.41 times the limit
	e.both(t, "b1", "c1", always(36_000)) // of 27 820 µs: 1.29 times
	show := func(r *api.Report) (out []string) {
		for _, n := range r.Nearest {
			p := pairOf(r, n.Pair[0], n.Pair[1])
			// 2 × 1.468 / 299 792.458 s/km: 9.793 µs of RTT a kilometre.
			if math.Abs(*n.ExcessMS-(*p.MeasuredRTTMS-p.LimitRTTMS)) > 2e-6 || math.Abs(*n.ExcessKM-*n.ExcessMS*1000/9.79344) > 0.01 {
				t.Errorf("%v: %v ms, %v km", n.Pair, *n.ExcessMS, *n.ExcessKM)
			}
			out = append(out, fmt.Sprintf("%s-%s %.1f", n.Pair[0], n.Pair[1], *n.ExcessMS))
		}
		return out
	}
	r := e.report(t)
	if missing := *r.Rate.Needed - r.Rate.Compliant; missing != 2 {
		t.Errorf("missed by %d", missing)
	}
	if diff := cmp.Diff([]string{"b-c 8.2", "a-c 8.8"}, show(r)); diff != "" {
		t.Errorf("missed by two (-want +got):\n%s", diff)
	}
	// Where the target is met, those that comply most narrowly.
	e.p = with(t, "clusters: [all]", "clusters: [a, b]")
	if diff := cmp.Diff([]string{"a-b -0.6"}, show(e.report(t))); diff != "" {
		t.Errorf("met (-want +got):\n%s", diff)
	}
}

func TestMinStep(t *testing.T) {
	for us, want := range map[uint32]string{21_000: "", 21_001: "min_rtt_step"} {
		e := newExample(t, sparse(t, "Asia/Shanghai", []string{"a1 a one optical both", "b1 b one optical both"}, nil), "2025-06")
		e.end(t, "a1", "b1", func(at time.Time) inWindow {
			if at.Day() >= 5 && at.Day() <= 7 && at.Hour() == 10 {
				return inWindow{us, 15, 0}
			}
			return inWindow{20_000, 15, 0}
		})
		e.end(t, "b1", "a1", always(20_000))
		flags := e.pair(t).Flags
		if codes(flags) != want {
			t.Errorf("%d µs: flags %s, want %s", us, codes(flags), want)
		}
		if want == "" {
			continue
		}
		params := map[string]any{"src": "a1", "dst": "b1", "days": 3, "at": "2025-06-05T10:00:00+08:00", "before_ms": 20.0, "after_ms": 21.001}
		if diff := cmp.Diff(params, flags[0].Params); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	// A step from one day to the next is none within a day.
	e := june(t)
	e.both(t, "a1", "b1", always(20_000).onDays(22_000, 15, 16, 17))
	if flags := e.pair(t).Flags; len(flags) > 0 {
		t.Errorf("flags are %s", codes(flags))
	}
}

// A second probe that runs while the network is idle makes of a month that is
// proven not to comply one that is proven to: then it has to be seen. All packets
// count, for two probes at one site may well be meant.
func TestMoreThanAsked(t *testing.T) {
	evening := func(at time.Time) bool { return at.Hour() == 20 || at.Hour() == 21 }
	for _, c := range []struct {
		name     string
		sessions uint64 // besides the first, outside the evening
		origin   wire.Origin
		want     string
	}{
		{"one probe", 0, wire.OriginMeasured, badAndProven + ", [min_rtt_step min_rtt_step]"},
		{"two", 1, wire.OriginMeasured, goodAndProven + ", [min_rtt_step more_than_asked min_rtt_step more_than_asked]"},
		{"imports", 1, wire.OriginImported, goodAndProven + ", [min_rtt_step min_rtt_step]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := june(t)
			for at := e.period.From; at.Before(e.period.To); at = at.Add(15 * time.Minute) {
				for session := range c.sessions + 1 {
					us := uint32(20_000)
					if evening(at) {
						us = 25_000
					}
					if session > 0 && evening(at) {
						continue
					}
					for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
						w := scenario.Window(e.m, ends[0], ends[1], at, scenario.Same(us, 15), 0)
						w.EndMS, w.Scheduled, w.Session, w.Origin = at.Add(15*time.Minute).UnixMilli(), w.Sent, session+1, c.origin
						w.Timestamps = e.timestamps
						e.s.Put(t, w)
					}
				}
			}
			p := e.pair(t)
			var flags []string
			for _, flag := range p.Flags {
				flags = append(flags, flag.Code)
			}
			if got := fmt.Sprintf("%s, %v", judged(p), flags); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
