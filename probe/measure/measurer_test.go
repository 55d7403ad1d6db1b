package measure

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func always(f fate) func(int, int) (fate, error) {
	return func(int, int) (fate, error) { return f, nil }
}

func TestCountsByFate(t *testing.T) {
	// The bubble begins at midnight UTC; the Measurer starts 0 s into a
	// window, sends its warm-up packet in second 0 and counts from second 1.
	for _, tt := range []struct {
		name string
		fate func(n, seq int) (fate, error)
		want wire.Counts // of 20 s: a window of 9 slots and one of 10
	}{
		{"all answered", always(fate{rtt: 30 * time.Millisecond}), wire.Counts{Scheduled: 19, Sent: 19, Received: 19}},
		{"none answered", always(fate{}), wire.Counts{Scheduled: 19, Sent: 19, Lost: 19}},
		{"RTT above the interval", always(fate{rtt: 2500 * time.Millisecond}), wire.Counts{Scheduled: 19, Sent: 19, Received: 19}},
		{"all late", always(fate{rtt: 3500 * time.Millisecond}), wire.Counts{Scheduled: 19, Sent: 19, Lost: 19, Late: 19}},
		{"answered twice", always(fate{rtt: 30 * time.Millisecond, again: true}), wire.Counts{Scheduled: 19, Sent: 19, Received: 19, Duplicate: 19}},
		{"never sent", func(int, int) (fate, error) { return fate{}, errors.New("no route") },
			wire.Counts{Scheduled: 20, SendError: 4}}, // tried again with growing pauses
		{"refused from the fourth on", func(_, seq int) (fate, error) {
			if seq == 4 {
				return fate{}, errors.New("no route")
			}
			return fate{rtt: time.Millisecond}, nil
		}, wire.Counts{Scheduled: 19, Sent: 3, Received: 3, SendError: 16}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.fate)
				r.assignments <- assignment("there")
				time.Sleep(35 * time.Second)
				r.stop()
				var full []wire.Window
				for _, w := range r.windows {
					if w.EndReason == wire.EndFull && len(full) < 2 {
						full = append(full, w)
					}
				}
				got := sum(full)
				if tt.name == "never sent" {
					// The pauses are drawn at random.
					if got.SendError < 2 || got.SendError > 8 {
						t.Errorf("%d send errors", got.SendError)
					}
					got.SendError = tt.want.SendError
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				for _, w := range full {
					if w.Stats != nil && w.Stats.MinUS != w.Stats.MaxUS {
						t.Errorf("equal RTTs came out as %+v: something was held back", w.Stats)
					}
				}
			})
		})
	}
}

func TestMomentsAreUniform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(fate{rtt: 5 * time.Millisecond}))
		r.assignments <- assignment("there")
		time.Sleep(2000 * time.Second)
		r.stop()
		places := offsets(r.network.sent)
		slices.Sort(places)
		// Kolmogorov's distance from uniform; 1.95/√n is passed by one in a
		// thousand, and the seed is fixed.
		worst := 0.0
		for i, p := range places {
			worst = max(worst, math.Abs(float64(i)/float64(len(places))-p.Seconds()))
		}
		// 0.01 for the margins, and RTT/interval for those sent at the beat.
		if limit := 1.95/math.Sqrt(float64(len(places))) + 0.01 + 0.005; worst > limit {
			t.Errorf("distance from uniform %.3f is above %.3f", worst, limit)
		}
		if got := sum(r.windows); got.Received != got.Sent || got.Sent < 1990 {
			t.Errorf("%+v", got)
		}
	})
}

func TestSeedGivesTheMomentsAgain(t *testing.T) {
	var runs [2][]int64
	for i := range runs {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, always(fate{rtt: 5 * time.Millisecond}))
			r.assignments <- assignment("there")
			time.Sleep(60 * time.Second)
			r.stop()
			runs[i] = r.network.sent
		})
	}
	if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
		t.Errorf("two runs by one seed differ\n%s", diff)
	}
}

func TestPingerIsReplacedWithoutLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One packet is on its way at any time: 1.5 s each.
		r := newRig(t, always(fate{rtt: 1500 * time.Millisecond}))
		a := assignment("there")
		a.Tasks[0].IntervalMS = 10
		r.assignments <- a
		// maxPackets at 10 ms are ten minutes.
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if r.network.pingers != 2 {
			t.Errorf("%d pingers; want a second one", r.network.pingers)
		}
		if r.network.live != 1 {
			t.Errorf("%d pingers run; the old one ought to be gone", r.network.live)
		}
		r.stop()
		got := sum(r.windows)
		if got.Received != got.Scheduled || got.Scheduled < 89_000 {
			t.Errorf("%+v", got)
		}
	})
}

// TestWornPingerWithoutSuccessor: where no second socket can be had, the first
// goes on beyond the wrap of its sequence numbers.
func TestWornPingerWithoutSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(n, _ int) (fate, error) {
			if n > 0 {
				return fate{}, errors.New("no more sockets")
			}
			return fate{rtt: 5 * time.Millisecond}, nil
		})
		r.network.wrap = 1 << 16
		a := assignment("there")
		a.Tasks[0].IntervalMS, a.Tasks[0].WindowS = 10, 900
		r.assignments <- a
		time.Sleep(20 * time.Minute)
		r.stop()
		got := sum(r.windows)
		if got.Received != got.Scheduled || got.Scheduled < 119_000 {
			t.Errorf("%+v", got)
		}
	})
}

func TestSocketFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(fate{rtt: 1500 * time.Millisecond}))
		die := make(chan struct{})
		r.network.die = die
		r.assignments <- assignment("there")
		time.Sleep(8500 * time.Millisecond)
		die <- struct{}{}
		time.Sleep(30 * time.Second)
		r.stop()
		got := sum(r.windows)
		// What was on its way is no loss of the network's.
		if got.Lost != 0 || got.SendError == 0 || got.SendError > 3 {
			t.Errorf("%+v", got)
		}
		if r.network.pingers != 2 {
			t.Errorf("%d pingers", r.network.pingers)
		}
	})
}

func TestStopIsQuick(t *testing.T) {
	for _, tt := range []struct {
		name string
		fate fate
		most time.Duration
	}{
		{"nothing on its way", fate{rtt: time.Millisecond}, 50 * time.Millisecond},
		{"replies on their way", fate{rtt: 2 * time.Second}, 2 * time.Second},
		{"replies that never come", fate{}, wire.Timeout + 50*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(tt.fate))
				r.assignments <- assignment("there")
				time.Sleep(14500 * time.Millisecond)
				before := time.Now()
				ws := r.stop()
				if took := time.Since(before); took > tt.most {
					t.Errorf("took %v; want at most %v", took, tt.most)
				}
				last := ws[len(ws)-1]
				if last.EndReason != wire.EndStop || last.EndMS != before.UnixMilli() {
					t.Errorf("the last window ends %d, %s; the stop was at %d", last.EndMS, last.EndReason, before.UnixMilli())
				}
				got := sum(ws)
				if got.Sent != got.Scheduled || tt.fate.rtt > 0 && got.Lost > 0 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestClockStep(t *testing.T) {
	for _, tt := range []struct {
		name     string
		step     time.Duration
		sessions []uint64
	}{
		{"forward", 90 * time.Second, []uint64{1}},
		{"backward", -90 * time.Second, []uint64{1, 2}},
		{"backward a little", -3 * time.Millisecond, []uint64{1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(fate{rtt: 800 * time.Millisecond}))
				r.assignments <- assignment("there", "over-there")
				time.Sleep(14700 * time.Millisecond)
				r.clock.step(tt.step)
				time.Sleep(30 * time.Second)
				ws := r.stop()
				var sessions []uint64
				cut := map[string]int{}
				keys := map[wire.Key]bool{}
				for _, w := range ws {
					if !slices.Contains(sessions, w.Session) {
						sessions = append(sessions, w.Session)
					}
					if w.EndReason == wire.EndClockStep {
						cut[w.Dst]++
					}
					if keys[w.Key] {
						t.Errorf("window %v was made twice", w.Key)
					}
					keys[w.Key] = true
					if w.Stats != nil && (w.Stats.MaxUS != 800_000 || w.Stats.MinUS != 800_000) {
						t.Errorf("window %v: RTTs from %d to %d µs; all packets took 800000", w.Key, w.Stats.MinUS, w.Stats.MaxUS)
					}
				}
				slices.Sort(sessions)
				if diff := cmp.Diff(tt.sessions, sessions); diff != "" {
					t.Errorf("sessions (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(map[string]int{"there": 1, "over-there": 1}, cut); diff != "" {
					t.Errorf("windows cut (-want +got)\n%s", diff)
				}
				got := sum(ws)
				if got.Lost != 0 || got.Unstamped == 0 || got.Unstamped > 4 {
					t.Errorf("%+v", got)
				}
				// Measuring goes on after the step.
				if last := ws[len(ws)-1]; last.Sent == 0 {
					t.Errorf("the last window has no packets: %+v", last)
				}
			})
		})
	}
}

func TestNewAssignment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(fate{rtt: 30 * time.Millisecond}))
		r.assignments <- assignment("stays", "goes", "changes")
		time.Sleep(14300 * time.Millisecond)
		a := assignment("stays", "comes", "changes")
		a.MeshSHA256 = string(make64('b'))
		a.Tasks[0].Targets[2].Address = "192.0.2.99"
		r.assignments <- a
		time.Sleep(20 * time.Second)
		ws := r.stop()
		type seen struct {
			Sent, Missing uint32
			Cut, Other    int
		}
		got := map[string]seen{}
		for _, w := range ws {
			s := got[w.Dst]
			s.Sent += w.Sent
			s.Missing += w.Scheduled - w.Sent
			if w.EndReason == wire.EndAssignment {
				s.Cut++
			}
			if w.MeshSHA256 == a.MeshSHA256 {
				s.Other++
			}
			got[w.Dst] = s
		}
		for _, dst := range []string{"stays", "goes", "comes", "changes"} {
			s := got[dst]
			s.Sent = 0
			got[dst] = s
		}
		want := map[string]seen{
			"stays":   {Cut: 1, Other: 3},
			"goes":    {Cut: 1},
			"comes":   {Other: 3},
			"changes": {Cut: 1, Other: 3},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestAHurriedClockIsToldOnce(t *testing.T) {
	var log strings.Builder
	m := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, ppb := range []int64{0, 99_000, 100_001, 500_000, -500_000, 100_000, -100_001} {
		m.tellClock([]wire.Window{{Clock: wire.Clock{FrequencyPPB: ppb}}})
	}
	var told []string
	for line := range strings.Lines(log.String()) {
		told = append(told, line[strings.Index(line, "level=")+6:][:4]+line[strings.LastIndex(line, " ppm="):len(line)-1])
	}
	if diff := cmp.Diff([]string{"WARN ppm=100.001", "INFO ppm=100", "WARN ppm=-100.001"}, told); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
}
