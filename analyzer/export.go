package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/analyzer/export"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

type exportCommand struct {
	span    `embed:""`
	looking `embed:""`
	Store   string `required:"" placeholder:"SPEC" help:"What is exported: sqlite:PATH or influx:FILE."`
	Format  string `enum:"csv,parquet" default:"csv" placeholder:"FORM" help:"csv or parquet."`
	Samples bool   `help:"A row each packet, lost ones included, instead of a row each window."`
	Test    string `placeholder:"NAME" help:"Only windows of this test."`
	Out     string `placeholder:"FILE" help:"Write to a file, whole or not at all, instead of standard output."`
}

// Run writes what the store holds of a period as a table.
func (c *exportCommand) Run(ctx context.Context, env *cli.Env) (err error) {
	if err := checkOut(c.Out); err != nil {
		return err
	}
	if file, ok := env.Stdout.(*os.File); ok && c.Out == "" && c.Format == "parquet" && term.IsTerminal(int(file.Fd())) {
		return cli.Usage(errors.New("parquet is not for terminals; name a file by --out"))
	}
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
	defer wipe()
	options := export.Options{Format: export.Format(c.Format), Samples: c.Samples, Test: c.Test, Progress: progress}
	var r *export.Result
	write := func(w io.Writer) (err error) {
		buffered := bufio.NewWriterSize(w, 1<<20)
		r, err = export.Write(ctx, buffered, s, m, period, options)
		return errors.Join(err, buffered.Flush())
	}
	if c.Out == "" {
		err = write(env.Stdout)
	} else {
		err = streamOut(c.Out, "the export", write)
	}
	if err != nil {
		return err
	}
	wipe()
	if r.Windows == 0 {
		env.Log.Warn("the store has no such window of this period; see whether it is the right period, test and store")
	}
	env.Log.Info("exported", "rows", r.Rows, "windows", r.Windows, "links", r.Links)
	for _, origin := range []wire.Origin{wire.OriginEmulated, wire.OriginSynthetic, wire.OriginImported} {
		if n := r.Origins[origin]; n > 0 {
			env.Log.Warn("not measured by a probe of ours: see the column origin", "origin", origin, "windows", n)
		}
	}
	return nil
}
