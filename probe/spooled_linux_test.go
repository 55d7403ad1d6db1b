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
		entries[1].Sequence: {Code: "of_later_times", Message: "not yours"},
	}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		t.Helper()
		return command(append([]string{"spool"}, args...)...)
	}
	for _, args := range [][]string{{"list"}, {"retry", "--all"}, {"drop", "--all"}} {
		status, _, stderr := run(append(args, "--spool="+dir)...)
		if diff := cmp.Diff("fibergauge-probe: --spool: "+dir+" is in use, by its probe if that runs; stop the probe first (systemctl stop fibergauge-probe), and start it again afterwards\n", stderr); diff != "" || status != 1 {
			t.Errorf("%v while it is open: status %d (-want +got)\n%s", args, status, diff)
		}
	}
	for _, command := range []string{"retry", "drop"} {
		_, help, _ := run(command, "--help")
		for _, code := range codes() {
			if !strings.Contains(help, string(code)) {
				t.Errorf("%s --help does not name %s:\n%s", command, code, help)
			}
		}
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
	expect(`2 windows waiting, 2 set aside, 0 dropped ever

LINK TEST WAIT FROM TO
here>there icmp 2 2025-06-15T15:09:00Z 2025-06-15T15:11:00Z

SET ASIDE CODE WINDOW REASON
unknown_mesh here>there/icmp@2025-06-15T15:07:00.000Z#1 never served
of_later_times here>there/icmp@2025-06-15T15:08:00.000Z#1 not yours`, "list")
	expect("1 window waiting again; set aside stay 1", "retry", "--code=unknown_mesh")
	expect("0 windows dropped; set aside stay 1", "drop", "--code=foreign_link")
	expect("1 window dropped; set aside stay 0", "drop", "--code=of_later_times")
	expect(`3 windows waiting, 0 set aside, 1 dropped ever

LINK TEST WAIT FROM TO
here>there icmp 3 2025-06-15T15:07:00Z 2025-06-15T15:11:00Z`, "list")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"retry", "--spool=" + dir}, "missing flags: --code=CODE or --all; see fibergauge-probe spool retry --help"},
		{[]string{"list", "--spool=" + dir + "/none"}, "--spool: " + dir + "/none holds no spool"},
		{[]string{"drop", "--spool=" + dir, "--code=of_later_times"}, `--code: "of_later_times" is no code, and no window is set aside with it; known are invalid_window, foreign_link, unknown_test, unknown_mesh, future, store_refused, bad_request, too_large, damaged_in_spool`},
		{[]string{"drop", "--all", "--spool=" + dir, "--spool-max-mib=0"}, "--spool-max-mib: 0 is not within 1 to 1048576"},
	} {
		if status, _, stderr := run(c.args...); status != cli.StatusUsage || stderr != "fibergauge-probe: "+c.want+"\n" {
			t.Errorf("%v: status %d, %s", c.args, status, stderr)
		}
	}
}
