package mesh

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// TestSchemaAgreesWithTheReader holds the schema that editors use against the
// meshes that the reader takes and refuses.
func TestSchemaAgreesWithTheReader(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("mesh.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	national, err := os.ReadFile("national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		text string
		ok   bool
	}{
		{"national", string(national), true},
		{"small", small, true},
		{"unknown field", strings.Replace(small, "judged:", "judge:", 1), false},
		{"unknown plane", strings.Replace(small, "[optical, private-ip]", "[lambda]", 1), false},
		{"unknown role", strings.Replace(small, "role: reflector", "role: mirror", 1), false},
		{"latitude", strings.Replace(small, "lat: 31.154", "lat: 131.154", 1), false},
		{"identifier", strings.Replace(small, "id: bb", "id: b b", 1), false},
		{"no name", strings.Replace(small, "name: small\n", "", 1), false},
		{"text for number", strings.Replace(small, "window_s: 60", "window_s: sixty", 1), false},
		{"three ends", strings.Replace(small, "clusters: [aa, bb]", "clusters: [aa, bb, cc]", 1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := schema.Validate(asJSON(t, test.text))
			if (err == nil) != test.ok {
				t.Errorf("schema says %v, want valid %v", err, test.ok)
			}
			if _, err := Parse("m.yaml", []byte(test.text)); (err == nil) != test.ok {
				t.Errorf("reader says %v, want valid %v", err, test.ok)
			}
		})
	}
}

// asJSON turns YAML into the values that a JSON decoder would have made.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(asText(value))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// asText turns the timestamps that YAML makes of dates back into the texts
// that were written.
func asText(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = asText(item)
		}
	case []any:
		for i, item := range v {
			v[i] = asText(item)
		}
	case interface{ Format(string) string }:
		return v.Format("2006-01-02T15:04:05Z07:00")
	}
	return value
}
