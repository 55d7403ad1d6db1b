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

// hear keeps what a reply told.
func (p *Packet) hear(s *STAMP) {
	p.raw, p.stayed, p.reply, p.dscp = micros(s.Raw), micros(s.Residence), s.ReplySequence, int8(s.DSCP)
	p.marks = p.marks&(abandoned|doubled) | heard
	if s.Authenticated {
		p.marks |= authenticated
	}
	if s.Reordered {
		p.marks |= reordered
	}
	if s.Residence != s.Subtracted() {
		p.marks |= capped
	}
	p.oneWay = s.OneWay
}

// Mark gives the packet its sequence number.
func (p *Packet) Mark(sequence uint32) {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	p.sequence = sequence
}

// answered is an answered packet, as far as it tells where others were lost.
type answered struct {
	sequence, reply uint32
	doubled         bool // so the reflector may have numbered it twice
}

// stampGroup is what a window by STAMP has besides; nil where no reply came.
func (d *draft) stampGroup(source wire.Timestamps, before *answered) *wire.STAMP {
	var group *wire.STAMP
	var raw []uint32
	dscp := -1
	for r := range d.records() {
		if !r.is(heard) {
			continue
		}
		if group == nil {
			group = &wire.STAMP{Authenticated: r.is(authenticated)}
		}
		group.ResidenceMaxUS = max(group.ResidenceMaxUS, r.stayed)
		if r.is(capped) {
			group.Capped++
		}
		if r.is(reordered) {
			group.Reordered++
		}
		// A packet that was marked anew on its way says more than the others.
		if r.dscp >= 0 && (dscp < 0 || dscp == d.labels.DSCP) {
			dscp = int(r.dscp)
		}
		if fate, _ := r.by(source); fate == Stamped {
			raw = append(raw, r.raw)
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
	for r := range d.records() {
		if !r.is(heard) {
			if fate, _ := r.best(); fate == Waiting || fate == Late {
				lost++
			}
			continue
		}
		now := &answered{r.sequence, r.reply, r.is(doubled)}
		if last != nil && lost > 0 {
			back := now.reply - last.reply - 1 // wraps like the numbers
			stateless := now.reply == now.sequence && last.reply == last.sequence
			// Otherwise a packet in between is not of this window, replies
			// changed places, or the reflector began anew.
			if told := now.sequence-last.sequence-1 == lost && back <= lost; told && !stateless && !last.doubled {
				forward, reverse = forward+lost-back, reverse+back
			}
		}
		last, lost = now, 0
	}
	return forward, reverse
}

// lastAnswered is the window's last packet, if it was answered.
func (d *draft) lastAnswered() *answered {
	var last *answered
	for r := range d.records() {
		if last = nil; r.is(heard) {
			last = &answered{r.sequence, r.reply, r.is(doubled)}
		}
	}
	return last
}

// oneWays collects the one-way delays of a window's packets.
type oneWays struct {
	forward, reverse []uint32 // µs
	error            time.Duration
	wrong            bool // a clock said for some packet that it does not follow UTC, or is caught at it
}

func (o *oneWays) add(p *Packet) {
	fate, _ := p.best()
	if fate != Stamped || o.wrong {
		return
	}
	if one := p.oneWay; one == nil || one.Forward < 0 || one.Reverse < 0 {
		*o = oneWays{wrong: true}
	} else {
		o.forward, o.reverse = append(o.forward, micros(one.Forward)), append(o.reverse, micros(one.Reverse))
		o.error = max(o.error, one.Error)
	}
}

// group is nil where no packet tells of both ways, or one of them cannot be.
func (o *oneWays) group() *wire.OneWay {
	if o.wrong || len(o.forward) == 0 {
		return nil
	}
	slices.Sort(o.forward)
	slices.Sort(o.reverse)
	return &wire.OneWay{
		Forward: wire.AppendRTTs([]byte{}, o.forward), Reverse: wire.AppendRTTs([]byte{}, o.reverse),
		ErrorUS: micros(o.error + time.Microsecond - 1),
	}
}

// micros rounds to whole microseconds, within what a window can say.
func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Round(time.Microsecond)/time.Microsecond, 0), wire.MaxRTTUS))
}
