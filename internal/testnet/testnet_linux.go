package testnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace that no other test uses. It has no name and
// no file, and lives until the test ends, or longer, for as long as a process or
// a socket is in it.
type Namespace struct{ handle netns.NsHandle }

// New makes a namespace whose only device is the loopback one, up, and where
// every group may open datagram sockets for ICMP. It skips the test where it may
// not.
func New(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread
		var err error
		n.handle, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		t.Skipf("SKIPPED: needs root for network namespaces: %v", err)
	}
	t.Cleanup(func() { n.handle.Close() })
	n.change(t, "lo", (*netlink.Handle).LinkSetUp)
	n.Sysctl(t, "ipv4/ping_group_range", "0 2147483647")
	return n
}

// Own is the namespace that this process was started in, for a test that made
// it for a process of its own, and brings its loopback device up. It refuses one
// where any device is up already: that may be the machine's.
func Own(t testing.TB) *Namespace {
	t.Helper()
	handle, err := netns.Get()
	if err != nil {
		t.Fatalf("find the thread's network namespace: %v", err)
	}
	t.Cleanup(func() { handle.Close() })
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatalf("list the devices: %v", err)
	}
	for _, link := range links {
		if link.Attrs().Flags&net.FlagUp != 0 {
			t.Fatalf("device %s is up, so this network may be the machine's own; start the process in a new one", link.Attrs().Name)
		}
	}
	n := &Namespace{handle}
	n.change(t, "lo", (*netlink.Handle).LinkSetUp)
	return n
}

// Enter moves the calling goroutine, and what programs it starts, into the
// namespace for the rest of its life. It ends the goroutine if it cannot, so
// that nothing is sent from elsewhere.
func (n *Namespace) Enter(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the runtime ends the thread
	if err := netns.Set(n.handle); err != nil {
		t.Fatalf("enter a network namespace: %v", err)
	}
}

// Do does something in the namespace, on the calling goroutine, which then is
// where it was before.
func (n *Namespace) Do(t testing.TB, do func()) {
	t.Helper()
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Fatalf("find the thread's network namespace: %v", err)
	}
	defer before.Close()
	defer func() {
		// A thread that does not come back stays locked, and ends with the goroutine.
		if err := netns.Set(before); err != nil {
			t.Fatalf("leave a network namespace: %v", err)
		}
		runtime.UnlockOSThread()
	}()
	if err := netns.Set(n.handle); err != nil {
		t.Fatalf("enter a network namespace: %v", err)
	}
	do()
}

// Guard ends the test unless the calling goroutine is in the namespace. It
// belongs before whatever must not leave by the machine's own routes.
func (n *Namespace) Guard(t testing.TB) {
	t.Helper()
	here, err := netns.Get()
	if err != nil {
		t.Fatalf("find the thread's network namespace: %v", err)
	}
	defer here.Close()
	if !here.Equal(n.handle) {
		t.Fatal("not in the test's own network namespace; a subtest and a goroutine must enter it for themselves")
	}
}

// Sysctl sets net.NAME in the namespace, where name has slashes for dots. It
// skips the test where that is forbidden, as in a container.
func (n *Namespace) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	n.Do(t, func() {
		err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644)
		if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
			t.Skipf("SKIPPED: needs to set sysctls: %v", err)
		} else if err != nil {
			t.Fatalf("set a sysctl: %v", err)
		}
	})
}

// Wire joins two namespaces. The device at each end bears the wire's name, and
// is down until it is given an address.
func Wire(t testing.TB, name string, a, b *Namespace) {
	t.Helper()
	h := a.open(t)
	defer h.Close()
	if err := h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name, PeerNamespace: netlink.NsFd(b.handle)}); err != nil {
		t.Fatalf("make wire %s: %v", name, err)
	}
}

// Address gives a device addresses, each with the length of its network's
// prefix, and brings it up. See Ready.
func (n *Namespace) Address(t testing.TB, device string, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		prefix := netip.MustParsePrefix(a)
		address := &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}}
		if prefix.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD // or it is tentative for seconds
		}
		n.change(t, device, func(h *netlink.Handle, link netlink.Link) error { return h.AddrAdd(link, address) })
	}
	n.change(t, device, (*netlink.Handle).LinkSetUp)
}

// Ready waits until every device that is up carries packets: what is sent before
// is lost without a word.
func (n *Namespace) Ready(t testing.TB) {
	t.Helper()
	h := n.open(t)
	defer h.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		links, err := h.LinkList()
		if err != nil {
			t.Fatalf("list the devices: %v", err)
		}
		waiting := slices.DeleteFunc(links, func(l netlink.Link) bool {
			state := l.Attrs().OperState
			return state == netlink.OperUp || state == netlink.OperUnknown || l.Attrs().Flags&net.FlagUp == 0
		})
		if len(waiting) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("device %s is %v", waiting[0].Attrs().Name, waiting[0].Attrs().OperState)
		}
	}
}

func (n *Namespace) change(t testing.TB, device string, change func(*netlink.Handle, netlink.Link) error) {
	t.Helper()
	h := n.open(t)
	defer h.Close()
	link, err := h.LinkByName(device)
	if err == nil {
		err = change(h, link)
	}
	if err != nil {
		t.Fatalf("change device %s: %v", device, err)
	}
}

func (n *Namespace) open(t testing.TB) *netlink.Handle {
	t.Helper()
	h, err := netlink.NewHandleAt(n.handle)
	if err != nil {
		t.Fatalf("open netlink: %v", err)
	}
	return h
}
