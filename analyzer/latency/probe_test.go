package latency_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// A day tells of the probe what its windows tell, and nothing of what is foreign.
func TestProbe(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	s := &scenario.Store{}
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	put := func(minute int, lost int, change func(w *wire.Window)) wire.Window {
		w := scenario.Window(m, "a1", "b1", from.Add(time.Duration(minute)*time.Minute), scenario.Same(20_000, 50), lost)
		change(&w)
		s.Put(t, w)
		return w
	}
	stepped := put(0, 3, func(w *wire.Window) {
		w.EndMS -= 7_000
		w.EndReason, w.Clock = wire.EndClockStep, wire.Clock{State: wire.ClockUnsynchronised, MaxErrorUS: 16_000_000, FrequencyPPB: -70_000}
	})
	put(1, 0, func(w *wire.Window) {
		w.Timestamps, w.Clock = wire.TimestampsHardware, wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 12, FrequencyPPB: 20_000}
	})
	put(2, 9, func(w *wire.Window) { w.Clock.State, w.Late, w.Duplicate = wire.ClockUnknown, 2, 1 })
	put(3, 0, func(w *wire.Window) {
		w.Carrier, w.EndReason, w.Clock.State = "two", wire.EndClockStep, wire.ClockUnknown
	})
	later := put(24*60, 0, func(w *wire.Window) { w.EndReason = wire.EndClockStep })
	scope := &latency.Scope{Test: m.Test("icmp"), Src: m.Site("a1"), Dst: m.Site("b1"), Calendar: latency.NewCalendar(from, from.AddDate(0, 0, 2))}
	link, err := latency.Read(t.Context(), s, nil, scope, false)
	if err != nil {
		t.Fatal(err)
	}
	want := latency.Probe{
		Windows: 3, Packets: latency.Packets{Sent: 162, Received: 150, Lost: 12, Late: 2, Duplicate: 1}, Hardware: 1, User: 2,
		Unsynchronised: 1, ClockUnknown: 1, ClockErrorMaxUS: 16_000_000, ClockRateMaxPPB: 70_000, ClockSteps: []int64{stepped.EndMS},
	}
	if diff := cmp.Diff(want, link.Days[0].Probe); diff != "" {
		t.Errorf("the day (-want +got):\n%s", diff)
	}
	want.Add(&link.Days[1].Probe)
	if diff := cmp.Diff(want, link.Probe); diff != "" || link.Probe.Windows != 4 || link.Probe.ClockSteps[1] != later.EndMS {
		t.Errorf("both days (-want +got):\n%s", diff)
	}
}

// A clock that never stands still does not make a record of any length.
func TestClockStepsAreBounded(t *testing.T) {
	m := scenario.Mesh(t, "UTC", scenario.Sites(), nil)
	s := &scenario.Store{}
	from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100 {
		w := scenario.Window(m, "a1", "b1", from.Add(time.Duration(i)*time.Minute), scenario.Same(20_000, 50), 0)
		w.EndReason = wire.EndClockStep
		s.Put(t, w)
	}
	scope := &latency.Scope{Test: m.Test("icmp"), Src: m.Site("a1"), Dst: m.Site("b1"), Calendar: latency.NewCalendar(from, from.AddDate(0, 0, 1))}
	link, err := latency.Read(t.Context(), s, nil, scope, false)
	if err != nil {
		t.Fatal(err)
	}
	if steps := link.Days[0].Probe.ClockSteps; len(steps) != 64 || steps[63] != from.Add(64*time.Minute).UnixMilli() {
		t.Errorf("%d steps", len(steps))
	}
}
