package measure

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/fibergauge/fibergauge/internal/testnet"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// needICMP skips where the test may not send ICMP at all.
func needICMP(t *testing.T) Mode {
	t.Helper()
	mode, err := DetectMode(false)
	if err != nil {
		t.Skipf("SKIPPED: needs ICMP sockets: %v", err)
	}
	return mode
}

// inNamespace moves the test's goroutine into a network namespace of its own
// and sets there which groups may open datagram sockets for ICMP. What opens a
// socket must do so on this goroutine, as pro-bing's Run does.
func inNamespace(t *testing.T, pingGroup string) {
	t.Helper()
	n := testnet.New(t)
	n.Sysctl(t, "ipv4/ping_group_range", pingGroup)
	n.Enter(t)
}

func once(address string, mode Mode, count int, interval time.Duration, seen func(Event)) (wire.Window, []Event) {
	var events []Event
	w := Once{
		Spec:    Spec{Address: netip.MustParseAddr(address), SizeBytes: 84, Interval: interval},
		Mode:    mode,
		Count:   count,
		Timeout: time.Second,
		Observe: func(e Event) { events = append(events, e); seen(e) },
		Log:     slog.New(slog.DiscardHandler),
	}.Run(context.Background())
	return w, events
}

func TestLoopbackIsMeasured(t *testing.T) {
	mode := needICMP(t)
	for _, address := range []string{"127.0.0.3", "::1"} {
		t.Run(address, func(t *testing.T) {
			if address == "::1" {
				if _, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
					t.Skipf("SKIPPED: this host has no IPv6: %v", err)
				}
			}
			w, events := once(address, mode, 20, 20*time.Millisecond, func(Event) {})
			if w.Sent == 0 || w.Sent > 20 || w.Received != w.Sent {
				t.Errorf("%+v", w.Counts)
			}
			if w.ReplyTTL == nil || w.ReplyTTL.Min != 64 || w.Stats == nil {
				t.Errorf("TTL %+v, statistics %+v", w.ReplyTTL, w.Stats)
			}
			sent := 0
			for _, e := range events {
				if e.Kind == EventSent {
					sent++
				}
			}
			if sent != int(w.Sent) {
				t.Errorf("%d events for %d packets", sent, w.Sent)
			}
		})
	}
}

// TestProhibitIsRefusal holds against pro-bing's endless loop at EACCES: the
// pinger must return at once, and say why.
func TestProhibitIsRefusal(t *testing.T) {
	needICMP(t)
	for _, tt := range []struct {
		name string
		kind int
		want error
	}{
		{"prohibit", syscall.RTN_PROHIBIT, syscall.EACCES},
		{"unreachable", syscall.RTN_UNREACHABLE, syscall.EHOSTUNREACH},
		{"no route", 0, syscall.ENETUNREACH},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inNamespace(t, "0 2147483647")
			if tt.kind != 0 {
				_, to, _ := net.ParseCIDR("198.51.100.0/24")
				if err := netlink.RouteAdd(&netlink.Route{Dst: to, Type: tt.kind}); err != nil {
					t.Skipf("SKIPPED: cannot set a route: %v", err)
				}
			}
			p := &probingPinger{spec: Spec{Address: netip.MustParseAddr("198.51.100.1"), SizeBytes: 84, Interval: 100 * time.Millisecond}, mode: ModeDatagram}
			w := &recorder{}
			ended := make(chan error, 1)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			// pro-bing opens its socket on the goroutine that calls Run.
			go func() { <-ctx.Done(); ended <- errors.New("it did not return") }()
			err := p.Run(ctx, w)
			select {
			case late := <-ended:
				t.Fatal(late)
			default:
			}
			if err == nil || len(w.refused) != 1 || !errors.Is(w.refused[0], tt.want) || w.sent != 0 {
				t.Errorf("returned %v; refusals %v, %d sent; want one refusal %v", err, w.refused, w.sent, tt.want)
			}
		})
	}
}

// recorder is a watcher that only counts.
type recorder struct {
	sent    int
	refused []error
}

func (r *recorder) Sent(int) bool                         { r.sent++; return true }
func (r *recorder) Refused(err error)                     { r.refused = append(r.refused, err) }
func (r *recorder) Answered(int, time.Duration, int) bool { return true }
func (r *recorder) Duplicated(int)                        {}

// TestDetectMode: datagram sockets where the group allows them, raw sockets
// where it does not and the process may.
func TestDetectMode(t *testing.T) {
	for _, tt := range []struct {
		group string
		want  Mode
	}{{"0 2147483647", ModeDatagram}, {"1 0", ModeRaw}} {
		t.Run(strings.ReplaceAll(tt.group, " ", "-"), func(t *testing.T) {
			inNamespace(t, tt.group)
			if got, err := DetectMode(false); got != tt.want || err != nil {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestModesGiveTheSame measures the same address in both modes.
func TestModesGiveTheSame(t *testing.T) {
	for _, mode := range []Mode{ModeDatagram, ModeRaw} {
		t.Run(string(mode), func(t *testing.T) {
			inNamespace(t, "0 2147483647")
			spec := Spec{Address: netip.MustParseAddr("127.0.0.1"), SizeBytes: 1400, DSCP: 46, Interval: 20 * time.Millisecond, Source: netip.MustParseAddr("127.0.0.9")}
			p := &probingPinger{spec: spec, mode: mode, id: 4711}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			w := &counter{enough: 5}
			if err := p.Run(ctx, w); err != nil {
				t.Fatal(err)
			}
			if w.sent != 5 || w.answered != 5 || w.ttl != 64 {
				t.Errorf("%+v", w)
			}
		})
	}
}

// counter is a watcher that wants a number of packets.
type counter struct{ enough, sent, answered, ttl int }

func (c *counter) Sent(int) bool { c.sent++; return c.sent < c.enough }
func (c *counter) Refused(error) {}
func (c *counter) Answered(_ int, _ time.Duration, ttl int) bool {
	c.answered++
	c.ttl = ttl
	return c.sent < c.enough
}
func (c *counter) Duplicated(int) {}
