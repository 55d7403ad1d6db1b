package measure

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// socketUDP is what a sender needs of a stopwatch.Conn.
type socketUDP interface {
	Send(to netip.AddrPort, payload []byte) (id uint32, at int64, err error)
	Sent([]stopwatch.SendStamp) (int, error)
	Receive([]stopwatch.Message) (int, error)
	Wait(deadline time.Time) (bool, error)
	Source() wire.Timestamps
	Verify() error
	Reason() string
	Overflows() uint64
	Local() netip.AddrPort
	Close() error
}

// Pace of a sender.
const (
	// mostPolls and fewestPolls bound how often a second it looks for replies.
	// Their moments are the kernel's, so only their number in the buffer of the
	// socket counts; a person who watches wants them soon.
	mostPolls, fewestPolls = 200, 20
	// together is how far a packet may be put off so that others go with it.
	together = 2 * time.Millisecond
	// openAgain is the pause after a socket that could not be opened.
	openAgain = 5 * time.Second
	// lookEvery is the pause between looks at the addresses of the host.
	lookEvery = 30 * time.Second
	// verifyEvery is the pause between looks for the kernel's moments where the
	// socket did not see them.
	verifyEvery = 5 * time.Minute
	// tidyEvery is the pause between looks at what is over.
	tidyEvery = 200 * time.Millisecond
)

// sender sends the packets of all STAMP sessions of one family, source and DSCP
// from one socket, so that the flow of each stays the same, and hands the
// replies to them. One goroutine does everything: run.
type sender struct {
	line *timeline
	open func() (socketUDP, error)
	// outgrown tells whether open would choose another address now than the
	// one that the socket has.
	outgrown func(local netip.Addr) bool
	clock    func() wire.Clock
	timeout  time.Duration
	log      *slog.Logger
	calls    chan func() // carried out by run

	local     atomic.Pointer[netip.AddrPort] // of conn; nil: there is none
	conn      socketUDP                      // nil: none could be opened
	openNext  time.Duration
	refused   error // why there is none
	receiving bool  // by a goroutine of its own
	sessions  []*session
	byPeer    map[netip.AddrPort][]*session
	schedule  schedule
	leaving   map[uint32]departure // by the number of Send
	epoch     int
	own       wire.Clock // state of the clock, not older than tidyEvery
	tidyNext  time.Duration
	lookNext  time.Duration
	verifyAt  time.Duration // 0: the source is not the process, or was not looked at yet
	overflows uint64

	payload  []byte
	messages []stopwatch.Message
	stamps   []stopwatch.SendStamp
}

// departure is a packet whose moment of sending is still to be told.
type departure struct {
	session *session
	number  uint32
	at      time.Duration // monotonic
}

func newSender(line *timeline, timeout time.Duration, open func() (socketUDP, error), clock func() wire.Clock, log *slog.Logger) *sender {
	return &sender{
		line: line, open: open, outgrown: func(netip.Addr) bool { return false }, clock: clock, timeout: timeout, log: log, calls: make(chan func()),
		byPeer: map[netip.AddrPort][]*session{}, leaving: map[uint32]departure{}, epoch: line.now().Epoch,
		messages: make([]stopwatch.Message, 32), stamps: make([]stopwatch.SendStamp, 32),
	}
}

// run works until the context ends.
func (s *sender) run(ctx context.Context) {
	timer := time.NewTimer(time.Nanosecond)
	defer timer.Stop()
	defer s.close()
	for {
		select {
		case <-ctx.Done():
			return
		case do := <-s.calls:
			do()
		case <-timer.C:
		}
		s.turn(ctx)
		timer.Reset(s.pause())
	}
}

func (s *sender) turn(ctx context.Context) {
	now := s.line.now()
	s.keepOpen(now)
	s.keepStep(now)
	s.sendDue(now)
	s.collect(ctx)
	if now.Mono >= s.tidyNext {
		s.tidyNext = now.Mono + tidyEvery
		s.tidy(ctx, now)
	}
}

// pause is how long nothing has to be done.
func (s *sender) pause() time.Duration {
	polls := min(max(len(s.sessions), fewestPolls), mostPolls)
	wait := time.Second / time.Duration(polls)
	if len(s.sessions) == 0 {
		wait = time.Hour
	}
	if len(s.schedule) > 0 {
		first := s.schedule[0]
		// Never so far that a packet misses its slot.
		off := min(together, first.grid.Interval/200)
		wait = min(wait, time.Duration(first.due-s.line.now().Wall)+off)
	}
	return max(wait, time.Nanosecond)
}

// add begins a session.
func (s *sender) add(one *session) {
	one.place, one.id = -1, s.freeID(one.peer.address)
	s.sessions = append(s.sessions, one)
	s.byPeer[one.peer.address] = append(s.byPeer[one.peer.address], one)
	s.enter(one, s.line.now())
}

