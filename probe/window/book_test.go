package window

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	second = int64(time.Second)
	// noon is a multiple of every window length.
	noon = 1_750_000_500 * second
)

func config(interval, length time.Duration, session *uint64) Config {
	return Config{
		Labels: Labels{
			Src: "a", Dst: "b", Test: "icmp", SrcCluster: "ca", DstCluster: "cb", Carrier: "x", Plane: "optical", Method: "icmp",
			Origin: wire.OriginMeasured, MeshSHA256: zeros(), ProbeVersion: "devel",
		},
		Grid:    Grid{Interval: interval, Length: length},
		Timeout: wire.Timeout, Grace: wire.Grace,
		Due:     func(slot int64) int64 { return slot*int64(interval) + int64(interval)/2 },
		Session: func(int) uint64 { return *session },
		Clock:   func() wire.Clock { return wire.Clock{State: wire.ClockUnknown} },
	}
}

func zeros() string { return string(slices.Repeat([]byte{'0'}, 64)) }

// at is a moment some time after noon.
func at(after time.Duration) Moment { return Moment{Wall: noon + int64(after), Mono: after} }

func TestFates(t *testing.T) {
	type action func(b *Book)
	send := func(after time.Duration, then ...func(*Packet)) action {
		return func(b *Book) {
			p := b.Send(at(after), at(after))
			for _, do := range then {
				do(p)
			}
		}
	}
	answer := func(at Moment, rtt time.Duration) func(*Packet) {
		return func(p *Packet) { p.Answer(Reply{At: at, RTT: rtt, TTL: 60, Source: wire.TimestampsUser}) }
	}
	for _, tt := range []struct {
		name    string
		actions []action
		want    wire.Counts
	}{
		{"nothing", nil, wire.Counts{Scheduled: 10}},
		{"answered", []action{send(time.Second, answer(at(time.Second+30*time.Millisecond), 30*time.Millisecond))},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1}},
		{"exactly at the timeout", []action{send(time.Second, answer(at(4*time.Second), 3*time.Second))},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1}},
		{"after the timeout", []action{send(time.Second, answer(at(4*time.Second+1), 3*time.Second))},
			wire.Counts{Scheduled: 10, Sent: 1, Lost: 1, Late: 1}},
		{"RTT above the timeout", []action{send(time.Second, answer(at(4*time.Second), 3*time.Second+1))},
			wire.Counts{Scheduled: 10, Sent: 1, Lost: 1, Late: 1}},
		{"not answered", []action{send(time.Second)}, wire.Counts{Scheduled: 10, Sent: 1, Lost: 1}},
		{"answered twice", []action{send(time.Second, answer(at(2*time.Second), time.Second), (*Packet).Duplicate)},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1, Duplicate: 1}},
		{"negative RTT", []action{send(time.Second, answer(at(2*time.Second), -1))},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1, Unstamped: 1}},
		{"RTT above a minute, answered in time", []action{send(time.Second, answer(at(2*time.Second), time.Minute+time.Microsecond))},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1, Unstamped: 1}},
		{"clock stepped on the way", []action{send(time.Second, answer(Moment{Wall: noon, Mono: 2 * time.Second, Epoch: 1}, time.Second))},
			wire.Counts{Scheduled: 10, Sent: 1, Received: 1, Unstamped: 1}},
		{"refused", []action{func(b *Book) { b.Refuse(at(time.Second)) }},
			wire.Counts{Scheduled: 10, SendError: 1}},
		{"refused twice in a slot", []action{func(b *Book) { b.Refuse(at(time.Second)); b.Refuse(at(1500 * time.Millisecond)) }},
			wire.Counts{Scheduled: 10, SendError: 1}},
		{"two in a slot", []action{send(time.Second), func(b *Book) {
			if p := b.Send(at(1500*time.Millisecond), at(1500*time.Millisecond)); p != nil {
				panic("the second packet in a slot was counted")
			}
		}}, wire.Counts{Scheduled: 10, Sent: 1, Lost: 1}},
		{"socket died", []action{send(time.Second, func(p *Packet) { p.Abandon(at(2 * time.Second)) })},
			wire.Counts{Scheduled: 10, SendError: 1}},
		{"socket died after the timeout", []action{send(time.Second, func(p *Packet) { p.Abandon(at(5 * time.Second)) })},
			wire.Counts{Scheduled: 10, Sent: 1, Lost: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session := uint64(1)
			b := New(config(time.Second, 10*time.Second, &session))
			b.Start(noon/second, 0)
			for _, do := range tt.actions {
				do(b)
			}
			b.Advance(at(10 * time.Second))
			made := b.Take(at(20 * time.Second))
			if len(made) != 1 {
				t.Fatalf("%d windows", len(made))
			}
			if err := made[0].Check(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, made[0].Counts); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhenAWindowIsMade(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered bool
		after    time.Duration // the end
		want     int
	}{
		{"all answered, duplicates may come", true, wire.Timeout - 1, 0},
		{"all answered", true, wire.Timeout, 1},
		{"lost, late replies may come", false, wire.Grace - 1, 0},
		{"lost", false, wire.Grace, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session := uint64(1)
			b := New(config(time.Second, 10*time.Second, &session))
			b.Start(noon/second, 0)
			p := b.Send(at(8*time.Second), at(8*time.Second))
			if tt.answered {
				p.Answer(Reply{At: at(9 * time.Second), RTT: time.Second, Source: wire.TimestampsUser})
			}
			now := at(10*time.Second + tt.after)
			b.Advance(now)
			if got := len(b.Take(now)); got != tt.want {
				t.Errorf("%d windows; want %d", got, tt.want)
			}
			if p.Closed() != (tt.want == 1) {
				t.Errorf("packet closed: %v", p.Closed())
			}
		})
	}
}

