package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/docs"
)

// description is docs/openapi-analyzer.yaml, and what it says of an answer.
type description struct {
	tree    map[string]any
	schemas *jsonschema.Compiler
}

const descriptionURL = "https://analyzer.example" + OpenAPIPath

func describe(t *testing.T) *description {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal(docs.AnalyzerOpenAPI, &tree); err != nil {
		t.Fatal(err)
	}
	d := &description{tree: tree, schemas: jsonschema.NewCompiler()}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	for url, text := range map[string][]byte{descriptionURL: text, "https://analyzer.example" + SchemaPath: api.ReportSchema} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.schemas.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// at finds what a JSON pointer names, and follows a reference that stands there.
func (d *description) at(steps ...string) (node map[string]any, pointer string, ok bool) {
	node = d.tree
	for i, step := range steps {
		next, is := node[step].(map[string]any)
		if !is {
			return nil, "", false
		}
		node = next
		if ref, is := node["$ref"].(string); is && strings.HasPrefix(ref, "#/") {
			return d.at(append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), steps[i+1:]...)...)
		}
	}
	escaped := make([]string, len(steps))
	for i, step := range steps {
		escaped[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1")
	}
	return node, strings.Join(escaped, "/"), true
}

// holds an answer against the description of its path.
func (d *description) holds(t *testing.T, path string, r *httptest.ResponseRecorder) {
	t.Helper()
	status := fmt.Sprint(r.Code)
	answer, _, ok := d.at("paths", path, "get", "responses", status)
	if !ok {
		t.Errorf("%s answers %s, which is not described: %s", path, status, r.Body)
		return
	}
	for name := range maps.Keys(mapOf(answer["headers"])) {
		if r.Header().Get(name) == "" && name != "Age" {
			t.Errorf("%s %s: no header %s", path, status, name)
		}
	}
	if answer["content"] == nil {
		if r.Body.Len() > 0 {
			t.Errorf("%s %s: a body of %d bytes is not described", path, status, r.Body.Len())
		}
		return
	}
	kind := r.Header().Get("Content-Type")
	_, pointer, ok := d.at("paths", path, "get", "responses", status, "content", kind)
	if !ok {
		t.Errorf("%s %s: %q is not described", path, status, kind)
		return
	}
	if !strings.HasSuffix(strings.SplitN(kind, ";", 2)[0], "json") {
		return
	}
	schema, err := d.schemas.Compile(descriptionURL + "#/" + strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", ";", "%3B", " ", "%20").Replace(pointer) + "/schema")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Body.Bytes()))
	if err != nil {
		t.Errorf("%s %s: %v", path, status, err)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s: %v\n%.500s", path, status, err, r.Body)
	}
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// What a reader of OpenAPI 3.1 relies on: the fixed fields, references that lead
// somewhere, parameters of paths that are declared, answers that have a
// description, and all routes that there are.
func TestOpenAPIIsValid(t *testing.T) {
	d := describe(t)
	if d.tree["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", d.tree["openapi"])
	}
	used := map[string]bool{}
	var walk func(at string, node any)
	walk = func(at string, node any) {
		switch n := node.(type) {
		case map[string]any:
			ref, ok := n["$ref"].(string)
			switch local, here := strings.CutPrefix(ref, "#/"); {
			case ok && here:
				used[local] = true
				if _, _, found := d.at(strings.Split(local, "/")...); !found {
					t.Errorf("%s: %s leads nowhere", at, ref)
				}
			case ok:
				if _, err := d.schemas.Compile("https://analyzer.example/api/v1/" + ref); err != nil {
					t.Errorf("%s: %s: %v", at, ref, err)
				}
			}
			for key, child := range n {
				walk(at+"/"+key, child)
			}
		case []any:
			for i, child := range n {
				walk(fmt.Sprint(at, "/", i), child)
			}
		}
	}
	walk("#", d.tree)
	for _, kind := range []string{"parameters", "headers", "responses", "schemas"} {
		for name := range mapOf(mapOf(d.tree["components"])[kind]) {
			if !used["components/"+kind+"/"+name] {
				t.Errorf("components/%s/%s is used nowhere", kind, name)
			}
		}
	}
	for name := range mapOf(mapOf(d.tree["components"])["schemas"]) {
		if _, err := d.schemas.Compile(descriptionURL + "#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
	s, _, _ := minute(t)
	var routes []string
	for pattern := range s.routes(s.parts(s.shelf(t.Context()))) {
		if strings.HasPrefix(pattern, "/api/") {
			routes = append(routes, pattern)
		}
	}
	slices.Sort(routes)
	if diff := cmp.Diff(routes, slices.Sorted(maps.Keys(mapOf(d.tree["paths"])))); diff != "" {
		t.Errorf("paths (-server +OpenAPI):\n%s", diff)
	}
	ids := map[string]bool{}
	for path, item := range mapOf(d.tree["paths"]) {
		operation := mapOf(mapOf(item)["get"])
		id, _ := operation["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s: operationId %q is missing or given twice", path, id)
		}
		ids[id] = true
		declared := map[string]bool{}
		for _, of := range []any{mapOf(item)["parameters"], operation["parameters"]} {
			list, _ := of.([]any)
			for _, p := range list {
				parameter, _, _ := d.at(strings.Split(strings.TrimPrefix(mapOf(p)["$ref"].(string), "#/"), "/")...)
				name, where := parameter["name"].(string), parameter["in"].(string)
				declared[where+" "+name] = true
				if where == "path" && !strings.Contains(path, "{"+name+"}") || parameter["schema"] == nil || parameter["description"] == nil {
					t.Errorf("%s: parameter %s", path, name)
				}
			}
		}
		for step := range strings.SplitSeq(path, "/") {
			if strings.HasPrefix(step, "{") && !declared["path "+strings.Trim(step, "{}")] {
				t.Errorf("%s: the parameter %s is not declared", path, step)
			}
		}
		for status := range mapOf(operation["responses"]) {
			answer, _, _ := d.at("paths", path, "get", "responses", status)
			if text, _ := answer["description"].(string); text == "" {
				t.Errorf("%s %s has no description", path, status)
			}
		}
	}
}

// Every route is asked in every way that the description tells of, and answers
// as it says. Two kinds of answers are left: 500, for which the program has to
// fail, and 429, which has tests of its own.
func TestAnswersAreAsDescribed(t *testing.T) {
	d := describe(t)
	s, source, tokens, _ := guarded(t)
	s.Fallback = nil
	handler := s.Handler(t.Context())
	seen := map[string]bool{}
	strangers := 0
	ask := func(path, who, method, target string, header ...string) *httptest.ResponseRecorder {
		t.Helper()
		request := httptest.NewRequest(method, target, nil)
		if who != "" {
			request.Header.Set("Authorization", "Bearer "+tokens[who])
		} else {
			strangers++
			request.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", strangers) // the bound on tries has its own test
		}
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		if method == "GET" || response.Code >= 400 {
			d.holds(t, path, response)
		}
		seen[fmt.Sprint(path, " ", response.Code)] = true
		return response
	}
	const june = MonthsPath + "/2025-06"
	targets := map[string]string{
		ReportPath: ReportPath + "?period=2025-06-03", MonthsPath: MonthsPath, monthPath: june,
		filePath: june + "/report.json", pairsPath: june + "/pairs", pairPath: june + "/pairs/b/a",
		SeriesPath: SeriesPath + "?src=zq-one-a&dst=zq-one-b&period=2025-06-03", WindowsPath: WindowsPath + "?period=2025-06-03",
		HeatmapPath: HeatmapPath + "?period=2025-06-03", ProbesPath: ProbesPath + "?period=2025-06-03",
		AnnotationsPath: AnnotationsPath + "?a=a&b=b&period=2025-06-03", NetworkPath: NetworkPath, StatusPath: StatusPath, ReadersPath: ReadersPath, OpenAPIPath: OpenAPIPath, SchemaPath: SchemaPath,
	}
	ask(monthPath, "admin", "GET", june) // so that it is there when the months are listed
	for path := range mapOf(d.tree["paths"]) {
		target := targets[path]
		good := ask(path, "admin", "GET", target)
		if good.Code != 200 {
			t.Fatalf("%s: %d %s", target, good.Code, good.Body)
		}
		if tag := good.Header().Get("ETag"); tag != "" {
			ask(path, "admin", "GET", target, "If-None-Match", tag)
			ask(path, "admin", "GET", target, "If-Match", `"x"`)
			if head := ask(path, "admin", "HEAD", target); head.Code != 200 || head.Header().Get("ETag") != tag {
				t.Errorf("HEAD %s: %d %v", target, head.Code, head.Header())
			}
		}
		ask(path, "", "GET", target)
		ask(path, "admin", "POST", target)
		ask(path, "viewer", "GET", target)
		joint := "?"
		if strings.Contains(target, "?") {
			joint = "&"
		}
		ask(path, "admin", "GET", target+joint+"colour=blue")
	}
	for _, c := range []struct {
		path, who, target string
		status            int
		header            []string
	}{
		{ReportPath, "viewer", ReportPath + "?from=2025-06-03T10:00:00Z&to=2025-06-04", 403, nil},
		{ReportPath, "viewer", ReportPath + "?period=2199-01", 403, nil},
		{filePath, "one", MonthsPath + "/2199-01/report.json", 403, nil},
		{pairsPath, "one", MonthsPath + "/2199-01/pairs", 403, nil},
		{pairPath, "viewer", MonthsPath + "/2199-01/pairs/a/b", 403, nil},
		{ReportPath, "viewer", ReportPath + "?period=2025-06-03&lang=zh", 200, []string{"Accept", "text/html"}},
		{ReportPath, "one", ReportPath + "?period=2025-06-03&trend=1&beside=1", 200, nil},
		{ReportPath, "admin", ReportPath + "?period=2025-06-03", 406, []string{"Accept", "image/png, application/json;q=0"}},
		{ReportPath, "admin", ReportPath + "?period=2025-06-03", 200, []string{"Accept", "image/png, text/*;q=0.3, application/pdf;q=0.2"}},
		{ReportPath, "admin", ReportPath + "?period=2025-06-03&lang=zh", 400, nil},
		{ReportPath, "admin", ReportPath + "?period=2025-06-03&lang=de", 400, []string{"Accept", "text/html"}},
		{filePath, "admin", june + "/report", 406, []string{"Accept", "image/png"}},
		{filePath, "admin", june + "/report.pdf?lang=zh", 200, nil},
		{filePath, "one", june + "/report.xlsx", 200, nil},
		{filePath, "viewer", june + "/report.csv?lang=zh", 200, nil},
		{filePath, "viewer", june + "/report.html", 200, nil},
		{filePath, "viewer", june + "/report.docx", 404, nil},
		{filePath, "viewer", june + "/summary", 404, nil},
		{filePath, "viewer", MonthsPath + "/2025-13/report.json", 400, nil},
		{monthPath, "viewer", MonthsPath + "/2025", 400, nil},
		{MonthsPath, "viewer", MonthsPath + "?limit=0", 400, nil},
		{MonthsPath, "viewer", MonthsPath + "?before=June", 400, nil},
		{pairsPath, "viewer", june + "/pairs?plane=optical&verdict=compliant&cluster=a&hub=hub&carrier=one&limit=1", 200, nil},
		{pairsPath, "one", june + "/pairs?limit=1", 200, nil},
		{pairsPath, "viewer", june + "/pairs?links=1&carrier=two", 200, nil},
		{pairsPath, "viewer", june + "/pairs?links=all", 400, nil},
		{pairsPath, "viewer", june + "/pairs?verdict=fine", 400, nil},
		{pairsPath, "viewer", june + "/pairs?cursor=-1", 400, nil},
		{pairPath, "viewer", june + "/pairs/a/z", 404, nil},
		{SeriesPath, "one", SeriesPath + "?a=b&b=a&period=2025-06&step=hour", 200, nil},
		{SeriesPath, "one", SeriesPath + "?a=b&b=a&period=2025-06&max_points=3", 200, nil},
		{SeriesPath, "one", SeriesPath + "?src=zq-two-a&dst=zq-two-b&period=2025-06", 403, nil},
		{SeriesPath, "one", SeriesPath + "?src=zq-two-a&dst=nowhere&period=2025-06", 403, nil},
		{SeriesPath, "admin", SeriesPath + "?src=zq-two-a&dst=nowhere&period=2025-06", 404, nil},
		{SeriesPath, "admin", SeriesPath + "?src=zq-two-a&period=2025-06", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?a=a&b=b&period=2025-06&step=window", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?a=a&b=b&period=2025-06&test=stamp", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?a=a&b=b&period=2025-06&max_points=0", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?end=zq-two-a&period=2025-06", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?pair=a/b/c&period=2025-06", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?hub=&period=2025-06", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?hub=hub&hub=x&plane=optical&cluster=a&period=2025-06", 200, nil},
		{SeriesPath, "one", SeriesPath + "?from=2025-06-03T02:00:00Z&to=2025-06-03T03:00:00Z", 200, nil},
		{SeriesPath, "admin", SeriesPath + "?a=a&b=b", 400, nil},
		{HeatmapPath, "one", HeatmapPath + "?pair=a/b&period=2025-06&buckets=5", 200, nil},
		{HeatmapPath, "one", HeatmapPath + "?carrier=two&period=2025-06", 403, nil},
		{HeatmapPath, "admin", HeatmapPath + "?hub=x&period=2025-06", 404, nil},
		{HeatmapPath, "admin", HeatmapPath + "?period=2025-06&buckets=4", 400, nil},
		{HeatmapPath, "admin", HeatmapPath + "?period=2025-06&step=hour&max_points=1001&buckets=200", 200, nil}, // a month has fewer
		{HeatmapPath, "admin", HeatmapPath + "?from=2025-04-01&to=2025-06-04&step=hour&max_points=1001&buckets=200", 400, nil},
		{ProbesPath, "one", ProbesPath + "?period=2025-06&hub=hub&cluster=a&cluster=b&plane=optical", 200, nil},
		{ProbesPath, "one", ProbesPath + "?period=2025-06&carrier=two", 403, nil},
		{ProbesPath, "one", ProbesPath + "?period=2025-06&site=nowhere", 403, nil},
		{ProbesPath, "admin", ProbesPath + "?period=2025-06&site=nowhere", 404, nil},
		{ProbesPath, "admin", ProbesPath + "?period=2025", 200, nil},
		{ProbesPath, "admin", ProbesPath + "?from=2024-01-01&to=2025-06-01", 400, nil},
		{ProbesPath, "admin", ProbesPath + "?period=2025-06&max_points=0", 400, nil},
		{AnnotationsPath, "one", AnnotationsPath + "?a=a&b=b&period=2025-06", 200, nil},
		{AnnotationsPath, "one", AnnotationsPath + "?kind=clock_step&kind=maintenance&period=2025-06", 200, nil},
		{AnnotationsPath, "admin", AnnotationsPath + "?kind=clock&period=2025-06", 400, nil},
		{SeriesPath, "admin", SeriesPath + "?kind=clock_step&period=2025-06", 400, nil},
		{AnnotationsPath, "one", AnnotationsPath + "?a=a&b=b&carrier=two&period=2025-06", 403, nil},
		{AnnotationsPath, "admin", AnnotationsPath + "?a=a&b=z&period=2025-06", 404, nil},
		{AnnotationsPath, "admin", AnnotationsPath + "?a=a&period=2025-06", 400, nil},
		{AnnotationsPath, "admin", AnnotationsPath + "?a=a&b=b&from=2023-01-01&to=2025-06-01", 400, nil},
		{AnnotationsPath, "admin", AnnotationsPath + "?a=a&b=b&test=x&period=2025-06", 400, nil},
		{WindowsPath, "two", WindowsPath + "?period=2025-06-03&format=parquet&samples=1", 200, nil},
		{WindowsPath, "two", WindowsPath + "?period=2025-06-03", 200, []string{"Accept", "application/vnd.apache.parquet"}},
		{WindowsPath, "two", WindowsPath + "?period=2025-06-03", 406, []string{"Accept", "application/json"}},
		{WindowsPath, "admin", WindowsPath + "?period=2025-06-03&format=xlsx", 400, nil},
	} {
		if r := ask(c.path, c.who, "GET", c.target, c.header...); r.Code != c.status {
			t.Errorf("%s %s: %d, want %d: %.300s", c.who, c.target, r.Code, c.status, r.Body)
		}
	}
	// Nothing is looked at twice within two seconds, so a new server meets the
	// store that is broken.
	source.Err = errors.New("no answer")
	handler = s.Handler(t.Context())
	for path := range mapOf(d.tree["paths"]) {
		ask(path, "admin", "GET", targets[path])
	}
	source.Err = nil
	s.Readers = nil
	handler = s.Handler(t.Context())
	ask(ReadersPath, "admin", "GET", ReadersPath)

	for path, item := range mapOf(d.tree["paths"]) {
		for status := range mapOf(mapOf(mapOf(item)["get"])["responses"]) {
			if status != "429" && status != "500" && !seen[path+" "+status] {
				t.Errorf("%s never answered %s", path, status)
			}
		}
	}
}
