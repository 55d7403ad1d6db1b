package report

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// profile is how an end behaves. What it says of shares is in thousandths.
type profile struct {
	baseUS, noiseUS                     int
	impossible                          int // packets faster than light in fibre
	slow, lost, unstamped, unsent       int // packets
	silent                              int // windows
	silentFrom                          time.Time
	silentHours                         bool
	timestamps                          []wire.Timestamps
	summaries, foreign, conflicts, more int // windows; more: of a second probe on the site
	residenceUS                         uint32
	late                                time.Duration // after the bound of the window it begins
	random                              *rand.Rand
}

// drawData draws what each end sent. How an end behaves is drawn; packets follow
// from a seed, because a case has thousands.
func (n *random) drawData(t *rapid.T) {
	test := n.m.Test(n.m.Judged)
	// A month that is still running has days of which nobody sent anything.
	until := n.period.To
	if scenario.OneIn(t, "still running", 6) {
		until = n.period.From.Add(n.period.To.Sub(n.period.From) / 4 * time.Duration(rapid.IntRange(1, 3).Draw(t, "quarters")))
	}
	for _, link := range n.m.Links(test, n.period.From, n.period.To) {
		if scenario.OneIn(t, "nothing at all", 20) {
			continue
		}
		p := n.drawProfile(t, link)
		length := time.Duration(test.WindowS) * time.Second
		for at := n.period.From.Truncate(length); at.Before(until); at = at.Add(length) {
			n.window(t, p, link, at, length)
		}
		if n.trend {
			month := time.Date(n.period.From.Year(), n.period.From.Month(), 1, 0, 0, 0, 0, n.period.From.Location())
			for i := range 6 {
				n.window(t, p, link, month.Add(-time.Duration(i+1)*5*time.Hour).Truncate(length), length)
			}
		}
	}
}

func (n *random) drawProfile(t *rapid.T, link mesh.Link) *profile {
	thousandths := func(label string, values ...int) int { return rapid.SampledFrom(values).Draw(t, label) }
	route := n.m.Route(n.m.Site(link.Src), n.m.Site(link.Dst), n.period.From)
	limit := n.p.Theory.Light().RouteRTTUS(route)
	limit.Mul(limit, n.p.Theory.Factor.Rat())
	of := func(us *big.Rat, share int) int {
		v := new(big.Rat).Mul(us, big.NewRat(int64(share), 1000))
		return int(new(big.Int).Quo(v.Num(), v.Denom()).Int64())
	}
	p := &profile{
		baseUS:     of(limit, rapid.IntRange(650, 1050).Draw(t, "base")),
		noiseUS:    of(limit, thousandths("noise", 100, 0, 30, 300)),
		impossible: thousandths("impossible", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20),
		slow:       thousandths("slow", 0, 0, 0, 20, 60, 500), lost: thousandths("lost", 0, 0, 0, 0, 5, 30, 300, 1000),
		unstamped: thousandths("unstamped", 0, 0, 0, 30, 200), unsent: thousandths("unsent", 0, 0, 0, 0, 0, 20, 100),
		silent:      thousandths("silent", 0, 0, 0, 0, 0, 10, 100, 300),
		silentHours: scenario.OneIn(t, "silent every night", 10),
		summaries:   thousandths("summaries", 0, 0, 0, 0, 0, 0, 0, 100, 1000),
		foreign:     thousandths("foreign", 0, 0, 0, 50), conflicts: thousandths("conflicts", 0, 0, 0, 50),
		more:        thousandths("second probe", 0, 0, 0, 0, 100),
		residenceUS: uint32(thousandths("residence", 0, 150, 300)),
		random:      rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "packets"), 1)),
	}
	p.timestamps = rapid.SampledFrom([][]wire.Timestamps{
		{wire.TimestampsHardware}, {wire.TimestampsKernel}, {wire.TimestampsUser},
		{wire.TimestampsHardware, wire.TimestampsKernel}, {wire.TimestampsHardware, wire.TimestampsUser},
	}).Draw(t, "timestamps")
	if scenario.OneIn(t, "exactly at the limit, and a microsecond above", 6) {
		p.baseUS, p.noiseUS = of(limit, 1000), rapid.IntRange(0, 1).Draw(t, "above")
	} else {
		p.baseUS = max(p.baseUS, of(fibreFloor(n, route), 1010))
	}
	if scenario.OneIn(t, "silent in the end", 12) {
		p.silentFrom = n.period.From.Add(n.period.To.Sub(n.period.From) / 16 * time.Duration(rapid.IntRange(8, 16).Draw(t, "silent from")))
	}
	if scenario.OneIn(t, "windows begin late", 10) {
		p.late = time.Duration(rapid.IntRange(1, 30).Draw(t, "late")) * time.Second
	}
	return p
}

