// Command schemagen writes the JSON Schema of mesh.yaml, for editors, from the
// Go types that read the file, so that the two cannot differ.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/invopop/jsonschema"

	"github.com/fibergauge/fibergauge/mesh"
)

func main() {
	if err := write("mesh.schema.json"); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func write(file string) error {
	reflector := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Anonymous:                  true,
	}
	schema := reflector.Reflect(&mesh.Mesh{})
	schema.Title = "Fibergauge mesh"
	schema.Description = "What Fibergauge measures: hubs, clusters, carriers, planes, sites, distances, tests and maintenance."
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}
