package store

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// lastMS is the last moment of a key that every store can keep: that of windows.
const lastMS = 7_258_118_400_000

// Check says why no store takes the key.
func (k SigningKey) Check() error {
	switch {
	case !wire.IsIdentifier(k.Site):
		return fmt.Errorf("site %.80q is no identifier", k.Site)
	case len(k.Key) != ed25519.PublicKeySize:
		return fmt.Errorf("a key of site %s has %d bytes; a public key of Ed25519 has %d", k.Site, len(k.Key), ed25519.PublicKeySize)
	case !storable(k.Enrolled):
		return fmt.Errorf("a key of site %s: enrolled at %s, which is not between 1970 and 2200", k.Site, k.Enrolled.Format(time.RFC3339))
	case !k.Revoked.IsZero() && !storable(k.Revoked):
		return fmt.Errorf("a key of site %s: revoked at %s, which is not between 1970 and 2200", k.Site, k.Revoked.Format(time.RFC3339))
	}
	return nil
}

func storable(at time.Time) bool { return at.UnixMilli() > 0 && at.UnixMilli() <= lastMS }

// MergeSigningKeys makes what SigningKeys gives of all that was put: one of each
// site and key, with the earliest moments.
func MergeSigningKeys(put []SigningKey) []SigningKey {
	put = slices.Clone(put)
	slices.SortFunc(put, func(a, b SigningKey) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), bytes.Compare(a.Key, b.Key))
	})
	var merged []SigningKey
	for _, k := range put {
		k.Enrolled, k.Revoked = toMillisecond(k.Enrolled), toMillisecond(k.Revoked)
		if n := len(merged); n > 0 && merged[n-1].Site == k.Site && merged[n-1].Key.Equal(k.Key) {
			merged[n-1].meet(k)
			continue
		}
		merged = append(merged, k)
	}
	slices.SortFunc(merged, func(a, b SigningKey) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), a.Enrolled.Compare(b.Enrolled), cmp.Compare(a.ID(), b.ID()))
	})
	return merged
}

func toMillisecond(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(at.UnixMilli()).UTC()
}

// meet takes over what is earlier of another putting of the same key.
func (k *SigningKey) meet(other SigningKey) {
	if other.Enrolled.Before(k.Enrolled) {
		k.Enrolled = other.Enrolled
	}
	if k.Revoked.IsZero() || !other.Revoked.IsZero() && other.Revoked.Before(k.Revoked) {
		k.Revoked = other.Revoked
	}
}
