package datasource

import (
	"context"
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// shown is how a metric of a series is shown.
type shown struct {
	unit     string
	decimals uint16
}

var seriesUnits = map[string]shown{
	"rtt": {"ms", 3}, "ratio": {"none", 3}, "loss": {"percent", 2}, "ipdv": {"ms", 3}, "packets": {"short", 0},
	"limit": {"ms", 3}, "theoretical": {"ms", 3},
}

// ofLink tells whether a metric is the same from both ends.
func ofLink(metric string) bool { return metric == "limit" || metric == "theoretical" }

// byStatistic tells whether a metric is one of several statistics.
func byStatistic(metric string) bool { return metric == "rtt" || metric == "ratio" }

// series is what ends measured over the time.
func (s *Source) series(ctx context.Context, q *Query) (data.Frames, error) {
	of := q.seriesQuery(min(q.MaxPoints, 10_000))
	if q.Metric == "ipdv" { // which day records do not have
		if q.To.Sub(q.From) > longestOfWindows {
			return nothing("GET /api/v1/series", "the variation stands in windows only, of which 8 days are answered at most; choose a shorter time range"), nil
		}
		of.Step = "window"
	}
	if of.Step == "window" {
		of.Period = ofWindows(q.From, q.To)
	}
	found, executed, err := s.askSeries(ctx, of)
	if err != nil {
		return nil, err
	}
	statistics := q.Statistics
	switch {
	case !byStatistic(q.Metric):
		statistics = []string{""}
	case len(statistics) == 0:
		statistics = []string{found.Statistic}
	}
	var frames data.Frames
	known := map[[2]string]bool{} // links whose limit is there
	for i := range found.Series {
		end := &found.Series[i]
		if ofLink(q.Metric) {
			if known[[2]string{end.Dst, end.Src}] {
				continue
			}
			known[[2]string{end.Src, end.Dst}] = true
		}
		for _, statistic := range statistics {
			frame, err := q.endFrame(found, end, statistic, executed)
			if err != nil {
				return nil, err
			}
			if frame != nil {
				frames = append(frames, frame)
			}
		}
	}
	if len(frames) == 0 {
		return nothing(executed, "these links have no windows in the time range"), nil
	}
	return frames, s.notices(q, found, frames)
}

// endFrame is one statistic of one end; nil without a point.
func (q *Query) endFrame(of *api.Series, end *api.LinkSeries, statistic, executed string) (*data.Frame, error) {
	line := &line{step: stepOf(of)}
	var err error
	if ofLink(q.Metric) {
		err = q.addLimits(line, end)
	} else {
		err = q.addPoints(line, end, statistic)
	}
	if err != nil || len(line.times) == 0 {
		return nil, err
	}
	labels := data.Labels{"from": end.Src, "to": end.Dst, "carrier": end.Carrier, "plane": end.Plane}
	name := end.Src + " > " + end.Dst
	if ofLink(q.Metric) {
		name = end.Src + " – " + end.Dst + " " + q.Metric
	}
	if statistic != "" {
		labels["statistic"] = statistic
	}
	if len(q.Statistics) > 1 {
		name += " " + statistic
	}
	frame := q.lineFrame(line, labels, name, seriesUnits[q.Metric],
		map[string]string{"pair": end.Pair[0] + " – " + end.Pair[1], "statistic": statistic}, executed)
	if line.lost > 0 {
		notice(frame, data.NoticeSeverityWarning, "%s: in %d steps so many packets were lost that there is no %s, which counts as above any limit; see the loss", name, line.lost, statistic)
	}
	if line.changed > 0 {
		notice(frame, data.NoticeSeverityInfo, "%s: its distance changed within %d steps, which have no ratio; look at a shorter time", name, line.changed)
	}
	return frame, nil
}

// line is a series that is being drawn.
type line struct {
	step    time.Duration
	times   []time.Time
	values  []*float64
	end     time.Time // of the point before
	lost    int       // points without a value, for loss
	changed int       // for two distances
}

// add adds a point, and a gap before it if there was none.
func (l *line) add(from, to time.Time, value *float64) {
	if len(l.times) > 0 && from.After(l.end) {
		l.times, l.values = append(l.times, l.end.UTC()), append(l.values, nil)
	}
	l.times, l.values, l.end = append(l.times, from.UTC()), append(l.values, value), to
}

// within tells whether a point is of the time range, and where it begins in it: the
// time was asked for in whole minutes or hours, so that the first may begin before
// it. It counts where most of it lies.
func (q *Query) within(from, to time.Time) (time.Time, bool) {
	if !from.Before(q.From) {
		return from, from.Before(q.To)
	}
	return q.From, 2*to.Sub(q.From) > to.Sub(from)
}

func (q *Query) addPoints(l *line, end *api.LinkSeries, statistic string) error {
	for i := range end.Points {
		point := &end.Points[i]
		from, to, err := momentsOf(point.From, point.To)
		if err != nil {
			return err
		}
		from, within := q.within(from, to)
		if !within {
			continue
		}
		value, why, err := valueOf(q.Metric, statistic, end, point)
		if err != nil {
			return err
		}
		switch why {
		case endless:
			l.lost++
		case twoDistances:
			l.changed++
		}
		l.add(from, to, value)
	}
	return nil
}

// addLimits draws the limit as steps: its value at each of its ends, within the
// time range.
func (q *Query) addLimits(l *line, end *api.LinkSeries) error {
	for i := range end.Limits {
		from, to, err := momentsOf(end.Limits[i].From, end.Limits[i].To)
		if err != nil {
			return err
		}
		if len(l.times) > 0 && from.After(l.end) {
			l.times, l.values = append(l.times, l.end.UTC()), append(l.values, nil) // there was no link
		}
		l.end = to
		if from.Before(q.From) {
			from = q.From
		}
		if to.After(q.To) {
			to = q.To
		}
		if !from.Before(to) {
			continue
		}
		value := end.Limits[i].LimitRTTMS
		if q.Metric == "theoretical" {
			value = end.Limits[i].TheoreticalRTTMS
		}
		l.times = append(l.times, from.UTC(), to.Add(-time.Millisecond).UTC())
		l.values = append(l.values, &value, &value)
	}
	l.step = 0 // these points are joined however far apart they are
	return nil
}

// Why a point has no value.
type lack int

const (
	none lack = iota
	endless
	twoDistances
)

// valueOf is a metric of a point; nil with the reason if there is none.
func valueOf(metric, statistic string, end *api.LinkSeries, p *api.Point) (*float64, lack, error) {
	switch metric {
	case "packets":
		v := float64(p.Packets)
		return &v, none, nil
	case "loss":
		v := 100 * float64(p.Lost) / float64(max(p.Packets, 1))
		return &v, none, nil
	case "ipdv":
		return p.IPDVMeanMS, none, nil
	}
	rtt, unbounded := statisticOf(p, statistic)
	if unbounded || rtt == nil {
		return nil, endless, nil
	}
	if metric == "rtt" {
		return rtt, none, nil
	}
	limit, err := limitAt(end, p)
	if err != nil {
		return nil, none, err
	}
	if limit == nil {
		return nil, twoDistances, nil
	}
	v := ratioOf(*rtt, limit)
	return &v, none, nil
}

func statisticOf(p *api.Point, statistic string) (ms *float64, unbounded bool) {
	switch statistic {
	case "min":
		return p.MinMS, false
	case "p50":
		return p.P50MS, p.P50Unbounded
	case "p95":
		return p.P95MS, p.P95Unbounded
	case "p99":
		return p.P99MS, p.P99Unbounded
	}
	return p.MeanMS, false
}

// limitAt is the limit that held throughout a point; nil if there were two.
func limitAt(end *api.LinkSeries, p *api.Point) (*api.Limit, error) {
	if len(end.Limits) == 1 {
		return &end.Limits[0], nil
	}
	from, to, err := momentsOf(p.From, p.To)
	if err != nil {
		return nil, err
	}
	var held *api.Limit
	for i := range end.Limits {
		begin, until, err := momentsOf(end.Limits[i].From, end.Limits[i].To)
		if err != nil {
			return nil, err
		}
		if !begin.Before(to) || !until.After(from) {
			continue
		}
		if held != nil && held.LimitRTTMS != end.Limits[i].LimitRTTMS {
			return nil, nil
		}
		held = &end.Limits[i]
	}
	return held, nil
}

// ratioOf is the RTT over the theoretical one. Both are rounded to the nanosecond,
// so the quotient might fall on the other side of the factor than the comparison
// with the limit, which is exact: an RTT is whole microseconds, and the limit is
// rounded down to the nanosecond.
func ratioOf(rttMS float64, limit *api.Limit) float64 {
	if limit.TheoreticalRTTMS == 0 {
		return math.Inf(1)
	}
	ratio, factor := rttMS/limit.TheoreticalRTTMS, factorOf(limit)
	if rttMS <= limit.LimitRTTMS {
		return min(ratio, factor)
	}
	return max(ratio, math.Nextafter(factor, math.Inf(1)))
}

// factorOf is the factor of the policy, of which an answer has but the two figures:
// the number with the fewest decimals that they allow. Of a short link their
// quotient is off by more than a millionth.
func factorOf(limit *api.Limit) float64 {
	quotient := limit.LimitRTTMS / limit.TheoreticalRTTMS
	off := (1 + quotient) * 1e-6 / limit.TheoreticalRTTMS
	for scale := 1.0; scale < 1e9; scale *= 10 {
		if factor := math.Round(quotient*scale) / scale; math.Abs(factor-quotient) <= off {
			return factor
		}
	}
	return quotient
}

// stepOf is how long a point of an answer is.
func stepOf(of *api.Series) time.Duration {
	step := 24 * time.Hour
	switch of.Step {
	case "hour":
		step = time.Hour
	case "window":
		step = 0 // as the test says: taken from the points
		for _, end := range of.Series {
			for i := range end.Points {
				if from, to, err := momentsOf(end.Points[i].From, end.Points[i].To); err == nil && to.After(from) {
					return to.Sub(from)
				}
			}
		}
	}
	return step * time.Duration(max(of.Merged, 1))
}

// notices says of the whole answer what could be misread.
func (s *Source) notices(q *Query, of *api.Series, frames data.Frames) error {
	var newest time.Time
	for i := range of.Series {
		points := of.Series[i].Points
		if len(points) == 0 {
			continue
		}
		to, err := momentOf(points[len(points)-1].To)
		if err != nil {
			return err
		}
		if to.After(newest) {
			newest = to
		}
	}
	now, end := s.now(), q.To
	if now.Before(end) {
		end = now
	}
	step := stepOf(of)
	switch {
	case ofLink(q.Metric):
	case newest.After(now):
		notice(frames[0], data.NoticeSeverityInfo, "the last step is not over: its figures will still change")
	case !newest.IsZero() && end.Sub(newest) > 3*step:
		notice(frames[0], data.NoticeSeverityWarning, "nothing is there after %s, which is %s before the end of the time range: see the data quality dashboard", newest.Format(time.RFC3339), end.Sub(newest).Round(time.Second))
	}
	if of.Merged > 1 {
		notice(frames[0], data.NoticeSeverityInfo, "each point is of %d steps of a %s: their packets are put together, nothing is averaged", of.Merged, of.Step)
	}
	return nil
}
