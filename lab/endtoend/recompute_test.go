package endtoend

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestRecomputeNational has Python compute every field of the report on a
// generated month of the national mesh, from the export. The mesh's rate of a
// packet a second is brought down to one in half a minute: Python takes minutes
// for the rows of that.
func TestRecomputeNational(t *testing.T) {
	needsPython(t)
	programs, dir := bin(t), t.TempDir()
	text := string(read(t, filepath.Join(repository, "mesh", "national.yaml")))
	head, _, _ := strings.Cut(text, "\nmeasure:\n")
	text = head + `
measure:
  - {test: stamp, method: stamp, links: [{}], interval_ms: 30000, size_bytes: 128, window_s: 900}
judged: stamp
`
	c := &recomputed{dir: dir, programs: programs, mesh: write(t, "mesh.yaml", text), of: []string{"--period", "2025-06"}}
	c.policy = write(t, "policy.yaml", string(policy.DefaultBytes()))
	wan := write(t, "wan.yaml", string(read(t, filepath.Join("..", "national-wan.yaml")))+`
history:
  diurnal: {peak: "21:00", delay_ms: 0.4, jitter: 3, loss: 5}
  path_changes: {per_year: 12, lasting_percent: 30, hours: 20, step_percent: 8, hops: 3}
  lossy: {per_year: 20, minutes: 120, loss_percent: 30}
  silent: {per_year: 30, hours: 9}
  clock_error_us: 400
`)
	c.program(t, "lab", "generate", "--mesh", c.mesh, "--wan", wan, "--from", "2025-06", "--to", "2025-06", "--store", c.store())
	c.compare(t)
}

// TestRecomputeHard does the same on months made up to reach every branch of the
// definition, and by other policies.
func TestRecomputeHard(t *testing.T) {
	needsPython(t)
	programs := bin(t)
	seen := map[string]bool{}
	for _, test := range []struct {
		name   string
		seed   uint64
		change []string // of the default policy: what, and by what
	}{
		{"default", 0, nil},
		{"mean, worst site", 1, []string{"statistic: p95", "statistic: mean", "sites: best", "sites: worst", "trials: 10000", "trials: 1000"}},
		{"min, all sites", 316, []string{"statistic: p95", "statistic: min", "sites: best", "sites: all", "factor: 1.5", "factor: 1.25", "trials: 10000", "trials: 1000"}},
		{"p99, by delay", 3, []string{
			"statistic: p95", "statistic: p99", "convention: group-index", "convention: us-per-km", "  group_index: 1.468  ", "  # ", "# us_per_km: 5", "us_per_km: 5",
			"complete_days: 20", "complete_days: 10", "trials: 10000", "trials: 2000", "most: 0.01", "most: 0.1",
		}},
		{"p50, three clusters, no target", 4, []string{
			"statistic: p95", "statistic: p50", "clusters: [all]", "clusters: [d, a, b]",
			"year: 2023", "year: 2026", "year: 2024", "year: 2027", "year: 2025", "year: 2028", "trials: 10000", "trials: 1000",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &recomputed{dir: t.TempDir(), programs: programs, mesh: filepath.Join("testdata", "recompute-mesh.yaml"), of: []string{"--period", "2025-03"}}
			c.policy = write(t, "policy.yaml", changed(t, test.change))
			c.hard(t, "2025-03", test.seed)
			c.compare(t)
			var r api.Report
			decode(t, read(t, filepath.Join(c.dir, "report.json")), &r)
			note(seen, &r)
		})
	}
	for _, branch := range []string{
		"compliant", "non-compliant", "not-demonstrated", "proven-compliant", "proven-non-compliant", "inconclusive",
		api.ReasonAboveLimit, api.ReasonUnbounded, api.ReasonNoSites, api.ReasonNoWindows, api.ReasonTooFewDays, api.ReasonSilentHours,
		api.ReasonFasterThanLight, api.ReasonFasterThanFibre, api.ReasonSiteUndecided, api.ReasonPartUndecided,
		api.FlagEndsDiffer, api.FlagRatioHigh, api.FlagClockRate, api.FlagConflicts, api.FlagForeign, api.FlagMinStep, api.FlagUnregistered, api.FlagSummaries,
		"A", "B", "C", "hub", "city", "parts", "single-ended", "maintenance", "unstable", "several candidates", "bounds", "gaps", "nearest", "distribution", "distribution of a part",
	} {
		if !seen[branch] {
			t.Errorf("%s is in no report: nothing of it was compared", branch)
		}
	}
}

