package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/analyzer/uncertainty"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// stamp writes a moment with as many digits as it has.
func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

func (p *Plan) meshOf() api.Mesh {
	return api.Mesh{
		Name: p.Mesh.Name, InForceSHA256: p.inForceSHA256(), Test: p.Test.Name, Method: string(p.Test.Method),
		Clusters: Clusters(p.Mesh), Hubs: Hubs(p.Mesh), Carriers: Carriers(p.Mesh),
	}
}

// Clusters are those of a mesh as package api writes them.
func Clusters(m *mesh.Mesh) []api.Cluster {
	all := []api.Cluster{}
	for _, c := range m.Clusters {
		all = append(all, api.Cluster{ID: c.ID, Hub: c.Hub, EN: c.Name.EN, ZH: c.Name.ZH, Lat: c.Location.Lat, Lon: c.Location.Lon})
	}
	return all
}

// Hubs are those of a mesh as package api writes them.
func Hubs(m *mesh.Mesh) []api.Named {
	all := []api.Named{}
	for _, h := range m.Hubs {
		all = append(all, api.Named{ID: h.ID, EN: h.Name.EN, ZH: h.Name.ZH})
	}
	return all
}

// Carriers are those of a mesh as package api writes them.
func Carriers(m *mesh.Mesh) []api.Named {
	all := []api.Named{}
	for _, c := range m.Carriers {
		all = append(all, api.Named{ID: c.ID, EN: c.Name.EN, ZH: c.Name.ZH})
	}
	return all
}

// reading says what the Plan leaves open and how it is read here, in every
// report: whoever reads it otherwise gets other verdicts.
const reading = "the network distance is read as the distance by road, and the Plan's latency as one-way, so an RTT is compared with twice the one-way time"

func (p *Plan) policyOf(rules *compliance.Rules) api.Policy {
	formula := fmt.Sprintf("2 × distance × %s / c", p.Policy.Theory.GroupIndex)
	if p.Policy.Theory.Convention == policy.ByDelay {
		formula = fmt.Sprintf("2 × distance × %s µs/km", p.Policy.Theory.USPerKM)
	}
	factor, _ := rules.Factor().Float64()
	return api.Policy{
		Name: p.Policy.Name, Statistic: string(p.Policy.Measurement.Statistic),
		Theory: formula, Reading: reading, Factor: factor, Sites: string(p.Policy.Measurement.Sites), Text: string(p.Policy.Bytes()),
	}
}

func (p *Plan) dataOf(results []*compliance.Link) api.Data {
	data := api.Data{MeshVersions: []api.MeshVersion{}}
	var firstMS, lastMS int64
	versions := map[string]int{}
	for _, result := range results {
		for i := range result.Ends {
			end := &result.Ends[i]
			if end.Windows == 0 {
				continue
			}
			if firstMS == 0 || end.FirstMS < firstMS {
				firstMS = end.FirstMS
			}
			lastMS = max(lastMS, end.LastMS)
			data.Windows += end.Windows
			data.Conflicts += end.Conflicts
			addOrigins(&data.Origins, end.Origins)
			addTimestamps(&data.Timestamps, end.Timestamps)
			for version, n := range end.Meshes {
				versions[version] += n
			}
		}
	}
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		data.MeshVersions = append(data.MeshVersions, api.MeshVersion{SHA256: version, Windows: versions[version]})
	}
	if data.Windows > 0 {
		first, last := p.moment(firstMS), p.moment(lastMS)
		data.FirstStart, data.LastEnd = &first, &last
	}
	return data
}

func (p *Plan) moment(ms int64) string {
	return stamp(time.UnixMilli(ms).In(p.Period.From.Location()))
}

func addOrigins(sum *api.Origins, windows map[wire.Origin]int) {
	sum.Measured += windows[wire.OriginMeasured]
	sum.Emulated += windows[wire.OriginEmulated]
	sum.Synthetic += windows[wire.OriginSynthetic]
	sum.Imported += windows[wire.OriginImported]
}

func addTimestamps(sum *api.Timestamps, windows map[wire.Timestamps]int) {
	sum.Hardware += windows[wire.TimestampsHardware]
	sum.Kernel += windows[wire.TimestampsKernel]
	sum.User += windows[wire.TimestampsUser]
}

