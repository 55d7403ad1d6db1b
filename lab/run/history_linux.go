package run

import (
	"context"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/lab/generate"
)

// history puts synthetic months behind the run, into the same store: whole ones
// until the present month, and of this the days that are over.
func (s *stage) history(ctx context.Context) error {
	if s.plan.History == 0 {
		return nil
	}
	now := time.Now().In(s.mesh.Location())
	firstOfMonth := time.Date(now.Year(), now.Month(), 1, 12, 0, 0, 0, now.Location())
	from, to := firstOfMonth.AddDate(0, -s.plan.History, 0).Format("2006-01"), now.AddDate(0, 0, -1).Format(time.DateOnly)
	plan := generate.Plan{Mesh: s.mesh, WAN: s.wan, Store: s.store}
	var err error
	if plan.From, plan.To, err = generate.Period(from, to, s.mesh.Location(), now); err != nil {
		return fmt.Errorf("generate a history: %w", err)
	}
	var shown time.Time
	done, err := generate.Run(ctx, plan, s.out.Log, func(p generate.Progress) {
		if now := time.Now(); now.Sub(shown) > 200*time.Millisecond {
			shown = now
			s.say("generating a history, day %d of %d: %d windows", min(p.Done+1, p.Total), p.Total, p.Windows)
		}
	})
	s.say("")
	if err != nil {
		return err
	}
	s.past = from
	if _, err := fmt.Fprintf(s.out.Results, "A SYNTHETIC history from %s to %s lies behind the run in the store: %d windows, %d packets, generated in %s.\n\n",
		from, to, done.Windows, done.Packets, time.Since(now).Round(time.Second)); err != nil {
		return fmt.Errorf("say what was generated: %w", err)
	}
	return nil
}
