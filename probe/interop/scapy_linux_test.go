package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// live makes scapy speak STAMP on a socket.
const live = "testdata/live.py"

// TestSenderAgainstScapy measures by our sender, answered by packets that
// scapy read and wrote. Its replies repeat our TLVs unread.
func TestSenderAgainstScapy(t *testing.T) {
	ours, python := probe(), peer(t, "scapy")
	_, found := start(t, regexp.MustCompile(`port (\d+)`), python, live, "reflect")
	for _, plain := range []string{"--plain=false", "--plain"} {
		result := measure(t, ours, "127.0.0.1", found[1], plain)
		checkOutcome(t, result, outcome{Sent: count, Received: count, DSCPReceived: -1})
	}
}

// scapyReply is what scapy reads in a reply of ours.
type scapyReply struct {
	Bytes             int     `json:"bytes"` // more than in the request
	Sequence          int     `json:"sequence"`
	SenderSequence    int     `json:"sender_sequence"`
	SSID              int     `json:"ssid"`
	TimestampRepeated bool    `json:"timestamp_repeated"`
	ErrorRepeated     bool    `json:"error_repeated"`
	InOrder           bool    `json:"in_order"` // T1, T2, T3, T4
	TTL               int     `json:"ttl"`
	TLVs              [][]any `json:"tlvs"` // flags, type and value
	RTTms             float64 `json:"rtt_ms"`
}

// TestReflectorAgainstScapy lets scapy measure, and our reflector answer.
func TestReflectorAgainstScapy(t *testing.T) {
	ours, python := probe(), peer(t, "scapy")
	reflector, to := reflect(t, ours, "127.0.0.1")
	cmd := command(t.Context(), python, live, "send", to, fmt.Sprint(count))
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, log.String())
	}
	replies := json.NewDecoder(bytes.NewReader(out))
	for i := range count {
		var got scapyReply
		if err := replies.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want := scapyReply{
			Sequence: i, SenderSequence: i, SSID: 4711, TimestampRepeated: true, ErrorRepeated: true, InOrder: true, TTL: 99,
			TLVs: [][]any{{0., float64(classOfService), "00000000"}},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(scapyReply{}, "RTTms")); diff != "" {
			t.Errorf("scapy reads reply %d as (-want +got):\n%s", i, diff)
		}
		if got.RTTms <= 0 {
			t.Errorf("scapy measured %v ms", got.RTTms)
		}
	}
	checkReflector(t, reflector, "received=10 answered=10 sessions=1")
}
