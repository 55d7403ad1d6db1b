package enrol

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func ask(t *testing.T, token string, signing ed25519.PrivateKey) *wire.Enrolment {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Enrolment{Schema: wire.SchemaEnrolment, Token: token, Request: request, SigningKey: signing.Public().(ed25519.PublicKey)}
}

// TestEnrolAndRenew goes through the life of a site, with a store that is away
// for a while.
func TestEnrolAndRenew(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	folder, err := pki.Init(filepath.Join(t.TempDir(), "ca"), "Test", "fibergauge", now)
	if err != nil {
		t.Fatal(err)
	}
	stored := &fakestore.Store{}
	d := &Desk{Folder: folder, Store: stored, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	code := func(_ *wire.Certificate, err error) wire.Code {
		var fault *admission.Fault
		if errors.As(err, &fault) {
			return fault.Code
		}
		return ""
	}
	expect := func(step string, got, want wire.Code) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	signing, other := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed(append(make([]byte, 31), 1))
	token, err := folder.Token("a1", time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	first := ask(t, token.String(), signing)
	stored.Change(func(s *fakestore.Store) { s.Away = true })
	expect("the store is away", code(d.Enrol(t.Context(), first)), wire.CodeStoreUnavailable)
	expect("no token", code(d.Enrol(t.Context(), ask(t, "fgt1.x", signing))), wire.CodeUnauthenticated)
	stored.Change(func(s *fakestore.Store) { s.Away = false })
	expect("another's keys meanwhile", code(d.Enrol(t.Context(), ask(t, token.String(), other))), wire.CodeUnauthenticated)
	expect("the same again", code(d.Enrol(t.Context(), first)), "")
	keys, err := stored.SigningKeys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Site != "a1" || !keys[0].Key.Equal(signing.Public()) || !keys[0].InForce(now) {
		t.Errorf("keys %+v, %v", keys, err)
	}

	expect("renewal", code(d.Renew(t.Context(), "a1", ask(t, "", signing))), "")
	expect("with a token", code(d.Renew(t.Context(), "a1", ask(t, token.String(), signing))), wire.CodeBadRequest)
	expect("by a signing key of a thief", code(d.Renew(t.Context(), "a1", ask(t, "", other))), wire.CodeBadSignature)
	expect("by another site's signing key", code(d.Renew(t.Context(), "b1", ask(t, "", signing))), wire.CodeBadSignature)
	large := ask(t, "", signing)
	large.Request = make([]byte, maxRequest+1)
	expect("too large", code(d.Renew(t.Context(), "a1", large)), wire.CodeTooLarge)
	large.Request = []byte("no request")
	expect("no request", code(d.Renew(t.Context(), "a1", large)), wire.CodeBadRequest)

	keys[0].Revoked = now
	if err := stored.PutSigningKey(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
	expect("by a revoked signing key", code(d.Renew(t.Context(), "a1", ask(t, "", signing))), wire.CodeBadSignature)
	if token, err = folder.Token("a1", time.Hour, now); err != nil {
		t.Fatal(err)
	}
	expect("enrolling a revoked signing key", code(d.Enrol(t.Context(), ask(t, token.String(), signing))), wire.CodeBadSignature)
}
