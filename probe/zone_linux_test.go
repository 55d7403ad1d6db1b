package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/internal/testnet"
)

// TestLinkLocalTargets measures two neighbours that have the same address, each
// on its own wire: only the zone tells them apart. One has a reflector, the
// other another hop limit.
func TestLinkLocalTargets(t *testing.T) {
	here, first, second := testnet.New(t), testnet.New(t), testnet.New(t)
	testnet.Wire(t, "wire1", here, first)
	testnet.Wire(t, "wire2", here, second)
	for _, wire := range []string{"wire1", "wire2"} {
		here.Address(t, wire, "fe80::1/64")
	}
	first.Address(t, "wire1", "fe80::2/64")
	second.Address(t, "wire2", "fe80::2/64")
	second.Sysctl(t, "ipv6/conf/wire2/hop_limit", "33")
	for _, n := range []*testnet.Namespace{here, first, second} {
		n.Ready(t)
	}
	var number int
	here.Do(t, func() {
		wire, err := net.InterfaceByName("wire1")
		if err != nil {
			t.Fatal(err)
		}
		number = wire.Index
	})

	log := &logtest.Buffer{}
	reflector := process(t, "reflect", "--listen=[fe80::2%wire1]:862", "--allow=fe80::/10")
	reflector.Stderr = log
	start := func(n *testnet.Namespace, cmd *exec.Cmd) {
		t.Helper()
		n.Do(t, func() {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
		})
	}
	start(first, reflector)
	waitFor(t, "the reflector", func() bool { return listensLine.MatchString(log.String()) })

	type result struct {
		Address    string
		Received   int
		Timestamps string
		TTL        *struct{ Min int } `json:"reply_ttl"`
	}
	for _, test := range []struct {
		method, target string
		received, ttl  int
	}{
		{"icmp", "fe80::2%wire1", 3, 64},
		{"icmp", "fe80::2%wire2", 3, 33},
		{"icmp", fmt.Sprintf("fe80::2%%%d", number), 3, 64},
		{"stamp", "fe80::2%wire1", 3, 255},
		{"stamp", fmt.Sprintf("fe80::2%%%d", number), 3, 255},
		{"stamp", "fe80::2%wire2", 0, 0}, // nobody listens
	} {
		cmd := process(t, "ping", "--method="+test.method, "--json", "--count=3", "--interval=50ms", "--timeout=1s", test.target)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		start(here, cmd)
		err := cmd.Wait()
		var got result
		if bad := json.Unmarshal(stdout.Bytes(), &got); bad != nil || (err == nil) != (test.received > 0) {
			t.Errorf("%s %s: %v, %v: %s%s", test.method, test.target, err, bad, &stdout, &stderr)
			continue
		}
		if got.Address != test.target || got.Received != test.received || test.received > 0 && (got.TTL == nil || got.TTL.Min != test.ttl || got.Timestamps != "kernel") {
			t.Errorf("%s %s: %s%s", test.method, test.target, &stdout, &stderr)
		}
	}
}

// TestLinkLocalTargetsWrongly says at once what would never be answered.
func TestLinkLocalTargetsWrongly(t *testing.T) {
	for _, test := range []struct {
		args   string
		status int
		want   string
	}{
		{"ping fe80::1", cli.StatusFailed, "resolve target: fe80::1 may be on any link; say on which, by an interface of this host: fe80::1%eth0"},
		{"ping --method=stamp fe80::1", cli.StatusFailed, "resolve target: fe80::1 may be on any link; say on which, by an interface of this host: fe80::1%eth0"},
		{"ping fe80::1%no-such", cli.StatusFailed, `resolve target: fe80::1%no-such: this host has no interface "no-such"; give one that it has behind the %`},
		{"ping --method=stamp 2001:db8::1%lo", cli.StatusFailed, "resolve target: 2001:db8::1%lo is the same on all links; leave %lo out"},
		{"trace fe80::1", cli.StatusFailed, "resolve target: fe80::1 may be on any link; say on which, by an interface of this host: fe80::1%eth0"},
		{"trace fe80::1%lo", cli.StatusUsage, "trace to fe80::1%lo: it is on this host's own link, and no router lies between"},
		{"trace --method=stamp fe80::1%lo", cli.StatusUsage, "trace to fe80::1%lo: it is on this host's own link, and no router lies between"},
	} {
		status, stdout, stderr := command(strings.Fields(test.args)...)
		if want := "fibergauge-probe: " + test.want + "\n"; status != test.status || stdout != "" || stderr != want {
			t.Errorf("%s: status %d, stdout %q, stderr %q\nwant %d, %q", test.args, status, stdout, stderr, test.status, want)
		}
	}
}
