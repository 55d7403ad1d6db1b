package publish

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// made is a report over a day: a pair that complies, one that does not, and one
// that loses too much; on another plane one of two carriers, the rest silent.
func made(t *testing.T) *api.Report {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", append(scenario.Sites(), "a2 a two private-ip both", "b2 b two private-ip both"), nil)
	period, err := report.ParsePeriod("2025-06-03", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_123, 60), 0, nil)
	s.Both(t, m, "a1", "c1", period.From, period.To, append(scenario.Same(21_000, 54), 30_000, 30_000, 30_000, 31_000, 31_000, 31_000), 0, nil)
	s.Both(t, m, "b1", "c1", period.From, period.To, scenario.Same(24_000, 42), 18, nil)
	s.Both(t, m, "a2", "b2", period.From, period.To, scenario.Same(22_578, 60), 0, func(at time.Time) bool { return at.Hour() > 7 })
	plan, err := report.NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Build(t.Context(), plan, s, report.Options{GeneratedBy: "test", Complete: true, Trend: true})
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []string
	for i := range r.Pairs {
		verdicts = append(verdicts, fmt.Sprint(r.Pairs[i].Verdict, " ", r.Pairs[i].Unbounded))
	}
	if diff := cmp.Diff([]string{"compliant false", "non-compliant false", "non-compliant true"}, verdicts); diff != "" {
		t.Fatalf("the report is not what the tests are about (-want +got):\n%s", diff)
	}
	return r
}

func laidOut(t *testing.T, r *api.Report, lang wording.Language) *document.Document {
	t.Helper()
	d, err := document.Of(r, lang)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func written(t *testing.T, r *api.Report, form Form, lang wording.Language) []byte {
	t.Helper()
	data, err := Write(r, form, Options{Language: lang})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Write(r, form, Options{Language: lang})
	if err != nil || !bytes.Equal(data, again) {
		t.Fatalf("%s in %s: the same report gives other bytes, %v", form, lang, err)
	}
	return data
}

// numbers are those of a table, by row and column; NaN where there is none.
func numbers(t *document.Table) [][]float64 {
	var all [][]float64
	for _, row := range t.Rows {
		values := make([]float64, len(row))
		for i, c := range row {
			if values[i] = math.NaN(); c.Number != nil {
				values[i] = *c.Number
			}
		}
		all = append(all, values)
	}
	return all
}

var sameNumbers = cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })

func TestLanguagesHaveTheSameNumbers(t *testing.T) {
	r := made(t)
	en, zh := laidOut(t, r, wording.EN), laidOut(t, r, wording.ZH)
	a, b := en.Tables(), zh.Tables()
	if len(a) != len(b) || len(a) < 10 {
		t.Fatalf("%d and %d tables", len(a), len(b))
	}
	cells := 0
	for i := range a {
		if a[i].ID != b[i].ID {
			t.Fatalf("table %s stands where %s does", a[i].ID, b[i].ID)
		}
		if diff := cmp.Diff(numbers(a[i]), numbers(b[i]), sameNumbers); diff != "" {
			t.Errorf("%s (-en +zh):\n%s", a[i].ID, diff)
		}
		for r := range a[i].Rows {
			for c, cell := range a[i].Rows[r] {
				if cell.Number != nil {
					cells++
					if other := b[i].Rows[r][c].Text; other != cell.Text {
						t.Errorf("%s: %s in English, %s in Chinese", a[i].ID, cell.Text, other)
					}
				}
			}
		}
	}
	if cells < 300 {
		t.Errorf("only %d cells have numbers", cells)
	}
}

// What is shown is the number, rounded to no more than its decimals.
func TestShownIsTheNumber(t *testing.T) {
	for _, table := range laidOut(t, made(t), wording.EN).Tables() {
		for _, row := range table.Rows {
			for i, c := range row {
				if c.Number == nil {
					continue
				}
				shown, err := strconv.ParseFloat(c.Text, 64)
				if err != nil || math.Abs(shown-*c.Number) > math.Pow10(-c.Decimals) {
					t.Errorf("%s, %s: %v is shown as %q", table.ID, table.Columns[i].Key, *c.Number, c.Text)
				}
			}
		}
	}
}

