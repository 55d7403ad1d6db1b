package generate

import (
	"errors"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// Period reads what a person gives: the first and the last month or day that is
// generated, both whole, such as 2025-01 and 2025-12, or 2025-06-03. A period
// that is not over at now is refused: what has not been is not history.
func Period(from, to string, zone *time.Location, now time.Time) (first, end time.Time, err error) {
	first, _, err = named(from, zone)
	if err != nil {
		return first, end, fmt.Errorf("from: %w", err)
	}
	if _, end, err = named(to, zone); err != nil {
		return first, end, fmt.Errorf("to: %w", err)
	}
	switch {
	case !first.Before(end):
		err = fmt.Errorf("to, %s, is before from, %s", to, from)
	case first.Year() < wan.FirstYear+1 || end.Year() > 2200:
		err = fmt.Errorf("the period is not within %d to 2199", wan.FirstYear+1)
	case end.After(now):
		err = fmt.Errorf("to, %s, is not over yet: what has not been is not history", to)
	}
	return first, end, err
}

// named gives the beginning of a month or day, and of the next.
func named(text string, zone *time.Location) (from, to time.Time, err error) {
	for _, form := range []struct {
		layout       string
		months, days int
	}{{"2006-01", 1, 0}, {time.DateOnly, 0, 1}} {
		if t, err := time.Parse(form.layout, text); err == nil {
			next := t.AddDate(0, form.months, form.days)
			return startOfDay(t.Year(), t.Month(), t.Day(), zone), startOfDay(next.Year(), next.Month(), next.Day(), zone), nil
		}
	}
	if text == "" {
		return from, to, errors.New("is missing; give a month or day such as 2025-06 or 2025-06-03")
	}
	return from, to, fmt.Errorf("%.40q is not a month or day such as 2025-06 or 2025-06-03", text)
}
