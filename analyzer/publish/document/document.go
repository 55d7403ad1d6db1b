// Package document is a compliance report laid out for readers: sections of
// paragraphs, tables and figures in one language. It is made from the JSON
// report of package api and nothing else, and every form that people open
// (CSV, XLSX, HTML, PDF) is made from it, so that none can say something else
// than another.
package document

import (
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Document is a report in one language.
type Document struct {
	Language  wording.Language
	Title     string
	Subtitle  string   // the period
	Watermark string   // of every page and sheet, where data is not of a real network; else empty
	Warnings  []string // nobody may overlook
	Sections  []Section
	Data      []*Table // all figures of pairs and ends, too wide for paper: Pairs, and Ends if there are any
	Footer    string   // of every page: what it is, and the hashes that name it
}

// Section is a chapter.
type Section struct {
	ID      string // the same in every language, of [a-z-]
	Heading string
	Blocks  []Block
}

// Block is a Paragraph, List, *Table or *Picture.
type Block interface{ block() }

// Paragraph is running text.
type Paragraph struct {
	Text string
	Lead bool // says what the section comes to
}

// List is items of running text.
type List struct{ Items []string }

// Picture is a figure with what it shows.
type Picture struct {
	ID      string
	Figure  chart.Figure
	Caption string
}

// Table is a rectangle of cells.
type Table struct {
	ID      string // the same in every language, of [a-z_]; names a sheet or file
	Title   string
	Columns []Column
	Rows    [][]Cell
}

// Column is what a table says of each row.
type Column struct {
	Key   string // the same in every language, with the unit: measured_rtt_ms
	Name  string
	Share int // of the width of the table, relative to the other columns
}

// Cell is a text, a number, or nothing known.
type Cell struct {
	Text string // what people read; of a number with as many decimals as it is shown by
	// Number is the value as it stands in the JSON, never rounded; nil for texts
	// and where nothing is known. Infinity is a text.
	Number   *float64
	Decimals int  // that Text has
	Unknown  bool // Text stands for what is not known, a dash say
	Ink      chart.Ink
	Strong   bool
}

func (Paragraph) block() {}
func (List) block()      {}
func (*Picture) block()  {}
func (*Table) block()    {}

// Tables are those of all sections, then those of Data.
func (d *Document) Tables() []*Table {
	var tables []*Table
	for _, s := range d.Sections {
		for _, b := range s.Blocks {
			if t, ok := b.(*Table); ok {
				tables = append(tables, t)
			}
		}
	}
	return append(tables, d.Data...)
}

// Table is the table of that ID; nil if there is none.
func (d *Document) Table(id string) *Table {
	for _, t := range d.Tables() {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// NumericColumns are those in which some cell is a number: they stand at the
// right, so that digits stand under digits.
func (t *Table) NumericColumns() []bool {
	numeric := make([]bool, len(t.Columns))
	for _, row := range t.Rows {
		for i := range row {
			numeric[i] = numeric[i] || row[i].Number != nil
		}
	}
	return numeric
}
