package report

import (
	"context"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
)

// What is shown beside: the same reading and the same statistics as of the
// judged test, and no verdict.

// unjudged is a test that is not judged, and what it is to measure in the period.
type unjudged struct {
	test  *mesh.Test
	links []PlannedLink
}

// unjudged plans the tests that are not judged, in the order of the mesh.
func (p *Plan) unjudged() (all []unjudged) {
	for i := range p.Mesh.Measure {
		if test := &p.Mesh.Measure[i]; test != p.Test {
			all = append(all, unjudged{test, p.linksOf(test)})
		}
	}
	return all
}

func linksIn(all []unjudged) (n int) {
	for _, other := range all {
		n += len(other.links)
	}
	return n
}

// besideOf reads the tests that are not judged and holds each link against what
// the judged test measured between the same sites.
func (p *Plan) besideOf(ctx context.Context, rules *compliance.Rules, from feed, others []unjudged, results []*compliance.Link) (*api.Beside, error) {
	judged := map[[2]string]*compliance.Link{}
	for _, l := range results {
		judged[[2]string(l.Sites)] = l
	}
	aboveMS, _ := p.Policy.Plausibility.EndsDifferMS.Rat().Float64()
	aboveShare, _ := p.Policy.Plausibility.EndsDifferShare.Rat().Float64()
	out := &api.Beside{DiffersAboveMS: aboveMS, DiffersAboveShare: aboveShare, Tests: []api.OtherTest{}}
	var data []*latency.Link
	for _, other := range others {
		test := api.OtherTest{
			Test: other.test.Name, Method: string(other.test.Method), SizeBytes: other.test.SizeBytes, DSCP: other.test.DSCP,
			Links: make([]api.OtherLink, len(other.links)),
		}
		ends := make([][]*latency.Link, len(other.links))
		err := someAtOnce(ctx, len(other.links), func(ctx context.Context, i int) (err error) {
			link := &other.links[i]
			test.Links[i], ends[i], err = link.figures(ctx, rules, from, judged[[2]string(link.Subject.Sites)])
			from.read()
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, of := range ends {
			data = append(data, of...)
		}
		out.Tests = append(out.Tests, test)
	}
	out.DataSHA256 = dataHash(data)
	return out, nil
}

// figures reads the ends of a link and gives what they measured. judged is what
// the judged test did between the same sites; nil if it does not measure there.
func (l *PlannedLink) figures(ctx context.Context, rules *compliance.Rules, from feed, judged *compliance.Link) (api.OtherLink, []*latency.Link, error) {
	links, err := l.read(ctx, from, l.cutsDays())
	if err != nil {
		return api.OtherLink{}, nil, err
	}
	ends := l.endsOf(links, false)
	j := rules.Figures(l.Stretches, ends)
	s := &l.Subject
	out := api.OtherLink{
		Pair: [2]string{s.Pair.A, s.Pair.B}, Plane: s.Plane, Carrier: s.Carrier, Sites: s.Sites,
		DistanceKM: km(j.Route.Meters), TheoreticalRTTMS: theory.NearMS(j.TheoreticalUS),
		Bounds: boundsOf(&j, rules), Worse: statisticsOf(j.By, j.HasMeasured), Ends: []api.OtherEnd{},
	}
	out.MeasuredRTTMS, out.Ratio, out.Unbounded = figures(&j, rules)
	if judged != nil {
		differs, longerUS, known := rules.Differs(&judged.Judgement, &j)
		if out.Differs = differs; known {
			difference := theory.MS(longerUS)
			out.DifferenceMS = &difference
		}
	}
	for i := range ends {
		out.Ends = append(out.Ends, otherEndOf(&ends[i]))
		ends[i].Drop()
	}
	return out, links, nil
}
