// Package report makes the compliance report: it plans what a mesh and a
// policy ask to be judged, reads the windows from the store, has package
// compliance judge them, and gives the result in the form of package api. The
// table that people read is rendered from that form, so the two cannot differ.
package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/mesh"
)

// Options are what a report needs besides its plan and its data.
type Options struct {
	GeneratedBy string // program and version
	Complete    bool   // the period is over
	// Progress, if set, is told after each link how many of all are done; it is
	// called by several goroutines.
	Progress func(done, total int)
}

// Build reads what the plan asks for and judges it. The result depends on
// nothing but its arguments and the windows.
func Build(ctx context.Context, plan *Plan, source latency.Source, o Options) (*api.Report, error) {
	rules := compliance.NewRules(plan.Policy)
	results, err := plan.judge(ctx, rules, source, o.Progress)
	if err != nil {
		return nil, err
	}
	r := &api.Report{
		Schema:      api.SchemaReport,
		GeneratedBy: o.GeneratedBy,
		Period: api.Period{
			From: stamp(plan.Period.From), To: stamp(plan.Period.To), TimeZone: plan.Mesh.TimeZone,
			Demonstration: plan.calendar.ShortOfDay, Complete: o.Complete,
		},
		MeshSHA256: plan.Mesh.SHA256(), PolicySHA256: plan.Policy.SHA256(), DataSHA256: dataHash(results),
		Mesh: plan.meshOf(), Policy: plan.policyOf(rules), Data: plan.dataOf(results),
		Plane: string(plan.Headline),
		Links: []api.Pair{},
	}
	for _, result := range results {
		r.Links = append(r.Links, plan.pairOf(result, rules))
	}
	for _, plane := range plan.Mesh.Planes {
		r.Planes = append(r.Planes, plan.planeOf(rules, plane, results))
		if plane == plan.Headline {
			last := r.Planes[len(r.Planes)-1]
			r.Rate, r.Pairs = last.Rate, last.Pairs
		}
	}
	return r, nil
}

// judge reads and judges the planned links, some at once: the memory that it
// takes is that of the links under way, not of all.
func (p *Plan) judge(ctx context.Context, rules *compliance.Rules, source latency.Source, progress func(done, total int)) ([]*compliance.Link, error) {
	results := make([]*compliance.Link, len(p.Links))
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i := range p.Links {
		group.Go(func() error {
			planned := &p.Links[i]
			ends := make([]compliance.End, len(planned.ends))
			for e, end := range planned.ends {
				link, err := latency.Read(ctx, source, nil, end.scope)
				if err != nil {
					return err
				}
				ends[e] = compliance.End{Link: link, Scheduled: end.scheduled}
				for _, calendar := range end.calendars {
					ends[e].Over = append(ends[e].Over, link.Over(calendar, false))
				}
			}
			results[i] = rules.Judge(planned.Subject, planned.Stretches, ends)
			for e := range ends {
				ends[e].Drop()
			}
			if n := done.Add(1); progress != nil {
				progress(int(n), len(p.Links))
			}
			return nil
		})
	}
	return results, group.Wait()
}

// planeOf takes, on one plane, the best carrier for each pair of clusters.
func (p *Plan) planeOf(rules *compliance.Rules, plane mesh.Plane, results []*compliance.Link) api.Plane {
	out := api.Plane{Plane: string(plane), Carriers: []api.Carrier{}, Pairs: []api.Pair{}}
	year := p.Period.From.Year()
	type key struct {
		pair    mesh.Pair
		carrier string
	}
	joining := map[key][]*compliance.Link{}
	for _, r := range results {
		if r.Plane == string(plane) {
			joining[key{r.Pair, r.Carrier}] = append(joining[key{r.Pair, r.Carrier}], r)
		}
	}
	byCarrier := make([][]*compliance.Link, len(p.Mesh.Carriers))
	var best []*compliance.Link
	for _, pair := range p.Pairs {
		unserved := rules.Unserved(
			compliance.Subject{Pair: pair, Plane: string(plane)},
			p.Mesh.ClusterRoute(p.Mesh.Cluster(pair.A), p.Mesh.Cluster(pair.B), p.Period.From))
		var candidates []*compliance.Link
		for c, carrier := range p.Mesh.Carriers {
			links := joining[key{pair, carrier.ID}]
			if len(links) == 0 {
				byCarrier[c] = append(byCarrier[c], unserved)
				continue
			}
			counts := rules.Sites(links)
			byCarrier[c] = append(byCarrier[c], counts)
			candidates = append(candidates, counts)
		}
		if len(candidates) == 0 {
			candidates = []*compliance.Link{unserved}
		}
		best = append(best, compliance.Best(candidates))
	}
	out.Rate = compliance.Rate(p.Policy.Rate, year, best)
	for c, links := range byCarrier {
		// A carrier without any site on the plane is not of this plane.
		if slices.ContainsFunc(links, func(l *compliance.Link) bool { return l.Carrier != "" }) {
			out.Carriers = append(out.Carriers, api.Carrier{
				Carrier: p.Mesh.Carriers[c].ID, Rate: compliance.Rate(p.Policy.Rate, year, links),
			})
		}
	}
	for _, result := range best {
		out.Pairs = append(out.Pairs, p.pairOf(result, rules))
	}
	return out
}

// dataHash is the hash over the days of all links; package api says how.
func dataHash(results []*compliance.Link) string {
	var ends []*latency.Link
	for _, result := range results {
		for _, end := range result.Ends {
			ends = append(ends, end.Link)
		}
	}
	slices.SortFunc(ends, func(a, b *latency.Link) int {
		return cmp.Or(cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
	})
	sum := sha256.New()
	for _, end := range ends {
		for _, day := range end.Days {
			if day.Windows == 0 {
				continue
			}
			fmt.Fprintf(sum, "%s %s %s %s %s\n", end.Src, end.Dst, end.Test, day.Date, day.SHA256)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