func (p *Plan) pairOf(rules *compliance.Rules, l *compliance.Counted) api.Pair {
	pair := api.Pair{
		Pair: [2]string{l.Pair.A, l.Pair.B}, Plane: l.Plane, Carrier: l.Carrier, Sites: l.Sites,
		DistanceKM: km(l.Route.Meters), DistanceClass: string(l.Route.Class), DistanceSource: l.Route.Source,
		Estimated: l.Route.Estimated, Provisional: l.Route.Class == mesh.ClassC,
		GeodesicKM:       km(l.Route.GeodesicMeters),
		TheoreticalRTTMS: theory.NearMS(l.TheoreticalUS), LimitRTTMS: theory.FloorMS(l.LimitUS),
		Verdict: l.Verdict, Reasons: l.Reasons, Flags: l.Flags, SingleEnded: l.SingleEnded,
		Ends: []api.End{}, Diagnosis: []api.Reason{},
		Guarded: l.Guarded, Unstable: rules.Unstable(l.Link),
	}
	pair.Uncertainty = p.uncertaintyOf(rules, l)
	pair.Maintenance = p.excusedOf(rules, l.Link)
	if l.Verdict != api.NotDemonstrated && l.Diagnosis != nil {
		pair.Diagnosis = l.Diagnosis
	}
	if pair.Sites == nil {
		pair.Sites = []string{}
	}
	pair.MeasuredRTTMS, pair.Ratio, pair.Unbounded = figures(&l.Judgement, rules)
	pair.Bounds = boundsOf(&l.Judgement, rules)
	for i := range l.Ends {
		pair.Ends = append(pair.Ends, endOf(&l.Ends[i]))
		addOrigins(&pair.Origins, l.Ends[i].Origins)
	}
	for _, part := range l.Parts {
		out := api.Part{
			From: stamp(part.From), To: stamp(part.To),
			DistanceKM: km(part.Judgement.Route.Meters), DistanceClass: string(part.Judgement.Route.Class),
			TheoreticalRTTMS: theory.NearMS(part.TheoreticalUS), LimitRTTMS: theory.FloorMS(part.LimitUS),
			Verdict: part.Verdict, Reasons: part.Reasons,
		}
		out.MeasuredRTTMS, out.Ratio, out.Unbounded = figures(&part.Judgement, rules)
		out.Bounds = boundsOf(&part.Judgement, rules)
		pair.Parts = append(pair.Parts, out)
	}
	return pair
}

func (p *Plan) uncertaintyOf(rules *compliance.Rules, l *compliance.Counted) *api.Uncertainty {
	if l.Sureness == nil || len(l.Parts) > 0 {
		return nil
	}
	confidence, _ := p.Policy.Uncertainty.Confidence.Rat().Float64()
	interval := l.Sureness.ByCandidates[l.Candidates]
	u := &api.Uncertainty{
		Confidence: confidence, Candidates: l.Candidates, Trials: p.Policy.Uncertainty.Trials,
		Seed: strconv.FormatUint(l.Sureness.Seed, 10), Days: l.Sureness.Days, CompleteDays: l.Sureness.CompleteDays,
		DistanceMinKM: km(l.Route.MinMeters), DistanceMaxKM: km(l.Route.MaxMeters),
	}
	show := func(r uncertainty.Ratio) (*float64, bool) {
		if r.Unbounded {
			return nil, true
		}
		shown := theory.ShowRatio(r.Value, rules.Factor())
		return &shown, false
	}
	u.RatioLow, u.RatioLowUnbounded = show(interval.Low)
	u.RatioHigh, u.RatioHighUnbounded = show(interval.High)
	u.RatioGaps, u.RatioGapsUnbounded = show(interval.Gaps)
	return u
}

