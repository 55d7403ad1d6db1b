package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/mesh"
)

// rules are the flags that say by what is judged.
type rules struct {
	Mesh   string `required:"" placeholder:"FILE" help:"The mesh: clusters, sites, distances, tests."`
	Policy string `placeholder:"FILE" help:"The policy; without it the default counts (policy --print shows it)."`
}

func (r rules) load(env *cli.Env) (*mesh.Mesh, *policy.Policy, error) {
	m, err := mesh.Load(r.Mesh)
	if err != nil {
		return nil, nil, err
	}
	for _, warning := range m.Warnings() {
		env.Log.Warn(warning)
	}
	p := policy.Default()
	if r.Policy != "" {
		if p, err = policy.Load(r.Policy); err != nil {
			return nil, nil, err
		}
	}
	return m, p, nil
}

// span are the flags that say which period is judged.
type span struct {
	Period string `placeholder:"2025-06" help:"Year, month or day in the mesh's time zone."`
	From   string `placeholder:"TIME" help:"First moment: a date in the mesh's time zone, or RFC 3339."`
	To     string `placeholder:"TIME" help:"First moment no longer judged: as --from."`
}

func (s span) given() bool { return s != span{} }

func (s span) parse(zone *time.Location) (report.Period, error) {
	period, err := report.ParsePeriod(s.Period, s.From, s.To, zone)
	if err != nil {
		return period, cli.Usage(err)
	}
	return period, nil
}

// planned asks the store which meshes were served, and plans with them.
func planned(ctx context.Context, s store.Reader, m *mesh.Mesh, p *policy.Policy, period report.Period) (*report.Plan, error) {
	archive, err := s.Meshes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the archived meshes: %w", err)
	}
	return report.NewPlan(m, p, period, archive)
}

func generatedBy() string { return "fibergauge-analyzer " + cli.Version() }

// closing adds the error of closing to that of the work.
func closing(s store.Reader, err *error) { *err = errors.Join(*err, s.Close()) }
