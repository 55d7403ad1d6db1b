package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/probe/stamp"
)

func TestReflectWrongUsage(t *testing.T) {
	open := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(open, []byte("- {prefix: 192.0.2.1, key: 000102030405060708090a0b0c0d0e0f}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"nobody allowed", nil, cli.StatusUsage, "--allow: no source is given, so nobody would be answered; give the prefixes of the senders, such as --allow 192.0.2.0/24"},
		{"an empty list", []string{"--allow="}, cli.StatusUsage, "--allow: no source is given, so nobody would be answered; give the prefixes of the senders, such as --allow 192.0.2.0/24"},
		{"prefix", []string{"--allow=192.0.2.0/33"}, cli.StatusUsage, `--allow: "192.0.2.0/33" is not a prefix such as 192.0.2.0/24 or 2001:db8::/48, nor an address`},
		{"bits behind the prefix", []string{"--allow=192.0.2.1/24"}, cli.StatusUsage, "--allow: 192.0.2.1/24 has bits set behind its length; is 192.0.2.0/24 meant?"},
		{"listen", []string{"--allow=192.0.2.1", "--listen=eth0"}, cli.StatusUsage, `--listen: "eth0" is not an address of this host, such as 192.0.2.1, 192.0.2.1:862 or [2001:db8::1]:862`},
		{"listen twice", []string{"--allow=192.0.2.1", "--listen=127.0.0.1,127.0.0.1:862"}, cli.StatusUsage, "--listen: 127.0.0.1:862 is given twice; keep one"},
		{"foreign address", []string{"--allow=192.0.2.1", "--listen=192.0.2.1"}, cli.StatusFailed, "listen on 192.0.2.1:862: bind: cannot assign requested address; the address is not one of this host"},
		{"rate", []string{"--allow=192.0.2.1", "--rate=0.5"}, cli.StatusUsage, "--rate: 0.5 is not 1 or more"},
		{"no rate at all", []string{"--allow=192.0.2.1", "--rate=nan"}, cli.StatusUsage, "--rate: NaN is not 1 or more"},
		{"format", []string{"--allow=192.0.2.1", "--format=unix"}, cli.StatusUsage, `--format: "unix" is not asked, ntp or ptp`},
		{"keys that are open to others", []string{"--allow=192.0.2.1", "--key-file=" + open}, cli.StatusUsage, "--key-file: " + open + ": is open to others than its owner (mode 0644); keys must not be: chmod 600 " + open},
		{"keys that are not there", []string{"--allow=192.0.2.1", "--key-file=/none.yaml"}, cli.StatusUsage, `--key-file: read keys: open /none.yaml: no such file or directory; a line of it is: - {prefix: 192.0.2.0/24, key: "..."}, the key from openssl rand -hex 32`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := command(append([]string{"reflect"}, test.args...)...)
			if want := "fibergauge-probe: " + test.stderr + "\n"; status != test.status || stdout != "" || stderr != want {
				t.Errorf("status %d, stdout %q, stderr %q\nwant   %d and %q", status, stdout, stderr, test.status, want)
			}
		})
	}
}

// TestReflectWarnsOfSourcesWithoutKey: who gives keys expects that nobody is
// answered without.
func TestReflectWarnsOfSourcesWithoutKey(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(keys, []byte("- {prefix: 192.0.2.0/25, key: 000102030405060708090a0b0c0d0e0f}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The address is not this host's, so it ends by itself.
	_, _, stderr := command("reflect", "--listen=192.0.2.1", "--allow=192.0.2.0/24,192.0.2.0/25,192.0.2.7,192.0.2.200", "--key-file="+keys)
	var warned []string
	for line := range strings.Lines(stderr) {
		if _, allow, found := strings.Cut(line, "allow fewer\" allow="); found {
			warned = append(warned, strings.TrimSpace(allow))
		}
	}
	if want := []string{"192.0.2.0/24", "192.0.2.200/32"}; !slices.Equal(warned, want) {
		t.Errorf("warns of %v, not %v:\n%s", warned, want, stderr)
	}
}

var listensLine = regexp.MustCompile(`msg="reflector listens" on=(\S+)`)

// TestReflectCommand runs it as a service manager does: until SIGTERM.
func TestReflectCommand(t *testing.T) {
	log := &logtest.Buffer{}
	p := process(t, "reflect", "--listen=127.0.0.1:0", "--allow=127.0.0.0/8,0.0.0.0/0", "--format=ptp")
	p.Stderr = log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the reflector", func() bool { return listensLine.MatchString(log.String()) })
	if !strings.Contains(log.String(), "every source of this family is answered") {
		t.Errorf("it does not warn of an allow-list that lets in everybody:\n%s", log)
	}
	conn, err := net.Dial("udp", listensLine.FindStringSubmatch(log.String())[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	request := stamp.AppendRequest(nil, &stamp.Request{Sequence: 3, Timestamp: stamp.NTP.Stamp(time.Now())}, nil)
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 200)
	n, err := conn.Read(packet)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := stamp.ParseReply(packet[:n], nil)
	if err != nil || n != len(request) || reply.Sender.Sequence != 3 || reply.Error.Format() != stamp.PTP {
		t.Errorf("%d bytes, %+v, %v", n, reply, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log)
	}
	if want := `msg="reflector stopped" since_start.received=1 since_start.answered=1 since_start.sessions=1`; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, log)
	}
}
