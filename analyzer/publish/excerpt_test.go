package publish

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// ofTwoCarriers is a report over a day in which each end of each link of two
// carriers has an RTT of its own. Some lose packets, are silent at some hours,
// are faster than light, or had works.
func ofTwoCarriers(t *testing.T) *api.Report {
	t.Helper()
	var sites []string
	for _, carrier := range []string{"one", "two"} {
		for _, cluster := range "abc" {
			sites = append(sites, fmt.Sprintf("zq-%s-%c %c %s optical both", carrier, cluster, cluster, carrier))
		}
	}
	m := scenario.Mesh(t, "Asia/Shanghai", sites, []string{
		"{clusters: [a, b], km: 1537, class: A, source: register}",
		"{sites: [zq-one-a, zq-one-c], km: 1400, class: A, source: survey of zq-one-a}",
		"{sites: [zq-two-a, zq-two-c], km: 1400, class: A, source: survey of zq-two-a}",
	})
	period, err := report.ParsePeriod("2025-06-03", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	us := uint32(19_117)
	for i, carrier := range []string{"one", "two"} {
		for j, link := range []string{"ab", "ba", "ac", "ca", "bc", "cb"} {
			// Its least, median, most frequent and worst RTT.
			us += 1_013
			lost := j % 2
			rtts := slices.Concat(scenario.Same(us, 36-lost), scenario.Same(us+307, 18), scenario.Same(us+701, 4), scenario.Same(us+3_119, 2))
			if carrier == "two" && link == "ca" {
				rtts = scenario.Same(5_003, 60-lost)
			}
			keep := func(at int) bool { return i+j != 3 || at > 5 }
			src, dst := fmt.Sprintf("zq-%s-%c", carrier, link[0]), fmt.Sprintf("zq-%s-%c", carrier, link[1])
			for at := period.From; at.Before(period.To); at = at.Add(time.Hour) {
				if keep(at.Hour()) {
					s.Fill(t, m, src, dst, at, at.Add(time.Hour), rtts, lost, nil)
				}
			}
		}
	}
	plan, err := report.NewPlan(m, policy.Default(), period, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Build(t.Context(), plan, s, report.Options{GeneratedBy: "test", Complete: true, Trend: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Distributions) == 0 || r.Pairs[0].Verdict != api.Compliant {
		t.Fatalf("%d pairs are diagnosed, the first is %s", len(r.Distributions), r.Pairs[0].Verdict)
	}
	return r
}

// secrets are what nobody but the carrier and who sees the whole may read in any
// form: its sites, and the figures of its ends that are no public figure too.
func secrets(r *api.Report, carrier string) []string {
	public := map[float64]bool{}
	for i := range r.Links {
		if v := r.Links[i].MeasuredRTTMS; v != nil {
			public[*v] = true
		}
	}
	var all []string
	for i := range r.Links {
		if r.Links[i].Carrier != carrier {
			continue
		}
		all = append(all, r.Links[i].Sites...)
		for _, end := range r.Links[i].Ends {
			for _, v := range []*float64{end.P50MS, end.P95MS, end.P99MS, end.MeanMS, end.MinMS} {
				if v != nil && !public[*v] {
					all = append(all, fmt.Sprintf("%.3f", *v))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readable is all text that a file has, of whatever form.
func readable(t *testing.T, name string, data []byte) string {
	t.Helper()
	switch filepath.Ext(name) {
	case ".xlsx":
		archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var all bytes.Buffer
		for _, f := range archive.File {
			part, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&all, part); err != nil {
				t.Fatal(err)
			}
			part.Close()
		}
		return all.String()
	case ".pdf":
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return output(t, "pdftotext", "-layout", file, "-")
	}
	return string(data)
}

// An excerpt is laid out in every form and language, with its rules and its map,
// and none of these has what the excerpt withholds.
func TestFormsOfExcerpts(t *testing.T) {
	needs(t, "pdftotext")
	whole := ofTwoCarriers(t)
	hidden := map[string][]string{"one": secrets(whole, "one"), "two": secrets(whole, "two")}
	for carrier, texts := range hidden {
		if len(texts) < 15 {
			t.Fatalf("only %d secrets of %s: %v", len(texts), carrier, texts)
		}
	}
	if d := (&readers.Reader{Role: readers.Carrier, Carriers: []string{"one"}}).Excerpt(whole).Distributions; len(d) == 0 {
		t.Fatal("no pair of carrier one is diagnosed")
	}
	for _, c := range []struct {
		reader readers.Reader
		of     []string // whose secrets it may read
	}{
		{readers.Reader{Role: readers.Regulator}, []string{"one", "two"}},
		{readers.Reader{Role: readers.Carrier, Carriers: []string{"one"}}, []string{"one"}},
		{readers.Reader{Role: readers.Carrier, Carriers: []string{"two"}}, []string{"two"}},
		{readers.Reader{Role: readers.Viewer}, nil},
	} {
		r := c.reader.Excerpt(whole)
		data, err := report.JSON(r)
		if err != nil {
			t.Fatal(err)
		}
		files, err := All(r, data, "excerpt", false)
		if err != nil {
			t.Fatalf("%+v: %v", c.reader, err)
		}
		if c.reader.Role != readers.Regulator { // whose is not sent alone
			checkReadBack(t, data, files)
		}
		seen := map[string]string{} // texts by the form's ending
		for _, f := range files {
			text := readable(t, f.Name, f.Data)
			seen[filepath.Ext(f.Name)] += text
			for carrier, texts := range hidden {
				if slices.Contains(c.of, carrier) {
					continue
				}
				for _, secret := range texts {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("%+v reads %s of %s in %s: …%s…", c.reader, secret, carrier, f.Name, text[max(0, at-60):min(len(text), at+40)])
					}
				}
			}
		}
		for carrier, texts := range hidden {
			for _, form := range []string{".json", ".csv", ".xlsx"} {
				for _, secret := range texts {
					if slices.Contains(c.of, carrier) && !strings.Contains(seen[form], strings.TrimRight(secret, "0")) {
						t.Errorf("%+v does not find %s of its own %s in %s", c.reader, secret, carrier, form)
					}
				}
			}
		}
		for _, lang := range wording.Languages() {
			checkExcerpt(t, r, laidOut(t, r, lang))
		}
	}
}

// checkReadBack sees that who was sent the JSON makes the same files of it.
func checkReadBack(t *testing.T, data []byte, files []File) {
	t.Helper()
	var r api.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	again, err := All(&r, data, "excerpt", false)
	if err != nil || len(again) != len(files) {
		t.Fatalf("%d files of the report, %d of its JSON, %v", len(files), len(again), err)
	}
	for i := range files {
		if !bytes.Equal(files[i].Data, again[i].Data) {
			t.Errorf("%s is another if it is made of the JSON", files[i].Name)
		}
	}
}

// checkExcerpt sees that the document says what it is cut for, has the rules,
// the map and the table of pairs, and of ends those that are in the report.
func checkExcerpt(t *testing.T, r *api.Report, d *document.Document) {
	t.Helper()
	if r.Excerpt != nil && !slices.Contains(d.Warnings, wording.ForReader(d.Language, *r.Excerpt)) {
		t.Errorf("%+v: no word that it is an excerpt: %q", r.Excerpt, d.Warnings)
	}
	sections := map[string]document.Section{}
	pictures := map[string]bool{}
	for _, s := range d.Sections {
		sections[s.ID] = s
		for _, b := range s.Blocks {
			if p, ok := b.(*document.Picture); ok {
				pictures[p.ID] = true
			}
		}
	}
	for _, id := range []string{"result", "pairs", "method", "decision", "uncertainty", "recompute", "quality"} {
		if len(sections[id].Blocks) == 0 {
			t.Errorf("%+v: no section %s", r.Excerpt, id)
		}
	}
	if drawn := len(sections["distributions"].Blocks) > 0; drawn != (len(r.Distributions) > 0) {
		t.Errorf("%+v: %d distributions, drawn: %v", r.Excerpt, len(r.Distributions), drawn)
	}
	if !pictures["map"] || !pictures["ranked"] || !pictures["matrix"] {
		t.Errorf("%+v: pictures are %v", r.Excerpt, pictures)
	}
	ends := 0
	for i := range r.Links {
		ends += len(r.Links[i].Ends)
	}
	table := d.Table(document.Ends)
	if (table == nil) != (ends == 0) || table != nil && len(table.Rows) != ends {
		t.Errorf("%+v: %d ends, table %+v", r.Excerpt, ends, table)
	}
	quality := fmt.Sprint(sections["quality"].Blocks)
	for i := range r.Planes {
		// Whether anything was excused is not in an excerpt.
		if said := strings.Contains(quality, wording.Maintenance(d.Language, r.Planes[i])); said != (r.Excerpt == nil) {
			t.Errorf("%+v: of maintenance: %s", r.Excerpt, quality)
		}
	}
	if enough := wording.Enough(d.Language, 0, 0); strings.Contains(quality, enough) {
		t.Errorf("%+v: %s", r.Excerpt, enough)
	}
}
