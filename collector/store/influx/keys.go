package influx

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"github.com/fibergauge/fibergauge/collector/store"
)

// signingKey is the document of one putting of a key.
type signingKey struct {
	Site       string `json:"site"`
	Key        []byte `json:"key"`
	EnrolledMS int64  `json:"enrolled_ms"`
	RevokedMS  int64  `json:"revoked_ms,omitempty"`
}

// PutSigningKey writes a point that has all of its content in tags and time: an
// equal one falls on itself, and a different one never takes its place. What is
// earliest follows when they are read.
func (s *Store) PutSigningKey(ctx context.Context, k store.SigningKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.Check(); err != nil {
		return fmt.Errorf("influx put signing key: %w: %w", store.ErrPermanent, err)
	}
	d := signingKey{Site: k.Site, Key: k.Key, EnrolledMS: k.Enrolled.UnixMilli()}
	revoked := "no"
	if !k.Revoked.IsZero() {
		d.RevokedMS = k.Revoked.UnixMilli()
		revoked = strconv.FormatInt(d.RevokedMS, 10)
	}
	fields := map[string]any{}
	setDocument(fields, "signing_key", encode(d))
	return s.write(ctx, "put signing key", write.NewPoint("signing_key",
		map[string]string{"site": k.Site, "key_id": k.ID(), "revoked_ms": revoked}, fields, time.UnixMilli(d.EnrolledMS)))
}

// SigningKeys lists the archive.
func (s *Reader) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	documents, err := s.documents(ctx, selection{
		measurement: "signing_key", document: "signing_key", order: []string{"site", "key_id", "revoked_ms"}, toNS: endNS,
	})
	if err != nil {
		return nil, s.explain(ctx, "read signing keys", err, reading)
	}
	var put []store.SigningKey
	for _, d := range documents {
		var k signingKey
		if err := decode(d, &k); err != nil {
			return nil, s.explain(ctx, "read signing keys", err, reading)
		}
		key := store.SigningKey{Site: k.Site, Key: k.Key, Enrolled: time.UnixMilli(k.EnrolledMS)}
		if k.RevokedMS != 0 {
			key.Revoked = time.UnixMilli(k.RevokedMS)
		}
		put = append(put, key)
	}
	return store.MergeSigningKeys(put), nil
}
