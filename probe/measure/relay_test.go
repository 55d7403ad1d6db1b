package measure

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestWhoTakesOver: whenever a pinger fails, another is started unless one
// that goes on sending was started after it.
func TestWhoTakesOver(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fails  int    // place in the order of starting
		sends  []bool // whether each is to go on sending
		taking bool
	}{
		{"the only one", 0, []bool{true}, true},
		{"the successor, while the worn one sends", 1, []bool{true, true}, true},
		{"the worn one, while the successor has not sent", 0, []bool{true, true}, false},
		{"the retired one", 0, []bool{false, true}, false},
		{"the one that sends, started before one that is retired", 0, []bool{true, false}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			line := newTimeline(SystemClock(), 1, nil, log)
			f := newFlow(line, nil, planned{grid: window.Grid{Interval: time.Second, Length: 10 * time.Second}}, 1, wire.Timeout, log)
			r := &relay{flow: f}
			for _, sends := range tt.sends {
				one := &running{socket: newSocket(f), cancel: func() {}}
				if !sends {
					one.socket.stopBefore(0)
				}
				r.live = append(r.live, one)
			}
			fails := r.live[tt.fails]
			fails.err = errors.New("the socket died")
			if got := r.remove(fails); got != tt.taking {
				t.Errorf("another is started: %v; want %v", got, tt.taking)
			}
		})
	}
}

// TestAPingerThatWasToldToEndHoldsNobodyUp: nobody waits for the packets of a
// pinger that was ended with some on their way.
func TestAPingerThatWasToldToEndHoldsNobodyUp(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var at time.Duration
	line := newTimeline(func() (int64, time.Duration) { return int64(at), at }, 1, nil, log)
	f := newFlow(line, nil, planned{grid: window.Grid{Interval: time.Second, Length: 10 * time.Second}}, 1, wire.Timeout, log)
	s := newSocket(f)
	s.Sent(0)
	at = 1100 * time.Millisecond
	s.Sent(1)
	s.stopSending()
	one := &running{socket: s, cancel: func() {}}
	r := &relay{flow: f, live: []*running{one}}
	r.remove(one)
	select {
	case <-s.idle:
	default:
		t.Error("its packets are still waited for")
	}
}
