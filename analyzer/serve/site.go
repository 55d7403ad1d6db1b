package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/portal"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Paths of pages, beside those of package portal; patterns of http.ServeMux.
const (
	homePattern    = portal.HomePath + "{$}"
	monthPattern   = portal.MonthsPath + "/{month}"
	pairPattern    = monthPattern + "/pairs/{a}/{b}"
	fixedPath      = "/period" // that the server was started with, if any
	fixedPairs     = fixedPath + "/pairs/{a}/{b}"
	staticPrefix   = "/static/"
	staticLabel    = staticPrefix + "{file}"
	languageKeeps  = 365 * 24 * time.Hour
	pageRetryAfter = 5 * time.Second
)

// site is the portal: what package portal draws, to whom, from which report.
type site struct {
	*Server
	made     *shelf.Shelf
	seen     *history
	turns    *turns
	door     *access
	sessions *sessions
	forms    sealer
	cross    *http.CrossOriginProtection
}

func (s *Server) site(made *shelf.Shelf, seen *history, turns *turns) *site {
	return &site{Server: s, made: made, seen: seen, turns: turns, sessions: newSessions(s.Readers), forms: newSealer(), cross: http.NewCrossOriginProtection()}
}

// routes are the pages that known readers see.
func (s *site) routes() map[string]route {
	everybody := readers.Roles()
	return map[string]route{
		homePattern:        {everybody, s.home},
		portal.MonthsPath:  {everybody, s.monthsPage},
		monthPattern:       {everybody, s.monthPage},
		pairPattern:        {everybody, s.pairPage},
		fixedPath:          {everybody, s.fixedPage},
		fixedPairs:         {everybody, s.fixedPairPage},
		portal.MethodsPath: {everybody, s.methodsPage},
	}
}

// open answers what strangers may ask for, and shows browsers of strangers the
// way to the login. It gives the route; empty where it has not answered.
func (s *site) open(w http.ResponseWriter, r *http.Request) (label string) {
	file, static := portal.Files()[r.URL.Path]
	switch {
	case r.URL.Path == loginPath:
		label = loginPath
		s.headers(w)
		s.stranger(w, r)
		s.login(w, r)
	case r.URL.Path == logoutPath:
		label = logoutPath
		s.headers(w)
		s.stranger(w, r)
		s.logout(w, r)
	case static && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		label = staticLabel
		s.stranger(w, r)
		s.static(w, r, file)
	case s.Readers != nil && r.Header.Get("Authorization") == "" && person(r) && s.session(r) == nil:
		label = loginPath
		s.stranger(w, r)
		to := url.URL{Path: loginPath}
		if back := next(r.URL.RequestURI()); back != portal.HomePath {
			to.RawQuery = url.Values{"next": {back}}.Encode()
		}
		s.headers(w)
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
	}
	return label
}

// stranger closes the connection after the answer, unless a reader has it.
func (s *site) stranger(w http.ResponseWriter, r *http.Request) {
	if s.Readers != nil && s.session(r) == nil {
		w.Header().Set("Connection", "close")
	}
}

// person tells whether somebody wants a page, and not a program data.
func person(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && ofSite(r) && wanted(r.Header.Values("Accept"), "text/html") > 0
}

// ofSite tells whether a path is where people look, whether or not there is a
// page.
func ofSite(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != metricsPath && r.URL.Path != healthPath
}

// static answers with a file whose path has its hash, or with the icon.
func (s *site) static(w http.ResponseWriter, r *http.Request, f portal.File) {
	s.headers(w)
	w.Header().Set("Content-Type", f.Kind)
	w.Header().Set("Cache-Control", "max-age=86400")
	if f.Forever {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.Data))
}

// policyOfContent lets a page have its style sheet, its script and its icon from
// here, and send its forms here; nothing else, from nowhere.
const policyOfContent = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func (s *site) headers(w http.ResponseWriter) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policyOfContent,
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
		// After the logout nobody is to see a page by going back.
		"Cache-Control": "private, no-store",
	} {
		w.Header().Set(name, value)
	}
}

// language is the one that a reader wants: what the query says, which is
// remembered; what was remembered; what the browser prefers.
func (s *site) language(w http.ResponseWriter, r *http.Request) wording.Language {
	if lang, err := wording.ParseLanguage(r.URL.Query().Get("lang")); err == nil {
		setCookie(w, r, languageCookie, string(lang), languageKeeps)
		return lang
	}
	if lang, err := wording.ParseLanguage(cookie(r, languageCookie)); err == nil {
		return lang
	}
	return preferred(r.Header.Values("Accept-Language"))
}

// preferred is the language that a browser wants most, English if none.
func preferred(lists []string) wording.Language {
	best, most := wording.EN, 0.0
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			tag, parameters, _ := strings.Cut(item, ";")
			primary, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
			lang, err := wording.ParseLanguage(strings.ToLower(primary))
			if q := quality(parameters); err == nil && q > most {
				best, most = lang, q
			}
		}
	}
	return best
}

// frame is what stands around a page for a reader; nil is a stranger.
func (s *site) frame(w http.ResponseWriter, r *http.Request, reader *readers.Reader) portal.Frame {
	f := portal.Frame{Language: s.language(w, r), Here: r.URL, Stranger: reader == nil}
	if reader != nil && reader.Name != "" {
		f.Reader = wording.ReaderName(f.Language, reader.Name, string(reader.Role))
		if secret := cookie(r, sessionCookie); secret != "" {
			f.Seal = s.forms.seal(secret)
		}
	}
	switch {
	case r.URL.Path == portal.HomePath, r.URL.Path == fixedPath:
		f.Now = portal.HomePath
	case strings.HasPrefix(r.URL.Path, portal.MonthsPath):
		f.Now = portal.MonthsPath
	case r.URL.Path == portal.MethodsPath:
		f.Now = portal.MethodsPath
	}
	return f
}

// show sends a page.
func (s *site) show(w http.ResponseWriter, r *http.Request, f portal.Frame, status int, c portal.Content, err error) {
	var data []byte
	if err == nil {
		data, err = portal.Page(f, c)
	}
	if err != nil {
		s.Log.Error("a page could not be made", "path", r.URL.Path, "error", err)
		problem(w, http.StatusInternalServerError, "the page could not be made; the log of the analyzer says why")
		return
	}
	s.headers(w)
	header := w.Header()
	header.Add("Vary", "Accept-Encoding, Accept-Language, Cookie")
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", f.Language.Tag())
	if acceptable(r.Header.Values("Accept-Encoding"), "gzip") > 0 {
		data = shelf.NewBody(data).Gzip()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	s.deliver(w, data)
}

// refusal says in the reader's language why there is no page. detail is for who
// asks by hand.
func (s *site) refusal(w http.ResponseWriter, r *http.Request, reader *readers.Reader, status int, detail string) {
	f := s.frame(w, r, reader)
	page, err := portal.Refusal(f.Language, status, detail)
	s.show(w, r, f, status, page, err)
}

func (s *site) notAllowed(w http.ResponseWriter, r *http.Request, methods string) {
	w.Header().Set("Allow", methods)
	problem(w, http.StatusMethodNotAllowed, fmt.Sprintf("%.20q is not answered here; allowed: %s", r.Method, methods))
}

// nothing says that there is nothing at a path, to people in their language.
func (s *site) nothing(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	if person(r) {
		s.refusal(w, r, reader, http.StatusNotFound, "")
		return
	}
	problem(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.80q; reports are at %s", r.URL.Path, ReportPath))
}
