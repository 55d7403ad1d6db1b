package series

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

// TestSums: points made of kept months are those that are made of days, the first
// time, again, and after a window of an old month has come.
func TestSums(t *testing.T) {
	source, s, m := stage(t, "Asia/Shanghai")
	cache := openDays(t, s)
	sums := NewSums(1 << 20)
	read := func(sums *Sums, from, to string, most int) []api.LinkSeries {
		t.Helper()
		period, err := report.ParsePeriod("", from, to, m.Location())
		if err != nil {
			t.Fatal(err)
		}
		session := beginSession(t, cache)
		kept := source
		kept.Days, kept.Sums, kept.Generation = session, sums, session.Generation()
		kept.Changed = func(ctx context.Context, span latency.Span, generation int64) (bool, error) {
			since, err := cache.Since(ctx, span, generation)
			return since.Touched || !since.Kept, err
		}
		got, err := Read(t.Context(), kept, Query{Period: period, Step: Day, MaxPoints: most, Wanted: both(Wanted{})})
		if err != nil {
			t.Fatal(err)
		}
		return got.Series
	}
	hold := func(when string) {
		t.Helper()
		for _, c := range []struct {
			from, to string
			most     int
		}{{"2025-05-01", "2025-07-01", 1}, {"2025-05-01", "2025-06-01", 1}, {"2025-05-20", "2025-07-01", 1}, {"2025-04-01", "2025-07-01", 3}, {"2025-05-01", "2025-07-01", 100}} {
			for again := range 2 {
				if diff := cmp.Diff(read(nil, c.from, c.to, c.most), read(sums, c.from, c.to, c.most)); diff != "" {
					t.Errorf("%s, %v, time %d (-of days +of sums):\n%s", when, c, again, diff)
				}
			}
		}
	}
	hold("at first")
	if len(sums.months) < 2 {
		t.Fatalf("%d months are kept; the test is of no use", len(sums.months))
	}
	before := read(sums, "2025-05-01", "2025-07-01", 1)
	s.Admit(t, scenario.Window(m, "a1", "b1", time.Date(2025, 5, 30, 3, 30, 0, 0, time.UTC), scenario.Same(90_000, 60), 0))
	hold("after a window came late")
	if cmp.Equal(before, read(sums, "2025-05-01", "2025-07-01", 1)) {
		t.Error("a window that came late changes nothing")
	}
}

// TestSumsAreBounded: what is not asked for goes first, and all of it is let go of.
func TestSumsAreBounded(t *testing.T) {
	sums := NewSums(10 * (sum{}).size())
	from := &Source{Changed: func(context.Context, latency.Span, int64) (bool, error) { return false, nil }}
	key := func(month int) sumKey { return sumKey{"mesh", "test", latency.Span{FromMS: int64(month)}} }
	for month := range 20 {
		sums.keep(key(month), 1, map[[2]string]sum{{"a", fmt.Sprint(month)}: {}, {"b", "c"}: {}})
		if ends, err := sums.month(t.Context(), key(0), from); err != nil || len(ends) != 2 {
			t.Fatalf("after %d months the one that is asked for is gone: %v", month, err)
		}
		if sums.bytes > sums.most || len(sums.months) > 5 {
			t.Fatalf("%d bytes of %d months", sums.bytes, len(sums.months))
		}
	}
	from.Changed = func(context.Context, latency.Span, int64) (bool, error) { return true, nil }
	for month := range 20 {
		if ends, err := sums.month(t.Context(), key(month), from); err != nil || ends != nil {
			t.Errorf("a month that changed is still given: %v, %v", ends, err)
		}
	}
	if sums.bytes != 0 || len(sums.months) != 0 {
		t.Errorf("%d bytes of %d months are left of nothing", sums.bytes, len(sums.months))
	}
}
