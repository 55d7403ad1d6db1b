package api

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const openapiFile = "../../docs/openapi-probe.yaml"

// schema is the part of JSON Schema that the file uses.
type schema struct {
	Ref                  string             `yaml:"$ref"`
	Type                 string             `yaml:"type"`
	Const                string             `yaml:"const"`
	Enum                 []string           `yaml:"enum"`
	ContentEncoding      string             `yaml:"contentEncoding"`
	AdditionalProperties *bool              `yaml:"additionalProperties"`
	Required             []string           `yaml:"required"`
	Properties           map[string]*schema `yaml:"properties"`
	Items                *schema            `yaml:"items"`
	MaxItems             int                `yaml:"maxItems"`
}

type document struct {
	OpenAPI string `yaml:"openapi"`
	Info    struct {
		Title, Version string
	} `yaml:"info"`
	Paths      map[string]map[string]any `yaml:"paths"`
	Components struct {
		Schemas map[string]*schema `yaml:"schemas"`
	} `yaml:"components"`
}

func readOpenAPI(t *testing.T) (document, map[string]any) {
	t.Helper()
	data, err := os.ReadFile(openapiFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return doc, tree
}

// TestOpenAPIMatchesTheTypes holds every schema against the Go type of its
// name, field by field, and finds types and schemas without a partner.
func TestOpenAPIMatchesTheTypes(t *testing.T) {
	doc, _ := readOpenAPI(t)
	c := &comparison{t: t, schemas: doc.Components.Schemas, seen: map[string]bool{}}
	for _, message := range []any{wire.Batch{}, wire.Ack{}, wire.Assignment{}, wire.Problem{}, wire.Enrolment{}, wire.Certificate{}} {
		c.structure(reflect.TypeOf(message))
	}
	for name, want := range map[string]string{
		"Batch": wire.SchemaBatch, "Ack": wire.SchemaAck, "Assignment": wire.SchemaAssignment, "Problem": wire.SchemaError,
		"Enrolment": wire.SchemaEnrolment, "Certificate": wire.SchemaCertificate,
	} {
		if got := c.schemas[name].Properties["schema"].Const; got != want {
			t.Errorf("%s.schema: const %q, want %q", name, got, want)
		}
	}
	for name, values := range constants(t) {
		named, ok := c.schemas[name]
		if !ok {
			t.Errorf("no schema for the constants of type %s", name)
			continue
		}
		if diff := cmp.Diff(values, named.Enum); diff != "" {
			t.Errorf("%s: enum (-Go +OpenAPI):\n%s", name, diff)
		}
		c.seen[name] = true
	}
	for _, name := range []string{"Identifier", "Digest", "Samples"} {
		c.seen[name] = true // forms of strings and bytes
	}
	for _, name := range slices.Sorted(maps.Keys(c.schemas)) {
		if !c.seen[name] {
			t.Errorf("the schema %s has no Go type", name)
		}
	}
	windows := c.schemas["Batch"].Properties["windows"]
	if windows.MaxItems != wire.MaxBatchWindows {
		t.Errorf("maxItems of windows is %d, want %d", windows.MaxItems, wire.MaxBatchWindows)
	}
}

type comparison struct {
	t       *testing.T
	schemas map[string]*schema
	seen    map[string]bool
}

func (c *comparison) structure(goType reflect.Type) {
	name := goType.Name()
	if c.seen[name] {
		return
	}
	c.seen[name] = true
	s := c.schemas[name]
	if s == nil {
		c.t.Errorf("no schema for the type %s", name)
		return
	}
	if s.Type != "object" || s.AdditionalProperties == nil || *s.AdditionalProperties {
		c.t.Errorf("%s: is not an object without additional properties", name)
	}
	fields := fieldsOf(goType)
	var names, required []string
	for _, f := range fields {
		names = append(names, f.name)
		if !f.optional {
			required = append(required, f.name)
		}
	}
	if diff := cmp.Diff(required, s.Required); diff != "" {
		c.t.Errorf("%s: required (-Go +OpenAPI):\n%s", name, diff)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(s.Properties))); diff != "" {
		c.t.Errorf("%s: properties (-Go +OpenAPI):\n%s", name, diff)
	}
	for _, f := range fields {
		if property := s.Properties[f.name]; property != nil {
			c.value(name+"."+f.name, f.goType, property)
		}
	}
}

// value compares one value's type, and follows it into structures.
func (c *comparison) value(at string, goType reflect.Type, s *schema) {
	refName := strings.TrimPrefix(s.Ref, "#/components/schemas/")
	resolved := s
	if s.Ref != "" {
		if resolved = c.schemas[refName]; resolved == nil {
			c.t.Errorf("%s: %s leads nowhere", at, s.Ref)
			return
		}
	}
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	want := ""
	switch goType.Kind() {
	case reflect.Struct:
		if refName != goType.Name() {
			c.t.Errorf("%s: refers to %q, want the schema %s", at, refName, goType.Name())
		}
		c.structure(goType)
		return
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			if resolved.ContentEncoding != "base64" {
				c.t.Errorf("%s: bytes are not marked as base64", at)
			}
			want = "string"
			break
		}
		if resolved.Items == nil {
			c.t.Errorf("%s: has no items", at)
			return
		}
		c.value(at+"[]", goType.Elem(), resolved.Items)
		want = "array"
	case reflect.String:
		want = "string"
		// A named string type has its own schema, with its values.
		if goType.PkgPath() != "" && refName != goType.Name() {
			c.t.Errorf("%s: refers to %q, want the schema %s", at, refName, goType.Name())
		}
	case reflect.Bool:
		want = "boolean"
	case reflect.Float64:
		want = "number"
	case reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		want = "integer"
	default:
		c.t.Errorf("%s: this test does not know %s", at, goType)
	}
	if resolved.Type != want {
		c.t.Errorf("%s: type %q, want %q", at, resolved.Type, want)
	}
}

