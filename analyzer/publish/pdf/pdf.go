// Package pdf writes a document (package document) as PDF/A-2b, A4, to be filed
// and printed. Fonts are embedded as far as they are used; nothing in the bytes
// hangs on the clock or the machine, so the same document gives the same file.
package pdf

import (
	"bytes"
	"fmt"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

// Of the page, in points.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	margin     = 56.7 // 20 mm
	textWidth  = pageWidth - 2*margin
	top        = 62.0
	bottom     = pageHeight - 62.0

	bodySize  = 9.5
	tableSize = 7.5
	noteSize  = 7.5
)

// page is a document being written.
type page struct {
	*fpdf.Fpdf
	doc *document.Document
	y   float64 // where the next block begins
}

// Write gives the bytes of the PDF. made is the moment that it says it was made
// at: one that follows from the report, or the bytes would differ each time.
func Write(d *document.Document, made time.Time) ([]byte, error) {
	p := &page{Fpdf: fpdf.New("P", "pt", "A4", ""), doc: d}
	p.SetCatalogSort(true)
	p.SetLang(d.Language.Tag())
	if err := p.archivable(d, made.UTC()); err != nil {
		return nil, err
	}
	p.SetAutoPageBreak(false, 0)
	p.SetMargins(margin, top, margin)
	p.SetDisplayMode("fullwidth", "continuous")
	p.addFonts()
	p.AliasNbPages("{pages}")
	p.SetHeaderFunc(p.header)
	p.SetFooterFunc(p.footer)
	p.AddPage()
	p.cover()
	for i := range d.Sections {
		p.section(&d.Sections[i])
	}
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, fmt.Errorf("write the PDF: %w", err)
	}
	return finished(out.Bytes())
}

func (p *page) header() {
	p.y = top
	if p.PageNo() == 1 {
		return
	}
	// On every page: a sheet may be filed alone.
	p.right(span{p.doc.Watermark, noteSize, true, chart.InkNonCompliant}, pageWidth-margin, top-24)
	room := textWidth - 12 - p.width(p.doc.Watermark, noteSize, true)
	p.put(span{p.wrap(p.doc.Title, noteSize, false, room)[0], noteSize, false, chart.InkFaint}, margin, top-24)
	p.rule(top-16, chart.InkGrid)
}

func (p *page) footer() {
	p.rule(bottom+14, chart.InkGrid)
	p.put(span{p.doc.Footer, 6.5, false, chart.InkFaint}, margin, bottom+25)
	p.right(span{fmt.Sprintf("%d / {pages}", p.PageNo()), noteSize, false, chart.InkFaint}, pageWidth-margin, bottom+25)
}

func (p *page) rule(y float64, ink chart.Ink) {
	p.stroke(chart.Stroke{Ink: ink, Width: 0.5})
	p.Line(margin, y, pageWidth-margin, y)
}

// room begins a new page unless so much is left on this one.
func (p *page) room(height float64) {
	if p.y+height > bottom {
		p.AddPage()
	}
}

func (p *page) cover() {
	p.y += 6
	p.lines(p.doc.Title, 20, true, chart.InkText, 1.25)
	p.y += 2
	p.lines(p.doc.Subtitle, 13, false, chart.InkFaint, 1.3)
	p.y += 8
	for _, warning := range p.doc.Warnings {
		p.box(warning)
	}
}

// box frames what must not be overlooked.
func (p *page) box(text string) {
	const pad = 7
	wrapped := p.wrap(text, bodySize, true, textWidth-2*pad-3)
	height := float64(len(wrapped))*bodySize*1.4 + 2*pad - 3
	p.room(height)
	p.fill(chart.InkNonCompliantSoft)
	p.Rect(margin, p.y, textWidth, height, "F")
	p.fill(chart.InkNonCompliant)
	p.Rect(margin, p.y, 3, height, "F")
	for i, line := range wrapped {
		p.put(span{line, bodySize, true, chart.InkText}, margin+pad+3, p.y+pad+bodySize*0.85+float64(i)*bodySize*1.4)
	}
	p.y += height + 8
}

func (p *page) section(s *document.Section) {
	first := 30.0 // so that no heading stands alone at the end of a page
	switch b := s.Blocks[0].(type) {
	case *document.Picture:
		first = least(b)
	case *document.Table:
		first = p.beginning(b)
	}
	p.room(34 + first)
	p.y += 12
	p.Bookmark(s.Heading, 0, p.y)
	p.lines(s.Heading, 13, true, chart.InkText, 1.35)
	p.y += 3
	for _, b := range s.Blocks {
		switch b := b.(type) {
		case document.Paragraph:
			size := bodySize
			if b.Lead {
				size = 11.5
			}
			p.lines(b.Text, size, b.Lead, chart.InkText, 1.45)
			p.y += 5
		case document.List:
			for _, item := range b.Items {
				p.item(item)
			}
			p.y += 4
		case *document.Table:
			p.table(b)
		case *document.Picture:
			p.picture(b)
		}
	}
}

func (p *page) item(text string) {
	for i, line := range p.wrap(text, bodySize, false, textWidth-12) {
		p.room(bodySize * 1.45)
		p.y += bodySize * 1.45
		if i == 0 {
			p.put(span{"•", bodySize, false, chart.InkFaint}, margin, p.y-bodySize*0.35)
		}
		p.put(span{line, bodySize, false, chart.InkText}, margin+12, p.y-bodySize*0.35)
	}
}

// lines writes running text over the width of the page.
func (p *page) lines(text string, size float64, bold bool, ink chart.Ink, spread float64) {
	for _, line := range p.wrap(text, size, bold, textWidth) {
		p.room(size * spread)
		p.y += size * spread
		p.put(span{line, size, bold, ink}, margin, p.y-size*0.35)
	}
}