func TestCSV(t *testing.T) {
	r := made(t)
	for _, lang := range wording.Languages() {
		pairs := laidOut(t, r, lang).Table(document.Pairs)
		rows, err := csv.NewReader(bytes.NewReader(written(t, r, CSV, lang))).ReadAll()
		if err != nil || len(rows) != len(pairs.Rows)+1 {
			t.Fatalf("%d rows of %d, %v", len(rows), len(pairs.Rows)+1, err)
		}
		for i, values := range numbers(pairs) {
			for c, want := range values {
				got, err := strconv.ParseFloat(rows[i+1][c], 64)
				if !math.IsNaN(want) && (err != nil || got != want) {
					t.Errorf("%s, row %d, %s: %q, want %v", lang, i, pairs.Columns[c].Key, rows[i+1][c], want)
				}
			}
		}
	}
	data, err := Write(r, CSV, Options{Language: wording.ZH, BOM: true})
	if err != nil || !bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		t.Errorf("no byte order mark, %v", err)
	}
}

// Hubs are named as the mesh names them; a report of an earlier version has their
// identifiers only.
func TestHubsAreNamed(t *testing.T) {
	r := made(t)
	if len(r.Mesh.Hubs) != 1 || r.Mesh.Hubs[0] != (api.Named{ID: "hub", EN: "Hub"}) {
		t.Fatalf("%+v", r.Mesh.Hubs)
	}
	for _, c := range []struct {
		hubs []api.Named
		lang wording.Language
		want string
	}{
		{r.Mesh.Hubs, wording.EN, "Hub"},
		{r.Mesh.Hubs, wording.ZH, "Hub"},
		{[]api.Named{{ID: "hub", EN: "Hub", ZH: "枢纽"}}, wording.ZH, "枢纽"},
		{nil, wording.EN, "hub"},
	} {
		r.Mesh.Hubs = c.hubs
		if got := laidOut(t, r, c.lang).Table("hubs").Rows[0][0].Text; got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.lang, c.hubs, got, c.want)
		}
	}
}

// sheet is what a worksheet of Office Open XML has in its cells.
type sheet struct {
	Rows []struct {
		Cells []struct {
			At    string `xml:"r,attr"`
			Kind  string `xml:"t,attr"`
			Value string `xml:"v"`
		} `xml:"c"`
	} `xml:"sheetData>row"`
	Panes []struct {
		State string `xml:"state,attr"`
	} `xml:"sheetViews>sheetView>pane"`
}

// The workbook is read by its XML, not by the library that wrote it.
func TestWorkbook(t *testing.T) {
	r := made(t)
	for _, lang := range wording.Languages() {
		data := written(t, r, XLSX, lang)
		archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for i, table := range laidOut(t, r, lang).Tables() {
			var s sheet
			readXML(t, archive, fmt.Sprintf("xl/worksheets/sheet%d.xml", i+2), &s)
			if len(s.Panes) != 1 || s.Panes[0].State != "frozen" {
				t.Errorf("%s: the heads are not frozen: %+v", table.ID, s.Panes)
			}
			got := map[string]string{}
			for _, row := range s.Rows {
				for _, c := range row.Cells {
					if c.Kind == "" || c.Kind == "n" {
						got[c.At] = c.Value
					}
				}
			}
			for n, values := range numbers(table) {
				for c, want := range values {
					at := fmt.Sprintf("%c%d", 'A'+c, n+2)
					if value, err := strconv.ParseFloat(got[at], 64); !math.IsNaN(want) && (err != nil || value != want) {
						t.Errorf("%s, %s %s: %q, want %v", lang, table.ID, at, got[at], want)
					}
				}
			}
		}
	}
}

