package atlas

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/imports"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
)

func reader(t testing.TB) *Atlas {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", append(scenario.Sites(), "old b one optical both until: 2012-01-01", "r1 c one optical reflector"), nil)
	o := &imports.Options{Mesh: m, Test: m.Test("icmp"), Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	a, err := New(o, map[uint64]string{677: "a1", 678: "b1", 679: "r1", 680: "old"}, map[netip.Addr]string{netip.MustParseAddr("2001:db8::b"): "b1"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// read reads a file and tells each result on a line.
func read(t testing.TB, text string) []string {
	t.Helper()
	var got []string
	reader(t).read(strings.NewReader(text), "f", func(f imports.Found, err error) bool {
		switch {
		case err != nil:
			got = append(got, err.Error())
		case f.Bad != nil:
			got = append(got, fmt.Sprintf("%d: %v", f.Line, f.Bad))
		case f.LeftOut != "":
			got = append(got, fmt.Sprintf("%d: left out %s", f.Line, f.LeftOut))
		default:
			got = append(got, fmt.Sprintf("%d: %s", f.Line, tell(&f.Row)))
		}
		return true
	})
	return got
}

func tell(r *imports.Row) string {
	s := fmt.Sprintf("%s>%s %d session %d", r.Src.ID, r.Dst.ID, r.AtMS, r.Session)
	if len(r.RTTUS) > 0 {
		s += fmt.Sprintf(" rtt %d", r.RTTUS)
	}
	if v := r.Summary; v != nil {
		s += fmt.Sprintf(" summary %d %d %d", *v.Min, *v.Mean, *v.Max)
	}
	if r.Counts != (imports.Counts{}) {
		s += fmt.Sprintf(" %+v", r.Counts)
	}
	return s
}

// TestFirmware reads a result of each version that is documented.
func TestFirmware(t *testing.T) {
	for _, c := range []struct {
		version, result, want string
	}{
		{"0, numbers as texts", `{"avg":"58.042","dst_addr":"192.0.2.2","dup":"0","fw":0,"max":"58.272","min":"57.876","msm_id":1000192,"prb_id":677,"rcvd":"2","sent":"3","src_addr":"198.51.100.1","timestamp":1328019792,"type":"ping"}`,
			"1: a1>b1 1328019792000 session 100019200006771 summary 57876 58042 58272 {Received:2 Lost:1 Late:0 Duplicate:0 SendError:0}"},
		{"1, no packets and no type", `{"addr":"192.0.2.2","avg":20.126000000000001,"dup":1,"from":"198.51.100.1","fw":1,"max":20.300000000000001,"min":19.937999999999999,"msm_id":1000047,"name":"b","prb_id":677,"rcvd":3,"sent":3,"size":56,"timestamp":1332938930}`,
			"1: a1>b1 1332938930000 session 100004700006771 summary 19938 20126 20300 {Received:3 Lost:0 Late:0 Duplicate:1 SendError:0}"},
		{"1, all lost", `{"addr":"192.0.2.2","avg":-1,"dup":0,"fw":1,"max":-1,"min":-1,"msm_id":1,"prb_id":677,"rcvd":0,"sent":3,"timestamp":1332938930}`,
			"1: a1>b1 1332938930000 session 100006771 {Received:0 Lost:3 Late:0 Duplicate:0 SendError:0}"},
		{"4400, addr and mode", `{"addr":"2001:db8::b","avg":2.1720000000000002,"dup":0,"fw":4400,"max":2.3,"min":2.1,"mode":"ICMP6","msm_id":2,"name":"b","pf":6,"prb_id":677,"rcvd":2,"result":[{"rtt":2.1},{"rtt":2.2440000000000002,"ttl":60}],"sent":2,"size":20,"srcaddr":"2001:db8::1","timestamp":1338816126,"ttl":59,"type":"ping"}`,
			"1: a1>b1 1338816126000 session 200006770 rtt [2100 2244]"},
		{"4460, both names of the address", `{"addr":"192.0.2.2","af":4,"avg":43.87,"dst_addr":"192.0.2.2","dst_name":"b","dup":0,"fw":4460,"msm_id":2,"prb_id":677,"proto":"ICMP","rcvd":2,"result":[{"rtt":43.869999999999997},{"rtt":56.948999999999998}],"sent":2,"size":20,"src_addr":"198.51.100.1","timestamp":1340524626,"ttl":52,"type":"ping"}`,
			"1: a1>b1 1340524626000 session 200006770 rtt [43870 56949]"},
		{"4540, lts, losses with srcaddr", `{"af":4,"avg":27.3,"dst_addr":"192.0.2.2","dup":0,"fw":4550,"lts":365,"max":27.3,"min":27.3,"msm_id":2,"msm_name":"Ping","prb_id":677,"proto":"ICMP","rcvd":1,"result":[{"srcaddr":"198.51.100.1","x":"*"},{"x":"*"},{"rtt":27.300999999999998,"ttl":54}],"sent":3,"size":20,"step":360,"timestamp":1378271710,"ttl":54,"type":"ping"}`,
			"1: a1>b1 1378271710000 session 200006770 rtt [27301] {Received:0 Lost:2 Late:0 Duplicate:0 SendError:0}"},
		{"4570, no source", `{"af":4,"dst_addr":"192.0.2.2","dup":0,"fw":4570,"lts":-1,"msm_id":2,"prb_id":677,"proto":"ICMP","rcvd":1,"result":[{"rtt":36.741}],"sent":1,"step":360,"timestamp":1384500425,"type":"ping"}`,
			"1: a1>b1 1384500425000 session 200006770 rtt [36741]"},
		{"4610, duplicates, which may be late", `{"af":4,"avg":27.768,"dst_addr":"192.0.2.2","dup":2,"fw":4610,"lts":38,"msm_id":2,"prb_id":677,"proto":"ICMP","rcvd":1,"result":[{"srcaddr":"198.51.100.1","x":"*"},{"dup":1,"rtt":1036.454,"ttl":54},{"dup":1,"rtt":37.756},{"rtt":27.768}],"sent":2,"size":12,"step":360,"timestamp":1395277728,"type":"ping"}`,
			"1: a1>b1 1395277728000 session 200006770 rtt [27768] {Received:0 Lost:1 Late:0 Duplicate:2 SendError:0}"},
		{"4750, group and bundle", `{"fw":4900,"lts":12,"dst_name":"b","af":4,"dst_addr":"192.0.2.2","src_addr":"198.51.100.1","proto":"ICMP","ttl":55,"size":48,"result":[{"rtt":1.5},{"rtt":2},{"rtt":1e1}],"dup":0,"rcvd":3,"sent":3,"min":1.5,"max":10,"avg":4.5,"msm_id":2,"prb_id":677,"timestamp":1487000000,"msm_name":"Ping","from":"198.51.100.1","type":"ping","group_id":2,"bundle":7,"step":240,"stored_timestamp":1487000055}`,
			"1: a1>b1 1487000000000 session 200006770 rtt [1500 2000 10000]"},
		{"5000, mver, errors", `{"fw":5080,"mver":"2.6.4","lts":12,"af":4,"dst_addr":"192.0.2.2","proto":"ICMP","ttr":0.4,"result":[{"error":"sendto failed: Network is unreachable"},{"x":"*"},{"rtt":2}],"dup":0,"rcvd":1,"sent":3,"msm_id":2,"prb_id":677,"timestamp":1700000000,"type":"ping"}`,
			"1: a1>b1 1700000000000 session 200006770 rtt [2000] {Received:0 Lost:1 Late:0 Duplicate:0 SendError:1}"},
		{"a late reply beside its timeout", `{"fw":5080,"dst_addr":"192.0.2.2","result":[{"x":"*"},{"late":1},{"rtt":2}],"rcvd":1,"sent":2,"msm_id":2,"prb_id":677,"timestamp":1700000000,"type":"ping"}`,
			"1: a1>b1 1700000000000 session 200006770 rtt [2000] {Received:0 Lost:1 Late:1 Duplicate:0 SendError:0}"},
		{"an IPv4 address in IPv6", `{"fw":5080,"dst_addr":"::ffff:192.0.2.2","result":[{"rtt":2}],"msm_id":2,"prb_id":677,"timestamp":1700000000,"type":"ping"}`,
			"1: a1>b1 1700000000000 session 200006770 rtt [2000]"},
	} {
		t.Run(c.version, func(t *testing.T) {
			for _, text := range []string{c.result, "[" + c.result + "]", "[\r\n" + c.result + "\r\n]\r\n"} {
				want := []string{c.want}
				if text[1] == '\r' {
					want[0] = strings.Replace(c.want, "1:", "2:", 1)
				}
				if diff := cmp.Diff(want, read(t, text)); diff != "" {
					t.Errorf("%.20q (-want +got):\n%s", text, diff)
				}
			}
		})
	}
}

func TestResults(t *testing.T) {
	result := func(change string) string {
		fields := map[string]string{"dst_addr": `"192.0.2.2"`, "msm_id": "2", "prb_id": "677", "timestamp": "1700000000", "type": `"ping"`, "result": `[{"rtt":2}]`}
		if change != "" {
			for pair := range strings.SplitSeq(change, "|") {
				name, value, _ := strings.Cut(pair, "=")
				fields[name] = value
			}
		}
		var parts []string
		for name, value := range fields {
			if value != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", name, value))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	const fine = "1: a1>b1 1700000000000 session 200006770 rtt [2000]"
	for _, c := range []struct{ name, change, want string }{
		{"fine", "", fine},
		{"null fields", "rcvd=null|sent=null", fine},
		{"traceroute", `type="traceroute"`, "1: left out results of type traceroute, not ping"},
		{"a type that plays with the terminal", `type="\u001b[31m"`, `1: left out results of type \x1b[31m, not ping`},
		{"no type, no ping", "type=|result=", "1: left out results that are no pings"},
		{"TCP", `proto="TCP"`, "1: left out pings by TCP, not ICMP"},
		{"unknown probe", "prb_id=9", "1: left out of probe 9, which is no site; map it by --probe 9=SITE"},
		{"unknown target", `dst_addr="203.0.113.9"`, "1: left out to 203.0.113.9, which is no site; map it by --target 203.0.113.9=SITE"},
		{"a site that is gone", `dst_addr="192.0.2.4"`, "1: left out to 192.0.2.4, which is no site; map it by --target 192.0.2.4=SITE"},
		{"a probe's site that is gone", "prb_id=680", "1: left out from old to b1: site old did not exist then by the mesh: see its from and until"},
		{"a site that measures nothing", "prb_id=679", "1: left out from r1 to b1: test icmp does not measure r1>b1 by the mesh: see its links, and the sites' role, carrier and plane"},
		{"name not resolved", `dst_addr=|result=[{"error":"dns resolution failed: nope"}]`, "1: left out of probe 677 without dst_addr: it resolved no address and sent nothing"},
		{"nothing sent", "result=[]", "1: left out that sent nothing"},
		{"no probe", "prb_id=", "1: prb_id: is missing"},
		{"probe", "prb_id=10000000", "1: prb_id: 10000000 is not within 0 to 9999999"},
		{"probe below 0", "prb_id=-1", "1: prb_id: -1 is not within 0 to 9999999"},
		{"no measurement", "msm_id=", "1: msm_id: is missing"},
		{"measurement", "msm_id=90000000001", "1: msm_id: 90000000001 is not within 0 to 90000000000"},
		{"no time", "timestamp=", "1: timestamp: is missing"},
		{"time with a fraction", "timestamp=1700000000.5", "1: timestamp: 1700000000.5 is not within 0 to 7258118399"},
		{"time in ms", "timestamp=1700000000000", "1: timestamp: 1700000000000 is not within 0 to 7258118399"},
		{"no address", `dst_addr="b.example"`, `1: dst_addr: "b.example" is not an IP address`},
		{"no number", `prb_id={}`, "1: {} is not a number"},
		{"no number in a text", `prb_id="x"`, `1: "x" is not a number`},
		{"no text", "dst_addr=5", "1: dst_addr: a JSON number does not fit there"},
		{"no list", `result="text"`, "1: result: a JSON string is not a result of a measurement"},
		{"no packet", `result=[5]`, "1: result: a JSON number is not a result of a measurement"},
		{"empty packet", `result=[{"rtt":2},{}]`, "1: result[1]: has none of rtt, x and error"},
		{"negative RTT", `result=[{"rtt":-0.5}]`, `1: result[0]: rtt: "-0.5" is negative`},
		{"absurd RTT", `result=[{"rtt":60001}]`, `1: result[0]: rtt: "60001" ms is above 60 s`},
		{"no RTT", `result=[{"rtt":0}]`, `1: result[0]: rtt: "0" ms is nothing, which no packet takes`},
		{"absurd RTT of a duplicate", `result=[{"rtt":1},{"rtt":-1,"dup":1}]`, `1: result[1]: rtt: "-1" is negative`},
		{"received", "rcvd=2", "1: rcvd: is 2, and 1 packets have an rtt and are no duplicate"},
		{"sent", "sent=2", "1: sent: is 2, and result has 1 answered, 0 not, 0 not sent"},
		{"late without a loss", `result=[{"rtt":1},{"late":1}]`, "1: result: 1 late replies to 0 packets that were not answered"},
		{"summary without numbers", "result=|sent=3|rcvd=3", "1: has neither result nor any of min, avg and max"},
		{"summary of more than were sent", "result=|sent=3|rcvd=4|avg=1", "1: rcvd: is 4, more than sent, 3"},
		{"summary without sent", "result=|rcvd=4|avg=1", "1: sent: is missing"},
		{"summary below 0", "result=|sent=3|rcvd=3|avg=-1", `1: avg: "-1" is negative`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.want}, read(t, result(c.change))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	const good = `{"dst_addr":"192.0.2.2","msm_id":2,"prb_id":677,"timestamp":1700000000,"type":"ping","result":[{"rtt":2}]}`
	const told = "a1>b1 1700000000000 session 200006770 rtt [2000]"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"f: is empty"}},
		{"blank", " \r\n\n", []string{"f: is empty"}},
		{"empty array", "[]", nil},
		{"lines", "\xef\xbb\xbf\n" + good + "\r\n\nnonsense\n" + good, []string{"2: " + told, "4: is not a result in JSON: invalid character 'o' in literal null (expecting 'u')", "5: " + told}},
		{"a line of another value", `"text"`, []string{"1: a JSON string is not a result of a measurement"}},
		{"a long line", good[:len(good)-1] + strings.Repeat(" ", maxResult) + "}\n" + good, []string{"1: the result has more than 4194304 bytes", "2: " + told}},
		{"array", "\n[\n" + good + ",\n\n" + good + ", 5\n]\n", []string{"3: " + told, "5: " + told, "5: a JSON number is not a result of a measurement"}},
		{"array over lines", "[{\n\"dst_addr\":\n5},\n" + good + "]", []string{"1: dst_addr: a JSON number does not fit there", "4: " + told}},
		{"array that breaks off", "[" + good + ",\n" + good[:40], []string{"1: " + told, "f:1: the array is broken here or soon after: unexpected EOF"}},
		{"array without end", "[" + good + "\n", []string{"1: " + told, "f:1: the array is broken here or soon after: unexpected EOF"}},
		{"array without commas", "[" + good + "\n" + good + "]", []string{"1: " + told, "f:2: the array is broken here or soon after: expected comma after array element"}},
		{"two arrays", "[" + good + "]\n[]", []string{"1: " + told, "f:2: more follows after the array"}},
		{"a long value in an array", "[\n{\"x\":\"" + strings.Repeat("y", maxResult+100_000) + "\"}]", []string{"f:2: the array is broken here or soon after: a result has more than 4194304 bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(t, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNew(t *testing.T) {
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	o := &imports.Options{Mesh: m, Test: m.Test("icmp")}
	if _, err := New(o, map[uint64]string{1: "zz"}, nil); err == nil || err.Error() != "probe 1: the mesh has no site zz" {
		t.Errorf("%v", err)
	}
	if _, err := New(o, nil, map[netip.Addr]string{netip.MustParseAddr("::1"): "zz"}); err == nil || err.Error() != "target ::1: the mesh has no site zz" {
		t.Errorf("%v", err)
	}
}

// FuzzResults: whatever stands in a file, each result is good, bad or left out,
// and a good one is within what windows hold.
func FuzzResults(f *testing.F) {
	f.Add([]byte(`[{"avg":"58.042","dst_addr":"192.0.2.2","dup":"0","fw":0,"max":"58.272","min":"57.876","msm_id":1000192,"prb_id":677,"rcvd":"2","sent":"3","timestamp":1328019792,"type":"ping"}]`))
	f.Add([]byte(`{"dst_addr":"192.0.2.2","msm_id":2,"prb_id":677,"timestamp":1700000000,"type":"ping","result":[{"rtt":2},{"x":"*"},{"error":"e"},{"dup":1,"rtt":1e3}],"sent":3,"rcvd":1}` + "\n{}"))
	f.Add([]byte(`{"addr":"2001:db8::b","msm_id":2,"prb_id":677,"timestamp":1700000000,"mode":"ICMP6","result":[{"late":1,"x":"*"}],"sent":1}`))
	a := reader(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		a.read(strings.NewReader(string(text)), "f", func(found imports.Found, err error) bool {
			if err != nil {
				if _, refused := errors.AsType[*imports.Refusal](err); !refused {
					t.Errorf("not a refusal: %v", err)
				}
				return true
			}
			if found.Line < last {
				t.Errorf("line %d after line %d", found.Line, last)
			}
			last = found.Line
			if found.Bad != nil || found.LeftOut != "" {
				return true
			}
			r := &found.Row
			if r.Src == nil || r.Dst == nil || r.Session > 1<<63-1 || r.AtMS < 0 || r.AtMS > maxTimestamp*1000 {
				t.Errorf("a row of %v to %v at %d", r.Src, r.Dst, r.AtMS)
			}
			for _, v := range r.RTTUS {
				if v == 0 || v > 60_000_000 {
					t.Errorf("an RTT of %d µs", v)
				}
			}
			if r.Alone != (len(r.RTTUS) == 0 && r.Session%10 == 1) || r.Alone && len(r.RTTUS) > 0 {
				t.Error("a row of neither kind")
			}
			return true
		})
	})
}
