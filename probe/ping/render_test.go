package ping

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// resultOf makes a result of RTTs in microseconds and of packets lost.
func resultOf(lost int, rtts ...uint32) *Result {
	slices.Sort(rtts)
	w := wire.Window{RTTs: wire.AppendRTTs(nil, rtts), Stats: wire.StatsOf(rtts)}
	w.Received, w.Lost = uint32(len(rtts)), uint32(lost)
	w.Sent = w.Received + w.Lost
	r := &Result{Target: "peer.example", Address: "192.0.2.1", Method: measure.MethodICMP, Timestamps: wire.TimestampsUser}
	r.fill(w)
	return r
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", file, diff)
	}
}

func TestText(t *testing.T) {
	even := resultOf(1, 15050, 15051, 15060, 15100, 15120, 15300, 15301, 15302, 16000)
	even.TTL = &wire.ReplyTTL{Min: 57, Max: 57}
	wide := resultOf(0, 100, 110, 115, 130, 200, 900, 4000, 31000)
	full := resultOf(3, 15000, 15010)
	full.Late, full.Duplicate, full.SendError, full.Unstamped = 1, 2, 4, 1
	full.TTL = &wire.ReplyTTL{Min: 57, Max: 60, Changes: 2}
	for name, r := range map[string]*Result{
		"even":    even,
		"wide":    wide,
		"one":     resultOf(0, 42),
		"equal":   resultOf(0, 42, 42, 42),
		"none":    resultOf(5),
		"zero":    resultOf(0, 0, 0, 3),
		"nothing": resultOf(0),
		"all":     full,
	} {
		t.Run(name, func(t *testing.T) {
			var plain, colored bytes.Buffer
			r.Text(&plain, Style{})
			golden(t, name, plain.String())
			r.Text(&colored, Style{Color: true})
			if got := escapes.ReplaceAllString(colored.String(), ""); got != plain.String() {
				t.Error("colour changes more than colour")
			}
		})
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9]*m")

// TestTextFits: whatever the RTTs, no line is wider than a terminal, and the
// counts of the bars are those of the replies.
func TestTextFits(t *testing.T) {
	counts := regexp.MustCompile(` ms +(\d+)`)
	rapid.Check(t, func(t *rapid.T) {
		rtts := rapid.SliceOfN(rapid.Uint32Range(0, wire.MaxRTTUS), 1, 50).Draw(t, "rtts")
		r := resultOf(0, rtts...)
		count := rapid.IntRange(0, 100_000)
		r.Late, r.Duplicate, r.SendError, r.Unstamped = count.Draw(t, "late"), count.Draw(t, "duplicate"), count.Draw(t, "send_error"), count.Draw(t, "unstamped")
		r.Target = strings.Repeat("n", rapid.IntRange(1, 250).Draw(t, "length of name"))
		var out bytes.Buffer
		r.Text(&out, Style{})
		sum := 0
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("%d columns: %s", n, line)
			}
			if m := counts.FindStringSubmatch(line); m != nil && strings.Contains(line, " to ") {
				var n int
				if err := json.Unmarshal([]byte(m[1]), &n); err != nil {
					t.Fatal(err)
				}
				sum += n
			}
		}
		if sum != len(rtts) {
			t.Fatalf("the bars count %d of %d replies:\n%s", sum, len(rtts), &out)
		}
	})
}

func TestJSON(t *testing.T) {
	for name, r := range map[string]*Result{"json-some": resultOf(1, 15050, 15060), "json-none": resultOf(5)} {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(data)+"\n")
	}
}

func TestErr(t *testing.T) {
	refused := resultOf(0)
	refused.SendError, refused.sendError = 3, errors.New("network is unreachable")
	for _, tt := range []struct {
		r    *Result
		want string
	}{
		{resultOf(3, 100), ""},
		{resultOf(5), "ping 192.0.2.1: none of 5 packets was answered; is the target up, and does it answer ICMP echo?"},
		{refused, "ping 192.0.2.1: nothing could be sent: network is unreachable"},
		{resultOf(0), "ping 192.0.2.1: stopped before anything was sent"},
	} {
		got := ""
		if err := tt.r.Err(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

func TestLiveLine(t *testing.T) {
	var out bytes.Buffer
	l := &liveLine{out: &out, name: "peer", count: 3}
	l.show(measure.Event{Kind: measure.EventSent})
	l.show(measure.Event{Kind: measure.EventReply, RTT: 15050 * time.Microsecond, Fate: window.Stamped})
	l.show(measure.Event{Kind: measure.EventReply, RTT: 15050 * time.Microsecond, Fate: window.Late})
	l.clear()
	want := "\r\x1b[Kpeer  sent 1 of 3, received 0" +
		"\r\x1b[Kpeer  sent 1 of 3, received 1, last 15.050 ms" +
		"\r\x1b[Kpeer  sent 1 of 3, received 1, last 15.050 ms" +
		"\r\x1b[K"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	(&liveLine{}).show(measure.Event{Kind: measure.EventSent}) // no terminal: silent
}
