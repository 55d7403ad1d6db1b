//go:build !linux

package stopwatch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Conn is a UDP socket whose moments are those of the process: this system
// gives no others. TTL and the address asked are there where package
// golang.org/x/net can have them; TOS is not.
type Conn struct {
	config    Config
	socket    *net.UDPConn
	packets4  *ipv4.PacketConn // of the same socket, one of the two
	packets6  *ipv6.PacketConn
	messages  chan Message
	wake      chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
	overflows atomic.Uint64
	next      *Message // read by Wait, not handed out
	reason    atomic.Pointer[string]

	mu sync.Mutex // protects all following fields
	id uint32
}

// held is how many packets wait for Receive.
const held = 4096

// Listen opens a socket.
func Listen(config Config) (*Conn, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP(config.network(), net.UDPAddrFromAddrPort(config.Local))
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", config.Local, err)
	}
	_ = socket.SetReadBuffer(config.BufferBytes) // as far as the system's limit allows
	c := &Conn{
		config: config, socket: socket,
		messages: make(chan Message, held), wake: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	c.UseUser("this system gives no moments of the kernel here")
	if err := c.setOptions(); err != nil {
		socket.Close()
		return nil, fmt.Errorf("listen on %v: %w", config.Local, err)
	}
	go c.receive()
	return c, nil
}

// setOptions sets what was asked for; what only tells more of what comes in
// is left out where the system has it not.
func (c *Conn) setOptions() error {
	tos := c.config.DSCP << 2
	if c.config.Local.Addr().Is4() {
		c.packets4 = ipv4.NewPacketConn(c.socket)
		_ = c.packets4.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst, true)
		if tos > 0 {
			if err := c.packets4.SetTOS(tos); err != nil {
				return fmt.Errorf("DSCP %d: %w", c.config.DSCP, err)
			}
		}
		if c.config.TTL > 0 {
			return c.packets4.SetTTL(c.config.TTL)
		}
		return nil
	}
	c.packets6 = ipv6.NewPacketConn(c.socket)
	_ = c.packets6.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true)
	if tos > 0 {
		if err := c.packets6.SetTrafficClass(tos); err != nil {
			return fmt.Errorf("DSCP %d: %w", c.config.DSCP, err)
		}
	}
	if c.config.TTL > 0 {
		return c.packets6.SetHopLimit(c.config.TTL)
	}
	return nil
}

// receive reads until the socket is closed. An error of one packet, such as
// that its answer to an earlier one was refused, is not the socket's end.
func (c *Conn) receive() {
	buffer := make([]byte, c.config.PayloadBytes+1)
	for {
		m, n, err := c.read(buffer)
		at := time.Now().UnixNano()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			select {
			case <-c.closed:
				return
			case <-time.After(time.Millisecond):
			}
			continue
		case n > c.config.PayloadBytes:
			c.overflows.Add(1)
			continue
		}
		m.At, m.Source, m.Payload = at, wire.TimestampsUser, append([]byte(nil), buffer[:n]...)
		select {
		case c.messages <- m:
		default:
			c.overflows.Add(1)
		}
	}
}

func (c *Conn) read(buffer []byte) (Message, int, error) {
	m := Message{TTL: -1, TOS: -1}
	var n int
	var from net.Addr
	var to net.IP
	var err error
	if c.packets4 != nil {
		var control *ipv4.ControlMessage
		if n, control, from, err = c.packets4.ReadFrom(buffer); control != nil {
			m.TTL, to = control.TTL, control.Dst
		}
	} else {
		var control *ipv6.ControlMessage
		if n, control, from, err = c.packets6.ReadFrom(buffer); control != nil {
			m.TTL, to = control.HopLimit, control.Dst
		}
	}
	if address, ok := from.(*net.UDPAddr); ok {
		m.From = address.AddrPort()
		// An interface that is gone meanwhile keeps its name, and is nobody's.
		numbered, _ := Numbered(m.From.Addr().Unmap())
		m.From = netip.AddrPortFrom(numbered, m.From.Port())
	}
	if address, ok := netip.AddrFromSlice(to); ok {
		m.To = address.Unmap()
	}
	return m, n, err
}

