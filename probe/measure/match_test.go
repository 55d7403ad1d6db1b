package measure

import (
	"log/slog"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// tapped lets the network be looked on.
func tapped(cfg *Config, n *network) { cfg.Tap = n }

// rttsByTest are the distinct RTTs in µs of a test's windows.
func rttsByTest(t *testing.T, ws []wire.Window) map[string][]uint32 {
	t.Helper()
	all := map[string][]uint32{}
	for _, w := range ws {
		rtts, err := wire.DecodeRTTs(nil, w.RTTs)
		if err != nil {
			t.Fatal(err)
		}
		all[w.Test] = append(all[w.Test], rtts...)
		slices.Sort(all[w.Test])
		all[w.Test] = slices.Compact(all[w.Test])
	}
	return all
}

// TestABusyProcessBendsNoRTT lets replies wait in the kernel.
func TestABusyProcessBendsNoRTT(t *testing.T) {
	for _, busy := range []time.Duration{0, 20 * time.Millisecond, 800 * time.Millisecond, wire.Timeout + time.Second} {
		t.Run(busy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(fate{rtt: 30 * time.Millisecond}), tapped, func(_ *Config, n *network) { n.busy = busy })
				r.assignments <- assignment("there")
				time.Sleep(65 * time.Second)
				ws := r.stop()
				if c := sum(ws); c.Received != c.Sent || c.Unstamped > 0 || c.Sent < 60 {
					t.Errorf("counts %+v", c)
				}
				for _, w := range ws {
					if w.Received > 0 && w.Timestamps != wire.TimestampsKernel {
						t.Errorf("window %v: timestamps %q", w.Key, w.Timestamps)
					}
				}
				if diff := cmp.Diff(map[string][]uint32{"icmp": {30_000}}, rttsByTest(t, ws)); diff != "" {
					t.Errorf("RTTs (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestFlowsThatLookAlikeAreKeptApart measures one target by two tests whose
// packets do not differ, while each has an RTT of its own.
func TestFlowsThatLookAlikeAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(n, _ int) (fate, error) { return fate{rtt: time.Duration(n+1) * 10 * time.Millisecond}, nil },
			tapped, func(_ *Config, n *network) { n.busy = 100 * time.Millisecond })
		a := assignment("there")
		second := a.Tasks[0]
		second.Test = "icmp-again"
		a.Tasks = append(a.Tasks, second)
		r.assignments <- a
		time.Sleep(35 * time.Second)
		ws := r.stop()
		rtts := rttsByTest(t, ws)
		// Which of the two begins first is drawn at random.
		both := slices.Sorted(slices.Values(append(slices.Clone(rtts["icmp"]), rtts["icmp-again"]...)))
		if diff := cmp.Diff([]uint32{10_000, 20_000}, both); diff != "" {
			t.Errorf("RTTs (-want +got)\n%s", diff)
		}
		for _, w := range ws {
			if w.Unstamped > 0 || w.Received > 0 && w.Timestamps != wire.TimestampsKernel {
				t.Errorf("window %v: %q, %+v", w.Key, w.Timestamps, w.Counts)
			}
		}
	})
}

// TestAStrangersPacketsAreNotOurs lets another process ping the same target in
// the same way at the same moment: whose packets are whose cannot be told.
func TestAStrangersPacketsAreNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n *network
		r := newRig(t, func(_, seq int) (fate, error) {
			spec := Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 84}
			n.pass(spec, 4711, seq, false)
			n.pass(spec, 4711, seq, true)
			return fate{rtt: 30 * time.Millisecond}, nil
		}, tapped, func(_ *Config, net *network) { n = net; n.busy = time.Millisecond })
		r.assignments <- assignment("there")
		time.Sleep(35 * time.Second)
		ws := r.stop()
		if c := sum(ws); c.Received != c.Sent || c.Sent < 30 {
			t.Errorf("counts %+v", c)
		}
		if diff := cmp.Diff(map[string][]uint32{"icmp": {31_000}}, rttsByTest(t, ws)); diff != "" {
			t.Errorf("RTTs (-want +got)\n%s", diff)
		}
		for _, w := range ws {
			if w.Timestamps != wire.TimestampsUser {
				t.Errorf("window %v: timestamps %q", w.Key, w.Timestamps)
			}
		}
	})
}