func TestCuts(t *testing.T) {
	type span struct {
		From, To  time.Duration
		Reason    wire.EndReason
		Scheduled uint32
		Mesh      string
	}
	other := string(slices.Repeat([]byte{'1'}, 64))
	relabelled := func(b *Book) Labels { l := b.cfg.Labels; l.MeshSHA256 = other; return l }
	for _, tt := range []struct {
		name string
		do   func(b *Book)
		want []span
	}{
		{"stop before the moment of the slot in hand", func(b *Book) { b.Cut(at(3400*time.Millisecond), wire.EndStop) },
			[]span{{0, 3400 * time.Millisecond, wire.EndStop, 3, zeros()}}},
		{"stop after the moment of the slot in hand", func(b *Book) { b.Cut(at(3600*time.Millisecond), wire.EndStop) },
			[]span{{0, 3600 * time.Millisecond, wire.EndStop, 4, zeros()}}},
		{"stop after an early packet", func(b *Book) {
			b.Send(at(3001*time.Millisecond), at(3001*time.Millisecond))
			b.Cut(at(3400*time.Millisecond), wire.EndStop)
		}, []span{{0, 3400 * time.Millisecond, wire.EndStop, 4, zeros()}}},
		{"stop is rounded up to a millisecond", func(b *Book) { b.Cut(at(3400*time.Millisecond+1), wire.EndStop) },
			[]span{{0, 3401 * time.Millisecond, wire.EndStop, 3, zeros()}}},
		{"stop before the beginning", func(b *Book) { b.Cut(at(-time.Second), wire.EndStop) }, nil},
		{"new labels from the next slot on", func(b *Book) {
			b.Relabel(relabelled(b), at(3400*time.Millisecond))
			b.Advance(at(10 * time.Second))
		}, []span{{0, 4 * time.Second, wire.EndAssignment, 4, zeros()}, {4 * time.Second, 10 * time.Second, wire.EndFull, 6, other}}},
		{"new labels where the window is full", func(b *Book) {
			b.Relabel(relabelled(b), at(9400*time.Millisecond))
			b.Advance(at(20 * time.Second))
		}, []span{{0, 10 * time.Second, wire.EndFull, 10, zeros()}, {10 * time.Second, 20 * time.Second, wire.EndFull, 10, other}}},
		{"new labels twice in a slot", func(b *Book) {
			b.Relabel(zeroLabels(b), at(3400*time.Millisecond))
			b.Relabel(relabelled(b), at(3500*time.Millisecond))
			b.Advance(at(10 * time.Second))
		}, []span{{0, 4 * time.Second, wire.EndAssignment, 4, zeros()}, {4 * time.Second, 10 * time.Second, wire.EndFull, 6, other}}},
		{"nobody looked for a while", func(b *Book) { b.Advance(at(25 * time.Second)) },
			[]span{{0, 10 * time.Second, wire.EndFull, 10, zeros()}, {10 * time.Second, 20 * time.Second, wire.EndFull, 10, zeros()}}},
		{"step of the clock and a new start", func(b *Book) {
			b.Cut(at(3400*time.Millisecond), wire.EndClockStep)
			b.Start(noon/second+8, 1)
			b.Cut(Moment{Wall: noon + 12*second, Mono: 7 * time.Second, Epoch: 1}, wire.EndStop)
		}, []span{
			{0, 3400 * time.Millisecond, wire.EndClockStep, 3, zeros()},
			{8 * time.Second, 10 * time.Second, wire.EndFull, 2, zeros()},
			{10 * time.Second, 12 * time.Second, wire.EndStop, 2, zeros()},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session := uint64(1)
			b := New(config(time.Second, 10*time.Second, &session))
			b.Start(noon/second, 0)
			tt.do(b)
			var got []span
			for _, w := range b.Take(at(time.Hour)) {
				if err := w.Check(); err != nil {
					t.Error(err)
				}
				since := func(ms int64) time.Duration { return time.Duration(ms*int64(time.Millisecond) - noon) }
				got = append(got, span{since(w.StartMS), since(w.EndMS), w.EndReason, w.Scheduled, w.MeshSHA256})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func zeroLabels(b *Book) Labels { return b.cfg.Labels }

func TestIPDVAndTTLInOrderOfSending(t *testing.T) {
	session := uint64(1)
	b := New(config(time.Second, 10*time.Second, &session))
	b.Start(noon/second, 0)
	var packets []*Packet
	for i := range 4 {
		moment := at(time.Duration(i) * time.Second)
		packets = append(packets, b.Send(moment, moment))
	}
	// Answered in another order than sent; the third has no RTT, but a TTL.
	rtts := []time.Duration{2500, 100, -1, 400}
	ttls := []int{60, 61, 60, 60}
	for _, i := range []int{3, 1, 0, 2} {
		packets[i].Answer(Reply{At: at(3 * time.Second), RTT: rtts[i] * time.Microsecond, TTL: ttls[i], Source: wire.TimestampsUser})
	}
	b.Advance(at(10 * time.Second))
	w := b.Take(at(20 * time.Second))[0]
	if diff := cmp.Diff(&wire.IPDV{MeanUS: (2400 + 300) / 2.0, MaxUS: 2400}, w.IPDV); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(&wire.ReplyTTL{Min: 60, Max: 61, Changes: 2}, w.ReplyTTL); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestEveryPacketIsInOneWindow plays random histories of packets, clocks,
// stops and new assignments, and holds the windows against a plain list.
func TestEveryPacketIsInOneWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.SampledFrom([]int{100, 500, 1000, 5000}).Draw(t, "interval_ms")) * time.Millisecond
		length := interval * time.Duration(rapid.SampledFrom([]int{1, 3, 10}).Draw(t, "slots"))
		session := uint64(1)
		b := New(config(interval, length, &session))
		now := at(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "begin")))
		b.Start(b.cfg.Grid.Slot(now.Wall)+1, now.Epoch)

		type sent struct {
			packet *Packet
			at     Moment
		}
		var packets []sent
		var made []wire.Window
		counted, refused, answered, late, duplicates := 0, 0, 0, 0, 0
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			d := time.Duration(rapid.Int64Range(0, int64(2*interval)).Draw(t, "wait"))
			now.Wall, now.Mono = now.Wall+int64(d), now.Mono+d
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2, 3:
				if p := b.Send(now, now); p != nil {
					packets = append(packets, sent{p, now})
					counted++
				}
			case 4:
				if b.Refuse(now) {
					refused++
				}
			case 5, 6:
				if len(packets) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(packets)-1).Draw(t, "packet")
				s := packets[i]
				fate, _ := s.packet.Outcome()
				if fate == Stamped || fate == Unstamped {
					if !s.packet.Closed() {
						duplicates++
					}
					s.packet.Duplicate()
					continue
				}
				if fate != Waiting {
					continue
				}
				switch s.packet.Answer(Reply{At: now, RTT: time.Duration(now.Wall - s.at.Wall), TTL: 64, Source: wire.TimestampsUser}) {
				case Stamped, Unstamped:
					answered++
				case Late:
					late++
				}
			case 7:
				b.Relabel(b.cfg.Labels, now)
			case 8:
				if rapid.IntRange(0, 3).Draw(t, "step?") > 0 {
					continue
				}
				step := rapid.Int64Range(-int64(time.Minute), int64(time.Minute)).Draw(t, "step")
				b.Cut(now, wire.EndClockStep)
				now.Epoch++
				now.Wall += step
				if step < 0 {
					session++
				}
				b.Start(b.cfg.Grid.Slot(now.Wall)+1, now.Epoch)
			case 9:
				b.Advance(now)
				made = append(made, b.Take(now)...)
			}
		}
		b.Cut(now, wire.EndStop)
		now.Mono += wire.Timeout + 1
		made = append(made, b.Flush(now)...)
		if !b.Empty() {
			t.Fatal("something is left after the stop")
		}

		var sum wire.Counts
		type span struct{ session, from, to int64 }
		var spans []span
		for _, w := range made {
			if err := w.Check(); err != nil {
				t.Fatalf("window %v: %v", w.Key, err)
			}
			sum.Sent += w.Sent
			sum.Received += w.Received
			sum.Late += w.Late
			sum.Duplicate += w.Duplicate
			sum.SendError += w.SendError
			for _, s := range spans {
				if s.session == int64(w.Session) && w.StartMS < s.to && w.EndMS > s.from {
					t.Fatalf("window %v overlaps another of its session", w.Key)
				}
			}
			spans = append(spans, span{int64(w.Session), w.StartMS, w.EndMS})
		}
		want := wire.Counts{Sent: uint32(counted), Received: uint32(answered), Late: uint32(late), Duplicate: uint32(duplicates), SendError: uint32(refused)}
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Fatalf("sums over all windows (-want +got)\n%s", diff)
		}
		for _, s := range packets {
			if !s.packet.Closed() {
				t.Fatal("a packet is in no window")
			}
		}
	})
}

