package document

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// looked is a report on pairs of one plane that are all diagnosed, with these
// ratios; 0 for one that is endless. Each was measured over two days, at noon of
// the first, with so many of ten packets above the limit as its place says.
func looked(statistic string, ratios ...float64) *source {
	r := &api.Report{Plane: "optical", Policy: api.Policy{Statistic: statistic, Factor: 1.5}}
	for i, ratio := range ratios {
		p := api.Pair{Pair: [2]string{"a", fmt.Sprint("b", i)}, Plane: "optical", LimitRTTMS: 20.5, Verdict: api.NonCompliant}
		if ratio > 0 {
			p.Ratio = &ratio
		}
		d := api.Distribution{Pair: p.Pair, Plane: "optical", Packets: 10, ECDF: api.ECDF{RTTUS: []int64{20_000, 21_000}, Within: []int64{9, 10}}}
		d.Days = []api.DayByHours{{Day: "2025-06-09"}, {Day: "2025-06-10"}}
		d.Days[0].Packets[12], d.Days[0].Above[12] = 10, int64(i)
		r.Pairs, r.Distributions = append(r.Pairs, p), append(r.Distributions, d)
	}
	// That of another plane is not of the headline.
	r.Distributions = append(r.Distributions, api.Distribution{Pair: [2]string{"a", "b0"}, Plane: "private-ip"})
	return &source{Report: r, lang: wording.EN}
}

func ids(blocks []Block) (ids []string) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *Picture:
			ids = append(ids, b.ID)
		case Paragraph:
			ids = append(ids, b.Text)
		}
	}
	return ids
}

// Those nearest to the limit are drawn, in the order of the mesh, and if these
// are not all it is said.
func TestNearestAreDrawn(t *testing.T) {
	s := looked("p95", 1.9, 1.41, 0, 1.52, 1.48, 1.6, 1.45, 1.55, 1.7, 1.8, 1.4, 1.42, 1.43, 2.5)
	nearest, of := s.nearestDrawn()
	var names []string
	for _, d := range nearest {
		names = append(names, d.of.Pair[1])
	}
	want := []string{"b0", "b1", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12"}
	if diff := cmp.Diff(want, names); diff != "" || of != 14 {
		t.Errorf("%d, (-want +got):\n%s", of, diff)
	}
	said := wording.Drawn(wording.EN, 12, 14)
	if diff := cmp.Diff([]string{said, "ecdf-1", "ecdf-2", "heat-1", "heat-2"}, ids(s.distributions())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ecdf-1", "heat-1"}, ids(looked("p50", 1.4).distributions())); diff != "" {
		t.Errorf("one pair (-want +got):\n%s", diff)
	}
}

// A mean is no share of the packets, and one day has no other to be held against.
func TestWhatIsNotDrawn(t *testing.T) {
	if diff := cmp.Diff([]string{"heat-1"}, ids(looked("mean", 1.4).distributions())); diff != "" {
		t.Errorf("mean (-want +got):\n%s", diff)
	}
	day := looked("p99", 1.4)
	day.Distributions[0].Days = day.Distributions[0].Days[:1]
	if diff := cmp.Diff([]string{"ecdf-1"}, ids(day.distributions())); diff != "" {
		t.Errorf("one day (-want +got):\n%s", diff)
	}
	if blocks := looked("p95").distributions(); len(blocks) > 0 {
		t.Errorf("no pair: %v", ids(blocks))
	}
}

func TestDaysOfMaps(t *testing.T) {
	s := looked("p95", 1.4, 1.6, 1.7)
	days, label := s.days(s.Distributions[2].Days)
	if label != "day of June 2025" || days[0].Label != "9" || days[1].Label != "10" {
		t.Errorf("%s: %s, %s", label, days[0].Label, days[1].Label)
	}
	if got := days[0].Shares[12]; got == nil || *got != 0.2 || days[0].Shares[11] != nil || days[1].Shares[12] != nil {
		t.Errorf("shares are %v", days[0].Shares)
	}
	days, label = s.days([]api.DayByHours{{Day: "2025-06-30"}, {Day: "2025-07-01"}})
	if label != "day" || days[0].Label != "06-30" || days[1].Label != "07-01" {
		t.Errorf("%s: %s, %s", label, days[0].Label, days[1].Label)
	}
}

// The curve is drawn of the points that the report has, against the limit.
func TestECDFOfReport(t *testing.T) {
	s := looked("p95", 1.4)
	picture := s.ecdf(0, []drawn{{&s.Pairs[0], &s.Distributions[0]}})[0].(*Picture)
	var words []string
	for _, m := range picture.Figure.Marks {
		if text, ok := m.(chart.Text); ok {
			words = append(words, text.Words)
		}
	}
	for _, want := range []string{"a – b0", "p95 21.000 ms · limit 20.500 ms"} {
		if !slices.Contains(words, want) {
			t.Errorf("%q is not in the figure: %q", want, words)
		}
	}
}
