package measure

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// travel is what becomes of one request and its reply.
type travel struct {
	there, back time.Duration // on the way
	residence   time.Duration // in the reflector
	claimed     time.Duration // what T3 says of it
	lostThere   bool
	lostBack    bool
	again       bool // the reply comes twice
	remarked    bool // the request's DSCP is cleared on its way
	unstamped   bool // the kernel does not tell when the request left
}

// reflectors stands in for a UDP socket, the network and all reflectors behind
// it. It works in the time of a synctest bubble.
type reflectors struct {
	clock  Clock
	travel func(number uint32) travel
	refuse func(number uint32) error // what the system says to a Send; nil: sent
	key    []byte
	offset time.Duration // of the reflectors' clock
	synced bool          // what they say of it

	stateless bool
	noTLVs    bool
	user      bool          // the process takes the moments
	verified  bool          // Verify finds those of the kernel
	deaf      time.Duration // replies wait so long before they can be received
	asleep    bool          // nobody receives; set through sleep

	mu     sync.Mutex // protects all following fields
	id     uint32
	stamps []stopwatch.SendStamp
	inbox  []stopwatch.Message
	counts map[string]uint32 // requests that reached a reflector, by session
	before map[string]stamp.FollowUp
	sent   []time.Time
	closed chan struct{}
	awake  chan struct{}
	lost   uint64
	looked int // calls of Verify
}

func (n *reflectors) wall() int64 { wall, _ := n.clock(); return wall }

func (n *reflectors) open(route) (socketUDP, error) {
	n.counts, n.before = map[string]uint32{}, map[string]stamp.FollowUp{}
	n.closed, n.awake = make(chan struct{}), make(chan struct{}, 1)
	return n, nil
}

func (n *reflectors) Send(to netip.AddrPort, payload []byte) (id uint32, at int64, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at = n.wall()
	r, err := stamp.ParseRequest(payload, n.key)
	if err != nil {
		return 0, at, err
	}
	if n.refuse != nil {
		if err := n.refuse(r.Sequence); err != nil {
			return 0, at, err
		}
	}
	n.sent = append(n.sent, time.Now())
	n.id++
	t := n.travel(r.Sequence)
	if !n.user && !t.unstamped {
		n.stamps = append(n.stamps, stopwatch.SendStamp{ID: n.id, At: at, Source: wire.TimestampsKernel})
	}
	if !t.lostThere {
		payload = bytes.Clone(payload)
		after(n.closed, t.there, func() { n.reflect(to, payload, t) })
	}
	return n.id, at, nil
}

// reflect answers a request that has come, with the codec of the real
// reflector.
func (n *reflectors) reflect(to netip.AddrPort, payload []byte, t travel) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, err := stamp.ParseRequest(payload, n.key)
	if err != nil {
		panic(err)
	}
	session := to.String() + string(rune(r.SSID))
	sequence := n.counts[session]
	if n.stateless {
		sequence = r.Sequence
	}
	n.counts[session]++
	came := n.wall() + int64(n.offset)
	format := r.Error.Format()
	reply := stamp.Reply{
		Sequence: sequence, Timestamp: format.StampUnix(came + int64(t.claimed)), SSID: r.SSID, Received: format.StampUnix(came),
		Error:  stamp.NewErrorEstimate(n.synced, format, time.Millisecond),
		Sender: stamp.Echo{Sequence: r.Sequence, Timestamp: r.Timestamp, Error: r.Error, TTL: 60},
		TLVs:   bytes.Clone(r.TLVs),
	}
	if !n.noTLVs {
		class := uint8(46 << 2)
		if t.remarked {
			class = 0
		}
		answer := stamp.Answer{RequestSequence: r.Sequence, ReplySequence: sequence, TrafficClass: class, Permitted: ^uint64(0), Previous: n.before[session]}
		answer.Fill(reply.TLVs, n.key)
	}
	n.before[session] = stamp.FollowUp{Sequence: sequence, Sent: format.StampUnix(came + int64(t.residence)), Method: stamp.SoftwareLocal}
	if t.lostBack {
		return
	}
	packet := stamp.AppendReply(nil, &reply, n.key)
	arrive := func() {
		m := stopwatch.Message{From: to, TTL: 57, At: n.wall(), Source: wire.TimestampsKernel, Payload: packet}
		if n.user {
			m.Source = wire.TimestampsUser
		}
		after(n.closed, n.deaf, func() { n.hand(m) })
	}
	after(n.closed, t.residence+t.back, arrive)
	if t.again {
		after(n.closed, t.residence+t.back+time.Millisecond, arrive)
	}
}

func (n *reflectors) hand(m stopwatch.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inbox = append(n.inbox, m)
	select {
	case n.awake <- struct{}{}:
	default:
	}
}

func (n *reflectors) Sent(s []stopwatch.SendStamp) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := copy(s, n.stamps)
	n.stamps = n.stamps[c:]
	return c, nil
}

func (n *reflectors) Receive(ms []stopwatch.Message) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asleep {
		return 0, nil
	}
	c := copy(ms, n.inbox)
	n.inbox = n.inbox[c:]
	return c, nil
}

func (n *reflectors) sleep(asleep bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asleep = asleep
}

func (n *reflectors) Wait(time.Time) (bool, error) {
	select {
	case <-n.awake:
		return true, nil
	case <-n.closed:
		return false, net.ErrClosed
	}
}

func (n *reflectors) Verify() error {
	time.Sleep(3 * time.Second) // far longer than packets can wait
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looked++
	n.user = n.user && !n.verified
	return nil
}

func (n *reflectors) Source() wire.Timestamps {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.user {
		return wire.TimestampsUser
	}
	return wire.TimestampsKernel
}

func (n *reflectors) Local() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:50000") }

func (n *reflectors) Reason() string { return "it was asked for" }

func (n *reflectors) Overflows() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

func (n *reflectors) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.closed:
		return errors.New("closed twice")
	default:
	}
	close(n.closed)
	return nil
}
