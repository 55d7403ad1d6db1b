package serve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// admissions follow the journal of the store and sum it up by site and hour, so
// that nobody who asks for probes waits until years of it are read.
type admissions struct {
	store Store
	made  *shelf.Shelf
	turn  chan struct{} // held by who reads the journal on

	// Of who has the turn.
	cursor store.Cursor
	looked time.Time
	seen   [2]map[[16]byte]bool // entries that were read last, by hash: the newer and the older ones

	mu     sync.RWMutex // protects all following fields
	sites  map[string][]admittedHour
	hours  int            // of all sites
	zone   *time.Location // whose hours they are
	window map[string]int64
}

// admittedHour is what was stored of a site in an hour, ascending by it.
type admittedHour struct {
	fromMS, lastMS int64
	waitedMS       int64 // -1: not known
	n              int
}

// Bounds. An hour of a site takes 32 bytes; where there are more than mostHours,
// the oldest tenth of the time is forgotten. An entry may come again within an hour
// (influx) or not at all (SQLite).
const (
	admissionsFor = 2 * time.Second // what was read counts for so long
	mostHours     = 2_000_000
	mostSeen      = 100_000
)

func newAdmissions(s Store, made *shelf.Shelf) *admissions {
	return &admissions{store: s, made: made, turn: make(chan struct{}, 1), sites: map[string][]admittedHour{}}
}

// follow reads the journal on, unless that was done just now.
func (a *admissions) follow(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if time.Since(a.looked) < admissionsFor {
		return nil
	}
	began := time.Now()
	if err := a.prepare(ctx); err != nil {
		return err
	}
	for entry, err := range a.store.Journal(ctx, a.cursor) {
		if err != nil {
			return fmt.Errorf("%w: read the journal: %w", shelf.ErrStore, err)
		}
		a.add(&entry)
		a.cursor = entry.Cursor
	}
	a.looked = began
	return nil
}

// prepare learns of the time zone and the windows of the tests. In another zone
// the hours are others, so that all is read again.
func (a *admissions) prepare(ctx context.Context) error {
	newest, err := a.made.Newest(ctx)
	if err != nil {
		return err
	}
	meshes, err := a.made.Meshes(ctx)
	if err != nil {
		return err
	}
	windows := map[string]int64{}
	add := func(m *mesh.Mesh) {
		for i := range m.Measure {
			windows[m.Measure[i].Name] = int64(m.Measure[i].WindowS) * 1000
		}
	}
	for _, version := range meshes.Archive {
		// One that cannot be read was served by another version of the program.
		if old, err := mesh.Parse(version.SHA256, version.Bytes); err == nil {
			add(old)
		}
	}
	add(newest)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.window = windows
	if a.zone == nil || a.zone.String() != newest.Location().String() {
		a.cursor, a.seen = "", [2]map[[16]byte]bool{{}, {}}
		a.sites, a.hours, a.zone = map[string][]admittedHour{}, 0, newest.Location()
	}
	return nil
}

// known tells whether an entry came already, and keeps it in mind: a store may
// give one again.
func (a *admissions) known(e *store.Entry) bool {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", e.At.UnixMilli(), e.Batch, e.Site))
	key := [16]byte(sum[:16])
	if a.seen[0][key] || a.seen[1][key] {
		return true
	}
	if len(a.seen[0]) >= mostSeen {
		a.seen[0], a.seen[1] = map[[16]byte]bool{}, a.seen[0]
	}
	a.seen[0][key] = true
	return false
}

func (a *admissions) add(e *store.Entry) {
	if a.known(e) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := e.At.In(a.zone)
	past := time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second
	from := at.UnixMilli()/1000*1000 - past.Milliseconds()
	hours := a.sites[e.Site]
	i, found := slices.BinarySearchFunc(hours, from, func(h admittedHour, ms int64) int { return int(max(-1, min(1, h.fromMS-ms))) })
	if !found {
		hours = slices.Insert(hours, i, admittedHour{fromMS: from, waitedMS: -1})
		a.sites[e.Site] = hours
		a.hours++
	}
	h := &hours[i]
	h.n++
	h.lastMS, h.waitedMS = max(h.lastMS, e.At.UnixMilli()), max(h.waitedMS, a.waited(e))
	if a.hours > mostHours {
		a.forget()
	}
}

// waited is how long the first of the windows of an entry had been over; -1 where
// no mesh has the test.
func (a *admissions) waited(e *store.Entry) int64 {
	longest := int64(-1)
	for _, s := range e.Spans {
		if length, ok := a.window[s.Test]; ok {
			longest = max(longest, e.At.UnixMilli()-s.FirstMS-length, 0)
		}
	}
	return longest
}

// forget drops the oldest tenth of the time.
func (a *admissions) forget() {
	var oldest, newest int64
	for _, hours := range a.sites {
		if first := hours[0].fromMS; oldest == 0 || first < oldest {
			oldest = first
		}
		newest = max(newest, hours[len(hours)-1].fromMS)
	}
	until := oldest + (newest-oldest)/10 + 1
	a.hours = 0
	for site, hours := range a.sites {
		hours = slices.Clone(slices.DeleteFunc(hours, func(h admittedHour) bool { return h.fromMS < until }))
		if a.sites[site] = hours; len(hours) == 0 {
			delete(a.sites, site)
		}
		a.hours += len(hours)
	}
}

// of is what was stored of a site in hours that begin in [fromMS, toMS).
func (a *admissions) of(site string, fromMS, toMS int64) series.Admissions {
	a.mu.RLock()
	defer a.mu.RUnlock()
	sum := series.Admissions{WaitedMS: -1}
	hours := a.sites[site]
	first, _ := slices.BinarySearchFunc(hours, fromMS, func(h admittedHour, ms int64) int { return int(max(-1, min(1, h.fromMS-ms))) })
	for _, h := range hours[first:] {
		if h.fromMS >= toMS {
			break
		}
		sum.N += h.n
		sum.LastMS, sum.WaitedMS = max(sum.LastMS, h.lastMS), max(sum.WaitedMS, h.waitedMS)
	}
	return sum
}
