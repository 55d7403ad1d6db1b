package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Windows reads page by page in the order of the table.
func (s *Reader) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var same []row // rows of the key that is being read
		for r, err := range s.rows(ctx, q) {
			if err != nil {
				yield(store.Record{}, s.explain(ctx, "read windows", err))
				return
			}
			if len(same) > 0 && same[0].window.Key != r.window.Key {
				if !yield(record(same), nil) {
					return
				}
				same = same[:0]
			}
			same = append(same, *r)
		}
		if len(same) > 0 {
			yield(record(same), nil)
		}
	}
}

// record puts the rows of one key in the order of their admission.
func record(same []row) store.Record {
	if len(same) > 1 {
		slices.SortFunc(same, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.admittedMS, b.admittedMS), bytes.Compare(a.digest, b.digest))
		})
	}
	r := store.Record{Window: same[0].window}
	for _, other := range same[1:] {
		r.Conflicts = append(r.Conflicts, other.window)
	}
	return r
}

// rows yields every row of a range in the order of the table. A row is valid
// until the next.
func (s *Reader) rows(ctx context.Context, q store.Query) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		link, err := s.findLink(ctx, linkKey{q.Src, q.Dst, q.Test})
		if err != nil {
			if !errors.Is(err, sql.ErrNoRows) {
				yield(nil, err)
			}
			return
		}
		page, after := &page{}, place{startMS: q.FromMS, session: -1}
		for {
			if err := s.fetch(ctx, page, q, link, after); err != nil {
				yield(nil, err)
				return
			}
			for i := range page.rows {
				if err := ctx.Err(); err != nil {
					yield(nil, err)
					return
				}
				if !yield(&page.rows[i], nil) {
					return
				}
			}
			if len(page.rows) < pageRows {
				return
			}
			after = page.rows[pageRows-1].place()
		}
	}
}

// findLink gives the number of a link; sql.ErrNoRows if nothing of it was ever
// stored.
func (s *Reader) findLink(ctx context.Context, k linkKey) (int64, error) {
	s.mu.Lock()
	id, known := s.links[k]
	s.mu.Unlock()
	if known {
		return id, nil
	}
	err := s.read(ctx, func(p *pool) error {
		return p.db.QueryRowContext(ctx, "SELECT id FROM link WHERE (src, dst, test) = (?,?,?)", k.src, k.dst, k.test).Scan(&id)
	})
	if err == nil {
		s.mu.Lock()
		s.links[k] = id
		s.mu.Unlock()
	}
	return id, err
}

// fetch fills page with what follows a place in the table. A context that ends
// does not stop it: a page takes milliseconds, and the caller asks the context
// at each row.
func (s *Reader) fetch(ctx context.Context, page *page, q store.Query, link int64, after place) error {
	err := s.read(ctx, func(p *pool) error {
		return p.pages.with(func(conn *sqlite.Conn) error { return page.fetch(conn, q, link, after) })
	})
	if err != nil {
		return err
	}
	// Only now, with the connection given back: readers that each held one and
	// waited for another would wait for ever.
	var texts contextKey
	for i := range page.rows {
		r := &page.rows[i]
		if i == 0 || r.context != page.rows[i-1].context {
			if texts, err = s.findContext(ctx, r.context); err != nil {
				return fmt.Errorf("window %s: context %d: %w", r.window.Key, r.context, err)
			}
		}
		texts.fill(&r.window)
	}
	return nil
}

// findContext gives the texts of a number.
func (s *Reader) findContext(ctx context.Context, id int64) (contextKey, error) {
	s.mu.Lock()
	k, known := s.byID[id]
	s.mu.Unlock()
	if known {
		return k, nil
	}
	err := s.read(ctx, func(p *pool) error {
		return p.db.QueryRowContext(ctx, "SELECT "+contextColumns+" FROM context WHERE id = ?", id).Scan(
			&k.srcCluster, &k.dstCluster, &k.carrier, &k.plane, &k.method,
			&k.endReason, &k.timestamps, &k.clock, &k.origin, &k.meshSHA256, &k.probeVersion)
	})
	if err == nil {
		s.mu.Lock()
		s.byID[id] = k
		s.mu.Unlock()
	}
	return k, err
}

// fill writes the texts into their window.
func (k *contextKey) fill(w *wire.Window) {
	w.SrcCluster, w.DstCluster, w.Carrier, w.Plane, w.Method = k.srcCluster, k.dstCluster, k.carrier, k.plane, k.method
	w.EndReason, w.Timestamps, w.Clock.State, w.Origin = k.endReason, k.timestamps, k.clock, k.origin
	w.MeshSHA256, w.ProbeVersion = k.meshSHA256, k.probeVersion
}
