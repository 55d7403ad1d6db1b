package serve

import (
	"context"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

// Zone is the time zone of the newest mesh.
func (s *Server) Zone(ctx context.Context) (*time.Location, error) {
	meshes, err := report.ReadMeshes(ctx, s.Store, s.Mesh)
	if err != nil {
		return nil, err
	}
	newest, err := meshes.Newest()
	if err != nil {
		return nil, err
	}
	return newest.Location(), nil
}

// Month makes the report of a month as it is filed: what the command report
// --format all makes of it.
func (s *Server) Month(ctx context.Context, month string) (*api.Report, error) {
	meshes, err := report.ReadMeshes(ctx, s.Store, s.Mesh)
	if err != nil {
		return nil, err
	}
	plan, err := meshes.Plan(s.Policy, report.Span{Period: month}.Parse)
	if err != nil {
		return nil, err
	}
	options := report.Options{GeneratedBy: s.GeneratedBy, Complete: !time.Now().Before(plan.Period.To), Trend: true}
	if s.Days != nil {
		if options.Records, err = s.Days.Begin(ctx); err != nil {
			return nil, err
		}
	}
	return report.Build(ctx, plan, s.Store, options)
}
