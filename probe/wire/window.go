// Package wire is what a probe and a collector say to each other: windows in
// batches one way, assignments and acknowledgements the other. It holds types,
// their canonical bytes and the checks that need nothing but the message
// itself; no I/O. The store and the analyzer read the same windows.
//
// Every message names its schema. A reader refuses fields and schemas that it
// does not know, because a field that is dropped on the way would change the
// canonical bytes, and with them what was signed.
package wire

import (
	"strconv"
	"time"
)

// Timeout is how long after its own sending a packet counts as lost.
const Timeout = 3 * time.Second

// MaxResidenceUS is how much of the time that a STAMP reflector claims to have
// kept a packet is taken out of an RTT, in microseconds.
const MaxResidenceUS = 200

// Grace is how long after its end a window stays open for replies. What comes
// after Timeout and within Grace is counted as late, and stays lost.
const Grace = 10 * time.Second

// EndReason says why a window ended where it did.
type EndReason string

// Reasons for the end of a window.
const (
	EndFull       EndReason = "full"       // at a multiple of its length in UTC
	EndStop       EndReason = "stop"       // the probe was stopped
	EndClockStep  EndReason = "clock-step" // the wall clock jumped
	EndTimestamps EndReason = "timestamps" // the source of timestamps changed
	EndAssignment EndReason = "assignment" // the assignment changed
)

// Timestamps is the source of the moments from which an RTT is made.
type Timestamps string

// Sources of timestamps, best first. One window never mixes them.
const (
	TimestampsHardware Timestamps = "hardware" // the network interface
	TimestampsKernel   Timestamps = "kernel"   // SO_TIMESTAMPING or a packet tap
	TimestampsUser     Timestamps = "user"     // the process; only ever adds delay
)

// Origin says whether a window tells of a real network.
type Origin string

// Origins. Whatever is not measured bears its mark into every report.
const (
	OriginMeasured  Origin = "measured"
	OriginEmulated  Origin = "emulated"  // real packets through an emulated link
	OriginSynthetic Origin = "synthetic" // no packets: generated
	OriginImported  Origin = "imported"  // measured elsewhere, by another system
)

// Key identifies a window. Two windows of one key that differ are a conflict.
type Key struct {
	Src     string `json:"src"`      // site that measured
	Dst     string `json:"dst"`      // site that answered
	Test    string `json:"test"`     // name of the test in the mesh
	Session uint64 `json:"session"`  // rises at every start of the probe and backward step of its clock
	StartMS int64  `json:"start_ms"` // Unix time in ms, UTC
}

// String is the key for people and logs.
func (k Key) String() string {
	return k.Src + ">" + k.Dst + "/" + k.Test + "@" +
		time.UnixMilli(k.StartMS).UTC().Format("2006-01-02T15:04:05.000Z") + "#" + strconv.FormatUint(k.Session, 10)
}

// Window is everything that a probe learned about one link by one test in one
// interval. It is immutable. A packet belongs to the window in which it was
// sent.
type Window struct {
	Key

	SrcCluster string `json:"src_cluster"`
	DstCluster string `json:"dst_cluster"`
	Carrier    string `json:"carrier"`
	Plane      string `json:"plane"`
	Method     string `json:"method"`

	EndMS     int64     `json:"end_ms"` // exclusive, Unix time in ms
	EndReason EndReason `json:"end_reason"`

	Counts

	// RTTs holds the round-trip times of the stamped replies, whole
	// microseconds, sorted, in the sample codec (AppendRTTs).
	RTTs Samples `json:"rtts"`
	// Stats repeats what follows from RTTs, for people who query the store.
	// Absent where no reply was stamped.
	Stats *Stats `json:"stats,omitempty"`
	// IPDV is absent where fewer than two replies were stamped.
	IPDV *IPDV `json:"ipdv,omitempty"`
	// ReplyTTL is absent where the method or the socket does not tell it.
	ReplyTTL *ReplyTTL `json:"reply_ttl,omitempty"`

	Timestamps   Timestamps `json:"timestamps"`
	Clock        Clock      `json:"clock"`
	Origin       Origin     `json:"origin"`
	MeshSHA256   string     `json:"mesh_sha256"` // version of the mesh that the assignment came from, hex
	ProbeVersion string     `json:"probe_version"`

	// Groups that not every window has.
	STAMP   *STAMP   `json:"stamp,omitempty"`
	OneWay  *OneWay  `json:"one_way,omitempty"`
	Path    *Path    `json:"path,omitempty"`
	Summary *Summary `json:"summary,omitempty"`
}

