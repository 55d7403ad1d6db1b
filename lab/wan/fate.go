package wan

import (
	"math"
	"time"
)

// Fate is what befalls one packet on one way.
type Fate struct {
	Lost   bool
	Delay  time.Duration // from its entry into the network to its exit
	Copies int           // 1, or 2 where it is duplicated; the copy follows at once
	Hops   int           // routers passed
}

// Fate tells the fate of the packet with number seq on the way from one site
// to another that is connected, sent at a time after the start. It depends on
// nothing else but the file: neither on other packets nor on other links.
func (n *Network) Fate(from, to int, at time.Duration, seq uint64) Fate {
	l := n.line(from, to)
	p := &l.at(at).Profile
	return p.Fate(from == l.forward, streamOf(n.seed, n.sites[from].ID, n.sites[to].ID).Draws(seq))
}

// Fate is what befalls a packet on the forward way or on the other, by draws of
// its own.
func (p *Profile) Fate(forward bool, r Draws) Fate {
	// Each of the four draws is made for every packet, so that a changed
	// percentage leaves the other fates as they were.
	jitter, loss, duplicate, reorder := r.Share(), r.Share(), r.Share(), r.Share()
	if p.Cut || loss < p.Loss {
		return Fate{Lost: true}
	}
	f := Fate{Delay: p.Forward, Copies: 1, Hops: p.Hops}
	if !forward {
		f.Delay = p.RTT - p.Forward
	}
	f.Delay += time.Duration(math.Round(p.Jitter.quantile(jitter)))
	if duplicate < p.Duplicate {
		f.Copies = 2
	}
	if reorder < p.Reorder {
		f.Delay += p.ReorderBy
	}
	return f
}

// Stream is where draws come from that belong together. Each number in it has
// draws of its own, so that nobody has to begin at the beginning.
type Stream uint64

// streamOf is the stream of a seed and of names.
func streamOf(seed uint64, names ...string) Stream {
	// FNV-1a takes the names in; a NUL keeps them apart.
	h := uint64(14695981039346656037)
	for i, name := range names {
		if i > 0 {
			h *= 1099511628211 // by a NUL
		}
		for j := range len(name) {
			h = (h ^ uint64(name[j])) * 1099511628211
		}
	}
	r := Draws(seed ^ h)
	return Stream(r.next())
}

// Draws are those of a number in the stream.
func (s Stream) Draws(number uint64) Draws { return Draws(uint64(s) ^ number*0xd1342543de82ef95) }

// Draws is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
type Draws uint64

func (r *Draws) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Share is uniform in [0, 1), a multiple of 2⁻⁵³.
func (r *Draws) Share() float64 { return float64(r.next()>>11) / (1 << 53) }
