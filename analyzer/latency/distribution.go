// Package latency merges the windows of a link into exact distributions of
// its RTT. Windows come from the store; the percentiles go to the verdicts.
//
// A distribution counts how often each whole microsecond occurred, so that it
// is exact whatever it holds, and as small as the RTTs of a link are alike: a
// month of packets every second takes some hundred kilobytes.
package latency

import (
	"fmt"
	"iter"
	"math/bits"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// RTT is a round-trip time: whole microseconds, or longer than anybody waited.
type RTT struct {
	US        int64
	Unbounded bool // the packet was lost, or the rank falls among the lost ones
}

// Compare orders RTTs: negative if r is shorter than o.
func (r RTT) Compare(o RTT) int {
	switch {
	case r.Unbounded && o.Unbounded:
		return 0
	case r.Unbounded:
		return 1
	case o.Unbounded:
		return -1
	case r.US < o.US:
		return -1
	case r.US > o.US:
		return 1
	}
	return 0
}

// pageSize makes a page as large as the RTTs of one link usually spread.
const pageSize = 4096

type page [pageSize]uint64

// Distribution is the RTTs of packets, each lost one as an unbounded RTT. The
// zero value is empty and ready. Packets that were answered but not stamped
// are in no distribution: nothing is known of their RTT.
type Distribution struct {
	pages    []*page // by RTT / pageSize; nil where nothing occurred
	received uint64
	lost     uint64
}

// Add counts the samples and the losses of a window; scratch is memory to
// decode into, returned for the next call. A window with a summary has no
// samples and adds nothing.
func (d *Distribution) Add(w *wire.Window, scratch []uint32) ([]uint32, error) {
	if w.Summary != nil {
		return scratch, nil
	}
	rtts, err := wire.DecodeRTTs(scratch[:0], w.RTTs)
	if err != nil {
		return scratch, fmt.Errorf("window %s: %w", w.Key, err)
	}
	for _, us := range rtts {
		d.count(us, 1)
	}
	d.lost += uint64(w.Lost)
	return rtts, nil
}

// AddRTT counts n packets of one RTT in microseconds.
func (d *Distribution) AddRTT(us uint32, n uint64) {
	if n > 0 {
		d.count(us, n)
	}
}

// AddLost counts n lost packets.
func (d *Distribution) AddLost(n uint64) { d.lost += n }

// Merge adds all packets of o. The order in which distributions are merged
// makes no difference.
func (d *Distribution) Merge(o *Distribution) {
	d.grow(len(o.pages))
	for i, from := range o.pages {
		if from == nil {
			continue
		}
		if d.pages[i] == nil {
			d.pages[i] = new(page)
		}
		for j, n := range from {
			d.pages[i][j] += n
		}
	}
	d.received += o.received
	d.lost += o.lost
}

func (d *Distribution) count(us uint32, n uint64) {
	i := int(us / pageSize)
	d.grow(i + 1)
	if d.pages[i] == nil {
		d.pages[i] = new(page)
	}
	d.pages[i][us%pageSize] += n
	d.received += n
}

func (d *Distribution) grow(pages int) {
	if len(d.pages) < pages {
		d.pages = append(d.pages, make([]*page, pages-len(d.pages))...)
	}
}

// Packets is the number of packets, lost ones included.
func (d *Distribution) Packets() uint64 { return d.received + d.lost }

// Lost is the number of lost packets.
func (d *Distribution) Lost() uint64 { return d.lost }

// Values yields each RTT that occurred, in microseconds and ascending, and how
// often it did.
func (d *Distribution) Values() iter.Seq2[uint32, uint64] {
	return func(yield func(uint32, uint64) bool) {
		for i, p := range d.pages {
			if p == nil {
				continue
			}
			for j, n := range p {
				if n > 0 && !yield(uint32(i*pageSize+j), n) {
					return
				}
			}
		}
	}
}

// Percentile is the smallest RTT such that at least percent of all packets are
// not above it (nearest rank), each lost one counting as unbounded; percent is
// within 1 to 100. False if there are no packets.
func (d *Distribution) Percentile(percent int) (RTT, bool) {
	n := d.Packets()
	if n == 0 {
		return RTT{}, false
	}
	return d.at(rank(n, uint64(percent))), true
}

// Spread is the shortest RTT, and the one at a share of what was received, in
// microseconds (nearest rank); false if nothing was.
func (d *Distribution) Spread(part, of uint64) (least, most uint32, ok bool) {
	if d.received == 0 {
		return 0, 0, false
	}
	hi, lo := bits.Mul64(d.received, part)
	rank, rest := bits.Div64(hi, lo, of)
	if rest > 0 || rank == 0 {
		rank++
	}
	return uint32(d.at(1).US), uint32(d.at(rank).US), true
}

// rank is ⌈n × percent / 100⌉, at 128 bits so that no count overflows it.
func rank(n, percent uint64) uint64 {
	hi, lo := bits.Mul64(n, percent)
	lo, carry := bits.Add64(lo, 99, 0)
	quotient, _ := bits.Div64(hi+carry, lo, 100)
	return quotient
}

// at is the RTT at a rank, 1 being the shortest.
func (d *Distribution) at(rank uint64) RTT {
	if rank > d.received {
		return RTT{Unbounded: true}
	}
	seen := uint64(0)
	for us, n := range d.Values() {
		if seen += n; seen >= rank {
			return RTT{US: int64(us)}
		}
	}
	return RTT{Unbounded: true}
}

// Min is the shortest RTT; unbounded if every packet was lost, false if there
// are none.
func (d *Distribution) Min() (RTT, bool) {
	if d.Packets() == 0 {
		return RTT{}, false
	}
	return d.at(1), true
}

// Mean is the mean over the received packets, rounded half up to the whole
// microsecond; unbounded if every packet was lost, false if there are none. It
// leaves losses out, which is why no verdict rests on it by default.
func (d *Distribution) Mean() (RTT, bool) {
	if d.Packets() == 0 {
		return RTT{}, false
	}
	if d.received == 0 {
		return RTT{Unbounded: true}, true
	}
	return d.meanOf(0, d.received), true
}

// meanOf is the mean over so many received packets, those of d and others
// whose RTTs have a sum of more µs.
func (d *Distribution) meanOf(more, received uint64) RTT {
	hi, lo := uint64(0), more
	for us, n := range d.Values() {
		h, l := bits.Mul64(uint64(us), n)
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi += h + carry
	}
	mean, remainder := bits.Div64(hi, lo, received)
	if remainder >= received-remainder {
		mean++
	}
	return RTT{US: int64(mean)}
}
