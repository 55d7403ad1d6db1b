package dashboards

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const pluginID = "fibergauge-latency-datasource"

// rule is something that holds of every dashboard, or of those of the plugin.
// The first of them are those of Grafana's dashboard-linter that are not about
// PromQL, restated.
type rule struct {
	name    string
	latency bool
	check   func(d dashboard) []string
}

func rules(docs documented) []rule {
	return []rule{
		{"dashboard", false, checkDashboard},
		{"template-datasource", false, checkSource},
		{"template-on-time-change-reload", false, checkVariables},
		{"panel-datasource", false, checkDatasources},
		{"panel-title-description", false, checkTexts},
		{"panel-units", false, checkUnits},
		{"panel-targets", false, checkTargets},
		{"panel-type", false, checkTypes},
		{"table-cells", true, checkCells},
		{"panel-layout", false, checkLayout},
		{"panel-colours", true, checkColours},
		{"panel-thresholds", true, checkThresholds},
		{"verdict-texts", true, checkVerdicts},
		{"variables-used", false, checkUse},
		{"links", true, checkLinks},
		{"queries", true, docs.checkQueries},
		{"annotations", true, docs.checkAnnotations},
		{"foreign-hosts", true, checkHosts},
	}
}

func checkDashboard(d dashboard) (wrong []string) {
	if d.ID != nil || !regexp.MustCompile(`^fibergauge-[a-z-]+$`).MatchString(d.UID) {
		wrong = append(wrong, fmt.Sprintf("id %v, uid %q; want null and a readable one", d.ID, d.UID))
	}
	if d.SchemaVersion != 37 || d.Editable || d.GraphTooltip != 1 || d.Inputs != nil || !slices.Contains(d.Tags, "fibergauge") {
		wrong = append(wrong, fmt.Sprintf("schemaVersion %d, editable %v, graphTooltip %d, __inputs %v, tags %v", d.SchemaVersion, d.Editable, d.GraphTooltip, d.Inputs, d.Tags))
	}
	if d.Title == "" || d.Description == "" {
		wrong = append(wrong, "a dashboard without title or description")
	}
	return wrong
}

// checkSource wants one variable for the data source, named as the linter wants.
func checkSource(d dashboard) (wrong []string) {
	sources := 0
	for _, v := range d.Templating.List {
		if v.Type != "datasource" {
			continue
		}
		sources++
		if v.Name != "datasource" || v.Label != "Data source" || v.Multi || text(v.Query) == "" {
			wrong = append(wrong, fmt.Sprintf("data source variable %q, label %q, query %v", v.Name, v.Label, v.Query))
		}
	}
	if sources != 1 {
		wrong = append(wrong, fmt.Sprintf("%d data source variables, want one", sources))
	}
	return wrong
}

func checkVariables(d dashboard) (wrong []string) {
	for _, v := range d.Templating.List {
		if v.Description == "" || v.Label == "" || v.Type == "query" && v.Refresh != 2 {
			wrong = append(wrong, fmt.Sprintf("variable %s has no label, no description or does not follow the time range", v.Name))
		}
		if v.Multi != v.IncludeAll {
			wrong = append(wrong, fmt.Sprintf("variable %s: several values and All go together", v.Name))
		}
	}
	return wrong
}

// checkDatasources wants the variable at every place that names a data source.
func checkDatasources(d dashboard) (wrong []string) {
	kind := ""
	for _, v := range d.Templating.List {
		if v.Type == "datasource" {
			kind = text(v.Query)
		}
	}
	places := 0
	walk(d.all, func(key string, value any) {
		if key != "datasource" {
			return
		}
		places++
		source, _ := value.(map[string]any)
		if source["uid"] != "${datasource}" || source["type"] != kind {
			wrong = append(wrong, fmt.Sprintf("data source %v, want ${datasource} of type %s", value, kind))
		}
	})
	for _, p := range d.Panels {
		if p.Datasource.UID == "" {
			wrong = append(wrong, fmt.Sprintf("panel %q names no data source", p.Title))
		}
		for _, target := range p.Targets {
			if target["datasource"] == nil {
				wrong = append(wrong, fmt.Sprintf("panel %q: a target names no data source", p.Title))
			}
		}
	}
	if places == 0 {
		wrong = append(wrong, "no data source anywhere")
	}
	return wrong
}

// checkTexts wants in each panel of the plugin's a question that it answers.
func checkTexts(d dashboard) (wrong []string) {
	titles := map[string]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || len(p.Description) < 20 || titles[p.Title] {
			wrong = append(wrong, fmt.Sprintf("panel %d, %q: want a title of its own and a description", p.ID, p.Title))
		}
		titles[p.Title] = true
	}
	return wrong
}

// units are those that are used of Grafana's value formats.
var units = []string{"none", "string", "short", "percent", "ms", "µs", "s", "lengthkm", "dateTimeFromNow", "dateTimeAsIso"}

func checkUnits(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		if !slices.Contains(units, p.FieldConfig.Defaults.Unit) {
			wrong = append(wrong, fmt.Sprintf("panel %q: unit %q", p.Title, p.FieldConfig.Defaults.Unit))
		}
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if unit := strings.Trim(string(property.Value), `"`); property.ID == "unit" && !slices.Contains(units, unit) {
					wrong = append(wrong, fmt.Sprintf("panel %q: unit %q", p.Title, unit))
				}
			}
		}
	}
	return wrong
}

