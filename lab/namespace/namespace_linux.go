package namespace

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// MTU is that of the device in every namespace: the longest IP packet that a
// test can ask for.
const MTU = 9000

const device = "tun0"

// Namespace is one network namespace with its device.
type Namespace struct {
	ns  *os.File
	tun int
}

// Open makes a namespace for a site with the given address.
func Open(addr netip.Addr) (*Namespace, error) {
	n := &Namespace{tun: -1}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		var err error
		if n.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return fmt.Errorf("open the network namespace: %w", err)
		}
		return n.furnish(addr)
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// onThread runs f on a thread of its own, which ends with it: whatever
// namespace f enters, no other goroutine finds itself there.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the runtime ends the thread
		done <- f()
	}()
	return <-done
}

func (n *Namespace) furnish(addr netip.Addr) error {
	for _, s := range settings(os.Getgid()) {
		if err := os.WriteFile("/proc/sys/net/"+s.name, []byte(s.value), 0); err != nil && !(s.optional && errors.Is(err, os.ErrNotExist)) {
			return fmt.Errorf("set net.%s in the namespace: %w", strings.ReplaceAll(s.name, "/", "."), err)
		}
	}
	var err error
	if n.tun, err = openTUN(); err != nil {
		return err
	}
	return address(addr)
}

type setting struct {
	name, value string
	optional    bool // older kernels have it once for all namespaces, or not at all
}

// settings are the sysctls of a namespace. ICMP rate limits would look like
// loss; addresses and routes come from the lab alone; and a probe may open a
// datagram ICMP socket whatever its group, as far as the group is mapped here.
func settings(gid int) []setting {
	groups := "0 2147483647"
	if mapped, err := os.ReadFile("/proc/self/gid_map"); err == nil {
		if f := strings.Fields(string(mapped)); len(f) == 3 && f[2] != "4294967295" {
			groups = fmt.Sprintf("%d %d", gid, gid)
		}
	}
	return []setting{
		{"ipv4/ping_group_range", groups, false},
		{"ipv4/icmp_ratelimit", "0", false},
		{"ipv4/icmp_msgs_per_sec", "2147483647", true},
		{"ipv4/icmp_msgs_burst", "2147483647", true},
		{"ipv6/icmp/ratelimit", "0", true},
		{"ipv6/conf/all/disable_ipv6", "0", true},
		{"ipv6/conf/default/accept_dad", "0", true},
		{"ipv6/conf/default/accept_ra", "0", true},
		{"ipv6/conf/default/router_solicitations", "0", true},
		{"ipv6/conf/default/addr_gen_mode", "1", true},
		{"ipv4/conf/default/rp_filter", "0", false},
	}
}

// openTUN makes the device in the calling thread's namespace. The descriptor
// gives and takes whole IP packets, without blocking.
func openTUN() (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(device)
	if err == nil {
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("make a TUN device: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// address gives the device of the calling thread's namespace its address and
// sends everything else into it.
func address(addr netip.Addr) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	tun, err := h.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find the TUN device: %w", err)
	}
	own := &netlink.Addr{IPNet: netlink.NewIPNet(addr.AsSlice())}
	family, all := netlink.FAMILY_V4, "0.0.0.0/0"
	if addr.Is6() {
		own.Flags = unix.IFA_F_NODAD
		family, all = netlink.FAMILY_V6, "::/0"
	}
	everything, err := netlink.ParseIPNet(all)
	if err != nil {
		return fmt.Errorf("parse the default route: %w", err)
	}
	route := &netlink.Route{LinkIndex: tun.Attrs().Index, Dst: everything, Family: family, Scope: unix.RT_SCOPE_UNIVERSE}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"bring the loopback device up", func() error { return h.LinkSetUp(lo) }},
		{"set the MTU", func() error { return h.LinkSetMTU(tun, MTU) }},
		{"give the device the address " + addr.String(), func() error { return h.AddrAdd(tun, own) }},
		{"bring the TUN device up", func() error { return h.LinkSetUp(tun) }},
		{"add the default route", func() error { return h.RouteAdd(route) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// TUN is the descriptor of the device: non-blocking, a whole IP packet a call.
// It stays the namespace's.
func (n *Namespace) TUN() int { return n.tun }

// Close lets the namespace go; it ends with the last process in it.
func (n *Namespace) Close() error {
	var errs []error
	if n.tun >= 0 {
		errs = append(errs, unix.Close(n.tun))
		n.tun = -1
	}
	if n.ns != nil {
		errs = append(errs, n.ns.Close())
		n.ns = nil
	}
	return errors.Join(errs...)
}
