// Command schemagen writes the JSON Schema of the report, for programs of
// others, from the Go types of package api and their comments, so that neither
// can differ from what the analyzer writes. Run it in the folder of that package.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"

	"github.com/invopop/jsonschema"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

const packagePath = "github.com/fibergauge/fibergauge/analyzer/api"

func main() {
	if err := write(".", "report.schema.json"); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

func write(folder, file string) error {
	words, err := readConstants(folder)
	if err != nil {
		return err
	}
	schema, err := schemaOf(folder, words)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func schemaOf(folder string, words constants) (*jsonschema.Schema, error) {
	reflector := jsonschema.Reflector{Anonymous: true, Mapper: words.typed}
	if err := reflector.AddGoComments(packagePath, folder, jsonschema.WithFullComment()); err != nil {
		return nil, err
	}
	report := reflect.TypeFor[api.Report]()
	schema := reflector.ReflectFromType(report)
	schema.Title = "Fibergauge report"
	schema.Description = "What fibergauge-analyzer writes as JSON. A quantity has its unit in its name, and as x-unit. " +
		"An RTT that is endless, because too many packets were lost, is null with a field \"…unbounded\": true beside it; what does not exist is null without one."
	r := refining{schema.Definitions, words, map[reflect.Type]bool{}}
	if err := r.structure(report); err != nil {
		return nil, err
	}
	r.codes()
	for _, definition := range schema.Definitions {
		definition.Description = unwrapped(definition.Description)
		for property := range definition.Properties.ValuesFromOldest() {
			property.Description = unwrapped(property.Description)
		}
	}
	return schema, errors.Join(undescribed(schema.Definitions)...)
}

// unwrapped is a comment without the ends of its lines, but for what is set off.
func unwrapped(comment string) string { return wrap.ReplaceAllString(comment, "$1 $2") }

var wrap = regexp.MustCompile(`([^\n])\n([^\n\t])`)
