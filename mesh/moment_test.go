package mesh

import (
	"testing"
	"time"
)

// A date is its first instant, which is not midnight where the clock is set
// forward over it, and the earlier one where it is set back over it.
func TestDateIsItsFirstInstant(t *testing.T) {
	for _, c := range []struct{ zone, date, want string }{
		{"Asia/Shanghai", "2025-06-01", "2025-06-01T00:00:00+08:00"},
		{"America/Santiago", "2025-09-07", "2025-09-07T01:00:00-03:00"},
		{"Africa/Cairo", "2025-04-25", "2025-04-25T01:00:00+03:00"},
		{"America/Havana", "2025-11-02", "2025-11-02T00:00:00-04:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Moment(c.date).In(zone)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s %s begins at %v (%v), want %s", c.zone, c.date, got, err, c.want)
		}
		if before := got.Add(-time.Millisecond); before.Format(time.DateOnly) >= c.date {
			t.Errorf("%s %s: %v is of the day too", c.zone, c.date, before)
		}
	}
}
