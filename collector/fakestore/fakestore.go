// Package fakestore is a store in memory that fails as it is told. The tests of
// the collector put into it what they would put into a real one, and look at
// what arrived.
package fakestore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// ErrAway is a retryable error.
var ErrAway = errors.New("the store is away")

// Store keeps what is put. Set the exported fields before use, or through
// Change.
type Store struct {
	mu    sync.Mutex              // protects all following fields
	Away  bool                    // every call fails with ErrAway
	Never func(*wire.Window) bool // windows that fail with store.ErrPermanent
	Block chan struct{}           // Put waits until it is closed, or for its context

	admissions []store.Admission
	meshes     []store.MeshVersion
	keys       []store.SigningKey
	lookups    int
}

var _ store.Store = (*Store)(nil)

// Change alters the exported fields while the store is in use.
func (s *Store) Change(f func(*Store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// Admissions gives what was put, in order.
func (s *Store) Admissions() []store.Admission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.admissions)
}

// Keys gives the keys of all windows put, in order.
func (s *Store) Keys() []wire.Key {
	var keys []wire.Key
	for _, a := range s.Admissions() {
		for i := range a.Windows {
			keys = append(keys, a.Windows[i].Key)
		}
	}
	return keys
}

// Lookups counts the calls of Meshes.
func (s *Store) Lookups() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups
}

// Put keeps an admission, or fails as told.
func (s *Store) Put(ctx context.Context, a store.Admission) error {
	s.mu.Lock()
	block := s.Block
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Away {
		return ErrAway
	}
	for i := range a.Windows {
		if s.Never != nil && s.Never(&a.Windows[i]) {
			return fmt.Errorf("fake: a field\nis too long: %w", store.ErrPermanent)
		}
	}
	if len(a.Windows) > 0 {
		s.admissions = append(s.admissions, a)
	}
	return nil
}

// PutMesh archives a version.
func (s *Store) PutMesh(_ context.Context, m store.MeshVersion) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Away {
		return ErrAway
	}
	if !slices.ContainsFunc(s.meshes, func(o store.MeshVersion) bool { return o.SHA256 == m.SHA256 }) {
		s.meshes = append(s.meshes, m)
	}
	return nil
}

// Meshes gives the archived versions.
func (s *Store) Meshes(context.Context) ([]store.MeshVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	if s.Away {
		return nil, ErrAway
	}
	return slices.Clone(s.meshes), nil
}

// PutSigningKey archives a key.
func (s *Store) PutSigningKey(_ context.Context, k store.SigningKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Away {
		return ErrAway
	}
	if err := k.Check(); err != nil {
		return fmt.Errorf("fake: %w: %w", store.ErrPermanent, err)
	}
	s.keys = store.MergeSigningKeys(append(s.keys, k))
	return nil
}

// SigningKeys gives the archived keys.
func (s *Store) SigningKeys(context.Context) ([]store.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Away {
		return nil, ErrAway
	}
	return slices.Clone(s.keys), nil
}

// Ready fails while the store is away.
func (s *Store) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Away {
		return ErrAway
	}
	return nil
}

// Windows yields nothing: the collector never reads windows.
func (s *Store) Windows(context.Context, store.Query) iter.Seq2[store.Record, error] {
	return func(func(store.Record, error) bool) {}
}

// Journal yields nothing: the collector never reads the journal.
func (s *Store) Journal(context.Context, store.Cursor) iter.Seq2[store.Entry, error] {
	return func(func(store.Entry, error) bool) {}
}

// Close does nothing.
func (s *Store) Close() error { return nil }
