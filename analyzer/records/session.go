package records

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// Session gives and keeps days for one report: what was stored before it began
// is in them. It is a latency.Records, safe for use by several goroutines.
type Session struct {
	cache      *Cache
	generation int64
	encoder    *zstd.Encoder // of hours: most of what is kept, and seldom read
	decoder    *zstd.Decoder
}

// Begin reads the journal on and begins a session.
func (c *Cache) Begin(ctx context.Context) (*Session, error) {
	generation, err := c.refresh(ctx)
	if err != nil {
		return nil, err
	}
	// Nil as reader or writer: they code whole blocks only.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxHours))
	if err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	return &Session{c, generation, encoder, decoder}, nil
}

// maxHours bounds what damaged hours may ask for. A day of 100 packets a second
// with all RTTs different takes some 40 MB.
const maxHours = 256 << 20

// Load gives the days of keys, which are of one link; nil for each that has to
// be made. Without hours these are at rest.
func (s *Session) Load(ctx context.Context, keys []latency.DayKey, hours bool) ([]*latency.Day, error) {
	days := make([]*latency.Day, len(keys))
	if len(keys) == 0 {
		return days, nil
	}
	at := map[latency.Span]int{}
	for i := range keys {
		at[keys[i].Span] = i
	}
	with := "NULL FROM day"
	if hours {
		with = "bins FROM day JOIN hours ON hours.day = day.id"
	}
	rows, err := s.cache.db.QueryContext(ctx, `SELECT from_ms, to_ms, circumstances, record, `+with+`
		WHERE src = ? AND dst = ? AND test = ? AND from_ms BETWEEN ? AND ? AND record IS NOT NULL`,
		keys[0].Src, keys[0].Dst, keys[0].Test, keys[0].FromMS, keys[len(keys)-1].FromMS)
	if err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var span latency.Span
		var circumstances, record, bins sql.RawBytes
		if err := rows.Scan(&span.FromMS, &span.ToMS, &circumstances, &record, &bins); err != nil {
			return nil, fmt.Errorf("day records: %w", err)
		}
		i, wanted := at[span]
		if !wanted || !bytes.Equal(circumstances, keys[i].Circumstances[:]) {
			continue
		}
		day := &latency.Day{}
		err := day.UnmarshalBinary(record)
		if err == nil && hours {
			err = s.unpackHours(day, bins)
		}
		if err != nil {
			s.cache.log.Warn("a day record does not read and is made anew", "src", keys[i].Src, "dst", keys[i].Dst, "from_ms", span.FromMS, "error", err)
			continue
		}
		days[i] = day
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	return days, nil
}

// Reserve says that days are about to be made: before their windows are read.
func (s *Session) Reserve(ctx context.Context, keys []latency.DayKey) (err error) {
	tx, err := s.cache.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("day records: %w", err), ignoreDone(tx.Rollback()))
		}
	}()
	for _, key := range keys {
		// A row of other circumstances gives way. One that was touched later
		// than this session began stays touched.
		if _, err := tx.ExecContext(ctx, `INSERT INTO day (src, dst, test, from_ms, to_ms, circumstances, touched)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET circumstances = excluded.circumstances, record = NULL
			WHERE circumstances != excluded.circumstances`,
			key.Src, key.Dst, key.Test, key.FromMS, key.ToMS, key.Circumstances[:], s.generation); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Save keeps a day that was reserved, unless windows of it were stored since.
func (s *Session) Save(ctx context.Context, key latency.DayKey, day *latency.Day) (err error) {
	data, err := day.MarshalBinary()
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	tx, err := s.cache.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("day records: %w", err), ignoreDone(tx.Rollback()))
		}
	}()
	var id int64
	err = tx.QueryRowContext(ctx, `UPDATE day SET record = ?
		WHERE src = ? AND dst = ? AND test = ? AND from_ms = ? AND to_ms = ? AND circumstances = ? AND touched <= ?
		RETURNING id`,
		data, key.Src, key.Dst, key.Test, key.FromMS, key.ToMS, key.Circumstances[:], s.generation).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ignoreDone(tx.Rollback()) // spoilt
	case err != nil:
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO hours (day, bins) VALUES (?, ?)",
		id, s.encoder.EncodeAll(day.MarshalHours(), nil)); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *Session) unpackHours(day *latency.Day, packed []byte) error {
	plain, err := s.decoder.DecodeAll(packed, nil)
	if err != nil {
		return err
	}
	return day.UnmarshalHours(plain)
}
