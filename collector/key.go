package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type keyCommands struct {
	Add    keyAdd    `cmd:"" help:"Let a site sign by a key from now on."`
	List   keyList   `cmd:"" help:"List the keys by which sites sign."`
	Revoke keyRevoke `cmd:"" help:"Believe a key no longer, from now on. It cannot be taken back."`
}

type keyStore struct {
	Store string `required:"" placeholder:"SPEC" help:"Store of the collectors: sqlite:PATH or influx:FILE."`
}

type keyAdd struct {
	keyStore
	Site      string `required:"" placeholder:"ID" help:"Site that signs."`
	PublicKey string `required:"" placeholder:"FILE" help:"Ed25519 public key: PEM, as openssl pkey -pubout writes it."`
}

// Run archives a key.
func (c *keyAdd) Run(ctx context.Context, env *cli.Env) error {
	public, err := readPublicKey(c.PublicKey)
	if err != nil {
		return cli.Usage(err)
	}
	k := store.SigningKey{Site: c.Site, Key: public, Enrolled: time.Now().Add(-pki.Backdating)}
	if err := k.Check(); err != nil {
		return cli.Usage(fmt.Errorf("key add: %w", err))
	}
	return withStore(ctx, c.Store, env.Log, func(s store.Store) error {
		keys, err := s.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, old := range keys {
			if old.Site == k.Site && old.Key.Equal(k.Key) && !old.Revoked.IsZero() {
				return cli.Usage(fmt.Errorf("key add: key %s was revoked on %s, for ever; let the site make another", k.ID(), day(old.Revoked)))
			}
		}
		if err := s.PutSigningKey(ctx, k); err != nil {
			return fmt.Errorf("key add: %w", err)
		}
		fmt.Fprintf(env.Stdout, "site %s signs by key %s; from now on its batches are refused without a signature\n", k.Site, k.ID())
		return nil
	})
}

type keyList struct{ keyStore }

// Run lists the keys.
func (c *keyList) Run(ctx context.Context, env *cli.Env) error {
	return withStore(ctx, c.Store, env.Log, func(s store.Store) error {
		keys, err := s.SigningKeys(ctx)
		for _, k := range keys {
			state := "in force"
			if !k.Revoked.IsZero() {
				state = "revoked " + day(k.Revoked)
			}
			fmt.Fprintf(env.Stdout, "key %s  site %s  from %s  %s\n", k.ID(), k.Site, day(k.Enrolled), state)
		}
		return err
	})
}

type keyRevoke struct {
	keyStore
	Site      string `required:"" placeholder:"ID" help:"Site whose key it is."`
	PublicKey string `placeholder:"FILE" xor:"which" required:"" help:"The key: PEM."`
	KeyID     string `name:"key-id" placeholder:"HEX" xor:"which" required:"" help:"Or its id, as key list shows it."`
	All       bool   `xor:"which" required:"" help:"Or all keys of the site."`
}

// Run revokes keys.
func (c *keyRevoke) Run(ctx context.Context, env *cli.Env) error {
	id := c.KeyID
	if c.PublicKey != "" {
		public, err := readPublicKey(c.PublicKey)
		if err != nil {
			return cli.Usage(err)
		}
		id = wire.KeyID(public)
	}
	if !c.All && !wire.IsDigest(id) {
		return cli.Usage(fmt.Errorf("key-id: %.80q is not 64 hex digits; see key list", id))
	}
	n, err := revokeKeys(ctx, env, c.Store, c.Site, func(k store.SigningKey) bool { return c.All || k.ID() == id }, time.Now())
	switch {
	case err != nil || n > 0:
		return err
	case c.All:
		return fmt.Errorf("key revoke: site %.80q has no signing key in %s, so nothing is revoked; key list shows whose keys are there", c.Site, c.Store)
	}
	return fmt.Errorf("key revoke: site %.80q has no signing key %s in %s, so nothing is revoked; key list shows whose it is", c.Site, id, c.Store)
}

func readPublicKey(path string) (ed25519.PublicKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("public-key: %w", err)
	}
	block, _ := pem.Decode(data)
	kind := ""
	if block != nil {
		kind = block.Type
	}
	var found string
	switch kind {
	case "":
		found = "is not PEM"
	case "PRIVATE KEY":
		return nil, fmt.Errorf("public-key: %s is a private key, which stays at the site; give what this makes of it there: openssl pkey -in signing-key.pem -pubout -out signing.pub", path)
	case "CERTIFICATE":
		found = "is a certificate, which is of the TLS key and says nothing of the one that signs"
	case "PUBLIC KEY":
		switch parsed, err := x509.ParsePKIXPublicKey(block.Bytes); key := parsed.(type) {
		case ed25519.PublicKey:
			return key, nil
		case nil:
			found = fmt.Sprintf("holds a public key that does not read (%v)", err)
		case *ecdsa.PublicKey:
			found = "is a public key of the kind ECDSA"
		case *rsa.PublicKey:
			found = "is a public key of the kind RSA"
		default:
			found = fmt.Sprintf("is a public key of the kind %T", key)
		}
	default:
		found = fmt.Sprintf("holds %.40q", kind)
	}
	return nil, fmt.Errorf("public-key: %s %s; give an Ed25519 public key in PEM. To make one, at the site: "+
		"openssl genpkey -algorithm ed25519 -out signing-key.pem; openssl pkey -in signing-key.pem -pubout -out signing.pub", path, found)
}
