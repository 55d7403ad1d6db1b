package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
)

// schema is that which programs of others hold reports against.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	text, err := os.ReadFile("../api/report.schema.json")
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("report.schema.json", parsed); err != nil {
		return nil, err
	}
	return compiler.Compile("report.schema.json")
})

// valid gives the report if it and what a viewer and a carrier see of it are by
// the schema; every report of this package's tests passes through it.
func valid[T scenario.TB](t T, r *api.Report) *api.Report {
	t.Helper()
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, reader := range []readers.Reader{{Role: readers.Regulator}, {Role: readers.Viewer}, {Role: readers.Carrier, Carriers: []string{"one"}}} {
		if err := s.Validate(asValue(t, reader.Excerpt(r))); err != nil {
			t.Fatalf("for a %s the report is not by its schema: %v", reader.Role, err)
		}
	}
	return r
}

func asValue[T scenario.TB](t T, r *api.Report) any {
	t.Helper()
	data, err := JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func schemaFollowed(t *rapid.T, n *random) { valid(t, n.report(t)) }

// whole is a report with all that one may have: months before, other tests,
// losses without end, works, distances that change, and links that are too fast.
func whole(t *testing.T) *api.Report {
	t.Helper()
	m := withStamp(t, scenario.Mesh(t, "Asia/Shanghai", append(scenario.Sites(), "a2 a two optical both", "b2 b two optical both"), []string{
		"{clusters: [a, b], km: 1537, class: A, source: register, until: 2025-06-03T12:00:00+08:00}",
		"{clusters: [a, b], km: 1500, class: A, source: register, from: 2025-06-03T12:00:00+08:00}",
	}), "icmp")
	s := &scenario.Store{}
	for _, day := range []string{"2025-05-20", "2025-06-03"} {
		period := on(t, m, day)
		s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(21_000, 20), 0, nil)
		s.Both(t, m, "a1", "c1", period.From, period.To, scenario.Same(26_000, 16), 4, nil)
		s.Both(t, m, "a2", "b2", period.From, period.To, scenario.Same(3_000, 20), 0, func(at time.Time) bool { return at.Hour() > 3 })
		w := scenario.Window(m, "a1", "b1", period.From, scenario.Same(40_000, 20), 3)
		s.Put(t, by("stamp", w), inSum(scenario.Window(m, "c1", "b1", period.From, nil, 0), scenario.Same(30_000, 20), "mean", "max"))
	}
	plan, err := NewPlan(m, policy.Default(), on(t, m, "2025-06-03"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), plan, s, Options{GeneratedBy: "test", Trend: true, Beside: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trend) == 0 || r.Beside == nil {
		t.Fatalf("%d months, beside %v", len(r.Trend), r.Beside)
	}
	return valid(t, r)
}

// Every altered report is refused: a text for a number and the other way round,
// a field that nobody knows, one that is not there.
func TestSchemaRefuses(t *testing.T) {
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	r := whole(t)
	// Once for each path, of lists the first.
	seen := map[string]bool{}
	var alter func(path string, root, at any, put func(any))
	refused := func(path, how string, root any) {
		if s.Validate(root) == nil {
			t.Errorf("%s: %s passes", path, how)
		}
	}
	alter = func(path string, root, at any, put func(any)) {
		switch v := at.(type) {
		case map[string]any:
			if seen[path] {
				return
			}
			seen[path] = true
			v["of_nobody"] = 1
			refused(path, "an unknown field", root)
			delete(v, "of_nobody")
			for _, key := range slices.Sorted(maps.Keys(v)) {
				value := v[key]
				if key == "params" { // which these are the code says
					continue
				}
				if !optional(key) && path+"."+key != ".mesh.hubs" && path+"."+key != ".mesh.carriers" { // that of a plane is not
					delete(v, key)
					refused(path+"."+key, "a field that is missing", root)
				}
				v[key] = value
				alter(path+"."+key, root, value, func(other any) { v[key] = other })
			}
		case []any:
			put("text")
			refused(path, "a text for a list", root)
			put(v)
			for i, value := range v {
				alter(path+"[]", root, value, func(other any) { v[i] = other })
			}
		default:
			other, how := any("text"), "a text for "+fmt.Sprint(at)
			if _, is := at.(string); is {
				other, how = json.Number("1"), "a number for "+fmt.Sprint(at)
			}
			if seen[path+how] {
				return
			}
			seen[path+how] = true
			put(other)
			refused(path, how, root)
			put(at)
		}
	}
	root := asValue(t, r)
	alter("", root, root, nil)
	if len(seen) < 200 {
		t.Errorf("only %d alterations were tried", len(seen))
	}
	if err := s.Validate(root); err != nil {
		t.Errorf("the report was not put back: %v", err)
	}
}

// optional are the fields that are there only where there is something to say.
func optional(key string) bool {
	return slices.Contains([]string{
		"zh", "bounds", "parts", "trend", "beside", "maintenance", "statistic", "low_ratio", "high_ratio", "in_force_sha256", "withheld",
	}, key) || len(key) >= len("unbounded") && key[len(key)-len("unbounded"):] == "unbounded"
}

// What has the right type may still say what no report says.
func TestSchemaRefusesValues(t *testing.T) {
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	data, err := JSON(whole(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*api.Report){
		"another schema":               func(r *api.Report) { r.Schema = "fibergauge.report/2" },
		"a verdict that is none":       func(r *api.Report) { r.Links[0].Verdict = "maybe" },
		"a code that is none":          func(r *api.Report) { r.Links[0].Reasons = []api.Reason{{Code: "because"}} },
		"a flag for a reason":          func(r *api.Report) { r.Links[0].Reasons = []api.Reason{{Code: api.FlagEndsDiffer}} },
		"a reason for a cause":         func(r *api.Report) { r.Links[0].Diagnosis = []api.Reason{{Code: api.ReasonNoSites}} },
		"a plane that is none":         func(r *api.Report) { r.Links[0].Plane = "copper" },
		"a negative distance":          func(r *api.Report) { r.Links[0].DistanceKM = -1 },
		"an endless RTT that is known": func(r *api.Report) { v := 1.0; r.Links[0].MeasuredRTTMS, r.Links[0].Unbounded = &v, true },
		"an endless end that is known": func(r *api.Report) { v := 1.0; e := &r.Links[0].Ends[0]; e.P95MS, e.P95Unbounded = &v, true },
		"a hash that is none":          func(r *api.Report) { r.DataSHA256 = "none" },
		"a moment that is none":        func(r *api.Report) { r.Period.From = "June" },
		"a month that is none":         func(r *api.Report) { r.Trend[0].Month = "2025-13" },
		"a list that is null":          func(r *api.Report) { r.Pairs = nil },
	} {
		var r api.Report
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		change(&r)
		if s.Validate(asValue(t, &r)) == nil {
			t.Errorf("%s passes", name)
		}
	}
}
