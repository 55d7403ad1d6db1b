package stamp

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestStampSuiteAnswersTheSame holds what stamp-suite 1.0.0, another
// implementation of RFC 8972, made of our requests against what we make of
// them. testdata/stamp-suite.tsv has its answers, of process_stamp_packet in
// stateful mode: name, mode, request and reply. It reported a DSCP of 20,
// ECT(1), a TTL of 61, T2 by PTP in hardware and T3 by NTP in software, and reply
// 6 as the previous one.
func TestStampSuiteAnswersTheSame(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join("testdata", "stamp-suite.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(recorded)), "\n")
	requests := suiteRequests(t)
	if len(lines) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(lines), len(requests))
	}
	for i, r := range requests {
		t.Run(r.mode+" "+r.name, func(t *testing.T) {
			answer := strings.Split(lines[i], "\t")
			if sent := hex.EncodeToString(r.packet); answer[0] != r.name || answer[1] != r.mode || answer[2] != sent {
				t.Fatalf("it answered the %s request %s\n%s, now it is\n%s", answer[1], answer[0], answer[2], sent)
			}
			theirs, err := hex.DecodeString(answer[3])
			if err != nil {
				t.Fatal(err)
			}
			compareReplies(t, r, theirs)
		})
	}
}

func compareReplies(t *testing.T, r suiteRequest, theirs []byte) {
	base, k := r.keys()
	req, err := ParseRequest(r.packet, base)
	if err != nil {
		t.Fatal(err)
	}
	(&Answer{
		RequestSequence: req.Sequence, ReplySequence: req.Sequence, TrafficClass: 20<<2 | 1, Permitted: 1<<64 - 1,
		Timestamps: TimestampSources{FollowsPTP, HardwareAssist, FollowsNTP, SoftwareLocal},
		Previous:   FollowUp{6, 0xebe1a2b3c0000000, HardwareAssist},
	}).Fill(req.TLVs, k)
	ours := Reply{
		Sequence: req.Sequence, Error: req.Error, SSID: req.SSID,
		Sender: Echo{req.Sequence, req.Timestamp, req.Error, 61}, TLVs: req.TLVs,
	}
	got, err := ParseReply(theirs, base)
	if err != nil {
		t.Fatal(err)
	}
	if d := NTP.Between(got.Received, got.Timestamp); d <= 0 || d > time.Second {
		t.Errorf("%v from T2 to T3", d)
	}
	if diff := cmp.Diff(ours, got, cmpopts.IgnoreFields(Reply{}, "Timestamp", "Received", "TLVs")); diff != "" {
		t.Errorf("base packet (-ours +theirs):\n%s", diff)
	}
	if diff := cmp.Diff(flagsOf(ours.TLVs), flagsOf(got.TLVs)); (diff != "") != otherwise(r.mode+" "+r.name) {
		t.Errorf("flags (-ours +theirs):\n%s", diff)
	}
	want, wantErr := ParseExtensions(ours.TLVs, ours.Sequence, k)
	read, err := ParseExtensions(got.TLVs, got.Sequence, k)
	if diff := cmp.Diff(want, read); diff != "" || message(wantErr) != message(err) {
		t.Errorf("errors %v and %v, extensions (-ours +theirs):\n%s", wantErr, err, diff)
	}
}

// otherwise tells the requests whose TLVs stamp-suite lays out or flags
// otherwise, where RFC 8972 leaves it open or we keep closer to it. What a
// sender reads of them is the same.
func otherwise(request string) bool {
	return map[string]bool{
		"authenticated padding alone":  true, // cuts the padding to make room for an HMAC that is not needed
		"sealed padding alone":         true, // the same
		"authenticated not last":       true, // flags what is behind the HMAC as malformed as well
		"authenticated padding behind": true, // puts the padding before the HMAC
	}[request]
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// flagsOf gives the types of TLVs and their flags.
func flagsOf(b []byte) (all [][2]byte) {
	for {
		tlv, _ := next(b)
		if tlv == nil {
			return all
		}
		all = append(all, [2]byte{tlv[1], tlv[0]})
		b = b[len(tlv):]
	}
}

// suiteRequest is a packet of ours that another implementation answered.
type suiteRequest struct {
	name   string
	mode   string // open, authenticated, or sealed: open, but with an HMAC over the TLVs
	packet []byte
}

// keys gives those of the base packet and of the TLVs.
func (r suiteRequest) keys() (base, tlvs []byte) {
	switch r.mode {
	case "authenticated":
		return key, key
	case "sealed":
		return nil, key
	}
	return nil, nil
}

func suiteRequests(t *testing.T) []suiteRequest {
	all := Ask{Class: true, DSCP: 46, Timestamps: true, FollowUp: true}
	padded, padding := all, Ask{Size: 100}
	padded.Size = 120
	class := AppendTLV(nil, TLV{Unrecognised, ClassOfService, []byte{0xb8, 0, 0, 0}})
	unknown := AppendTLV(nil, TLV{Unrecognised, 99, []byte("later")})
	short := AppendTLV(nil, TLV{Unrecognised, TimestampInformation, make([]byte, 3)})
	var requests []suiteRequest
	add := func(name, mode string, ask *Ask, tlvs []byte) {
		r := suiteRequest{name: name, mode: mode}
		base, k := r.keys()
		r.packet = AppendRequest(nil, &Request{Sequence: 7, Timestamp: 0xebe1a2b380000000, Error: 0x8a14, SSID: 0x1234, TLVs: tlvs}, base)
		if ask != nil {
			var err error
			if r.packet, err = ask.Append(r.packet, 7, k); err != nil {
				t.Fatal(err)
			}
		}
		requests = append(requests, r)
	}
	for _, mode := range []string{"open", "authenticated", "sealed"} {
		add("no TLVs", mode, nil, nil)
		add("all", mode, &all, nil)
		add("padded", mode, &padded, nil)
		add("padding alone", mode, &padding, nil)
	}
	add("unknown", "open", nil, join(class, unknown))
	add("unknown", "authenticated", nil, seal(join(class, unknown), 7, key))
	add("malformed", "open", nil, join(class, short))
	add("malformed", "authenticated", nil, seal(join(class, short), 7, key))
	add("cut", "open", nil, join(class, class[:6]))
	add("another key", "authenticated", nil, seal(join(class, unknown), 7, []byte("another key, just as long")))
	add("another sequence number", "authenticated", nil, seal(class, 8, key))
	add("not sealed", "authenticated", nil, class)
	add("not last", "authenticated", nil, join(seal(class, 7, key), class))
	add("padding behind", "authenticated", nil, AppendTLV(seal(class, 7, key), TLV{Unrecognised, ExtraPadding, []byte{1, 2, 3}}))
	return requests
}
