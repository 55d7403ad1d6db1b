// Package csvfile writes a table of a document (package document) as CSV, by
// RFC 4180: UTF-8, commas, CRLF. Numbers are those of the JSON report, not
// rounded, with a point; what is not known is an empty cell.
package csvfile

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

// bom tells programs of Microsoft that the file is UTF-8.
const bom = "\ufeff"

// Write gives the bytes of a table: a row of heads, then the rows.
func Write(t *document.Table, withBOM bool) ([]byte, error) {
	var out bytes.Buffer
	if withBOM {
		out.WriteString(bom)
	}
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	record := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		record[i] = c.Name
	}
	for i := 0; ; i++ {
		if err := w.Write(record); err != nil {
			return nil, fmt.Errorf("write table %s: %w", t.ID, err)
		}
		if i == len(t.Rows) {
			break
		}
		for c, cell := range t.Rows[i] {
			record[c] = cell.Text
			if cell.Number != nil {
				record[c] = strconv.FormatFloat(*cell.Number, 'f', -1, 64)
			} else if cell.Unknown {
				record[c] = ""
			}
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}
