// Package enrol gives sites their certificates. Requests come from package api;
// certificates come from the authority's folder (package pki), and the keys by
// which a site will sign go to the store.
package enrol

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Store archives signing keys; see store.Store.
type Store interface {
	SigningKeys(ctx context.Context) ([]store.SigningKey, error)
	PutSigningKey(ctx context.Context, k store.SigningKey) error
}

// Desk enrols sites. It is safe for concurrent use.
type Desk struct {
	Folder *pki.Folder
	Store  Store
	Now    func() time.Time
	Log    *slog.Logger
}

// maxRequest bounds a certificate request; one with an RSA key of 8192 bits has
// 3000 bytes.
const maxRequest = 16 << 10

// Enrol answers an enrolment by token. Errors are of type *admission.Fault.
func (d *Desk) Enrol(ctx context.Context, e *wire.Enrolment) (*wire.Certificate, error) {
	token, err := wire.ParseToken(e.Token)
	if err != nil {
		return nil, &admission.Fault{Code: wire.CodeUnauthenticated, Message: fmt.Sprintf("token: %v", err)}
	}
	public, err := request(e)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	// The keys are bound to the token before one of them is believed: else
	// whoever finds a token could add a key, though the certificate is another's.
	issued, err := d.Folder.Enrol(token, public, e.SigningKey, now)
	var refused *pki.Refused
	switch {
	case errors.As(err, &refused):
		return nil, &admission.Fault{Code: wire.CodeUnauthenticated, Message: refused.Reason}
	case err != nil:
		return nil, internal(err)
	}
	key := store.SigningKey{Site: token.Site, Key: e.SigningKey, Enrolled: issued.NotBefore}
	if err := d.Store.PutSigningKey(ctx, key); err != nil {
		return nil, unavailable(err)
	}
	if err := d.signer(ctx, token.Site, e.SigningKey, now); err != nil {
		return nil, err
	}
	d.Log.Info("site enrolled", "site", token.Site, "serial", pki.Serial(issued.SerialNumber), "until", issued.NotAfter, "signing_key", key.ID())
	return d.answer(issued.Raw), nil
}

// Renew answers a site that has shown its certificate. The signing key has to be
// one of the site's: a thief of the other key cannot bring one of their own.
func (d *Desk) Renew(ctx context.Context, site string, e *wire.Enrolment) (*wire.Certificate, error) {
	if e.Token != "" {
		return nil, &admission.Fault{Code: wire.CodeBadRequest, Message: "token: is for /v1/enrol; here the certificate speaks"}
	}
	public, err := request(e)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	if err := d.signer(ctx, site, e.SigningKey, now); err != nil {
		return nil, err
	}
	issued, err := d.Folder.Renew(site, public, now)
	switch {
	case errors.Is(err, pki.ErrTooOften):
		return nil, &admission.Fault{Code: wire.CodeOverloaded, Message: err.Error()}
	case err != nil:
		return nil, internal(err)
	}
	d.Log.Info("certificate renewed", "site", site, "serial", pki.Serial(issued.SerialNumber), "until", issued.NotAfter)
	return d.answer(issued.Raw), nil
}

// signer tells whether a key is one by which the site may sign now.
func (d *Desk) signer(ctx context.Context, site string, key ed25519.PublicKey, now time.Time) error {
	keys, err := d.Store.SigningKeys(ctx)
	if err != nil {
		return unavailable(err)
	}
	for _, k := range keys {
		if k.Site == site && k.Key.Equal(key) && k.InForce(now) {
			return nil
		}
	}
	return &admission.Fault{Code: wire.CodeBadSignature, Message: "signing_key: is not one of the site's that is in force; enrol again with new keys, by a new token"}
}

func (d *Desk) answer(own []byte) *wire.Certificate {
	return &wire.Certificate{Schema: wire.SchemaCertificate, Chain: [][]byte{own}, Root: d.Folder.Root.Raw}
}

func request(e *wire.Enrolment) (any, error) {
	if len(e.Request) > maxRequest {
		return nil, &admission.Fault{Code: wire.CodeTooLarge, Message: fmt.Sprintf("request: has %d bytes; at most %d are taken", len(e.Request), maxRequest)}
	}
	public, err := pki.CheckRequest(e.Request)
	if err != nil {
		return nil, &admission.Fault{Code: wire.CodeBadRequest, Message: err.Error()}
	}
	return public, nil
}

func internal(err error) error {
	return &admission.Fault{Code: wire.CodeInternal, Message: "the authority's folder cannot be used; the collector's log says more, ask again later", Err: err}
}

func unavailable(err error) error {
	return &admission.Fault{Code: wire.CodeStoreUnavailable, Message: "the store did not confirm the signing key; ask again with the same keys", Err: err}
}
