package compliance

import (
	"math/big"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// Subject is what is judged: two sites, or two clusters without any.
type Subject struct {
	Pair    mesh.Pair
	Plane   string
	Carrier string   // empty where no site stands for the pair
	Sites   []string // in the order of Pair
}

// Stretch is a part of the period over which one distance held.
type Stretch struct {
	From, To time.Time
	Route    mesh.Route
}

// End is what one site measured, and how much of it was asked for. Scheduled
// is by calendar and hour, as Over is: the period first, and then, if there are
// several stretches, each of them.
type End struct {
	*latency.Link
	Over      []*latency.Tally
	Scheduled [][]int64

	// Filled by Judge, over the whole period. What they were made from can
	// then be dropped.
	Measured       latency.RTT // the judged statistic
	HasMeasured    bool        // there are packets, and so all statistics
	P50, P95, P99  latency.RTT
	Mean, Min      latency.RTT // of the received packets; unbounded if there are none
	ScheduledInAll int64
	Sufficient     bool
	Sufficiency    api.Sufficiency
}

// summarise takes from the distribution what the report shows.
func (e *End) summarise(r *Rules) {
	whole := &e.Over[0].Distribution
	e.Measured, e.HasMeasured = r.measured(whole)
	e.P50, _ = whole.Percentile(50)
	e.P95, _ = whole.Percentile(95)
	e.P99, _ = whole.Percentile(99)
	e.Mean, _ = whole.Mean()
	e.Min, _ = whole.Min()
	for _, n := range e.Scheduled[0] {
		e.ScheduledInAll += n
	}
}

// Drop lets go of the distributions and the hours, which are large.
func (e *End) Drop() {
	e.Over, e.Scheduled = nil, nil
	for _, day := range e.Days {
		day.Bins = nil
	}
}

// reason makes a reason that names the end; params are names and values.
func (e *End) reason(code string, params ...any) api.Reason {
	named := map[string]any{"src": e.Src, "dst": e.Dst}
	for i := 0; i+1 < len(params); i += 2 {
		named[params[i].(string)] = params[i+1]
	}
	return api.Reason{Code: code, Params: named}
}

// Judgement is the result over one stretch, or over the period.
type Judgement struct {
	Route         mesh.Route
	TheoreticalUS *big.Rat
	LimitUS       *big.Rat
	Measured      latency.RTT // of the worse end
	HasMeasured   bool
	Ratio         *big.Rat // nil where unbounded, without packets or without distance
	Verdict       api.Verdict
	Reasons       []api.Reason // never nil
}

// Part is the judgement over one stretch of a period that was cut.
type Part struct {
	Stretch
	Judgement
}

// Link is the result of one subject. Its Judgement has the figures of the
// worst part, where there are several.
type Link struct {
	Subject
	Judgement
	Flags       []api.Reason // never nil
	SingleEnded bool
	Ends        []End
	Parts       []Part // empty unless the distance changed
}

// Unserved is the result of a pair that no link joins.
func (r *Rules) Unserved(s Subject, route mesh.Route) *Link {
	j := r.theoretical(route)
	j.Verdict, j.Reasons = api.NotDemonstrated, []api.Reason{{Code: api.ReasonNoSites}}
	return &Link{Subject: s, Judgement: j, Flags: []api.Reason{}}
}

// Judge judges a link by its ends, of which there are one or two, and the
// stretches of the period, of which there is at least one.
func (r *Rules) Judge(s Subject, stretches []Stretch, ends []End) *Link {
	link := &Link{Subject: s, SingleEnded: len(ends) == 1, Ends: ends}
	reasons := []api.Reason{}
	for i := range ends {
		end := &ends[i]
		end.summarise(r)
		var lacking []api.Reason
		end.Sufficiency, lacking = r.sufficiency(end, end.Over[0], end.Scheduled[0])
		end.Sufficient = len(lacking) == 0
		reasons = append(reasons, lacking...)
	}
	if len(stretches) == 1 {
		link.Judgement = r.judge(stretches[0].Route, ends, 0, reasons)
	} else {
		link.judgeParts(r, stretches, reasons)
	}
	link.Flags = r.flags(link)
	return link
}

// judgeParts judges each stretch by itself and then the whole. reasons say
// what the ends lack over the whole period.
func (l *Link) judgeParts(r *Rules, stretches []Stretch, reasons []api.Reason) {
	worst := -1
	for i, stretch := range stretches {
		if !scheduled(l.Ends, i+1) {
			continue // the sites did not exist then
		}
		lacking := []api.Reason{}
		for e := range l.Ends {
			_, more := r.sufficiency(&l.Ends[e], l.Ends[e].Over[i+1], l.Ends[e].Scheduled[i+1])
			lacking = append(lacking, more...)
		}
		l.Parts = append(l.Parts, Part{stretch, r.judge(stretch.Route, l.Ends, i+1, lacking)})
		if last := len(l.Parts) - 1; worst < 0 || l.Parts[last].exceeds(&l.Parts[worst].Judgement) {
			worst = last
		}
	}
	l.Judgement = l.Parts[worst].Judgement
	l.Verdict = api.Compliant
	for _, part := range l.Parts {
		switch part.Verdict {
		case api.NotDemonstrated:
			reasons = append(reasons, api.Reason{Code: api.ReasonPartUndecided, Params: map[string]any{
				"from": part.From.Format(time.RFC3339), "to": part.To.Format(time.RFC3339),
			}})
		case api.NonCompliant:
			l.Verdict = api.NonCompliant
		}
	}
	l.Reasons = l.Parts[worst].Reasons
	if len(reasons) > 0 {
		l.Verdict, l.Reasons = api.NotDemonstrated, reasons
	}
}

// scheduled tells whether any packet was asked for over a calendar.
func scheduled(ends []End, calendar int) bool {
	for _, end := range ends {
		for _, n := range end.Scheduled[calendar] {
			if n > 0 {
				return true
			}
		}
	}
	return false
}

// judge compares the worse end over one calendar with the limit of a route.
// lacking says what the ends lack.
func (r *Rules) judge(route mesh.Route, ends []End, calendar int, lacking []api.Reason) Judgement {
	j := r.theoretical(route)
	j.Reasons = lacking
	var unbounded []api.Reason
	for i := range ends {
		end, tally := &ends[i], ends[i].Over[calendar]
		measured, ok := r.measured(&tally.Distribution)
		if !ok {
			continue
		}
		if !j.HasMeasured || measured.Compare(j.Measured) > 0 {
			j.Measured, j.HasMeasured = measured, true
		}
		if measured.Unbounded {
			unbounded = append(unbounded, end.reason(api.ReasonUnbounded, "packets", tally.Packets(), "lost", tally.Lost()))
		}
		j.Reasons = append(j.Reasons, r.implausible(end, tally, route)...)
	}
	if route.Meters <= 0 {
		j.Reasons = append(j.Reasons, api.Reason{Code: api.ReasonNoDistance})
	} else if j.HasMeasured && !j.Measured.Unbounded {
		j.Ratio = theory.Ratio(j.Measured.US, j.TheoreticalUS)
	}
	switch {
	case len(j.Reasons) > 0:
		j.Verdict = api.NotDemonstrated
	case j.Measured.Unbounded:
		j.Verdict, j.Reasons = api.NonCompliant, unbounded
	case theory.Complies(j.Measured.US, j.LimitUS):
		j.Verdict = api.Compliant
	default:
		j.Verdict = api.NonCompliant
		j.Reasons = []api.Reason{{Code: api.ReasonAboveLimit, Params: map[string]any{
			"measured_rtt_ms": theory.MS(j.Measured.US), "limit_rtt_ms": theory.FloorMS(j.LimitUS),
		}}}
	}
	return j
}

func (r *Rules) theoretical(route mesh.Route) Judgement {
	rtt := r.light.RouteRTTUS(route)
	return Judgement{Route: route, TheoreticalUS: rtt, LimitUS: theory.LimitUS(rtt, r.factor)}
}

// exceeds orders by ratio: unbounded above all, without packets below all.
func (j *Judgement) exceeds(o *Judgement) bool {
	level := func(j *Judgement) int {
		switch {
		case j.HasMeasured && j.Measured.Unbounded:
			return 2
		case j.Ratio != nil:
			return 1
		}
		return 0
	}
	if a, b := level(j), level(o); a != b || a != 1 {
		return a > b
	}
	return j.Ratio.Cmp(o.Ratio) > 0
}
