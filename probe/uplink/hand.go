package uplink

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// handAgain is the longest pause between two tries to hand windows over: whoever
// does it has little time.
const handAgain = time.Second

// Hand brings windows that no spool takes straight to the collector, until it
// has them or the context ends. Between two tries it asks spooled whether they
// are on disk after all. It tells whether nothing is left to be done: what a
// collector refuses for ever is given up, named in the log and counted.
func (u *Uplink) Hand(ctx context.Context, windows []wire.Window, spooled func() bool) bool {
	h := &hand{log: u.cfg.Log}
	for i := range windows {
		h.left = append(h.left, spool.Entry{Sequence: uint64(i), Window: windows[i], Bytes: len(windows[i].Canonical())})
	}
	d := &delivery{
		Uplink: u, store: h, windows: mostWindows, pace: rate.NewLimiter(rate.Inf, 0),
		trouble: &complaint{log: u.cfg.Log, what: "windows that are only in memory could not be handed to the collector"},
	}
	defer func() { u.given.Add(h.refused) }()
	for ctx.Err() == nil {
		sent, wait := d.step(ctx)
		if !sent {
			u.cfg.Log.Info("windows that the spool did not take were handed to the collector", "windows", len(windows)-int(h.refused))
			return true
		}
		if wait == 0 {
			continue
		}
		if spooled() {
			return true
		}
		sleep(ctx, min(wait, handAgain))
	}
	return false
}

// hand holds windows that are in memory only.
type hand struct {
	log     *slog.Logger
	left    []spool.Entry // oldest first
	refused int64
}

func (h *hand) Oldest(windows, bytes int) ([]spool.Entry, error) {
	for i := range min(windows, len(h.left)) {
		if bytes -= h.left[i].Bytes + 1; bytes < 0 && i > 0 {
			return h.left[:i:i], nil
		}
	}
	return h.left[:min(windows, len(h.left))], nil
}

func (h *hand) Settle(delivered []uint64, refused map[uint64]spool.Refused) error {
	gone := map[uint64]bool{}
	for _, sequence := range delivered {
		gone[sequence] = true
	}
	var left []spool.Entry
	for _, e := range h.left {
		why, no := refused[e.Sequence]
		switch {
		case no:
			h.refused++
			h.log.Error("a window is lost: no collector will take it, and there is no spool to keep it in", "key", e.Window.Key.String(), "code", why.Code)
			h.log.Debug("window dropped", "key", e.Window.Key.String())
		case !gone[e.Sequence]:
			left = append(left, e)
		}
	}
	h.left = left
	return nil
}
