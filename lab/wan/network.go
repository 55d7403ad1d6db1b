package wan

import (
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// Profile is how a link behaves at a moment, and where it comes from.
type Profile struct {
	RTT       time.Duration // without jitter
	Forward   time.Duration // the part of RTT that the forward way takes
	Jitter    Jitter
	Loss      float64 // shares of the packets on each way, 0 to 1
	Duplicate float64
	Reorder   float64
	ReorderBy time.Duration
	Hops      int
	Cut       bool
}

// phase is a time during which a link keeps one profile.
type phase struct {
	from time.Duration
	Profile
}

// Network is a WAN over the sites of its mesh, with the distances of one day.
// Sites are numbered as in the mesh. It is immutable.
type Network struct {
	seed  uint64
	sites []mesh.Site
	lines map[[2]int]*line // by the numbers of the sites, the lower first
}

// line is what joins two sites: a link each way.
type line struct {
	theoretical time.Duration
	forward     int // number of the site from which the forward way leaves
	phases      []phase
}

// Network makes the network with the distances that count at t.
func (w *WAN) Network(t time.Time) *Network {
	n := &Network{seed: w.Seed, sites: w.mesh.Sites, lines: map[[2]int]*line{}}
	light := theory.InFibre()
	for j := range n.sites {
		for i := range j {
			if a, b := &n.sites[i], &n.sites[j]; connected(a, b) {
				n.lines[[2]int{i, j}] = w.line(i, j, theoreticalRTT(light, w.mesh.Route(a, b, t)))
			}
		}
	}
	return n
}

// line works out what the file says of the line between two sites.
func (w *WAN) line(i, j int, theoretical time.Duration) *line {
	a, b := &w.mesh.Sites[i], &w.mesh.Sites[j]
	base, backwards := w.layers(a, b)
	l := &line{theoretical: theoretical, forward: i}
	if backwards {
		l.forward = j
	}
	changes := []time.Duration{0}
	for k, e := range w.Events {
		if e.match(a, b) != apart {
			changes = append(changes, w.events[k].from, w.events[k].until)
		}
	}
	slices.Sort(changes)
	for _, t := range slices.Compact(changes) {
		if t == forever {
			break
		}
		s := base
		for k, e := range w.Events {
			if m := e.match(a, b); m != apart && w.events[k].from <= t && t < w.events[k].until {
				s = s.over(e.Settings, (m == reversed) != backwards)
			}
		}
		l.phases = append(l.phases, phase{t, s.profile(theoretical)})
	}
	return l
}

// layers lays the defaults and the entries for two sites over each other. The
// last entry that says how the delay is shared between the ways decides which
// way is the forward one; backwards tells that it is the one from b to a.
func (w *WAN) layers(a, b *mesh.Site) (s Settings, backwards bool) {
	s = w.Defaults
	for _, l := range w.Links {
		m := l.match(a, b)
		if m == apart {
			continue
		}
		if l.Asymmetry != nil {
			backwards = m == reversed
		}
		s = s.over(l.Settings, false)
	}
	return s, backwards
}

// over lays settings on top. turned says that their forward way is the other
// one.
func (s Settings) over(top Settings, turned bool) Settings {
	if top.RTTMS != nil || top.Stretch != nil {
		s.RTTMS, s.Stretch = top.RTTMS, top.Stretch
	}
	if top.Asymmetry != nil {
		s.Asymmetry = top.Asymmetry
		if turned {
			rest := 1 - *top.Asymmetry
			s.Asymmetry = &rest
		}
	}
	s.Jitter = later(s.Jitter, top.Jitter)
	s.LossPercent = later(s.LossPercent, top.LossPercent)
	s.DuplicatePercent = later(s.DuplicatePercent, top.DuplicatePercent)
	s.ReorderPercent = later(s.ReorderPercent, top.ReorderPercent)
	s.ReorderMS = later(s.ReorderMS, top.ReorderMS)
	s.Hops = later(s.Hops, top.Hops)
	s.Cut = later(s.Cut, top.Cut)
	return s
}

func later[T any](below, top *T) *T {
	if top != nil {
		return top
	}
	return below
}

// profile fills in what the file leaves out: a symmetric link without jitter,
// loss or hops, and 10 ms for a packet that is held back.
func (s Settings) profile(theoretical time.Duration) Profile {
	var rtt float64
	if s.RTTMS != nil {
		rtt = *s.RTTMS * float64(time.Millisecond)
	} else if s.Stretch != nil {
		rtt = *s.Stretch * float64(theoretical)
	}
	p := Profile{
		RTT:       time.Duration(math.Round(rtt)),
		Jitter:    or(s.Jitter, Jitter{Distribution: None}),
		Loss:      or(s.LossPercent, 0) / 100,
		Duplicate: or(s.DuplicatePercent, 0) / 100,
		Reorder:   or(s.ReorderPercent, 0) / 100,
		ReorderBy: time.Duration(math.Round(or(s.ReorderMS, 10) * float64(time.Millisecond))),
		Hops:      or(s.Hops, 0),
		Cut:       or(s.Cut, false),
	}
	p.Forward = time.Duration(math.Round(float64(p.RTT) * or(s.Asymmetry, 0.5)))
	return p
}

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// Connected tells whether a line joins two sites: they are of one carrier and
// one plane. The networks of two carriers are not joined in the lab.
func (n *Network) Connected(a, b int) bool { return n.line(a, b) != nil }

func (n *Network) line(a, b int) *line { return n.lines[[2]int{min(a, b), max(a, b)}] }

// Theoretical is the theoretical RTT between two connected sites.
func (n *Network) Theoretical(a, b int) time.Duration { return n.line(a, b).theoretical }

// Profile is how the link between two connected sites behaves at a time after
// the start.
func (n *Network) Profile(a, b int, at time.Duration) Profile { return n.line(a, b).at(at).Profile }

func (l *line) at(t time.Duration) *phase {
	i := len(l.phases) - 1
	for i > 0 && l.phases[i].from > t {
		i--
	}
	return &l.phases[i]
}

// Expected is the median of the RTT of the packets that a probe at one end
// sends towards the other, evenly over [0, length), and that are answered
// within timeout; answered is their share. It follows from the file alone: the
// measured median comes nearer to it the more packets there are. Where nothing
// is answered the median is 0.
func (n *Network) Expected(a, b int, length, timeout time.Duration) (p50 time.Duration, answered float64) {
	l := n.line(a, b)
	type part struct {
		*phase
		weight    float64
		quantiles []float64
	}
	var parts []part
	for i := range l.phases {
		end := length
		if i+1 < len(l.phases) {
			end = min(end, l.phases[i+1].from)
		}
		if p := &l.phases[i]; p.from < end {
			parts = append(parts, part{p, float64(end-p.from) / float64(length), p.Jitter.quantiles()})
		}
	}
	share := func(x float64) float64 {
		sum := 0.0
		for _, p := range parts {
			sum += p.weight * p.roundTrip(x, p.quantiles)
		}
		return sum
	}
	answered = share(float64(timeout))
	if answered <= 0 {
		return 0, 0
	}
	low, high := 0.0, float64(timeout)
	for high-low > 100 { // nanoseconds
		if middle := (low + high) / 2; share(middle) < answered/2 {
			low = middle
		} else {
			high = middle
		}
	}
	return time.Duration(math.Round((low + high) / 2)), answered
}

// connected tells whether a line joins two sites of a mesh.
func connected(a, b *mesh.Site) bool {
	return a != b && a.Carrier == b.Carrier && a.Plane == b.Plane
}

// match says how ends lie on two sites.
type match int

const (
	apart    match = iota
	straight       // a matches From and b To
	reversed       // b matches From and a To
)

func (e Ends) match(a, b *mesh.Site) match {
	if len(e.Carriers) > 0 && !slices.Contains(e.Carriers, a.Carrier) ||
		len(e.Planes) > 0 && !slices.Contains(e.Planes, a.Plane) {
		return apart
	}
	switch {
	case a.Matches(e.From) && b.Matches(e.To):
		return straight
	case b.Matches(e.From) && a.Matches(e.To):
		return reversed
	}
	return apart
}

// theoreticalRTT is the theoretical RTT over a route, to the nanosecond.
func theoreticalRTT(light theory.Light, route mesh.Route) time.Duration {
	ns := new(big.Rat).Mul(light.RouteRTTUS(route), big.NewRat(1000, 1))
	ns.Add(ns, big.NewRat(1, 2))
	return time.Duration(new(big.Int).Quo(ns.Num(), ns.Denom()).Int64())
}
