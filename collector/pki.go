package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

type pkiCommands struct {
	Init   pkiInit   `cmd:"" help:"Make an authority in a new folder."`
	Server pkiServer `cmd:"" help:"Issue a certificate for a collector."`
	Token  pkiToken  `cmd:"" help:"Print a token by which one site can enrol once."`
	List   pkiList   `cmd:"" help:"List certificates and tokens."`
	Revoke pkiRevoke `cmd:"" help:"Revoke one certificate, or all that a site has."`
}

// pkiFolder is the flag that all commands share.
type pkiFolder struct {
	PKI string `name:"pki" required:"" placeholder:"DIR" help:"Folder of the authority. Keep it on one machine, and a copy in a safe."`
}

func (p *pkiFolder) open() (*pki.Folder, error) {
	f, err := pki.Open(p.PKI)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return f, nil
}

type pkiInit struct {
	pkiFolder
	Name        string `default:"Fibergauge authority" placeholder:"NAME" help:"Name in the root certificate."`
	TrustDomain string `default:"fibergauge" placeholder:"NAME" help:"Trust domain of the sites. It cannot be changed later."`
}

// Run makes an authority.
func (c *pkiInit) Run(_ context.Context, env *cli.Env) error {
	f, err := pki.Init(c.PKI, c.Name, c.TrustDomain, time.Now())
	if err != nil {
		return cli.Usage(fmt.Errorf("pki init: %w", err))
	}
	fmt.Fprintf(env.Stdout, "authority %s until %s; its key is %s: whoever has it can be any site\n",
		f.RootPath(), day(f.Root.NotAfter), filepath.Join(c.PKI, "authority-key.pem"))
	return nil
}

type pkiServer struct {
	pkiFolder
	Out   string   `required:"" placeholder:"DIR" help:"Folder for server.pem and server-key.pem. A key that stands there is used again."`
	Hosts []string `arg:"" name:"host" help:"DNS names and IP addresses by which probes reach the collector."`
}

// Run issues a certificate for a collector.
func (c *pkiServer) Run(_ context.Context, env *cli.Env) error {
	f, err := c.open()
	if err != nil {
		return err
	}
	issued, err := f.Server(c.Out, c.Hosts, time.Now())
	if err != nil {
		return cli.Usage(fmt.Errorf("pki server: %w", err))
	}
	fmt.Fprintf(env.Stdout, "%s until %s; serve --tls-certificate %[1]s --tls-key %[3]s\n",
		filepath.Join(c.Out, pki.ServerCertificateFile), day(issued.NotAfter), filepath.Join(c.Out, pki.ServerKeyFile))
	return nil
}

type pkiToken struct {
	pkiFolder
	Site string   `arg:"" help:"Id of the site in the mesh."`
	Life cli.Life `default:"24h" placeholder:"TIME" help:"How long the token can be used, such as 2d, 12h or 30m; at most 30d."`
	Mesh string   `placeholder:"FILE" help:"Also see whether this mesh has the site."`
}

// Run prints a token, and nothing else on standard output.
func (c *pkiToken) Run(_ context.Context, env *cli.Env) error {
	if c.Mesh != "" {
		m, err := mesh.Load(c.Mesh)
		if err != nil {
			return err
		}
		if m.Site(c.Site) == nil {
			return cli.Usage(fmt.Errorf("pki token: %s has no site %.80q; add it there first, or write it right", c.Mesh, c.Site))
		}
	}
	f, err := c.open()
	if err != nil {
		return err
	}
	token, err := f.Token(c.Site, time.Duration(c.Life), time.Now())
	if err != nil {
		return cli.Usage(fmt.Errorf("pki token: %w", err))
	}
	fmt.Fprintln(env.Stdout, token)
	return nil
}

type pkiList struct{ pkiFolder }

