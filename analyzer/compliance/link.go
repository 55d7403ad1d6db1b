package compliance

import (
	"math/big"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// Subject is what is judged: two sites, or two clusters without any.
type Subject struct {
	Pair    mesh.Pair
	Plane   string
	Carrier string   // empty where no site stands for the pair
	Sites   []string // in the order of Pair

	ExtentsM   []int64 // of the clusters of sites whose own place is not known
	Candidates []int   // of how many links this may be the best, each number once; 1 among them
	Works      Works
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
	// OnlyBounds says that every RTT is an upper bound, however it is timed: the
	// other side is no probe of ours and answers pings when it pleases.
	OnlyBounds bool
	// Excused says that what maintenance excuses is in Over and Scheduled.
	Excused bool

	// Filled by Judge, over the whole period. What they were made from can
	// then be dropped.
	Measured       Between                      // the judged statistic
	HasMeasured    bool                         // there are packets, and so all statistics
	Counted, Lost  int64                        // packets that the statistics are of, and the lost ones of these
	By             map[policy.Statistic]Between // mean and min of the received packets; unbounded if there are none
	ScheduledInAll int64
	Sufficient     bool
	Sufficiency    api.Sufficiency
	Verdict        api.Verdict // of this end by itself
}

// summarise takes from the distribution what the report shows.
func (e *End) summarise(r *Rules) {
	whole := knownOf(e.Over[0])
	e.Measured, e.HasMeasured = whole.of(r.statistic)
	e.Counted, e.Lost = int64(whole.low.Packets()), int64(whole.low.Lost())
	e.By = map[policy.Statistic]Between{}
	for _, statistic := range policy.Statistics() {
		e.By[statistic], _ = whole.of(statistic)
	}
	for _, n := range e.Scheduled[0] {
		e.ScheduledInAll += n
	}
}

// Drop lets go of the distributions and the hours, which are large.
func (e *End) Drop() {
	e.Over, e.Scheduled = nil, nil
	for _, day := range e.Days {
		day.Open, day.Excused, day.Bins = latency.Share{}, latency.Share{}, nil
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
	// Measured is that of the worse end. Where only Bounds of it are known it is
	// the one that decides: the lower one if the link does not comply, else the
	// upper one.
	Measured    latency.RTT
	HasMeasured bool
	Bounds      *Between                     // nil where the judged statistic is known
	By          map[policy.Statistic]Between // every statistic, of the worse end; empty without packets
	Ratio       *big.Rat                     // of Measured; nil where unbounded, without packets or without distance
	Verdict     api.Verdict
	Reasons     []api.Reason // never nil
	Sureness    *Sureness    // nil without an interval
}

// Part is the judgement over one stretch of a period that was cut.
type Part struct {
	Stretch
	Judgement

	calendar int // index in End.Over
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
	Lacking     bool   // there is too little data, whatever the figures
	// Unexcused is the result if maintenance excused nothing; nil where nothing
	// is excused.
	Unexcused *Judgement
	// Diagnosis says why the link does not comply, or only just does. Judge leaves
	// it empty, as it does Distribution, which is of what it explains.
	Diagnosis    []api.Reason
	Distribution *api.Distribution
}

// Standing is the part whose figures stand for the link; nil where there are no
// parts.
func (l *Link) Standing() *Part {
	return standing(l.Parts)
}

// StandingCalendar is the index in End.Over of what stands for the link: of that
// part, or of the whole period.
func (l *Link) StandingCalendar() int {
	if part := l.Standing(); part != nil {
		return part.calendar
	}
	return 0
}

// standing is the part of the highest ratio, the first of equals.
func standing(parts []Part) *Part {
	var worst *Part
	for i := range parts {
		if part := &parts[i]; worst == nil || part.exceeds(&worst.Judgement) {
			worst = part
		}
	}
	return worst
}

// Works is what is announced for the sites of a link within a period.
type Works struct {
	Excused []string       // entries that count, in the order of their beginnings
	Late    []string       // entries that were listed too late
	Spans   []latency.Span // that are excused
	Seconds int64          // excused
	Beyond  int64          // seconds that are not, because they exceed the share of the policy
}

// Unserved is the result of a pair that no link joins.
func (r *Rules) Unserved(s Subject, route mesh.Route) *Link {
	j := r.theoretical(route)
	j.Verdict, j.Reasons = api.NotDemonstrated, []api.Reason{{Code: api.ReasonNoSites}}
	return &Link{Subject: s, Judgement: j, Flags: []api.Reason{}, Lacking: true}
}

// Judge judges a link by its ends, of which there are one or two, and the
// stretches of the period, of which there is at least one.
func (r *Rules) Judge(s Subject, stretches []Stretch, ends []End) (*Link, error) {
	link := &Link{Subject: s, SingleEnded: len(ends) == 1, Ends: ends}
	for i := range ends {
		ends[i].summarise(r)
	}
	whole := r.outcome(stretches, ends)
	link.Judgement, link.Parts, link.Lacking = whole.Judgement, whole.parts, whole.lacking
	for i := range ends {
		end := &ends[i]
		alone := r.outcome(stretches, ends[i:i+1])
		var lacking []api.Reason
		end.Sufficiency, lacking = r.sufficiency(end, end.Over[0], end.Scheduled[0])
		end.Sufficient, end.Verdict = len(lacking) == 0, alone.Verdict
	}
	if err := r.besure(link, stretches); err != nil {
		return nil, err
	}
	link.Flags = r.flags(link, stretches[0].From.Location())
	return link, nil
}

// Figures gives what the ends measured, without judging it: the Judgement has
// neither verdict nor reasons, and is otherwise what Judge would make of the
// same ends.
func (r *Rules) Figures(stretches []Stretch, ends []End) Judgement {
	for i := range ends {
		ends[i].summarise(r)
	}
	j := r.outcome(stretches, ends).Judgement
	j.Verdict, j.Reasons = "", nil
	return j
}

// Outcome judges without the rest: neither interval nor flags.
func (r *Rules) Outcome(stretches []Stretch, ends []End) Judgement {
	return r.outcome(stretches, ends).Judgement
}

// besure adds the intervals. The judgement over a period that is cut has none.
func (r *Rules) besure(l *Link, stretches []Stretch) (err error) {
	if len(l.Parts) == 0 {
		l.Sureness, err = r.sureness(l.Subject, stretches[0], l.Ends, 0, &l.Judgement)
		return err
	}
	for i := range l.Parts {
		part := &l.Parts[i]
		if part.Sureness, err = r.sureness(l.Subject, part.Stretch, l.Ends, part.calendar, &part.Judgement); err != nil {
			return err
		}
	}
	return nil
}

// outcome is a judgement over all stretches, and over each if there are several.
type outcome struct {
	Judgement
	parts   []Part
	lacking bool
}

func (r *Rules) outcome(stretches []Stretch, ends []End) outcome {
	reasons := []api.Reason{}
	for i := range ends {
		_, lacking := r.sufficiency(&ends[i], ends[i].Over[0], ends[i].Scheduled[0])
		reasons = append(reasons, lacking...)
	}
	o := outcome{lacking: len(reasons) > 0}
	if len(stretches) == 1 {
		o.Judgement = r.judge(stretches[0].Route, ends, 0, reasons)
	} else {
		o.judgeParts(r, stretches, ends, reasons)
	}
	return o
}

// judgeParts judges each stretch by itself and then the whole. reasons say
// what the ends lack over the whole period.
func (o *outcome) judgeParts(r *Rules, stretches []Stretch, ends []End, reasons []api.Reason) {
	for i, stretch := range stretches {
		if !scheduled(ends, i+1) {
			continue // the sites did not exist then
		}
		lacking := []api.Reason{}
		for e := range ends {
			_, more := r.sufficiency(&ends[e], ends[e].Over[i+1], ends[e].Scheduled[i+1])
			lacking = append(lacking, more...)
		}
		o.parts = append(o.parts, Part{stretch, r.judge(stretch.Route, ends, i+1, lacking), i + 1})
	}
	worst := standing(o.parts)
	if worst == nil { // everything is excused
		o.Judgement = r.theoretical(stretches[0].Route)
		o.Verdict, o.Reasons = api.NotDemonstrated, reasons
		return
	}
	o.Judgement = worst.Judgement
	o.Verdict = api.Compliant
	for _, part := range o.parts {
		switch part.Verdict {
		case api.NotDemonstrated:
			reasons = append(reasons, api.Reason{Code: api.ReasonPartUndecided, Params: map[string]any{
				"from": part.From.Format(time.RFC3339Nano), "to": part.To.Format(time.RFC3339Nano),
			}})
		case api.NonCompliant:
			o.Verdict = api.NonCompliant
		}
	}
	o.Reasons = worst.Reasons
	if len(reasons) > 0 {
		o.Verdict, o.Reasons = api.NotDemonstrated, reasons
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
		end, packets := &ends[i], knownOf(ends[i].Over[calendar])
		measured, ok := packets.of(r.statistic)
		if !ok {
			continue
		}
		j.HasMeasured = true
		j.worsen(packets)
		if measured.Low.Unbounded {
			unbounded = append(unbounded, end.reason(api.ReasonUnbounded, "packets", packets.low.Packets(), "lost", packets.low.Lost()))
		}
		j.Reasons = append(j.Reasons, r.implausible(end, packets, route)...)
	}
	if route.Meters <= 0 {
		j.Reasons = append(j.Reasons, api.Reason{Code: api.ReasonNoDistance})
	}
	r.decide(&j, unbounded)
	if route.Meters > 0 && j.HasMeasured && !j.Measured.Unbounded {
		j.Ratio = theory.Ratio(j.Measured.US, j.TheoreticalUS)
	}
	return j
}

// decide gives the verdict, unless there are reasons why none is due.
// unbounded are those for a statistic that falls among lost packets.
func (r *Rules) decide(j *Judgement, unbounded []api.Reason) {
	measured := j.By[r.statistic]
	j.Measured = measured.High
	if j.HasMeasured && !measured.Exact() {
		j.Bounds = &measured
	}
	if len(j.Reasons) > 0 {
		j.Verdict = api.NotDemonstrated
		return
	}
	j.Verdict = measured.against(j.LimitUS)
	limit := theory.FloorMS(j.LimitUS)
	switch {
	case j.Verdict == api.NotDemonstrated:
		j.Reasons = []api.Reason{{Code: api.ReasonOnlyBounds, Params: map[string]any{
			"statistic": string(r.statistic), "low_rtt_ms": ms(measured.Low), "high_rtt_ms": ms(measured.High), "limit_rtt_ms": limit,
		}}}
	case j.Verdict == api.Compliant:
	case measured.Low.Unbounded:
		j.Reasons = unbounded
	case j.Bounds != nil:
		j.Measured = measured.Low
		j.Reasons = []api.Reason{{Code: api.ReasonBoundAbove, Params: map[string]any{
			"statistic": string(r.statistic), "low_rtt_ms": ms(measured.Low), "limit_rtt_ms": limit,
		}}}
	default:
		j.Reasons = []api.Reason{{Code: api.ReasonAboveLimit, Params: map[string]any{
			"measured_rtt_ms": theory.MS(j.Measured.US), "limit_rtt_ms": limit,
		}}}
	}
}

// worsen puts the statistics of an end in the place of shorter ones.
func (j *Judgement) worsen(packets *known) {
	if j.By == nil {
		j.By = map[policy.Statistic]Between{}
	}
	for _, statistic := range policy.Statistics() {
		where, _ := packets.of(statistic)
		if before, ok := j.By[statistic]; ok {
			where = before.worse(where)
		}
		j.By[statistic] = where
	}
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
