// Package sqlite keeps windows in one SQLite file: the embedded store, pure Go
// and without set-up, for a newcomer and a small mesh. The collector writes it
// while the analyzer reads it, from the same process or another one.
//
// The file is in WAL mode with full synchronisation: a Put that returned is on
// the disk. One connection writes, because SQLite has one writer at a time
// anyway and a queue in front of it is fairer than its busy loop.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"

	"github.com/fibergauge/fibergauge/collector/store"
)

// FileError says that a path is not one that this store can use; another try
// will meet the same.
type FileError struct {
	Path string
	Msg  string // what is wrong and what to do
}

// Error gives "path: message".
func (e *FileError) Error() string { return e.Path + ": " + e.Msg }

// Store keeps windows in one file. It implements store.Store.
type Store struct {
	*Reader
	writer *sql.DB   // one connection
	insert *sql.Stmt // of writer

	// contexts is protected by Reader.mu.
	contexts map[contextKey]int64

	trying sync.Mutex // protects the following field; held while a row is written
	tried  trial
}

var _ store.Store = (*Store)(nil)

// Open opens the file at path to write and read it, and makes it and its folder
// where they are missing.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	if err := makeFolder(path); err != nil {
		return nil, err
	}
	if err := leaveForeign(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		log.Info("making a new SQLite store", "path", path)
	}
	s := &Store{Reader: newReader(path), contexts: map[contextKey]int64{}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.explain(ctx, "open", err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	// The driver's own waiting cannot be cancelled, so it is short and
	// immediately repeats it.
	if s.writer, err = sql.Open("sqlite", dsn(s.path, nil, "busy_timeout(100)", "journal_mode(WAL)", "synchronous(FULL)")+"&_txlock=immediate"); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := prepareFile(ctx, s.path, s.writer); err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err != nil {
		return err
	}
	if s.pool, err = openPool(ctx, s.path, nil); err != nil {
		return err
	}
	s.insert, err = s.writer.PrepareContext(ctx, insertWindow)
	return err
}

// dsn names the file as a URI, in which any character of a path can stand.
func dsn(path string, parameters url.Values, pragmas ...string) string {
	query := url.Values{"_pragma": pragmas}
	maps.Copy(query, parameters)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.insert != nil {
		errs = append(errs, s.insert.Close())
	}
	errs = append(errs, s.Reader.Close())
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// Bounds on waiting for another process that writes.
const (
	busyPause = 20 * time.Millisecond
	busyLimit = 10 * time.Second
)

// immediately runs do in a transaction that holds the write lock from its
// beginning, and waits for the lock as long as ctx and busyLimit allow.
func immediately(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	deadline := time.Now().Add(busyLimit)
	for {
		err := transaction(ctx, db, do)
		if code(err) != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(busyPause):
		}
	}
}

func transaction(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

// ignoreDone hides that a cancelled context has rolled back already.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// code is the primary result code of SQLite in err; 0 if there is none.
func code(err error) int { return extendedCode(err) & 0xff }

// extendedCode is the result code in err, whichever of the two ways to SQLite
// it came.
func extendedCode(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code()
	}
	if result := sqlite.ErrCode(err); result != sqlite.ResultError { // which it gives for whatever is not its own
		return int(result)
	}
	return 0
}

// explain turns an error of the driver into the contract's terms.
func (s *Reader) explain(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		// Whatever the driver says of a transaction that was rolled back under
		// its hands, this is why.
		return fmt.Errorf("sqlite %s: %w", operation, ctx.Err())
	}
	if _, ok := errors.AsType[*FileError](err); ok {
		return err
	}
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		return &FileError{s.path, "is not an SQLite database; give another path"}
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("sqlite %s: another process has held %s locked for %s; try again: %w", operation, s.path, busyLimit, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		if s.follows {
			return fmt.Errorf("sqlite %s: %s may not be read; mend its permissions and those of %s-wal and %s-shm: %w", operation, s.path, s.path, s.path, err)
		}
		return fmt.Errorf("sqlite %s: %s or its folder may not be written; mend the permissions: %w", operation, s.path, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("sqlite %s: the disk of %s is full; make room: %w", operation, s.path, err)
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return fmt.Errorf("sqlite %s: %w: %w", operation, store.ErrPermanent, err)
	}
	return fmt.Errorf("sqlite %s: %w", operation, err)
}
