package api

import (
	"container/list"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/collector/metrics"
)

// connections keeps idle and slow clients from using up what the process may
// open. Above the limit a new connection takes the place of one that has waited
// longest without a request in hand: of its own address where that holds more
// than its share, else of any. So who sends nothing, or headers a byte at a time,
// is cut off when others come, and who has a request in hand never is.
type connections struct {
	most    int // of all
	share   int // of one address that is not of this machine
	metrics *metrics.Metrics

	mu    sync.Mutex // protects all following fields
	all   map[net.Conn]*connection
	held  map[netip.Addr]*holder
	queue *list.List // of *connection that wait, longest first
}

// holder is what one address has.
type holder struct {
	open  int
	queue *list.List // of *connection that wait, longest first
}

type connection struct {
	net.Conn
	address  netip.Addr // of a network; the zero one is this machine
	requests int        // in hand
	began    bool       // something came that is no whole request yet
	any, own *list.Element
}

func newConnections(limits Limits, m *metrics.Metrics) *connections {
	return &connections{
		most: limits.Connections, share: max(1, limits.Connections/4), metrics: m,
		all: map[net.Conn]*connection{}, held: map[netip.Addr]*holder{}, queue: list.New(),
	}
}

// network is who a connection is counted for. One client has a whole /64 of
// IPv6. Those of this machine are not told apart: tunnels end here.
func network(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	address, ok := netip.AddrFromSlice(tcp.IP)
	if address = address.Unmap(); !ok || address.IsLoopback() {
		return netip.Addr{}
	}
	if address.Is6() {
		prefix, _ := address.Prefix(64)
		return prefix.Addr()
	}
	return address
}

// state follows a connection (http.Server.ConnState).
func (c *connections) state(conn net.Conn, now http.ConnState) {
	switch now {
	case http.StateNew:
		c.open(conn)
	case http.StateActive:
		c.mu.Lock()
		if one := c.all[conn]; one != nil {
			one.began = true
		}
		c.mu.Unlock()
	case http.StateClosed, http.StateHijacked:
		c.close(conn)
	}
}

func (c *connections) open(conn net.Conn) {
	one := &connection{Conn: conn, address: network(conn.RemoteAddr())}
	c.mu.Lock()
	h := c.held[one.address]
	if h == nil {
		h = &holder{queue: list.New()}
		c.held[one.address] = h
	}
	var displaced *connection
	switch {
	case one.address.IsValid() && h.open >= c.share:
		displaced = c.longest(h.queue)
	case len(c.all) >= c.most:
		displaced = c.longest(c.queue)
	}
	if displaced == nil && len(c.all) >= c.most {
		displaced = one // all others have a request in hand
	}
	c.all[conn] = one
	h.open++
	c.wait(one)
	if displaced != nil {
		c.forget(displaced)
	}
	c.metrics.Connections(len(c.all))
	c.mu.Unlock()
	if displaced != nil {
		c.metrics.ConnectionEnded(metrics.EndDisplaced)
		cutOff(displaced.Conn)
	}
}

// cutOff closes without a word of TLS, for which a client could keep us waiting.
func cutOff(conn net.Conn) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	_ = conn.Close()
}

func (c *connections) longest(queue *list.List) *connection {
	if first := queue.Front(); first != nil {
		return first.Value.(*connection)
	}
	return nil
}

// wait puts a connection at the end of those that wait. The caller holds mu.
func (c *connections) wait(one *connection) {
	one.any, one.own = c.queue.PushBack(one), c.held[one.address].queue.PushBack(one)
}

// work takes a connection out of those that wait. The caller holds mu.
func (c *connections) work(one *connection) {
	if one.any != nil {
		c.queue.Remove(one.any)
		c.held[one.address].queue.Remove(one.own)
		one.any, one.own = nil, nil
	}
}

// forget takes a connection out of everything. The caller holds mu.
func (c *connections) forget(one *connection) {
	if c.all[one.Conn] != one {
		return
	}
	c.work(one)
	delete(c.all, one.Conn)
	h := c.held[one.address]
	if h.open--; h.open == 0 {
		delete(c.held, one.address)
	}
}

func (c *connections) close(conn net.Conn) {
	c.mu.Lock()
	one := c.all[conn]
	if one != nil {
		c.forget(one)
		c.metrics.Connections(len(c.all))
	}
	c.mu.Unlock()
	if one != nil && one.began && one.requests == 0 {
		c.metrics.ConnectionEnded(metrics.EndNoRequest)
	}
}

// connectionKey is where the context of a request has its connection.
type connectionKey struct{}

// context lets a request find its connection (http.Server.ConnContext).
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// handler notes which connections have a request in hand.
func (c *connections) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connectionKey{}).(net.Conn)
		c.mu.Lock()
		one := c.all[conn]
		if one != nil {
			one.requests++
			one.began = false
			c.work(one)
		}
		c.mu.Unlock()
		if one != nil {
			defer func() {
				c.mu.Lock()
				defer c.mu.Unlock()
				if one.requests--; one.requests == 0 && c.all[conn] == one {
					c.wait(one)
				}
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// descriptorsBeside are for what a collector opens besides connections: files of
// the store, connections to it, the mesh.
const descriptorsBeside = 128

// withinDescriptors gives how many connections the process may have open, at
// most the number wanted. The limit is the hard one: the Go runtime has raised
// the soft one to it.
func withinDescriptors(wanted int, log *slog.Logger) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		log.Warn("the limit of open files is not known", "error", err)
		return wanted
	}
	if limit.Cur >= uint64(wanted)+descriptorsBeside {
		return wanted
	}
	most := max(int(limit.Cur)-descriptorsBeside, int(limit.Cur)/2, 1)
	log.Warn("the limit of open files allows fewer connections than wanted; raise it (LimitNOFILE= of systemd, ulimit -n)",
		"open_files", limit.Cur, "connections", most, "wanted", wanted)
	return most
}
