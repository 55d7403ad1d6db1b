package stopwatch

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Verification tries so often, and waits so long for each packet: the kernel
// begins to stamp a little after it was asked to.
const (
	verifyTries = 10
	verifyWait  = 20 * time.Millisecond
)

// verify finds out whether the kernel gives both moments of a packet, on a
// socket of its own that is like the one of config and sends to itself. That
// the interface of another packet gives its moment of sending is for the
// sender to find out by its first one.
func verify(config Config) error {
	config.Local = netip.AddrPortFrom(config.Local.Addr(), 0)
	config.PayloadBytes, config.Batch, config.BufferBytes = 64, 4, 1<<16
	c, err := open(config)
	if err != nil {
		return err
	}
	defer c.Close()
	to := c.Local()
	if to.Addr().IsUnspecified() {
		loopback := netip.IPv6Loopback()
		if c.is4 {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		to = netip.AddrPortFrom(loopback, to.Port())
	}
	for range verifyTries {
		if err = c.stampsItself(to); err == nil {
			return nil
		}
	}
	return err
}

// stampsItself sends a packet to itself and looks for its moments.
func (c *Conn) stampsItself(to netip.AddrPort) error {
	id, at, err := c.Send(to, []byte("does the kernel stamp this?"))
	if err != nil {
		return err
	}
	deadline := time.Now().Add(verifyWait)
	var messages [4]Message
	var stamps [4]SendStamp
	came, left := int64(0), int64(0)
	for (came == 0 || left == 0) && time.Now().Before(deadline) {
		if _, err := c.Wait(deadline); err != nil {
			return err
		}
		sent, err := c.Sent(stamps[:])
		if err != nil {
			return err
		}
		for _, s := range stamps[:sent] {
			if s.ID == id {
				left = s.At
			}
		}
		received, err := c.Receive(messages[:])
		if err != nil {
			return err
		}
		for _, m := range messages[:received] {
			came = m.At
		}
	}
	switch {
	case left == 0 && came == 0:
		return errors.New("the kernel gave no moment for a packet that the socket sent to itself")
	case left == 0:
		return errors.New("the kernel gave no moment of sending for a packet that the socket sent to itself")
	case came == 0:
		return errors.New("the kernel gave no moment of receiving for a packet that the socket sent to itself")
	}
	// Between two readings of the same clock, unless somebody sets it now.
	if now := time.Now().UnixNano(); left < at || came < left || now < came {
		return fmt.Errorf("the kernel's moments are not between those of the process: sent at %d to %d and received to %d, by the kernel %d and %d", at, now, now, left, came)
	}
	return nil
}
