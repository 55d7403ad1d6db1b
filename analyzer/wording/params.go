package wording

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// mostDates bounds a list of days within a sentence; the JSON has all.
const mostDates = 12

// params are the parameters of a reason on their way to a text.
type params struct {
	lang Language
	of   map[string]any
}

func (p params) fill(t Text) string { return fill(t.In(p.lang), p.named) }

// named is what stands for a name: a phrase made of several parameters, or the
// parameter of that name.
func (p params) named(name string) string {
	switch name {
	case "end":
		return p.route("src", "dst")
	case "way":
		return p.route("from", "to")
	case "back":
		return p.route("to", "from")
	case "clock_hours":
		return clockHours(p.lang, p.of["hours"])
	case "number_of_days":
		return strconv.Itoa(len(items(p.of["days"])))
	case "dates":
		return dates(p.lang, items(p.of["days"]))
	case "both_ends":
		return strings.Join(items(p.of["measured_rtt_ms"]), Text{EN: " and ", ZH: "与"}.In(p.lang))
	case "statistic":
		return StatisticSymbol(p.lang, value(p.lang, p.of["statistic"]))
	case "lost_share":
		return share(p.lang, p.of["lost"], p.of["packets"])
	case "above_share":
		return share(p.lang, p.of["above_packets"], p.of["packets"])
	case "share_above_of_all":
		return share(p.lang, p.of["above_packets"], p.of["above_packets_all"])
	case "share_of_all":
		return share(p.lang, p.of["packets"], p.of["packets_all"])
	case "measured_rtt", "without_rtt", "received_rtt":
		return p.rtt(strings.TrimSuffix(name, "_rtt"))
	}
	if phrase, ok := p.phrase(name); ok {
		return phrase
	}
	if ms, ok := p.of[name].(float64); ok {
		// RTTs are whole microseconds; what is computed has more digits.
		switch name {
		case "bound_rtt_ms", "limit_rtt_ms":
			return withoutZeros(LimitMS(ms))
		case "theoretical_rtt_ms", "geodesic_rtt_ms":
			return withoutZeros(MS(ms, 3))
		}
	}
	return value(p.lang, p.of[name])
}

func withoutZeros(decimal string) string {
	return strings.TrimSuffix(strings.TrimRight(decimal, "0"), ".")
}

// phrase is a part of a sentence that several texts share, or that has forms.
func (p params) phrase(name string) (string, bool) {
	switch name {
	case "most_of":
		return p.fill(Text{
			EN: "{share_above_of_all} of the packets above {bound_rtt_ms} ms, in {share_of_all} of all packets",
			ZH: "超过{bound_rtt_ms} ms的探测包有{share_above_of_all}在此范围内，而此范围占全部探测包的{share_of_all}",
		}), true
	case "without":
		return p.fill(Text{
			EN: "{without_rtt} without",
			ZH: "除去这些探测包后，{without_rtt}",
		}), true
	case "stretched": // over the geodesic, where there is one
		if p.of["stretch"] == nil {
			return "", true
		}
		return p.fill(Text{
			EN: " ({stretch} times light in fibre over the geodesic)",
			ZH: "（为光在光纤中沿测地线传播时间的{stretch}倍）",
		}), true
	case "between":
		return p.between(), true
	case "summary":
		return p.summary(), true
	case "follows":
		if value(p.lang, p.of["low_rtt_ms"]) == value(p.lang, p.of["high_rtt_ms"]) {
			return p.fill(Text{
				EN: "{statistic} is {low_rtt_ms} ms",
				ZH: "{statistic}为{low_rtt_ms} ms",
			}), true
		}
		return p.fill(Text{
			EN: "{statistic} lies between {low_rtt_ms} and {high_rtt_ms} ms",
			ZH: "{statistic}介于{low_rtt_ms}与{high_rtt_ms} ms之间",
		}), true
	case "complying":
		return p.complying(), true
	case "at":
		return minute(fmt.Sprint(p.of[name])), true
	}
	return "", false
}

// route is from one site to another.
func (p params) route(from, to string) string {
	return say(p.lang, Text{
		EN: "{from} to {to}",
		ZH: "{from}至{to}",
	}, values{"from": fmt.Sprint(p.of[from]), "to": fmt.Sprint(p.of[to])})
}

// rtt says an RTT that may be endless, or not exist.
func (p params) rtt(name string) string {
	switch {
	case p.of[name+"_unbounded"] == true:
		return Text{EN: "an endless RTT", ZH: "往返时延为无穷大"}.In(p.lang)
	case p.of[name+"_rtt_ms"] == nil:
		return Text{EN: "no RTT", ZH: "无往返时延"}.In(p.lang)
	}
	return say(p.lang, Text{
		EN: "{rtt} ms",
		ZH: "往返时延为{rtt} ms",
	}, values{"rtt": value(p.lang, p.of[name+"_rtt_ms"])})
}

