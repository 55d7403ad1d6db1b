package wording

import (
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// name is the text of a code, or the code as it stands if there is none.
func name(lang Language, code string, texts func(string) (Text, bool)) string {
	if text, ok := texts(code); ok {
		return text.In(lang)
	}
	return code
}

// Verdict names a verdict, in a sentence and in a table.
func Verdict(lang Language, v api.Verdict) string { return name(lang, string(v), verdictText) }

func verdictText(code string) (Text, bool) {
	switch api.Verdict(code) {
	case api.Compliant:
		return Text{EN: "complies", ZH: "达标"}, true
	case api.NonCompliant:
		return Text{EN: "does not comply", ZH: "不达标"}, true
	case api.NotDemonstrated:
		return Text{EN: "not demonstrated", ZH: "未证实"}, true
	}
	return Text{}, false
}

// Guarded names a guarded verdict.
func Guarded(lang Language, g api.Guarded) string { return name(lang, string(g), guardedText) }

func guardedText(code string) (Text, bool) {
	switch api.Guarded(code) {
	case api.ProvenCompliant:
		return Text{EN: "proven to comply", ZH: "确证达标"}, true
	case api.ProvenNonCompliant:
		return Text{EN: "proven not to comply", ZH: "确证不达标"}, true
	case api.Inconclusive:
		return Text{EN: "inconclusive", ZH: "未能确证"}, true
	}
	return Text{}, false
}

// Plane names a network plane, as the reports of the China Academy of
// Information and Communications Technology do (光层、IP专网、IP公众互联网).
func Plane(lang Language, plane string) string { return name(lang, plane, planeText) }

func planeText(code string) (Text, bool) {
	switch code {
	case "optical":
		return Text{EN: "optical", ZH: "光层"}, true
	case "private-ip":
		return Text{EN: "private IP", ZH: "IP专网"}, true
	case "public-internet":
		return Text{EN: "public Internet", ZH: "IP公众互联网"}, true
	}
	return Text{}, false
}

// Statistic names what of a distribution is compared with the limit.
func Statistic(lang Language, statistic string) string { return name(lang, statistic, statisticText) }

func statisticText(code string) (Text, bool) {
	switch code {
	case "p50":
		return Text{EN: "50th percentile", ZH: "第50百分位数"}, true
	case "p95":
		return Text{EN: "95th percentile", ZH: "第95百分位数"}, true
	case "p99":
		return Text{EN: "99th percentile", ZH: "第99百分位数"}, true
	case "mean":
		return Text{EN: "mean", ZH: "平均值"}, true
	case "min":
		return Text{EN: "minimum", ZH: "最小值"}, true
	}
	return Text{}, false
}

// StatisticSymbol names a statistic where there is little room.
func StatisticSymbol(lang Language, statistic string) string {
	return name(lang, statistic, symbolText)
}

func symbolText(code string) (Text, bool) {
	switch code {
	case "p50":
		return Text{EN: "p50", ZH: "P50"}, true
	case "p95":
		return Text{EN: "p95", ZH: "P95"}, true
	case "p99":
		return Text{EN: "p99", ZH: "P99"}, true
	case "mean":
		return Text{EN: "mean", ZH: "平均值"}, true
	case "min":
		return Text{EN: "min", ZH: "最小值"}, true
	}
	return Text{}, false
}

// Timestamps names a source of timestamps.
func Timestamps(lang Language, source string) string { return name(lang, source, timestampsText) }

func timestampsText(code string) (Text, bool) {
	switch code {
	case "hardware":
		return Text{EN: "network hardware", ZH: "网卡硬件"}, true
	case "kernel":
		return Text{EN: "kernel", ZH: "操作系统内核"}, true
	case "user":
		return Text{EN: "user space", ZH: "用户态"}, true
	}
	return Text{}, false
}

// Origin names where windows come from.
func Origin(lang Language, origin string) string { return name(lang, origin, originText) }

func originText(code string) (Text, bool) {
	switch code {
	case "measured":
		return Text{EN: "measured", ZH: "实测"}, true
	case "emulated":
		return Text{EN: "emulated", ZH: "仿真"}, true
	case "synthetic":
		return Text{EN: "synthetic", ZH: "合成"}, true
	case "imported":
		return Text{EN: "imported", ZH: "导入"}, true
	}
	return Text{}, false
}

// DistanceClass says where a distance comes from.
func DistanceClass(lang Language, class string) string { return name(lang, class, classText) }

func classText(code string) (Text, bool) {
	switch code {
	case "A":
		return Text{EN: "A: registered by the regulator", ZH: "A类：主管部门登记"}, true
	case "B":
		return Text{EN: "B: routed on a map", ZH: "B类：按地图路网计算"}, true
	case "C":
		return Text{EN: "C: estimated from the geodesic", ZH: "C类：按测地线距离估算"}, true
	}
	return Text{}, false
}

// Sites says which of several links of one carrier counts for two clusters.
func Sites(lang Language, choice string) string { return name(lang, choice, sitesText) }

func sitesText(code string) (Text, bool) {
	switch code {
	case "best":
		return Text{EN: "the best link that is demonstrated counts", ZH: "取已证实链路中的最优者"}, true
	case "worst":
		return Text{EN: "the worst link that is demonstrated counts", ZH: "取已证实链路中的最差者"}, true
	case "all":
		return Text{EN: "the worst link that is demonstrated counts, and it complies only if all are demonstrated", ZH: "取已证实链路中的最差者，且所有链路均已证实方可判为达标"}, true
	}
	return Text{}, false
}

// Scope names the links that have a limit of their own besides the ratio.
func Scope(lang Language, class string) string { return name(lang, class, scopeText) }

func scopeText(code string) (Text, bool) {
	switch code {
	case "hub":
		return Text{EN: "inside one hub", ZH: "同一枢纽节点内"}, true
	case "city":
		return Text{EN: "inside one city", ZH: "同一城市内"}, true
	}
	return Text{}, false
}

// SiteRole says what a site does.
func SiteRole(lang Language, role string) string { return name(lang, role, siteRoleText) }

func siteRoleText(code string) (Text, bool) {
	switch code {
	case "probe":
		return Text{EN: "measures", ZH: "主动测量"}, true
	case "reflector":
		return Text{EN: "answers only", ZH: "仅应答"}, true
	case "both":
		return Text{EN: "measures and answers", ZH: "测量并应答"}, true
	}
	return Text{}, false
}

// ReaderRole says for whom a report was made.
func ReaderRole(lang Language, role string) string { return name(lang, role, readerRoleText) }

func readerRoleText(code string) (Text, bool) {
	switch code {
	case "regulator":
		return Text{EN: "regulator", ZH: "主管部门"}, true
	case "carrier":
		return Text{EN: "carrier", ZH: "运营商"}, true
	case "viewer":
		return Text{EN: "viewer", ZH: "查阅者"}, true
	case "admin":
		return Text{EN: "administrator", ZH: "管理员"}, true
	}
	return Text{}, false
}

// Method names a way of measuring.
func Method(lang Language, method string) string { return name(lang, method, methodText) }

func methodText(code string) (Text, bool) {
	switch code {
	case "icmp":
		return Text{EN: "ICMP echo", ZH: "ICMP回显"}, true
	case "stamp":
		return Text{EN: "STAMP (RFC 8762)", ZH: "STAMP（RFC 8762）"}, true
	}
	return Text{}, false
}

// Cluster names a cluster; by its identifier where the mesh has no name.
func Cluster(lang Language, c api.Cluster) string {
	return named(lang, api.Named{ID: c.ID, EN: c.EN, ZH: c.ZH})
}

// Hub names a hub of a mesh. Reports of earlier versions have identifiers only.
func Hub(lang Language, m api.Mesh, id string) string { return namedIn(lang, m.Hubs, id) }

// Carrier names a carrier of a mesh, in the same way; empty for none.
func Carrier(lang Language, m api.Mesh, id string) string { return namedIn(lang, m.Carriers, id) }

func namedIn(lang Language, all []api.Named, id string) string {
	for _, n := range all {
		if n.ID == id {
			return named(lang, n)
		}
	}
	return id
}

func named(lang Language, n api.Named) string {
	switch {
	case lang == ZH && n.ZH != "":
		return n.ZH
	case n.EN != "":
		return n.EN
	}
	return n.ID
}

// Pair names two clusters of a mesh.
func Pair(lang Language, m api.Mesh, pair [2]string) string {
	names := pair
	for _, c := range m.Clusters {
		for i, id := range pair {
			if c.ID == id {
				names[i] = Cluster(lang, c)
			}
		}
	}
	return names[0] + Text{EN: " – ", ZH: "—"}.In(lang) + names[1]
}

// Theory is the formula of the theoretical RTT, as api.Policy gives it.
func Theory(lang Language, formula string) string {
	if lang != ZH {
		return formula
	}
	return strings.NewReplacer("distance", "路网距离", " × ", "×", " / ", "/").Replace(formula)
}

// Light is how long light takes, as api.Sensitivity gives it.
func Light(lang Language, light string) string {
	index, ok := strings.CutPrefix(light, "index ")
	if !ok {
		return light
	}
	return say(lang, Text{EN: "index {index}", ZH: "群折射率{index}"}, values{"index": index})
}

// Distances says which distances count, as api.Sensitivity gives it.
func Distances(lang Language, distance string) string {
	switch times, ok := strings.CutPrefix(distance, "geodesic × "); {
	case ok:
		return say(lang, Text{EN: "geodesic × {times}", ZH: "测地线距离×{times}"}, values{"times": times})
	case distance == "mesh":
		return Text{EN: "mesh", ZH: "测量网登记值"}.In(lang)
	}
	return distance
}
