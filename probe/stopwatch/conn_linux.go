package stopwatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Conn is a UDP socket that tells when each of its packets left and came. One
// goroutine may receive (Wait, Receive) while others send and ask for stamps
// (Send, SendBy, Sent); Wake, Overflows, UseUser, Verify and Close may be called
// by any.
type Conn struct {
	config Config
	socket *net.UDPConn // holds the descriptor, and closes it
	raw    syscall.RawConn
	is4    bool
	source atomic.Pointer[origin]
	waiter *waiter // nil: Wait leaves its thread to others

	woken    atomic.Bool
	deadline time.Time // that is set on the socket
	incoming queue
	arrived  int64         // when incoming was read, by the process; Unix ns
	waited   uint64        // memory in bytes of what was received since nothing was waiting
	longest  atomic.Uint64 // the most of it since Overflows was called
	drops    atomic.Uint32 // by the kernel's count
	dropped  atomic.Uint64 // packets, when the kernel was asked the last time
	filters  atomic.Bool   // Only is in force
	refused  atomic.Uint64 // packets that the filter dropped, when the kernel was asked the last time

	mu       sync.Mutex // protects all following fields
	outgoing *outgoing
	stamps   queue
	ids      ids
	found    []SendStamp // read before Sent asked for them
}

// origin is where moments come from, and why it is not the kernel.
type origin struct {
	source wire.Timestamps
	reason string
	again  bool // it may be the kernel another time
}

// past is a deadline that has passed, and no zero time.
var past = time.Unix(1, 0)

// Listen opens a socket. Its source is the kernel if a packet sent to itself
// shows that the kernel gives both moments, else the process.
func Listen(config Config) (*Conn, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	c, err := open(config)
	if err != nil {
		return nil, err
	}
	if config.User {
		c.UseUser("it was asked for")
	} else if err := verify(config); err != nil {
		c.source.Store(&origin{source: wire.TimestampsUser, reason: err.Error(), again: true})
	}
	return c, nil
}

// Verify looks once more for the kernel's moments where a Conn did not see them
// when it was opened: the host may have been too busy. It takes up to a fifth
// of a second, and any goroutine may call it. From the next packet on the
// kernel is the source if it is nil.
func (c *Conn) Verify() error {
	before := c.source.Load()
	if !before.again {
		return nil // seen already, or given up for good
	}
	err := verify(c.config)
	if err == nil {
		c.source.CompareAndSwap(before, &origin{source: wire.TimestampsKernel})
	}
	return err
}

// open opens a socket that asks for the kernel's moments but has not seen any.
func open(config Config) (*Conn, error) {
	c := &Conn{config: config, is4: config.Local.Addr().Is4()}
	c.source.Store(&origin{source: wire.TimestampsKernel})
	listener := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = c.setOptions(int(fd)) }); err != nil {
			return err
		}
		return failed
	}}
	socket, err := listener.ListenPacket(context.Background(), config.network(), config.Local.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", config.Local, hint(err))
	}
	c.socket = socket.(*net.UDPConn)
	if c.raw, err = c.socket.SyscallConn(); err != nil {
		c.socket.Close()
		return nil, fmt.Errorf("listen on %v: %w", config.Local, err)
	}
	c.incoming.init(newBatch(config.Batch, config.PayloadBytes, controlBytes), 0)
	c.stamps.init(newBatch(config.Batch, 0, controlBytes), unix.MSG_ERRQUEUE)
	c.outgoing = newOutgoing()
	if config.Thread {
		if c.waiter, err = newWaiter(); err != nil {
			c.socket.Close()
			return nil, fmt.Errorf("listen on %v: %w", config.Local, err)
		}
	}
	return c, nil
}

func hint(err error) error {
	// What package net puts around it names the address a second time.
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call
	}
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w; a port below 1024 needs CAP_NET_BIND_SERVICE", err)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w; another program listens there", err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w; the address is not one of this host", err)
	}
	return err
}

// receiving are the moments that the socket reports of what it receives, and
// how it reports those of sending, which each packet asks for by itself.
const receiving = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_TSONLY

func (c *Conn) setOptions(fd int) error {
	tos := c.config.DSCP << 2
	level := unix.IPPROTO_IP
	options := [][2]int{{unix.IP_TOS, tos}, {unix.IP_RECVTTL, 1}, {unix.IP_RECVTOS, 1}, {unix.IP_PKTINFO, 1}}
	ttl := unix.IP_TTL
	if !c.is4 {
		level, ttl = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
		options = [][2]int{{unix.IPV6_TCLASS, tos}, {unix.IPV6_RECVHOPLIMIT, 1}, {unix.IPV6_RECVTCLASS, 1}, {unix.IPV6_RECVPKTINFO, 1}}
	}
	if c.config.TTL > 0 {
		options = append(options, [2]int{ttl, c.config.TTL})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, level, o[0], o[1]); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	// The one that goes beyond the system's limit needs CAP_NET_ADMIN; without
	// it the buffer is what the limit allows.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, c.config.BufferBytes) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.config.BufferBytes)
	}
	if !c.config.User {
		// A kernel that refuses is found out by verify.
		_ = restartNumbers(fd)
	}
	return nil
}

