package serve

import (
	"bytes"
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
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/portal"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// pageWaits is how long a person looks at an empty window while a report is
// made, before a page says so.
const pageWaits = 10 * time.Second

// shown is a period that a page is of, before its report is there.
type shown struct {
	span  report.Span
	path  string
	month string // whole, and so to be had from the API by its name; else empty
	title func(wording.Language) string
	notes func(lang wording.Language, of api.Period) []string
}

// A figure of a pair has no more points, since it is no wider; of less than
// three days it has shorter steps than days.
const (
	pointsOfFigure = 72
	shortPeriod    = 72 * time.Hour
)

var errNoData = errors.New("there is no data of this month")

// home is the month that runs, or else the last one with data; with a period on
// the command line, that.
func (s *site) home(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	if s.Fallback != nil {
		s.periodPage(w, r, reader, s.fixed())
		return
	}
	months, _, err := s.seen.months(r.Context(), "", 1)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	if len(months) == 0 {
		s.empty(w, r, reader, wording.SignNow)
		return
	}
	what, err := s.newest(r.Context(), months[0])
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	s.periodPage(w, r, reader, what)
}

// empty is shown where there is no data at all.
func (s *site) empty(w http.ResponseWriter, r *http.Request, reader *readers.Reader, of wording.Sign) {
	f := s.frame(w, r, reader)
	page, err := portal.Empty(f.Language, of)
	s.show(w, r, f, http.StatusOK, page, err)
}

// newest is the last month with data as a whole, or so far; where it has no
// whole day yet, the one before it.
func (s *site) newest(ctx context.Context, month string) (shown, error) {
	what, err := s.monthShown(ctx, month)
	if errors.Is(err, errNoData) {
		var before []string
		if before, _, err = s.seen.months(ctx, month, 1); err == nil {
			if len(before) == 0 {
				return shown{}, errNoData
			}
			what, err = s.monthShown(ctx, before[0])
		}
	}
	if err != nil || what.month == "" {
		return what, err
	}
	present, err := s.present(ctx, what.month)
	if err != nil {
		return what, err
	}
	what.notes = func(lang wording.Language, _ api.Period) []string {
		return []string{wording.NothingYet(lang, present, what.month)}
	}
	return what, nil
}

// present is the month of now, by the time zone of another month.
func (s *site) present(ctx context.Context, month string) (string, error) {
	period, err := s.made.Resolve(ctx, report.Span{Period: month})
	if err != nil {
		return "", err
	}
	return time.Now().In(period.From.Location()).Format("2006-01"), nil
}

// monthShown finds out what is shown of a month that has data: of the one that
// runs, the days that are over.
func (s *site) monthShown(ctx context.Context, month string) (shown, error) {
	what := shown{span: report.Span{Period: month}, path: portal.MonthsPath + "/" + month, month: month}
	period, err := s.made.Resolve(ctx, what.span)
	if err != nil {
		return what, err
	}
	now := time.Now().In(period.From.Location())
	if !now.Before(period.To) {
		return what, nil
	}
	today := midnight(now, 0)
	if !period.From.Before(today) {
		return what, errNoData
	}
	what.span = report.Span{From: period.From.Format(time.DateOnly), To: today.Format(time.DateOnly)}
	what.month = ""
	what.title = func(lang wording.Language) string { return wording.SoFarName(lang, month) }
	what.notes = func(lang wording.Language, of api.Period) []string {
		return []string{wording.SoFar(lang, month, of)}
	}
	return what, nil
}

// fixed is the period of the command line.
func (s *site) fixed() shown {
	return shown{
		span: report.Span{From: s.Fallback.From.Format(time.RFC3339Nano), To: s.Fallback.To.Format(time.RFC3339Nano)}, path: fixedPath,
	}
}

// named is the month in a path, if there is data of it.
func (s *site) named(r *http.Request) (shown, error) {
	month := r.PathValue("month")
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return shown{}, errNoData
	}
	have, _, err := s.seen.months(r.Context(), first.AddDate(0, 1, 0).Format("2006-01"), 1)
	if err != nil {
		return shown{}, err
	}
	if !slices.Contains(have, month) {
		return shown{}, errNoData
	}
	return s.monthShown(r.Context(), month)
}

