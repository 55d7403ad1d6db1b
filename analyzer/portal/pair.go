package portal

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// ErrNotFound says that a report has no such pair or plane.
var ErrNotFound = errors.New("the report has nothing of that name")

// FindPair gives a pair as the report has it, whichever cluster comes first.
func FindPair(r *api.Report, a, b string) (pair [2]string, ok bool) {
	for i := range r.Pairs {
		if pair = r.Pairs[i].Pair; pair == [2]string{a, b} || pair == [2]string{b, a} {
			return pair, true
		}
	}
	return pair, false
}

// between are the links that join a pair on a plane, in the order of the report.
func between(r *api.Report, pair [2]string, plane string) (links []*api.Pair) {
	for i := range r.Links {
		if l := &r.Links[i]; l.Pair == pair && l.Plane == plane {
			links = append(links, l)
		}
	}
	return links
}

// Pair is the page of a pair on a plane. The series are those of its links, day
// by day or, of a short period, in shorter steps; those of links that are withheld from the reader are not shown. The
// pair is as FindPair gives it. ErrNotFound: there is no such plane.
func Pair(p Period, pair [2]string, plane string, series *api.Series, lang wording.Language) (Content, error) {
	r, ok := onPlane(p.Report, plane)
	if !ok {
		return Content{}, ErrNotFound
	}
	at := slices.IndexFunc(r.Pairs, func(of api.Pair) bool { return of.Pair == pair })
	if at < 0 {
		return Content{}, ErrNotFound
	}
	alone := *r // what has to be known of this pair, and no other
	alone.Pairs = r.Pairs[at : at+1]
	d, err := document.Of(&alone, lang)
	if err != nil {
		return Content{}, err
	}
	var sections []section
	for _, s := range d.Sections {
		if slices.Contains(ofPairs, s.ID) {
			sections = appendSection(sections, s, nowhere, func(*document.Table) bool { return true })
		}
	}
	w := pairWriter{report: r, lang: lang, links: between(r, pair, plane)}
	var withheld []string
	for _, l := range w.links {
		if l.Withheld && !slices.Contains(withheld, l.Carrier) {
			withheld = append(withheld, l.Carrier)
		}
	}
	data := map[string]any{
		"Period": place{Href: p.Path, Name: p.TitleIn(lang)}, "Title": wording.Pair(lang, r.Mesh, pair),
		"Subtitle": wording.PairOn(lang, plane, r.Period), "Warnings": append(slices.Clone(p.Notes), d.Warnings...),
		"Planes": p.planes(lang, (Period{Path: p.Path}).pairPathOnly(pair), plane),
		"Result": wording.PairResult(lang, r.Mesh, &r.Pairs[at], r.Policy.Factor), "Days": w.days(series), "Sections": sections, "Footer": d.Footer,
	}
	if len(withheld) > 0 {
		for i := range withheld {
			withheld[i] = w.carrier(withheld[i])
		}
		data["Withheld"] = wording.TimesWithheld(lang, withheld)
	}
	for name, t := range map[string]*document.Table{"Carriers": w.carriers(), "Why": w.why(), "Ends": w.ends()} {
		if len(t.Rows) > 0 {
			data[name] = view(t, nowhere)
		}
	}
	main, err := execute("pair.html", lang, data)
	return Content{wording.Pair(lang, r.Mesh, pair) + " · " + p.TitleIn(lang), main}, err
}

func (p Period) pairPathOnly(pair [2]string) string {
	return p.Path + "/pairs/" + pair[0] + "/" + pair[1]
}

// pairWriter makes the tables and figures of a pair.
type pairWriter struct {
	report *api.Report
	lang   wording.Language
	links  []*api.Pair
}

func (w *pairWriter) carrier(id string) string { return wording.Carrier(w.lang, w.report.Mesh, id) }

func (w *pairWriter) table(id string, title wording.Sign, columns ...wording.Column) *document.Table {
	t := &document.Table{ID: id, Title: wording.Word(w.lang, title)}
	for _, c := range columns {
		t.Columns = append(t.Columns, document.Column{Name: wording.Head(w.lang, c)})
	}
	return t
}

