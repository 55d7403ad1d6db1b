package endtoend

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestRecomputeWhy has Python compute reports of links that each do badly for a
// reason of its own, so that every code of a diagnosis is compared; of imports
// without samples; of a month that is not over, with the months before it; and
// of periods shorter than a day.
func TestRecomputeWhy(t *testing.T) {
	needsPython(t)
	c := &recomputed{dir: t.TempDir(), programs: bin(t), mesh: filepath.Join("testdata", "recompute-why-mesh.yaml")}
	c.why(t, "2091-03", 25)
	seen := map[string]bool{}
	for _, test := range []struct {
		name   string
		change []string // of the default policy
		of     []string // the period
		before []string // that of the trend
	}{
		{"month and those before", []string{"trials: 10000", "trials: 1000", "months: 12", "months: 4"}, []string{"--period", "2091-03"}, []string{"--from", "2090-10-01", "--to", "2091-03-01"}},
		{"mean", []string{"statistic: p95", "statistic: mean", "complete_days: 20", "complete_days: 31", "near: 0.1", "near: 0.3"}, []string{"--from", "2091-03-09", "--to", "2091-03-20"}, nil},
		{"min", []string{"statistic: p95", "statistic: min", "complete_days: 20", "complete_days: 31", "cause: 0.5", "cause: 1  "}, []string{"--from", "2091-03-01", "--to", "2091-03-06"}, nil},
		{"three hours", nil, []string{"--from", "2091-03-12T01:00:00+01:00", "--to", "2091-03-12T04:00:00+01:00"}, nil},
		{"day of 23 hours", nil, []string{"--period", "2091-03-25"}, nil},
		{"23 hours", nil, []string{"--from", "2091-03-12", "--to", "2091-03-12T23:00:00+01:00"}, nil},
		{"days from within an hour", []string{"statistic: p95", "statistic: p50", "factor: 1.5", "factor: 1.2"}, []string{"--from", "2091-03-08T10:07:30.25+01:00", "--to", "2091-03-13T07:00:00.001+01:00"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := *c
			c.policy = write(t, "policy.yaml", changed(t, test.change))
			c.of, c.before = test.of, test.before
			c.compare(t)
			var r api.Report
			decode(t, read(t, filepath.Join(c.dir, "report.json")), &r)
			note(seen, &r)
		})
	}
	for _, branch := range []string{
		api.DiagnosisTooLong, api.DiagnosisStep, api.DiagnosisBadDays, api.DiagnosisTimeOfDay, api.DiagnosisOneEnd, api.DiagnosisDirectionLoss,
		api.DiagnosisDirectionDelay, api.DiagnosisLoss, api.DiagnosisDelay, api.DiagnosisStretch, api.DiagnosisOtherCarrier,
		"ttl_changes", "traces", "step from the beginning", "step to the end",
		api.FlagResidence, api.FlagSummed, api.FlagSummaries, api.ReasonOnlyBounds, api.ReasonBoundAbove, api.ReasonTooFewPackets,
		"running", "demonstration", "two months before", "bounded mean", "bounded and compliant",
	} {
		if !seen[branch] {
			t.Errorf("%s is in no report: nothing of it was compared", branch)
		}
	}
}

// changed is the default policy with some texts replaced.
func changed(t *testing.T, change []string) string {
	t.Helper()
	text := string(policy.DefaultBytes())
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(text, change[i]) {
			t.Fatalf("the default policy has no %q", change[i])
		}
	}
	return strings.NewReplacer(change...).Replace(text)
}

