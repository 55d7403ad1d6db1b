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

// Empty tells whether h has no packet.
func (h *Histogram) Empty() bool { return len(h.US) == 0 && h.Lost == 0 }

// With is the packets of both. What is only in one shares its memory with it.
func (h *Histogram) With(o *Histogram) Histogram {
	switch lost := h.Lost + o.Lost; {
	case len(o.US) == 0:
		return Histogram{h.US, h.N, lost}
	case len(h.US) == 0:
		return Histogram{o.US, o.N, lost}
	}
	var both Distribution
	both.AddHistogram(h)
	both.AddHistogram(o)
	return both.Histogram()
}

// Histogram is a copy at rest.
func (d *Distribution) Histogram() Histogram {
	h, different := Histogram{Lost: d.lost}, 0
	for range d.Values() {
		different++
	}
	if different > 0 {
		h.US, h.N = make([]uint32, 0, different), make([]uint32, 0, different)
	}
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
	for i := 0; i < len(h.US); {
		at := int(h.US[i] / pageSize)
		d.grow(at + 1)
		if d.pages[at] == nil {
			d.pages[at] = new(page)
		}
		// They ascend: those of one page stand together.
		for p := d.pages[at]; i < len(h.US) && int(h.US[i]/pageSize) == at; i++ {
			n := uint64(h.N[i])
			p[h.US[i]%pageSize] += n
			d.received += n
		}
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
