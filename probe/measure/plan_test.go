package measure

import (
	"fmt"
	"testing"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestCheckRefusesAssignments(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(a *wire.Assignment)
		want   string
	}{
		{"good", func(*wire.Assignment) {}, ""},
		{"method of a later version", func(a *wire.Assignment) { a.Tasks[0].Method = "telepathy" }, ""},
		{"no tests", func(a *wire.Assignment) { a.Tasks = nil }, ""},
		{"another site", func(a *wire.Assignment) { a.Site = "else" },
			`read assignment: it is for site "else", this is "here"; check --collector and --site`},
		{"mesh", func(a *wire.Assignment) { a.MeshSHA256 = "AB" }, `read assignment: mesh_sha256: "AB" is not a SHA-256 in hex`},
		{"address", func(a *wire.Assignment) { a.Address = "here" }, `read assignment: address: "here" is not an IP address`},
		{"carrier", func(a *wire.Assignment) { a.Carrier = "a b" }, `read assignment: "a b" is not an identifier`},
		{"interval", func(a *wire.Assignment) { a.Tasks[0].IntervalMS = 9 }, `read assignment: test "icmp": interval_ms: 9 is not within 10 to 60000`},
		{"window", func(a *wire.Assignment) { a.Tasks[0].WindowS = 7 },
			`read assignment: test "icmp": window_s: 7 does not divide 15m0s, or interval_ms 1000 does not divide it`},
		{"interval beside window", func(a *wire.Assignment) { a.Tasks[0].IntervalMS = 3000 },
			`read assignment: test "icmp": window_s: 10 does not divide 15m0s, or interval_ms 3000 does not divide it`},
		{"size", func(a *wire.Assignment) { a.Tasks[0].SizeBytes = 71 }, `read assignment: test "icmp": size_bytes: 71 is not within 72 to 9000`},
		{"dscp", func(a *wire.Assignment) { a.Tasks[0].DSCP = 64 }, `read assignment: test "icmp": dscp: 64 is not within 0 to 63`},
		{"name", func(a *wire.Assignment) { a.Tasks[0].Test = "" }, `read assignment: test "": name or method "icmp" is not an identifier`},
		{"target address", func(a *wire.Assignment) { a.Tasks[0].Targets[0].Address = "there.example" },
			`read assignment: test "icmp": target "there" in "c1" at "there.example" cannot be measured`},
		{"target has the site's address", func(a *wire.Assignment) { a.Tasks[0].Targets[0].Address = "::ffff:192.0.2.1" },
			`read assignment: test "icmp": target "there" in "c1" at "::ffff:192.0.2.1" cannot be measured`},
		{"target is many hosts", func(a *wire.Assignment) { a.Tasks[0].Targets[0].Address = "ff02::1" },
			`read assignment: test "icmp": target "there" in "c1" at "ff02::1" cannot be measured`},
		{"target is no host", func(a *wire.Assignment) { a.Tasks[0].Targets[0].Address = "0.0.0.0" },
			`read assignment: test "icmp": target "there" in "c1" at "0.0.0.0" cannot be measured`},
		{"too many targets", func(a *wire.Assignment) {
			for i := range maxTargets {
				a.Tasks[0].Targets = append(a.Tasks[0].Targets, wire.Target{Site: fmt.Sprint("t", i), Cluster: "c1", Address: "192.0.2.4"})
			}
		}, `read assignment: more than 20000 targets are more than one probe can measure`},
		{"target twice", func(a *wire.Assignment) { a.Tasks[0].Targets[1].Site = "there" },
			`read assignment: test "icmp": target "there" stands there twice`},
		{"target is the site", func(a *wire.Assignment) { a.Tasks[0].Targets[1].Site = "here" },
			`read assignment: test "icmp": target "here" in "c1" at "192.0.2.3" cannot be measured`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := assignment("there", "over-there")
			tt.change(a)
			got := ""
			if err := Check(a, "here"); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
