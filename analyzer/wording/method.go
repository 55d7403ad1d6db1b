package wording

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Rules are the numbers and choices of the policy that the texts about the
// method need, and those of the mesh package where they are not the policy's.
// Shares are of one.
type Rules struct {
	Statistic string // p50, p95, p99, mean or min
	Factor    float64
	Theory    string // api.Policy.Theory
	Sites     string // best, worst or all
	Targets   []Target

	PacketsOfDay         float64
	Days                 float64
	PacketsOfHour        float64
	DemonstrationPackets int

	ResidenceCapUS  int
	FibreIndex      string // as the policy writes it
	FibreMargin     float64
	EndsDifferMS    float64
	EndsDifferShare float64
	RatioAbove      float64

	Confidence     float64
	Trials         int
	CompleteDays   int
	FewerDays      int
	HardwareAddsUS [2]float64 // least and most
	KernelAddsUS   [2]float64

	MaintenanceMost float64
	WithinHubMS     float64
	WithinCityMS    float64

	ClassBShare   float64    // how far off a distance of class B may be, at least
	Circuity      float64    // by which a geodesic is multiplied in class C
	CircuityMayBe [2]float64 // least and most
}

// Target is the share of pairs that has to comply in a year.
type Target struct {
	Year  int
	Share float64
}

// Indicator says what is reported, and from where it comes.
func Indicator(lang Language, r Rules) string {
	var targets []string
	for _, t := range r.Targets {
		targets = append(targets, say(lang, Text{
			EN: "{share} in {year}",
			ZH: "{year}年{share}",
		}, values{"share": Share(lang, t.Share), "year": strconv.Itoa(t.Year)}))
	}
	text := Text{
		EN: "The indicator is the inter-cluster network latency compliance rate of national hub node data centers, from the Action Plan for the High-Quality Development of Computing Power Infrastructure (Ministry of Industry and Information Technology and five other bodies, 2023).",
		ZH: "本报告统计“国家枢纽节点数据中心集群间网络时延达标率”，指标出自工业和信息化部等六部门印发的《算力基础设施高质量发展行动计划》（2023年，以下简称《行动计划》）。",
	}.In(lang)
	if len(targets) == 0 {
		return text
	}
	return sentences(lang, text, say(lang, Text{
		EN: "Targets: {targets}; the last one holds for later years.",
		ZH: "目标值为{targets}，其后年份沿用最后一项。",
	}, values{"targets": List(lang, targets)}))
}

// TheoreticalLatency says with what an RTT is compared.
func TheoreticalLatency(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "By the Plan, the theoretical latency is the delay between egress routers at the optical transmission speed over the network distance between their locations. Here the theoretical RTT is {theory}, and the limit is {factor} times that. Nothing is added for equipment.",
		ZH: "按照《行动计划》，理论时延以两地之间的路网距离为参考，按光传输速度计算出口路由器之间的时延。本报告的理论往返时延按“{theory}”计算，限值为理论往返时延的{factor}倍，不另计设备时延余量。",
	}, values{"theory": Theory(lang, r.Theory), "factor": Number(r.Factor)})
}

// Reading says what is not quoted from the Plan but read into it.
func Reading(lang Language) string {
	return Text{
		EN: "Two things are our reading of the Plan and not quoted from it: the network distance is taken as the distance by road, and the Plan's latency as one-way, so that a measured RTT is compared with twice the one-way time. Whoever reads it otherwise gets other verdicts.",
		ZH: "以下两点为本报告对《行动计划》的理解，并非原文规定：一是路网距离按公路里程取值；二是《行动计划》所称时延为单向时延，因此实测往返时延与单向理论时延的两倍相比较。若理解不同，判定结果亦不同。",
	}.In(lang)
}

// Example goes through the figures of one pair; empty for a pair that has none.
func Example(lang Language, m api.Mesh, p *api.Pair, r Rules) string {
	if p.MeasuredRTTMS == nil || p.Ratio == nil {
		return ""
	}
	return say(lang, Text{
		EN: "For example {pair}: over {km} km the theoretical RTT is {theory} ms, which is twice the one-way time; times {factor} that makes a limit of {limit} ms. Measured were {measured} ms, a ratio of {ratio}: {verdict}.",
		ZH: "以{pair}为例：路网距离{km} km，理论往返时延（单向理论时延的两倍）为{theory} ms，乘以{factor}得限值{limit} ms；实测{measured} ms，时延比{ratio}，判定为{verdict}。",
	}, values{
		"pair": Pair(lang, m, p.Pair), "km": KM(p.DistanceKM, -1), "theory": MS(p.TheoreticalRTTMS, -1), "factor": Number(r.Factor),
		"limit": LimitMS(p.LimitRTTMS), "measured": MS(*p.MeasuredRTTMS, -1), "ratio": Ratio(*p.Ratio, r.Factor), "verdict": Verdict(lang, p.Verdict),
	})
}

