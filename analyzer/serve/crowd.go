package serve

import (
	"net"
	"net/netip"
	"sync"
)

// Connections at once: of all, and of one address that is not this machine.
// A stranger's lasts readTimeout at most, so these are seldom met by others.
const (
	maxConnections       = 1024
	maxConnectionsOfEach = 64
)

// crowd is a listener that closes connections beyond a number at once. Each
// takes some ten kilobytes before anybody has said who they are.
type crowd struct {
	net.Listener
	all, each int
	refused   func()

	mu    sync.Mutex // protects all following fields
	open  int
	ofOne map[netip.Prefix]int
}

func newCrowd(l net.Listener, all, each int, refused func()) *crowd {
	return &crowd{Listener: l, all: all, each: each, refused: refused, ofOne: map[netip.Prefix]int{}}
}

// Accept gives the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(conn.RemoteAddr().String())
		if c.enter(address) {
			return &visitor{Conn: conn, leave: sync.OnceFunc(func() { c.leave(address) })}, nil
		}
		c.refused()
		_ = conn.Close() // nothing was written
	}
}

func (c *crowd) enter(address netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.all || c.ofOne[address] >= c.each && !address.Addr().IsLoopback() {
		return false
	}
	c.open++
	c.ofOne[address]++
	return true
}

func (c *crowd) leave(address netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.ofOne[address]--; c.ofOne[address] == 0 {
		delete(c.ofOne, address)
	}
}

type visitor struct {
	net.Conn
	leave func()
}

func (v *visitor) Close() error {
	v.leave()
	return v.Conn.Close()
}
