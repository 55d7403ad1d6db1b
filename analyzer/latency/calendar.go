package latency

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Calendar is a period cut into the clock hours of a time zone: what days and
// hours there are to be filled with packets.
type Calendar struct {
	FromMS, ToMS int64 // [FromMS, ToMS), Unix time in ms
	Hours        []Hour
	Days         []string // dates, such as 2025-06-03, in order
	ShortOfDay   bool     // the period is shorter than the day it begins on would be

	days []dayHours // as Days
}

// dayHours is what of a day lies in the period.
type dayHours struct {
	Span
	// sum is the hash over its date and hours, which do not tell of which period
	// they are.
	sum wire.Digest
}

// Hour is the part of one clock hour that lies in the period. Where a clock is
// set back, both passes through the hour are one.
type Hour struct {
	FromMS, ToMS int64
	Day          int // index in Calendar.Days
	Clock        int // 0 to 23
}

// quarter divides every clock hour of every zone in use since 1972, and every
// window lies within one.
const quarter = 15 * time.Minute

// NewCalendar cuts [from, to) in the zone of from, hours also at the given
// moments. Moments count to the millisecond.
func NewCalendar(from, to time.Time, cuts ...time.Time) *Calendar {
	c := &Calendar{
		FromMS: from.UnixMilli(), ToMS: to.UnixMilli(),
		ShortOfDay: to.Before(dayAfter(from)),
	}
	year, month, day, clock := 0, time.Month(0), 0, -1
	for at := c.FromMS; at < c.ToMS; {
		next := min((at/quarter.Milliseconds()+1)*quarter.Milliseconds(), c.ToMS)
		cut := false
		for _, t := range cuts {
			if ms := t.UnixMilli(); at < ms && ms < next {
				next = ms
			}
			cut = cut || t.UnixMilli() == at
		}
		local := time.UnixMilli(at).In(from.Location())
		y, m, d := local.Date()
		if newDay := y != year || m != month || d != day; newDay || local.Hour() != clock || cut {
			if newDay {
				c.Days = append(c.Days, local.Format(time.DateOnly))
			}
			year, month, day, clock = y, m, d, local.Hour()
			c.Hours = append(c.Hours, Hour{FromMS: at, Day: len(c.Days) - 1, Clock: clock})
		}
		c.Hours[len(c.Hours)-1].ToMS = next
		at = next
	}
	c.sumDays()
	return c
}

func (c *Calendar) sumDays() {
	for hours := c.Hours; len(hours) > 0; {
		day, n := hours[0].Day, 0
		for n < len(hours) && hours[n].Day == day {
			n++
		}
		data := []byte(c.Days[day])
		for _, h := range hours[:n] {
			data = binary.AppendVarint(data, h.FromMS)
			data = binary.AppendVarint(data, h.ToMS)
			data = binary.AppendVarint(data, int64(h.Clock))
		}
		c.days = append(c.days, dayHours{Span{hours[0].FromMS, hours[n-1].ToMS}, sha256.Sum256(data)})
		hours = hours[n:]
	}
}

// dayAfter is the same clock time a day later, or the next midnight for the
// first moment of a day, which is not midnight where the clock is set forward
// over it.
func dayAfter(t time.Time) time.Time {
	if y, m, d := t.Date(); t.Add(-time.Millisecond).Day() != d {
		next := mesh.Moment(time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
		if first, err := next.In(t.Location()); err == nil { // it is a date
			return first
		}
	}
	return t.AddDate(0, 0, 1)
}

// hourOf is the index of the hour that holds a moment of the period.
func (c *Calendar) hourOf(ms int64) int {
	i, found := slices.BinarySearchFunc(c.Hours, ms, func(h Hour, ms int64) int {
		switch {
		case h.FromMS < ms:
			return -1
		case h.FromMS > ms:
			return 1
		}
		return 0
	})
	if found {
		return i
	}
	return i - 1
}

// HourAt is the index of the hour that holds a moment; false outside the period.
func (c *Calendar) HourAt(ms int64) (int, bool) {
	if !c.contains(ms) {
		return 0, false
	}
	return c.hourOf(ms), true
}

func (c *Calendar) contains(ms int64) bool { return c.FromMS <= ms && ms < c.ToMS }

// Schedule is how many packets a test asks for of a link in each hour: one in
// each of its intervals that begins while both sites exist and nothing excuses
// the link.
func (c *Calendar) Schedule(test *mesh.Test, src, dst *mesh.Site, zone *time.Location, excused ...Span) []int64 {
	from, to := c.FromMS, c.ToMS
	for _, site := range []*mesh.Site{src, dst} {
		// The mesh was checked when it was loaded: its moments can be read.
		if t, err := site.From.In(zone); err == nil && !t.IsZero() {
			from = max(from, t.UnixMilli())
		}
		if t, err := site.Until.In(zone); err == nil && !t.IsZero() {
			to = min(to, t.UnixMilli())
		}
	}
	interval := int64(test.IntervalMS)
	scheduled := make([]int64, len(c.Hours))
	for i, h := range c.Hours {
		a, b := max(h.FromMS, from), min(h.ToMS, to)
		if a < b {
			scheduled[i] = ceilDiv(b, interval) - ceilDiv(a, interval)
		}
		for _, span := range excused {
			if a, b := max(a, span.FromMS), min(b, span.ToMS); a < b {
				scheduled[i] -= ceilDiv(b, interval) - ceilDiv(a, interval)
			}
		}
	}
	return scheduled
}

// ceilDiv is ⌈a / b⌉ for moments after 1970.
func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
