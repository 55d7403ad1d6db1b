package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Text says a reason or flag in English. A code that it does not know is given
// as it stands.
func Text(r api.Reason) string {
	end := fmt.Sprintf("%v to %v", r.Params["src"], r.Params["dst"])
	p := func(name string) string { return value(r.Params[name]) }
	switch r.Code {
	case api.ReasonAboveLimit:
		return fmt.Sprintf("%s ms is above the limit of %s ms", p("measured_rtt_ms"), p("limit_rtt_ms"))
	case api.ReasonUnbounded:
		return fmt.Sprintf("%s: %s of %s packets lost", end, p("lost"), p("packets"))
	case api.ReasonBoundAbove:
		return fmt.Sprintf("%s is at least %s ms, above the limit of %s ms, by what imports without samples say", p("statistic"), p("low_rtt_ms"), p("limit_rtt_ms"))
	case api.ReasonOnlyBounds:
		return fmt.Sprintf("imports without samples: %s lies between %s and %s ms, on both sides of the limit of %s ms", p("statistic"), p("low_rtt_ms"), p("high_rtt_ms"), p("limit_rtt_ms"))
	case api.ReasonNoSites:
		return "no site of any carrier stands for both clusters on this plane"
	case api.ReasonNoWindows:
		return end + ": no data"
	case api.ReasonTooFewPackets:
		return fmt.Sprintf("%s: %s packets of at least %s", end, p("packets"), p("required"))
	case api.ReasonTooFewDays:
		return fmt.Sprintf("%s: enough data on %s of %s days", end, p("days_sufficient"), p("days"))
	case api.ReasonSilentHours:
		return fmt.Sprintf("%s: too little data at %s o'clock", end, clockHours(r.Params["hours"]))
	case api.ReasonNoDistance:
		return "both places are the same, so there is no distance"
	case api.ReasonFasterThanLight:
		return fmt.Sprintf("rejected: %s has seen %s ms; light in vacuum needs %s ms", end, p("min_ms"), p("floor_ms"))
	case api.ReasonFasterThanFibre:
		return fmt.Sprintf("quarantined: %s has seen %s ms; fibre allows %s ms at best", end, p("min_ms"), p("floor_ms"))
	case api.ReasonSiteUndecided:
		return "not every pair of sites is demonstrated: " + p("sites")
	case api.ReasonPartUndecided:
		return fmt.Sprintf("not demonstrated from %s to %s, between changes of the distance", p("from"), p("to"))
	case api.ReasonWithheld:
		return "the reason is not among the public figures"
	case api.FlagEndsDiffer:
		return fmt.Sprintf("the ends differ: %s ms", strings.ReplaceAll(p("measured_rtt_ms"), ", ", " and "))
	case api.FlagRatioHigh:
		return fmt.Sprintf("ratio %s is above %s", p("ratio"), p("above"))
	case api.FlagResidence:
		return fmt.Sprintf("%s: the reflector claims %s µs as its own, above %s µs", end, p("max_us"), p("cap_us"))
	case api.FlagClockRate:
		return fmt.Sprintf("%s: the probe's clock was corrected by %s ppm, above %s ppm: its RTTs may be off by that share", end, p("max_ppm"), p("above_ppm"))
	case api.FlagMinStep:
		return fmt.Sprintf("%s: the shortest RTT steps within a day, on %s of them, most at %s from %s to %s ms", end, p("days"), p("at"), p("before_ms"), p("after_ms"))
	case api.FlagUnregistered:
		return "announced too late to excuse anything: " + p("works")
	case api.FlagConflicts:
		return fmt.Sprintf("%s: %s windows conflict with earlier ones", end, p("windows"))
	case api.FlagForeign:
		return fmt.Sprintf("%s: %s windows are from before or after a site's life, or of another cluster, carrier, plane or method than the mesh says, and count for nothing", end, p("windows"))
	case api.FlagSummaries:
		return fmt.Sprintf("%s: %s imported windows have no samples, do not say of how many packets they are, and count for nothing", end, p("windows"))
	case api.FlagSummed:
		return summed(r, end)
	}
	if text := why(r); text != "" {
		return text
	}
	return r.Code
}

// summed says what imports without samples give, and what follows from it.
func summed(r api.Reason, end string) string {
	var given []string
	for _, name := range []string{"min", "mean", "max"} {
		switch n := value(r.Params[name]); n {
		case "0":
		case value(r.Params["windows"]):
			given = append(given, name)
		default:
			given = append(given, name+" (of "+n+")")
		}
	}
	statistic, low, high := value(r.Params["statistic"]), value(r.Params["low_rtt_ms"]), value(r.Params["high_rtt_ms"])
	follows := fmt.Sprintf("%s lies between %s and %s ms", statistic, low, high)
	if low == high {
		follows = fmt.Sprintf("%s is %s ms", statistic, low)
	}
	return fmt.Sprintf("%s: of the packets of %s imported windows only %s are known: %s", end, value(r.Params["windows"]), strings.Join(given, ", "), follows)
}

// value writes a parameter the same whether it comes from the analyzer or was
// read back from JSON.
func value(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	var plain any
	if json.Unmarshal(data, &plain) != nil {
		return fmt.Sprint(v)
	}
	switch plain := plain.(type) {
	case nil:
		return "∞"
	case float64:
		return strconv.FormatFloat(plain, 'f', -1, 64)
	case []any:
		texts := make([]string, len(plain))
		for i, item := range plain {
			texts[i] = value(item)
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(plain)
}

// clockHours joins neighbouring hours: 0, 1, 2, 5 is "0–2, 5".
func clockHours(v any) string {
	var hours []int
	for _, text := range strings.Split(value(v), ", ") {
		if hour, err := strconv.Atoi(text); err == nil {
			hours = append(hours, hour)
		}
	}
	var runs []string
	for i := 0; i < len(hours); {
		j := i
		for j+1 < len(hours) && hours[j+1] == hours[j]+1 {
			j++
		}
		if i == j {
			runs = append(runs, strconv.Itoa(hours[i]))
		} else {
			runs = append(runs, fmt.Sprintf("%d–%d", hours[i], hours[j]))
		}
		i = j + 1
	}
	return strings.Join(runs, ", ")
}
