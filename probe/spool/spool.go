// Package spool keeps windows on disk between their making and their
// acknowledgement by a collector, together with the little that a probe must
// know after a restart: its session and its last assignment.
//
// Windows come in from package measure and leave through package uplink. It is
// the only buffer on the way: what Put has returned for survives a crash. One
// file, one process: the file is locked while it is open.
package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/fibergauge/fibergauge/internal/durable"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// fileName is the name of the spool's file in its folder.
const fileName = "spool.db"

// lockTimeout is how long to wait for another process to let go of the file: a
// service manager starts the next probe while the last one is closing.
const lockTimeout = 2 * time.Second

// perEntry is what an entry takes in the file besides its value, about: key,
// place in the page, and the page's own part.
const perEntry = 40

// errDamaged means that the file does not hold what was written to it.
var errDamaged = errors.New("the spool file is damaged")

// Buckets and keys of the file.
func bucketWindows() []byte { return []byte("windows") } // sequence → checksum and window
func bucketRefused() []byte { return []byte("refused") } // sequence → Refused as JSON
func bucketState() []byte   { return []byte("state") }   // the following
func keySession() []byte    { return []byte("session") }
func keyAssignment() []byte { return []byte("assignment") }
func keyTag() []byte        { return []byte("assignment-tag") }
func keyCounts() []byte     { return []byte("counts") }
func keyVersion() []byte    { return []byte("version") } // absent: 1

// version is that of the file's form. It rises when a program that knows only
// the ones before would misread the file. Version 2 has checksums of the counts
// and of what was set aside.
const version = "2"

// ErrNewer means that a later version of the program has written the file.
var ErrNewer = errors.New("the spool was written by a later version of fibergauge-probe")

// ErrInUse means that another process has the spool open.
var ErrInUse = errors.New("it is in use by another probe")

func inUse(path string) error {
	return fmt.Errorf("open spool: %s: %w; stop it, or give this one a folder of its own with --spool", path, ErrInUse)
}

func checkVersion(tx *bolt.Tx) error {
	state := tx.Bucket(bucketState())
	if state == nil {
		return nil
	}
	stored := state.Get(keyVersion())
	found, ok := unsealed(stored)
	switch {
	case stored == nil, ok && string(found) == version:
		return nil
	case ok:
		return fmt.Errorf("%w: its version is %.20s, and this program knows 1 to %s; run that version again, or give --spool another folder", ErrNewer, found, version)
	}
	return fmt.Errorf("%w: its version does not read", errDamaged)
}

// Counts are what the spool holds and what it had to let go since its file was
// begun.
type Counts struct {
	Windows       int64 `json:"windows"`        // waiting for an acknowledgement
	Bytes         int64 `json:"bytes"`          // of these and those set aside, about
	Refused       int64 `json:"refused"`        // set aside: no collector will take them
	Dropped       int64 `json:"dropped"`        // the oldest, because the spool was full
	RefusedEver   int64 `json:"refused_ever"`   // set aside at any time
	DeliveredEver int64 `json:"delivered_ever"` // acknowledged at any time
}

// Refused is a window that was set aside, and why.
type Refused struct {
	Sequence uint64          `json:"-"` // rises in the order of setting aside
	At       time.Time       `json:"at"`
	Code     wire.Code       `json:"code"`
	Message  string          `json:"message"`
	Window   json.RawMessage `json:"window,omitempty"` // absent where its bytes are damaged
	Raw      []byte          `json:"raw,omitempty"`    // the damaged bytes
}

// Entry is a window in the spool.
type Entry struct {
	Sequence uint64 // rises in the order of Put
	Window   wire.Window
	Bytes    int // of its canonical form
}

// Spool is safe for concurrent use.
type Spool struct {
	path  string
	limit int64
	log   *slog.Logger

	mu       sync.Mutex // protects all following fields and every transaction
	db       *bolt.DB
	counts   Counts
	last     uint64    // sequence given out last
	lastLoud time.Time // of dropping
	unsaid   int64     // dropped since then
	leaving  []string  // keys of the windows that a transaction drops
	added    chan struct{}
}

// Exists tells whether there is a spool in a folder.
func Exists(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, fileName))
	return err == nil && info.Mode().IsRegular()
}

// Open opens or makes the spool in a folder. It keeps at most limit bytes of
// windows, about. A file that is damaged is moved aside, which the log says,
// and a fresh one is begun.
func Open(dir string, limit int64, log *slog.Logger) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("open spool: %w; give --spool a folder that can be written", err)
	}
	s := &Spool{path: filepath.Join(dir, fileName), limit: limit, log: log, added: make(chan struct{}, 1)}
	err := s.open()
	if errors.Is(err, errDamaged) {
		err = s.renew(err)
	}
	if err == nil {
		err = s.shrink()
	}
	if err != nil {
		release(s.db)
		return nil, err
	}
	return s, nil
}

