package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dashboard is what the tests look at of Grafana's classic JSON.
type dashboard struct {
	ID            *int     `json:"id"`
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"`
	Inputs        any      `json:"__inputs"`
	Links         []link   `json:"links"`
	Annotations   struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`

	text string // the file
	all  any    // all of it, also what has no field here
}

type link struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	KeepTime    bool   `json:"keepTime"`
	IncludeVars bool   `json:"includeVars"`
}

type annotation struct {
	Name       string    `json:"name"`
	Datasource sourceRef `json:"datasource"`
	Target     query     `json:"target"`
}

type variable struct {
	Name        string    `json:"name"`
	Label       string    `json:"label"`
	Type        string    `json:"type"`
	Query       any       `json:"query"`
	Datasource  sourceRef `json:"datasource"`
	Refresh     int       `json:"refresh"`
	Multi       bool      `json:"multi"`
	IncludeAll  bool      `json:"includeAll"`
	Description string    `json:"description"`
}

type sourceRef struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// query is a query of a data source; text and list read it.
type query map[string]any

type panel struct {
	ID          int       `json:"id"`
	Type        string    `json:"type"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Datasource  sourceRef `json:"datasource"`
	Repeat      string    `json:"repeat"`
	TimeFrom    string    `json:"timeFrom"`
	GridPos     struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults  fieldConfig `json:"defaults"`
		Overrides []struct {
			Matcher struct {
				ID      string `json:"id"`
				Options any    `json:"options"`
			} `json:"matcher"`
			Properties []struct {
				ID    string          `json:"id"`
				Value json.RawMessage `json:"value"`
			} `json:"properties"`
		} `json:"overrides"`
	} `json:"fieldConfig"`
	Targets []query `json:"targets"`
}

type fieldConfig struct {
	Unit       string         `json:"unit"`
	Thresholds thresholds     `json:"thresholds"`
	Custom     map[string]any `json:"custom"`
}

type thresholds struct {
	Steps []struct {
		Value *float64 `json:"value"`
	} `json:"steps"`
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// list is what a query has in a field that may have several values.
func list(value any) []string {
	var texts []string
	all, _ := value.([]any)
	for _, one := range all {
		texts = append(texts, text(one))
	}
	return texts
}

// walk calls visit with the key and value of everything in a JSON value.
func walk(value any, visit func(key string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			visit(key, inner)
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

func parse(data string) (dashboard, error) {
	d := dashboard{text: data}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(data), &d.all)
}

func load(t *testing.T, pattern string) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards in %s: %v", pattern, err)
	}
	loaded := map[string]dashboard{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parse(string(data))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		loaded[file] = d
	}
	return loaded
}

// everything is the dashboards of both data sources.
func everything(t *testing.T) map[string]dashboard {
	t.Helper()
	all := load(t, "influxdb/*.json")
	for file, d := range load(t, "latency/*.json") {
		all[file] = d
	}
	return all
}

// TestDashboardsKeepTheRules holds every rule against every dashboard.
func TestDashboardsKeepTheRules(t *testing.T) {
	docs := contract(t)
	for file, d := range everything(t) {
		for _, rule := range rules(docs) {
			if rule.latency && !strings.HasPrefix(file, "latency/") {
				continue
			}
			t.Run(file+"/"+rule.name, func(t *testing.T) {
				for _, complaint := range rule.check(d) {
					t.Error(complaint)
				}
			})
		}
	}
}

// TestUIDsAreUnique also wants the titles apart: a provider refuses two of a
// title in one folder.
func TestUIDsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for file, d := range everything(t) {
		for _, key := range []string{"uid " + d.UID, "title " + d.Title} {
			if other, twice := seen[key]; twice {
				t.Errorf("%s and %s both have the %s", file, other, key)
			}
			seen[key] = file
		}
	}
}

// TestFilesAreFormatted wants two spaces and one line break at the end, so that a
// change shows as what it is.
func TestFilesAreFormatted(t *testing.T) {
	for file, d := range load(t, "latency/*.json") {
		var indented strings.Builder
		for i, line := range strings.Split(d.text, "\n") {
			if trimmed := strings.TrimLeft(line, " "); (len(line)-len(trimmed))%2 != 0 || strings.ContainsAny(line, "\t\r") || strings.TrimRight(line, " ") != line {
				fmt.Fprintf(&indented, " %d", i+1)
			}
		}
		if indented.Len() > 0 || !strings.HasSuffix(d.text, "}\n") {
			t.Errorf("%s is not indented by two spaces, or does not end with one line break; lines%s", file, indented.String())
		}
	}
}
