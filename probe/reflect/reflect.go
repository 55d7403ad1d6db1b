package reflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Key is the secret that authenticates the requests of sources in a prefix.
// Where several hold a source, the longest counts. A source that has one is
// answered only if its packets are authenticated.
type Key struct {
	Prefix netip.Prefix
	Secret []byte
}

// Format is how replies tell time.
type Format uint8

// Formats of replies.
const (
	FormatAsAsked Format = iota // like the request
	FormatNTP
	FormatPTP
)

func (f Format) of(request stamp.ErrorEstimate) stamp.Format {
	switch f {
	case FormatNTP:
		return stamp.NTP
	case FormatPTP:
		return stamp.PTP
	}
	return request.Format()
}

// Config is what a Reflector is made of. Listen, Clock and Log are required;
// zero is the default of the rest.
type Config struct {
	Listen []netip.AddrPort // one socket each
	Keys   []Key
	Format Format

	// Rate is how many packets a second, and how many at once, are taken from
	// one IPv4 address or IPv6 subnet of 64 bits; 0 is DefaultRate.
	// Limit changes it.
	Rate float64
	// Sessions is how many are remembered on each socket; beyond it the one
	// that was used the longest ago goes. 0 is DefaultSessions.
	Sessions int
	// Idle is how long a session without a packet is remembered; 0 is
	// DefaultIdle.
	Idle time.Duration
	// Refused are the DSCPs that a sender may not ask replies to be sent with,
	// unless its request came with it; nil is none.
	Refused []uint8

	Clock func() wire.Clock // state of the wall clock, asked about once a second
	Log   *slog.Logger
}

// Defaults of a Config.
const (
	DefaultRate     = 2000
	DefaultSessions = 10_000
	DefaultIdle     = 15 * time.Minute // REFWAIT of RFC 5357
)

func (c *Config) permitted() uint64 {
	permitted := ^uint64(0)
	for _, dscp := range c.Refused {
		permitted &^= 1 << dscp
	}
	return permitted
}

// Reflector answers on its sockets. Its methods may be called by any
// goroutine, Run by one.
type Reflector struct {
	config    Config
	permitted uint64        // DSCPs, by their bits
	rate      atomic.Uint64 // bits of a float64: Config.Rate, or what Limit has set
	keys      *prefixes[[]byte]
	allowed   atomic.Pointer[prefixes[struct{}]]
	conns     []*stopwatch.Conn

	allowing sync.Mutex // protects open
	open     string     // why strangers' packets reach the process; empty if they do not

	mu     sync.Mutex // protects all following fields
	counts Counters
	known  []int // sessions by socket
}

// Listen opens the sockets of a Reflector, which answers nobody until Allow is
// called. Where one of several cannot be opened because the system has not its
// family, that is logged and the others are used.
func Listen(config Config) (*Reflector, error) {
	r := newReflector(config)
	for _, local := range config.Listen {
		conn, err := stopwatch.Listen(stopwatch.Config{Local: local, TTL: 255, Thread: true})
		if errors.Is(err, syscall.EAFNOSUPPORT) && len(config.Listen) > 1 {
			config.Log.Warn("this system has no such addresses; the reflector does without", "listen", local)
			continue
		}
		if err != nil {
			r.Close()
			return nil, err
		}
		r.conns = append(r.conns, conn)
		said := []any{"on", conn.Local(), "timestamps", conn.Source()}
		if conn.Reason() != "" { // why it is not the kernel
			said = append(said, "reason", conn.Reason())
		}
		config.Log.Info("reflector listens", said...)
	}
	if len(r.conns) == 0 {
		return nil, errors.New("listen: there is no address to listen on")
	}
	r.known = make([]int, len(r.conns))
	r.Allow(nil)
	return r, nil
}

// newReflector makes one without sockets.
func newReflector(config Config) *Reflector {
	if config.Sessions == 0 {
		config.Sessions = DefaultSessions
	}
	if config.Idle == 0 {
		config.Idle = DefaultIdle
	}
	r := &Reflector{config: config, permitted: config.permitted(), keys: newSecrets(config.Keys)}
	r.Limit(config.Rate)
	r.Allow(nil)
	return r
}

// Limit sets the rate from now on, as Config.Rate does.
func (r *Reflector) Limit(rate float64) {
	if rate == 0 {
		rate = DefaultRate
	}
	r.rate.Store(math.Float64bits(rate))
}

// Limited gives the address by which the rate of a source is counted: its own,
// or the first of its subnet, because who has one address of an IPv6 subnet has
// them all.
func Limited(source netip.Addr) netip.Addr {
	if source.Is6() {
		if subnet, err := source.Prefix(64); err == nil {
			return subnet.Addr()
		}
	}
	return source
}

// Allow sets which sources are answered from now on; none of those before is
// any more, unless it is given again. Where it can be had, the kernel drops the
// packets of all others: the thread that answers goes before all ordinary work
// of the host, so strangers must not be able to wake it.
func (r *Reflector) Allow(sources []netip.Prefix) {
	values := map[netip.Prefix]struct{}{}
	for _, prefix := range sources {
		values[prefix] = struct{}{}
	}
	r.allowing.Lock()
	defer r.allowing.Unlock()
	// Looked at all the same: packets may wait that came before the filter.
	r.allowed.Store(newPrefixes(values))
	open := ""
	for _, conn := range r.conns {
		if err := conn.Only(sources); err != nil && !errors.Is(err, net.ErrClosed) {
			open = err.Error()
		}
	}
	if open != "" && open != r.open {
		r.config.Log.Info("the packets of sources that are not allowed are dropped by the process, not by the kernel: a flood of them costs it time", "reason", open)
	}
	r.open = open
}

