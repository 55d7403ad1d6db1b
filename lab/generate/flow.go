package generate

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// What a probe and a reflector of ours do.
const (
	timeout = int64(wire.Timeout)
	grace   = int64(wire.Grace)
	// margin is what of a slot, in thousandths, stays free at each of its ends.
	margin = 10
	// The TTL with which replies leave.
	ttlSTAMP, ttlICMP = 255, 64
	// A reflector keeps a packet for this long, less than what is taken out.
	leastStay, mostStay = 15 * time.Microsecond, 60 * time.Microsecond
)

// flow makes the packets of one link by one test.
type flow struct {
	past     *wan.Past
	template wire.Window // what all windows of the flow have in common
	src, dst int
	address  string // of the destination
	stamp    bool
	interval int64 // ns, of a slot
	length   int64 // ns, of a window
	dscp     *int  // that a reflector tells; nil: it does not

	due, out, back, stay wan.Stream
}

func newFlow(m *mesh.Mesh, past *wan.Past, test *mesh.Test, src, dst int, version string) *flow {
	a, b := &m.Sites[src], &m.Sites[dst]
	f := &flow{
		past: past, src: src, dst: dst, address: b.Address, stamp: test.Method == mesh.MethodSTAMP,
		interval: int64(test.IntervalMS) * int64(time.Millisecond), length: int64(test.WindowS) * int64(time.Second),
		template: wire.Window{
			Key:        wire.Key{Src: a.ID, Dst: b.ID, Test: test.Name},
			SrcCluster: a.Cluster, DstCluster: b.Cluster, Carrier: a.Carrier, Plane: string(a.Plane), Method: string(test.Method),
			Clock:  wire.Clock{State: wire.ClockUnsynchronised, MaxErrorUS: 16_000_000},
			Origin: wire.OriginSynthetic, MeshSHA256: m.SHA256(), ProbeVersion: version,
		},
	}
	if us := past.ClockErrorUS(); us > 0 {
		f.template.Clock = wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: int64(us)}
	}
	if f.stamp && hasClass(test, b) {
		f.dscp = &test.DSCP
	}
	names := []string{a.ID, b.ID, test.Name}
	f.due, f.stay = past.Stream(append(names, "due")...), past.Stream(append(names, "stay")...)
	f.out, f.back = past.Stream(append(names, "out")...), past.Stream(append(names, "back")...)
	return f
}

// hasClass tells whether packets have room for the extension by which a
// reflector tells how they were marked.
func hasClass(test *mesh.Test, dst *mesh.Site) bool {
	const ip, udp, open, sealed, tlv, class, hmac = 40, 8, 44, 112, 4, 4, 16
	way := dst.Reflector()
	need := ip + udp + open + tlv + class
	if way.Authenticated {
		need += sealed - open + tlv + hmac
	}
	return !way.Plain && test.SizeBytes >= need
}

// dueIn is when the packet of a slot is due, Unix ns.
func (f *flow) dueIn(slot int64) int64 {
	draws := f.due.Draws(uint64(slot))
	thousandth := float64(f.interval) / 1000
	return slot*f.interval + int64(float64(thousandth*margin)+float64(thousandth*float64((1000-2*margin)*draws.Share())))
}

// packet is one packet and what came back of it.
type packet struct {
	sent    int64 // Unix ns
	arrival int64 // of the first reply, Unix ns; math.MaxInt64: none comes
	rtt     int64 // ns, without what the reflector kept it
	raw     int64 // ns, with it
	forward int64 // ns, to the reflector; the rest of the RTT is the way back
	again   [3]int64
	further int    // how many of again are further replies' arrivals
	ttl     uint8  // of the reply
	reached uint32 // how many copies the reflector saw
	reply   uint32 // which of them the first reply answers, from 1
	struck  int64  // when the first copy reached the reflector
}

// none is the arrival of a reply that does not come.
const none = math.MaxInt64

// send makes the packet of a slot. stage is where in the course to look first,
// and where it was found.
func (f *flow) send(course *wan.Course, slot int64, stage *int) packet {
	p := packet{sent: f.dueIn(slot), arrival: none}
	*stage = course.At(p.sent, *stage)
	s := course.Stage(*stage)
	there := s.Profile.Fate(course.Forward(f.src), f.out.Draws(uint64(slot)))
	if there.Lost {
		return p
	}
	p.forward, p.reached = int64(there.Delay), uint32(there.Copies)
	p.struck = p.sent + p.forward
	ttl := ttlICMP
	var kept int64
	if f.stamp {
		draws := f.stay.Draws(uint64(slot))
		ttl, kept = ttlSTAMP, int64(leastStay)+int64(draws.Share()*float64(mostStay-leastStay))
	}
	for c := range there.Copies {
		left := p.struck + kept
		s := course.Stage(course.At(left, *stage))
		home := s.Profile.Fate(course.Forward(f.dst), f.back.Draws(2*uint64(slot)+uint64(c)))
		if home.Lost {
			continue
		}
		arrival := left + int64(home.Delay)
		for range home.Copies {
			p.hear(arrival, kept, uint8(max(ttl-home.Hops, 1)), uint32(c+1))
		}
	}
	return p
}

// hear notes a reply. The first that comes counts.
func (p *packet) hear(arrival, kept int64, ttl uint8, reply uint32) {
	if arrival >= p.arrival {
		p.again[p.further] = arrival
		p.further++
		return
	}
	if p.arrival != none {
		p.again[p.further] = p.arrival
		p.further++
	}
	p.arrival, p.ttl, p.reply = arrival, ttl, reply
	p.raw = arrival - p.sent
	p.rtt = p.raw - kept
}

