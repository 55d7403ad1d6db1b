package filing

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// maxExplained is how many bytes a file may have whose differences are looked
// for, far above those of any report. Its digest is checked whatever its size.
const maxExplained = 64 << 20

// explainer says in what a file differs from what was filed. A manifest has only
// digests; but all forms follow from the JSON report, so one that was altered can
// be made again from it, and an altered JSON be held against the forms. This
// explains what the digests found, and decides nothing.
type explainer struct {
	dir    string
	m      *manifest.Manifest
	found  map[string]manifest.File // what was read, by name
	json   string                   // name of the JSON report; empty if none was filed
	report *api.Report              // as it was filed; nil if that is not known
}

func newExplainer(dir string, m *manifest.Manifest, found map[string]manifest.File) *explainer {
	e := &explainer{dir: dir, m: m, found: found}
	for _, f := range m.Files {
		if filepath.Ext(f.Name) == ".json" {
			e.json = f.Name
			break
		}
	}
	if data, err := e.read(e.json); err == nil && e.intact(e.json) {
		e.report = reportOf(data)
	}
	return e
}

// filed is what the manifest says of a file.
func (e *explainer) filed(name string) manifest.File {
	i := slices.IndexFunc(e.m.Files, func(f manifest.File) bool { return f.Name == name })
	if i < 0 {
		return manifest.File{}
	}
	return e.m.Files[i]
}

func (e *explainer) intact(name string) bool { return name != "" && e.found[name].Is(e.filed(name)) }

func (e *explainer) read(name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("there is none")
	}
	return readUpTo(filepath.Join(e.dir, name), maxExplained)
}

// stem begins the names of all forms.
func (e *explainer) stem() string { return strings.TrimSuffix(e.json, ".json") }

// explain fills in what differs.
func (e *explainer) explain(f *Finding) {
	name := f.Filed.Name
	for _, other := range e.m.Files {
		if other.Name != name && other.SHA256 == f.Found.SHA256 {
			f.Detail = "it has the content of " + plain(other.Name)
			return
		}
	}
	found, err := e.read(name)
	if err != nil {
		f.Detail = "it has the SHA-256 " + f.Found.SHA256
		return
	}
	var all []Difference
	if name == e.json {
		all, f.Detail = e.altered(found)
	} else {
		all, f.Detail = e.derived(name, found)
	}
	f.Differences = all[:min(len(all), maxDifferences)]
	f.LeftOut = len(all) - len(f.Differences)
}

// derived makes a form again from the JSON report, and compares.
func (e *explainer) derived(name string, found []byte) (all []Difference, detail string) {
	if e.report == nil {
		return nil, "what differs cannot be said without the JSON report as it was filed; only the digest tells"
	}
	want, exact, err := e.again(e.report, name, bytes.HasPrefix(found, []byte(bom)))
	switch {
	case err != nil:
		return nil, "what differs cannot be said: " + err.Error()
	case want == nil:
		return nil, "what differs cannot be said of a file of this name; only the digest tells"
	case !exact:
		detail = fmt.Sprintf("below is how it differs from what this program makes of the JSON report; the one that filed it (%s) made it otherwise, so not all of that need have been altered", plain(e.m.GeneratedBy))
	}
	return compare(filepath.Ext(name), want, found), detail
}

const bom = "\ufeff"

// again makes a form from a report; nil if this is none. Exact: these are the
// bytes that were filed.
func (e *explainer) again(r *api.Report, name string, withBOM bool) (data []byte, exact bool, err error) {
	for _, with := range []bool{!withBOM, withBOM} {
		var known bool
		data, known, err = publish.Named(r, e.stem(), name, with)
		if err != nil || !known {
			return nil, false, err
		}
		if manifest.Hash(data) == e.filed(name).SHA256 {
			return data, true, nil
		}
	}
	return data, false, nil
}

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
	// What it reads may be anything, and the library was not written for that: a
	// workbook that makes it fall is one that cannot be read.
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

// altered says in what a JSON report differs from the one that was filed. That is
// nowhere any more; but its blocks show where to look, and the manifest and the
// forms that are as they were filed say much of what stood there. Where one of
// these gives the filed bytes, it is known for sure, and the forms can be made
// from it again.
func (e *explainer) altered(found []byte) (all []Difference, detail string) {
	filed := e.filed(e.json)
	from, to := span(found, filed)
	if whole, at := oneByte(found, filed, from, to); whole != nil {
		e.report = reportOf(whole)
		was, is := around(valueAt(whole, at), valueAt(found, at))
		return []Difference{{pathAt(whole, at), was, is}}, fmt.Sprintf("byte %d", at+1)
	}
	r := reportOf(found)
	if r == nil {
		return nil, notJSON(found)
	}
	for _, fact := range facts(e.m, r) {
		if fact.Filed != fact.Found {
			all = append(all, fact)
		}
	}
	byForm, forms, problem := e.againstForms(r)
	all = append(all, byForm...)
	if whole, was, at := e.restore(found, all); whole != nil {
		e.report = reportOf(whole)
		return []Difference{was}, fmt.Sprintf("byte %d", at+1)
	}
	where := ""
	if from < to && to <= len(found) {
		where = fmt.Sprintf("it differs within bytes %d to %d, from %s to %s; ", from+1, to, pathAt(found, from), pathAt(found, to-1))
	}
	switch {
	case len(all) > 0:
		return all, where + "this is how it contradicts what was filed with it"
	case problem != "":
		return nil, where + problem
	case forms == 0:
		return nil, where + "no other form of it is here as it was filed, to say what stood there"
	}
	return nil, where + "the other forms, which have not all that it has, contradict it nowhere"
}

