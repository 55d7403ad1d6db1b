package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
)

// Pages of lists.
const (
	monthsAtOnce    = 12
	maxMonthsAtOnce = 60
	pairsAtOnce     = 100
	maxPairsAtOnce  = 1000
)

// months lists the months of which there is data.
func (s *Server) months(w http.ResponseWriter, r *http.Request, _ *readers.Reader, made *shelf.Shelf, seen *history) {
	query, err := queryOf(r, "limit", "before")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	limit, err := number(query, "limit", 1, maxMonthsAtOnce, monthsAtOnce)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	before := query.Get("before")
	if query.Has("before") {
		if _, err := time.Parse("2006-01", before); err != nil {
			problem(w, http.StatusBadRequest, fmt.Sprintf("before is %.40q, which is not a month such as 2025-06", before))
			return
		}
	}
	names, more, err := seen.months(r.Context(), before, limit)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	out := api.Months{Schema: api.SchemaMonths, Months: []api.MonthSummary{}}
	for _, month := range names {
		summary, err := s.summary(r.Context(), made, month)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		out.Months = append(out.Months, summary)
	}
	if more {
		out.Before = names[len(names)-1]
	}
	s.sendJSON(w, r, &out, time.Time{})
}

// month is the headline of one month, which is made if it is not there.
func (s *Server) month(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf) {
	if _, err := queryOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	month, taken := s.takeMonth(w, r, reader, made, true)
	if taken == nil {
		return
	}
	summary := summaryOf(month)
	summary.take(taken)
	s.sendJSON(w, r, &summary.MonthSummary, taken.Modified)
}

// takeMonth gives the month that a path names and its report; nil if it has said
// why there is none. Only its rates are given on if so said.
func (s *Server) takeMonth(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf, rates bool) (string, *shelf.Made) {
	span, err := monthOf(r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return "", nil
	}
	return span.Period, s.take(w, r, reader, made, asked{span: span, rates: rates})
}

// summary is the headline of a month as far as its report is there and good;
// else the report is begun.
func (s *Server) summary(ctx context.Context, made *shelf.Shelf, month string) (api.MonthSummary, error) {
	summary := summaryOf(month)
	period, err := made.Resolve(ctx, report.Span{Period: month})
	if err != nil {
		return summary.MonthSummary, err
	}
	summary.Complete = !time.Now().Before(period.To)
	kept, err := made.Soon(ctx, shelf.KeyOf(period, false, false), shelf.KeyOf(period, true, false))
	if kept != nil {
		summary.take(kept)
	}
	return summary.MonthSummary, err
}

type summary struct{ api.MonthSummary }

func summaryOf(month string) summary {
	at := MonthsPath + "/" + month
	return summary{api.MonthSummary{Month: month, Pending: true, Links: api.Links{
		Report: at + "/report.json", CSV: at + "/report.csv", XLSX: at + "/report.xlsx",
		HTML: at + "/report.html", PDF: at + "/report.pdf", Pairs: at + "/pairs",
	}}}
}

// take puts the public headline of a report there.
func (m *summary) take(made *shelf.Made) {
	r := made.Report
	m.AsOf = made.Made.UTC().Format(time.RFC3339)
	m.Pending, m.Complete, m.Plane = false, r.Period.Complete, r.Plane
	m.Rate, m.Origins = &r.Rate, &r.Data.Origins
	m.Planes = nil
	for i := range r.Planes {
		p := &r.Planes[i]
		m.Planes = append(m.Planes, api.PlaneRates{Plane: p.Plane, Rate: p.Rate, Carriers: p.Carriers, Hubs: p.Hubs})
	}
}

// pairs lists the pairs of a month, each by its best carrier on each plane, or every
// pair of sites.
func (s *Server) pairs(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf) {
	query, err := queryOf(r, "plane", "carrier", "hub", "cluster", "verdict", "links", "limit", "cursor")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	limit, err := number(query, "limit", 1, maxPairsAtOnce, pairsAtOnce)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	from, err := number(query, "cursor", 0, 1<<30, 0)
	if err != nil {
		problem(w, http.StatusBadRequest, "cursor is not one that an answer gave")
		return
	}
	verdict, err := oneOf(query, "verdict", api.Compliant, api.NonCompliant, api.NotDemonstrated)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	links, err := switched(query, "links")
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	month, taken := s.takeMonth(w, r, reader, made, false)
	if taken == nil {
		return
	}
	excerpt := taken.Excerpt(reader)
	hub := map[string]string{}
	for _, c := range excerpt.Mesh.Clusters {
		hub[c.ID] = c.Hub
	}
	is := func(name string, have ...string) bool {
		return !query.Has(name) || slices.Contains(have, query.Get(name))
	}
	found := []api.Pair{}
	of := [][]api.Pair{excerpt.Links}
	if !links {
		of = of[:0]
		for _, plane := range excerpt.Planes {
			of = append(of, plane.Pairs)
		}
	}
	for _, list := range of {
		for _, p := range list {
			if is("plane", p.Plane) && is("carrier", p.Carrier) && is("cluster", p.Pair[:]...) &&
				is("hub", hub[p.Pair[0]], hub[p.Pair[1]]) && (verdict == "" || p.Verdict == verdict) {
				found = append(found, p)
			}
		}
	}
	out := api.Pairs{Schema: api.SchemaPairs, Month: month, DataSHA256: excerpt.DataSHA256, Total: len(found)}
	from = min(from, len(found))
	out.Pairs = found[from:min(from+limit, len(found))]
	if from+limit < len(found) {
		out.Cursor = strconv.Itoa(from + limit)
	}
	s.sendJSON(w, r, &out, taken.Modified)
}

// pair is all of a month's report that is of two clusters.
func (s *Server) pair(w http.ResponseWriter, r *http.Request, reader *readers.Reader, made *shelf.Shelf) {
	if _, err := queryOf(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	month, taken := s.takeMonth(w, r, reader, made, false)
	if taken == nil {
		return
	}
	excerpt := taken.Excerpt(reader)
	a, b := r.PathValue("a"), r.PathValue("b")
	is := func(p [2]string) bool { return p == [2]string{a, b} || p == [2]string{b, a} }
	out := api.Pairs{Schema: api.SchemaPairs, Month: month, DataSHA256: excerpt.DataSHA256, Pairs: []api.Pair{}}
	for _, plane := range excerpt.Planes {
		for _, p := range plane.Pairs {
			if is(p.Pair) {
				out.Pairs = append(out.Pairs, p)
			}
		}
	}
	for _, link := range excerpt.Links {
		if is(link.Pair) {
			out.Links = append(out.Links, link)
		}
	}
	if out.Total = len(out.Pairs); out.Total == 0 {
		problem(w, http.StatusNotFound, fmt.Sprintf("%.40q and %.40q are no pair of this month; %s lists the pairs", a, b, MonthsPath+"/"+month+"/pairs"))
		return
	}
	s.sendJSON(w, r, &out, taken.Modified)
}
