package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// rules are the flags that say by what is judged.
type rules struct {
	Mesh   string `placeholder:"FILE" help:"Judge by this mesh. Without it by the version that collectors had last begun to serve when the period ended, from the archive of the store."`
	Policy string `placeholder:"FILE" help:"The policy; without it the default counts (policy --print shows it). All who read a report or an excerpt can read this file, its comments too."`
}

// load reads the files; without one the mesh is nil.
func (r rules) load(env *cli.Env) (m *mesh.Mesh, p *policy.Policy, err error) {
	if r.Mesh != "" {
		if m, err = mesh.Load(r.Mesh); err != nil {
			return nil, nil, err
		}
		tellWarnings(m, env)
	}
	p = policy.Default()
	if r.Policy != "" {
		if p, err = policy.Load(r.Policy); err != nil {
			return nil, nil, err
		}
	}
	return m, p, nil
}

// warnOf tells what is to be looked at in the mesh that judges, such as a road
// that raises a limit. That of a file was told when it was loaded.
func (r rules) warnOf(judging *mesh.Mesh, env *cli.Env) {
	if r.Mesh == "" {
		tellWarnings(judging, env)
	}
}

func tellWarnings(m *mesh.Mesh, env *cli.Env) {
	for _, warning := range m.Warnings() {
		env.Log.Warn(warning)
	}
}

// span are the flags that say which period is judged.
type span struct {
	Period string `placeholder:"2025-06" help:"Year, month or day in the mesh's time zone."`
	From   string `placeholder:"TIME" help:"First moment: a date in the mesh's time zone, or RFC 3339."`
	To     string `placeholder:"TIME" help:"First moment no longer judged: as --from."`
}

func (s span) given() bool { return s != span{} }

func (s span) parse(zone *time.Location) (report.Period, error) {
	switch { // by the names of the flags; package report knows those of a query, too
	case !s.given():
		return report.Period{}, cli.Usage(errors.New("no period is given; give --period, such as 2025-06, or --from and --to"))
	case s.Period != "" && (s.From != "" || s.To != ""):
		return report.Period{}, cli.Usage(errors.New("--period goes without --from and --to; give one or the other"))
	case s.Period == "" && s.From == "":
		return report.Period{}, cli.Usage(errors.New("--to goes with --from; give both"))
	case s.Period == "" && s.To == "":
		return report.Period{}, cli.Usage(errors.New("--from goes with --to; give both"))
	}
	period, err := report.ParsePeriod(s.Period, s.From, s.To, zone)
	if err != nil {
		return period, cli.Usage(err)
	}
	return period, nil
}

// keeping is the flag that says where day records are kept.
type keeping struct {
	Cache string `placeholder:"DIR" help:"Folder of day records, so that windows are read once; it may be deleted at any time. none: read all windows. By default fibergauge in the user's cache folder."`
}

// noCache is the value of --cache that keeps nothing.
const noCache = "none"

// open opens the day records of a store; nil where none are kept. Only a folder
// that was asked for has to be there.
func (k keeping) open(ctx context.Context, spec string, s store.Reader, log *slog.Logger) (*records.Cache, error) {
	folder := k.folder()
	if folder == "" {
		return nil, nil
	}
	cache, err := records.Open(ctx, records.File(folder, spec), s, log)
	if err != nil && k.Cache == "" {
		log.Warn("no day records are kept: every report reads all windows; name a folder with --cache", "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--cache %s: %w; name a folder that may be written, or none", k.Cache, err))
	}
	return cache, nil
}

// userCache is where programs of the user keep what may be lost. Tests have a
// folder of their own.
var userCache = os.UserCacheDir

// folder is where things are kept that may be lost; empty for nowhere.
func (k keeping) folder() string {
	switch k.Cache {
	case noCache:
		return ""
	case "":
		user, err := userCache()
		if err != nil {
			return ""
		}
		return filepath.Join(user, "fibergauge")
	}
	return k.Cache
}

// begin begins a session of records for one report; nil without a cache, and
// where a period is shorter than what records are of.
func begin(ctx context.Context, cache *records.Cache, plan *report.Plan) (latency.Records, error) {
	if cache == nil || plan.Demonstration() {
		return nil, nil
	}
	return cache.Begin(ctx)
}

// planBy plans a period; what is wrong with it is wrong usage.
func planBy(m report.Meshes, p *policy.Policy, s span) (*report.Plan, error) {
	plan, err := m.Plan(p, s.parse)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return plan, nil
}

// looking is the flag of commands that look at links, and judge nothing.
type looking struct {
	Mesh string `placeholder:"FILE" help:"Links to look at beside those of the archive, and the time zone of the period, which without it is that of the version served last."`
}

// load gives the mesh of the file or else the newest one of the store.
func (l looking) load(ctx context.Context, s store.Reader) (*mesh.Mesh, error) {
	if l.Mesh != "" {
		return mesh.Load(l.Mesh)
	}
	all, err := report.ReadMeshes(ctx, s, nil)
	if err != nil {
		return nil, err
	}
	m, err := all.Newest()
	if err != nil {
		return nil, cli.Usage(err)
	}
	return m, nil
}

func generatedBy() string { return "fibergauge-analyzer " + cli.Version() }

// closing adds the error of closing to that of the work.
func closing(s store.Reader, err *error) { *err = errors.Join(*err, s.Close()) }
