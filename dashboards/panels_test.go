package dashboards

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/dashboards/plugin/plugintest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPanels runs every variable, every panel, every annotation and every alert
// rule as Grafana would, by the compiled plugin, over its protocol, against a
// collector, a store and an analyzer that hold a year of the national mesh.
func TestPanels(t *testing.T) {
	if testing.Short() {
		t.Skip("generates a year, which takes minutes; without -short")
	}
	g := &panelRunner{plugin: plugintest.Start(t), of: plugintest.Settings(startNational(t).url, "")}
	health, err := g.plugin.Health(t.Context(), g.of)
	if err != nil || health.Status != backend.HealthStatusOk || !strings.Contains(health.Message, `It measures 90 ends of links between 10 clusters of the mesh "national"`) {
		t.Errorf("Save & test says %v, %v", health, err)
	}
	for file, d := range load(t, "latency/*.json") {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) { golden(t, name, g.dashboard(t, d)) })
	}
	t.Run("alerts", func(t *testing.T) { golden(t, "alerts", g.alerts(t)) })
}

// panelRunner does with a dashboard what Grafana does.
type panelRunner struct {
	plugin *plugintest.Plugin
	of     backend.PluginContext
}

// dashboard runs all of one, and says what came.
func (g *panelRunner) dashboard(t *testing.T, d dashboard) string {
	var said strings.Builder
	values := map[string][]string{"datasource": {"fibergauge"}}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		offered := g.values(t, v, values)
		fmt.Fprintf(&said, "$%s: %d values, %s\n", v.Name, len(offered), strings.Join(offered[:min(3, len(offered))], ", "))
		if values[v.Name] = offered; !v.Multi {
			values[v.Name] = offered[:1]
		}
	}
	for _, p := range d.Panels {
		from, to := yearEnd.AddDate(0, 0, -7), yearEnd
		if p.TimeFrom != "" {
			from = before(t, to, p.TimeFrom)
		}
		repeated := maps.Clone(values)
		if p.Repeat != "" {
			repeated[p.Repeat] = values[p.Repeat][:1]
		}
		fmt.Fprintf(&said, "\n%s\n", p.Title)
		for _, target := range p.Targets {
			fmt.Fprint(&said, g.target(t, d.Title+": "+p.Title, filled(target, repeated), from, to, true))
		}
	}
	for _, a := range d.Annotations.List {
		if a.Datasource.Type != g.of.PluginID {
			continue
		}
		fmt.Fprintf(&said, "\nannotations: %s\n%s", a.Name, g.target(t, a.Name, filled(a.Target, values), yearBegin, yearEnd, false))
	}
	return said.String()
}

// values asks what a variable offers, of which there has to be something.
func (g *panelRunner) values(t *testing.T, v variable, known map[string][]string) []string {
	t.Helper()
	query, ok := v.Query.(map[string]any)
	if !ok {
		t.Fatalf("variable %s: %v", v.Name, v.Query)
	}
	ask := url.Values{}
	for key, value := range filled(query, known) {
		for _, element := range list(value) {
			ask.Add(key, element)
		}
		if s, ok := value.(string); ok && key != "refId" {
			ask.Set(key, s)
		}
	}
	found, err := g.plugin.Values(t.Context(), g.of, ask.Encode())
	if err != nil || len(found) == 0 {
		t.Fatalf("variable %s offers %d values, %v", v.Name, len(found), err)
	}
	var values []string
	for _, f := range found {
		values = append(values, f.Value)
	}
	return values
}

// filled puts the values of variables into a query as the front end does: one with
// several makes several elements of a list.
func filled(q query, values map[string][]string) query {
	one := func(s string) string {
		for name, list := range values {
			s = strings.NewReplacer("${"+name+"}", list[0], "$"+name, list[0]).Replace(s)
		}
		return s
	}
	out := query{}
	for key, value := range q {
		switch value := value.(type) {
		case string:
			out[key] = one(value)
		case []any:
			all := []any{}
			for _, element := range value {
				name, variable := strings.CutPrefix(fmt.Sprint(element), "$")
				if list := values[strings.Trim(name, "{}")]; variable && list != nil {
					for _, v := range list {
						all = append(all, v)
					}
					continue
				}
				all = append(all, element)
			}
			out[key] = all
		default:
			out[key] = value
		}
	}
	return out
}