// note marks what a report has something of.
func note(seen map[string]bool, r *api.Report) {
	lists := [][]api.Pair{r.Links}
	for _, plane := range r.Planes {
		lists = append(lists, plane.Pairs)
	}
	seen["running"] = seen["running"] || !r.Period.Complete
	seen["demonstration"] = seen["demonstration"] || r.Period.Demonstration
	seen["two months before"] = seen["two months before"] || len(r.Trend) > 1
	for _, pairs := range lists {
		for _, p := range pairs {
			for _, d := range p.Diagnosis {
				seen[d.Code] = true
				for what, is := range map[string]bool{
					"ttl_changes": d.Params["ttl_changes"] != nil && d.Params["ttl_changes"] != 0.0, "traces": d.Params["traces"] != nil && d.Params["traces"] != 0.0,
					"step from the beginning": d.Code == api.DiagnosisStep && d.Params["from"] == nil,
					"step to the end":         d.Code == api.DiagnosisStep && d.Params["to"] == nil,
				} {
					seen[what] = seen[what] || is
				}
			}
			seen[string(p.Verdict)], seen[string(p.Guarded)], seen[p.DistanceClass] = true, true, true
			for _, reason := range slices.Concat(p.Reasons, p.Flags) {
				seen[reason.Code] = true
			}
			for what, is := range map[string]bool{
				"parts": len(p.Parts) > 0, "single-ended": p.SingleEnded, "maintenance": p.Maintenance != nil, "unstable": p.Unstable,
				"several candidates":    p.Uncertainty != nil && p.Uncertainty.Candidates > 1,
				"bounded mean":          p.Bounds != nil && r.Policy.Statistic == "mean",
				"bounded and compliant": p.Bounds != nil && p.Verdict == api.Compliant,
				"bounds":                p.Uncertainty != nil && p.Uncertainty.RatioLow != nil && *p.Uncertainty.RatioLow == 0,
				"gaps":                  p.Uncertainty != nil && p.Uncertainty.RatioGapsUnbounded && !p.Uncertainty.RatioHighUnbounded,
			} {
				seen[what] = seen[what] || is
			}
		}
	}
	for _, d := range r.Distributions {
		of := slices.IndexFunc(r.Links, func(l api.Pair) bool { return slices.Equal(l.Sites, d.Sites) })
		seen["distribution"], seen["distribution of a part"] = true, seen["distribution of a part"] || len(r.Links[of].Parts) > 0
	}
	for _, class := range r.Classes {
		seen[class.Class] = true
	}
	seen["nearest"] = seen["nearest"] || len(r.Nearest) > 0
}

// needsPython ends a test where there is no Python: skipped, and failed in CI.
func needsPython(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys, zoneinfo; assert sys.version_info >= (3, 11); zoneinfo.ZoneInfo('Asia/Shanghai')").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3 of 3.11 or later with time zones is needed: %v\n%s", err, out)
		}
		t.Skipf("SKIPPED: python3 of 3.11 or later with time zones is needed: %v", err)
	}
}

// recomputed is a store, and what judges it.
type recomputed struct {
	dir, programs string
	mesh, policy  string   // files
	of            []string // the flags of a report that say the period
	before        []string // those that say the months of a trend; nil without one
}

func (c *recomputed) store() string { return "sqlite:" + filepath.Join(c.dir, "store.sqlite") }

func (c *recomputed) program(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.programs, "fibergauge-"+name), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	return out
}

// export has the windows and packets of a period written, and gives the files.
func (c *recomputed) export(t *testing.T, name string, of []string) []string {
	t.Helper()
	of = slices.Concat([]string{"export", "--mesh", c.mesh, "--store", c.store()}, of)
	windows, samples := filepath.Join(c.dir, name+"windows.csv"), filepath.Join(c.dir, name+"samples.csv")
	c.program(t, "analyzer", slices.Concat(of, []string{"--out", windows})...)
	c.program(t, "analyzer", slices.Concat(of, []string{"--out", samples, "--samples"})...)
	return []string{windows, samples}
}

// compare reports and exports by the programs, and has Python hold the one
// against what it computes from the other.
func (c *recomputed) compare(t *testing.T) {
	t.Helper()
	file := func(name string) string { return filepath.Join(c.dir, name) }
	files := c.export(t, "", c.of)
	with := c.of
	if c.before != nil {
		files = append(files, c.export(t, "before-", c.before)...)
		with = append(slices.Clone(c.of), "--trend")
	}
	c.program(t, "analyzer", append([]string{"report", "--mesh", c.mesh, "--store", c.store(), "--policy", c.policy, "--cache", t.TempDir(), "--format", "json", "--out", file("report.json")}, with...)...)
	if err := os.WriteFile(file("input.json"), c.input(t), 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{"-B", filepath.Join("testdata", "recompute"), file("input.json"), file("report.json")}, files...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("Python: %v\n%s", err, out)
	}
	t.Logf("Python, in %v: %s", time.Since(begun).Round(time.Second), lastLine(out))
}

