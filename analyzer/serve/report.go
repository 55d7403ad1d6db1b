package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// form is what a report is given as.
type form struct {
	name string // also the ending of a file
	kind string // media type
}

const jsonForm = "json"

// forms are all of them; where a reader wants several as much, the first of
// these.
var forms = []form{
	{jsonForm, "application/json"},
	{string(publish.PDF), "application/pdf"},
	{string(publish.HTML), "text/html; charset=utf-8"},
	{string(publish.XLSX), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{string(publish.CSV), "text/csv; charset=utf-8"},
}

func formOf(name string) (form, bool) {
	i := slices.IndexFunc(forms, func(f form) bool { return f.name == name })
	if i < 0 {
		return form{}, false
	}
	return forms[i], true
}

// chosen is the form that a reader wants most; false if none.
func chosen(accept []string) (best form, ok bool) {
	if len(accept) == 0 {
		return forms[0], true
	}
	most := 0.0
	for _, f := range forms {
		if q := wanted(accept, f.kind); q > most {
			best, most = f, q
		}
	}
	return best, most > 0
}

func kinds() string {
	var names []string
	for _, f := range forms {
		kind, _, _ := strings.Cut(f.kind, ";")
		names = append(names, kind)
	}
	return strings.Join(names, ", ")
}

// asked is what a request wants to know of reports.
type asked struct {
	span          report.Span
	fallback      bool // the request names no period
	rates         bool // of the report nothing else is given
	trend, beside bool
	language      wording.Language
}

// queryOf reads a query strictly: a parameter that is misspelt would otherwise
// give an answer to something else.
func queryOf(r *http.Request, allowed ...string) (url.Values, error) {
	return listsOf(r, nil, allowed...)
}

// listsOf is queryOf where some parameters may be given several times. None of
// these is empty.
func listsOf(r *http.Request, lists []string, allowed ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query %.80q cannot be read: %w", r.URL.RawQuery, err)
	}
	for name, values := range query {
		switch {
		case !slices.Contains(allowed, name) && len(allowed) == 0:
			return nil, fmt.Errorf("%.40q is no parameter; none is allowed here", name)
		case !slices.Contains(allowed, name):
			return nil, fmt.Errorf("%.40q is no parameter; allowed: %s", name, strings.Join(allowed, ", "))
		case slices.Contains(lists, name):
			if slices.Contains(values, "") {
				return nil, fmt.Errorf("%s is empty; name something, or leave it out", name)
			}
		case len(values) > 1:
			return nil, fmt.Errorf("%s is given twice; keep one", name)
		}
	}
	return query, nil
}

// switched reads a parameter that is 1 or absent.
func switched(query url.Values, name string) (bool, error) {
	if query.Has(name) && query.Get(name) != "1" {
		return false, fmt.Errorf("%s is %.40q; allowed: 1", name, query.Get(name))
	}
	return query.Has(name), nil
}

// oneOf reads a parameter that has few values; absent it is empty.
func oneOf[T ~string](query url.Values, name string, allowed ...T) (T, error) {
	value := T(query.Get(name))
	if query.Has(name) && !slices.Contains(allowed, value) {
		texts := make([]string, len(allowed))
		for i, text := range allowed {
			texts[i] = string(text)
		}
		return "", fmt.Errorf("%s is %.40q; allowed: %s", name, query.Get(name), strings.Join(texts, ", "))
	}
	return value, nil
}

// number reads a parameter that is a whole number.
func number(query url.Values, name string, least, most, absent int) (int, error) {
	if !query.Has(name) {
		return absent, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %.40q; allowed: %d to %d", name, query.Get(name), least, most)
	}
	return n, nil
}

// spanOf is the period that a query names.
func spanOf(query url.Values) report.Span {
	// A + in a query means a space, and in RFC 3339 nothing else can be meant.
	value := func(name string) string { return strings.ReplaceAll(query.Get(name), " ", "+") }
	return report.Span{Period: value("period"), From: value("from"), To: value("to")}
}

func (s *Server) asked(r *http.Request, names ...string) (a asked, err error) {
	query, err := queryOf(r, append(names, "beside", "trend", "lang")...)
	if err != nil {
		return a, err
	}
	var errs [3]error
	a.beside, errs[0] = switched(query, "beside")
	a.trend, errs[1] = switched(query, "trend")
	a.language, errs[2] = oneOf(query, "lang", wording.Languages()...)
	if err := errors.Join(errs[:]...); err != nil {
		return a, err
	}
	a.span = spanOf(query)
	return a, nil
}

// report answers with the report of any period.
func (s *Server) report(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	asked, err := s.asked(r, "period", "from", "to")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if asked.span == (report.Span{}) && s.Fallback != nil {
		asked.fallback = true
		asked.span = report.Span{From: s.Fallback.From.Format(time.RFC3339Nano), To: s.Fallback.To.Format(time.RFC3339Nano)}
	}
	s.negotiated(w, r, reader, made, turns, asked)
}