// before reads how long before a moment a time begins, such as 12M or 24h.
func before(t *testing.T, at time.Time, length string) time.Time {
	t.Helper()
	n, unit := 0, ""
	if _, err := fmt.Sscanf(length, "%d%s", &n, &unit); err != nil {
		t.Fatalf("%q: %v", length, err)
	}
	switch unit {
	case "M":
		return at.AddDate(0, -n, 0)
	case "y":
		return at.AddDate(-n, 0, 0)
	case "d":
		return at.AddDate(0, 0, -n)
	}
	d, err := time.ParseDuration(length)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(-d)
}

// target runs a query and says what came. There has to be something, unless it
// may be empty.
func (g *panelRunner) target(t *testing.T, name string, q query, from, to time.Time, wanted bool) string {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := g.plugin.Query(t.Context(), g.of, backend.DataQuery{
		RefID: "A", QueryType: text(q["queryType"]), JSON: body, MaxDataPoints: 1000, Interval: time.Minute, TimeRange: backend.TimeRange{From: from, To: to},
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	answer := answers["A"]
	if answer.Error != nil {
		t.Errorf("%s: %v\n%s", name, answer.Error, body)
		return ""
	}
	var said strings.Builder
	rows := 0
	for _, frame := range answer.Frames {
		rows += frame.Rows()
		holdFrame(t, name, frame, from, to)
		describe(&said, frame)
	}
	if wanted && rows == 0 {
		t.Errorf("%s shows nothing\n%s", name, body)
	}
	return said.String()
}

// holdFrame wants a frame that Grafana can draw: typed, whole, within the time.
func holdFrame(t *testing.T, name string, frame *data.Frame, from, to time.Time) {
	t.Helper()
	if len(frame.Fields) == 0 {
		return
	}
	if frame.Meta == nil || frame.Meta.Type == "" && frame.Meta.DataTopic != data.DataTopicAnnotations || frame.Meta.ExecutedQueryString == "" {
		t.Errorf("%s: a frame without a type or what was asked for it: %+v", name, frame.Meta)
		return
	}
	if _, err := frame.RowLen(); err != nil || frame.Rows() == 0 {
		t.Errorf("%s: %d rows, %v", name, frame.Rows(), err)
	}
	series := strings.HasPrefix(string(frame.Meta.Type), "timeseries") || frame.Meta.Type == "heatmap-rows"
	if series && frame.Fields[0].Type() != data.FieldTypeTime {
		t.Errorf("%s: a %s whose first field is %s", name, frame.Meta.Type, frame.Fields[0].Type())
	}
	for _, field := range frame.Fields {
		last := time.Time{}
		for i := range field.Len() {
			switch v := field.At(i).(type) {
			case time.Time:
				if series && (v.Before(from) || !v.Before(to) || v.Before(last)) {
					t.Errorf("%s: %s is at %s, of %s to %s", name, field.Name, v, from, to)
				}
				last = v
			case float64:
				holdNumber(t, name, field.Name, v)
			case *float64:
				if v != nil {
					holdNumber(t, name, field.Name, *v)
				}
			}
		}
	}
}

func holdNumber(t *testing.T, name, field string, v float64) {
	t.Helper()
	if math.IsNaN(v) {
		t.Errorf("%s: %s is not a number", name, field)
	}
}

// describe puts a frame into lines that a person can compare: what it is, and of
// each field the first and the last value and, of numbers, the least and the
// greatest.
func describe(said *strings.Builder, frame *data.Frame) {
	if len(frame.Fields) == 0 {
		return
	}
	kind := string(frame.Meta.Type)
	if kind == "" {
		kind = string(frame.Meta.DataTopic)
	}
	fmt.Fprintf(said, "  %s, %d rows\n", kind, frame.Rows())
	for _, f := range frame.Fields {
		fmt.Fprintf(said, "    %s %s %s: %s", f.Name, f.Type(), f.Labels, show(f, 0))
		if f.Len() > 1 {
			fmt.Fprintf(said, " … %s", show(f, f.Len()-1))
		}
		if f.Type().Numeric() {
			least, greatest, missing := math.Inf(1), math.Inf(-1), 0
			for i := range f.Len() {
				v, err := f.NullableFloatAt(i)
				if err != nil || v == nil {
					missing++
					continue
				}
				least, greatest = min(least, *v), max(greatest, *v)
			}
			fmt.Fprintf(said, "; %v to %v, %d missing", least, greatest, missing)
		}
		fmt.Fprintln(said)
	}
	if frame.Meta != nil {
		for _, n := range frame.Meta.Notices {
			fmt.Fprintf(said, "    notice: %s\n", n.Text)
		}
	}
}

func show(f *data.Field, i int) string {
	v, ok := f.ConcreteAt(i)
	if !ok {
		return "null"
	}
	if at, is := v.(time.Time); is {
		return at.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// alerts runs the query of each rule over the last of its time, and says for what
// it would fire.
func (g *panelRunner) alerts(t *testing.T) string {
	var said strings.Builder
	for _, group := range read[alertFile](t, "alerting/fibergauge.yaml").Groups {
		for _, rule := range group.Rules {
			ask := rule.Data[0]
			body, err := json.Marshal(ask.Model)
			if err != nil {
				t.Fatal(err)
			}
			// The quarter of an hour in which the generated windows of a day came.
			to := yearEnd.AddDate(0, 0, -1).Add(15 * time.Minute)
			answers, err := g.plugin.Rule(t.Context(), g.of, backend.DataQuery{
				RefID: "A", QueryType: ask.QueryType, JSON: body, TimeRange: backend.TimeRange{
					From: to.Add(-time.Duration(ask.Range["from"]) * time.Second), To: to.Add(-time.Duration(ask.Range["to"]) * time.Second),
				},
			})
			if err != nil || answers["A"].Error != nil || len(answers["A"].Frames) == 0 {
				t.Errorf("%s: %v, %v", rule.UID, err, answers["A"].Error)
				continue
			}
			var operator string
			var bound float64
			if _, err := fmt.Sscanf(text(rule.Data[1].Model["expression"]), "$A %s %g", &operator, &bound); err != nil {
				t.Fatalf("%s: %v", rule.UID, err)
			}
			fires := map[string]bool{}
			// Grafana 9 takes one table of numbers, whose words are labels.
			frame := answers["A"].Frames[0]
			last := len(frame.Fields) - 1
			if len(answers["A"].Frames) != 1 || frame.Meta.Type != data.FrameTypeNumericLong || frame.Fields[last].Type() != data.FieldTypeFloat64 {
				t.Errorf("%s: alerting needs one table of numbers, and not %d frames of type %s", rule.UID, len(answers["A"].Frames), frame.Meta.Type)
				continue
			}
			for row := range frame.Rows() {
				labels := data.Labels{}
				for _, f := range frame.Fields[:last] {
					labels[f.Name] = f.At(row).(string)
				}
				if v := frame.Fields[last].At(row).(float64); operator == ">" && v > bound || operator == "<" && v < bound {
					fires[labels.String()] = true
				}
			}
			fmt.Fprintf(&said, "%s: %d numbers, fires for %d\n", rule.UID, frame.Rows(), len(fires))
			for _, labels := range slices.Sorted(maps.Keys(fires)) {
				fmt.Fprintf(&said, "  %s\n", labels)
			}
		}
	}
	return said.String()
}

// golden compares what was said with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./dashboards -run TestPanels -update makes it", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
