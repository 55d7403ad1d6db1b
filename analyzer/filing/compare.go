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

// compare says in what two files of a form differ, by its terms or, where these
// are the same, by bytes.
func compare(ext string, want, found []byte) []Difference {
	var all []Difference
	switch ext {
	case ".csv":
		all = compareCSV(want, found)
	case ".xlsx":
		all = compareXLSX(want, found)
	case ".html":
		all = compareLines(want, found)
	}
	if len(all) == 0 {
		return []Difference{compareBytes(want, found)}
	}
	return all
}

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
	compareCells(a, b, func(row, column int, was, is string) {
		where := fmt.Sprintf("row %d", row+1)
		if row < len(a) && row > 0 {
			where += " (" + plain(strings.Join(a[row][:min(2, len(a[row]))], ", ")) + ")"
		}
		all = append(all, Difference{where + ", " + head(a, column), was, is})
	})
	return all
}

// head names a column by its head, or else by its letter.
func head(rows [][]string, column int) string {
	if len(rows) > 0 && column < len(rows[0]) && rows[0][column] != "" {
		return plain(rows[0][column])
	}
	letter, err := excelize.ColumnNumberToName(column + 1)
	if err != nil {
		return fmt.Sprintf("column %d", column+1)
	}
	return "column " + letter
}

func compareCells(a, b [][]string, differ func(row, column int, was, is string)) {
	at := func(rows [][]string, row, column int) string {
		if row < len(rows) && column < len(rows[row]) {
			return rows[row][column]
		}
		return ""
	}
	for row := range max(len(a), len(b)) {
		columns := 0
		for _, rows := range [][][]string{a, b} {
			if row < len(rows) {
				columns = max(columns, len(rows[row]))
			}
		}
		for column := range columns {
			if was, is := at(a, row, column), at(b, row, column); was != is {
				differ(row, column, was, is)
			}
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
		was, err := a.GetRows(sheet)
		is, errOfFound := b.GetRows(sheet)
		if err != nil || errOfFound != nil {
			all = append(all, Difference{"sheets", sheet, ""})
			continue
		}
		compareCells(was, is, func(row, column int, from, to string) {
			cell, err := excelize.CoordinatesToCellName(column+1, row+1)
			if err == nil {
				all = append(all, Difference{fmt.Sprintf("sheet %q, cell %s (%s)", sheet, cell, head(was, column)), from, to})
			}
		})
	}
	return all
}

// compareLines goes by lines.
func compareLines(want, found []byte) (all []Difference) {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(found), "\n")
	for i := range max(len(a), len(b)) {
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
