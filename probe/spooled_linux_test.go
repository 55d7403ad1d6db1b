package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// spoolWindow is one that a spool takes.
func spoolWindow(n int) wire.Window {
	start := int64(1_750_000_020_000 + 60_000*n)
	return wire.Window{
		Key:        wire.Key{Src: "here", Dst: "there", Test: "icmp", Session: 1, StartMS: start},
		SrcCluster: "c0", DstCluster: "c1", Carrier: "x", Plane: "optical", Method: "icmp",
		EndMS: start + 60_000, EndReason: wire.EndFull,
		Timestamps: wire.TimestampsUser, Clock: wire.Clock{State: wire.ClockUnknown}, Origin: wire.OriginSynthetic,
		MeshSHA256: strings.Repeat("0", 64), ProbeVersion: "devel",
	}
}

// TestSpoolCommands lists what is in a spool, tries windows again and drops
// others.
func TestSpoolCommands(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir, 1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put([]wire.Window{spoolWindow(0), spoolWindow(1), spoolWindow(2), spoolWindow(3)}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Oldest(2, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(nil, map[uint64]spool.Refused{
		entries[0].Sequence: {Code: wire.CodeUnknownMesh, Message: "never\nserved"},
		entries[1].Sequence: {Code: wire.CodeForeignLink, Message: "not yours"},
	}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		t.Helper()
		return command(append([]string{"spool"}, args...)...)
	}
	if _, _, stderr := run("list", "--spool="+dir); !strings.Contains(stderr, "is in use by another probe; stop it") {
		t.Errorf("while it is open: %s", stderr)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expect := func(want string, args ...string) {
		t.Helper()
		status, stdout, stderr := run(append(args, "--spool="+dir)...)
		var lines []string
		for line := range strings.Lines(stdout) {
			fields := strings.Fields(line)
			if len(fields) > 2 && strings.HasSuffix(fields[0], "Z") && strings.HasPrefix(fields[0], "2") {
				fields = fields[1:] // when it was set aside
			}
			lines = append(lines, strings.Join(fields, " "))
		}
		if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" || status != 0 {
			t.Errorf("%v: status %d, %s (-want +got)\n%s", args, status, stderr, diff)
		}
	}
	expect(`2 windows wait, 2 are set aside, 0 were dropped ever

LINK TEST WAIT FROM TO
here>there icmp 2 2025-06-15T15:09:00Z 2025-06-15T15:11:00Z

SET ASIDE CODE WINDOW REASON
unknown_mesh here>there/icmp@2025-06-15T15:07:00.000Z#1 never served
foreign_link here>there/icmp@2025-06-15T15:08:00.000Z#1 not yours`, "list")
	expect("1 windows wait again, 1 stay set aside", "retry", "--code=unknown_mesh")
	expect("1 windows are dropped, 0 stay set aside", "drop", "--all")
	expect(`3 windows wait, 0 are set aside, 1 were dropped ever

LINK TEST WAIT FROM TO
here>there icmp 3 2025-06-15T15:07:00Z 2025-06-15T15:11:00Z`, "list")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"retry", "--spool=" + dir}, "missing flags: --code=CODE or --all; see fibergauge-probe spool retry --help"},
		{[]string{"list", "--spool=" + dir + "/none"}, "--spool: " + dir + "/none holds no spool"},
		{[]string{"drop", "--all", "--spool=" + dir, "--spool-max-mib=0"}, "--spool-max-mib: 0 is not within 1 to 1048576"},
	} {
		if status, _, stderr := run(c.args...); status != cli.StatusUsage || stderr != "fibergauge-probe: "+c.want+"\n" {
			t.Errorf("%v: status %d, %s", c.args, status, stderr)
		}
	}
}
