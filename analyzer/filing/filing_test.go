package filing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/analyzer/report"
)

const name = "report-2025-06-03"

// made is a report over a day: a pair that complies, one that does not, and a
// silent one.
func made(t *testing.T) *api.Report {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	period, err := report.ParsePeriod("2025-06-03", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_123, 60), 0, nil)
	s.Both(t, m, "a1", "c1", period.From, period.To, append(scenario.Same(21_000, 54), 30_000, 31_000, 31_000, 31_000, 31_000, 31_000), 0, nil)
	plan, err := report.NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Build(t.Context(), plan, s, report.Options{GeneratedBy: "fibergauge-analyzer test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// file files a report as the revision after another; nil: the first.
func file(t *testing.T, dir string, r *api.Report, before *Filed, key *manifest.PrivateKey) string {
	t.Helper()
	data, err := report.JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	m := ManifestFor(r, before)
	stem := Stem(name, m.Revision)
	files, err := publish.All(r, data, stem, false)
	if err != nil {
		t.Fatal(err)
	}
	path, err := Write(dir, stem, files, m, key)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func newKey(t testing.TB, a manifest.Algorithm) *manifest.PrivateKey {
	t.Helper()
	key, err := manifest.Generate(a)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// first is what a first revision has, made once: a PDF takes its time.
var first struct {
	once  sync.Once
	files map[string][]byte
	key   *manifest.PrivateKey
}

// signed is a folder with a first revision, and its key.
func signed(t *testing.T) (dir string, key *manifest.PrivateKey) {
	t.Helper()
	first.once.Do(func() {
		folder, key := t.TempDir(), newKey(t, manifest.Ed25519)
		file(t, folder, made(t), nil, key)
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		first.files, first.key = map[string][]byte{}, key
		for _, e := range entries {
			first.files[e.Name()] = read(t, folder, e.Name())
		}
	})
	if first.key == nil {
		t.Fatal("it could not be made")
	}
	dir = t.TempDir()
	for name, data := range first.files {
		overwrite(t, data, dir, name)
	}
	return dir, first.key
}

func check(t *testing.T, path string, keys ...*manifest.PrivateKey) *Result {
	t.Helper()
	o := Options{GeneratedBy: "fibergauge-analyzer test"}
	for _, k := range keys {
		o.Keys = append(o.Keys, k.Public())
	}
	r, err := Check([]string{path}, o)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := Table(&table, r); err != nil {
		t.Fatal(err)
	}
	if r.Good != (len(r.Findings) == 0) {
		t.Errorf("good is %v with %d findings", r.Good, len(r.Findings))
	}
	for _, f := range r.Findings {
		if f.Text() == "" {
			t.Errorf("%s has no text", f.Code)
		}
	}
	for line := range strings.Lines(table.String()) {
		if n := len([]rune(line)); n > columns+1 && !strings.Contains(line, t.TempDir()[:8]) {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	return r
}

func pathOf(f Finding) string {
	if f.File != "" {
		return f.File
	}
	return f.Manifest
}

// found are the codes of the findings and the files that they are of.
func found(r *Result) []string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Code+" "+filepath.Base(pathOf(f)))
	}
	return all
}

func want(t *testing.T, r *Result, all ...string) {
	t.Helper()
	if !slices.Equal(all, found(r)) {
		t.Errorf("findings are %q, want %q", found(r), all)
		for _, f := range r.Findings {
			t.Log(f.Text(), f.Differences)
		}
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func overwrite(t *testing.T, data []byte, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	theManifest = name + ".manifest.json"
	theJSON     = name + ".json"
)

func TestAsFiled(t *testing.T) {
	for _, a := range []manifest.Algorithm{manifest.Ed25519, manifest.SM2} {
		dir, key := t.TempDir(), newKey(t, a)
		file(t, dir, made(t), nil, key)
		for _, path := range []string{"", theManifest, theManifest + ".sig", theJSON, name + ".en.pairs.csv"} {
			r := check(t, filepath.Join(dir, path), key)
			want(t, r)
			s := r.Reports[0].Signature
			if len(r.Reports) != 1 || s.State != SignatureGood || s.Algorithm != a || s.KeyID != key.Public().ID() || !s.KeyGiven || r.Reports[0].AsFiled != r.Reports[0].Files {
				t.Errorf("%s: %+v", path, r.Reports)
			}
			if text := r.Summary(); !strings.HasSuffix(text, "by a key that was given") {
				t.Errorf("%s: %s", path, text)
			}
		}
		r := check(t, dir)
		want(t, r)
		if text := r.Summary(); r.Reports[0].Signature.KeyGiven || !strings.Contains(text, "nobody vouched for") {
			t.Errorf("without a key: %s", text)
		}
		r = check(t, dir, newKey(t, a))
		want(t, r, "key_not_given "+theManifest)
		var table strings.Builder
		if err := Table(&table, r); err != nil || !strings.Contains(table.String(), "by none of the keys that were given") || strings.Contains(table.String(), "not checked") {
			t.Errorf("%v\n%s", err, table.String())
		}
		want(t, check(t, dir, newKey(t, a), key))
	}
}

// Without a key there is a manifest, and nobody can take it for signed.
func TestNotSigned(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, made(t), nil, nil)
	r := check(t, dir)
	want(t, r)
	if text := r.Summary(); !strings.Contains(text, "is not signed") {
		t.Error(text)
	}
	want(t, check(t, dir, newKey(t, manifest.Ed25519)), "not_signed "+theManifest)
	overwrite(t, make([]byte, 64), dir, theManifest+".sig")
	want(t, check(t, dir), "file_extra "+theManifest+".sig")
}

// Every form, altered by one byte anywhere, is refused, and no such file makes
// the explanation fall.
func TestOneByte(t *testing.T) {
	dir, key := signed(t)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]bool{}
	for _, e := range entries {
		file := e.Name()
		ext := filepath.Ext(file)
		if ext == ".csv" && forms[ext] || ext != ".csv" && strings.Contains(file, ".zh.") {
			continue
		}
		forms[ext] = true
		whole := read(t, dir, file)
		places := 41
		if ext == ".pdf" {
			places = 7 // to make it again takes longest
		}
		for i := range places {
			at := i * (len(whole) - 1) / (places - 1)
			altered := bytes.Clone(whole)
			altered[at] ^= 1
			overwrite(t, altered, dir, file)
			r := check(t, dir, key)
			if r.Good || len(r.Findings) != 1 && file != theManifest {
				t.Errorf("%s: byte %d: %q", file, at, found(r))
				continue
			}
			f := r.Findings[0]
			if f.Code == FileChanged && len(f.Differences) == 0 && f.Detail == "" {
				t.Errorf("%s: byte %d: nothing is said of what differs", file, at)
			}
		}
		overwrite(t, whole, dir, file)
	}
	want(t, check(t, dir, key))
	if got := slices.Sorted(maps.Keys(forms)); !slices.Equal(got, []string{".csv", ".html", ".json", ".pdf", ".sig", ".xlsx"}) {
		t.Errorf("forms are %q", got)
	}
}

// A report whose parts are missing or do not fit each other cannot be laid out.
// It is refused like any other that was altered, and verify does not fall over
// it.
func TestWhatCannotBeLaidOut(t *testing.T) {
	for _, change := range []struct {
		name string
		to   func(*api.Report)
	}{
		{"no planes", func(r *api.Report) { r.Planes = nil }},
		{"no statistic", func(r *api.Report) { r.Policy.Statistic = "" }},
		{"a verdict of no target", func(r *api.Report) { r.Rate.Target = nil }},
		{"points without packets", func(r *api.Report) { r.Distributions[0].ECDF.Within = nil }},
	} {
		t.Run(change.name, func(t *testing.T) {
			dir, key := signed(t)
			r := made(t)
			change.to(r)
			data, err := report.JSON(r)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, data, dir, theJSON)
			got := check(t, dir, key)
			want(t, got, "file_changed "+theJSON)
			if f := got.Findings[0]; f.Detail == "" {
				t.Error("nothing is said of it")
			}
			// Nor if it is what was filed, and another form has to be held against it.
			other := t.TempDir()
			files := []publish.File{{Name: theJSON, Data: data}, {Name: name + ".en.html", Data: []byte("<html>")}}
			if _, err := Write(other, name, files, ManifestFor(r, nil), key); err != nil {
				t.Fatal(err)
			}
			overwrite(t, []byte("<HTML>"), other, name+".en.html")
			if got := check(t, other, key); got.Counts[FileChanged] != 1 {
				t.Errorf("findings are %q", found(got))
			}
		})
	}
}

// A file cut off or added to at any place is refused as well.
func TestOtherLength(t *testing.T) {
	dir, key := signed(t)
	for _, ext := range []string{".json", ".en.xlsx", ".en.pdf", ".zh.html", ".en.pairs.csv", ".manifest.json", ".manifest.json.sig"} {
		whole := read(t, dir, name+ext)
		for _, data := range [][]byte{nil, whole[:1], whole[:len(whole)/2], whole[:len(whole)-1], append(bytes.Clone(whole), '\n'), slices.Concat(whole[:len(whole)/2], []byte("0"), whole[len(whole)/2:])} {
			overwrite(t, data, dir, name+ext)
			if r := check(t, dir, key); r.Good {
				t.Errorf("%s of %d bytes is good", ext, len(data))
			}
		}
		overwrite(t, whole, dir, name+ext)
	}
}

// difference is the only one of the only finding, of a changed file.
func difference(t *testing.T, r *Result) Difference {
	t.Helper()
	if len(r.Findings) != 1 || r.Findings[0].Code != FileChanged || len(r.Findings[0].Differences) != 1 {
		t.Fatalf("findings are %+v", r.Findings)
	}
	return r.Findings[0].Differences[0]
}

func TestOneCell(t *testing.T) {
	dir, _ := signed(t)
	path := filepath.Join(dir, name+".en.xlsx")
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sheet := "Every pair of clusters"
	if err := f.SetCellFloat(sheet, "I2", 20.124, -1, 64); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	if got, want := difference(t, check(t, dir)), (Difference{`sheet "Every pair of clusters", cell I2 (Measured RTT (ms))`, "20.123", "20.124"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func replaceOnce(t *testing.T, old, new string, path ...string) {
	t.Helper()
	data := read(t, path...)
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s is not in %s", old, path)
	}
	overwrite(t, bytes.Replace(data, []byte(old), []byte(new), 1), path...)
}

func TestOneDigit(t *testing.T) {
	for _, test := range []struct {
		file, old, new string
		want           Difference
	}{
		{name + ".en.pairs.csv", "20.123,", "20.124,", Difference{"row 2 (optical, Alpha – Beta), Measured RTT (ms)", "20.123", "20.124"}},
		{name + ".zh.pairs.csv", "20.123,", "20.124,", Difference{"row 2 (光层, 甲—乙), 实测往返时延/ms", "20.123", "20.124"}},
		{name + ".en.pairs.csv", "Carrier", "carrier", Difference{"row 1, Carrier", "Carrier", "carrier"}},
		{theJSON, `"compliant": 1`, `"compliant": 2`, Difference{"rate.compliant", "1", "2"}},
		{theJSON, `"p99_ms": 20.123`, `"p99_ms": 20.124`, Difference{"pairs[0].ends[0].p99_ms", "20.123", "20.124"}},
		{theJSON, `"verdict": "compliant"`, `"verdict": "compliAnt"`, Difference{"pairs[0].verdict", `"compliant"`, `"compliAnt"`}},
		{theJSON, `"schema"`, `"schemA"`, Difference{"the name schema", `"schema": "fibergauge.report/1"`, `"schemA": "fibergauge.report/1"`}},
	} {
		dir, key := signed(t)
		replaceOnce(t, test.old, test.new, dir, test.file)
		r := check(t, dir, key)
		want(t, r, "file_changed "+test.file)
		if got := difference(t, r); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.file, got, test.want)
		}
	}
}

// A value that was altered in several digits is found again by the forms, or by
// where it stands a second time.
func TestOneValue(t *testing.T) {
	for _, test := range []struct{ after, old, new, path, was, is string }{
		{"\n  \"planes\": [", `"measured_rtt_ms": 20.123`, `"measured_rtt_ms": 7.5`, "planes[0].pairs[0].measured_rtt_ms", "20.123", "7.5"},
		{"\n  \"pairs\": [", `"p99_ms": 20.123`, `"p99_ms": 7.5`, "pairs[0].ends[0].p99_ms", "20.123", "7.5"},
		{"\n  \"planes\": [", `"p99_ms": 20.123`, `"p99_ms": 7.5`, "planes[0].pairs[0].ends[0].p99_ms", "20.123", "7.5"},
		{"\n  \"pairs\": [", `"verdict": "compliant"`, `"verdict": "non-compliant"`, "pairs[0].verdict", `"compliant"`, `"non-compliant"`},
	} {
		dir, key := signed(t)
		data := read(t, dir, theJSON)
		at := bytes.Index(data, []byte(test.after))
		overwrite(t, slices.Concat(data[:at], bytes.Replace(data[at:], []byte(test.old), []byte(test.new), 1)), dir, theJSON)
		if got, want := difference(t, check(t, dir, key)), (Difference{test.path, test.was, test.is}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// A report that contradicts itself is found although it is signed.
func TestContradictsItself(t *testing.T) {
	for name, alter := range map[string]func(*api.Report){
		"rate.compliant is 3, and by the rest of the report 1":                                               func(r *api.Report) { r.Rate.Compliant = 3 },
		"planes[0].rate.non_compliant is 0, and by the rest of the report 1":                                 func(r *api.Report) { r.Planes[0].Rate.NonCompliant, r.Rate.NonCompliant = 0, 0 },
		"pairs[0].measured_rtt_ms is 7.5, and by the rest of the report 20.123":                              func(r *api.Report) { ms := 7.5; r.Pairs = slices.Clone(r.Pairs); r.Pairs[0].MeasuredRTTMS = &ms },
		"planes[0].rate.fraction is 0.9, and by the rest of the report 0.3333333333333333":                   func(r *api.Report) { r.Planes[0].Rate.Fraction, r.Rate.Fraction = 0.9, 0.9 },
		"planes[0].rate.met is true, and by the rest of the report false":                                    func(r *api.Report) { met := true; r.Planes[0].Rate.Met, r.Rate.Met = &met, &met },
		"period.to is 2025-06-05T00:00:00+08:00 in the report and 2025-06-04T00:00:00+08:00 in the manifest": nil,
	} {
		dir, key := t.TempDir(), newKey(t, manifest.Ed25519)
		r := made(t)
		if alter != nil {
			alter(r)
			file(t, dir, r, nil, key)
		} else {
			m := ManifestFor(r, nil)
			r.Period.To = "2025-06-05T00:00:00+08:00"
			data, err := report.JSON(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Write(dir, "report-2025-06-03", []publish.File{{Name: theJSON, Data: data}}, m, key); err != nil {
				t.Fatal(err)
			}
		}
		result := check(t, dir, key)
		want(t, result, "report_contradicts "+theJSON)
		if !strings.HasSuffix(result.Findings[0].Text(), ": "+name) {
			t.Errorf("%s, want %s", result.Findings[0].Text(), name)
		}
	}
}

func TestTable(t *testing.T) {
	filed := manifest.File{Name: "report-2025-06.en.pairs.csv"}
	r := &Result{
		Reports: []Report{
			{
				Manifest: "filed/report-2025-06.manifest.json", SHA256: strings.Repeat("a", 64), Revision: 2, Replaces: &manifest.Replaced{Revision: 1},
				Period: &manifest.Period{From: "2025-06-01T00:00:00+08:00", To: "2025-07-01T00:00:00+08:00"}, Files: 2, AsFiled: 1,
				Signature: Signature{State: SignatureGood, Algorithm: manifest.SM2, KeyID: strings.Repeat("b", 64)},
				Notes:     []string{"revision 1, which it takes the place of, is not here"},
			},
			{Manifest: "filed/\x1b[2J.manifest.json"},
		},
		Counts: map[string]int{FileChanged: 1, ManifestBroken: 1},
		Findings: []Finding{
			{Code: FileChanged, File: "filed/report-2025-06.en.pairs.csv", Filed: &filed, LeftOut: 3, Differences: []Difference{
				{"row 3 (optical, Zhangjiakou – Wuhu), Measured RTT (ms)", "20.123", "20.124\x07"}, {"row 4 (optical, Zhangjiakou – Wuhu), Why", "", strings.Repeat("x", 100)},
			}},
			{Code: ManifestBroken, Manifest: "filed/\x1b[2J.manifest.json", Detail: "it is no JSON object"},
		},
	}
	var b bytes.Buffer
	if err := Table(&b, r); err != nil {
		t.Fatal(err)
	}
	const want = `filed/report-2025-06.manifest.json
  period    2025-06-01T00:00:00+08:00 to 2025-07-01T00:00:00+08:00
  revision  2, in the place of 1
  SHA-256   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  signed    yes; whose key it is was not checked (SM2 with SM3)
  key       bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
  files     1 of 2 as they were filed
  note      revision 1, which it takes the place of, is not here

"filed/\x1b[2J.manifest.json"
            cannot be read

file_changed: filed/report-2025-06.en.pairs.csv is not what was filed
    row 3 (optical, Zhangjiakou – Wuhu), Measured RTT (ms): filed 20.123, found
        "20.124\a"
    row 4 (optical, Zhangjiakou – Wuhu), Why: filed nothing, found
        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    … and 3 more
manifest_broken: "filed/\x1b[2J.manifest.json" is no manifest: it is no JSON
    object
findings: 1 file_changed, 1 manifest_broken
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A form that another version of the program made is compared all the same, and
// not taken for altered in all that differs.
func TestOtherVersion(t *testing.T) {
	dir, key := t.TempDir(), newKey(t, manifest.Ed25519)
	r := made(t)
	data, err := report.JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	files, err := publish.All(r, data, name, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if files[i].Name == name+".en.pairs.csv" {
			files[i].Data = bytes.Replace(files[i].Data, []byte("Carrier"), []byte("Operator"), 1)
		}
	}
	if _, err := Write(dir, name, files, ManifestFor(r, nil), key); err != nil {
		t.Fatal(err)
	}
	want(t, check(t, dir, key))
	replaceOnce(t, "20.123,", "20.124,", dir, name+".en.pairs.csv")
	replaceOnce(t, "20.123,", "20.124,", dir, name+".zh.pairs.csv")
	result := check(t, dir, key)
	want(t, result, "file_changed "+name+".en.pairs.csv", "file_changed "+name+".zh.pairs.csv")
	if f := result.Findings[0]; len(f.Differences) != 2 || !strings.Contains(f.Detail, "made it otherwise") {
		t.Errorf("%q %+v", f.Detail, f.Differences)
	}
	if f := result.Findings[1]; len(f.Differences) != 1 || f.Detail != "" {
		t.Errorf("%q %+v", f.Detail, f.Differences)
	}
}

// Where JSON and forms were altered together, the JSON is found again, and the
// forms are held against that.
func TestSeveralFiles(t *testing.T) {
	dir, _ := signed(t)
	replaceOnce(t, `"measured_rtt_ms": 20.123`, `"measured_rtt_ms": 20.124`, dir, theJSON)
	replaceOnce(t, "20.123,", "20.124,", dir, name+".en.pairs.csv")
	replaceOnce(t, "<td", "<tD", dir, name+".en.html")
	r := check(t, dir)
	want(t, r, "file_changed "+theJSON, "file_changed "+name+".en.html", "file_changed "+name+".en.pairs.csv")
	for _, f := range r.Findings {
		if len(f.Differences) != 1 {
			t.Errorf("%s: %q %+v", f.File, f.Detail, f.Differences)
		}
	}
}

// What cannot be found again is at least narrowed down, and held against the
// forms.
func TestManyValues(t *testing.T) {
	dir, _ := signed(t)
	overwrite(t, bytes.ReplaceAll(read(t, dir, theJSON), []byte("20.123"), []byte("20.1245")), dir, theJSON)
	r := check(t, dir)
	want(t, r, "file_changed "+theJSON)
	f := r.Findings[0]
	if !strings.Contains(f.Detail, "it differs within bytes") || !slices.ContainsFunc(f.Differences, func(d Difference) bool {
		return d == Difference{name + ".en.pairs.csv, row 2 (optical, Alpha – Beta), Measured RTT (ms)", "20.123", "20.1245"}
	}) {
		t.Errorf("%s %+v", f.Detail, f.Differences)
	}
}

func TestFolders(t *testing.T) {
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		alter func(t *testing.T, dir string)
		want  []string
	}{
		{"a file is missing", func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, name+".en.pdf"), filepath.Join(t.TempDir(), "x"))
		}, []string{"file_missing " + name + ".en.pdf"}},
		{"names are swapped", func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, name+".en.pdf"), filepath.Join(dir, "x"))
			rename(t, filepath.Join(dir, name+".zh.pdf"), filepath.Join(dir, name+".en.pdf"))
			rename(t, filepath.Join(dir, "x"), filepath.Join(dir, name+".zh.pdf"))
		}, []string{"file_changed " + name + ".en.pdf", "file_changed " + name + ".zh.pdf"}},
		{"a file of a like name is added", func(t *testing.T, dir string) { overwrite(t, nil, dir, name+".en.annex.csv") }, []string{"file_extra " + name + ".en.annex.csv"}},
		{"any file is added", func(t *testing.T, dir string) { overwrite(t, nil, dir, "x") }, []string{"file_extra x"}},
		{"a folder with a file is added", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			overwrite(t, nil, dir, "sub", "x")
		}, []string{"file_extra sub"}},
		{"a file is a link to the same bytes", func(t *testing.T, dir string) {
			elsewhere := filepath.Join(t.TempDir(), "x")
			rename(t, filepath.Join(dir, name+".en.pdf"), elsewhere)
			if err := os.Symlink(elsewhere, filepath.Join(dir, name+".en.pdf")); err != nil {
				t.Skipf("SKIPPED: no links here: %v", err)
			}
		}, []string{"file_not_regular " + name + ".en.pdf"}},
		{"a file is a folder", func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, name+".en.pdf"), filepath.Join(t.TempDir(), "x"))
			if err := os.Mkdir(filepath.Join(dir, name+".en.pdf"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"file_not_regular " + name + ".en.pdf"}},
		{"the signature is missing", func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, theManifest+".sig"), filepath.Join(t.TempDir(), "x"))
		}, []string{"signature_missing " + theManifest}},
		{"the signature is cut off", func(t *testing.T, dir string) {
			overwrite(t, read(t, dir, theManifest+".sig")[:63], dir, theManifest+".sig")
		}, []string{"signature_wrong " + theManifest}},
		{"the signature is huge", func(t *testing.T, dir string) { overwrite(t, make([]byte, 1<<20), dir, theManifest+".sig") }, []string{"signature_wrong " + theManifest}},
		{"the signature is by another key", func(t *testing.T, dir string) {
			signature, err := newKey(t, manifest.Ed25519).Sign(read(t, dir, theManifest))
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, signature, dir, theManifest+".sig")
		}, []string{"signature_wrong " + theManifest}},
		{"the manifest is huge", func(t *testing.T, dir string) { overwrite(t, make([]byte, 2<<20), dir, theManifest) }, []string{"manifest_broken " + theManifest}},
		{"the manifest names the folder above", func(t *testing.T, dir string) {
			replaceOnce(t, `"`+name+`.en.pdf"`, `"../`+name+`.en.pdf"`, dir, theManifest)
		}, []string{"manifest_broken " + theManifest}},
		{"the manifest has a file twice", func(t *testing.T, dir string) {
			replaceOnce(t, `"`+name+`.zh.pdf"`, `"`+name+`.en.pdf"`, dir, theManifest)
		}, []string{"manifest_broken " + theManifest}},
		{"the manifest has another hash", func(t *testing.T, dir string) {
			data := read(t, dir, theManifest)
			overwrite(t, bytes.Replace(data, data[bytes.Index(data, []byte(`"data_sha256"`)):][:24], []byte(`"data_sha256": "00000000`), 1), dir, theManifest)
		}, []string{"signature_wrong " + theManifest, "report_contradicts " + theJSON}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, key := signed(t)
			test.alter(t, dir)
			want(t, check(t, dir, key), test.want...)
		})
	}
}

// Who has a key of their own can sign what they like, and it is not the key that
// was given.
func TestSignedAnew(t *testing.T) {
	dir, key := signed(t)
	r := made(t)
	r.Data.Windows = 3
	forged := t.TempDir()
	file(t, forged, r, nil, newKey(t, manifest.Ed25519))
	want(t, check(t, forged))
	want(t, check(t, forged, key), "key_not_given "+theManifest)
	// Their report under our manifest.
	overwrite(t, read(t, forged, theJSON), dir, theJSON)
	if r := check(t, dir, key); r.Good || r.Counts[FileChanged] != 1 {
		t.Errorf("%q", found(r))
	}
}

func TestAlone(t *testing.T) {
	dir := t.TempDir()
	overwrite(t, []byte("x"), dir, "report.pdf")
	want(t, check(t, filepath.Join(dir, "report.pdf")), "nothing_to_verify report.pdf")
	want(t, check(t, dir), "nothing_to_verify "+filepath.Base(dir))
	for _, path := range []string{"none.pdf", "none.manifest.json", "none.manifest.json.sig"} {
		if _, err := Check([]string{filepath.Join(dir, path)}, Options{}); err == nil || !strings.Contains(err.Error(), "there is no such file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A file that was filed alone has a manifest of its own, beside those of others.
func TestOneForm(t *testing.T) {
	dir, key := signed(t)
	data := read(t, dir, name+".en.pdf")
	path, err := Write(dir, name+".pdf", []publish.File{{Name: name + ".pdf", Data: data}}, ManifestFor(made(t), nil), key)
	if err != nil || path != filepath.Join(dir, name+".pdf.manifest.json") {
		t.Fatalf("%s, %v", path, err)
	}
	want(t, check(t, dir, key))
	r := check(t, filepath.Join(dir, name+".pdf"), key)
	want(t, r)
	if r.Reports[0].Manifest != path || r.Reports[0].Files != 1 {
		t.Errorf("%+v", r.Reports)
	}
	overwrite(t, data[1:], dir, name+".pdf")
	want(t, check(t, dir, key), "file_changed "+name+".pdf")
}

// revised is a folder with three revisions.
func revised(t *testing.T) (string, *manifest.PrivateKey) {
	t.Helper()
	dir, key := signed(t)
	for i, change := range []func(*api.Report){
		func(r *api.Report) {
			r.DataSHA256 = strings.Repeat("e", 64)
			r.GeneratedBy = "fibergauge-analyzer later"
		},
		func(r *api.Report) { r.DataSHA256 = strings.Repeat("f", 64) },
	} {
		before, err := Newest(dir, name)
		if err != nil || before.Manifest.Revision != i+1 {
			t.Fatalf("%v", err)
		}
		r := made(t)
		change(r)
		if changed, err := report.Revise(before.Report, r, api.Replaced{Number: before.Manifest.Revision, ManifestSHA256: before.SHA256}, "why"); !changed || err != nil {
			t.Fatalf("%v, %v", changed, err)
		}
		file(t, dir, r, before, key)
	}
	return dir, key
}

func TestRevisions(t *testing.T) {
	dir, key := revised(t)
	r := check(t, dir, key)
	want(t, r)
	if len(r.Reports) != 3 || !slices.Equal(r.Reports[0].Notes, []string{"revision 2 is here and takes its place"}) || r.Reports[2].Replaces.ManifestSHA256 != r.Reports[1].SHA256 {
		t.Errorf("%+v", r.Reports)
	}
	var second api.Report
	if err := json.Unmarshal(read(t, dir, name+"_r03.json"), &second); err != nil || len(second.Revisions) != 2 || second.Revisions[1].Replaces.ManifestSHA256 != r.Reports[1].SHA256 {
		t.Errorf("%v, %+v", err, second.Revisions)
	}
	for _, ext := range []string{".en.revisions.csv", ".zh.revisions.csv"} {
		if text := read(t, dir, name+"_r02"+ext); bytes.Count(text, []byte("\r\n")) < 3 {
			t.Errorf("%s: %s", ext, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, name+".en.revisions.csv")); err == nil {
		t.Error("the first revision has a table of revisions")
	}

	// Nor does the first pass for the newest where the second was taken away.
	middle := filepath.Join(dir, name+"_r02.manifest.json")
	if err := os.Rename(middle, middle+".away"); err != nil {
		t.Fatal(err)
	}
	if notes := check(t, filepath.Join(dir, theJSON), key).Reports[0].Notes; !slices.Equal(notes, []string{"revision 3 is here and takes its place"}) {
		t.Errorf("without the second: %q", notes)
	}
	if err := os.Rename(middle+".away", middle); err != nil {
		t.Fatal(err)
	}

	// Without the first the second is good, and says so.
	alone := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+"_r02.") {
			overwrite(t, read(t, dir, e.Name()), alone, e.Name())
		}
	}
	r = check(t, alone, key)
	want(t, r)
	if !slices.Equal(r.Reports[0].Notes, []string{"revision 1, which it takes the place of, is not here"}) {
		t.Errorf("%+v", r.Reports)
	}
}

// The old one stays: whoever puts another into its place breaks the chain, with
// the right key, too.
func TestChainBroken(t *testing.T) {
	dir, key := revised(t)
	other := t.TempDir()
	r := made(t)
	r.Data.Windows = 3
	file(t, other, r, nil, key)
	entries, err := os.ReadDir(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		overwrite(t, read(t, other, e.Name()), dir, e.Name())
	}
	want(t, check(t, dir, key), "chain_broken "+name+"_r02.manifest.json")

	dir, key = revised(t)
	for _, ext := range []string{"", ".sig"} {
		overwrite(t, read(t, dir, name+"_r03.manifest.json"+ext), dir, name+"_r07.manifest.json"+ext)
	}
	if r := check(t, filepath.Join(dir, name+"_r07.manifest.json"), key); r.Counts[ChainBroken] != 1 {
		t.Errorf("a third revision passes for a seventh: %q", found(r))
	}
}

// A revision that says something else of the one before than this says itself is
// found, whoever signed both.
func TestMisquoted(t *testing.T) {
	for _, test := range []struct {
		name  string
		alter func(r *api.Report)
		want  string // of the text of each finding
	}{
		{"as it was", func(*api.Report) {}, ""},
		{"a rate", func(r *api.Report) {
			was := r.Planes[0].Rate
			was.Compliant = 2
			r.Revisions[1].Rates = []api.RevisedRate{{Plane: "optical", Was: &was, Is: &r.Planes[0].Rate}}
		}, "revisions[1].rates[0].was.compliant is 2, and by the revision before 1"},
		{"a verdict", func(r *api.Report) {
			r.Revisions[1].Verdicts = []api.RevisedVerdict{{Plane: "optical", Pair: r.Pairs[0].Pair, Was: api.NonCompliant, Is: api.Compliant}}
		}, `revisions[1].verdicts[0].was is "non-compliant", and by the revision before "compliant"`},
		{"a plane that was not there", func(r *api.Report) {
			r.Revisions[1].Rates = []api.RevisedRate{{Plane: "elsewhere", Was: &api.Rate{}}}
		}, "revisions[1].rates[0].was is "},
		{"an earlier reason", func(r *api.Report) { r.Revisions[0].Reason = "another" }, `revisions[0].reason is "another", and by the revision before "why"`},
		{"an earlier entry", func(r *api.Report) { r.Revisions = r.Revisions[1:] }, "revisions is [], and by the revision before "},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, key := signed(t)
			for i, sha := range []string{"e", "f"} {
				before, err := Newest(dir, name)
				if err != nil {
					t.Fatal(err)
				}
				r := made(t)
				r.DataSHA256 = strings.Repeat(sha, 64)
				if _, err := report.Revise(before.Report, r, api.Replaced{Number: before.Manifest.Revision, ManifestSHA256: before.SHA256}, "why"); err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					test.alter(r)
				}
				data, err := report.JSON(r)
				if err != nil {
					t.Fatal(err)
				}
				m := ManifestFor(r, before)
				if _, err := Write(dir, Stem(name, m.Revision), []publish.File{{Name: Stem(name, m.Revision) + ".json", Data: data}}, m, key); err != nil {
					t.Fatal(err)
				}
			}
			r := check(t, dir, key)
			if test.want == "" {
				want(t, r)
				return
			}
			want(t, r, "report_contradicts "+name+"_r03.json")
			if text := r.Findings[0].Text(); !strings.Contains(text, ": "+test.want) {
				t.Errorf("%s, want %s", text, test.want)
			}
		})
	}
}

// Who files the same period into the same folder at the same moment waits, and
// makes a revision of what the other filed.
func TestFileAtOnce(t *testing.T) {
	dir, key := t.TempDir(), newKey(t, manifest.SM2)
	var filing sync.WaitGroup
	for i := range 3 {
		r := made(t)
		r.DataSHA256 = strings.Repeat(string(rune('d'+i)), 64)
		filing.Go(func() {
			if _, err := File(dir, name, r, As{Key: key}); err != nil {
				t.Errorf("%v", err)
			}
		})
	}
	filing.Wait()
	r := check(t, dir, key)
	want(t, r)
	if len(r.Reports) != 3 {
		t.Errorf("%d revisions are filed", len(r.Reports))
	}
}

// What is filed as the JSON report has to be one.
func TestNoReport(t *testing.T) {
	for _, text := range []string{"", "{}", `{"schema": "fibergauge.report/1", "planes": 1}`} {
		dir, key := t.TempDir(), newKey(t, manifest.Ed25519)
		if _, err := Write(dir, name, []publish.File{{Name: theJSON, Data: []byte(text)}}, ManifestFor(made(t), nil), key); err != nil {
			t.Fatal(err)
		}
		want(t, check(t, dir, key), "report_contradicts "+theJSON)
	}
}

// Nothing that is there is replaced, whoever made it.
func TestWriteReplacesNothing(t *testing.T) {
	dir, key := signed(t)
	r := made(t)
	if _, err := Write(dir, name, []publish.File{{Name: theJSON, Data: []byte("x")}}, ManifestFor(r, nil), key); err == nil || !strings.Contains(err.Error(), "never replaced") {
		t.Errorf("%v", err)
	}
	want(t, check(t, dir, key))
	// After a crash the manifest is not there yet: the same bytes may go on.
	before := read(t, dir, theManifest)
	if err := os.Remove(filepath.Join(dir, theManifest)); err != nil {
		t.Fatal(err)
	}
	file(t, dir, r, nil, key)
	if !bytes.Equal(before, read(t, dir, theManifest)) {
		t.Error("the same report and key give another manifest")
	}
	want(t, check(t, dir, key))
	if err := os.Remove(filepath.Join(dir, theManifest)); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, name, []publish.File{{Name: theJSON, Data: []byte("x")}}, ManifestFor(r, nil), key); err == nil || !strings.Contains(err.Error(), "is something else") {
		t.Errorf("%v", err)
	}
}