// MeasuredLatency says which RTT counts.
func MeasuredLatency(lang Language, r Rules) string {
	how := Text{
		EN: "nearest rank, over all packets sent, each lost one counting as infinite",
		ZH: "采用最近秩法，以全部已发送的探测包为样本，丢失的探测包按时延无穷大计",
	}
	if r.Statistic == "mean" || r.Statistic == "min" {
		how = Text{
			EN: "over the packets received; lost ones are left out",
			ZH: "以已收到应答的探测包为样本，不含丢失的探测包",
		}
	}
	return say(lang, Text{
		EN: "For each pair, plane and carrier, what counts is the {statistic} of the RTT over the whole period: {how}. It is taken from each end, and the worse end counts. A packet that was answered without an RTT to trust, because a clock stepped meanwhile, is neither a loss nor a sample.",
		ZH: "对每个集群对、网络平面和运营商，取整个统计周期内往返时延的{statistic}：{how}。两端分别统计，取较差的一端。已收到应答但因时钟跳变而往返时延不可信的探测包，既不计为丢包，也不计入样本。",
	}, values{"statistic": Statistic(lang, r.Statistic), "how": how.In(lang)})
}

// WhichCounts says which of several links counts for a pair.
func WhichCounts(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "Where several links of one carrier join two clusters, each is judged by its own distance: {choice}. Among carriers the best one counts, plane by plane.",
		ZH: "同一运营商在两个集群之间有多条链路时，各链路按各自距离分别判定，{choice}。多家运营商之间，按网络平面分别取最优者。",
	}, values{"choice": Sites(lang, r.Sites)})
}

// Residence says what is taken off an RTT.
func Residence(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "Of the time for which a STAMP reflector claims to have kept a packet, at most {cap} µs are taken off its RTT, because the reflector may belong to the one who is judged.",
		ZH: "对STAMP反射端申报的探测包处理时间，最多从往返时延中扣除{cap} µs，因为反射端可能属于被判定方。",
	}, values{"cap": strconv.Itoa(r.ResidenceCapUS)})
}

// Sufficiency says how much data a verdict needs.
func Sufficiency(lang Language, r Rules) string {
	return sentences(lang, say(lang, Text{
		EN: "There is enough data for a verdict if each end that is scheduled to measure has at least {packets_of_day} of the scheduled packets on a day, for at least {days} of the days, and at least {packets_of_hour} within each of the clock hours over the whole period.",
		ZH: "数据充足须同时满足：每个应测端在一天内完成计划探测包的{packets_of_day}以上，该日方为有效；有效日占统计周期天数的{days}以上；在整个统计周期内，每个钟点时段均完成计划探测包的{packets_of_hour}以上。",
	}, values{
		"packets_of_day": Share(lang, r.PacketsOfDay), "days": Share(lang, r.Days), "packets_of_hour": Share(lang, r.PacketsOfHour),
	}), say(lang, Text{
		EN: "Whatever the period, it takes {packets} {packets:packet|packets} from each of these ends; shorter than a day it is a demonstration, and this alone is asked. What maintenance excuses is not scheduled.",
		ZH: "无论统计周期长短，每个应测端至少须有{packets}个探测包；不足一天的为演示性测量，仅须满足此项要求。按计划维护扣除的时段不计入计划探测包。",
	}, values{"packets": strconv.Itoa(r.DemonstrationPackets)}))
}

// DistanceClasses says how distances are known.
func DistanceClasses(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "Distances are of three classes. A: registered by the regulator, exact by convention. B: routed on a named map, from the shortest to the fastest route and at least ± {b} off. C: the geodesic times {c}, which may be {least} to {most} times the geodesic; every verdict on such a distance is provisional.",
		ZH: "路网距离分为三类。A类：主管部门登记，约定为准确值。B类：按指明的地图计算，取值范围为最短路线至最快路线，且至少为±{b}。C类：测地线距离的{c}倍，实际可能为测地线距离的{least}至{most}倍，据此作出的判定均属暂定。",
	}, values{"b": Share(lang, r.ClassBShare), "c": Number(r.Circuity), "least": Number(r.CircuityMayBe[0]), "most": Number(r.CircuityMayBe[1])})
}

// Plausibility says which measurements cannot be.
func Plausibility(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "A link of which some RTT is shorter than light in vacuum needs over the geodesic and back is rejected. If it is shorter than light in fibre needs (index {index}) less {margin}, it is quarantined, unless a hollow-core or microwave route is registered. Neither ever counts as complying.",
		ZH: "链路的往返时延短于光在真空中沿测地线往返所需时间的，不予采信；短于光在光纤（群折射率{index}）中所需时间减去{margin}的，隔离待查，但已登记为空芯光纤或微波路由的除外。两者均不计为达标。",
	}, values{"index": r.FibreIndex, "margin": Share(lang, r.FibreMargin)})
}