func readXML(t *testing.T, archive *zip.Reader, name string, into any) {
	t.Helper()
	file, err := archive.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// The page is whole HTML, has every cell, and takes nothing from elsewhere.
func TestWebPage(t *testing.T) {
	r := made(t)
	for _, lang := range wording.Languages() {
		data := written(t, r, HTML, lang)
		if outside := regexp.MustCompile(`(src|href|url)\s*[=(]\s*["']?(https?:)?//`).Find(data); outside != nil || bytes.Contains(data, []byte("<script")) {
			t.Errorf("the page is not by itself: %s", outside)
		}
		var cells []string
		open := 0
		for z := html.NewTokenizer(bytes.NewReader(data)); ; {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			token := z.Token()
			switch {
			case kind == html.StartTagToken && token.Data == "td":
				open++
				cells = append(cells, "")
			case kind == html.EndTagToken && token.Data == "td":
				open--
			case kind == html.TextToken && open > 0:
				cells[len(cells)-1] += token.Data
			}
		}
		var want []string
		for _, s := range laidOut(t, r, lang).Sections {
			for _, b := range s.Blocks {
				if table, ok := b.(*document.Table); ok {
					for _, row := range table.Rows {
						for _, c := range row {
							want = append(want, c.Text)
						}
					}
				}
			}
		}
		if diff := cmp.Diff(want, cells); diff != "" || open != 0 {
			t.Errorf("%s (-document +page):\n%s", lang, diff)
		}
	}
}

// needs ends a test where a program is not there: skipped, failed in CI.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: needs %s: run make prepare", program)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// The PDF is read by programs that are not ours: it is sound, has its fonts, and
// every number and heading can be found in it.
func TestPDF(t *testing.T) {
	for _, program := range []string{"pdftotext", "pdffonts", "qpdf"} {
		needs(t, program)
	}
	r := made(t)
	for _, lang := range wording.Languages() {
		file := filepath.Join(t.TempDir(), "report.pdf")
		data := written(t, r, PDF, lang)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(data) > 3<<20 {
			t.Errorf("%s: %d bytes", lang, len(data))
		}
		output(t, "qpdf", "--check", file)
		fonts := strings.Split(strings.TrimSpace(output(t, "pdffonts", file)), "\n")[2:]
		for _, font := range fonts {
			if !regexp.MustCompile(`TrueType\s+Identity-H\s+yes`).MatchString(font) {
				t.Errorf("%s: a font is not embedded: %s", lang, font)
			}
		}
		text := strings.Join(strings.Fields(output(t, "pdftotext", "-layout", file, "-")), "")
		if strings.ContainsRune(text, '\ufffd') {
			t.Errorf("%s: a character has no glyph", lang)
		}
		d := laidOut(t, r, lang)
		found := func(what, words string) {
			if !strings.Contains(text, strings.Join(strings.Fields(words), "")) {
				t.Errorf("%s: %s is not in the PDF: %s", lang, what, words)
			}
		}
		found("a warning", d.Watermark)
		for _, s := range d.Sections {
			found("a heading", s.Heading)
			for _, b := range s.Blocks {
				if table, ok := b.(*document.Table); ok {
					for _, row := range table.Rows {
						for _, c := range row {
							if c.Number != nil {
								found("a number of "+table.ID, c.Text)
							}
						}
					}
				}
			}
		}
	}
}

func TestAllForms(t *testing.T) {
	r := made(t)
	files, err := All(r, []byte("{}"), "report-2025-06-03", true)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, f := range files {
		kinds[filepath.Ext(f.Name)]++
		if len(f.Data) == 0 || !strings.HasPrefix(f.Name, "report-2025-06-03.") {
			t.Errorf("%s has %d bytes", f.Name, len(f.Data))
		}
	}
	if kinds[".csv"] < 20 || kinds[".csv"]%2 != 0 {
		t.Errorf("%d tables", kinds[".csv"])
	}
	for _, f := range files {
		again, known, err := Named(r, "report-2025-06-03", f.Name, true)
		if isJSON := filepath.Ext(f.Name) == ".json"; err != nil || known == isJSON || !isJSON && !bytes.Equal(again, f.Data) {
			t.Errorf("%s made again: known is %v, %v, other bytes", f.Name, known, err)
		}
	}
	for _, name := range []string{"report-2025-06-03.en.none.csv", "report-2025-06-03.fr.pdf", "report-2025-06-03.en.docx", "report.en.pdf", "report-2025-06-03.en"} {
		if _, known, err := Named(r, "report-2025-06-03", name, false); known || err != nil {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
	delete(kinds, ".csv")
	if diff := cmp.Diff(map[string]int{".json": 1, ".pdf": 2, ".html": 2, ".xlsx": 2}, kinds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A report whose policy was altered is not laid out as if it had not been.
func TestAlteredPolicy(t *testing.T) {
	r := made(t)
	r.Policy.Text = strings.Replace(r.Policy.Text, "factor: 1.5", "factor: 1.6", 1)
	if _, err := Write(r, HTML, Options{Language: wording.EN}); err == nil || !strings.Contains(err.Error(), "one of the two was altered") {
		t.Errorf("%v", err)
	}
	r.Policy.Text = ""
	if _, err := Write(r, HTML, Options{Language: wording.EN}); err == nil {
		t.Error("a report without its policy is laid out")
	}
}