// Run lists what was issued.
func (c *pkiList) Run(_ context.Context, env *cli.Env) error {
	f, err := c.open()
	if err != nil {
		return err
	}
	issued, err := f.Issued()
	if err != nil {
		return err
	}
	revoked, next, err := f.Revoked()
	if err != nil {
		return err
	}
	tickets, err := f.Tickets()
	if err != nil {
		return err
	}
	now := time.Now()
	fmt.Fprintf(env.Stdout, "authority %q, trust domain %s, until %s\nrevoked: %d, list until %s\n", f.Root.Subject.CommonName, f.Domain, day(f.Root.NotAfter), len(revoked), day(next))
	for _, cert := range issued {
		serial, of, state := pki.Serial(cert.SerialNumber), "site "+f.SiteOf(cert), "in force"
		if f.SiteOf(cert) == "" {
			of = "server " + pki.Hosts(cert)
		}
		if at, ok := revoked[serial]; ok {
			state = "revoked " + day(at)
		} else if !now.Before(cert.NotAfter) {
			state = "ended"
		}
		fmt.Fprintf(env.Stdout, "certificate %s  %s  %s until %s  %s\n", serial, of, day(cert.NotBefore), day(cert.NotAfter), state)
	}
	for _, cert := range f.EndingServers(issued, 30*24*time.Hour, now) {
		if _, ok := revoked[pki.Serial(cert.SerialNumber)]; !ok {
			fmt.Fprintf(env.Stdout, "WARNING: certificate %s of the server %s ends within %s and was not renewed; run pki server again\n",
				pki.Serial(cert.SerialNumber), pki.Hosts(cert), cli.Count(int(cert.NotAfter.Sub(now).Hours()/24)+1, "day"))
		}
	}
	for _, t := range tickets {
		state := "expired"
		switch {
		case t.Serial != "":
			state = "used for " + t.Serial
		case t.Void:
			state = "void"
		case t.Open(now):
			state = "open"
		}
		fmt.Fprintf(env.Stdout, "token  site %s  made %s  until %s  %s\n", t.Site, day(t.Made), day(t.Expires), state)
	}
	return nil
}

type pkiRevoke struct {
	pkiFolder
	What   string `arg:"" name:"site-or-serial" help:"A site, whose certificates, open tokens and signing keys are revoked; or the serial number of one certificate."`
	Reason string `default:"unspecified" enum:"unspecified,key-compromise,affiliation-changed,superseded,cessation-of-operation" placeholder:"REASON" help:"Why: unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation."`
	Store  string `placeholder:"SPEC" help:"Store of the collectors, where the site's signing keys are revoked too: sqlite:PATH or influx:FILE."`
}

// Run revokes certificates, and then keys: who is kept out by the first can use
// the second nowhere.
func (c *pkiRevoke) Run(ctx context.Context, env *cli.Env) error {
	f, err := c.open()
	if err != nil {
		return err
	}
	now := time.Now()
	done, err := f.Revoke(c.What, c.Reason, now)
	if err != nil {
		return cli.Usage(fmt.Errorf("pki revoke: %w", err))
	}
	for _, cert := range done.Revoked {
		fmt.Fprintf(env.Stdout, "revoked certificate %s\n", pki.Serial(cert.SerialNumber))
	}
	if len(done.Revoked) == 0 {
		fmt.Fprintln(env.Stdout, "no certificate in force had to be revoked")
	}
	if done.Tokens > 0 {
		fmt.Fprintf(env.Stdout, "made void %s\n", cli.Count(done.Tokens, "open token"))
	}
	for _, cert := range done.Others {
		fmt.Fprintf(env.Stdout, "still in force: certificate %s of site %s; to revoke all name the site\n", pki.Serial(cert.SerialNumber), done.Site)
	}
	fmt.Fprintf(env.Stdout, "a collector with --pki %s counts it within seconds; copy %s to the others\n", c.PKI, f.CRLPath())
	switch {
	case done.Site != c.What:
		return nil // one certificate
	case c.Store == "":
		fmt.Fprintf(env.Stdout, "signing keys of site %s are NOT revoked; do it by: fibergauge-collector key revoke --site %[1]s --all --store SPEC\n", c.What)
		return nil
	}
	_, err = revokeKeys(ctx, env, c.Store, c.What, func(store.SigningKey) bool { return true }, now)
	return err // a site need not have a key
}

// withStore opens a store that is there already.
func withStore(ctx context.Context, spec string, log *slog.Logger, f func(store.Store) error) (err error) {
	state, err := storeState(ctx, spec, log)
	if err != nil {
		return err
	}
	if state != "ready" {
		return cli.Usage(fmt.Errorf("store %s is not there; give the one that the collector uses", spec))
	}
	opened, err := open.Writer(ctx, spec, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return f(opened)
}

// revokeKeys revokes those keys of a site that which chooses, and tells how many
// it found, revoked before or now.
func revokeKeys(ctx context.Context, env *cli.Env, spec, site string, which func(store.SigningKey) bool, now time.Time) (n int, err error) {
	err = withStore(ctx, spec, env.Log, func(s store.Store) error {
		keys, err := s.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.Site != site || !which(k) {
				continue
			}
			n++
			if !k.Revoked.IsZero() {
				fmt.Fprintf(env.Stdout, "signing key %s was revoked on %s\n", k.ID(), day(k.Revoked))
				continue
			}
			k.Revoked = now
			if err := s.PutSigningKey(ctx, k); err != nil {
				return fmt.Errorf("revoke signing key %s: %w; run the same again", k.ID(), err)
			}
			fmt.Fprintf(env.Stdout, "revoked signing key %s of site %s; collectors count it within %s\n", k.ID(), site, 10*time.Second)
		}
		return nil
	})
	return n, err
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }
