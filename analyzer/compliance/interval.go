package compliance

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/analyzer/uncertainty"
	"github.com/fibergauge/fibergauge/mesh"
)

// Sureness is the interval of a ratio and what it was made from.
type Sureness struct {
	Seed         uint64
	Days         int // drawn from: those with packets of either end
	CompleteDays int
	ByCandidates map[int]uncertainty.Interval // as many links as the best is taken of
}

// sureness simulates what other months like this one would give. Nil where too
// few days are complete, where no ratio exists, or where the road may be of no
// length: in class C between clusters of one place, or in class B below 50 m.
func (r *Rules) sureness(s Subject, stretch Stretch, ends []End, calendar int, j *Judgement) (*Sureness, error) {
	// Summaries tell nothing of the days of which a month like this is drawn.
	if r.trials == 0 || slices.ContainsFunc(ends, func(e End) bool { return e.Over[calendar].Summed() > 0 }) {
		return nil, nil
	}
	complete := r.completeDays(ends, calendar)
	if complete < r.completeDaysNeeded || !j.HasMeasured || stretch.Route.MinMeters <= 0 {
		return nil, nil
	}
	sure := &Sureness{
		Seed: r.seedOf(s, stretch), CompleteDays: complete, ByCandidates: map[int]uncertainty.Interval{},
	}
	in := uncertainty.Input{
		DistanceM: uncertainty.Span{Low: stretch.Route.MinMeters, High: stretch.Route.MaxMeters},
		Statistic: r.statistic, Trials: r.trials, FewerDays: r.fewerDays, Seed: sure.Seed, Confidence: r.confidence,
	}
	if stretch.Route.Class != mesh.ClassA {
		in.ExtentsM = s.ExtentsM
	}
	for i := range ends {
		in.Ends = append(in.Ends, r.sampled(&ends[i], calendar))
	}
	trials, err := uncertainty.Simulate(in)
	if err != nil {
		return nil, fmt.Errorf("interval of %s-%s: %w", s.Sites[0], s.Sites[1], err)
	}
	sure.Days = trials.Days()
	measured := uncertainty.Ratio{Value: j.Ratio, Unbounded: j.Measured.Unbounded}
	gaps := r.withGaps(ends, calendar, j)
	for _, candidates := range s.Candidates {
		interval := trials.Interval(r.light, candidates, measured)
		if gaps.Compare(interval.Gaps) > 0 {
			interval.Gaps = gaps
		}
		sure.ByCandidates[candidates] = interval
	}
	return sure, nil
}

// withGaps is the ratio of the period itself if all that is missing had been
// lost. The trials draw no day on which nobody sent a packet, and would not
// know of it.
func (r *Rules) withGaps(ends []End, calendar int, j *Judgement) uncertainty.Ratio {
	worst := j.Measured
	for i := range ends {
		tally, scheduled := ends[i].Over[calendar], ends[i].Scheduled[calendar]
		lacking := uint64(0)
		for hour := range scheduled {
			lacking += missing(tally, scheduled, hour)
		}
		if lacking == 0 {
			continue
		}
		if r.statistic == policy.Mean || r.statistic == policy.Min { // say nothing of packets without an RTT
			return uncertainty.Ratio{Unbounded: true}
		}
		var all latency.Distribution
		all.Merge(&tally.Distribution)
		all.AddLost(lacking)
		if rtt, ok := r.measured(&all); ok && rtt.Compare(worst) > 0 {
			worst = rtt
		}
	}
	if worst.Unbounded {
		return uncertainty.Ratio{Unbounded: true}
	}
	return uncertainty.Ratio{Value: theory.Ratio(worst.US, j.TheoreticalUS)}
}

// missing is how many packets of an hour's schedule tell nothing.
func missing(tally *latency.Tally, scheduled []int64, hour int) uint64 {
	return uint64(max(0, scheduled[hour]-tally.Usable[hour]))
}

