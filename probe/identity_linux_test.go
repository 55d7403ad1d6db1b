package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
)

const trialMesh = `
version: 1
name: trial
time_zone: UTC
hubs: [{id: h, name: {en: H, zh: H}}]
clusters:
  - {id: a, hub: h, name: {en: A, zh: A}, location: {lat: 40, lon: 115, source: test}}
  - {id: b, hub: h, name: {en: B, zh: B}, location: {lat: 41, lon: 115, source: test}}
carriers: [{id: c, name: {en: C, zh: C}}]
planes: [optical]
sites:
  - {id: here, cluster: a, carrier: c, plane: optical, address: 127.0.0.1, role: both}
  - {id: there, cluster: b, carrier: c, plane: optical, address: 127.9.8.7, role: both}
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 100, size_bytes: 84, dscp: 0, window_s: 1}
judged: icmp
`

// TestIdentityWithTheRealCollector goes the whole way with the collector's
// program: authority, token, enrolment, windows that are signed and stored, a
// second use of the token, revocation.
func TestIdentityWithTheRealCollector(t *testing.T) {
	needICMP(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	collector := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(in("collector"), args...).Output()
		if err != nil {
			t.Fatalf("collector %v: %v", args, err)
		}
		return string(out)
	}
	if out, err := exec.Command("go", "build", "-o", in("collector"), "../collector").CombinedOutput(); err != nil {
		t.Fatalf("build the collector: %v\n%s", err, out)
	}
	if err := os.WriteFile(in("mesh.yaml"), []byte(trialMesh), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	collector("pki", "init", "--pki", in("pki"))
	collector("pki", "server", "--pki", in("pki"), "--out", in("server"), "127.0.0.1")
	token := collector("pki", "token", "--pki", in("pki"), "here")
	serve := exec.Command(in("collector"), "serve", "--mesh", in("mesh.yaml"), "--listen", address, "--store", "sqlite:"+in("store"),
		"--tls-certificate", in("server/server.pem"), "--tls-key", in("server/server-key.pem"), "--pki", in("pki"))
	log := &logtest.Buffer{}
	serve.Stderr = log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil || t.Failed() {
			t.Logf("collector: %v\n%s", err, log)
		}
	})
	waitFor(t, "the collector", func() bool { return strings.Contains(log.String(), "collector started") })

	if err := os.WriteFile(in("token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	enrol := func(folder string) (int, string) {
		var out bytes.Buffer
		status := cli.Run(t.Context(), "fibergauge-probe", about, &grammar{},
			[]string{"enrol", "--collector=https://" + address, "--identity=" + in(folder), "--token-file=" + in("token")}, &out, &out)
		return status, out.String()
	}
	if status, said := enrol("identity"); status != cli.StatusDone || !strings.HasPrefix(said, "site here is enrolled: ") {
		t.Fatalf("status %d: %s", status, said)
	}
	if status, said := enrol("identity"); status != cli.StatusDone || !strings.HasPrefix(said, "site here is enrolled already, ") {
		t.Errorf("once more: status %d: %s", status, said)
	}
	if status, said := enrol("stranger"); status != cli.StatusFailed || !strings.Contains(said, "401 Unauthorized") {
		t.Errorf("by a stranger: status %d: %s", status, said)
	}
	args := []string{"run", "--site=here", "--collector=https://" + address, "--identity=" + in("identity"), "--spool=" + in("spool"), "--origin=emulated", "--log-level=debug"}
	run := func() (int, string) {
		// Long enough for windows of 1 s to be made and to be closed.
		stop := start(t, args...)
		time.Sleep(3 * time.Second)
		return stop()
	}
	if status, said := run(); status != cli.StatusDone || !delivered.MatchString(said) || strings.Contains(said, "trouble=") {
		t.Errorf("status %d:\n%s", status, said)
	}

	collector("pki", "revoke", "--pki", in("pki"), "--store", "sqlite:"+in("store"), "here")
	waitFor(t, "the revocation to count", func() bool {
		var out bytes.Buffer
		return cli.Run(t.Context(), "fibergauge-probe", about, &grammar{},
			[]string{"check", "--site=here", "--collector=https://" + address, "--identity=" + in("identity"), "--spool=" + in("check")}, &out, &out) != cli.StatusDone &&
			strings.Contains(out.String(), "the collector refuses this probe's certificate: it is revoked")
	})
	status, said := run()
	if status != cli.StatusDone || !kept.MatchString(said) || !strings.Contains(said, "the collector refuses this probe's certificate") {
		t.Errorf("revoked: status %d:\n%s", status, said)
	}
}

// The summary at the end of a probe that delivered all, and of one that could
// deliver nothing and lost nothing.
var (
	delivered = regexp.MustCompile(`msg="probe stopped" made=([1-9]\d*) delivered=[1-9]\d* refused=0 waiting=0 set_aside=0 dropped_ever=0`)
	kept      = regexp.MustCompile(`msg="probe stopped" made=[1-9]\d* delivered=0 refused=0 waiting=[1-9]\d* set_aside=0 dropped_ever=0`)
)
