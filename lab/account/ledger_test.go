package account

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// nth is the nth window of a link in a session.
func nth(link string, session, n int) Window {
	return Window{
		Key:    fmt.Sprintf("%s/ping@2026-11-23T10:00:%02d.000Z#%d", link, n, session),
		Digest: fmt.Sprintf("%064x", n),
	}
}

func windows(link string, session, from, to int) []Window {
	var list []Window
	for n := from; n < to; n++ {
		list = append(list, nth(link, session, n))
	}
	return list
}

func stored(list ...Window) []Stored {
	var all []Stored
	for _, w := range list {
		all = append(all, Stored{Window: w})
	}
	return all
}

func forged(w Window) Window {
	w.Digest = strings.Repeat("f", 64)
	return w
}

// books are of a probe that was killed in its first life and stopped well in its
// second.
func books() *Ledger {
	return &Ledger{
		Sites: []Site{{ID: "a", Lives: []Life{
			{Session: 100, Made: windows("a>b", 100, 0, 4)},
			{Session: 200, Stopped: true, Made: windows("a>b", 200, 4, 10)},
		}}},
		Stored: stored(append(windows("a>b", 100, 0, 4), windows("a>b", 200, 4, 10)...)...),
	}
}

func TestBalance(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(l *Ledger)
		want   Row
		find   string // in the findings; empty: there are none
	}{
		{"all stored", func(*Ledger) {}, Row{Made: 10, Stored: 10}, ""},
		{"lost", func(l *Ledger) { l.Stored = slices.Delete(l.Stored, 3, 4) },
			Row{Made: 10, Stored: 9, Lost: 1}, "lost: a>b/ping@2026-11-23T10:00:03.000Z#100"},
		{"still spooled", func(l *Ledger) {
			l.Sites[0].Spooled = []Window{l.Stored[9].Window}
			l.Stored = l.Stored[:9]
		}, Row{Made: 10, Stored: 9, Spooled: 1}, ""},
		{"stored and spooled, because the acknowledgement was lost", func(l *Ledger) {
			l.Sites[0].Spooled = []Window{l.Stored[9].Window}
		}, Row{Made: 10, Stored: 10}, ""},
		{"set aside", func(l *Ledger) {
			l.Sites[0].Aside = []Window{l.Stored[9].Window}
			l.Stored = l.Stored[:9]
		}, Row{Made: 10, Stored: 9, Aside: 1}, ""},
		{"dropped and counted", func(l *Ledger) {
			l.Sites[0].Dropped, l.Stored = 2, l.Stored[2:]
		}, Row{Made: 10, Stored: 8, Dropped: 2}, ""},
		{"more missing than were dropped", func(l *Ledger) {
			l.Sites[0].Dropped, l.Stored = 1, l.Stored[2:]
		}, Row{Made: 10, Stored: 8, Dropped: 1, Lost: 1}, "lost: a>b/ping@2026-11-23T10:00:01.000Z#100"},
		{"dropped by another", func(l *Ledger) {
			l.Sites = append(l.Sites, Site{ID: "b", Dropped: 5})
			l.Stored = l.Stored[1:]
		}, Row{Made: 10, Stored: 9, Lost: 1}, "lost: a>b/ping@2026-11-23T10:00:00.000Z#100"},
		{"dropped and named", func(l *Ledger) {
			l.Sites[0].Dropped, l.Sites[0].Lives[1].Dropped = 2, []string{l.Stored[7].Key, l.Stored[8].Key}
			l.Stored = slices.Delete(l.Stored, 7, 9)
		}, Row{Made: 10, Stored: 8, Dropped: 2}, ""},
		{"another is missing than was dropped", func(l *Ledger) {
			l.Sites[0].Dropped, l.Sites[0].Lives[1].Dropped = 1, []string{l.Stored[7].Key}
			l.Stored = slices.Delete(l.Stored, 8, 9)
		}, Row{Made: 10, Stored: 9, Lost: 1}, "lost: a>b/ping@2026-11-23T10:00:08.000Z#200"},
		{"one dropped and named, one counted only", func(l *Ledger) {
			l.Sites[0].Dropped, l.Sites[0].Lives[1].Dropped = 2, []string{l.Stored[7].Key}
			l.Stored = slices.Delete(l.Stored, 6, 8)
		}, Row{Made: 10, Stored: 8, Dropped: 2}, ""},
		{"given up at a stop, but stored all the same", func(l *Ledger) {
			l.Sites[0].Lives[1].Lost = windows("a>b", 200, 50, 51)
			l.Stored = append(l.Stored, stored(nth("a>b", 200, 50))...)
		}, Row{Made: 10, InHand: 1, Stored: 11}, ""},
		{"given up at a stop, and stored in another form", func(l *Ledger) {
			l.Sites[0].Lives[1].Lost = windows("a>b", 200, 50, 51)
			l.Stored = append(l.Stored, stored(forged(nth("a>b", 200, 50)))...)
		}, Row{Made: 10, InHand: 1, Stored: 11, Changed: 1}, "stored in another form"},
		{"given up at a stop", func(l *Ledger) { l.Sites[0].Lives[1].Lost = windows("a>b", 200, 50, 51) }, Row{Made: 10, Stored: 10}, ""},
		{"dropped, but stored all the same", func(l *Ledger) { l.Sites[0].Dropped = 3 }, Row{Made: 10, Stored: 10}, ""},
		{"stored twice", func(l *Ledger) { l.Stored = append(l.Stored, l.Stored[5]) },
			Row{Made: 10, Stored: 10, Twice: 1}, "stored twice: a>b/ping@2026-11-23T10:00:05.000Z#200"},
		{"made twice", func(l *Ledger) { l.Sites[0].Lives[1].Made = append(l.Sites[0].Lives[1].Made, nth("a>b", 100, 0)) },
			Row{Made: 10, Stored: 10, Twice: 1}, "made twice: a>b/ping@2026-11-23T10:00:00.000Z#100"},
		{"changed in the store", func(l *Ledger) { l.Stored[2].Window = forged(l.Stored[2].Window) },
			Row{Made: 10, Stored: 10, Changed: 1}, "stored in another form: a>b/ping@2026-11-23T10:00:02.000Z#100"},
		{"changed in the spool", func(l *Ledger) {
			l.Sites[0].Spooled = []Window{forged(l.Stored[9].Window)}
			l.Stored = l.Stored[:9]
		}, Row{Made: 10, Stored: 9, Spooled: 1, Changed: 1}, "spooled in another form"},
		{"another in the spool than in the store", func(l *Ledger) { l.Sites[0].Spooled = []Window{forged(l.Stored[9].Window)} },
			Row{Made: 10, Stored: 10, Changed: 1}, "spooled in another form"},
		{"a conflict", func(l *Ledger) { l.Stored[2].Conflicts = 1 }, Row{Made: 10, Stored: 10, Changed: 1}, "stored in 2 forms"},
		{"in hand at a kill, stored", func(l *Ledger) { l.Stored = append(l.Stored, stored(nth("a>b", 100, 50))...) },
			Row{Made: 10, InHand: 1, Stored: 11}, ""},
		{"in hand at a kill, of a session raised in that life", func(l *Ledger) { l.Stored = append(l.Stored, stored(nth("a>b", 150, 50))...) },
			Row{Made: 10, InHand: 1, Stored: 11}, ""},
		{"in hand at a kill, spooled", func(l *Ledger) { l.Sites[0].Spooled = windows("a>b", 100, 50, 51) },
			Row{Made: 10, InHand: 1, Stored: 10, Spooled: 1}, ""},
		{"in hand at a kill, in two forms", func(l *Ledger) {
			l.Stored = append(l.Stored, stored(nth("a>b", 100, 50))...)
			l.Sites[0].Spooled = []Window{forged(nth("a>b", 100, 50))}
		}, Row{Made: 10, InHand: 1, Stored: 11, Changed: 1}, "spooled in another form"},
		{"unsaid by a life that stopped well", func(l *Ledger) { l.Stored = append(l.Stored, stored(nth("a>b", 200, 50))...) },
			Row{Made: 10, Stored: 10, Invented: 1}, "stored, but no probe made it: a>b/ping@2026-11-23T10:00:50.000Z#200"},
		{"of a session before all lives", func(l *Ledger) { l.Stored = append(l.Stored, stored(nth("a>b", 99, 50))...) },
			Row{Made: 10, Stored: 10, Invented: 1}, "stored, but no probe made it"},
		{"of an unknown site", func(l *Ledger) { l.Stored = append(l.Stored, stored(nth("x>b", 100, 50))...) },
			Row{Made: 10, Stored: 10, Invented: 1}, "stored, but no probe made it: x>b"},
		{"more in hand than a put holds", func(l *Ledger) {
			for n := range MostInHand + 3 {
				l.Stored = append(l.Stored, stored(Window{fmt.Sprintf("a>b/ping@x%d#100", n), "d"})...)
			}
		}, Row{Made: 10, InHand: MostInHand, Stored: 10 + MostInHand, Invented: 3}, "stored, but no probe made it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := books()
			test.change(l)
			got, err := Balance(l)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got.Total, cmpopts.IgnoreFields(Row{}, "Link")); d != "" {
				t.Error(d)
			}
			if good := got.Total.Good(); good != (test.find == "") {
				t.Errorf("good is %v", good)
			}
			found := strings.Join(got.Findings, "\n")
			if test.find == "" && found != "" || !strings.Contains(found, test.find) {
				t.Errorf("findings %q, want %q among them", found, test.find)
			}
		})
	}
}

