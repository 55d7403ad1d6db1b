package portal

import (
	"net/url"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/publish/document"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Months is the page of every month with data, newest first.
func Months(months *api.Months, lang wording.Language) (Content, error) {
	title := wording.Word(lang, wording.SignMonths)
	t := &document.Table{ID: "months", Title: title}
	for _, c := range []wording.Column{
		wording.ColumnMonth, wording.ColumnRate, wording.ColumnTarget, wording.ColumnCompliant, wording.ColumnTotal,
		wording.ColumnNonCompliant, wording.ColumnNotDemonstrated, wording.ColumnProven, wording.ColumnPossible, wording.ColumnPlane,
	} {
		t.Columns = append(t.Columns, document.Column{Name: wording.Head(lang, c)})
	}
	t.Columns = append(t.Columns, document.Column{Name: wording.Word(lang, wording.SignData)})
	to := map[string]string{}
	for i := range months.Months {
		m := &months.Months[i]
		name := wording.MonthOf(lang, m.Month)
		if !m.Complete {
			name = wording.SoFarName(lang, m.Month)
		}
		to[name] = MonthsPath + "/" + m.Month
		t.Rows = append(t.Rows, append([]document.Cell{text(name)}, monthCells(lang, m)...))
	}
	data := map[string]any{"Title": title, "Warnings": marks(months, lang)}
	if len(t.Rows) > 0 {
		data["Table"] = view(t, func(name string) string { return to[name] })
	}
	if f := trend(months, lang); len(f.Months) > 1 {
		data["Trend"] = &document.Picture{ID: "trend", Figure: f.Figure(), Caption: f.Title + wording.Stop(lang) + f.Description}
	}
	if months.Before != "" {
		data["Earlier"] = MonthsPath + "?" + url.Values{"before": {months.Before}}.Encode()
	}
	main, err := execute("months.html", lang, data)
	return Content{title, main}, err
}

// marks are what must not be overlooked of some month: that its data is not of a
// real network.
func marks(months *api.Months, lang wording.Language) (all []string) {
	for i := range months.Months {
		if o := months.Months[i].Origins; o != nil {
			if mark := wording.Watermark(lang, *o); mark != "" && !slices.Contains(all, mark) {
				all = append(all, mark)
			}
		}
	}
	return all
}

// trend has the months that are over, and holes where there is none.
func trend(months *api.Months, lang wording.Language) chart.Trend {
	in := chart.Trend{
		Decimals:  1,
		AxisLabel: wording.Label(lang, wording.LabelRate), RateLabel: wording.Label(lang, wording.LabelRate),
		MetLabel: wording.Label(lang, wording.LabelMet), MissedLabel: wording.Label(lang, wording.LabelMissed),
		BandLabel: wording.Label(lang, wording.LabelBand), TargetLabel: wording.Label(lang, wording.LabelTarget),
	}
	var next time.Time
	for i := range slices.Backward(months.Months) {
		m := &months.Months[i]
		at, err := time.Parse("2006-01", m.Month)
		if err != nil || !m.Complete || m.Rate == nil {
			continue
		}
		for ; !next.IsZero() && next.Before(at); next = next.AddDate(0, 1, 0) {
			in.Months = append(in.Months, chart.TrendMonth{Year: next.Year(), Month: int(next.Month())})
			in.NoDataLabel = wording.Label(lang, wording.LabelNoData)
		}
		r := m.Rate
		in.Title, in.Description = wording.Caption(lang, wording.FigureTrend, wording.Plane(lang, m.Plane))
		in.Months = append(in.Months, chart.TrendMonth{
			Year: at.Year(), Month: int(at.Month()), Compliant: r.Compliant, Total: r.Total,
			Proven: &r.Proven, Possible: &r.Possible, Target: r.Target, Met: r.Met,
		})
		next = at.AddDate(0, 1, 0)
	}
	return in
}

func monthCells(lang wording.Language, m *api.MonthSummary) []document.Cell {
	r := m.Rate
	if r == nil {
		return []document.Cell{text(wording.Word(lang, wording.SignPending)), dash, dash, dash, dash, dash, dash, dash, dash, dash}
	}
	rate := number(wording.RateDigits(*r), r.Fraction*100)
	rate.Strong = true
	target := dash
	if r.Target != nil {
		target = number(wording.Number(*r.Target*100), *r.Target*100)
	}
	switch {
	case r.Met == nil:
	case *r.Met:
		rate.Ink = chart.InkCompliant
	default:
		rate.Ink = chart.InkNonCompliant
	}
	n := func(n int) document.Cell { return count(int64(n)) }
	return []document.Cell{
		rate, target, n(r.Compliant), n(r.Total), n(r.NonCompliant), n(r.NotDemonstrated), n(r.Proven), n(r.Possible), text(wording.Plane(lang, m.Plane)), text(originsOf(lang, m.Origins)),
	}
}

// originsOf names where the data of a month comes from.
func originsOf(lang wording.Language, o *api.Origins) string {
	var names []string
	if o != nil {
		for _, of := range []struct {
			windows int
			name    string
		}{{o.Measured, "measured"}, {o.Emulated, "emulated"}, {o.Synthetic, "synthetic"}, {o.Imported, "imported"}} {
			if of.windows > 0 {
				names = append(names, wording.Origin(lang, of.name))
			}
		}
	}
	return wording.List(lang, names)
}
