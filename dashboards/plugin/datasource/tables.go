package datasource

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// figure is what a table shows of two clusters: of a month's report, or of one end
// over a time.
type figure struct {
	pair           [2]string // clusters; of an end, from and to
	src, dst       string    // sites of an end
	carrier, plane string
	verdict        *string
	ratio, rtt     *float64 // +Inf if too many packets were lost
	loss           *float64
}

// figures are of the month, or of the time range exactly, then one for each end.
func (s *Source) figures(ctx context.Context, q *Query, n *network) (found []figure, executed string, err error) {
	if q.Over == OverRange {
		return s.rangeFigures(ctx, q.seriesQuery(1))
	}
	pairs, executed, err := s.monthPairs(ctx, q, n)
	for i := range pairs {
		p := &pairs[i]
		verdict := string(p.Verdict)
		f := figure{pair: p.Pair, carrier: p.Carrier, plane: p.Plane, verdict: &verdict, ratio: p.Ratio, rtt: p.MeasuredRTTMS}
		if p.Unbounded {
			f.ratio, f.rtt = infinite(), infinite()
		}
		found = append(found, f)
	}
	return found, executed, err
}

func infinite() *float64 {
	v := math.Inf(1)
	return &v
}

// rangeFigures makes one figure of all that an end measured in a time.
func (s *Source) rangeFigures(ctx context.Context, of api.SeriesQuery) (found []figure, executed string, err error) {
	series, executed, err := s.askSeries(ctx, of)
	if err != nil {
		return nil, executed, err
	}
	for i := range series.Series {
		end := &series.Series[i]
		if len(end.Points) == 0 {
			continue
		}
		p := &end.Points[0]
		f := figure{pair: end.Pair, src: end.Src, dst: end.Dst, carrier: end.Carrier, plane: end.Plane}
		for metric, into := range map[string]**float64{"ratio": &f.ratio, "rtt": &f.rtt, "loss": &f.loss} {
			value, lack, err := valueOf(metric, series.Statistic, end, p)
			if err != nil {
				return nil, executed, err
			}
			if *into = value; lack == endless {
				*into = infinite()
			}
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return nil, executed, &emptyError{executed, "these links have no windows in the time range"}
	}
	return found, executed, nil
}

// matrix has the clusters as rows and as columns. Where several carriers or
// planes join two of them, it has the best, as the rate does.
func (s *Source) matrix(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	found, executed, err := s.figures(ctx, q, n)
	if err != nil {
		return nil, err
	}
	best := map[[2]string]*figure{}
	for i := range found {
		f := &found[i]
		places := [][2]string{f.pair}
		if f.src == "" { // a verdict is of both ends
			places = append(places, [2]string{f.pair[1], f.pair[0]})
		}
		for _, at := range places {
			if best[at] == nil || f.better(best[at]) {
				best[at] = f
			}
		}
	}
	var ids, names []string
	for _, c := range n.Clusters {
		ids, names = append(ids, c.ID), append(names, n.name(c.ID))
	}
	frame := table("", executed, hidden(field("from", "", "", ids)), field("name", "from", "", names))
	for _, column := range n.Clusters {
		frame.Fields = append(frame.Fields, q.matrixColumn(n, column.ID, best))
	}
	return data.Frames{frame}, nil
}

// better tells which of two links between the same clusters counts: that of the
// better verdict, as in the rate, and of two alike that of the lower ratio.
func (f *figure) better(than *figure) bool {
	if f.verdict != nil && than.verdict != nil && *f.verdict != *than.verdict {
		return verdictRank(*f.verdict) < verdictRank(*than.verdict)
	}
	return f.ratio != nil && (than.ratio == nil || *f.ratio < *than.ratio)
}

func (q *Query) matrixColumn(n *network, to string, best map[[2]string]*figure) *data.Field {
	var verdicts []*string
	var values []*float64
	for _, row := range n.Clusters {
		f := best[[2]string{row.ID, to}]
		if f == nil {
			f = &figure{} // the diagonal, or nothing measured
		}
		verdicts = append(verdicts, f.verdict)
		if q.Metric == "rtt" {
			values = append(values, f.rtt)
		} else {
			values = append(values, f.ratio)
		}
	}
	var out *data.Field
	switch q.Metric {
	case "verdict":
		out = field(to, n.name(to), "", verdicts)
		out.Config.Mappings = verdictMapping
	case "rtt":
		out = decimals(field(to, n.name(to), "ms", values), 1)
	default:
		out = decimals(field(to, n.name(to), "none", values), 2)
	}
	out.Config.Links = q.toLink("${__data.fields.from}/" + to)
	return out
}

// pairs are those of a month, or ends over the time range, the worst first.
func (s *Source) pairs(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	if q.Over == OverRange {
		return s.ends(ctx, q, n)
	}
	found, executed, err := s.monthPairs(ctx, q, n)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b api.Pair) int { return -compareRatios(a.Ratio, a.Unbounded, b.Ratio, b.Unbounded) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	var c pairColumns
	for i := range found {
		c.add(&found[i])
	}
	verdict := field("verdict", "", "", c.verdict)
	verdict.Config.Mappings = verdictMapping
	frame := table("", executed,
		n.pairField(q, c.pair), field("carrier", "", "", c.carrier), field("plane", "", "", c.plane),
		verdict, field("guarded", "proven", "", c.guarded),
		decimals(field("ratio", "", "none", c.ratio), 3), decimals(field("ratio_low", "ratio at least", "none", c.low), 3),
		decimals(field("ratio_high", "ratio at most", "none", c.high), 3), decimals(field("rtt", "RTT", "ms", c.rtt), 3),
		decimals(field("limit", "", "ms", c.limit), 3), decimals(field("theoretical", "", "ms", c.theoretical), 3),
		decimals(field("distance", "", "lengthkm", c.distance), 1), field("class", "distance class", "", c.class),
		field("reasons", "", "", c.reasons), field("diagnosis", "", "", c.diagnosis),
	)
	return data.Frames{frame}, nil
}

// compareRatios orders by the ratio; endless ones are the highest, and those that
// nobody knows the lowest.
func compareRatios(a *float64, aEndless bool, b *float64, bEndless bool) int {
	rank := func(r *float64, endless bool) float64 {
		switch {
		case endless:
			return math.Inf(1)
		case r == nil:
			return math.Inf(-1)
		}
		return *r
	}
	return cmp.Compare(rank(a, aEndless), rank(b, bEndless))
}

type pairColumns struct {
	pair [][2]string

	carrier, plane, verdict, guarded, class, reasons, diagnosis []string

	ratio, low, high, rtt        []*float64
	limit, theoretical, distance []float64
}

func (c *pairColumns) add(p *api.Pair) {
	c.pair = append(c.pair, p.Pair)
	c.carrier, c.plane = append(c.carrier, p.Carrier), append(c.plane, p.Plane)
	c.verdict, c.guarded = append(c.verdict, string(p.Verdict)), append(c.guarded, string(p.Guarded))
	ratio, rtt := p.Ratio, p.MeasuredRTTMS
	if p.Unbounded {
		ratio, rtt = infinite(), infinite()
	}
	var low, high *float64
	if u := p.Uncertainty; u != nil {
		low, high = u.RatioLow, u.RatioHigh
		if u.RatioLowUnbounded {
			low = infinite()
		}
		if u.RatioHighUnbounded {
			high = infinite()
		}
	}
	c.ratio, c.rtt, c.low, c.high = append(c.ratio, ratio), append(c.rtt, rtt), append(c.low, low), append(c.high, high)
	c.limit, c.theoretical = append(c.limit, p.LimitRTTMS), append(c.theoretical, p.TheoreticalRTTMS)
	c.distance, c.class = append(c.distance, p.DistanceKM), append(c.class, p.DistanceClass)
	c.reasons, c.diagnosis = append(c.reasons, codes(p.Reasons)), append(c.diagnosis, codes(p.Diagnosis))
}

// codes are reasons in words: what each means, docs/metric.md says, and the report
// with its figures.
func codes(reasons []api.Reason) string {
	var words []string
	for _, r := range reasons {
		if word := strings.ReplaceAll(r.Code, "_", " "); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}

// endColumns are of ends over a time.
type endColumns struct {
	pair [][2]string

	from, to, carrier, plane []string

	ratio, rtt, loss, ratioBefore, ratioChange, rttBefore, lossBefore []*float64
}

func (c *endColumns) add(f *figure) {
	c.pair, c.from, c.to = append(c.pair, f.pair), append(c.from, f.src), append(c.to, f.dst)
	c.carrier, c.plane = append(c.carrier, f.carrier), append(c.plane, f.plane)
	c.ratio, c.rtt, c.loss = append(c.ratio, f.ratio), append(c.rtt, f.rtt), append(c.loss, f.loss)
}

// named are the columns that say which end it is.
func (c *endColumns) named(n *network, q *Query) []*data.Field {
	return []*data.Field{
		n.pairField(q, c.pair), field("from", "", "", c.from), field("to", "", "", c.to),
		field("carrier", "", "", c.carrier), field("plane", "", "", c.plane),
	}
}

func (s *Source) ends(ctx context.Context, q *Query, n *network) (data.Frames, error) {
	found, executed, err := s.figures(ctx, q, n)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b figure) int { return -compareRatios(a.ratio, false, b.ratio, false) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	var c endColumns
	for i := range found {
		c.add(&found[i])
	}
	frame := table("", executed, append(c.named(n, q),
		decimals(field("ratio", "", "none", c.ratio), 3), decimals(field("rtt", "RTT", "ms", c.rtt), 3), decimals(field("loss", "", "percent", c.loss), 2))...)
	notice(frame, data.NoticeSeverityInfo, "over the time range as measured; whether a pair complies is said of a month")
	return data.Frames{frame}, nil
}

// changes puts the time range beside the time of the same length before it.
func (s *Source) changes(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	now, executed, err := s.rangeFigures(ctx, q.seriesQuery(1))
	if err != nil {
		return nil, err
	}
	earlier := *q
	earlier.From, earlier.To = q.From.Add(-q.To.Sub(q.From)), q.From
	before, _, err := s.rangeFigures(ctx, earlier.seriesQuery(1))
	if err != nil && !isEmpty(err) {
		return nil, err
	}
	was := map[[2]string]*figure{}
	for i := range before {
		was[[2]string{before[i].src, before[i].dst}] = &before[i]
	}
	change := func(f *figure) *float64 {
		old := was[[2]string{f.src, f.dst}]
		if old == nil || f.ratio == nil || old.ratio == nil {
			return nil
		}
		v := *f.ratio - *old.ratio
		if math.IsNaN(v) { // endless before and now
			v = 0
		}
		return &v
	}
	size := func(f *figure) float64 {
		if c := change(f); c != nil {
			return math.Abs(*c)
		}
		return -1
	}
	slices.SortStableFunc(now, func(a, b figure) int { return cmp.Compare(size(&b), size(&a)) })
	if q.Limit > 0 && len(now) > q.Limit {
		now = now[:q.Limit]
	}
	var c endColumns
	for i := range now {
		f := &now[i]
		old := was[[2]string{f.src, f.dst}]
		if old == nil {
			old = &figure{}
		}
		c.add(f)
		c.ratioBefore, c.ratioChange = append(c.ratioBefore, old.ratio), append(c.ratioChange, change(f))
		c.rttBefore, c.lossBefore = append(c.rttBefore, old.rtt), append(c.lossBefore, old.loss)
	}
	return data.Frames{table("", executed, append(c.named(n, q),
		decimals(field("ratio", "", "none", c.ratio), 3), decimals(field("ratio_before", "ratio before", "none", c.ratioBefore), 3),
		decimals(field("ratio_change", "change", "none", c.ratioChange), 3),
		decimals(field("rtt", "RTT", "ms", c.rtt), 3), decimals(field("rtt_before", "RTT before", "ms", c.rttBefore), 3),
		decimals(field("loss", "", "percent", c.loss), 2), decimals(field("loss_before", "loss before", "percent", c.lossBefore), 2))...)}, nil
}
