package frontend

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type object = map[string]any

// What every query type asks for, by the labels of the fields. docs/grafana.md
// names the types.
var fields = map[string]string{
	"series":       "Metric Hubs Clusters Carriers Planes Pairs Ends Test Statistics Step Alias",
	"heatmap":      "Hubs Clusters Carriers Planes Pairs Ends Test Step",
	"rate":         "Hubs Carriers Planes Month",
	"verdicts":     "Hubs Clusters Carriers Planes Pairs Rows",
	"matrix":       "Metric Hubs Clusters Carriers Planes Pairs Month Over Dashboard",
	"pairs":        "Hubs Clusters Carriers Planes Pairs Month Over Rows Dashboard",
	"changes":      "Hubs Clusters Carriers Planes Pairs Ends Test Rows Dashboard",
	"sites":        "Hubs Clusters Carriers Planes Month Over",
	"links":        "Hubs Clusters Carriers Planes Pairs Month Over",
	"probes":       "Hubs Clusters Carriers Planes Sites",
	"probe_series": "Metric Hubs Clusters Carriers Planes Sites Alias",
	"now":          "Metric Hubs Clusters Carriers Planes Pairs Ends Test Rows Alias",
	"annotations":  "Hubs Clusters Carriers Planes Pairs Kinds",
}

func TestQueryEditorShowsEachType(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		for name, want := range fields {
			query := object{"refId": "A", "version": 1, "queryType": name}
			for _, mode := range []string{"light", "dark"} {
				b.show("query", query, mode)
				b.save("query-" + name + "-" + mode)
			}
			got := strings.Join(b.labels(), " ")
			if got != "Query type "+want {
				t.Errorf("%s asks for %q, want %q", name, got, "Query type "+want)
			}
		}
	})
}

// What a metric has no use for is not asked for.
func TestQueryEditorFollowsTheMetric(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		for _, c := range []struct{ queryType, metric, want string }{
			{"series", "loss", "Metric Hubs Clusters Carriers Planes Pairs Ends Test Step Alias"},
			{"series", "limit", "Metric Hubs Clusters Carriers Planes Pairs Ends Alias"},
			{"now", "silent", "Metric Hubs Clusters Carriers Planes Sites Rows Alias"},
			{"now", "rate_margin", "Metric Hubs Carriers Planes Month Rows Alias"},
		} {
			b.show("query", object{"refId": "A", "queryType": c.queryType, "metric": c.metric}, "light")
			if got := strings.Join(b.labels(), " "); got != "Query type "+c.want {
				t.Errorf("%s of %s asks for %q, want %q", c.metric, c.queryType, got, c.want)
			}
		}
	})
}

func TestQueryEditorWrites(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		b.show("query", object{"refId": "A", "queryType": "series", "datasource": object{"uid": "f"}, "later": "kept"}, "light")
		b.choose("fibergauge-A-hubs", "number 2")
		b.choose("fibergauge-A-hubs", "$hub")
		b.choose("fibergauge-A-carriers", "typed-one")
		b.choose("fibergauge-A-statistics", "95th")
		b.choose("fibergauge-A-metric", "Delay")
		b.choose("fibergauge-A-step", "Hour")
		b.choose("fibergauge-A-test", "tests number 1")
		runs := eval[int](b, "harness.state.runs")
		b.typeInto("fibergauge-A-alias", "{{from}}")
		if typed := eval[int](b, "harness.state.runs"); runs != 7 || typed != runs {
			t.Errorf("7 choices ran %d queries, and typing ran %d more", runs, typed-runs)
		}
		eval[any](b, "document.activeElement.blur()")
		if left := eval[int](b, "harness.state.runs"); left != runs+1 {
			t.Errorf("leaving a field ran %d queries, want 1", left-runs)
		}
		b.save("query-written")
		want := object{
			"refId": "A", "version": 1.0, "queryType": "series", "datasource": object{"uid": "f"}, "later": "kept",
			"hubs": []any{"hubs-2", "$hub"}, "carriers": []any{"typed-one"}, "statistics": []any{"p95"}, "metric": "ipdv", "step": "hour", "test": "tests-1", "alias": "{{from}}",
		}
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("what was written (-want +got):\n%s", diff)
		}
		// Of another type: its metrics are others, and the rest stays.
		b.choose("fibergauge-A-type", "Pairs")
		delete(want, "metric")
		want["queryType"] = "pairs"
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("after the type was changed (-want +got):\n%s", diff)
		}
		b.typeInto("fibergauge-A-limit", "12")
		b.typeInto("fibergauge-A-dashboard", "x")
		b.choose("fibergauge-A-over", "Time range")
		b.choose("fibergauge-A-month", "2025-06")
		want["limit"], want["dashboard"], want["over"], want["month"] = 12.0, "x", "range", "2025-06"
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("of pairs (-want +got):\n%s", diff)
		}
	})
}

