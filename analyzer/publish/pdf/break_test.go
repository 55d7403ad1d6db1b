package pdf

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Wherever on a page a section begins, its heading is on the page of the first
// row of its table, and so are the heads.
func TestNoHeadingStandsAlone(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("NOT READ: pdftotext is not installed")
	}
	file := filepath.Join(t.TempDir(), "report.pdf")
	apart := 0 // of the documents, those in which the section began a page
	for above := 20; above < 40; above++ {
		filler := make([]document.Block, above+1)
		for i := range filler {
			filler[i] = document.Paragraph{Text: "above"}
		}
		d := &document.Document{Language: wording.EN, Title: "Title", Subtitle: "Period", Footer: "Footer", Sections: []document.Section{
			{ID: "filler", Heading: "Filler", Blocks: filler},
			{ID: "section", Heading: "Heading", Blocks: []document.Block{&document.Table{
				ID: "table", Title: "Caption",
				Columns: []document.Column{{Key: "a", Name: "Column", Share: 1}, {Key: "b", Name: strings.Repeat("wide ", 30), Share: 1}},
				Rows:    [][]document.Cell{{{Text: "first"}, {Text: strings.Repeat("long ", 200)}}, {{Text: "second"}, {Text: "x"}}},
			}}},
		}}
		data, err := Write(d, time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.CommandContext(t.Context(), "pdftotext", file, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, page := range strings.Split(string(text), "\f") {
			if !strings.Contains(page, "Heading") {
				continue
			}
			found = true
			for _, want := range []string{"Caption", "Column", "first"} {
				if !strings.Contains(page, want) {
					t.Errorf("below %d paragraphs the heading stands on a page without %q", above+1, want)
				}
			}
			if !strings.Contains(page, "above") {
				apart++
			}
		}
		if !found {
			t.Errorf("below %d paragraphs there is no heading", above+1)
		}
	}
	if apart == 0 || apart == 20 {
		t.Errorf("the section began %d pages of 20", apart)
	}
}
