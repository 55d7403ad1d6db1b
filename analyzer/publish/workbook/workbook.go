// Package workbook writes a document (package document) as XLSX: a sheet with
// its words, and one for each table. Numbers are numbers, those of the JSON
// report, shown with as many decimals as on paper.
package workbook

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

// book is a workbook being written.
type book struct {
	*excelize.File
	styles map[look]int
	names  map[string]bool // of sheets, in lower case: Excel tells them apart by no more
}

// look is what cells are shown by.
type look struct {
	decimals   int // -1: no number
	bold, head bool
	ink        chart.Ink
}

// Write gives the bytes of the workbook. What it says of itself, as when it was
// made, is left at what the library always writes, so that the same document
// gives the same bytes.
func Write(d *document.Document) ([]byte, error) {
	b := &book{excelize.NewFile(), map[look]int{}, map[string]bool{}}
	defer b.Close()
	if err := b.write(d); err != nil {
		return nil, fmt.Errorf("write the workbook: %w", err)
	}
	var out bytes.Buffer
	if err := b.File.Write(&out); err != nil {
		return nil, fmt.Errorf("write the workbook: %w", err)
	}
	return out.Bytes(), nil
}

func (b *book) write(d *document.Document) error {
	if err := b.SetDefaultFont("Arial"); err != nil {
		return err
	}
	if err := b.SetDocProps(&excelize.DocProperties{Title: d.Title + " " + d.Subtitle, Creator: "Fibergauge", Language: d.Language.Tag()}); err != nil {
		return err
	}
	first := b.sheetName(d.Sections[0].Heading)
	if err := b.SetSheetName("Sheet1", first); err != nil {
		return err
	}
	if err := b.words(first, d); err != nil {
		return err
	}
	titles := titlesOf(d)
	for _, t := range d.Tables() {
		if err := b.table(b.sheetName(titles[t]), t, d.Warnings); err != nil {
			return fmt.Errorf("table %s: %w", t.ID, err)
		}
	}
	return nil
}

// titlesOf are what sheets are called. Where several tables have the same title,
// that of a plane say, the heading that they stand under tells them apart.
func titlesOf(d *document.Document) map[*document.Table]string {
	times := map[string]int{}
	for _, t := range d.Tables() {
		times[t.Title]++
	}
	titles := map[*document.Table]string{}
	for _, t := range d.Data {
		titles[t] = t.Title
	}
	for _, s := range d.Sections {
		for _, block := range s.Blocks {
			t, ok := block.(*document.Table)
			if !ok {
				continue
			}
			titles[t] = t.Title
			if times[t.Title] > 1 {
				title := " · " + t.Title
				titles[t] = shortened(s.Heading, maxSheetName-len([]rune(title))) + title
			}
		}
	}
	return titles
}

// shortened is a text of so many characters, if there is room for any.
func shortened(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	cut := string(runes[:max(0, most-1)])
	if words := strings.LastIndex(cut, " "); words > 0 {
		cut = cut[:words]
	}
	return strings.TrimRight(cut, " ,，、") + "…"
}

// maxSheetName is what Excel takes, in characters.
const maxSheetName = 31

// sheetName makes a name that Excel takes: at most 31 characters, some of them
// not allowed, none twice.
func (b *book) sheetName(title string) string {
	name := strings.NewReplacer(":", " ", "\\", " ", "/", "-", "?", "", "*", "", "[", "(", "]", ")").Replace(title)
	runes := []rune(strings.Trim(name, "' "))
	for n := 1; ; n++ {
		suffix := ""
		if n > 1 {
			suffix = fmt.Sprintf(" %d", n)
		}
		made := string(runes[:min(len(runes), maxSheetName-len(suffix))]) + suffix
		if made != "" && !b.names[strings.ToLower(made)] {
			b.names[strings.ToLower(made)] = true
			return made
		}
		if made == "" {
			runes = []rune("-")
		}
	}
}