func sentAt(p *Packet) Moment {
	wall, mono := p.Sent()
	return Moment{Wall: wall, Mono: mono}
}

// TestPacketsAreLetGo plays a long window of which every packet is answered, or
// lost, and looks at them before it ends: nothing of what it says depends on it.
func TestPacketsAreLetGo(t *testing.T) {
	const length = 100
	play := func(advance bool) wire.Window {
		session := uint64(1)
		b := New(config(time.Second, length*time.Second, &session))
		b.Start(noon/second, 0)
		var packets []*Packet
		for i := range length {
			now := at(time.Duration(i)*time.Second + time.Second/2)
			p := b.Send(now, now)
			p.Mark(uint32(i))
			packets = append(packets, p)
			if i%7 != 3 {
				p.Answer(Reply{At: now, RTT: 0, TTL: 60 - i/50, Source: wire.TimestampsUser})
				p.Answer(Reply{At: now, RTT: time.Duration(i) * time.Microsecond, TTL: 60 - i/50, Source: wire.TimestampsKernel, STAMP: &STAMP{
					Raw: time.Duration(i+3) * time.Microsecond, Residence: 3 * time.Microsecond, ReplySequence: uint32(i - ((i+3)/7+1)/2), DSCP: 46,
					OneWay: &OneWay{Forward: time.Duration(i) * time.Microsecond, Reverse: time.Microsecond, Error: time.Millisecond},
				}})
			}
			if advance {
				b.Advance(now)
			}
		}
		if open := slices.IndexFunc(packets, func(p *Packet) bool { return !p.Closed() }); advance && open != length-1-13 {
			t.Errorf("packet %d is the first that is not let go, want %d", open, length-1-13)
		}
		b.Advance(at((length + 20) * time.Second))
		made := b.Take(at((length + 20) * time.Second))
		if len(made) != 1 {
			t.Fatalf("%d windows", len(made))
		}
		return made[0]
	}
	want := play(false)
	if err := want.Check(); err != nil || want.Lost == 0 || want.STAMP == nil || want.OneWay == nil || want.ReplyTTL.Changes != 1 || want.STAMP.ForwardLost == 0 {
		t.Fatalf("%v: %+v", err, want)
	}
	if diff := cmp.Diff(want, play(true)); diff != "" {
		t.Errorf("(-all at the end +bit by bit)\n%s", diff)
	}
}

