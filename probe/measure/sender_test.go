package measure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// stampAssignment asks for a STAMP packet a second to each target, in windows
// of ten seconds.
func stampAssignment(targets ...string) *wire.Assignment {
	a := assignment(targets...)
	a.Tasks[0] = wire.Task{Test: "stamp", Method: MethodSTAMP, IntervalMS: 1000, SizeBytes: 128, DSCP: 46, WindowS: 10, Targets: a.Tasks[0].Targets}
	for i := range a.Tasks[0].Targets {
		a.Tasks[0].Targets[i].STAMP = &wire.STAMPTarget{Port: 862, Timestamps: "ntp"}
	}
	return a
}

// plainTravel is 10 ms there, 20 ms back and 60 µs in between, which the
// reflector claims to be 50 µs.
func plainTravel(uint32) travel {
	return travel{there: 10 * time.Millisecond, back: 20 * time.Millisecond, residence: 60 * time.Microsecond, claimed: 50 * time.Microsecond}
}

// measureSTAMP lets a Measurer work in a bubble and gives what it measured.
func measureSTAMP(t *testing.T, n *reflectors, a *wire.Assignment, during func(r *rig)) (ws []wire.Window) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, always(fate{}), func(cfg *Config, net *network) {
			net.udp = n
			cfg.STAMPKey = func(netip.Addr) []byte { return n.key }
		})
		r.assignments <- a
		during(r)
		ws = r.stop()
	})
	return ws
}

func aMinute(*rig) { time.Sleep(65 * time.Second) }

// full leaves only windows from beginning to end.
func full(ws []wire.Window) []wire.Window {
	return slices.DeleteFunc(slices.Clone(ws), func(w wire.Window) bool { return w.EndReason != wire.EndFull || w.Scheduled != 10 })
}