func (w *pairWriter) carriers() *document.Table {
	t := w.table("carriers", wording.SignSideBySide, wording.ColumnCarrier, wording.ColumnVerdict, wording.ColumnMeasured, wording.ColumnLimit,
		wording.ColumnRatio, wording.ColumnInterval, wording.ColumnGuarded, wording.ColumnTheoretical, wording.ColumnDistance, wording.ColumnDistanceClass, wording.ColumnSites)
	for _, l := range w.links {
		verdict := document.Cell{Text: wording.Verdict(w.lang, l.Verdict), Strong: true, Ink: chart.InkUndecided}
		switch l.Verdict {
		case api.Compliant:
			verdict.Ink = chart.InkCompliant
		case api.NonCompliant:
			verdict.Ink = chart.InkNonCompliant
		}
		interval := dash
		if u := l.Uncertainty; u != nil {
			interval = text(wording.Range(w.lang, w.ratio(u.RatioLow, u.RatioLowUnbounded).Text, w.ratio(u.RatioHigh, u.RatioHighUnbounded).Text))
		}
		measured := ms(l.MeasuredRTTMS, l.Unbounded)
		if b := l.Bounds; b != nil {
			measured = text(wording.Range(w.lang, ms(b.LowMS, b.LowMS == nil).Text, ms(b.HighMS, b.HighMS == nil).Text))
		}
		limit := number(wording.LimitMS(l.LimitRTTMS), l.LimitRTTMS)
		t.Rows = append(t.Rows, []document.Cell{
			text(w.carrier(l.Carrier)), verdict, measured, limit, w.ratio(l.Ratio, l.Unbounded), interval, text(wording.Guarded(w.lang, l.Guarded)),
			ms(&l.TheoreticalRTTMS, false), number(wording.KM(l.DistanceKM, 0), l.DistanceKM), text(wording.DistanceClass(w.lang, l.DistanceClass)),
			text(wording.Sequence(w.lang, l.Sites)),
		})
	}
	return t
}

// why has what is to be said of each link.
func (w *pairWriter) why() *document.Table {
	t := w.table("why", wording.SignWhy, wording.ColumnCarrier, wording.ColumnReason)
	for _, l := range w.links {
		for _, reason := range slices.Concat(l.Reasons, l.Diagnosis, l.Flags) {
			t.Rows = append(t.Rows, []document.Cell{text(w.carrier(l.Carrier)), text(wording.Reason(w.lang, reason))})
		}
	}
	return t
}

func (w *pairWriter) ends() *document.Table {
	t := w.table("ends", wording.SignEnds, wording.ColumnFrom, wording.ColumnTo, wording.ColumnCarrier, wording.ColumnMin, wording.ColumnP50, wording.ColumnP95,
		wording.ColumnP99, wording.ColumnSent, wording.ColumnLost, wording.ColumnLoss, wording.ColumnDaysSufficient, wording.ColumnDays)
	for _, l := range w.links {
		for i := range l.Ends {
			e := &l.Ends[i]
			loss := dash
			if percent, known := e.LossPercent(); known {
				loss = number(wording.MS(percent, 2), percent)
			}
			t.Rows = append(t.Rows, []document.Cell{
				text(e.Src), text(e.Dst), text(w.carrier(l.Carrier)), ms(e.MinMS, false), ms(e.P50MS, e.P50Unbounded), ms(e.P95MS, e.P95Unbounded), ms(e.P99MS, e.P99Unbounded),
				count(e.Sent), count(e.Lost), loss, count(int64(e.Sufficiency.DaysSufficient)), count(int64(e.Sufficiency.Days)),
			})
		}
	}
	return t
}

// daysOf is a figure of one end with its table.
type daysOf struct {
	Picture *document.Picture
	View    *tableView
}

func (w *pairWriter) days(series *api.Series) (all []daysOf) {
	if series == nil {
		return nil
	}
	zone, err := time.LoadLocation(series.TimeZone)
	if err != nil {
		zone = time.UTC // no report has a zone that is none
	}
	for i := range series.Series {
		s := &series.Series[i]
		shown := slices.ContainsFunc(w.links, func(l *api.Pair) bool {
			return !l.Withheld && slices.Contains(l.Sites, s.Src) && slices.Contains(l.Sites, s.Dst)
		})
		if shown && (len(s.Points) > 0 || series.Step == dayStep) {
			all = append(all, w.daysOf(series, s, zone))
		}
	}
	return all
}

