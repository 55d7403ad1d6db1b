// Package meshes knows the versions of the mesh: the one that the collector
// serves now, read from the file and followed as it changes, and the earlier
// ones, which the store archives and windows still on their way are judged by.
package meshes

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// Archive is the part of the store that keeps versions of the mesh.
type Archive interface {
	PutMesh(ctx context.Context, m store.MeshVersion) error
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
}

// maxParsed bounds how many earlier versions are kept parsed. Windows name
// the newest ones, so those of a probe long away are parsed again at most once
// a batch.
const maxParsed = 16

// Versions holds the version served and a cache of earlier ones. It is safe
// for concurrent use.
type Versions struct {
	archive Archive
	now     func() time.Time
	log     *slog.Logger
	lookup  chan struct{} // held by the one call that reads the archive

	mu      sync.RWMutex // protects all following fields
	current *mesh.Mesh
	parsed  map[string]*mesh.Mesh
	order   []string // keys of parsed, oldest first
}

// NewVersions makes Versions that serve nothing yet.
func NewVersions(archive Archive, now func() time.Time, log *slog.Logger) *Versions {
	return &Versions{archive: archive, now: now, log: log, lookup: make(chan struct{}, 1), parsed: map[string]*mesh.Mesh{}}
}

// Current is the version served; nil before the first was archived.
func (v *Versions) Current() *mesh.Mesh {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.current
}

// Serve archives a version and only then serves it: so every version that a
// probe can have seen is found again by every collector on the same store.
func (v *Versions) Serve(ctx context.Context, m *mesh.Mesh) error {
	now := v.now()
	err := v.archive.PutMesh(ctx, store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: now, Distances: distances(m, now)})
	if err != nil {
		return fmt.Errorf("archive mesh %.12s: %w", m.SHA256(), err)
	}
	v.mu.Lock()
	if v.current != nil {
		v.keep(v.current)
	}
	v.current = m
	v.mu.Unlock()
	v.warnOfLater(ctx, m)
	return nil
}

// warnOfLater tells if a version that was first served later is in the archive:
// the analyzer judges a period by the last of these, so whoever takes a mistake
// back by the file of before goes on to be judged by the mistake. The same is so
// where two collectors on one store have different files.
func (v *Versions) warnOfLater(ctx context.Context, m *mesh.Mesh) {
	archived, err := v.archive.Meshes(ctx)
	if err != nil {
		return // what was served is archived; this is only a warning
	}
	own := slices.IndexFunc(archived, func(a store.MeshVersion) bool { return a.SHA256 == m.SHA256() })
	if last := len(archived) - 1; own >= 0 && archived[last].ServedFrom.After(archived[own].ServedFrom) {
		v.log.Warn("another version of the mesh was first served after this one, and reports judge by that; to have this one judge, change its bytes, by a comment say",
			"served", m.SHA256(), "judges", archived[last].SHA256, "since", archived[last].ServedFrom)
	}
}

// distances lists those of all measured links at t, each once.
func distances(m *mesh.Mesh, t time.Time) []store.Distance {
	var list []store.Distance
	for _, l := range m.MeasuredAt(t) {
		route := m.Route(m.Site(l.Src), m.Site(l.Dst), t)
		list = append(list, store.Distance{Src: l.Src, Dst: l.Dst, Meters: route.Meters, GeodesicMeters: route.GeodesicMeters, Class: string(route.Class)})
	}
	return list
}

// Find gives the versions with the given hashes, without those that no
// collector on this store ever served. What it does not know it asks the
// archive for, once a call, and never remembers as unknown: another collector
// may serve it the next moment. An error is the store's; nothing may be
// concluded from it.
func (v *Versions) Find(ctx context.Context, hashes []string) (map[string]*mesh.Mesh, error) {
	found, missing := v.known(hashes)
	if len(missing) == 0 {
		return found, nil
	}
	// One call at a time: the archive gives all its versions at once, and
	// after a restart many probes ask for the same one, which the first call
	// finds for all of them.
	select {
	case v.lookup <- struct{}{}:
		defer func() { <-v.lookup }()
	case <-ctx.Done():
		return nil, fmt.Errorf("look up archived meshes: %w", ctx.Err())
	}
	if found, missing = v.known(hashes); len(missing) == 0 {
		return found, nil
	}
	archived, err := v.archive.Meshes(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up archived meshes: %w", err)
	}
	for _, version := range archived {
		if !missing[version.SHA256] {
			continue
		}
		m, err := mesh.Parse("mesh "+version.SHA256, version.Bytes)
		if err != nil || m.SHA256() != version.SHA256 {
			v.log.Error("an archived mesh cannot be used, its windows are refused", "mesh", version.SHA256, "error", err)
			continue
		}
		found[version.SHA256] = m
		v.mu.Lock()
		v.keep(m)
		v.mu.Unlock()
	}
	return found, nil
}

// known splits hashes into the versions at hand and the others.
func (v *Versions) known(hashes []string) (found map[string]*mesh.Mesh, missing map[string]bool) {
	found, missing = map[string]*mesh.Mesh{}, map[string]bool{}
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, hash := range hashes {
		switch {
		case v.current != nil && hash == v.current.SHA256():
			found[hash] = v.current
		case v.parsed[hash] != nil:
			found[hash] = v.parsed[hash]
		default:
			missing[hash] = true
		}
	}
	return found, missing
}

// keep puts an earlier version into the cache. The caller holds mu.
func (v *Versions) keep(m *mesh.Mesh) {
	if v.parsed[m.SHA256()] != nil {
		return
	}
	if len(v.order) == maxParsed {
		delete(v.parsed, v.order[0])
		v.order = v.order[1:]
	}
	v.parsed[m.SHA256()] = m
	v.order = append(v.order, m.SHA256())
}
