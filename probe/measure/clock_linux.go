package measure

import (
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// rawIsFiltered: pro-bing attaches a socket filter to its raw sockets here.
const rawIsFiltered = true

// ClockState asks the kernel whether the wall clock follows a reference.
func ClockState() wire.Clock {
	var t unix.Timex // no mode bits: only reads
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return wire.Clock{State: wire.ClockUnknown}
	}
	clock := wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: int64(t.Maxerror)}
	// Parts per million with a 16-bit fraction (adjtimex(2)).
	clock.FrequencyPPB = int64(t.Freq) * 1000 / 65536
	// A clock may be slewed by the length of its tick, too: microseconds, of
	// which 10 000 are usual.
	clock.FrequencyPPB += (int64(t.Tick) - 10_000) * 100_000
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		clock.State = wire.ClockUnsynchronised
	}
	return clock
}
