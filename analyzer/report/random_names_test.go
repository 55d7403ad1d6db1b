package report

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// renamingChangesNothing: with other names of everything the report is the same but
// for these names and for the hashes over what holds them. The seed of an interval
// is made of the names of two sites, so sites have new names only where there are
// no trials; those of hubs, clusters, carriers, works and of the test are in no
// seed, and change no interval either.
func renamingChangesNothing(t *rapid.T, n *random) {
	r := renaming{to: map[string]string{}, random: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "names"), 1))}
	if r.sites = rapid.Bool().Draw(t, "sites too"); r.sites {
		n = n.withoutTrials()
	}
	text := string(rendered(t, n.report(t)))
	renamed := string(rendered(t, r.of(t, n).report(t)))
	var back []string
	for old, new := range r.to {
		back = append(back, new, old)
	}
	if diff := cmp.Diff(strings.Split(text, "\n"), strings.Split(strings.NewReplacer(back...).Replace(renamed), "\n")); diff != "" {
		t.Fatalf("renamed (-before +after):\n%s", diff)
	}
}

func rendered(t *rapid.T, r *api.Report) []byte {
	c := *r
	c.MeshSHA256, c.DataSHA256, c.Mesh.InForceSHA256 = "", "", ""
	text, err := JSON(&c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// renaming gives new names, which sort in any order and occur nowhere else.
type renaming struct {
	sites  bool
	to     map[string]string
	random *rand.Rand
}

func (r *renaming) name(old string) string {
	if strings.HasPrefix(old, "site-") && !r.sites || old == "" || old == "all" || old == "another" {
		return old
	}
	if r.to[old] == "" {
		r.to[old] = fmt.Sprintf("%c%02d.%d_", 'A'+rune(r.random.IntN(26)), r.random.IntN(100), len(r.to))
	}
	return r.to[old]
}

func (r *renaming) names(old []string) []string {
	var names []string
	for _, name := range old {
		names = append(names, r.name(name))
	}
	return names
}

func (r *renaming) of(t *rapid.T, n *random) *random {
	n = n.clone()
	m := copied(n.spec)
	m.Name, m.Judged = r.name(m.Name), r.name(m.Judged)
	for i := range m.Hubs {
		m.Hubs[i].ID = r.name(m.Hubs[i].ID)
	}
	for i := range m.Clusters {
		m.Clusters[i].ID, m.Clusters[i].Hub = r.name(m.Clusters[i].ID), r.name(m.Clusters[i].Hub)
	}
	for i := range m.Carriers {
		m.Carriers[i].ID = r.name(m.Carriers[i].ID)
	}
	for i := range m.Sites {
		s := &m.Sites[i]
		s.ID, s.Cluster, s.Carrier = r.name(s.ID), r.name(s.Cluster), r.name(s.Carrier)
	}
	for i := range m.Distances {
		m.Distances[i].Clusters, m.Distances[i].Sites = r.names(m.Distances[i].Clusters), r.names(m.Distances[i].Sites)
	}
	for i := range m.Maintenance {
		m.Maintenance[i].ID, m.Maintenance[i].Sites = r.name(m.Maintenance[i].ID), r.names(m.Maintenance[i].Sites)
	}
	for i := range m.Measure {
		test := &m.Measure[i]
		test.Name, test.Links = r.name(test.Name), slices.Clone(test.Links)
		for j := range test.Links {
			p := &test.Links[j]
			p.From, p.To, p.Carriers = r.name(p.From), r.name(p.To), r.names(p.Carriers)
		}
	}
	n.p.Rate.Clusters = r.names(n.p.Rate.Clusters)
	n.spec, n.m, n.versions = m, scenario.Parse(t, m), nil
	for _, windows := range [][]wire.Window{n.windows, n.conflicts} {
		for i := range windows {
			w := &windows[i]
			w.Src, w.Dst, w.Test, w.Carrier = r.name(w.Src), r.name(w.Dst), r.name(w.Test), r.name(w.Carrier)
			w.SrcCluster, w.DstCluster = r.name(w.SrcCluster), r.name(w.DstCluster)
		}
	}
	return n
}

// copied is a mesh whose lists can be changed without changing the other's.
func copied(m *mesh.Mesh) *mesh.Mesh {
	c := *m
	c.Hubs, c.Clusters, c.Carriers, c.Planes = slices.Clone(m.Hubs), slices.Clone(m.Clusters), slices.Clone(m.Carriers), slices.Clone(m.Planes)
	c.Sites, c.Distances, c.Measure, c.Maintenance = slices.Clone(m.Sites), slices.Clone(m.Distances), slices.Clone(m.Measure), slices.Clone(m.Maintenance)
	return &c
}

// orderChangesNothing: in whatever order windows of other keys came, and distances
// and maintenance stand in the file, the report is the same to the byte (but for
// the hash of the mesh).
//
// With hubs, carriers, planes and sites in another order lists are, and of equal
// links another one may stand for a pair: "of equals the earlier in the mesh". So
// the carrier, the distance and what follows from it (provisional, unstable) may
// be another one's; and so may, where none is demonstrated and `worst` or `all` is
// asked for, the ratio. Each link stays as it is, interval included; so do the verdict,
// the ratio and what is proven of each pair, and all other counts.
//
// With clusters in another order two sites change places where the first cluster
// of a pair comes first, and with them the seed: so there are no trials then.
func orderChangesNothing(t *rapid.T, n *random) {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
	whole, clusters := rapid.Bool().Draw(t, "more than distances and windows"), rapid.Bool().Draw(t, "clusters too")
	if whole && clusters {
		n = n.withoutTrials()
	}
	other, m := n.clone(), copied(n.spec)
	shuffle(random, m.Distances)
	shuffle(random, other.windows)
	if whole {
		shuffle(random, m.Hubs)
		shuffle(random, m.Carriers)
		shuffle(random, m.Planes)
		shuffle(random, m.Sites)
		if clusters {
			shuffle(random, m.Clusters)
		}
	} else {
		slices.Reverse(m.Maintenance)
	}
	other.spec, other.m = m, scenario.Parse(t, m)
	a, b := n.report(t), other.report(t)
	if a.DataSHA256 != b.DataSHA256 {
		t.Fatal("the hash over the data is another one")
	}
	before, after := strings.Split(string(rendered(t, a)), "\n"), strings.Split(string(rendered(t, b)), "\n")
	if whole {
		before, after = essence(a), essence(b)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("in another order (-before +after):\n%s", diff)
	}
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// essence is what does not depend on the order of anything, as sorted lines.
func essence(r *api.Report) []string {
	var lines []string
	add := func(what string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		lines = append(lines, what+" "+string(text))
	}
	for _, of := range rates(r) {
		of.rate.Provisional, of.rate.Unstable = 0, 0
		add(of.name, of.rate)
	}
	bounded := map[[2]string]bool{} // of a link known by bounds only, no ratio is shown
	for i := range r.Links {
		l := unordered(r.Links[i])
		bounded[l.Pair] = bounded[l.Pair] || l.Bounds != nil
		if l.Pair[0] == l.Pair[1] { // which site comes first, and so the seed, is a matter of order
			l.Uncertainty, l.Guarded = nil, ""
		}
		add("link", l)
	}
	for _, plane := range r.Planes {
		add(plane.Plane, []int{plane.ExcusedLinks, plane.UnregisteredWorks})
		for i := range plane.Pairs {
			p := unordered(plane.Pairs[i])
			ratio := fmt.Sprint(figure(p.Ratio, p.Unbounded))
			if bounded[p.Pair] || p.Verdict == api.NotDemonstrated && r.Policy.Sites != string(policy.Best) {
				ratio = ""
			}
			add("pair", []string{p.Pair[0], p.Pair[1], p.Plane, string(p.Verdict), string(p.Guarded), ratio})
		}
	}
	for _, c := range r.Classes {
		slices.Sort(c.Pair[:])
		c.Sites = slices.Sorted(slices.Values(c.Sites))
		add("class", c)
	}
	add("sensitivity", r.Sensitivity)
	add("nearest", len(r.Nearest))
	add("data", r.Data)
	slices.Sort(lines)
	return lines
}

// unordered is a link without regard to which end comes first. Of a diagnosis
// only the codes are left: what it says of ends it says of the first of equals.
func unordered(p api.Pair) api.Pair {
	slices.Sort(p.Pair[:])
	p.Sites = slices.Sorted(slices.Values(p.Sites))
	p.Ends = slices.SortedFunc(slices.Values(p.Ends), func(a, b api.End) int { return strings.Compare(a.Src, b.Src) })
	p.Reasons, p.Flags = unorderedReasons(p.Reasons), unorderedReasons(p.Flags)
	p.Parts = slices.Clone(p.Parts)
	for i := range p.Parts {
		p.Parts[i].Reasons = unorderedReasons(p.Parts[i].Reasons)
	}
	if p.Maintenance != nil {
		m := *p.Maintenance
		m.Works, m.Reasons = slices.Sorted(slices.Values(m.Works)), unorderedReasons(m.Reasons)
		p.Maintenance = &m
	}
	diagnosis := []api.Reason{}
	for _, d := range p.Diagnosis {
		diagnosis = append(diagnosis, api.Reason{Code: d.Code})
	}
	p.Diagnosis = unorderedReasons(diagnosis)
	return p
}

func unorderedReasons(reasons []api.Reason) []api.Reason {
	sorted := []api.Reason{}
	for _, r := range reasons {
		if r.Code == api.FlagEndsDiffer {
			r.Params = nil
		}
		sorted = append(sorted, r)
	}
	slices.SortFunc(sorted, func(a, b api.Reason) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return sorted
}
