package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fibergauge/fibergauge/collector/store"
)

// maxReaders bounds the connections that read. A read holds one only while it
// fetches a page, so more callers than this wait, and none waits for another's
// loop body.
const maxReaders = 8

// A read is begun again when the file changed its state meanwhile, which a
// collector that starts or ends does a few times, and when it met the index of
// the log half written.
const (
	maxTurns  = 50
	turnPause = 5 * time.Millisecond
)

// Reader reads the file of a store, which a collector may be writing. It
// implements store.Reader and changes nothing, neither the file nor its folder.
//
// SQLite by itself makes a log and an index of it beside every file in WAL
// mode, for reading too: it could not read in a folder that may not be written,
// and elsewhere it would leave there what the collector, if it is another user,
// may not open. So where no log is, a Reader declares the file immutable, and
// looks before and after each read whether that was true.
type Reader struct {
	path    string
	file    fs.FileInfo
	follows bool // the pool follows the state of the file; a Store's need not

	mu    sync.Mutex // protects all following fields
	pool  *pool
	links map[linkKey]int64
	byID  map[int64]contextKey
}

var _ store.Reader = (*Reader)(nil)

func newReader(path string) *Reader {
	return &Reader{path: path, links: map[linkKey]int64{}, byID: map[int64]contextKey{}}
}

// OpenReader opens the file at path to read it, whoever owns it and wherever
// it stands, beside collectors that write it or without any.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, &FileError{path, "there is no such file; give the one that the collector writes"}
	case err != nil:
		return nil, &FileError{path, "cannot be read: " + err.Error()}
	case info.IsDir():
		return nil, &FileError{path, "is a folder; give the path of a file in it"}
	case info.Mode().IsRegular() && info.Size() == 0:
		return nil, &FileError{path, "the file is empty; give the one that the collector writes"}
	}
	// Of the effective user, and without opening it: closing would take this
	// process's other locks off the file.
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS); err != nil {
		return nil, &FileError{path, fmt.Sprintf("may not be read: %v; mend its permissions", err)}
	}
	s := newReader(path)
	s.file, s.follows = info, true
	if err := s.read(ctx, func(*pool) error { return nil }); err != nil {
		return nil, errors.Join(s.explain(ctx, "open", err), s.Close())
	}
	return s, nil
}

// Ready reads the file's header, and looks whether it is still in its place.
func (s *Reader) Ready(ctx context.Context) error {
	if err := s.inPlace(); err != nil {
		return fmt.Errorf("sqlite ready: %w", err)
	}
	err := s.read(ctx, func(p *pool) error {
		_, err := kindOf(ctx, p.db)
		return err
	})
	return s.explain(ctx, "ready", err)
}

// Close closes the file.
func (s *Reader) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		return nil
	}
	return s.pool.close()
}

// read calls do with connections that suit the file's present state. If that
// is another one afterwards, what do has read may belong to neither, and it is
// called again: so it sets anew all that it sets.
func (s *Reader) read(ctx context.Context, do func(*pool) error) error {
	if !s.follows {
		return do(s.pool)
	}
	var last error
	for range maxTurns {
		before, err := s.look()
		if err != nil {
			return err
		}
		p, err := s.suited(ctx, before)
		if err == nil {
			err = do(p)
		}
		after, lookErr := s.look()
		switch {
		case ctx.Err() != nil || lookErr != nil:
			return cmp.Or(ctx.Err(), lookErr)
		case after != before:
			last = fmt.Errorf("%s is changed without a log all the time; let only collectors write it", s.path)
		case err != nil && (isPassing(err) || !s.has(p)):
			last = err
			select {
			case <-ctx.Done():
			case <-time.After(turnPause):
			}
		default:
			return err
		}
	}
	return last
}

// has tells whether p is still in use, and was not closed under its reader's
// hands by another one that had seen another state.
func (s *Reader) has(p *pool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pool == p
}

// isPassing tells whether the index of the log was met half written. One that
// may write would wait for the collector's lock on it; one that may not is
// refused at once (walIndexReadHdr in SQLite's wal.c).
func isPassing(err error) bool {
	code := extendedCode(err)
	return code == sqlite3.SQLITE_READONLY_RECOVERY || code == sqlite3.SQLITE_READONLY_CANTINIT
}

// state of a file is how it has to be opened.
type state struct {
	log, index, journal bool // stand beside it
	// Of a file that has none of them, and so must not change.
	modifiedNS, size int64
}

func (s *Reader) look() (state, error) {
	if err := s.inPlace(); err != nil {
		return state{}, err
	}
	var now state
	log, index, journal := s.path+"-wal", s.path+"-shm", s.path+"-journal"
	_, now.index = size(index)
	n, there := size(log)
	now.log = there && (n > 0 || now.index)
	n, _ = size(journal)
	now.journal = n > 0
	if now.log || now.journal {
		return now, nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return state{}, err
	}
	return state{modifiedNS: info.ModTime().UnixNano(), size: info.Size()}, nil
}

func size(path string) (n int64, there bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return info.Size(), true
}

// suited gives connections for a state: those that are open, or new ones.
func (s *Reader) suited(ctx context.Context, now state) (*pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil && s.pool.state == now {
		return s.pool, nil
	}
	parameters := url.Values{"mode": {"ro"}}
	switch {
	case now.log && now.index:
		// Locks may be taken on an index that only its owner may write.
		parameters.Set("readonly_shm", "1")
	case now.log:
		if err := mayWrite(filepath.Dir(s.path)); err != nil {
			return nil, &FileError{s.path, fmt.Sprintf(`windows stand in its log, %s-wal, which cannot be read in a folder that may not be written (%v); copy it with: sqlite3 FILE ".backup COPY", as somebody who may write there, or give write permission to the folder`, s.path, err)}
		}
	case !now.journal:
		parameters.Set("immutable", "1")
	}
	next, err := openPool(ctx, s.path, parameters)
	if err != nil {
		return nil, err
	}
	next.state = now
	if s.pool != nil {
		// Reads that are under way there fail, and are begun again with this.
		err = s.pool.close()
	}
	s.pool = next
	return next, err
}

// mayWrite tells whether the effective user may write a file or folder.
func mayWrite(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS)
}

// pool is connections that read.
type pool struct {
	db    *sql.DB
	pages *pageConns
	state state // of the file, for which they were opened
}

func openPool(ctx context.Context, path string, parameters url.Values) (_ *pool, err error) {
	db, err := sql.Open("sqlite", dsn(path, parameters, fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	p := &pool{db: db, pages: newPageConns(dsn(path, parameters))}
	k, err := kindOf(ctx, db)
	if err == nil {
		err = k.known(path)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *pool) close() error { return errors.Join(p.pages.close(), p.db.Close()) }
