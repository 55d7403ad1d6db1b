package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/verify"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
)

type verifyCommand struct {
	Files   []string `arg:"" optional:"" name:"file" help:"A filed report: any of its files, its manifest, or a folder of them. Without it a period of --store is verified."`
	Key     []string `placeholder:"FILE" help:"Public key in PEM that has to have signed FILE; repeat it for any of several. Without it a signature by any key is good, and whose it is remains to be compared."`
	span    `embed:""`
	looking `embed:""`
	Store   string `placeholder:"SPEC" help:"What is verified if no FILE is: sqlite:PATH or influx:FILE."`
	Strict  bool   `help:"Of a store: find fault also with windows that are not signed, and with windows that a site stated and that were refused, or so it seems."`
	Format  string `enum:"table,json" default:"table" placeholder:"FORM" help:"table, to read, or json, complete."`
}

// Run verifies files or a period; findings are a failure.
func (c *verifyCommand) Run(ctx context.Context, env *cli.Env) error {
	switch ofStore := c.Store != "" || c.span.given() || c.Mesh != "" || c.Strict; {
	case len(c.Files) > 0 && ofStore:
		return cli.Usage(errors.New("FILE goes without --store, --period, --from, --to, --mesh and --strict: give files that were filed, or a period of a store"))
	case len(c.Files) > 0:
		return c.verifyFiles(env)
	case len(c.Key) > 0:
		return cli.Usage(errors.New("--key goes with FILE; the keys of sites are in the store"))
	case !ofStore:
		return cli.Usage(errors.New("nothing is given to verify; give FILE, a filed report or a folder of them, or --store SPEC with --period"))
	case c.Store == "":
		return cli.Usage(errors.New("no store is given; give --store sqlite:PATH or influx:FILE, or a FILE instead of the period"))
	}
	return c.verifyStore(ctx, env)
}

// verifyFiles holds filed reports against their manifests.
func (c *verifyCommand) verifyFiles(env *cli.Env) error {
	options := filing.Options{GeneratedBy: generatedBy()}
	for _, path := range c.Key {
		key, err := manifest.ReadPublicKey(path)
		if err != nil {
			return cli.Usage(fmt.Errorf("--key: %w", err))
		}
		options.Keys = append(options.Keys, key)
	}
	r, err := filing.Check(c.Files, options)
	if err != nil {
		return cli.Usage(err)
	}
	if err := c.print(env, r, func(w io.Writer) error { return filing.Table(w, r) }); err != nil {
		return err
	}
	switch {
	case r.Good:
		return nil
	case r.Counts[filing.NothingToVerify] == len(r.Findings):
		return errors.New("nothing was verified: " + r.Findings[0].Text())
	}
	return errors.New("the report is not as it was filed and signed: " + r.Summary())
}

// print writes a result as it was asked for.
func (c *verifyCommand) print(env *cli.Env, result any, table func(io.Writer) error) (err error) {
	var out bytes.Buffer
	if c.Format == "json" {
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(result)
	} else {
		err = table(&out)
	}
	if err != nil {
		return err
	}
	if _, err := env.Stdout.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	return nil
}

// verifyStore holds what is stored against what sites stated.
func (c *verifyCommand) verifyStore(ctx context.Context, env *cli.Env) (err error) {
	s, err := open.Reader(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	m, err := c.looking.load(ctx, s)
	if err != nil {
		return err
	}
	period, err := c.parse(m.Location())
	if err != nil {
		return err
	}
	progress, wipe := progressOn(env.Stderr)
	r, err := verify.Run(ctx, s, m, period, verify.Options{GeneratedBy: generatedBy(), Strict: c.Strict, Progress: progress})
	wipe()
	if err != nil {
		return err
	}
	if err := c.print(env, r, func(w io.Writer) error { return verify.Table(w, r) }); err != nil {
		return err
	}
	switch {
	case r.Good:
		return nil
	case r.Counts[verify.NothingToVerify] > 0:
		return errors.New("nothing was verified: " + r.Findings[0].Text())
	}
	return fmt.Errorf("the store is not as it was stated: %s", cli.Count(len(r.Findings)+r.LeftOut, "finding"))
}
