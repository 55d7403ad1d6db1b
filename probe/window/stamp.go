package window

import (
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// STAMP is what a reply tells beside the RTT (RFC 8762).
type STAMP struct {
	Authenticated bool
	Raw           time.Duration // T4−T1: the RTT with the reflector's time in it
	Residence     time.Duration // T3−T2, as the reflector claims
	ReplySequence uint32        // the reflector's own; the request's if it is stateless
	DSCP          int           // of the request as it reached the reflector; negative where it does not tell
	Reordered     bool          // replies to later requests came before
	OneWay        *OneWay       // nil unless both clocks say that they are synchronised
}

// OneWay is what two synchronised clocks tell of one packet.
type OneWay struct {
	Forward, Reverse time.Duration // T2−T1, T4−T3
	Error            time.Duration // bound on the sum of both clocks' errors
}

// Subtracted is what of the reflector's time is taken out of an RTT: it may
// belong to the one who is judged. Out of a claim that cannot be, nothing is.
func (s *STAMP) Subtracted() time.Duration {
	if s.Residence < 0 || s.Residence > s.Raw {
		return 0
	}
	return min(s.Residence, wire.MaxResidenceUS*time.Microsecond)
}

// heard is what a Packet keeps of a STAMP.
type heard struct {
	raw, residence           uint32 // µs
	reply                    uint32
	dscp                     int8
	authenticated, reordered bool
	capped                   bool
	oneWay                   *OneWay
}

func (s *STAMP) keep() *heard {
	return &heard{
		raw: micros(s.Raw), residence: micros(s.Residence), reply: s.ReplySequence, dscp: int8(s.DSCP),
		authenticated: s.Authenticated, reordered: s.Reordered, capped: s.Residence != s.Subtracted(), oneWay: s.OneWay,
	}
}

// Mark gives the packet its sequence number.
func (p *Packet) Mark(sequence uint32) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	p.sequence = sequence
}

// answered is an answered packet, as far as it tells where others were lost.
type answered struct{ sequence, reply uint32 }

// stampGroup is what a window by STAMP has besides; nil where no reply came.
func (d *draft) stampGroup(source wire.Timestamps, before *answered) *wire.STAMP {
	var group *wire.STAMP
	var raw []uint32
	dscp := -1
	for _, p := range d.packets {
		h := p.heard
		if h == nil {
			continue
		}
		if group == nil {
			group = &wire.STAMP{Authenticated: h.authenticated}
		}
		group.ResidenceMaxUS = max(group.ResidenceMaxUS, h.residence)
		if h.capped {
			group.Capped++
		}
		if h.reordered {
			group.Reordered++
		}
		// A packet that was marked anew on its way says more than the others.
		if h.dscp >= 0 && (dscp < 0 || dscp == d.labels.DSCP) {
			dscp = int(h.dscp)
		}
		if p.by(source).fate == Stamped {
			raw = append(raw, h.raw)
		}
	}
	if group == nil {
		return nil
	}
	if dscp >= 0 {
		group.DSCPReceived = &dscp
	}
	slices.Sort(raw)
	group.RawRTTs = wire.AppendRTTs([]byte{}, raw)
	group.ForwardLost, group.ReverseLost = d.lostByWay(before)
	return group
}

// lostByWay counts the losses of which a stateful reflector's numbers tell the
// way: it numbers what reaches it, so what it numbered and we did not get was
// lost on the way back. Losses with no answered packet on both sides stay
// untold, and so do all where the reflector repeats our numbers. before is the
// packet before the window's first, if it was answered.
func (d *draft) lostByWay(before *answered) (forward, reverse uint32) {
	last := before
	lost := uint32(0)
	for _, p := range d.packets {
		if p.heard == nil {
			if fate := p.best().fate; fate == Waiting || fate == Late {
				lost++
			}
			continue
		}
		now := &answered{p.sequence, p.heard.reply}
		if last != nil && lost > 0 {
			back := now.reply - last.reply - 1 // wraps like the numbers
			stateless := now.reply == now.sequence && last.reply == last.sequence
			// Otherwise a packet in between is not of this window, replies
			// changed places, or the reflector began anew.
			if told := now.sequence-last.sequence-1 == lost && back <= lost; told && !stateless {
				forward, reverse = forward+lost-back, reverse+back
			}
		}
		last, lost = now, 0
	}
	return forward, reverse
}

// lastAnswered is the window's last packet, if it was answered.
func (d *draft) lastAnswered() *answered {
	if len(d.packets) == 0 {
		return nil
	}
	last := d.packets[len(d.packets)-1]
	if last.heard == nil {
		return nil
	}
	return &answered{last.sequence, last.heard.reply}
}

// oneWay gives the one-way delays of the window's packets. It gives none if a
// clock said for some packet that it is not synchronised, or if a delay is
// negative: then one of them is wrong.
func (d *draft) oneWay(source wire.Timestamps) *wire.OneWay {
	var forward, reverse []uint32
	var group wire.OneWay
	for _, p := range d.packets {
		if p.heard == nil || p.by(source).fate != Stamped {
			continue
		}
		o := p.heard.oneWay
		if o == nil || o.Forward < 0 || o.Reverse < 0 {
			return nil
		}
		forward, reverse = append(forward, micros(o.Forward)), append(reverse, micros(o.Reverse))
		group.ErrorUS = max(group.ErrorUS, micros(o.Error+time.Microsecond-1))
	}
	if len(forward) == 0 {
		return nil
	}
	slices.Sort(forward)
	slices.Sort(reverse)
	group.Forward, group.Reverse = wire.AppendRTTs([]byte{}, forward), wire.AppendRTTs([]byte{}, reverse)
	return &group
}

// micros rounds to whole microseconds, within what a window can say.
func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Round(time.Microsecond)/time.Microsecond, 0), wire.MaxRTTUS))
}