// TestAStrangerIsToldFromUsByALaterPacket lets another process ping the same
// target in the same way, and begin at the same moment.
func TestAStrangerIsToldFromUsByALaterPacket(t *testing.T) {
	const ours, theirs = 0, 4711
	for _, tt := range []struct {
		name    string
		number  func(seq int) int           // what makes the stranger's packets unique
		apart   func(seq int) time.Duration // by which it sends later than we do
		unseen  func(stopwatch.Echo) bool
		without int // packets at the most that are not timed by the kernel
	}{
		{name: "ping, whose payload never repeats", number: func(seq int) int { return theirs + seq }, apart: func(int) time.Duration { return 0 }},
		{name: "in step for three packets", number: func(int) int { return theirs }, apart: func(seq int) time.Duration {
			return time.Duration(max(0, seq-2)) * 50 * time.Millisecond
		}},
		{name: "and our first was not seen", number: func(int) int { return theirs }, apart: func(seq int) time.Duration {
			return time.Duration(min(seq, 1)) * 200 * time.Millisecond
		}, unseen: func(e stopwatch.Echo) bool { return e.Seq == 0 && trackerOf(e)[0] == ours }, without: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n *network
				r := newRig(t, func(_, seq int) (fate, error) {
					spec := Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 84}
					time.AfterFunc(tt.apart(seq), func() {
						n.pass(spec, tt.number(seq), seq, false)
						time.Sleep(17 * time.Millisecond)
						n.pass(spec, tt.number(seq), seq, true)
					})
					return fate{rtt: 30 * time.Millisecond}, nil
				}, tapped, func(_ *Config, net *network) { n = net; n.busy, n.unseen = time.Millisecond, tt.unseen })
				r.assignments <- assignment("there")
				time.Sleep(65 * time.Second)
				ws := r.stop()
				time.Sleep(5 * time.Second) // until the stranger's last packet has passed
				if c := sum(ws); c.Received != c.Sent || c.Sent < 60 || int(c.Unstamped) > tt.without {
					t.Errorf("counts %+v", c)
				}
				if diff := cmp.Diff(map[string][]uint32{"icmp": {30_000}}, rttsByTest(t, ws)); diff != "" {
					t.Errorf("RTTs (-want +got)\n%s", diff)
				}
				for _, w := range ws {
					if w.Received > 0 && w.Timestamps != wire.TimestampsKernel {
						t.Errorf("window %v: timestamps %q", w.Key, w.Timestamps)
					}
				}
			})
		})
	}
}

// TestAFloodOfStrangersIsNotRemembered lets another process ping the same
// target as fast as it can, always by the number of the packet that is ours.
func TestAFloodOfStrangersIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{clock: SystemClock()}
		line := newTimeline(n.clock, 1, nil, nil)
		m := newMatcher(line, n)
		spec := Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 84}
		f := &flow{line: line, matcher: m, spec: spec}
		s := newSocket(f)
		for seq := range 5 * maxRemembered {
			n.pass(spec, seq, 0, false)
			n.pass(spec, seq, 0, true)
			n.pass(Spec{Address: spec.Address, SizeBytes: 100}, seq, seq, false)
			if seq%1000 == 0 {
				time.Sleep(time.Millisecond)
				m.read()
			}
		}
		if m.read(); m.remembered != maxRemembered {
			t.Errorf("%d packets are remembered, want %d", m.remembered, maxRemembered)
		}
		time.Sleep(2 * strangeFor)
		if m.read(); m.remembered != 0 || len(m.strange) != 0 {
			t.Errorf("%d packets of %d strangers are still remembered", m.remembered, len(m.strange))
		}
		m.forget(s)
		n.pass(spec, 1, 1, false)
		if m.read(); len(m.strange)+len(m.unknown)+len(m.owners) != 0 {
			t.Errorf("%v is watched for nobody", m)
		}
	})
}

