package frontend

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documented is what docs/grafana.md says of the query types: the metrics of each.
func documented(t *testing.T) (types map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/grafana.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| `queryType` | `metric` |")
	if !found {
		t.Fatal("docs/grafana.md has no table of query types")
	}
	types = map[string]string{}
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(table, -1) {
		types[row[1]] = row[2]
	}
	return types
}

// The editor offers what is documented, with the defaults that are.
func TestEditorKnowsWhatIsDocumented(t *testing.T) {
	types := documented(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(types)), slices.Sorted(maps.Keys(fields))); diff != "" {
		t.Fatalf("query types (-documented +tested here):\n%s", diff)
	}
	each(t, func(t *testing.T, b *tab) {
		for name, metrics := range types {
			look := func(metric string) string {
				b.show("query", object{"refId": "A", "queryType": name, "metric": metric}, "light")
				return b.text()
			}
			if none := look(""); strings.Contains(none, "knows no query type") {
				t.Errorf("the editor does not know the query type %s", name)
			}
			for i, m := range regexp.MustCompile("`([a-z_]+)`( \\(default)?").FindAllStringSubmatch(metrics, -1) {
				with := look(m[1])
				if strings.Contains(with, "has no metric") {
					t.Errorf("%s does not offer %s", name, m[1])
				}
				if isDefault := with == look(""); isDefault != (m[2] != "") || isDefault != (i == 0) {
					t.Errorf("%s of %s is the default: %t", m[1], name, isDefault)
				}
			}
		}
	})
}
