package portal

import (
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

// section is one of a document as a page shows it.
type section struct {
	ID, Heading string
	Blocks      []block
}

// block is one of a document; of a table, with where its rows lead.
type block struct {
	Block document.Block
	View  *tableView
}

// tableView is a table with what a page adds to it.
type tableView struct {
	Table    *document.Table
	Numeric  []bool
	Links    []string // of the first cell of each row; empty: none
	Sortable bool     // and to be filtered: it is long
}

// long is how many rows make a table one that people search.
const long = 8

func view(t *document.Table, link func(first string) string) *tableView {
	v := &tableView{Table: t, Numeric: t.NumericColumns(), Sortable: len(t.Rows) >= long}
	for _, row := range t.Rows {
		v.Links = append(v.Links, link(row[0].Text))
	}
	return v
}

// nowhere is where rows lead that lead to no page.
func nowhere(string) string { return "" }

// class of a cell: how it is set, and in which ink.
func class(numeric bool, c document.Cell) string {
	var all []string
	if numeric {
		all = append(all, "n")
	}
	if c.Ink != chart.None {
		all = append(all, "i-"+string(c.Ink))
	}
	if c.Strong {
		all = append(all, "b")
	}
	return strings.Join(all, " ")
}
