// Package faults draws from a seed what goes wrong in a chaos run, when, with
// whom and for how long, before the run begins: the same seed over the same
// stage gives the same list. The run plays it; what befalls packets on the way
// is told by Weather. It is pure: no clock, no I/O.
package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kind is what goes wrong.
type Kind string

// Kinds of faults.
const (
	ProbeKill      Kind = "probe-kill"      // kill -9 of a probe; it comes back on the same spool
	ProbeOlder     Kind = "probe-older"     // a probe is stopped and an older binary takes over its spool
	CollectorKill  Kind = "collector-kill"  // kill -9 of the collector
	CollectorOlder Kind = "collector-older" // the collector is stopped and an older binary takes over its store
	StoreKill      Kind = "store-kill"      // kill -9 of the store's server
	WayCut         Kind = "way-cut"         // connections to the collector break, new ones are closed
	WaySilent      Kind = "way-silent"      // nothing passes to the collector, and nothing is closed
	AcksLost       Kind = "acks-lost"       // requests pass to the collector, its answers do not come back
	LinkCut        Kind = "link-cut"        // no packet passes between two sites
	LinkLossy      Kind = "link-lossy"      // a third of the packets on each way are lost
	DiskFull       Kind = "disk-full"       // nothing more fits on the disk of a spool, and its way is cut, so that the spool would have to grow
	ClockStep      Kind = "clock-step"      // the wall clock of a probe is stepped, and later stepped back
)

// Everyone is the target of a fault on the ways of all probes.
const Everyone = "*"

// Fault is one thing that goes wrong. Times count from the start of the
// measuring.
type Fault struct {
	Number   int    `json:"number"` // from 1
	Kind     Kind   `json:"kind"`
	Target   string `json:"target"` // a site; two sites joined by "-" for a link; "collector", "store" or Everyone
	BeginMS  int64  `json:"begin_ms"`
	LengthMS int64  `json:"length_ms"`
	StepMS   int64  `json:"step_ms,omitempty"` // of a clock, negative: back
}

// Begin is when the fault begins, after the start.
func (f *Fault) Begin() time.Duration { return time.Duration(f.BeginMS) * time.Millisecond }

// End is when the fault is over, after the start.
func (f *Fault) End() time.Duration { return time.Duration(f.BeginMS+f.LengthMS) * time.Millisecond }

// Stage is what there is to go wrong.
type Stage struct {
	Probes []string    // sites
	Links  [][2]string // pairs of sites that a line joins
	Store  bool        // the store is a server of its own
	Older  bool        // there are older binaries
}

