package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/uplink"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type enrolCommand struct {
	Site      string `help:"Identifier of this site in the mesh. The token names it too; where both do they have to agree." placeholder:"ID"`
	Collector string `required:"" help:"Collector that enrols: https://HOST[:PORT] of the one with --pki." placeholder:"URL"`
	Identity  string `required:"" help:"Folder for the certificate and the keys; made if missing." placeholder:"DIR"`
	Token     string `xor:"token" required:"" help:"What fibergauge-collector pki token printed. Other accounts of this host may see it in the list of processes; --token-file keeps it from them." placeholder:"TOKEN"`
	TokenFile string `xor:"token" required:"" help:"File with the token; - is standard input." placeholder:"FILE"`
	Again     bool   `help:"Replace an identity that is still good, by new keys."`

	stdin io.Reader // nil: that of the process
	token wire.Token
}

// Help says what happens, and what to do when it does not.
func (enrolCommand) Help() string {
	return `Makes the keys of this site and has the collector certify them. The keys never
leave this host. They are on disk before the collector is asked, so where the
answer is lost, run the same again: until it expires the token gives the same
answer to the same keys, and to nobody else.

The token says whom to believe: a server whose certificates do not end in the
authority that made the token learns nothing.

A running probe takes a new identity from the folder by itself. Run this as the
account of the service, or as root: what root writes is given to the owner of
the folder.`
}

// Run enrols this probe.
func (c *enrolCommand) Run(ctx context.Context, env *cli.Env) error {
	collector, err := c.check()
	if err != nil {
		return cli.Usage(err)
	}
	id, err := identity.Enrol(ctx, identity.Enrolment{
		Dir: c.Identity, Collector: collector.String(), Token: c.token, Again: c.Again,
		UserAgent: userAgent(), Proxy: http.ProxyFromEnvironment,
	})
	if id == nil {
		return fmt.Errorf("enrol: %w", err)
	}
	text := fmt.Sprintf("site %s is enrolled: its certificate and keys are in %s, in force until %s; the probe renews them\n",
		id.Site, c.Identity, id.Certificate.Leaf.NotAfter.UTC().Format(time.RFC3339))
	if errors.Is(err, identity.ErrEnrolled) {
		text = fmt.Sprintf("site %s is enrolled already, until %s: nothing was changed (--again replaces its keys)\n",
			id.Site, id.Certificate.Leaf.NotAfter.UTC().Format(time.RFC3339))
		err = nil
	}
	if _, printed := io.WriteString(env.Stdout, text); err == nil {
		err = printed
	}
	return err
}

func (c *enrolCommand) check() (uplink.Collector, error) {
	collector, err := uplink.ParseCollector(c.Collector)
	if err != nil {
		return collector, fmt.Errorf("--collector: %w", err)
	}
	if !collector.TLS() {
		return collector, errors.New("--collector: a site enrols over https only; a local collector asks for no certificate")
	}
	if c.Identity == "" {
		return collector, errors.New("--identity: is empty; give a folder")
	}
	flag, text := "--token", c.Token
	if c.TokenFile != "" {
		flag = "--token-file"
		if text, err = c.readToken(); err != nil {
			return collector, fmt.Errorf("--token-file: %w", err)
		}
	}
	if c.token, err = wire.ParseToken(text); err != nil {
		return collector, fmt.Errorf("%s: %w", flag, err)
	}
	if c.Site != "" && c.Site != c.token.Site {
		return collector, fmt.Errorf("%s: is for site %s, and --site says %.80q; have one made for the right site", flag, c.token.Site, c.Site)
	}
	return collector, nil
}

// readToken reads a little more than a token may have.
func (c *enrolCommand) readToken() (string, error) {
	from := c.stdin
	if from == nil {
		from = os.Stdin
	}
	if c.TokenFile != "-" {
		f, err := os.Open(c.TokenFile)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, 4096))
	return string(data), err
}
