package conformance

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Signer makes a private key: equal seeds, equal keys.
func Signer(seed uint64) ed25519.PrivateKey {
	var b [ed25519.SeedSize]byte
	binary.BigEndian.PutUint64(b[:], seed)
	return ed25519.NewKeyFromSeed(b[:])
}

// SigningKey makes a key of a site that is in force from a moment on.
func SigningKey(site string, seed uint64, enrolled time.Time) store.SigningKey {
	return store.SigningKey{Site: site, Key: Signer(seed).Public().(ed25519.PublicKey), Enrolled: enrolled}
}

func signingKeys(t *testing.T, s store.Store) []store.SigningKey {
	t.Helper()
	keys, err := s.SigningKeys(t.Context())
	if err != nil {
		t.Fatalf("signing keys: %v", err)
	}
	return keys
}

// testStatements keeps statements of every length, also of windows that were
// not admitted.
func testStatements(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(5, "a", "b", epoch().UnixMilli(), wire.MaxBatchWindows)
	var want []store.Entry
	for i, n := range []int{0, 1, 2, wire.MaxBatchWindows, 0} {
		a := admission(epoch().Add(time.Duration(i)*time.Second), windows[:max(n, 1)]...)
		a.Statement = a.Statement[:n]
		if n > 0 {
			a.Windows = a.Windows[:(n+1)/2]
		}
		put(t, s, a)
		e := entry(a)
		if n == 0 {
			e.Statement = nil
		}
		want = append(want, e)
	}
	equal(t, "journal", want, bare(journal(t, s, "")))
	equal(t, "journal of another handle", want, bare(journal(t, place.open(t), "")))
}

// puttings are the same keys put with different moments, and what has to come
// of them.
func puttings() (puts, want []store.SigningKey) {
	hour := func(n int) time.Time { return epoch().Add(time.Duration(n) * time.Hour) }
	twoSites := SigningKey("b", 1, hour(3)) // the key of a too
	// In the order that is promised: two keys with one Enrolled by their ids.
	early, late := SigningKey("a", 2, hour(5)), SigningKey("a", 3, hour(5))
	if early.ID() > late.ID() {
		early, late = late, early
	}
	first := SigningKey("a", 1, hour(1))
	first.Revoked = hour(4)
	late.Revoked = hour(2) // before it was enrolled: never in force
	want = []store.SigningKey{first, early, late, twoSites}
	for _, k := range want {
		for _, delay := range []time.Duration{0, 999_999, time.Millisecond, time.Hour, 1000 * time.Hour} {
			again := k
			again.Enrolled = k.Enrolled.Add(delay)
			puts = append(puts, again)
			again.Revoked = time.Time{} // of somebody who does not know of it
			puts = append(puts, again)
			if !k.Revoked.IsZero() {
				again.Revoked = k.Revoked.Add(delay)
				puts = append(puts, again)
			}
		}
	}
	return puts, want
}

// testSigningKeys is a law: whatever the order and however often, the same is
// kept. Between the rounds the handles change, as after a restart.
func testSigningKeys(t *testing.T, place Place) {
	puts, want := puttings()
	rng := rand.New(rand.NewPCG(9, 0))
	for range 3 {
		rng.Shuffle(len(puts), func(i, j int) { puts[i], puts[j] = puts[j], puts[i] })
		s := place.Open(t)
		for _, k := range puts {
			if err := s.PutSigningKey(t.Context(), k); err != nil {
				t.Fatalf("put signing key: %v", err)
			}
		}
		equal(t, "signing keys", want, signingKeys(t, s))
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	equal(t, "signing keys after all", want, signingKeys(t, place.open(t)))
	for i, k := range signingKeys(t, place.open(t)) {
		equal(t, "id", want[i].ID(), k.ID())
	}
}

// testSigningKeysTogether has several writers put at once, over two handles,
// while a reader looks: a revocation once seen is never gone.
func testSigningKeysTogether(t *testing.T, place Place) {
	puts, want := puttings()
	handles := []store.Store{place.open(t), place.open(t)}
	reader := place.open(t)
	var group sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(10, uint64(n)))
			for _, i := range rng.Perm(len(puts)) {
				if err := handles[n%2].PutSigningKey(t.Context(), puts[i]); err != nil {
					t.Errorf("put signing key: %v", err)
				}
			}
		})
	}
	go func() { group.Wait(); close(done) }()
	seen := map[string]store.SigningKey{}
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true // one last look follows
		default:
		}
		for _, k := range signingKeys(t, reader) {
			name := k.Site + k.ID()
			if before, known := seen[name]; known && (k.Enrolled.After(before.Enrolled) ||
				!before.Revoked.IsZero() && (k.Revoked.IsZero() || k.Revoked.After(before.Revoked))) {
				t.Errorf("a key was %v and is now %v", before, k)
			}
			seen[name] = k
		}
	}
	equal(t, "signing keys", want, signingKeys(t, reader))
}

func testSigningKeysRefused(t *testing.T, place Place) {
	s := place.open(t)
	good := SigningKey("a", 1, epoch())
	for name, spoil := range map[string]func(*store.SigningKey){
		"no site":         func(k *store.SigningKey) { k.Site = "" },
		"no identifier":   func(k *store.SigningKey) { k.Site = "a b\\" },
		"no key":          func(k *store.SigningKey) { k.Key = nil },
		"short key":       func(k *store.SigningKey) { k.Key = k.Key[:31] },
		"never enrolled":  func(k *store.SigningKey) { k.Enrolled = time.Time{} },
		"enrolled far on": func(k *store.SigningKey) { k.Enrolled = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		"revoked far on":  func(k *store.SigningKey) { k.Revoked = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		"revoked at 1970": func(k *store.SigningKey) { k.Revoked = time.UnixMilli(0) },
	} {
		k := good
		spoil(&k)
		if err := s.PutSigningKey(t.Context(), k); !errors.Is(err, store.ErrPermanent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.PutSigningKey(t.Context(), good); err != nil {
		t.Errorf("put signing key: %v", err)
	}
	equal(t, "signing keys", fmt.Sprint([]store.SigningKey{good}), fmt.Sprint(signingKeys(t, s)))
}
