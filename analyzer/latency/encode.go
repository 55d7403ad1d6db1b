package latency

import (
	"encoding/binary"
	"math"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// appendRecord appends what the hash of a day is taken over: all of a window
// that a figure of a report may follow from, then how many conflicts it has and
// the same of each. docs/metric.md states the form for other programs.
//
// It is not the canonical bytes, which the site signed: those are JSON, and to
// make them takes longer than to read the window. Who wants to know whether the
// windows are what was signed asks verify; an export has both.
func appendRecord(data []byte, record *store.Record) []byte {
	data = appendWindow(data, &record.Window)
	data = binary.AppendUvarint(data, uint64(len(record.Conflicts)))
	for i := range record.Conflicts {
		data = appendWindow(data, &record.Conflicts[i])
	}
	return data
}

func appendWindow(data []byte, w *wire.Window) []byte {
	data = binary.AppendVarint(data, w.StartMS)
	data = binary.AppendUvarint(data, w.Session)
	data = binary.AppendVarint(data, w.EndMS)
	data = appendTexts(data, w.SrcCluster, w.DstCluster, w.Carrier, w.Plane, w.Method,
		string(w.Timestamps), string(w.Origin), w.MeshSHA256)
	data = appendNumbers(data, w.Scheduled, w.Sent, w.Received, w.Lost, w.Late, w.Duplicate, w.SendError, w.Unstamped)
	data = binary.AppendVarint(data, w.Clock.FrequencyPPB)
	data = appendTexts(data, w.RTTs)
	if data = appendPresence(data, w.STAMP != nil); w.STAMP != nil {
		data = appendNumbers(data, w.STAMP.ResidenceMaxUS, w.STAMP.ForwardLost, w.STAMP.ReverseLost)
	}
	if data = appendPresence(data, w.ReplyTTL != nil); w.ReplyTTL != nil {
		data = appendNumbers(data, w.ReplyTTL.Changes)
	}
	data = appendPresence(data, w.Path != nil)
	if data = appendPresence(data, w.OneWay != nil); w.OneWay != nil {
		data = appendTexts(data, w.OneWay.Forward, w.OneWay.Reverse)
		data = appendNumbers(data, w.OneWay.ErrorUS)
	}
	if data = appendPresence(data, w.Summary != nil); w.Summary != nil {
		data = appendSummary(data, w.Summary)
	}
	return data
}

func appendSummary(data []byte, s *wire.Summary) []byte {
	if data = appendPresence(data, s.MinUS != nil); s.MinUS != nil {
		data = appendNumbers(data, *s.MinUS)
	}
	if data = appendPresence(data, s.MeanUS != nil); s.MeanUS != nil {
		data = binary.BigEndian.AppendUint64(data, math.Float64bits(*s.MeanUS))
	}
	if data = appendPresence(data, s.MaxUS != nil); s.MaxUS != nil {
		data = appendNumbers(data, *s.MaxUS)
	}
	return data
}

func appendPresence(data []byte, present bool) []byte {
	if present {
		return append(data, 1)
	}
	return append(data, 0)
}

func appendNumbers(data []byte, numbers ...uint32) []byte {
	for _, n := range numbers {
		data = binary.AppendUvarint(data, uint64(n))
	}
	return data
}

// appendTexts appends each with its length before it.
func appendTexts[T ~string | ~[]byte](data []byte, texts ...T) []byte {
	for _, t := range texts {
		data = binary.AppendUvarint(data, uint64(len(t)))
		data = append(data, t...)
	}
	return data
}
