package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// statusMissed is the exit status of report --fail-below-target for a target
// that is missed.
const statusMissed = 3

type reportCommand struct {
	rules           `embed:""`
	span            `embed:""`
	keeping         `embed:""`
	formed          `embed:""`
	Store           string `required:"" placeholder:"SPEC" help:"Where the windows are: sqlite:PATH or influx:FILE."`
	Trend           bool   `help:"Add the rates of the months before, as many as the policy says."`
	Beside          bool   `help:"Add what the tests measured that are not judged, next to the judged one. It changes nothing else."`
	FailBelowTarget bool   `help:"End with status 3 if the rate misses the target."`
}

// Run makes one report.
func (c *reportCommand) Run(ctx context.Context, env *cli.Env) (err error) {
	if err := c.formed.check(env.Stdout); err != nil {
		return err
	}
	if err := c.checkReason(c.span); err != nil {
		return err
	}
	m, p, err := c.load(env)
	if err != nil {
		return err
	}
	if m != nil { // what can be said before the store is opened is
		if _, err := planBy(report.Meshes{File: m}, p, c.span); err != nil {
			return err
		}
	}
	s, err := open.Reader(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	all, err := report.ReadMeshes(ctx, s, m)
	if err != nil {
		return err
	}
	plan, err := planBy(all, p, c.span)
	if err != nil {
		return err
	}
	c.warnOf(plan.Mesh, env)
	if year := plan.Period.From.Year(); c.FailBelowTarget {
		if _, ok := p.Rate.Target(year); !ok {
			return cli.Usage(fmt.Errorf("--fail-below-target: policy %s has no target for %d", p.Name, year))
		}
	}
	r, err := c.build(ctx, env, plan, s)
	if err != nil {
		return err
	}
	if r.Data.Windows == 0 && time.Now().Before(plan.Period.From) {
		return cli.Usage(fmt.Errorf("the period has not begun: it is from %s on, and nothing of it was measured; give another", plan.Period.From.Format(time.RFC3339)))
	}
	if err := c.write(env, r); err != nil {
		return err
	}
	if r.Data.Windows == 0 {
		env.Log.Warn("the store has no window of this period, so of no pair anything is demonstrated; see whether it is the right period and store")
	}
	if c.Trend && len(r.Trend) == 0 {
		env.Log.Warn("there is no trend: the store has no windows of the months before", "months", p.Diagnosis.Months)
	}
	if c.FailBelowTarget && !*r.Rate.Met {
		return cli.Exit(statusMissed, fmt.Errorf("the target is missed: %d of %d pairs comply, %d are needed",
			r.Rate.Compliant, r.Rate.Total, *r.Rate.Needed))
	}
	return nil
}

func (c *reportCommand) build(ctx context.Context, env *cli.Env, plan *report.Plan, s store.Reader) (r *api.Report, err error) {
	cache, err := c.keeping.open(ctx, c.Store, s, env.Log)
	if err != nil {
		return nil, err
	}
	if cache != nil {
		defer func() { err = errors.Join(err, cache.Close()) }()
	}
	kept, err := begin(ctx, cache, plan)
	if err != nil {
		return nil, err
	}
	progress, wipe := progressOn(env.Stderr)
	defer wipe()
	return report.Build(ctx, plan, s, report.Options{
		GeneratedBy: generatedBy(), Complete: !time.Now().Before(plan.Period.To),
		Records: kept, Trend: c.Trend || c.published(), Beside: c.Beside, Progress: progress,
	})
}

func (c *reportCommand) write(env *cli.Env, r *api.Report) error {
	switch {
	case c.published():
		return c.publish(env, r, c.span)
	case c.Format == jsonForm:
		data, err := report.JSON(r)
		if err != nil {
			return err
		}
		return c.put(env, r, data)
	}
	look := report.Look{Width: pageWidth}
	if c.Out == "" {
		look = lookOf(env.Stdout)
	}
	var buf bytes.Buffer
	if err := report.Table(&buf, r, look); err != nil {
		return err
	}
	return c.put(env, r, buf.Bytes())
}

// pageWidth is that of a table which no terminal shows.
const pageWidth = 100

// lookOf asks a terminal for its width, and uses colour there unless NO_COLOR
// (no-color.org) is set.
func lookOf(w io.Writer) report.Look {
	look := report.Look{Width: pageWidth}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return look
	}
	look.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
		look.Width = min(width, 140)
	}
	return look
}

// progressOn shows on a terminal how much has been read; wipe takes that off
// again. Elsewhere both do nothing.
func progressOn(w io.Writer) (progress func(done, total int), wipe func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	progress = func(done, total int) { fmt.Fprintf(file, "\rreading %d of %d\x1b[K", done, total) }
	return progress, func() { fmt.Fprint(file, "\r\x1b[K") }
}
