package shelf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

// look is something that is read when it is asked for, once for all who ask at
// the same time, and counts for a while.
type look[T any] struct {
	every time.Duration // what was seen counts for so long
	read  func(ctx context.Context) (T, error)
	going *sync.WaitGroup // counts what is being read

	mu    sync.Mutex // protects all following fields
	began time.Time
	value T
	ok    bool
	under *looking[T]
}

type looking[T any] struct {
	done  chan struct{} // closed when the following fields are set
	value T
	err   error
}

// get gives what was seen no longer than every ago. It is read again before it is
// that old, so that many who ask all the time do not all wait now and then.
// What is read, is read under the context of the shelf: who came first may leave
// first.
func (l *look[T]) get(ctx, shelf context.Context) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := time.Since(l.began)
	if l.ok && age < l.every {
		if age >= l.every/2 {
			l.start(shelf)
		}
		return l.value, nil
	}
	under := l.start(shelf)
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-under.done:
		return under.value, under.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// start begins to read, unless that is under way. The lock is held.
func (l *look[T]) start(shelf context.Context) *looking[T] {
	under := l.under
	if under == nil {
		under = &looking[T]{done: make(chan struct{})}
		l.under = under
		began := time.Now()
		l.going.Go(func() {
			under.value, under.err = l.read(shelf)
			l.mu.Lock()
			if l.under = nil; under.err == nil {
				l.began, l.value, l.ok = began, under.value, true
			}
			l.mu.Unlock()
			close(under.done)
		})
	}
	return under
}

// archive is what periods are judged by.
type archive struct {
	meshes report.Meshes
	print  [32]byte // tells one archive from another
	newest func() (*mesh.Mesh, error)

	mu      sync.Mutex // protects all following fields
	periods map[report.Span]resolved
}

type resolved struct {
	period report.Period
	err    error
}

// Bounds of the texts of periods that are remembered: how many, and how long.
const (
	maxPeriods = 1000
	maxText    = 100
)

func (s *Shelf) readArchive(ctx context.Context) (*archive, error) {
	meshes, err := report.ReadMeshes(ctx, s.Store, s.Mesh)
	if err != nil {
		return nil, err
	}
	a := &archive{meshes: meshes, newest: sync.OnceValues(meshes.Newest), periods: map[report.Span]resolved{}}
	sum := sha256.New()
	for _, version := range meshes.Archive {
		// When it was served decides what it judges, and what was announced.
		_ = binary.Write(sum, binary.BigEndian, version.ServedFrom.UnixMilli())
		_, _ = fmt.Fprintf(sum, "%s\n", version.SHA256)
	}
	sum.Sum(a.print[:0])
	// What was worked out by the same archive need not be again.
	s.archive.mu.Lock()
	defer s.archive.mu.Unlock()
	if s.archive.ok && s.archive.value.print == a.print {
		return s.archive.value, nil
	}
	return a, nil
}

// Resolve finds out which period is meant, by the time zone of the mesh that
// judges it.
func (s *Shelf) Resolve(ctx context.Context, span report.Span) (report.Period, error) {
	a, err := s.archive.get(ctx, s.ctx)
	if err != nil {
		return report.Period{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	// One at a time: many ask for the same. Who asks for years keeps nobody waiting,
	// since nothing is planned here.
	a.mu.Lock()
	defer a.mu.Unlock()
	if found, ok := a.periods[span]; ok {
		return found.period, found.err
	}
	var found resolved
	found.period, _, found.err = a.meshes.Period(func(zone *time.Location) (report.Period, error) {
		period, err := span.Parse(zone)
		if err != nil {
			err = &PeriodError{err}
		}
		return period, err
	})
	if len(a.periods) >= maxPeriods {
		clear(a.periods)
	}
	if len(span.Period)+len(span.From)+len(span.To) <= maxText {
		a.periods[span] = found
	}
	return found.period, found.err
}

// Meshes are what periods are judged by now.
func (s *Shelf) Meshes(ctx context.Context) (report.Meshes, error) {
	a, err := s.archive.get(ctx, s.ctx)
	if err != nil {
		return report.Meshes{}, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return a.meshes, nil
}

// Newest is the mesh of what is measured now.
func (s *Shelf) Newest(ctx context.Context) (*mesh.Mesh, error) {
	a, err := s.archive.get(ctx, s.ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	return a.newest()
}

// KeyOf names the report of a period.
func KeyOf(p report.Period, trend, beside bool) Key {
	return Key{p.From.UnixMilli(), p.To.UnixMilli(), trend, beside}
}
