package interop

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var suiteListens = regexp.MustCompile(`STAMP Reflector listening on`)

// suiteAnswers is what stamp-suite tells as reflector, when it stops.
type suiteAnswers struct {
	Received  int   `json:"total_packets_received"`
	Reflected int   `json:"total_packets_reflected"`
	Dropped   int   `json:"total_packets_dropped"`
	Sessions  []any `json:"sessions"`
}

// TestSenderAgainstStampSuite measures by our sender, answered by stamp-suite.
func TestSenderAgainstStampSuite(t *testing.T) {
	ours, theirs := probe(), filepath.Join(peer(t, "stamp-suite"), "stamp-suite")
	all := outcome{Sent: count, Received: count, DSCPReceived: 46}
	authenticated, untold, none := all, all, outcome{Sent: count, Lost: count, DSCPReceived: -1}
	authenticated.Authenticated, untold.DSCPReceived = true, -1
	rows := []struct {
		name         string
		ours, theirs []string
		stateless    bool
		bare         bool   // no room for TLVs
		key          string // of our sender; theirs is sharedKey. "": neither has one
		want         outcome
	}{
		{name: "NTP", theirs: []string{"-K=NTP"}, want: all},
		{name: "PTP", ours: []string{"--ptp"}, theirs: []string{"-K=PTP"}, want: all},
		{name: "authenticated, NTP", theirs: []string{"-K=NTP"}, key: sharedKey, want: authenticated},
		{name: "authenticated, PTP", ours: []string{"--ptp"}, theirs: []string{"-K=PTP"}, key: sharedKey, want: authenticated},
		{name: "NTP to PTP", theirs: []string{"-K=PTP"}, want: all},
		{name: "PTP to NTP", ours: []string{"--ptp"}, theirs: []string{"-K=NTP"}, want: all},
		{name: "stateless", stateless: true, want: all},
		{name: "stateless, authenticated", stateless: true, key: sharedKey, want: authenticated},
		{name: "plain", ours: []string{"--plain"}, want: untold},
		{name: "base", bare: true, want: untold},
		{name: "TLVs ignored", theirs: []string{"--tlv-mode=ignore"}, want: untold},
		{name: "another key", ours: []string{"--timeout=300ms"}, key: anotherKey, want: none},
	}
	for f, address := range []string{"127.0.0.1", "::1"} {
		for i, r := range rows {
			t.Run(address+", "+r.name, func(t *testing.T) {
				t.Parallel()
				to := port(f*len(rows) + i)
				args := append([]string{"-i", "-S", address, "-o", to, "--output-format=json"}, r.theirs...)
				if !r.stateless {
					args = append(args, "--stateful-reflector")
				}
				send := append([]string{"--dscp=46"}, r.ours...)
				if r.bare {
					send = append(send, "--size="+[]string{"72", "92"}[f])
				}
				if r.key != "" {
					args = append(args, "-A=A", "--verify-tlv-hmac", "--hmac-key-file", write(t, "key", sharedKey))
					send = append(send, "--key-file="+keyFile(t, r.key))
				}
				reflector, _ := start(t, suiteListens, theirs, args...)
				checkOutcome(t, measure(t, ours, address, to, send...), r.want)

				var answers suiteAnswers
				if err := json.Unmarshal([]byte(reflector.stop(t)), &answers); err != nil {
					t.Fatal(err)
				}
				// One packet warms up, and one that a busy host sends late takes
				// the slot of the next, which is then left out.
				answered := answers.Reflected > count && answers.Received == answers.Reflected && answers.Dropped == 0 && len(answers.Sessions) == 1
				refused := answers.Reflected == 0 && answers.Received >= count && answers.Dropped == answers.Received
				if answered != (r.want.Received > 0) || refused != (r.want.Received == 0) {
					t.Errorf("stamp-suite counted %+v", answers)
				}
			})
		}
	}
}

// suiteFlags is how often stamp-suite found TLVs flagged.
type suiteFlags struct {
	Unrecognized    int `json:"unrecognized"`
	Malformed       int `json:"malformed"`
	IntegrityFailed int `json:"integrity_failed"`
}

// suiteMeasurement is what stamp-suite tells as sender.
type suiteMeasurement struct {
	Sent         int     `json:"packets_sent"`
	Received     int     `json:"packets_received"`
	Lost         int     `json:"packets_lost"`
	MedianRTTms  float64 `json:"median_rtt_ms"`
	Measurements struct {
		TLVs struct {
			Evaluated int `json:"evaluated_replies"`
			Rejected  int `json:"rejected_replies"`
			HMAC      struct {
				Verified   int `json:"verified"`
				Missing    int `json:"missing"`
				Unverified int `json:"unverified"`
				Failed     int `json:"failed"`
			} `json:"hmac"`
			Flags  suiteFlags `json:"flags"`
			ByType map[string]struct {
				Observed int        `json:"observed"`
				Flags    suiteFlags `json:"flags"`
			} `json:"by_type"`
		} `json:"tlv_validation"`
		Unique       int  `json:"unique_replies"`
		Duplicate    int  `json:"duplicate_replies"`
		Late         int  `json:"late_replies"`
		Unknown      int  `json:"unknown_replies"`
		Reordered    int  `json:"reordered_replies"`
		LastSequence *int `json:"last_reflector_sequence"`
		FollowUp     struct {
			Matched   int `json:"matched"`
			Unmatched int `json:"unmatched"`
			Ambiguous int `json:"ambiguous"`
		} `json:"follow_up"`
	} `json:"measurements"`
	OneWay *struct {
		Clock struct {
			Reflector struct {
				Format string `json:"format"`
			} `json:"last_reflector"`
		} `json:"clock_quality"`
	} `json:"owd"`
}

