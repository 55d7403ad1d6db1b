package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// command runs the program once.
func command(args ...string) (status int, stdout, stderr string) {
	var out, log bytes.Buffer
	status = cli.Run(context.Background(), "fibergauge-probe", about, &grammar{}, args, &out, &log)
	return status, out.String(), log.String()
}

func TestWrongUsage(t *testing.T) {
	run := func(more ...string) []string {
		return append([]string{"run", "--site=a", "--collector=unix:/nowhere", "--spool=/nowhere"}, more...)
	}
	ping := func(more ...string) []string { return append([]string{"ping", "192.0.2.1"}, more...) }
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, `expected one of "run", "ping", "trace", "reflect", "enrol", ...; see fibergauge-probe --help`},
		{[]string{"measure"}, `unexpected argument measure; see fibergauge-probe --help`},
		{[]string{"run"}, `missing flags: --collector=URL, --site=ID, --spool=DIR; see fibergauge-probe run --help`},
		{[]string{"ping"}, `expected "<target>"; see fibergauge-probe ping --help`},
		{run("--renewal-collector=https://c.example"), `--renewal-collector: certificates are used and renewed over https only; give https URLs to it and to --collector, or leave it out`},
		{run("--renewal-collector=c"), `--renewal-collector: "c" is not a collector; allowed are https://HOST[:PORT], http://127.0.0.1:PORT and unix:PATH`},
		{run("--site=a b"), `--site: "a b" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{run("--site="), `--site: "" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{run("--collector=example"), `--collector: "example" is not a collector; allowed are https://HOST[:PORT], http://127.0.0.1:PORT and unix:PATH`},
		{run("--collector=http://192.0.2.1"), `--collector: http is not encrypted and only allowed to this host; use https://192.0.2.1`},
		{run("--spool="), `--spool: is empty; give a folder`},
		{run("--spool-max-mib=0"), `--spool-max-mib: 0 is not within 1 to 1048576`},
		{run("--spool-max-mib=x"), `--spool-max-mib: expected a valid 64 bit int but got "x"; see fibergauge-probe run --help`},
		{run("--origin=imported"), `--origin: "imported" is not measured or emulated`},
		{run("--poll=10ms"), `--poll: 10ms is not within 1s to 1h`},
		{run("--poll=soon"), `--poll: expected duration but got "soon": time: invalid duration "soon"; see fibergauge-probe run --help`},
		{run("--seed=-1"), `--seed: expected a valid 64 bit uint but got "-1"; see fibergauge-probe run --help`},
		{run("--log-level=loud"), `--log-level must be one of "debug","info","warn","error" but got "loud"; see fibergauge-probe run --help`},
		{run("--nonsense"), `unknown flag --nonsense; see fibergauge-probe run --help`},
		{ping("--method=tcp"), `--method: "tcp" is not icmp or stamp`},
		{ping("--port=4862"), `--port, --key-file, --ptp and --plain are for stamp; add --method stamp`},
		{ping("--method=stamp", "--port=0"), `--port: 0 is not within 1 to 65535`},
		{ping("--method=stamp", "--size=71"), `--size: 71 is not within 72 to 9000`},
		{ping("--count=0"), `--count: 0 is not within 1 to 100000`},
		{ping("--interval=1ms"), `--interval: 1ms is not within 10ms to 1m`},
		{ping("--size=71"), `--size: 71 is not within 72 to 9000`},
		{ping("--dscp=64"), `--dscp: 64 is not within 0 to 63`},
		{ping("--timeout=1h"), `--timeout: 1h0m0s is not within 10ms to 1m`},
		{ping("--ipv4", "--ipv6"), `--ipv4 and --ipv6 can't be used together; see fibergauge-probe ping --help`},
		{[]string{"ping", ""}, `the target is empty; give a name or an address`},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, stdout, stderr := command(tt.args...)
			if diff := cmp.Diff("fibergauge-probe: "+tt.want+"\n", stderr); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if status != cli.StatusUsage || stdout != "" {
				t.Errorf("status %d, standard output %q", status, stdout)
			}
		})
	}
}

