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
	// Each of the four draws is made for every packet, so that a changed
	// percentage leaves the other fates as they were.
	r := stream(n.seed, n.sites[from].ID, n.sites[to].ID, seq)
	jitter, loss, duplicate, reorder := r.share(), r.share(), r.share(), r.share()
	if p.Cut || loss < p.Loss {
		return Fate{Lost: true}
	}
	f := Fate{Delay: p.Forward, Copies: 1, Hops: p.Hops}
	if from != l.forward {
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

// random is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
type random uint64

// stream is the generator for one packet.
func stream(seed uint64, from, to string, seq uint64) random {
	// FNV-1a takes the names in; a NUL keeps them apart.
	h := uint64(14695981039346656037)
	for _, text := range []string{from, "\x00", to} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	r := random(seed ^ h)
	return random(r.next() ^ seq*0xd1342543de82ef95)
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// share is uniform in [0, 1), a multiple of 2⁻⁵³.
func (r *random) share() float64 { return float64(r.next()>>11) / (1 << 53) }
