package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// peer gives the path of a program that is not ours. Where it cannot be had the
// test is skipped, but not in continuous integration.
func peer(t *testing.T, name string) string {
	t.Helper()
	find := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "peers"), "path", name)
	var log bytes.Buffer
	find.Stderr = &log
	path, err := find.Output()
	if err != nil {
		miss := t.Skipf
		if os.Getenv("CI") == "true" {
			miss = t.Fatalf
		}
		miss("NOT READ by %s: %v: %s", name, err, log.String())
	}
	return strings.TrimSpace(string(path))
}

// threeDays is a report with every kind of figure: a pair that is above the limit
// each evening.
func threeDays(t *testing.T) *api.Report {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	period, err := report.ParsePeriod("", "2025-06-03", "2025-06-06", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	evening := func(at time.Time) bool { return at.In(m.Location()).Hour() >= 19 }
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_123, 60), 0, func(at time.Time) bool { return !evening(at) })
	s.Both(t, m, "a1", "b1", period.From, period.To, append(scenario.Same(22_000, 45), 23_000, 23_000, 23_000, 24_000, 24_000, 24_000), 9, evening)
	s.Both(t, m, "a1", "c1", period.From, period.To, scenario.Same(21_000, 60), 0, nil)
	plan, err := report.NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Build(t.Context(), plan, s, report.Options{GeneratedBy: "test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Distributions) != 2 || r.Pairs[0].Verdict != api.NonCompliant {
		t.Fatalf("%d pairs are diagnosed, the first is %s", len(r.Distributions), r.Pairs[0].Verdict)
	}
	return r
}

// filed are reports that differ in what is in them, and their files. Every reader
// reads the same: they are made once.
var filed struct {
	sync.Once
	reports map[string]*api.Report
	files   []File
}

func makeFiled(t *testing.T) {
	t.Helper()
	filed.Do(func() {
		two := ofTwoCarriers(t)
		filed.reports = map[string]*api.Report{
			"day": made(t), "days": threeDays(t),
			"carrier": (&readers.Reader{Role: readers.Carrier, Carriers: []string{"one"}}).Excerpt(two),
			"viewer":  (&readers.Reader{Role: readers.Viewer}).Excerpt(two),
		}
		for _, name := range slices.Sorted(maps.Keys(filed.reports)) {
			files, err := All(filed.reports[name], []byte("{}"), name, true)
			if err != nil {
				t.Fatal(err)
			}
			filed.files = append(filed.files, files...)
		}
	})
}

