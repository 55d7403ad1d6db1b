// Package series gives what links measured over a time, in steps that can be
// drawn: of days and hours from the day records, of windows from the store. The
// result is in the form of package api.
//
// No statistic is made of statistics: where several steps make one point, their
// packets are put together first.
package series

import (
	"context"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

// Step is how long a point is, unless several are merged.
type Step string

// Steps. A window is as long as the test says.
const (
	Window Step = "window"
	Hour   Step = "hour"
	Day    Step = "day"
)

// Steps lists all of them.
func Steps() []Step { return []Step{Window, Hour, Day} }

// Longest is the longest time for which a step is answered: what has to be read
// grows with it.
func (s Step) Longest() time.Duration {
	switch s {
	case Window:
		return 8 * 24 * time.Hour
	case Hour:
		return 400 * 24 * time.Hour
	}
	return 3700 * 24 * time.Hour
}

// StepFor is the step that suits a time.
func StepFor(length time.Duration) Step {
	switch {
	case length <= 26*time.Hour:
		return Window
	case length <= 40*24*time.Hour:
		return Hour
	}
	return Day
}

// Source is where meshes, windows and day records come from.
type Source struct {
	Meshes report.Meshes
	Policy *policy.Policy
	Store  latency.Source
	Days   latency.Records // nil: all is read from the windows

	// Sums of whole months, if they are kept; then Generation is that of Days, and
	// Changed tells whether days of a span were touched since one.
	Sums       *Sums
	Generation int64
	Changed    func(ctx context.Context, span latency.Span, generation int64) (bool, error)
}

// Query says what is asked for: the steps that begin in the period.
type Query struct {
	Period    report.Period
	Test      string // empty: the one that is judged
	Step      Step
	MaxPoints int // of an end; 0: as many as suit
	Buckets   int // of a heatmap, at least 1
	// Wanted picks the ends, by the mesh of their time.
	Wanted func(m *mesh.Mesh, src, dst *mesh.Site) bool
	Kinds  []string // of annotations; none: all
}

// TestError says that the mesh has no such test.
type TestError struct {
	Test  string
	Tests []string // that there are
}

func (e *TestError) Error() string {
	return fmt.Sprintf("test %.40q is none of the mesh; there are %q", e.Test, e.Tests)
}

// SizeError says that an answer would be larger than one may be.
type SizeError struct{ text string }

func (e *SizeError) Error() string { return e.text }

// mostNumbers bounds an answer: points of all ends, or counts of a heatmap.
const mostNumbers = 200_000

// pointsUnasked is how many points an end has at most if nobody says.
const pointsUnasked = 1000

// testOf is the test of a name, and without one that which is judged.
func testOf(m *mesh.Mesh, name string) (string, error) {
	if name == "" {
		return m.Judged, nil
	}
	if m.Test(name) != nil {
		return name, nil
	}
	e := &TestError{Test: name}
	for i := range m.Measure {
		e.Tests = append(e.Tests, m.Measure[i].Name)
	}
	return "", e
}

func km(meters int64) float64 { return float64(meters) / 1000 }

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }
