package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/fibergauge/fibergauge/analyzer/imports"
	"github.com/fibergauge/fibergauge/analyzer/imports/atlas"
	"github.com/fibergauge/fibergauge/analyzer/imports/csv"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

type importCommand struct {
	RIPEAtlas importAtlas `cmd:"" name:"ripe-atlas" help:"Results of RIPE Atlas ping measurements: JSON as the API gives it, of any firmware."`
	CSV       importCSV   `cmd:"" name:"csv" help:"A table: a row a packet, or a row a summary (min, mean, max)."`
}

// intake are the flags that all imports have.
type intake struct {
	Files          []string `arg:"" name:"file" help:"Files to import, as one."`
	Mesh           string   `required:"" placeholder:"FILE" help:"The mesh whose sites were measured; the one that the collector serves."`
	Store          string   `required:"" placeholder:"SPEC" help:"Where the windows go: sqlite:PATH or influx:FILE."`
	Test           string   `placeholder:"NAME" help:"Test of the mesh whose windows are filled; the judged one if absent."`
	SkipBad        bool     `help:"Import the other rows where some are bad. Without it one bad row keeps all out."`
	AllowConflicts bool     `help:"Store windows beside different ones of the same key; what was stored first counts."`
	DryRun         bool     `help:"Only read and check; the store is not touched."`
}

// options reads what the files are held against.
func (c *intake) options(env *cli.Env) (*imports.Options, error) {
	m, err := mesh.Load(c.Mesh)
	if err != nil {
		return nil, err
	}
	for _, warning := range m.Warnings() {
		env.Log.Warn(warning)
	}
	name := c.Test
	if name == "" {
		name = m.Judged
	}
	test := m.Test(name)
	if test == nil {
		var tests []string
		for _, t := range m.Measure {
			tests = append(tests, t.Name)
		}
		return nil, cli.Usage(fmt.Errorf("--test %s is no test of the mesh; it has %s", name, strings.Join(tests, ", ")))
	}
	return &imports.Options{Mesh: m, Test: test, Now: time.Now(), SkipBad: c.SkipBad, AllowConflicts: c.AllowConflicts}, nil
}

// run imports files, once they are known to be of a form that can be read.
func (c *intake) run(ctx context.Context, env *cli.Env, o *imports.Options, file func(string) imports.File) (err error) {
	progress, wipe := stepsOn(env.Stderr)
	defer wipe()
	o.Progress = progress
	files := make([]imports.File, len(c.Files))
	for i, name := range c.Files {
		info, err := os.Stat(name)
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = fmt.Errorf("%s: cannot be read: %w", name, failed.Err)
		} else if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no regular file; save it as one first", name)
		}
		if err != nil {
			return cli.Usage(err)
		}
		files[i] = file(name)
	}
	plan, err := imports.Prepare(ctx, files, *o)
	wipe()
	if plan != nil {
		defer func() { err = errors.Join(err, plan.Close()) }()
		if err := plan.Report.WriteBad(env.Stderr); err != nil {
			return err
		}
	}
	if err == nil && !c.DryRun {
		err = c.store(ctx, env, plan)
		wipe()
	}
	if plan != nil {
		if err := plan.Report.Write(env.Stdout); err != nil {
			return err
		}
	}
	if err == nil && c.DryRun {
		if _, err := fmt.Fprintln(env.Stdout, "dry run  nothing is stored, and the store was not asked what it has"); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if _, refused := errors.AsType[*imports.Refusal](err); refused {
		return cli.Usage(err)
	}
	return err
}

func (c *intake) store(ctx context.Context, env *cli.Env, plan *imports.Plan) (err error) {
	s, err := open.Writer(ctx, c.Store, env.Log)
	if err != nil {
		return err
	}
	defer closing(s, &err)
	err = plan.Store(ctx, s)
	if plan.Report.Archived {
		env.Log.Warn("the mesh was not in the archive of the store, which has others; it is now the last one there, and reports without --mesh judge by it the periods that end from now on, until a collector serves another that is new",
			"file", c.Mesh)
	}
	if beside := plan.Report.Beside; len(beside) > 0 {
		env.Log.Warn("the store has windows of the same links, times and test that were not imported, and a verdict counts the packets of both; to keep them apart give imports a test of their own",
			"links", len(beside), "first", beside[0])
	}
	return err
}

type importAtlas struct {
	intake `embed:""`
	Probe  map[string]string `placeholder:"ID=SITE" mapsep:"none" help:"Which site a probe is. Can be repeated."`
	Target map[string]string `placeholder:"ADDRESS=SITE" mapsep:"none" help:"Which site answers at an address; the one that has it in the mesh if absent. Can be repeated."`
	Map    string            `placeholder:"FILE" help:"The same as a YAML file: probes and targets, each a mapping to sites."`
}

// places is the file that --map names.
type places struct {
	Probes  map[string]string `yaml:"probes"`
	Targets map[string]string `yaml:"targets"`
}

