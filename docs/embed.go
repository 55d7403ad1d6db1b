// Package docs holds what programs show of their documentation: files of this
// folder, as they are.
package docs

import _ "embed"

// AnalyzerOpenAPI describes the HTTP API of fibergauge-analyzer serve: OpenAPI
// 3.1, as YAML.
//
//go:embed openapi-analyzer.yaml
var AnalyzerOpenAPI []byte