// freeID is an SSID that no other session with the reflector has.
func (s *sender) freeID(to netip.AddrPort) uint16 {
	id := uint16(1)
	for slices.ContainsFunc(s.byPeer[to], func(o *session) bool { return o.id == id }) {
		id++
	}
	return id
}

// enter schedules the next packet that is still to come.
func (s *sender) enter(one *session, now window.Moment) {
	one.next = one.grid.Slot(now.Wall)
	if one.due = due(one.grid, one.seed, one.next); one.due <= now.Wall {
		one.next++
		one.due = due(one.grid, one.seed, one.next)
	}
	s.schedule.put(one)
}

// end sends no more of a session, ends its window, and waits for the replies
// on their way.
func (s *sender) end(one *session, reason wire.EndReason) {
	now := s.line.now()
	s.keepStep(now)
	one.ending, one.endBy = true, now.Mono+s.timeout+10*time.Millisecond
	s.schedule.take(one)
	one.book.Cut(now, reason)
	s.tidyNext = 0
}

// keepOpen opens the socket, again and again until it can be.
func (s *sender) keepOpen(now window.Moment) {
	if s.conn != nil || now.Mono < s.openNext || len(s.sessions) == 0 {
		return
	}
	conn, err := s.open()
	if err != nil {
		if s.refused == nil {
			s.log.Error("no socket for STAMP can be opened: every packet counts as a send error, and it is tried again", "error", err)
		}
		s.refused, s.openNext = err, now.Mono+openAgain
		return
	}
	s.conn, s.refused = conn, nil
	local := conn.Local()
	s.local.Store(&local)
}

// where is the address and port that packets are sent from; invalid where
// there is no socket. Any goroutine may ask.
func (s *sender) where() netip.AddrPort {
	if local := s.local.Load(); local != nil {
		return *local
	}
	return netip.AddrPort{}
}

