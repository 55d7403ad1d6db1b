package dashboards

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented is the contract of queries, as docs/grafana.md states it.
type documented struct {
	fields     []string
	statistics []string
	aliases    []string
	events     []string            // kinds of annotations
	metrics    map[string][]string // of each query type
	variables  []string            // kinds of variables
}

var quoted = regexp.MustCompile("`([^`]+)`")

func names(cell string) (found []string) {
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// contract reads the two tables of docs/grafana.md and its sentence on variables.
func contract(t *testing.T) documented {
	t.Helper()
	data, err := os.ReadFile("../docs/grafana.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "## Query types")
	if !found {
		t.Fatal("docs/grafana.md has no section on query types")
	}
	c := documented{metrics: map[string][]string{}}
	types := false
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "| `queryType` | `metric`"):
			types = true
		case len(cells) >= 5 && types:
			for _, name := range names(cells[1]) {
				c.metrics[name] = names(cells[2])
			}
		case len(cells) >= 4:
			c.field(names(cells[1]), cells[2])
		case strings.HasPrefix(line, "Variables ask by"):
			c.variables = names(strings.SplitN(line, "with the lists", 2)[0])[1:]
		}
	}
	if len(c.fields) < 10 || len(c.metrics) < 10 || len(c.statistics) == 0 || len(c.aliases) == 0 || len(c.events) == 0 || len(c.variables) == 0 {
		t.Fatalf("docs/grafana.md is not read whole: %+v", c)
	}
	return c
}

func (c *documented) field(fields []string, about string) {
	c.fields = append(c.fields, fields...)
	switch {
	case slices.Contains(fields, "statistics"):
		c.statistics = names(about)
	case slices.Contains(fields, "alias"):
		c.aliases = names(about)
	case slices.Contains(fields, "kinds"):
		c.events = names(about)
	}
}

// own are the fields that Grafana itself puts into a query.
var own = []string{"refId", "datasource", "hide"}

// checkQueries wants of each query what the contract knows, and no more.
func (c documented) checkQueries(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, complaint := range c.checkQuery(target) {
				wrong = append(wrong, fmt.Sprintf("panel %q: %s", p.Title, complaint))
			}
		}
	}
	for _, v := range d.Templating.List {
		asked, ok := v.Query.(map[string]any)
		if v.Type != "query" {
			continue
		}
		if !ok || !slices.Contains(c.variables, text(asked["kind"])) || asked["refId"] == nil {
			wrong = append(wrong, fmt.Sprintf("variable %s asks %v", v.Name, v.Query))
		}
		for field := range asked {
			if field != "kind" && !slices.Contains(slices.Concat(c.fields, own), field) {
				wrong = append(wrong, fmt.Sprintf("variable %s: field %s", v.Name, field))
			}
		}
	}
	return wrong
}

func (c documented) checkQuery(q query) (wrong []string) {
	for field := range q {
		if !slices.Contains(slices.Concat(c.fields, own), field) {
			wrong = append(wrong, "field "+field)
		}
	}
	if q["version"] != 1.0 && q["version"] != 1 {
		wrong = append(wrong, fmt.Sprintf("version %v", q["version"]))
	}
	kind := text(q["queryType"])
	metrics, known := c.metrics[kind]
	if !known {
		return append(wrong, "queryType "+kind)
	}
	if metric, has := q["metric"]; has && !slices.Contains(metrics, text(metric)) {
		wrong = append(wrong, fmt.Sprintf("%s has no metric %v", kind, metric))
	}
	for _, statistic := range list(q["statistics"]) {
		if !slices.Contains(c.statistics, statistic) {
			wrong = append(wrong, "statistic "+statistic)
		}
	}
	for _, name := range regexp.MustCompile(`\{\{[^}]*\}\}`).FindAllString(text(q["alias"]), -1) {
		if !slices.Contains(c.aliases, name) {
			wrong = append(wrong, "alias "+name)
		}
	}
	if over, has := q["over"]; has && over != "month" && over != "range" {
		wrong = append(wrong, fmt.Sprintf("over %v", over))
	}
	return wrong
}

func (c documented) checkAnnotations(d dashboard) (wrong []string) {
	for _, a := range d.Annotations.List {
		if a.Name == "" || a.Datasource.UID != "${datasource}" || a.Target["queryType"] != "annotations" || len(list(a.Target["kinds"])) == 0 {
			wrong = append(wrong, fmt.Sprintf("annotation %q does not say what it asks whom", a.Name))
		}
		for _, kind := range list(a.Target["kinds"]) {
			if !slices.Contains(c.events, kind) {
				wrong = append(wrong, fmt.Sprintf("annotation %q: kind %s", a.Name, kind))
			}
		}
		for _, complaint := range c.checkQuery(a.Target) {
			wrong = append(wrong, fmt.Sprintf("annotation %q: %s", a.Name, complaint))
		}
	}
	return wrong
}