func distinct(t *testing.T, all ...[]byte) []uint32 {
	t.Helper()
	var values []uint32
	for _, coded := range all {
		some, err := wire.DecodeRTTs(nil, coded)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, some...)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func TestSTAMPTakesTheReflectorsTimeOut(t *testing.T) {
	for _, tt := range []struct {
		name      string
		travel    func(uint32) travel
		change    func(*reflectors, *wire.STAMPTarget)
		rtts, raw []uint32
		stamp     wire.STAMP // of a full window, RawRTTs left out
		source    wire.Timestamps
	}{
		// The first reply told of at the next one: so each is exact but the
		// session's last, which the full windows do not have.
		{name: "told later when it left", travel: plainTravel, rtts: []uint32{30_000}, raw: []uint32{30_060},
			stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsKernel},
		{name: "PTP timestamps", travel: plainTravel, change: func(_ *reflectors, s *wire.STAMPTarget) { s.Timestamps = "ptp" },
			rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsKernel},
		{name: "authenticated", travel: plainTravel, change: func(n *reflectors, s *wire.STAMPTarget) {
			n.key, s.Authenticated = []byte("a key that both ends share"), true
		}, rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{Authenticated: true, ResidenceMaxUS: 60}, source: wire.TimestampsKernel},
		{name: "the reflector's clock is an hour off", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) { n.offset = time.Hour },
			rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsKernel},
		{name: "a reflector without TLVs", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) { n.noTLVs = true },
			rtts: []uint32{30_010}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 50}, source: wire.TimestampsKernel},
		{name: "a peer that is asked for none", travel: plainTravel, change: func(_ *reflectors, s *wire.STAMPTarget) { s.Plain = true },
			rtts: []uint32{30_010}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 50}, source: wire.TimestampsKernel},
		{name: "more than is taken out", travel: func(uint32) travel {
			return travel{there: 10 * time.Millisecond, back: 20 * time.Millisecond, residence: 5 * time.Millisecond, claimed: 5 * time.Millisecond}
		}, rtts: []uint32{34_800}, raw: []uint32{35_000}, stamp: wire.STAMP{ResidenceMaxUS: 5000, Capped: 10}, source: wire.TimestampsKernel},
		{name: "a claim longer than the RTT", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) {
			n.noTLVs = true
			n.travel = func(uint32) travel {
				return travel{there: 10 * time.Millisecond, back: 20 * time.Millisecond, claimed: time.Second}
			}
		}, rtts: []uint32{30_000}, raw: []uint32{30_000}, stamp: wire.STAMP{ResidenceMaxUS: 1_000_000, Capped: 10}, source: wire.TimestampsKernel},
		{name: "a claim below nothing", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) {
			n.noTLVs = true
			n.travel = func(uint32) travel {
				return travel{there: 10 * time.Millisecond, back: 20 * time.Millisecond, claimed: -time.Second}
			}
		}, rtts: []uint32{30_000}, raw: []uint32{30_000}, stamp: wire.STAMP{Capped: 10}, source: wire.TimestampsKernel},
		{name: "a process kept from running", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) { n.deaf = 1500 * time.Millisecond },
			rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsKernel},
		{name: "the process takes the moments", travel: plainTravel, change: func(n *reflectors, _ *wire.STAMPTarget) { n.user = true },
			rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsUser},
		{name: "the interface takes none of sending", travel: func(n uint32) travel {
			tr := plainTravel(n)
			tr.unstamped = true
			return tr
		}, rtts: []uint32{30_000}, raw: []uint32{30_060}, stamp: wire.STAMP{ResidenceMaxUS: 60}, source: wire.TimestampsUser},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &reflectors{travel: tt.travel}
			a := stampAssignment("a", "b", "c")
			for i := range a.Tasks[0].Targets {
				if tt.change != nil {
					tt.change(n, a.Tasks[0].Targets[i].STAMP)
				}
			}
			a.Tasks[0].SizeBytes = 192
			ws := measureSTAMP(t, n, a, aMinute)
			if c := sum(ws); c.Sent < 180 || c.Received != c.Sent || c.Unstamped > 0 {
				t.Errorf("counts %+v", c)
			}
			windows := full(ws)
			if len(windows) != 15 {
				t.Errorf("%d full windows, want 15", len(windows))
			}
			for _, w := range windows {
				if w.Timestamps != tt.source {
					t.Errorf("window %v: timestamps %q", w.Key, w.Timestamps)
				}
				if diff := cmp.Diff(tt.rtts, distinct(t, w.RTTs)); diff != "" {
					t.Errorf("window %v: RTTs (-want +got)\n%s", w.Key, diff)
				}
				if diff := cmp.Diff(tt.raw, distinct(t, w.STAMP.RawRTTs)); diff != "" {
					t.Errorf("window %v: raw RTTs (-want +got)\n%s", w.Key, diff)
				}
				got := *w.STAMP
				got.RawRTTs, got.DSCPReceived = nil, nil
				if diff := cmp.Diff(tt.stamp, got); diff != "" {
					t.Errorf("window %v: STAMP (-want +got)\n%s", w.Key, diff)
				}
			}
		})
	}
}

