package interop

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/stamp"
)

// TestTsharkReadsOurPackets captures what our sender and our reflector send to
// each other, and lets the dissector of TWAMP-Test read it. It knows the base
// packets without authentication, which are those of STAMP; what stands in the
// place of the SSID and the TLVs is for it what must be zero, and padding.
// tshark has no dissector for authenticated test packets, nor for STAMP.
func TestTsharkReadsOurPackets(t *testing.T) {
	ours := probe()
	for _, program := range []string{"tshark", "dumpcap"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, "tshark", "%v", err)
		}
	}
	if interfaces, err := command(t.Context(), "dumpcap", "-D").CombinedOutput(); err != nil || !bytes.Contains(interfaces, []byte(". lo")) {
		missing(t, "tshark", "dumpcap may not capture on lo: %v %s", err, interfaces)
	}
	for _, address := range []string{"127.0.0.1", "::1"} {
		for _, r := range []struct {
			name   string
			args   []string
			format stamp.Format
			key    bool
		}{
			{"TLVs", nil, stamp.NTP, false},
			{"PTP", []string{"--ptp"}, stamp.PTP, false},
			{"plain", []string{"--plain"}, stamp.NTP, false},
			{"large", []string{"--size=1400"}, stamp.NTP, false},
			{"authenticated", nil, stamp.NTP, true},
		} {
			t.Run(address+", "+r.name, func(t *testing.T) {
				t.Parallel()
				args, keys := append([]string{"--dscp=46"}, r.args...), []string(nil)
				if r.key {
					keys = append(keys, "--key-file="+keyFile(t, sharedKey))
					args = append(args, keys...)
				}
				reflector, to := reflect(t, ours, address, keys...)
				file := filepath.Join(t.TempDir(), "packets.pcapng")
				const packets = 2 * (count + 1)
				capture, _ := start(t, regexp.MustCompile(`(?m)^File: `), "dumpcap", "-q", "-i", "lo", "-f", "udp port "+to, "-c", strconv.Itoa(packets), "-a", "duration:20", "-w", file)
				want := outcome{Sent: count, Received: count, Authenticated: r.key, DSCPReceived: 46}
				if r.name == "plain" {
					want.DSCPReceived = -1
				}
				checkOutcome(t, measure(t, ours, address, to, args...), want)
				if err := capture.cmd.Wait(); err != nil {
					t.Fatalf("dumpcap: %v\n%s", err, capture.all)
				}
				reflector.stop(t)
				requests, replies := tshark(t, file, to, !r.key)
				// A packet that a busy host sends late may have another behind it.
				if len(requests)+len(replies) != packets || len(replies) < count {
					t.Fatalf("%d requests and %d replies were captured, want %d packets", len(requests), len(replies), packets)
				}
				if !r.key {
					checkDissected(t, requests, replies, r.format)
				}
			})
		}
	}
}

// frame is what tshark tells of a packet: its words by the names of its fields.
type frame map[string]string

var frameFields = []string{
	"frame.protocols", "udp.srcport", "udp.payload", "ip.ttl", "ipv6.hlim", "ip.dsfield.dscp", "ipv6.tclass.dscp", "_ws.malformed", "_ws.expert",
	"twamp.test.seq_number", "twamp.test.timestamp", "twamp.test.error_estimate", "twamp.test.mbz1",
	"twamp.test.receive_timestamp", "twamp.test.sender_seq_number", "twamp.test.sender_timestamp",
	"twamp.test.sender_error_estimate", "twamp.test.mbz2", "twamp.test.sender_ttl", "twamp.test.padding",
}

// aggregator stands between the words of a field that a packet has twice.
const aggregator = ";"

// wrong tells whether tshark finds fault with a packet. It also remarks on what
// is not wrong: that a port the system chose is one that traceroute likes.
func (f frame) wrong() bool {
	if f["_ws.malformed"] != "" {
		return true
	}
	for remark := range strings.SplitSeq(f["_ws.expert"], aggregator) {
		if remark != "" && !strings.HasPrefix(remark, "Expert Info (Chat/") {
			return true
		}
	}
	return false
}

