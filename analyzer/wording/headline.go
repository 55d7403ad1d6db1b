package wording

import (
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Result is what the sentences about the rate of one plane are made of.
type Result struct {
	Period     api.Period
	Plane      string
	Rate       api.Rate
	Origins    api.Origins // of the report
	NoData     bool        // no window of the plane is in the period
	Confidence float64     // of the intervals; 0: no pair has one
	Before     *api.Month  // the month before, of the same plane; nil: not known
}

// Headline says the rate of a plane in a few sentences for people who read
// nothing else: how many pairs comply, whether that meets the target, how much
// of it is proven, and what it was the month before.
func Headline(lang Language, r Result) string {
	switch {
	case r.Rate.Total == 0:
		return noPairs(lang, r)
	case r.NoData:
		return sentences(lang, noData(lang, r), target(lang, r.Rate))
	case r.Period.Demonstration:
		return sentences(lang, unreal(lang, r), rate(lang, r), demonstration(lang))
	}
	return sentences(lang, unreal(lang, r), rate(lang, r), target(lang, r.Rate), proven(lang, r), before(lang, r))
}

// sentences joins those that there are. Chinese has no space between them.
func sentences(lang Language, all ...string) string {
	var some []string
	for _, s := range all {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, Text{EN: " ", ZH: ""}.In(lang))
}

func noPairs(lang Language, r Result) string {
	return say(lang, Text{
		EN: "On the {plane} plane there is no pair of clusters to be judged for {period}.",
		ZH: "{period}，{plane}没有应判定的集群对。",
	}, values{"plane": Plane(lang, r.Plane), "period": Period(lang, r.Period)})
}

func noData(lang Language, r Result) string {
	return say(lang, Text{
		EN: "There is no data of the {plane} plane for {period}: that any of the {total} cluster {total:pair|pairs} meets the latency limit is not demonstrated, and a pair that is not demonstrated does not count as complying.",
		ZH: "{period}，{plane}无测量数据，{total}个集群对的时延均未证实，未证实的集群对不计为达标。",
	}, values{"plane": Plane(lang, r.Plane), "period": Period(lang, r.Period), "total": strconv.Itoa(r.Rate.Total)})
}

// unreal stands before figures that are not of a real network, so that nobody
// can quote the one without the other.
func unreal(lang Language, r Result) string {
	if Watermark(lang, r.Origins) == "" {
		return ""
	}
	return say(lang, Text{
		EN: "[{mark}]",
		ZH: "【{mark}】",
	}, values{"mark": Watermark(lang, r.Origins)})
}

// rate says how many pairs comply.
func rate(lang Language, r Result) string {
	v := values{
		"period": Period(lang, r.Period), "plane": Plane(lang, r.Plane),
		"compliant": strconv.Itoa(r.Rate.Compliant), "total": strconv.Itoa(r.Rate.Total),
		"rate": Percent(lang, RateDigits(r.Rate)),
	}
	if !r.Period.Complete {
		return say(lang, Text{
			EN: "The period ({period}) is not over; so far {compliant} of {total} cluster {total:pair|pairs} ({rate}) {compliant:meets|meet} the latency limit on the {plane} plane.",
			ZH: "统计周期（{period}）尚未结束，截至目前，{plane}的{total}个集群对中有{compliant}个时延达标，达标率为{rate}。",
		}, v)
	}
	delete(v, "period")
	v["during"] = during(lang, r.Period)
	return say(lang, Text{
		EN: "{during}, {compliant} of {total} cluster {total:pair|pairs} ({rate}) met the latency limit on the {plane} plane.",
		ZH: "{during}，{plane}的{total}个集群对中有{compliant}个时延达标，达标率为{rate}。",
	}, v)
}

// target says whether a rate meets the target of its year.
func target(lang Language, r api.Rate) string {
	year := strconv.Itoa(r.TargetYear)
	if r.Target == nil || r.Met == nil || r.Needed == nil {
		return say(lang, Text{
			EN: "There is no target for {year}.",
			ZH: "{year}年无目标值。",
		}, values{"year": year})
	}
	v := values{"year": year, "target": Share(lang, *r.Target)}
	if *r.Met {
		return say(lang, Text{
			EN: "The target for {year}, {target}, is met.",
			ZH: "已达到{year}年目标值{target}。",
		}, v)
	}
	v["more"] = strconv.Itoa(*r.Needed - r.Compliant)
	return say(lang, Text{
		EN: "The target for {year} is {target}, so {more} more {more:is|are} needed.",
		ZH: "{year}年目标值为{target}，尚未达到，还差{more}个。",
	}, v)
}

func demonstration(lang Language) string {
	return Text{
		EN: "This is a demonstration over less than a day, and says nothing about a target.",
		ZH: "本次为不足一天的演示性测量，不作为目标完成情况的依据。",
	}.In(lang)
}

// proven says how much of a rate holds whatever the uncertainty.
func proven(lang Language, r Result) string {
	if r.Confidence == 0 {
		return Text{
			EN: "No pair has an uncertainty interval, so nothing is proven beyond measurement uncertainty.",
			ZH: "各集群对均无不确定度区间，计及测量不确定度均未能确证。",
		}.In(lang)
	}
	return say(lang, Text{
		EN: "Beyond measurement uncertainty (intervals of {confidence}), {proven} {proven:is|are} proven to comply and {possible} may comply.",
		ZH: "计及测量不确定度（置信水平{confidence}），确证达标{proven}个，可能达标{possible}个。",
	}, values{"confidence": Share(lang, r.Confidence), "proven": strconv.Itoa(r.Rate.Proven), "possible": strconv.Itoa(r.Rate.Possible)})
}

// before compares with the month before. Counts out of another number of pairs
// have no difference.
func before(lang Language, r Result) string {
	if r.Before == nil {
		return ""
	}
	was := r.Before.Rate
	v := values{
		"month": MonthOf(lang, r.Before.Month), "was": strconv.Itoa(was.Compliant),
		"total": strconv.Itoa(was.Total), "rate": Percent(lang, RateDigits(was)),
	}
	difference := r.Rate.Compliant - was.Compliant
	if was.Total != r.Rate.Total {
		return say(lang, Text{
			EN: "In {month} it was {was} of {total} ({rate}).",
			ZH: "{month}为{total}个中的{was}个（{rate}）。",
		}, v)
	}
	if difference == 0 {
		return say(lang, Text{
			EN: "That is as many as in {month} ({was} of {total}, {rate}).",
			ZH: "与{month}（{total}个中的{was}个，{rate}）持平。",
		}, v)
	}
	if difference < 0 {
		v["fewer"] = strconv.Itoa(-difference)
		return say(lang, Text{
			EN: "Compared with {month} ({was} of {total}, {rate}): {fewer} fewer.",
			ZH: "与{month}（{total}个中的{was}个，{rate}）相比减少{fewer}个。",
		}, v)
	}
	v["more"] = strconv.Itoa(difference)
	return say(lang, Text{
		EN: "Compared with {month} ({was} of {total}, {rate}): {more} more.",
		ZH: "与{month}（{total}个中的{was}个，{rate}）相比增加{more}个。",
	}, v)
}

// Rest says what became of the pairs that do not count as complying, and which
// verdicts are provisional; empty if there is nothing to say.
func Rest(lang Language, r api.Rate) string {
	var all []string
	for _, part := range []struct {
		n    int
		text Text
	}{
		{r.NonCompliant, Text{
			EN: "{n} {n:pair does|pairs do} not comply.",
			ZH: "不达标{n}个。",
		}},
		{r.Unstable, Text{
			EN: "Of these {n} {n:is|are} capable but unstable: the median would comply.",
			ZH: "其中{n}个具备能力但不稳定，其中位数可达标。",
		}},
		{r.NotDemonstrated, Text{
			EN: "{n} {n:is|are} not demonstrated.",
			ZH: "未证实{n}个。",
		}},
		{r.Rejected, Text{
			EN: "Of these the measurements of {n} are rejected, because they are faster than light.",
			ZH: "其中{n}个的测量结果快于光速，不予采信。",
		}},
		{r.Provisional, Text{
			EN: "{n} {n:verdict is|verdicts are} provisional, because the distance is estimated.",
			ZH: "因路网距离为估算值，{n}个判定属暂定。",
		}},
	} {
		if part.n > 0 {
			all = append(all, say(lang, part.text, values{"n": strconv.Itoa(part.n)}))
		}
	}
	return sentences(lang, all...)
}

// RateLine is a rate in a row of its own, such as that of a carrier or a hub.
func RateLine(lang Language, r api.Rate) string {
	return say(lang, Text{
		EN: "{compliant} of {total} ({rate})",
		ZH: "{total}个中{compliant}个达标（{rate}）",
	}, values{"compliant": strconv.Itoa(r.Compliant), "total": strconv.Itoa(r.Total), "rate": Percent(lang, RateDigits(r))})
}
