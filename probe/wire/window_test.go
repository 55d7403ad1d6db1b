package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a valid window with every optional group.
func sample() Window {
	rtts := []uint32{15_053, 15_060, 15_071}
	dscp := 46
	return Window{
		Key:        Key{Src: "zjk-a", Dst: "yrd-a", Test: "icmp", Session: 7, StartMS: 1_748_736_000_000},
		SrcCluster: "zjk", DstCluster: "yrd", Carrier: "carrier-a", Plane: "optical", Method: "icmp",
		EndMS: 1_748_736_060_000, EndReason: EndFull,
		Counts:     Counts{Scheduled: 60, Sent: 5, Received: 4, Lost: 1, Late: 1, Duplicate: 2, SendError: 3, Unstamped: 1},
		RTTs:       AppendRTTs(nil, rtts),
		Stats:      StatsOf(rtts),
		IPDV:       &IPDV{MeanUS: 9, MaxUS: 11},
		ReplyTTL:   &ReplyTTL{Min: 57, Max: 58, Changes: 1},
		Timestamps: TimestampsUser,
		Clock:      Clock{State: ClockSynchronised, MaxErrorUS: 1200, FrequencyPPB: -3500},
		Origin:     OriginMeasured, MeshSHA256: strings.Repeat("ab", 32), ProbeVersion: "v1.2.3",
		STAMP:  &STAMP{RawRTTs: AppendRTTs(nil, rtts), ResidenceMaxUS: 30, DSCPReceived: &dscp},
		OneWay: &OneWay{Forward: AppendRTTs(nil, []uint32{7500}), Reverse: AppendRTTs(nil, []uint32{7553}), ErrorUS: 40},
		Path:   &Path{Trigger: "ttl", AtMS: 1_748_736_030_000, Hops: []Hop{{TTL: 1, Address: "192.0.2.1", RTTUS: 300}, {TTL: 2}}},
	}
}