// release lets go of a file that is not to be used after all, so that it can be
// tried again. To close what is damaged may block for ever.
func release(db *bolt.DB) {
	if db == nil {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = guarded(db.Close) // nothing was written
	}()
	timer := time.NewTimer(lockTimeout)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
}

// open opens the file and reads all of it once, so that damage is found now.
func (s *Spool) open() error {
	info, err := os.Stat(s.path)
	begun := err == nil && info.Size() > 0
	var db *bolt.DB
	err = guarded(func() (err error) {
		db, err = bolt.Open(s.path, 0o600, &bolt.Options{Timeout: lockTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true})
		if err != nil {
			return err
		}
		// Small steps: the file stays close to what is in it.
		db.AllocSize = 1 << 20
		s.db = db
		if err := s.verify(); err != nil {
			return err
		}
		return durable.Folder(filepath.Dir(s.path))
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return inUse(s.path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("%w: %w", errDamaged, err)
	case errors.Is(err, errDamaged):
		return err
	case errors.Is(err, ErrNewer):
		release(db)
		return fmt.Errorf("open spool: %s: %w", s.path, err)
	case isSystemError(err):
		release(db)
		if !begun {
			// What was begun and does not fit would be taken for damaged.
			_ = os.Remove(s.path) // or there is nothing
		}
		return fmt.Errorf("open spool: %s: %w; give --spool a folder on a local disk that can be written, and the process room to map the file", s.path, err)
	}
	// bbolt has more words for a file that it cannot make sense of.
	return fmt.Errorf("%w: %w", errDamaged, err)
}

// isSystemError tells whether the system refused something, which says nothing
// about what is in the file. bbolt gives some of these bare (of flock, mmap).
func isSystemError(err error) bool {
	var path *os.PathError
	var call *os.SyscallError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &call) || errors.As(err, &number)
}

// verify makes the buckets, walks through every page, and counts what is there.
func (s *Spool) verify() error {
	return s.db.Update(func(tx *bolt.Tx) error {
		// bbolt does not notice that a file was cut off until it reads there.
		info, err := os.Stat(s.path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: it is %d bytes long and ought to be %d", errDamaged, info.Size(), tx.Size())
		}
		if err := checkPages(s.path, tx); err != nil {
			return err
		}
		if err := checkVersion(tx); err != nil {
			return err
		}
		for _, name := range [][]byte{bucketWindows(), bucketRefused(), bucketState()} {
			bucket, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			// What is under way when a fresh file is begun must never be taken
			// for something in it.
			if bucket.Sequence() == 0 {
				if err := bucket.SetSequence(max(uint64(time.Now().UnixNano()), s.last+1)); err != nil {
					return err
				}
			}
		}
		counted := false
		if stored := tx.Bucket(bucketState()).Get(keyCounts()); stored != nil {
			var data []byte
			if data, counted = unsealed(stored); !counted {
				data = stored // of version 1, without a checksum
			}
			if err := json.Unmarshal(data, &s.counts); err != nil {
				s.counts = Counts{}
				s.log.Error("the counts in the spool do not read: they begin at 0", "error", err)
			}
		}
		if err := tx.Bucket(bucketState()).Put(keyVersion(), sealed([]byte(version))); err != nil {
			return err
		}
		written := s.counts
		s.counts.Windows, s.counts.Refused, s.counts.Bytes = 0, 0, 0
		previous := []byte{}
		walk := func(count *int64) func(k, v []byte) error {
			return func(k, v []byte) error {
				if len(k) != 8 || bytes.Compare(k, previous) <= 0 {
					return fmt.Errorf("%w: its keys are out of order", errDamaged)
				}
				previous = append(previous[:0], k...)
				*count++
				s.counts.Bytes += size(v)
				return nil
			}
		}
		if err := tx.Bucket(bucketWindows()).ForEach(walk(&s.counts.Windows)); err != nil {
			return err
		}
		previous = previous[:0]
		if err := tx.Bucket(bucketRefused()).ForEach(walk(&s.counts.Refused)); err != nil {
			return err
		}
		// They are written with every change, so what is missing was there.
		if counted && (written.Windows != s.counts.Windows || written.Refused != s.counts.Refused) {
			return fmt.Errorf("%w: %d windows wait and %d are set aside in it, and ought to be %d and %d",
				errDamaged, s.counts.Windows, s.counts.Refused, written.Windows, written.Refused)
		}
		return nil
	})
}

func size(value []byte) int64 { return int64(len(value)) + perEntry }

// renew moves a damaged file aside and begins a fresh one.
func (s *Spool) renew(cause error) error {
	aside := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	s.log.Error("the spool file is damaged: it is moved aside and a fresh one is begun, with all of it that is whole",
		"file", aside, "error", cause)
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("open spool: move the damaged file aside: %w", err)
	}
	// The old file stays open and mapped until the process ends: to close what
	// is damaged may block or fail.
	before, damaged := s.counts, s.db
	s.counts = Counts{}
	if err := s.open(); err != nil {
		// Back to its place, so that the next try takes over what is whole.
		s.db, s.counts = damaged, before
		return fmt.Errorf("open spool: begin a fresh file: %w", errors.Join(err, os.Rename(aside, s.path)))
	}
	s.counts.Dropped, s.counts.RefusedEver, s.counts.DeliveredEver = before.Dropped, before.RefusedEver, before.DeliveredEver
	s.recover(aside, before)
	return nil
}

