package generate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/meshes"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	stampTest = "{test: test, method: stamp, links: [{}], interval_ms: 10000, size_bytes: 128, window_s: 300}"
	icmpTest  = "{test: icmp, method: icmp, links: [{from: x}], interval_ms: 20000, size_bytes: 84, window_s: 900}"
	// eventful has something of everything on most days.
	eventful = `
version: 1
seed: 7
defaults: {stretch: 1.3, hops: 7, loss_percent: 0.5, duplicate_percent: 0.2, reorder_percent: 0.2, jitter: {distribution: exponential, median_ms: 0.2}}
history:
  path_changes: {per_year: 500, hours: 2}
  lossy: {per_year: 300, minutes: 50}
  silent: {per_year: 400, hours: 1}
`
)

// plan is one over the test mesh.
func plan(t *testing.T, meshYAML, wanYAML, from, to string) Plan {
	t.Helper()
	m, w := parse(t, meshYAML, wanYAML)
	p := Plan{Mesh: m, WAN: w}
	var err error
	if p.From, p.To, err = Period(from, to, m.Location(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return p
}

// generated gives what a plan puts into a store.
func generated(t *testing.T, p Plan) []store.Admission {
	t.Helper()
	s := &fakestore.Store{}
	if _, err := p.fill(t.Context(), s, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	return s.Admissions()
}

func windowsOf(admissions []store.Admission) []wire.Window {
	var all []wire.Window
	for _, a := range admissions {
		all = append(all, a.Windows...)
	}
	return all
}

// TestAnyDayIsTheSame however it is come by: alone or in a longer period, on one
// processor or several.
func TestAnyDayIsTheSame(t *testing.T) {
	tests := meshText(stampTest+", "+icmpTest, "")
	whole := generated(t, plan(t, tests, eventful, "2025-05-30", "2025-06-03"))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	alone := plan(t, tests, eventful, "2025-06-01", "2025-06-01")
	var within []store.Admission
	for _, a := range whole {
		if start := a.Windows[0].StartMS; start >= alone.From.UnixMilli() && start < alone.To.UnixMilli() {
			within = append(within, a)
		}
	}
	got := generated(t, alone)
	if len(got) == 0 {
		t.Fatal("nothing was generated")
	}
	if diff := gocmp.Diff(within, got); diff != "" {
		t.Errorf("(-of five days +alone)\n%.3000s", diff)
	}
}

// TestSeededDay holds a day to what it was: reports made from a history are
// compared over versions of the programs. What changes it needs a new model.
func TestSeededDay(t *testing.T) {
	sum := sha256.New()
	windows := windowsOf(generated(t, plan(t, meshText(stampTest+", "+icmpTest, ""), eventful, "2025-06-01", "2025-06-01")))
	for i := range windows {
		sum.Write(append(windows[i].Canonical(), '\n'))
	}
	const want = "34721700f901cb8ee64a8c10e581d0c26336d185995c7df971aaf7209fe90357"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("the %d windows of the day have the hash %s, want %s", len(windows), got, want)
	}
}

// TestACollectorWouldAdmit gives the batches to the real desk of the collector.
func TestACollectorWouldAdmit(t *testing.T) {
	text := strings.Replace(meshText(stampTest+", "+icmpTest, "maintenance: [{id: works, sites: [y-a], from: 2025-06-02T01:00:00+08:00, until: 2025-06-02T03:00:00+08:00, reason: test}]\n"),
		"address: 192.0.2.2, role: both}", "address: 192.0.2.2, role: both, from: 2025-06-01T07:01:02+08:00, until: 2025-06-03T20:00:03+08:00}", 1)
	p := plan(t, text, eventful, "2025-06-01", "2025-06-04")
	archive := &fakestore.Store{}
	versions := meshes.NewVersions(archive, time.Now, slog.New(slog.DiscardHandler))
	if err := versions.Serve(t.Context(), p.Mesh); err != nil {
		t.Fatal(err)
	}
	desk := &admission.Desk{Store: archive, Meshes: versions, Now: time.Now}
	reasons := map[wire.EndReason]int{}
	for _, a := range generated(t, p) {
		ack, err := desk.Admit(t.Context(), a.Site, &wire.Batch{Schema: wire.SchemaBatch, Site: a.Site, Windows: a.Windows})
		if err != nil {
			t.Fatal(err)
		}
		if len(ack.Refused) > 0 || ack.Batch != a.Batch {
			t.Fatalf("refused %+v; batch %s, want %s", ack.Refused, a.Batch, ack.Batch)
		}
		for i := range a.Windows {
			w := &a.Windows[i]
			reasons[w.EndReason]++
			if end := time.UnixMilli(w.EndMS); !a.At.After(end) {
				t.Errorf("%s was admitted at %s, before its end", w.Key, a.At)
			}
			if w.Origin != wire.OriginSynthetic {
				t.Errorf("%s is %s", w.Key, w.Origin)
			}
		}
	}
	for _, r := range []wire.EndReason{wire.EndFull, wire.EndStop, wire.EndAssignment} {
		if reasons[r] == 0 {
			t.Errorf("no window ended because of %s", r)
		}
	}
}

// TestProbesFallSilent: no window covers a silence, windows are never told
// twice, and each life of a probe has a session of its own.
func TestProbesFallSilent(t *testing.T) {
	p := plan(t, meshText(stampTest, ""), eventful, "2025-06", "2025-06")
	silences := p.WAN.Past().Silences("x-a", 2025)
	sessions := map[uint64]bool{}
	last := wire.Window{}
	for _, w := range windowsOf(generated(t, p)) {
		if w.Src != "x-a" || w.Dst != "y-a" {
			continue
		}
		sessions[w.Session] = true
		if w.StartMS < last.EndMS || w.Session < last.Session {
			t.Fatalf("%s begins before %s ends", w.Key, last.Key)
		}
		last = w
		for _, s := range silences {
			if w.StartMS*1e6 < s.Until && w.EndMS*1e6 > s.From+1e6 {
				t.Errorf("%s tells of a time in which the probe was silent", w.Key)
			}
		}
	}
	if len(sessions) < 10 {
		t.Errorf("%d sessions in a month with a silence a day", len(sessions))
	}
}

// TestMaintenanceIsRegistered: the links of the sites are cut while it lasts,
// and the mesh that announces it was served before.
func TestMaintenanceIsRegistered(t *testing.T) {
	const quiet = "version: 1\nseed: 7\ndefaults: {stretch: 1.3}\nhistory: {silent: {per_year: 0}, lossy: {per_year: 0}, maintenance: %}\n"
	works := "maintenance: [{id: works, sites: [y-a], from: 2025-06-01T01:00:00+08:00, until: 2025-06-01T03:00:00+08:00, reason: test}]\n"
	begin := time.Date(2025, 5, 31, 17, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		effect string
		lost   uint32 // of the 24 × 30 packets of each of the links
	}{{"cut", 720}, {"none", 0}} {
		p := plan(t, meshText(stampTest, works), strings.Replace(quiet, "%", c.effect, 1), "2025-06-01", "2025-06-01")
		p.Store = "sqlite:" + filepath.Join(t.TempDir(), "store.sqlite")
		if _, err := Run(t.Context(), p, slog.New(slog.DiscardHandler), nil); err != nil {
			t.Fatal(err)
		}
		s, err := open.Reader(t.Context(), p.Store, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		versions, err := s.Meshes(t.Context())
		if err != nil || len(versions) != 1 || !versions[0].ServedFrom.Before(begin) || versions[0].SHA256 != p.Mesh.SHA256() {
			t.Errorf("archive: %+v, %v", versions, err)
		}
		lost := map[string]uint32{}
		for _, l := range p.Mesh.Links(&p.Mesh.Measure[0], p.From, p.To) {
			for r, err := range s.Windows(t.Context(), store.Query{Src: l.Src, Dst: l.Dst, Test: "test", FromMS: 0, ToMS: 1 << 45}) {
				if err != nil {
					t.Fatal(err)
				}
				lost[l.Src+">"+l.Dst] += r.Window.Lost
				if inside := r.Window.StartMS >= begin.UnixMilli() && r.Window.EndMS <= begin.Add(2*time.Hour).UnixMilli(); r.Window.Lost > 0 && !inside {
					t.Errorf("%s lost packets outside of the works", r.Window.Key)
				}
			}
		}
		want := map[string]uint32{"x-a>y-a": c.lost, "y-a>x-a": c.lost, "y-a>z-a": c.lost, "x-a>z-a": 0}
		if diff := gocmp.Diff(want, lost); diff != "" {
			t.Errorf("%s: lost (-want +got)\n%s", c.effect, diff)
		}
	}
}

// TestOthersInTheStore are never mixed with, and the same is completed.
func TestOthersInTheStore(t *testing.T) {
	text := meshText(stampTest, "")
	p := plan(t, text, eventful, "2025-06-01", "2025-06-02")
	p.Store = "sqlite:" + filepath.Join(t.TempDir(), "store.sqlite")
	log := slog.New(slog.DiscardHandler)
	first := p
	first.To = startOfDay(2025, time.June, 2, p.Mesh.Location())
	for _, p := range []Plan{first, p} {
		if _, err := Run(t.Context(), p, log, nil); err != nil {
			t.Fatal(err)
		}
	}
	other := plan(t, text, strings.Replace(eventful, "seed: 7", "seed: 8", 1), "2025-06-01", "2025-06-02")
	other.Store = p.Store
	_, err := Run(t.Context(), other, log, nil)
	if want := "the store holds windows of x-a>y-a in the period that were generated from another mesh or wan.yaml; give another store or period"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	s, err := open.Writer(t.Context(), p.Store, log)
	if err != nil {
		t.Fatal(err)
	}
	measured := windowsOf(generated(t, first))[0]
	measured.Origin, measured.StartMS, measured.EndMS = wire.OriginMeasured, measured.StartMS+30*86_400_000, measured.EndMS+30*86_400_000
	if err := s.Put(t.Context(), store.Admission{At: time.Now(), Site: "x-a", Batch: "x", Windows: []wire.Window{measured}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	july := plan(t, text, eventful, "2025-07", "2025-07")
	july.Store = p.Store
	_, err = Run(t.Context(), july, log, nil)
	if want := "the store holds measured windows of x-a>y-a in the period, " + measured.Key.String() + " among them; give another store or period"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCancelled ends soon, with the context's error.
func TestCancelled(t *testing.T) {
	p := plan(t, meshText(stampTest, ""), eventful, "2025-01", "2025-12")
	ctx, cancel := context.WithCancel(t.Context())
	done, err := p.fill(ctx, &fakestore.Store{}, slog.New(slog.DiscardHandler), func(Progress) { cancel() })
	if err == nil || ctx.Err() == nil || done.Done == done.Total {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestPeriod(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 6, 30, 16, 0, 0, 0, time.UTC) // the first moment of July there
	for _, c := range []struct{ from, to, want string }{
		{"2025-05", "2025-06", "2025-05-01T00:00:00+08:00 2025-07-01T00:00:00+08:00"},
		{"2025-06-03", "2025-06-03", "2025-06-03T00:00:00+08:00 2025-06-04T00:00:00+08:00"},
		{"2025-06-03", "2025-06", "2025-06-03T00:00:00+08:00 2025-07-01T00:00:00+08:00"},
		{"2025-06", "2025-05", "to, 2025-05, is before from, 2025-06"},
		{"2025-06", "2025-07", "to, 2025-07, is not over yet: what has not been is not history"},
		{"2000-12", "2025-01", "the period is not within 2001 to 2199"},
		{"", "2025-01", "from: is missing; give a month or day such as 2025-06 or 2025-06-03"},
		{"2025-06", "2025", `to: "2025" is not a month or day such as 2025-06 or 2025-06-03`},
		{"2025-13", "2025-01", `from: "2025-13" is not a month or day such as 2025-06 or 2025-06-03`},
	} {
		first, end, err := Period(c.from, c.to, shanghai, now)
		got := first.Format(time.RFC3339) + " " + end.Format(time.RFC3339)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// TestDaysOfAZone have 23 to 25 hours where the clock is changed.
func TestDaysOfAZone(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var hours []float64
	for _, d := range days(startOfDay(2025, 3, 29, zone), startOfDay(2025, 4, 1, zone)) {
		hours = append(hours, d[1].Sub(d[0]).Hours())
	}
	if diff := gocmp.Diff([]float64{24, 23, 24}, hours); diff != "" {
		t.Error(diff)
	}
}

// TestPartsOfASite keep what is held in memory within bounds.
func TestPartsOfASite(t *testing.T) {
	m, err := mesh.Load(filepath.Join("..", "..", "mesh", "national.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wan.Load(filepath.Join("..", "national-wan.yaml"), m)
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(Plan{Mesh: m, WAN: w, From: startOfDay(2025, 6, 1, m.Location()), To: startOfDay(2025, 6, 2, m.Location())})
	flows := 0
	for _, s := range g.sites {
		for _, part := range s.parts {
			if n := len(part) * 1440; n > partWindows {
				t.Errorf("a part of %s makes %d windows a day", s.id, n)
			}
			flows += len(part)
		}
	}
	if len(g.sites) != 10 || flows != 180 || slices.ContainsFunc(g.sites, func(s site) bool { return s.id == "" }) {
		t.Errorf("%d sites with %d flows", len(g.sites), flows)
	}
}
