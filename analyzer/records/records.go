// Package records keeps day records in a file, so that a report reads each day's
// windows once. The days come from package latency, which makes them, and go
// back there; what spoils them comes from the journal of the store.
//
// The file is a cache: whoever deletes it loses nothing but time. It belongs to
// one store, knows how far it has read that store's journal, and forgets every
// day of which windows were stored since. Several programs may use one file at
// once.
package records

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of database/sql

	"github.com/fibergauge/fibergauge/collector/store"
)

// Journal is what spoils days; every store.Store has one.
type Journal interface {
	Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error]
}

// Cache is the file.
type Cache struct {
	db      *sql.DB
	journal Journal
	log     *slog.Logger
}

// formatVersion rises when this program would misread an older file; such a
// file is begun anew.
const formatVersion = 5

const schema = `
CREATE TABLE IF NOT EXISTS day (
	id INTEGER PRIMARY KEY,
	src TEXT NOT NULL, dst TEXT NOT NULL, test TEXT NOT NULL,
	from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
	circumstances BLOB NOT NULL,
	touched INTEGER NOT NULL, -- generation in which windows of it were last heard of, or it was reserved
	record BLOB,              -- NULL: to be made
	UNIQUE (src, dst, test, from_ms, to_ms)
);
-- The histograms of the hours, which few reports ask for; of the record that
-- was saved with it.
CREATE TABLE IF NOT EXISTS hours (
	day INTEGER PRIMARY KEY REFERENCES day,
	bins BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS state (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	generation INTEGER NOT NULL, -- times that the journal was read
	first TEXT NOT NULL,         -- fingerprint of the journal's first entry
	before TEXT NOT NULL,        -- cursor behind which the last entry stands
	last TEXT NOT NULL           -- fingerprint of the last entry that was read
);
INSERT OR IGNORE INTO state VALUES (1, 0, '', '', '');
PRAGMA user_version = %d;`

// File is where the day records of a store are kept in a folder. spec names
// the store as --store does; two stores never share a file.
func File(folder, spec string) string {
	sum := sha256.Sum256([]byte(spec))
	return filepath.Join(folder, "days-"+hex.EncodeToString(sum[:8])+".db")
}

// Open opens the file, or begins it. A file that is damaged or of another
// version is begun anew.
func Open(ctx context.Context, file string, journal Journal, log *slog.Logger) (*Cache, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("open day records: %w", err)
	}
	c := &Cache{journal: journal, log: log}
	err := c.open(ctx, file)
	if err != nil && ctx.Err() == nil {
		broken := err
		if err = remove(file); err == nil {
			err = c.open(ctx, file)
		}
		if err == nil {
			log.Warn("the day records could not be used and were begun anew; nothing is lost", "file", file, "error", broken)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open day records %s: %w", file, err)
	}
	return c, nil
}

var errOtherVersion = errors.New("they are of another version of this program")

func (c *Cache) open(ctx context.Context, file string) error {
	query := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return err
	}
	version := 0
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	switch {
	case err != nil:
	case version != 0 && version != formatVersion:
		err = errOtherVersion
	case version == 0:
		_, err = db.ExecContext(ctx, fmt.Sprintf(schema, formatVersion))
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	c.db = db
	return nil
}

// remove deletes the file and what SQLite keeps beside it.
func remove(file string) error {
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (c *Cache) Close() error { return c.db.Close() }

// fingerprint tells an entry of the journal from those of another store that
// stands where this one stood.
func fingerprint(e *store.Entry) string {
	return fmt.Sprintf("%s %s %s", e.At.UTC().Format(time.RFC3339Nano), e.Site, e.Batch)
}
