package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"text/tabwriter"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/lab/run"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// files are the flags that both commands have.
type files struct {
	Mesh string `required:"" placeholder:"FILE" help:"The mesh whose sites are made."`
	WAN  string `name:"wan" required:"" placeholder:"FILE" help:"What the links between the sites are like: wan.yaml."`
}

type runCommand struct {
	files

	For           time.Duration `default:"60s" placeholder:"TIME" help:"How long to measure, once every probe is under way."`
	Out           string        `required:"" placeholder:"DIR" help:"Folder for windows, logs and the report. One of an earlier run is emptied; any other must be empty or absent."`
	Store         string        `default:"sqlite" placeholder:"SPEC" help:"Where windows are kept: sqlite, a file in DIR, or influx:FILE."`
	Bin           string        `placeholder:"DIR" help:"Folder of the probe, the collector and the analyzer; by default that of this program."`
	History       int           `placeholder:"MONTHS" help:"Generate so many months, and the days of the present one, behind the run in its store: synthetic windows, for every test of the mesh."`
	Serve         bool          `help:"Leave the analyzer serving the report on a loopback port until Ctrl-C."`
	ProbeLogLevel string        `default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least severe level that the probes log."`
}

// Run checks the flags and starts.
func (c *runCommand) Run(ctx context.Context, env *cli.Env) error {
	if c.For < time.Second || c.For > 24*time.Hour {
		return cli.Usage(fmt.Errorf("--for %s is not within 1s to 24h", c.For))
	}
	if c.History < 0 || c.History > 120 {
		return cli.Usage(fmt.Errorf("--history %d is not within 0 to 120 months", c.History))
	}
	// Bad files are told before anything about privileges.
	if _, _, err := c.load(); err != nil {
		return err
	}
	return perform(ctx, env, run.Plan{
		MeshFile: c.Mesh, WANFile: c.WAN, For: c.For, Out: c.Out,
		Store: c.Store, Bin: c.Bin, Serve: c.Serve, ProbeLogLevel: c.ProbeLogLevel, History: c.History,
	})
}

type chaosCommand struct {
	files

	For         time.Duration `default:"3m" placeholder:"TIME" help:"How long to measure and to do harm, 30s to 24h."`
	Seed        uint64        `default:"1" placeholder:"N" help:"What goes wrong, when and with whom follows from it."`
	Out         string        `required:"" placeholder:"DIR" help:"Folder for windows, logs, faults and the account. One of an earlier run is emptied; any other must be empty or absent."`
	Store       string        `default:"sqlite" placeholder:"SPEC" help:"Where windows are kept: sqlite, a file in DIR, or influx:FILE, which is not killed and must hold no windows of these links."`
	Influxd     string        `placeholder:"PROGRAM" help:"Store in an InfluxDB 1.8 that this program starts, and kill it too, instead of --store."`
	Bin         string        `placeholder:"DIR" help:"Folder of the probe, the collector and the analyzer; by default that of this program."`
	Older       string        `placeholder:"DIR" help:"Folder of an older probe and collector that take over for a while. Without it this kind of fault is left out."`
	SpoolMaxMiB int           `name:"spool-max-mib" default:"1" placeholder:"N" help:"Largest size of what each spool keeps, 1 to 4 MiB: its disk has 12."`
}

// Run checks the flags and starts.
func (c *chaosCommand) Run(ctx context.Context, env *cli.Env) error {
	switch {
	case c.For < 30*time.Second || c.For > 24*time.Hour:
		return cli.Usage(fmt.Errorf("--for %s is not within 30s to 24h", c.For))
	case c.SpoolMaxMiB < 1 || c.SpoolMaxMiB > 4:
		return cli.Usage(fmt.Errorf("--spool-max-mib %d is not within 1 to 4", c.SpoolMaxMiB))
	case c.Influxd != "" && c.Store != "sqlite":
		return cli.Usage(errors.New("--influxd and --store exclude each other"))
	}
	if _, w, err := c.load(); err != nil {
		return err
	} else if len(w.Collector) > 0 {
		return cli.Usage(fmt.Errorf("%s takes the collector away by itself; chaos wants a file without \"collector\"", c.WAN))
	}
	if c.Influxd != "" {
		if _, err := exec.LookPath(c.Influxd); err != nil {
			return cli.Usage(fmt.Errorf("--influxd: %w", err))
		}
	}
	return performChaos(ctx, env, run.ChaosPlan{
		Plan: run.Plan{MeshFile: c.Mesh, WANFile: c.WAN, For: c.For, Out: c.Out, Store: c.Store, Bin: c.Bin},
		Seed: c.Seed, Influxd: c.Influxd, Older: c.Older, SpoolMaxMiB: c.SpoolMaxMiB,
	})
}

func (f *files) load() (*mesh.Mesh, *wan.WAN, error) {
	m, err := mesh.Load(f.Mesh)
	if err != nil {
		return nil, nil, err
	}
	w, err := wan.Load(f.WAN, m)
	return m, w, err
}

type checkCommand struct {
	files
}

// Run says what would be made, and then whether it could be.
func (c *checkCommand) Run(_ context.Context, env *cli.Env) error {
	m, w, err := c.load()
	if err != nil {
		return err
	}
	for _, warning := range m.Warnings() {
		env.Log.Warn(warning)
	}
	if err := describe(env, m, w); err != nil {
		return err
	}
	how, err := privilege()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(env.Stdout, "\nThis machine allows it: %s.\n", how); err != nil {
		return fmt.Errorf("show the plan: %w", err)
	}
	return nil
}

// steady is a length of run for which check computes the medians.
const steady = time.Minute

// describe prints what would be made and what a probe would find.
func describe(env *cli.Env, m *mesh.Mesh, w *wan.WAN) error {
	now := time.Now()
	network := w.Network(now)
	t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) {
		_, _ = fmt.Fprintf(t, format+"\n", args...) // told by Flush
	}
	row("Would make %d network namespaces with a TUN device each, an emulated network between them (seed %d),", len(m.Sites), w.Seed)
	row("%d probes, 1 collector, and at the end a report. All delays are emulated: invented in the file.\n", len(run.Probing(m, w, now)))
	row("from\tto\ttheoretical RTT ms\temulated p50 ms\tratio\tanswered %%\t")
	for _, l := range run.Measured(m, now) {
		p50, answered := network.Expected(l[0], l[1], steady, run.Timeout)
		theoretical := network.Theoretical(l[0], l[1])
		ratio := "-"
		if theoretical > 0 && answered > 0 {
			ratio = fmt.Sprintf("%.3f", float64(p50)/float64(theoretical))
		}
		row("%s\t%s\t%s\t%s\t%s\t%.2f\t", m.Sites[l[0]].ID, m.Sites[l[1]].ID, ms(theoretical), ms(p50), ratio, 100*answered)
	}
	row("\nReckoned for a run of %s. Events of the network: %d; outages of the collector: %d.", steady, len(w.Events), len(w.Collector))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("show the plan: %w", err)
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond)) }
