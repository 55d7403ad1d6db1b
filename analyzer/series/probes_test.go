package series

import (
	"bytes"
	"fmt"
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

func everySite(*mesh.Mesh, *mesh.Site) bool { return true }

func noneAdmitted(string, int64, int64) Admissions { return Admissions{WaitedMS: -1} }

// twoTests is three sites, of which one only answers and one begins in the middle
// of an hour of 27 October, and tests with windows of five and fifteen minutes.
func twoTests(t *testing.T, zone string) *mesh.Mesh {
	t.Helper()
	m := scenario.Mesh(t, zone, []string{
		"a1 a one optical both", "b1 b one optical both from: 2025-10-27T10:20:00Z", "c1 c one optical reflector",
	}, nil)
	text := bytes.Replace(m.Bytes(), []byte("judged: icmp"), []byte("  - {test: short, method: icmp, links: [{from: a1, to: c1}], interval_ms: 1000, size_bytes: 84, window_s: 300}\njudged: icmp"), 1)
	m, err := mesh.Parse("mesh.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// measured puts a window for every quarter of 25 to 29 October of which a probe
// tells something of its own.
func measured(t *testing.T, m *mesh.Mesh) *scenario.Store {
	t.Helper()
	s := &scenario.Store{}
	from := time.Date(2025, 10, 25, 0, 0, 0, 0, m.Location())
	for i := range 5 * 24 * 4 {
		at := from.Add(time.Duration(i) * 15 * time.Minute)
		for k, link := range [][2]string{{"a1", "b1"}, {"a1", "c1"}, {"b1", "a1"}} {
			if (i+k)%7 == 0 || i > 4*24*4+3*k {
				continue
			}
			w := scenario.Window(m, link[0], link[1], at, scenario.Same(20_000, 40+i%9), i%5)
			w.Duplicate, w.Timestamps = uint32(i%3), []wire.Timestamps{wire.TimestampsHardware, wire.TimestampsKernel, wire.TimestampsUser}[(i/5)%3]
			w.Clock = wire.Clock{State: []wire.ClockState{wire.ClockSynchronised, wire.ClockUnsynchronised, wire.ClockUnknown}[i/11%3], MaxErrorUS: int64(i * 7 % 400), FrequencyPPB: int64(i*31%2000) - 1000}
			if i%50 == 3 {
				// Each link ends its window when it notices.
				w.EndReason, w.EndMS = wire.EndClockStep, w.EndMS-int64(k)*900
			}
			if i%13 == 5 {
				w.Carrier = "three" // by another mesh than ours
			}
			s.Put(t, w)
		}
	}
	return s
}

// byHand is the point of [from, to), of all windows one after the other.
func byHand(t *testing.T, m *mesh.Mesh, s *scenario.Store, site string, from, to, now time.Time) api.ProbePoint {
	t.Helper()
	p := api.ProbePoint{}
	steps := map[int64]bool{}
	for i := range m.Measure {
		test := &m.Measure[i]
		for _, l := range m.Links(test, time.Unix(0, 0), time.Unix(1<<32, 0)) {
			if l.Src != site {
				continue
			}
			src, dst := m.Site(l.Src), m.Site(l.Dst)
			length := time.Duration(test.WindowS) * time.Second
			for at := from.Truncate(length); at.Before(to); at = at.Add(length) {
				if !at.Before(from) && src.ActiveAt(at) && dst.ActiveAt(at) && !at.Add(length).After(now) {
					p.Expected++
				}
			}
			for record, err := range s.Windows(t.Context(), store.Query{Src: l.Src, Dst: l.Dst, Test: test.Name, FromMS: from.UnixMilli(), ToMS: to.UnixMilli()}) {
				if err != nil {
					t.Fatal(err)
				}
				w := &record.Window
				begin := time.UnixMilli(w.StartMS)
				if w.Carrier != src.Carrier || !src.ActiveAt(begin) || !dst.ActiveAt(begin) {
					continue
				}
				p.Windows++
				p.Sent, p.Lost, p.Duplicate = p.Sent+int64(w.Sent), p.Lost+int64(w.Lost), p.Duplicate+int64(w.Duplicate)
				for of, n := range map[wire.Timestamps]*int{wire.TimestampsHardware: &p.Hardware, wire.TimestampsKernel: &p.Kernel, wire.TimestampsUser: &p.User} {
					if w.Timestamps == of {
						*n++
					}
				}
				if w.Clock.State == wire.ClockUnsynchronised {
					p.Unsynchronised++
				}
				if w.Clock.State == wire.ClockUnknown {
					p.ClockUnknown++
				}
				p.ClockErrorUS = max(p.ClockErrorUS, w.Clock.MaxErrorUS)
				p.ClockPPM = max(p.ClockPPM, float64(max(w.Clock.FrequencyPPB, -w.Clock.FrequencyPPB))/1000)
				if w.EndReason == wire.EndClockStep {
					steps[(w.EndMS+5000)/60_000] = true // they are hours apart
				}
			}
		}
	}
	p.ClockSteps = len(steps)
	return p
}

// Every figure is that of the windows, in hours and days, also where the clock of
// the zone is set, however many steps make a point and wherever days are from.
func TestProbesAreOfTheirWindows(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata"} {
		m := twoTests(t, zone)
		s := measured(t, m)
		session := beginSession(t, openDays(t, s))
		for _, c := range []struct {
			from, to string
			now      string
			points   int
			steps    int
			at       map[string]int // steps that differ by zone
		}{
			{"2025-10-25", "2025-10-30", "2025-11-15T00:00:00Z", 0, 120, nil},
			{"2025-10-26", "2025-10-27", "2025-11-15T00:00:00Z", 0, 24, nil}, // of Berlin, where an hour comes twice
			{"2025-10-27T08:40:00Z", "2025-10-27T12:05:00Z", "2025-10-27T11:07:00Z", 2, 5, map[string]int{"Asia/Kolkata": 4}},
			{"2025-10-24", "2025-10-31", "2025-10-28T07:00:00Z", 9, 168, nil},
			{"2025-10-20", "2025-11-03", "2025-11-15T00:00:00Z", 0, 14, nil},
			{"2025-10-20", "2025-11-03", "2025-10-28T07:00:00Z", 5, 14, nil},
		} {
			at := fmt.Sprint(zone, " ", c)
			period, err := report.ParsePeriod("", c.from, c.to, m.Location())
			if err != nil {
				t.Fatal(err)
			}
			now := moment(t, c.now)
			q := ProbesQuery{Period: period, MaxPoints: c.points, Now: now, Wanted: everySite, Admitted: noneAdmitted}
			source := Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}
			got, err := Probes(t.Context(), source, q)
			if err != nil {
				t.Fatal(err)
			}
			source.Days = session
			for range 2 {
				if again, err := Probes(t.Context(), source, q); err != nil || !cmp.Equal(got, again) {
					t.Errorf("%s: from the records: %v\n%s", at, err, cmp.Diff(got, again))
				}
			}
			ends := map[string]int{}
			for _, p := range got.Probes {
				ends[p.Site] = p.Ends
			}
			want := map[string]int{"a1": 3, "b1": 2}
			if c.to == "2025-10-27" { // there is no b1 yet
				want = map[string]int{"a1": 2}
			}
			if diff := cmp.Diff(want, ends); diff != "" {
				t.Fatalf("%s: ends (-want +got):\n%s", at, diff)
			}
			steps := c.steps
			if n, ok := c.at[zone]; ok {
				steps = n
			}
			for _, p := range got.Probes {
				if n := (steps + got.Merged - 1) / got.Merged; len(p.Points) != n || c.points > 0 && n > c.points {
					t.Errorf("%s: %s: %d points, want %d of %d steps", at, p.Site, len(p.Points), n, steps)
				}
				last := moment(t, p.Points[0].From)
				if last.After(period.From) {
					t.Errorf("%s: begins at %s", at, p.Points[0].From)
				}
				for _, point := range p.Points {
					from, to := moment(t, point.From), moment(t, point.To)
					want := byHand(t, m, s, p.Site, from, to, now)
					want.From, want.To = point.From, point.To
					if diff := cmp.Diff(want, point); diff != "" || !from.Equal(last) {
						t.Errorf("%s: %s (-windows +point):\n%s", at, p.Site, diff)
					}
					last = to
				}
				if last.Before(period.To) {
					t.Errorf("%s: ends at %s", at, last)
				}
			}
		}
	}
}

// What a probe is like is that of the window that ended last, whether in hours or
// days; silence ends with the period, or now.
func TestLastOfAProbe(t *testing.T) {
	m := twoTests(t, "UTC")
	s := measured(t, m)
	for _, c := range []struct {
		from, to, now string
		last          string // empty: none
		silent        float64
		heard         int
	}{
		{"2025-10-25", "2025-10-26", "2025-11-15T00:00:00Z", "2025-10-25T23:46:00Z", 14 * 60, 1},
		{"2025-10-27", "2025-10-31", "2025-11-15T00:00:00Z", "2025-10-29T00:46:00Z", 47*3600 + 14*60, 2},
		{"2025-10-01", "2025-10-31", "2025-11-15T00:00:00Z", "2025-10-29T00:46:00Z", 47*3600 + 14*60, 2},
		{"2025-10-01", "2025-12-01", "2025-10-29T01:00:00Z", "2025-10-29T00:46:00Z", 14 * 60, 2},
		{"2025-09-01", "2025-09-02", "2025-11-15T00:00:00Z", "", 0, 0},
		{"2025-08-01", "2025-09-02", "2025-11-15T00:00:00Z", "", 0, 0},
		{"2125-01-01", "2125-01-02", "2025-11-15T00:00:00Z", "", 0, 0},
	} {
		period, err := report.ParsePeriod("", c.from, c.to, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		got, err := Probes(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}, ProbesQuery{
			Period: period, Now: moment(t, c.now), Wanted: func(_ *mesh.Mesh, site *mesh.Site) bool { return site.ID == "a1" }, Admitted: noneAdmitted,
		})
		if err != nil || len(got.Probes) != 1 {
			t.Fatalf("%v: %v, %+v", c, err, got)
		}
		p := got.Probes[0]
		if p.EndsHeard != c.heard || (p.LastEnd == nil) != (c.last == "") || p.LastEnd != nil && (*p.LastEnd != c.last || *p.SilentS != c.silent || p.ProbeVersion != "scenario" || p.Clock == "") {
			t.Errorf("%v: %d heard, last %v, silent %v, %+v", c, p.EndsHeard, valueOfText(p.LastEnd), valueOf(p.SilentS), p.Clock)
		}
		if c.last == "" {
			for _, point := range p.Points {
				if point.Windows > 0 || point.Expected > 0 && c.from > "2125" {
					t.Errorf("%v: %+v", c, point)
				}
			}
		}
	}
}

// A site that is gone is not silent, and one that comes later on the day is not
// either.
func TestGoneIsNotSilent(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{
		"a1 a one optical both", "b1 b one optical both until: 2025-10-27T10:15:00Z", "c1 c one optical both from: 2025-10-27T18:00:00Z",
	}, nil)
	s := measured(t, m)
	for _, c := range []struct {
		from, to string
		want     map[string]float64 // seconds of silence, by site
	}{
		{"2025-10-27T09:30:00Z", "2025-10-27T10:10:00Z", map[string]float64{"a1": 9 * 60, "b1": 9 * 60}},
		{"2025-10-27T10:00:00Z", "2025-10-27T11:00:00Z", map[string]float64{"a1": 59 * 60, "b1": 14 * 60}},
		{"2025-10-27T10:30:00Z", "2025-10-27T11:30:00Z", map[string]float64{"a1": 89 * 60}},
	} {
		from, to := moment(t, c.from), moment(t, c.to)
		got, err := Probes(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: s}, ProbesQuery{
			Period: report.Period{From: from, To: to}, Now: moment(t, "2025-11-15T00:00:00Z"), Wanted: everySite, Admitted: noneAdmitted,
		})
		if err != nil {
			t.Fatal(err)
		}
		silent := map[string]float64{}
		for _, p := range got.Probes {
			silent[p.Site] = valueOf(p.SilentS)
		}
		if diff := cmp.Diff(c.want, silent); diff != "" {
			t.Errorf("%s to %s: %s", c.from, c.to, diff)
		}
	}
}

