package export

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Window is a row of the table of windows: what wire.Window tells, without its
// samples. Optional columns are empty where the window does not tell.
type Window struct {
	Src     string `parquet:"src,dict"`
	Dst     string `parquet:"dst,dict"`
	Test    string `parquet:"test,dict"`
	Session int64  `parquet:"session"`
	StartMS int64  `parquet:"start_ms"` // Unix time in ms
	// Conflict is 0 for the window that counts. Others under the same key are
	// numbered from 1 in the order of their admission, and count nowhere.
	Conflict int32 `parquet:"conflict"`

	SrcCluster string `parquet:"src_cluster,dict"`
	DstCluster string `parquet:"dst_cluster,dict"`
	Carrier    string `parquet:"carrier,dict"`
	Plane      string `parquet:"plane,dict"`
	Method     string `parquet:"method,dict"`
	EndMS      int64  `parquet:"end_ms"`
	EndReason  string `parquet:"end_reason,dict"`

	Scheduled int64 `parquet:"scheduled"`
	Sent      int64 `parquet:"sent"`
	Received  int64 `parquet:"received"`
	Lost      int64 `parquet:"lost"`
	Late      int64 `parquet:"late"`
	Duplicate int64 `parquet:"duplicate"`
	SendError int64 `parquet:"send_error"`
	Unstamped int64 `parquet:"unstamped"`

	MinUS      *int64   `parquet:"min_us,optional"`
	MeanUS     *float64 `parquet:"mean_us,optional"`
	P50US      *int64   `parquet:"p50_us,optional"`
	P95US      *int64   `parquet:"p95_us,optional"`
	P99US      *int64   `parquet:"p99_us,optional"`
	MaxUS      *int64   `parquet:"max_us,optional"`
	IPDVMeanUS *float64 `parquet:"ipdv_mean_us,optional"`
	IPDVMaxUS  *int64   `parquet:"ipdv_max_us,optional"`

	TTLMin     *int64 `parquet:"ttl_min,optional"`
	TTLMax     *int64 `parquet:"ttl_max,optional"`
	TTLChanges *int64 `parquet:"ttl_changes,optional"`

	Timestamps        string `parquet:"timestamps,dict"`
	Clock             string `parquet:"clock,dict"`
	ClockMaxErrorUS   int64  `parquet:"clock_max_error_us"`
	ClockFrequencyPPB int64  `parquet:"clock_frequency_ppb"`
	Origin            string `parquet:"origin,dict"`
	MeshSHA256        string `parquet:"mesh_sha256,dict"`
	ProbeVersion      string `parquet:"probe_version,dict"`

	STAMPAuthenticated  *bool  `parquet:"stamp_authenticated,optional"`
	STAMPResidenceMaxUS *int64 `parquet:"stamp_residence_max_us,optional"`
	STAMPCapped         *int64 `parquet:"stamp_capped,optional"`
	STAMPForwardLost    *int64 `parquet:"stamp_forward_lost,optional"`
	STAMPReverseLost    *int64 `parquet:"stamp_reverse_lost,optional"`
	STAMPDSCPReceived   *int64 `parquet:"stamp_dscp_received,optional"`
	STAMPReordered      *int64 `parquet:"stamp_reordered,optional"`
	OneWayErrorUS       *int64 `parquet:"one_way_error_us,optional"`
	// One-way delays from Src to Dst and back, as JSON: whole microseconds,
	// ascending each by itself, for of which packet one is is not kept.
	OneWayForwardUS *string `parquet:"one_way_forward_us,optional"`
	OneWayReverseUS *string `parquet:"one_way_reverse_us,optional"`

	PathTrigger *string `parquet:"path_trigger,optional,dict"`
	PathAtMS    *int64  `parquet:"path_at_ms,optional"`
	PathHops    *string `parquet:"path_hops,optional"` // JSON, as in wire.Path

	SummaryMinUS  *int64   `parquet:"summary_min_us,optional"`
	SummaryMeanUS *float64 `parquet:"summary_mean_us,optional"`
	SummaryMaxUS  *int64   `parquet:"summary_max_us,optional"`
	SummarySource *string  `parquet:"summary_source,optional,dict"`

	SHA256 string `parquet:"sha256"` // of the canonical bytes, in hex
}

// Sample is a row of the table of samples: one packet of a window. A window
// with a summary has none.
type Sample struct {
	Src      string `parquet:"src,dict"`
	Dst      string `parquet:"dst,dict"`
	Test     string `parquet:"test,dict"`
	Session  int64  `parquet:"session"`
	StartMS  int64  `parquet:"start_ms"` // of the window
	Conflict int32  `parquet:"conflict"` // of the window, as there
	Origin   string `parquet:"origin,dict"`
	// Index numbers the packets of a window from 0: those with an RTT first,
	// ascending, for in which order they were sent is not kept.
	Index   int32  `parquet:"index"`
	Outcome string `parquet:"outcome,dict"`
	RTTUS   *int64 `parquet:"rtt_us,optional"`
}

// Outcomes of a packet.
const (
	OutcomeReply     = "reply"
	OutcomeUnstamped = "unstamped" // answered, and nobody knows how fast
	OutcomeLost      = "lost"
)

// each calls do for the window that counts and those in conflict with it.
func each(r *store.Record, do func(w *wire.Window, conflict int32) error) error {
	if err := do(&r.Window, 0); err != nil {
		return err
	}
	for i := range r.Conflicts {
		if err := do(&r.Conflicts[i], int32(i+1)); err != nil {
			return err
		}
	}
	return nil
}

