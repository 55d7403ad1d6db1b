package datasource

import (
	"context"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// CheckHealth says in a sentence what Save & test has reached, or what to do.
func (s *Source) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	text, err := s.reached(ctx)
	if err != nil {
		_, why := s.upstream.explain(err)
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: why}, nil
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: text}, nil
}

func (s *Source) reached(ctx context.Context) (string, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return "", err
	}
	status, err := ask(ctx, s.upstream, "GET /api/v1/status", func(ctx context.Context, c *api.Client) (*api.Status, error) { return c.Status(ctx) })
	if err != nil {
		return "", err
	}
	// What an older one lacks is found here, and what the token does not allow.
	now := s.now()
	if _, _, err := s.askProbes(ctx, &Query{From: now.Add(-time.Hour), To: now}, 1); err != nil && !isEmpty(err) {
		return "", err
	}
	newest := "it has no windows yet"
	if status.NewestEnd != nil {
		end, err := momentOf(*status.NewestEnd)
		if err != nil {
			return "", err
		}
		newest = fmt.Sprintf("its newest window ended %s ago, at %s", now.Sub(end).Round(time.Second), *status.NewestEnd)
	}
	if len(n.Links) == 0 {
		return fmt.Sprintf("Reached %s at %s. Its mesh %q measures no link that this token may see; %s.", status.Server, s.upstream.url, n.Name, newest), nil
	}
	return fmt.Sprintf("Reached %s at %s. It measures %d ends of links between %d clusters of the mesh %q; %s.",
		status.Server, s.upstream.url, len(n.Links), len(n.Clusters), n.Name, newest), nil
}
