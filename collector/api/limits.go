package api

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Limits bound what requests may take.
type Limits struct {
	SiteRate     float64 // requests a second of one site, on average
	SiteBurst    int     // requests of one site at once
	SiteBatches  int     // batches of one site in hand at once
	Batches      int     // batches of all sites in hand at once; each takes some 80 MiB at worst
	Connections  int     // open at once
	Arriving     int     // bodies of all sites that arrive at once
	SiteArriving int     // bodies of one site that arrive at once
	// ArrivingBytes is what may be in memory of bodies that are not whole yet.
	ArrivingBytes int64
	BodyTimeout   time.Duration // for a whole batch to arrive
	StoreTimeout  time.Duration // for the store to confirm
	ReadyTimeout  time.Duration // for the store to say whether it is ready
}

// DefaultLimits let a probe that was away for days catch up at some thousand
// windows a second.
func DefaultLimits() Limits {
	return Limits{
		SiteRate: 20, SiteBurst: 40, SiteBatches: 4, Batches: 32,
		Connections: 4096, Arriving: 256, SiteArriving: 8, ArrivingBytes: 64 << 20,
		BodyTimeout: 30 * time.Second, StoreTimeout: 20 * time.Second, ReadyTimeout: 2 * time.Second,
	}
}

// storePause is what a probe waits where the store did not answer.
const storePause = 5 * time.Second

// gate keeps one site from using up what is there for all. What it remembers
// is about load only: another collector behind the same address has its own.
type gate struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex        // protects all following fields
	mesh    *mesh.Mesh        // whose sites are known here
	sites   map[string]*visit // only sites of the mesh and strangers, so it is bounded
	batches int               // in hand
}

type visit struct {
	rate    *rate.Limiter
	batches int // in hand
}

func newGate(limits Limits, now func() time.Time) *gate {
	return &gate{limits: limits, now: now, sites: map[string]*visit{}}
}

// strangers stands for all sites that the mesh does not have: they share what
// one site may take.
const strangers = ""

// known gives the name under which something is remembered of a site.
func (g *gate) known(m *mesh.Mesh, site string) string {
	if m.Site(site) == nil {
		return strangers
	}
	return site
}

// visit finds what is remembered of a site. The caller holds mu.
func (g *gate) visit(m *mesh.Mesh, site string) *visit {
	site = g.known(m, site)
	if g.mesh != m {
		for id := range g.sites {
			if m.Site(id) == nil {
				delete(g.sites, id)
			}
		}
		g.mesh = m
	}
	v := g.sites[site]
	if v == nil {
		v = &visit{rate: rate.NewLimiter(rate.Limit(g.limits.SiteRate), g.limits.SiteBurst)}
		g.sites[site] = v
	}
	return v
}

// request lets a request of a site in, or says when to come again.
func (g *gate) request(m *mesh.Mesh, site string) *reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	reservation := g.visit(m, site).rate.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	return problem(http.StatusTooManyRequests, wire.CodeOverloaded,
		"site %s sends more than %g requests a second; put more windows into a batch", site, g.limits.SiteRate).after(wait)
}

// full tells whether a batch would not be let in now.
func (g *gate) full(m *mesh.Mesh, site string) *reply {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.noRoom(g.visit(m, site), site)
}

// noRoom says why a batch is not let in; nil if it is. The caller holds mu.
func (g *gate) noRoom(v *visit, site string) *reply {
	if v.batches == g.limits.SiteBatches {
		return problem(http.StatusTooManyRequests, wire.CodeOverloaded,
			"%d batches of site %s are in hand; send the next after an answer", v.batches, site).after(time.Second)
	}
	if g.batches == g.limits.Batches {
		return problem(http.StatusServiceUnavailable, wire.CodeOverloaded,
			"%d batches are in hand; send this one again later", g.limits.Batches).after(time.Second)
	}
	return nil
}

// batch lets a batch in. leave has to be called when it is done.
func (g *gate) batch(m *mesh.Mesh, site string) (leave func(), no *reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.visit(m, site)
	if no := g.noRoom(v, site); no != nil {
		return nil, no
	}
	v.batches++
	g.batches++
	return func() {
		g.mu.Lock()
		v.batches--
		g.batches--
		g.mu.Unlock()
	}, nil
}

// throttle keeps a flood of bad input from becoming a flood of log.
type throttle struct {
	limiter *rate.Limiter
	now     func() time.Time
	kept    atomic.Int64 // lines not written since the last one that was
}

// Twenty lines at once and five a second say what is wrong; the counters say
// how often.
func newThrottle(now func() time.Time) *throttle {
	return &throttle{limiter: rate.NewLimiter(5, 20), now: now}
}

func (t *throttle) allow() bool {
	if t.limiter.AllowN(t.now(), 1) {
		return true
	}
	t.kept.Add(1)
	return false
}

// held says how many lines were left out, for the next one.
func (t *throttle) held() []any {
	if n := t.kept.Swap(0); n > 0 {
		return []any{slog.Int64("lines_left_out", n)}
	}
	return nil
}
