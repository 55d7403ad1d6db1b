package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// identify reads who this probe is.
func (s *site) identify(log *slog.Logger) error {
	if s.Identity == "" {
		return nil
	}
	if s.collector.TLS() {
		folder, err := identity.Open(s.Identity, s.Site, log)
		if err != nil {
			return fmt.Errorf("--identity: %w", err)
		}
		s.identity, s.sign = folder, folder.Sign
		return nil
	}
	key, err := identity.ReadSigningKey(s.Identity)
	if err != nil {
		return fmt.Errorf("--identity: %w", err)
	}
	if key != nil {
		s.sign = func(b *wire.Batch) { b.Sign(key) }
	}
	return nil
}

// identified tells in a line who this probe is.
func (s *site) identified(now time.Time) (string, error) {
	switch {
	case s.Identity == "":
		return "none: the collector is local, windows are not signed", nil
	case s.identity == nil && s.sign == nil:
		return fmt.Sprintf("the collector is local, and there is no signing key in %s: windows are not signed", s.Identity), nil
	case s.identity == nil:
		return "the collector is local, windows are signed", nil
	}
	id := s.identity.Current()
	signing := "windows are not signed: there is no signing key"
	if id.Signing != nil {
		signing = "windows are signed by key " + wire.KeyID(id.Signing.Public().(ed25519.PublicKey))
	}
	return fmt.Sprintf("certificate until %s; %s", id.Certificate.Leaf.NotAfter.UTC().Format(time.RFC3339), signing), id.InForce(now)
}

// client speaks to the collector as this probe.
func (s *site) client() *http.Client {
	if s.identity == nil {
		return s.collector.Client(nil)
	}
	return s.collector.Client(s.identity.Transport)
}

// renew keeps the certificate fresh until the context ends.
func (s *site) renew(ctx context.Context, log *slog.Logger) {
	if s.identity == nil {
		return
	}
	renewal := identity.Renewal{
		Folder: s.identity, Client: s.renewal.Client(s.identity.Transport), Collector: s.renewal.String(), UserAgent: userAgent(), Log: log,
	}
	renewal.Run(ctx)
}
