package measure

import (
	"log/slog"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestNumberThatComesAgain: a packet that is left out under a sequence number
// that was used before in the same window changes nothing of the earlier one.
func TestNumberThatComesAgain(t *testing.T) {
	var at time.Duration
	clock := func() (int64, time.Duration) { return int64(1_750_000_200*time.Second + at), at }
	line := newTimeline(clock, 1, nil, slog.New(slog.DiscardHandler))
	grid := window.Grid{Interval: time.Second, Length: 10 * time.Second}
	f := newFlow(line, nil, planned{grid: grid}, 1, wire.Timeout, slog.New(slog.DiscardHandler))
	s := newSocket(f)

	at = 100 * time.Millisecond
	s.Sent(0) // warms up
	at = 1100 * time.Millisecond
	s.Sent(1)
	at = 1105 * time.Millisecond
	s.Answered(1, 5*time.Millisecond, 64)
	at = 8100 * time.Millisecond
	s.Sent(2)
	at = 8105 * time.Millisecond
	s.Answered(2, 5*time.Millisecond, 64)
	at = 8200 * time.Millisecond
	s.Sent(1) // a second packet in its slot
	at = 8205 * time.Millisecond
	s.Answered(1, 5*time.Millisecond, 64)
	s.Duplicated(1)

	at = 30 * time.Second
	f.book.Advance(line.now())
	got := sum(f.book.Flush(line.now()))
	if got.Sent != 2 || got.Received != 2 || got.Duplicate != 0 {
		t.Errorf("%+v; want 2 sent and received, none twice", got)
	}
}

// TestWhatASendHolds is the bound of what is taken for a packet.
func TestWhatASendHolds(t *testing.T) {
	const second = int64(time.Second)
	d := send{seq: 7, from: 10 * second, to: 11 * second, even: true}
	for _, tt := range []struct {
		name string
		send send
		seq  uint16
		at   int64
		want bool
	}{
		{"with the first reading", d, 7, d.from, true},
		{"before it", d, 7, d.from - 1, false},
		{"with the second", d, 7, d.to, true},
		{"handed over late", d, 7, d.to + int64(handover), true},
		{"too late", d, 7, d.to + int64(handover) + 1, false},
		{"another number", d, 8, d.to, false},
		{"while the clock stepped", send{seq: 7, from: d.from, to: d.to}, 7, d.to, false},
	} {
		if got := tt.send.holds(stopwatch.Echo{Seq: tt.seq, At: tt.at}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
