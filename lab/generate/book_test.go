package generate

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// meshText has three sites of one carrier, of which the third only answers.
func meshText(test, more string) string {
	return `
version: 1
name: test
time_zone: Asia/Shanghai
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: x, hub: h, name: {en: X}, location: {lat: 40, lon: 110}}
  - {id: y, hub: h, name: {en: Y}, location: {lat: 38, lon: 110}}
  - {id: z, hub: h, name: {en: Z}, location: {lat: 36, lon: 110}}
carriers: [{id: a, name: {en: A}}]
planes: [optical]
sites:
  - {id: x-a, cluster: x, carrier: a, plane: optical, address: 192.0.2.1, role: both}
  - {id: y-a, cluster: y, carrier: a, plane: optical, address: 192.0.2.2, role: both}
  - {id: z-a, cluster: z, carrier: a, plane: optical, address: 192.0.2.3, role: reflector}
distances:
  - {clusters: [x, y], km: 1000, class: A, source: test}
  - {clusters: [x, z], km: 1000, class: A, source: test}
measure: [` + test + `]
judged: test
` + more
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func parse(t fataler, meshYAML, wanYAML string) (*mesh.Mesh, *wan.WAN) {
	t.Helper()
	m, err := mesh.Parse("mesh.yaml", []byte(meshYAML))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wan.Parse("wan.yaml", []byte(wanYAML), m)
	if err != nil {
		t.Fatal(err)
	}
	return m, w
}

// TestWindowsAreThoseOfAProbe plays the packets of any link and test to the book
// of the real probe, and wants its windows, byte for byte.
func TestWindowsAreThoseOfAProbe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"icmp", "stamp"}).Draw(t, "method")
		interval := rapid.SampledFrom([]int{500, 1000, 5000}).Draw(t, "interval")
		m, w := parse(t,
			meshText(fmt.Sprintf("{test: test, method: %s, links: [{}], interval_ms: %d, size_bytes: 128, dscp: 46, window_s: 30}", method, interval), ""),
			fmt.Sprintf("version: 1\nseed: %d\ndefaults: {rtt_ms: %d, asymmetry: 0.3, hops: 5, loss_percent: %d, duplicate_percent: %d, reorder_percent: %d, reorder_ms: 800, jitter: {distribution: exponential, median_ms: %d}}\n"+
				"history: {clock_error_us: %d, path_changes: {per_year: 1000, hours: 0.02, step_percent: 30}, lossy: {per_year: 1000, minutes: 1, loss_percent: 60}}\n",
				rapid.Uint64Range(0, 1<<60).Draw(t, "seed"), rapid.SampledFrom([]int{0, 20, 300, 2900, 4000, 9999}).Draw(t, "rtt"),
				rapid.IntRange(0, 60).Draw(t, "loss"), rapid.IntRange(0, 30).Draw(t, "duplicates"), rapid.IntRange(0, 30).Draw(t, "reordered"),
				rapid.IntRange(0, 400).Draw(t, "jitter"), rapid.SampledFrom([]int{0, 250}).Draw(t, "clock")))
		f := newFlow(m, w.Past(), &m.Measure[0], 0, 1, "devel")
		from := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano() + rapid.Int64Range(0, 86400e9).Draw(t, "from")
		l := life{from: from, until: from + rapid.Int64Range(0, 120e9).Draw(t, "length"), session: 3, reason: wire.EndStop}
		course := w.Past().Course(0, 1, time.Unix(0, from), time.Unix(0, from-60e9), time.Unix(0, l.until+60e9))

		var got []wire.Window
		f.windows(course, l, l.from, l.until+1, &scratch{}, func(w wire.Window) { got = append(got, w) })
		want := playToProbe(f, course, l)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("(-probe +generated)\n%s", diff)
		}
		for i := range got {
			if err := got[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// event is something that a probe meets at a time, Unix ns.
type event struct {
	at   int64
	rank int // of events at once
	do   func(now window.Moment)
}

// playToProbe gives the windows that a probe makes of the packets of a life.
func playToProbe(f *flow, course *wan.Course, l life) []wire.Window {
	now := func(at int64) window.Moment { return window.Moment{Wall: at, Mono: time.Duration(at - l.from)} }
	w := f.template
	book := window.New(window.Config{
		Labels: window.Labels{
			Src: w.Src, Dst: w.Dst, Test: w.Test, SrcCluster: w.SrcCluster, DstCluster: w.DstCluster, Carrier: w.Carrier, Plane: w.Plane,
			Method: w.Method, Origin: w.Origin, MeshSHA256: w.MeshSHA256, DSCP: 46, ProbeVersion: w.ProbeVersion,
		},
		Grid:    window.Grid{Interval: time.Duration(f.interval), Length: time.Duration(f.length)},
		Timeout: wire.Timeout, Grace: wire.Grace, Due: f.dueIn,
		Session: func(int) uint64 { return l.session }, Clock: func() wire.Clock { return w.Clock },
	})
	var events []event
	add := func(at int64, rank int, do func(window.Moment)) { events = append(events, event{at, rank, do}) }
	first := f.firstSlot(l.from)
	stage := 0
	var packets []packet
	for slot := first; f.dueIn(slot) < l.until; slot++ {
		packets = append(packets, f.send(course, slot, &stage))
	}
	// A reflector numbers requests as they reach it, with a start of its own.
	order := make([]int, len(packets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(packets[i].struck, packets[j].struck) })
	numbers, number := make([]uint32, len(packets)), uint32(1000)
	for _, i := range order {
		numbers[i] = number
		number += packets[i].reached
	}
	highest := -1
	for i := range packets {
		p := &packets[i]
		var sent *window.Packet
		add(p.sent, 0, func(at window.Moment) {
			sent = book.Send(at, at)
			sent.Mark(uint32(i))
		})
		if p.arrival == none {
			continue
		}
		add(p.arrival, 0, func(at window.Moment) {
			r := window.Reply{At: at, RTT: time.Duration(p.rtt), TTL: int(p.ttl), Source: wire.TimestampsKernel}
			if f.stamp {
				r.STAMP = &window.STAMP{
					Raw: time.Duration(p.raw), Residence: time.Duration(p.raw - p.rtt), ReplySequence: numbers[i] + p.reply, DSCP: 46, Reordered: i < highest,
				}
				if bound := f.past.ClockErrorUS(); bound > 0 {
					// The book rounds a bound up by almost a microsecond first.
					r.STAMP.OneWay = &window.OneWay{Forward: time.Duration(p.forward), Reverse: time.Duration(p.rtt - p.forward), Error: time.Duration(2*bound-1) * time.Microsecond}
				}
			}
			highest = max(highest, i)
			sent.Answer(r)
		})
		for _, at := range p.again[:p.further] {
			add(at, 1, func(window.Moment) { sent.Duplicate() })
		}
	}
	var made []wire.Window
	var traced int64
	take := func(at window.Moment) { made = append(made, book.Take(at)...) }
	look := func(at window.Moment) {
		if trigger := book.Suspect(); trigger != "" {
			var path *wire.Path
			if end := at.Wall; traced == 0 || end >= traced+traceAgain {
				traced = end
				path = (&scratchBook{f}).trace(trigger, end, course)
			}
			book.Traced(path)
		}
	}
	for end := (floorDiv(first*f.interval, f.length) + 1) * f.length; end <= l.until; end += f.length {
		add(end, 2, func(at window.Moment) { book.Advance(at); look(at) })
		add(end+timeout, 3, take)
		add(end+grace, 3, take)
	}
	add(l.until, 3, func(at window.Moment) { book.Cut(at, l.reason); look(window.Moment{Wall: ceilDiv(at.Wall, 1e6) * 1e6}) })
	add(l.until+timeout, 4, func(at window.Moment) { made = append(made, book.Flush(at)...) })
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	book.Start(first, 0)
	for _, e := range events {
		if e.at <= l.until+timeout {
			book.Advance(now(e.at)) // it does so all the time
			e.do(now(e.at))
		}
	}
	return made
}

// scratchBook traces for the probe.
type scratchBook struct{ *flow }

func (s *scratchBook) trace(trigger string, at int64, course *wan.Course) *wire.Path {
	return (&book{flow: s.flow}).trace(trigger, at, course)
}
