package generate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// When a path seems to have changed to a probe, and how often it looks.
const (
	stepPart    = 20 // a twentieth
	stepLeast   = 500 * int64(time.Microsecond)
	stepSamples = 5
	traceAgain  = 5 * int64(time.Minute)
	traceTakes  = int64(time.Second)
	// warmUp is how much before a day is looked at, so that a day knows what came
	// before it and is still the same however it was come by.
	warmUp = 10 * time.Minute
)

// book makes windows of the packets of a life, one after the other, and
// remembers between them what a probe does.
type book struct {
	*flow
	*scratch
	before *packet  // the last of the window before, if it was answered in time
	tail   []packet // of the windows before: those that reached the reflector after it
	seen   view
	traced int64 // Unix ns
}

// scratch is memory that is used again and again.
type scratch struct {
	packets, later               []packet // of the window, and sent while its replies came
	together                     []packet
	rtts, raws, forward, reverse []uint32
	early                        []uint32 // RTTs known at the end of a window
	counts                       []uint32
	order                        []int
}

// finish fills in what follows from the packets.
func (b *book) finish(d *draft, course *wan.Course) {
	w := &d.window
	s := b.scratch
	s.rtts, s.raws, s.forward, s.reverse = s.rtts[:0], s.raws[:0], s.forward[:0], s.reverse[:0]
	w.Timestamps = wire.TimestampsUser
	clocks := b.past.ClockErrorUS() > 0
	for i := range d.packets {
		p := &d.packets[i]
		switch late := p.arrival <= d.made && p.rtt <= timeout+grace; {
		case p.inTime():
			w.Received++
			w.Timestamps = wire.TimestampsKernel
			s.rtts, s.raws = append(s.rtts, micros(p.rtt)), append(s.raws, micros(p.raw))
			if clocks {
				s.forward, s.reverse = append(s.forward, micros(p.forward)), append(s.reverse, micros(p.rtt-p.forward))
			}
			p.forget(d.made)
			w.Duplicate += uint32(p.further)
		case late:
			w.Lost++
			w.Late++
			w.Timestamps = wire.TimestampsKernel
		default:
			w.Lost++
			p.arrival = none
		}
	}
	w.Sent = w.Received + w.Lost
	w.ReplyTTL = replyTTL(d.packets)
	w.IPDV = wire.IPDVOf(s.rtts)
	if b.stamp {
		w.STAMP = b.group(d)
	}
	s.sort(s.rtts)
	b.look(d, course)
	w.RTTs = wire.AppendRTTs(make([]byte, 0, len(s.rtts)+len(s.rtts)/4+4), s.rtts)
	w.Stats = wire.StatsOf(s.rtts)
	if w.STAMP != nil {
		s.sort(s.raws)
		w.STAMP.RawRTTs = wire.AppendRTTs(make([]byte, 0, len(s.raws)+len(s.raws)/4+4), s.raws)
		w.OneWay = b.oneWay()
	}
}

// forget leaves out the further replies for which the window does not wait.
func (p *packet) forget(made int64) {
	n := 0
	for _, at := range p.again[:p.further] {
		if at <= made {
			p.again[n] = at
			n++
		}
	}
	p.further = n
}

// micros rounds to whole microseconds; nothing here takes less than none.
func micros(ns int64) uint32 { return uint32((ns + 500) / 1000) }

func replyTTL(packets []packet) *wire.ReplyTTL {
	var seen *wire.ReplyTTL
	var previous uint8
	for i := range packets {
		p := &packets[i]
		if p.arrival == none {
			continue
		}
		if seen == nil {
			seen = &wire.ReplyTTL{Min: p.ttl, Max: p.ttl}
		} else if p.ttl != previous {
			seen.Changes++
		}
		seen.Min, seen.Max = min(seen.Min, p.ttl), max(seen.Max, p.ttl)
		previous = p.ttl
	}
	return seen
}

// group is what STAMP tells besides; nil where no reply came in time.
func (b *book) group(d *draft) *wire.STAMP {
	var g *wire.STAMP
	first := int64(none) // arrival among the packets sent later
	for i := range b.later {
		first = min(first, b.later[i].arrival)
	}
	for i := len(d.packets) - 1; i >= 0; i-- {
		p := &d.packets[i]
		if p.inTime() {
			if g == nil {
				g = &wire.STAMP{DSCPReceived: b.dscp}
			}
			g.ResidenceMaxUS = max(g.ResidenceMaxUS, micros(p.raw-p.rtt))
			if first < p.arrival {
				g.Reordered++
			}
		}
		first = min(first, p.arrival)
	}
	forward, reverse := b.lostByWay(d)
	if g != nil {
		g.ForwardLost, g.ReverseLost = forward, reverse
	}
	return g
}

// lostByWay counts the losses of which the reflector's numbers tell the way: as
// in a probe, those between two answered packets.
func (b *book) lostByWay(d *draft) (forward, reverse uint32) {
	defer b.remember(d)
	if !slices.ContainsFunc(d.packets, func(p packet) bool { return !p.inTime() }) {
		return 0, 0
	}
	s := b.scratch
	s.together = append(append(append(s.together[:0], b.tail...), d.packets...), s.later...)
	numbers := s.number(s.together)
	last, reply, lost := b.before, uint32(0), uint32(0)
	if last != nil {
		reply = numbers[0] + last.reply // it stands first
	}
	for i := range d.packets {
		p := &d.packets[i]
		if !p.inTime() {
			lost++
			continue
		}
		now := numbers[len(b.tail)+i] + p.reply
		if last != nil && lost > 0 {
			if back := now - reply - 1; back <= lost && last.further == 0 {
				forward, reverse = forward+lost-back, reverse+back
			}
		}
		last, reply, lost = p, now, 0
	}
	return forward, reverse
}

