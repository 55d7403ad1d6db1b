package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/verify"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
)

type verifyCommand struct {
	span    `embed:""`
	looking `embed:""`
	Store   string `required:"" placeholder:"SPEC" help:"What is verified: sqlite:PATH or influx:FILE."`
	Strict  bool   `help:"Find fault also with windows that are not signed, and with windows that a site stated and that were refused, or so it seems."`
	Format  string `enum:"table,json" default:"table" placeholder:"FORM" help:"table, to read, or json, complete."`
}

// Run verifies a period; findings are a failure.
func (c *verifyCommand) Run(ctx context.Context, env *cli.Env) (err error) {
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
	var out bytes.Buffer
	if c.Format == "json" {
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = verify.Table(&out, r)
	}
	if err != nil {
		return err
	}
	if _, err := env.Stdout.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	switch {
	case r.Good:
		return nil
	case r.Counts[verify.NothingToVerify] > 0:
		return errors.New("nothing was verified: " + r.Findings[0].Text())
	}
	return fmt.Errorf("the store is not as it was stated: %s", cli.Count(len(r.Findings)+r.LeftOut, "finding"))
}