// words is the sheet of all that is not a table.
func (b *book) words(sheet string, d *document.Document) error {
	row := 0
	line := func(text string, l look) error {
		row++
		return b.cell(sheet, 1, row, document.Cell{Text: text}, l)
	}
	plain, strong := look{decimals: -1}, look{decimals: -1, bold: true}
	if err := line(d.Title+" · "+d.Subtitle, strong); err != nil {
		return err
	}
	for _, warning := range d.Warnings {
		if err := line(warning, look{decimals: -1, bold: true, ink: chart.InkNonCompliant}); err != nil {
			return err
		}
	}
	for _, s := range d.Sections {
		row++
		if err := line(s.Heading, strong); err != nil {
			return err
		}
		for _, block := range s.Blocks {
			texts, l := []string(nil), plain
			switch block := block.(type) {
			case document.Paragraph:
				texts, l.bold = []string{block.Text}, block.Lead
			case document.List:
				texts = block.Items
			}
			for _, text := range texts {
				if err := line(text, l); err != nil {
					return err
				}
			}
		}
	}
	row++
	if err := line(d.Footer, plain); err != nil {
		return err
	}
	return b.SetColWidth(sheet, "A", "A", 120)
}

// table is a sheet whose heads stay where they are while it is scrolled.
func (b *book) table(sheet string, t *document.Table, warnings []string) error {
	if _, err := b.NewSheet(sheet); err != nil {
		return err
	}
	for i, c := range t.Columns {
		if err := b.cell(sheet, i+1, 1, document.Cell{Text: c.Name}, look{decimals: -1, bold: true, head: true}); err != nil {
			return err
		}
		name, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return err
		}
		if err := b.SetColWidth(sheet, name, name, float64(min(60, max(10, c.Share)))); err != nil {
			return err
		}
	}
	for r, row := range t.Rows {
		for i, c := range row {
			l := look{decimals: -1, bold: c.Strong, ink: c.Ink}
			if c.Number != nil {
				l.decimals = c.Decimals
			}
			if err := b.cell(sheet, i+1, r+2, c, l); err != nil {
				return err
			}
		}
	}
	below := len(t.Rows) + 4
	for i, text := range warnings {
		if err := b.cell(sheet, 1, below+i, document.Cell{Text: text}, look{decimals: -1}); err != nil {
			return err
		}
	}
	if err := b.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	landscape, paper, wide, high := "landscape", 9, 1, 0 // A4, one page wide
	if err := b.SetPageLayout(sheet, &excelize.PageLayoutOptions{Orientation: &landscape, Size: &paper, FitToWidth: &wide, FitToHeight: &high}); err != nil {
		return err
	}
	fit := true
	return b.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit})
}

func (b *book) cell(sheet string, column, row int, c document.Cell, l look) error {
	at, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		return err
	}
	style, err := b.style(l)
	if err != nil {
		return err
	}
	if err := b.SetCellStyle(sheet, at, at, style); err != nil {
		return err
	}
	if c.Number != nil {
		// SetCellFloat would round to the 15 digits that Excel shows.
		return b.SetCellDefault(sheet, at, strconv.FormatFloat(*c.Number, 'f', -1, 64))
	}
	return b.SetCellStr(sheet, at, c.Text)
}

func (b *book) style(l look) (int, error) {
	if id, made := b.styles[l]; made {
		return id, nil
	}
	s := &excelize.Style{
		Font:      &excelize.Font{Bold: l.bold, Size: 10},
		Alignment: &excelize.Alignment{Vertical: "top", WrapText: l.decimals < 0},
	}
	if l.ink != chart.None {
		c := chart.Paper.Colour(l.ink)
		s.Font.Color = fmt.Sprintf("%02X%02X%02X", c.R, c.G, c.B)
	}
	if l.head {
		c := chart.Paper.Colour(chart.InkAccentSoft)
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{fmt.Sprintf("%02X%02X%02X", c.R, c.G, c.B)}}
	}
	if l.decimals >= 0 {
		format := "0"
		if l.decimals > 0 {
			format += "." + strings.Repeat("0", l.decimals)
		}
		s.CustomNumFmt = &format
	}
	id, err := b.NewStyle(s)
	b.styles[l] = id
	return id, err
}
