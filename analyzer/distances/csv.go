package distances

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fibergauge/fibergauge/internal/yamlfile"
	"github.com/fibergauge/fibergauge/mesh"
)

// columns of a file of registered distances; all but the first three may be
// left out.
func columns() []string {
	return []string{"a", "b", "km", "source", "between", "from", "until", "medium"}
}

// Register says what holds for the rows of a CSV file that do not say it.
type Register struct {
	Source string      // who registered them
	From   mesh.Moment // from when on they count
}

// ReadRegistered enters the distances of a CSV file as class A. The first
// fault ends it, as a *yamlfile.Error with the line; the book is of no use
// then.
func ReadRegistered(file string, register Register, b *Book) ([]Outcome, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > yamlfile.MaxBytes {
		err = fmt.Errorf("it is %d bytes, and at most %d are read", info.Size(), yamlfile.MaxBytes)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // the line names the file already
		}
		return nil, &yamlfile.Error{File: file, Msg: "cannot be read: " + err.Error()}
	}
	return ParseRegistered(file, data, register, b)
}

// ParseRegistered does as ReadRegistered with the text of a file; name stands
// in the errors for the file.
func ParseRegistered(name string, data []byte, register Register, b *Book) ([]Outcome, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.Comment, r.TrimLeadingSpace = '#', true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, &yamlfile.Error{File: name, Msg: "is empty; its first row names the columns: " + strings.Join(columns(), ",")}
	}
	if err != nil {
		return nil, unreadable(name, err)
	}
	rows := &rows{name: name, csv: r, register: register, book: b}
	if err := rows.takeHeader(header); err != nil {
		return nil, err
	}
	var outcomes []Outcome
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(name, err)
		}
		outcome, err := rows.enter(record)
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, outcome)
	}
	if len(outcomes) == 0 {
		return nil, &yamlfile.Error{File: name, Msg: "has no rows below its header"}
	}
	return outcomes, nil
}

func unreadable(name string, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &yamlfile.Error{File: name, Line: parse.Line, Msg: "is not valid CSV: " + parse.Err.Error()}
	}
	return &yamlfile.Error{File: name, Msg: err.Error()}
}

// rows reads the rows of one file.
type rows struct {
	name     string
	csv      *csv.Reader
	register Register
	book     *Book
	column   map[string]int
}

func (r *rows) takeHeader(header []string) error {
	r.column = map[string]int{}
	for i, name := range header {
		name = strings.TrimSpace(name)
		line, _ := r.csv.FieldPos(i)
		if !slices.Contains(columns(), name) {
			return &yamlfile.Error{File: r.name, Line: line, Field: clean(name), Msg: "unknown column; allowed, separated by commas: " + strings.Join(columns(), ",")}
		}
		if _, twice := r.column[name]; twice {
			return &yamlfile.Error{File: r.name, Line: line, Field: name, Msg: "is given twice; keep one"}
		}
		r.column[name] = i
	}
	for _, name := range columns()[:3] {
		if _, ok := r.column[name]; !ok {
			return &yamlfile.Error{File: r.name, Line: 1, Field: name, Msg: "this column is missing; allowed: " + strings.Join(columns(), ",")}
		}
	}
	return nil
}

func (r *rows) enter(record []string) (Outcome, error) {
	get := func(column string) string {
		if i, ok := r.column[column]; ok {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	line, _ := r.csv.FieldPos(0)
	wrong := func(column, format string, args ...any) error {
		return &yamlfile.Error{File: r.name, Line: line, Field: column, Msg: fmt.Sprintf(format, args...)}
	}
	d := mesh.Distance{
		Class: mesh.ClassA, Source: get("source"), Medium: mesh.Medium(get("medium")),
		From: mesh.Moment(get("from")), Until: mesh.Moment(get("until")),
	}
	if d.Source == "" {
		d.Source = r.register.Source
	}
	if d.From == "" {
		d.From = r.register.From
	}
	if err := CheckSource(d.Source); err != nil {
		return Outcome{}, wrong("source", "%v", err)
	}
	switch d.Medium {
	case "", mesh.Fibre, mesh.HollowCore, mesh.Microwave:
	default:
		return Outcome{}, wrong("medium", "%q is not a medium; allowed: fibre, hollow-core, microwave", d.Medium)
	}
	var err error
	if d.KM, err = parseKM(get("km")); err != nil {
		return Outcome{}, wrong("km", "%v", err)
	}
	if _, err := d.From.In(r.book.mesh.Location()); err != nil {
		return Outcome{}, wrong("from", "%v", err)
	}
	if _, err := d.Until.In(r.book.mesh.Location()); err != nil {
		return Outcome{}, wrong("until", "%v", err)
	}
	if d.Clusters, d.Sites, err = r.ends(get("between"), get("a"), get("b")); err != nil {
		return Outcome{}, wrong("a, b", "%v", err)
	}
	outcome, err := r.book.Put(d)
	if err != nil {
		return outcome, wrong("", "%v", err)
	}
	return outcome, nil
}

// ends finds out what two identifiers name.
func (r *rows) ends(between, a, b string) (clusters, sites []string, err error) {
	m := r.book.mesh
	areClusters := m.Cluster(a) != nil && m.Cluster(b) != nil
	areSites := m.Site(a) != nil && m.Site(b) != nil
	switch between {
	case "":
	case "clusters":
		areSites = false
	case "sites":
		areClusters = false
	default:
		return nil, nil, fmt.Errorf("between is %q; allowed: clusters, sites", between)
	}
	switch {
	case a == b:
		return nil, nil, fmt.Errorf("both name %q; a distance has two different ends", a)
	case areClusters && areSites:
		return nil, nil, fmt.Errorf("%q and %q are both clusters and sites of the mesh; say which in a column between", a, b)
	case areClusters:
		return []string{a, b}, nil, nil
	case areSites:
		return nil, []string{a, b}, nil
	case between != "":
		return nil, nil, fmt.Errorf("%q and %q are not two %s of the mesh", a, b, between)
	}
	return nil, nil, fmt.Errorf("%q and %q are neither two clusters nor two sites of the mesh", a, b)
}

// maxSource is more than the name of any register, and less than what would
// make a mesh file unreadable.
const maxSource = 300

// CheckSource tells whether a text can say who a distance is from.
func CheckSource(source string) error {
	switch {
	case source == "":
		return errors.New("is missing; say who registered it: register and number, in the column source or by --source for all rows")
	case len(source) > maxSource || source != clean(source):
		return fmt.Errorf("has to be one line of at most %d bytes that can be printed", maxSource)
	}
	return nil
}

// clean leaves out of a text what cannot be printed on one line.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "?")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

func parseKM(text string) (float64, error) {
	whole, fraction, point := strings.Cut(text, ".")
	digits := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	}
	km, err := strconv.ParseFloat(text, 64)
	if !digits(whole) || point && (!digits(fraction) || len(fraction) > 3) || err != nil || km <= 0 || km > 40_000 {
		return 0, fmt.Errorf("%q is not a road in kilometres: digits with a point before at most three decimals, such as 1537.25, above 0 and at most 40000", clean(text))
	}
	return km, nil
}
