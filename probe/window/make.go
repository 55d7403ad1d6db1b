package window

import (
	"iter"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// records goes through the packets of the window in the order of sending.
func (d *draft) records() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for i := range d.settled {
			if !yield(&d.settled[i]) {
				return
			}
		}
		for _, p := range d.packets {
			if !yield(&p.record) {
				return
			}
		}
	}
}

// settle keeps only the records of the packets that are older than an age.
func (d *draft) settle(now Moment, age time.Duration) {
	n := 0
	for ; n < len(d.packets) && now.Mono-d.packets[n].mono > age; n++ {
		d.part(d.packets[n])
		d.settled = append(d.settled, d.packets[n].record)
	}
	if n > 0 {
		d.packets = slices.Delete(d.packets, 0, n)
	}
}

// part takes from a packet what its record does not have, and lets go of it.
func (d *draft) part(p *Packet) {
	d.oneWays.add(p)
	p.draft = nil
}

// answered tells whether no packet of the window is waiting or lost.
func (d *draft) answered() bool {
	for r := range d.records() {
		if fate, _ := r.best(); fate == Waiting || fate == Late {
			return false
		}
	}
	return true
}

// decided tells whether each packet is answered or lost.
func (d *draft) decided(now Moment, timeout time.Duration) bool {
	return !slices.ContainsFunc(d.packets, func(p *Packet) bool {
		fate, _ := p.best()
		return fate == Waiting && now.Mono-p.mono <= timeout
	})
}

// source is that of the window's timestamps: the kernel's as soon as it saw one
// reply. Replies that it did not see have no RTT then, because a window never
// mixes sources. Where there is no reply, nothing was stamped.
func (d *draft) source() wire.Timestamps {
	for r := range d.records() {
		if r.fate[kernel] != Waiting {
			return wire.TimestampsKernel
		}
	}
	return wire.TimestampsUser
}

// make turns the draft into a window and lets go of its packets. before is the
// packet before its first, if it was answered by STAMP.
func (d *draft) make(before *answered) wire.Window {
	l := d.labels
	w := wire.Window{
		Key:        wire.Key{Src: l.Src, Dst: l.Dst, Test: l.Test, Session: d.session, StartMS: d.start / int64(time.Millisecond)},
		SrcCluster: l.SrcCluster, DstCluster: l.DstCluster, Carrier: l.Carrier, Plane: l.Plane, Method: l.Method,
		EndMS: d.end / int64(time.Millisecond), EndReason: d.reason,
		Timestamps: d.source(), Clock: d.clock, Origin: l.Origin,
		MeshSHA256: l.MeshSHA256, ProbeVersion: l.ProbeVersion,
	}
	w.Scheduled = uint32(d.scheduled)
	w.SendError = d.refused
	w.Duplicate = d.duplicate
	var rtts []uint32
	for r := range d.records() {
		fate, rtt := r.by(w.Timestamps)
		switch fate {
		case Stamped:
			rtts = append(rtts, rtt)
			w.Received++
		case Unstamped:
			w.Received++
			w.Unstamped++
		case Late:
			w.Late++
			w.Lost++
		case Abandoned:
			w.SendError++
		default:
			w.Lost++
		}
	}
	w.Sent = w.Received + w.Lost
	w.Path = d.path
	w.IPDV = wire.IPDVOf(rtts)
	w.ReplyTTL = d.replyTTL()
	slices.Sort(rtts)
	w.RTTs = wire.AppendRTTs([]byte{}, rtts)
	w.Stats = wire.StatsOf(rtts)
	w.STAMP = d.stampGroup(w.Timestamps, before)
	for _, p := range d.packets {
		d.part(p)
	}
	w.OneWay = d.oneWays.group()
	d.packets, d.settled = nil, nil
	return w
}

// replyTTL goes through the replies in the order of sending, which unlike that
// of arrival is the same for everybody who looks at the packets.
func (d *draft) replyTTL() *wire.ReplyTTL {
	var seen *wire.ReplyTTL
	var previous uint8
	for r := range d.records() {
		if r.ttl == 0 {
			continue
		}
		if seen == nil {
			seen = &wire.ReplyTTL{Min: r.ttl, Max: r.ttl}
		} else if r.ttl != previous {
			seen.Changes++
		}
		seen.Min, seen.Max = min(seen.Min, r.ttl), max(seen.Max, r.ttl)
		previous = r.ttl
	}
	return seen
}