// What was altered is no ground for a revision.
func TestNewestRefusesWhatWasAltered(t *testing.T) {
	dir, _ := signed(t)
	replaceOnce(t, "20.123", "20.124", dir, name+".en.pairs.csv")
	if _, err := Newest(dir, name); err == nil || !strings.Contains(err.Error(), "is not as it was filed") {
		t.Errorf("%v", err)
	}
	if filed, err := Newest(filepath.Join(dir, "none"), name); filed != nil || err != nil {
		t.Errorf("%v, %v", filed, err)
	}
	if filed, err := Newest(dir, "report-2025-06"); filed != nil || err != nil {
		t.Errorf("another period: %v, %v", filed, err)
	}
}

func TestStem(t *testing.T) {
	var all []string
	for _, base := range []string{"report-2025-06", "report-2025-07"} {
		for _, n := range []int{1, 2, 10, 99} {
			stem := Stem(base, n)
			if got, revision := split(stem); got != base || revision != n {
				t.Errorf("%s is %s, %d", stem, got, revision)
			}
			for _, ext := range []string{".en.pdf", ".json", ".manifest.json", ".zh.pdf"} {
				all = append(all, stem+ext)
			}
		}
	}
	if !slices.IsSorted(all) {
		t.Errorf("revisions and months do not sort: %q", all)
	}
	for _, odd := range []string{"report_r1", "report_r01", "report_r002", "_r02"} {
		if base, n := split(odd); base != odd || n != 1 {
			t.Errorf("%s is %s, %d", odd, base, n)
		}
	}
}

