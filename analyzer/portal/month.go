package portal

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Period is a report with its place on the site.
type Period struct {
	Report *api.Report // cut for the reader
	Path   string      // of its page: MonthsPath + "/2025-06"
	Title  string      // empty: the period
	Notes  []string    // what has to be known before the figures, besides what the report says
	// Month names a report that the API has in every form; of others it is asked
	// with a query, and then gives a browser HTML.
	Month string
	Query url.Values
}

// TitleIn is what the period is called.
func (p Period) TitleIn(lang wording.Language) string {
	if p.Title != "" {
		return p.Title
	}
	return wording.Period(lang, p.Report.Period)
}

// PairPath is where the page of a pair is.
func (p Period) PairPath(pair [2]string, plane string) string {
	to := url.URL{Path: p.Path + "/pairs/" + pair[0] + "/" + pair[1], RawQuery: url.Values{"plane": {plane}}.Encode()}
	return to.String()
}

// onPlane is the report as if another plane were that of the headline. What the
// report only has of its own headline is left out.
func onPlane(r *api.Report, plane string) (*api.Report, bool) {
	if plane == r.Plane {
		return r, true
	}
	for i := range r.Planes {
		if p := &r.Planes[i]; p.Plane == plane {
			other := *r
			other.Plane, other.Rate, other.Pairs = p.Plane, p.Rate, p.Pairs
			other.Sensitivity, other.Nearest, other.Trend = nil, nil, nil
			return &other, true
		}
	}
	return nil, false
}

// Sections of a document that are of the rules and not of the month.
var ofTheRules = []string{"method", "decision", "uncertainty", "recompute"}

// Sections that a page of a month has no room for, and of which a pair's page has
// what is of the pair.
var ofPairs = []string{"distributions"}

// Month is the page of a period on a plane, the empty one being that of the
// headline. ErrNotFound: there is no such plane.
func Month(p Period, plane string, lang wording.Language) (Content, error) {
	if plane == "" {
		plane = p.Report.Plane
	}
	r, ok := onPlane(p.Report, plane)
	if !ok {
		return Content{}, ErrNotFound
	}
	d, err := document.Of(r, lang)
	if err != nil {
		return Content{}, err
	}
	link := p.links(r, lang)
	var sections []section
	for _, s := range d.Sections {
		if !slices.Contains(ofTheRules, s.ID) && !slices.Contains(ofPairs, s.ID) {
			sections = appendSection(sections, s, link, func(t *document.Table) bool { return ofPlane(t.ID, r, plane) })
		}
	}
	main, err := execute("month.html", lang, map[string]any{
		"Over": wording.Word(lang, wording.SignSite), "Title": p.TitleIn(lang), "Subtitle": d.Subtitle,
		"Warnings": append(slices.Clone(p.Notes), d.Warnings...), "Planes": p.planes(lang, p.Path, plane),
		"Sections": sections, "Downloads": p.downloads(lang), "Footer": d.Footer,
	})
	return Content{p.TitleIn(lang), main}, err
}

// ofPlane tells whether a table is to be shown on the page of a plane: those of
// other planes, whose IDs end with their names, are on pages of their own.
func ofPlane(id string, r *api.Report, plane string) bool {
	for i := range r.Planes {
		if other := r.Planes[i].Plane; other != plane && strings.HasSuffix(id, "_"+document.ID(other)) {
			return false
		}
	}
	return true
}

// appendSection leaves out what is not to be shown, and sections of which
// nothing is left.
func appendSection(sections []section, s document.Section, link func(string) string, show func(*document.Table) bool) []section {
	out := section{ID: s.ID, Heading: s.Heading}
	for _, b := range s.Blocks {
		t, ok := b.(*document.Table)
		switch {
		case !ok:
			out.Blocks = append(out.Blocks, block{Block: b})
		case show(t):
			out.Blocks = append(out.Blocks, block{Block: b, View: view(t, link)})
		}
	}
	if len(out.Blocks) == 0 {
		return sections
	}
	return append(sections, out)
}

// links leads from the name of a pair or of a month, as tables have it, to its
// page.
func (p Period) links(r *api.Report, lang wording.Language) func(string) string {
	to := map[string]string{}
	for i := range r.Pairs {
		name := wording.Pair(lang, r.Mesh, r.Pairs[i].Pair)
		if _, twice := to[name]; twice {
			to[name] = "" // two pairs of one name
			continue
		}
		to[name] = p.PairPath(r.Pairs[i].Pair, r.Plane)
	}
	for _, m := range r.Trend {
		to[wording.MonthOf(lang, m.Month)] = MonthsPath + "/" + m.Month
	}
	return func(name string) string { return to[name] }
}

// planes leads to the same page on every plane of the report.
func (p Period) planes(lang wording.Language, path, current string) (all []place) {
	if len(p.Report.Planes) < 2 {
		return nil
	}
	for i := range p.Report.Planes {
		plane := p.Report.Planes[i].Plane
		to := url.URL{Path: path, RawQuery: url.Values{"plane": {plane}}.Encode()}
		all = append(all, place{to.String(), wording.Plane(lang, plane), plane == current})
	}
	return all
}

// Forms in which a report can be downloaded, as the API names them.
func Forms() []string { return []string{"pdf", "xlsx", "csv", "html", "json"} }

func (p Period) downloads(lang wording.Language) (all []place) {
	add := func(form, path string, query url.Values) {
		to := url.URL{Path: path, RawQuery: query.Encode()}
		all = append(all, place{Href: to.String(), Name: wording.DownloadAs(lang, form)})
	}
	if p.Month == "" {
		query := url.Values{"lang": {string(lang)}}
		maps.Copy(query, p.Query)
		add("html", "/api/v1/report", query)
		return all
	}
	for _, form := range Forms() {
		query := url.Values{}
		if form != "json" {
			query.Set("lang", string(lang))
		}
		add(form, "/api/v1/months/"+p.Month+"/report."+form, query)
	}
	return all
}

// Methods is the page of the rules by which a period was judged.
func Methods(p Period, lang wording.Language) (Content, error) {
	d, err := document.Of(p.Report, lang)
	if err != nil {
		return Content{}, err
	}
	var sections []section
	for _, s := range d.Sections {
		if slices.Contains(ofTheRules, s.ID) {
			sections = appendSection(sections, s, nowhere, func(*document.Table) bool { return true })
		}
	}
	title := wording.Word(lang, wording.SignMethods)
	main, err := execute("methods.html", lang, map[string]any{
		"Title": title, "Sections": sections, "Of": place{Href: p.Path, Name: p.TitleIn(lang)}, "Footer": d.Footer,
	})
	return Content{title, main}, err
}
