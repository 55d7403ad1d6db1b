package latency

import "github.com/fibergauge/fibergauge/probe/wire"

// Probe is what windows tell of the probe that measured them, those that are
// foreign left out.
type Probe struct {
	Windows                      int
	Packets                      Packets
	Hardware, Kernel, User       int    // windows that have an RTT, by the source of their timestamps
	Unsynchronised, ClockUnknown int    // windows, by the state of the clock
	ClockErrorMaxUS              int64  // largest that a window states
	ClockRateMaxPPB              uint64 // largest correction of its rate, up or down
	// ClockSteps are the moments, as Unix time in ms, at which a step of the clock
	// ended a window: of a day the first maxClockSteps.
	ClockSteps []int64
}

// maxClockSteps bounds a day record. A clock that jumps more often is of no use
// whatever the number.
const maxClockSteps = 64

// Count counts a window.
func (p *Probe) Count(w *wire.Window) {
	p.Windows++
	p.Packets.add(&w.Counts)
	if w.Received > w.Unstamped {
		switch w.Timestamps {
		case wire.TimestampsHardware:
			p.Hardware++
		case wire.TimestampsKernel:
			p.Kernel++
		case wire.TimestampsUser:
			p.User++
		}
	}
	switch w.Clock.State {
	case wire.ClockUnsynchronised:
		p.Unsynchronised++
	case wire.ClockUnknown:
		p.ClockUnknown++
	}
	p.ClockErrorMaxUS = max(p.ClockErrorMaxUS, w.Clock.MaxErrorUS)
	p.ClockRateMaxPPB = max(p.ClockRateMaxPPB, magnitude(w.Clock.FrequencyPPB))
	if w.EndReason == wire.EndClockStep && len(p.ClockSteps) < maxClockSteps {
		p.ClockSteps = append(p.ClockSteps, w.EndMS)
	}
}

// Add sums up.
func (p *Probe) Add(o *Probe) {
	p.Windows += o.Windows
	p.Packets.sum(&o.Packets)
	p.Hardware += o.Hardware
	p.Kernel += o.Kernel
	p.User += o.User
	p.Unsynchronised += o.Unsynchronised
	p.ClockUnknown += o.ClockUnknown
	p.ClockErrorMaxUS = max(p.ClockErrorMaxUS, o.ClockErrorMaxUS)
	p.ClockRateMaxPPB = max(p.ClockRateMaxPPB, o.ClockRateMaxPPB)
	p.ClockSteps = append(p.ClockSteps, o.ClockSteps...)
}

func (p *Packets) sum(o *Packets) {
	p.Sent += o.Sent
	p.Received += o.Received
	p.Lost += o.Lost
	p.Late += o.Late
	p.Duplicate += o.Duplicate
	p.SendError += o.SendError
	p.Unstamped += o.Unstamped
}

func (p *Packets) write(w *writer) {
	w.ints(p.Sent, p.Received, p.Lost, p.Late, p.Duplicate, p.SendError, p.Unstamped)
}

func (p *Packets) read(r *reader) {
	r.ints(&p.Sent, &p.Received, &p.Lost, &p.Late, &p.Duplicate, &p.SendError, &p.Unstamped)
}

// counts are numbers of windows, in the order in which they are written.
func (p *Probe) counts() [6]*int {
	return [...]*int{&p.Windows, &p.Hardware, &p.Kernel, &p.User, &p.Unsynchronised, &p.ClockUnknown}
}

func (p *Probe) write(w *writer) {
	p.Packets.write(w)
	for _, n := range p.counts() {
		w.ints(int64(*n))
	}
	w.ints(p.ClockErrorMaxUS)
	w.uint(p.ClockRateMaxPPB)
	w.uint(uint64(len(p.ClockSteps)))
	w.ints(p.ClockSteps...)
}

func (p *Probe) read(r *reader) {
	p.Packets.read(r)
	for _, n := range p.counts() {
		*n = int(r.int())
	}
	p.ClockErrorMaxUS = r.int()
	p.ClockRateMaxPPB = r.uint()
	if n := r.length(); n > 0 {
		p.ClockSteps = make([]int64, n)
		for i := range p.ClockSteps {
			p.ClockSteps[i] = r.int()
		}
	}
}
