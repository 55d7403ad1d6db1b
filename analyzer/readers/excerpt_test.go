package readers_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

// withStamp is a mesh with a second test that measures the same.
func withStamp(t *testing.T, m *mesh.Mesh) *mesh.Mesh {
	t.Helper()
	twice, err := mesh.Parse("mesh.yaml", []byte(strings.Replace(string(m.Bytes()), "judged: icmp",
		"  - {test: stamp, method: stamp, links: [{}], interval_ms: 1000, size_bytes: 128, window_s: 900}\njudged: icmp", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return twice
}

// fill puts a text with a mark into every text below v and a number into every
// number, also of fields that the report gets one day.
func fill(t *rapid.T, v reflect.Value, mark string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s-%d", mark, rapid.IntRange(0, 99).Draw(t, "n")))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(1, 1e9).Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64Range(0, 1e6).Draw(t, "float"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), mark)
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(t, f, mark)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), mark)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, "length")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), mark)
		}
	case reflect.Map: // of a reason's parameters
		v.Set(reflect.ValueOf(map[string]any{
			"src": mark + "-src", "dst": mark + "-dst", "sites": []string{mark + "-a", mark + "-b"}, "nested": map[string]any{"address": mark + "-192.0.2.1"},
			mark + "-name": 1,
		}))
	default:
		t.Fatalf("nobody has decided what of a %s in a report is public", v.Type())
	}
}

// drawPair draws a pair of a carrier in which every text bears the carrier's
// mark, but those that are public.
func drawPair(t *rapid.T, carrier string) api.Pair {
	var p api.Pair
	fill(t, reflect.ValueOf(&p).Elem(), "mark."+carrier+".")
	p.Pair, p.Plane, p.Carrier, p.DistanceClass, p.Withheld = [2]string{"a", "b"}, "optical", carrier, "A", false
	p.GeodesicKM = rapid.SampledFrom([]float64{betweenClustersKM, betweenClustersKM + 0.001}).Draw(t, "geodesic")
	verdict := rapid.SampledFrom([]api.Verdict{api.Compliant, api.NonCompliant, api.NotDemonstrated})
	code := rapid.SampledFrom([]string{
		api.ReasonAboveLimit, api.ReasonUnbounded, api.ReasonNoSites, api.ReasonNoWindows, api.ReasonFasterThanLight,
		api.ReasonSiteUndecided, api.ReasonPartUndecided, api.FlagConflicts, "mark." + carrier + ".code",
	})
	name := func(reasons []api.Reason) {
		for i := range reasons {
			reasons[i].Code = code.Draw(t, "code")
		}
	}
	p.Verdict = verdict.Draw(t, "verdict")
	p.Guarded = rapid.SampledFrom([]api.Guarded{api.ProvenCompliant, api.ProvenNonCompliant, api.Inconclusive}).Draw(t, "guarded")
	name(p.Reasons)
	for i := range p.Parts {
		p.Parts[i].From, p.Parts[i].To, p.Parts[i].DistanceClass = "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z", "B"
		p.Parts[i].Verdict = verdict.Draw(t, "verdict")
		name(p.Parts[i].Reasons)
	}
	return p
}

// betweenClustersKM is the geodesic of a degree of the equator, which clusters a
// and b of drawReport lie apart.
const betweenClustersKM = 111.319

func drawReport(t *rapid.T) *api.Report {
	pairs := rapid.Custom(func(t *rapid.T) api.Pair {
		return drawPair(t, rapid.SampledFrom([]string{"one", "two", "three", ""}).Draw(t, "carrier"))
	})
	var r api.Report
	fill(t, reflect.ValueOf(&r).Elem(), "whole")
	r.Excerpt = nil
	r.Mesh.Clusters = []api.Cluster{{ID: "a", Hub: "hub", EN: "Alpha"}, {ID: "b", Hub: "hub", EN: "Beta", ZH: "乙", Lon: 1}}
	r.Pairs = rapid.SliceOfN(pairs, 0, 3).Draw(t, "pairs")
	r.Links = rapid.SliceOfN(pairs, 0, 4).Draw(t, "links")
	for i := range r.Classes {
		c := &r.Classes[i]
		c.Carrier = rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "carrier of a class")
		c.Sites = []string{"mark." + c.Carrier + ".a", "mark." + c.Carrier + ".b"}
	}
	for i := range r.Distributions {
		carrier := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "carrier of a distribution")
		fill(t, reflect.ValueOf(&r.Distributions[i]).Elem(), "mark."+carrier+".")
		r.Distributions[i].Carrier = carrier
	}
	if r.Beside != nil {
		for i := range r.Beside.Tests {
			for j := range r.Beside.Tests[i].Links {
				link := &r.Beside.Tests[i].Links[j]
				carrier := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "carrier of another test")
				fill(t, reflect.ValueOf(link).Elem(), "mark."+carrier+".")
				link.Carrier = carrier
			}
		}
	}
	for i := range r.Planes {
		r.Planes[i].Pairs = rapid.SliceOfN(pairs, 0, 3).Draw(t, "pairs of a plane")
	}
	return &r
}