// RateRule says over what the rate is taken.
func RateRule(lang Language) string {
	return Text{
		EN: "The rate is the number of pairs that comply over the number of all pairs of the required clusters, each pair counted once. A pair that is not demonstrated stays in the denominator. Whether a target is met is decided on exact fractions, never on a rounded rate.",
		ZH: "达标率为达标集群对数与全部应统计集群对数之比，每个集群对计一次；未证实的集群对仍计入分母。是否达到目标值按精确分数比较，不按修约后的达标率比较。",
	}.In(lang)
}

// MaintenanceRule says what announced works excuse.
func MaintenanceRule(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "Announced maintenance excuses the links of its sites where the mesh listed it before it began, up to {most} of the period. What is excused is in no statistic and not scheduled; works that were listed later or changed excuse nothing. The result if nothing were excused is given beside.",
		ZH: "计划维护须在开始之前列入测量网配置，方可对相关站点的链路予以扣除，扣除时长不超过统计周期的{most}。扣除的时段不计入任何统计量，也不计入计划探测包；登记过晚或事后变更的，不予扣除。本报告同时给出不作扣除的结果。",
	}, values{"most": Share(lang, r.MaintenanceMost)})
}

// MeshRule says which version of the mesh judges.
func MeshRule(lang Language) string {
	return Text{
		EN: "Sites and distances are those of the mesh of the period: the last version that was first served to the probes before the period ended, or the first of all if there was none yet. What is served later changes no month that has ended.",
		ZH: "站点和距离以本统计周期的测量网配置为准，即统计周期结束前最后一个开始下发至探针的版本；其时尚无版本的，取最早的版本。其后下发的版本不改变已结束月份的结果。",
	}.In(lang)
}

// ScopesRule says which limits there are besides the ratio.
func ScopesRule(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "Besides, the Plan limits the latency inside one hub and inside one city; the limits here are {hub} ms and {city} ms. Our reading is one way, taken as half the judged RTT of the worse end.",
		ZH: "《行动计划》另对同一枢纽节点内和同一城市内的时延提出要求，本报告所用限值分别为{hub} ms和{city} ms。本报告理解为单向时延，取较差一端判定用往返时延的一半。",
	}, values{"hub": Number(r.WithinHubMS), "city": Number(r.WithinCityMS)})
}

// DecisionRule says how a verdict is reached.
func DecisionRule(lang Language, r Rules) string {
	return say(lang, Text{
		EN: "The ratio is the measured RTT over the theoretical RTT. A link complies if the ratio is at most {factor} and does not comply if it is above: simple acceptance by ILAC-G8:2019 and JCGM 106:2012, in which the uncertainty moves no verdict. It is not demonstrated if there is too little data, or if it is rejected or quarantined. The comparison is made in whole numbers, never on a ratio that was rounded to be shown.",
		ZH: "时延比为实测往返时延与理论往返时延之比。时延比不大于{factor}的判为达标，否则判为不达标，即采用ILAC-G8:2019和JCGM 106:2012规定的简单接受规则，不确定度不改变判定结果。数据不足、不予采信或隔离待查的，判为未证实。比较按整数进行，不使用为显示而修约的时延比。",
	}, values{"factor": Number(r.Factor)})
}

// GuardedRule says when a verdict is proven.
func GuardedRule(lang Language, r Rules) string {
	return sentences(lang, say(lang, Text{
		EN: "Beside the verdict stands what is proven at a confidence of {confidence}. Proven to comply: the whole interval of the ratio is within the limit, also if every packet that is missing without excuse had been lost. Proven not to comply: the whole interval is above the limit. Inconclusive: neither. Where several links or carriers could count, the confidence is divided among them (Bonferroni).",
		ZH: "判定之外，另给出置信水平{confidence}下的确证结论。确证达标：即使将所有无故缺失的探测包均视为丢失，时延比区间仍全部在限值以内。确证不达标：时延比区间全部高于限值。未能确证：以上两者均不成立。有多条链路或多家运营商可供选取时，置信水平在其间分摊（邦费罗尼法）。",
	}, values{"confidence": Share(lang, r.Confidence)}), Text{
		EN: "Where the distance changed within the period, every part has to be proven to comply, and one that is proven not to is enough. A pair is proven to comply if one carrier is, and proven not to if all are.",
		ZH: "统计周期内路网距离有变更的，各时段均确证达标方为确证达标，任一时段确证不达标即为确证不达标。集群对有一家运营商确证达标即为确证达标，全部运营商确证不达标方为确证不达标。",
	}.In(lang))
}

// PossibleRule says what the two ends of a rate count.
func PossibleRule(lang Language) string {
	return Text{
		EN: "\"Proven\" counts the pairs that are proven to comply. \"May comply\" is all pairs less those that are proven not to comply or whose measurements are rejected.",
		ZH: "“确证达标”为确证达标的集群对数；“可能达标”为全部集群对数减去确证不达标和不予采信的集群对数。",
	}.In(lang)
}
