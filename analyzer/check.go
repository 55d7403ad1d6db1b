package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
)

type checkCommand struct {
	rules `embed:""`
	span  `embed:""`
	Store string `placeholder:"SPEC" help:"Also ask whether the store answers: sqlite:PATH or influx:FILE."`
}

// Help says what no flag does.
func (checkCommand) Help() string {
	return "Without --period, --from and --to it tells of the present month. It changes nothing."
}

// Run says what a report with the same flags would judge; without a period,
// what one of the present month would.
func (c *checkCommand) Run(ctx context.Context, env *cli.Env) (err error) {
	m, p, err := c.load(env)
	if err != nil {
		return err
	}
	all, answers := report.Meshes{File: m}, "not asked; give --store"
	if c.Store != "" {
		s, err := open.Reader(ctx, c.Store, env.Log)
		if err != nil {
			return err
		}
		defer closing(s, &err)
		if err := s.Ready(ctx); err != nil {
			return fmt.Errorf("store %s does not answer: %w", c.Store, err)
		}
		answers = c.Store + " answers"
		if all, err = report.ReadMeshes(ctx, s, m); err != nil {
			return err
		}
	}
	plan, err := all.Plan(p, func(zone *time.Location) (report.Period, error) {
		asked := c.span // of each zone that it is asked with
		if !asked.given() {
			asked.Period = time.Now().In(zone).Format("2006-01")
		}
		return asked.parse(zone)
	})
	if err != nil {
		return cli.Usage(err)
	}
	c.warnOf(plan.Mesh, env)
	_, err = fmt.Fprint(env.Stdout, describe(plan, answers))
	return err
}

func describe(plan *report.Plan, store string) string {
	m, p := plan.Mesh, plan.Policy
	var scheduled int64
	for i := range plan.Links {
		scheduled += plan.Links[i].Scheduled()
	}
	estimated := 0
	for _, link := range plan.Links {
		if link.Stretches[0].Route.Estimated {
			estimated++
		}
	}
	target := "none"
	if t, ok := p.Rate.Target(plan.Period.From.Year()); ok {
		target = string(t.Percent) + " %"
	}
	clusters := "all clusters"
	if p.Rate.Clusters[0] != policy.AllClusters {
		clusters = strings.Join(p.Rate.Clusters, ", ")
	}
	var b strings.Builder
	for _, line := range []struct {
		name, format string
		args         []any
	}{
		{"mesh", "%s, %s", []any{m.Name, m.SHA256()}},
		{"policy", "%s, %s", []any{p.Name, p.SHA256()}},
		{"store", "%s", []any{store}},
		{"period", "%s to %s", []any{plan.Period.From.Format(time.RFC3339), plan.Period.To.Format(time.RFC3339)}},
		{"judged", "%s of test %s, at most %s times the theoretical RTT", []any{p.Measurement.Statistic, plan.Test.Name, p.Theory.Factor}},
		{"links", "%s of sites, %d by an estimated distance; %s scheduled", []any{cli.Count(len(plan.Links), "pair"), estimated, cli.Count(scheduled, "packet")}},
		{"rate", "%s of %s on plane %s; target %s", []any{cli.Count(len(plan.Pairs), "pair"), clusters, plan.Headline, target}},
	} {
		fmt.Fprintf(&b, "%-7s "+line.format+"\n", append([]any{line.name}, line.args...)...)
	}
	return b.String()
}
