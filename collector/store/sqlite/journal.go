package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// journalPage is how many entries are fetched at once.
const journalPage = 256

// Journal yields entries in the order of their storing. SQLite has one writer
// at a time over all processes, so a number once seen is never preceded by one
// that appears later, whatever the collectors' clocks say.
func (s *Reader) Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		seq, err := parseCursor(after)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			var page []store.Entry
			var last int64
			err := s.read(ctx, func(p *pool) (err error) {
				page, last, err = p.entries(ctx, seq)
				return err
			})
			if err != nil {
				yield(store.Entry{}, s.explain(ctx, "read journal", err))
				return
			}
			for _, e := range page {
				if err := ctx.Err(); err != nil {
					yield(store.Entry{}, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if len(page) < journalPage {
				return
			}
			seq = last
		}
	}
}

func parseCursor(c store.Cursor) (int64, error) {
	if c == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(string(c), 10, 64)
	if err != nil || seq < 0 {
		return 0, fmt.Errorf("sqlite read journal: %.40q is no cursor of this store; start from the beginning", string(c))
	}
	return seq, nil
}

// entries reads one page in one snapshot, and the number of
// its last entry.
func (p *pool) entries(ctx context.Context, after int64) (page []store.Entry, last int64, err error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback() // nothing was written
	// Asked each time, because a collector may bring the file up to date at any.
	k, err := kindOf(ctx, tx)
	if err != nil {
		return nil, 0, err
	}
	statement := "statement"
	if k.version < 2 {
		statement = "NULL"
	}
	rows, err := tx.QueryContext(ctx, `SELECT seq, at_ms, site, batch, mesh_sha256, signature, windows, `+statement+`
		FROM journal WHERE seq > ? ORDER BY seq LIMIT ?`, after, journalPage)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	at := map[int64]int{} // place in page by number
	for rows.Next() {
		var e store.Entry
		var atMS int64
		var signature sql.NullString
		var statement []byte
		if err := rows.Scan(&last, &atMS, &e.Site, &e.Batch, &e.MeshSHA256, &signature, &e.Windows, &statement); err != nil {
			return nil, 0, err
		}
		if signature.Valid {
			e.Signature = new(wire.Signature)
			if err := json.Unmarshal([]byte(signature.String), e.Signature); err != nil {
				return nil, 0, fmt.Errorf("entry %d: signature: %w", last, err)
			}
		}
		if e.Statement, err = store.UnpackStatement(statement); err != nil {
			return nil, 0, fmt.Errorf("entry %d: %w", last, err)
		}
		e.At = time.UnixMilli(atMS).UTC()
		e.Cursor = store.Cursor(strconv.FormatInt(last, 10))
		at[last] = len(page)
		page = append(page, e)
	}
	if err := rows.Err(); err != nil || len(page) == 0 {
		return nil, 0, err
	}
	return page, last, fillSpans(ctx, tx, page, at, after, last)
}

// fillSpans adds the spans of the entries in (after, last].
func fillSpans(ctx context.Context, tx *sql.Tx, page []store.Entry, at map[int64]int, after, last int64) error {
	rows, err := tx.QueryContext(ctx, `SELECT seq, src, dst, test, first_ms, last_ms, windows
		FROM span JOIN link ON link.id = span.link WHERE seq > ? AND seq <= ?`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var span store.Span
		if err := rows.Scan(&seq, &span.Src, &span.Dst, &span.Test, &span.FirstMS, &span.LastMS, &span.Windows); err != nil {
			return err
		}
		// Of an entry that was removed by hand nothing may go to another.
		if i, known := at[seq]; known {
			page[i].Spans = append(page[i].Spans, span)
		}
	}
	for i := range page {
		slices.SortFunc(page[i].Spans, func(a, b store.Span) int {
			return cmp.Or(cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
		})
	}
	return rows.Err()
}

// PutMesh archives a version once.
func (s *Store) PutMesh(ctx context.Context, m store.MeshVersion) error {
	if !wire.IsDigest(m.SHA256) {
		return fmt.Errorf("sqlite put mesh: %w: %.80q is not a SHA-256 in hex", store.ErrPermanent, m.SHA256)
	}
	content := m.Bytes
	if content == nil {
		content = []byte{}
	}
	err := immediately(ctx, s.writer, func(tx *sql.Tx) error {
		if err := s.inPlace(); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO mesh (sha256, served_from_ms, bytes) VALUES (?,?,?)
			ON CONFLICT DO UPDATE SET served_from_ms = excluded.served_from_ms WHERE excluded.served_from_ms < served_from_ms`,
			m.SHA256, m.ServedFrom.UnixMilli(), content)
		return err
	})
	return s.explain(ctx, "put mesh", err)
}

// Meshes lists the archive.
func (s *Reader) Meshes(ctx context.Context) ([]store.MeshVersion, error) {
	var versions []store.MeshVersion
	err := s.read(ctx, func(p *pool) (err error) {
		versions, err = p.meshes(ctx)
		return err
	})
	return versions, s.explain(ctx, "read meshes", err)
}

func (p *pool) meshes(ctx context.Context) ([]store.MeshVersion, error) {
	rows, err := p.db.QueryContext(ctx, "SELECT sha256, served_from_ms, bytes FROM mesh ORDER BY served_from_ms, sha256")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var versions []store.MeshVersion
	for rows.Next() {
		var m store.MeshVersion
		var servedFromMS int64
		if err := rows.Scan(&m.SHA256, &servedFromMS, &m.Bytes); err != nil {
			return nil, err
		}
		m.ServedFrom = time.UnixMilli(servedFromMS).UTC()
		versions = append(versions, m)
	}
	return versions, rows.Err()
}