// TestAFloodOfAStrangerHidesNothing lets another process ping the same target
// much faster than we do, while the tap misses our first packet.
func TestAFloodOfAStrangerHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n *network
		over := make(chan struct{})
		r := newRig(t, always(fate{rtt: 30 * time.Millisecond}), tapped, func(_ *Config, net *network) {
			n = net
			n.busy = time.Millisecond
			n.unseen = func(e stopwatch.Echo) bool { return e.Seq == 0 && trackerOf(e) == tracker{} }
		})
		go func() {
			spec := Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 84}
			for flood := 0; ; flood++ {
				select {
				case <-over:
					return
				default:
				}
				for i := range 250 {
					seq := 250*flood + i
					n.pass(spec, 1+seq%65_000, seq, false)
					n.pass(spec, 1+seq%65_000, seq, true)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		time.Sleep(time.Second)
		r.assignments <- assignment("there")
		time.Sleep(35 * time.Second)
		ws := r.stop()
		close(over)
		time.Sleep(time.Second)
		if c := sum(ws); c.Received != c.Sent || c.Sent < 30 || c.Unstamped > 2 {
			t.Errorf("counts %+v", c)
		}
		if diff := cmp.Diff(map[string][]uint32{"icmp": {30_000}}, rttsByTest(t, ws)); diff != "" {
			t.Errorf("RTTs (-want +got)\n%s", diff)
		}
	})
}

// TestAStrangerOfManyTargetsIsNobodys lets another process, whose payload is
// always the same, ping all our targets in step with us, while the tap misses
// the first of ours.
func TestAStrangerOfManyTargetsIsNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n *network
		r := newRig(t, func(_, seq int) (fate, error) {
			if seq < 2 {
				for i := range 5 {
					n.pass(Spec{Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i)}), SizeBytes: 84}, 4711, seq, false)
				}
			}
			return fate{rtt: 400 * time.Millisecond}, nil
		}, tapped, func(_ *Config, net *network) {
			n = net
			n.unseen = func(e stopwatch.Echo) bool { return e.Seq < 2 && e.Data[9] == 0 }
		})
		r.assignments <- assignment("a", "b", "c", "d", "e")
		time.Sleep(35 * time.Second)
		ws := r.stop()
		if c := sum(ws); c.Received != c.Sent || c.Sent < 150 || c.Unstamped > 10 {
			t.Errorf("counts %+v", c)
		}
		if diff := cmp.Diff(map[string][]uint32{"icmp": {400_000}}, rttsByTest(t, ws)); diff != "" {
			t.Errorf("RTTs (-want +got)\n%s", diff)
		}
	})
}

// looker is a matcher without a measurer around it.
type looker struct {
	*matcher
	network *network
}

func newLooker(clock Clock) looker {
	n := &network{clock: clock}
	log := slog.New(slog.DiscardHandler)
	return looker{newMatcher(newTimeline(clock, 1, func() (uint64, error) { return 2, nil }, log), n), n}
}

// open gives a socket that has sent nothing.
func (l looker) open(spec Spec) *socket {
	p := planned{spec: spec, grid: window.Grid{Interval: time.Second, Length: 10 * time.Second}}
	return newSocket(newFlow(l.line, l.matcher, p, 1, wire.Timeout, slog.New(slog.DiscardHandler)))
}

// known gives a socket that has sent its first packet, by which it is known.
func (l looker) known(t *testing.T, spec Spec) *socket {
	t.Helper()
	s := l.open(spec)
	l.network.pass(spec, 0, 0, false)
	s.Sent(0)
	if l.read(); l.owners[tracker{}] != s {
		t.Fatal("the socket is not known")
	}
	return s
}

