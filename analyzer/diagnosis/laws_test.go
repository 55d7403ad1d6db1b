package diagnosis_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// What is no cause, or none of that kind.
func TestNoCause(t *testing.T) {
	oneWay := func(forward, reverse, errorUS uint32) seen {
		s := rtts(forward + reverse)
		s.further = func(w *wire.Window) {
			w.OneWay = &wire.OneWay{
				Forward: wire.AppendRTTs(nil, slices.Repeat([]uint32{forward}, 15)), Reverse: wire.AppendRTTs(nil, slices.Repeat([]uint32{reverse}, 15)), ErrorUS: errorUS,
			}
		}
		return s
	}
	evening := hours(19, 23)
	for _, c := range []struct {
		name string
		days int
		put  func(*testing.T, *network)
		want string
	}{
		{"well within the limit", 2, func(t *testing.T, n *network) { n.both(t, always(rtts(16_000))) }, ""},
		{"just not near to the limit", 2, func(t *testing.T, n *network) { n.both(t, always(rtts(20_320))) }, ""},
		{"just near to the limit", 2, func(t *testing.T, n *network) { n.both(t, always(rtts(20_321))) }, "route_too_long"},
		{"not demonstrated", 2, func(t *testing.T, n *network) { n.end(t, "a1", "b1", always(rtts(30_000))) }, ""},
		{"silent at the time it is slow", 3, func(t *testing.T, n *network) {
			n.both(t, func(at time.Time) seen {
				if evening(at) {
					return seen{}
				}
				return rtts(30_000)
			})
		}, ""},
		// Hours of one day only are no time of day.
		{"one evening of a day", 1, func(t *testing.T, n *network) { n.both(t, when(evening, rtts(26_000), rtts(16_000))) }, "delay"},
		{"one evening of three", 3, func(t *testing.T, n *network) {
			n.both(t, when(between("02 19:00", "02 23:00"), rtts(26_000), rtts(16_000)))
		}, "bad_days delay"},
		{"one evening of two", 2, func(t *testing.T, n *network) {
			n.both(t, when(between("02 19:00", "02 23:00"), rtts(26_000), rtts(16_000)))
		}, "delay"},
		// A step has to last for a day.
		{"23 hours", 3, func(t *testing.T, n *network) {
			n.both(t, when(between("02 00:00", "02 23:00"), rtts(26_000), rtts(16_000)))
		}, "bad_days delay"},
		{"24 hours", 3, func(t *testing.T, n *network) {
			n.both(t, when(between("02 00:00", "03 00:00"), rtts(26_000), rtts(16_000)))
		}, "lasting_step bad_days delay"},
		{"a step that explains nothing", 4, func(t *testing.T, n *network) {
			n.both(t, func(at time.Time) seen {
				s := rtts(16_000)
				if at.Day() > 2 {
					s = rtts(17_000)
				}
				s.rtts[0] = 26_000
				return s
			})
		}, "delay"},
		{"both ends alike", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(rtts(22_578)))
			n.end(t, "b1", "a1", always(seen{rtts: append(slices.Repeat([]uint32{22_578}, 14), 22_579)}))
		}, "one_end delay stretch"},
		{"one end a little more often", 2, func(t *testing.T, n *network) {
			slow := func(of100 int) seen {
				return seen{rtts: append(slices.Repeat([]uint32{16_000}, 100-of100), slices.Repeat([]uint32{26_000}, of100)...)}
			}
			n.end(t, "a1", "b1", always(slow(5)))
			n.end(t, "b1", "a1", always(slow(6)))
		}, "delay"},
		{"one end much more often", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", when(func(at time.Time) bool { return at.Minute() == 0 && at.Hour()%2 == 0 }, rtts(26_000), rtts(16_000)))
			n.end(t, "b1", "a1", always(rtts(26_000)))
		}, "delay"},
		{"losses that nobody tells apart", 2, func(t *testing.T, n *network) {
			n.both(t, always(seen{rtts: slices.Repeat([]uint32{16_000}, 13), lost: 2}))
		}, "loss"},
		// (17 − 9 − 2 × error) of the 26 − 15.05 ms beyond the theoretical RTT.
		{"a direction within what clocks allow", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(oneWay(17_000, 9_000, 1_300)))
			n.end(t, "b1", "a1", always(oneWay(9_000, 17_000, 100)))
		}, "route_too_long"},
		{"a direction beyond what clocks allow", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(oneWay(17_000, 9_000, 1_200)))
			n.end(t, "b1", "a1", always(oneWay(9_000, 17_000, 100)))
		}, "route_too_long one_direction_delay"},
		{"a direction by clocks that say nothing", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(oneWay(17_000, 9_000, 0)))
			n.end(t, "b1", "a1", always(oneWay(9_000, 17_000, 0)))
		}, "route_too_long"},
		{"a direction of few packets", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", when(hours(0, 11), oneWay(17_000, 9_000, 100), rtts(26_000)))
			n.end(t, "b1", "a1", when(hours(0, 11), oneWay(9_000, 17_000, 100), rtts(26_000)))
		}, "route_too_long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.days, nil, nil)
			c.put(t, n)
			pair := n.pair(t)
			if got := codes(pair.Diagnosis); got != c.want {
				t.Errorf("%s: %q, want %q", pair.Verdict, got, c.want)
			}
			if pair.Diagnosis == nil {
				t.Error("null in JSON")
			}
		})
	}
}