// fibreFloor is the RTT below which a route is not plausible, in microseconds.
func fibreFloor(n *random, route mesh.Route) *big.Rat {
	keeps := new(big.Rat).Sub(big.NewRat(1, 1), n.p.Plausibility.FibreMargin.Rat())
	return keeps.Mul(keeps, theory.WithIndex(n.p.Plausibility.FibreIndex.Rat()).RTTUS(route.GeodesicMeters))
}

func (p *profile) in(thousandths int) bool { return p.random.IntN(1000) < thousandths }

// window adds what an end sends in a window, if anything.
func (n *random) window(t *rapid.T, p *profile, link mesh.Link, at time.Time, length time.Duration) {
	end := at.Add(length)
	at = at.Add(p.late)
	silent := !p.silentFrom.IsZero() && !at.Before(p.silentFrom) || p.silentHours && at.In(n.period.From.Location()).Hour() < 5
	if p.in(p.silent) || silent {
		return
	}
	w := p.measure(n, link, at, end)
	if p.in(p.summaries) {
		asSummary(&w, 1+p.random.IntN(7))
	}
	if p.in(p.foreign) {
		estrange(&w, p.random.IntN(4))
	}
	n.windows = append(n.windows, w)
	if p.in(p.conflicts) {
		n.conflicts = append(n.conflicts, p.measure(n, link, at, end))
	}
	if p.in(p.more) {
		w := p.measure(n, link, at, end)
		w.Session = 2
		n.windows = append(n.windows, w)
	}
}

// measure is a window of packets.
func (p *profile) measure(n *random, link mesh.Link, at, end time.Time) wire.Window {
	test := n.m.Test(n.m.Judged)
	asked := test.WindowS * 1000 / test.IntervalMS
	var rtts []uint32
	lost, unstamped, unsent := 0, 0, 0
	for range asked {
		switch {
		case p.in(p.unsent):
			unsent++
		case p.in(p.lost):
			lost++
		case p.in(p.unstamped):
			unstamped++
		default:
			rtts = append(rtts, p.rtt())
		}
	}
	w := scenario.Window(n.m, link.Src, link.Dst, at, rtts, lost)
	w.EndMS, w.Timestamps, w.Origin = end.UnixMilli(), p.timestamps[p.random.IntN(len(p.timestamps))], wire.OriginMeasured
	w.Sent, w.Received, w.Unstamped, w.SendError = w.Sent+uint32(unstamped), w.Received+uint32(unstamped), uint32(unstamped), uint32(unsent)
	w.Scheduled = uint32(asked)
	if test.Method == mesh.MethodSTAMP {
		w.STAMP = &wire.STAMP{ResidenceMaxUS: p.residenceUS}
	}
	return w
}

func (p *profile) rtt() uint32 {
	us := p.baseUS + p.random.IntN(p.noiseUS+1)
	switch {
	case p.in(p.impossible):
		us /= 3
	case p.in(p.slow):
		us += us / 2
	}
	return uint32(min(max(us, 1), 3_000_000))
}

// asSummary leaves of the samples of a window what is true of them: minimum,
// mean and maximum, as bits.
func asSummary(w *wire.Window, which int) {
	if w.Stats == nil {
		return
	}
	s := *w.Stats
	w.Summary = &wire.Summary{Source: "random"}
	if which&1 != 0 {
		w.Summary.MinUS = &s.MinUS
	}
	if which&2 != 0 {
		w.Summary.MeanUS = &s.MeanUS
	}
	if which&4 != 0 {
		w.Summary.MaxUS = &s.MaxUS
	}
	w.RTTs, w.Stats, w.STAMP, w.Origin = nil, nil, nil, wire.OriginImported
}

// estrange gives a window a label that the mesh does not have for its link.
func estrange(w *wire.Window, label int) {
	*[]*string{&w.SrcCluster, &w.DstCluster, &w.Carrier, &w.Method}[label] = "another"
}

// lose makes a loss of a received packet, the k-th shortest of the window.
func lose(t *rapid.T, w *wire.Window, k int) {
	rtts := samples(t, w)
	rtts = slices.Delete(rtts, k, k+1)
	w.RTTs, w.Stats = wire.AppendRTTs(nil, rtts), wire.StatsOf(rtts)
	w.Received--
	w.Lost++
}

func samples(t *rapid.T, w *wire.Window) []uint32 {
	rtts, err := wire.DecodeRTTs(nil, w.RTTs)
	if err != nil {
		t.Fatal(err)
	}
	return rtts
}