func TestPingCommand(t *testing.T) {
	needICMP(t)
	t.Run("json", func(t *testing.T) {
		status, stdout, stderr := command("ping", "127.0.0.1", "--count=5", "--interval=20ms", "--json")
		var got struct {
			Target, Address, Method, Timestamps string
			Sent, Received, Lost                int
			MinUS                               *int `json:"min_us"`
			MaxUS                               *int `json:"max_us"`
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || stderr != "" {
			t.Fatalf("status %d, %v: %s%s", status, err, stdout, stderr)
		}
		if got.Address != "127.0.0.1" || got.Method != "icmp" || got.Timestamps != string(source(t)) || got.Sent == 0 || got.Sent > 5 || got.Received != got.Sent ||
			got.MinUS == nil || got.MaxUS == nil || *got.MinUS > *got.MaxUS {
			t.Errorf("%s", stdout)
		}
	})
	t.Run("other family", func(t *testing.T) {
		status, _, stderr := command("ping", "127.0.0.1", "--ipv6")
		if want := "fibergauge-probe: resolve target: 127.0.0.1 is not an IPv6 address; leave --ipv6 out\n"; status != 1 || stderr != want {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("a port", func(t *testing.T) {
		status, _, stderr := command("ping", "[::1]:862", "--method=stamp")
		if want := "fibergauge-probe: resolve target: [::1]:862 has a port; give the address ::1 alone, and with stamp the port to --port\n"; status != 1 || stderr != want {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("no way out", func(t *testing.T) {
		// In a network namespace of its own, whose loopback is down.
		cmd := process(t, "ping", "127.0.0.1", "--count=2", "--interval=20ms", "--timeout=50ms", "--json")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("SKIPPED: needs root for a network namespace: %v", err)
		}
		if cmd.ProcessState.ExitCode() != 1 ||
			!strings.Contains(stdout.String(), `"sent":0,"received":0`) || !strings.Contains(stdout.String(), `"min_us":null`) ||
			!strings.Contains(stderr.String(), "fibergauge-probe: ping 127.0.0.1: nothing could be sent:") {
			t.Errorf("%v: %s%s", err, &stdout, &stderr)
		}
	})
}

func TestCheckCommand(t *testing.T) {
	needICMP(t)
	c := newCollector(t, loopback(3))
	dir := t.TempDir()
	args := []string{"check", "--site=here", "--collector=" + c.url, "--spool=" + dir}
	t.Run("all well", func(t *testing.T) {
		status, stdout, stderr := command(args...)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		want := []string{
			"site       here, windows marked measured",
			"spool      " + filepath.Join(dir, "spool.db") + " can be written; 0 windows waiting, 0 set aside, 0 dropped ever; at most 1024 MiB",
			"identity   none: the collector is local, windows are not signed",
			"collector  " + c.url + " answers; mesh " + strings.Repeat("ab", 32),
			"test       icmp by icmp to 3 targets, a packet of 84 bytes every 100 ms, DSCP 0, windows of 1 s",
		}
		if diff := cmp.Diff(want, lines[:len(lines)-1]); diff != "" || status != 0 || stderr != "" {
			t.Errorf("status %d (-want +got)\n%s%s", status, diff, stderr)
		}
		if last := lines[len(lines)-1]; last != "icmp       datagram sockets" && last != "icmp       raw sockets" {
			t.Errorf("%q", last)
		}
	})
	t.Run("another site", func(t *testing.T) {
		status, stdout, stderr := command(append(args, "--site=else")...)
		want := `collector  FAILS: read assignment: it is for site "here", this is "else"; check --collector and --site`
		if status != 1 || !strings.Contains(stdout, want) || stderr != "fibergauge-probe: check: 1 part would not work; fibergauge-probe doctor says what to do\n" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("keys that are missing", func(t *testing.T) {
		a := loopback(1)
		a.Reflector = &wire.Reflector{Port: 862, Authenticated: true, Sources: []string{"192.0.2.7", "192.0.2.8"}}
		c := newCollector(t, a)
		keys := filepath.Join(t.TempDir(), "keys.yaml")
		if err := os.WriteFile(keys, []byte("- {prefix: 192.0.2.7, key: 000102030405060708090a0b0c0d0e0f}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := command("check", "--site=here", "--collector="+c.url, "--spool="+t.TempDir(), "--stamp-keys="+keys)
		if want := "keys       FAILS: STAMP with 192.0.2.8 is authenticated; give the file of --stamp-keys a prefix that holds each\n"; status != 1 || !strings.Contains(stdout, want) {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("nothing works", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := command("check", "--site=here", "--collector=unix:/nowhere", "--spool="+file)
		for _, want := range []string{
			"spool      FAILS: open spool: mkdir " + file + ": not a directory; give --spool a folder that can be written\n",
			"collector  FAILS: reach collector unix:/nowhere: dial unix /nowhere: connect: no such file or directory\n",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("missing %q", want)
			}
		}
		if status != 1 || stderr != "fibergauge-probe: check: 2 parts would not work; fibergauge-probe doctor says what to do\n" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
}

// TestWhatCannotBePrintedIsAFailure: whoever redirects to a full disk must not
// be told that all went well.
func TestWhatCannotBePrintedIsAFailure(t *testing.T) {
	needICMP(t)
	c := newCollector(t, loopback(1))
	for name, args := range map[string][]string{
		"ping":      {"ping", "127.0.0.1", "--count=1", "--interval=10ms"},
		"ping json": {"ping", "127.0.0.1", "--count=1", "--interval=10ms", "--json"},
		"check":     {"check", "--site=here", "--collector=" + c.url, "--spool=" + t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer full.Close()
			cmd := process(t, args...)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &stderr
			err = cmd.Run()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "no space left on device") {
				t.Errorf("%v: %s", err, &stderr)
			}
		})
	}
}

func TestRunRefusesASpoolInUse(t *testing.T) {
	needICMP(t)
	c, dir := newCollector(t, loopback(1)), t.TempDir()
	args := []string{"run", "--site=here", "--collector=" + c.url, "--spool=" + dir}
	stop := start(t, args...)
	waitFor(t, "the spool", func() bool { _, err := os.Stat(filepath.Join(dir, "spool.db")); return err == nil })
	status, _, stderr := command(args...)
	if status != 1 || !strings.Contains(stderr, "is in use by another probe; stop it, or give this one a folder of its own with --spool") {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, log := stop(); status != 0 {
		t.Errorf("status %d: %s", status, log)
	}
}
