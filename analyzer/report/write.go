package report

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// JSON is the report as bytes: indented, ending in a newline, the same for the
// same report on every machine.
func JSON(r *api.Report) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return buf.Bytes(), nil
}