func (w *pairWriter) daysOf(series *api.Series, s *api.LinkSeries, zone *time.Location) daysOf {
	title, description := wording.OverTime(w.lang, s.Src, s.Dst)
	title = w.carrier(s.Carrier) + wording.Colon(w.lang) + title
	bands := chart.Bands{
		Size: chart.Size{WidthPT: 400}, Caption: chart.Caption{Title: title, Description: description},
		AxisLabel: wording.Word(w.lang, wording.SignRTTAxis), P95Label: wording.Word(w.lang, wording.SignP95Line), P50Label: wording.Word(w.lang, wording.SignP50Line),
		InnerLabel: wording.Word(w.lang, wording.SignInnerBand), OuterLabel: wording.Word(w.lang, wording.SignOuterBand),
		BeyondLabel: wording.Label(w.lang, wording.LabelBeyond), NoDataLabel: wording.Label(w.lang, wording.LabelNoData),
	}
	if len(s.Limits) == 1 { // else it changed within the period, and each day has its own
		bands.LimitUS, bands.LimitLabel = s.Limits[0].LimitRTTMS*1000, wording.Label(w.lang, wording.LabelLimit)
	}
	id := "days-" + s.Src + "-" + s.Dst
	t := &document.Table{ID: id, Title: title, Columns: []document.Column{
		{Name: wording.Word(w.lang, wording.SignBegins)}, {Name: wording.Word(w.lang, wording.SignPackets)}, {Name: wording.Head(w.lang, wording.ColumnLost)},
		{Name: wording.Head(w.lang, wording.ColumnMin)}, {Name: wording.Head(w.lang, wording.ColumnP50)}, {Name: wording.Head(w.lang, wording.ColumnP95)}, {Name: wording.Head(w.lang, wording.ColumnP99)},
	}}
	line := timelineOf(series, s, zone)
	points := map[int]*api.Point{}
	for i := range s.Points {
		if at, ok := line.index(s.Points[i].From); ok {
			points[at] = &s.Points[i]
		}
	}
	for i := range line.steps {
		at := line.at(i)
		of, begins := chart.BandDay{Label: at.Format("2")}, wording.Date(w.lang, at)
		if line.days > 1 { // of months, whose days have the same numbers
			of.Label = at.Format("01-02")
		}
		if line.days == 0 {
			of.Label, begins = at.Format("15:04"), wording.Moment(w.lang, at)
		}
		row := []document.Cell{text(begins), count(0), count(0), dash, dash, dash, dash}
		if p := points[i]; p != nil {
			of.MinUS, of.P50US, of.P95US, of.P99US = us(p.MinMS), us(p.P50MS), us(p.P95MS), us(p.P99MS)
			row = []document.Cell{
				row[0], count(p.Packets), count(p.Lost), ms(p.MinMS, false),
				ms(p.P50MS, p.P50Unbounded), ms(p.P95MS, p.P95Unbounded), ms(p.P99MS, p.P99Unbounded),
			}
		}
		bands.Days = append(bands.Days, of)
		t.Rows = append(t.Rows, row)
	}
	f := bands.Figure()
	return daysOf{&document.Picture{ID: id, Figure: f, Caption: title}, view(t, nowhere)}
}

// dayStep is how a series names its longest step.
const dayStep = "day"

// timeline is when the points of an end may begin.
type timeline struct {
	first time.Time
	steps int
	days  int           // that each takes; 0: they are shorter than a day
	step  time.Duration // that each takes then
}

// timelineOf gives days as dates, at midnight in UTC, and not as moments: where
// the clock is set forward over midnight a day begins later. Steps that are
// shorter are told by the first of them: where there is none there is nothing.
func timelineOf(series *api.Series, s *api.LinkSeries, zone *time.Location) timeline {
	if series.Step == dayStep {
		first, okFrom := dateOf(series.From)
		after, okTo := dateOf(series.To)
		line := timeline{first: first, days: max(1, series.Merged)}
		if okFrom && okTo {
			line.steps = (daysFrom(first, after) + line.days - 1) / line.days
		}
		return line
	}
	to, err := time.Parse(time.RFC3339Nano, series.To)
	if err != nil || len(s.Points) == 0 {
		return timeline{}
	}
	begins, errBegins := time.Parse(time.RFC3339Nano, s.Points[0].From)
	ends, errEnds := time.Parse(time.RFC3339Nano, s.Points[0].To)
	step := ends.Sub(begins)
	if errBegins != nil || errEnds != nil || step <= 0 {
		return timeline{}
	}
	return timeline{first: begins.In(zone), steps: int((to.Sub(begins) + step - 1) / step), step: step}
}

// at is when a step begins.
func (l *timeline) at(i int) time.Time {
	if l.days > 0 {
		return l.first.AddDate(0, 0, i*l.days)
	}
	return l.first.Add(time.Duration(i) * l.step)
}

// index is the step that begins at an RFC 3339 time.
func (l *timeline) index(stamp string) (int, bool) {
	if l.days > 0 {
		day, ok := dateOf(stamp)
		return daysFrom(l.first, day) / l.days, ok
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	return int(at.Sub(l.first) / max(1, l.step)), err == nil
}

// dateOf is the date of an RFC 3339 time, on its own clock.
func dateOf(stamp string) (time.Time, bool) {
	date, _, _ := strings.Cut(stamp, "T")
	day, err := time.Parse(time.DateOnly, date)
	return day, err == nil
}

// daysFrom counts days from one date to another.
func daysFrom(from, to time.Time) int { return int(to.Sub(from) / (24 * time.Hour)) }

var dash = document.Cell{Text: "–", Unknown: true}

func text(s string) document.Cell { return document.Cell{Text: s} }

func number(shown string, v float64) document.Cell { return document.Cell{Text: shown, Number: &v} }

func count(n int64) document.Cell { return number(wording.Number(float64(n)), float64(n)) }

func ms(v *float64, unbounded bool) document.Cell {
	shown := wording.Figure(v, unbounded, func(v float64) string { return wording.MS(v, 3) })
	return document.Cell{Text: shown, Number: v, Unknown: v == nil && !unbounded}
}

func (w *pairWriter) ratio(v *float64, unbounded bool) document.Cell {
	shown := wording.Figure(v, unbounded, func(v float64) string { return wording.Ratio(v, w.report.Policy.Factor) })
	return document.Cell{Text: shown, Number: v, Unknown: v == nil && !unbounded}
}

// us is a figure in microseconds for a drawing.
func us(ms *float64) *float64 {
	if ms == nil {
		return nil
	}
	v := *ms * 1000
	return &v
}
