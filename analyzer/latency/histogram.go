package latency

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
