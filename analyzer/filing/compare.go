package filing

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// Bounds of what is compared: what was found may have been made to take all
// memory, and twenty differences are told.
const (
	mostDifferences = 10_000
	mostLonger      = 256 << 10 // bytes by which one text may have more than twice as many as the other
)

// compare says in what two files of a form differ, by its terms or, where these
// are the same, by bytes; so too where one is so much longer that it is no
// altered form of the other.
func compare(ext string, want, found []byte) []Difference {
	var all []Difference
	switch alike := alike(len(want), len(found)); {
	case ext == ".xlsx":
		all = compareXLSX(want, found)
	case ext == ".csv" && alike:
		all = compareCSV(want, found)
	case ext == ".html" && alike:
		all = compareLines(want, found)
	}
	if len(all) == 0 {
		return []Difference{compareBytes(want, found)}
	}
	return all
}

// alike tells of two lengths whether one text may be an altered form of the
// other.
func alike(a, b int) bool { return max(a, b) <= 2*min(a, b)+mostLonger }

// compareCSV goes by rows, counted from 1 for the heads as spreadsheets do, and
// columns. Nothing where one of the two cannot be read.
func compareCSV(want, found []byte) (all []Difference) {
	read := func(data []byte) [][]string {
		r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte(bom))))
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		if err != nil {
			return nil
		}
		return rows
	}
	a, b := read(want), read(found)
	if a == nil || b == nil {
		return nil
	}
	cells := func(rows [][]string, row int) []string {
		if row < len(rows) {
			return rows[row]
		}
		return nil
	}
	heads := cells(a, 0)
	for row := 0; row < max(len(a), len(b)) && len(all) < mostDifferences; row++ {
		filed := cells(a, row)
		compareRow(filed, cells(b, row), func(column int, was, is string) {
			where := fmt.Sprintf("row %d", row+1)
			if row < len(a) && row > 0 {
				where += " (" + plain(strings.Join(filed[:min(2, len(filed))], ", ")) + ")"
			}
			all = append(all, Difference{where + ", " + head(heads, column), was, is})
		})
	}
	return all
}

// head names a column by its head, or else by its letter.
func head(heads []string, column int) string {
	if column < len(heads) && heads[column] != "" {
		return plain(heads[column])
	}
	letter, err := excelize.ColumnNumberToName(column + 1)
	if err != nil {
		return fmt.Sprintf("column %d", column+1)
	}
	return "column " + letter
}

// compareRow goes by cells; one that is not there is empty.
func compareRow(a, b []string, differ func(column int, was, is string)) {
	at := func(cells []string, column int) string {
		if column < len(cells) {
			return cells[column]
		}
		return ""
	}
	for column := range max(len(a), len(b)) {
		if was, is := at(a, column), at(b, column); was != is {
			differ(column, was, is)
		}
	}
}

// compareXLSX goes by sheets and cells. Nothing where the workbook found cannot be
// read, or has other formats only.
func compareXLSX(want, found []byte) (all []Difference) {
	// A workbook that makes the library fall is one that cannot be read.
	defer func() {
		if recover() != nil {
			all = nil
		}
	}()
	open := func(data []byte) *excelize.File {
		f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: 4 * maxExplained, UnzipXMLSizeLimit: maxExplained})
		if err != nil {
			return nil
		}
		return f
	}
	a := open(want)
	if a == nil {
		return nil
	}
	defer a.Close()
	b := open(found)
	if b == nil {
		return nil
	}
	defer b.Close()
	sheets := a.GetSheetList()
	for _, sheet := range b.GetSheetList() {
		if !slices.Contains(sheets, sheet) {
			all = append(all, Difference{"sheets", "", sheet})
		}
	}
	for _, sheet := range sheets {
		was, err := a.Rows(sheet)
		is, errOfFound := b.Rows(sheet)
		if err != nil || errOfFound != nil {
			all = append(all, Difference{"sheets", sheet, ""})
			continue
		}
		all = append(all, compareSheet(sheet, was, is)...)
	}
	return all[:min(len(all), mostDifferences)]
}

// compareSheet holds one row at a time: a few bytes of a workbook can be a
// million rows of sixteen thousand cells.
func compareSheet(sheet string, a, b *excelize.Rows) (all []Difference) {
	next := func(rows *excelize.Rows) (cells []string, more bool) {
		if !rows.Next() {
			return nil, false
		}
		cells, err := rows.Columns()
		return cells, err == nil
	}
	var heads []string
	for row := 1; len(all) < mostDifferences; row++ {
		was, more := next(a)
		is, moreFound := next(b)
		if !more && !moreFound {
			break
		}
		if row == 1 {
			heads = was
		}
		compareRow(was, is, func(column int, from, to string) {
			cell, err := excelize.CoordinatesToCellName(column+1, row)
			if err == nil {
				all = append(all, Difference{fmt.Sprintf("sheet %q, cell %s (%s)", sheet, cell, head(heads, column)), from, to})
			}
		})
	}
	return all
}

// compareLines goes by lines.
func compareLines(want, found []byte) (all []Difference) {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(found), "\n")
	for i := 0; i < max(len(a), len(b)) && len(all) < mostDifferences; i++ {
		var was, is string
		if i < len(a) {
			was = a[i]
		}
		if i < len(b) {
			is = b[i]
		}
		if was != is {
			was, is = around(was, is)
			all = append(all, Difference{fmt.Sprintf("line %d", i+1), was, is})
		}
	}
	return all
}

// around cuts two texts to what is near to where they begin to differ.
func around(a, b string) (string, string) {
	const before, room = 20, 60
	at := common([]byte(a), []byte(b))
	cut := func(s string) string {
		from := max(0, at-before)
		for from > 0 && from < len(s) && !utf8.RuneStart(s[from]) {
			from--
		}
		s = s[min(from, len(s)):]
		if from > 0 {
			s = "…" + s
		}
		if len(s) > room {
			to := room
			for to > 0 && !utf8.RuneStart(s[to]) {
				to--
			}
			s = s[:to] + "…"
		}
		return s
	}
	return cut(a), cut(b)
}

// common is how many bytes two texts begin with that are the same.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compareBytes names the first byte that differs.
func compareBytes(want, found []byte) Difference {
	at := common(want, found)
	show := func(data []byte) string {
		if at < len(data) {
			return fmt.Sprintf("0x%02x", data[at])
		}
		return "the end of the file"
	}
	return Difference{fmt.Sprintf("byte %d (of %d filed, %d found)", at+1, len(want), len(found)), show(want), show(found)}
}