// Types of TLVs (RFC 8972, section 5.1).
const (
	extraPadding         = 1
	location             = 2
	timestampInformation = 3
	classOfService       = 4
	directMeasurement    = 5
	followUpTelemetry    = 7
	hmac                 = 8
)

// TestReflectorAgainstStampSuite lets stamp-suite measure, and our reflector
// answer.
func TestReflectorAgainstStampSuite(t *testing.T) {
	ours, theirs := probe(), filepath.Join(peer(t, "stamp-suite"), "stamp-suite")
	ask := []string{"--cos", "--dscp=46", "--timestamp-info", "--follow-up-telemetry", "--extra-padding=40"}
	asked := []int{extraPadding, timestampInformation, classOfService, followUpTelemetry}
	for _, r := range []struct {
		name    string
		args    []string
		key     string // of their sender; ours is sharedKey. "": neither has one
		tlvs    []int
		foreign []int // of tlvs, those that our reflector does not know
		format  string
	}{
		{name: "base", format: "NTP"},
		{name: "base, authenticated", key: sharedKey, format: "NTP"},
		{name: "NTP", args: ask, tlvs: asked, format: "NTP"},
		{name: "PTP", args: append([]string{"-K=PTP"}, ask...), tlvs: asked, format: "PTP"},
		{name: "authenticated, NTP", args: ask, key: sharedKey, tlvs: append(asked, hmac), format: "NTP"},
		{name: "authenticated, PTP", args: append([]string{"-K=PTP"}, ask...), key: sharedKey, tlvs: append(asked, hmac), format: "PTP"},
		{name: "TLVs that we do not know", args: append([]string{"--location", "--direct-measurement"}, ask...),
			tlvs: append(asked, location, directMeasurement), foreign: []int{location, directMeasurement}, format: "NTP"},
		{name: "another key", args: ask, key: anotherKey},
	} {
		for _, address := range []string{"127.0.0.1", "::1"} {
			t.Run(address+", "+r.name, func(t *testing.T) {
				t.Parallel()
				var keys []string
				args := append([]string{"-S", address, "-r", address, "-c", strconv.Itoa(count), "-d=10", "-L=1", "--ssid=77", "--output-format=json"}, r.args...)
				if r.key != "" {
					keys = append(keys, "--key-file="+keyFile(t, sharedKey))
					args = append(args, "-A=A", "--hmac-key-file", write(t, "key", r.key))
				}
				reflector, to := reflect(t, ours, address, keys...)
				cmd := command(t.Context(), theirs, append(args, "-p", to)...)
				var log bytes.Buffer
				cmd.Stderr = &log
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v: %v\n%s", cmd, err, log.String())
				}
				var m suiteMeasurement
				if err := json.Unmarshal(out, &m); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if r.format == "" {
					if m.Sent != count || m.Received != 0 {
						t.Errorf("stamp-suite got %d replies to %d packets of another key", m.Received, m.Sent)
					}
					checkReflector(t, reflector, "received=10 answered=0 sessions=0 bad_hmac=10")
					return
				}
				m.check(t, r.tlvs, r.foreign, r.format)
				checkReflector(t, reflector, "received=10 answered=10 sessions=1")
			})
		}
	}
}

// check holds what stamp-suite measured against what it must have.
func (m *suiteMeasurement) check(t *testing.T, tlvs, foreign []int, format string) {
	t.Helper()
	want := *m // but for what follows, and the counts of Follow-Up
	want.Sent, want.Received, want.Lost = count, count, 0
	all := &want.Measurements
	all.Unique, all.Duplicate, all.Late, all.Unknown, all.Reordered = count, 0, 0, 0, 0
	last := count - 1
	all.LastSequence = &last
	all.FollowUp.Unmatched, all.FollowUp.Ambiguous = 0, 0
	all.TLVs.Rejected, all.TLVs.Flags = 0, suiteFlags{Unrecognized: len(foreign) * count}
	all.TLVs.HMAC.Missing, all.TLVs.HMAC.Unverified, all.TLVs.HMAC.Failed, all.TLVs.HMAC.Verified = 0, 0, 0, 0
	if slices.Contains(tlvs, hmac) {
		all.TLVs.HMAC.Verified = count
	}
	if diff := cmp.Diff(want, *m); diff != "" {
		t.Errorf("stamp-suite's measurement (-want +got):\n%s", diff)
	}
	for _, tlv := range tlvs {
		flags := suiteFlags{}
		if slices.Contains(foreign, tlv) {
			flags.Unrecognized = count
		}
		if got := m.Measurements.TLVs.ByType[strconv.Itoa(tlv)]; got.Observed != count || got.Flags != flags {
			t.Errorf("stamp-suite saw TLV %d %+v", tlv, got)
		}
	}
	if got := len(m.Measurements.TLVs.ByType); got != len(tlvs) {
		t.Errorf("stamp-suite saw %d types of TLVs, want %d", got, len(tlvs))
	}
	if slices.Contains(tlvs, followUpTelemetry) && m.Measurements.FollowUp.Matched == 0 {
		t.Error("our reflector never told when a reply really left")
	}
	if !sane(m.MedianRTTms) {
		t.Errorf("stamp-suite measured a median of %v ms", m.MedianRTTms)
	}
	if m.OneWay == nil || m.OneWay.Clock.Reflector.Format != format {
		t.Errorf("stamp-suite reads our timestamps as %+v, want %s", m.OneWay, format)
	}
}