// update runs one durable transaction. Where the file turns out to be damaged,
// it begins a fresh one and runs the transaction there.
func (s *Spool) update(do func(tx *bolt.Tx, c *Counts) error) error {
	once := func() error {
		counts := s.counts
		s.leaving = nil
		err := guarded(func() error {
			return s.db.Update(func(tx *bolt.Tx) error {
				if err := do(tx, &counts); err != nil {
					return err
				}
				data, err := json.Marshal(counts)
				if err != nil {
					return err
				}
				return tx.Bucket(bucketState()).Put(keyCounts(), sealed(data))
			})
		})
		if err == nil {
			s.counts = counts
			for _, key := range s.leaving {
				s.log.Debug("window dropped", "key", key)
			}
		}
		return err
	}
	err := once()
	if errors.Is(err, errDamaged) {
		if err = s.renew(err); err == nil {
			err = once()
		}
	}
	return err
}

// Raise numbers a new session, above every one before, and makes it durable.
// The time in milliseconds is the least it can be, so that it rises even where
// the file that held the last one was lost.
func (s *Spool) Raise(now time.Time) (uint64, error) {
	return s.raise(func(last uint64) uint64 { return max(uint64(max(now.UnixMilli(), 1)), last+1) })
}

// raise makes a session durable that follows from the last one.
func (s *Spool) raise(next func(last uint64) uint64) (session uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.update(func(tx *bolt.Tx, _ *Counts) error {
		state := tx.Bucket(bucketState())
		stored := state.Get(keySession())
		last, ok := unsealed(stored)
		if ok && len(last) == 8 {
			session = next(binary.BigEndian.Uint64(last))
		} else if session = next(0); stored != nil {
			s.log.Error("the session in the spool does not read: the time is taken in its place", "session", session)
		}
		return state.Put(keySession(), sealed(binary.BigEndian.AppendUint64(nil, session)))
	})
	if err != nil {
		return 0, fmt.Errorf("raise session: %w", err)
	}
	return session, nil
}

// KeepAssignment keeps the last assignment and the tag that names it.
func (s *Spool) KeepAssignment(data []byte, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.update(func(tx *bolt.Tx, _ *Counts) error {
		state := tx.Bucket(bucketState())
		if err := state.Put(keyAssignment(), sealed(data)); err != nil {
			return err
		}
		return state.Put(keyTag(), []byte(tag))
	})
	if err != nil {
		return fmt.Errorf("keep assignment: %w", err)
	}
	return nil
}

// Assignment gives the assignment that was kept; nil if there is none.
func (s *Spool) Assignment() (data []byte, tag string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = guarded(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			state := tx.Bucket(bucketState())
			stored := state.Get(keyAssignment())
			if stored == nil {
				return nil
			}
			var ok bool
			if data, ok = unsealed(stored); !ok {
				return fmt.Errorf("%w: the assignment's checksum is wrong", errDamaged)
			}
			data, tag = bytes.Clone(data), string(state.Get(keyTag()))
			return nil
		})
	})
	if err != nil {
		return nil, "", fmt.Errorf("read the assignment kept: %w", err)
	}
	return data, tag, nil
}

// sealed puts a checksum before a value.
func sealed(value []byte) []byte {
	sum := sha256.Sum256(value)
	return append(sum[:], value...)
}

// unsealed checks and takes off the checksum.
func unsealed(stored []byte) ([]byte, bool) {
	if len(stored) < sha256.Size {
		return nil, false
	}
	value := stored[sha256.Size:]
	return value, sha256.Sum256(value) == [sha256.Size]byte(stored)
}

// Counts gives what is in the spool.
func (s *Spool) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Path is the spool's file.
func (s *Spool) Path() string { return s.path }

// Added is signalled when windows were put; several may share one signal.
func (s *Spool) Added() <-chan struct{} { return s.added }

// Close lets go of the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return guarded(s.db.Close)
}
