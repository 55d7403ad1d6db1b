package reflect

import (
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// answerer makes the replies of one socket. It does no I/O, and is for one
// goroutine but for allow.
type answerer struct {
	reflector *Reflector // for its configuration and who is allowed
	local     netip.AddrPort
	counts    Counters // since they were last taken away

	sessions *table[sessionKey, session]
	sources  *table[netip.Addr, bucket]

	clock   wire.Clock
	clockAt time.Time // when the clock's state was read

	unlike map[netip.Addr]bool // sources whose key was said not to be ours
}

// maxUnlike is how many sources are named for their keys: addresses may be
// forged, and the log shall not fill with them.
const maxUnlike = 100

// sessionKey is what makes packets one session: the flow and the sender's
// identifier (RFC 8972, section 3).
type sessionKey struct {
	from netip.AddrPort
	to   netip.Addr
	ssid uint16
}

type session struct {
	next     uint32 // sequence number of the next reply
	followUp bool   // the sender has asked when replies leave
	previous sentReply
}

// sentReply is a reply whose moment of sending is known.
type sentReply struct {
	sequence uint32
	at       int64 // Unix ns; 0 is none
}

// bucket holds the packets that a source may still send at once.
type bucket struct {
	tokens float64
	at     time.Time
}

// reply is what is to be sent.
type reply struct {
	to      netip.AddrPort
	way     stopwatch.Way
	packet  []byte
	session *session
}

// clockAge is how old the state of the clock may be that replies tell.
const clockAge = time.Second

// answer makes the reply to a request, in buffer; false if there is none. now
// is read again where the moment of sending goes into the packet.
func (a *answerer) answer(m *stopwatch.Message, now func() time.Time, buffer []byte) (reply, bool) {
	a.counts.Received++
	at := now()
	source := m.From.Addr().Unmap().WithZone("")
	if _, ok := a.reflector.allowed.Load().find(source); !ok {
		a.counts.NotAllowed++
		return reply{}, false
	}
	key, _ := a.reflector.keys.find(source)
	request, err := stamp.ParseRequest(m.Payload, key)
	if err != nil && key != nil {
		a.sayUnlike(source, err)
	}
	switch {
	case errors.Is(err, stamp.ErrHMAC):
		a.counts.BadHMAC++
		return reply{}, false
	case err != nil:
		a.counts.Short++
		return reply{}, false
	case a.mayLoop(m, key):
		a.counts.Loop++
		return reply{}, false
	case !a.inRate(source, at):
		// Last, so that nobody can use up the rate of a source in its name by
		// what is not answered anyhow.
		a.counts.OverRate++
		return reply{}, false
	}
	out := reply{to: m.From, way: stopwatch.Way{TOS: -1}}
	if a.clockAt.IsZero() || at.Sub(a.clockAt) > clockAge {
		a.clock, a.clockAt = a.reflector.config.Clock(), at
	}
	var forced bool
	if out.session, _, forced = a.sessions.use(sessionKey{m.From, m.To, request.SSID}, at); forced {
		a.counts.Evicted++
	}
	if a.local.Addr().IsUnspecified() {
		out.way.From = m.To
	}
	received := m.At
	if received == 0 {
		a.counts.Unstamped++
		received = at.UnixNano()
	}
	format := a.reflector.config.Format.of(request.Error)
	if dscp, known := a.extensions(m, &request, out.session, format, key); known {
		out.way.TOS = int(dscp) << 2
	}
	out.way.Stamped = out.session.followUp
	ttl := uint8(255) // what stands for a TTL that is not known (RFC 5357, section 4.2.1)
	if m.TTL >= 0 {
		ttl = uint8(m.TTL)
	}
	out.packet = stamp.AppendReply(buffer[:0], &stamp.Reply{
		Sequence: out.session.next,
		Error:    a.estimate(format),
		SSID:     request.SSID,
		Received: format.StampUnix(received),
		Sender:   stamp.Echo{Sequence: request.Sequence, Timestamp: request.Timestamp, Error: request.Error, TTL: ttl},
		TLVs:     request.TLVs,
		// Last, so that as little as possible is between it and the sending.
		Timestamp: format.StampUnix(now().UnixNano()),
	}, key)
	return out, true
}

// sayUnlike tells once of a source that has another key than this end, or none.
func (a *answerer) sayUnlike(source netip.Addr, err error) {
	if a.unlike[source] || len(a.unlike) == maxUnlike {
		return
	}
	a.unlike[source] = true
	a.reflector.config.Log.Warn("a packet of a source that needs a key is not answered, nor will others like it be: each end looks the key up by the other end's address, and the two entries must have one key", "source", source, "error", err)
}

// inRate takes a token from a source's bucket.
func (a *answerer) inRate(source netip.Addr, at time.Time) bool {
	rate := math.Float64frombits(a.reflector.rate.Load())
	b, made, _ := a.sources.use(Limited(source), at)
	if made {
		b.tokens = rate
	} else {
		b.tokens = min(rate, b.tokens+at.Sub(b.at).Seconds()*rate)
	}
	b.at = at
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// mayLoop tells whether the reply would go to somebody who answers it as a
// request: another reflector, or one of the old services that answer anything.
// Who forges the source of one packet could make the two talk for ever.
func (a *answerer) mayLoop(m *stopwatch.Message, key []byte) bool {
	const systemPorts = 1024
	port := m.From.Port()
	if port >= systemPorts && port != a.local.Port() {
		return false
	}
	if key == nil {
		return true
	}
	// A peer with a key may use such a port; what is a reply gets no answer.
	r, err := stamp.ParseReply(m.Payload, key)
	return err != nil || r.Received != 0
}

// extensions answers the TLVs in their place. It gives the DSCP of the reply,
// which is not known if that of the request is not.
func (a *answerer) extensions(m *stopwatch.Message, r *stamp.Request, s *session, format stamp.Format, key []byte) (dscp uint8, known bool) {
	if known = m.TOS >= 0; known {
		dscp = uint8(m.TOS) >> 2
	}
	if len(r.TLVs) == 0 {
		return dscp, known
	}
	// What is no TLV is padding, or Fill flags it.
	_ = stamp.EachTLV(r.TLVs, func(t stamp.TLV) bool {
		s.followUp = s.followUp || t.Type == stamp.FollowUpTelemetry
		return true
	})
	fill := stamp.Answer{
		RequestSequence: r.Sequence, ReplySequence: s.next,
		TrafficClass: uint8(max(m.TOS, 0)), NoClass: !known,
		Permitted:  a.reflector.permitted,
		Timestamps: a.clocks(),
	}
	if s.previous.at != 0 {
		fill.Previous = stamp.FollowUp{Sequence: s.previous.sequence, Sent: format.StampUnix(s.previous.at), Method: stamp.SoftwareLocal}
	}
	asked, flags := fill.Fill(r.TLVs, key)
	if flags&stamp.NotIntact != 0 {
		a.counts.TLVsNotIntact++
	}
	if known {
		dscp = asked
	}
	return dscp, known
}

// clocks is what the reflector says of its timestamps. What a clock that is
// synchronised follows, the kernel does not know.
func (a *answerer) clocks() stamp.TimestampSources {
	var follows stamp.ClockSource
	if a.clock.State == wire.ClockUnsynchronised {
		follows = stamp.FreeRunning
	}
	return stamp.TimestampSources{In: follows, InMethod: stamp.SoftwareLocal, Out: follows, OutMethod: stamp.SoftwareLocal}
}

// unknownError is the error of a clock that nothing is known of: what the
// kernel says of one that is not synchronised (NTP_PHASE_LIMIT).
const unknownError = 16 * time.Second

func (a *answerer) estimate(format stamp.Format) stamp.ErrorEstimate {
	bound := time.Duration(a.clock.MaxErrorUS) * time.Microsecond
	if a.clock.State == wire.ClockUnknown {
		bound = unknownError
	}
	return stamp.NewErrorEstimate(a.clock.State == wire.ClockSynchronised, format, bound)
}
