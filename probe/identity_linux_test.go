package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
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
	"github.com/fibergauge/fibergauge/probe/identity"
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

// trial is the collector's program with an authority, and a token for a site.
type trial struct {
	*testing.T
	dir, address string // of the collector with --pki
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	needICMP(t)
	r := &trial{T: t, dir: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", r.in("collector"), "../collector").CombinedOutput(); err != nil {
		t.Fatalf("build the collector: %v\n%s", err, out)
	}
	r.write("mesh.yaml", []byte(trialMesh))
	r.collector("pki", "init", "--pki", r.in("pki"))
	r.collector("pki", "server", "--pki", r.in("pki"), "--out", r.in("server"), "127.0.0.1")
	r.write("token", []byte(r.collector("pki", "token", "--pki", r.in("pki"), "here")))
	r.address = r.serve("--pki", r.in("pki"))
	return r
}

func (r *trial) in(name string) string { return filepath.Join(r.dir, name) }

func (r *trial) write(name string, data []byte) {
	r.Helper()
	if err := os.WriteFile(r.in(name), data, 0o600); err != nil {
		r.Fatal(err)
	}
}

// collector runs a command of the collector to its end.
func (r *trial) collector(args ...string) string {
	r.Helper()
	out, err := exec.Command(r.in("collector"), args...).Output()
	if err != nil {
		r.Fatalf("collector %v: %v", args, err)
	}
	return string(out)
}

// serve starts a collector and gives its address.
func (r *trial) serve(args ...string) (address string) {
	r.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	address = free.Addr().String()
	free.Close()
	serve := exec.Command(r.in("collector"), append([]string{"serve", "--mesh", r.in("mesh.yaml"), "--listen", address, "--store", "sqlite:" + r.in("store"),
		"--tls-certificate", r.in("server/server.pem"), "--tls-key", r.in("server/server-key.pem")}, args...)...)
	log := &logtest.Buffer{}
	serve.Stderr = log
	if err := serve.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil || r.Failed() {
			r.Logf("collector: %v\n%s", err, log)
		}
	})
	waitFor(r.T, "the collector", func() bool { return strings.Contains(log.String(), "collector started") })
	return address
}

// enrol enrols into a folder by the token.
func (r *trial) enrol(folder string) (int, string) {
	var out bytes.Buffer
	status := cli.Run(r.Context(), "fibergauge-probe", about, &grammar{},
		[]string{"enrol", "--collector=https://" + r.address, "--identity=" + r.in(folder), "--token-file=" + r.in("token")}, &out, &out)
	return status, out.String()
}

// TestIdentityWithTheRealCollector goes the whole way with the collector's
// program: authority, token, enrolment, windows that are signed and stored, a
// second use of the token, revocation.
func TestIdentityWithTheRealCollector(t *testing.T) {
	r := newTrial(t)
	in, enrol, collector, address := r.in, r.enrol, r.collector, r.address
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

// soon puts a certificate of the same key into an identity that ends soon.
func (r *trial) soon(folder string, life, left time.Duration) {
	r.Helper()
	block := func(name string) []byte {
		data, err := os.ReadFile(r.in(name))
		if err != nil {
			r.Fatal(err)
		}
		b, _ := pem.Decode(data)
		return b.Bytes
	}
	root, err := x509.ParseCertificate(block("pki/authority.pem"))
	key, err2 := x509.ParsePKCS8PrivateKey(block("pki/authority-key.pem"))
	own, err3 := x509.ParseCertificate(block(folder + "/certificate.pem"))
	if err := errors.Join(err, err2, err3); err != nil {
		r.Fatal(err)
	}
	template := *own
	template.SerialNumber = big.NewInt(7)
	template.NotAfter = time.Now().Add(left)
	template.NotBefore = template.NotAfter.Add(-life)
	der, err := x509.CreateCertificate(rand.Reader, &template, root, own.PublicKey, key)
	if err != nil {
		r.Fatal(err)
	}
	r.write(folder+"/certificate.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestRenewalWithTheRealCollector: windows go to a collector that renews nothing.
// A certificate that is about to end is renewed at the one that does, under way
// and without a window lost.
func TestRenewalWithTheRealCollector(t *testing.T) {
	r := newTrial(t)
	if status, said := r.enrol("identity"); status != cli.StatusDone {
		t.Fatalf("status %d: %s", status, said)
	}
	other := r.serve("--client-ca", r.in("pki/authority.pem"), "--crl", r.in("pki/crl.pem"))
	r.soon("identity", time.Hour, 5*time.Minute)
	args := []string{"run", "--site=here", "--collector=https://" + other, "--identity=" + r.in("identity"), "--spool=" + r.in("spool"), "--origin=emulated", "--log-level=debug"}
	before, err := os.ReadFile(r.in("identity/certificate.pem"))
	if err != nil {
		t.Fatal(err)
	}
	logs := func(text, then string, args ...string) string {
		log := &logtest.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		status := make(chan int, 1)
		go func() { status <- cli.Run(ctx, "fibergauge-probe", about, &grammar{}, args, &bytes.Buffer{}, log) }()
		waitFor(t, text, func() bool { return strings.Contains(log.String(), text) && strings.Contains(log.String(), then) })
		cancel()
		if s := <-status; s != cli.StatusDone {
			t.Errorf("status %d:\n%s", s, log)
		}
		return log.String()
	}
	logs("this collector renews nothing, only one with --pki does: name that with --renewal-collector", "", args...)
	if now, err := os.ReadFile(r.in("identity/certificate.pem")); !bytes.Equal(now, before) || err != nil {
		t.Errorf("the certificate was changed (%v)", err)
	}
	said := logs("the certificate was renewed", `msg="window made"`, append(args, "--renewal-collector=https://"+r.address)...)
	if !delivered.MatchString(said) || strings.Contains(said, "trouble=") {
		t.Errorf("with the new certificate:\n%s", said)
	}
	id, err := identity.Read(r.in("identity"), "here")
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(id.Certificate.Leaf.NotAfter); left < 29*24*time.Hour {
		t.Errorf("the new certificate ends in %v", left)
	}
}