// Links that are alike at all times do not get a time, an end or a day named,
// even if they fail or comply by a hair.
func TestNoiseIsNoCause(t *testing.T) {
	links := 60
	if testing.Short() {
		links = 6
	}
	for i := range links {
		random := rand.New(rand.NewPCG(uint64(i), 11))
		statistic := []string{"p50", "p95", "p99"}[i%3]
		aim := []float64{0.5, 0.05, 0.01}[i%3]
		n := newNetwork(t, 2+i%8, nil, nil)
		n.policy = with(t, "statistic: p95", "statistic: "+statistic)
		rate := aim * (0.9 + 0.3*random.Float64())
		n.both(t, func(time.Time) seen {
			s := rtts(0)
			for p := range s.rtts {
				s.rtts[p] = 16_000 + random.Uint32N(2_000)
				if random.Float64() < rate {
					s.rtts[p] += 7_000
				}
			}
			return s
		})
		pair := n.pair(t)
		for _, code := range strings.Fields(codes(pair.Diagnosis)) {
			if code != api.DiagnosisDelay {
				t.Errorf("link %d, %d days, %s of %s, %.4f above: %s", i, 2+i%8, pair.Verdict, statistic, rate, codes(pair.Diagnosis))
			}
		}
	}
}

func with(t testing.TB, replace ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(strings.NewReplacer(replace...).Replace(string(policy.DefaultBytes()))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Where the distance changes, the diagnosis is about the part that fails.
func TestDistanceChanged(t *testing.T) {
	n := newNetwork(t, 10, nil, []string{
		"{clusters: [a, b], km: 1537, class: A, source: register, until: 2025-06-06}",
		"{clusters: [a, b], km: 1200, class: A, source: register, from: 2025-06-06}",
	})
	// 1200 km: limit 17 628.195 µs.
	n.both(t, func(at time.Time) seen {
		if at.Day() < 6 || hours(19, 23)(at) {
			return rtts(18_000)
		}
		return rtts(13_000)
	})
	want := []api.Reason{
		{Code: api.DiagnosisTimeOfDay, Params: share(2400, 14_400, 2400, 2400, 17.628195, 13.0, params{"hours": []int{19, 20, 21, 22}})},
		delay(14_400, 2400, 17.628195, 18),
	}
	if diff := cmp.Diff(want, n.pair(t).Diagnosis); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What maintenance excuses explains nothing, neither by its packets nor by
// what they tell of the way.
func TestMaintenance(t *testing.T) {
	n := newNetwork(t, 10, nil, nil)
	text := string(n.m.Bytes()) + "maintenance: [{id: splice, sites: [a1], from: 2025-06-03T02:00:00+08:00, until: 2025-06-03T04:00:00+08:00, reason: splicing}]\n"
	var err error
	if n.m, err = mesh.Parse("mesh.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	n.archive = []store.MeshVersion{{SHA256: n.m.SHA256(), Bytes: n.m.Bytes(), ServedFrom: n.period.From}}
	lossy := func(s seen, forward, reverse uint32) seen {
		s.further = func(w *wire.Window) {
			w.STAMP = &wire.STAMP{RawRTTs: w.RTTs, ForwardLost: forward, ReverseLost: reverse}
		}
		return s
	}
	usual := slices.Repeat([]uint32{16_000}, 18)
	excused := between("03 02:00", "03 04:00")
	n.end(t, "a1", "b1", when(excused, lossy(seen{rtts: rtts(12_000).rtts, lost: 100}, 0, 100), lossy(seen{rtts: usual, lost: 2}, 2, 0)))
	n.end(t, "b1", "a1", when(excused, lossy(seen{rtts: rtts(40_000).rtts}, 0, 0), lossy(seen{rtts: usual, lost: 2}, 0, 2)))
	want := []api.Reason{
		// 952 windows an end.
		{Code: api.DiagnosisDirectionLoss, Params: params{"from": "a1", "to": "b1", "lost": uint64(3808), "lost_back": uint64(0), "lost_all": uint64(3808)}},
		{Code: api.DiagnosisLoss, Params: params{"packets": uint64(38_080), "lost": uint64(3808), "bound_rtt_ms": limitMS, "without_rtt_ms": 16.0}},
	}
	if diff := cmp.Diff(want, n.pair(t).Diagnosis); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A carrier whose link fails where others comply is told which; the pair itself
// complies then, by the best of them.
func TestOtherCarriers(t *testing.T) {
	n := newNetwork(t, 2, []string{
		"a1 a one optical both", "b1 b one optical both", "a2 a two optical both", "b2 b two optical both",
		"a3 a three optical both", "b3 b three optical both", "a4 a three private-ip both", "b4 b three private-ip both",
	}, nil)
	for link, us := range map[string]uint32{"12": 30_000, "23": 16_000, "34": 18_000, "45": 30_000} {
		src, dst := "a"+link[:1], "b"+link[:1]
		n.end(t, src, dst, always(rtts(us)))
		n.end(t, dst, src, always(rtts(us)))
	}
	r := n.report(t)
	got := map[string]string{}
	for _, l := range r.Links {
		got[l.Sites[0]] = codes(l.Diagnosis)
	}
	want := map[string]string{"a1": "route_too_long other_carrier_complies", "a2": "", "a3": "", "a4": "route_too_long"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	last := r.Links[0].Diagnosis[1].Params
	if diff := cmp.Diff(params{"carriers": []string{"two", "three"}, "ratios": []float64{1.0629, 1.1958}}, last); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if pair := r.Pairs[0]; pair.Carrier != "two" || len(pair.Diagnosis) > 0 {
		t.Errorf("the pair is of carrier %s: %s", pair.Carrier, codes(pair.Diagnosis))
	}
}

// packet is what the naive diagnosis knows of one.
type packet struct {
	end  string
	at   time.Time
	us   int64
	lost bool
}

// statistic is that of the worse end, by sorting: µs, or −1 for endless; false
// without packets.
func statistic(name string, packets []packet) (us int64, ok bool) {
	for _, end := range []string{"a1", "b1"} {
		var all []int64
		lost := 0
		sum := int64(0)
		for _, p := range packets {
			switch {
			case p.end != end:
			case p.lost:
				lost++
			default:
				all = append(all, p.us)
				sum += p.us
			}
		}
		n := len(all)
		if n+lost == 0 {
			continue
		}
		slices.Sort(all)
		own := int64(-1)
		percent := map[string]int{"p50": 50, "p95": 95, "p99": 99}[name]
		switch {
		case n == 0:
		case name == "mean":
			own = (2*sum + int64(n)) / int64(2*n)
		case name == "min":
			own = all[0]
		default:
			if rank := ((n+lost)*percent + 99) / 100; rank <= n {
				own = all[rank-1]
			}
		}
		if !ok || own < 0 || us >= 0 && own > us {
			us, ok = own, true
		}
	}
	return us, ok
}

// naive finds again what a cause says, from the packets themselves.
type naive struct {
	*testing.T
	statistic string
	cause     *big.Rat
	packets   []packet
}

func (n *naive) above(bound float64) func(packet) bool {
	return func(p packet) bool { return p.lost || float64(p.us)/1000 > bound }
}

func (n *naive) counts(packets []packet, bound float64) (all, above uint64) {
	for _, p := range packets {
		if p.lost && (n.statistic == "mean" || n.statistic == "min") {
			continue
		}
		all++
		if n.above(bound)(p) {
			above++
		}
	}
	return all, above
}

// part holds a cause that is a part of the packets against these.
func (n *naive) part(r api.Reason, in func(packet) bool) {
	var part, rest []packet
	for _, p := range n.packets {
		if in(p) {
			part = append(part, p)
		} else {
			rest = append(rest, p)
		}
	}
	bound := r.Params["bound_rtt_ms"].(float64)
	packets, above := n.counts(part, bound)
	all, aboveAll := n.counts(n.packets, bound)
	got := fmt.Sprint(r.Params["packets"], r.Params["above_packets"], r.Params["packets_all"], r.Params["above_packets_all"])
	if want := fmt.Sprint(packets, above, all, aboveAll); got != want {
		n.Fatalf("%s: counts %s, want %s", r.Code, got, want)
	}
	// Of what is above, so much would be gone at the rate of the rest.
	expected := big.NewRat(int64(all*(aboveAll-above)), int64(all-packets))
	gone := new(big.Rat).Sub(new(big.Rat).SetUint64(aboveAll), expected)
	if gone.Cmp(new(big.Rat).Mul(n.cause, new(big.Rat).SetUint64(aboveAll))) < 0 {
		n.Fatalf("%s explains %s of %d", r.Code, gone.RatString(), aboveAll)
	}
	n.rtt(r, "without", rest)
}

func (n *naive) rtt(r api.Reason, name string, packets []packet) {
	us, ok := statistic(n.statistic, packets)
	got, unbounded := r.Params[name+"_rtt_ms"], r.Params[name+"_unbounded"] == true
	var want any
	if ok && us >= 0 {
		want = float64(us) / 1000
	}
	if got != want || unbounded != (ok && us < 0) {
		n.Fatalf("%s: %s is %v (%v), want %v", r.Code, name, got, unbounded, want)
	}
}

func (n *naive) received() (received []packet) {
	for _, p := range n.packets {
		if !p.lost {
			received = append(received, p)
		}
	}
	return received
}

func (n *naive) hold(r api.Reason) {
	moment := func(name string) (time.Time, bool) {
		text, ok := r.Params[name].(string)
		if !ok {
			return time.Time{}, false
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			n.Fatal(err)
		}
		return at, true
	}
	shortest, _ := statistic("min", n.received())
	for _, p := range n.received() {
		shortest = min(shortest, p.us)
	}
	switch r.Code {
	case api.DiagnosisTimeOfDay:
		hours := r.Params["hours"].([]int)
		n.part(r, func(p packet) bool { return slices.Contains(hours, p.at.Hour()) })
	case api.DiagnosisBadDays:
		days := r.Params["days"].([]string)
		n.part(r, func(p packet) bool { return slices.Contains(days, p.at.Format(time.DateOnly)) })
	case api.DiagnosisStep:
		from, begins := moment("from")
		to, ends := moment("to")
		n.part(r, func(p packet) bool { return (!begins || !p.at.Before(from)) && (!ends || p.at.Before(to)) })
	case api.DiagnosisOneEnd:
		n.part(r, func(p packet) bool { return p.end == r.Params["src"] })
		if with, _ := statistic(n.statistic, n.packets); r.Params["measured_rtt_ms"] != any(float64(with)/1000) && with >= 0 {
			n.Fatalf("one_end: %v, the link has %d µs", r.Params["measured_rtt_ms"], with)
		}
	case api.DiagnosisLoss:
		n.rtt(r, "without", n.received())
	case api.DiagnosisDelay:
		n.rtt(r, "received", n.received())
	case api.DiagnosisTooLong:
		if r.Params["min_rtt_ms"] != any(float64(shortest)/1000) || float64(shortest)/1000 <= r.Params["bound_rtt_ms"].(float64) {
			n.Fatalf("route_too_long: %v, the shortest is %d µs", r.Params, shortest)
		}
	case api.DiagnosisStretch:
		if r.Params["min_rtt_ms"] != any(float64(shortest)/1000) {
			n.Fatalf("stretch: %v, the shortest is %d µs", r.Params, shortest)
		}
	default:
		n.Fatalf("%s of plain packets", r.Code)
	}
}

// Whatever is named holds when it is computed again from the packets. The links
// are drawn by fixed seeds, so that each kind of cause is among them.
func TestCausesHold(t *testing.T) {
	links := 400
	if testing.Short() {
		links = 100
	}
	named := map[string]int{}
	for i := range links {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			n, held := drawn(t, rand.New(rand.NewPCG(uint64(i), 5)))
			pair := n.pair(t)
			if pair.Verdict == api.NonCompliant && len(pair.Diagnosis) == 0 {
				t.Error("nothing is said of a link that fails")
			}
			for _, r := range pair.Diagnosis {
				if bound, ok := r.Params["bound_rtt_ms"]; ok && (pair.Verdict == api.NonCompliant) != (bound == any(limitMS)) {
					t.Errorf("%s: a link that is %s is held against %v ms", r.Code, pair.Verdict, bound)
				}
				named[r.Code]++
				held.hold(r)
			}
		})
	}
	for _, code := range []string{
		api.DiagnosisTooLong, api.DiagnosisStep, api.DiagnosisBadDays, api.DiagnosisTimeOfDay, api.DiagnosisOneEnd,
		api.DiagnosisLoss, api.DiagnosisDelay, api.DiagnosisStretch,
	} {
		if named[code] < 3 {
			t.Errorf("%s was named %d times, so next to nothing was held against the packets", code, named[code])
		}
	}
}

// drawn makes a network up, with one thing or another that is out of order.
func drawn(t *testing.T, random *rand.Rand) (*network, *naive) {
	t.Helper()
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	n := newNetwork(t, 1+random.IntN(6), nil, nil)
	held := &naive{T: t, statistic: pick("p50", "p95", "p95", "p99", "mean", "min")}
	cause := pick("0.2", "0.5", "0.9")
	held.cause, _ = new(big.Rat).SetString(cause)
	n.policy = with(t, "statistic: p95", "statistic: "+held.statistic, "cause: 0.5", "cause: "+cause)
	base := 15_000 + random.Uint32N(9_000)
	slowHour, slowDay, lossEvery := random.IntN(24), 1+random.IntN(6), []int{5, 15, 100, 10_000}[random.IntN(4)]
	stepAt := n.period.From.Add(time.Duration(1+random.IntN(120)) * time.Hour)
	fault := pick("hour", "day", "end", "step", "none", "all")
	more := []int64{3_000, 9_000}[random.IntN(2)]
	for _, ends := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
		n.end(t, ends[0], ends[1], func(at time.Time) seen {
			s := seen{}
			for range 15 {
				p := packet{end: ends[0], at: at, us: int64(base + random.Uint32N(2_000)), lost: random.IntN(lossEvery) == 0}
				for name, hit := range map[string]bool{
					"hour": (at.Hour()-slowHour+24)%24 < 3, "day": at.Day() == slowDay, "end": ends[0] == "b1", "step": !at.Before(stepAt),
				} {
					if hit && (fault == name || fault == "all") {
						p.us += more
					}
				}
				held.packets = append(held.packets, p)
				if p.lost {
					s.lost++
				} else {
					s.rtts = append(s.rtts, uint32(p.us))
				}
			}
			return s
		})
	}
	return n, held
}
