package pdf

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the colour profile
	"encoding/xml"
	"fmt"
	"regexp"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/fibergauge/fibergauge/analyzer/publish/document"
)

// A filed report is read for many years: it is PDF/A-2b (ISO 19005-2), which
// holds all that is needed to show it as it was made. Fonts are embedded, and
// there is no transparency and no program in it; the rest is here.

// Where the profile comes from stands beside it.
//
//go:embed icc/sRGB2014.icc
var sRGB []byte

const producer = "Fibergauge"

// archivable says in the file what it is and what its colours mean. made is the
// moment at which it says it was made.
func (p *page) archivable(d *document.Document, made time.Time) error {
	p.SetProducer(producer, true)
	p.SetTitle(title(d), true)
	p.SetCreationDate(made)
	p.SetModificationDate(made)
	p.AddOutputIntent(fpdf.OutputIntentType{
		SubtypeIdent:              fpdf.OutputIntent_GTS_PDFA1, // of all parts of the standard
		OutputConditionIdentifier: "sRGB", Info: "sRGB2014", ICCProfile: sRGB,
	})
	metadata, err := xmp(d, made)
	p.SetXmpMetadata(metadata)
	return err
}

func title(d *document.Document) string { return d.Title + " " + d.Subtitle }

// xmp is the metadata in the form of ISO 16684-1. What is also in the file's
// information dictionary is the same in both.
func xmp(d *document.Document, made time.Time) ([]byte, error) {
	var named bytes.Buffer
	if err := xml.EscapeText(&named, []byte(title(d))); err != nil {
		return nil, fmt.Errorf("write the title: %w", err)
	}
	const packet = `<?xpacket begin="%[1]s" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<pdfaid:part>2</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">%[2]s</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>%[3]s</rdf:li></rdf:Bag></dc:language>
<pdf:Producer>%[4]s</pdf:Producer>
<xmp:CreateDate>%[5]s</xmp:CreateDate>
<xmp:ModifyDate>%[5]s</xmp:ModifyDate>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`
	return fmt.Appendf(nil, packet, "\ufeff", named.String(), d.Language.Tag(), producer, made.Format(time.RFC3339)), nil
}

// finished mends the trailer that fpdf writes. The identifier of the file, which
// fpdf gives to encrypted ones only, follows from the file. And of a file with a
// colour profile fpdf 0.12 takes the profile for the information dictionary.
// Nothing before the trailer moves.
func finished(file []byte) ([]byte, error) {
	at := bytes.LastIndex(file, []byte("\ntrailer\n<<\n"))
	info := infoObject.FindAllSubmatch(file, -1)
	if at < 0 || len(info) == 0 || !infoEntry.Match(file[at:]) {
		return nil, fmt.Errorf("finish the PDF: the library wrote another trailer than expected; see to analyzer/publish/pdf/archive.go")
	}
	sum := sha256.Sum256(file)
	trailer := infoEntry.ReplaceAll(file[at:], fmt.Appendf(nil, "/Info %s 0 R\n/ID [<%[2]x> <%[2]x>]\n", info[len(info)-1][1], sum[:16]))
	return append(file[:at:at], trailer...), nil
}

var (
	infoEntry  = regexp.MustCompile(`/Info \d+ 0 R\n`)
	infoObject = regexp.MustCompile(`(?m)^(\d+) 0 obj\n<<\n/Producer `)
)
