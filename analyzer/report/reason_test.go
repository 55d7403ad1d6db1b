package report

import (
	"encoding/json"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Every code has a text, and it is the same when the reason was read back from
// JSON, where all numbers are floats.
func TestReasonText(t *testing.T) {
	end := func(more ...any) map[string]any {
		params := map[string]any{"src": "a1", "dst": "b1"}
		for i := 0; i+1 < len(more); i += 2 {
			params[more[i].(string)] = more[i+1]
		}
		return params
	}
	share := func(more ...any) []any {
		return append([]any{
			"packets", uint64(4800), "packets_all", uint64(28_800), "above_packets", uint64(999), "above_packets_all", uint64(1000),
			"bound_rtt_ms", 22.5, "without_rtt_ms", 16.0,
		}, more...)
	}
	a := 20.5
	for _, c := range []struct {
		code   string
		params map[string]any
		want   string
	}{
		{api.ReasonAboveLimit, map[string]any{"measured_rtt_ms": 22.579, "limit_rtt_ms": 22.57878}, "22.579 ms is above the limit of 22.57878 ms"},
		{api.ReasonUnbounded, end("packets", uint64(2_678_400), "lost", uint64(200_000)), "a1 to b1: 200000 of 2678400 packets lost"},
		{api.ReasonNoSites, nil, "no site of any carrier stands for both clusters on this plane"},
		{api.ReasonNoWindows, end(), "a1 to b1: no data"},
		{api.ReasonTooFewPackets, end("packets", int64(19), "required", int64(20)), "a1 to b1: 19 packets of at least 20"},
		{api.ReasonTooFewDays, end("days", 30, "days_sufficient", 22, "required_share", 0.75), "a1 to b1: enough data on 22 of 30 days"},
		{api.ReasonSilentHours, end("hours", []int{0, 1, 2, 5, 22, 23}), "a1 to b1: too little data at 0–2, 5, 22–23 o'clock"},
		{api.ReasonNoDistance, nil, "both places are the same, so there is no distance"},
		{api.ReasonFasterThanLight, end("min_ms", 6.67, "floor_ms", 6.670181), "rejected: a1 to b1 has seen 6.67 ms; light in vacuum needs 6.670181 ms"},
		{api.ReasonFasterThanFibre, end("min_ms", 9.595, "floor_ms", 9.595979), "quarantined: a1 to b1 has seen 9.595 ms; fibre allows 9.595979 ms at best"},
		{api.ReasonSiteUndecided, map[string]any{"sites": []string{"a1-b1", "a1-b2"}}, "not every pair of sites is demonstrated: a1-b1, a1-b2"},
		{api.ReasonPartUndecided, map[string]any{"from": "x", "to": "y"}, "not demonstrated from x to y, between changes of the distance"},
		{api.ReasonWithheld, nil, "the reason is not among the public figures"},
		{api.FlagEndsDiffer, map[string]any{"measured_rtt_ms": []*float64{&a, nil}}, "the ends differ: 20.5 and ∞ ms"},
		{api.FlagRatioHigh, map[string]any{"ratio": 5.1, "above": 5.0}, "ratio 5.1 is above 5"},
		{api.FlagResidence, end("max_us", uint32(300), "cap_us", uint32(200)), "a1 to b1: the reflector claims 300 µs as its own, above 200 µs"},
		{api.FlagClockRate, end("max_ppm", 512.5, "above_ppm", 100.0), "a1 to b1: the probe's clock was corrected by 512.5 ppm, above 100 ppm: its RTTs may be off by that share"},
		{api.FlagConflicts, end("windows", 2), "a1 to b1: 2 windows conflict with earlier ones"},
		{api.FlagSummaries, end("windows", 3), "a1 to b1: 3 imported windows have no samples, do not say of how many packets they are, and count for nothing"},
		{api.FlagSummed, end("windows", 3, "min", 3, "mean", 0, "max", 2, "statistic", "p95", "low_rtt_ms", 1.5, "high_rtt_ms", nil), "a1 to b1: of the packets of 3 imported windows only min, max (of 2) are known: p95 lies between 1.5 and ∞ ms"},
		{api.ReasonBoundAbove, map[string]any{"statistic": "p95", "low_rtt_ms": 23.5, "limit_rtt_ms": 22.5}, "p95 is at least 23.5 ms, above the limit of 22.5 ms, by what imports without samples say"},
		{api.ReasonOnlyBounds, map[string]any{"statistic": "p95", "low_rtt_ms": 20.5, "high_rtt_ms": nil, "limit_rtt_ms": 22.5}, "imports without samples: p95 lies between 20.5 and ∞ ms, on both sides of the limit of 22.5 ms"},
		{api.FlagForeign, end("windows", 3), "a1 to b1: 3 windows are from before or after a site's life, or of another cluster, carrier, plane or method than the mesh says, and count for nothing"},
		{api.DiagnosisTooLong, map[string]any{"min_rtt_ms": 30.0, "bound_rtt_ms": 22.57878, "stretch": 3.0638}, "even the shortest RTT, 30 ms (3.0638 times light in fibre over the geodesic), is above 22.57878 ms: no shorter queue would help"},
		{api.DiagnosisTooLong, map[string]any{"min_rtt_ms": 30.0, "bound_rtt_ms": 22.57878}, "even the shortest RTT, 30 ms, is above 22.57878 ms: no shorter queue would help"},
		{api.DiagnosisStep, end(share("from", "2025-06-03T10:00:00+08:00", "to", "2025-06-09T12:00:00+08:00", "low_rtt_ms", 16.0, "high_rtt_ms", 25.0, "ttl_changes", 3, "traces", 1)...), "a1 to b1: the shortest RTT is 25 ms from 2025-06-03 10:00 until 2025-06-09 12:00, beside that 16 ms; changes of the replies' TTL at the steps: 3, traces: 1; 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without"},
		{api.DiagnosisStep, end(share("from", nil, "to", "2025-06-09T12:00:00+08:00", "low_rtt_ms", 16.0, "high_rtt_ms", 25.0, "ttl_changes", 0, "traces", 0, "without_rtt_ms", nil, "without_unbounded", true)...), "a1 to b1: the shortest RTT is 25 ms until 2025-06-09 12:00, beside that 16 ms; changes of the replies' TTL at the steps: 0, traces: 0; 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; an endless RTT without"},
		{api.DiagnosisBadDays, end(share("days", []string{"2025-02-27", "2025-02-28", "2025-03-01", "2025-03-09"}, "days_all", 30)...), "4 of 30 days (2025-02-27 to 2025-03-01, 2025-03-09): 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without"},
		{api.DiagnosisTimeOfDay, end(share("hours", []int{0, 19, 20})...), "at 0, 19–20 o'clock: 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without"},
		{api.DiagnosisOneEnd, end(share("measured_rtt_ms", nil, "measured_unbounded", true)...), "only a1 to b1 is above 22.5 ms: an endless RTT, and 16 ms from the other end"},
		{api.DiagnosisDirectionLoss, map[string]any{"from": "a1", "to": "b1", "lost": uint64(720), "lost_back": uint64(48), "lost_all": uint64(768)}, "720 packets are lost on the way from a1 to b1, 48 from b1 to a1, of 768 in all"},
		{api.DiagnosisDirectionDelay, map[string]any{"from": "b1", "to": "a1", "one_way_ms": 17.0, "one_way_back_ms": 9.0, "clock_error_ms": 0.2}, "b1 to a1 takes 17 ms one way, a1 to b1 9 ms, by clocks that are within 0.2 ms"},
		{api.DiagnosisLoss, map[string]any{"packets": uint64(5760), "lost": uint64(1), "bound_rtt_ms": 22.5, "without_rtt_ms": 16.0}, "loss, of less than 0.1 % of all packets: 16 ms without it"},
		{api.DiagnosisLoss, map[string]any{"packets": uint64(5760), "lost": uint64(5760), "bound_rtt_ms": 22.5, "without_rtt_ms": nil}, "loss, of 100 % of all packets: no RTT without it"},
		{api.DiagnosisDelay, map[string]any{"packets": uint64(100_000), "above_packets": uint64(99_999), "bound_rtt_ms": 22.5, "received_rtt_ms": 26.0}, "delay: 99.9 % of all packets were received, but above 22.5 ms; the received ones have 26 ms"},
		{api.DiagnosisStretch, map[string]any{"min_rtt_ms": 21.5, "measured_rtt_ms": 23.0, "theoretical_rtt_ms": 15.05252, "stretch": 2.1957}, "of 23 ms, 21.5 ms (2.1957 times light in fibre over the geodesic) are there in the best case; the theoretical RTT is 15.05252 ms"},
		{api.DiagnosisOtherCarrier, map[string]any{"carriers": []string{"two", "three"}, "ratios": []float64{1.0629, 1.2}}, "complies between the same clusters: two (ratio 1.0629), three (ratio 1.2)"},
		{"from_a_later_version", nil, "from_a_later_version"},
	} {
		reason := api.Reason{Code: c.code, Params: c.params}
		if got := Text(reason); got != c.want {
			t.Errorf("%s: %s, want %s", c.code, got, c.want)
		}
		data, err := json.Marshal(reason)
		if err != nil {
			t.Fatal(err)
		}
		var back api.Reason
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if got := Text(back); got != c.want {
			t.Errorf("%s, read back: %s, want %s", c.code, got, c.want)
		}
	}
}