func TestBalanceRefusesBooksThatDoNotRead(t *testing.T) {
	for _, text := range []string{"", "a>b", "a>b/ping", "a>b/ping@now", "a>b/ping@now#one", "ab/ping@now#1"} {
		l := books()
		l.Stored = append(l.Stored, Stored{Window: Window{Key: text}})
		if _, err := Balance(l); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

// TestBalanceAddsUp: whatever becomes of windows, each is somewhere.
func TestBalanceAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &Ledger{Sites: []Site{{ID: "a", Dropped: int64(rapid.IntRange(0, 5).Draw(t, "dropped")), Lives: []Life{{Session: 1}}}}}
		gone := 0
		for n := range rapid.IntRange(0, 40).Draw(t, "windows") {
			w := nth("a>b", 1, n)
			if rapid.IntRange(0, 9).Draw(t, "said") > 0 {
				l.Sites[0].Lives[0].Made = append(l.Sites[0].Lives[0].Made, w)
			}
			at := rapid.IntRange(0, 7).Draw(t, "where") // bits: stored, spooled, aside
			if at&1 > 0 {
				l.Stored = append(l.Stored, stored(w)...)
			}
			if at&2 > 0 {
				l.Sites[0].Spooled = append(l.Sites[0].Spooled, w)
			}
			if at&4 > 0 {
				l.Sites[0].Aside = append(l.Sites[0].Aside, w)
			}
			if at == 0 && len(l.Sites[0].Lives[0].Made) > 0 && l.Sites[0].Lives[0].Made[len(l.Sites[0].Lives[0].Made)-1] == w {
				gone++
			}
		}
		a, err := Balance(l)
		if err != nil {
			t.Fatal(err)
		}
		r := a.Total
		if r.Made+r.InHand != r.Stored+r.Spooled+r.Aside+r.Dropped+r.Lost {
			t.Fatalf("does not add up: %+v", r)
		}
		if want := max(0, gone-int(l.Sites[0].Dropped)); r.Lost != want || r.Twice+r.Changed+r.Invented > 0 {
			t.Fatalf("%+v, want %d lost and nothing else wrong", r, want)
		}
	})
}

