package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks a file as ours ("FGau"), so that another program's
// database is refused instead of being written into.
const applicationID = 0x46476175

// schemaVersion is kept in PRAGMA user_version. It rises whenever an older
// Fibergauge would misread the file, or leave out of it what this one relies
// on. Version 1 has no statements in its journal, no signing keys and no
// scratch: a Store adds them, a Reader takes the file as it is.
const schemaVersion = 2

// oldestVersion is the first that is still read and brought up to date.
const oldestVersion = 1

// schema keeps a bare window near 200 bytes: what repeats from window to window
// stands once in link and context, samples are raw bytes, and the groups that
// most windows lack are one column that is mostly NULL.
//
// windows is clustered by its key, so that a link's month is one range scan.
// The digest (16 bytes of the SHA-256 of the canonical bytes, enough that
// nobody can make two windows meet) is a part of the key: an equal window finds
// its row, a different one stands beside it.
const schema = schemaOf1 + addedBy2

const schemaOf1 = `
CREATE TABLE link (
	id   INTEGER PRIMARY KEY,
	src  TEXT NOT NULL,
	dst  TEXT NOT NULL,
	test TEXT NOT NULL,
	UNIQUE (src, dst, test)
) STRICT;

CREATE TABLE context (
	id            INTEGER PRIMARY KEY,
	src_cluster   TEXT NOT NULL,
	dst_cluster   TEXT NOT NULL,
	carrier       TEXT NOT NULL,
	plane         TEXT NOT NULL,
	method        TEXT NOT NULL,
	end_reason    TEXT NOT NULL,
	timestamps    TEXT NOT NULL,
	clock         TEXT NOT NULL,
	origin        TEXT NOT NULL,
	mesh_sha256   TEXT NOT NULL,
	probe_version TEXT NOT NULL,
	UNIQUE (src_cluster, dst_cluster, carrier, plane, method, end_reason, timestamps, clock, origin, mesh_sha256, probe_version)
) STRICT;

CREATE TABLE windows (
	link                INTEGER NOT NULL REFERENCES link,
	start_ms            INTEGER NOT NULL,
	session             INTEGER NOT NULL,
	digest              BLOB    NOT NULL,
	admitted_ms         INTEGER NOT NULL,
	context             INTEGER NOT NULL REFERENCES context,
	length_ms           INTEGER NOT NULL,
	scheduled           INTEGER NOT NULL,
	sent                INTEGER NOT NULL,
	received            INTEGER NOT NULL,
	lost                INTEGER NOT NULL,
	late                INTEGER NOT NULL,
	duplicate           INTEGER NOT NULL,
	send_error          INTEGER NOT NULL,
	unstamped           INTEGER NOT NULL,
	rtts                BLOB    NOT NULL,
	min_us              INTEGER,
	mean_us             REAL,
	p50_us              INTEGER,
	p95_us              INTEGER,
	p99_us              INTEGER,
	max_us              INTEGER,
	ipdv_mean_us        REAL,
	ipdv_max_us         INTEGER,
	ttl_min             INTEGER,
	ttl_max             INTEGER,
	ttl_changes         INTEGER,
	clock_max_error_us  INTEGER NOT NULL,
	clock_frequency_ppb INTEGER NOT NULL,
	extra               TEXT,
	PRIMARY KEY (link, start_ms, session, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
	seq         INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms       INTEGER NOT NULL,
	site        TEXT NOT NULL,
	batch       TEXT NOT NULL,
	mesh_sha256 TEXT NOT NULL,
	signature   TEXT,
	windows     INTEGER NOT NULL,
	UNIQUE (at_ms, site, batch)
) STRICT;

CREATE TABLE span (
	seq      INTEGER NOT NULL REFERENCES journal,
	link     INTEGER NOT NULL REFERENCES link,
	first_ms INTEGER NOT NULL,
	last_ms  INTEGER NOT NULL,
	windows  INTEGER NOT NULL,
	PRIMARY KEY (seq, link)
) STRICT, WITHOUT ROWID;

CREATE TABLE mesh (
	sha256         TEXT PRIMARY KEY,
	served_from_ms INTEGER NOT NULL,
	bytes          BLOB NOT NULL
) STRICT;

CREATE VIEW rtt AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%fZ', start_ms / 1000.0, 'unixepoch') AS time,
	src, dst, src_cluster, dst_cluster, carrier, plane, test, method,
	start_ms, start_ms + length_ms AS end_ms, session, end_reason,
	scheduled, sent, received, lost, late, duplicate, send_error, unstamped,
	min_us, mean_us, p50_us, p95_us, p99_us, max_us,
	ipdv_mean_us, ipdv_max_us, ttl_min, ttl_max, ttl_changes,
	timestamps, clock, clock_max_error_us, clock_frequency_ppb,
	origin, mesh_sha256, probe_version, admitted_ms,
	NOT EXISTS (
		SELECT 1 FROM windows AS other
		WHERE other.link = w.link AND other.start_ms = w.start_ms AND other.session = w.session
		AND (other.admitted_ms, other.digest) < (w.admitted_ms, w.digest)
	) AS counts
FROM windows AS w
JOIN link ON link.id = w.link
JOIN context ON context.id = w.context;
`

// addedBy2: statement holds the digests of a batch, 32 bytes each, and is NULL
// in entries of before. scratch has one row, for Ready to try a write on.
const addedBy2 = `
ALTER TABLE journal ADD COLUMN statement BLOB;

CREATE TABLE signing_key (
	site        TEXT NOT NULL,
	key         BLOB NOT NULL,
	enrolled_ms INTEGER NOT NULL,
	revoked_ms  INTEGER,
	PRIMARY KEY (site, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE scratch (
	id       INTEGER PRIMARY KEY,
	tried_ms INTEGER NOT NULL
) STRICT;
`

// prepareFile makes the tables in a new file, adds what one of an older
// Fibergauge lacks, and refuses a file of another program or of a newer
// Fibergauge.
func prepareFile(ctx context.Context, path string, writer *sql.DB) error {
	return immediately(ctx, writer, func(tx *sql.Tx) error {
		k, err := kindOf(ctx, tx)
		if err != nil {
			return err
		}
		if k == (kind{}) {
			_, err := tx.ExecContext(ctx, fmt.Sprintf(
				"%s; PRAGMA application_id = %d; PRAGMA user_version = %d", schema, applicationID, schemaVersion))
			return err
		}
		if err := k.known(path); err != nil || k.version == schemaVersion {
			return err
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version = %d", addedBy2, schemaVersion))
		return err
	})
}

// kind is what a file says of itself; zero if nothing was made in it.
type kind struct{ application, version, objects int }

func kindOf(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (kind, error) {
	var k kind
	err := db.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&k.application, &k.version, &k.objects)
	return k, err
}

// known refuses a file of another program or of a schema that cannot be read.
func (k kind) known(path string) error {
	switch {
	case k.application != applicationID:
		return foreign(path)
	case k.version > schemaVersion:
		return &FileError{path, fmt.Sprintf("was written by a newer Fibergauge (schema %d, this one knows %d); upgrade this program", k.version, schemaVersion)}
	case k.version < oldestVersion:
		return &FileError{path, fmt.Sprintf("has schema %d, which this Fibergauge does not know; give another path", k.version)}
	}
	return nil
}
