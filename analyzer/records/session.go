package records

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/gob"
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
	encoder    *zstd.Encoder
	decoder    *zstd.Decoder
}

// Begin reads the journal on and begins a session.
func (c *Cache) Begin(ctx context.Context) (*Session, error) {
	generation, err := c.refresh(ctx)
	if err != nil {
		return nil, err
	}
	// Nil as reader or writer: they code whole blocks only.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxRecord))
	if err != nil {
		return nil, fmt.Errorf("day records: %w", err)
	}
	return &Session{c, generation, encoder, decoder}, nil
}

// maxRecord bounds what a damaged record may ask for. A day of 100 packets a
// second with all RTTs different takes some 40 MB.
const maxRecord = 256 << 20

// Load gives a day; nil if it has to be made.
func (s *Session) Load(ctx context.Context, key latency.DayKey) (*latency.Day, error) {
	var data, circumstances []byte
	err := s.cache.db.QueryRowContext(ctx, `SELECT circumstances, record FROM day
		WHERE src = ? AND dst = ? AND test = ? AND from_ms = ? AND to_ms = ?`,
		key.Src, key.Dst, key.Test, key.FromMS, key.ToMS).Scan(&circumstances, &data)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("day records: %w", err)
	case data == nil || !bytes.Equal(circumstances, key.Circumstances[:]):
		return nil, nil
	}
	day, err := s.decode(data)
	if err != nil {
		s.cache.log.Warn("a day record does not read and is made anew", "src", key.Src, "dst", key.Dst, "from_ms", key.FromMS, "error", err)
		return nil, nil
	}
	return day, nil
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
func (s *Session) Save(ctx context.Context, key latency.DayKey, day *latency.Day) error {
	data, err := s.encode(day)
	if err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	if _, err := s.cache.db.ExecContext(ctx, `UPDATE day SET record = ?
		WHERE src = ? AND dst = ? AND test = ? AND from_ms = ? AND to_ms = ? AND circumstances = ? AND touched <= ?`,
		data, key.Src, key.Dst, key.Test, key.FromMS, key.ToMS, key.Circumstances[:], s.generation); err != nil {
		return fmt.Errorf("day records: %w", err)
	}
	return nil
}

func (s *Session) encode(day *latency.Day) ([]byte, error) {
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(day); err != nil {
		return nil, err
	}
	return s.encoder.EncodeAll(buf.Bytes(), nil), nil
}

func (s *Session) decode(data []byte) (*latency.Day, error) {
	plain, err := s.decoder.DecodeAll(data, nil)
	if err != nil {
		return nil, err
	}
	day := &latency.Day{}
	if err := gob.NewDecoder(bytes.NewReader(plain)).Decode(day); err != nil {
		return nil, err
	}
	return day, nil
}
