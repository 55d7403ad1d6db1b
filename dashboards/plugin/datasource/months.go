package datasource

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// rate is the compliance rate of each month, and between which two it is proven
// to lie.
func (s *Source) rate(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	months, executed, err := s.monthsOf(ctx, q, n)
	if err != nil {
		return nil, err
	}
	var times []time.Time
	var rate, proven, possible, target []*float64
	var making []string
	young := "" // month that has no verdicts yet
	older := "" // month that began before the time range
	for i := range months {
		m := &months[i]
		begin, err := beginOf(m.Month, n.zone)
		if err != nil {
			return nil, err
		}
		of := q.rateOf(m)
		if m.Pending {
			making = append(making, m.Month)
		}
		if tooYoung(m) && q.Month == "" {
			young = m.Month
			continue
		}
		if of == nil || of.Total == 0 {
			continue
		}
		share := func(pairs int) *float64 {
			v := 100 * float64(pairs) / float64(of.Total)
			return &v
		}
		if begin.Before(q.From) && q.Month == "" {
			begin, older = q.From, m.Month
		}
		times = append(times, begin.UTC())
		rate, proven, possible = append(rate, share(of.Compliant)), append(proven, share(of.Proven)), append(possible, share(of.Possible))
		if of.Target == nil {
			target = append(target, nil)
			continue
		}
		v := 100 * *of.Target
		target = append(target, &v)
	}
	if len(times) == 0 && young != "" {
		return nothing(executed, young+" has too few days yet for any verdict; choose a time range with a month that is over"), nil
	}
	if len(times) == 0 && len(making) > 0 {
		return nothing(executed, "the reports of these months are being made: refresh in a minute"), nil
	}
	if len(times) == 0 {
		return nothing(executed, "no month with a rate begins in the time range; choose a longer one"), nil
	}
	frame := data.NewFrame("", timeField(times, 0),
		decimals(field("rate", "compliance rate", "percent", rate), 1), decimals(field("proven", "proven at least", "percent", proven), 1),
		decimals(field("possible", "possible at most", "percent", possible), 1), decimals(field("target", "target", "percent", target), 0))
	meta(frame, data.FrameTypeTimeSeriesWide, executed)
	if len(making) > 0 {
		notice(frame, data.NoticeSeverityInfo, "the reports of %s are being made: refresh in a minute", strings.Join(making, ", "))
	}
	if young != "" {
		notice(frame, data.NoticeSeverityInfo, "%s has too few days yet for any verdict", young)
	}
	if older != "" {
		notice(frame, data.NoticeSeverityInfo, "no month begins in the time range: this is %s, the newest with data", older)
	}
	if last := months[len(months)-1]; !last.Complete && !last.Pending {
		notice(frame, data.NoticeSeverityInfo, "%s is not over: its rate will still change", last.Month)
	}
	return data.Frames{frame}, nil
}

// rateOf is the rate of a month that is asked for: of the headline, of a plane,
// of a carrier or of a hub; nil without one.
func (q *Query) rateOf(m *api.MonthSummary) *api.Rate {
	for i := range m.Planes {
		p := &m.Planes[i]
		if len(q.Planes) > 0 && !slices.Contains(q.Planes, p.Plane) || len(q.Planes) == 0 && p.Plane != m.Plane {
			continue
		}
		switch {
		case len(q.Carriers) > 0:
			for j := range p.Carriers {
				if slices.Contains(q.Carriers, p.Carriers[j].Carrier) {
					return &p.Carriers[j].Rate
				}
			}
		case len(q.Hubs) > 0:
			for j := range p.Hubs {
				if slices.Contains(q.Hubs, p.Hubs[j].Hub) {
					return &p.Hubs[j].Rate
				}
			}
		default:
			return &p.Rate
		}
	}
	if len(q.Planes)+len(q.Carriers)+len(q.Hubs) > 0 {
		return nil
	}
	return m.Rate
}