func (s *site) monthPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	what, err := s.named(r)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	s.periodPage(w, r, reader, what)
}

func (s *site) fixedPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	if s.Fallback == nil {
		s.refusal(w, r, reader, http.StatusNotFound, "")
		return
	}
	s.periodPage(w, r, reader, s.fixed())
}

func (s *site) periodPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader, what shown) {
	plane := r.URL.Query().Get("plane")
	s.ofReport(w, r, reader, what, "month\x00"+plane, func(p portal.Period, lang wording.Language) (portal.Content, error) {
		return portal.Month(p, plane, lang)
	})
}

func (s *site) methodsPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	what, err := s.fixed, error(nil)
	if s.Fallback == nil {
		var months []string
		months, _, err = s.seen.months(r.Context(), "", 1)
		if err == nil && len(months) == 0 {
			s.empty(w, r, reader, wording.SignMethods)
			return
		}
		if err == nil {
			var newest shown
			newest, err = s.newest(r.Context(), months[0])
			what = func() shown { return newest }
		}
	}
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	s.ofReport(w, r, reader, what(), "methods", portal.Methods)
}

func (s *site) pairPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	what, err := s.named(r)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	s.ofPair(w, r, reader, what)
}

func (s *site) fixedPairPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	if s.Fallback == nil {
		s.refusal(w, r, reader, http.StatusNotFound, "")
		return
	}
	s.ofPair(w, r, reader, s.fixed())
}

func (s *site) ofPair(w http.ResponseWriter, r *http.Request, reader *readers.Reader, what shown) {
	plane, a, b := r.URL.Query().Get("plane"), r.PathValue("a"), r.PathValue("b")
	key := strings.Join([]string{"pair", plane, a, b}, "\x00")
	ctx := context.WithoutCancel(r.Context()) // others may wait for the same
	s.ofReport(w, r, reader, what, key, func(p portal.Period, lang wording.Language) (portal.Content, error) {
		pair, ok := portal.FindPair(p.Report, a, b)
		if !ok {
			return portal.Content{}, portal.ErrNotFound
		}
		on := plane
		if on == "" {
			on = p.Report.Plane
		}
		var days *api.Series
		if reader.Role != readers.Viewer { // of whom nothing would be shown
			var err error
			if days, err = s.overTime(ctx, reader, what.span, pair, on); err != nil {
				return portal.Content{}, err
			}
		}
		return portal.Pair(p, pair, on, days, lang)
	})
}

// overTime is what the ends that a reader may see measured: day by day, or of a
// short period in shorter steps.
func (s *site) overTime(ctx context.Context, reader *readers.Reader, span report.Span, pair [2]string, plane string) (*api.Series, error) {
	period, err := s.made.Resolve(ctx, span)
	if err != nil {
		return nil, err
	}
	turn, err := s.turns.wait(ctx, apart("pages", reader))
	if err != nil {
		return nil, err
	}
	defer turn.end()
	meshes, err := s.made.Meshes(ctx)
	if err != nil {
		return nil, err
	}
	from := series.Source{Meshes: meshes, Policy: s.Policy, Store: s.Store}
	if s.Days != nil {
		session, err := s.Days.Begin(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", shelf.ErrStore, err)
		}
		from.Days = latency.Records(session)
	}
	wanted := series.Wanted{Pairs: [][2]string{pair}, Planes: []string{plane}, Own: ownOf(reader)}
	query := series.Query{Period: period, Step: series.Day, MaxPoints: pointsOfFigure, Wanted: wanted.Takes}
	if length := period.To.Sub(period.From); length < shortPeriod {
		query.Step = series.StepFor(length)
	}
	days, err := series.Read(ctx, from, query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", shelf.ErrStore, err)
	}
	return days, nil
}

func (s *site) monthsPage(w http.ResponseWriter, r *http.Request, reader *readers.Reader) {
	before := r.URL.Query().Get("before")
	if _, err := time.Parse("2006-01", before); before != "" && err != nil {
		s.refusal(w, r, reader, http.StatusBadRequest, "before is not a month such as 2025-06")
		return
	}
	names, more, err := s.seen.months(r.Context(), before, monthsAtOnce)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	out := &api.Months{}
	for _, month := range names {
		summary, err := s.rateOf(r.Context(), month)
		if err != nil {
			s.pageError(w, r, reader, err)
			return
		}
		out.Months = append(out.Months, summary)
		if summary.Pending {
			again(w)
		}
	}
	if more {
		out.Before = names[len(names)-1]
	}
	f := s.frame(w, r, reader)
	page, err := portal.Months(out, f.Language)
	s.show(w, r, f, http.StatusOK, page, err)
}

