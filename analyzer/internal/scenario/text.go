package scenario

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/fibergauge/fibergauge/mesh"
)

// TB is what a test of package testing and a check of package rapid have in
// common.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Parse makes a mesh of what is put down in the exported fields of one: a test
// can rename and reorder these as it likes, and the file is read as any other.
func Parse(t TB, m *mesh.Mesh) *mesh.Mesh {
	t.Helper()
	parsed, err := mesh.Parse("mesh.yaml", Text(t, m))
	if err != nil {
		t.Fatalf("%v\n%s", err, Text(t, m))
	}
	return parsed
}

// Text is the file that says what stands in the exported fields of a mesh. It is
// JSON, which is YAML.
func Text(t TB, m *mesh.Mesh) []byte {
	t.Helper()
	text, err := json.MarshalIndent(fields(reflect.ValueOf(*m)), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fields are the values of a struct under the names that they have in the file,
// those left out that are zero.
func fields(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return fields(v.Elem())
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, fields(v.Index(i)))
		}
		return list
	case reflect.Struct:
		named := map[string]any{}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if name != "" && !v.Field(i).IsZero() {
				named[name] = fields(v.Field(i))
			}
		}
		return named
	}
	return v.Interface()
}
