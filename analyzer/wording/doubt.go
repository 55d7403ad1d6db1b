package wording

import "strconv"

// Doubt is a row of the uncertainty budget.
type Doubt struct{ Source, Size, Treatment string }

// Budget is where doubt about a ratio comes from and how the interval takes it
// into account, as docs/metric.md defines it.
func Budget(lang Language, r Rules) []Doubt {
	var rows []Doubt
	for _, row := range budgetText() {
		rows = append(rows, Doubt{
			Source: say(lang, row.source, r.values(lang)), Size: say(lang, row.size, r.values(lang)),
			Treatment: say(lang, row.treatment, r.values(lang)),
		})
	}
	return rows
}

// values are those of the texts about uncertainty.
func (r Rules) values(lang Language) values {
	return values{
		"trials": strconv.Itoa(r.Trials), "fewer": strconv.Itoa(r.FewerDays), "complete": strconv.Itoa(r.CompleteDays),
		"packets_of_day": Share(lang, r.PacketsOfDay), "confidence": Share(lang, r.Confidence),
		"hardware_least": Number(r.HardwareAddsUS[0]), "hardware_most": Number(r.HardwareAddsUS[1]),
		"kernel_least": Number(r.KernelAddsUS[0]), "kernel_most": Number(r.KernelAddsUS[1]),
		"class_b": Share(lang, r.ClassBShare), "least": Number(r.CircuityMayBe[0]), "most": Number(r.CircuityMayBe[1]),
	}
}

type doubtText struct{ source, size, treatment Text }

func budgetText() []doubtText {
	return []doubtText{
		{
			Text{EN: "Days differ", ZH: "日间变化"},
			Text{EN: "as the days of the period do", ZH: "由统计周期内各日数据得出"},
			Text{
				EN: "Whole days are drawn with replacement, {fewer} fewer than there are, in {trials} trials; both ends share the draw.",
				ZH: "以整日为单位有放回抽样，每次比实有天数少抽{fewer}天，共{trials}次；两端采用同一抽样。",
			},
		},
		{
			Text{EN: "Timestamps by network hardware", ZH: "网卡硬件时间戳"},
			Text{EN: "{hardware_least} to {hardware_most} µs added to each RTT", ZH: "使往返时延增加{hardware_least}～{hardware_most} µs"},
			Text{
				EN: "In each trial a value between, any as likely, is taken off all RTTs of an end that the hardware timed.",
				ZH: "每次抽样时，对采用硬件时间戳的一端，在该范围内按均匀分布抽取一值，从其全部往返时延中扣除。",
			},
		},
		{
			Text{EN: "Timestamps by the kernel", ZH: "操作系统内核时间戳"},
			Text{EN: "{kernel_least} to {kernel_most} µs added to each RTT", ZH: "使往返时延增加{kernel_least}～{kernel_most} µs"},
			Text{
				EN: "Likewise, for an end of which the kernel timed any RTT.",
				ZH: "任一往返时延采用内核时间戳的一端，按同样方法处理。",
			},
		},
		{
			Text{EN: "Timestamps in user space, and ICMP from a site that only reflects", ZH: "用户态时间戳，以及对仅应答站点的ICMP测量"},
			Text{EN: "unknown; they only ever add", ZH: "未知，只会使往返时延增大"},
			Text{
				EN: "Such an RTT is an upper bound: at the lower end of the interval it counts as nothing, and never helps to prove that a link does not comply.",
				ZH: "此类往返时延为上界，计算区间下限时按零计，不能作为确证不达标的依据。",
			},
		},
		{
			Text{EN: "Distance of class A", ZH: "A类距离"},
			Text{EN: "none", ZH: "无"},
			Text{EN: "Exact by convention.", ZH: "约定为准确值。"},
		},
		{
			Text{EN: "Distance of class B", ZH: "B类距离"},
			Text{EN: "from the shortest to the fastest route, at least ± {class_b}", ZH: "最短路线至最快路线，且至少为±{class_b}"},
			Text{EN: "Any distance between is as likely.", ZH: "在该范围内按均匀分布抽取。"},
		},
		{
			Text{EN: "Distance of class C", ZH: "C类距离"},
			Text{EN: "{least} to {most} times the geodesic", ZH: "测地线距离的{least}～{most}倍"},
			Text{EN: "Any distance between is as likely.", ZH: "在该范围内按均匀分布抽取。"},
		},
		{
			Text{EN: "Place of a site of which only that of the cluster is known", ZH: "仅知所在集群位置的站点"},
			Text{EN: "± the extent of the cluster", ZH: "±集群范围"},
			Text{EN: "A shift of the distance, any as likely; not in class A.", ZH: "对距离作均匀分布的偏移；A类距离不作此项处理。"},
		},
		{
			Text{EN: "Packets that are missing without excuse", ZH: "无故缺失的探测包"},
			Text{EN: "as many as are missing", ZH: "按实际缺失数"},
			Text{
				EN: "To be proven to comply, a link has to comply also if every one of them had been lost.",
				ZH: "将其全部视为丢失后仍达标的，方为确证达标。",
			},
		},
	}
}

// Interval says how the interval of a ratio is found, and what it speaks of.
func Interval(lang Language, r Rules) string {
	v := values{"confidence": Share(lang, r.Confidence), "complete": strconv.Itoa(r.CompleteDays), "packets_of_day": Share(lang, r.PacketsOfDay)}
	return sentences(lang, say(lang, Text{
		EN: "The interval of a ratio ({confidence}) is found by Monte Carlo over whole days, by JCGM 101:2008. It takes {complete} days on which every end delivered {packets_of_day} of its schedule; with fewer there is no interval, and nothing is proven.",
		ZH: "时延比区间（置信水平{confidence}）按JCGM 101:2008以蒙特卡洛法对整日数据抽样求得。至少须有{complete}天各端均完成计划探测包的{packets_of_day}以上，不足时不给出区间，也不作确证结论。",
	}, v), intervalSpeaksOf(lang))
}

func intervalSpeaksOf(lang Language) string {
	return Text{
		EN: "It speaks of what happens in periods like this one, not of what may: a rare event that did not happen in this period is not in it. The reading of the Plan is not in it either; how far the rate hangs on that is in the table of other choices.",
		ZH: "区间描述与本统计周期类似的情形，不包含本周期内未发生的偶发事件。对《行动计划》的理解也不在其中，其对达标率的影响见不同取值方法下的达标率。",
	}.In(lang)
}