// inTime tells whether a reply came before the packet counted as lost.
func (p *packet) inTime() bool { return p.arrival != none && p.rtt <= timeout }

// life is a time without a break in which a flow is measured: from the start of
// a probe, or of a site, until the end of one.
type life struct {
	from, until int64 // Unix ns
	session     uint64
	reason      wire.EndReason // of the last window; empty: a crash, nothing is finished
}

// firstSlot is the first of which a window tells: the packet that a probe sends
// first meets cold tables on its way and is left out.
func (f *flow) firstSlot(from int64) int64 {
	slot := floorDiv(from, f.interval)
	if f.dueIn(slot) <= from {
		slot++
	}
	return slot + 1
}

// draft is a window while it is made.
type draft struct {
	window     wire.Window
	start, end int64 // Unix ns
	made       int64 // when it is made at the latest
	packets    []packet
}

// windows gives the windows of a life that start in [from, until). Those of the
// warm-up before it are made, too, and thrown away: from them is known what came
// before.
func (f *flow) windows(course *wan.Course, l life, from, until int64, scratch *scratch, yield func(wire.Window)) {
	begin := max(floorDiv(from-int64(warmUp), f.length)*f.length, l.from)
	slot := max(f.firstSlot(l.from), ceilDiv(begin, f.interval))
	b := book{flow: f, scratch: scratch}
	stage := 0
	for {
		d := draft{start: slot * f.interval, packets: scratch.packets[:0]}
		d.end = (floorDiv(d.start, f.length) + 1) * f.length
		if d.start >= until || d.start >= l.until {
			return
		}
		reason, cut := wire.EndFull, l.until < d.end
		next := d.end / f.interval
		if cut {
			d.end, reason = ceilDiv(l.until, int64(time.Millisecond))*int64(time.Millisecond), l.reason
		}
		for ; slot < next; slot++ {
			p := f.send(course, slot, &stage)
			if cut && p.sent >= l.until {
				break
			}
			d.packets = append(d.packets, p)
		}
		scratch.packets = d.packets
		d.close(l)
		scratch.later = scratch.later[:0]
		if !cut && f.stamp {
			scratch.later = f.meanwhile(scratch.later, &d, course, next, l.until, stage)
		}
		// What a crash leaves is not told; nor is a window of no length.
		lost := l.reason == "" && d.made > l.until || d.end-d.start < int64(time.Millisecond)
		d.window = f.template
		d.window.Session, d.window.StartMS = l.session, d.start/int64(time.Millisecond)
		d.window.EndMS, d.window.EndReason = d.end/int64(time.Millisecond), reason
		d.window.Scheduled = f.scheduled(&d, cut)
		if b.finish(&d, course); !lost && d.start >= from {
			yield(d.window)
		}
		slot = next
	}
}

// meanwhile appends the packets from a slot on that were sent while replies to
// those of the window were still to come.
func (f *flow) meanwhile(dst []packet, d *draft, course *wan.Course, slot, until int64, stage int) []packet {
	last := int64(0)
	for i := range d.packets {
		if p := &d.packets[i]; p.inTime() {
			last = max(last, p.arrival)
		}
	}
	for last = min(last, until); f.dueIn(slot) < last; slot++ {
		dst = append(dst, f.send(course, slot, &stage))
	}
	return dst
}

// scheduled counts the slots of a window. The last of one that is cut counts if
// its moment has come.
func (f *flow) scheduled(d *draft, cut bool) uint32 {
	first, last := d.start/f.interval, floorDiv(d.end-1, f.interval)
	if cut && (last+1)*f.interval > d.end && f.dueIn(last) >= d.end {
		last--
	}
	return uint32(max(last-first+1, 0))
}

// close tells until when replies are waited for: where every packet is answered
// only duplicates may come, and a probe that stops waits for no late ones.
func (d *draft) close(l life) {
	wait := grace
	if !slices.ContainsFunc(d.packets, func(p packet) bool { return !p.inTime() }) {
		wait = timeout
	}
	d.made = d.end + wait
	if l.reason == wire.EndStop && l.until < math.MaxInt64-timeout {
		d.made = min(d.made, l.until+timeout)
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }

// lives are those of the flow in a time: while the probe runs and both sites
// exist.
func lives(silences []wan.Silence, exists [2]int64) []life {
	var all []life
	from, session := int64(math.MinInt64), uint64(1)
	add := func(until int64, reason wire.EndReason) {
		l := life{from: max(from, exists[0]), until: until, session: session, reason: reason}
		if l.until > exists[1] {
			l.until, l.reason = exists[1], wire.EndAssignment
		}
		if l.from < l.until {
			all = append(all, l)
		}
	}
	for _, s := range silences {
		reason := wire.EndStop
		if s.Crash {
			reason = ""
		}
		add(s.From, reason)
		from, session = s.Until, session+1
	}
	add(math.MaxInt64, wire.EndStop)
	return all
}

// existing is the time in which two sites exist, Unix ns.
func existing(m *mesh.Mesh, sites ...*mesh.Site) [2]int64 {
	out := [2]int64{time.Date(wan.FirstYear, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), math.MaxInt64}
	for _, s := range sites {
		// The mesh was checked when it was loaded: its moments can be read.
		if t, err := s.From.In(m.Location()); err == nil && !t.IsZero() {
			out[0] = max(out[0], t.UnixNano())
		}
		if t, err := s.Until.In(m.Location()); err == nil && !t.IsZero() {
			out[1] = min(out[1], t.UnixNano())
		}
	}
	return out
}

// byStart orders windows as a probe makes them.
func byStart(a, b *wire.Window) int {
	return cmp.Or(cmp.Compare(a.EndMS, b.EndMS), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test), cmp.Compare(a.Session, b.Session))
}
