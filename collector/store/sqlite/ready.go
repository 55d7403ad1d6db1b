package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// trialPause is how long a write that succeeded or failed speaks for the
	// next one, so that health checks cost next to nothing.
	trialPause = 3 * time.Second
	// minFree is the room that the file system must still have: a Put of many
	// windows needs some megabytes in the log and then in the file. Without it a
	// trial could succeed in what the log has left over from before.
	minFree = 8 << 20
)

// trial is the last attempt to write.
type trial struct {
	at  time.Time
	err error
}

// Ready tells whether the file can be read, and a Put made durable: it looks for
// room, and writes one row unless something was written just now.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.Reader.Ready(ctx); err != nil {
		return err
	}
	if err := s.room(); err != nil {
		return fmt.Errorf("sqlite ready: %w", err)
	}
	s.trying.Lock()
	defer s.trying.Unlock()
	if time.Since(s.tried.at) < trialPause {
		return s.tried.err
	}
	err := s.explain(ctx, "ready", immediately(ctx, s.writer, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO scratch (id, tried_ms) VALUES (1,?)
			ON CONFLICT DO UPDATE SET tried_ms = excluded.tried_ms`, time.Now().UnixMilli())
		return err
	}))
	if ctx.Err() == nil { // else it says nothing of the disk
		s.tried = trial{time.Now(), err}
	}
	return err
}

// wrote notes that a Put has just been made durable.
func (s *Store) wrote() {
	// Ready may be at it, for as long as another process holds the lock.
	if s.trying.TryLock() {
		s.tried = trial{time.Now(), nil}
		s.trying.Unlock()
	}
}

func (s *Store) room() error {
	var fs unix.Statfs_t
	folder := filepath.Dir(s.path)
	if err := unix.Statfs(folder, &fs); err != nil {
		return fmt.Errorf("ask the file system of %s for its room: %w", s.path, err)
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < minFree {
		return fmt.Errorf("the disk of %s is full: %d KiB are free in %s, and %d are wanted; make room", s.path, free>>10, folder, minFree>>10)
	}
	return nil
}
