package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/internal/cli"
)

func TestTraceWrongUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", `expected "<target>"; see fibergauge-probe trace --help`},
		{"192.0.2.1 --method=tcp", `--method: "tcp" is not icmp or stamp`},
		{"192.0.2.1 --port=863", `--port, --source-port and --key-file are for stamp; add --method stamp`},
		{"192.0.2.1 --source-port=863", `--port, --source-port and --key-file are for stamp; add --method stamp`},
		{"192.0.2.1 --method=stamp --port=0", `--port: 0 is not within 1 to 65535`},
		{"192.0.2.1 --method=stamp --source-port=65536", `--source-port: 65536 is not within 0 to 65535`},
		{"192.0.2.1 --source=eth0", `--source: "eth0" is not an address`},
		{"192.0.2.1 --source=::1", `trace to 192.0.2.1: the source ::1 is of the other family; give one of the family of the target`},
		{"192.0.2.1 --size=9001", `--size: 9001 is not within 0 to 9000`},
		{"192.0.2.1 --size=43", `trace to 192.0.2.1: a packet of 43 bytes is too short; the least is 44`},
		{"192.0.2.1 --dscp=64", `--dscp: 64 is not within 0 to 63`},
		{"192.0.2.1 --max-hops=65", `--max-hops: 65 is not within 1 to 64`},
		{"224.0.0.1", `trace: 224.0.0.1 is not the address of one host`},
		{"192.0.2.1 --method=stamp --key-file=/none.yaml", `--key-file: read keys: open /none.yaml: no such file or directory; a line of it is: - {prefix: 192.0.2.0/24, key: "..."}, the key from openssl rand -hex 32`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			status, stdout, stderr := command(append([]string{"trace"}, strings.Fields(tt.args)...)...)
			if want := "fibergauge-probe: " + tt.want + "\n"; status != cli.StatusUsage || stdout != "" || stderr != want {
				t.Errorf("status %d, stdout %q, stderr %q\nwant   %q", status, stdout, stderr, want)
			}
		})
	}
}

// needRaw skips where the test may not open raw sockets.
func needRaw(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		t.Skipf("SKIPPED: needs CAP_NET_RAW: %v", err)
	}
	unix.Close(fd)
}

func TestTraceCommand(t *testing.T) {
	needRaw(t)
	t.Run("json", func(t *testing.T) {
		status, stdout, stderr := command("trace", "127.0.0.3", "--json")
		var got struct {
			Target, Protocol, Source, Address string
			Hops                              []struct {
				TTL     int
				Address string
				RTTUS   int `json:"rtt_us"`
			}
			Reached bool
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || stderr != "" {
			t.Fatalf("status %d, %v: %s%s", status, err, stdout, stderr)
		}
		if got.Target != "127.0.0.3" || got.Address != "127.0.0.3" || got.Protocol != "icmp" || !got.Reached ||
			len(got.Hops) != 1 || got.Hops[0].TTL != 1 || got.Hops[0].Address != "127.0.0.3" || got.Hops[0].RTTUS == 0 {
			t.Error(stdout)
		}
	})
	t.Run("stamp, nobody listens", func(t *testing.T) {
		status, stdout, stderr := command("trace", "127.0.0.3", "--method=stamp", "--port=9")
		if status != 0 || stderr != "" || !strings.Contains(stdout, "\n    1  127.0.0.3") || !strings.Contains(stdout, "\n  reached in 1 hop, port unreachable\n") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		for _, form := range []string{"--json", "--json=false"} {
			cmd := process(t, "trace", "127.0.0.1", form)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = full, &stderr
			if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "print result: ") {
				t.Errorf("%v: %s", err, &stderr)
			}
		}
	})
	t.Run("no way out", func(t *testing.T) {
		// In a network namespace of its own, whose loopback is down.
		cmd := process(t, "trace", "127.0.0.1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("SKIPPED: needs root for a network namespace: %v", err)
		}
		if want := "fibergauge-probe: trace to 127.0.0.1: find a route: connect: network is unreachable\n"; cmd.ProcessState.ExitCode() != 1 || stdout.Len() > 0 || stderr.String() != want {
			t.Errorf("%v: %q, %q\nwant %q", err, &stdout, &stderr, want)
		}
	})
}
