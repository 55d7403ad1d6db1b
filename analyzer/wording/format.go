package wording

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// What stands for a figure that has no end, and for one that does not exist.
const (
	infinity = "∞"
	dash     = "–"
)

// Number writes a number without digits that say nothing.
func Number(v float64) string { return strconv.FormatFloat(round9(v), 'f', -1, 64) }

// round9 takes off what binary fractions add to 0.65 × 100.
func round9(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', 9, 64), 64)
	if err != nil {
		return v // an infinity, which no report has
	}
	return rounded
}

// Percent puts the sign behind digits.
func Percent(lang Language, digits string) string { return digits + Text{EN: " %", ZH: "%"}.In(lang) }

// Share is a share of one in percent.
func Share(lang Language, v float64) string { return Percent(lang, Number(v*100)) }

// RateDigits are those of a rate in percent, without the sign: rounded half up
// to a tenth, but never up to a target that is missed.
func RateDigits(r api.Rate) string {
	if r.Total == 0 {
		return "0.0"
	}
	tenths := (r.Compliant*2000 + r.Total) / (2 * r.Total)
	if r.Met != nil && !*r.Met && float64(tenths) >= *r.Target*1000 {
		tenths = r.Compliant * 1000 / r.Total
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// MS writes milliseconds with so many decimals, and no unit; -1 is as many as
// there are.
func MS(v float64, decimals int) string { return strconv.FormatFloat(v, 'f', decimals, 64) }

// KM writes kilometres with so many decimals, and no unit; -1 is as many as
// there are.
func KM(v float64, decimals int) string { return strconv.FormatFloat(v, 'f', decimals, 64) }

// Figure is a figure that may be endless, or not exist.
func Figure(v *float64, unbounded bool, show func(float64) string) string {
	switch {
	case unbounded:
		return infinity
	case v == nil:
		return dash
	}
	return show(*v)
}

// LimitMS cuts a limit to the microsecond: an RTT of whole microseconds is
// within the limit exactly if it is within what is shown.
func LimitMS(ms float64) string {
	s := strconv.FormatFloat(ms, 'f', 6, 64)
	return s[:len(s)-3]
}

// Ratio shows three decimals, or all where three would put the ratio on the
// other side of the factor.
func Ratio(ratio, factor float64) string {
	s := strconv.FormatFloat(ratio, 'f', 3, 64)
	if shown, err := strconv.ParseFloat(s, 64); err != nil || (shown <= factor) != (ratio <= factor) {
		return strconv.FormatFloat(ratio, 'f', -1, 64)
	}
	return s
}

// comma is what stands between things of a list within a sentence.
func comma(lang Language) string { return Text{EN: ", ", ZH: "、"}.In(lang) }

// List is "a, b and c".
func List(lang Language, items []string) string {
	last := len(items) - 1
	if last < 1 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:last], comma(lang)) + Text{EN: " and ", ZH: "和"}.In(lang) + items[last]
}

// Some is a list of which no more than the first so many are named.
func Some(lang Language, items []string, most int) string {
	if len(items) <= most {
		return strings.Join(items, comma(lang))
	}
	return say(lang, Text{
		EN: "{first} and {more} more",
		ZH: "{first}等，另有{more}项",
	}, values{"first": strings.Join(items[:most], comma(lang)), "more": strconv.Itoa(len(items) - most)})
}

// Range is from one number to another.
func Range(lang Language, from, to string) string {
	return from + Text{EN: "–", ZH: "～"}.In(lang) + to
}

// Month is such as June 2025.
func Month(lang Language, t time.Time) string {
	return t.Format(Text{EN: "January 2006", ZH: "2006年1月"}.In(lang))
}

// Date is such as 3 June 2025.
func Date(lang Language, t time.Time) string {
	return t.Format(Text{EN: "2 January 2006", ZH: "2006年1月2日"}.In(lang))
}

// Moment is a date and the time of day, to the minute or as fine as it is.
func Moment(lang Language, t time.Time) string {
	return Date(lang, t) + Text{EN: " ", ZH: ""}.In(lang) + clock(t)
}

func clock(t time.Time) string {
	switch {
	case t.Nanosecond() != 0:
		return t.Format("15:04:05.999")
	case t.Second() != 0:
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}

// Period says a period as a person would: a year, a month, a day or days, whose
// last is within, or moments. The time zone is not said.
func Period(lang Language, p api.Period) string {
	text, _ := period(lang, p)
	return text
}

// during says a period at the beginning of a sentence.
func during(lang Language, p api.Period) string {
	text, kind := period(lang, p)
	return say(lang, kind, values{"period": text})
}

// period also says how a sentence begins with it.
func period(lang Language, p api.Period) (text string, during Text) {
	in := Text{EN: "In {period}", ZH: "{period}"}
	from, errFrom := time.Parse(time.RFC3339Nano, p.From)
	to, errTo := time.Parse(time.RFC3339Nano, p.To)
	days := errFrom == nil && errTo == nil && midnight(from) && midnight(to)
	first, last := p.From, p.To
	switch {
	case days && from.YearDay() == 1 && sameDate(from.AddDate(1, 0, 0), to):
		return from.Format(Text{EN: "2006", ZH: "2006年"}.In(lang)), in
	case days && from.Day() == 1 && sameDate(from.AddDate(0, 1, 0), to):
		return Month(lang, from), in
	case days && sameDate(from.AddDate(0, 0, 1), to):
		return Date(lang, from), Text{EN: "On {period}", ZH: "{period}"}
	case days:
		first, last = Date(lang, from), Date(lang, to.AddDate(0, 0, -1))
	case errFrom == nil && errTo == nil && sameDate(from, to):
		first, last = Moment(lang, from), clock(to)
	case errFrom == nil && errTo == nil:
		first, last = Moment(lang, from), Moment(lang, to)
	}
	return fromTo(lang, first, last), Text{EN: "From {period}", ZH: "{period}"}
}

func fromTo(lang Language, from, to string) string {
	return say(lang, Text{EN: "{from} to {to}", ZH: "{from}至{to}"}, values{"from": from, "to": to})
}

func midnight(t time.Time) bool {
	return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0
}

// sameDate also where the clocks were changed between two midnights.
func sameDate(a, b time.Time) bool { return a.Format(time.DateOnly) == b.Format(time.DateOnly) }

// MonthOf reads a month such as 2025-05; what it cannot read stays as it is.
func MonthOf(lang Language, month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return Month(lang, t)
}

// Sequence is texts that could each stand alone, in one.
func Sequence(lang Language, texts []string) string {
	return strings.Join(texts, Text{EN: "; ", ZH: "；"}.In(lang))
}

// Stop ends a title that a sentence follows.
func Stop(lang Language) string { return Text{EN: ". ", ZH: "。"}.In(lang) }
