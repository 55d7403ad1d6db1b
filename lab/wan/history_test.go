package wan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/lab/wan"
)

func pastOf(t testing.TB, text string) *wan.Past {
	t.Helper()
	w, err := wan.Parse("wan.yaml", []byte(text), testMesh(t))
	if err != nil {
		t.Fatal(err)
	}
	return w.Past()
}

// stageAt is that of the line between two sites, asked for over some hours.
func stageAt(p *wan.Past, a, b int, at time.Time, before, after time.Duration) wan.Stage {
	c := p.Course(a, b, at, at.Add(-before), at.Add(after))
	s := *c.Stage(c.At(at.UnixNano(), 0))
	s.From = 0
	return s
}

// TestThePastIsOne: what a link was like at a moment does not depend on the time
// over which it is asked for, nor on the order of its ends.
func TestThePastIsOne(t *testing.T) {
	p := pastOf(t, "version: 1\nseed: 3\ndefaults: {stretch: 1.2, hops: 9, loss_percent: 1}\nhistory: {path_changes: {per_year: 300}, lossy: {per_year: 300, minutes: 200}}\n")
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(946_684_800, 2_000_000_000).Draw(t, "at"), 0).UTC()
		hours := func(label string) time.Duration {
			return time.Duration(rapid.IntRange(0, 50).Draw(t, label))*time.Hour + 1
		}
		want := stageAt(p, xa, ya, at, 0, 1)
		if diff := cmp.Diff(want, stageAt(p, ya, xa, at, hours("before"), hours("after"))); diff != "" {
			t.Fatalf("at %s (-want +got)\n%s", at, diff)
		}
	})
}

// TestDiurnal: the load is largest at the peak in the zone of the mesh, which is
// UTC here, and none twelve hours from it.
func TestDiurnal(t *testing.T) {
	p := pastOf(t, "version: 1\nseed: 3\ndefaults: {rtt_ms: 20, loss_percent: 1, jitter: {distribution: uniform, median_ms: 2}}\n"+
		"history: {diurnal: {peak: \"20:00\", delay_ms: 3, jitter: 5, loss: 11}, path_changes: {per_year: 0}, lossy: {per_year: 0}}\n")
	noon := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	at := func(after time.Duration) wan.Profile { return stageAt(p, xa, ya, noon.Add(after), 0, 1).Profile }
	peak, calm := at(8*time.Hour), at(-4*time.Hour)
	near := func(got, want, by float64) bool { return got > want-by && got < want+by }
	if !near(float64(peak.RTT), 23e6, 0.1e6) || !near(peak.Jitter.MedianMS, 10, 0.3) || !near(peak.Loss, 0.11, 0.003) {
		t.Errorf("at the peak %+v", peak)
	}
	if !near(float64(calm.RTT), 20e6, 1e4) || !near(calm.Jitter.MedianMS, 2, 0.01) || !near(calm.Loss, 0.01, 0.0001) {
		t.Errorf("far from the peak %+v", calm)
	}
	for after := -4 * time.Hour; after < 8*time.Hour-15*time.Minute; after += 15 * time.Minute {
		if a, b := at(after), at(after+15*time.Minute); a.RTT > b.RTT || a.Loss > b.Loss {
			t.Errorf("the load falls before its peak: %+v, then %+v", a, b)
		}
	}
}

// TestPathChanges: a lasting one holds until the next, no path is shorter than
// the first, and as many come as the file says.
func TestPathChanges(t *testing.T) {
	const text = "version: 1\nseed: 3\ndefaults: {rtt_ms: 20, hops: 9}\nhistory: {diurnal: {delay_ms: 0}, path_changes: {per_year: 6, lasting_percent: LASTING, hours: 10, step_percent: 10}, lossy: {per_year: 0}}\n"
	for _, c := range []struct {
		lasting     string
		least, most int // changes of path seen in four years
	}{{"100", 22, 25}, {"0", 30, 50}} {
		p := pastOf(t, strings.Replace(text, "LASTING", c.lasting, 1))
		from := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
		course := p.Course(xa, za, from, from, from.AddDate(4, 0, 0))
		changes, steps, stage := 0, map[time.Duration]bool{}, 0
		last := uint64(0)
		for at := from; at.Before(from.AddDate(4, 0, 0)); at = at.Add(15 * time.Minute) {
			stage = course.At(at.UnixNano(), stage)
			s := course.Stage(stage)
			if s.Path != last {
				changes++
				last = s.Path
			}
			if s.RTT < 20*time.Millisecond || s.RTT > 24*time.Millisecond || s.Path == 0 && s.Hops != 9 || s.Path != 0 && s.Hops == 9 {
				t.Fatalf("at %s: %+v", at, s)
			}
			steps[s.RTT] = true
		}
		if changes < c.least || changes > c.most || len(steps) < 15 {
			t.Errorf("%s %% lasting: %d changes, %d RTTs", c.lasting, changes, len(steps))
		}
	}
}

// TestSilences are apart, in order, and the same however many years are asked
// for.
func TestSilences(t *testing.T) {
	p := pastOf(t, "version: 1\nseed: 3\ndefaults: {rtt_ms: 20}\nhistory: {silent: {per_year: 20, hours: 100}}\n")
	short, long := p.Silences("x-a", 2020), p.Silences("x-a", 2025)
	if n := len(short) - 1; len(long) <= len(short) || !slices.Equal(short[:n], long[:n]) {
		t.Errorf("%d until 2020, %d until 2025: not the same", len(short), len(long))
	}
	crashes := 0
	for i, s := range long {
		if s.From >= s.Until || i > 0 && long[i-1].Until >= s.From {
			t.Errorf("%+v after %+v", s, long[max(i-1, 0)])
		}
		if s.Crash {
			crashes++
		}
	}
	if share := float64(crashes) / float64(len(long)); share < 0.35 || share > 0.65 || len(long) < 300 {
		t.Errorf("%d of %d are crashes", crashes, len(long))
	}
	if slices.Equal(long, p.Silences("y-a", 2025)) {
		t.Error("two probes fall silent at once")
	}
}

// TestARunKnowsNoHistory: the emulated network is the same with and without.
func TestARunKnowsNoHistory(t *testing.T) {
	const text = "version: 1\nseed: 1\ndefaults: {stretch: 1.2, loss_percent: 5, jitter: {distribution: normal, median_ms: 1}}\n"
	plain, storied := network(t, text), network(t, text+"history: {diurnal: {delay_ms: 50}, path_changes: {per_year: 1000}}\n")
	for seq := range uint64(1000) {
		if a, b := plain.Fate(xa, ya, 0, seq), storied.Fate(xa, ya, 0, seq); a != b {
			t.Fatalf("packet %d: %+v, with a history %+v", seq, a, b)
		}
	}
}