// restartNumbers makes the kernel number packets from 0 again, without a
// moment in which it would not stamp what comes in.
func restartNumbers(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, receiving); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, receiving|unix.SOF_TIMESTAMPING_OPT_ID)
}

// Source says where the moments of this Conn come from: the kernel or the
// process.
func (c *Conn) Source() wire.Timestamps { return c.source.Load().source }

// Reason says why the source is not the kernel; empty if it is.
func (c *Conn) Reason() string { return c.source.Load().reason }

// UseUser makes the process the source from now on: for a caller that finds
// that the interface its packets leave by gives no moments. Sent then gives
// none, and the moment of Send counts. reason is kept for people.
func (c *Conn) UseUser(reason string) {
	c.source.Store(&origin{source: wire.TimestampsUser, reason: reason})
}

// Local is the address and port of the socket.
func (c *Conn) Local() netip.AddrPort {
	local := c.socket.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
}

// Wait waits until a packet can be received, the deadline has passed, or Wake
// was called; a deadline that has passed already ends it at once, whatever has
// come. The zero deadline is none. It is true if there is a packet, and fails
// with net.ErrClosed once the Conn is closed.
func (c *Conn) Wait(deadline time.Time) (bool, error) {
	if c.incoming.left() > 0 {
		return true, nil
	}
	if c.waiter != nil {
		return c.waitOnThread(deadline)
	}
	if !deadline.Equal(c.deadline) {
		if err := c.socket.SetReadDeadline(deadline); err != nil {
			return false, plainClosed(err)
		}
		c.deadline = deadline
	}
	// After the deadline is set, because Wake sets one in the past.
	if c.woken.Load() {
		c.wokenUp()
		return false, nil
	}
	err := c.raw.Read(c.incoming.readSome)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.wokenUp()
		return false, nil
	case err != nil:
		return false, plainClosed(err)
	case c.incoming.failed != nil:
		return false, fmt.Errorf("receive on %v: %w", c.config.Local, c.incoming.failed)
	}
	c.came()
	return true, nil
}

// wokenUp notes that a Wait returned early, so that the next one sets its
// deadline afresh.
func (c *Conn) wokenUp() {
	c.woken.Store(false)
	c.deadline = past
}

// Wake makes the Wait that is under way, or else the next one, return.
func (c *Conn) Wake() {
	c.woken.Store(true)
	if c.waiter != nil {
		c.waiter.wake()
		return
	}
	_ = c.socket.SetReadDeadline(past)
}

// came takes the process's moment of the packets just read, if it counts.
func (c *Conn) came() {
	c.arrived = 0
	if c.Source() == wire.TimestampsUser {
		c.arrived = time.Now().UnixNano()
	}
}

// Receive gives packets that have come, and never waits: 0 is none. It fails
// with net.ErrClosed once the Conn is closed.
func (c *Conn) Receive(ms []Message) (n int, err error) {
	for n == 0 && len(ms) > 0 {
		if c.incoming.left() == 0 {
			if err := c.incoming.fill(c.raw); err != nil {
				return 0, fmt.Errorf("receive on %v: %w", c.config.Local, err)
			}
			if c.incoming.left() == 0 {
				c.waited = 0
				return 0, nil
			}
			c.came()
		}
		for n < len(ms) && c.incoming.left() > 0 {
			if c.take(c.incoming.next(), &ms[n]) {
				n++
			}
		}
	}
	return n, nil
}

// take makes a Message of packet i; false if it was cut.
func (c *Conn) take(i int, m *Message) bool {
	in := c.incoming.batch
	// A small packet takes some 768 bytes of the socket's memory.
	c.waited += 768 + uint64(len(in.payload(i)))
	c.longest.Store(max(c.longest.Load(), c.waited))
	if in.truncated(i) {
		return false // longer than anything that is waited for
	}
	*m = Message{TTL: -1, TOS: -1, From: addressOf(in.address(i)), Payload: in.payload(i)}
	m.readControl(in.control(i))
	switch {
	case c.Source() == wire.TimestampsUser:
		if c.arrived == 0 { // it was read before UseUser was called
			c.arrived = time.Now().UnixNano()
		}
		m.At, m.Source = c.arrived, wire.TimestampsUser
	case m.At != 0:
		m.Source = wire.TimestampsKernel
	}
	return true
}