// rateOf is the headline of a month, of the one that runs as its page has it.
func (s *site) rateOf(ctx context.Context, month string) (api.MonthSummary, error) {
	what, err := s.monthShown(ctx, month)
	switch {
	case errors.Is(err, errNoData), err == nil && what.month != "": // it has begun today, or is over
		return s.summary(ctx, s.made, month)
	case err != nil:
		return api.MonthSummary{}, err
	}
	soFar := summaryOf(month)
	period, err := s.made.Resolve(ctx, what.span)
	if err != nil {
		return soFar.MonthSummary, err
	}
	kept, err := s.made.Soon(ctx, shelf.KeyOf(period, false, false))
	if kept != nil {
		soFar.take(kept)
	}
	soFar.Complete = false
	return soFar.MonthSummary, err
}

// again lets a browser ask once more by itself, without a script.
func again(w http.ResponseWriter) {
	seconds := strconv.Itoa(int(pageRetryAfter / time.Second))
	w.Header().Set("Retry-After", seconds)
	w.Header().Set("Refresh", seconds)
}

// ofReport shows what is made of a report, which is kept beside it: for each
// reader who sees the same, in each language.
func (s *site) ofReport(w http.ResponseWriter, r *http.Request, reader *readers.Reader, what shown, key string, write func(portal.Period, wording.Language) (portal.Content, error)) {
	f := s.frame(w, r, reader)
	period, err := s.made.Resolve(r.Context(), what.span)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	waiting, stop := context.WithTimeout(r.Context(), pageWaits)
	defer stop()
	made, err := s.made.Report(waiting, shelf.KeyOf(period, false, false), reader.Name)
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	p := portal.Period{Path: what.path, Month: what.month}
	if what.month == "" {
		p.Query = url.Values{"from": {period.From.Format(time.RFC3339Nano)}, "to": {period.To.Format(time.RFC3339Nano)}}
	}
	if what.title != nil {
		p.Title = what.title(f.Language)
	}
	if what.notes != nil {
		p.Notes = what.notes(f.Language, made.Report.Period)
	}
	name := strings.Join(append([]string{"page", key, string(f.Language), what.path}, p.Notes...), "\x00")
	body, err := made.Body(name, reader, func(excerpt *api.Report) ([]byte, error) {
		p.Report = excerpt
		c, err := write(p, f.Language)
		return append([]byte(c.Title+"\x00"), c.Main...), err
	})
	if err != nil {
		s.pageError(w, r, reader, err)
		return
	}
	title, main, _ := bytes.Cut(body.Plain, []byte{0})
	s.show(w, r, f, http.StatusOK, portal.Content{Title: string(title), Main: main}, nil)
}

// pageError says why there is no page.
func (s *site) pageError(w http.ResponseWriter, r *http.Request, reader *readers.Reader, err error) {
	var period *shelf.PeriodError
	switch {
	case errors.Is(err, errNoData), errors.Is(err, portal.ErrNotFound):
		s.refusal(w, r, reader, http.StatusNotFound, "")
	case errors.As(err, &period):
		s.refusal(w, r, reader, http.StatusBadRequest, err.Error())
	case errors.Is(err, shelf.ErrBusy):
		again(w)
		s.refusal(w, r, reader, http.StatusTooManyRequests, "")
	case errors.Is(err, context.DeadlineExceeded):
		again(w)
		s.refusal(w, r, reader, http.StatusAccepted, "")
	case errors.Is(err, shelf.ErrStore), errors.Is(err, context.Canceled):
		if r.Context().Err() == nil {
			s.Log.Error("a page could not be made", "path", r.URL.Path, "error", err)
		}
		s.refusal(w, r, reader, http.StatusServiceUnavailable, "")
	default:
		s.Log.Error("a page could not be made", "path", r.URL.Path, "error", err)
		s.refusal(w, r, reader, http.StatusInternalServerError, "")
	}
}
