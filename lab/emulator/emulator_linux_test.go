package emulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/lab/emulator"
	"github.com/fibergauge/fibergauge/lab/namespace"
	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// meshText has two sites with IPv4 and two with IPv6, each two of a carrier.
const meshText = `
version: 1
name: two
time_zone: UTC
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: x, hub: h, name: {en: X}, location: {lat: 40, lon: 110}}
  - {id: y, hub: h, name: {en: Y}, location: {lat: 30, lon: 110}}
carriers: [{id: four, name: {en: Four}}, {id: six, name: {en: Six}}]
planes: [optical]
sites:
  - {id: x4, cluster: x, carrier: four, plane: optical, address: 192.0.2.1, role: both}
  - {id: y4, cluster: y, carrier: four, plane: optical, address: 192.0.2.2, role: both}
  - {id: x6, cluster: x, carrier: six, plane: optical, address: "2001:db8::1", role: both}
  - {id: y6, cluster: y, carrier: six, plane: optical, address: "2001:db8::2", role: both}
measure: [{test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 60}]
judged: icmp
`

// lab is a running emulator between the sites of meshText.
type lab struct {
	*emulator.Emulator
	places map[string]*namespace.Namespace
}

func startLab(t *testing.T, wanText string) *lab {
	t.Helper()
	if _, err := namespace.Check(); err != nil {
		t.Skipf("SKIPPED, the emulator is not tested on this machine: %v", err)
	}
	if _, err := exec.LookPath("ping"); err != nil {
		t.Skipf("SKIPPED, the emulator is not tested on this machine: %v; install iputils-ping", err)
	}
	m, err := mesh.Parse("mesh.yaml", []byte(meshText))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wan.Parse("wan.yaml", []byte(wanText), m)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{places: map[string]*namespace.Namespace{}}
	var ports []emulator.Port
	for _, s := range m.Sites {
		addr := netip.MustParseAddr(s.Address)
		n, err := namespace.Open(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		l.places[s.ID] = n
		ports = append(ports, emulator.Port{Addr: addr, TUN: n.TUN()})
	}
	l.Emulator = emulator.New(w.Network(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)), ports)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	l.Begin()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

// reply is what ping says of one.
type reply struct {
	rtt       time.Duration
	ttl       int
	duplicate bool
}

var replyLine = regexp.MustCompile(`ttl=(\d+) time=([\d.]+) ms( \(DUP!\))?`)

// ping runs the system's ping in the namespace of a site.
func (l *lab) ping(t *testing.T, from, to string, args ...string) []reply {
	t.Helper()
	cmd := exec.Command("ping", append(args, "-n", to)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ended, err := namespace.Start(cmd, l.places[from])
	if err != nil {
		t.Fatal(err)
	}
	// ping exits 1 where nothing is answered, which some tests want.
	var exit *exec.ExitError
	if err := <-ended; err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("ping: %v\n%s", err, out.Bytes())
	}
	var replies []reply
	for _, m := range replyLine.FindAllStringSubmatch(out.String(), -1) {
		ttl, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, reply{time.Duration(ms * float64(time.Millisecond)), ttl, m[3] != ""})
	}
	return replies
}

func median(replies []reply) time.Duration {
	slices.SortFunc(replies, func(a, b reply) int { return int(a.rtt - b.rtt) })
	return replies[(len(replies)-1)/2].rtt
}

func TestEmulatorHoldsTheAskedRTT(t *testing.T) {
	l := startLab(t, `
version: 1
seed: 1
defaults: {rtt_ms: 8, hops: 7}
links:
  - {carriers: [six], rtt_ms: 21, asymmetry: 0.8, hops: 11}
`)
	for _, c := range []struct {
		from, to string
		rtt      time.Duration
		ttl      int
	}{
		{"x4", "192.0.2.2", 8 * time.Millisecond, 57},
		{"y4", "192.0.2.1", 8 * time.Millisecond, 57},
		{"x6", "2001:db8::2", 21 * time.Millisecond, 53},
		{"y6", "2001:db8::1", 21 * time.Millisecond, 53},
	} {
		t.Run(c.from, func(t *testing.T) {
			replies := l.ping(t, c.from, c.to, "-c", "60", "-i", "0.02")
			if len(replies) != 60 {
				t.Fatalf("%d replies to 60 packets", len(replies))
			}
			if replies[0].ttl != c.ttl {
				t.Errorf("TTL %d, want %d", replies[0].ttl, c.ttl)
			}
			m := median(replies)
			t.Logf("median %v for %v", m, c.rtt)
			if m < c.rtt || m > c.rtt+500*time.Microsecond {
				t.Errorf("median RTT %v, want %v to 0.5 ms more", m, c.rtt)
			}
		})
	}
	t.Logf("%+v", l.Counts())
}

func TestEmulatorLosesAndDuplicates(t *testing.T) {
	l := startLab(t, `
version: 1
seed: 1
defaults: {rtt_ms: 1}
links:
  - {carriers: [six], duplicate_percent: 100}
  - {carriers: [four], loss_percent: 100}
`)
	if got := l.ping(t, "x4", "192.0.2.2", "-c", "5", "-i", "0.01", "-W", "1"); len(got) != 0 {
		t.Errorf("%d replies over a link that loses everything", len(got))
	}
	// The request and the answers are doubled: four replies to one packet. A
	// last packet is waited for only until its first reply.
	got := l.ping(t, "x6", "2001:db8::2", "-c", "6", "-i", "0.2")
	first := len(slices.DeleteFunc(slices.Clone(got), func(r reply) bool { return r.duplicate }))
	if first != 6 || len(got) < 4*5+1 || len(got) > 4*6 {
		t.Errorf("%d replies of which %d first ones, want 21 to 24 and 6", len(got), first)
	}
	c := l.Counts()
	if c.Lost != 5 || c.Duplicated < 6+10 {
		t.Errorf("lost %d and duplicated %d, want 5 and at least 16", c.Lost, c.Duplicated)
	}
}

func TestEmulatorCutsForATime(t *testing.T) {
	l := startLab(t, `
version: 1
seed: 1
defaults: {rtt_ms: 2}
events:
  - {at: 0s, for: 1s, carriers: [four], cut: true}
`)
	// From the start of the emulator until well after the cut.
	replies := l.ping(t, "x4", "192.0.2.2", "-c", "40", "-i", "0.05", "-W", "1")
	if n := len(replies); n < 10 || n > 30 {
		t.Errorf("%d replies to 40 packets in two seconds of which one was cut", n)
	}
}

func TestEmulatorCountsStrangers(t *testing.T) {
	l := startLab(t, "{version: 1, seed: 1, defaults: {rtt_ms: 1}}")
	for _, to := range []string{"198.51.100.1", "192.0.2.99"} {
		if got := l.ping(t, "x4", to, "-c", "1", "-W", "1"); len(got) != 0 {
			t.Errorf("%s answered", to)
		}
	}
	if c := l.Counts(); c.Outside < 2 || c.Delivered != 0 {
		t.Errorf("%s, want at least 2 outside and nothing delivered", fmt.Sprintf("%+v", c))
	}
}