// TestSTAMPTellsWhereLossesAre loses packets each way by their numbers. Each
// window has ten, of which the numbers 2 to 11 are the first.
func TestSTAMPTellsWhereLossesAre(t *testing.T) {
	there := func(numbers ...uint32) func(*travel, uint32) {
		return func(tr *travel, n uint32) { tr.lostThere = tr.lostThere || slices.Contains(numbers, n%10) }
	}
	back := func(numbers ...uint32) func(*travel, uint32) {
		return func(tr *travel, n uint32) { tr.lostBack = tr.lostBack || slices.Contains(numbers, n%10) }
	}
	for _, tt := range []struct {
		name             string
		lose             []func(*travel, uint32)
		stateless        bool
		lost             uint32 // of a full window
		forward, reverse uint32
	}{
		{"none", nil, false, 0, 0, 0},
		{"one there", []func(*travel, uint32){there(5)}, false, 1, 1, 0},
		{"one back", []func(*travel, uint32){back(5)}, false, 1, 0, 1},
		{"three there, two back, together", []func(*travel, uint32){there(4, 5, 8), back(6, 7)}, false, 5, 3, 2},
		{"a reflector that repeats our numbers", []func(*travel, uint32){there(5)}, true, 1, 0, 0},
		{"all", []func(*travel, uint32){there(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)}, false, 10, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &reflectors{stateless: tt.stateless, travel: func(number uint32) travel {
				tr := plainTravel(number)
				for _, lose := range tt.lose {
					lose(&tr, number)
				}
				return tr
			}}
			windows := full(measureSTAMP(t, n, stampAssignment("a"), aMinute))
			if len(windows) != 5 {
				t.Fatalf("%d full windows, want 5", len(windows))
			}
			var forward, reverse uint32
			for _, w := range windows {
				if w.Lost != tt.lost {
					t.Errorf("window %v: %d lost, want %d", w.Key, w.Lost, tt.lost)
				}
				if w.STAMP != nil {
					forward, reverse = forward+w.STAMP.ForwardLost, reverse+w.STAMP.ReverseLost
				}
			}
			// Losses at the edge of a window may stay untold.
			if least := tt.forward * 4; forward < least || forward > tt.forward*5 || reverse < tt.reverse*4 || reverse > tt.reverse*5 {
				t.Errorf("lost %d there and %d back, want %d and %d in each of 5 windows", forward, reverse, tt.forward, tt.reverse)
			}
		})
	}
}

// TestSTAMPSessionOverSteps sets the wall clock while packets are on their way.
func TestSTAMPSessionOverSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 40 * time.Millisecond, -40 * time.Millisecond, 2 * time.Millisecond} {
		t.Run(step.String(), func(t *testing.T) {
			n := &reflectors{travel: func(uint32) travel {
				return travel{there: 200 * time.Millisecond, back: 200 * time.Millisecond, residence: 50 * time.Microsecond, claimed: 50 * time.Microsecond}
			}}
			ws := measureSTAMP(t, n, stampAssignment("a", "b", "c", "d", "e"), func(r *rig) {
				for range 10 {
					time.Sleep(7*time.Second + 130*time.Millisecond)
					r.clock.step(step)
				}
				time.Sleep(15 * time.Second)
			})
			c := sum(ws)
			if c.Sent < 350 || c.Lost > 0 || c.Unstamped == 0 {
				t.Errorf("counts %+v", c)
			}
			if diff := cmp.Diff(map[string][]uint32{"stamp": {400_000}}, rttsByTest(t, ws)); diff != "" {
				t.Errorf("RTTs (-want +got)\n%s", diff)
			}
			steps := 0
			for _, w := range ws {
				if w.EndReason == wire.EndClockStep {
					steps++
				}
			}
			if steps != 50 {
				t.Errorf("%d windows were cut by a step, want 50", steps)
			}
		})
	}
}

// TestRepliesThatWaitedForTheProcessAreNotLost keeps the process from running
// for so long that windows are made as soon as it runs again, in all orders of
// what it does then.
func TestRepliesThatWaitedForTheProcessAreNotLost(t *testing.T) {
	for at := time.Duration(0); at < collectEvery; at += 7 * time.Millisecond {
		n := &reflectors{travel: plainTravel}
		ws := measureSTAMP(t, n, stampAssignment("a"), func(r *rig) {
			time.Sleep(33*time.Second + at)
			n.sleep(true)
			time.Sleep(time.Second)
			r.clock.skip(40 * time.Second)
			n.sleep(false)
			time.Sleep(20 * time.Second)
		})
		if c := sum(ws); c.Sent < 40 || c.Received != c.Sent {
			t.Errorf("asleep at %v: counts %+v", at, c)
		}
	}
}

