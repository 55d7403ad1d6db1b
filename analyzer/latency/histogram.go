package latency

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// Histogram is what a Distribution holds, at rest: packed in little space, and
// asked where it lies. A report over a month of a country reads 24 300 days with
// some hundred million numbers, and most questions need few of them.
//
// It is the numbers of received and of lost packets, the sum of the RTTs in
// microseconds and the number of different RTTs, as varints, and then the RTTs,
// ascending, in blocks. The empty text has no packets.
type Histogram string

// A block is its first RTT less that of the block before, and its packets, as
// varints; a byte that says how many bytes a step and a count take; then the
// steps from one RTT to the next; then how often each occurred.
const blockValues = 64

// block is one under way.
type block struct {
	first   uint32
	packets uint64
	values  int
	steps   string // of 1, 2 or 4 bytes each
	counts  string // of 1, 2, 4 or 8 bytes each
}

// unpacked is what a block holds.
type unpacked struct {
	us [blockValues]uint32
	n  [blockValues]uint64
}

func (b *block) unpack(v *unpacked) {
	us := b.first
	v.us[0] = us
	if width := len(b.steps) / max(b.values-1, 1); width == 1 { // which nearly all are
		for i := range len(b.steps) {
			us += uint32(b.steps[i])
			v.us[i+1] = us
		}
	} else {
		for i := range b.values - 1 {
			us += uint32(number(b.steps, i, width))
			v.us[i+1] = us
		}
	}
	switch width := len(b.counts) / b.values; width {
	case 1:
		for i := range len(b.counts) {
			v.n[i] = uint64(b.counts[i])
		}
	case 2:
		for i := range b.values {
			v.n[i] = uint64(b.counts[2*i]) | uint64(b.counts[2*i+1])<<8
		}
	default:
		for i := range b.values {
			v.n[i] = number(b.counts, i, width)
		}
	}
}

// number is the i-th of little-endian numbers.
func number(text string, i, width int) (v uint64) {
	for k := range width {
		v |= uint64(text[i*width+k]) << (8 * k)
	}
	return v
}

// head is what stands before the blocks.
type head struct {
	received, lost, sumUS uint64
	different             int
	blocks                string
}

func (h Histogram) head() (of head) {
	if h == "" {
		return head{}
	}
	r := reader{data: string(h)}
	of.received, of.lost, of.sumUS = r.uint(), r.uint(), r.uint()
	of.different = r.length()
	of.blocks = r.data // what is left: in one statement Go could read it before
	return of
}

// uvarint takes a number off a text; false where none stands.
func uvarint(text string) (v uint64, rest string, ok bool) {
	if len(text) > 0 && text[0] < 0x80 { // which nearly all are
		return uint64(text[0]), text[1:], true
	}
	return longUvarint(text)
}

func longUvarint(text string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(text) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(text[i]&0x7f) << (7 * i)
		if text[i] < 0x80 {
			return v, text[i+1:], true
		}
	}
	return 0, "", false
}

// each yields the blocks, as far as the text is whole.
func (of *head) each(yield func(block) bool) {
	r, first := reader{data: of.blocks}, uint64(0)
	for left := of.different; left > 0; {
		var b block
		b.values = min(left, blockValues)
		first += r.uint()
		b.first, b.packets = uint32(first), r.uint()
		width := r.take(1)
		if r.bad {
			return
		}
		b.steps = r.take((b.values - 1) * int(width[0]>>4))
		if b.counts = r.take(b.values * int(width[0]&15)); r.bad {
			return
		}
		if !yield(b) {
			return
		}
		left -= b.values
	}
}

// whole tells whether a text has the blocks of which its head speaks.
func (h Histogram) whole() bool {
	of := h.head()
	packets, different := uint64(0), 0
	for b := range of.each {
		packets, different = packets+b.packets, different+b.values
	}
	return packets == of.received && different == of.different
}

// Received is the number of packets that have an RTT.
func (h Histogram) Received() uint64 { return h.head().received }

// Lost is the number of lost packets.
func (h Histogram) Lost() uint64 { return h.head().lost }

// SumUS is the sum of the RTTs, in microseconds.
func (h Histogram) SumUS() uint64 { return h.head().sumUS }

// Packets, Percentile, Min and Mean are those of a Distribution of the same
// packets.

// Packets is the number of packets, lost ones included.
func (h Histogram) Packets() uint64 {
	of := h.head()
	return of.received + of.lost
}

// Percentile is by nearest rank among all packets; false if there are none.
func (h Histogram) Percentile(percent int) (RTT, bool) {
	n := h.Packets()
	if n == 0 {
		return RTT{}, false
	}
	return h.At(rank(n, uint64(percent))), true
}

// Min is the shortest RTT; unbounded if every packet was lost.
func (h Histogram) Min() (RTT, bool) { return h.At(1), h.Packets() > 0 }

// Mean is over the received packets, rounded half up; unbounded if there is none.
func (h Histogram) Mean() (RTT, bool) {
	of := h.head()
	switch {
	case of.received+of.lost == 0:
		return RTT{}, false
	case of.received == 0:
		return RTT{Unbounded: true}, true
	}
	mean, remainder := of.sumUS/of.received, of.sumUS%of.received
	if remainder >= of.received-remainder {
		mean++
	}
	return RTT{US: int64(mean)}, true
}

// Shortest is the shortest RTT in microseconds; false without any.
func (h Histogram) Shortest() (us uint32, ok bool) {
	of := h.head()
	for b := range of.each {
		return b.first, true
	}
	return 0, false
}

// Above is the number of packets whose RTT is above so many microseconds, lost
// ones apart.
func (h Histogram) Above(us int64) uint64 {
	of := h.head()
	return of.received - of.upTo(us)
}

