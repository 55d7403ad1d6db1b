package window

import (
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// answered tells whether no packet of the window is waiting or lost.
func (d *draft) answered() bool {
	return !slices.ContainsFunc(d.packets, func(p *Packet) bool {
		fate := p.best().fate
		return fate == Waiting || fate == Late
	})
}

// decided tells whether each packet is answered or lost.
func (d *draft) decided(now Moment, timeout time.Duration) bool {
	return !slices.ContainsFunc(d.packets, func(p *Packet) bool {
		return p.best().fate == Waiting && now.Mono-p.mono <= timeout
	})
}

// source is that of the window's timestamps: the kernel's as soon as it saw one
// reply. Replies that it did not see have no RTT then, because a window never
// mixes sources. Where there is no reply, nothing was stamped.
func (d *draft) source() wire.Timestamps {
	if slices.ContainsFunc(d.packets, func(p *Packet) bool { return p.seen[kernel].fate != Waiting }) {
		return wire.TimestampsKernel
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
	for _, p := range d.packets {
		seen := p.by(w.Timestamps)
		switch seen.fate {
		case Stamped:
			rtts = append(rtts, seen.rtt)
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
	w.IPDV = ipdv(rtts)
	w.ReplyTTL = d.replyTTL()
	slices.Sort(rtts)
	w.RTTs = wire.AppendRTTs([]byte{}, rtts)
	w.Stats = wire.StatsOf(rtts)
	w.STAMP, w.OneWay = d.stampGroup(w.Timestamps, before), d.oneWay(w.Timestamps)
	for _, p := range d.packets {
		p.draft = nil
	}
	d.packets = nil
	return w
}

// ipdv takes RTTs in the order of sending.
func ipdv(rtts []uint32) *wire.IPDV {
	if len(rtts) < 2 {
		return nil
	}
	var sum uint64
	var largest uint32
	for i, v := range rtts[1:] {
		difference := max(v, rtts[i]) - min(v, rtts[i])
		sum += uint64(difference)
		largest = max(largest, difference)
	}
	return &wire.IPDV{MeanUS: float64(sum) / float64(len(rtts)-1), MaxUS: largest}
}

// replyTTL goes through the replies in the order of sending, which unlike that
// of arrival is the same for everybody who looks at the packets.
func (d *draft) replyTTL() *wire.ReplyTTL {
	var seen *wire.ReplyTTL
	var previous uint8
	for _, p := range d.packets {
		if p.ttl == 0 {
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
