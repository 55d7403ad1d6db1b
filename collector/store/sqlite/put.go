package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// An equal window finds its row and leaves all of it as it is, except that the
// earliest admission is the one that counts.
const insertWindow = `INSERT INTO windows (
	link, start_ms, session, digest, admitted_ms, context, length_ms,
	scheduled, sent, received, lost, late, duplicate, send_error, unstamped,
	rtts, min_us, mean_us, p50_us, p95_us, p99_us, max_us,
	ipdv_mean_us, ipdv_max_us, ttl_min, ttl_max, ttl_changes,
	clock_max_error_us, clock_frequency_ppb, extra
) VALUES (?,?,?,?,?,?,?, ?,?,?,?,?,?,?,?, ?,?,?,?,?,?,?, ?,?,?,?,?, ?,?,?)
ON CONFLICT DO UPDATE SET admitted_ms = excluded.admitted_ms WHERE excluded.admitted_ms < admitted_ms`

// digestBytes of a window's digest stand in its key.
const digestBytes = 16

type linkKey struct{ src, dst, test string }

// contextKey holds the texts that stay the same from window to window.
type contextKey struct {
	srcCluster, dstCluster, carrier, plane, method string
	endReason                                      wire.EndReason
	timestamps                                     wire.Timestamps
	clock                                          wire.ClockState
	origin                                         wire.Origin
	meshSHA256, probeVersion                       string
}

func contextOf(w *wire.Window) contextKey {
	return contextKey{
		w.SrcCluster, w.DstCluster, w.Carrier, w.Plane, w.Method,
		w.EndReason, w.Timestamps, w.Clock.State, w.Origin, w.MeshSHA256, w.ProbeVersion,
	}
}

// extra holds the groups that most windows lack.
type extra struct {
	STAMP   *wire.STAMP   `json:"stamp,omitempty"`
	OneWay  *wire.OneWay  `json:"one_way,omitempty"`
	Path    *wire.Path    `json:"path,omitempty"`
	Summary *wire.Summary `json:"summary,omitempty"`
}

// Put stores windows and journal entry in one transaction.
func (s *Store) Put(ctx context.Context, a store.Admission) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(a.Windows) == 0 {
		return nil
	}
	for i := range a.Windows {
		if w := &a.Windows[i]; w.Session > math.MaxInt64 {
			return fmt.Errorf("sqlite put: %w: window %s: session is above %d", store.ErrPermanent, w.Key, int64(math.MaxInt64))
		}
	}
	var ids dictionary
	err := immediately(ctx, s.writer, func(tx *sql.Tx) error {
		if err := s.inPlace(); err != nil {
			return err
		}
		ids = s.dictionary(tx)
		if err := s.putWindows(ctx, tx, &ids, &a); err != nil {
			return err
		}
		return putEntry(ctx, tx, &ids, &a)
	})
	if err != nil {
		return s.explain(ctx, "put", err)
	}
	s.learn(ids)
	s.wrote()
	return nil
}

func (s *Store) putWindows(ctx context.Context, tx *sql.Tx, ids *dictionary, a *store.Admission) error {
	insert := tx.StmtContext(ctx, s.insert)
	// A context that can end costs a goroutine a statement; asking it between
	// two rows is as prompt.
	quiet := context.WithoutCancel(ctx)
	for i := range a.Windows {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := &a.Windows[i]
		link, err := ids.link(ctx, linkKey{w.Src, w.Dst, w.Test})
		if err != nil {
			return err
		}
		context, err := ids.context(ctx, contextOf(w))
		if err != nil {
			return err
		}
		row, err := rowOf(w, link, context, a.At.UnixMilli())
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(quiet, row...); err != nil {
			return fmt.Errorf("window %s: %w", w.Key, err)
		}
	}
	return nil
}

