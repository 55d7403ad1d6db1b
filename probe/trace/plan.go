package trace

import (
	"math"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// What a plan keeps to.
const (
	attempts = 2
	probes   = attempts * MaxHops
	// inFlight is how many packets may be on their way at a time, and so how
	// many hops one after the other may be silent before it is given up.
	inFlight = 10
	// loopAfter is how many times a router is met before that is a loop. Twice
	// happens to routers that forward what they should not.
	loopAfter = 3
)

// ttlOf gives the TTL of a probe: those of the second attempt follow those of
// the first.
func ttlOf(n int) int { return n%MaxHops + 1 }

// kind is what an answer says.
type kind uint8

const (
	exceeded    kind = iota + 1 // the TTL ended there
	unreachable                 // it goes no further
	arrived                     // the destination answered
)

// answer is what came for a probe.
type answer struct {
	n    int
	kind kind
	from netip.Addr
	why  string // of unreachable; also of arrived, where nothing listens
	rtt  time.Duration
}

// plan decides which probe is sent when, and what the answers mean. It reads no
// clock: all times are since the beginning.
type plan struct {
	options  Options
	sentAt   [probes]time.Duration // negative: not sent
	hops     [MaxHops + 1]answer   // by TTL; kind 0: silent
	fresh    int                   // TTL that was not asked yet
	far      int                   // highest that answered
	end      int                   // lowest where it ends, one way or the other
	stopped  bool                  // nothing further away is asked
	loop     bool
	notUntil time.Duration // the next may be sent
	twice    int           // further answers
}

func newPlan(options Options) *plan {
	p := &plan{options: options, fresh: 1, end: math.MaxInt}
	for n := range p.sentAt {
		p.sentAt[n] = -1
	}
	return p
}

// open tells whether an answer to a TTL would still say something.
func (p *plan) open(ttl int) bool { return ttl < p.end && p.hops[ttl].kind == 0 }

// onTheWay counts the probes that may yet be answered.
func (p *plan) onTheWay(now time.Duration) (count int) {
	for n, at := range p.sentAt {
		if at >= 0 && now-at < p.options.Timeout && p.open(ttlOf(n)) {
			count++
		}
	}
	return count
}

// choose gives the probe that is to be sent next; false if there is none now.
func (p *plan) choose(now time.Duration) (int, bool) {
	if p.fresh <= p.options.MaxHops && p.fresh < p.end && p.fresh-p.far <= inFlight && !p.stopped {
		return p.fresh - 1, true
	}
	for ttl := 1; ttl < p.fresh; ttl++ {
		first, second := p.sentAt[ttl-1], p.sentAt[MaxHops+ttl-1]
		if p.open(ttl) && second < 0 && now-first >= p.options.Timeout {
			return MaxHops + ttl - 1, true
		}
	}
	return 0, false
}

// next gives the probe to be sent now, and takes it for sent.
func (p *plan) next(now time.Duration) (int, bool) {
	if now < p.notUntil || now >= p.options.Limit || p.onTheWay(now) >= inFlight {
		return 0, false
	}
	n, ok := p.choose(now)
	if ok {
		p.sentAt[n] = now
		p.notUntil = now + p.options.Pause
		p.fresh = max(p.fresh, ttlOf(n)+1)
	}
	return n, ok
}

// done tells whether nothing more is to be sent or waited for.
func (p *plan) done(now time.Duration) bool {
	if now >= p.options.Limit {
		return true
	}
	if p.onTheWay(now) > 0 {
		return false
	}
	_, more := p.choose(now)
	return !more
}

// idle is how long nothing has to be done unless an answer comes.
func (p *plan) idle(now time.Duration) time.Duration {
	until := p.options.Limit
	if _, more := p.choose(now); more && p.onTheWay(now) < inFlight {
		until = min(until, p.notUntil)
	}
	for n, at := range p.sentAt {
		if at >= 0 && now-at < p.options.Timeout && p.open(ttlOf(n)) {
			until = min(until, at+p.options.Timeout)
		}
	}
	return max(until-now, 0)
}

// answered takes the answer to a probe that was sent.
func (p *plan) answered(a answer) {
	ttl := ttlOf(a.n)
	if p.hops[ttl].kind != 0 {
		p.twice++
		return
	}
	p.hops[ttl] = a
	p.far = max(p.far, ttl)
	if a.kind != exceeded {
		p.end = min(p.end, ttl)
		return
	}
	met := 0
	for _, h := range p.hops {
		if h.kind == exceeded && h.from == a.from {
			met++
		}
	}
	if met >= loopAfter {
		p.loop, p.stopped = true, true
	}
}

// fill writes what was found.
func (p *plan) fill(r *Result) {
	last, reached := p.last()
	r.Hops = make([]wire.Hop, 0, last)
	for ttl := 1; ttl <= last; ttl++ {
		h := p.hops[ttl]
		hop := wire.Hop{TTL: uint8(ttl)}
		if h.kind != 0 {
			hop.Address, hop.RTTUS = h.from.String(), uint32(min(h.rtt.Round(time.Microsecond).Microseconds(), math.MaxUint32))
		}
		r.Hops = append(r.Hops, hop)
	}
	r.Reached, r.Duplicates = reached, p.twice
	r.Unreachable = p.hops[last].why
	r.Loop = p.loop && !reached
	if !reached && r.Unreachable == "" {
		r.Beyond = p.fresh - 1 - last
	}
}

// last gives the hop at which the path ends: the nearest at which the
// destination answered, or else the furthest that anybody answered.
func (p *plan) last() (ttl int, reached bool) {
	for ttl := range p.hops {
		if p.hops[ttl].kind == arrived {
			return ttl, true
		}
	}
	return p.far, false
}
