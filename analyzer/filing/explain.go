package filing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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

// explain fills in what differs. What it lays out and reads may be anything,
// and neither our forms nor the libraries were written for that: what makes them
// fall is still what the digest says it is.
func (e *explainer) explain(f *Finding) {
	defer func() {
		if recover() != nil {
			f.Detail, f.Differences, f.LeftOut = "what differs cannot be said, for what is there cannot be laid out; only the digest tells", nil, 0
		}
	}()
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
	// A report of nothing but empty pairs takes two hundred times the memory.
	if filed := f.Filed.SizeBytes; name == e.json && !alike(len(found), int(min(filed, maxExplained))) {
		f.Detail = fmt.Sprintf("it has %d bytes, and %d were filed", len(found), filed)
		return
	}
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
	itself := contradictions(r)
	candidates := slices.Concat(all, itself)
	for _, d := range itself { // either of the two may be the one that was altered
		candidates = append(candidates, Difference{d.Where, d.Found, d.Filed})
	}
	if whole, was, at := e.restore(found, candidates); whole != nil {
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
	case len(itself) > 0:
		return itself, where + "no other form contradicts it, but it does itself, as planes and headline are the same there: filed is what it says of the plane"
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
