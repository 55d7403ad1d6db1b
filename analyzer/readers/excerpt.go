package readers

import (
	"maps"
	"slices"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/mesh"
)

// Whole tells whether the reader sees reports in full.
func (r *Reader) Whole() bool { return r.Role == Regulator || r.Role == Admin }

// Excerpt is what the reader may see of a report: for regulators and
// administrators the report itself. Else it names the reader's role, and of
// links that are not the reader's it has the public figures only.
//
// Public is what says which pairs and carriers comply, and how near: the rates,
// and of each pair or link its clusters, plane, carrier, distance, limit, RTT,
// ratio, interval and verdict, with the marks without which these mislead
// (estimated, provisional, single-ended, origins). So is by what is judged: the
// policy with every word in it, because who is judged must know the rules, and
// where clusters are, from which their geodesic follows. Not public is what
// tells of a carrier's network or of how well it measures: sites and where they
// are, ends, distributions, conflicts, flags, diagnosis, gaps, maintenance, reasons that name
// an end, who says a distance, and all that tests measured which are not judged.
//
// An excerpt is built out of what is public, so that a field which is new to
// the report stays out until somebody decides.
func (r *Reader) Excerpt(full *api.Report) *api.Report {
	if r.Whole() {
		return full
	}
	x := excerpt{own: r.Carriers, places: map[string]mesh.Location{}}
	for _, c := range full.Mesh.Clusters {
		x.places[c.ID] = mesh.Location{Lat: c.Lat, Lon: c.Lon}
	}
	out := &api.Report{
		Schema: full.Schema, GeneratedBy: full.GeneratedBy,
		Excerpt: &api.Excerpt{Role: string(r.Role), Carriers: r.Carriers},
		Period:  full.Period, MeshSHA256: full.MeshSHA256, PolicySHA256: full.PolicySHA256, DataSHA256: full.DataSHA256,
		Mesh: publicMesh(&full.Mesh), Policy: publicPolicy(&full.Policy),
		Data: api.Data{
			Windows: full.Data.Windows, FirstStart: full.Data.FirstStart, LastEnd: full.Data.LastEnd,
			Origins: full.Data.Origins, Timestamps: full.Data.Timestamps, MeshVersions: full.Data.MeshVersions,
		},
		Plane: full.Plane, Rate: full.Rate,
		Pairs: x.pairs(full.Pairs), Links: x.pairs(full.Links), Planes: []api.Plane{},
		Classes: x.classes(full.Classes), Sensitivity: full.Sensitivity, Nearest: full.Nearest, Trend: full.Trend,
	}
	for _, plane := range full.Planes {
		out.Planes = append(out.Planes, api.Plane{
			Plane: plane.Plane, Rate: plane.Rate, Carriers: plane.Carriers, Pairs: x.pairs(plane.Pairs),
			Hubs: plane.Hubs, BetweenHubs: plane.BetweenHubs, Ordered: plane.Ordered, WithMaintenance: plane.WithMaintenance,
		})
	}
	for _, d := range full.Distributions {
		if slices.Contains(x.own, d.Carrier) {
			out.Distributions = append(out.Distributions, d)
		}
	}
	if full.Beside != nil {
		out.Beside = x.beside(full.Beside)
	}
	for i := range out.Links {
		for _, end := range out.Links[i].Ends {
			out.Data.Conflicts += end.Conflicts
		}
	}
	return out
}

type excerpt struct {
	own    []string
	places map[string]mesh.Location // of clusters
}

func (x excerpt) pairs(all []api.Pair) []api.Pair {
	out := make([]api.Pair, len(all))
	for i := range all {
		if all[i].Carrier != "" && slices.Contains(x.own, all[i].Carrier) {
			out[i] = all[i]
		} else {
			out[i] = x.public(&all[i])
		}
	}
	return out
}

// classes leaves the sites of others out.
func (x excerpt) classes(all []api.Class) []api.Class {
	out := make([]api.Class, len(all))
	for i, c := range all {
		if !slices.Contains(x.own, c.Carrier) {
			c.Sites = []string{}
		}
		out[i] = c
	}
	return out
}

// beside leaves out the links of others, and tests that measure none of the
// reader's own. The hash is of the whole.
func (x excerpt) beside(b *api.Beside) *api.Beside {
	out := &api.Beside{
		DataSHA256: b.DataSHA256, DiffersAboveMS: b.DiffersAboveMS, DiffersAboveShare: b.DiffersAboveShare,
		Tests: []api.OtherTest{},
	}
	for _, test := range b.Tests {
		own := []api.OtherLink{}
		for _, link := range test.Links {
			if slices.Contains(x.own, link.Carrier) {
				own = append(own, link)
			}
		}
		if len(own) > 0 {
			test.Links = own
			out.Tests = append(out.Tests, test)
		}
	}
	return out
}

func publicMesh(m *api.Mesh) api.Mesh {
	out := api.Mesh{
		Name: m.Name, InForceSHA256: m.InForceSHA256, Test: m.Test, Method: m.Method,
		Clusters: make([]api.Cluster, len(m.Clusters)), Hubs: slices.Clone(m.Hubs), Carriers: slices.Clone(m.Carriers),
	}
	for i, c := range m.Clusters {
		out.Clusters[i] = api.Cluster{ID: c.ID, Hub: c.Hub, EN: c.EN, ZH: c.ZH, Lat: c.Lat, Lon: c.Lon}
	}
	return out
}

