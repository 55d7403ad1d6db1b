package wording

import (
	"math"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Amount says how many windows a report was computed from, and of which origin.
func Amount(lang Language, d api.Data) string {
	if d.Windows == 0 || d.FirstStart == nil || d.LastEnd == nil {
		return Text{EN: "There are no windows.", ZH: "无测量窗口。"}.In(lang)
	}
	var origins []string
	for _, origin := range []struct {
		code    string
		windows int
	}{{"measured", d.Origins.Measured}, {"emulated", d.Origins.Emulated}, {"synthetic", d.Origins.Synthetic}, {"imported", d.Origins.Imported}} {
		if origin.windows > 0 {
			origins = append(origins, say(lang, Text{
				EN: "{n} {origin}",
				ZH: "{origin}{n}个",
			}, values{"n": strconv.Itoa(origin.windows), "origin": Origin(lang, origin.code)}))
		}
	}
	return say(lang, Text{
		EN: "{windows} {windows:window|windows} from {first} to {last}: {origins}.",
		ZH: "共有测量窗口{windows}个，自{first}至{last}：{origins}。",
	}, values{
		"windows": strconv.Itoa(d.Windows), "origins": List(lang, origins),
		"first": momentOf(lang, *d.FirstStart), "last": momentOf(lang, *d.LastEnd),
	})
}

// momentOf reads a moment of a report; what it cannot read stays as it is.
func momentOf(lang Language, moment string) string {
	t, err := time.Parse(time.RFC3339Nano, moment)
	if err != nil {
		return moment
	}
	return Moment(lang, t)
}

// TimestampSources says by what RTTs were timed.
func TimestampSources(lang Language, t api.Timestamps) string {
	return say(lang, Text{
		EN: "Of the windows with an RTT, {hardware} were timed by network hardware, {kernel} by the kernel and {user} in user space.",
		ZH: "有往返时延的测量窗口中，采用网卡硬件时间戳的{hardware}个，采用操作系统内核时间戳的{kernel}个，采用用户态时间戳的{user}个。",
	}, values{"hardware": strconv.Itoa(t.Hardware), "kernel": strconv.Itoa(t.Kernel), "user": strconv.Itoa(t.User)})
}

// Filled says on how much of the schedule of an end there is enough data.
func Filled(lang Language, e api.End) string {
	return say(lang, Text{
		EN: "{src} to {dst}: enough data on {days_sufficient} of {days} days and in {hours_sufficient} of {hours} clock hours.",
		ZH: "{src}至{dst}：{days}天中数据充足的有{days_sufficient}天，{hours}个钟点时段中数据充足的有{hours_sufficient}个。",
	}, values{
		"src": e.Src, "dst": e.Dst,
		"days": strconv.Itoa(e.Sufficiency.Days), "days_sufficient": strconv.Itoa(e.Sufficiency.DaysSufficient),
		"hours": strconv.Itoa(e.Sufficiency.Hours), "hours_sufficient": strconv.Itoa(e.Sufficiency.HoursSufficient),
	})
}

// Counted says how many packets of an end its statistics are of.
func Counted(lang Language, e api.Seen) string {
	return say(lang, Text{
		EN: "{src} to {dst}: {counted} of {scheduled} scheduled packets counted, {lost} of them lost.",
		ZH: "{src}至{dst}：计划探测包{scheduled}个，计入{counted}个，其中丢失{lost}个。",
	}, values{
		"src": e.Src, "dst": e.Dst, "scheduled": strconv.FormatInt(e.Scheduled, 10),
		"counted": strconv.FormatInt(e.CountedPackets, 10), "lost": strconv.FormatInt(e.CountedLost, 10),
	})
}

// Enough says of how many ends the gaps are small enough for a verdict.
func Enough(lang Language, ends, of int) string {
	return say(lang, Text{
		EN: "{ends} of {of} {of:end|ends} {ends:has|have} enough data for a verdict.",
		ZH: "{of}个测量端中有{ends}个数据充足，可作判定。",
	}, values{"ends": strconv.Itoa(ends), "of": strconv.Itoa(of)})
}

// Implausible says how many links were seen faster than light.
func Implausible(lang Language, rejected, quarantined int) string {
	return say(lang, Text{
		EN: "{rejected} {rejected:link is|links are} rejected as faster than light in vacuum, and {quarantined} quarantined as faster than light in fibre.",
		ZH: "快于真空光速而不予采信的链路{rejected}条，快于光纤中光速而隔离待查的链路{quarantined}条。",
	}, values{"rejected": strconv.Itoa(rejected), "quarantined": strconv.Itoa(quarantined)})
}

// LeftOut says how many windows count for nothing.
func LeftOut(lang Language, conflicts, foreign, uncounted int) string {
	return say(lang, Text{
		EN: "Left out: {conflicts} {conflicts:window that conflicts|windows that conflict} with an earlier one under the same key, {foreign} outside the life of a site or under other labels than the mesh has, {uncounted} imported without a number of packets.",
		ZH: "未计入的测量窗口：与同一键值下先入库窗口冲突的{conflicts}个，不在站点有效期内或标识与测量网配置不符的{foreign}个，导入时未说明探测包数的{uncounted}个。",
	}, values{"conflicts": strconv.Itoa(conflicts), "foreign": strconv.Itoa(foreign), "uncounted": strconv.Itoa(uncounted)})
}

// Maintenance says what announced works excuse on a plane, and the rate if
// nothing were excused.
func Maintenance(lang Language, p api.Plane) string {
	var late string
	if p.UnregisteredWorks > 0 {
		late = say(lang, Text{
			EN: "{n} {n:entry was|entries were} listed too late to excuse anything.",
			ZH: "另有{n}项登记过晚，不予扣除。",
		}, values{"n": strconv.Itoa(p.UnregisteredWorks)})
	}
	if p.ExcusedLinks == 0 {
		return sentences(lang, say(lang, Text{
			EN: "On the {plane} plane maintenance excuses nothing.",
			ZH: "{plane}无因计划维护而扣除的时段。",
		}, values{"plane": Plane(lang, p.Plane)}), late)
	}
	return sentences(lang, say(lang, Text{
		EN: "On the {plane} plane maintenance excuses something of {links} {links:link|links}; if nothing were excused, {compliant} of {total} pairs would comply ({rate}).",
		ZH: "{plane}有{links}条链路因计划维护扣除了部分时段；如不作扣除，{total}个集群对中有{compliant}个达标（{rate}）。",
	}, values{
		"plane": Plane(lang, p.Plane), "links": strconv.Itoa(p.ExcusedLinks), "rate": Percent(lang, RateDigits(p.WithMaintenance)),
		"compliant": strconv.Itoa(p.WithMaintenance.Compliant), "total": strconv.Itoa(p.WithMaintenance.Total),
	}), late)
}

// WithoutExcuse says the rate of a plane if maintenance excused nothing.
func WithoutExcuse(lang Language, p api.Plane) string {
	return say(lang, Text{
		EN: "On the {plane} plane, if maintenance excused nothing, {compliant} of {total} pairs would comply ({rate}).",
		ZH: "{plane}如不扣除计划维护时段，{total}个集群对中有{compliant}个达标（{rate}）。",
	}, values{
		"plane": Plane(lang, p.Plane), "rate": Percent(lang, RateDigits(p.WithMaintenance)),
		"compliant": strconv.Itoa(p.WithMaintenance.Compliant), "total": strconv.Itoa(p.WithMaintenance.Total),
	})
}

// QualityOfExcerpt says of which links an excerpt has what tells how well they
// were measured.
func QualityOfExcerpt(lang Language, e api.Excerpt) string {
	if len(e.Carriers) == 0 {
		return Text{
			EN: "How well each end measured, and what was left out of it, is not among the public figures.",
			ZH: "各测量端的数据质量及未计入的数据不属于公开数据。",
		}.In(lang)
	}
	return say(lang, Text{
		EN: "What follows counts the links of {carriers} only: how well others measured is not among the public figures.",
		ZH: "以下各项仅统计{carriers}的链路，其他链路的数据质量不属于公开数据。",
	}, values{"carriers": List(lang, e.Carriers)})
}

// ExcusedOf says what maintenance excuses of one link.
func ExcusedOf(lang Language, e api.Excused) string {
	v := values{"works": List(lang, e.Works), "seconds": strconv.FormatInt(e.Seconds, 10), "verdict": Verdict(lang, e.Verdict)}
	if e.Beyond == 0 {
		return say(lang, Text{
			EN: "{works}: {seconds} s are excused. Without that: {verdict}.",
			ZH: "{works}：扣除{seconds} s。如不作扣除：{verdict}。",
		}, v)
	}
	v["beyond"] = strconv.FormatInt(e.Beyond, 10)
	return say(lang, Text{
		EN: "{works}: {seconds} s are excused, {beyond} s more are beyond what may be. Without that: {verdict}.",
		ZH: "{works}：扣除{seconds} s，另有{beyond} s超出可扣除上限。如不作扣除：{verdict}。",
	}, v)
}

// SingleEnded says which pairs were measured from one end only.
func SingleEnded(lang Language, pairs []string) string {
	return say(lang, Text{
		EN: "Measured from one end only: {pairs}.",
		ZH: "仅由一端测量：{pairs}。",
	}, values{"pairs": List(lang, pairs)})
}

// Bounded says of how many pairs only bounds are known.
func Bounded(lang Language, pairs int, statistic string) string {
	return say(lang, Text{
		EN: "The {statistic} of {n} {n:pair|pairs} is not known, because imports without samples are among {n:its|their} data; there are bounds for it.",
		ZH: "{n}个集群对的数据中有不含样本的导入数据，其{statistic}无法确知，仅给出上下界。",
	}, values{"n": strconv.Itoa(pairs), "statistic": Statistic(lang, statistic)})
}

// Parts says of how many pairs the distance changed within the period.
func Parts(lang Language, pairs int) string {
	return say(lang, Text{
		EN: "The distance of {n} {n:pair|pairs} changed within the period. Each part is judged by itself and all have to comply; the figures are those of the part with the highest ratio.",
		ZH: "{n}个集群对的路网距离在统计周期内有变更，各时段分别判定，全部达标方为达标；所列数据取时延比最高的时段。",
	}, values{"n": strconv.Itoa(pairs)})
}

// BesideRule says what the tests that are not judged are there for.
func BesideRule(lang Language, d api.Beside) string {
	return say(lang, Text{
		EN: "Nothing of these tests is in a rate or verdict. A link is marked where its RTT differs from that of the judged test by more than {ms} ms and {share} of the longer one.",
		ZH: "以下测试不计入达标率，也不影响判定。链路的往返时延与判定用测试之差超过{ms} ms且超过较长者的{share}时，予以标注。",
	}, values{"ms": Number(d.DiffersAboveMS), "share": Share(lang, d.DiffersAboveShare)})
}

// ScopeLine says how many links keep a limit inside a hub or a city.
func ScopeLine(lang Language, met, all int, limitMS float64) string {
	return say(lang, Text{
		EN: "{met} of {all} {all:link|links} at most {limit} ms one way (half the RTT)",
		ZH: "{all}条链路中有{met}条单向时延（往返时延的一半）不高于{limit} ms",
	}, values{"met": strconv.Itoa(met), "all": strconv.Itoa(all), "limit": Number(limitMS)})
}

// Excess says by how much a pair is above the limit, or below.
func Excess(lang Language, n api.Nearest) string {
	if n.ExcessMS == nil || n.ExcessKM == nil {
		return Text{EN: "too many packets lost", ZH: "丢包过多"}.In(lang)
	}
	if *n.ExcessMS > 0 {
		return say(lang, Text{
			EN: "{ms} ms above the limit, which is {km} km of fibre each way",
			ZH: "高出限值{ms} ms，折合单向光纤{km} km",
		}, values{"ms": MS(*n.ExcessMS, 3), "km": KM(*n.ExcessKM, 0)})
	}
	return say(lang, Text{
		EN: "{ms} ms below the limit, which is {km} km of fibre each way",
		ZH: "低于限值{ms} ms，折合单向光纤{km} km",
	}, values{"ms": MS(math.Abs(*n.ExcessMS), 3), "km": KM(math.Abs(*n.ExcessKM), 0)})
}

// Choice says how many pairs would comply under other choices.
func Choice(lang Language, s api.Sensitivity) string {
	return say(lang, Text{
		EN: "{n} ({statistic}, {light}, distances: {distances})",
		ZH: "{n}个（{statistic}，{light}，距离：{distances}）",
	}, values{
		"n": strconv.Itoa(s.Compliant), "statistic": StatisticSymbol(lang, s.Statistic),
		"light": Light(lang, s.Light), "distances": Distances(lang, s.Distance),
	})
}
