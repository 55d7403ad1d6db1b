package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// A to b is the worked example: theoretical RTT 15 052.52 µs, limit 22 578.78 µs.
// Below 0.9 of the limit, 20 320.9 µs, a link is not near to it.
const (
	limitMS = 22.57878
	clearMS = 20.320902
)

// seen is what an end sees within a quarter of an hour. Further sets what the
// window tells besides.
type seen struct {
	rtts    []uint32
	lost    int
	further func(*wire.Window)
}

// sees says what an end sees at a time; nothing at all makes no window.
type sees func(at time.Time) seen

func rtts(us uint32) seen { return seen{rtts: scenario.Same(us, 15)} }

func always(s seen) sees { return func(time.Time) seen { return s } }

// when sees one thing at some times and another at others.
func when(is func(time.Time) bool, then, other seen) sees {
	return func(at time.Time) seen {
		if is(at) {
			return then
		}
		return other
	}
}

func hours(from, to int) func(time.Time) bool {
	return func(at time.Time) bool { return at.Hour() >= from && at.Hour() < to }
}

func between(from, to string) func(time.Time) bool {
	return func(at time.Time) bool {
		moment := at.Format("02 15:04")
		return from <= moment && moment < to
	}
}

// network asks for a packet a minute over some days.
type network struct {
	m       *mesh.Mesh
	store   scenario.Store
	period  report.Period
	policy  *policy.Policy
	archive []store.MeshVersion
}

