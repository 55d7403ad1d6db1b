package conformance

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// RandomWindow draws any window that passes wire.Window.Check: all end reasons
// and sources, no samples, one and many, numbers at their limits, and every
// optional group present or absent.
func RandomWindow(t *rapid.T) wire.Window {
	src := identifiers().Draw(t, "src")
	w := wire.Window{
		Key: wire.Key{
			Src:     src,
			Dst:     identifiers().Filter(func(s string) bool { return s != src }).Draw(t, "dst"),
			Test:    identifiers().Draw(t, "test"),
			Session: rapid.Uint64Range(0, math.MaxInt64).Draw(t, "session"),
			StartMS: rapid.Int64Range(1, 7_258_118_400_000).Draw(t, "start_ms"),
		},
		SrcCluster:   identifiers().Draw(t, "src_cluster"),
		DstCluster:   identifiers().Draw(t, "dst_cluster"),
		Carrier:      identifiers().Draw(t, "carrier"),
		Plane:        identifiers().Draw(t, "plane"),
		Method:       identifiers().Draw(t, "method"),
		EndReason:    rapid.SampledFrom([]wire.EndReason{wire.EndFull, wire.EndStop, wire.EndClockStep, wire.EndTimestamps, wire.EndAssignment}).Draw(t, "end_reason"),
		Timestamps:   rapid.SampledFrom([]wire.Timestamps{wire.TimestampsHardware, wire.TimestampsKernel, wire.TimestampsUser}).Draw(t, "timestamps"),
		Origin:       rapid.SampledFrom([]wire.Origin{wire.OriginMeasured, wire.OriginEmulated, wire.OriginSynthetic, wire.OriginImported}).Draw(t, "origin"),
		MeshSHA256:   rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "mesh_sha256"),
		ProbeVersion: text(128).Draw(t, "probe_version"),
		Clock: wire.Clock{
			State:        rapid.SampledFrom([]wire.ClockState{wire.ClockSynchronised, wire.ClockUnsynchronised, wire.ClockUnknown}).Draw(t, "clock"),
			MaxErrorUS:   rapid.Int64().Draw(t, "max_error_us"),
			FrequencyPPB: rapid.Int64().Draw(t, "frequency_ppb"),
		},
	}
	w.EndMS = w.StartMS + rapid.Int64Range(1, wire.MaxWindow.Milliseconds()).Draw(t, "length_ms")
	drawSamples(t, &w)
	drawGroups(t, &w)
	return w
}

func identifiers() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`) }

// text draws printable ASCII that JSON writes as it stands; line protocol and
// Flux would have to quote much of it.
func text(limit int) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.RuneFrom([]rune(
		" !#$%&'()*+,-./0123456789:;<=>?@ABCXYZ[]^_`abcxyz{|}~")), 1, limit, limit)
}

func drawSamples(t *rapid.T, w *wire.Window) {
	us := rapid.Uint32Range(0, wire.MaxRTTUS)
	rtts := rapid.SliceOfN(us, 0, 80).Draw(t, "rtts")
	slices.Sort(rtts)
	small := rapid.Uint32Range(0, 9)
	w.Unstamped = small.Draw(t, "unstamped")
	w.Received = uint32(len(rtts)) + w.Unstamped
	w.Lost = small.Draw(t, "lost")
	w.Late = rapid.Uint32Range(0, w.Lost).Draw(t, "late")
	w.Sent = w.Received + w.Lost
	w.SendError = small.Draw(t, "send_error")
	w.Scheduled = w.Sent + w.SendError + small.Draw(t, "not sent")
	w.Duplicate = rapid.Uint32().Draw(t, "duplicate")

	if rapid.IntRange(0, 9).Draw(t, "summary only") == 0 {
		rtts = nil
		w.Summary = &wire.Summary{
			MinUS:  rapid.Ptr(us, true).Draw(t, "summary min_us"),
			MeanUS: rapid.Ptr(means(), true).Draw(t, "summary mean_us"),
			MaxUS:  new(us.Draw(t, "summary max_us")),
			Source: text(256).Draw(t, "summary source"),
		}
	}
	// No samples may be nil or empty in memory, which must make no difference.
	w.RTTs = wire.AppendRTTs(nil, rtts)
	if w.RTTs == nil && rapid.Bool().Draw(t, "empty samples") {
		w.RTTs = []byte{}
	}
	w.Stats = wire.StatsOf(rtts)
	if len(rtts) >= 2 && rapid.Bool().Draw(t, "has ipdv") {
		w.IPDV = &wire.IPDV{MeanUS: means().Draw(t, "ipdv mean_us"), MaxUS: us.Draw(t, "ipdv max_us")}
	}
	if rapid.Bool().Draw(t, "has reply_ttl") {
		least := rapid.Uint8().Draw(t, "ttl min")
		w.ReplyTTL = &wire.ReplyTTL{
			Min: least, Max: rapid.Uint8Range(least, math.MaxUint8).Draw(t, "ttl max"),
			Changes: rapid.Uint32().Draw(t, "ttl changes"),
		}
	}
}

