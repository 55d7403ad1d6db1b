package latency_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		zone     string
		from     string
		length   time.Duration // 0: a day by the calendar
		days     int
		hours    int
		clocks   string // of the hours
		shortDay bool
	}{
		{"Asia/Shanghai", "2025-06-03T00:00:00", 0, 1, 24, "", false},
		{"Asia/Shanghai", "2025-06-03T12:00:00", 24 * time.Hour, 2, 24, "", false},
		{"Asia/Shanghai", "2025-06-03T23:59:30", time.Minute, 2, 2, "[23 0]", true},
		{"Asia/Shanghai", "2025-06-03T10:20:00", 2 * time.Hour, 1, 3, "[10 11 12]", true},
		// No two o'clock in March, and twice in October, which is one hour.
		{"Europe/Berlin", "2025-03-30T00:00:00", 0, 1, 23, "[0 1 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23]", false},
		{"Europe/Berlin", "2025-10-26T00:00:00", 0, 1, 24, "", false},
		// The next day begins at one o'clock, and no clock shows midnight.
		{"America/Asuncion", "2023-09-30T00:00:00", 24 * time.Hour, 1, 24, "", false},
		{"America/Asuncion", "2023-09-30T00:00:00", 23*time.Hour + 30*time.Minute, 1, 24, "", true},
		// Half an hour and three quarters off UTC.
		{"Australia/Lord_Howe", "2025-06-03T00:00:00", 0, 1, 24, "", false},
		{"Asia/Kathmandu", "2025-06-03T05:00:00", time.Hour, 1, 1, "[5]", true},
	} {
		from, err := time.ParseInLocation("2006-01-02T15:04:05", c.from, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		to := from.Add(c.length)
		if c.length == 0 {
			to = from.AddDate(0, 0, 1)
		}
		calendar := latency.NewCalendar(from, to)
		var clocks []int
		at := calendar.FromMS
		for _, h := range calendar.Hours {
			clocks = append(clocks, h.Clock)
			if h.FromMS != at || h.ToMS <= h.FromMS {
				t.Errorf("%s %s: an hour from %d to %d, want from %d", c.zone, c.from, h.FromMS, h.ToMS, at)
			}
			at = h.ToMS
		}
		if at != to.UnixMilli() || len(calendar.Days) != c.days || len(calendar.Hours) != c.hours || calendar.ShortOfDay != c.shortDay {
			t.Errorf("%s %s: %d days, %d hours, short %v", c.zone, c.from, len(calendar.Days), len(calendar.Hours), calendar.ShortOfDay)
		}
		if c.clocks != "" && fmt.Sprint(clocks) != c.clocks {
			t.Errorf("%s %s: hours %v, want %s", c.zone, c.from, clocks, c.clocks)
		}
	}
}

func TestSchedule(t *testing.T) {
	m := scenario.Mesh(t, "UTC", []string{"a1 a one optical both until: 2025-06-03T00:30:00Z", "b1 b one optical both from: 2025-06-03T00:00:10Z"}, nil)
	from := time.Date(2025, 6, 3, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		from, to time.Duration
		want     int64
	}{
		{0, time.Hour, 30*60 - 10},                            // the lives of the sites
		{time.Minute, 2 * time.Minute, 60},                    // within them
		{time.Minute, time.Minute + 1500*time.Millisecond, 2}, // intervals begin at whole seconds
		{time.Minute + time.Millisecond, 61 * time.Second, 0}, // none begins
		{time.Minute + time.Millisecond, 61001 * time.Millisecond, 1},
		{time.Hour, 2 * time.Hour, 0},
	} {
		var sum int64
		for _, n := range latency.NewCalendar(from.Add(c.from), from.Add(c.to)).Schedule(m.Test("icmp"), m.Site("a1"), m.Site("b1"), time.UTC) {
			sum += n
		}
		if sum != c.want {
			t.Errorf("from %v to %v: %d packets, want %d", c.from, c.to, sum, c.want)
		}
	}
}

// scope is the end a1 towards b1.
func scope(m *mesh.Mesh, calendar *latency.Calendar) *latency.Scope {
	return &latency.Scope{Test: m.Test("icmp"), Src: m.Site("a1"), Dst: m.Site("b1"), Calendar: calendar}
}

func TestRead(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	from := time.Date(2025, 6, 3, 23, 59, 0, 0, m.Location())
	calendar := latency.NewCalendar(from, from.Add(2*time.Minute))
	s := &scenario.Store{}
	before := scenario.Window(m, "a1", "b1", from.Add(-time.Minute), scenario.Same(1, 60), 0)
	first := scenario.Window(m, "a1", "b1", from, scenario.Same(20_000, 50), 5)
	first.Unstamped, first.Received, first.Sent = 5, first.Received+5, first.Sent+5
	second := scenario.Window(m, "a1", "b1", from.Add(time.Minute), scenario.Same(21_000, 58), 2)
	second.Late, second.Timestamps = 1, wire.TimestampsKernel
	conflict := scenario.Window(m, "a1", "b1", from, scenario.Same(1, 60), 0)
	s.Put(t, second, first, before, conflict)

	got, err := latency.Read(t.Context(), s, nil, scope(m, calendar), true)
	if err != nil {
		t.Fatal(err)
	}
	want := latency.Packets{Sent: 120, Received: 113, Lost: 7, Late: 1, Unstamped: 5}
	if diff := cmp.Diff(want, got.Packets); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	whole := got.Over(calendar, false)
	if got.Windows != 2 || got.Conflicts != 1 || got.FirstMS != first.StartMS || got.LastMS != second.EndMS || whole.Packets() != 115 {
		t.Errorf("%+v with %d packets", got, whole.Packets())
	}
	if diff := cmp.Diff([]int64{55, 60}, whole.Usable); diff != "" {
		t.Errorf("usable (-want +got):\n%s", diff)
	}
	if got.Days[0].SHA256 == got.Days[1].SHA256 || got.Days[0].SHA256 == (wire.Digest{}) {
		t.Errorf("days have the hashes %s and %s", got.Days[0].SHA256, got.Days[1].SHA256)
	}
	// A conflict counts nowhere, but the hash tells that there was one.
	alone := &scenario.Store{}
	alone.Put(t, first)
	without, err := latency.Read(t.Context(), alone, nil, scope(m, calendar), true)
	if err != nil {
		t.Fatal(err)
	}
	if without.Days[0].SHA256 == got.Days[0].SHA256 {
		t.Error("with and without a conflict a day has the same hash")
	}
}

