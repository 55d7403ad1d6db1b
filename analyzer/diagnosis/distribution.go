package diagnosis

import (
	"math/big"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// Distribution is that of a link of which Of gives causes; it does not name the
// pair. The ends must still have their hours.
func (r *Rules) Distribution(l *compliance.Link) *api.Distribution {
	end, packets := r.longer(l)
	if end == nil {
		return nil
	}
	return &api.Distribution{
		Src: end.Src, Dst: end.Dst, Packets: int64(packets.Packets()), Lost: int64(packets.Lost()),
		ECDF: ecdf(packets), Days: r.daysByHours(l, end),
	}
}

// longer is the end whose judged RTT is the longer over what stands for the
// link, with its packets.
func (r *Rules) longer(l *compliance.Link) (end *compliance.End, packets *latency.Distribution) {
	calendar := l.StandingCalendar()
	var longest latency.RTT
	for e := range l.Ends {
		d := &l.Ends[e].Over[calendar].Distribution
		if rtt, ok := compliance.StatisticOf(r.statistic, d); ok && (end == nil || rtt.Compare(longest) > 0) {
			end, packets, longest = &l.Ends[e], d, rtt
		}
	}
	return end, packets
}

// shares are those of the points of an ECDF, in hundred-thousandths: as many for
// each decimal that is missing to all packets.
var shares = func() (shares []uint64) {
	for step, from := uint64(2_000), uint64(0); step >= 2; step, from = step/10, 100_000-10*step/2 {
		for share := from + step; share <= 100_000-5*step; share += step {
			shares = append(shares, share)
		}
	}
	return shares
}()

// ecdf gives the points that package api states.
func ecdf(d *latency.Distribution) api.ECDF {
	packets, received := d.Packets(), d.Packets()-d.Lost()
	ranks := make([]uint64, 0, len(shares)+2)
	ranks = append(ranks, 1)
	for _, share := range shares {
		ranks = append(ranks, (packets*share+99_999)/100_000)
	}
	ranks = append(ranks, received)
	slices.Sort(ranks)
	out := api.ECDF{RTTUS: []int64{}, Within: []int64{}}
	var within uint64
	for us, n := range d.Values() {
		within += n
		if ranks[0] > within {
			continue
		}
		out.RTTUS, out.Within = append(out.RTTUS, int64(us)), append(out.Within, int64(within))
		for len(ranks) > 0 && ranks[0] <= within {
			ranks = ranks[1:]
		}
		if len(ranks) == 0 {
			break
		}
	}
	return out
}

// daysByHours counts what an end measured in each clock hour, and what of it was
// above the limit.
func (r *Rules) daysByHours(l *compliance.Link, end *compliance.End) []api.DayByHours {
	limit := new(big.Int).Div(l.LimitUS.Num(), l.LimitUS.Denom()).Int64()
	within := within(l)
	out := []api.DayByHours{}
	for _, day := range end.Days {
		var clocks [24]latency.Histogram
		some := false
		for b := range day.Hours() {
			// The distance may have changed at half past: then an hour is two.
			if bin := &day.Bins[b]; within(bin.FromMS) {
				for _, h := range bin.Open.Sources() {
					clocks[bin.Clock] = clocks[bin.Clock].With(h)
				}
				some = true
			}
		}
		if !some {
			continue
		}
		of := api.DayByHours{Day: day.Date}
		for clock, h := range clocks {
			n := count{received: h.Received(), lost: h.Lost(), slow: h.Above(limit)}
			of.Packets[clock], of.Above[clock] = int64(r.packets(n)), int64(r.above(n))
			if us, ok := r.statisticIn(h); ok {
				of.RTTUS[clock] = &us
			}
		}
		out = append(out, of)
	}
	return out
}

// within tells which moments are in what stands for a link.
func within(l *compliance.Link) func(ms int64) bool {
	part := l.Standing()
	if part == nil {
		return func(int64) bool { return true }
	}
	from, to := part.From.UnixMilli(), part.To.UnixMilli()
	return func(ms int64) bool { return from <= ms && ms < to }
}

// statisticIn is the judged statistic of a histogram; false where there is none,
// or it is endless. There are many hours and few packets in each: a Distribution
// would cost more than it holds.
func (r *Rules) statisticIn(h latency.Histogram) (us int64, ok bool) {
	received := h.Received()
	if received == 0 {
		return 0, false
	}
	if percent, is := r.percent(); is {
		rtt := h.At(((received+h.Lost())*percent + 99) / 100)
		return rtt.US, !rtt.Unbounded
	}
	if r.statistic == policy.Mean {
		return int64((2*h.SumUS() + received) / (2 * received)), true
	}
	shortest, _ := h.Shortest()
	return int64(shortest), true
}