// rowOf gives the values of insertWindow.
func rowOf(w *wire.Window, link, context, admittedMS int64) ([]any, error) {
	digest := w.Digest()
	row := []any{
		link, w.StartMS, int64(w.Session), digest[:digestBytes], admittedMS, context, w.EndMS - w.StartMS,
		int64(w.Scheduled), int64(w.Sent), int64(w.Received), int64(w.Lost),
		int64(w.Late), int64(w.Duplicate), int64(w.SendError), int64(w.Unstamped),
		// Not nil, which would be NULL.
		append([]byte{}, w.RTTs...), nil, nil, nil, nil, nil, nil,
		nil, nil, nil, nil, nil,
		w.Clock.MaxErrorUS, w.Clock.FrequencyPPB, nil,
	}
	if v := w.Stats; v != nil {
		copy(row[16:], []any{int64(v.MinUS), v.MeanUS, int64(v.P50US), int64(v.P95US), int64(v.P99US), int64(v.MaxUS)})
	}
	if v := w.IPDV; v != nil {
		copy(row[22:], []any{v.MeanUS, int64(v.MaxUS)})
	}
	if v := w.ReplyTTL; v != nil {
		copy(row[24:], []any{int64(v.Min), int64(v.Max), int64(v.Changes)})
	}
	if e := (extra{w.STAMP, w.OneWay, w.Path, w.Summary}); e != (extra{}) {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("window %s: %w", w.Key, err)
		}
		row[29] = string(text)
	}
	return row, nil
}

func putEntry(ctx context.Context, tx *sql.Tx, ids *dictionary, a *store.Admission) error {
	var signature any
	if a.Signature != nil {
		text, err := json.Marshal(a.Signature)
		if err != nil {
			return err
		}
		signature = string(text)
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO journal (at_ms, site, batch, mesh_sha256, signature, windows, statement)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
		a.At.UnixMilli(), a.Site, a.Batch, a.MeshSHA256, signature, len(a.Windows), store.PackStatement(a.Statement))
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == 0 {
		return err
	}
	seq, err := result.LastInsertId()
	if err != nil {
		return err
	}
	for _, span := range store.Spans(a.Windows) {
		link, err := ids.link(ctx, linkKey{span.Src, span.Dst, span.Test})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO span (seq, link, first_ms, last_ms, windows) VALUES (?,?,?,?,?)",
			seq, link, span.FirstMS, span.LastMS, span.Windows); err != nil {
			return err
		}
	}
	return nil
}

// dictionary gives the numbers of links and contexts within one transaction.
// What it learns is true only once that is committed.
type dictionary struct {
	tx       *sql.Tx
	links    map[linkKey]int64
	contexts map[contextKey]int64
}

func (s *Store) dictionary(tx *sql.Tx) dictionary {
	s.mu.Lock()
	defer s.mu.Unlock()
	return dictionary{tx, maps.Clone(s.links), maps.Clone(s.contexts)}
}

// learn keeps what a committed transaction found out.
func (s *Store) learn(ids dictionary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.links, ids.links)
	maps.Copy(s.contexts, ids.contexts)
}

func (d *dictionary) link(ctx context.Context, k linkKey) (int64, error) {
	if id, known := d.links[k]; known {
		return id, nil
	}
	id, err := number(ctx, d.tx,
		"INSERT INTO link (src, dst, test) VALUES (?,?,?) ON CONFLICT DO NOTHING",
		"SELECT id FROM link WHERE (src, dst, test) = (?,?,?)",
		k.src, k.dst, k.test)
	if err == nil {
		d.links[k] = id
	}
	return id, err
}

const contextColumns = "src_cluster, dst_cluster, carrier, plane, method, end_reason, timestamps, clock, origin, mesh_sha256, probe_version"

func (d *dictionary) context(ctx context.Context, k contextKey) (int64, error) {
	if id, known := d.contexts[k]; known {
		return id, nil
	}
	id, err := number(ctx, d.tx,
		"INSERT INTO context ("+contextColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
		"SELECT id FROM context WHERE ("+contextColumns+") = (?,?,?,?,?,?,?,?,?,?,?)",
		k.srcCluster, k.dstCluster, k.carrier, k.plane, k.method,
		string(k.endReason), string(k.timestamps), string(k.clock), string(k.origin), k.meshSHA256, k.probeVersion)
	if err == nil {
		d.contexts[k] = id
	}
	return id, err
}

func number(ctx context.Context, tx *sql.Tx, insert, find string, values ...any) (int64, error) {
	if _, err := tx.ExecContext(ctx, insert, values...); err != nil {
		return 0, err
	}
	var id int64
	err := tx.QueryRowContext(ctx, find, values...).Scan(&id)
	return id, err
}