// file answers with the report of a month, in the form of the file's name.
func (s *Server) file(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns) {
	name, ending, dotted := strings.Cut(r.PathValue("file"), ".")
	form, known := formOf(ending)
	if name != "report" || dotted && !known {
		problem(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %.80q; a month has pairs, report and report. with json, csv, xlsx, html or pdf", r.URL.Path))
		return
	}
	asked, err := s.asked(r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if asked.span, err = monthOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if !dotted {
		s.negotiated(w, r, reader, made, turns, asked)
		return
	}
	s.give(w, r, reader, made, turns, asked, form)
}

// monthOf is the month in the path.
func monthOf(r *http.Request) (report.Span, error) {
	month := r.PathValue("month")
	if _, err := time.Parse("2006-01", month); err != nil {
		return report.Span{}, fmt.Errorf("%.40q is not a month such as 2025-06", month)
	}
	return report.Span{Period: month}, nil
}

// negotiated answers in the form that the reader likes most.
func (s *Server) negotiated(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, turns *turns, asked asked) {
	w.Header().Add("Vary", "Accept")
	form, ok := chosen(r.Header.Values("Accept"))
	if !ok {
		problem(w, http.StatusNotAcceptable, "Accept names nothing that there is; a report is to be had as "+kinds())
		return
	}
	s.give(w, r, reader, made, turns, asked, form)
}

// give answers with a report in a form.
func (s *Server) give(w http.ResponseWriter, r *http.Request, reader *readers.Reader, from *shelf.Shelf, turns *turns, asked asked, form form) {
	if form.name == jsonForm && asked.language != "" {
		problem(w, http.StatusBadRequest, "lang goes with csv, xlsx, html and pdf; JSON has no language")
		return
	}
	if form.name != jsonForm {
		asked.trend = true // as the command writes it
		if asked.language == "" {
			asked.language = wording.EN
		}
	}
	made := s.take(w, r, reader, from, asked)
	if made == nil {
		return
	}
	body, err := bodyOf(made, reader, turns, form, asked.language)
	if errors.Is(err, shelf.ErrBusy) {
		busy(w)
		return
	}
	if err != nil {
		s.Log.Error("a report could not be written", "form", form.name, "error", err)
		problem(w, http.StatusInternalServerError, "the report could not be written; the log of the analyzer says why")
		return
	}
	if reader.Name != "" {
		period := made.Report.Period
		s.Log.Info("a report was asked for", "reader", reader.Name, "role", reader.Role, "from", period.From, "to", period.To, "form", form.name)
	}
	header := w.Header()
	switch form.name {
	case jsonForm:
	case string(publish.HTML):
		// It has no script and needs nothing from anywhere.
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox")
	default:
		header.Set("Content-Disposition", fmt.Sprintf(`inline; filename="%s"`, fileName(made.Report, form, asked.language)))
	}
	if made.ByAge() {
		header.Set("Age", strconv.Itoa(int(time.Since(made.Made).Seconds())))
	}
	s.send(w, r, form.kind, body, made.Modified)
}

func bodyOf(made *shelf.Made, reader *readers.Reader, turns *turns, form form, language wording.Language) (*shelf.Body, error) {
	if form.name == jsonForm {
		return made.JSON(reader)
	}
	return made.Body(form.name+"/"+string(language), reader, func(excerpt *api.Report) ([]byte, error) {
		return turns.layout(reader, func() ([]byte, error) {
			return publish.Write(excerpt, publish.Form(form.name), publish.Options{Language: language})
		})
	})
}

// fileName is what a report is saved as: by the days that it begins and ends.
func fileName(r *api.Report, form form, language wording.Language) string {
	day := func(stamp string) string {
		date, _, _ := strings.Cut(stamp, "T")
		return date
	}
	return fmt.Sprintf("report-%s-to-%s.%s.%s", day(r.Period.From), day(r.Period.To), language, form.name)
}

// take takes a report from the shelf for a reader who may have it, or says why
// not and gives nil.
func (s *Server) take(w http.ResponseWriter, r *http.Request, reader *readers.Reader, from *shelf.Shelf, asked asked) *shelf.Made {
	period, err := from.Resolve(r.Context(), asked.span)
	if err != nil {
		s.refuse(w, r, err)
		return nil
	}
	if !asked.fallback && !reader.Whole() {
		switch {
		case !wholeDays(period):
			problem(w, http.StatusForbidden, fmt.Sprintf("role %s may ask for whole days only, by the mesh's time zone; the figures of a minute would tell how well others measure", reader.Role))
			return nil
		case !asked.rates && time.Now().Before(midnight(period.From, 1)):
			// A minute after midnight the day is a minute.
			problem(w, http.StatusForbidden, fmt.Sprintf("role %s may ask for this once a day of it is over, by the mesh's time zone; the figures of its first minutes would tell how well others measure", reader.Role))
			return nil
		}
	}
	made, err := from.Report(r.Context(), shelf.KeyOf(period, asked.trend, asked.beside), reader.Name)
	if err != nil {
		s.refuse(w, r, err)
		return nil
	}
	return made
}

// wholeDays tells whether a period begins and ends with a day, which is not
// everywhere at midnight.
func wholeDays(p report.Period) bool {
	begins := func(t time.Time) bool { return t.Add(-time.Millisecond).Day() != t.Day() }
	return begins(p.From) && begins(p.To)
}

// refuse says why there is no answer.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var period *shelf.PeriodError
	switch {
	case errors.As(err, &period):
		problem(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, shelf.ErrBusy):
		busy(w)
	case errors.Is(err, shelf.ErrStore), errors.Is(err, context.Canceled):
		s.unavailable(w, r, err)
	default:
		s.Log.Error("report failed", "query", r.URL.RawQuery, "error", err)
		detail := "the archived mesh or the policy does not serve; the log of the analyzer says why"
		if reader, known := r.Context().Value(asking{}).(*readers.Reader); known && reader.Whole() {
			detail = err.Error() // it may name sites
		}
		problem(w, http.StatusInternalServerError, detail)
	}
}

func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	problem(w, http.StatusTooManyRequests, "something else for this reader is being made; ask for this after it")
}

func (s *Server) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.Log.Error("report failed", "query", r.URL.RawQuery, "error", err)
	}
	w.Header().Set("Retry-After", "5")
	problem(w, http.StatusServiceUnavailable, "the store cannot be read now; the log of the analyzer says why")
}