// TestSTAMPLooksForTheKernelAgain opens its socket while the kernel's moments
// cannot be seen.
func TestSTAMPLooksForTheKernelAgain(t *testing.T) {
	n := &reflectors{user: true, verified: true, travel: func(uint32) travel {
		return travel{there: 20 * time.Millisecond, back: 10 * time.Millisecond}
	}}
	ws := measureSTAMP(t, n, stampAssignment("a"), func(*rig) { time.Sleep(verifyEvery + time.Minute) })
	if c := sum(full(ws)); c.Sent < 340 || c.Received != c.Sent || c.Sent != c.Scheduled {
		t.Errorf("counts %+v", c)
	}
	if diff := cmp.Diff(map[string][]uint32{"stamp": {30_000}}, rttsByTest(t, ws)); diff != "" {
		t.Errorf("RTTs (-want +got)\n%s", diff)
	}
	first, last := ws[0], ws[len(ws)-1]
	if first.Timestamps != wire.TimestampsUser || last.Timestamps != wire.TimestampsKernel || last.Unstamped > 0 {
		t.Errorf("timestamps %q at first, %q at last with %d packets without", first.Timestamps, last.Timestamps, last.Unstamped)
	}
}

// TestSTAMPLooksForTheKernelNowAndThen while it is missing, and only then.
func TestSTAMPLooksForTheKernelNowAndThen(t *testing.T) {
	for _, tt := range []struct {
		user bool
		want int
	}{{true, 3}, {false, 0}} {
		n := &reflectors{user: tt.user, travel: plainTravel}
		measureSTAMP(t, n, stampAssignment("a"), func(*rig) { time.Sleep(3*verifyEvery + time.Minute) })
		if n.looked != tt.want {
			t.Errorf("user %v: looked %d times, want %d", tt.user, n.looked, tt.want)
		}
	}
}

// turning is a socket whose source becomes the kernel while it sends.
type turning struct{ *reflectors }

func (c turning) Send(to netip.AddrPort, payload []byte) (uint32, int64, error) {
	_, at, err := c.reflectors.Send(to, payload)
	_ = c.Verify()
	return 0, at, err
}

// TestAPacketThatTheProcessTimedWaitsForNoStamp: its number means nothing, and
// the stamp of the one that gets it is not its own.
func TestAPacketThatTheProcessTimedWaitsForNoStamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		log := slog.New(slog.DiscardHandler)
		line := newTimeline(clock.read, 1, nil, log)
		n := &reflectors{clock: clock.read, user: true, travel: func(uint32) travel { return travel{lostThere: true} }}
		open := func() (socketUDP, error) {
			_, err := n.open(route{})
			return turning{n}, err
		}
		s := newSender(line, wire.Timeout, open, func() wire.Clock { return wire.Clock{} }, log)
		one := newSession(line, planned{
			spec: there, stamp: wire.STAMPTarget{Port: 862}, grid: window.Grid{Interval: time.Second, Length: 10 * time.Second},
		}, nil, 1, wire.Timeout)
		s.add(one)
		s.keepOpen(line.now())
		s.send(one)
		time.Sleep(time.Second)
		one.next++
		n.verified = true
		s.send(one)
		if s.conn.Source() != wire.TimestampsKernel || len(one.requests) != 3 || one.requests[2].packet == nil || len(s.leaving) != 0 {
			t.Errorf("source %s, requests %+v, waiting for the stamps of %v", s.conn.Source(), one.requests, s.leaving)
		}
	})
}

func TestSTAMPOnTheWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*reflectors)
		check  func(t *testing.T, w wire.Window)
	}{
		{"marked as sent", func(*reflectors) {}, func(t *testing.T, w wire.Window) {
			if d := w.STAMP.DSCPReceived; d == nil || *d != 46 || w.ReplyTTL == nil || w.ReplyTTL.Min != 57 {
				t.Errorf("DSCP %v, TTL %+v", d, w.ReplyTTL)
			}
		}},
		{"marked anew", func(n *reflectors) {
			n.travel = func(number uint32) travel {
				tr := plainTravel(number)
				tr.remarked = number%10 == 5
				return tr
			}
		}, func(t *testing.T, w wire.Window) {
			if d := w.STAMP.DSCPReceived; d == nil || *d != 0 {
				t.Errorf("DSCP %v, want 0", d)
			}
		}},
		{"twice", func(n *reflectors) {
			n.travel = func(number uint32) travel {
				tr := plainTravel(number)
				tr.again = true
				return tr
			}
		}, func(t *testing.T, w wire.Window) {
			if w.Duplicate != 10 || w.Received != 10 {
				t.Errorf("counts %+v", w.Counts)
			}
		}},
		{"overtaken", func(n *reflectors) {
			n.travel = func(number uint32) travel {
				tr := plainTravel(number)
				if number%10 == 5 {
					tr.back = 2500 * time.Millisecond
				}
				return tr
			}
		}, func(t *testing.T, w wire.Window) {
			if w.STAMP.Reordered != 1 || w.Received != 10 {
				t.Errorf("%d reordered, counts %+v", w.STAMP.Reordered, w.Counts)
			}
		}},
		{"clocks that follow UTC", func(n *reflectors) { n.synced = true }, func(t *testing.T, w wire.Window) {
			if w.OneWay == nil {
				t.Fatal("no one-way delays")
			}
			if diff := cmp.Diff([]uint32{10_000}, distinct(t, w.OneWay.Forward)); diff != "" {
				t.Errorf("forward (-want +got)\n%s", diff)
			}
			// The last packet's reply is not followed up yet when its window is made.
			if diff := cmp.Diff([]uint32{20_000}, distinct(t, w.OneWay.Reverse)); diff != "" {
				t.Errorf("reverse (-want +got)\n%s", diff)
			}
			if w.OneWay.ErrorUS < 1300 || w.OneWay.ErrorUS > 1313 {
				t.Errorf("error %d µs, want 1300 and at most 1 %% of 1000 more", w.OneWay.ErrorUS)
			}
		}},
		{"clocks that say so and differ by an hour", func(n *reflectors) { n.synced, n.offset = true, -time.Hour }, func(t *testing.T, w wire.Window) {
			if w.OneWay != nil {
				t.Errorf("one-way delays %+v", w.OneWay)
			}
		}},
		{"refused by the system", func(n *reflectors) {
			n.refuse = func(uint32) error { return errors.New("no route") }
		}, func(t *testing.T, w wire.Window) {
			if w.SendError != 10 || w.Sent != 0 {
				t.Errorf("counts %+v", w.Counts)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &reflectors{travel: plainTravel}
			tt.change(n)
			windows := full(measureSTAMP(t, n, stampAssignment("a"), aMinute))
			if len(windows) < 5 {
				t.Fatalf("%d full windows, want 5", len(windows))
			}
			for _, w := range windows {
				tt.check(t, w)
			}
		})
	}
}

// TestWhatIsNoReplyCountsForNothing sends what somebody might who does not see
// our packets.
func TestWhatIsNoReplyCountsForNothing(t *testing.T) {
	n := &reflectors{travel: func(number uint32) travel { return travel{lostThere: true} }}
	ws := measureSTAMP(t, n, stampAssignment("a"), func(*rig) {
		for number := range uint32(60) {
			time.Sleep(time.Second)
			for _, sent := range []int64{0, time.Now().UnixNano()} {
				packet := stamp.AppendReply(nil, &stamp.Reply{Sequence: number, SSID: 1, Sender: stamp.Echo{Sequence: number, Timestamp: stamp.NTP.StampUnix(sent)}}, nil)
				for _, from := range []string{"192.0.2.2:862", "192.0.2.9:862"} {
					n.hand(stopwatch.Message{From: netip.MustParseAddrPort(from), At: n.wall(), Source: wire.TimestampsKernel, Payload: packet})
					n.hand(stopwatch.Message{From: netip.MustParseAddrPort(from), At: n.wall(), Source: wire.TimestampsKernel, Payload: packet[:20]})
				}
			}
		}
	})
	if c := sum(ws); c.Sent < 55 || c.Lost != c.Sent || c.Duplicate > 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestRepliesLostInOurSocketAreNotTheNetworks lets the socket overflow once.
func TestRepliesLostInOurSocketAreNotTheNetworks(t *testing.T) {
	n := &reflectors{travel: func(number uint32) travel {
		tr := plainTravel(number)
		tr.lostBack = number == 20
		return tr
	}}
	ws := measureSTAMP(t, n, stampAssignment("a"), func(*rig) {
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			n.mu.Lock()
			if len(n.sent) == 20 { // number 20: the one after the first is left out
				n.lost = 1
			}
			n.mu.Unlock()
		}
	})
	if c := sum(ws); c.Lost != 0 || c.SendError != 1 {
		t.Errorf("counts %+v", c)
	}
}