// ours is the tracker of what passes by a number.
func ours(number byte) tracker { return tracker{number} }

var (
	there = Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 84}
	other = Spec{Address: netip.MustParseAddr("192.0.2.3"), SizeBytes: 84}
)

// TestTwoTargetsAtOneMoment are known by their first packets.
func TestTwoTargetsAtOneMoment(t *testing.T) {
	l := newLooker(SystemClock())
	a, b := l.open(there), l.open(other)
	l.network.pass(there, 1, 0, false)
	l.network.pass(other, 2, 0, false)
	a.Sent(0)
	b.Sent(0)
	if l.read(); l.owners[ours(1)] != a || l.owners[ours(2)] != b {
		t.Errorf("owners %v", l.owners)
	}
}

// TestTwoThatLookAlikeAtOneMoment are not known by one packet, whosever it is.
func TestTwoThatLookAlikeAtOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(SystemClock())
		a, b := l.open(there), l.open(there)
		l.network.pass(there, 2, 0, false)
		a.Sent(0)
		b.Sent(0)
		if l.read(); len(l.owners) != 0 {
			t.Errorf("owners %v", l.owners)
		}
		time.Sleep(time.Second)
		l.network.pass(there, 1, 1, false)
		a.Sent(1)
		time.Sleep(time.Second)
		l.network.pass(there, 2, 1, false)
		b.Sent(1)
		if l.read(); l.owners[ours(1)] != a || l.owners[ours(2)] != b {
			t.Errorf("owners %v", l.owners)
		}
	})
}

// TestAPacketSeenBeforeItIsToldAfterAStep was sent at a moment that has been
// before.
func TestAPacketSeenBeforeItIsToldAfterAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		l := newLooker(clock.read)
		s := l.open(there)
		time.Sleep(time.Second)
		clock.step(-time.Hour)
		s.Refused(nil) // a reading from after the step
		l.network.pass(there, 1, 0, false)
		l.read()
		s.Sent(0)
		if l.read(); l.owners[ours(1)] != s {
			t.Errorf("owners %v", l.owners)
		}
	})
}

// TestWhatPassedLastCounts although the pinger ends before anybody looks.
func TestWhatPassedLastCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(SystemClock())
		s := l.known(t, there)
		time.Sleep(time.Second)
		l.network.pass(there, 0, 1, false)
		s.Sent(1)
		time.Sleep(20 * time.Millisecond)
		l.network.pass(there, 0, 1, true)
		l.forget(s)
		if fate, rtt := s.table[1].packet.Outcome(); fate != window.Stamped || rtt != 20*time.Millisecond {
			t.Errorf("fate %v after %v", fate, rtt)
		}
	})
}

// TestNearestTheWireCounts: of a request that is seen several times the last
// moment, of a reply the first, although all but the reply passed before the
// pinger told of the packet.
func TestNearestTheWireCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(SystemClock())
		s := l.known(t, there)
		time.Sleep(time.Second)
		l.network.pass(there, 0, 1, false)
		time.Sleep(time.Millisecond)
		l.network.pass(there, 0, 1, false)
		l.read()
		s.Sent(1)
		for range 2 {
			time.Sleep(20 * time.Millisecond)
			l.network.pass(there, 0, 1, true)
			l.read()
		}
		if fate, rtt := s.table[1].packet.Outcome(); fate != window.Stamped || rtt != 20*time.Millisecond {
			t.Errorf("fate %v after %v", fate, rtt)
		}
	})
}

// TestARequestThatComesBackIsNotSentAnew: a router that sends our request back
// to a host that forwards packets cannot shorten the RTT.
func TestARequestThatComesBackIsNotSentAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(SystemClock())
		s := l.known(t, there)
		time.Sleep(time.Second)
		l.network.pass(there, 0, 1, false)
		s.Sent(1)
		for range 3 {
			time.Sleep(6 * time.Millisecond)
			l.network.pass(there, 0, 1, false)
			l.network.passed[len(l.network.passed)-1].TTL = 62
		}
		time.Sleep(2 * time.Millisecond)
		l.network.pass(there, 0, 1, true)
		l.read()
		if fate, rtt := s.table[1].packet.Outcome(); fate != window.Stamped || rtt != 20*time.Millisecond || l.owners[ours(0)] != s {
			t.Errorf("fate %v after %v, owners %v", fate, rtt, l.owners)
		}
	})
}

