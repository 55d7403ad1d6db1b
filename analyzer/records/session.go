package records

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// Session gives and keeps days for one report: what was stored before it began
// is in them. It is a latency.Records, safe for use by several goroutines.
type Session struct {
	cache      *Cache
	generation int64
}

// Begin reads the journal on and begins a session.
func (c *Cache) Begin(ctx context.Context) (*Session, error) {
	generation, err := c.refresh(ctx)
	if err != nil {
		return nil, err
	}
	return &Session{c, generation}, nil
}

// Load gives the days of keys, which are of one link; nil for each that has to
// be made. Without hours these are at rest.
func (s *Session) Load(ctx context.Context, keys []latency.DayKey, hours bool) ([]*latency.Day, error) {
	days, err := s.load(ctx, keys, (*latency.Day).UnmarshalBinary)
	if err != nil || !hours {
		return days, err
	}
	if err := s.LoadHours(ctx, keys, days); err != nil {
		return nil, err
	}
	for i, day := range days {
		if day != nil && day.HoursAtRest {
			days[i] = nil
		}
	}
	return days, nil
}

// LoadSums gives the days of keys as Load does, without any hours.
func (s *Session) LoadSums(ctx context.Context, keys []latency.DayKey) ([]*latency.Day, error) {
	return s.load(ctx, keys, (*latency.Day).UnmarshalSums)
}

func (s *Session) load(ctx context.Context, keys []latency.DayKey, read func(*latency.Day, []byte) error) ([]*latency.Day, error) {
	days := make([]*latency.Day, len(keys))
	err := s.each(ctx, "record FROM day", keys, func(i int, record []byte) error {
		day := &latency.Day{}
		if err := read(day, record); err != nil {
			return err
		}
		days[i] = day
		return nil
	})
	return days, err
}

// LoadHours adds the hours of days that are at rest, where the record still is
// of the same windows.
func (s *Session) LoadHours(ctx context.Context, keys []latency.DayKey, days []*latency.Day) error {
	return s.each(ctx, "bins FROM day JOIN hours ON hours.day = day.id", keys, func(i int, bins []byte) error {
		if days[i] == nil || !days[i].HoursAtRest {
			return nil
		}
		return days[i].UnmarshalHours(bins)
	})
}

// each gives what is kept of the keys, which are of one link, by their index.
// What cannot be read is left to be made anew.
func (s *Session) each(ctx context.Context, column string, keys []latency.DayKey, read func(i int, data []byte) error) error {
	if len(keys) == 0 {
		return nil
	}
	at := map[latency.Span]int{}
	for i := range keys {
		at[keys[i].Span] = i
	}
	rows, err := s.cache.db.QueryContext(ctx, `SELECT from_ms, to_ms, circumstances, `+column+`
		WHERE src = ? AND dst = ? AND test = ? AND from_ms BETWEEN ? AND ? AND record IS NOT NULL`,
		keys[0].Src, keys[0].Dst, keys[0].Test, keys[0].FromMS, keys[len(keys)-1].FromMS)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var span latency.Span
		var circumstances, data sql.RawBytes
		if err := rows.Scan(&span.FromMS, &span.ToMS, &circumstances, &data); err != nil {
			return fmt.Errorf("day records: %w", err)
		}
		i, wanted := at[span]
		if !wanted || !bytes.Equal(circumstances, keys[i].Circumstances[:]) {
			continue
		}
		if err := read(i, data); err != nil {
			s.cache.log.Warn("a day record does not read and is made anew", "src", keys[i].Src, "dst", keys[i].Dst, "from_ms", span.FromMS, "error", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	return nil
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

// Save keeps days that were reserved, unless windows of them were stored since.
func (s *Session) Save(ctx context.Context, keys []latency.DayKey, days []*latency.Day) (err error) {
	tx, err := s.cache.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("day records: %w", err), ignoreDone(tx.Rollback()))
		}
	}()
	update, err := tx.PrepareContext(ctx, `UPDATE day SET record = ?
		WHERE src = ? AND dst = ? AND test = ? AND from_ms = ? AND to_ms = ? AND circumstances = ? AND touched <= ?
		RETURNING id`)
	if err != nil {
		return err
	}
	defer update.Close()
	insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO hours (day, bins) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range keys {
		key := &keys[i]
		data, err := days[i].MarshalBinary()
		if err != nil {
			return err
		}
		var id int64
		err = update.QueryRowContext(ctx, data, key.Src, key.Dst, key.Test, key.FromMS, key.ToMS, key.Circumstances[:], s.generation).Scan(&id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			continue // spoilt
		case err != nil:
			return err
		}
		if _, err := insert.ExecContext(ctx, id, days[i].MarshalHours()); err != nil {
			return err
		}
	}
	return tx.Commit()
}
