package stamp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScapyReadsAndWritesTheSame lets another implementation read our packets
// and write the same from the same fields: base packets without authentication
// in both formats of timestamps, and the framing of TLVs. More scapy does not
// know of STAMP.
func TestScapyReadsAndWritesTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(8762, 8972))
	var packets []packet
	for range 100 {
		packets = append(packets, randomRequest(random), randomReply(random))
	}
	var orders bytes.Buffer
	encoder := json.NewEncoder(&orders)
	for _, p := range packets {
		for _, order := range []map[string]any{{"as": p.kind, "read": hex.EncodeToString(p.bytes)}, {"as": p.kind, "write": p.fields}} {
			if err := encoder.Encode(order); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers := bufio.NewScanner(bytes.NewReader(runScapy(t, orders.Bytes())))
	answer := func(to any) {
		if !answers.Scan() {
			t.Fatalf("scapy answered too little: %v", answers.Err())
		}
		if err := json.Unmarshal(answers.Bytes(), to); err != nil {
			t.Fatalf("scapy answered %s: %v", answers.Bytes(), err)
		}
	}
	for _, p := range packets {
		var read map[string]any
		var written string
		answer(&read)
		answer(&written)
		if diff := cmp.Diff(p.fields, read); diff != "" {
			t.Errorf("scapy reads %s %x otherwise (-ours +scapy's):\n%s", p.kind, p.bytes, diff)
		}
		if ours := hex.EncodeToString(p.bytes); written != ours {
			t.Errorf("scapy writes the %s otherwise:\nours    %s\nscapy's %s", p.kind, ours, written)
		}
		b, err := hex.DecodeString(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.fields, p.read(t, b)); diff != "" {
			t.Errorf("we read scapy's %s otherwise (-scapy's +ours):\n%s", p.kind, diff)
		}
	}
}

// packet is one of ours, and what its fields are called in testdata/peer.py.
type packet struct {
	kind   string
	bytes  []byte
	fields map[string]any
	read   func(*testing.T, []byte) map[string]any
}

func randomRequest(random *rand.Rand) packet {
	r := Request{Sequence: random.Uint32(), Timestamp: Timestamp(random.Uint64()), Error: randomEstimate(random), SSID: uint16(random.Uint32())}
	ask := Ask{Class: random.IntN(2) > 0, DSCP: uint8(random.IntN(64)), Timestamps: random.IntN(2) > 0, FollowUp: random.IntN(2) > 0, Size: random.IntN(2) * 100}
	key := [][]byte{nil, []byte("key")}[random.IntN(2)]
	r.TLVs, _ = ask.Append(nil, r.Sequence, key)
	fields := func(r Request) map[string]any {
		return plain(map[string]any{
			"sequence": r.Sequence, "timestamp": digits(r.Timestamp), "error": estimateFields(r.Error), "ssid": r.SSID, "tlvs": tlvFields(r.TLVs),
		})
	}
	return packet{"request", AppendRequest(nil, &r, nil), fields(r), func(t *testing.T, b []byte) map[string]any {
		r, err := ParseRequest(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fields(r)
	}}
}

func randomReply(random *rand.Rand) packet {
	r := Reply{
		Sequence: random.Uint32(), Timestamp: Timestamp(random.Uint64()), Error: randomEstimate(random), SSID: uint16(random.Uint32()),
		Received: Timestamp(random.Uint64()),
		Sender:   Echo{random.Uint32(), Timestamp(random.Uint64()), randomEstimate(random), uint8(random.Uint32())},
	}
	r.TLVs, _ = (&Ask{Class: true, DSCP: uint8(random.IntN(64)), Timestamps: true, FollowUp: true}).Append(nil, r.Sender.Sequence, nil)
	(&Answer{
		TrafficClass: uint8(random.Uint32()), Permitted: random.Uint64(),
		Timestamps: TimestampSources{FollowsPTP, HardwareAssist, FollowsNTP, SoftwareLocal},
		Previous:   FollowUp{r.Sequence - 1, Timestamp(random.Uint64()), HardwareAssist},
	}).Fill(r.TLVs, nil)
	fields := func(r Reply) map[string]any {
		return plain(map[string]any{
			"sequence": r.Sequence, "timestamp": digits(r.Timestamp), "error": estimateFields(r.Error), "ssid": r.SSID,
			"received": digits(r.Received), "sender_sequence": r.Sender.Sequence, "sender_timestamp": digits(r.Sender.Timestamp),
			"sender_error": estimateFields(r.Sender.Error), "ttl": r.Sender.TTL, "tlvs": tlvFields(r.TLVs),
		})
	}
	return packet{"reply", AppendReply(nil, &r, nil), fields(r), func(t *testing.T, b []byte) map[string]any {
		r, err := ParseReply(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fields(r)
	}}
}

func randomEstimate(random *rand.Rand) ErrorEstimate { return ErrorEstimate(random.Uint32()) }

func digits(t Timestamp) string { return fmt.Sprintf("%016x", uint64(t)) }

func estimateFields(e ErrorEstimate) map[string]any {
	return map[string]any{"synced": e.Synchronised(), "ptp": e.Format() == PTP, "scale": e >> 8 & 63, "multiplier": e & 255}
}

func tlvFields(b []byte) []any {
	all := []any{}
	if err := EachTLV(b, func(t TLV) bool {
		all = append(all, map[string]any{"flags": t.Flags, "type": t.Type, "value": hex.EncodeToString(t.Value)})
		return true
	}); err != nil {
		panic(err)
	}
	return all
}

// plain gives fields as JSON knows them, to be compared with what came by it.
func plain(fields map[string]any) (p map[string]any) {
	b, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		panic(err)
	}
	return p
}

// runScapy gives what testdata/peer.py answers. Where scapy cannot be had the
// test is skipped, but not in continuous integration.
func runScapy(t *testing.T, orders []byte) []byte {
	var log bytes.Buffer
	find := exec.CommandContext(t.Context(), filepath.Join("..", "..", "scripts", "peers"), "path", "scapy")
	find.Stderr = &log
	python, err := find.Output()
	if err != nil {
		miss := t.Skipf
		if os.Getenv("CI") == "true" {
			miss = t.Fatalf
		}
		miss("NOT TESTED against scapy: %v: %s", err, log.String())
	}
	run := exec.CommandContext(t.Context(), strings.TrimSpace(string(python)), filepath.Join("testdata", "peer.py"))
	run.Stdin, run.Stderr = bytes.NewReader(orders), &log
	answers, err := run.Output()
	if err != nil {
		t.Fatalf("testdata/peer.py: %v: %s", err, log.String())
	}
	return answers
}
