package uplink

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestHand: windows that are in memory only reach the collector within the time
// there is, or the disk if that takes them first; the spool is left alone.
func TestHand(t *testing.T) {
	const limit = 10 * time.Second
	for _, c := range []struct {
		name      string
		windows   int
		collector func(calls int, b *wire.Batch) (*http.Response, error)
		spooled   int // the try after which the disk takes them; 0: never
		done      bool
		took      time.Duration // at least; at most a second more
		arrived   int
		given     int64
		said      string
	}{
		{"at once", 600, func(_ int, b *wire.Batch) (*http.Response, error) { return respond(200, nil, ackOf(b)) }, 0,
			true, 0, 600, 0, "handed to the collector\" windows=600"},
		{"after a while", 3, func(calls int, b *wire.Batch) (*http.Response, error) {
			if calls < 4 {
				return problem(503, wire.CodeOverloaded, http.Header{"Retry-After": {"60"}})
			}
			return respond(200, nil, ackOf(b))
		}, 0, true, 3 * time.Second, 3, 0, "503 Service Unavailable"},
		{"never", 3, func(int, *wire.Batch) (*http.Response, error) { return nil, errors.New("away") }, 0,
			false, limit, 0, 0, "only in memory could not be handed to the collector"},
		{"the disk is quicker", 3, func(int, *wire.Batch) (*http.Response, error) { return nil, errors.New("away") }, 2,
			true, 0, 0, 0, "away"},
		{"one is refused", 3, func(_ int, b *wire.Batch) (*http.Response, error) {
			ack := ackOf(b)
			ack.Stored, ack.Refused = 2, []wire.Refusal{{Index: 1, Key: b.Windows[1].Key, Code: wire.CodeForeignLink}}
			return respond(200, nil, ack)
		}, 0, true, 0, 2, 1, `level=DEBUG msg="window dropped" key=here>there/icmp@`},
		{"one spoils the batch", 5, func(_ int, b *wire.Batch) (*http.Response, error) {
			for _, w := range b.Windows {
				if w.Key == window(2).Key {
					return problem(400, wire.CodeBadRequest, nil)
				}
			}
			return respond(200, nil, ackOf(b))
		}, 0, true, 0, 4, 1, "a window is lost: no collector will take it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				m, log, calls, tries := newMemory(4), &bytes.Buffer{}, 0, 0
				u := newUplink(m, func(r *http.Request) (*http.Response, error) { calls++; return c.collector(calls, batchOf(r)) }, log)
				u.cfg.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				var all []wire.Window
				for n := range c.windows {
					all = append(all, window(n))
				}
				begin := time.Now()
				done := u.Hand(ctx, all, func() bool { tries++; return tries == c.spooled })
				if took := time.Since(begin); done != c.done || took < c.took || took > c.took+time.Second {
					t.Errorf("%v in %v; want %v in %v", done, took, c.done, c.took)
				}
				if u.Delivered() != int64(c.arrived) || u.GivenUp() != c.given {
					t.Errorf("%d arrived, %d given up; want %d, %d", u.Delivered(), u.GivenUp(), c.arrived, c.given)
				}
				if !strings.Contains(strings.ReplaceAll(log.String(), `key="`, "key="), c.said) {
					t.Errorf("log: %s\nwant %s", log, c.said)
				}
				if len(m.windows) != 4 || m.settled > 0 || len(m.aside) > 0 {
					t.Errorf("the spool was touched: %d left", len(m.windows))
				}
			})
		})
	}
}

// TestHandKeepsBatchesSmall: no batch is larger than a collector takes.
func TestHandKeepsBatchesSmall(t *testing.T) {
	h := &hand{}
	for i := range 10 {
		w := window(i)
		h.left = append(h.left, spool.Entry{Sequence: uint64(i), Window: w, Bytes: len(w.Canonical())})
	}
	one := h.left[0].Bytes + 1
	for _, c := range []struct{ windows, bytes, want int }{{100, 100 * one, 10}, {3, 100 * one, 3}, {100, 4 * one, 4}, {100, 1, 1}} {
		if got, err := h.Oldest(c.windows, c.bytes); len(got) != c.want || err != nil {
			t.Errorf("%d windows within %d and %d bytes, %v; want %d", len(got), c.windows, c.bytes, err, c.want)
		}
	}
}