// TestSTAMPWithoutAKey asks for authenticated packets that nobody can make.
func TestSTAMPWithoutAKey(t *testing.T) {
	a := stampAssignment("a")
	a.Tasks[0].Targets[0].STAMP.Authenticated, a.Tasks[0].SizeBytes = true, 192
	n := &reflectors{travel: plainTravel}
	ws := measureSTAMP(t, n, a, aMinute)
	if c := sum(ws); c.Sent != 0 || c.SendError < 60 {
		t.Errorf("counts %+v", c)
	}
	if len(n.sent) > 0 {
		t.Errorf("%d packets were sent", len(n.sent))
	}
}

// TestSTAMPMoments sends many sessions' packets in their slots, spread evenly.
func TestSTAMPMoments(t *testing.T) {
	var targets []string
	for i := range 50 {
		targets = append(targets, fmt.Sprintf("t%02d", i))
	}
	n := &reflectors{travel: plainTravel}
	a := stampAssignment(targets...)
	for i := range a.Tasks[0].Targets {
		a.Tasks[0].Targets[i].Address = fmt.Sprintf("192.0.2.%d", i+2)
	}
	ws := measureSTAMP(t, n, a, aMinute)
	if c := sum(ws); c.Sent != c.Received || c.Sent < 50*62 || c.Scheduled-c.Sent > 50 {
		t.Errorf("counts %+v", c)
	}
	tenths := make([]int, 10)
	for _, at := range n.sent {
		tenths[at.Nanosecond()/1e8]++
	}
	for i, count := range tenths {
		// 3 200 packets: six standard deviations are about 100.
		if mean := len(n.sent) / 10; count < mean-100 || count > mean+100 {
			t.Errorf("%d packets in tenth %d of the seconds, %d on average", count, i, mean)
		}
	}
}

// TestSTAMPFollowsTheAssignment changes what is asked for, and back.
func TestSTAMPFollowsTheAssignment(t *testing.T) {
	n := &reflectors{travel: plainTravel}
	ws := measureSTAMP(t, n, stampAssignment("a", "b"), func(r *rig) {
		time.Sleep(23 * time.Second)
		r.assignments <- stampAssignment("a")
		time.Sleep(23 * time.Second)
		r.assignments <- assignment() // none
		time.Sleep(23 * time.Second)
		again := stampAssignment("a")
		again.Tasks[0].SizeBytes = 200
		r.assignments <- again
		time.Sleep(23 * time.Second)
	})
	var ends []string
	for _, w := range ws {
		if w.Lost > 0 || w.SendError > 0 {
			t.Errorf("window %v: %+v", w.Key, w.Counts)
		}
		if w.EndReason != wire.EndFull {
			ends = append(ends, w.Dst+" "+string(w.EndReason))
		}
	}
	if diff := cmp.Diff([]string{"b assignment", "a assignment", "a stop"}, ends); diff != "" {
		t.Errorf("cut windows (-want +got)\n%s", diff)
	}
}

