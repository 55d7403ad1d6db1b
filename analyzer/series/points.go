package series

import (
	"context"
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Read answers a query with the points of each end.
func Read(ctx context.Context, from Source, q Query) (*api.Series, error) {
	r, err := newReading(from, q)
	if err != nil {
		return nil, err
	}
	if err := r.merge(mostNumbers/max(1, len(r.ends)), fmt.Sprintf("%d ends", len(r.ends))); err != nil {
		return nil, err
	}
	out := &api.Series{
		Schema: api.SchemaSeries, From: stamp(q.Period.From), To: stamp(q.Period.To), TimeZone: r.newest.TimeZone,
		Test: r.Test, Step: string(q.Step), Merged: r.merged, Statistic: string(from.Policy.Measurement.Statistic),
		Judged: r.Test == r.newest.Judged, Series: []api.LinkSeries{},
	}
	drawn := &drawing{zone: q.Period.From.Location()}
	for _, end := range r.ends {
		drawn.lines = append(drawn.lines, newLine(end))
	}
	for i := range r.parts {
		for k, end := range r.parts[i].ends {
			drawn.lines[r.parts[i].reach[k].number].addLimits(from.Policy, q.Period, end.Link)
		}
	}
	if err := r.each(ctx, drawn); err != nil {
		return nil, err
	}
	for _, l := range drawn.lines {
		l.close(drawn.zone)
		out.Series = append(out.Series, l.LinkSeries)
	}
	return out, nil
}

// drawing makes points.
type drawing struct {
	zone    *time.Location
	lines   []*line // by the number of the end
	scratch []uint32
}

// line is one series, and the point of it that is being filled.
type line struct {
	api.LinkSeries
	at    span                  // point -1 before the first
	only  latency.Histogram     // all packets, unless there are rtts
	rtts  *latency.Distribution // all packets of several windows or histograms
	works bool                  // some packets are excused
	ipdv  *wire.IPDV            // largest of a window
}

func newLine(end *reach) *line {
	src, dst := end.src, end.dst
	return &line{at: span{point: -1}, LinkSeries: api.LinkSeries{
		Src: src.ID, Dst: dst.ID, Pair: [2]string{src.Cluster, dst.Cluster}, Carrier: src.Carrier, Plane: string(src.Plane),
		Limits: []api.Limit{}, Points: []api.Point{},
	}}
}

// addLimits adds the limits of a part, or prolongs the last one.
func (l *line) addLimits(p *policy.Policy, period report.Period, link *report.PlannedLink) {
	light, factor := p.Theory.Light(), p.Theory.Factor.Rat()
	for _, s := range link.Stretches {
		from, to := s.From, s.To
		if from.Before(period.From) {
			from = period.From
		}
		if to.After(period.To) {
			to = period.To
		}
		if !from.Before(to) {
			continue
		}
		rtt := light.RouteRTTUS(s.Route)
		limit := api.Limit{
			From: stamp(from), To: stamp(to), DistanceKM: km(s.Route.Meters),
			TheoreticalRTTMS: theory.NearMS(rtt), LimitRTTMS: theory.FloorMS(theory.LimitUS(rtt, factor)),
		}
		if n := len(l.Limits); n > 0 {
			last := limit
			last.From, last.To = l.Limits[n-1].From, l.Limits[n-1].To
			if last == l.Limits[n-1] && last.To == limit.From {
				l.Limits[n-1].To = limit.To
				continue
			}
		}
		l.Limits = append(l.Limits, limit)
	}
}

// begin goes on to a point, unless it is the one that is being filled.
func (l *line) begin(at span, zone *time.Location) {
	if at.point != l.at.point {
		l.close(zone)
		l.at = at
	}
	l.at.toMS = at.toMS
}

func (d *drawing) share(end *reach, at span, open, excused *latency.Share) error {
	l := d.lines[end.number]
	l.begin(at, d.zone)
	for i, share := range []*latency.Share{open, excused} {
		for _, h := range share.Sources() {
			if h.Packets() > 0 {
				l.add(h)
				l.works = l.works || i == 1
			}
		}
	}
	return nil
}

// add adds packets to the point. Most points have those of one histogram, which
// answers without being unpacked.
func (l *line) add(h latency.Histogram) {
	if l.rtts == nil && l.only == "" {
		l.only = h
		return
	}
	if l.rtts == nil {
		l.rtts = new(latency.Distribution)
		l.rtts.AddHistogram(l.only)
	}
	l.rtts.AddHistogram(h)
}

func (d *drawing) window(end *reach, at span, w *wire.Window) (err error) {
	l := d.lines[end.number]
	l.begin(at, d.zone)
	if l.rtts == nil {
		l.rtts = new(latency.Distribution)
	}
	if w.IPDV != nil {
		if l.ipdv == nil {
			l.ipdv = &wire.IPDV{}
		}
		l.ipdv.MeanUS, l.ipdv.MaxUS = max(l.ipdv.MeanUS, w.IPDV.MeanUS), max(l.ipdv.MaxUS, w.IPDV.MaxUS)
	}
	d.scratch, err = l.rtts.Add(w, d.scratch)
	return err
}

// figures are what is asked of the packets of a point.
type figures interface {
	Packets() uint64
	Lost() uint64
	Min() (latency.RTT, bool)
	Mean() (latency.RTT, bool)
	Percentile(percent int) (latency.RTT, bool)
}

func (l *line) figures() figures {
	if l.rtts == nil {
		return l.only
	}
	return l.rtts
}

// close ends the point that is being filled. One without packets is none.
func (l *line) close(zone *time.Location) {
	if of := l.figures(); of.Packets() > 0 {
		p := pointOf(of, time.UnixMilli(l.at.fromMS).In(zone), time.UnixMilli(l.at.toMS).In(zone), l.works)
		if l.ipdv != nil {
			mean, most := l.ipdv.MeanUS/1000, theory.MS(int64(l.ipdv.MaxUS))
			p.IPDVMeanMS, p.IPDVMaxMS = &mean, &most
		}
		l.Points = append(l.Points, p)
	}
	l.only, l.rtts, l.works, l.ipdv = "", nil, false, nil
}

func pointOf(d figures, from, to time.Time, works bool) api.Point {
	p := api.Point{From: stamp(from), To: stamp(to), Packets: int64(d.Packets()), Lost: int64(d.Lost()), Excused: works}
	p.MinMS, _ = show(d.Min())
	p.MeanMS, _ = show(d.Mean())
	for _, of := range []struct {
		percent   int
		ms        **float64
		unbounded *bool
	}{{50, &p.P50MS, &p.P50Unbounded}, {95, &p.P95MS, &p.P95Unbounded}, {99, &p.P99MS, &p.P99Unbounded}} {
		*of.ms, *of.unbounded = show(d.Percentile(of.percent))
	}
	return p
}

func show(rtt latency.RTT, _ bool) (ms *float64, unbounded bool) {
	if rtt.Unbounded {
		return nil, true
	}
	v := theory.MS(rtt.US)
	return &v, false
}
