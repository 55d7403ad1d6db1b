package serve

import (
	"context"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/report"
)

// settling is how long after midnight yesterday's windows are expected to have
// come. What comes later makes a day anew when it is asked for.
const settling = 30 * time.Minute

// Prepare makes the day records of the month up to yesterday, at once and then
// every day, so that whoever asks in the morning need not wait. It returns when
// the context ends.
func (s *Server) Prepare(ctx context.Context) {
	for {
		now := time.Now().In(s.Mesh.Location())
		if err := s.prepare(ctx, now); err != nil && ctx.Err() == nil {
			s.Log.Error("the day records could not be made; a report makes them when it is asked for", "error", err)
		}
		next := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, now.Location()).Add(settling)
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (s *Server) prepare(ctx context.Context, now time.Time) error {
	yesterday := now.AddDate(0, 0, -1)
	period, err := report.ParsePeriod(yesterday.Format("2006-01"), "", "", s.Mesh.Location())
	if err != nil {
		return err
	}
	if today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()); today.Before(period.To) {
		period.To = today
	}
	archive, err := s.Store.Meshes(ctx)
	if err != nil {
		return fmt.Errorf("read the archived meshes: %w", err)
	}
	plan, err := report.NewPlan(s.Mesh, s.Policy, period, archive)
	if err != nil {
		return err
	}
	kept, err := s.Records(ctx, plan)
	if err != nil || kept == nil {
		return err
	}
	began := time.Now()
	if err := report.Prepare(ctx, plan, s.Store, kept); err != nil {
		return err
	}
	s.Log.Info("day records are ready", "from", period.From, "to", period.To, "took", time.Since(began).Round(time.Millisecond))
	return nil
}
