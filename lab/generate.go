package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/generate"
)

type generateCommand struct {
	files

	From  string   `required:"" placeholder:"2025-01" help:"First month or day that is generated, in the mesh's time zone."`
	To    string   `required:"" placeholder:"2025-12" help:"Last month or day that is generated: whole, and over."`
	Store string   `required:"" placeholder:"SPEC" help:"Where the windows go: sqlite:PATH or influx:FILE. It must not hold other windows of these links and this period."`
	Test  []string `placeholder:"NAME" help:"Only this test of the mesh; may be repeated. All if not given."`
}

// Run checks everything before the store is touched.
func (c *generateCommand) Run(ctx context.Context, env *cli.Env) error {
	m, w, err := c.load()
	if err != nil {
		return err
	}
	for _, warning := range m.Warnings() {
		env.Log.Warn(warning)
	}
	for _, test := range c.Test {
		if m.Test(test) == nil {
			return cli.Usage(fmt.Errorf("--test %q is not a test of %s", test, c.Mesh))
		}
	}
	plan := generate.Plan{Mesh: m, WAN: w, Tests: c.Test, Store: c.Store}
	if plan.From, plan.To, err = generate.Period(c.From, c.To, m.Location(), time.Now()); err != nil {
		return cli.Usage(fmt.Errorf("--%w", err))
	}
	if len(w.Events)+len(w.Collector) > 0 {
		env.Log.Info("events and outages of the collector count from the start of a run: a history has none of them", "file", c.WAN)
	}
	line := &progressLine{out: env.Stderr, begun: time.Now()}
	done, err := generate.Run(ctx, plan, env.Log, line.show())
	line.wipe()
	if err != nil {
		if done.Windows > 0 {
			err = fmt.Errorf("%w; %d windows are stored, and the same command completes them", err, done.Windows)
		}
		return err
	}
	took := time.Since(line.begun)
	_, err = fmt.Fprintf(env.Stdout, "Generated %d synthetic windows of %d packets, %s to %s, in %s (%.0f windows/s).\n",
		done.Windows, done.Packets, plan.From.Format(time.DateOnly), plan.To.Add(-time.Nanosecond).Format(time.DateOnly),
		took.Round(100*time.Millisecond), float64(done.Windows)/took.Seconds())
	if err != nil {
		return fmt.Errorf("say what was generated: %w", err)
	}
	return nil
}

// progressLine shows on a terminal how far it has come, and nothing elsewhere.
type progressLine struct {
	out   io.Writer
	begun time.Time
	shown time.Time
}

// show is nil where nobody looks.
func (l *progressLine) show() func(generate.Progress) {
	if file, ok := l.out.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		l.out = nil
		return nil
	}
	return func(p generate.Progress) {
		now := time.Now()
		if now.Sub(l.shown) < 200*time.Millisecond {
			return
		}
		l.shown = now
		left := "?"
		if p.Done > 0 {
			took := now.Sub(l.begun)
			left = (took*time.Duration(p.Total)/time.Duration(p.Done) - took).Round(time.Second).String()
		}
		// Nobody can be told that a terminal does not take the text.
		_, _ = fmt.Fprintf(l.out, "\r\x1b[Kgenerating, %s: day %d of %d, %d windows, %s left",
			p.Until.Add(-time.Nanosecond).Format(time.DateOnly), min(p.Done+1, p.Total), p.Total, p.Windows, left)
	}
}

func (l *progressLine) wipe() {
	if l.out != nil {
		_, _ = io.WriteString(l.out, "\r\x1b[K")
	}
}