// tshark reads a capture. It holds of every packet what its headers must say,
// and that nothing is wrong with it.
func tshark(t *testing.T, file, port string, known bool) (requests, replies []frame) {
	t.Helper()
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=" + aggregator}
	protocols := ":udp:data"
	if known {
		args = append(args, "-d", "udp.port=="+port+",twamp.test")
		protocols = ":udp:twamp.test"
	}
	for _, field := range frameFields {
		args = append(args, "-e", field)
	}
	cmd := command(t.Context(), "tshark", args...)
	cmd.Env = append(cmd.Env, "TZ=UTC", "LC_ALL=C")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, log.String())
	}
	for line := range strings.Lines(string(out)) {
		f := frame{}
		words := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i, word := range words {
			f[frameFields[i]] = word
		}
		if !strings.HasSuffix(f["frame.protocols"], protocols) || f.wrong() || f["ip.dsfield.dscp"]+f["ipv6.tclass.dscp"] != "46" {
			t.Errorf("tshark reads %v", f)
		}
		if f["udp.srcport"] == port {
			replies = append(replies, f)
		} else {
			requests = append(requests, f)
		}
	}
	return requests, replies
}

// checkDissected holds what tshark reads in our packets against what we wrote.
func checkDissected(t *testing.T, requests, replies []frame, format stamp.Format) {
	t.Helper()
	for i, f := range requests {
		r, err := stamp.ParseRequest(f.payload(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		// The second number is left out, to see how the reflector numbers.
		if want := uint32(i + min(i, 1)); r.Sequence != want {
			t.Errorf("request %d has the number %d, want %d", i, r.Sequence, want)
		}
		f.check(t, frame{
			"twamp.test.seq_number": fmt.Sprint(r.Sequence), "twamp.test.error_estimate": fmt.Sprint(r.Error), "twamp.test.mbz1": fmt.Sprint(r.SSID),
			"twamp.test.sender_seq_number": "0", "twamp.test.sender_error_estimate": "0", "twamp.test.mbz2": "0", "twamp.test.sender_ttl": "0",
			"twamp.test.padding": "000000" + hex.EncodeToString(r.TLVs),
		})
		f.checkTime(t, "twamp.test.timestamp", r.Timestamp, format)
	}
	for i, f := range replies {
		r, err := stamp.ParseReply(f.payload(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		asked := requests[i]
		f.check(t, frame{
			"twamp.test.seq_number": fmt.Sprint(i), "twamp.test.error_estimate": fmt.Sprint(r.Error), "twamp.test.mbz1": asked["twamp.test.mbz1"],
			"twamp.test.sender_seq_number":     asked["twamp.test.seq_number"],
			"twamp.test.sender_error_estimate": asked["twamp.test.error_estimate"], "twamp.test.mbz2": "0",
			"twamp.test.sender_ttl": asked["ip.ttl"] + asked["ipv6.hlim"], "twamp.test.padding": "000000" + hex.EncodeToString(r.TLVs),
		})
		f.checkTime(t, "twamp.test.timestamp", r.Timestamp, format)
		f.checkTime(t, "twamp.test.receive_timestamp", r.Received, format)
		if format == stamp.NTP {
			// tshark takes this one for NTP's in any case.
			f.checkTime(t, "twamp.test.sender_timestamp", r.Sender.Timestamp, format)
			f.check(t, frame{"twamp.test.sender_timestamp": asked["twamp.test.timestamp"]})
		}
		if ttl := f["ip.ttl"] + f["ipv6.hlim"]; ttl != "255" {
			t.Errorf("reply %d left with a TTL of %s", i, ttl)
		}
	}
}

func (f frame) payload(t *testing.T) []byte {
	t.Helper()
	payload, err := hex.DecodeString(strings.ReplaceAll(f["udp.payload"], ":", ""))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// check holds some fields against what they must be.
func (f frame) check(t *testing.T, want frame) {
	t.Helper()
	got := frame{}
	for name := range want {
		got[name] = f[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tshark reads %s otherwise (-ours +tshark's):\n%s", f["udp.payload"], diff)
	}
}

// checkTime holds a time as tshark writes it, in one of the ways of its
// versions, against ours. Both round to nanoseconds.
func (f frame) checkTime(t *testing.T, field string, want stamp.Timestamp, format stamp.Format) {
	t.Helper()
	for _, layout := range []string{"Jan _2, 2006 15:04:05.999999999 MST", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999-0700"} {
		got, err := time.Parse(layout, f[field])
		if err != nil {
			continue
		}
		if d := format.Unix(want, got.UnixNano()) - got.UnixNano(); d < -1 || d > 1 {
			t.Errorf("tshark reads %s as %s, which is %d ns off", field, f[field], d)
		}
		return
	}
	t.Errorf("tshark reads %s as %q", field, f[field])
}