// TestAWindowHasOneSource plays replies that the kernel saw, the process saw,
// or both.
func TestAWindowHasOneSource(t *testing.T) {
	const kernelRTT, userRTT = 40 * time.Microsecond, 900 * time.Microsecond
	byKernel := func(p *Packet) {
		p.Answer(Reply{At: sentAt(p), RTT: kernelRTT, Source: wire.TimestampsKernel})
	}
	byUser := func(p *Packet) { p.Answer(Reply{At: sentAt(p), RTT: userRTT, Source: wire.TimestampsUser}) }
	for _, tt := range []struct {
		name   string
		seen   [][]func(*Packet) // by packet
		source wire.Timestamps
		counts wire.Counts
		rtts   []uint32
	}{
		{"all by both, in either order", [][]func(*Packet){{byKernel, byUser}, {byUser, byKernel}}, wire.TimestampsKernel,
			wire.Counts{Scheduled: 10, Sent: 2, Received: 2}, []uint32{40, 40}},
		{"all by the process", [][]func(*Packet){{byUser}, {byUser}}, wire.TimestampsUser,
			wire.Counts{Scheduled: 10, Sent: 2, Received: 2}, []uint32{900, 900}},
		{"one by the process alone", [][]func(*Packet){{byKernel}, {byUser}}, wire.TimestampsKernel,
			wire.Counts{Scheduled: 10, Sent: 2, Received: 2, Unstamped: 1}, []uint32{40}},
		{"one by the kernel alone, one lost", [][]func(*Packet){{byKernel}, {}}, wire.TimestampsKernel,
			wire.Counts{Scheduled: 10, Sent: 2, Received: 1, Lost: 1}, []uint32{40}},
		{"nobody", [][]func(*Packet){{}, {}}, wire.TimestampsUser, wire.Counts{Scheduled: 10, Sent: 2, Lost: 2}, []uint32{}},
		{"a busy process learns of it after the timeout", [][]func(*Packet){{func(p *Packet) {
			learned := sentAt(p)
			learned.Wall, learned.Mono = learned.Wall+int64(5*time.Second), learned.Mono+5*time.Second
			p.Answer(Reply{At: learned, RTT: 5 * time.Second, Source: wire.TimestampsUser})
			p.Answer(Reply{At: learned, RTT: kernelRTT, Source: wire.TimestampsKernel})
		}}}, wire.TimestampsKernel, wire.Counts{Scheduled: 10, Sent: 1, Received: 1}, []uint32{40}},
		{"longer than it took to learn of it", [][]func(*Packet){{func(p *Packet) {
			p.Answer(Reply{At: sentAt(p), RTT: 2 * time.Millisecond, Source: wire.TimestampsKernel})
		}}}, wire.TimestampsKernel, wire.Counts{Scheduled: 10, Sent: 1, Received: 1, Unstamped: 1}, []uint32{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			session := uint64(1)
			b := New(config(time.Second, 10*time.Second, &session))
			b.Start(noon/second, 0)
			for i, replies := range tt.seen {
				sent := at(time.Duration(i)*time.Second + time.Second/2)
				before := sent
				before.Wall, before.Mono = before.Wall-int64(time.Millisecond/2), before.Mono-time.Millisecond/2
				p := b.Send(before, sent)
				for _, answer := range replies {
					answer(p)
				}
			}
			b.Advance(at(10 * time.Second))
			made := b.Take(at(20 * time.Second))
			if len(made) != 1 {
				t.Fatalf("%d windows", len(made))
			}
			w := made[0]
			if err := w.Check(); err != nil {
				t.Error(err)
			}
			if w.Timestamps != tt.source {
				t.Errorf("timestamps %q, want %q", w.Timestamps, tt.source)
			}
			if diff := cmp.Diff(tt.counts, w.Counts); diff != "" {
				t.Errorf("counts (-want +got)\n%s", diff)
			}
			rtts, err := wire.DecodeRTTs([]uint32{}, w.RTTs)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.rtts, rtts); diff != "" {
				t.Errorf("RTTs (-want +got)\n%s", diff)
			}
		})
	}
}

// TestAnEndedEpochKeepsItsSession: where a step back is noticed only after a
// window was full, the next one on the old clock is of the old session; the new
// session will come to that time again.
func TestAnEndedEpochKeepsItsSession(t *testing.T) {
	current := uint64(1)
	cfg := config(time.Second, 10*time.Second, &current)
	cfg.Session = func(epoch int) uint64 { return uint64(epoch) + 1 }
	b := New(cfg)
	b.Start(noon/second, 0)
	b.Cut(at(12*time.Second), wire.EndClockStep)
	b.Start(noon/second, 1)
	b.Cut(Moment{Wall: noon + 12*second, Mono: 24 * time.Second, Epoch: 1}, wire.EndStop)
	var keys []wire.Key
	for _, w := range b.Take(at(time.Hour)) {
		keys = append(keys, wire.Key{Session: w.Session, StartMS: w.StartMS - noon/int64(time.Millisecond)})
	}
	want := []wire.Key{{Session: 1, StartMS: 0}, {Session: 1, StartMS: 10_000}, {Session: 2, StartMS: 0}, {Session: 2, StartMS: 10_000}}
	if d := cmp.Diff(want, keys); d != "" {
		t.Error(d)
	}
}