// verdictMapping names the verdicts, in colours that tell them apart for everybody (Okabe and Ito).
var verdictMapping = data.ValueMappings{data.ValueMapper{
	string(api.Compliant):       {Text: "complies", Color: "#0072B2", Index: 0},
	string(api.NonCompliant):    {Text: "misses", Color: "#D55E00", Index: 1},
	string(api.NotDemonstrated): {Text: "not demonstrated", Color: "#E69F00", Index: 2},
}}

// verdicts are those of each pair by month.
func (s *Source) verdicts(ctx context.Context, q *Query) (data.Frames, error) {
	n, err := s.askNetwork(ctx)
	if err != nil {
		return nil, err
	}
	months, executed, err := s.months(ctx, q, n)
	if err != nil {
		return nil, err
	}
	var times []time.Time
	var making []string
	lines := map[string][]*string{} // by the name of the pair
	for i := range months {
		if months[i].Pending {
			making = append(making, months[i].Month)
			continue
		}
		begin, err := beginOf(months[i].Month, n.zone)
		if err != nil {
			return nil, err
		}
		pairs, _, err := s.askPairs(ctx, q, n, months[i].Month)
		if err != nil {
			return nil, err
		}
		times = append(times, begin.UTC())
		for _, p := range pairs {
			name := n.pairName(p.Pair)
			if len(n.Planes) > 1 && len(q.Planes) != 1 {
				name += " " + p.Plane
			}
			line := lines[name]
			for len(line) < len(times) {
				line = append(line, nil) // months without it
			}
			verdict := string(p.Verdict)
			if was := line[len(times)-1]; was == nil || verdictRank(verdict) < verdictRank(*was) {
				line[len(times)-1] = &verdict // of several links the best counts
			}
			lines[name] = line
		}
	}
	if len(lines) == 0 {
		return nothing(executed, "no month with a verdict of these pairs begins in the time range; choose a longer one"), nil
	}
	frame := data.NewFrame("", timeField(times, 0))
	meta(frame, data.FrameTypeTimeSeriesWide, executed)
	for _, name := range byWorst(lines, q.Limit) {
		line := lines[name]
		for len(line) < len(times) {
			line = append(line, nil)
		}
		f := field(name, "", "", line)
		f.Config.Mappings = verdictMapping
		frame.Fields = append(frame.Fields, f)
	}
	if len(making) > 0 {
		notice(frame, data.NoticeSeverityInfo, "the reports of %s are being made: refresh in a minute", strings.Join(making, ", "))
	}
	return data.Frames{frame}, nil
}

// verdictRank orders verdicts, the best first.
func verdictRank(verdict string) int {
	return slices.Index([]string{string(api.Compliant), string(api.NonCompliant), string(api.NotDemonstrated)}, verdict)
}

// byWorst lists names, those that missed most months first, at most limit of them
// unless it is 0.
func byWorst(lines map[string][]*string, limit int) []string {
	missed := map[string]int{}
	for name, line := range lines {
		for _, verdict := range line {
			if verdict != nil && *verdict != string(api.Compliant) {
				missed[name]++
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(lines), func(a, b string) int {
		return cmp.Or(cmp.Compare(missed[b], missed[a]), strings.Compare(a, b))
	})
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	return names
}

// monthPairs are the pairs of the month that is asked for.
func (s *Source) monthPairs(ctx context.Context, q *Query, n *network) (pairs []api.Pair, executed string, err error) {
	month, err := s.month(ctx, q, n)
	if err != nil {
		return nil, executed, err
	}
	if month == "" {
		executed = "GET /api/v1/months"
		return nil, executed, &emptyError{executed, "there is no month with data before the end of the time range"}
	}
	pairs, executed, err = s.askPairs(ctx, q, n, month)
	if err == nil && len(pairs) == 0 {
		err = &emptyError{executed, fmt.Sprintf("the report of %s has no such pair", month)}
	}
	return pairs, executed, orEmpty(executed, err)
}