// seedOf gives each link and stretch draws of its own: with the same ones for
// all, what is drawn for one would be no news of another.
func (r *Rules) seedOf(s Subject, stretch Stretch) uint64 {
	name := fmt.Sprintf("%d %s %s %s %s %s", r.seed, s.Plane, s.Sites[0], s.Sites[1],
		stretch.From.UTC().Format(time.RFC3339), stretch.To.UTC().Format(time.RFC3339))
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:8])
}

// sampled puts the days of an end into the form that is drawn from.
func (r *Rules) sampled(end *End, calendar int) uncertainty.End {
	tally, scheduled := end.Over[calendar], end.Scheduled[calendar]
	out := uncertainty.End{}
	for _, day := range end.Days {
		sample := uncertainty.Day{}
		any := false
		for b := range day.Bins {
			if hour, ok := tally.HourAt(day.Bins[b].FromMS); ok {
				any = true
				sample.Missing += missing(tally, scheduled, hour)
			}
		}
		for share := range day.Shares(tally.Calendar, end.Excused) {
			r.addShare(&sample, end, share)
			switch {
			case share.Kernel.Received() > 0:
				out.DelayNS = r.kernelAdds
			case share.Hardware.Received() > 0 && out.DelayNS != r.kernelAdds:
				out.DelayNS = r.hardwareAdds
			}
		}
		if any {
			out.Days = append(out.Days, sample)
		}
	}
	return out
}

// addShare sorts packets into those that are timed and those whose RTT is only
// known not to be longer: user space adds what it likes, and so does a router
// that answers pings when it has nothing better to do.
func (r *Rules) addShare(sample *uncertainty.Day, end *End, share *latency.Share) {
	timed, bounds := []latency.Histogram{share.Hardware, share.Kernel}, []latency.Histogram{share.User}
	if end.OnlyBounds {
		timed, bounds = nil, append(timed, bounds...)
	}
	for _, h := range timed {
		sample.Timed = sample.Timed.With(h)
	}
	for _, h := range bounds {
		sample.Timed = sample.Timed.WithLost(h.Lost())
		sample.Bounds = sample.Bounds.With(h.WithoutLost())
	}
}

// completeDays counts the days on which every end delivered enough.
func (r *Rules) completeDays(ends []End, calendar int) int {
	days := make([]int, len(ends[0].Over[calendar].Days))
	for e := range ends {
		for d, f := range daysOf(ends[e].Over[calendar], ends[e].Scheduled[calendar]) {
			if f.scheduled > 0 && reaches(f.usable, f.scheduled, r.packetsOfDay) {
				days[d]++
			}
		}
	}
	n := 0
	for _, delivered := range days {
		if delivered == len(ends) {
			n++
		}
	}
	return n
}

// Guarded is the verdict that holds at the confidence of the policy, for the
// best of so many candidates. Where the distance changed, each part has to be
// proven; one that is proven not to comply is enough for the other.
func (r *Rules) Guarded(l *Link, candidates int) api.Guarded {
	if l.Verdict == api.NotDemonstrated {
		return api.Inconclusive
	}
	if len(l.Parts) == 0 {
		return r.guarded(&l.Judgement, candidates)
	}
	all := api.ProvenCompliant
	for i := range l.Parts {
		switch r.guarded(&l.Parts[i].Judgement, candidates) {
		case api.ProvenNonCompliant:
			return api.ProvenNonCompliant
		case api.Inconclusive:
			all = api.Inconclusive
		}
	}
	return all
}

func (r *Rules) guarded(j *Judgement, candidates int) api.Guarded {
	if j.Sureness == nil {
		return api.Inconclusive
	}
	limit := uncertainty.Ratio{Value: r.factor}
	interval := j.Sureness.ByCandidates[candidates]
	switch {
	case interval.Gaps.Compare(limit) <= 0:
		return api.ProvenCompliant
	case interval.Low.Compare(limit) > 0:
		return api.ProvenNonCompliant
	}
	return api.Inconclusive
}
