package compliance

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
)

// sufficiency holds what an end delivered over a stretch against its schedule
// by hour, and gives the reasons why it is not enough; none if it is.
func (r *Rules) sufficiency(end *End, tally *latency.Tally, scheduled []int64) (api.Sufficiency, []api.Reason) {
	s, silent := r.fulfilled(tally, scheduled)
	var usable int64
	for _, n := range tally.Usable {
		usable += n
	}
	switch {
	case end.Windows == 0:
		return s, []api.Reason{end.reason(api.ReasonNoWindows)}
	case usable < r.demonstration:
		// Also over a month: a site may live for its last seconds only.
		return s, []api.Reason{end.reason(api.ReasonTooFewPackets, "packets", usable, "required", r.demonstration)}
	case tally.ShortOfDay:
		return s, nil
	}
	var reasons []api.Reason
	if !reaches(int64(s.DaysSufficient), int64(s.Days), r.days) {
		required, _ := r.days.Float64()
		reasons = append(reasons, end.reason(api.ReasonTooFewDays, "days", s.Days, "days_sufficient", s.DaysSufficient, "required_share", required))
	}
	if len(silent) > 0 {
		reasons = append(reasons, end.reason(api.ReasonSilentHours, "hours", silent))
	}
	return s, reasons
}

// fulfilled counts the days and clock hours that had enough of their packets,
// and lists the clock hours that had not. What was sent beyond the schedule of
// an hour does not make up for another.
func (r *Rules) fulfilled(tally *latency.Tally, scheduled []int64) (s api.Sufficiency, silent []int) {
	var hours [24]fill
	for i, hour := range tally.Hours {
		hours[hour.Clock].add(tally.Usable[i], scheduled[i])
	}
	for _, f := range daysOf(tally, scheduled) {
		if f.scheduled > 0 {
			s.Days++
			if reaches(f.usable, f.scheduled, r.packetsOfDay) {
				s.DaysSufficient++
			}
		}
	}
	for clock, f := range hours {
		if f.scheduled > 0 {
			s.Hours++
			if reaches(f.usable, f.scheduled, r.packetsOfHour) {
				s.HoursSufficient++
			} else {
				silent = append(silent, clock)
			}
		}
	}
	return s, silent
}

// fill is how much of a schedule was delivered.
type fill struct{ usable, scheduled int64 }

func (f *fill) add(usable, scheduled int64) {
	f.usable += min(usable, scheduled)
	f.scheduled += scheduled
}

// daysOf is how each day of a calendar was filled.
func daysOf(tally *latency.Tally, scheduled []int64) []fill {
	days := make([]fill, len(tally.Days))
	for i, hour := range tally.Hours {
		days[hour.Day].add(tally.Usable[i], scheduled[i])
	}
	return days
}

// reaches tells whether part / whole ≥ share, exactly.
func reaches(part, whole int64, share *big.Rat) bool {
	need := new(big.Rat).Mul(share, new(big.Rat).SetInt64(whole))
	return new(big.Rat).SetInt64(part).Cmp(need) >= 0
}
