package faults

import (
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// Weather is a network over which the faults of its links pass.
type Weather struct {
	*wan.Network
	seed  uint64
	links map[[2]int][]Fault // by the numbers of the sites, the lower first
}

// lossy is the share of the packets that a lossy link loses on each way: a
// third, of 2⁶⁴.
const lossy = ^uint64(0) / 3

// Over lays the faults of links over a network whose sites bear the names, in
// their order.
func Over(network *wan.Network, names []string, seed uint64, list []Fault) *Weather {
	w := &Weather{Network: network, seed: seed, links: map[[2]int][]Fault{}}
	for j := range names {
		for i := range j {
			for _, f := range list {
				if (f.Kind == LinkCut || f.Kind == LinkLossy) && (f.Target == names[i]+"-"+names[j] || f.Target == names[j]+"-"+names[i]) {
					w.links[[2]int{i, j}] = append(w.links[[2]int{i, j}], f)
				}
			}
		}
	}
	return w
}

// Fate is that of the network, unless a fault loses the packet.
func (w *Weather) Fate(from, to int, at time.Duration, seq uint64) wan.Fate {
	for i := range w.links[[2]int{min(from, to), max(from, to)}] {
		f := &w.links[[2]int{min(from, to), max(from, to)}][i]
		if at < f.Begin() || at >= f.End() {
			continue
		}
		if f.Kind == LinkCut || mix(w.seed^uint64(from)<<40^uint64(to)<<20^seq) < lossy {
			return wan.Fate{Lost: true}
		}
	}
	return w.Network.Fate(from, to, at, seq)
}

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
