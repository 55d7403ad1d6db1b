package serve

import (
	"context"
	"errors"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/mesh"
)

// settling is how long after midnight yesterday's windows are expected to have
// come. What comes later makes a day anew when it is asked for.
const settling = 30 * time.Minute

// Prepare makes the day records of the month up to yesterday, at once and then
// every day, so that whoever asks in the morning need not wait. It returns when
// the context ends.
func (s *Server) Prepare(ctx context.Context) {
	for {
		now := time.Now()
		zone, err := s.prepare(ctx, now)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("the day records could not be made; a report makes them when it is asked for", "error", err)
		}
		next := midnight(now.In(zone), 1).Add(settling)
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// prepare makes day records and tells the time zone of the mesh, as far as it
// is known.
func (s *Server) prepare(ctx context.Context, now time.Time) (*time.Location, error) {
	zone := time.UTC
	meshes, err := report.ReadMeshes(ctx, s.Store, s.Mesh)
	if err != nil {
		return zone, err
	}
	plan, err := meshes.Plan(s.Policy, func(of *time.Location) (report.Period, error) {
		zone = of
		today := midnight(now.In(zone), 0)
		period, err := report.ParsePeriod(now.In(zone).AddDate(0, 0, -1).Format("2006-01"), "", "", zone)
		if today.Before(period.To) {
			period.To = today
		}
		return period, err
	})
	if err != nil {
		return zone, err
	}
	kept, err := s.Days.Begin(ctx)
	if err != nil {
		return zone, err
	}
	began := time.Now()
	if err := report.Prepare(ctx, plan, s.Store, kept); err != nil {
		return zone, err
	}
	s.Log.Info("day records are ready", "from", plan.Period.From, "to", plan.Period.To, "took", time.Since(began).Round(time.Millisecond))
	return zone, nil
}

// lookAhead reads what else the first to ask would wait for: the journal, and the
// reports of the months that a list begins with, which are forgotten when the
// program ends. Newest first and one at a time; it returns when all are made.
func (s *Server) lookAhead(ctx context.Context, of parts) {
	began := time.Now()
	err := of.admitted.follow(ctx)
	months, _, failed := of.seen.months(ctx, "", monthsAtOnce)
	err = errors.Join(err, failed)
	for _, month := range months {
		period, failed := of.made.Resolve(ctx, report.Span{Period: month})
		if failed == nil {
			failed = of.made.Ahead(ctx, shelf.KeyOf(period, false, false))
		}
		if err = errors.Join(err, failed); ctx.Err() != nil {
			return
		}
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("not all rates of months are made ahead; they are made when they are asked for", "error", err)
		return
	}
	s.Log.Debug("the rates of months are ready", "months", len(months), "took", time.Since(began).Round(time.Millisecond))
}

// midnight begins the day so many days after that of t: later than 0:00 where the
// clock is set forward over it, for which package time gives a moment of the day
// before.
func midnight(t time.Time, days int) time.Time {
	date := time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, time.UTC)
	at, err := mesh.Moment(date.Format(time.DateOnly)).In(t.Location())
	if err != nil {
		return date // a date can always be read
	}
	return at
}