// Send sends a packet and asks for its moment of sending. at is the process's
// own, before the system call. An error means that the packet was not sent;
// the Conn goes on working.
func (c *Conn) Send(to netip.AddrPort, payload []byte) (id uint32, at int64, err error) {
	return c.SendBy(Way{TOS: -1, Stamped: true}, to, payload)
}

// SendBy is Send for a packet with a way of its own. Without a stamp asked, id
// means nothing.
func (c *Conn) SendBy(way Way, to netip.AddrPort, payload []byte) (id uint32, at int64, err error) {
	if to.Addr().Is4() != c.is4 {
		return 0, 0, fmt.Errorf("send to %v: the socket on %v is of the other family", to, c.config.Local)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	stamped := way.Stamped && c.Source() == wire.TimestampsKernel
	if way.TOS == c.config.DSCP<<2 {
		way.TOS = -1 // it is the socket's, and costs less said once
	}
	c.outgoing.prepare(way, stamped, to, c.is4, payload)
	at = time.Now().UnixNano()
	if err := c.outgoing.send(c.raw); err != nil {
		if stamped {
			c.renumber(at)
		}
		return 0, at, fmt.Errorf("send to %v: %w", to, err)
	}
	if stamped {
		id = c.ids.sent(at)
	}
	return id, at, nil
}

// renumber makes sure which number the next packet has, after one was refused.
func (c *Conn) renumber(at int64) {
	// What has been numbered the old way is read the old way.
	for len(c.found) < remembered {
		s, ok, err := c.stamp()
		if err != nil || !ok {
			break
		}
		c.found = append(c.found, s)
	}
	var failed error
	if c.raw.Control(func(fd uintptr) { failed = restartNumbers(int(fd)) }) != nil {
		return // closed: there is no next packet
	}
	if failed != nil {
		c.UseUser(fmt.Sprintf("after a send error the kernel would not number packets again: %v", failed))
	}
	c.ids.restart(at)
}

// Sent gives moments of sending that the kernel has told since the last time,
// and never waits: 0 is none. Ask before Receive, so that the moment of a
// packet is there before its reply. Each is told once; some may never be. It
// fails with net.ErrClosed once the Conn is closed.
func (c *Conn) Sent(s []SendStamp) (n int, err error) {
	if c.Source() == wire.TimestampsUser {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n = copy(s, c.found)
	c.found = c.found[:copy(c.found, c.found[n:])]
	for ; n < len(s); n++ {
		stamp, ok, err := c.stamp()
		if err != nil {
			return n, fmt.Errorf("read moments of sending on %v: %w", c.config.Local, err)
		}
		if !ok {
			break
		}
		s[n] = stamp
	}
	return n, nil
}

// stamp reads the next moment of sending whose packet is known; false if none
// is there.
func (c *Conn) stamp() (SendStamp, bool, error) {
	for {
		if c.stamps.left() == 0 {
			if err := c.stamps.fill(c.raw); err != nil || c.stamps.left() == 0 {
				return SendStamp{}, false, err
			}
		}
		number, at, ok := stampOf(c.stamps.batch.control(c.stamps.next()))
		if !ok {
			continue
		}
		if id, ok := c.ids.find(number, at); ok {
			return SendStamp{ID: id, At: at, Source: wire.TimestampsKernel}, true, nil
		}
	}
}

// Overflows counts the packets that the socket had to drop since it was
// opened, because nobody received them in time. The kernel counts with them what
// it drops for a wrong checksum, which anybody may send; so its drops are
// believed only if much was waiting to be received since the last call.
func (c *Conn) Overflows() uint64 {
	c.countDrops()
	return c.dropped.Load()
}

// countDrops adds what the kernel has dropped since it was last asked.
func (c *Conn) countDrops() {
	var info [9]uint32
	const buffer, drops = 1, 8 // SK_MEMINFO_RCVBUF, SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_ = c.raw.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return
		}
		const part = 4 // of the buffer
		more := uint64(info[drops] - c.drops.Swap(info[drops]))
		switch longest := c.longest.Swap(0); {
		case longest >= uint64(info[buffer])/part:
			c.dropped.Add(more)
		case c.filters.Load():
			c.refused.Add(more)
		}
	})
}

// Close closes the socket; a Wait under way fails with net.ErrClosed.
func (c *Conn) Close() error {
	c.countDrops() // nobody can be asked afterwards
	if c.waiter != nil {
		// The socket is not closed while a thread waits on it.
		c.waiter.over.Store(true)
		c.waiter.wake()
	}
	return c.socket.Close()
}

// plainClosed makes one error of the ways in which package net says that a
// socket is closed.
func plainClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return err
}