func bytesOf(t interface{ Fatal(...any) }, r *api.Report) []byte {
	data, err := report.JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Whatever the report, nothing of another carrier's sites, addresses or texts
// is in the bytes that a carrier or viewer gets, and what is the carrier's own
// is there unchanged.
func TestExcerptHasNothingOfOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := drawReport(t)
		before := bytesOf(t, whole)
		for _, reader := range []readers.Reader{
			{Role: readers.Viewer},
			{Role: readers.Carrier, Carriers: []string{"one"}},
			{Role: readers.Carrier, Carriers: []string{"one", "two"}},
			{Role: "of a later version"},
		} {
			excerpt := reader.Excerpt(whole)
			data := bytesOf(t, excerpt)
			own := map[string]bool{}
			for _, c := range reader.Carriers {
				own[c] = true
			}
			for _, carrier := range []string{"one", "two", "three", ""} {
				if mark := "mark." + carrier + "."; !own[carrier] && bytes.Contains(data, []byte(mark)) {
					at := bytes.Index(data, []byte(mark))
					t.Fatalf("%+v gets %s", reader, data[max(0, at-200):min(len(data), at+100)])
				}
			}
			check := func(what string, from, to []api.Pair) {
				if len(from) != len(to) {
					t.Fatalf("%s: %d of %d pairs", what, len(to), len(from))
				}
				for i := range from {
					if own[from[i].Carrier] {
						if diff := cmp.Diff(from[i], to[i]); diff != "" {
							t.Fatalf("%s: own pair differs: %s", what, diff)
						}
						continue
					}
					if p := to[i]; !p.Withheld || len(p.Ends) > 0 || len(p.Flags) > 0 || len(p.Sites) > 0 || p.DistanceSource != "" {
						t.Fatalf("%s: %+v is not withheld", what, p)
					}
					if want := from[i].GeodesicKM; to[i].GeodesicKM != want && want == betweenClustersKM || to[i].GeodesicKM != 0 && want != betweenClustersKM {
						t.Fatalf("%s: a geodesic of %v km is given as %v", what, want, to[i].GeodesicKM)
					}
					marks, counts := to[i].Origins, from[i].Origins
					for _, of := range [][2]int{
						{marks.Measured, counts.Measured}, {marks.Emulated, counts.Emulated}, {marks.Synthetic, counts.Synthetic}, {marks.Imported, counts.Imported},
					} {
						if of[0] != min(of[1], 1) {
							t.Fatalf("%s: %+v windows by origin are given as %+v", what, counts, marks)
						}
					}
					if (len(from[i].Reasons) == 0) != (len(to[i].Reasons) == 0) {
						t.Fatalf("%s: a verdict has lost its reasons: %+v", what, to[i])
					}
				}
			}
			check("pairs", whole.Pairs, excerpt.Pairs)
			check("links", whole.Links, excerpt.Links)
			for i := range whole.Planes {
				check("pairs of a plane", whole.Planes[i].Pairs, excerpt.Planes[i].Pairs)
			}
			if diff := cmp.Diff(ownBeside(whole.Beside, own), excerpt.Beside); diff != "" {
				t.Fatalf("%+v: of other tests (-want +got):\n%s", reader, diff)
			}
			// It says for whom it was cut, and still names what it was cut from.
			want := &api.Excerpt{Role: string(reader.Role), Carriers: reader.Carriers}
			if diff := cmp.Diff(want, excerpt.Excerpt); diff != "" || excerpt.DataSHA256 != whole.DataSHA256 || excerpt.MeshSHA256 != whole.MeshSHA256 {
				t.Fatal(diff)
			}
			if diff := cmp.Diff(whole.Rate, excerpt.Rate); diff != "" {
				t.Fatal(diff)
			}
			others := func(d api.Distribution) bool { return !own[d.Carrier] }
			if diff := cmp.Diff(slices.DeleteFunc(slices.Clone(whole.Distributions), others), excerpt.Distributions, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%+v: distributions (-want +got):\n%s", reader, diff)
			}
			// Who is judged is told by what.
			if diff := cmp.Diff(whole.Mesh, excerpt.Mesh) + cmp.Diff(whole.Policy, excerpt.Policy); diff != "" {
				t.Fatalf("of mesh and policy (-want +got):\n%s", diff)
			}
		}
		for _, role := range []readers.Role{readers.Regulator, readers.Admin} {
			if got := (&readers.Reader{Role: role}).Excerpt(whole); !bytes.Equal(bytesOf(t, got), before) {
				t.Fatalf("%s gets another report", role)
			}
		}
		if !bytes.Equal(bytesOf(t, whole), before) {
			t.Fatal("an excerpt changed the report that it was made from")
		}
	})
}

