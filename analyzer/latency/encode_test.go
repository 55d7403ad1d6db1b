package latency

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// fullWindow has every group and no field that is zero.
func fullWindow() *wire.Window {
	one, mean := uint32(1), 1.5
	dscp := 46
	return &wire.Window{
		Key:        wire.Key{Src: "a", Dst: "b", Test: "t", Session: 300, StartMS: 1},
		SrcCluster: "A", DstCluster: "B", Carrier: "c", Plane: "p", Method: "m",
		EndMS: 64, EndReason: wire.EndFull,
		Counts: wire.Counts{Scheduled: 9, Sent: 8, Received: 7, Lost: 6, Late: 5, Duplicate: 4, SendError: 3, Unstamped: 2},
		RTTs:   wire.Samples{1, 2}, Stats: &wire.Stats{MinUS: 1}, IPDV: &wire.IPDV{MaxUS: 1}, ReplyTTL: &wire.ReplyTTL{Min: 1, Max: 1, Changes: 1},
		Timestamps: wire.TimestampsUser, Clock: wire.Clock{State: wire.ClockUnknown, MaxErrorUS: 1, FrequencyPPB: -1}, Origin: wire.OriginMeasured,
		MeshSHA256: "s", ProbeVersion: "v",
		STAMP:   &wire.STAMP{Authenticated: true, RawRTTs: wire.Samples{1}, ResidenceMaxUS: 1, Capped: 1, ForwardLost: 2, ReverseLost: 3, DSCPReceived: &dscp, Reordered: 1},
		OneWay:  &wire.OneWay{Forward: wire.Samples{4}, Reverse: wire.Samples{5, 6}, ErrorUS: 7},
		Path:    &wire.Path{Trigger: "ttl", AtMS: 1, Hops: []wire.Hop{{TTL: 1}}},
		Summary: &wire.Summary{MinUS: &one, MeanUS: &mean, MaxUS: &one, Source: "s"},
	}
}

// TestEncoding holds the form that docs/metric.md states.
func TestEncoding(t *testing.T) {
	bare := *fullWindow()
	bare.STAMP, bare.ReplyTTL, bare.Path, bare.OneWay, bare.Summary = nil, nil, nil, nil, nil
	head := []byte("\x02" + "\xac\x02" + "\x80\x01" + // start, session, end
		"\x01A\x01B\x01c\x01p\x01m" + "\x04user" + "\x08measured" + "\x01s" +
		"\x09\x08\x07\x06\x05\x04\x03\x02" + "\x01" + "\x02\x01\x02")
	absent := []byte{0, 0, 0, 0, 0}
	full := []byte("\x01\x01\x02\x03" + "\x01\x01" + "\x01" + "\x01\x01\x04\x02\x05\x06\x07" +
		"\x01" + "\x01\x01" + "\x01\x3f\xf8\x00\x00\x00\x00\x00\x00" + "\x01\x01")
	want := slices.Concat(head, absent, []byte{1}, head, full)
	got := appendRecord(nil, &store.Record{Window: bare, Conflicts: []wire.Window{*fullWindow()}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEveryFieldIsHashed changes each field of a window in turn: the encoding
// changes, too, unless no figure follows from the field.
func TestEveryFieldIsHashed(t *testing.T) {
	unused := []string{
		"Src", "Dst", "Test", // they stand beside the hashes of the days
		"EndReason", "ProbeVersion", "Clock.State", "Clock.MaxErrorUS",
		"Stats.MinUS", "Stats.MeanUS", "Stats.P50US", "Stats.P95US", "Stats.P99US", "Stats.MaxUS", // they follow from the RTTs
		"IPDV.MeanUS", "IPDV.MaxUS", "ReplyTTL.Min", "ReplyTTL.Max",
		"STAMP.Authenticated", "STAMP.RawRTTs", "STAMP.Capped", "STAMP.DSCPReceived", "STAMP.Reordered",
		"Path.Trigger", "Path.AtMS", "Path.Hops", // that there is a path is
		"Summary.Source",
	}
	before := appendWindow(nil, fullWindow())
	var found []string
	var walk func(path string, at func(*wire.Window) reflect.Value)
	walk = func(path string, at func(*wire.Window) reflect.Value) {
		w := fullWindow()
		v := at(w)
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				field := v.Type().Field(i)
				name := path + "." + field.Name
				if field.Anonymous || path == "" {
					name = path + field.Name
				}
				if field.Anonymous {
					name = path
				}
				walk(name, func(w *wire.Window) reflect.Value { return reflect.Indirect(at(w)).Field(i) })
			}
			return
		}
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Float64:
			v.SetFloat(v.Float() + 1)
		case reflect.Slice:
			v.Set(reflect.AppendSlice(v, v))
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		default:
			v.SetUint(v.Uint() + 1)
		}
		if bytes.Equal(before, appendWindow(nil, w)) {
			found = append(found, path)
		}
	}
	walk("", func(w *wire.Window) reflect.Value { return reflect.ValueOf(w).Elem() })
	slices.Sort(unused)
	slices.Sort(found)
	if diff := cmp.Diff(unused, found); diff != "" {
		t.Errorf("fields that are not hashed (-want +got):\n%s", diff)
	}
	w := fullWindow()
	w.STAMP.ForwardLost, w.STAMP.ReverseLost = w.STAMP.ReverseLost, w.STAMP.ForwardLost
	if sha256.Sum256(before) == sha256.Sum256(appendWindow(nil, w)) {
		t.Error("two fields changed places, and nothing else did")
	}
}
