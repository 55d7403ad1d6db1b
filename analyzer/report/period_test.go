package report

import (
	"testing"
	"time"
)

func TestParsePeriod(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		period, from, to string
		want             string // both ends, or the error
	}{
		{"2025", "", "", "2025-01-01T00:00:00+08:00 2026-01-01T00:00:00+08:00"},
		{"2025-06", "", "", "2025-06-01T00:00:00+08:00 2025-07-01T00:00:00+08:00"},
		{"2024-02-29", "", "", "2024-02-29T00:00:00+08:00 2024-03-01T00:00:00+08:00"},
		{"", "2025-06-03", "2025-06-05", "2025-06-03T00:00:00+08:00 2025-06-05T00:00:00+08:00"},
		{"", "2025-06-03T01:00:00Z", "2025-06-03T01:00:00.25Z", "2025-06-03T09:00:00+08:00 2025-06-03T09:00:00.25+08:00"},
		{"", "", "", "no period is given; give period, such as 2025-06, or from and to"},
		{"2025-13", "", "", `period "2025-13" is not a year, month or day such as 2025, 2025-06 or 2025-06-03`},
		{"2025-02-30", "", "", `period "2025-02-30" is not a year, month or day such as 2025, 2025-06 or 2025-06-03`},
		{"june", "", "", `period "june" is not a year, month or day such as 2025, 2025-06 or 2025-06-03`},
		{"2025-06", "2025-06-01", "", "period goes without from and to; give one or the other"},
		{"", "2025-06-01", "", "from goes with to; give both"},
		{"", "", "2025-06-01", "to goes with from; give both"},
		{"", "2025-06-01", "2025-06-01", "to, 2025-06-01, is not after from, 2025-06-01"},
		{"", "2025-06-02", "2025-06-01", "to, 2025-06-01, is not after from, 2025-06-02"},
		{"", "yesterday", "2025-06-01", `from: "yesterday" is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00`},
		{"", "2025-06-01", "2025-06-01 10:00", `to: "2025-06-01 10:00" is neither a date like 2025-06-01 nor a time like 2025-06-01T00:00:00+08:00`},
		{"9999", "", "", "the period is not within 1972 to 2200"},
		{"1969", "", "", "the period is not within 1972 to 2200"},
		{"", "2001-01-01", "2025-01-01", "the period is longer than 10 years; ask for parts of it"},
	} {
		got := ""
		if p, err := ParsePeriod(c.period, c.from, c.to, shanghai); err != nil {
			got = err.Error()
		} else {
			got = stamp(p.From) + " " + stamp(p.To)
		}
		if got != c.want {
			t.Errorf("%q %q %q:\n got %s\nwant %s", c.period, c.from, c.to, got, c.want)
		}
	}
}

func FuzzParsePeriod(f *testing.F) {
	f.Add("2025-06", "", "")
	f.Add("", "2025-06-01", "2025-06-02T00:00:00Z")
	f.Fuzz(func(t *testing.T, period, from, to string) {
		p, err := ParsePeriod(period, from, to, time.UTC)
		if err == nil && !p.From.Before(p.To) {
			t.Errorf("%q %q %q is taken as %v to %v", period, from, to, p.From, p.To)
		}
	})
}
