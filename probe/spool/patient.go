package spool

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Pauses between two tries to open a spool.
const (
	firstTry   = time.Second
	longestTry = time.Minute
)

// Patient is a spool whose disk may not be ready: until it can be opened it
// takes no windows and gives none, but numbers sessions and remembers the
// assignment, so that measuring can go on. It is safe for concurrent use.
type Patient struct {
	dir   string
	log   *slog.Logger
	since time.Time
	added chan struct{} // capacity 1
	again func() (*Spool, error)

	mu         sync.Mutex // protects all following fields
	spool      *Spool     // nil: not open yet
	why        error      // it is not
	session    uint64     // given out last, or by the probe before
	raised     bool       // a session was given out
	assignment []byte
	tag        string
	unkept     bool // the assignment came in since
}

// OpenPatiently opens the spool in a folder as Open does. Where its disk is full
// or cannot be read or written it says so and gives a spool that Run opens later;
// other errors it returns.
func OpenPatiently(dir string, limit int64, log *slog.Logger) (*Patient, error) {
	p := &Patient{dir: dir, log: log, since: time.Now(), added: make(chan struct{}, 1)}
	p.again = func() (*Spool, error) { return Open(dir, limit, log) }
	s, err := p.again()
	if err == nil {
		p.spool = s
		return p, nil
	}
	if !mayPass(err) {
		return nil, err
	}
	if err := p.peek(); errors.Is(err, ErrNewer) || errors.Is(err, ErrInUse) {
		return nil, err
	} else if err != nil {
		log.Debug("what is in the spool cannot be read", "error", err)
	}
	p.complain(err)
	return p, nil
}

// mayPass tells whether an error is one of the disk, of the rights on it or of
// the machine, which may be mended while the probe runs. All others are of how
// the probe was set up: to wait would help nobody.
func mayPass(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return true
	}
	for _, number := range []syscall.Errno{
		syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE,
		syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func (p *Patient) complain(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil || p.why.Error() != err.Error() {
		p.log.Error("the spool cannot be opened: measuring goes on, and windows wait in memory until it can; mend the disk or the rights of the folder, the probe tries again by itself",
			"error", err)
	}
	p.why = err
}

// peek reads what a spool that cannot be written knows: the session and the
// assignment.
func (p *Patient) peek() error {
	if !Exists(p.dir) {
		return nil
	}
	path := filepath.Join(p.dir, fileName)
	var db *bolt.DB
	err := guarded(func() (err error) {
		if db, err = bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout}); err != nil {
			return err
		}
		return db.View(func(tx *bolt.Tx) error {
			if err := checkVersion(tx); err != nil {
				return err
			}
			state := tx.Bucket(bucketState())
			if state == nil {
				return nil
			}
			if last, ok := unsealed(state.Get(keySession())); ok && len(last) == 8 {
				p.session = binary.BigEndian.Uint64(last)
			}
			if data, ok := unsealed(state.Get(keyAssignment())); ok {
				p.assignment, p.tag = bytes.Clone(data), string(state.Get(keyTag()))
			}
			return nil
		})
	})
	release(db)
	if errors.Is(err, bolterrors.ErrTimeout) {
		return inUse(path)
	}
	if err != nil {
		return fmt.Errorf("open spool: %s: %w", path, err)
	}
	return nil
}

// Run tries to open the spool, ever less often, until it is open or the context
// ends. An error is one that no waiting mends.
func (p *Patient) Run(ctx context.Context) error {
	for pause := firstTry; p.Trouble() != nil; pause = min(2*pause, longestTry) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := p.try(); err != nil {
			return err
		}
	}
	return nil
}

// try tries once. An error is one that no waiting mends.
func (p *Patient) try() error {
	s, err := p.again()
	if err == nil {
		if err = p.adopt(s); err == nil {
			return nil
		}
		release(s.db)
	}
	if !mayPass(err) {
		return err
	}
	p.complain(err)
	return nil
}

// adopt makes durable in a spool that has opened what was remembered meanwhile.
func (p *Patient) adopt(s *Spool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.raised {
		if _, err := s.raise(func(last uint64) uint64 { return max(p.session, last) }); err != nil {
			return err
		}
	}
	if p.unkept {
		if err := s.KeepAssignment(p.assignment, p.tag); err != nil {
			return err
		}
	}
	p.spool, p.why, p.assignment = s, nil, nil
	p.log.Info("the spool is open", "spool", s.Path(), "waiting", s.Counts().Windows, "after", time.Since(p.since).Round(time.Second))
	select {
	case p.added <- struct{}{}:
	default:
	}
	return nil
}

// opened gives the spool, or why it is not open.
func (p *Patient) opened() (*Spool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spool, p.why
}

// Trouble is why the spool is not open; nil where it is.
func (p *Patient) Trouble() error {
	_, why := p.opened()
	return why
}

// Put makes windows durable; see Spool.Put.
func (p *Patient) Put(windows []wire.Window) error {
	s, why := p.opened()
	if s == nil {
		return why
	}
	return s.Put(windows)
}

// Raise numbers a new session; see Spool.Raise. One that is not durable yet is
// above all that this process knows of, and recorded when the spool opens.
func (p *Patient) Raise(now time.Time) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spool != nil {
		return p.spool.Raise(now)
	}
	p.session, p.raised = max(uint64(max(now.UnixMilli(), 1)), p.session+1), true
	return p.session, nil
}

// Oldest gives windows; see Spool.Oldest.
func (p *Patient) Oldest(windows, size int) ([]Entry, error) {
	s, _ := p.opened()
	if s == nil {
		return nil, nil
	}
	return s.Oldest(windows, size)
}

// Settle takes windows out; see Spool.Settle.
func (p *Patient) Settle(delivered []uint64, refused map[uint64]Refused) error {
	s, why := p.opened()
	if s == nil {
		return why
	}
	return s.Settle(delivered, refused)
}

// KeepAssignment keeps an assignment: on disk, or in memory until it can be.
func (p *Patient) KeepAssignment(data []byte, tag string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spool != nil {
		return p.spool.KeepAssignment(data, tag)
	}
	p.assignment, p.tag, p.unkept = bytes.Clone(data), tag, true
	return nil
}

// Assignment gives the assignment that was kept; see Spool.Assignment.
func (p *Patient) Assignment() (data []byte, tag string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spool != nil {
		return p.spool.Assignment()
	}
	return p.assignment, p.tag, nil
}

// Counts gives what is in the spool; nothing while it is not open.
func (p *Patient) Counts() Counts {
	s, _ := p.opened()
	if s == nil {
		return Counts{}
	}
	return s.Counts()
}

// Path is the spool's file.
func (p *Patient) Path() string { return filepath.Join(p.dir, fileName) }

// Added is signalled when windows were put, and when the spool opens.
func (p *Patient) Added() <-chan struct{} {
	s, _ := p.opened()
	if s == nil {
		return p.added
	}
	return s.Added()
}

// Close lets go of the file, if it is open.
func (p *Patient) Close() error {
	s, _ := p.opened()
	if s == nil {
		return nil
	}
	return s.Close()
}
