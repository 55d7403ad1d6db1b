package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// pageRows is how many rows are fetched at once. Between two pages no
// connection is held, so that a slow reader holds up neither the checkpoint of
// the write-ahead log nor other readers.
const pageRows = 1024

const selectPage = `SELECT
	start_ms, session, digest, admitted_ms, context, length_ms,
	scheduled, sent, received, lost, late, duplicate, send_error, unstamped,
	rtts, min_us, mean_us, p50_us, p95_us, p99_us, max_us,
	ipdv_mean_us, ipdv_max_us, ttl_min, ttl_max, ttl_changes,
	clock_max_error_us, clock_frequency_ppb, extra
FROM windows
WHERE link = ? AND (start_ms, session, digest) > (?,?,?) AND start_ms < ?
ORDER BY start_ms, session, digest LIMIT ?`

// row is a window with what orders it among those of its key.
type row struct {
	window     wire.Window
	digest     []byte
	admittedMS int64
}

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
			same = append(same, r)
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

// rows yields every row of a range in the order of the table.
func (s *Reader) rows(ctx context.Context, q store.Query) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(row{}, err)
			return
		}
		link, err := s.findLink(ctx, linkKey{q.Src, q.Dst, q.Test})
		if err != nil {
			if !errors.Is(err, sql.ErrNoRows) {
				yield(row{}, err)
			}
			return
		}
		startMS, session, digest := q.FromMS, int64(-1), []byte{}
		page := make([]row, 0, 64)
		for {
			page, err = s.fetch(ctx, page, q, link, startMS, session, digest)
			if err != nil {
				yield(row{}, err)
				return
			}
			for i := range page {
				if err := ctx.Err(); err != nil {
					yield(row{}, err)
					return
				}
				if !yield(page[i], nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
			last := &page[len(page)-1]
			startMS, session, digest = last.window.StartMS, int64(last.window.Session), last.digest
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

// fetch fills page with what follows a place in the table.
func (s *Reader) fetch(ctx context.Context, page []row, q store.Query, link, startMS, session int64, digest []byte) ([]row, error) {
	var contexts []int64
	err := s.read(ctx, func(p *pool) (err error) {
		page, contexts, err = p.fetchRows(ctx, page[:0], q, link, startMS, session, digest)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Only now, with the rows' connection given back: readers that each held
	// one and waited for another would wait for ever.
	for i, id := range contexts {
		if err := s.fillContext(ctx, &page[i].window, id); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// fetchRows is fetch without the texts, for which it gives the numbers of the
// contexts.
func (p *pool) fetchRows(ctx context.Context, page []row, q store.Query, link, startMS, session int64, digest []byte) (_ []row, contexts []int64, err error) {
	// A context that can end costs the driver a goroutine a row; a page takes
	// milliseconds, and the caller asks the context at each row.
	rows, err := p.page.QueryContext(context.WithoutCancel(ctx), link, startMS, session, digest, q.ToMS, pageRows)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	// Scanning into any is the one way through database/sql that does not
	// reflect on each value.
	var values [29]any
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		page = append(page, row{})
		r := &page[len(page)-1]
		r.window.Key = wire.Key{Src: q.Src, Dst: q.Dst, Test: q.Test}
		contextID, err := r.fill(&values)
		if err != nil {
			return nil, nil, err
		}
		contexts = append(contexts, contextID)
	}
	return page, contexts, rows.Err()
}

// fill takes the columns of selectPage and gives the number of the context.
func (r *row) fill(values *[29]any) (contextID int64, err error) {
	c := columns{values: values[:]}
	w := &r.window
	w.StartMS = c.int()
	w.Session = uint64(c.int())
	r.digest = c.bytes()
	r.admittedMS = c.int()
	contextID = c.int()
	w.EndMS = w.StartMS + c.int()
	w.Counts = wire.Counts{
		Scheduled: c.uint32(), Sent: c.uint32(), Received: c.uint32(), Lost: c.uint32(),
		Late: c.uint32(), Duplicate: c.uint32(), SendError: c.uint32(), Unstamped: c.uint32(),
	}
	w.RTTs = c.bytes()
	if !c.skipAbsent(6) {
		w.Stats = &wire.Stats{
			MinUS: c.uint32(), MeanUS: c.float(),
			P50US: c.uint32(), P95US: c.uint32(), P99US: c.uint32(), MaxUS: c.uint32(),
		}
	}
	if !c.skipAbsent(2) {
		w.IPDV = &wire.IPDV{MeanUS: c.float(), MaxUS: c.uint32()}
	}
	if !c.skipAbsent(3) {
		w.ReplyTTL = &wire.ReplyTTL{Min: uint8(c.int()), Max: uint8(c.int()), Changes: c.uint32()}
	}
	w.Clock.MaxErrorUS = c.int()
	w.Clock.FrequencyPPB = c.int()
	if !c.skipAbsent(1) {
		var e extra
		if err := json.Unmarshal([]byte(c.text()), &e); err != nil {
			return 0, fmt.Errorf("window %s: extra: %w", w.Key, err)
		}
		w.STAMP, w.OneWay, w.Path, w.Summary = e.STAMP, e.OneWay, e.Path, e.Summary
	}
	if c.wrong {
		return 0, fmt.Errorf("window %s: a column does not hold its type", w.Key)
	}
	return contextID, nil
}

// columns takes typed values off a row one after the other.
type columns struct {
	values []any
	wrong  bool // a value was not of its column's type
}

func take[T any](c *columns) T {
	v, ok := c.values[0].(T)
	c.values = c.values[1:]
	c.wrong = c.wrong || !ok
	return v
}

func (c *columns) int() int64     { return take[int64](c) }
func (c *columns) uint32() uint32 { return uint32(take[int64](c)) }
func (c *columns) float() float64 { return take[float64](c) }
func (c *columns) text() string   { return take[string](c) }
func (c *columns) bytes() []byte  { return take[[]byte](c) }

// skipAbsent passes over a group of n columns if it is NULL.
func (c *columns) skipAbsent(n int) bool {
	if c.values[0] != nil {
		return false
	}
	c.values = c.values[n:]
	return true
}

func (s *Reader) fillContext(ctx context.Context, w *wire.Window, id int64) error {
	s.mu.Lock()
	k, known := s.byID[id]
	s.mu.Unlock()
	if !known {
		err := s.read(ctx, func(p *pool) error {
			return p.db.QueryRowContext(ctx, "SELECT "+contextColumns+" FROM context WHERE id = ?", id).Scan(
				&k.srcCluster, &k.dstCluster, &k.carrier, &k.plane, &k.method,
				&k.endReason, &k.timestamps, &k.clock, &k.origin, &k.meshSHA256, &k.probeVersion)
		})
		if err != nil {
			return fmt.Errorf("window %s: context %d: %w", w.Key, id, err)
		}
		s.mu.Lock()
		s.byID[id] = k
		s.mu.Unlock()
	}
	w.SrcCluster, w.DstCluster, w.Carrier, w.Plane, w.Method = k.srcCluster, k.dstCluster, k.carrier, k.plane, k.method
	w.EndReason, w.Timestamps, w.Clock.State, w.Origin = k.endReason, k.timestamps, k.clock, k.origin
	w.MeshSHA256, w.ProbeVersion = k.meshSHA256, k.probeVersion
	return nil
}
