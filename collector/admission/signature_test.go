package admission

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func signingKey(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func TestSignatures(t *testing.T) {
	now := fakestore.Now()
	for _, c := range []struct {
		name       string
		keys       map[string]string // name of the key: what it is
		signer     string            // "" signs nothing
		change     func(*wire.Batch)
		signedOnly bool
		want       string // "" admits
	}{
		{"not signed, no key", nil, "", nil, false, ""},
		{"not signed, asked for", nil, "", nil, true, "the batch is not signed; let the probe sign"},
		{"not signed, key in force", map[string]string{"k": "in force"}, "", nil, false, "the batch is not signed, and site a1 has a signing key"},
		{"not signed, key revoked", map[string]string{"k": "revoked"}, "", nil, false, ""},
		{"not signed, key revoked, asked for", map[string]string{"k": "revoked"}, "", nil, true, "the batch is not signed"},
		{"not signed, key of another site", map[string]string{"k": "of b1"}, "", nil, false, ""},
		{"signed", map[string]string{"k": "in force"}, "k", nil, true, ""},
		{"signed by one of two", map[string]string{"k": "in force", "l": "in force"}, "l", nil, true, ""},
		{"signed where nobody asks", nil, "k", nil, false, "is not enrolled for site a1"},
		{"unknown key", map[string]string{"l": "in force"}, "k", nil, true, "is not enrolled for site a1"},
		{"another site's key", map[string]string{"k": "of b1"}, "k", nil, true, "is not enrolled for site a1"},
		{"revoked", map[string]string{"k": "revoked"}, "k", nil, true, "of site a1 is not in force"},
		{"enrolled later", map[string]string{"k": "later"}, "k", nil, true, "of site a1 is not in force"},
		{"other windows", map[string]string{"k": "in force"}, "k", func(b *wire.Batch) { b.Windows[0].Lost++ }, true, "the signature is not of these windows"},
		{"another value", map[string]string{"k": "in force"}, "k", func(b *wire.Batch) { b.Signature.Value[0] ^= 1 }, true, "the signature is not of these windows"},
		{"no value", map[string]string{"k": "in force"}, "k", func(b *wire.Batch) { b.Signature.Value = nil }, true, "the signature is not of these windows"},
		{"another algorithm", map[string]string{"k": "in force"}, "k", func(b *wire.Batch) { b.Signature.Algorithm = "none" }, true, "only ed25519 is known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, stored := desk(t)
			d.SignedOnly = c.signedOnly
			for name, what := range c.keys {
				k := store.SigningKey{Site: "a1", Key: signingKey(name).Public().(ed25519.PublicKey), Enrolled: now.Add(-time.Hour)}
				switch what {
				case "revoked":
					k.Revoked = now
				case "of b1":
					k.Site = "b1"
				case "later":
					k.Enrolled = now.Add(time.Second)
				}
				if err := stored.PutSigningKey(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			batch := fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0))
			if c.signer != "" {
				batch.Sign(signingKey(c.signer))
			}
			if c.change != nil {
				c.change(batch)
			}
			ack, err := d.Admit(t.Context(), "a1", batch)
			if c.want == "" {
				if err != nil || ack.Stored != 1 {
					t.Errorf("%+v, %v", ack, err)
				}
				return
			}
			var fault *Fault
			if !errors.As(err, &fault) || fault.Code != wire.CodeBadSignature || !strings.Contains(fault.Message, c.want) {
				t.Errorf("%v, want bad_signature %s", err, c.want)
			}
			if got := stored.Keys(); got != nil {
				t.Errorf("stored %v", got)
			}
		})
	}
}

// TestKeysAreRemembered: a stranger's key leads to a read now and then, a
// revocation by another process counts soon, and without the store nobody is
// believed for longer.
func TestKeysAreRemembered(t *testing.T) {
	d, stored := desk(t)
	clock := fakestore.Now()
	d.Now, d.SignedOnly = func() time.Time { return clock }, true
	batch := fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0))
	batch.Sign(signingKey("k"))
	expect := func(step string, code wire.Code) {
		t.Helper()
		_, err := d.Admit(t.Context(), "a1", batch)
		var fault *Fault
		if errors.As(err, &fault); code == "" && err != nil || code != "" && (fault == nil || fault.Code != code) {
			t.Errorf("%s: %v, want %q", step, err, code)
		}
	}
	k := store.SigningKey{Site: "a1", Key: signingKey("k").Public().(ed25519.PublicKey), Enrolled: clock.Add(-time.Hour)}
	put := func() {
		t.Helper()
		if err := stored.PutSigningKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	expect("unknown", wire.CodeBadSignature)
	put()
	expect("enrolled a moment ago, asked too soon", wire.CodeBadSignature)
	clock = clock.Add(keysPause)
	expect("enrolled", "")
	k.Revoked = clock
	put()
	clock = clock.Add(keysAge)
	expect("revoked", wire.CodeBadSignature)
	stored.Change(func(s *fakestore.Store) { s.Away = true })
	clock = clock.Add(keysAge)
	expect("the store is away", wire.CodeStoreUnavailable)
}

func enrol(t *testing.T, s *fakestore.Store, name string, now time.Time) {
	t.Helper()
	k := store.SigningKey{Site: "a1", Key: signingKey(name).Public().(ed25519.PublicKey), Enrolled: now.Add(-time.Hour)}
	if err := s.PutSigningKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
}

// stuck reads keys only once it is let go on, whoever gives up meanwhile.
type stuck struct {
	*fakestore.Store
	began chan struct{}
	goOn  chan struct{}
}

func (s stuck) SigningKeys(ctx context.Context) ([]store.SigningKey, error) {
	s.began <- struct{}{}
	select {
	case <-s.goOn:
		return s.Store.SigningKeys(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestHangingUpHoldsNobodyBack: keys are read once for all that wait, each waits
// no longer than it wants to, and the read outlives the one who began it.
func TestHangingUpHoldsNobodyBack(t *testing.T) {
	d, stored := desk(t)
	enrol(t, stored, "k", fakestore.Now())
	slow := stuck{stored, make(chan struct{}), make(chan struct{})}
	d.Store = slow
	batch := fakestore.Batch(fakestore.Window(fakestore.Mesh("now"), 0))
	batch.Sign(signingKey("k"))
	hangsUp, hangUp := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	admit := func(ctx context.Context, done chan<- error) {
		_, err := d.Admit(ctx, "a1", batch)
		done <- err
	}
	go admit(hangsUp, first)
	<-slow.began
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := d.Admit(gone, "a1", batch); !errors.Is(err, context.Canceled) {
		t.Errorf("one that does not wait: %v, want %v", err, context.Canceled)
	}
	go admit(t.Context(), second)
	hangUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that hung up: %v, want %v", err, context.Canceled)
	}
	close(slow.goOn)
	select {
	case err := <-second:
		if err != nil {
			t.Errorf("the one that waits: %v", err)
		}
	case <-slow.began:
		t.Error("the keys are read a second time")
	}
}
