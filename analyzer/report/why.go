package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// why says a code of a diagnosis in English; empty for any other.
func why(r api.Reason) string {
	end := fmt.Sprintf("%v to %v", r.Params["src"], r.Params["dst"])
	way := fmt.Sprintf("%v to %v", r.Params["from"], r.Params["to"])
	back := fmt.Sprintf("%v to %v", r.Params["to"], r.Params["from"])
	p := func(name string) string { return value(r.Params[name]) }
	above := fmt.Sprintf("%s of the packets above %s ms, in %s of all packets",
		shareOf(r, "above_packets", "above_packets_all"), p("bound_rtt_ms"), shareOf(r, "packets", "packets_all"))
	without := rtt(r, "without") + " without"
	switch r.Code {
	case api.DiagnosisTooLong:
		return fmt.Sprintf("even the shortest RTT, %s ms%s, is above %s ms: no shorter queue would help", p("min_rtt_ms"), stretched(r), p("bound_rtt_ms"))
	case api.DiagnosisStep:
		return fmt.Sprintf("%s: the shortest RTT is %s ms%s, beside that %s ms; changes of the replies' TTL at the steps: %s, traces: %s; %s; %s",
			end, p("high_rtt_ms"), stretchOfTime(r), p("low_rtt_ms"), p("ttl_changes"), p("traces"), above, without)
	case api.DiagnosisBadDays:
		return fmt.Sprintf("%s of %s days (%s): %s; %s", howMany(r.Params["days"]), p("days_all"), dates(r.Params["days"]), above, without)
	case api.DiagnosisTimeOfDay:
		return fmt.Sprintf("at %s o'clock: %s; %s", clockHours(r.Params["hours"]), above, without)
	case api.DiagnosisOneEnd:
		return fmt.Sprintf("only %s is above %s ms: %s, and %s from the other end", end, p("bound_rtt_ms"), rtt(r, "measured"), rtt(r, "without"))
	case api.DiagnosisDirectionLoss:
		return fmt.Sprintf("%s packets are lost on the way from %s, %s from %s, of %s in all", p("lost"), way, p("lost_back"), back, p("lost_all"))
	case api.DiagnosisDirectionDelay:
		return fmt.Sprintf("%s takes %s ms one way, %s %s ms, by clocks that are within %s ms", way, p("one_way_ms"), back, p("one_way_back_ms"), p("clock_error_ms"))
	case api.DiagnosisLoss:
		return fmt.Sprintf("loss, of %s of all packets: %s without it", shareOf(r, "lost", "packets"), rtt(r, "without"))
	case api.DiagnosisDelay:
		return fmt.Sprintf("delay: %s of all packets were received, but above %s ms; the received ones have %s", shareOf(r, "above_packets", "packets"), p("bound_rtt_ms"), rtt(r, "received"))
	case api.DiagnosisStretch:
		return fmt.Sprintf("of %s ms, %s ms%s are there in the best case; the theoretical RTT is %s ms", p("measured_rtt_ms"), p("min_rtt_ms"), stretched(r), p("theoretical_rtt_ms"))
	case api.DiagnosisOtherCarrier:
		return "complies between the same clusters: " + complying(r)
	}
	return ""
}

// complying says each with its ratio.
func complying(r api.Reason) string {
	names, ratios := texts(r.Params["carriers"]), strings.Split(value(r.Params["ratios"]), ", ")
	for i := range min(len(names), len(ratios)) {
		names[i] += fmt.Sprintf(" (ratio %s)", ratios[i])
	}
	return strings.Join(names, ", ")
}

// stretched compares the shortest RTT with the geodesic, where there is one.
func stretched(r api.Reason) string {
	if r.Params["stretch"] == nil {
		return ""
	}
	return fmt.Sprintf(" (%s times light in fibre over the geodesic)", value(r.Params["stretch"]))
}

// stretchOfTime says from when to when, as far as there are ends.
func stretchOfTime(r api.Reason) string {
	text := ""
	for _, name := range []string{"from", "to"} {
		moment, ok := r.Params[name].(string)
		if !ok {
			continue
		}
		if t, err := time.Parse(time.RFC3339, moment); err == nil {
			moment = t.Format("2006-01-02 15:04")
		}
		text += " " + map[string]string{"from": "from", "to": "until"}[name] + " " + moment
	}
	return text
}

// rtt says an RTT that may be endless, or not exist.
func rtt(r api.Reason, name string) string {
	switch {
	case r.Params[name+"_unbounded"] == true:
		return "an endless RTT"
	case r.Params[name+"_rtt_ms"] == nil:
		return "no RTT"
	}
	return value(r.Params[name+"_rtt_ms"]) + " ms"
}

// shareOf says a part of a whole in percent: rounded half up to a tenth, but
// never to none or all of it where it is neither.
func shareOf(r api.Reason, part, whole string) string {
	n, all := integer(r.Params[part]), integer(r.Params[whole])
	if all <= 0 {
		return "0 %"
	}
	tenths := (n*2000 + all) / (2 * all)
	switch {
	case n == 0 || n == all:
	case tenths == 0:
		return "less than 0.1 %"
	case tenths == 1000:
		tenths = 999
	}
	return strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0") + " %"
}

// integer is a whole number, made by the analyzer or read back from JSON. Those
// of packets are far below 2⁵³.
func integer(v any) int64 {
	var n float64
	if data, err := json.Marshal(v); err != nil || json.Unmarshal(data, &n) != nil {
		return 0
	}
	return int64(n)
}

// texts is the items of a parameter that is a list of texts.
func texts(v any) (texts []string) {
	if data, err := json.Marshal(v); err != nil || json.Unmarshal(data, &texts) != nil {
		return nil
	}
	return texts
}

func howMany(v any) string { return fmt.Sprint(len(texts(v))) }

// dates joins days that follow each other.
func dates(v any) string {
	var runs []string
	var first, last string
	end := func() {
		if first != last {
			first += " to " + last
		}
		if first != "" {
			runs = append(runs, first)
		}
	}
	for _, date := range texts(v) {
		if t, err := time.Parse(time.DateOnly, last); err == nil && t.AddDate(0, 0, 1).Format(time.DateOnly) == date {
			last = date
			continue
		}
		end()
		first, last = date, date
	}
	end()
	return some(runs)
}