// Source says where the moments of this Conn come from: the process.
func (c *Conn) Source() wire.Timestamps { return wire.TimestampsUser }

// Reason says why the source is not the kernel.
func (c *Conn) Reason() string { return *c.reason.Load() }

// Verify tells that there is nothing to look for.
func (c *Conn) Verify() error { return nil }

// UseUser changes nothing here but the reason.
func (c *Conn) UseUser(reason string) { c.reason.Store(&reason) }

// Local is the address and port of the socket.
func (c *Conn) Local() netip.AddrPort {
	local := c.socket.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
}

// Wait waits until a packet can be received, the deadline has passed, or Wake
// was called. The zero deadline is none. It is true if there is a packet, and
// fails with net.ErrClosed once the Conn is closed.
func (c *Conn) Wait(deadline time.Time) (bool, error) {
	if c.next != nil {
		return true, nil
	}
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case m := <-c.messages:
		c.next = &m
		return true, nil
	case <-late:
	case <-c.wake:
	case <-c.closed:
		return false, net.ErrClosed
	}
	return false, nil
}

// Wake makes the Wait that is under way, or else the next one, return.
func (c *Conn) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Receive gives packets that have come, and never waits: 0 is none. It fails
// with net.ErrClosed once the Conn is closed.
func (c *Conn) Receive(ms []Message) (n int, err error) {
	if c.next != nil && len(ms) > 0 {
		ms[0], c.next = *c.next, nil
		n = 1
	}
	for ; n < len(ms); n++ {
		select {
		case ms[n] = <-c.messages:
			continue
		default:
		}
		select {
		case <-c.closed:
			if n == 0 {
				return 0, net.ErrClosed
			}
		default:
		}
		return n, nil
	}
	return n, nil
}

// Send sends a packet. at is the moment before the system call. An error means
// that the packet was not sent; the Conn goes on working.
func (c *Conn) Send(to netip.AddrPort, payload []byte) (id uint32, at int64, err error) {
	return c.SendBy(Way{TOS: -1}, to, payload)
}

// SendBy is Send. Its way is heeded as far as the address to send from; no
// system here takes another TOS for one packet.
func (c *Conn) SendBy(way Way, to netip.AddrPort, payload []byte) (id uint32, at int64, err error) {
	if to.Addr().Is4() != c.config.Local.Addr().Is4() {
		return 0, 0, fmt.Errorf("send to %v: the socket on %v is of the other family", to, c.config.Local)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	address := net.UDPAddrFromAddrPort(to)
	at = time.Now().UnixNano()
	switch {
	case !way.From.IsValid():
		_, err = c.socket.WriteToUDPAddrPort(payload, to)
	case c.packets4 != nil:
		_, err = c.packets4.WriteTo(payload, &ipv4.ControlMessage{Src: way.From.AsSlice()}, address)
	default:
		_, err = c.packets6.WriteTo(payload, &ipv6.ControlMessage{Src: way.From.AsSlice()}, address)
	}
	if err != nil {
		return 0, at, fmt.Errorf("send to %v: %w", to, err)
	}
	c.id++
	return c.id - 1, at, nil
}

// Sent gives none: the moments of sending are those that Send gave.
func (c *Conn) Sent([]SendStamp) (int, error) { return 0, nil }

// Overflows counts the packets that were dropped since the socket was opened,
// because nobody received them in time or they were longer than
// Config.PayloadBytes. What the system itself drops is not told.
func (c *Conn) Overflows() uint64 { return c.overflows.Load() }

// Close closes the socket; a Wait under way fails with net.ErrClosed.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.socket.Close()
}