// allFiled puts the files of one ending into a folder.
func allFiled(t *testing.T, ending string) (files []string) {
	t.Helper()
	makeFiled(t)
	dir := t.TempDir()
	for _, f := range filed.files {
		if file := filepath.Join(dir, f.Name); strings.HasSuffix(f.Name, ending) {
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no file ends in %s", ending)
	}
	return files
}

// sheets are the rows of the sheets of a file, as a program of others reads them.
type sheets map[string][][]any

func readByPython(t *testing.T, files []string) map[string]sheets {
	t.Helper()
	run := exec.CommandContext(t.Context(), peer(t, "openpyxl"), append([]string{filepath.Join("testdata", "read.py")}, files...)...)
	var log bytes.Buffer
	run.Stderr = &log
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	var read map[string]sheets
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestWorkbookByOpenpyxl: every cell of every sheet is what the document has, and
// those of pairs and ends what the JSON report has.
func TestWorkbookByOpenpyxl(t *testing.T) {
	for file, book := range readByPython(t, allFiled(t, ".xlsx")) {
		name, lang := nameOf(file)
		r := filed.reports[name]
		d := laidOut(t, r, lang)
		tables := d.Tables()
		if len(book) != len(tables)+1 {
			t.Errorf("%s has %d sheets, want %d", file, len(book), len(tables)+1)
		}
		// Their names are cut and told apart; their heads say which is which.
		for _, table := range tables {
			nearest := []string{"no sheet has its heads"}
			for _, rows := range book {
				if others := differences(table, rows); nearest != nil && (len(others) < len(nearest) || len(nearest) == 1) {
					nearest = others
				}
			}
			if len(nearest) > 0 {
				t.Errorf("%s, %s: %d differ: %s", file, table.ID, len(nearest), nearest[0])
			}
		}
		for _, id := range []string{document.Pairs, document.Ends} {
			if table := d.Table(id); table != nil {
				asInJSON(t, r, table)
			}
		}
	}
}

// nameOf is the name of the report and the language of a file.
func nameOf(file string) (string, wording.Language) {
	parts := strings.Split(filepath.Base(file), ".")
	return parts[0], wording.Language(parts[1])
}

// differences are the cells of a table that rows that were read do not have: heads,
// then each cell, a number being the same number and not its text.
func differences(table *document.Table, rows [][]any) (found []string) {
	if len(rows) < len(table.Rows)+1 || len(rows[0]) < len(table.Columns) {
		return []string{"too few rows or columns"}
	}
	for c, column := range table.Columns {
		if rows[0][c] != any(column.Name) {
			return []string{"no sheet has its heads"}
		}
	}
	for i, row := range table.Rows {
		for c, cell := range row {
			want, got := any(cell.Text), rows[i+1][c]
			if cell.Number != nil {
				want = *cell.Number
			}
			if got == nil { // which an empty text may be
				got = ""
			}
			if got != want {
				found = append(found, fmt.Sprintf("row %d, %s: %v, want %v", i, table.Columns[c].Key, got, want))
			}
		}
	}
	return found
}

// asInJSON holds the numbers of the tables of pairs and ends against the fields of
// the JSON report, whose names their columns have.
func asInJSON(t *testing.T, r *api.Report, table *document.Table) {
	t.Helper()
	data, err := report.JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		Plane  string
		Planes []struct {
			Plane string
			Pairs []map[string]any
		}
		Links []struct{ Ends []map[string]any }
	}
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if table.ID == document.Pairs {
		for _, headline := range []bool{true, false} {
			for _, plane := range whole.Planes {
				if (plane.Plane == whole.Plane) == headline {
					rows = append(rows, plane.Pairs...)
				}
			}
		}
	} else {
		for _, link := range whole.Links {
			rows = append(rows, link.Ends...)
		}
	}
	if len(rows) != len(table.Rows) {
		t.Fatalf("%s has %d rows, the JSON %d", table.ID, len(table.Rows), len(rows))
	}
	compared := 0
	for i, row := range table.Rows {
		for c, column := range table.Columns {
			inJSON, there := field(rows[i], column.Key)
			if !there {
				continue
			}
			compared++
			switch want := inJSON.(type) {
			case float64:
				if got := row[c].Number; got == nil || *got != want {
					t.Errorf("%s, row %d, %s: %v, in the JSON %v", table.ID, i, column.Key, got, want)
				}
			case nil:
				if row[c].Number != nil {
					t.Errorf("%s, row %d, %s: %v, in the JSON null", table.ID, i, column.Key, *row[c].Number)
				}
			}
		}
	}
	if compared < 8*len(rows) {
		t.Errorf("%s: only %d cells of %d rows are in the JSON", table.ID, compared, len(rows))
	}
}

// field is that of a pair or end, or of a group in it.
func field(of map[string]any, name string) (any, bool) {
	if v, ok := of[name]; ok {
		return v, true
	}
	for _, group := range []string{"uncertainty", "sufficiency"} {
		if inner, ok := of[group].(map[string]any); ok {
			if v, ok := inner[name]; ok {
				return v, true
			}
		}
	}
	return nil, false
}

func TestCSVByPython(t *testing.T) {
	files := allFiled(t, ".csv")
	read := readByPython(t, files)
	laid := map[string]*document.Document{}
	for _, file := range files {
		name, lang := nameOf(file)
		of := name + string(lang)
		if laid[of] == nil {
			laid[of] = laidOut(t, filed.reports[name], lang)
		}
		table := laid[of].Table(strings.Split(filepath.Base(file), ".")[2])
		rows := read[file][""]
		if table == nil || len(rows) != len(table.Rows)+1 {
			t.Fatalf("%s: %d rows of %v", file, len(rows), table)
		}
		for i, values := range numbers(table) {
			for c, want := range values {
				text := rows[i+1][c].(string)
				got, err := strconv.ParseFloat(text, 64)
				switch cell := table.Rows[i][c]; {
				case !math.IsNaN(want):
					if err != nil || got != want {
						t.Errorf("%s, row %d, %s: %q, want %v", file, i, table.Columns[c].Key, text, want)
					}
				case cell.Unknown && text != "" || !cell.Unknown && text != cell.Text:
					t.Errorf("%s, row %d, %s: %q, want %q", file, i, table.Columns[c].Key, text, cell.Text)
				}
			}
		}
	}
}

// TestWebPageByVNU: the checker of the W3C finds nothing to say of any page, of
// its SVG and of its style.
func TestWebPageByVNU(t *testing.T) {
	jar := peer(t, "vnu-jar")
	files := allFiled(t, ".html")
	if said := output(t, "java", append([]string{"-jar", jar, "--stdout", "--format", "gnu"}, files...)...); said != "" {
		t.Error(said)
	}
	// It does look: a page that is broken is told so.
	bad := filepath.Join(t.TempDir(), "bad.html")
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, bytes.Replace(data, []byte("</main>"), []byte("</table>"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "java", "-jar", jar, "--stdout", bad).CombinedOutput(); err == nil {
		t.Errorf("a page without its end passes: %s", out)
	}
}

// byVeraPDF checks files against PDF/A-2b.
func byVeraPDF(t *testing.T, files ...string) string {
	t.Helper()
	check := exec.CommandContext(t.Context(), "java", append([]string{"-cp", peer(t, "verapdf"),
		"org.verapdf.apps.GreenfieldCliWrapper", "--flavour", "2b", "--format", "text", "-v"}, files...)...)
	out, err := check.Output() // status 1: a file is none
	if _, is := err.(*exec.ExitError); err != nil && !is {
		t.Fatal(err)
	}
	return string(out)
}

// TestPDFA: the reference checker takes every PDF as PDF/A-2b.
func TestPDFA(t *testing.T) {
	files := allFiled(t, ".pdf")
	said := byVeraPDF(t, files...)
	if strings.Count(said, "PASS ") != len(files) || strings.Contains(said, "FAIL") {
		t.Errorf("of %d files:\n%s", len(files), said)
	}
	// It does look: of a file without what archive.go adds it says so.
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.pdf")
	if err := os.WriteFile(bad, bytes.Replace(data, []byte("/OutputIntents"), []byte("/OutputNothing"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := byVeraPDF(t, bad); !strings.Contains(said, "FAIL") || !strings.Contains(said, "6.2.4.3") {
		t.Errorf("a file whose colours mean nothing passes: %s", said)
	}
}

// TestNoPageIsBlank renders every page, and finds between its head and its foot
// a line at least.
func TestNoPageIsBlank(t *testing.T) {
	needs(t, "pdftoppm")
	for _, file := range allFiled(t, ".pdf") {
		pages := strings.TrimSuffix(file, ".pdf")
		output(t, "pdftoppm", "-r", "40", "-gray", file, pages)
		rendered, err := filepath.Glob(pages + "-*.pgm")
		if err != nil || len(rendered) < 3 {
			t.Fatalf("%s: %d pages, %v", file, len(rendered), err)
		}
		for _, page := range rendered {
			data, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if rows := inked(t, data); rows < 3 {
				t.Errorf("%s has something in %d rows only", filepath.Base(page), rows)
			}
		}
	}
}

// inked counts the rows of a grey picture (PGM) that are not white, in the middle
// eight tenths.
func inked(t *testing.T, data []byte) (rows int) {
	t.Helper()
	var width, height, most int
	if n, err := fmt.Sscanf(string(data[:min(len(data), 40)]), "P5\n%d %d\n%d\n", &width, &height, &most); n != 3 {
		t.Fatalf("no picture: %v", err)
	}
	pixels := data[len(data)-width*height:]
	for y := height / 10; y < height*9/10; y++ {
		if slices.Min(pixels[y*width:(y+1)*width]) < 160 {
			rows++
		}
	}
	return rows
}