// Local gives the addresses and ports of the sockets.
func (r *Reflector) Local() (locals []netip.AddrPort) {
	for _, conn := range r.conns {
		locals = append(locals, conn.Local())
	}
	return locals
}

// Counters gives what happened since Listen; what a socket is in the middle of
// may be missing.
func (r *Reflector) Counters() Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	for i, conn := range r.conns {
		c.Overflows += conn.Overflows()
		c.Filtered += conn.Filtered()
		c.Sessions += r.known[i]
	}
	return c
}

// Close closes the sockets. It is for a Reflector that is not run.
func (r *Reflector) Close() {
	for _, conn := range r.conns {
		conn.Close()
	}
}

// Run answers until the context ends, and closes the sockets. An error is that
// of a socket that cannot go on; the others are then closed too.
func (r *Reflector) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make([]error, len(r.conns))
	var serving sync.WaitGroup
	for i, conn := range r.conns {
		stop := context.AfterFunc(ctx, conn.Wake)
		defer stop()
		serving.Go(func() {
			defer cancel() // the others do not go on by themselves
			failures[i] = r.serve(ctx, i, conn)
		})
	}
	serving.Wait()
	r.Close()
	return errors.Join(failures...)
}

// socket is what serve needs of a stopwatch.Conn.
type socket interface {
	Local() netip.AddrPort
	Wait(deadline time.Time) (bool, error)
	Receive([]stopwatch.Message) (int, error)
	SendBy(stopwatch.Way, netip.AddrPort, []byte) (id uint32, at int64, err error)
	Sent([]stopwatch.SendStamp) (int, error)
}

func (r *Reflector) newAnswerer(local netip.AddrPort) *answerer {
	return &answerer{
		reflector: r, local: local,
		sessions: newTable[sessionKey, session](r.config.Sessions, r.config.Idle),
		// A bucket that is idle for a second is full, so it need not be kept.
		sources: newTable[netip.Addr, bucket](r.config.Sessions, time.Second),
		unlike:  map[netip.Addr]bool{},
	}
}

// serve answers on one socket.
func (r *Reflector) serve(ctx context.Context, i int, conn socket) error {
	if err := stopwatch.OwnThread(); err != nil {
		r.config.Log.Info("the reflector is an ordinary thread: on a busy host replies wait in it, and what is beyond 200 µs counts against the link; allow it CAP_SYS_NICE or RTPRIO 1 (LimitRTPRIO=1 in a systemd unit)", "on", conn.Local(), "error", err)
	}
	s := &server{answerer: r.newAnswerer(conn.Local()), conn: conn}
	var tidy time.Time
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(tidy) {
			s.sessions.expire(now)
			s.sources.expire(now)
			tidy = now.Add(housekeeping)
		}
		if ready, err := conn.Wait(tidy); err != nil {
			return ended(err)
		} else if ready {
			if err := s.round(); err != nil {
				return ended(err)
			}
		}
		r.mu.Lock()
		r.counts.add(&s.counts)
		r.known[i] = len(s.sessions.entries)
		r.mu.Unlock()
		s.counts = Counters{}
	}
	return nil
}

// housekeeping is how often what is too old is forgotten.
const housekeeping = time.Second

func ended(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("reflect: %w", err)
}

// server is the loop of one socket.
type server struct {
	*answerer
	conn     socket
	messages [32]stopwatch.Message
	stamps   [32]stopwatch.SendStamp
	buffer   [9216]byte

	// Replies whose moment of sending was asked for, by their ids.
	waiting [1024]waiting
	asked   bool // some may still come
}

type waiting struct {
	id       uint32
	sequence uint32
	session  *session
}

// round answers what has come.
func (s *server) round() error {
	if err := s.takeStamps(); err != nil {
		return err
	}
	n, err := s.conn.Receive(s.messages[:])
	if err != nil {
		return err
	}
	for i := range s.messages[:n] {
		out, ok := s.answer(&s.messages[i], time.Now, s.buffer[:])
		if !ok {
			continue
		}
		id, _, err := s.conn.SendBy(out.way, out.to, out.packet)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.counts.Unsent++
			continue
		}
		s.counts.Answered++
		if out.way.Stamped {
			s.waiting[id%uint32(len(s.waiting))] = waiting{id, out.session.next, out.session}
			s.asked = true
		}
		out.session.next++
	}
	return nil
}

// takeStamps keeps the moments at which replies left.
func (s *server) takeStamps() error {
	if !s.asked {
		return nil
	}
	for {
		n, err := s.conn.Sent(s.stamps[:])
		if err != nil {
			return err
		}
		for _, sent := range s.stamps[:n] {
			w := &s.waiting[sent.ID%uint32(len(s.waiting))]
			if w.id == sent.ID && w.session != nil {
				w.session.previous = sentReply{sequence: w.sequence, at: sent.At}
				w.session = nil
			}
		}
		if n < len(s.stamps) {
			return nil
		}
	}
}