// Run imports results of RIPE Atlas.
func (c *importAtlas) Run(ctx context.Context, env *cli.Env) error {
	o, err := c.options(env)
	if err != nil {
		return err
	}
	if o.Test.Method != mesh.MethodICMP {
		return cli.Usage(fmt.Errorf("test %s is measured by %s, RIPE Atlas pings by ICMP echo; name one of method icmp by --test", o.Test.Name, o.Test.Method))
	}
	probes, targets, err := c.places()
	if err != nil {
		return err
	}
	a, err := atlas.New(o, probes, targets)
	if err != nil {
		return cli.Usage(err)
	}
	return c.run(ctx, env, o, a.File)
}

// places puts the flags over the file.
func (c *importAtlas) places() (map[uint64]string, map[netip.Addr]string, error) {
	probes, targets := map[uint64]string{}, map[netip.Addr]string{}
	add := func(p places, wrong func(path, format string, args ...any) error) error {
		for id, site := range p.Probes {
			n, err := strconv.ParseUint(id, 10, 64)
			if err != nil {
				return wrong("probes."+id, "%q is not the number of a probe", id)
			}
			probes[n] = site
		}
		for text, site := range p.Targets {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return wrong("targets."+text, "%q is not an IP address", text)
			}
			targets[address] = site
		}
		return nil
	}
	if c.Map != "" {
		var file places
		doc, _, err := yamlfile.Read(c.Map, &file)
		if err == nil {
			err = add(file, doc.Errorf)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	err := add(places{c.Probe, c.Target}, func(path, format string, args ...any) error {
		flag, _, _ := strings.Cut(path, "s.")
		return cli.Usage(fmt.Errorf("--"+flag+": "+format, args...))
	})
	if err == nil && len(probes) == 0 {
		err = cli.Usage(errors.New("no probe is mapped to a site; give --probe ID=SITE, or --map FILE"))
	}
	return probes, targets, err
}

type importCSV struct {
	intake    `embed:""`
	Src       string            `required:"" placeholder:"COL" help:"Column with the site that measured."`
	Dst       string            `required:"" placeholder:"COL" help:"Column with the site that answered."`
	Site      map[string]string `placeholder:"NAME=SITE" mapsep:"none" help:"What the table calls a site of the mesh. Can be repeated."`
	Time      string            `placeholder:"COL" help:"Column with the moment: RFC 3339, Unix seconds (ms if its name ends in _ms), or local in the mesh's zone."`
	At        string            `placeholder:"TIME" help:"The moment of all rows, instead of --time."`
	RTT       string            `name:"rtt" placeholder:"COL" help:"Column with the RTT of one packet; empty where it was lost."`
	Lost      []string          `sep:"none" placeholder:"TEXT" help:"What else stands there for a lost packet. Can be repeated."`
	Min       string            `placeholder:"COL" help:"Column with the smallest RTT of a summary."`
	Mean      string            `placeholder:"COL" help:"Column with the mean RTT of a summary."`
	Max       string            `placeholder:"COL" help:"Column with the largest RTT of a summary."`
	Sent      string            `placeholder:"COL" help:"Column with how many packets a summary is about; goes with --received."`
	Received  string            `placeholder:"COL" help:"Column with how many of them were answered; goes with --sent."`
	Unit      string            `enum:"named,ms,us" default:"named" placeholder:"UNIT" help:"Unit of the RTTs: ms, us, or named where the names of the columns end in it."`
	Delimiter string            `enum:"header,comma,semicolon,tab" default:"header" placeholder:"NAME" help:"What is between the columns: comma, semicolon, tab, or the one that the header has."`
	Source    string            `placeholder:"NAME" help:"Which system measured. What is of two systems is kept apart."`
}

// Run imports tables.
func (c *importCSV) Run(ctx context.Context, env *cli.Env) error {
	o, err := c.options(env)
	if err != nil {
		return err
	}
	table := &csv.Table{
		Mesh: o.Mesh, Sites: c.Site, Src: c.Src, Dst: c.Dst, Time: c.Time, At: c.At, RTT: c.RTT, Lost: c.Lost,
		Min: c.Min, Mean: c.Mean, Max: c.Max, Sent: c.Sent, Received: c.Received,
		Unit: map[string]imports.Unit{"ms": imports.Milliseconds, "us": imports.Microseconds}[c.Unit], System: c.Source,
		Delimiter: map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t'}[c.Delimiter],
	}
	if err := table.Check(); err != nil {
		return cli.Usage(err)
	}
	return c.run(ctx, env, o, table.File)
}

// stepsOn shows on a terminal what is being done and how far; wipe takes that
// off again. Elsewhere both do nothing.
func stepsOn(w io.Writer) (progress func(what string, done, total int), wipe func()) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil, func() {}
	}
	progress = func(what string, done, total int) {
		of := ""
		if total > 0 {
			of = fmt.Sprintf(" of %d", total)
		}
		fmt.Fprintf(file, "\r%s %d%s\x1b[K", what, done, of)
	}
	return progress, func() { fmt.Fprint(file, "\r\x1b[K") }
}
