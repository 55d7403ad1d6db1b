package trace

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// along are the addresses that the chain's routers answer from, and the last
// one's at the end.
func along(hops int, v6 bool, silent ...int) []string {
	var want []string
	for hop := 1; hop <= hops; hop++ {
		want = append(want, end(hop, 2, v6).String())
	}
	for _, hop := range silent {
		want[hop-1] = ""
	}
	return want
}

// reflector answers in a town until the test ends.
func (c *country) reflector(town int, keys ...reflect.Key) {
	t := c.t
	t.Helper()
	var r *reflect.Reflector
	c.towns[town].Do(t, func() {
		var err error
		r, err = reflect.Listen(reflect.Config{
			Listen: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:862"), netip.MustParseAddrPort("[::]:862")},
			Keys:   keys, Clock: func() wire.Clock { return wire.Clock{} }, Log: slog.New(slog.DiscardHandler),
		})
		must(t, err)
	})
	r.Allow([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

// trace traces from home.
func (c *country) trace(t *testing.T, flow Flow, options Options) Result {
	t.Helper()
	c.towns[0].Guard(t)
	begun := time.Now()
	r, err := Run(t.Context(), flow, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Hops {
		if h.Address != "" && (h.RTTUS == 0 || time.Duration(h.RTTUS)*time.Microsecond > time.Since(begun)) {
			t.Errorf("hop %d has an RTT of %d µs", h.TTL, h.RTTUS)
		}
	}
	return r
}

// TestChain traces over five routers, the third of which is silent.
func TestChain(t *testing.T) {
	c := chain(t, 7)
	answerEvery(t, c.towns[3], silence)
	key := []byte("0123456789abcdef")
	c.reflector(6, reflect.Key{Prefix: netip.MustParsePrefix("10.0.1.9/32"), Secret: key})
	// A second address, from which only what is authenticated is answered.
	c.towns[0].Address(t, "wire1", "10.0.1.9/24")
	for _, v6 := range []bool{false, true} {
		to := end(6, 2, v6)
		for _, tt := range []struct {
			name        string
			flow        Flow
			unreachable string
		}{
			{"icmp", Flow{Protocol: ICMP, ID: 4711, DSCP: 46}, ""},
			{"large icmp", Flow{Protocol: ICMP, Size: 1500}, ""},
			{"stamp", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862)}, ""},
			{"large stamp", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862), Size: 1500, DSCP: 46, Label: 0xabcde}, ""},
			{"nobody listens", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 863)}, "port unreachable"},
			{"authenticated", Flow{Protocol: UDP, Destination: netip.AddrPortFrom(to, 862), Source: netip.MustParseAddrPort("10.0.1.9:0"), Key: key}, ""},
		} {
			if v6 && tt.flow.Key != nil {
				continue
			}
			c.try(t, fmt.Sprintf("%s %v", tt.name, to), func(t *testing.T) {
				if !tt.flow.Destination.IsValid() {
					tt.flow.Destination = netip.AddrPortFrom(to, 0)
				}
				r := c.trace(t, tt.flow, Options{Timeout: 500 * time.Millisecond})
				if diff := cmp.Diff(along(6, v6, 3), addresses(r.Hops)); diff != "" {
					t.Errorf("hops (-want +got)\n%s", diff)
				}
				if !r.Reached || r.Unreachable != tt.unreachable || r.Loop || r.Beyond != 0 || r.Duplicates != 0 {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// runs runs a program on this thread's namespace.
func runs(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: %s: %v: %s", name, err, out)
	}
}

// TestDeadEnds: what does not reach its destination ends in time and says why.
func TestDeadEnds(t *testing.T) {
	c := chain(t, 4)
	c.towns[2].Do(t, func() {
		for _, args := range [][]string{
			{"route", "add", "prohibit", "10.0.70.0/24"}, {"-6", "route", "add", "prohibit", "2001:db8:70::/64"},
			{"route", "add", "blackhole", "10.0.71.0/24"}, {"-6", "route", "add", "blackhole", "2001:db8:71::/64"},
			{"route", "add", "10.0.72.0/24", "via", "10.0.2.1"}, {"-6", "route", "add", "2001:db8:72::/64", "via", "2001:db8:2::1"},
			{"route", "add", "unreachable", "10.0.73.0/24"}, {"-6", "route", "add", "unreachable", "2001:db8:73::/64"},
		} {
			runs(t, "ip", args...)
		}
	})
	for wire := 70; wire <= 73; wire++ {
		c.route(0, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(1, 2, v6)} })
		c.route(1, wire, func(v6 bool) []netip.Addr { return []netip.Addr{end(2, 2, v6)} })
	}
	for _, v6 := range []bool{false, true} {
		unreachable := "host unreachable"
		if v6 {
			unreachable = "no route"
		}
		for _, tt := range []struct {
			name string
			wire int
			want Result
			hops []string
		}{
			{"prohibited", 70, Result{Unreachable: "prohibited"}, along(2, v6)},
			{"unreachable", 73, Result{Unreachable: unreachable}, along(2, v6)},
			{"blackhole", 71, Result{Beyond: 10}, along(1, v6)},
			{"loop", 72, Result{Loop: true}, nil},
		} {
			for _, protocol := range []Protocol{ICMP, UDP} {
				c.try(t, fmt.Sprintf("%s %s v6 %v", tt.name, protocol, v6), func(t *testing.T) {
					begun := time.Now()
					var options Options
					if tt.want.Unreachable == "" {
						options.Timeout = 200 * time.Millisecond
					} // else Linux may let out the error a second later: only one in a second
					r := c.trace(t, Flow{Protocol: protocol, Destination: netip.AddrPortFrom(end(tt.wire, 2, v6), 862)}, options)
					if r.Reached || r.Unreachable != tt.want.Unreachable || r.Loop != tt.want.Loop || r.Beyond != tt.want.Beyond && !r.Loop {
						t.Errorf("%+v", r)
					}
					if diff := cmp.Diff(tt.hops, addresses(r.Hops)); tt.hops != nil && diff != "" {
						t.Errorf("hops (-want +got)\n%s", diff)
					}
					if r.Loop && (len(r.Hops) < 4 || len(r.Hops) > 20) {
						t.Errorf("a loop of two routers was followed over %d hops", len(r.Hops))
					}
					t.Logf("%v: %+v", time.Since(begun), r)
				})
			}
		}
	}
}

func TestNoPrivilege(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before, less [2]unix.CapUserData
	must(t, unix.Capget(&header, &before[0]))
	less = before
	less[0].Effective &^= 1 << unix.CAP_NET_RAW
	must(t, unix.Capset(&header, &less[0]))
	defer func() { must(t, unix.Capset(&header, &before[0])) }()
	_, err := Run(t.Context(), Flow{Protocol: ICMP, Destination: netip.MustParseAddrPort("127.0.0.1:0")}, Options{})
	want := "trace to 127.0.0.1: open a raw socket: operation not permitted; give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW in a systemd unit)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