// input says for Python what it cannot read without a library: mesh, policy and
// the archive, with their fields as in Go and their values as they are written.
func (c *recomputed) input(t *testing.T) []byte {
	t.Helper()
	m, err := mesh.Load(c.mesh)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(c.policy)
	if err != nil {
		t.Fatal(err)
	}
	period := c.period(t, m.Location())
	reader, err := open.Reader(t.Context(), c.store(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	versions, err := reader.Meshes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type version struct {
		SHA256       string     `json:"sha256"`
		ServedFromMS int64      `json:"served_from_ms"`
		Mesh         *mesh.Mesh `json:"mesh"`
	}
	archive := []version{}
	for _, v := range versions {
		old, err := mesh.Parse("archived", v.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		archive = append(archive, version{v.SHA256, v.ServedFrom.UnixMilli(), old})
	}
	policySum := sha256.Sum256(read(t, c.policy))
	meshSum := sha256.Sum256(read(t, c.mesh))
	data, err := json.Marshal(map[string]any{
		"mesh": m, "mesh_sha256": hex.EncodeToString(meshSum[:]), "policy": p, "policy_sha256": hex.EncodeToString(policySum[:]),
		"policy_text": string(read(t, c.policy)),
		"archive":     archive, "from_ms": period.From.UnixMilli(), "to_ms": period.To.UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// period is what the flags say.
func (c *recomputed) period(t *testing.T, zone *time.Location) report.Period {
	t.Helper()
	value := func(name string) string {
		if i := slices.Index(c.of, name); i >= 0 {
			return c.of[i+1]
		}
		return ""
	}
	period, err := report.ParsePeriod(value("--period"), value("--from"), value("--to"), zone)
	if err != nil {
		t.Fatal(err)
	}
	return period
}

// hard fills the store with a month in which much goes wrong.
func (c *recomputed) hard(t *testing.T, month string, seed uint64) {
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
	from, _ := time.ParseInLocation("2006-01", month, m.Location())
	text := string(m.Bytes())
	without := strings.Join(slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool { return strings.Contains(line, "id: late,") }), "")
	put := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	version := func(text string, at time.Time) store.MeshVersion {
		sum := sha256.Sum256([]byte(text))
		return store.MeshVersion{SHA256: hex.EncodeToString(sum[:]), Bytes: []byte(text), ServedFrom: at}
	}
	put(s.PutMesh(t.Context(), version(without, from.AddDate(0, 0, -5))))
	put(s.PutMesh(t.Context(), version(text, from.AddDate(0, 0, 2))))
	maker := &maker{mesh: m, random: rand.New(rand.NewPCG(2025, seed)), from: from, to: from.AddDate(0, 1, 0)}
	for _, link := range m.Links(m.Test(m.Judged), from, maker.to) {
		counted, later := maker.link(link)
		for i, windows := range [][]wire.Window{counted, later} {
			for j := range windows {
				if err := windows[j].Check(); err != nil {
					t.Fatalf("%v: %v", windows[j].Key, err)
				}
			}
			put(s.Put(t.Context(), store.Admission{At: maker.to.Add(time.Duration(i) * time.Minute), Site: link.Src,
				Batch: fmt.Sprint(link, i), MeshSHA256: m.SHA256(), Windows: windows}))
		}
	}
}

// maker makes the windows of one link after the other up.
type maker struct {
	mesh     *mesh.Mesh
	random   *rand.Rand
	from, to time.Time
}

func (k *maker) chance(share float64) bool { return k.random.Float64() < share }

// story is how a link does over the month.
type story struct {
	base, spread, daily float64 // µs
	loss                float64
	silent              func(time.Time) bool
	stamps              []wire.Timestamps
}

func (k *maker) story(link mesh.Link) *story {
	r := k.random
	a, b := k.mesh.Site(link.Src), k.mesh.Site(link.Dst)
	metres := float64(k.mesh.Route(a, b, k.from).Meters)
	s := &story{
		base:   metres * 2 * 1.468 / 299.792458 * (1.1 + 0.5*r.Float64()),
		spread: 200 * r.Float64() * r.Float64() * 10, daily: 600 * r.Float64(), loss: []float64{0, 0.001, 0.02, 0.045, 0.052, 0.08}[r.IntN(6)],
		stamps: [][]wire.Timestamps{{"kernel"}, {"kernel"}, {"hardware"}, {"user"}, {"kernel", "user"}, {"hardware", "kernel", "kernel"}}[r.IntN(6)],
		silent: func(time.Time) bool { return false },
	}
	night, days := r.IntN(24), r.IntN(10)
	switch r.IntN(8) {
	case 0: // every night
		s.silent = func(t time.Time) bool { return t.Hour() == night && t.Day()%2 == 0 }
	case 1: // some days
		s.silent = func(t time.Time) bool { return t.Day() <= days }
	case 2: // hours here and there
		s.silent = func(t time.Time) bool { return (t.Day()*7+t.Hour())%(days+3) == 0 }
	case 3:
		if k.chance(0.5) {
			s.silent = func(time.Time) bool { return true }
		}
	case 4:
		if k.chance(0.5) {
			s.loss = 1
		}
	}
	if k.chance(0.15) { // faster than light in fibre, or at all
		s.base *= []float64{0.35, 0.6}[r.IntN(2)]
	}
	if k.chance(0.1) {
		s.base *= 4
	}
	return s
}

func (k *maker) link(link mesh.Link) (counted, later []wire.Window) {
	s := k.story(link)
	for at := k.from.Add(-time.Hour); at.Before(k.to.Add(time.Hour)); at = at.Add(15 * time.Minute) {
		if s.silent(at.In(k.from.Location())) || k.chance(0.01) {
			continue
		}
		w := k.window(link, s, at, 15*time.Minute, 15)
		switch {
		case k.chance(0.004): // ended early, and begun again
			cut := time.Duration(1+k.random.IntN(899_000)) * time.Millisecond
			w = k.window(link, s, at, cut, int(cut/time.Minute)+1)
			w.EndReason = wire.EndStop
			rest := k.window(link, s, at.Add(cut), 15*time.Minute-cut, 15)
			rest.Session = 2
			counted = append(counted, rest)
		case k.chance(0.003): // a second probe on the site
			twin := k.window(link, s, at.Add(time.Duration(k.random.IntN(400_000))*time.Millisecond), 5*time.Minute, 5)
			twin.Session = 3
			counted = append(counted, twin)
		case k.chance(0.003): // a faster test
			w = k.window(link, s, at, 15*time.Minute, 40)
		case k.chance(0.001): // by another mesh
			w.Carrier = "former"
		case k.chance(0.0005) && w.Received > 0: // a summary of nobody knows how many packets
			mean := w.Stats
			if mean != nil {
				w.Summary = &wire.Summary{MeanUS: &mean.MeanUS, Source: "elsewhere"}
				w.RTTs, w.Stats, w.Origin = nil, nil, wire.OriginImported
				w.Counts = wire.Counts{Scheduled: w.Scheduled}
				w.STAMP, w.IPDV, w.ReplyTTL, w.Path, w.OneWay = nil, nil, nil, nil, nil
			}
		case k.chance(0.001):
			twin := k.window(link, s, at, 15*time.Minute, 15)
			later = append(later, twin)
		case k.chance(0.0005):
			w.Clock.FrequencyPPB = int64(k.random.IntN(300_000) - 150_000)
		}
		counted = append(counted, w)
	}
	return counted, later
}

func (k *maker) window(link mesh.Link, s *story, at time.Time, length time.Duration, packets int) wire.Window {
	r := k.random
	a, b := k.mesh.Site(link.Src), k.mesh.Site(link.Dst)
	local := at.In(k.from.Location())
	base := s.base + s.daily*float64(local.Hour()%12)/12 + s.daily*float64(local.Day()*13%31)/31
	w := wire.Window{
		Key:        wire.Key{Src: link.Src, Dst: link.Dst, Test: k.mesh.Judged, Session: 1, StartMS: at.UnixMilli()},
		SrcCluster: a.Cluster, DstCluster: b.Cluster, Carrier: a.Carrier, Plane: string(a.Plane), Method: "icmp",
		EndMS: at.Add(length).UnixMilli(), EndReason: wire.EndFull,
		Timestamps: s.stamps[(local.Day()+local.Hour()/7)%len(s.stamps)], Clock: wire.Clock{State: wire.ClockSynchronised},
		Origin: []wire.Origin{wire.OriginSynthetic, wire.OriginEmulated}[local.Day()%2], MeshSHA256: k.mesh.SHA256(), ProbeVersion: "test",
	}
	var rtts []uint32
	for range packets {
		switch {
		case r.Float64() < s.loss:
			w.Lost++
			if k.chance(0.1) {
				w.Late++
			}
		case k.chance(0.003):
			w.Unstamped++
		case k.chance(0.003):
			w.SendError++
		default:
			rtts = append(rtts, uint32(base+s.spread*r.ExpFloat64()))
		}
	}
	slices.Sort(rtts)
	w.Received = uint32(len(rtts)) + w.Unstamped
	w.Sent = w.Received + w.Lost
	w.Scheduled, w.Duplicate = uint32(packets), uint32(r.IntN(2))
	w.RTTs, w.Stats = wire.AppendRTTs(nil, rtts), wire.StatsOf(rtts)
	return w
}
