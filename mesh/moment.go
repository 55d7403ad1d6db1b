package mesh

import (
	"fmt"
	"time"
)

// Moment is a point in time as people write it: a date, meaning its first
// instant in the mesh's time zone, or an RFC 3339 time. Empty means unbounded.
type Moment string

// In gives the instant, reading a bare date in the given zone. An empty
// moment gives the zero time.
func (m Moment) In(zone *time.Location) (time.Time, error) {
	if m == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, string(m)); err == nil {
		return firstInstant(day, zone), nil
	}
	t, err := time.Parse(time.RFC3339, string(m))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00", string(m))
	}
	return t, nil
}

// firstInstant is where a date begins in a zone: midnight, or where the clock
// is set forward over midnight, the moment at which it is.
func firstInstant(day time.Time, zone *time.Location) time.Time {
	t := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
	if t.Day() == day.Day() {
		return t
	}
	// Package time went back by the gap, to the day before.
	if _, change := t.ZoneBounds(); !change.IsZero() {
		return change
	}
	return t
}

// interval is [from, until); a zero bound is open.
type interval struct{ from, until time.Time }

func (i interval) contains(t time.Time) bool {
	return (i.from.IsZero() || !t.Before(i.from)) && (i.until.IsZero() || t.Before(i.until))
}

// meets tells whether two intervals have a moment in common.
func (i interval) meets(o interval) bool {
	return (i.until.IsZero() || o.from.Before(i.until)) && (o.until.IsZero() || i.from.Before(o.until))
}
