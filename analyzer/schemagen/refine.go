package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/mesh"
)

// refining adds to the schema what Go's types do not say: what may be null, which
// texts there are, and between what numbers lie.
type refining struct {
	definitions jsonschema.Definitions
	words       constants
	done        map[reflect.Type]bool
}

// structure refines the definition of a struct and of all that it holds.
func (r *refining) structure(t reflect.Type) error {
	if r.done[t] {
		return nil
	}
	r.done[t] = true
	return r.fields(t, r.definitions[t.Name()])
}

// fields refines the properties that the fields of a struct have become, which
// for an embedded one are those of the definition that embeds it.
func (r *refining) fields(t reflect.Type, of *jsonschema.Schema) error {
	for f := range t.Fields() {
		if f.Anonymous {
			if err := r.fields(f.Type, of); err != nil {
				return err
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property, ok := of.Properties.Get(name)
		if !ok {
			return fmt.Errorf("%s.%s is not in the schema", t.Name(), f.Name)
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Array {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			if err := r.structure(inner); err != nil {
				return err
			}
		}
		r.describe(name, property)
		narrow(t.Name(), name, options, inner, property)
		switch list := f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Array; {
		case f.Type.Kind() == reflect.Pointer && options == "":
			of.Properties.Set(name, orNull(property))
		case list && f.Type.Elem().Kind() == reflect.Pointer:
			property.Items = orNull(property.Items)
		}
	}
	endless(of)
	return nil
}

// describe gives a field without a comment that of the field of this name of
// Pair or Rate, where what others repeat is explained.
func (r *refining) describe(name string, property *jsonschema.Schema) {
	if property.Description == "" && strings.HasSuffix(name, "unbounded") {
		property.Description = "it is endless, because too many packets were lost; absent if it is not"
	}
	for _, of := range []string{"Pair", "Rate"} {
		if explained, ok := r.definitions[of].Properties.Get(name); ok && property.Description == "" {
			property.Description = explained.Description
		}
	}
}

func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	out := &jsonschema.Schema{Description: s.Description, Extras: s.Extras}
	s.Description, s.Extras = "", nil
	out.AnyOf = []*jsonschema.Schema{s, {Type: "null"}}
	return out
}

// below are quantities that may be less than nothing.
var below = []string{"excess_ms", "excess_km", "difference_ms", "lat", "lon"}

// unit is what a name says that its number is in; empty where it is a number of
// something, or of nothing.
func unit(name string) string {
	for suffix, unit := range map[string]string{
		"_ms": "ms", "_us": "µs", "_km": "km", "_s": "s", "_bytes": "B", "_ppm": "ppm", "_percent": "%",
	} {
		if strings.HasSuffix(name, suffix) {
			return unit
		}
	}
	return map[string]string{"lat": "°", "lon": "°", "seconds": "s"}[name]
}

// narrow says of the property of a field what its values are.
func narrow(of, name, options string, t reflect.Type, property *jsonschema.Schema) {
	s := property
	for s.Items != nil {
		s = s.Items
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		if !slices.Contains(below, name) {
			s.Minimum = "0"
		}
		if u := unit(name); u != "" {
			property.Extras = map[string]any{"x-unit": u}
		}
	case reflect.Bool:
		if options == "omitempty" {
			s.Const = true // else it is not there
		}
	case reflect.String:
		if values := texts[of+"."+name]; values != nil {
			s.Enum = values
		} else if values := texts[name]; values != nil {
			s.Enum = values
		}
		switch {
		case strings.HasSuffix(name, "sha256"):
			s.Pattern = "^[0-9a-f]{64}$"
		case name == "from", name == "to", name == "first_start", name == "last_end":
			s.Format = "date-time"
		case name == "month":
			s.Pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$"
		case name == "seed":
			s.Pattern = "^[0-9]*$" // empty in an excerpt
		}
	}
}

// texts are all that may stand in a field, of whatever struct or of one.
var texts = map[string][]any{
	"Report.schema":  {api.SchemaReport},
	"Excerpt.role":   values(readers.Carrier, readers.Viewer),
	"Class.class":    {"hub", "city"},
	"Policy.sites":   values(policy.Best, policy.Worst, policy.All),
	"plane":          values(mesh.Optical, mesh.PrivateIP, mesh.PublicInternet),
	"distance_class": values(mesh.ClassA, mesh.ClassB, mesh.ClassC),
	"statistic":      values(policy.Statistics()...),
	"method":         values(mesh.MethodICMP, mesh.MethodSTAMP),
}

func values[T ~string](of ...T) (all []any) {
	for _, v := range of {
		all = append(all, string(v))
	}
	return all
}

// endless says that what is unbounded is null: of "p50_unbounded" "p50_ms", of
// "ratio_low_unbounded" "ratio_low", of "unbounded" all that may be null and has
// no such field of its own.
func endless(of *jsonschema.Schema) {
	var marks []string
	for name := range of.Properties.KeysFromOldest() {
		if before, is := strings.CutSuffix(name, "unbounded"); is {
			marks = append(marks, before)
		}
	}
	slices.SortFunc(marks, func(a, b string) int { return len(b) - len(a) })
	taken := map[string]bool{}
	for _, before := range marks {
		null := jsonschema.NewProperties()
		for name, property := range of.Properties.FromOldest() {
			if strings.HasPrefix(name+"_", before) && !taken[name] && len(property.AnyOf) > 0 && property.AnyOf[0].Type == "number" {
				taken[name] = true
				null.Set(name, &jsonschema.Schema{Type: "null"})
			}
		}
		if of.DependentSchemas == nil {
			of.DependentSchemas = map[string]*jsonschema.Schema{}
		}
		of.DependentSchemas[before+"unbounded"] = &jsonschema.Schema{Properties: null}
	}
}

// codes gives reasons, flags and causes, which are of one Go type, each their
// own codes.
func (r *refining) codes() {
	reason := r.definitions["Reason"]
	for name, kind := range map[string]string{"Reason": "Reason", "Flag": "Flag", "Diagnosis": "Diagnosis"} {
		copied := *reason
		copied.Properties = jsonschema.NewProperties()
		for key, property := range reason.Properties.FromOldest() {
			copied.Properties.Set(key, property)
		}
		if kind == "Diagnosis" {
			copied.Description = "A cause, with its parameters; text is rendered from them."
		} else if kind == "Flag" {
			copied.Description = "What somebody should look at, with its parameters; text is rendered from them."
		}
		code := r.words.begun(kind)
		code.Description = "What it is; the text says which parameters are with it."
		copied.Properties.Set("code", code)
		r.definitions[name] = &copied
	}
	for name, to := range map[string]string{"flags": "Flag", "diagnosis": "Diagnosis"} {
		pair, _ := r.definitions["Pair"].Properties.Get(name)
		pair.Items.Ref = "#/$defs/" + to
	}
}

// undescribed are the properties of which nothing says what they are: neither
// they themselves nor the definition that they are of.
func undescribed(definitions jsonschema.Definitions) (missing []error) {
	var described func(s *jsonschema.Schema) bool
	described = func(s *jsonschema.Schema) bool {
		if s.Description != "" {
			return true
		}
		if name, is := strings.CutPrefix(s.Ref, "#/$defs/"); is {
			return definitions[name].Description != ""
		}
		return s.Items != nil && described(s.Items) || len(s.AnyOf) > 0 && described(s.AnyOf[0])
	}
	for name, definition := range definitions {
		for key, property := range definition.Properties.FromOldest() {
			if !described(property) {
				missing = append(missing, fmt.Errorf("%s of %s has no comment in package api", key, name))
			}
		}
	}
	slices.SortFunc(missing, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return missing
}