// notJSON says where a file ceases to be a report.
func notJSON(data []byte) string {
	var r api.Report
	err := json.Unmarshal(data, &r)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := int64(-1)
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	case err == nil:
		return fmt.Sprintf("its schema is %.40q, which is not that of a report", r.Schema)
	}
	if at < 0 || at > int64(len(data)) {
		return err.Error()
	}
	return fmt.Sprintf("line %d: %s", 1+bytes.Count(data[:at], []byte("\n")), err)
}

// againstForms compares the intact forms with what would be made of a report:
// tables first, which say it by cells, and pages if these say nothing. One
// language does: both are of the same figures. Forms is how many were compared.
func (e *explainer) againstForms(r *api.Report) (all []Difference, forms int, problem string) {
	for _, lang := range wording.Languages() {
		for _, ext := range []string{".csv", ".xlsx", ".html"} {
			for _, f := range e.m.Files {
				if filepath.Ext(f.Name) != ext || !strings.HasPrefix(f.Name, e.stem()+"."+string(lang)+".") || !e.intact(f.Name) {
					continue
				}
				filed, err := e.read(f.Name)
				if err != nil {
					continue
				}
				by, _, err := e.again(r, f.Name, bytes.HasPrefix(filed, []byte(bom)))
				if err != nil {
					return nil, forms, "no form can be made of it: " + err.Error()
				}
				forms++
				if by == nil || bytes.Equal(filed, by) {
					continue
				}
				for _, d := range compare(ext, filed, by) {
					d.Where = f.Name + ", " + d.Where
					all = append(all, d)
				}
			}
			if len(all) > 0 {
				return all, forms, ""
			}
		}
	}
	return nil, forms, ""
}

// maxTries bounds the search of restore: each hashes the whole file.
const maxTries = 400

// restore puts what was filed in the place of what was found, wherever that
// stands in the JSON, until the bytes have the digest that was filed. It gives
// these and the place; nil if there is none.
func (e *explainer) restore(found []byte, candidates []Difference) (whole []byte, was Difference, at int) {
	filed := e.filed(e.json).SHA256
	tries := 0
	seen := map[[2]string]bool{}
	for _, d := range candidates {
		if d.Found == "" || d.Filed == "" || seen[[2]string{d.Filed, d.Found}] {
			continue
		}
		seen[[2]string{d.Filed, d.Found}] = true
		for from := 0; tries < maxTries; {
			i := bytes.Index(found[from:], []byte(d.Found))
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			if !standsAlone(found, i, len(d.Found)) {
				continue
			}
			tries++
			whole := slices.Concat(found[:i], []byte(d.Filed), found[i+len(d.Found):])
			if manifest.Hash(whole) == filed {
				return whole, Difference{pathAt(found, i), d.Filed, d.Found}, i
			}
		}
	}
	return nil, Difference{}, 0
}

// standsAlone tells whether a text is a whole word or number where it stands.
func standsAlone(data []byte, at, length int) bool {
	part := func(i int) bool {
		if i < 0 || i >= len(data) {
			return false
		}
		b := data[i]
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '.' || b == '-' || b >= utf8.RuneSelf
	}
	return !part(at-1) && !part(at+length)
}

// pathAt names the value of a JSON text that holds a byte: planes[0].rate.total.
func pathAt(data []byte, at int) string {
	type level struct {
		array bool
		index int
		key   string
		value bool // a key was read, its value comes next
	}
	var levels []level
	path := func() string {
		var b strings.Builder
		for i, l := range levels {
			switch {
			case l.array:
				b.WriteString("[" + strconv.Itoa(l.index) + "]")
			case i > 0:
				b.WriteString("." + l.key)
			default:
				b.WriteString(l.key)
			}
		}
		return b.String()
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	next := func() { // a value of the innermost level is over
		if n := len(levels); n > 0 {
			levels[n-1].index++
			levels[n-1].value = false
		}
	}
	for {
		token, err := dec.Token()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return fmt.Sprintf("byte %d", at+1)
			}
			return path()
		}
		over := dec.InputOffset() > int64(at)
		n := len(levels)
		switch {
		case token == json.Delim('{') || token == json.Delim('['):
			levels = append(levels, level{array: token == json.Delim('[')})
		case token == json.Delim('}') || token == json.Delim(']'):
			if over {
				return path()
			}
			levels = levels[:n-1]
			next()
		case n > 0 && !levels[n-1].array && !levels[n-1].value:
			levels[n-1].key, levels[n-1].value = fmt.Sprint(token), true
			if over {
				return "the name " + path()
			}
		default:
			if over {
				return path()
			}
			next()
		}
	}
}
