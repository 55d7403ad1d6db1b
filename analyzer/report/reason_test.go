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
		{api.FlagSummaries, end("windows", 3), "a1 to b1: 3 imported windows have no samples and count for nothing"},
		{api.FlagForeign, end("windows", 3), "a1 to b1: 3 windows are from before or after a site's life, or of another cluster, carrier, plane or method than the mesh says, and count for nothing"},
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