// receiveAtOnce takes replies as soon as they come, because the process's moment
// of taking them counts. From its start on nobody else receives.
func (s *sender) receiveAtOnce(ctx context.Context, conn socketUDP) {
	messages := make([]stopwatch.Message, 32)
	for ctx.Err() == nil {
		_, err := conn.Wait(time.Time{})
		n := 0
		if err == nil {
			n, err = conn.Receive(messages)
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			s.log.Debug("receiving failed", "error", err)
			time.Sleep(10 * time.Millisecond) // it may fail at once again
			continue
		case n == 0:
			continue
		}
		taken := make(chan struct{})
		select {
		case s.calls <- func() { s.hand(messages[:n]); close(taken) }:
			select {
			case <-taken:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepStep begins all sessions anew in time after a step of the wall clock.
func (s *sender) keepStep(now window.Moment) {
	if now.Epoch == s.epoch {
		return
	}
	for _, one := range s.sessions {
		if one.ending {
			continue
		}
		if one.started {
			one.book.Cut(s.line.endOf(s.epoch), wire.EndClockStep)
			one.started = false
		}
		s.enter(one, now)
	}
	s.epoch = now.Epoch
}

func (s *sender) sendDue(now window.Moment) {
	for len(s.schedule) > 0 && s.schedule[0].due <= now.Wall {
		one := s.schedule[0]
		if slot := one.grid.Slot(now.Wall); slot != one.next {
			// A process that was kept from running leaves slots without a
			// packet: made up for at once, they would tell of one moment.
			s.enter(one, now)
			continue
		}
		if !s.send(one) {
			return // a step of the clock comes first
		}
		if one.ending {
			continue // whoever watches has seen enough
		}
		one.next++
		one.due = due(one.grid, one.seed, one.next)
		s.schedule.put(one)
		now = s.line.now()
	}
}

// send sends the next packet of a session; false if the clock stepped before.
func (s *sender) send(one *session) bool {
	before := s.line.now()
	if before.Epoch != s.epoch {
		return false
	}
	if !one.started && one.warm {
		// After a step of the clock nothing has to warm up.
		one.book.Start(one.next, before.Epoch)
		one.started = true
	}
	if one.missing != nil || s.conn == nil {
		s.refuse(one, before, cmp.Or(one.missing, s.refused))
		return true
	}
	payload, stamp := one.build(s.payload[:0], before.Wall, s.own)
	s.payload = payload
	// Before: where the kernel is found to be the source meanwhile, the number
	// of this packet means nothing, and another may get it.
	timed := s.conn.Source() != wire.TimestampsUser
	id, begun, err := s.conn.Send(one.peer.address, payload)
	now := s.line.now()
	if err != nil {
		s.refuse(one, now, err)
		return true
	}
	if one.failing {
		one.failing = false
		s.log.Info("sending works again", "link", one.name)
	}
	r := request{sent: stamp, begun: begun}
	if one.warm && one.started {
		if r.packet = one.book.Send(before, now); r.packet != nil {
			one.observe(Event{Kind: EventSent, Slot: one.grid.Slot(now.Wall)})
		}
	} else if !one.started {
		one.book.Start(one.next+1, before.Epoch)
		one.started = true
	}
	number := one.sent(r)
	if r.packet != nil && timed {
		s.leaving[id] = departure{one, number, now.Mono}
	}
	return true
}

// refuse notes that the system did not send.
func (s *sender) refuse(one *session, now window.Moment, err error) {
	if !one.started {
		one.book.Start(one.next, now.Epoch)
		one.started = true
	}
	if one.book.Refuse(now) {
		one.observe(Event{Kind: EventRefused, Slot: one.grid.Slot(now.Wall), Err: err})
	}
	if !one.failing {
		one.failing = true
		s.log.Warn("sending is refused: counted as send errors, tried again", "link", one.name, "error", err)
	}
}

// collect takes the kernel's moments of sending, and then the replies.
func (s *sender) collect(ctx context.Context) {
	if s.conn == nil {
		return
	}
	s.collectStamps()
	if s.receiving {
		return
	}
	if s.conn.Source() == wire.TimestampsUser {
		s.log.Warn("STAMP is timed in user space: its RTTs are upper bounds, on a busy host loose ones", "reason", s.conn.Reason())
		s.receiving = true
		go s.receiveAtOnce(ctx, s.conn)
		return
	}
	for {
		n, err := s.conn.Receive(s.messages)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Debug("receiving failed", "error", err)
		}
		if n == 0 {
			return
		}
		s.hand(s.messages[:n])
	}
}

// hand gives replies to their sessions.
func (s *sender) hand(messages []stopwatch.Message) {
	now := s.line.now()
	for i := range messages {
		m := &messages[i]
		for _, one := range s.byPeer[m.From] {
			if one.reply(m, now, s.own, s.collectStamps) {
				break
			}
		}
	}
}

func (s *sender) collectStamps() {
	for {
		n, err := s.conn.Sent(s.stamps)
		for _, stamp := range s.stamps[:n] {
			d, ok := s.leaving[stamp.ID]
			if !ok {
				continue
			}
			delete(s.leaving, stamp.ID)
			if r := d.session.request(d.number); r != nil {
				r.left = stamp.At
			}
		}
		if n < len(s.stamps) || err != nil {
			return
		}
	}
}

// tidy looks at what is over: packets whose windows are made, sessions with
// nothing on its way, stamps that never came.
func (s *sender) tidy(ctx context.Context, now window.Moment) {
	s.own = s.clock()
	if s.conn != nil {
		if n := s.conn.Overflows(); n > s.overflows {
			s.log.Warn("the socket for STAMP lost replies because they were not read in time: their packets count as send errors", "replies", n-s.overflows)
			s.abandon(now)
			s.overflows = n
		}
	}
	if s.conn != nil && now.Mono >= s.lookNext {
		s.lookNext = now.Mono + lookEvery
		if s.outgrown(s.conn.Local().Addr()) {
			s.log.Info("the site's address is on this host now: STAMP is sent from it", "before", s.conn.Local())
			s.collect(ctx)
			s.abandon(now)
			s.close()
			clear(s.leaving)
			s.conn, s.receiving, s.overflows, s.openNext = nil, false, 0, 0
		}
	}
	s.verify(now)
	for number, d := range s.leaving {
		if now.Mono-d.at > wire.Grace {
			delete(s.leaving, number)
		}
	}
	for _, one := range s.sessions {
		one.forget(now, s.timeout)
	}
	s.sessions = slices.DeleteFunc(s.sessions, func(one *session) bool {
		over := one.ending && (now.Mono >= one.endBy || !one.waiting(now, s.timeout))
		if over {
			to := one.peer.address
			s.byPeer[to] = slices.DeleteFunc(s.byPeer[to], func(o *session) bool { return o == one })
			if len(s.byPeer[to]) == 0 {
				delete(s.byPeer, to)
			}
			close(one.ended)
		}
		return over
	})
}

// verify looks for the kernel's moments again where they are missing, on a
// goroutine of its own: it takes longer than packets can wait.
func (s *sender) verify(now window.Moment) {
	switch {
	case s.conn == nil || s.conn.Source() != wire.TimestampsUser:
		s.verifyAt = 0
	case s.verifyAt == 0:
		s.verifyAt = now.Mono + verifyEvery
	case now.Mono >= s.verifyAt:
		s.verifyAt = now.Mono + verifyEvery
		go func(conn socketUDP) {
			err := conn.Verify()
			if err == nil && conn.Source() != wire.TimestampsUser {
				s.log.Info("the kernel times STAMP now", "on", conn.Local())
			}
		}(s.conn)
	}
}

// abandon gives up the packets on their way: their replies may be lost in our
// own socket.
func (s *sender) abandon(now window.Moment) {
	for _, one := range s.sessions {
		for _, r := range one.requests {
			if r.packet != nil && !r.answered {
				r.packet.Abandon(now)
			}
		}
	}
}

// close gives up what is on its way, and the socket.
func (s *sender) close() {
	if s.conn != nil {
		_ = s.conn.Close() // holds no data
	}
}