// ownBeside is what is left of other tests: own links, and the tests that have
// any.
func ownBeside(b *api.Beside, own map[string]bool) *api.Beside {
	if b == nil {
		return nil
	}
	out := *b
	out.Tests = []api.OtherTest{}
	for _, test := range b.Tests {
		test.Links = slices.DeleteFunc(slices.Clone(test.Links), func(l api.OtherLink) bool { return !own[l.Carrier] })
		if len(test.Links) > 0 {
			out.Tests = append(out.Tests, test)
		}
	}
	return &out
}

// The same of reports that the analyzer makes: two carriers on the same
// clusters, with losses, silence, conflicts and distances of their own.
func TestExcerptOfRealReports(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var sites []string
		for _, carrier := range []string{"one", "two"} {
			for _, cluster := range "abc" {
				sites = append(sites, fmt.Sprintf("zq-%s-%c %c %s optical both", carrier, cluster, cluster, carrier))
			}
		}
		m := withStamp(t, scenario.Mesh(t, "UTC", sites, []string{
			"{clusters: [a, b], km: 1537, class: A, source: register}",
			"{sites: [zq-one-a, zq-one-c], km: 1400, class: A, source: survey of zq-one-a}",
			"{sites: [zq-two-a, zq-two-c], km: 1400, class: A, source: survey of zq-two-a}",
		}))
		period, err := report.ParsePeriod("", "2025-06-03T10:00:00Z", "2025-06-03T10:01:00Z", time.UTC)
		if err != nil {
			rt.Fatal(err)
		}
		s := &scenario.Store{}
		for _, carrier := range []string{"one", "two"} {
			for _, link := range []string{"ab", "ba", "ac", "ca", "bc", "cb"} {
				src, dst := fmt.Sprintf("zq-%s-%c", carrier, link[0]), fmt.Sprintf("zq-%s-%c", carrier, link[1])
				for range rapid.IntRange(0, 2).Draw(rt, "windows") {
					rtts := rapid.SliceOfN(rapid.Uint32Range(5_000, 30_000), 0, 60).Draw(rt, "rtts")
					w := scenario.Window(m, src, dst, period.From, rtts, 60-len(rtts))
					other := w
					other.Test, other.Method = "stamp", "stamp"
					s.Put(t, w, other)
				}
			}
		}
		plan, err := report.NewPlan(m, policy.Default(), period, nil)
		if err != nil {
			rt.Fatal(err)
		}
		whole, err := report.Build(t.Context(), plan, s, report.Options{GeneratedBy: "test", Beside: true})
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Contains(bytesOf(rt, whole), []byte("zq-two-a")) {
			rt.Fatal("the report names no site, so this proves nothing")
		}
		if len(whole.Beside.Tests) != 1 || len(whole.Beside.Tests[0].Links) != 6 {
			rt.Fatalf("beside is %+v", whole.Beside)
		}
		for _, c := range []struct {
			reader readers.Reader
			hidden []string
		}{
			{readers.Reader{Role: readers.Viewer}, []string{"zq-", "192.0.2."}},
			{readers.Reader{Role: readers.Carrier, Carriers: []string{"one"}}, []string{"zq-two", "192.0.2."}},
			{readers.Reader{Role: readers.Carrier, Carriers: []string{"two"}}, []string{"zq-one", "192.0.2."}},
		} {
			data := bytesOf(rt, c.reader.Excerpt(whole))
			for _, secret := range c.hidden {
				if at := bytes.Index(data, []byte(secret)); at >= 0 {
					rt.Fatalf("%+v gets %s", c.reader, data[max(0, at-200):min(len(data), at+100)])
				}
			}
		}
	})
}