// remember keeps what the next window depends on: the last packet, if it was
// answered, and those that reached the reflector after it.
func (b *book) remember(d *draft) {
	tail, from := b.scratch.together[:0], d.end
	b.before = nil
	if n := len(d.packets); n > 0 && d.packets[n-1].inTime() {
		last := d.packets[n-1]
		b.before, from = &last, last.struck
		tail = append(tail, last)
	}
	for _, known := range [][]packet{b.tail, d.packets} {
		for i := range known {
			if p := &known[i]; p.reached > 0 && p.struck >= from && (b.before == nil || p.sent != b.before.sent) {
				tail = append(tail, *p)
			}
		}
	}
	b.tail = append(b.tail[:0], tail...)
}

// number tells how many requests reached the reflector before each.
func (s *scratch) number(packets []packet) []uint32 {
	s.order = s.order[:0]
	for i := range packets {
		if packets[i].reached > 0 {
			s.order = append(s.order, i)
		}
	}
	if byStrike := func(i, j int) int { return cmp.Compare(packets[i].struck, packets[j].struck) }; !slices.IsSortedFunc(s.order, byStrike) {
		slices.SortStableFunc(s.order, byStrike)
	}
	s.counts = slices.Grow(s.counts[:0], len(packets))[:len(packets)]
	n := uint32(0)
	for _, i := range s.order {
		s.counts[i] = n
		n += packets[i].reached
	}
	return s.counts
}

// oneWay is what synchronised clocks tell; nil without them.
func (b *book) oneWay() *wire.OneWay {
	bound := b.past.ClockErrorUS()
	if bound == 0 || len(b.forward) == 0 {
		return nil
	}
	b.sort(b.forward)
	b.sort(b.reverse)
	return &wire.OneWay{
		Forward: wire.AppendRTTs([]byte{}, b.forward), Reverse: wire.AppendRTTs([]byte{}, b.reverse),
		ErrorUS: uint32(2 * bound),
	}
}

// sort sorts RTTs, which mostly lie close together.
func (s *scratch) sort(values []uint32) {
	if len(values) < 2 {
		return
	}
	low, high := slices.Min(values), slices.Max(values)
	if int(high-low) > 16*len(values) {
		slices.Sort(values)
		return
	}
	s.counts = slices.Grow(s.counts[:0], int(high-low)+1)[:high-low+1]
	clear(s.counts)
	for _, v := range values {
		s.counts[v-low]++
	}
	i := 0
	for v, n := range s.counts {
		for ; n > 0; n-- {
			values[i] = low + uint32(v)
			i++
		}
	}
}

// view is what a window shows of the path at its end.
type view struct {
	ttl    uint8
	p50    int64 // ns
	timed  bool
	varied bool
}

// look has the path traced where it seems to have changed, as a probe does. It
// knows the RTTs of the window, sorted.
func (b *book) look(d *draft, course *wan.Course) {
	var v view
	rtts, still := b.rtts, false
	for i := range d.packets {
		p := &d.packets[i]
		if p.arrival > d.end {
			still = still || p.inTime()
			continue
		}
		v.varied = v.varied || v.ttl != 0 && v.ttl != p.ttl
		v.ttl = p.ttl
	}
	if still {
		rtts = b.early[:0]
		for i := range d.packets {
			if p := &d.packets[i]; p.inTime() && p.arrival <= d.end {
				rtts = append(rtts, micros(p.rtt))
			}
		}
		b.sort(rtts)
		b.early = rtts
	}
	if v.timed = len(rtts) >= stepSamples; v.timed {
		v.p50 = int64(rtts[(len(rtts)-1)/2]) * int64(time.Microsecond)
	}
	trigger := v.trigger(b.seen)
	if v.ttl == 0 {
		v.ttl = b.seen.ttl
	}
	if !v.timed {
		v.p50, v.timed = b.seen.p50, b.seen.timed
	}
	b.seen = v
	if trigger != "" && (b.traced == 0 || d.end >= b.traced+traceAgain) {
		b.traced = d.end
		d.window.Path = b.trace(trigger, d.end, course)
	}
}

func (v view) trigger(earlier view) string {
	step := max(v.p50-earlier.p50, earlier.p50-v.p50)
	switch {
	case v.varied, v.ttl != 0 && earlier.ttl != 0 && v.ttl != earlier.ttl:
		return "ttl"
	case v.timed && earlier.timed && step > stepLeast && step > earlier.p50/stepPart:
		return "rtt-step"
	}
	return ""
}

// trace gives the routers of the path in force. Their addresses are from a range
// that is for tests of network devices alone (RFC 2544): nobody has them.
func (b *book) trace(trigger string, at int64, course *wan.Course) *wire.Path {
	s := course.Stage(course.At(at, 0))
	path := &wire.Path{Trigger: trigger, AtMS: (at + traceTakes) / int64(time.Millisecond), Hops: []wire.Hop{}}
	if s.Cut {
		return path
	}
	routers := b.past.Stream(b.template.Src, b.template.Dst, "routers")
	for hop := range s.Hops {
		draws := routers.Draws(s.Path + uint64(hop))
		n := int(draws.Share() * (1 << 17))
		rtt := float64(s.RTT/time.Microsecond) * float64(hop+1) / float64(s.Hops+1)
		path.Hops = append(path.Hops, wire.Hop{
			TTL: uint8(hop + 1), Address: fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&255, n&255), RTTUS: uint32(math.Round(rtt)),
		})
	}
	path.Hops = append(path.Hops, wire.Hop{TTL: uint8(s.Hops + 1), Address: b.address, RTTUS: micros(int64(s.RTT))})
	return path
}
