// Package webpage writes a document (package document) as one HTML file that
// needs nothing else: no script, no font, no picture from anywhere. It follows
// the reader's light or dark theme, fits a telephone, and prints.
package webpage

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html/template"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// Write gives the bytes of the page.
func Write(d *document.Document) ([]byte, error) {
	page, err := template.New("page").Funcs(template.FuncMap{
		"paragraph": as[document.Paragraph], "list": as[document.List],
		"table": as[*document.Table], "picture": as[*document.Picture],
		// The figure's own writer escapes its words.
		"svg":     func(p *document.Picture) template.HTML { return template.HTML(p.Figure.SVG("figure-" + p.ID)) },
		"style":   func() template.CSS { return template.CSS(CSS()) },
		"numeric": func(t *document.Table) []bool { return t.NumericColumns() },
		"lang":    func() string { return d.Language.Tag() },
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, d); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return out.Bytes(), nil
}

// as is a block if it is of that kind; nil else.
func as[T document.Block](b document.Block) any {
	if is, ok := b.(T); ok {
		return is
	}
	return nil
}

// CSS is what a page of a report looks like, its figures included; other pages
// begin with it.
func CSS() string { return pageStyle + chart.CSS() }