// Counts are the packets of a window.
//
//	sent = received + lost, late ≤ lost, unstamped ≤ received,
//	sent + send_error ≤ scheduled, len(RTTs) = received − unstamped
type Counts struct {
	Scheduled uint32 `json:"scheduled"`  // what the test asked for in this interval
	Sent      uint32 `json:"sent"`       // left the socket
	Received  uint32 `json:"received"`   // answered within Timeout
	Lost      uint32 `json:"lost"`       // not answered within Timeout
	Late      uint32 `json:"late"`       // answered after Timeout, within Grace of the end; part of Lost
	Duplicate uint32 `json:"duplicate"`  // further replies to an answered packet
	SendError uint32 `json:"send_error"` // the socket refused; not loss, lowers sufficiency
	Unstamped uint32 `json:"unstamped"`  // answered, but with no trustworthy RTT; part of Received
}

// Stats are statistics over the stamped replies of one window; percentiles by
// nearest rank. They leave lost packets out: a verdict never uses them.
type Stats struct {
	MinUS  uint32  `json:"min_us"`
	MeanUS float64 `json:"mean_us"` // sum of whole microseconds over their number, correctly rounded
	P50US  uint32  `json:"p50_us"`
	P95US  uint32  `json:"p95_us"`
	P99US  uint32  `json:"p99_us"`
	MaxUS  uint32  `json:"max_us"`
}

// IPDV is the variation between successive received packets, in the order of
// sending, as absolute differences (RFC 3393).
type IPDV struct {
	MeanUS float64 `json:"mean_us"`
	MaxUS  uint32  `json:"max_us"`
}

// ReplyTTL is the TTL or hop limit seen in replies; a change is a change of
// path.
type ReplyTTL struct {
	Min     uint8  `json:"min"`
	Max     uint8  `json:"max"`
	Changes uint32 `json:"changes"` // number of times it differed from the reply before
}

// ClockState says whether the wall clock followed a reference.
type ClockState string

// States of the wall clock.
const (
	ClockSynchronised   ClockState = "synchronised"
	ClockUnsynchronised ClockState = "unsynchronised"
	ClockUnknown        ClockState = "unknown" // the system does not tell
)

// Clock is the state of the probe's wall clock at the end of the window
// (adjtimex). It dates the window, and RTTs are off by the share that it runs
// too fast or too slow.
type Clock struct {
	State        ClockState `json:"state"`
	MaxErrorUS   int64      `json:"max_error_us,omitempty"`
	FrequencyPPB int64      `json:"frequency_ppb,omitempty"` // correction in force, parts per billion
}

// MaxFrequencyPPB is the correction of a clock's rate, up or down, above which
// something is wrong with the clock or with what corrects it.
const MaxFrequencyPPB = 100_000

// Hurried tells whether the clock is made to run faster or slower than a sound
// one has to be.
func (c Clock) Hurried() bool {
	return c.FrequencyPPB > MaxFrequencyPPB || c.FrequencyPPB < -MaxFrequencyPPB
}

// STAMP holds what only RFC 8762 tells.
type STAMP struct {
	Authenticated  bool    `json:"authenticated"`
	RawRTTs        Samples `json:"raw_rtts"`         // T4−T1 with the reflector's time in it, same codec as RTTs
	ResidenceMaxUS uint32  `json:"residence_max_us"` // largest T3−T2 that the reflector claimed
	Capped         uint32  `json:"capped"`           // packets whose claimed residence exceeded what is subtracted
	ForwardLost    uint32  `json:"forward_lost"`     // lost on the way to a stateful reflector
	ReverseLost    uint32  `json:"reverse_lost"`     // lost on the way back
	DSCPReceived   *int    `json:"dscp_received,omitempty"`
	Reordered      uint32  `json:"reordered"`
}

// OneWay holds one-way delays; present only where both clocks say that they
// are synchronised.
type OneWay struct {
	Forward Samples `json:"forward"`  // microseconds, sorted, sample codec
	Reverse Samples `json:"reverse"`  // microseconds, sorted, sample codec
	ErrorUS uint32  `json:"error_us"` // bound on the sum of both clocks' errors
}

// Path is a traceroute with the flow identifiers of the test, taken when the
// path seemed to change.
type Path struct {
	Trigger string `json:"trigger"` // "ttl" or "rtt-step"
	AtMS    int64  `json:"at_ms"`
	Hops    []Hop  `json:"hops"`
}

// Hop is one answer, or silence, on the way.
type Hop struct {
	TTL     uint8  `json:"ttl"`
	Address string `json:"address,omitempty"` // empty: silent
	RTTUS   uint32 `json:"rtt_us,omitempty"`
}

// Summary stands in for samples where a measurement made elsewhere has only
// these; RTTs is then empty, and a verdict can use only the statistics given.
type Summary struct {
	MinUS  *uint32  `json:"min_us,omitempty"`
	MeanUS *float64 `json:"mean_us,omitempty"`
	MaxUS  *uint32  `json:"max_us,omitempty"`
	Source string   `json:"source"` // system and identifier of the measurement
}
