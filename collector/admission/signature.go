package admission

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// keysAge is how long signing keys that were read are believed: so soon a
	// revocation by another process counts.
	keysAge = 10 * time.Second
	// keysPause is the shortest time between two reads because of an unknown
	// key: a stranger's signatures must not become a load on the store.
	keysPause = 2 * time.Second
	// keysTimeout is how long a read may take.
	keysTimeout = 20 * time.Second
)

// keyRing remembers the signing keys for a while. The zero value is empty.
type keyRing struct {
	reads singleflight.Group // at most one at a time, which all wait for that need one

	mu    sync.Mutex // protects all following fields
	read  time.Time
	keys  map[string][]store.SigningKey // by site
	ready bool
}

// of gives the keys of a site. fresh says that a read of keysAge is too old. Who
// waits for a read waits no longer than their own context, and a read goes on
// where the one who began it goes away: else whoever hangs up in time could keep
// all others from being admitted.
func (r *keyRing) of(ctx context.Context, s Store, site string, now time.Time, fresh bool) ([]store.SigningKey, error) {
	if keys, ok := r.remembered(site, now, fresh); ok {
		return keys, nil
	}
	read := r.reads.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
		defer cancel()
		all, err := s.SigningKeys(ctx)
		if err != nil {
			return nil, err
		}
		keys := map[string][]store.SigningKey{}
		for _, k := range all {
			keys[k.Site] = append(keys[k.Site], k)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.keys, r.read, r.ready = keys, now, true
		return keys, nil
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case done := <-read:
		if done.Err != nil {
			return nil, done.Err
		}
		return done.Val.(map[string][]store.SigningKey)[site], nil
	}
}

// remembered gives the keys of a site where they need not be read.
func (r *keyRing) remembered(site string, now time.Time, fresh bool) ([]store.SigningKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	age := now.Sub(r.read)
	// A clock that was set back must not make keys last.
	if r.ready && age >= 0 && (age < keysPause || !fresh && age < keysAge) {
		return r.keys[site], true
	}
	return nil, false
}

// signed tells why a batch is not believed to be of its site; nil if it is.
func (d *Desk) signed(ctx context.Context, site string, batch *wire.Batch) error {
	now := d.Now()
	keys, err := d.ring.of(ctx, d.Store, site, now, false)
	if err != nil {
		return unavailable(err)
	}
	if batch.Signature == nil {
		for _, k := range keys {
			if k.InForce(now) {
				return badSignature("the batch is not signed, and site %s has a signing key; let the probe sign (--identity), or have the key revoked", site)
			}
		}
		if d.SignedOnly {
			return badSignature("the batch is not signed; let the probe sign (fibergauge-probe enrol), have its key enrolled (fibergauge-collector key add), or run the collector with --allow-unsigned")
		}
		return nil
	}
	key := find(keys, batch.Signature.KeyID)
	if key == nil {
		// It may have been enrolled a moment ago, at another collector.
		if keys, err = d.ring.of(ctx, d.Store, site, now, true); err != nil {
			return unavailable(err)
		}
		key = find(keys, batch.Signature.KeyID)
	}
	switch {
	case key == nil:
		return badSignature("signature: key %.80q is not enrolled for site %s; enrol the probe, or have the key added (fibergauge-collector key add)", batch.Signature.KeyID, site)
	case !key.InForce(now):
		return badSignature("signature: key %.12s of site %s is not in force; enrol the probe again, by a new token", key.ID(), site)
	}
	if err := batch.Signature.Verify(key.Key, batch.Canonical()); err != nil {
		return badSignature("signature: %v; nothing of the batch is taken", err)
	}
	return nil
}

func find(keys []store.SigningKey, id string) *store.SigningKey {
	for i := range keys {
		if keys[i].ID() == id {
			return &keys[i]
		}
	}
	return nil
}

func badSignature(format string, args ...any) *Fault {
	return &Fault{Code: wire.CodeBadSignature, Message: fmt.Sprintf(format, args...)}
}