func means() *rapid.Generator[float64] { return rapid.Float64Range(0, wire.MaxRTTUS) }

func drawGroups(t *rapid.T, w *wire.Window) {
	coded := rapid.Map(rapid.SliceOfN(rapid.Uint32Range(0, wire.MaxRTTUS), 0, min(40, int(w.Sent))), func(v []uint32) []byte {
		slices.Sort(v)
		return wire.AppendRTTs(nil, v)
	})
	count := rapid.Uint32()
	if rapid.Bool().Draw(t, "has stamp") {
		w.STAMP = &wire.STAMP{
			Authenticated: rapid.Bool().Draw(t, "authenticated"), RawRTTs: coded.Draw(t, "raw_rtts"),
			ResidenceMaxUS: count.Draw(t, "residence_max_us"), Capped: count.Draw(t, "capped"),
			ForwardLost: count.Draw(t, "forward_lost"), ReverseLost: count.Draw(t, "reverse_lost"),
			DSCPReceived: rapid.Ptr(rapid.IntRange(0, 63), true).Draw(t, "dscp_received"),
			Reordered:    count.Draw(t, "reordered"),
		}
	}
	if rapid.Bool().Draw(t, "has one_way") {
		w.OneWay = &wire.OneWay{
			Forward: coded.Draw(t, "forward"), Reverse: coded.Draw(t, "reverse"), ErrorUS: count.Draw(t, "error_us"),
		}
	}
	if rapid.Bool().Draw(t, "has path") {
		hop := rapid.Custom(func(t *rapid.T) wire.Hop {
			return wire.Hop{
				TTL:     rapid.Uint8().Draw(t, "ttl"),
				Address: rapid.SampledFrom([]string{"", "192.0.2.7", "2001:db8::1%eth0"}).Draw(t, "address"),
				RTTUS:   count.Draw(t, "rtt_us"),
			}
		})
		w.Path = &wire.Path{
			Trigger: rapid.SampledFrom([]string{"ttl", "rtt-step"}).Draw(t, "trigger"),
			AtMS:    rapid.Int64().Draw(t, "at_ms"),
			Hops:    rapid.SliceOfN(hop, 0, 8).Draw(t, "hops"),
		}
	}
}

// Window makes a plausible window of one minute with a packet a second: a
// floor, queueing with a long tail, a rare loss. The same generator and key
// give the same window.
func Window(rng *rand.Rand, key wire.Key) wire.Window {
	const scheduled, lengthMS = 60, 60_000
	w := wire.Window{
		Key:        key,
		SrcCluster: "cluster-" + key.Src, DstCluster: "cluster-" + key.Dst,
		Carrier: "carrier", Plane: "optical", Method: "icmp",
		EndMS: key.StartMS + lengthMS, EndReason: wire.EndFull,
		Timestamps: wire.TimestampsKernel,
		Clock:      wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 1500, FrequencyPPB: -12_345},
		Origin:     wire.OriginSynthetic,
		MeshSHA256: strings.Repeat("5e", 32), ProbeVersion: "v0.1.0",
		ReplyTTL: &wire.ReplyTTL{Min: 52, Max: 52},
	}
	rtts := make([]uint32, 0, scheduled)
	for range scheduled {
		if rng.Float64() < 0.001 {
			w.Lost++
			continue
		}
		rtts = append(rtts, uint32(15_050+30*rng.ExpFloat64()+math.Pow(rng.Float64(), 40)*4000))
	}
	w.Scheduled, w.Sent, w.Received = scheduled, scheduled, uint32(len(rtts))
	ipdv := &wire.IPDV{}
	for i := 1; i < len(rtts); i++ {
		step := max(rtts[i], rtts[i-1]) - min(rtts[i], rtts[i-1])
		ipdv.MeanUS += float64(step)
		ipdv.MaxUS = max(ipdv.MaxUS, step)
	}
	if len(rtts) >= 2 {
		ipdv.MeanUS /= float64(len(rtts) - 1)
		w.IPDV = ipdv
	}
	slices.Sort(rtts)
	w.RTTs = wire.AppendRTTs(nil, rtts)
	w.Stats = wire.StatsOf(rtts)
	return w
}

// Windows makes n successive windows of one link and test from start on.
func Windows(seed uint64, src, dst string, startMS int64, n int) []wire.Window {
	rng := rand.New(rand.NewPCG(seed, 0))
	windows := make([]wire.Window, n)
	for i := range windows {
		windows[i] = Window(rng, wire.Key{
			Src: src, Dst: dst, Test: "icmp-1s", Session: 1_750_000_000_000_000, StartMS: startMS + int64(i)*60_000,
		})
	}
	return windows
}