// TestOnceBySTAMP counts the packets that were asked for, and no more.
func TestOnceBySTAMP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*reflectors)
		want   wire.Counts
		events map[EventKind]int
	}{
		{"answered", func(*reflectors) {}, wire.Counts{Sent: 20, Received: 20}, map[EventKind]int{EventSent: 20, EventReply: 20}},
		{"not answered", func(n *reflectors) { n.travel = func(uint32) travel { return travel{lostThere: true} } },
			wire.Counts{Sent: 20, Lost: 20}, map[EventKind]int{EventSent: 20}},
		{"refused", func(n *reflectors) { n.refuse = func(uint32) error { return errors.New("no route") } },
			wire.Counts{SendError: 20}, map[EventKind]int{EventRefused: 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line := newTimeline(SystemClock(), 1, func() (uint64, error) { return 2, nil }, slog.New(slog.DiscardHandler))
				n := &reflectors{clock: SystemClock(), travel: plainTravel}
				tt.change(n)
				events := map[EventKind]int{}
				w := Once{
					Spec:  Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 128, Interval: 20 * time.Millisecond},
					STAMP: &wire.STAMPTarget{Port: 862, Timestamps: "ntp"}, Count: 20, Timeout: time.Second,
					Observe: func(e Event) { events[e.Kind]++ },
					Log:     slog.New(slog.DiscardHandler),
				}.session(t.Context(), line, n.open)
				w.Counts.Scheduled = 0 // the first slot's part depends on the moment
				if diff := cmp.Diff(tt.want, w.Counts); diff != "" {
					t.Errorf("counts (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.events, events); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestOnceOpensSlowly gives all packets to a host that takes long to open the
// socket: to find out whether the kernel gives moments may take longer than a
// few short slots.
func TestOnceOpensSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		n := &reflectors{clock: clock.read, travel: func(uint32) travel { return travel{there: time.Millisecond, back: time.Millisecond} }}
		line := newTimeline(clock.read, 1, nil, slog.New(slog.DiscardHandler))
		w := Once{
			Spec:  Spec{Address: netip.MustParseAddr("192.0.2.2"), SizeBytes: 128, Interval: 10 * time.Millisecond},
			STAMP: &wire.STAMPTarget{Port: 862, Timestamps: "ntp"}, Count: 10, Timeout: time.Second,
			Observe: func(Event) {},
			Log:     slog.New(slog.DiscardHandler),
		}.session(t.Context(), line, func(r route) (socketUDP, error) {
			time.Sleep(400 * time.Millisecond)
			return n.open(r)
		})
		if w.Sent != 10 || w.Received != 10 {
			t.Errorf("%d packets of 10 were sent, %d answered", w.Sent, w.Received)
		}
	})
}

// TestSTAMPByTheProcess is STAMP over real sockets, a real reflector behind
// them, with the moments of the process.
func TestSTAMPByTheProcess(t *testing.T) {
	discard := slog.New(slog.DiscardHandler)
	r, err := reflect.Listen(reflect.Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Clock: ClockState, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	r.Allow([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	ctx, stop := context.WithCancel(t.Context())
	reflected := make(chan error)
	go func() { reflected <- r.Run(ctx) }()
	defer func() { stop(); <-reflected }()
	to := r.Local()[0]
	o := Once{
		Spec:  Spec{Address: to.Addr(), SizeBytes: 128, Interval: 10 * time.Millisecond},
		STAMP: &wire.STAMPTarget{Port: int(to.Port()), Timestamps: "ntp"}, Count: 100, Timeout: time.Second, Observe: func(Event) {}, Log: discard,
	}
	w := o.session(t.Context(), newTimeline(SystemClock(), 1, func() (uint64, error) { return 2, nil }, discard), func(route) (socketUDP, error) {
		return stopwatch.Listen(stopwatch.Config{Local: netip.MustParseAddrPort("127.0.0.1:0"), User: true})
	})
	if w.Sent == 0 || w.Received != w.Sent || w.Timestamps != wire.TimestampsUser {
		t.Errorf("%+v, timestamps %q", w.Counts, w.Timestamps)
	}
}