// The time that windows cover is what they can fill, however many packets they
// hold.
func TestUsable(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	from := time.Date(2025, 6, 3, 10, 0, 0, 0, time.UTC)
	type window struct {
		session    uint64
		start, end time.Duration
		packets    int
	}
	calendar := latency.NewCalendar(from, from.Add(2*time.Hour))
	for name, c := range map[string]struct {
		windows []window
		want    []int64
	}{
		"one after the other":   {[]window{{1, 0, time.Minute, 60}, {1, time.Minute, 2 * time.Minute, 55}}, []int64{115, 0}},
		"a test once faster":    {[]window{{1, 0, 15 * time.Minute, 9000}}, []int64{900, 0}},
		"two probes at once":    {[]window{{1, 0, time.Minute, 60}, {2, 0, time.Minute, 60}}, []int64{60, 0}},
		"each sends half":       {[]window{{1, 0, time.Minute, 20}, {2, 0, time.Minute, 30}}, []int64{50, 0}},
		"a clock set back":      {[]window{{1, 0, 40 * time.Second, 40}, {2, 10 * time.Second, time.Minute, 50}}, []int64{60, 0}},
		"three in a chain":      {[]window{{1, 0, 40 * time.Second, 40}, {2, 10 * time.Second, 20 * time.Second, 10}, {3, 30 * time.Second, time.Minute, 30}}, []int64{60, 0}},
		"cut within a second":   {[]window{{1, 0, 10500 * time.Millisecond, 11}, {2, 10500 * time.Millisecond, time.Minute, 50}}, []int64{61, 0}},
		"in the following hour": {[]window{{1, 59 * time.Minute, time.Hour, 90}, {1, time.Hour, 61 * time.Minute, 90}}, []int64{60, 60}},
	} {
		s := &scenario.Store{}
		for _, w := range c.windows {
			made := scenario.Window(m, "a1", "b1", from.Add(w.start), scenario.Same(20_000, w.packets), 0)
			made.Session, made.EndMS = w.session, from.Add(w.end).UnixMilli()
			s.Put(t, made)
		}
		got, err := latency.Read(t.Context(), s, nil, scope(m, calendar), true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got.Over(calendar, false).Usable); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// source yields records as they are, right or wrong.
type source []store.Record

func (s source) Windows(context.Context, store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, r := range s {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func TestReadRefusesABrokenStore(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	from := time.Date(2025, 6, 3, 10, 0, 0, 0, time.UTC)
	calendar := latency.NewCalendar(from, from.Add(time.Hour))
	at := func(d time.Duration) store.Record {
		return store.Record{Window: scenario.Window(m, "a1", "b1", from.Add(d), scenario.Same(20_000, 1), 0)}
	}
	broken := at(0)
	broken.Window.RTTs = []byte{0x80}
	for _, c := range []struct {
		name   string
		source latency.Source
		want   string
	}{
		{"out of order", source{at(time.Minute), at(0)}, "out of order or range"},
		{"twice", source{at(0), at(0)}, "out of order or range"},
		{"out of range", source{at(-time.Minute)}, "out of order or range"},
		{"broken samples", source{broken}, "rtts: a varint is cut off or too long"},
		{"failing", &scenario.Store{Err: errors.New("no answer")}, "read windows of a1>b1: no answer"},
	} {
		if _, err := latency.Read(t.Context(), c.source, nil, scope(m, calendar), true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// BenchmarkRead is a link-month with its hash.
func BenchmarkRead(b *testing.B) {
	m := scenario.Mesh(b, "UTC", scenario.Sites(), nil)
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	records := month(m, from)
	calendar := latency.NewCalendar(from, from.AddDate(0, 1, 0))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := latency.Read(b.Context(), records, nil, scope(m, calendar), true); err != nil {
			b.Fatal(err)
		}
	}
}

func month(m *mesh.Mesh, from time.Time) source {
	random := rand.New(rand.NewPCG(1, 2))
	var records source
	for i := range 30 * 24 * 60 {
		rtts := make([]uint32, 60)
		for j := range rtts {
			rtts[j] = uint32(22_000 + random.ExpFloat64()*150)
		}
		records = append(records, store.Record{Window: scenario.Window(m, "a1", "b1", from.Add(time.Duration(i)*time.Minute), rtts, 0)})
	}
	return records
}
