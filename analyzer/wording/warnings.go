package wording

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Warning is what a reader must know before the figures.
type Warning struct {
	Loud bool // the figures are not, or not only, about a real network
	Text string
}

// Warnings are those that a report calls for.
func Warnings(lang Language, r *api.Report) []Warning {
	all := originWarnings(lang, r.Data)
	add := func(when bool, text Text, v values) {
		if when {
			all = append(all, Warning{Text: say(lang, text, v)})
		}
	}
	d := r.Data
	add(d.Windows == 0, Text{
		EN: "There is no data for this period and test in the store.",
		ZH: "数据库中无本统计周期和本测试项的数据。",
	}, nil)
	add(r.Period.Demonstration, Text{
		EN: "Demonstration: the period is shorter than a day, so this is no verdict on a month.",
		ZH: "演示性测量：统计周期不足一天，不构成对月度达标情况的判定。",
	}, nil)
	add(!r.Period.Complete, Text{
		EN: "The period was not over when this was made.",
		ZH: "本报告生成时，统计周期尚未结束。",
	}, nil)
	other := d.Windows - underThisMesh(r)
	add(other > 0 && other == d.Windows, Text{
		EN: "All data was measured under another version of the mesh than the one that judges here.",
		ZH: "全部数据均按另一版本的测量网配置测得，与本次判定所用版本不同。",
	}, nil)
	add(other > 0 && other < d.Windows, Text{
		EN: "{n} of {all} windows were measured under another version of the mesh than the one that judges here.",
		ZH: "{all}个测量窗口中有{n}个是按另一版本的测量网配置测得的，与本次判定所用版本不同。",
	}, values{"n": strconv.Itoa(other), "all": strconv.Itoa(d.Windows)})
	add(d.Conflicts > 0, Text{
		EN: "{n} {n:window|windows} conflict with others under the same key and were left out.",
		ZH: "{n}个测量窗口与同一键值下的其他窗口冲突，未计入。",
	}, values{"n": strconv.Itoa(d.Conflicts)})
	return all
}

// originWarnings say which windows were not measured in a real network by this
// system.
func originWarnings(lang Language, d api.Data) (all []Warning) {
	for _, origin := range []struct {
		windows int
		code    string
		loud    bool
	}{
		{d.Origins.Emulated, "emulated", true},
		{d.Origins.Synthetic, "synthetic", true},
		{d.Origins.Imported, "imported", false},
	} {
		what, _ := originWarningText(origin.code)
		v := values{"n": strconv.Itoa(origin.windows), "all": strconv.Itoa(d.Windows), "what": what.In(lang)}
		switch {
		case origin.windows == 0:
		case origin.windows == d.Windows:
			delete(v, "n")
			delete(v, "all")
			all = append(all, Warning{origin.loud, say(lang, Text{
				EN: "All data is {what}.",
				ZH: "全部数据为{what}。",
			}, v)})
		default:
			all = append(all, Warning{origin.loud, say(lang, Text{
				EN: "{n} of {all} windows are {what}.",
				ZH: "{all}个测量窗口中有{n}个为{what}。",
			}, v)})
		}
	}
	return all
}

func originWarningText(code string) (Text, bool) {
	switch code {
	case "emulated":
		return Text{
			EN: "EMULATED: real packets over an emulated network; nothing here is about a real one",
			ZH: "【仿真数据】：真实数据包经仿真网络传输所得，不反映任何真实网络的情况",
		}, true
	case "synthetic":
		return Text{
			EN: "SYNTHETIC: generated, without any packet; nothing here is about a real network",
			ZH: "【合成数据】：由程序生成，未发送任何数据包，不反映任何真实网络的情况",
		}, true
	case "imported":
		return Text{
			EN: "IMPORTED: measured by another system",
			ZH: "【导入数据】：由其他系统测得",
		}, true
	}
	return Text{}, false
}

// Watermark is to stand on every page and figure of a report with data that is
// not of a real network; empty for one without.
func Watermark(lang Language, o api.Origins) string {
	some := o.Measured+o.Imported > 0
	switch {
	case o.Emulated == 0 && o.Synthetic == 0:
		return ""
	case o.Synthetic == 0 && some:
		return Text{EN: "CONTAINS EMULATED DATA, NOT OF A REAL NETWORK", ZH: "含仿真数据，非真实网络测量结果"}.In(lang)
	case o.Synthetic == 0:
		return Text{EN: "EMULATED DATA, NOT OF A REAL NETWORK", ZH: "仿真数据，非真实网络测量结果"}.In(lang)
	case o.Emulated == 0 && some:
		return Text{EN: "CONTAINS SYNTHETIC DATA, NOT OF A REAL NETWORK", ZH: "含合成数据，非真实网络测量结果"}.In(lang)
	case o.Emulated == 0:
		return Text{EN: "SYNTHETIC DATA, NOT OF A REAL NETWORK", ZH: "合成数据，非真实网络测量结果"}.In(lang)
	case some:
		return Text{EN: "CONTAINS EMULATED AND SYNTHETIC DATA, NOT OF A REAL NETWORK", ZH: "含仿真数据和合成数据，非真实网络测量结果"}.In(lang)
	}
	return Text{EN: "EMULATED AND SYNTHETIC DATA, NOT OF A REAL NETWORK", ZH: "仿真数据和合成数据，非真实网络测量结果"}.In(lang)
}

// underThisMesh counts the windows measured under the mesh that judges.
func underThisMesh(r *api.Report) int {
	for _, version := range r.Data.MeshVersions {
		if version.SHA256 == r.MeshSHA256 {
			return version.Windows
		}
	}
	return 0
}

// EstimatedDistances warns of verdicts on distances of class C; some of these
// are estimates that the mesh does not even name.
func EstimatedDistances(lang Language, classC, estimated int, circuity float64) string {
	return say(lang, Text{
		EN: "C: the distance of {n} {n:pair|pairs} is an estimate ({estimated} of them geodesic × {circuity}), so each verdict on them is provisional.",
		ZH: "C类：{n}个集群对的路网距离为估算值（其中{estimated}个为测地线距离×{circuity}），相应判定均属暂定。",
	}, values{"n": strconv.Itoa(classC), "estimated": strconv.Itoa(estimated), "circuity": Number(circuity)})
}

// UserSpace warns of RTTs that are upper bounds.
func UserSpace(lang Language, t api.Timestamps) string {
	return say(lang, Text{
		EN: "{n} of the {timed} {timed:window|windows} that have an RTT were timed in user space, which only ever adds delay: their RTTs are upper bounds.",
		ZH: "有往返时延的{timed}个测量窗口中，{n}个采用用户态时间戳，只会使时延增大，其往返时延为上界。",
	}, values{"n": strconv.Itoa(t.User), "timed": strconv.Itoa(t.User + t.Kernel + t.Hardware)})
}

// OtherMesh warns that a period is not judged by its own mesh; hash is that of
// its own.
func OtherMesh(lang Language, hash string) string {
	return say(lang, Text{
		EN: "Judged by a mesh that is not the mesh of the period: collectors had last begun to serve {hash} when it ended. Without --mesh that one judges.",
		ZH: "本次判定所用的测量网配置不是本统计周期的版本：统计周期结束时，采集端最后开始下发的版本为{hash}。不使用--mesh参数时，以该版本判定。",
	}, values{"hash": ShortHash(hash)})
}

// ShortHash is enough of a hash to tell two files apart.
func ShortHash(hash string) string { return hash[:min(12, len(hash))] }