func windowRow(w *wire.Window, conflict int32) (*Window, error) {
	row := &Window{
		Src: w.Src, Dst: w.Dst, Test: w.Test, Session: int64(w.Session), StartMS: w.StartMS, Conflict: conflict,
		SrcCluster: w.SrcCluster, DstCluster: w.DstCluster, Carrier: w.Carrier, Plane: w.Plane, Method: w.Method,
		EndMS: w.EndMS, EndReason: string(w.EndReason),
		Scheduled: int64(w.Scheduled), Sent: int64(w.Sent), Received: int64(w.Received), Lost: int64(w.Lost),
		Late: int64(w.Late), Duplicate: int64(w.Duplicate), SendError: int64(w.SendError), Unstamped: int64(w.Unstamped),
		Timestamps: string(w.Timestamps), Clock: string(w.Clock.State), ClockMaxErrorUS: w.Clock.MaxErrorUS, ClockFrequencyPPB: w.Clock.FrequencyPPB,
		Origin: string(w.Origin), MeshSHA256: w.MeshSHA256, ProbeVersion: w.ProbeVersion, SHA256: w.Digest().String(),
	}
	if s := w.Stats; s != nil {
		row.MinUS, row.MeanUS, row.P50US = whole(s.MinUS), &s.MeanUS, whole(s.P50US)
		row.P95US, row.P99US, row.MaxUS = whole(s.P95US), whole(s.P99US), whole(s.MaxUS)
	}
	if v := w.IPDV; v != nil {
		row.IPDVMeanUS, row.IPDVMaxUS = &v.MeanUS, whole(v.MaxUS)
	}
	if v := w.ReplyTTL; v != nil {
		row.TTLMin, row.TTLMax, row.TTLChanges = whole(uint32(v.Min)), whole(uint32(v.Max)), whole(v.Changes)
	}
	if s := w.STAMP; s != nil {
		row.STAMPAuthenticated, row.STAMPResidenceMaxUS, row.STAMPCapped = &s.Authenticated, whole(s.ResidenceMaxUS), whole(s.Capped)
		row.STAMPForwardLost, row.STAMPReverseLost, row.STAMPReordered = whole(s.ForwardLost), whole(s.ReverseLost), whole(s.Reordered)
		if s.DSCPReceived != nil {
			row.STAMPDSCPReceived = whole(uint32(*s.DSCPReceived))
		}
	}
	if s := w.Summary; s != nil {
		row.SummaryMeanUS, row.SummarySource = s.MeanUS, &s.Source
		if s.MinUS != nil {
			row.SummaryMinUS = whole(*s.MinUS)
		}
		if s.MaxUS != nil {
			row.SummaryMaxUS = whole(*s.MaxUS)
		}
	}
	if err := row.addOneWay(w); err != nil {
		return nil, err
	}
	return row, row.addPath(w)
}

func (row *Window) addOneWay(w *wire.Window) error {
	o := w.OneWay
	if o == nil {
		return nil
	}
	row.OneWayErrorUS = whole(o.ErrorUS)
	for _, way := range []struct {
		samples wire.Samples
		cell    **string
	}{{o.Forward, &row.OneWayForwardUS}, {o.Reverse, &row.OneWayReverseUS}} {
		delays, err := wire.DecodeRTTs([]uint32{}, way.samples)
		if err != nil {
			return fmt.Errorf("window %s: one-way delays: %w", w.Key, err)
		}
		list, err := json.Marshal(delays)
		if err != nil {
			return fmt.Errorf("window %s: %w", w.Key, err)
		}
		text := string(list)
		*way.cell = &text
	}
	return nil
}

func (row *Window) addPath(w *wire.Window) error {
	p := w.Path
	if p == nil {
		return nil
	}
	hops, err := json.Marshal(p.Hops)
	if err != nil {
		return fmt.Errorf("window %s: %w", w.Key, err)
	}
	text := string(hops)
	row.PathTrigger, row.PathAtMS, row.PathHops = &p.Trigger, &p.AtMS, &text
	return nil
}

func whole(v uint32) *int64 {
	n := int64(v)
	return &n
}

// sampleRows gives a row each packet of a window; scratch is memory to decode
// into, returned for the next call.
func sampleRows(w *wire.Window, conflict int32, scratch []uint32, do func(*Sample) error) ([]uint32, error) {
	if w.Summary != nil {
		return scratch, nil
	}
	rtts, err := wire.DecodeRTTs(scratch[:0], w.RTTs)
	if err != nil {
		return scratch, fmt.Errorf("window %s: %w", w.Key, err)
	}
	row := Sample{
		Src: w.Src, Dst: w.Dst, Test: w.Test, Session: int64(w.Session), StartMS: w.StartMS, Conflict: conflict,
		Origin: string(w.Origin), Outcome: OutcomeReply,
	}
	for _, us := range rtts {
		row.RTTUS = whole(us)
		if err := do(&row); err != nil {
			return rtts, err
		}
		row.Index++
	}
	row.RTTUS = nil
	for _, rest := range []struct {
		outcome string
		packets uint32
	}{{OutcomeUnstamped, w.Unstamped}, {OutcomeLost, w.Lost}} {
		row.Outcome = rest.outcome
		for range rest.packets {
			if err := do(&row); err != nil {
				return rtts, err
			}
			row.Index++
		}
	}
	return rtts, nil
}

// columnName is the name that a field has in every format.
func columnName(tag string) string {
	name, _, _ := strings.Cut(tag, ",")
	return name
}
