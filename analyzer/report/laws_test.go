package report

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
)

// measured is what the ends of a made-up network saw within a minute, by link
// as "src>dst" of cluster letters.
type measured map[string]sample

type sample struct {
	rtts []uint32
	lost int
}

// drawMeasured draws plausible RTTs around the limits of scenario's clusters;
// some links lose much, and some are silent.
var drawMeasured = rapid.Custom(func(t *rapid.T) measured {
	links := measured{}
	for _, src := range "abc" {
		for _, dst := range "abc" {
			if src == dst || rapid.IntRange(0, 9).Draw(t, "silent") == 0 {
				continue
			}
			links[fmt.Sprintf("%c>%c", src, dst)] = sample{
				rtts: rapid.SliceOfN(rapid.Uint32Range(16_000, 30_000), 0, 40).Draw(t, "rtts"),
				lost: rapid.IntRange(0, 3).Draw(t, "lost"),
			}
		}
	}
	return links
})

// naming says how the sites of a made-up network are called and in which order
// they stand in the file.
type naming struct {
	site  map[rune]string
	order string
}

func plain() naming { return naming{map[rune]string{'a': "a1", 'b': "b1", 'c': "c1"}, "abc"} }

func (n naming) judge(tb testing.TB, links measured, p *policy.Policy) *api.Report {
	var sites []string
	for _, cluster := range n.order {
		sites = append(sites, fmt.Sprintf("%s %c one optical both", n.site[cluster], cluster))
	}
	m := scenario.Mesh(tb, "UTC", sites, nil)
	period := on(tb, m, "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z")
	s := &scenario.Store{}
	for _, link := range slices.Sorted(maps.Keys(links)) {
		s.Put(tb, scenario.Window(m, n.site[rune(link[0])], n.site[rune(link[2])], period.From, links[link].rtts, links[link].lost))
	}
	return build(tb, m, p, s, period)
}

// result is what does not depend on names.
func result(r *api.Report) []string {
	all := []string{fmt.Sprintf("%+v", r.Rate.Compliant)}
	for _, pair := range r.Pairs {
		line := fmt.Sprint(pair.Pair, pair.Verdict, codes(pair.Reasons), codes(pair.Flags), pair.LimitRTTMS, pair.Unbounded)
		if pair.Ratio != nil {
			line += fmt.Sprint(*pair.Ratio)
		}
		for _, end := range pair.Ends {
			line += fmt.Sprint(end.Sent, end.Lost, end.P95Unbounded)
		}
		all = append(all, line)
	}
	return all
}

func TestNamesAndOrderChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		links := drawMeasured.Draw(rt, "links")
		want := result(plain().judge(t, links, policy.Default()))
		letters := rapid.Permutation([]rune("abc")).Draw(rt, "order")
		names := rapid.Permutation([]string{"x", "m", "0"}).Draw(rt, "names")
		other := naming{map[rune]string{'a': names[0], 'b': names[1], 'c': names[2]}, string(letters)}
		if diff := cmp.Diff(want, result(other.judge(t, links, policy.Default()))); diff != "" {
			rt.Fatalf("renamed to %v in order %s (-before +after):\n%s", names, string(letters), diff)
		}
	})
}

func TestMoreLossNeverImproves(t *testing.T) {
	order := map[api.Verdict]int{api.Compliant: 0, api.NonCompliant: 1, api.NotDemonstrated: 2}
	rapid.Check(t, func(rt *rapid.T) {
		links := drawMeasured.Draw(rt, "links")
		var some []string
		for _, link := range slices.Sorted(maps.Keys(links)) {
			if len(links[link].rtts) > 0 {
				some = append(some, link)
			}
		}
		if len(some) == 0 {
			return
		}
		p := with(t, "statistic: p95", "statistic: "+rapid.SampledFrom([]string{"p50", "p95", "p99"}).Draw(rt, "statistic"))
		before := plain().judge(t, links, p)
		// One reply less, one loss more.
		link := rapid.SampledFrom(some).Draw(rt, "link")
		rtts := links[link].rtts
		at := rapid.IntRange(0, len(rtts)-1).Draw(rt, "packet")
		links[link] = sample{slices.Delete(slices.Clone(rtts), at, at+1), links[link].lost + 1}
		after := plain().judge(t, links, p)
		for i := range before.Pairs {
			b, a := before.Pairs[i], after.Pairs[i]
			if order[a.Verdict] < order[b.Verdict] || severity(a) < severity(b) {
				rt.Fatalf("a loss on %s turns %v from %s at %v to %s at %v", link, b.Pair, b.Verdict, severity(b), a.Verdict, severity(a))
			}
		}
	})
}

func TestTighterFactorNeverRaisesTheRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		links := drawMeasured.Draw(rt, "links")
		looser := rapid.IntRange(1000, 3000).Draw(rt, "looser")
		tighter := rapid.IntRange(1000, looser).Draw(rt, "tighter")
		rate := func(thousandths int) int {
			return plain().judge(t, links, with(t, "factor: 1.5", fmt.Sprintf("factor: %d.%03d", thousandths/1000, thousandths%1000))).Rate.Compliant
		}
		if l, tg := rate(looser), rate(tighter); tg > l {
			rt.Fatalf("%d pairs comply by %d/1000, %d by %d/1000", tg, tighter, l, looser)
		}
	})
}

// Whatever is shown agrees with the verdict, in the JSON and in the table.
func TestFiguresNeverContradict(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := plain().judge(t, drawMeasured.Draw(rt, "links"), policy.Default())
		shown := &table{Report: r}
		for i := range r.Pairs {
			p := &r.Pairs[i]
			if p.Ratio == nil || p.Verdict == api.NotDemonstrated {
				continue
			}
			complies := p.Verdict == api.Compliant
			if (*p.MeasuredRTTMS <= p.LimitRTTMS) != complies || (*p.Ratio <= r.Policy.Factor) != complies {
				rt.Fatalf("%s: %v ms of %v ms, ratio %v", p.Verdict, *p.MeasuredRTTMS, p.LimitRTTMS, *p.Ratio)
			}
			var limit, measured, ratio float64
			if _, err := fmt.Sscan(floor3(p.LimitRTTMS)+" "+measuredCell(p)+" "+shown.ratioCell(p), &limit, &measured, &ratio); err != nil {
				rt.Fatal(err)
			}
			if (measured <= limit) != complies || (ratio <= 1.5) != complies {
				rt.Fatalf("the table shows %v ms of %v ms, ratio %v as %s", measured, limit, ratio, p.Verdict)
			}
		}
	})
}

// The same input gives the same bytes, however the reading is spread over
// goroutines and whatever order the windows were put in.
func TestSameInputSameBytes(t *testing.T) {
	m, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	period := on(t, m, "2025-06-03T10:00:00+08:00", "2025-06-03T10:05:00+08:00")
	var first []byte
	for round := range 4 {
		random := rand.New(rand.NewPCG(7, 7))
		s := &scenario.Store{}
		type put struct {
			link mesh.Link
			at   time.Time
			rtts []uint32
		}
		var puts []put
		for _, link := range m.Links(m.Test(m.Judged), period.From, period.To) {
			for at := period.From; at.Before(period.To); at = at.Add(time.Minute) {
				p := put{link, at, make([]uint32, 60)}
				for i := range p.rtts {
					p.rtts[i] = 20_000 + random.Uint32N(20_000)
				}
				puts = append(puts, p)
			}
		}
		shuffle := rand.New(rand.NewPCG(uint64(round), 1))
		shuffle.Shuffle(len(puts), func(i, j int) { puts[i], puts[j] = puts[j], puts[i] })
		for _, p := range puts {
			s.Put(t, scenario.Window(m, p.link.Src, p.link.Dst, p.at, p.rtts, 0))
		}
		got, err := JSON(build(t, m, policy.Default(), s, period))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Fatalf("round %d gives other bytes:\n%s", round, cmp.Diff(strings.Split(string(first), "\n"), strings.Split(string(got), "\n")))
		}
	}
}