// upTo is the number of packets whose RTT is at most so many microseconds.
func (of *head) upTo(us int64) (packets uint64) {
	var before block // whose place is only known from the next
	for b := range of.each {
		if int64(b.first) > us {
			break
		}
		packets += before.packets
		before = b
	}
	if before.values == 0 {
		return packets
	}
	var v unpacked
	before.unpack(&v)
	for i := range before.values {
		if int64(v.us[i]) > us {
			break
		}
		packets += v.n[i]
	}
	return packets
}

// At is the RTT at a rank, 1 being the shortest.
func (h Histogram) At(rank uint64) RTT {
	of := h.head()
	if rank == 0 || rank > of.received {
		return RTT{Unbounded: true}
	}
	seen := uint64(0)
	for b := range of.each {
		if seen+b.packets < rank {
			seen += b.packets
			continue
		}
		var v unpacked
		b.unpack(&v)
		for i := range b.values {
			if seen += v.n[i]; seen >= rank {
				return RTT{US: int64(v.us[i])}
			}
		}
	}
	return RTT{Unbounded: true}
}

// Between yields each RTT from least to most that occurred, in microseconds and
// ascending, and how often it did.
func (h Histogram) Between(least, most uint32) iter.Seq2[uint32, uint64] {
	return func(yield func(uint32, uint64) bool) {
		of := h.head()
		var before, after block
		within := func(b *block) bool {
			var v unpacked
			b.unpack(&v)
			for i := range b.values {
				if v.us[i] > most || v.us[i] >= least && !yield(v.us[i], v.n[i]) {
					return false
				}
			}
			return true
		}
		for b := range of.each {
			before, after = after, b
			// A block ends where the next begins: one is looked at when its next is
			// known to begin above least.
			if before.values > 0 && b.first > least && !within(&before) {
				return
			}
		}
		if after.values > 0 {
			within(&after)
		}
	}
}

// WithLost is h with so many lost packets more.
func (h Histogram) WithLost(n uint64) Histogram {
	if n == 0 {
		return h
	}
	of := h.head()
	return pack(of.received, of.lost+n, of.sumUS, of.different, of.blocks)
}

// WithoutLost is what was received.
func (h Histogram) WithoutLost() Histogram {
	switch of := h.head(); {
	case of.received == 0:
		return ""
	case of.lost > 0:
		return pack(of.received, 0, of.sumUS, of.different, of.blocks)
	}
	return h
}

// With is the packets of both.
func (h Histogram) With(o Histogram) Histogram {
	switch {
	case o.Received() == 0:
		return h.WithLost(o.Lost())
	case h.Received() == 0:
		return o.WithLost(h.Lost())
	}
	var both Distribution
	both.AddHistogram(h)
	both.AddHistogram(o)
	return both.Histogram()
}

func pack(received, lost, sumUS uint64, different int, blocks string) Histogram {
	var data []byte
	for _, v := range []uint64{received, lost, sumUS, uint64(different)} {
		data = binary.AppendUvarint(data, v)
	}
	return Histogram(append(data, blocks...))
}

// packer packs the RTTs of a distribution.
type packer struct {
	v      unpacked
	values int    // in v
	last   uint32 // first RTT of the block before
	data   []byte
	sumUS  uint64
	all    int
}

func (p *packer) add(us uint32, n uint64) {
	if p.values == blockValues {
		p.flush()
	}
	p.v.us[p.values], p.v.n[p.values] = us, n
	p.values++
	p.sumUS += uint64(us) * n
}

func (p *packer) flush() {
	if p.values == 0 {
		return
	}
	us, n := p.v.us[:p.values], p.v.n[:p.values]
	var step uint32
	var count, packets uint64
	for i := range us {
		if i > 0 {
			step = max(step, us[i]-us[i-1])
		}
		count = max(count, n[i])
		packets += n[i]
	}
	stepWidth, countWidth := width(uint64(step)), width(count)
	p.data = binary.AppendUvarint(p.data, uint64(us[0]-p.last))
	p.data = binary.AppendUvarint(p.data, packets)
	p.data = append(p.data, byte(stepWidth<<4|countWidth))
	for i := 1; i < len(us); i++ {
		p.data = appendNumber(p.data, uint64(us[i]-us[i-1]), stepWidth)
	}
	for _, n := range n {
		p.data = appendNumber(p.data, n, countWidth)
	}
	p.last, p.all, p.values = us[0], p.all+len(us), 0
}

// width is how many bytes numbers up to the largest take.
func width(largest uint64) int {
	switch n := bits.Len64(largest); {
	case n <= 8:
		return 1
	case n <= 16:
		return 2
	case n <= 32:
		return 4
	}
	return 8
}

func appendNumber(data []byte, v uint64, width int) []byte {
	for range width {
		data = append(data, byte(v))
		v >>= 8
	}
	return data
}

// Histogram is a copy at rest.
func (d *Distribution) Histogram() Histogram {
	if d.Packets() == 0 {
		return ""
	}
	var p packer
	for us, n := range d.Values() {
		p.add(us, n)
	}
	p.flush()
	return pack(d.received, d.lost, p.sumUS, p.all, string(p.data))
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
func (d *Distribution) AddHistogram(h Histogram) {
	of := h.head()
	var v unpacked
	for b := range of.each {
		b.unpack(&v)
		for i := 0; i < b.values; {
			at := v.us[i] / pageSize
			d.grow(int(at) + 1)
			if d.pages[at] == nil {
				d.pages[at] = new(page)
			}
			// They ascend: those of one page stand together.
			for p := d.pages[at]; i < b.values && v.us[i]/pageSize == at; i++ {
				p[v.us[i]%pageSize] += v.n[i]
			}
		}
	}
	d.received += of.received
	d.lost += of.lost
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
