package testnet

import (
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// refused gives what a test that does something is ended with.
func refused(t *testing.T, do func(testing.TB)) string {
	t.Helper()
	ended := make(chan string, 1)
	go func() {
		r := &refusal{TB: t}
		defer func() { ended <- r.message }()
		do(r)
	}()
	return <-ended
}

// refusal is a test that may fail.
type refusal struct {
	testing.TB
	message string
}

func (r *refusal) Fatal(args ...any) {
	r.message = args[0].(string)
	runtime.Goexit()
}

func (r *refusal) Fatalf(format string, _ ...any) { r.Fatal(format) }

// TestGuard: neither another namespace nor the machine's own passes for the
// test's, on whatever goroutine.
func TestGuard(t *testing.T) {
	n, other := New(t), New(t)
	const want = "not in the test's own network namespace"
	for name, test := range map[string]struct {
		enter func(t testing.TB)
		want  string
	}{
		"nowhere":       {func(testing.TB) {}, want},
		"entered":       {n.Enter, ""},
		"entered other": {other.Enter, want},
		"came back":     {func(t testing.TB) { n.Do(t, func() { n.Guard(t) }) }, want},
		"came home":     {func(t testing.TB) { n.Enter(t); other.Do(t, func() { other.Guard(t) }) }, ""},
	} {
		got := refused(t, func(t testing.TB) { test.enter(t); n.Guard(t) })
		if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestOwn refuses a network that is in use.
func TestOwn(t *testing.T) {
	n := New(t)
	own := func(t testing.TB) { n.Enter(t); Own(t) }
	if got := refused(t, own); !strings.HasPrefix(got, "device %s is up") {
		t.Errorf("a network in use: %q", got)
	}
	n.change(t, "lo", (*netlink.Handle).LinkSetDown)
	if got := refused(t, own); got != "" {
		t.Errorf("a new network: %q", got)
	}
}

// TestWire sends over a wire, both ways in both families.
func TestWire(t *testing.T) {
	a, b := New(t), New(t)
	Wire(t, "wire", a, b)
	a.Address(t, "wire", "198.51.100.1/24", "2001:db8::1/64")
	b.Address(t, "wire", "198.51.100.2/24", "2001:db8::2/64")
	a.Ready(t)
	b.Ready(t)
	for _, way := range []struct {
		from, to *Namespace
		address  string
	}{{a, b, "198.51.100.2"}, {b, a, "198.51.100.1"}, {a, b, "2001:db8::2"}, {b, a, "2001:db8::1"}} {
		var l net.Listener
		var err error
		way.to.Do(t, func() { l, err = net.Listen("tcp", net.JoinHostPort(way.address, "0")) })
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		way.from.Do(t, func() {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Errorf("to %s: %v", way.address, err)
				return
			}
			conn.Close()
		})
	}
}
