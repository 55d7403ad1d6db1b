package api

import _ "embed"

// ReportSchema is the JSON Schema (2020-12) of Report.
//
//go:embed report.schema.json
var ReportSchema []byte
