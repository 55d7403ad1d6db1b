package measure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"

	probing "github.com/prometheus-community/pro-bing"
)

// Lengths of headers in bytes (RFC 791, 8200, 792, 4443).
const (
	ipv4Header = 20
	ipv6Header = 40
	icmpHeader = 8
)

// errEndless is a refusal after which pro-bing would try again for ever.
var errEndless = errors.New("the system forbids sending to this address (a prohibiting route or a full queue)")

// probingPinger is a pinger made of pro-bing. Its RTTs run from a wall-clock
// reading before the system call that sends to one after that which receives:
// timestamps "user".
type probingPinger struct {
	spec Spec
	mode Mode
	id   int // ICMP identifier in raw mode, kept over pingers so that the flow stays; 0: at random
}

func (pp *probingPinger) Run(ctx context.Context, w watcher) error {
	p := probing.New(pp.spec.Address.String())
	if pp.spec.Address.Is4() {
		p.SetNetwork("ip4")
	} else {
		p.SetNetwork("ip6")
	}
	p.SetIPAddr(&net.IPAddr{IP: pp.spec.Address.AsSlice(), Zone: pp.spec.Address.Zone()})
	p.SetPrivileged(pp.mode == ModeRaw)
	if pp.id != 0 {
		p.SetID(pp.id)
	}
	p.SetTrafficClass(uint8(pp.spec.DSCP << 2))
	p.Size = pp.spec.payload()
	p.Interval = pp.spec.Interval
	p.RecordRtts, p.RecordTTLs = false, false
	if pp.spec.Source.IsValid() {
		p.Source = pp.spec.Source.String()
	}

	// All callbacks but those of the receiver run in pro-bing's one loop, which
	// alone reads and writes the fields used here.
	var endless bool
	// After Count packets pro-bing sends no more, and ends once as many are
	// answered.
	sendNoMore := func(sent int) { p.Count = max(sent, 1) }
	p.OnSend = func(pkt *probing.Packet) {
		if !w.Sent(pkt.Seq) {
			sendNoMore(p.PacketsSent + 1)
		}
	}
	p.OnRecv = func(pkt *probing.Packet) {
		if !w.Answered(pkt.Seq, pkt.Rtt, pkt.TTL) {
			sendNoMore(p.PacketsSent)
		}
	}
	p.OnDuplicateRecv = func(pkt *probing.Packet) { w.Duplicated(pkt.Seq) }
	refuse := func(err error) {
		w.Refused(err)
		endless = true
		// pro-bing tries to send the same packet, with its old time stamp,
		// again and again, and looks at nothing else meanwhile. To end its
		// loop's goroutine from inside is the only way out; its deferred calls
		// stop the rest of the pinger.
		runtime.Goexit()
	}
	p.OnSendError = func(_ *probing.Packet, err error) {
		if errors.Is(err, syscall.ENOBUFS) {
			refuse(err)
		}
		w.Refused(err)
	}
	p.SetLogger(&loopLogger{onBroadcast: func() { refuse(syscall.EACCES) }})

	if err := p.RunWithContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("ping %s: %w", pp.spec.Address, err)
	}
	if endless {
		return fmt.Errorf("ping %s: %w", pp.spec.Address, errEndless)
	}
	return nil
}

// loopLogger drops what pro-bing logs, but for the one sign that it gives when
// it meets EACCES: it takes the address for a broadcast address and says so.
type loopLogger struct {
	probing.NoopLogger
	onBroadcast func()
}

func (l *loopLogger) Infof(format string, _ ...any) {
	if strings.HasPrefix(format, "Pinging a broadcast address") {
		l.onBroadcast()
	}
}

// maxPackets is the number of packets after which a pinger is replaced: before
// its sequence numbers wrap, and so that what pro-bing remembers of each
// packet never answered is let go.
const maxPackets = 60_000