func checkTargets(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			wrong = append(wrong, fmt.Sprintf("panel %q asks for nothing", p.Title))
		}
		seen := map[string]bool{}
		for _, target := range p.Targets {
			if id := text(target["refId"]); id == "" || seen[id] {
				wrong = append(wrong, fmt.Sprintf("panel %q: refId %q is empty or there twice", p.Title, id))
			} else {
				seen[id] = true
			}
		}
	}
	return wrong
}

// core are panels that Grafana has had since 9.3 without anything installed.
var core = []string{"timeseries", "stat", "table", "heatmap", "state-timeline", "geomap"}

func checkTypes(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		if !slices.Contains(core, p.Type) {
			wrong = append(wrong, fmt.Sprintf("panel %q is a %q", p.Title, p.Type))
		}
	}
	return wrong
}

// checkCells wants tables in the form of schema 37, which newer versions of Grafana
// migrate: some of them leave the overrides as they are where the defaults say
// nothing of cells.
func checkCells(d dashboard) (wrong []string) {
	for _, p := range d.Panels {
		if p.Type == "table" && p.FieldConfig.Defaults.Custom["displayMode"] == nil {
			wrong = append(wrong, fmt.Sprintf("panel %q: its defaults have no displayMode", p.Title))
		}
	}
	if strings.Contains(d.text, "cellOptions") {
		wrong = append(wrong, "cellOptions, which Grafana 9.3 does not know")
	}
	return wrong
}

// checkHosts wants nothing that a browser would fetch from another host.
func checkHosts(d dashboard) (wrong []string) {
	if strings.Contains(d.text, "://") {
		wrong = append(wrong, "an address of another host")
	}
	for _, p := range d.Panels {
		if p.Type == "geomap" && !strings.Contains(d.text, `"type": "geojson"`) {
			wrong = append(wrong, fmt.Sprintf("panel %q: its base layer is one of tiles", p.Title))
		}
	}
	return wrong
}

// TestRulesAreFelt breaks a dashboard in the way that each rule is about.
func TestRulesAreFelt(t *testing.T) {
	whole := load(t, "latency/*.json")
	docs := contract(t)
	for _, c := range []struct{ rule, file, old, new string }{
		{"dashboard", "overview", `"editable": false`, `"editable": true`},
		{"dashboard", "overview", `"id": null`, `"id": 7`},
		{"template-datasource", "overview", `"label": "Data source"`, `"label": "Source"`},
		{"template-on-time-change-reload", "overview", `"refresh": 2`, `"refresh": 1`},
		{"panel-datasource", "link", `"uid": "${datasource}"`, `"uid": "fibergauge"`},
		{"panel-title-description", "link", `"title": "Packets by RTT"`, `"title": ""`},
		{"panel-units", "link", `"unit": "ms"`, `"unit": "millis"`},
		{"panel-targets", "link", `"refId": "B"`, `"refId": "A"`},
		{"panel-type", "overview", `"type": "geomap"`, `"type": "somebody-map-panel"`},
		{"table-cells", "overview", `"displayMode": "auto"`, `"cellOptions": {}`},
		{"panel-layout", "overview", `"x": 5,`, `"x": 4,`},
		{"panel-layout", "overview", `"id": 2,`, `"id": 1,`},
		{"panel-colours", "overview", `"#0072B2"`, `"green"`},
		{"panel-thresholds", "link", `"color": "#0072B2",` + "\n                \"value\": null", `"color": "#0072B2",` + "\n                \"value\": 20"},
		{"verdict-texts", "overview", `"text": "misses"`, `"text": ""`},
		{"variables-used", "link", `"$end"`, `"$ende"`},
		{"variables-used", "link", `"name": "end"`, `"name": "ende"`},
		{"links", "overview", `"url": "/d/fibergauge-link"`, `"url": "/d/fibergauge-links"`},
		{"links", "overview", `"keepTime": true`, `"keepTime": false`},
		{"queries", "overview", `"queryType": "rate"`, `"queryType": "rates"`},
		{"queries", "link", `"p99"`, `"p98"`},
		{"queries", "link", `"metric": "ipdv"`, `"metric": "jitter"`},
		{"queries", "link", `"alias": "{{statistic}}"`, `"alias": "{{quantile}}"`},
		{"queries", "quality", `"kind": "sites"`, `"kind": "probes"`},
		{"queries", "overview", `"over": "month"`, `"over": "year"`},
		{"annotations", "link", `"path_change"`, `"route_change"`},
		{"foreign-hosts", "overview", `public/maps/countries.geojson`, `https://maps.example/countries.geojson`},
	} {
		t.Run(c.rule+" "+c.new, func(t *testing.T) {
			before := whole["latency/"+c.file+".json"].text
			after := strings.ReplaceAll(before, c.old, c.new)
			if after == before {
				t.Fatalf("%s is not in %s.json", c.old, c.file)
			}
			broken, err := parse(after)
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range rules(docs) {
				if rule.name == c.rule && len(rule.check(broken)) == 0 {
					t.Errorf("%s instead of %s is not noticed", c.new, c.old)
				}
			}
		})
	}
}
