package report

import (
	"errors"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
)

// maxYears bounds a period: no store holds more, and hours are counted one by
// one.
const maxYears = 10

// Period is [From, To), in the time zone of the mesh.
type Period struct{ From, To time.Time }

// Span is a period as people write it, for ParsePeriod.
type Span struct{ Period, From, To string }

// Parse reads a period in a time zone, for Meshes.Plan.
func (s Span) Parse(zone *time.Location) (Period, error) {
	return ParsePeriod(s.Period, s.From, s.To, zone)
}

// ParsePeriod reads a period from what a person gives: either a year, month or
// day such as 2025, 2025-06 or 2025-06-03, or both ends as dates or RFC 3339
// times, of which the second is the first moment no longer in the period.
func ParsePeriod(period, from, to string, zone *time.Location) (Period, error) {
	switch {
	case period == "" && from == "" && to == "":
		return Period{}, errors.New("no period is given; give period, such as 2025-06, or from and to")
	case period != "" && (from != "" || to != ""):
		return Period{}, errors.New("period goes without from and to; give one or the other")
	case period != "":
		return named(period, zone)
	case from == "":
		return Period{}, errors.New("to goes with from; give both")
	case to == "":
		return Period{}, errors.New("from goes with to; give both")
	}
	return between(from, to, zone)
}

func named(period string, zone *time.Location) (Period, error) {
	for _, form := range []struct {
		layout              string
		years, months, days int
	}{{"2006", 1, 0, 0}, {"2006-01", 0, 1, 0}, {"2006-01-02", 0, 0, 1}} {
		if first, err := time.Parse(form.layout, period); err == nil {
			next := first.AddDate(form.years, form.months, form.days)
			if p, err := checked(Period{first, next}); err != nil {
				return p, err
			}
			return between(first.Format(time.DateOnly), next.Format(time.DateOnly), zone)
		}
	}
	return Period{}, fmt.Errorf("period %.40q is not a year, month or day such as 2025, 2025-06 or 2025-06-03", period)
}

func between(from, to string, zone *time.Location) (Period, error) {
	a, err := mesh.Moment(from).In(zone)
	if err != nil {
		return Period{}, fmt.Errorf("from: %w", err)
	}
	b, err := mesh.Moment(to).In(zone)
	if err != nil {
		return Period{}, fmt.Errorf("to: %w", err)
	}
	// Windows are dated to the millisecond.
	p := Period{time.UnixMilli(a.UnixMilli()).In(zone), time.UnixMilli(b.UnixMilli()).In(zone)}
	if !p.From.Before(p.To) {
		return Period{}, fmt.Errorf("to, %s, is not after from, %s", to, from)
	}
	return checked(p)
}

func checked(p Period) (Period, error) {
	if p.From.Year() < 1972 || p.To.Year() > 2200 {
		return Period{}, errors.New("the period is not within 1972 to 2200")
	}
	if p.To.After(p.From.AddDate(maxYears, 0, 0)) {
		return Period{}, fmt.Errorf("the period is longer than %d years; ask for parts of it", maxYears)
	}
	return p, nil
}