func publicPolicy(p *api.Policy) api.Policy {
	return api.Policy{
		Name: p.Name, Statistic: p.Statistic, Theory: p.Theory, Reading: p.Reading, Factor: p.Factor, Sites: p.Sites,
		Text: p.Text,
	}
}

func (x excerpt) public(p *api.Pair) api.Pair {
	out := api.Pair{
		Pair: p.Pair, Plane: p.Plane, Carrier: p.Carrier, Withheld: true,
		DistanceKM: p.DistanceKM, DistanceClass: p.DistanceClass, Estimated: p.Estimated, Provisional: p.Provisional,
		GeodesicKM:       x.geodesic(p),
		TheoreticalRTTMS: p.TheoreticalRTTMS, LimitRTTMS: p.LimitRTTMS,
		MeasuredRTTMS: p.MeasuredRTTMS, Ratio: p.Ratio, Unbounded: p.Unbounded, Bounds: publicBounds(p.Bounds),
		Verdict: p.Verdict, Reasons: publicReasons(p.Reasons), Flags: []api.Reason{},
		SingleEnded: p.SingleEnded, Origins: publicOrigins(p.Origins),
		Sites: []string{}, Ends: []api.End{}, Diagnosis: []api.Reason{},
		Guarded: p.Guarded, Unstable: p.Unstable,
	}
	if u := p.Uncertainty; u != nil {
		out.Uncertainty = &api.Uncertainty{
			Confidence: u.Confidence, Candidates: u.Candidates, Trials: u.Trials,
			DistanceMinKM: u.DistanceMinKM, DistanceMaxKM: u.DistanceMaxKM,
			RatioLow: u.RatioLow, RatioLowUnbounded: u.RatioLowUnbounded,
			RatioHigh: u.RatioHigh, RatioHighUnbounded: u.RatioHighUnbounded,
		}
	}
	for i := range p.Parts {
		part := &p.Parts[i]
		out.Parts = append(out.Parts, api.Part{
			From: part.From, To: part.To, DistanceKM: part.DistanceKM, DistanceClass: part.DistanceClass,
			TheoreticalRTTMS: part.TheoreticalRTTMS, LimitRTTMS: part.LimitRTTMS,
			MeasuredRTTMS: part.MeasuredRTTMS, Ratio: part.Ratio, Unbounded: part.Unbounded, Bounds: publicBounds(part.Bounds),
			Verdict: part.Verdict, Reasons: publicReasons(part.Reasons),
		})
	}
	return out
}

// geodesic is that of the clusters, and 0 if sites stand elsewhere: of these it
// would tell where.
func (x excerpt) geodesic(p *api.Pair) float64 {
	if p.GeodesicKM != float64(mesh.GeodesicMeters(x.places[p.Pair[0]], x.places[p.Pair[1]]))/1000 {
		return 0
	}
	return p.GeodesicKM
}

// publicOrigins are a mark and no count: how many windows of each day there are
// would tell when a carrier's ends were silent.
func publicOrigins(o api.Origins) api.Origins {
	mark := func(n int) int { return min(n, 1) }
	return api.Origins{Measured: mark(o.Measured), Emulated: mark(o.Emulated), Synthetic: mark(o.Synthetic), Imported: mark(o.Imported)}
}

// publicBounds are as public as the figure that they stand in for.
func publicBounds(b *api.Bounds) *api.Bounds {
	if b == nil {
		return nil
	}
	return &api.Bounds{LowMS: b.LowMS, HighMS: b.HighMS, LowRatio: b.LowRatio, HighRatio: b.HighRatio}
}

// publicParams tells whether a reason is public, and which of its parameters
// are.
func publicParams(code string) (names []string, ok bool) {
	switch code {
	case api.ReasonAboveLimit:
		return []string{"measured_rtt_ms", "limit_rtt_ms"}, true
	case api.ReasonBoundAbove:
		return []string{"statistic", "low_rtt_ms", "limit_rtt_ms"}, true
	case api.ReasonOnlyBounds:
		return []string{"statistic", "low_rtt_ms", "high_rtt_ms", "limit_rtt_ms"}, true
	case api.ReasonPartUndecided:
		return []string{"from", "to"}, true
	case api.ReasonNoSites, api.ReasonNoDistance:
		return nil, true
	}
	return nil, false
}

// publicReasons keeps the public ones; one that says so stands for all others.
func publicReasons(reasons []api.Reason) []api.Reason {
	out := []api.Reason{}
	withheld := false
	for _, reason := range reasons {
		allowed, ok := publicParams(reason.Code)
		if !ok {
			withheld = true
			continue
		}
		params := maps.Clone(reason.Params)
		maps.DeleteFunc(params, func(name string, _ any) bool { return !slices.Contains(allowed, name) })
		out = append(out, api.Reason{Code: reason.Code, Params: params})
	}
	if withheld {
		out = append(out, api.Reason{Code: api.ReasonWithheld})
	}
	return out
}