func (p *Plan) excusedOf(rules *compliance.Rules, l *compliance.Link) *api.Excused {
	if len(l.Works.Excused) == 0 {
		return nil
	}
	out := &api.Excused{Works: l.Works.Excused, Seconds: l.Works.Seconds, Beyond: l.Works.Beyond}
	j := &l.Judgement
	if l.Unexcused != nil {
		j = l.Unexcused
	}
	out.Verdict, out.Reasons = j.Verdict, j.Reasons
	out.MeasuredRTTMS, out.Ratio, out.Unbounded = figures(j, rules)
	out.Bounds = boundsOf(j, rules)
	return out
}

func km(meters int64) float64 { return float64(meters) / 1000 }

func figures(j *compliance.Judgement, rules *compliance.Rules) (measuredMS, ratio *float64, unbounded bool) {
	if !j.HasMeasured || j.Bounds != nil {
		return nil, nil, false
	}
	if j.Ratio != nil {
		shown := theory.ShowRatio(j.Ratio, rules.Factor())
		ratio = &shown
	}
	measuredMS, unbounded = shownRTT(j.Measured, true)
	return measuredMS, ratio, unbounded
}

// boundsOf are those of the judged statistic; nil where it is known.
func boundsOf(j *compliance.Judgement, rules *compliance.Rules) *api.Bounds {
	if j.Bounds == nil {
		return nil
	}
	bounds := shownBounds(*j.Bounds)
	ratio := func(rtt latency.RTT) *float64 {
		if rtt.Unbounded || j.Route.Meters <= 0 {
			return nil
		}
		shown := theory.ShowRatio(theory.Ratio(rtt.US, j.TheoreticalUS), rules.Factor())
		return &shown
	}
	bounds.LowRatio, bounds.HighRatio = ratio(j.Bounds.Low), ratio(j.Bounds.High)
	return &bounds
}

func shownBounds(where compliance.Between) api.Bounds {
	b := api.Bounds{}
	b.LowMS, _ = shownRTT(where.Low, true)
	b.HighMS, _ = shownRTT(where.High, true)
	return b
}

// shownRTT gives the two fields of an RTT that exists or not.
func shownRTT(rtt latency.RTT, exists bool) (ms *float64, unbounded bool) {
	if !exists || rtt.Unbounded {
		return nil, exists && rtt.Unbounded
	}
	shown := theory.MS(rtt.US)
	return &shown, false
}

func endOf(e *compliance.End) api.End {
	end := api.End{Seen: seenBy(e), Sufficient: e.Sufficient, Sufficiency: e.Sufficiency}
	addOrigins(&end.Origins, e.Origins)
	addTimestamps(&end.Timestamps, e.Timestamps)
	return end
}

func otherEndOf(e *compliance.End) api.OtherEnd {
	end := api.OtherEnd{Seen: seenBy(e)}
	addOrigins(&end.Origins, e.Origins)
	addTimestamps(&end.Timestamps, e.Timestamps)
	return end
}

func seenBy(e *compliance.End) api.Seen {
	return api.Seen{
		Src: e.Src, Dst: e.Dst, Scheduled: e.ScheduledInAll,
		Sent: e.Packets.Sent, Received: e.Packets.Received, Lost: e.Packets.Lost, Late: e.Packets.Late,
		Duplicate: e.Packets.Duplicate, SendError: e.Packets.SendError, Unstamped: e.Packets.Unstamped,
		CountedPackets: e.Counted, CountedLost: e.Lost,
		Statistics: statisticsOf(e.By, e.HasMeasured),
		Windows:    e.Windows, Conflicts: e.Conflicts,
	}
}

func statisticsOf(by map[policy.Statistic]compliance.Between, measured bool) (s api.Statistics) {
	show := func(statistic policy.Statistic) (*float64, bool) {
		where := by[statistic]
		if measured && !where.Exact() {
			bounds := shownBounds(where)
			bounds.Statistic = string(statistic)
			s.Bounds = append(s.Bounds, bounds)
			return nil, false
		}
		return shownRTT(where.Low, measured)
	}
	s.P50MS, s.P50Unbounded = show(policy.P50)
	s.P95MS, s.P95Unbounded = show(policy.P95)
	s.P99MS, s.P99Unbounded = show(policy.P99)
	// Of the received packets: where there are none, these do not exist.
	s.MeanMS, _ = show(policy.Mean)
	s.MinMS, _ = show(policy.Min)
	return s
}
