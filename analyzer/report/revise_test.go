package report

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// filed is a small report as it comes back from a file.
func filed(t *testing.T, change func(*api.Report)) *api.Report {
	t.Helper()
	ms := 20.5
	pair := func(a, b string, v api.Verdict) api.Pair {
		return api.Pair{Pair: [2]string{a, b}, Plane: "optical", Verdict: v, MeasuredRTTMS: &ms, Reasons: []api.Reason{{Code: "x", Params: map[string]any{"n": 3}}}}
	}
	r := &api.Report{
		GeneratedBy: "fibergauge-analyzer 1", MeshSHA256: "m", PolicySHA256: "p", DataSHA256: "d", Period: api.Period{Complete: true},
		Planes: []api.Plane{
			{Plane: "optical", Rate: api.Rate{Compliant: 1, Total: 2}, Pairs: []api.Pair{pair("a", "b", api.Compliant), pair("a", "c", api.NonCompliant)}},
			{Plane: "private-ip", Rate: api.Rate{Total: 1}, Pairs: []api.Pair{pair("a", "b", api.NotDemonstrated)}},
		},
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var read api.Report
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	change(&read)
	return &read
}

func TestRevise(t *testing.T) {
	replaced := api.Replaced{Number: 1, ManifestSHA256: "aa"}
	entry := func(r api.Revision) *api.Revision {
		r.Number, r.Replaces, r.Reason = 2, replaced, "why"
		return &r
	}
	other := 21.5
	rate := func(compliant, total int) *api.Rate { return &api.Rate{Compliant: compliant, Total: total} }
	for _, test := range []struct {
		name   string
		change func(*api.Report)
		want   *api.Revision // nil: nothing changed
	}{
		{"nothing", func(*api.Report) {}, nil},
		{"another version of the program that says the same", func(r *api.Report) { r.GeneratedBy = "fibergauge-analyzer 2" }, nil},
		{"a verdict, by other data and another version", func(r *api.Report) {
			r.GeneratedBy, r.DataSHA256 = "fibergauge-analyzer 2", "e"
			r.Planes[0].Rate.Compliant, r.Planes[0].Pairs[1].Verdict = 2, api.Compliant
		}, entry(api.Revision{
			Causes:   []api.RevisionCause{{Cause: "data", Was: "d", Is: "e"}, {Cause: "program", Was: "fibergauge-analyzer 1", Is: "fibergauge-analyzer 2"}},
			Rates:    []api.RevisedRate{{Plane: "optical", Was: rate(1, 2), Is: rate(2, 2)}},
			Verdicts: []api.RevisedVerdict{{Plane: "optical", Pair: [2]string{"a", "c"}, Was: api.NonCompliant, Is: api.Compliant}},
		})},
		{"an RTT", func(r *api.Report) { r.DataSHA256, r.Planes[0].Pairs[0].MeasuredRTTMS = "e", &other }, entry(api.Revision{
			Causes: []api.RevisionCause{{Cause: "data", Was: "d", Is: "e"}}, Figures: 1,
		})},
		{"a detail", func(r *api.Report) { r.Planes[0].Pairs[0].Reasons[0].Params["n"] = 4 }, entry(api.Revision{})},
		{"the period is over", func(r *api.Report) { r.Period.Complete = false }, entry(api.Revision{
			Causes: []api.RevisionCause{{Cause: "complete", Was: "true", Is: "false"}},
		})},
		{"a pair and a plane less, one more", func(r *api.Report) {
			r.MeshSHA256 = "n"
			r.Planes[1].Plane = "public-internet"
			r.Planes[0].Pairs[1].Pair = [2]string{"b", "c"}
		}, entry(api.Revision{
			Causes: []api.RevisionCause{{Cause: "mesh", Was: "m", Is: "n"}},
			Rates:  []api.RevisedRate{{Plane: "public-internet", Is: rate(0, 1)}, {Plane: "private-ip", Was: rate(0, 1)}},
			Verdicts: []api.RevisedVerdict{
				{Plane: "optical", Pair: [2]string{"b", "c"}, Is: api.NonCompliant}, {Plane: "optical", Pair: [2]string{"a", "c"}, Was: api.NonCompliant},
				{Plane: "public-internet", Pair: [2]string{"a", "b"}, Is: api.NotDemonstrated}, {Plane: "private-ip", Pair: [2]string{"a", "b"}, Was: api.NotDemonstrated},
			},
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			was, is := filed(t, func(*api.Report) {}), filed(t, test.change)
			changed, err := Revise(was, is, replaced, "why")
			if err != nil {
				t.Fatal(err)
			}
			var want []api.Revision
			if test.want != nil {
				want = []api.Revision{*test.want}
			}
			if diff := cmp.Diff(want, is.Revisions, cmpopts.EquateEmpty()); diff != "" || changed != (test.want != nil) {
				t.Errorf("changed is %v (-want +got):\n%s", changed, diff)
			}
		})
	}
}

// Entries of earlier revisions stay, and count for nothing in the comparison.
func TestReviseAgain(t *testing.T) {
	first := filed(t, func(*api.Report) {})
	second := filed(t, func(r *api.Report) { r.DataSHA256 = "e" })
	if changed, err := Revise(first, second, api.Replaced{Number: 1, ManifestSHA256: "aa"}, ""); !changed || err != nil {
		t.Fatalf("%v, %v", changed, err)
	}
	if changed, err := Revise(second, filed(t, func(r *api.Report) { r.DataSHA256 = "e" }), api.Replaced{Number: 2, ManifestSHA256: "bb"}, ""); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	third := filed(t, func(*api.Report) {})
	if changed, err := Revise(second, third, api.Replaced{Number: 2, ManifestSHA256: "bb"}, ""); !changed || err != nil {
		t.Fatalf("%v, %v", changed, err)
	}
	if len(third.Revisions) != 2 || third.Revisions[0].Number != 2 || third.Revisions[1].Number != 3 || third.Revisions[1].Replaces.ManifestSHA256 != "bb" {
		t.Errorf("%+v", third.Revisions)
	}
}
