package uncertainty

import (
	"math/big"
	"math/bits"
	"slices"
)

// Trials are the outcomes of Simulate, as many as an interval can need: one
// candidate needs most. They hold for every light.
type Trials struct {
	n, days    int
	confidence *big.Rat
	low        [][]ratio // of each end the smallest, ascending
	high, gaps []ratio   // of the worse end the largest, descending
}

// Days is how many days were drawn from: those on which any end sent a packet or
// should have.
func (t *Trials) Days() int { return t.days }

// first keeps the first n of many ratios by an order, which is quicker than
// sorting all. Of most trials it is enough to know that they are not among
// them, which takes one look at the packets where the statistic takes ten.
type first struct {
	n      int
	order  func(a, b ratio) int
	ratios []ratio
	last   ratio // the n-th at the last cut: what is not before it is out
	cut    bool
}

func smallest(n int) first { return first{n: n, order: ratio.compare} }

func largest(n int) first {
	return first{n: n, order: func(a, b ratio) int { return b.compare(a) }}
}

func (f *first) add(r ratio) {
	if f.cut && f.order(r, f.last) >= 0 {
		return
	}
	f.ratios = append(f.ratios, r)
	if len(f.ratios) == 2*f.n {
		f.last, f.cut = f.sorted()[f.n-1], true
	}
}

// sorted are the first n in order, or all if there are less.
func (f *first) sorted() []ratio {
	slices.SortFunc(f.ratios, f.order)
	f.ratios = f.ratios[:min(f.n, len(f.ratios))]
	return f.ratios
}

// addLow adds a trial of one end, the bounds as 0, to the smallest.
func (f *first) addLow(e *end, m uint64) {
	if e.silent() {
		f.add(ratio{e.ns(0), m})
		return
	}
	if f.cut && f.last.ns != endless {
		ns, exact := f.last.over(m)
		if exact {
			ns-- // as much is no less
		}
		if us := e.us(ns); us < 0 || !e.low.atMost(uint64(us), &e.drawn) {
			return
		}
	}
	f.add(ratio{e.ns(e.low.of(&e.drawn)), m})
}

// addWorse adds the worse end of a trial to the largest.
func (f *first) addWorse(ends []end, side func(*end) statistic, m uint64) {
	if f.cut && !f.reached(ends, side, m) {
		return
	}
	worse := ratio{0, m}
	for e := range ends {
		ns := endless
		if !ends[e].silent() {
			ns = ends[e].ns(side(&ends[e]).of(&ends[e].drawn))
		}
		worse.ns = max(worse.ns, ns)
	}
	f.add(worse)
}

// reached tells whether any end is longer than what was cut off allows.
func (f *first) reached(ends []end, side func(*end) statistic, m uint64) bool {
	if f.last.ns == endless {
		return false
	}
	ns, _ := f.last.over(m)
	for i := range ends {
		e := &ends[i]
		if us := e.us(ns); e.silent() || us < 0 || !side(e).atMost(uint64(us), &e.drawn) {
			return true
		}
	}
	return false
}

// maxNS is longer than any RTT of which a ratio is made.
const maxNS = 1 << 62

// over is the longest time of which the ratio over so many metres is at most r,
// which has one, in ns, and whether it is r.
func (r ratio) over(m uint64) (ns int64, exact bool) {
	high, low := bits.Mul64(r.ns, m)
	if high >= r.meters {
		return maxNS, false
	}
	quotient, remainder := bits.Div64(high, low, r.meters)
	return int64(min(quotient, maxNS)), remainder == 0
}
