package measure

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// empties are windows in which nothing was sent, one a second.
func empties(t *testing.T, n int) []wire.Window {
	t.Helper()
	now := window.Moment{Wall: 1_750_000_000 * int64(time.Second)}
	grid := window.Grid{Interval: time.Second, Length: time.Second}
	book := window.New(window.Config{
		Labels: window.Labels{
			Src: "here", Dst: "there", Test: "icmp", SrcCluster: "c0", DstCluster: "c1", Carrier: "x", Plane: "optical",
			Method: "icmp", Origin: wire.OriginSynthetic, MeshSHA256: string(make64('a')), ProbeVersion: "devel",
		},
		Grid: grid, Timeout: wire.Timeout, Grace: wire.Grace,
		Due: grid.Begin, Session: func(int) uint64 { return 1 }, Clock: ClockState,
	})
	book.Start(grid.Slot(now.Wall), 0)
	now.Wall += int64(n) * int64(time.Second)
	now.Mono += time.Duration(n) * time.Second
	book.Advance(now)
	now.Mono += wire.Grace
	return book.Take(now)
}

func newPutter(put func([]wire.Window) error) *Measurer {
	m := New(Config{Put: put, Log: slog.New(slog.DiscardHandler)})
	m.line = newTimeline(m.clock, 1, nil, m.cfg.Log)
	return m
}

// TestManyWindowsAtOnce: a process that slept finds more windows ended than may
// wait in memory. None is dropped, for the spool takes them.
func TestManyWindowsAtOnce(t *testing.T) {
	stored := 0
	m := newPutter(func(ws []wire.Window) error { stored += len(ws); return nil })
	m.put(empties(t, maxUnsaved+1000))
	if stored != maxUnsaved+1000 || m.Made() != int64(stored) {
		t.Errorf("%d windows stored, %d made; want %d", stored, m.Made(), maxUnsaved+1000)
	}
}

// TestSpoolThatTakesNothing is tried at a pace, and what waits is bounded and
// arrives in the end.
func TestSpoolThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, tries, stored := true, 0, 0
		var log bytes.Buffer
		m := newPutter(func(ws []wire.Window) error {
			tries++
			if full {
				return errors.New("no space left on device")
			}
			stored += len(ws)
			return nil
		})
		m.cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ws := empties(t, maxUnsaved+1000)
		lost := ws[:1000]
		for range 300 { // a minute
			m.put(ws[:1])
			ws = ws[1:]
			time.Sleep(collectEvery)
		}
		if most := int(time.Minute/putAgain) + 1; tries > most || tries < 2 {
			t.Errorf("%d tries in a minute; want 2 to %d", tries, most)
		}
		m.put(ws)
		time.Sleep(putAgain)
		m.put(nil)
		if len(m.unsaved) != maxUnsaved {
			t.Errorf("%d windows wait; want %d", len(m.unsaved), maxUnsaved)
		}
		if m.Lost() != 1000 {
			t.Errorf("%d windows are counted as lost; want 1000", m.Lost())
		}
		if m.Held() != maxUnsaved {
			t.Errorf("%d windows are said to wait", m.Held())
		}
		for i := range lost {
			if !strings.Contains(log.String(), `msg="window lost" key=`+lost[i].Key.String()) {
				t.Errorf("%v is lost and not named", lost[i].Key)
				break
			}
		}
		if n := strings.Count(log.String(), "the spool takes no windows"); n < 1 || n > 2 {
			t.Errorf("complained %d times in a minute", n)
		}
		full = false
		if err := m.finish(); err != nil {
			t.Error(err)
		}
		if stored != maxUnsaved {
			t.Errorf("%d windows stored; want %d", stored, maxUnsaved)
		}
	})
}
