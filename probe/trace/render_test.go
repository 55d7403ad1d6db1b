package trace

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestText(t *testing.T) {
	v4 := Result{Protocol: UDP, Source: netip.MustParseAddr("192.0.2.1"), SourcePort: 50000, Address: netip.MustParseAddr("198.51.100.2"), Port: 862}
	v6 := Result{Protocol: ICMP, Source: netip.MustParseAddr("2001:db8::1"), Address: netip.MustParseAddr("2001:db8::2")}
	hops := []wire.Hop{{TTL: 1, Address: "192.0.2.254", RTTUS: 312}, {TTL: 2}, {TTL: 3, Address: "198.51.100.2", RTTUS: 12_040}}
	for _, tt := range []struct {
		name, target, want, err string
		r                       Result
		change                  func(*Result)
	}{
		{"reached", "peer.example", `peer.example (198.51.100.2:862)
  from 192.0.2.1:50000 by STAMP

  TTL  address                                                RTT
    1  192.0.2.254                                       0.312 ms
    2  no answer
    3  198.51.100.2                                     12.040 ms

  reached in 3 hops, 2 answered twice
`, "", v4, func(r *Result) { r.Hops, r.Reached, r.Duplicates = hops, true, 2 }},
		{"nobody listens", "198.51.100.2", `198.51.100.2:862
  from 192.0.2.1:50000 by STAMP

  TTL  address                                                RTT
    1  192.0.2.254                                       0.312 ms

  reached in 1 hop, port unreachable
`, "", v4, func(r *Result) { r.Hops, r.Reached, r.Unreachable = hops[:1], true, "port unreachable" }},
		{"silence", "2001:db8::2", `2001:db8::2
  from 2001:db8::1 by ICMP echo

  TTL  address                                                RTT
    1  2001:db8:ffff:ffff:ffff:ffff:ffff:ffff            1.000 ms
    2  no answer, nor up to 11

  not reached: nobody answered after hop 1
`, "trace 2001:db8::2: not reached: nobody answered after hop 1; a firewall may keep the answers away, or nobody listens at the end", v6, func(r *Result) {
			r.Hops, r.Beyond = []wire.Hop{{TTL: 1, Address: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", RTTUS: 1000}}, 10
		}},
		{"silence of a reflector", "198.51.100.2", `198.51.100.2:862
  from 192.0.2.1:50000 by STAMP

  TTL  address                                                RTT
    1  192.0.2.254                                       0.312 ms
    2  no answer, nor up to 11

  not reached: nobody answered after hop 1
`, "trace 198.51.100.2: not reached: nobody answered after hop 1; a firewall may keep the answers away, or nobody listens at the end, or its reflector does not allow this host or has another key",
			v4, func(r *Result) { r.Hops, r.Beyond = hops[:1], 10 }},
		{"prohibited", "2001:db8::2", `2001:db8::2
  from 2001:db8::1 by ICMP echo

  TTL  address                                                RTT
    1  192.0.2.254                                       0.312 ms

  not reached: hop 1 says prohibited
`, "trace 2001:db8::2: not reached: 192.0.2.254 says prohibited", v6, func(r *Result) { r.Hops, r.Unreachable = hops[:1], "prohibited" }},
		{"a loop", "2001:db8::2", `2001:db8::2
  from 2001:db8::1 by ICMP echo

  TTL  address                                                RTT
    1  192.0.2.254                                       0.312 ms
    2  no answer

  not reached: a loop
`, "trace 2001:db8::2: not reached: a loop", v6, func(r *Result) { r.Hops, r.Loop, r.Beyond = hops[:1], true, 1 }},
		{"nothing", "2001:db8::2", `2001:db8::2
  from 2001:db8::1 by ICMP echo

  TTL  address                                                RTT

  not reached: nobody answered
`, "trace 2001:db8::2: not reached: nobody answered; a firewall may keep the answers away, or nobody listens at the end", v6, func(*Result) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r
			tt.change(&r)
			var out bytes.Buffer
			r.Text(&out, tt.target)
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			got := ""
			if err := r.Err(tt.target); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.err, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestTextFits: no line is wider than a terminal, whatever the addresses, the
// name and the RTTs.
func TestTextFits(t *testing.T) {
	longest := "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
	rapid.Check(t, func(t *rapid.T) {
		r := Result{Protocol: UDP, Source: netip.MustParseAddr(longest), SourcePort: 65535, Address: netip.MustParseAddr(longest), Port: 65535, Duplicates: 999}
		for i := range rapid.IntRange(0, 64).Draw(t, "hops") {
			r.Hops = append(r.Hops, wire.Hop{TTL: uint8(i + 1), Address: longest, RTTUS: rapid.Uint32Max(4_000_000).Draw(t, "rtt")})
		}
		if len(r.Hops) > 0 {
			r.Unreachable = rapid.SampledFrom([]string{"", "protocol unreachable"}).Draw(t, "why")
		}
		r.Reached = rapid.Bool().Draw(t, "reached")
		var out bytes.Buffer
		r.Text(&out, strings.Repeat("n", rapid.IntRange(1, 250).Draw(t, "length of name")))
		for text := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(text, "\n")); n > width {
				t.Fatalf("%d columns: %s", n, text)
			}
		}
	})
}