// What is put into the place of a form may be made to be large when it is read:
// it is refused all the same, and no more differences are collected than are
// worth it.
func TestWhatGrowsWhenItIsRead(t *testing.T) {
	dir, key := signed(t)
	wide := excelize.NewFile()
	const sheet = "Every pair of clusters"
	if err := wide.SetSheetName("Sheet1", sheet); err != nil {
		t.Fatal(err)
	}
	w, err := wide.NewStreamWriter(sheet)
	if err != nil {
		t.Fatal(err)
	}
	const rows, columns = mostDifferences + 100, 500 // of which only the last has something
	for row := range rows {
		cell, err := excelize.CoordinatesToCellName(columns, row+1)
		if err == nil {
			err = w.SetRow(cell, []any{1})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var workbook bytes.Buffer
	if err := wide.Write(&workbook); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		ext  string
		data []byte
		told int // differences
	}{
		{".en.xlsx", workbook.Bytes(), mostDifferences},
		{".en.pairs.csv", bytes.Repeat([]byte("a\n"), 4<<20), 1},
		{".en.html", bytes.Repeat([]byte("\n"), 8<<20), 1},
	} {
		whole := read(t, dir, name+test.ext)
		if all := compare(filepath.Ext(test.ext), whole, test.data); len(all) < 1 || len(all) > test.told {
			t.Errorf("%s: %d differences, want at most %d", test.ext, len(all), test.told)
		}
		overwrite(t, test.data, dir, name+test.ext)
		want(t, check(t, dir, key), "file_changed "+name+test.ext)
		overwrite(t, whole, dir, name+test.ext)
	}
	empty := slices.Concat([]byte(`{"schema": "fibergauge.report/1", "links": [{}`), bytes.Repeat([]byte(",{}"), 1<<20), []byte("]}"))
	overwrite(t, empty, dir, theJSON)
	r := check(t, dir, key)
	want(t, r, "file_changed "+theJSON)
	if got := r.Findings[0].Detail; !strings.HasPrefix(got, fmt.Sprintf("it has %d bytes, and ", len(empty))) {
		t.Errorf("of a report of a million empty links it is said: %s", got)
	}
	deep := bytes.Repeat([]byte("["), 1<<20)
	if got := pathAt(deep, len(deep)-1); got != "byte 1048576" {
		t.Errorf("the path of a byte a million levels deep is %.40s", got)
	}
}