// TestAStepTakesNoOwnerAway: of a packet that left while the clock stepped
// nobody knows by its moment whether it was ours.
func TestAStepTakesNoOwnerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		l := newLooker(clock.read)
		s := l.known(t, there)
		time.Sleep(time.Second)
		l.network.pass(there, 0, 1, false)
		clock.step(-time.Hour)
		s.Sent(1)
		if l.read(); l.owners[ours(0)] != s {
			t.Error("the socket is not known any more")
		}
	})
}

// TestWhatASocketTellsIsBounded while nobody asks.
func TestWhatASocketTellsIsBounded(t *testing.T) {
	s := newLooker(SystemClock()).open(there)
	for seq := range 2 * maxSends {
		s.Sent(seq)
	}
	if len(s.sends) != maxSends {
		t.Errorf("%d are kept, want %d", len(s.sends), maxSends)
	}
}

// TestAStrangerInStepIsNotRememberedForEver although it cannot be told from us.
func TestAStrangerInStepIsNotRememberedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLooker(SystemClock())
		s := l.open(there)
		const beats = 100
		for seq := range beats {
			for number := range 2 {
				l.network.pass(there, number, seq, false)
				l.network.pass(there, number, seq, true)
			}
			s.Sent(seq)
			l.read()
			time.Sleep(time.Second)
		}
		if most := 2 * 2 * (int(strangeFor/time.Second) + 1); len(l.owners) != 0 || l.remembered == 0 || l.remembered > most {
			t.Errorf("owners %v, %d packets remembered; want none, and %d at most", l.owners, l.remembered, most)
		}
	})
}

// TestATargetCannotFillOurMemory answers packets that were not sent yet.
func TestATargetCannotFillOurMemory(t *testing.T) {
	l := newLooker(SystemClock())
	s := l.known(t, there)
	for range 1000 {
		l.network.pass(there, 0, 60_000, true)
	}
	if l.read(); len(s.early) > 0 {
		t.Errorf("%d replies are kept", len(s.early))
	}
	for range 1000 {
		l.network.pass(there, 0, 1, false)
		l.network.pass(there, 0, 1, true)
	}
	if l.read(); len(s.early) != maxEarly {
		t.Errorf("%d packets are kept, want %d", len(s.early), maxEarly)
	}
}

// TestWhatLeftForAnotherTargetIsNotOurs: a payload that also goes elsewhere is
// not that of a pinger.
func TestWhatLeftForAnotherTargetIsNotOurs(t *testing.T) {
	l := newLooker(SystemClock())
	s := l.known(t, there)
	l.network.pass(there, 0, 5, false)
	l.network.pass(other, 0, 6, false)
	if l.read(); len(l.owners) != 0 || len(l.unknown[s.look]) != 1 || len(s.early) != 0 {
		t.Errorf("owners %v, unknown %v, early %v", l.owners, l.unknown, s.early)
	}
}

// TestWhatTheTapMissesIsUnstamped hides the packets of every third number.
func TestWhatTheTapMissesIsUnstamped(t *testing.T) {
	for _, reply := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, always(fate{rtt: 30 * time.Millisecond}), tapped, func(_ *Config, n *network) {
				n.busy = time.Millisecond
				n.unseen = func(e stopwatch.Echo) bool { return e.Reply == reply && e.Seq%3 == 1 }
			})
			r.assignments <- assignment("there")
			time.Sleep(32 * time.Second)
			ws := r.stop()
			c := sum(ws)
			if c.Received != c.Sent || c.Unstamped < 9 || c.Unstamped > 11 {
				t.Errorf("counts %+v", c)
			}
			if diff := cmp.Diff(map[string][]uint32{"icmp": {30_000}}, rttsByTest(t, ws)); diff != "" {
				t.Errorf("RTTs (-want +got)\n%s", diff)
			}
		})
	}
}

