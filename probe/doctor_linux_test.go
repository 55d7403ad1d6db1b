package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/testnet"
	"github.com/fibergauge/fibergauge/probe/doctor"
)

// doctorAlone runs the command in a network of its own with nothing but a
// loopback interface, so that its packets go nowhere else.
func doctorAlone(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := process(t, append([]string{"doctor"}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	alone := testnet.New(t)
	alone.Sysctl(t, "ipv4/ping_group_range", "1 0") // as it is on a host that nobody has touched
	alone.Do(t, func() { _ = cmd.Run() })           // its status tells
	return cmd.ProcessState.ExitCode(), out.String(), log.String()
}

func TestDoctorCommand(t *testing.T) {
	c, dir := newCollector(t, loopback(3)), t.TempDir()
	config := filepath.Join(dir, "probe.yaml")
	if err := os.WriteFile(config, []byte("site: here\ncollector: "+c.url+"\nspool: "+dir+"\nspool-max-mib: 1\npoll: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("by the file of run", func(t *testing.T) {
		status, stdout, stderr := doctorAlone(t, "--config", config)
		for _, want := range []string{
			"✓ rights CAP_NET_RAW   effective", "✓ icmp ipv4            raw sockets open\n", "✓ timestamps icmp      by the kernel",
			"✓ timestamps udp ipv4  by the kernel", "✓ spool                " + dir + " can be written\n",
			"✓ collector            " + c.url + " answers; it assigns 1 test to 3 targets\n", "✓ mtu lo               65536 bytes; the way to 3 targets",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("missing %q", want)
			}
		}
		if status != cli.StatusDone || stderr != "" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("nothing given", func(t *testing.T) {
		status, stdout, stderr := doctorAlone(t)
		if status != cli.StatusDone || stderr != "" || strings.Contains(stdout, "✗") || !strings.Contains(stdout, "– collector            not asked: --collector is absent\n") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("nothing works", func(t *testing.T) {
		status, stdout, stderr := doctorAlone(t, "--collector=unix:/nowhere", "--spool="+config)
		if status != cli.StatusFailed || !strings.HasPrefix(stderr, "fibergauge-probe: doctor: 2 of the findings must be mended, ") ||
			!strings.Contains(stdout, "✗ spool                "+config+" is not a folder; give --spool a folder that can be written\n") ||
			!strings.Contains(stdout, "✗ collector            unix:/nowhere cannot be reached: dial unix /nowhere: connect: no such file or directory;") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("json", func(t *testing.T) {
		status, stdout, stderr := doctorAlone(t, "--config", config, "--json")
		var report doctor.Report
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || status != cli.StatusDone || stderr != "" {
			t.Fatalf("status %d, %v: %s%s", status, err, stdout, stderr)
		}
		var checks []string
		for _, f := range report.Findings {
			checks = append(checks, strings.TrimSpace(f.Check+" "+f.Subject))
		}
		want := []string{
			"rights CAP_NET_RAW", "rights port 862", "rights real-time", "ping_group_range", "icmp ipv4", "icmp ipv6",
			"timestamps icmp", "timestamps udp ipv4", "clock", "clock frequency", "clock daemon", "spool", "spool disk", "identity", "resolve", "collector", "certificate", "clock offset", "reflector", "mtu lo",
		}
		if diff := cmp.Diff(want, checks); diff != "" || report.Schema != doctor.Schema || report.Site != "here" || report.Version == "" || report.Failed != 0 {
			t.Errorf("%+v (-want +got)\n%s", report, diff)
		}
	})
}

func TestDoctorWrongUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--site=a b":            `--site: "a b" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`,
		"--collector=http://c":  `--collector: http is not encrypted and only allowed to this host; use https://c`,
		"--spool-max-mib=0":     `--spool-max-mib: 0 is not within 1 to 1048576`,
		"--stamp-keys=/no":      `--stamp-keys: read keys: open /no: no such file or directory; a line of it is: - {prefix: 192.0.2.0/24, key: "..."}, the key from openssl rand -hex 32`,
		"--config=/no/such.yml": `/no/such.yml: cannot be read: no such file or directory`,
	} {
		status, stdout, stderr := command("doctor", args)
		if diff := cmp.Diff("fibergauge-probe: "+want+"\n", stderr); diff != "" || status != cli.StatusUsage || stdout != "" {
			t.Errorf("%s: status %d, %q (-want +got)\n%s", args, status, stdout, diff)
		}
	}
}
