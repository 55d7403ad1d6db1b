package stopwatch

import (
	"fmt"
	"net/netip"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Config is what a Conn is made of. Only Local is required.
type Config struct {
	// Local is the address and port to listen on. Its family is the socket's:
	// 0.0.0.0 is every address of IPv4, :: every one of IPv6. Port 0 lets the
	// system choose.
	Local netip.AddrPort
	DSCP  int // of the packets sent, 0 to 63
	TTL   int // or hop limit of the packets sent, 1 to 255; 0 is the system's default

	PayloadBytes int // longest payload that is received; 0 is 9216, a jumbo frame
	Batch        int // most packets that are received by one system call; 0 is 32
	BufferBytes  int // of the socket's receive buffer; 0 is 4 MiB

	// Thread makes Wait hold the thread that calls it, for a goroutine with a
	// thread of its own (OwnThread). Other systems than Linux do without.
	Thread bool

	// User asks for moments of the process even where the kernel's can be had.
	User bool
}

const (
	defaultPayloadBytes = 9216
	defaultBatch        = 32
	// A burst of 2 000 replies of 44 bytes takes 1.5 MiB of socket memory.
	defaultBufferBytes = 4 << 20
)

func (c *Config) check() error {
	switch {
	case !c.Local.Addr().IsValid():
		return fmt.Errorf("listen: no local address is given; use 0.0.0.0 or :: for every one")
	case c.DSCP < 0 || c.DSCP > 63:
		return fmt.Errorf("listen on %v: DSCP %d is not within 0 to 63", c.Local, c.DSCP)
	case c.TTL < 0 || c.TTL > 255:
		return fmt.Errorf("listen on %v: TTL %d is not within 1 to 255", c.Local, c.TTL)
	}
	c.Local = netip.AddrPortFrom(c.Local.Addr().Unmap(), c.Local.Port())
	for _, size := range []struct {
		of       *int
		standard int
	}{{&c.PayloadBytes, defaultPayloadBytes}, {&c.Batch, defaultBatch}, {&c.BufferBytes, defaultBufferBytes}} {
		if *size.of <= 0 {
			*size.of = size.standard
		}
	}
	return nil
}

// network is the name of the socket's family to package net.
func (c *Config) network() string {
	if c.Local.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}

// Message is a packet received.
type Message struct {
	From netip.AddrPort
	To   netip.Addr // the address that it was sent to; invalid where the system does not tell
	TTL  int        // or hop limit as it came; -1 where the system does not tell
	TOS  int        // or traffic class as it came, DSCP in its upper six bits; -1 where the system does not tell
	// At is when it came, in Unix ns. Where Source is empty there is no moment
	// to trust: the socket's source is the kernel, which gave none for this one.
	At      int64
	Source  wire.Timestamps
	Payload []byte // valid until the next Receive or Wait
}

// SendStamp is the kernel's moment of a packet sent.
type SendStamp struct {
	ID     uint32 // as Send gave it
	At     int64  // Unix ns
	Source wire.Timestamps
}

// Way is what can differ from packet to packet on one Conn.
type Way struct {
	From netip.Addr // address of this host to send from; invalid leaves it to the system
	TOS  int        // or traffic class; negative is that of the Conn
	// Stamped asks for the moment of sending, which Sent then gives.
	Stamped bool
}