// why fills the store with a month up to a day of it, and with less in two of
// the three months before.
func (c *recomputed) why(t *testing.T, month string, days int) {
	t.Helper()
	m, err := mesh.Load(c.mesh)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open.Writer(t.Context(), c.store(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from, err := time.ParseInLocation("2006-01", month, m.Location())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutMesh(t.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: from}); err != nil {
		t.Fatal(err)
	}
	for i, months := range []int{0, -1, -3} {
		begin, end := from.AddDate(0, months, 0), from.AddDate(0, months+1, 0)
		if months == 0 {
			end = from.AddDate(0, 0, days)
		}
		k := &culprits{mesh: m, random: rand.New(rand.NewPCG(2091, uint64(i))), from: begin}
		for _, link := range m.Links(m.Test(m.Judged), begin, end) {
			if months < 0 && !strings.HasPrefix(link.Src+link.Dst, "a1near") && !strings.HasPrefix(link.Src+link.Dst, "near") && link.Src != "days1" && link.Dst != "days1" {
				continue
			}
			var windows []wire.Window
			for at := begin; at.Before(end); at = at.Add(15 * time.Minute) {
				if quiet := at.In(m.Location()).Format("02 15:04"); strings.HasSuffix(link.Src+link.Dst, "both1") && "12 01:15" <= quiet && quiet < "12 03:45" {
					continue
				}
				w := k.window(link, at)
				if err := w.Check(); err != nil {
					t.Fatalf("%v: %v", w.Key, err)
				}
				windows = append(windows, w)
			}
			if err := s.Put(t.Context(), store.Admission{At: end, Site: link.Src, Batch: fmt.Sprint(link, months), MeshSHA256: m.SHA256(), Windows: windows}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// culprits makes windows of links that each have one thing wrong. With 800 km
// the theoretical RTT is 7835 µs, the limit 11 752, and near to it is what is
// above 10 577.
type culprits struct {
	mesh   *mesh.Mesh
	random *rand.Rand
	from   time.Time
}

func (k *culprits) window(link mesh.Link, at time.Time) wire.Window {
	a, b := k.mesh.Site(link.Src), k.mesh.Site(link.Dst)
	local := at.In(k.from.Location())
	w := wire.Window{
		Key:        wire.Key{Src: link.Src, Dst: link.Dst, Test: k.mesh.Judged, Session: 1, StartMS: at.UnixMilli()},
		SrcCluster: a.Cluster, DstCluster: b.Cluster, Carrier: a.Carrier, Plane: string(a.Plane), Method: "stamp",
		EndMS: at.Add(15 * time.Minute).UnixMilli(), EndReason: wire.EndFull, Timestamps: wire.TimestampsHardware,
		Clock: wire.Clock{State: wire.ClockSynchronised}, Origin: wire.OriginSynthetic, MeshSHA256: k.mesh.SHA256(), ProbeVersion: "test",
		STAMP: &wire.STAMP{ResidenceMaxUS: uint32(k.random.IntN(150))}, ReplyTTL: &wire.ReplyTTL{Min: 50, Max: 50},
	}
	story, there := b.Cluster, true // whose, and whether it is measured from a
	if story == "a" {
		story, there = a.Cluster, false
	}
	base, spread, loss := 8500.0, 100.0, 0.0
	switch hour := local.Sub(k.from).Hours(); story {
	case "lost":
		loss = 0.08
	case "slow":
		base = 11_000
		spread = 600
	case "long":
		if a.Carrier == "one" {
			base = 12_500
		}
	case "step":
		// Two levels explain it; the shorter one begins while works excuse it.
		if 4*24 <= hour {
			base = 9300
		}
		if 11*24+2 <= hour && hour < 23*24+9 {
			base = 12_000
		}
		if h := int(hour); 10*24+22 <= h && h <= 11*24+4 || h == 23*24+9 || h == 23*24+8 {
			w.ReplyTTL.Changes, w.Path = uint32(1+h%3), &wire.Path{Trigger: "ttl", AtMS: w.StartMS + 1}
		}
	case "begin": // down within the last day of what there is
		if hour < 24*24+9 {
			base = 12_000
		}
	case "last": // up within the first
		if hour >= 7 {
			base = 12_000
		}
	case "days":
		// On the other days these hours are no worse than others.
		if d, h := local.Day(), local.Hour(); (d == 4 || d == 9) && h >= 4 && h < 22 {
			base = 12_200
		}
	case "clock":
		if h := local.Hour(); h >= 19 && h < 23 || h == 2 {
			base = 11_700
		}
	case "end":
		if there {
			base, spread = 11_500, 300
		}
	case "far":
		base, spread = 10_900, 350
	case "near":
		base, spread = 10_000, 300
	case "both":
		base, spread, loss = 8500, 900, 0.025
	case "part":
		base, spread = 9500, 500
	}
	k.fill(&w, story, there, base, spread, loss)
	return w
}

func (k *culprits) fill(w *wire.Window, story string, there bool, base, spread, loss float64) {
	r := k.random
	var rtts, forward, reverse []uint32
	for range 5 {
		rtt := uint32(base + spread*r.ExpFloat64())
		switch {
		case r.Float64() < loss:
			w.Lost++
			if there == (r.Float64() < 0.85) {
				w.STAMP.ForwardLost++
			} else {
				w.STAMP.ReverseLost++
			}
		case r.Float64() < 0.002:
			w.Unstamped++
		default:
			rtts = append(rtts, rtt)
			out := uint32(float64(rtt) * 0.65)
			if !there {
				out = rtt - out
			}
			forward, reverse = append(forward, out), append(reverse, rtt-out)
		}
	}
	for _, s := range [][]uint32{rtts, forward, reverse} {
		slices.Sort(s)
	}
	w.Received = uint32(len(rtts)) + w.Unstamped
	w.Sent, w.Scheduled = w.Received+w.Lost, w.Received+w.Lost
	w.RTTs, w.Stats = wire.AppendRTTs(nil, rtts), wire.StatsOf(rtts)
	switch story {
	case "far": // by clocks that are too far off to tell
		w.OneWay = &wire.OneWay{Forward: wire.AppendRTTs(nil, forward), Reverse: wire.AppendRTTs(nil, reverse), ErrorUS: 900}
	case "slow":
		if r.Float64() < 0.9 {
			w.OneWay = &wire.OneWay{Forward: wire.AppendRTTs(nil, forward), Reverse: wire.AppendRTTs(nil, reverse), ErrorUS: uint32(100 + r.IntN(200))}
		}
		if r.Float64() < 0.001 {
			w.STAMP.ResidenceMaxUS = uint32(201 + r.IntN(100))
		}
	case "sum", "mean", "mixed", "above":
		k.summarise(w, story, rtts)
	}
}

// summarise makes an import without samples of a window, or leaves it.
func (k *culprits) summarise(w *wire.Window, story string, rtts []uint32) {
	r := k.random
	give := map[string]string{"sum": "min mean max", "mean": "mean", "above": "min mean max"}[story]
	if story == "mixed" {
		if give = []string{"", "", "min mean max", "min max", "mean", "max", "min", "min mean", "mean max"}[r.IntN(9)]; give == "" {
			return
		}
	}
	if len(rtts) == 0 {
		return
	}
	if story == "above" { // most of it beyond the limit, whatever the shape
		for i := range rtts {
			rtts[i] += 5000
		}
	}
	w.Origin, w.Summary = wire.OriginImported, &wire.Summary{Source: "elsewhere"}
	stats := wire.StatsOf(rtts)
	if strings.Contains(give, "min") {
		w.Summary.MinUS = &stats.MinUS
	}
	if strings.Contains(give, "mean") {
		w.Summary.MeanUS = &stats.MeanUS
	}
	if strings.Contains(give, "max") {
		w.Summary.MaxUS = &stats.MaxUS
	}
	w.RTTs, w.Stats, w.STAMP, w.ReplyTTL = nil, nil, nil, nil
	if r.Float64() < 0.002 { // of nobody knows how many packets
		w.Counts = wire.Counts{Scheduled: w.Scheduled}
	}
}