func TestReadLog(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	log := `time=T level=INFO msg="probe starts" site=a session=100 seed=1 version=v1
time=T level=DEBUG msg="window made" key="a>b/ping@2026-11-23T10:00:00.000Z#100" digest=` + digest + `
time=T level=WARN msg="the wall clock stepped back: windows are cut and the session is raised" by=-2s session=101
time=T level=ERROR msg="the spool takes no windows: they are kept in memory and tried again; see to the disk of --spool" windows=8
time=T level=INFO msg="probe starts" site=a session=200 seed=1 version=v1
time=T level=WARN msg="the wall clock stepped forward: windows are cut" by=2s
time=T level=ERROR msg="too many windows wait in memory for the spool: the oldest are dropped" windows=7
time=T level=DEBUG msg="window dropped" key="a>b/ping@2026-11-23T10:00:00.000Z#100"
time=T level=DEBUG msg="window lost" key=a>b/ping@2026-11-23T10:00:02.000Z#200 digest=` + digest + `
time=T level=INFO msg="probe stopped" made=0
fibergauge-probe: stop: 56 windows could not be spooled and are lost
panic: no
time=T level=DEBUG msg="window made" key="a>b/ping@2026-11-23T10:00:01.000Z#100" dig`
	lives, said, err := ReadLog(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	want := []Life{
		{Session: 100, Made: []Window{{"a>b/ping@2026-11-23T10:00:00.000Z#100", digest}}},
		{Session: 200, Stopped: true, Dropped: []string{"a>b/ping@2026-11-23T10:00:00.000Z#100"}, Lost: []Window{{"a>b/ping@2026-11-23T10:00:02.000Z#200", digest}}},
	}
	if d := cmp.Diff(want, lives); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Said{SpoolRefused: 1, StepsForward: 1, StepsBack: 1, NeverSpooled: 63, Panics: 1}, said); d != "" {
		t.Error(d)
	}
	if _, _, err := ReadLog(strings.NewReader(fmt.Sprintf("msg=\"window made\" key=k digest=%s\n", digest))); err == nil {
		t.Error("a window before any start is taken")
	}
	if _, _, err := ReadLog(strings.NewReader(fmt.Sprintf("msg=\"probe starts\" session=%d9\n", uint64(math.MaxUint64)))); err == nil {
		t.Error("a session that is no number is taken")
	}
}