type field struct {
	name     string
	optional bool
	goType   reflect.Type
}

// fieldsOf lists the JSON fields of a type in their order, embedded ones in
// their place.
func fieldsOf(goType reflect.Type) []field {
	var fields []field
	for f := range goType.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			fields = append(fields, fieldsOf(f.Type)...)
		case f.IsExported() && name != "-":
			fields = append(fields, field{name, strings.Contains(options, "omitempty"), f.Type})
		}
	}
	return fields
}

// constants reads the typed string constants of package wire from its source,
// by type, in their order.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../probe/wire/*.go")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for node := range ast.Preorder(parsed) {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				continue
			}
			name, typed := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !typed || !isLiteral || literal.Kind != token.STRING {
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values[name.Name] = append(values[name.Name], value)
		}
	}
	if len(values["Code"]) == 0 {
		t.Fatal("no codes were found in the source of package wire")
	}
	return values
}

// TestOpenAPIIsValid checks what a reader of OpenAPI 3.1 relies on: the fixed
// fields, references that lead somewhere, path parameters that are declared,
// and a schema in each answer that has a body.
func TestOpenAPIIsValid(t *testing.T) {
	doc, tree := readOpenAPI(t)
	if doc.OpenAPI != "3.1.0" || doc.Info.Title == "" || doc.Info.Version == "" {
		t.Errorf("openapi %q, title %q, version %q", doc.OpenAPI, doc.Info.Title, doc.Info.Version)
	}
	walk("#", tree, func(at string, node map[string]any) {
		if ref, ok := node["$ref"].(string); ok {
			if _, found := follow(tree, ref); !found {
				t.Errorf("%s: %s leads nowhere", at, ref)
			}
		}
	})
	operations := map[string]bool{}
	for path, item := range doc.Paths {
		if strings.Contains(path, "{site}") && !strings.Contains(fmt.Sprint(item["parameters"]), "#/components/parameters/Site") {
			t.Errorf("%s: the parameter site is not declared", path)
		}
		for method, operation := range item {
			if method == "parameters" {
				continue
			}
			o := operation.(map[string]any)
			id, _ := o["operationId"].(string)
			if id == "" || operations[id] {
				t.Errorf("%s %s: operationId %q is missing or given twice", method, path, id)
			}
			operations[id] = true
			for status, response := range o["responses"].(map[string]any) {
				r := response.(map[string]any)
				if ref, ok := r["$ref"].(string); ok {
					target, _ := follow(tree, ref)
					r, _ = target.(map[string]any)
				}
				if r["description"] == nil || (r["content"] == nil) != (status == "304") {
					t.Errorf("%s %s: the answer %s lacks a description or a body", method, path, status)
				}
			}
		}
	}
}

// TestOpenAPINamesEveryRouteAndAnswer holds the file against what the
// collector does.
func TestOpenAPINamesEveryRouteAndAnswer(t *testing.T) {
	doc, _ := readOpenAPI(t)
	b := serving(t)
	var routes []string
	for pattern := range b.routes {
		if strings.HasPrefix(pattern, "/v1/") {
			routes = append(routes, pattern)
		}
	}
	slices.Sort(routes)
	if diff := cmp.Diff(routes, slices.Sorted(maps.Keys(doc.Paths))); diff != "" {
		t.Errorf("paths (-collector +OpenAPI):\n%s", diff)
	}
	for pattern, item := range doc.Paths {
		for _, method := range b.routes[pattern].methods {
			if method != "HEAD" && item[strings.ToLower(method)] == nil {
				t.Errorf("%s %s is not described", method, pattern)
			}
		}
	}
	// What stands on the wire is what the types say, so that comparing the
	// types is enough.
	var window map[string]any
	if err := json.Unmarshal([]byte(encode(t, fakestore.Window(b.Mesh(), 0))), &window); err != nil {
		t.Fatal(err)
	}
	for _, name := range doc.Components.Schemas["Window"].Required {
		if _, ok := window[name]; !ok {
			t.Errorf("a window is written without %s", name)
		}
	}
	for name := range window {
		if doc.Components.Schemas["Window"].Properties[name] == nil {
			t.Errorf("a window is written with %s, which the schema does not have", name)
		}
	}
}

func walk(at string, node any, visit func(string, map[string]any)) {
	switch n := node.(type) {
	case map[string]any:
		visit(at, n)
		for key, child := range n {
			walk(at+"/"+key, child, visit)
		}
	case []any:
		for i, child := range n {
			walk(fmt.Sprintf("%s/%d", at, i), child, visit)
		}
	}
}

// follow finds what a reference of the form #/a/b names.
func follow(tree map[string]any, ref string) (any, bool) {
	steps, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, false
	}
	var node any = tree
	for step := range strings.SplitSeq(steps, "/") {
		object, ok := node.(map[string]any)
		if !ok {
			return nil, false
		}
		if node, ok = object[step]; !ok {
			return nil, false
		}
	}
	return node, true
}