// between says from when to when, as far as there are ends.
func (p params) between() string {
	var text strings.Builder
	for _, end := range []struct {
		name string
		text Text
	}{
		{"from", Text{EN: " from {moment}", ZH: "自{moment}起"}},
		{"to", Text{EN: " until {moment}", ZH: "至{moment}止"}},
	} {
		moment, ok := p.of[end.name].(string)
		if !ok {
			continue
		}
		text.WriteString(say(p.lang, end.text, values{"moment": minute(moment)}))
	}
	return text.String()
}

// minute is a moment of the report, in the mesh's time zone; what it cannot read
// stays as it is.
func minute(moment string) string {
	if t, err := time.Parse(time.RFC3339, moment); err == nil {
		return t.Format("2006-01-02 15:04")
	}
	return moment
}

// summary says what imports without samples give, and of how many windows where
// it is not of all.
func (p params) summary() string {
	var given []string
	for _, of := range []struct {
		name string
		text Text
	}{
		{"min", Text{EN: "min", ZH: "最小值"}},
		{"mean", Text{EN: "mean", ZH: "平均值"}},
		{"max", Text{EN: "max", ZH: "最大值"}},
	} {
		switch n := value(p.lang, p.of[of.name]); n {
		case "0":
		case value(p.lang, p.of["windows"]):
			given = append(given, of.text.In(p.lang))
		default:
			given = append(given, of.text.In(p.lang)+say(p.lang, Text{EN: " (of {n})", ZH: "（{n}个窗口）"}, values{"n": n}))
		}
	}
	return strings.Join(given, comma(p.lang))
}

// complying says each carrier that complies, with its ratio.
func (p params) complying() string {
	names, ratios := items(p.of["carriers"]), items(p.of["ratios"])
	for i := range min(len(names), len(ratios)) {
		names[i] += say(p.lang, Text{EN: " (ratio {ratio})", ZH: "（时延比{ratio}）"}, values{"ratio": ratios[i]})
	}
	return strings.Join(names, comma(p.lang))
}

// value writes a parameter the same whether it comes from the analyzer or was
// read back from JSON.
func value(lang Language, v any) string {
	if plain := plain(v); plain == nil {
		return infinity
	} else if list, ok := plain.([]any); ok {
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i] = value(lang, item)
		}
		return strings.Join(texts, comma(lang))
	} else if n, ok := plain.(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	} else {
		return fmt.Sprint(plain)
	}
}

// plain is a parameter as it is when it was read back from JSON.
func plain(v any) (plain any) {
	if data, err := json.Marshal(v); err != nil || json.Unmarshal(data, &plain) != nil {
		return fmt.Sprint(v)
	}
	return plain
}

// items are the texts of a parameter that is a list.
func items(v any) (texts []string) {
	list, ok := plain(v).([]any)
	if !ok {
		return nil
	}
	for _, item := range list {
		texts = append(texts, value(EN, item)) // no list of lists: the same in each language
	}
	return texts
}

// integer is a whole number. Those of packets are far below 2⁵³.
func integer(v any) int64 {
	n, _ := plain(v).(float64)
	return int64(n)
}

// clockHours joins neighbouring hours: 0, 1, 2, 5 is "0–2, 5".
func clockHours(lang Language, v any) string {
	var hours []int
	for _, text := range items(v) {
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
		run := strconv.Itoa(hours[i])
		if i < j {
			run = Range(lang, run, strconv.Itoa(hours[j]))
		}
		runs = append(runs, run)
		i = j + 1
	}
	return strings.Join(runs, comma(lang))
}

// dates joins days that follow each other.
func dates(lang Language, days []string) string {
	var runs []string
	var first, last string
	end := func() {
		if first != last {
			first = say(lang, Text{EN: "{first} to {last}", ZH: "{first}至{last}"}, values{"first": first, "last": last})
		}
		if first != "" {
			runs = append(runs, first)
		}
	}
	for _, date := range days {
		if t, err := time.Parse(time.DateOnly, last); err == nil && t.AddDate(0, 0, 1).Format(time.DateOnly) == date {
			last = date
			continue
		}
		end()
		first, last = date, date
	}
	end()
	return Some(lang, runs, mostDates)
}

// share says a part of a whole in percent: rounded half up to a tenth, but
// never to none or all of it where it is neither.
func share(lang Language, part, whole any) string {
	n, all := integer(part), integer(whole)
	if all <= 0 {
		return Percent(lang, "0")
	}
	tenths := (n*2000 + all) / (2 * all)
	switch {
	case n == 0 || n == all:
	case tenths == 0:
		return Text{EN: "less than ", ZH: "不足"}.In(lang) + Percent(lang, "0.1")
	case tenths == 1000:
		tenths = 999
	}
	return Percent(lang, strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0"))
}
