package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/collector/api"
	"github.com/fibergauge/fibergauge/collector/enrol"
	"github.com/fibergauge/fibergauge/collector/identity"
	"github.com/fibergauge/fibergauge/collector/metrics"
	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	filesPoll = 2 * time.Second // how often the TLS files are looked at
	pkiPoll   = time.Hour       // how often the authority's folder is
)

// encryption is the flags of TLS.
type encryption struct {
	TLSCertificate string `name:"tls-certificate" placeholder:"FILE" help:"Listen by TLS 1.3 with this certificate: PEM, the collector's own first, the whole chain with the root."`
	TLSKey         string `name:"tls-key" placeholder:"FILE" help:"Its key: PEM."`
	ClientCA       string `name:"client-ca" placeholder:"FILE" help:"Authorities that issue the sites' certificates: PEM."`
	CRL            string `name:"crl" placeholder:"FILE" help:"Lists of the certificates that they revoked: PEM, one list or several."`
	PKI            string `name:"pki" placeholder:"DIR" help:"Authority made by pki init, instead of --client-ca and --crl; probes enrol and renew at this collector."`
	TrustDomain    string `placeholder:"NAME" help:"Trust domain in the sites' certificates: fibergauge if absent, with --pki that of the authority."`
	AllowUnsigned  bool   `help:"Also with TLS take batches that are not signed, of sites that have no signing key."`
}

func (e *encryption) encrypted() bool {
	return e.TLSCertificate != "" || e.TLSKey != "" || e.ClientCA != "" || e.CRL != "" || e.PKI != ""
}

// check tells what is wrong with the flags by themselves.
func (e *encryption) check() error {
	switch {
	case !e.encrypted():
		if e.AllowUnsigned {
			return errors.New("allow-unsigned: is for TLS; without it signatures are not asked for")
		}
		return nil
	case e.TLSCertificate == "":
		return errors.New("tls-certificate: is missing; TLS needs --tls-certificate, --tls-key, and --pki or --client-ca (to make one: fibergauge-collector pki server)")
	case e.TLSKey == "":
		return errors.New("tls-key: is missing; give the key of --tls-certificate")
	case e.PKI != "" && (e.ClientCA != "" || e.CRL != ""):
		return errors.New("pki: brings the authority and its list of revoked certificates; leave out --client-ca and --crl, or --pki")
	case e.PKI == "" && e.ClientCA == "":
		return errors.New("client-ca: is missing; give the authorities of the sites, or --pki")
	case e.TrustDomain != "" && !wire.IsIdentifier(e.TrustDomain):
		return fmt.Errorf("trust-domain: %.80q is not a name", e.TrustDomain)
	}
	return nil
}

// files are those of the listener, and the authority with --pki.
func (e *encryption) files() (identity.Files, *pki.Folder, error) {
	files := identity.Files{Certificate: e.TLSCertificate, Key: e.TLSKey, ClientCA: e.ClientCA, CRL: e.CRL, TrustDomain: e.TrustDomain}
	if e.PKI == "" {
		if files.TrustDomain == "" {
			files.TrustDomain = wire.DefaultTrustDomain
		}
		return files, nil, nil
	}
	folder, err := pki.Open(e.PKI)
	if err != nil {
		return files, nil, cli.Usage(err)
	}
	if e.TrustDomain != "" && e.TrustDomain != folder.Domain {
		return files, nil, cli.Usage(fmt.Errorf("trust-domain: is %s, and the authority in %s is for %s; leave out --trust-domain", e.TrustDomain, e.PKI, folder.Domain))
	}
	files.ClientCA, files.CRL, files.TrustDomain = folder.RootPath(), folder.CRLPath(), folder.Domain
	return files, folder, nil
}

