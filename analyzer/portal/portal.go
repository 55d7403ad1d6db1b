// Package portal is the pages of the web site that fibergauge-analyzer serve
// shows to people: a month, every month, a pair, the methods, the login, and why
// there is no page. It makes HTML of reports and series of package api, which
// have been cut for the reader already; who asks, where the figures come from
// and what is kept is the business of package serve.
//
// Sections, tables and figures of a report are those of package document, so a
// page and the filed report cannot differ. Nothing needs JavaScript: the script
// adds sorting and filtering of tables. No page has a style or a script of its
// own, so that the strictest Content-Security-Policy lets all of it through.
package portal

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/url"

	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

//go:embed *.html
var pageFiles embed.FS

// Frame is what stands around the content of a page.
type Frame struct {
	Language wording.Language
	Here     *url.URL // of the page, for the links to it in other languages
	Now      string   // which entry of the navigation the page is, as its path
	Reader   string   // who is logged in, as people read it; empty: nobody has to
	Stranger bool     // somebody has to log in, and has not: no navigation
	Seal     string   // of the form that logs out
}

// Content is a page without its frame. It hangs on no reader but for what the
// figures in it are cut for, so that it can be kept.
type Content struct {
	Title string
	Main  []byte // HTML
}

// Page puts a content into a frame.
func Page(f Frame, c Content) ([]byte, error) {
	return execute("frame.html", f.Language, struct {
		Frame
		Title     string
		Main      template.HTML
		Languages []languageLink
		Places    []place
		CSS, JS   string
	}{f, c.Title, template.HTML(c.Main), f.languages(), f.places(), CSSPath(), JSPath()})
}

type languageLink struct {
	Name, Tag, Href string
	Current         bool
}

func (f Frame) languages() (links []languageLink) {
	for _, lang := range wording.Languages() {
		query := url.Values{}
		if f.Here.RawQuery != "" {
			query = f.Here.Query()
		}
		query.Set("lang", string(lang))
		to := url.URL{Path: f.Here.Path, RawQuery: query.Encode()}
		links = append(links, languageLink{lang.Name(), lang.Tag(), to.String(), lang == f.Language})
	}
	return links
}

// Paths of the pages that stand in the navigation.
const (
	HomePath    = "/"
	MonthsPath  = "/months"
	MethodsPath = "/methods"
)

type place struct {
	Href, Name string
	Current    bool
}

func (f Frame) places() []place {
	if f.Stranger {
		return nil
	}
	var all []place
	for _, p := range []struct {
		path string
		sign wording.Sign
	}{{HomePath, wording.SignNow}, {MonthsPath, wording.SignMonths}, {MethodsPath, wording.SignMethods}} {
		all = append(all, place{p.path, wording.Word(f.Language, p.sign), p.path == f.Now})
	}
	return all
}

// pages are parsed once; what hangs on the language is put in for each page.
var pages = template.Must(template.New("").Funcs(functions(wording.EN)).ParseFS(pageFiles, "*.html"))

func functions(lang wording.Language) template.FuncMap {
	return template.FuncMap{
		"tag":       lang.Tag,
		"paragraph": as[document.Paragraph], "list": as[document.List],
		"table": as[*document.Table], "picture": as[*document.Picture],
		// The figure's own writer escapes its words.
		"svg":   func(p *document.Picture) template.HTML { return template.HTML(p.Figure.SVG("figure-" + p.ID)) },
		"class": class,
		"word":  func(name string) (string, error) { return word(lang, name) },
	}
}

// word is a sign by the name that templates have for it.
func word(lang wording.Language, name string) (string, error) {
	signs := map[string]wording.Sign{
		"skip": wording.SignSkip, "navigation": wording.SignNavigation, "language": wording.SignLanguage,
		"downloads": wording.SignDownloads, "planes": wording.SignPlanes, "on-this-page": wording.SignOnThisPage,
		"log-in": wording.SignLogIn, "log-out": wording.SignLogOut, "token": wording.SignToken, "token-hint": wording.SignTokenHint,
		"site": wording.SignSite, "as-table": wording.SignAsTable, "filter": wording.SignFilter, "filter-empty": wording.SignFilterEmpty,
		"side-by-side": wording.SignSideBySide, "over-time": wording.SignOverTime, "ends": wording.SignEnds, "no-days": wording.SignNoDays,
		"no-months": wording.SignNoMonths, "earlier": wording.SignEarlier, "whole": wording.SignWhole, "months": wording.SignMonths,
		"report-of": wording.SignReportOf,
	}
	sign, ok := signs[name]
	if !ok {
		return "", fmt.Errorf("there is no word %q", name)
	}
	return wording.Word(lang, sign), nil
}

func execute(name string, lang wording.Language, data any) ([]byte, error) {
	page, err := pages.Clone()
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := page.Funcs(functions(lang)).ExecuteTemplate(&out, name, data); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// as is a block if it is of that kind; nil else.
func as[T document.Block](b document.Block) any {
	if is, ok := b.(T); ok {
		return is
	}
	return nil
}
