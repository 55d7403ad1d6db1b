package latency

import (
	"encoding/binary"
	"errors"
	"math"
)

// Histogram is what a Distribution holds, at rest: in the least space, and in
// a form that can be written down.
type Histogram struct {
	US   []uint32 // RTTs that occurred, in microseconds, ascending
	N    []uint32 // how often each did
	Lost uint64   // packets
}

// Received is the number of packets that have an RTT.
func (h *Histogram) Received() uint64 {
	var sum uint64
	for _, n := range h.N {
		sum += uint64(n)
	}
	return sum
}

// Histogram is a copy at rest.
func (d *Distribution) Histogram() Histogram {
	h := Histogram{Lost: d.lost}
	for us, n := range d.Values() {
		h.US, h.N = append(h.US, us), append(h.N, uint32(n))
	}
	return h
}

// drain moves what d holds, if anything, to rest, and leaves d empty with its
// memory.
func (d *Distribution) drain(into *Histogram) {
	if d.Packets() > 0 {
		*into = d.Histogram()
		d.clear()
	}
}

// AddHistogram adds all packets of h.
func (d *Distribution) AddHistogram(h *Histogram) {
	for i, us := range h.US {
		d.count(us, uint64(h.N[i]))
	}
	d.lost += h.Lost
}

// clear empties d and keeps its memory.
func (d *Distribution) clear() {
	for _, p := range d.pages {
		if p != nil {
			clear(p[:])
		}
	}
	d.received, d.lost = 0, 0
}

var errHistogram = errors.New("latency: not the bytes of a histogram")

// MarshalBinary writes the number of RTTs, each as the difference to the one
// before and how often it occurred, and the losses, all as varints.
func (h Histogram) MarshalBinary() ([]byte, error) {
	data := binary.AppendUvarint(make([]byte, 0, 4+3*len(h.US)), uint64(len(h.US)))
	last := uint32(0)
	for i, us := range h.US {
		data = binary.AppendUvarint(data, uint64(us-last))
		data = binary.AppendUvarint(data, uint64(h.N[i]))
		last = us
	}
	return binary.AppendUvarint(data, h.Lost), nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	next := func() (v uint64, ok bool) {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return 0, false
		}
		data = data[n:]
		return v, true
	}
	n, ok := next()
	if !ok || n > uint64(len(data)) {
		return errHistogram
	}
	*h = Histogram{}
	if n > 0 {
		h.US, h.N = make([]uint32, n), make([]uint32, n)
	}
	us := uint64(0)
	for i := range h.US {
		step, ok := next()
		count, counted := next()
		us += step
		if !ok || !counted || us > math.MaxUint32 || count == 0 || count > math.MaxUint32 || i > 0 && step == 0 {
			return errHistogram
		}
		h.US[i], h.N[i] = uint32(us), uint32(count)
	}
	if h.Lost, ok = next(); !ok || len(data) > 0 {
		return errHistogram
	}
	return nil
}