// kinds lists what can befall a stage.
func (s *Stage) kinds() []Kind {
	kinds := []Kind{CollectorKill, WayCut, WaySilent, AcksLost}
	if len(s.Probes) > 0 {
		kinds = append(kinds, ProbeKill, DiskFull, ClockStep)
	}
	if len(s.Links) > 0 {
		kinds = append(kinds, LinkCut, LinkLossy)
	}
	if s.Store {
		kinds = append(kinds, StoreKill)
	}
	if s.Older {
		kinds = append(kinds, CollectorOlder)
		if len(s.Probes) > 0 {
			kinds = append(kinds, ProbeOlder)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Times of a plan.
const (
	earliest = 3 * time.Second // the first fault
	gapLeast = 1500 * time.Millisecond
	gapMost  = 5500 * time.Millisecond
	// apart is the least pause between two faults of one thing.
	apart = 2 * time.Second
	// longAway is how long a run must be for outages that may fill a spool.
	longAway = 10 * time.Minute
)

// Settle is how long before the end of a run its last fault is over, so that
// what was held up has a chance to arrive.
func Settle(length time.Duration) time.Duration { return min(20*time.Second, length/6) }

// Draw draws the faults of a run of a length, in the order of their beginning.
// Every kind that the stage allows has its turn before any comes again.
func Draw(seed uint64, stage Stage, length time.Duration) []Fault {
	d := &drawer{Rand: rand.New(rand.NewPCG(seed, 0x6661756c7473)), stage: stage, length: length}
	var deck []Kind
	last := length - Settle(length)
	for at := earliest; ; at += d.between(gapLeast, gapMost) {
		if at >= last {
			return d.faults
		}
		if len(deck) == 0 {
			deck = stage.kinds()
			d.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		// A kind that has no free target or no time now waits for its turn.
		for i, kind := range deck {
			if f, ok := d.place(kind, at, last); ok {
				f.Number = len(d.faults) + 1
				d.faults = append(d.faults, f)
				deck = slices.Delete(deck, i, i+1)
				break
			}
		}
	}
}

type drawer struct {
	*rand.Rand
	stage  Stage
	length time.Duration
	faults []Fault
}

// between is uniform, in whole milliseconds.
func (d *drawer) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N((most-least).Milliseconds()+1))*time.Millisecond
}

// place finds a target that nothing else of the sort befalls meanwhile.
func (d *drawer) place(kind Kind, at, last time.Duration) (Fault, bool) {
	const tries = 8
	for range tries {
		f := Fault{Kind: kind, Target: d.target(kind), BeginMS: at.Milliseconds(), LengthMS: d.span(kind).Milliseconds()}
		if kind == ClockStep {
			// Within what a collector tolerates of a clock that is ahead.
			f.StepMS = d.between(2*time.Second, 45*time.Second).Milliseconds()
			if d.IntN(2) == 0 {
				f.StepMS = -f.StepMS
			}
		}
		if f.End() <= last && !slices.ContainsFunc(d.faults, func(other Fault) bool { return collide(&f, &other) }) {
			return f, true
		}
	}
	return Fault{}, false
}

func (d *drawer) target(kind Kind) string {
	switch kind {
	case CollectorKill, CollectorOlder:
		return "collector"
	case StoreKill:
		return "store"
	case LinkCut, LinkLossy:
		link := d.stage.Links[d.IntN(len(d.stage.Links))]
		return link[0] + "-" + link[1]
	case WayCut, WaySilent, AcksLost:
		if i := d.IntN(len(d.stage.Probes) + 1); i < len(d.stage.Probes) {
			return d.stage.Probes[i]
		}
		return Everyone
	}
	return d.stage.Probes[d.IntN(len(d.stage.Probes))]
}

// span is how long a fault lasts: some are over at once, some outlast the
// patience of whoever waits.
func (d *drawer) span(kind Kind) time.Duration {
	switch kind {
	case ProbeKill:
		return d.between(0, 3*time.Second)
	case CollectorKill, StoreKill:
		return d.between(0, 5*time.Second)
	case ProbeOlder, CollectorOlder:
		return d.between(5*time.Second, 15*time.Second)
	case DiskFull:
		return d.between(8*time.Second, 20*time.Second)
	case ClockStep:
		return d.between(3*time.Second, 15*time.Second)
	case WayCut:
		if d.length >= longAway && d.IntN(5) == 0 {
			return d.between(120*time.Second, 200*time.Second)
		}
	}
	return d.between(time.Second, 8*time.Second)
}

// things lists what a fault takes hold of.
func (f *Fault) things() []string {
	switch f.Kind {
	case ProbeKill, ProbeOlder:
		return []string{"probe " + f.Target}
	case WayCut, WaySilent, AcksLost:
		return []string{"way " + f.Target}
	case DiskFull:
		return []string{"disk " + f.Target, "way " + f.Target}
	case ClockStep:
		return []string{"clock " + f.Target}
	case LinkCut, LinkLossy:
		return []string{"link " + f.Target}
	}
	return []string{f.Target}
}

// collide tells whether two faults take hold of one thing at one time.
func collide(a, b *Fault) bool {
	if a.Begin() >= b.End()+apart || b.Begin() >= a.End()+apart {
		return false
	}
	for _, x := range a.things() {
		for _, y := range b.things() {
			if x == y || x == "way "+Everyone && strings.HasPrefix(y, "way ") || y == "way "+Everyone && strings.HasPrefix(x, "way ") {
				return true
			}
		}
	}
	return false
}

// ByKind counts faults, as text in the order of the kinds.
func ByKind(list []Fault) string {
	counts := map[Kind]int{}
	for i := range list {
		counts[list[i].Kind]++
	}
	var kinds []Kind
	for kind := range counts {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return cmp.Compare(a, b) })
	var text []string
	for _, kind := range kinds {
		text = append(text, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(text, ", ")
}
