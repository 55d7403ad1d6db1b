package measure

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		fate func(n, seq int) (fate, error)
		step time.Duration // of the wall clock, after 4.5 s
		want wire.Counts   // of ten packets
		most time.Duration // that it takes
	}{
		{"answered", always(fate{rtt: 30 * time.Millisecond}), 0, wire.Counts{Scheduled: 10, Sent: 10, Received: 10}, 11100 * time.Millisecond},
		{"not answered", always(fate{}), 0, wire.Counts{Scheduled: 10, Sent: 10, Lost: 10}, 12100 * time.Millisecond},
		{"never sent", func(int, int) (fate, error) { return fate{}, errors.New("no route") }, 0,
			wire.Counts{Scheduled: 14, SendError: 4}, 14 * time.Second},
		{"clock steps", always(fate{rtt: 30 * time.Millisecond}), -time.Hour, wire.Counts{Sent: 10, Received: 10}, 14 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := newClock()
				n := &network{clock: clock.read, fate: tt.fate}
				line := newTimeline(clock.read, 1, func() (uint64, error) { return 2, nil }, slog.New(slog.DiscardHandler))
				if tt.step != 0 {
					time.AfterFunc(4500*time.Millisecond, func() { clock.step(tt.step) })
				}
				spec := Spec{Address: netip.MustParseAddr("192.0.2.1"), Interval: time.Second}
				begin := time.Now()
				got := Once{Spec: spec, Mode: ModeDatagram, Count: 10, Timeout: time.Second, Observe: func(Event) {}, Log: slog.New(slog.DiscardHandler)}.
					run(t.Context(), line, n.pinger(spec)).Counts
				if took := time.Since(begin); took > tt.most {
					t.Errorf("took %v; want at most %v", took, tt.most)
				}
				if tt.step != 0 {
					got.Scheduled = 0 // depends on what the step cuts off
					// The moments are random: one packet may be on its way at
					// the step.
					got.Unstamped = max(got.Unstamped, 1) - 1
				}
				if tt.want.SendError > 0 {
					// Tried again with pauses drawn at random.
					if got.SendError < 2 || got.SendError > 8 {
						t.Errorf("%d send errors", got.SendError)
					}
					got.SendError, got.Scheduled = tt.want.SendError, tt.want.Scheduled
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestOnceWithTwoSockets: the events of a worn socket, whose replies still come,
// and those of its successor reach the observer one at a time.
func TestOnceWithTwoSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newClock()
		n := &network{clock: clock.read, fate: always(fate{rtt: 1500 * time.Millisecond})}
		line := newTimeline(clock.read, 1, nil, slog.New(slog.DiscardHandler))
		spec := Spec{Address: netip.MustParseAddr("192.0.2.1"), Interval: 10 * time.Millisecond}
		sent, replies := 0, 0 // the race detector watches these
		got := Once{Spec: spec, Mode: ModeDatagram, Count: maxPackets + 500, Timeout: 3 * time.Second, Log: slog.New(slog.DiscardHandler), Observe: func(e Event) {
			switch e.Kind {
			case EventSent:
				sent++
			case EventReply:
				replies++
			}
		}}.run(t.Context(), line, n.pinger(spec))
		if n.pingers != 2 || sent != maxPackets+500 || replies != sent || int(got.Received) != sent {
			t.Errorf("%d pingers, %d sent, %d replies, %+v", n.pingers, sent, replies, got.Counts)
		}
	})
}