// describe prints what the files say, for check.
func (e *encryption) describe(w io.Writer, now time.Time) (string, error) {
	if !e.encrypted() {
		return "without TLS: local connections only", nil
	}
	files, _, err := e.files()
	if err != nil {
		return "", err
	}
	s, err := files.Load(now)
	if err != nil {
		return "", cli.Usage(err)
	}
	leaf := s.Certificate.Leaf
	fmt.Fprintf(w, "tls      certificate until %s, for %s\n", leaf.NotAfter.UTC().Format(time.RFC3339), pki.Hosts(leaf))
	for _, c := range s.Authorities {
		fmt.Fprintf(w, "sites    believed by %q until %s, as %s\n", c.Subject, c.NotAfter.UTC().Format(time.RFC3339), wire.SiteURI(files.TrustDomain, "ID"))
	}
	for _, l := range s.Lists {
		fmt.Fprintf(w, "revoked  %d by %q, list until %s\n", len(l.RevokedCertificateEntries), l.Issuer, l.NextUpdate.UTC().Format(time.RFC3339))
	}
	if len(s.Lists) == 0 {
		fmt.Fprintln(w, "warning  no --crl: a certificate that was revoked is let in until it ends")
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "warning  %s\n", warning)
	}
	if e.PKI != "" {
		return "with TLS; probes enrol here", nil
	}
	return "with TLS", nil
}

// guard is what stands before a TLS listener.
type guard struct {
	keeper *identity.Keeper
	folder *pki.Folder // nil without --pki
	files  identity.Files
	log    *slog.Logger
}

// guard reads the files; nil without TLS.
func (e *encryption) guard(log *slog.Logger) (*guard, error) {
	if !e.encrypted() {
		return nil, nil
	}
	files, folder, err := e.files()
	if err != nil {
		return nil, err
	}
	g := &guard{folder: folder, files: files, log: log}
	g.keepUp(time.Now())
	g.keeper = &identity.Keeper{Files: files, Every: filesPoll, Now: time.Now, Log: log, Loaded: func(*identity.State) {}, Failed: func() {}}
	if err := g.keeper.Begin(); err != nil {
		return nil, cli.Usage(err)
	}
	if files.CRL == "" {
		log.Warn("no --crl: a certificate that was revoked is let in until it ends")
	}
	return g, nil
}

// admit lets requests in by certificates.
func (g *guard) admit(config *api.Config, opened store.Store, counters *metrics.Metrics, log *slog.Logger) {
	g.keeper.Failed = counters.TLSRefused
	g.keeper.Loaded = func(s *identity.State) { counters.TLSLoaded(s.Ends()) }
	g.keeper.Loaded(g.keeper.Current())
	config.Identify = api.SiteInCertificate(g.keeper)
	config.Scrapes = api.MetricsToFriends(g.keeper)
	if g.folder != nil {
		config.Enroller = &enrol.Desk{Folder: g.folder, Store: opened, Now: time.Now, Log: log}
	}
}

// run keeps what the listener lives on up to date until the context ends.
func (g *guard) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { g.keeper.Run(ctx) })
	ticker := time.NewTicker(pkiPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			g.keepUp(time.Now())
		}
	}
}

// keepUp does what the authority's folder needs from time to time. The keeper
// finds what has changed.
func (g *guard) keepUp(now time.Time) {
	if g.folder == nil {
		return
	}
	switch renewed, err := g.folder.RenewServer(g.files.Certificate, g.files.Key, now); {
	case err != nil:
		g.log.Error("the collector's own certificate could not be renewed; trying again, and pki server makes another", "every", pkiPoll, "error", err)
	case renewed != nil:
		g.log.Info("the collector's own certificate was renewed", "file", g.files.Certificate, "until", day(renewed.NotAfter))
	}
	if removed, err := g.folder.Clear(now); err != nil {
		g.log.Error("the authority's folder could not be cleared of what has long ended; trying again", "every", pkiPoll, "error", err)
	} else if removed > 0 {
		g.log.Info("the authority's folder was cleared of certificates and tokens that have long ended", "files", removed)
	}
	switch refreshed, err := g.folder.RefreshCRL(now); {
	case err != nil:
		g.log.Error("the list of revoked certificates could not be signed anew; trying again", "every", pkiPoll, "error", err)
	case refreshed:
		g.log.Info("the list of revoked certificates was signed anew; other collectors need a copy", "file", g.folder.CRLPath())
	}
}