func newNetwork(t testing.TB, days int, sites, distances []string) *network {
	t.Helper()
	if sites == nil {
		sites = []string{"a1 a one optical both", "b1 b one optical both"}
	}
	text := strings.Replace(string(scenario.Mesh(t, "Asia/Shanghai", sites, distances).Bytes()), "interval_ms: 1000", "interval_ms: 60000", 1)
	m, err := mesh.Parse("mesh.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, m.Location())
	return &network{m: m, period: report.Period{From: from, To: from.AddDate(0, 0, days)}, policy: policy.Default()}
}

func (n *network) end(t testing.TB, src, dst string, see sees) {
	t.Helper()
	for at := n.period.From; at.Before(n.period.To); at = at.Add(15 * time.Minute) {
		s := see(at)
		if len(s.rtts)+s.lost == 0 {
			continue
		}
		w := scenario.Window(n.m, src, dst, at, s.rtts, s.lost)
		w.EndMS, w.Scheduled, w.Timestamps = at.Add(15*time.Minute).UnixMilli(), w.Sent, wire.TimestampsHardware
		if s.further != nil {
			s.further(&w)
		}
		n.store.Put(t, w)
	}
}

func (n *network) both(t testing.TB, see sees) {
	t.Helper()
	n.end(t, "a1", "b1", see)
	n.end(t, "b1", "a1", see)
}

func (n *network) report(t testing.TB) *api.Report {
	t.Helper()
	plan, err := report.NewPlan(n.m, n.policy, n.period, n.archive)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Build(t.Context(), plan, &n.store, report.Options{Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pair is a–b, as its first link in the order of the mesh has it.
func (n *network) pair(t testing.TB) *api.Pair {
	t.Helper()
	return &n.report(t).Links[0]
}

func codes(reasons []api.Reason) string {
	var all []string
	for _, r := range reasons {
		all = append(all, r.Code)
	}
	return strings.Join(all, " ")
}

type params = map[string]any

// share is what a cause says that is a part of the packets.
func share(packets, all, above, aboveAll int, bound float64, without any, more params) params {
	p := params{
		"packets": uint64(packets), "packets_all": uint64(all), "above_packets": uint64(above), "above_packets_all": uint64(aboveAll),
		"bound_rtt_ms": bound, "without_rtt_ms": without,
	}
	for name, value := range more {
		p[name] = value
	}
	return p
}

func delay(packets, above int, bound, received float64) api.Reason {
	return api.Reason{Code: api.DiagnosisDelay, Params: params{
		"packets": uint64(packets), "above_packets": uint64(above), "bound_rtt_ms": bound, "received_rtt_ms": received,
	}}
}

// Each cause by itself, and what it says. A day is 1440 packets an end.
func TestCauses(t *testing.T) {
	path := func(s seen, further func(*wire.Window)) seen {
		s.further = further
		return s
	}
	oneWay := func(forward, reverse, errorUS uint32) seen {
		return path(rtts(forward+reverse), func(w *wire.Window) {
			w.OneWay = &wire.OneWay{
				Forward: wire.AppendRTTs(nil, scenario.Same(forward, 15)), Reverse: wire.AppendRTTs(nil, scenario.Same(reverse, 15)), ErrorUS: errorUS,
			}
		})
	}
	lossy := func(forward, reverse uint32) seen {
		return path(seen{rtts: scenario.Same(16_000, 18), lost: 2}, func(w *wire.Window) {
			w.STAMP = &wire.STAMP{RawRTTs: w.RTTs, ForwardLost: forward, ReverseLost: reverse}
		})
	}
	mixed := func(good, slow, lost int) seen {
		return seen{rtts: append(scenario.Same(16_000, good), scenario.Same(26_000, slow)...), lost: lost}
	}
	evening := hours(19, 23)
	for _, c := range []struct {
		name string
		days int
		put  func(*testing.T, *network)
		want []api.Reason
	}{
		{"the way is too long", 2, func(t *testing.T, n *network) { n.both(t, always(rtts(30_000))) }, []api.Reason{
			{Code: api.DiagnosisTooLong, Params: params{"min_rtt_ms": 30.0, "bound_rtt_ms": limitMS, "geodesic_rtt_ms": 9.791826, "stretch": 3.0638}},
		}},
		{"every evening", 10, func(t *testing.T, n *network) { n.both(t, when(evening, rtts(26_000), rtts(16_000))) }, []api.Reason{
			{Code: api.DiagnosisTimeOfDay, Params: share(4800, 28_800, 4800, 4800, limitMS, 16.0, params{"hours": []int{19, 20, 21, 22}})},
			delay(28_800, 4800, limitMS, 26),
		}},
		{"most evenings from one end", 10, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", when(func(at time.Time) bool { return evening(at) && at.Day() != 7 }, rtts(26_000), rtts(16_000)))
			n.end(t, "b1", "a1", always(rtts(16_000)))
		}, []api.Reason{
			{Code: api.DiagnosisTimeOfDay, Params: share(4800, 28_800, 2160, 2160, limitMS, 16.0, params{"hours": []int{19, 20, 21, 22}})},
			{Code: api.DiagnosisOneEnd, Params: share(14_400, 28_800, 2160, 2160, limitMS, 16.0, params{"src": "a1", "dst": "b1", "measured_rtt_ms": 26.0})},
			delay(28_800, 2160, limitMS, 26),
		}},
		{"two days", 10, func(t *testing.T, n *network) {
			n.both(t, when(func(at time.Time) bool { return at.Day() == 4 || at.Day() == 9 }, rtts(26_000), rtts(16_000)))
		}, []api.Reason{
			// Each is a lasting step as well, but explains less than half by itself.
			{Code: api.DiagnosisBadDays, Params: share(5760, 28_800, 5760, 5760, limitMS, 16.0, params{"days": []string{"2025-06-04", "2025-06-09"}, "days_all": 10})},
			delay(28_800, 5760, limitMS, 26),
		}},
		{"a day of losses", 10, func(t *testing.T, n *network) {
			n.both(t, when(func(at time.Time) bool { return at.Day() == 5 }, seen{lost: 15}, rtts(16_000)))
		}, []api.Reason{
			{Code: api.DiagnosisBadDays, Params: share(2880, 28_800, 2880, 2880, limitMS, 16.0, params{"days": []string{"2025-06-05"}, "days_all": 10})},
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(28_800), "lost": uint64(2880), "bound_rtt_ms": limitMS, "without_rtt_ms": 16.0}},
		}},
		{"a detour of some days", 10, func(t *testing.T, n *network) {
			n.both(t, func(at time.Time) seen {
				s := rtts(16_000)
				if between("03 10:00", "09 12:00")(at) {
					s = rtts(25_000)
				}
				switch at.Format("02 15:04") {
				case "03 10:00":
					s = path(s, func(w *wire.Window) {
						w.ReplyTTL = &wire.ReplyTTL{Min: 55, Max: 60, Changes: 1}
						w.Path = &wire.Path{Trigger: "ttl", AtMS: w.StartMS + 1}
					})
				case "06 10:00", "09 11:45":
					s = path(s, func(w *wire.Window) { w.ReplyTTL = &wire.ReplyTTL{Min: 55, Max: 60, Changes: 2} })
				}
				return s
			})
		}, []api.Reason{
			// 146 hours; most days are bad, so that none of them stands out.
			{Code: api.DiagnosisStep, Params: share(17_520, 28_800, 17_520, 17_520, limitMS, 16.0, params{
				"src": "a1", "dst": "b1", "from": "2025-06-03T10:00:00+08:00", "to": "2025-06-09T12:00:00+08:00",
				"low_rtt_ms": 16.0, "high_rtt_ms": 25.0, "ttl_changes": 3, "traces": 1,
			})},
			delay(28_800, 17_520, limitMS, 25),
		}},
		{"longer from the first day on", 6, func(t *testing.T, n *network) {
			n.both(t, when(between("01 00:00", "01 07:00"), rtts(16_000), rtts(25_000)))
		}, []api.Reason{
			{Code: api.DiagnosisStep, Params: share(16_440, 17_280, 16_440, 16_440, limitMS, 16.0, params{
				"src": "a1", "dst": "b1", "from": "2025-06-01T07:00:00+08:00", "to": nil,
				"low_rtt_ms": 16.0, "high_rtt_ms": 25.0, "ttl_changes": 0, "traces": 0,
			})},
			delay(17_280, 16_440, limitMS, 25),
		}},
		{"shorter from the last day on", 6, func(t *testing.T, n *network) {
			n.both(t, when(between("06 20:00", "07 00:00"), rtts(16_000), rtts(25_000)))
		}, []api.Reason{
			{Code: api.DiagnosisStep, Params: share(16_800, 17_280, 16_800, 16_800, limitMS, 16.0, params{
				"src": "a1", "dst": "b1", "from": nil, "to": "2025-06-06T20:00:00+08:00",
				"low_rtt_ms": 16.0, "high_rtt_ms": 25.0, "ttl_changes": 0, "traces": 0,
			})},
			delay(17_280, 16_800, limitMS, 25),
		}},
		{"two steps, of which one harms", 10, func(t *testing.T, n *network) {
			n.both(t, func(at time.Time) seen {
				switch {
				case at.Day() < 3:
					return rtts(16_000)
				case at.Day() < 5:
					return rtts(18_000)
				}
				return rtts(25_000)
			})
		}, []api.Reason{
			{Code: api.DiagnosisStep, Params: share(17_280, 28_800, 17_280, 17_280, limitMS, 18.0, params{
				"src": "a1", "dst": "b1", "from": "2025-06-05T00:00:00+08:00", "to": nil,
				"low_rtt_ms": 18.0, "high_rtt_ms": 25.0, "ttl_changes": 0, "traces": 0,
			})},
			delay(28_800, 17_280, limitMS, 25),
		}},
		{"one end", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(rtts(16_000)))
			n.end(t, "b1", "a1", always(rtts(26_000)))
		}, []api.Reason{
			{Code: api.DiagnosisOneEnd, Params: share(2880, 5760, 2880, 2880, limitMS, 16.0, params{"src": "b1", "dst": "a1", "measured_rtt_ms": 26.0})},
			delay(5760, 2880, limitMS, 26),
		}},
		{"one end that loses all", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(rtts(16_000)))
			n.end(t, "b1", "a1", always(seen{lost: 15}))
		}, []api.Reason{
			{Code: api.DiagnosisOneEnd, Params: share(2880, 5760, 2880, 2880, limitMS, 16.0, params{
				"src": "b1", "dst": "a1", "measured_rtt_ms": nil, "measured_unbounded": true,
			})},
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(5760), "lost": uint64(2880), "bound_rtt_ms": limitMS, "without_rtt_ms": 16.0}},
		}},
		{"lost on the way from a to b", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(lossy(2, 0)))
			n.end(t, "b1", "a1", when(hours(0, 6), lossy(1, 1), lossy(0, 2)))
		}, []api.Reason{
			// 192 windows an end, 48 of them at night; 20 packets each.
			{Code: api.DiagnosisDirectionLoss, Params: params{"from": "a1", "to": "b1", "lost": uint64(720), "lost_back": uint64(48), "lost_all": uint64(768)}},
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(7680), "lost": uint64(768), "bound_rtt_ms": limitMS, "without_rtt_ms": 16.0}},
		}},
		{"slow on the way from b to a", 2, func(t *testing.T, n *network) {
			n.end(t, "a1", "b1", always(oneWay(9_000, 17_000, 100)))
			n.end(t, "b1", "a1", always(oneWay(17_000, 9_000, 200)))
		}, []api.Reason{
			{Code: api.DiagnosisTooLong, Params: params{"min_rtt_ms": 26.0, "bound_rtt_ms": limitMS, "geodesic_rtt_ms": 9.791826, "stretch": 2.6553}},
			{Code: api.DiagnosisDirectionDelay, Params: params{"from": "b1", "to": "a1", "one_way_ms": 17.0, "one_way_back_ms": 9.0, "clock_error_ms": 0.2}},
		}},
		{"losses and nothing else", 2, func(t *testing.T, n *network) { n.both(t, always(mixed(14, 0, 1))) }, []api.Reason{
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(5760), "lost": uint64(384), "bound_rtt_ms": limitMS, "without_rtt_ms": 16.0}},
		}},
		{"all lost", 2, func(t *testing.T, n *network) { n.both(t, always(seen{lost: 15})) }, []api.Reason{
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(5760), "lost": uint64(5760), "bound_rtt_ms": limitMS, "without_rtt_ms": nil}},
		}},
		{"losses and delay, either of which would do", 2, func(t *testing.T, n *network) { n.both(t, always(mixed(16, 2, 2))) }, []api.Reason{
			{Code: api.DiagnosisLoss, Params: params{"packets": uint64(7680), "lost": uint64(768), "bound_rtt_ms": limitMS, "without_rtt_ms": 26.0}},
			delay(7680, 768, limitMS, 26),
		}},
		{"losses and delay only together", 2, func(t *testing.T, n *network) { n.both(t, always(mixed(94, 4, 2))) }, []api.Reason{
			delay(38_400, 1536, limitMS, 16),
		}},
		{"the way takes most of it", 2, func(t *testing.T, n *network) {
			n.both(t, always(seen{rtts: append(scenario.Same(21_500, 12), scenario.Same(23_000, 3)...)}))
		}, []api.Reason{
			delay(5760, 1152, limitMS, 23),
			{Code: api.DiagnosisStretch, Params: params{
				"min_rtt_ms": 21.5, "measured_rtt_ms": 23.0, "theoretical_rtt_ms": 15.05252, "geodesic_rtt_ms": 9.791826, "stretch": 2.1957,
			}},
		}},
		{"only just compliant of evenings", 10, func(t *testing.T, n *network) { n.both(t, when(evening, rtts(22_000), rtts(16_000))) }, []api.Reason{
			{Code: api.DiagnosisTimeOfDay, Params: share(4800, 28_800, 4800, 4800, clearMS, 16.0, params{"hours": []int{19, 20, 21, 22}})},
			delay(28_800, 4800, clearMS, 22),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.days, nil, nil)
			c.put(t, n)
			if diff := cmp.Diff(c.want, n.pair(t).Diagnosis); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The mean and the minimum are of the received packets: where an end lost all of
// its, no delay is to blame for that.
func TestNoDelayWhereAllIsLost(t *testing.T) {
	for _, statistic := range []policy.Statistic{policy.Mean, policy.Min} {
		n := newNetwork(t, 2, nil, nil)
		n.policy.Measurement.Statistic = statistic
		n.end(t, "a1", "b1", always(rtts(16_000)))
		n.end(t, "b1", "a1", always(seen{lost: 15}))
		if pair := n.pair(t); pair.Verdict != api.NonCompliant || len(pair.Diagnosis) > 0 {
			t.Errorf("%s: %s, %s", statistic, pair.Verdict, codes(pair.Diagnosis))
		}
	}
}

// What maintenance excuses tells nothing of a step either, and takes nothing
// from what is measured in the same hour.
func TestMaintenanceAtStep(t *testing.T) {
	n := newNetwork(t, 10, nil, nil)
	text := string(n.m.Bytes()) + "maintenance: [{id: splice, sites: [a1], from: 2025-06-05T00:01:00+08:00, until: 2025-06-05T00:02:00+08:00, reason: splicing}]\n"
	var err error
	if n.m, err = mesh.Parse("mesh.yaml", []byte(text)); err != nil {
		t.Fatal(err)
	}
	n.archive = []store.MeshVersion{{SHA256: n.m.SHA256(), Bytes: n.m.Bytes(), ServedFrom: n.period.From}}
	n.both(t, func(at time.Time) seen {
		s := rtts(16_000)
		if at.Day() >= 5 {
			s = rtts(25_000)
		}
		if at.Day() == 5 && at.Hour() == 0 {
			s.further = func(w *wire.Window) { w.ReplyTTL = &wire.ReplyTTL{Min: 55, Max: 60, Changes: 1} }
		}
		return s
	})
	step := n.pair(t).Diagnosis[0]
	// Of four windows in that hour the first is excused, as a whole.
	if step.Code != api.DiagnosisStep || step.Params["ttl_changes"] != 3 {
		t.Errorf("%+v", step)
	}
}
