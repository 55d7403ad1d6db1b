package document

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

const (
	mostDrawn   = 12 // pairs: of more nobody looks at each
	perPicture  = 6  // what a page has room for
	betweenMaps = 20 // points
)

// drawn is a pair with its distribution.
type drawn struct {
	*api.Pair
	of *api.Distribution
}

// distributions draws, of the headline, how the RTTs lie of the pairs that are
// diagnosed, and when they are above the limit.
func (s *source) distributions() []Block {
	nearest, of := s.nearestDrawn()
	if len(nearest) == 0 {
		return nil
	}
	var blocks []Block
	if of > len(nearest) {
		blocks = append(blocks, Paragraph{Text: wording.Drawn(s.lang, len(nearest), of)})
	}
	for i, some := range slices.Collect(slices.Chunk(nearest, perPicture)) {
		blocks = append(blocks, s.ecdf(i, some)...)
	}
	for i, some := range slices.Collect(slices.Chunk(nearest, perPicture)) {
		blocks = append(blocks, s.heat(i, some)...)
	}
	return blocks
}

// nearestDrawn are those nearest to the limit, in the order of the mesh, and of
// how many.
func (s *source) nearestDrawn() (nearest []drawn, of int) {
	var all []drawn
	for i := range s.Distributions {
		d := &s.Distributions[i]
		at := slices.IndexFunc(s.Pairs, func(p api.Pair) bool { return p.Pair == d.Pair })
		if d.Plane == s.Plane && at >= 0 {
			all = append(all, drawn{&s.Pairs[at], d})
		}
	}
	away := func(d drawn) float64 {
		if d.Ratio == nil {
			return math.Inf(1)
		}
		return math.Abs(*d.Ratio - s.Policy.Factor)
	}
	of, nearest = len(all), slices.Clone(all)
	slices.SortStableFunc(nearest, func(a, b drawn) int { return cmp.Compare(away(a), away(b)) })
	nearest = nearest[:min(mostDrawn, len(nearest))]
	return slices.DeleteFunc(all, func(d drawn) bool {
		return !slices.ContainsFunc(nearest, func(n drawn) bool { return n.of == d.of })
	}), of
}

// level is the share that is judged; false where the statistic is no percentile.
func (s *source) level() (float64, bool) {
	percent, err := strconv.Atoi(s.Policy.Statistic[1:])
	return float64(percent) / 100, s.Policy.Statistic[0] == 'p' && err == nil
}

// ecdf is a picture of some pairs; none where no percentile is judged, which is
// what the figure shows.
func (s *source) ecdf(i int, pairs []drawn) []Block {
	level, ok := s.level()
	if !ok {
		return nil
	}
	in := chart.ECDF{
		Caption: s.caption(wording.FigureECDF), Level: level,
		XLabel: wording.Label(s.lang, wording.LabelRTT), YLabel: wording.Label(s.lang, wording.LabelCameBack),
		LevelLabel: wording.StatisticSymbol(s.lang, s.Policy.Statistic), LimitLabel: wording.Label(s.lang, wording.LabelLimit),
		UnboundedLabel: "∞", NoDataLabel: wording.Label(s.lang, wording.LabelNoData),
	}
	for _, p := range pairs {
		pair := chart.ECDFPair{
			A: s.short(p.Pair.Pair[0]), B: s.short(p.Pair.Pair[1]), Packets: p.of.Packets, LimitUS: p.LimitRTTMS * 1000, Verdict: chart.Verdict(p.Verdict),
		}
		for i, us := range p.of.ECDF.RTTUS {
			pair.Steps = append(pair.Steps, chart.ECDFStep{RTTUS: us, Packets: p.of.ECDF.Within[i]})
		}
		in.Pairs = append(in.Pairs, pair)
	}
	return []Block{s.picture(fmt.Sprintf("ecdf-%d", i+1), in.Figure())}
}

// heat is a picture of some pairs; none of a period of a single day, which has no
// other to stand out from.
func (s *source) heat(i int, pairs []drawn) []Block {
	var maps []chart.Figure
	var in chart.Heat
	for _, p := range pairs {
		if len(p.of.Days) < 2 {
			continue
		}
		in = chart.Heat{
			Size: chart.Size{WidthPT: (chart.TextWidthA4 - betweenMaps) / 2}, Name: s.short(p.Pair.Pair[0]) + " – " + s.short(p.Pair.Pair[1]), WithoutLegend: true,
			HourLabel: wording.Label(s.lang, wording.LabelHour), ShareLabel: wording.Label(s.lang, wording.LabelAbove), NoDataLabel: wording.Label(s.lang, wording.LabelNoData),
		}
		in.Days, in.DayLabel = s.days(p.of.Days)
		maps = append(maps, in.Figure())
	}
	if len(maps) == 0 {
		return nil
	}
	in.Size = chart.Size{}
	about := s.caption(wording.FigureHeat)
	return []Block{s.picture(fmt.Sprintf("heat-%d", i+1), chart.Tile(about, 1, 4, chart.Tile(about, 2, betweenMaps, maps...), in.Legend()))}
}

// days are named by their number where all are of one month, and else by month
// and day.
func (s *source) days(of []api.DayByHours) (days []chart.HeatDay, label string) {
	first, last := of[0].Day, of[len(of)-1].Day
	month, err := time.Parse("2006-01", first[:7])
	one := err == nil && first[:7] == last[:7]
	label = wording.Label(s.lang, wording.LabelDay)
	if one {
		label = wording.DaysOf(s.lang, month)
	}
	for _, d := range of {
		day := chart.HeatDay{Label: d.Day[5:]}
		if one {
			day.Label = strconv.Itoa(int(d.Day[8]-'0')*10 + int(d.Day[9]-'0'))
		}
		for clock, packets := range d.Packets {
			if packets > 0 {
				share := float64(d.Above[clock]) / float64(packets)
				day.Shares[clock] = &share
			}
		}
		days = append(days, day)
	}
	return days, label
}