func valueOfText(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

// What was admitted is put where it was stored, and what was stored last may be of
// before the period.
func TestAdmissionsOfAProbe(t *testing.T) {
	m := twoTests(t, "UTC")
	period, err := report.ParsePeriod("2025-10-25", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	at := period.From.Add(90 * time.Minute).UnixMilli()
	admitted := func(site string, fromMS, toMS int64) Admissions {
		switch {
		case site == "a1" && fromMS <= at && at < toMS:
			return Admissions{N: 3, LastMS: at, WaitedMS: 1500}
		case site == "b1" && fromMS == 0 && toMS == period.From.UnixMilli():
			return Admissions{N: 9, LastMS: at - 86_400_000, WaitedMS: -1}
		}
		return Admissions{WaitedMS: -1}
	}
	q := ProbesQuery{Period: period, Now: period.To, Wanted: everySite, Admitted: admitted}
	q.Period.From = period.From.Add(-72 * time.Hour)
	q.Period.From, q.MaxPoints = period.From, 12
	// b1 does not exist yet.
	got, err := Probes(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: &scenario.Store{}}, q)
	if err != nil || len(got.Probes) != 1 {
		t.Fatalf("%v, %+v", err, got)
	}
	p := got.Probes[0]
	if n := p.Points[0]; valueOfText(p.LastAdmitted) != "2025-10-25T01:30:00Z" || n.Admissions != 3 || valueOf(n.WaitedS) != 1.5 || p.Points[1].Admissions != 0 || p.Points[1].WaitedS != nil {
		t.Errorf("%+v", p)
	}
	period, err = report.ParsePeriod("2025-11-01", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	q.Period = period
	at = period.From.Add(time.Hour).UnixMilli()
	if got, err = Probes(t.Context(), Source{Meshes: report.Meshes{File: m}, Policy: policy.Default(), Store: &scenario.Store{}}, q); err != nil || len(got.Probes) != 2 {
		t.Fatalf("%v, %+v", err, got)
	}
	if p := got.Probes[1]; valueOfText(p.LastAdmitted) != "2025-10-31T01:00:00Z" || p.Points[0].Admissions != 0 {
		t.Errorf("%+v", p)
	}
}

// A step that several links saw is one; those a window's length apart are two.
func TestOnce(t *testing.T) {
	if diff := cmp.Diff([]int64{100, 1000, 2900}, once([]int64{2900, 1899, 100, 999, 1000, 3500}, 900)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
