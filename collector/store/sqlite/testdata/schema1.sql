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
PRAGMA application_id = 1179083125;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