// TestNoStepSpoilsAnRTT sets the wall clock, which the kernel's moments follow,
// while packets are on their way, and between their arrival and the process.
func TestNoStepSpoilsAnRTT(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 40 * time.Millisecond, -40 * time.Millisecond, 2 * time.Millisecond} {
		for _, busy := range []time.Duration{0, 300 * time.Millisecond} {
			t.Run(step.String()+" "+busy.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, always(fate{rtt: 400 * time.Millisecond}), tapped, func(_ *Config, n *network) { n.busy = busy })
					r.assignments <- assignment("a", "b", "c", "d", "e")
					for range 10 {
						time.Sleep(7*time.Second + 130*time.Millisecond)
						r.clock.step(step)
					}
					time.Sleep(15 * time.Second)
					ws := r.stop()
					c := sum(ws)
					if c.Received == 0 || c.Lost > 0 || c.Unstamped == 0 {
						t.Errorf("counts %+v", c)
					}
					if diff := cmp.Diff(map[string][]uint32{"icmp": {400_000}}, rttsByTest(t, ws)); diff != "" {
						t.Errorf("RTTs (-want +got)\n%s", diff)
					}
				})
			})
		}
	}
}

// TestATargetCannotChooseItsRTT answers with time stamps that are not ours.
func TestATargetCannotChooseItsRTT(t *testing.T) {
	for _, tt := range []struct {
		name string
		fate fate
		tap  bool
	}{
		{"a later stamp, timed by the process", fate{rtt: 40 * time.Millisecond, lie: 18 * time.Millisecond}, false},
		{"a later stamp, timed by the kernel", fate{rtt: 40 * time.Millisecond, lie: 18 * time.Millisecond}, true},
		{"a reply before the request could come", fate{rtt: 40 * time.Millisecond, early: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, always(tt.fate), func(cfg *Config, n *network) {
					if tt.tap {
						cfg.Tap = n
					}
				})
				r.assignments <- assignment("there")
				time.Sleep(35 * time.Second)
				ws := r.stop()
				if diff := cmp.Diff(map[string][]uint32{"icmp": {40_000}}, rttsByTest(t, ws)); diff != "" {
					t.Errorf("RTTs (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestPathsThatSeemToChangeAreTraced changes the RTT of a link once.
func TestPathsThatSeemToChangeAreTraced(t *testing.T) {
	for _, refused := range []error{nil, syscall.EPERM} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			r := newRig(t, func(int, int) (fate, error) {
				if time.Since(begin) > 45*time.Second {
					return fate{rtt: 50 * time.Millisecond}, nil
				}
				return fate{rtt: 30 * time.Millisecond}, nil
			}, tapped)
			r.noTrace = refused
			r.assignments <- assignment("there")
			time.Sleep(125 * time.Second)
			ws := r.stop()
			if len(r.traces) != 1 || r.traces[0].Destination.Addr() != netip.MustParseAddr("192.0.2.2") {
				t.Errorf("traces %+v, want one", r.traces)
			}
			var told []wire.Window
			for _, w := range ws {
				if w.Path != nil {
					told = append(told, w)
				}
			}
			if refused != nil {
				if len(told) > 0 {
					t.Errorf("windows %v have a path", told)
				}
				return
			}
			if len(told) != 1 || told[0].Path.Trigger != "rtt-step" || len(told[0].Path.Hops) != 1 || told[0].StartMS != begin.Add(50*time.Second).UnixMilli() && told[0].StartMS != begin.Add(40*time.Second).UnixMilli() {
				t.Errorf("windows with a path: %+v", told)
			}
		})
	}
}
