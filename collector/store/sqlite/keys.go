package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
)

// PutSigningKey archives a key, or what is earlier of one.
func (s *Store) PutSigningKey(ctx context.Context, k store.SigningKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.Check(); err != nil {
		return fmt.Errorf("sqlite put signing key: %w: %w", store.ErrPermanent, err)
	}
	var revoked any
	if !k.Revoked.IsZero() {
		revoked = k.Revoked.UnixMilli()
	}
	err := immediately(ctx, s.writer, func(tx *sql.Tx) error {
		if err := s.inPlace(); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO signing_key (site, key, enrolled_ms, revoked_ms) VALUES (?,?,?,?)
			ON CONFLICT DO UPDATE SET
				enrolled_ms = min(enrolled_ms, excluded.enrolled_ms),
				revoked_ms = min(coalesce(revoked_ms, excluded.revoked_ms), coalesce(excluded.revoked_ms, revoked_ms))`,
			k.Site, []byte(k.Key), k.Enrolled.UnixMilli(), revoked)
		return err
	})
	return s.explain(ctx, "put signing key", err)
}

// SigningKeys lists the archive.
func (s *Reader) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var keys []store.SigningKey
	err := s.read(ctx, func(p *pool) (err error) {
		keys, err = p.signingKeys(ctx)
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, "read signing keys", err)
	}
	return store.MergeSigningKeys(keys), nil // which orders them
}

func (p *pool) signingKeys(ctx context.Context) ([]store.SigningKey, error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // nothing was written
	if k, err := kindOf(ctx, tx); err != nil || k.version < 2 {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT site, key, enrolled_ms, revoked_ms FROM signing_key")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []store.SigningKey
	for rows.Next() {
		var k store.SigningKey
		var enrolledMS int64
		var revokedMS sql.NullInt64
		if err := rows.Scan(&k.Site, (*[]byte)(&k.Key), &enrolledMS, &revokedMS); err != nil {
			return nil, err
		}
		k.Enrolled = time.UnixMilli(enrolledMS)
		if revokedMS.Valid {
			k.Revoked = time.UnixMilli(revokedMS.Int64)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}
