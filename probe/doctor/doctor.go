// Package doctor finds out whether this host lets a probe measure well, and
// says what to do where it does not. What it finds comes from the system, from
// a few packets of its own and from the collector, and goes to a person or, as
// JSON, to whatever watches over many probes. Nothing is changed.
package doctor

import (
	"context"
	"fmt"
)

// Status is how bad a finding is.
type Status string

// Statuses of a finding.
const (
	StatusOK       Status = "ok"
	StatusWarning  Status = "warning"   // it measures, but not as well as it could
	StatusFailed   Status = "failed"    // it would not measure, or its windows would not arrive
	StatusNotAsked Status = "not_asked" // a flag that the check needs is absent, or it does not apply here
)

// Finding is what one check found.
type Finding struct {
	Check   string           `json:"check"`             // code of the check
	Subject string           `json:"subject,omitempty"` // what of: an interface, an address family
	Status  Status           `json:"status"`
	Text    string           `json:"text"`             // for people: what was found
	Do      string           `json:"do,omitempty"`     // for people: what to do about it
	Values  map[string]int64 `json:"values,omitempty"` // figures behind the text; the names tell the units
}

// found makes a finding that is well.
func found(check, subject, format string, args ...any) Finding {
	return Finding{Check: check, Subject: subject, Status: StatusOK, Text: fmt.Sprintf(format, args...)}
}

// but makes the finding worse than it was and says what to do.
func (f Finding) but(status Status, format string, args ...any) Finding {
	f.Status, f.Do = status, fmt.Sprintf(format, args...)
	return f
}

func (f Finding) with(name string, value int64) Finding {
	values := map[string]int64{name: value}
	for k, v := range f.Values {
		values[k] = v
	}
	f.Values = values
	return f
}

func notAsked(check, subject, format string, args ...any) Finding {
	f := found(check, subject, format, args...)
	f.Status = StatusNotAsked
	return f
}

// Check is one thing to look at.
type Check func(context.Context) []Finding

// Report is what all checks found.
type Report struct {
	Schema   string    `json:"schema"`
	Site     string    `json:"site,omitempty"`
	Version  string    `json:"version"` // of the probe
	Failed   int       `json:"failed"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
}

// Schema of the report; the number rises when a reader of the old one would
// misread the new one.
const Schema = "fibergauge.doctor/1"

// Examine runs the checks one after the other, shows each finding at once, and
// ends early with the context.
func Examine(ctx context.Context, checks []Check, show func(Finding)) Report {
	report := Report{Schema: Schema, Findings: []Finding{}}
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		for _, f := range check(ctx) {
			switch f.Status {
			case StatusFailed:
				report.Failed++
			case StatusWarning:
				report.Warnings++
			}
			report.Findings = append(report.Findings, f)
			show(f)
		}
	}
	return report
}
