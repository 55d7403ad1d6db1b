package datasource

import (
	"encoding/json"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// TestRatioIsOnItsSide: whatever the distance, an RTT above the limit has a ratio
// above the factor and one within it has none above, also of links of few metres,
// whose figures have few digits.
func TestRatioIsOnItsSide(t *testing.T) {
	for _, of := range []struct{ factor, text string }{{"3/2", "1.5"}, {"5/4", "1.25"}, {"4/3", ""}} {
		factor, _ := new(big.Rat).SetString(of.factor)
		bound, _ := factor.Float64()
		for meters := int64(50); meters < 3_000_000; meters += 1 + meters/300 {
			// 2 x distance x 1.468 / c, in µs.
			rtt := big.NewRat(2*meters*1468, 299_792_458)
			rtt.Mul(rtt, big.NewRat(1000, 1))
			limit := theory.LimitUS(rtt, factor)
			l := &api.Limit{TheoreticalRTTMS: theory.NearMS(rtt), LimitRTTMS: theory.FloorMS(limit)}
			if got := factorOf(l); of.text != "" && got != bound {
				t.Fatalf("%d m: the factor is %v, want %s", meters, got, of.text)
			}
			whole := new(big.Int).Quo(limit.Num(), limit.Denom()).Int64()
			for us := whole - 1; us <= whole+1; us++ {
				above := big.NewRat(us, 1).Cmp(limit) > 0
				if got := ratioOf(theory.MS(us), l); us >= 0 && of.text != "" && above != (got > bound) {
					t.Errorf("%d m: %d µs has the ratio %v; above the limit: %v", meters, us, got, above)
				}
			}
		}
	}
}

// TestMissIsBelow: a rule fires below 0, so a month that misses its target is never
// at it, however near.
func TestMissIsBelow(t *testing.T) {
	target := 0.8
	for _, met := range []bool{false, true} {
		rate := api.Rate{Compliant: 4, Total: 5, Fraction: 0.8, Target: &target, Met: &met}
		month := &api.MonthSummary{Month: "2025-06", Plane: "optical", Rate: &rate}
		s := sourceAt(t, analyzer(t, map[string]any{
			"/api/v1/network": twoClusters(), "/api/v1/months": &api.Months{Months: []api.MonthSummary{*month}}, "/api/v1/months/2025-06": month,
		}).URL, "{}", nil)
		got := s.one(t, `{"queryType": "now", "metric": "rate_margin", "month": "2025-06"}`)
		if got.Error != nil || len(got.Frames[0].Fields) != 1 {
			t.Fatal(got.Error, got.Frames)
		}
		if v := got.Frames[0].Fields[0].At(0).(float64); met != (v >= 0) {
			t.Errorf("met %v: %v points from the target", met, v)
		}
	}
}

// TestNoLimitIsNoLine: where a link was not there, its limit is not drawn.
func TestNoLimitIsNoLine(t *testing.T) {
	of := &api.Series{Step: "day", Merged: 1, Statistic: "p95", Series: []api.LinkSeries{{
		Src: "a1", Dst: "b1", Pair: [2]string{"aa", "bb"}, Points: []api.Point{}, Limits: []api.Limit{
			{From: "2025-06-01T00:00:00Z", To: "2025-06-05T00:00:00Z", TheoreticalRTTMS: 10, LimitRTTMS: 15},
			{From: "2025-06-05T00:00:00Z", To: "2025-06-10T00:00:00Z", TheoreticalRTTMS: 20, LimitRTTMS: 30},
			{From: "2025-06-20T00:00:00Z", To: "2025-07-01T00:00:00Z", TheoreticalRTTMS: 10, LimitRTTMS: 15},
		},
	}}}
	s := sourceAt(t, analyzer(t, map[string]any{"/api/v1/series": of, "/api/v1/network": twoClusters()}).URL, "{}", nil)
	got := s.one(t, `{"queryType": "series", "metric": "limit"}`)
	if got.Error != nil || len(got.Frames) != 1 || got.Frames[0].Rows() != 7 || !got.Frames[0].Fields[1].NilAt(4) {
		t.Errorf("%v, %v", got.Error, got.Frames)
	}
}

// TestHeatmapOfLosses: where all packets were lost there are no buckets, and
// Grafana draws no frame of times alone.
func TestHeatmapOfLosses(t *testing.T) {
	of := &api.Heatmap{Ends: 1, Step: "hour", EdgesMS: []float64{}, Points: []api.HeatmapPoint{{From: "2025-06-03T00:00:00Z", To: "2025-06-03T01:00:00Z", Lost: 60, Counts: []int64{}}}}
	s := sourceAt(t, analyzer(t, map[string]any{"/api/v1/heatmap": of}).URL, "{}", nil)
	got := s.one(t, `{"queryType": "heatmap"}`)
	if got.Error != nil || len(got.Frames) != 1 || len(got.Frames[0].Fields) != 0 || got.Frames[0].Meta.Type == data.FrameType("heatmap-rows") {
		t.Errorf("%v, %v", got.Error, got.Frames)
	}
}

// TestCarrierHasAllItsPairs: those that another carrier joins better are there as
// well, since the carrier's rate counts them.
func TestCarrierHasAllItsPairs(t *testing.T) {
	network := twoClusters()
	network.Carriers = []api.Named{{ID: "one"}, {ID: "two"}}
	pair := func(carrier string, verdict api.Verdict) api.Pair {
		return api.Pair{Pair: [2]string{"aa", "bb"}, Carrier: carrier, Plane: "optical", Verdict: verdict}
	}
	s := sourceAt(t, analyzer(t, map[string]any{
		"/api/v1/network": network, "/api/v1/months": &api.Months{Months: []api.MonthSummary{{Month: "2025-07"}}},
		"/api/v1/months/2025-07/pairs": func(w http.ResponseWriter, r *http.Request) {
			list := &api.Pairs{Pairs: []api.Pair{pair("one", api.Compliant)}}
			if r.URL.Query().Get("links") == "1" {
				list.Pairs = append(list.Pairs, pair("two", api.NonCompliant))
			}
			_ = json.NewEncoder(w).Encode(list)
		},
	}).URL, "{}", nil)
	for carriers, want := range map[string]string{``: "compliant", `"one"`: "compliant", `"two"`: "non-compliant", `"two", "one"`: "compliant"} {
		got := s.one(t, `{"queryType": "matrix", "metric": "verdict", "carriers": [`+carriers+`]}`)
		if got.Error != nil || got.Frames[0].Rows() != 2 {
			t.Fatal(carriers, got.Error)
		}
		if v, _ := got.Frames[0].Fields[3].ConcreteAt(0); v != want {
			t.Errorf("from aa to bb by %q: %v, want %s", carriers, v, want)
		}
		got = s.one(t, `{"queryType": "verdicts", "carriers": [`+carriers+`]}`)
		if got.Error != nil || len(got.Frames[0].Fields) != 2 {
			t.Fatal(carriers, got.Error)
		}
		if v, _ := got.Frames[0].Fields[1].ConcreteAt(0); v != want {
			t.Errorf("the verdict by %q: %v, want %s", carriers, v, want)
		}
	}
}

// TestFewPoints: the one point of a time that begins within a minute is not left out.
func TestFewPoints(t *testing.T) {
	ms := 20.5
	of := &api.Series{Step: "window", Merged: 61, Statistic: "p95", Series: []api.LinkSeries{{
		Src: "a1", Dst: "b1", Pair: [2]string{"aa", "bb"}, Limits: []api.Limit{},
		Points: []api.Point{{From: "2025-06-03T04:00:00Z", To: "2025-06-03T05:01:00Z", Packets: 61, P95MS: &ms}},
	}}}
	heat := &api.Heatmap{Ends: 1, Step: "window", EdgesMS: []float64{20}, Points: []api.HeatmapPoint{{From: of.Series[0].Points[0].From, To: of.Series[0].Points[0].To, Counts: []int64{61}}}}
	s := sourceAt(t, analyzer(t, map[string]any{"/api/v1/series": of, "/api/v1/heatmap": heat}).URL, "{}", nil)
	from := time.Date(2025, 6, 3, 4, 0, 31, 0, time.UTC)
	for _, kind := range []string{TypeSeries, TypeHeatmap} {
		query := asked(`{"queryType": "` + kind + `"}`)
		query.TimeRange, query.MaxDataPoints = backend.TimeRange{From: from, To: from.Add(time.Hour)}, 1
		got := s.answer(t.Context(), query)
		if got.Error != nil || len(got.Frames) != 1 || got.Frames[0].Rows() != 1 || got.Frames[0].Fields[0].At(0) != from {
			t.Errorf("%s: %v, %v", kind, got.Error, got.Frames)
		}
		// A point that is of the time before is.
		query.TimeRange = backend.TimeRange{From: from.Add(50 * time.Minute), To: from.Add(time.Hour)}
		if got = s.answer(t.Context(), query); got.Error != nil || got.Frames[0].Rows() != 0 {
			t.Errorf("%s: %v, %v", kind, got.Error, got.Frames)
		}
	}
}