// A list is narrowed by what is chosen before it.
func TestQueryEditorAsksForWhatIsChosen(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		b.show("query", object{"refId": "A", "queryType": "verdicts", "hubs": []string{"$hub"}, "planes": "optical"}, "light")
		asked := eval[[]object](b, "harness.state.asked.map(a => a.params)")
		want := []object{
			{"kind": "hubs"},
			{"kind": "clusters", "hubs": []any{"a", "b"}},
			{"kind": "carriers", "hubs": []any{"a", "b"}},
			{"kind": "planes", "hubs": []any{"a", "b"}},
			{"kind": "pairs", "hubs": []any{"a", "b"}, "planes": []any{"optical"}},
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("what was asked (-want +got):\n%s", diff)
		}
	})
}

// Whatever is saved is shown, and nothing crashes.
func TestQueryEditorTakesWhatIsSaved(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		for _, c := range []struct {
			saved any
			says  string
		}{
			{object{}, "Series"},
			{object{"refId": "B"}, "Series"},
			{nil, "Series"},
			{"text", "Series"},
			{[]int{1}, "Series"},
			{object{"refId": "A", "queryType": 7, "hubs": "one", "metric": 3, "statistics": object{}, "limit": "many", "alias": []int{1}}, "one"},
			{object{"refId": "A", "queryType": "series", "hubs": []any{nil, 4, "two", object{}}}, "two"},
			{object{"refId": "A", "queryType": "of-tomorrow"}, `knows no query type "of-tomorrow"`},
			{object{"refId": "A", "queryType": "series", "metric": "of-tomorrow"}, `has no metric "of-tomorrow"`},
			{object{"refId": "A", "version": 99, "queryType": "matrix", "month": "2025-06"}, "A newer version of the plugin wrote this query (99"},
		} {
			b.show("query", c.saved, "light")
			if text := b.text(); !strings.Contains(text, c.says) {
				t.Errorf("%v: %q is not in %q", c.saved, c.says, text)
			}
		}
		b.show("query", object{"refId": "A", "queryType": "of-tomorrow"}, "dark")
		b.save("query-unknown")
		// Another is chosen, and all is well again.
		b.choose("fibergauge-A-type", "Rate")
		if got := b.last()["queryType"]; got != "rate" {
			t.Errorf("chosen is %v", got)
		}
	})
}

// A back end that fails is words in the editor, and names can still be typed.
func TestEditorsSayWhatTheBackEndSays(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		for _, c := range []struct{ name, answer, says string }{
			{"message", `{failure: {message: "the analyzer refuses the token: give another"}}`, "the analyzer refuses the token: give another"},
			{"nothing", `{failure: ""}`, "Bad Gateway"},
			{"other", `{failure: null, values: {hubs: "no list", kind: {}}}`, "of the same version"},
		} {
			eval[any](b, "Object.assign(harness.state, {variables: {}}, "+c.answer+")")
			for _, editor := range []string{"query", "variable", "annotation"} {
				value := any(object{"refId": "A", "queryType": "series"})
				if editor == "variable" {
					value = object{"kind": "clusters"}
				}
				b.show(editor, value, "light")
				if text := b.text(); !strings.Contains(text, c.says) {
					t.Errorf("%s, %s: %q is not in %q", c.name, editor, c.says, text)
				}
				b.save("failing-" + editor + "-" + c.name)
			}
			b.show("query", object{"refId": "A", "queryType": "series"}, "dark")
			b.choose("fibergauge-A-hubs", "typed")
			if diff := cmp.Diff([]any{"typed"}, b.last()["hubs"]); diff != "" {
				t.Errorf("%s: typed (-want +got):\n%s", c.name, diff)
			}
		}
	})
}

func TestVariableQueryEditor(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		for _, saved := range []any{nil, "", "pairs", object{"kind": "of-tomorrow"}, object{"kind": 4, "hubs": object{}}} {
			b.show("variable", saved, "light")
		}
		b.show("variable", object{"kind": "pairs", "hubs": []string{"$hub"}}, "dark")
		b.save("variable-dark")
		b.choose("fibergauge-variable-carriers", "number 3")
		b.save("variable-chosen")
		want := object{"kind": "pairs", "hubs": []any{"$hub"}, "carriers": []any{"carriers-3"}}
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		b.choose("fibergauge-variable-kind", "Months")
		if got := b.labels(); !slices.Equal(got, []string{"Values of"}) {
			t.Errorf("months are narrowed by %v", got)
		}
		b.show("variable", object{"kind": "tests"}, "light")
		b.save("variable-light")
	})
}

func TestAnnotationEditor(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		b.show("annotation", object{"refId": "Anno", "queryType": "series"}, "light")
		if got := strings.Join(b.labels(), " "); got != fields["annotations"] {
			t.Errorf("the editor asks for %q, want %q", got, fields["annotations"])
		}
		b.choose("fibergauge-Anno-kinds", "Path")
		want := object{"refId": "Anno", "version": 1.0, "queryType": "annotations", "kinds": []any{"path_change"}}
		if diff := cmp.Diff(want, b.last()); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
	})
}
