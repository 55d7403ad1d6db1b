package frontend

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the back end gets: no variables, and no list where all is meant.
func TestVariablesAreExpanded(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, `Object.assign(harness.state, {variables: {
			one: "x", many: ["x", "y"], all: "$__all", allMany: ["$__all"], star: "*", none: [], month: "2025-06",
		}})`)
		for _, c := range []struct {
			query, want object
			scoped      string
		}{
			{query: object{"hubs": []string{"$one", "plain"}}, want: object{"hubs": []any{"x", "plain"}}},
			{query: object{"hubs": []string{"$many", "x"}}, want: object{"hubs": []any{"x", "y"}}},
			{query: object{"hubs": []string{"${many}"}}, want: object{"hubs": []any{"x", "y"}}},
			{query: object{"hubs": []string{"${many:csv}"}}, want: object{"hubs": []any{"x", "y"}}},
			{query: object{"pairs": []string{"$many/${one}-z"}}, want: object{"pairs": []any{"x/x-z", "y/x-z"}}},
			{query: object{"ends": []string{"$many>$many"}}, want: object{"ends": []any{"x>x", "x>y", "y>x", "y>y"}}},
			{query: object{"hubs": []string{"$all"}, "clusters": []string{"$allMany"}, "carriers": []string{"z", "$star"}, "planes": []string{"$none"}, "pairs": []string{"*"}, "ends": []string{"$__all"}, "sites": []string{""}}, want: object{}},
			{query: object{"hubs": "$many"}, want: object{"hubs": []any{"x", "y"}}},
			{query: object{"hubs": []string{"$nobody"}}, want: object{"hubs": []any{"$nobody"}}},
			{query: object{"test": "$one", "month": "$month", "alias": "$one {{from}}"}, want: object{"test": "x", "month": "2025-06", "alias": "x {{from}}"}},
			{query: object{"test": "$all", "month": "*"}, want: object{}},
			{query: object{"hubs": []string{"$one"}}, scoped: `{one: {text: "q", value: "q"}}`, want: object{"hubs": []any{"q"}}},
			{query: object{"version": 2}, want: object{"version": 2.0}}, // the back end says so
			{query: object{"version": "x"}, want: object{}},
			{query: object{"queryType": 3, "hubs": 4, "limit": -1, "later": 5}, want: object{"later": 5.0}},
		} {
			if c.scoped == "" {
				c.scoped = "{}"
			}
			c.query["refId"], c.want["refId"], c.want["queryType"] = "A", "A", "series"
			if c.want["version"] == nil {
				c.want["version"] = 1.0
			}
			query, err := json.Marshal(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got := eval[object](b, fmt.Sprintf("harness.datasource().applyTemplateVariables(%s, %s)", query, c.scoped))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	})
}

func TestDataSource(t *testing.T) {
	each(t, func(t *testing.T, b *tab) {
		eval[any](b, backend)
		for script, want := range map[string]any{
			`harness.datasource().getDefaultQuery("panel-editor")`:               object{"version": 1.0, "queryType": "series", "metric": "ratio", "statistics": []any{"p95"}},
			`[{hide: true}, {}].map(q => harness.datasource().filterQuery(q))`:   []any{false, true},
			`harness.datasource().metricFindQuery("hubs")`:                       values("hubs"),
			`harness.datasource().metricFindQuery({kind: "pairs"})`:              values("pairs"),
			`harness.datasource().metricFindQuery(undefined)`:                    values("hubs"),
			`harness.datasource().annotations.prepareAnnotation({name: "n"})`:    object{"name": "n", "target": object{"refId": "Anno", "version": 1.0, "queryType": "annotations"}},
			`harness.datasource().annotations.prepareQuery({})`:                  object{"refId": "Anno", "version": 1.0, "queryType": "annotations"},
			`harness.datasource().annotations.prepareQuery({target: {hubs: 3}})`: object{"refId": "Anno", "version": 1.0, "queryType": "annotations"},
		} {
			if diff := cmp.Diff(want, eval[any](b, script)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", script, diff)
			}
		}
		eval[any](b, `harness.state.asked = []; harness.datasource().metricFindQuery({kind: "pairs", hubs: ["$hub"], carriers: ["$carrier"]}, {scopedVars: {carrier: {value: "s"}}})`)
		want := []any{object{"path": "values", "params": object{"kind": "pairs", "hubs": []any{"a", "b"}, "carriers": []any{"s"}}}}
		if diff := cmp.Diff(want, eval[any](b, "harness.state.asked")); diff != "" {
			t.Errorf("what was asked (-want +got):\n%s", diff)
		}
	})
}

func values(kind string) []any {
	var all []any
	for n := 1; n <= 3; n++ {
		all = append(all, object{"text": fmt.Sprintf("%s number %d", kind, n), "value": fmt.Sprintf("%s-%d", kind, n)})
	}
	return all
}
