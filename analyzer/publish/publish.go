// Package publish makes what is filed of a report: the same figures as CSV,
// XLSX, HTML and PDF, in Chinese and in English. All of it is made from the
// JSON report; the folders below say how.
//
//	api.Report ─▶ document ─┬▶ csvfile
//	   chart, wording ──────┤▶ workbook
//	                        ├▶ webpage
//	                        └▶ pdf
package publish

import (
	"fmt"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/csvfile"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/publish/pdf"
	"github.com/fibergauge/fibergauge/analyzer/publish/webpage"
	"github.com/fibergauge/fibergauge/analyzer/publish/workbook"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Form is what a report is written as.
type Form string

// Forms. JSON, of which all others are made, is written by package report.
const (
	CSV  Form = "csv" // of the table of pairs
	XLSX Form = "xlsx"
	HTML Form = "html"
	PDF  Form = "pdf"
)

// Binary tells whether the form is nothing for a terminal.
func (f Form) Binary() bool { return f == XLSX || f == PDF }

// Options are what a reader may choose.
type Options struct {
	Language wording.Language
	BOM      bool // of CSV, for programs that need one
}

// File is a report in one form.
type File struct {
	Name string // of the file, without a folder
	Data []byte
}

// Write makes a report in one form.
func Write(r *api.Report, form Form, o Options) ([]byte, error) {
	d, err := document.Of(r, o.Language)
	if err != nil {
		return nil, err
	}
	return write(r, d, form, o)
}

func write(r *api.Report, d *document.Document, form Form, o Options) ([]byte, error) {
	switch form {
	case CSV:
		return csvfile.Write(d.Table(document.Pairs), o.BOM)
	case XLSX:
		return workbook.Write(d)
	case HTML:
		return webpage.Write(d)
	case PDF:
		made, err := time.Parse(time.RFC3339, r.Period.To)
		if err != nil {
			return nil, fmt.Errorf("read the end of the period: %w", err)
		}
		return pdf.Write(d, made)
	}
	return nil, fmt.Errorf("form %q is not known", form)
}

// All makes a report in every form and language: its JSON, which is given, and
// what is made of it. name begins the name of each file.
func All(r *api.Report, json []byte, name string, bom bool) ([]File, error) {
	files := []File{{name + ".json", json}}
	for _, lang := range wording.Languages() {
		d, err := document.Of(r, lang)
		if err != nil {
			return nil, err
		}
		o := Options{Language: lang, BOM: bom}
		for _, form := range []Form{PDF, HTML, XLSX} {
			data, err := write(r, d, form, o)
			if err != nil {
				return nil, err
			}
			files = append(files, File{fmt.Sprintf("%s.%s.%s", name, lang, form), data})
		}
		for _, t := range d.Tables() {
			data, err := csvfile.Write(t, bom)
			if err != nil {
				return nil, err
			}
			files = append(files, File{fmt.Sprintf("%s.%s.%s.csv", name, lang, t.ID), data})
		}
	}
	return files, nil
}

// Named makes again one of the files of All but the JSON, by its name; name
// begins the names of all. False: there is no such file.
func Named(r *api.Report, name, file string, bom bool) (data []byte, known bool, err error) {
	rest, ok := strings.CutPrefix(file, name+".")
	language, what, found := strings.Cut(rest, ".")
	lang, err := wording.ParseLanguage(language)
	if !ok || !found || err != nil {
		return nil, false, nil
	}
	d, err := document.Of(r, lang)
	if err != nil {
		return nil, true, err
	}
	if table, isCSV := strings.CutSuffix(what, "."+string(CSV)); isCSV {
		t := d.Table(table)
		if t == nil {
			return nil, false, nil
		}
		data, err = csvfile.Write(t, bom)
		return data, true, err
	}
	switch form := Form(what); form {
	case PDF, HTML, XLSX:
		data, err = write(r, d, form, Options{Language: lang})
		return data, true, err
	}
	return nil, false, nil
}