func TestSampleWindowPasses(t *testing.T) {
	w := sample()
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestCanonicalIsGolden holds the canonical bytes to the letter: they are what
// is hashed and signed, so a change of them is a change of the schema.
func TestCanonicalIsGolden(t *testing.T) {
	w := sample()
	const want = `{"src":"zjk-a","dst":"yrd-a","test":"icmp","session":7,"start_ms":1748736000000,` +
		`"src_cluster":"zjk","dst_cluster":"yrd","carrier":"carrier-a","plane":"optical","method":"icmp",` +
		`"end_ms":1748736060000,"end_reason":"full","scheduled":60,"sent":5,"received":4,"lost":1,"late":1,` +
		`"duplicate":2,"send_error":3,"unstamped":1,"rtts":"zXUHCw==",` +
		`"stats":{"min_us":15053,"mean_us":15061.333333333334,"p50_us":15060,"p95_us":15071,"p99_us":15071,"max_us":15071},` +
		`"ipdv":{"mean_us":9,"max_us":11},"reply_ttl":{"min":57,"max":58,"changes":1},"timestamps":"user",` +
		`"clock":{"state":"synchronised","max_error_us":1200,"frequency_ppb":-3500},"origin":"measured",` +
		`"mesh_sha256":"abababababababababababababababababababababababababababababababab","probe_version":"v1.2.3",` +
		`"stamp":{"authenticated":false,"raw_rtts":"zXUHCw==","residence_max_us":30,"capped":0,"forward_lost":0,"reverse_lost":0,"dscp_received":46,"reordered":0},` +
		`"one_way":{"forward":"zDo=","reverse":"gTs=","error_us":40},` +
		`"path":{"trigger":"ttl","at_ms":1748736030000,"hops":[{"ttl":1,"address":"192.0.2.1","rtt_us":300},{"ttl":2}]}}`
	if diff := cmp.Diff(want, string(w.Canonical())); diff != "" {
		t.Errorf("canonical bytes (-want +got):\n%s", diff)
	}
}

func TestBatchDigestLeavesTheSignatureOut(t *testing.T) {
	b := Batch{Schema: SchemaBatch, Site: "zjk-a", Windows: []Window{sample()}}
	unsigned := b.Digest()
	b.Signature = &Signature{Algorithm: "ed25519", KeyID: "k", Value: []byte{1}}
	if b.Digest() != unsigned {
		t.Error("the digest depends on the signature that is made over it")
	}
}

// TestNoSamplesHaveOneForm holds that it does not matter whether a window
// without samples was made, sent or read from a store.
func TestNoSamplesHaveOneForm(t *testing.T) {
	w := sample()
	w.Counts, w.Stats, w.IPDV = Counts{Scheduled: 60, Sent: 60, Lost: 60}, nil, nil
	w.RTTs = nil
	none := w.Digest()
	w.RTTs = Samples{}
	if w.Digest() != none {
		t.Error("nil and empty samples have different digests")
	}
	null, err := DecodeWindow(bytes.Replace(w.Canonical(), []byte(`"rtts":""`), []byte(`"rtts":null`), 1))
	if err != nil {
		t.Fatal(err)
	}
	if null.Digest() != none {
		t.Error("null and empty samples have different digests")
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*Window)
		want string
	}{
		{"no source", func(w *Window) { w.Src = "" }, `src: "" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"control character", func(w *Window) { w.Dst = "a\nb" }, `dst: "a\nb" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"line protocol", func(w *Window) { w.Carrier = `a,b=c\` }, `carrier: "a,b=c\\" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"to itself", func(w *Window) { w.Dst = w.Src }, `dst: is "zjk-a", the same as src`},
		{"session beyond int64", func(w *Window) { w.Session = math.MaxUint64 }, `session: 18446744073709551615 is above 9223372036854775807`},
		{"start before 1970", func(w *Window) { w.StartMS = 0 }, `start_ms: 0 is not between 1970 and 2200`},
		{"end before start", func(w *Window) { w.EndMS = w.StartMS }, `end_ms: the window is 0 ms long; 1 to 900000 are allowed`},
		{"too long", func(w *Window) { w.EndMS = w.StartMS + 900_001 }, `end_ms: the window is 900001 ms long; 1 to 900000 are allowed`},
		{"end reason", func(w *Window) { w.EndReason = "tired" }, `end_reason: "tired" is not full, stop, clock-step, timestamps or assignment`},
		{"sent", func(w *Window) { w.Sent++ }, `sent: 6 is not received 4 + lost 1`},
		{"late", func(w *Window) { w.Late = 2 }, `late: 2 is above lost 1, of which it is a part`},
		{"unstamped", func(w *Window) { w.Unstamped = 5 }, `unstamped: 5 is above received 4, of which it is a part`},
		{"scheduled", func(w *Window) { w.Scheduled = 7 }, `scheduled: 7 is below sent 5 + send_error 3`},
		{"too many", func(w *Window) { w.Scheduled = 90_001 }, `scheduled: 90001 is above 90000`},
		{"counts that wrap", func(w *Window) { w.Sent, w.Received, w.Lost = 0, math.MaxUint32, 1 }, `sent: 0 is not received 4294967295 + lost 1`},
		{"samples missing", func(w *Window) { w.RTTs = nil }, `rtts: 0 samples for received 4 − unstamped 1`},
		{"samples cut", func(w *Window) { w.RTTs = []byte{0x80} }, `rtts: a varint is cut off or too long`},
		{"statistics", func(w *Window) { w.Stats.P95US++ }, `stats: do not follow from rtts`},
		{"statistics missing", func(w *Window) { w.Stats = nil }, `stats: do not follow from rtts`},
		{"not a number", func(w *Window) { w.IPDV.MeanUS = math.NaN() }, `ipdv: is not within 0 to 60000000 µs`},
		{"minus zero", func(w *Window) { w.IPDV.MeanUS = math.Copysign(0, -1) }, `ipdv: is not within 0 to 60000000 µs`},
		{"TTL", func(w *Window) { w.ReplyTTL.Min = 99 }, `reply_ttl: min 99 is above max 58`},
		{"timestamps", func(w *Window) { w.Timestamps = "guess" }, `timestamps: "guess" is not hardware, kernel or user`},
		{"clock", func(w *Window) { w.Clock.State = "" }, `clock.state: "" is not synchronised, unsynchronised or unknown`},
		{"origin", func(w *Window) { w.Origin = "" }, `origin: "" is not measured, emulated, synthetic or imported`},
		{"mesh", func(w *Window) { w.MeshSHA256 = "AB" }, `mesh_sha256: "AB" is not a SHA-256 in hex`},
		{"version", func(w *Window) { w.ProbeVersion = "v1\x00" }, `probe_version: "v1\x00" is not 1 to 128 printable ASCII characters`},
		{"raw RTTs", func(w *Window) { w.STAMP.RawRTTs = []byte{0x80} }, `stamp.raw_rtts: a varint is cut off or too long`},
		{"DSCP", func(w *Window) { *w.STAMP.DSCPReceived = 64 }, `stamp.dscp_received: 64 is not within 0 to 63`},
		{"one way", func(w *Window) { w.OneWay.Reverse = []byte{0x80} }, `one_way: rtts: a varint is cut off or too long`},
		{"raw RTTs beyond all packets", func(w *Window) { w.STAMP.RawRTTs = make([]byte, 6) }, `stamp.raw_rtts: 6 samples for sent 5`},
		{"megabytes of raw RTTs", func(w *Window) { w.STAMP.RawRTTs = make([]byte, 450_001) }, `stamp.raw_rtts: 450001 bytes is more than any window needs`},
		{"one way beyond all packets", func(w *Window) { w.OneWay.Forward = make([]byte, 6) }, `one_way: rtts: 6 samples for sent 5`},
		{"trigger", func(w *Window) { w.Path.Trigger = "mood" }, `path.trigger: "mood" is not ttl or rtt-step`},
		{"hop", func(w *Window) { w.Path.Hops[0].Address = "\x1b[2J" }, `path.hops: "\x1b[2J" is not an address`},
		{"summary with samples", func(w *Window) { w.Summary = &Summary{Source: "x"} }, `rtts: a window with a summary has no samples of its own`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := sample()
			test.harm(&w)
			if err := w.Check(); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestDecodeBatchRefuses(t *testing.T) {
	window := string(func() []byte { w := sample(); return w.Canonical() }())
	key := strings.Repeat("ab", 32)
	signed := func(algorithm, keyID, value string) string {
		return fmt.Sprintf(`{"schema":"fibergauge.batch/1","site":"a","windows":[%s],"signature":{"algorithm":%q,"key_id":%q,"value":%q}}`, window, algorithm, keyID, value)
	}
	if _, err := DecodeBatch([]byte(signed("ed25519", key, "AA=="))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, body, want string }{
		{"nothing", ``, `the body is empty`},
		{"a list", `[]`, `the body: a JSON array does not fit there`},
		{"unknown field", `{"schema":"fibergauge.batch/1","shema":1}`, `not the JSON expected: unknown field "shema"`},
		{"unknown field of a window", `{"schema":"fibergauge.batch/1","site":"a","windows":[{"rtt":1}]}`, `not the JSON expected: unknown field "rtt"`},
		{"a text for a number", `{"schema":"fibergauge.batch/1","site":"a","windows":[{"sent":"1"}]}`, `windows.sent: a JSON string does not fit there`},
		{"two values", `{"schema":"fibergauge.batch/1","site":"a","windows":[` + window + `]}{}`, `more follows after the JSON value`},
		{"another schema", `{"schema":"fibergauge.batch/2"}`, `schema: "fibergauge.batch/2" is not "fibergauge.batch/1"`},
		{"site", `{"schema":"fibergauge.batch/1","site":"a b"}`, `site: "a b" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"signature by nothing", signed("", key, "AA=="), `signature.algorithm: "" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"signature by nobody", signed("ed25519", "k", "AA=="), `signature.key_id: "k" is not a SHA-256 in hex`},
		{"empty signature", signed("ed25519", key, ""), `signature.value: 0 bytes; 1 to 512 are allowed`},
		{"endless signature", signed("ed25519", key, strings.Repeat("AAAA", 171)), `signature.value: 513 bytes; 1 to 512 are allowed`},
		{"no windows", `{"schema":"fibergauge.batch/1","site":"a","windows":[]}`, `windows: 0 in the batch; 1 to 1000 are allowed`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := DecodeBatch([]byte(test.body)); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// FuzzDecodeBatch holds that whatever is accepted has one canonical form: what
// Canonical writes is read back to the same bytes.
func FuzzDecodeBatch(f *testing.F) {
	batch := Batch{Schema: SchemaBatch, Site: "zjk-a", Windows: []Window{sample()}}
	f.Add(batch.Canonical())
	f.Add([]byte(`{"schema":"fibergauge.batch/1","site":"a","windows":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBatch(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		for i := range b.Windows {
			w := &b.Windows[i]
			if w.Check() != nil {
				continue
			}
			again, err := DecodeWindow(w.Canonical())
			if err != nil {
				t.Fatalf("own canonical bytes refused: %v", err)
			}
			if !bytes.Equal(again.Canonical(), w.Canonical()) {
				t.Fatal("canonical bytes differ after one round")
			}
			if !json.Valid(w.Canonical()) {
				t.Fatal("canonical bytes are not JSON")
			}
		}
	})
}
