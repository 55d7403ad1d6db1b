package reflect

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/stopwatch"
	"github.com/fibergauge/fibergauge/probe/wire"
)

var (
	start  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	local  = netip.MustParseAddrPort("0.0.0.0:862")
	here   = netip.MustParseAddr("192.0.2.1")
	sender = netip.MustParseAddrPort("192.0.2.9:50000")
	secret = []byte("a key that both ends share")
)

// newTestReflector allows 192.0.2.0/24 and 2001:db8::/32; 192.0.2.128/25 has a
// key.
func newTestReflector(change func(*Config)) *Reflector {
	config := Config{
		Rate: 10, Sessions: 4, Idle: time.Minute,
		Keys:  []Key{{netip.MustParsePrefix("192.0.2.128/25"), secret}},
		Clock: func() wire.Clock { return wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 250} },
		Log:   slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	r := newReflector(config)
	r.Allow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")})
	return r
}

// bench is an answerer with a clock that moves only when told to.
type bench struct {
	*answerer
	now    time.Time
	buffer [9216]byte
}

func newBench(change func(*Config)) *bench {
	return &bench{answerer: newTestReflector(change).newAnswerer(local), now: start}
}

// ask has a packet answered that came a millisecond ago. What is sent is
// counted as sent, as server does.
func (b *bench) ask(from netip.AddrPort, payload []byte) (reply, bool) {
	return b.askMessage(&stopwatch.Message{From: from, To: here, TTL: 61, TOS: 46<<2 | 1, Payload: bytes.Clone(payload),
		At: b.now.Add(-time.Millisecond).UnixNano(), Source: wire.TimestampsKernel})
}

func (b *bench) askMessage(m *stopwatch.Message) (reply, bool) {
	out, ok := b.answer(m, func() time.Time { return b.now }, b.buffer[:])
	if ok {
		b.counts.Answered++
		out.session.next++
	}
	return out, ok
}

func request(ssid uint16) *stamp.Request {
	return &stamp.Request{Sequence: 7, Timestamp: stamp.NTP.Stamp(start), Error: 0x8a14, SSID: ssid}
}

func TestAnswerSaysWhatTheRFCWants(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*Config)
		key     []byte
		request stamp.ErrorEstimate
		from    netip.AddrPort
		format  stamp.Format
	}{
		{"NTP", nil, nil, 0x8a14, sender, stamp.NTP},
		{"PTP as asked", nil, nil, 0xca14, sender, stamp.PTP},
		{"NTP because it was set", func(c *Config) { c.Format = FormatNTP }, nil, 0xca14, sender, stamp.NTP},
		{"PTP because it was set", func(c *Config) { c.Format = FormatPTP }, nil, 0x8a14, sender, stamp.PTP},
		{"authenticated", nil, secret, 0x8a14, netip.MustParseAddrPort("192.0.2.200:50000"), stamp.NTP},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(test.change)
			r := request(0x1234)
			r.Error = test.request
			packet := stamp.AppendRequest(nil, r, test.key)
			for sequence := range uint32(3) {
				b.now = b.now.Add(time.Second)
				out, ok := b.ask(test.from, packet)
				if !ok {
					t.Fatalf("no answer: %+v", b.counts)
				}
				got, err := stamp.ParseReply(out.packet, test.key)
				if err != nil {
					t.Fatal(err)
				}
				want := stamp.Reply{
					Sequence: sequence, Timestamp: test.format.Stamp(b.now), SSID: 0x1234,
					Error:    stamp.NewErrorEstimate(true, test.format, 250*time.Microsecond),
					Received: test.format.Stamp(b.now.Add(-time.Millisecond)),
					Sender:   stamp.Echo{Sequence: 7, Timestamp: r.Timestamp, Error: test.request, TTL: 61},
					TLVs:     []byte{},
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("reply (-want +got):\n%s", diff)
				}
				if wantWay := (stopwatch.Way{From: here, TOS: 46 << 2}); out.way != wantWay || out.to != test.from {
					t.Errorf("sent by %+v to %v, want %+v", out.way, out.to, wantWay)
				}
			}
		})
	}
}

func TestWhoIsNotAnswered(t *testing.T) {
	plain, sealed := stamp.AppendRequest(nil, request(0), nil), stamp.AppendRequest(nil, request(0), secret)
	altered := bytes.Clone(sealed)
	altered[3] ^= 1
	answered := stamp.AppendReply(nil, &stamp.Reply{Received: 1}, secret)
	for _, test := range []struct {
		name   string
		from   string
		packet []byte
		want   Counters
	}{
		{"allowed", "192.0.2.9:50000", plain, Counters{Answered: 1}},
		{"allowed by the other prefix", "[2001:db8::9]:50000", plain, Counters{Answered: 1}},
		{"a stranger", "198.51.100.9:50000", plain, Counters{NotAllowed: 1}},
		{"a stranger of the other family", "[2001:db9::9]:50000", plain, Counters{NotAllowed: 1}},
		{"another reflector", "192.0.2.9:862", plain, Counters{Loop: 1}},
		{"a service that echoes", "192.0.2.9:7", plain, Counters{Loop: 1}},
		{"as short as TWAMP-Light's", "192.0.2.9:50000", plain[:14], Counters{Answered: 1}},
		{"too short", "192.0.2.9:50000", plain[:13], Counters{Short: 1}},
		{"empty", "192.0.2.9:50000", nil, Counters{Short: 1}},
		{"with the key", "192.0.2.200:50000", sealed, Counters{Answered: 1}},
		{"with the key from port 862", "192.0.2.200:862", sealed, Counters{Answered: 1}},
		{"the reply of another reflector with the key", "192.0.2.200:862", answered, Counters{Loop: 1}},
		{"without the key that is asked", "192.0.2.200:50000", plain, Counters{Short: 1}},
		{"altered", "192.0.2.200:50000", altered, Counters{BadHMAC: 1}},
		{"with a key that is not asked", "192.0.2.9:50000", sealed, Counters{Answered: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(nil)
			_, ok := b.ask(netip.MustParseAddrPort(test.from), test.packet)
			test.want.Received = 1
			if diff := cmp.Diff(test.want, b.counts); diff != "" || ok != (test.want.Answered == 1) {
				t.Errorf("answered is %v; counts (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// TestAWrongKeyIsToldOnce for each source that is allowed, up to a number that
// no forger can exceed.
func TestAWrongKeyIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	b := newBench(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	plain, other := stamp.AppendRequest(nil, request(0), nil), stamp.AppendRequest(nil, request(0), []byte("a key that one end has alone"))
	for range 3 {
		for _, ask := range []struct {
			from   string
			packet []byte
		}{
			{"192.0.2.9:50000", plain[:13]},       // needs no key
			{"198.51.100.200:50000", other},       // is not allowed
			{"192.0.2.200:50000", other},          //
			{"192.0.2.201:50000", plain},          // knows of no key
			{"[::ffff:192.0.2.201]:60000", other}, // as an IPv6 socket shows it
		} {
			b.ask(netip.MustParseAddrPort(ask.from), ask.packet)
		}
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, said, _ := strings.Cut(line, "must have one key\" ")
		got = append(got, said)
	}
	want := []string{
		"source=192.0.2.200 error=\"stamp: the HMAC does not fit; the keys differ or the packet was altered\"\n",
		"source=192.0.2.201 error=\"stamp: the packet is too short: 44 bytes, at least 112 are needed\"\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	b = newBench(func(c *Config) {
		c.Log, c.Keys = slog.New(slog.NewTextHandler(&log, nil)), []Key{{netip.MustParsePrefix("2001:db8::/32"), secret}}
	})
	log.Reset()
	for i := range 2 * maxUnlike {
		b.ask(netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(i)}), 50000), other)
	}
	if n := strings.Count(log.String(), "\n"); n != maxUnlike {
		t.Errorf("%d sources are named, want %d", n, maxUnlike)
	}
}

// TestLimitChangesTheRate for sources that are known already.
func TestLimitChangesTheRate(t *testing.T) {
	b := newBench(func(c *Config) { c.Rate, c.Sessions = 3, 100 })
	packet := stamp.AppendRequest(nil, request(0), nil)
	for _, step := range []struct{ limit, want float64 }{{0, DefaultRate}, {3, 3}, {40, 40}, {1, 1}} {
		b.reflector.Limit(step.limit)
		b.now = b.now.Add(900 * time.Millisecond) // the bucket is still kept
		b.ask(sender, packet)                     // and full after another
		b.now = b.now.Add(time.Second)
		before := b.counts.Answered
		for range DefaultRate + 10 {
			b.ask(sender, packet)
		}
		if got := float64(b.counts.Answered - before); got != step.want {
			t.Errorf("limit %v: %v packets are answered at once, want %v", step.limit, got, step.want)
		}
	}
}

// TestEveryRequestHasOneFate: whatever comes, from wherever, no reply is longer
// than its request or 44 bytes, and each packet is counted once.
func TestEveryRequestHasOneFate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(func(c *Config) { c.Rate = 5 })
		for range rapid.IntRange(1, 30).Draw(t, "packets") {
			from := netip.AddrPortFrom(
				netip.AddrFrom4([4]byte{192, 0, rapid.SampledFrom([]byte{2, 3}).Draw(t, "net"), rapid.SampledFrom([]byte{1, 2, 200}).Draw(t, "host")}),
				rapid.SampledFrom([]uint16{0, 7, 862, 50000, 50001}).Draw(t, "port"))
			var packet []byte
			if rapid.Bool().Draw(t, "well made") {
				var key []byte
				if rapid.Bool().Draw(t, "sealed") {
					key = secret
				}
				ask := stamp.Ask{Class: rapid.Bool().Draw(t, "class"), FollowUp: rapid.Bool().Draw(t, "follow-up"), Timestamps: rapid.Bool().Draw(t, "timestamps")}
				packet = stamp.AppendRequest(nil, request(rapid.Uint16Range(0, 3).Draw(t, "ssid")), key)
				var err error
				if packet, err = ask.Append(packet, 7, key); err != nil {
					t.Fatal(err)
				}
			} else {
				packet = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "packet")
			}
			b.now = b.now.Add(time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "pause")))
			m := stopwatch.Message{From: from, To: here, TTL: rapid.IntRange(-1, 255).Draw(t, "TTL"), TOS: rapid.IntRange(-1, 255).Draw(t, "TOS"), Payload: bytes.Clone(packet)}
			out, ok := b.askMessage(&m)
			if !ok {
				continue
			}
			if len(out.packet) > max(len(packet), stamp.SizeUnauthenticated) {
				t.Fatalf("%d bytes for %d", len(out.packet), len(packet))
			}
			if len(b.sessions.entries) > 4 || len(b.sources.entries) > 4 {
				t.Fatalf("%d sessions and %d sources, at most 4 are to be remembered", len(b.sessions.entries), len(b.sources.entries))
			}
		}
		c := b.counts
		if c.Received != c.Answered+c.NotAllowed+c.OverRate+c.Short+c.BadHMAC+c.Loop+c.Unsent {
			t.Fatalf("counts do not add up: %+v", c)
		}
	})
}

func TestRepliesAreAsLongAsRequests(t *testing.T) {
	for _, size := range []int{14, 41, 43, 44, 45, 47, 48, 112, 113, 1400, 9000} {
		b := newBench(nil)
		packet := make([]byte, size)
		copy(packet, stamp.AppendRequest(nil, request(0), nil))
		out, ok := b.ask(sender, packet)
		if want := max(size, stamp.SizeUnauthenticated); !ok || len(out.packet) != want {
			t.Errorf("a request of %d bytes: %d, want %d", size, len(out.packet), want)
		}
	}
}

// TestSessionsCountByThemselves: a flow, the address asked and the sender's
// identifier make a session.
func TestSessionsCountByThemselves(t *testing.T) {
	b := newBench(func(c *Config) { c.Rate, c.Sessions = 1000, 100 })
	sequence := func(from netip.AddrPort, to netip.Addr, ssid uint16) uint32 {
		t.Helper()
		m := stopwatch.Message{From: from, To: to, TTL: 61, Payload: stamp.AppendRequest(nil, request(ssid), nil)}
		out, ok := b.askMessage(&m)
		if !ok {
			t.Fatalf("no answer: %+v", b.counts)
		}
		got, err := stamp.ParseReply(out.packet, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Sequence
	}
	other := netip.AddrPortFrom(sender.Addr(), 50001)
	there := netip.MustParseAddr("192.0.2.2")
	for i := range uint32(5) {
		for _, s := range []struct {
			name string
			got  uint32
		}{
			{"one", sequence(sender, here, 1)}, {"port", sequence(other, here, 1)},
			{"identifier", sequence(sender, here, 2)}, {"address asked", sequence(sender, there, 1)},
		} {
			if s.got != i {
				t.Errorf("%s: sequence %d, want %d", s.name, s.got, i)
			}
		}
	}
	b.now = b.now.Add(time.Minute + time.Second)
	if got := sequence(sender, here, 1); got != 0 {
		t.Errorf("after it was idle for too long a session goes on with %d", got)
	}
	if len(b.sessions.entries) != 1 {
		t.Errorf("%d sessions are remembered; the idle ones should be forgotten", len(b.sessions.entries))
	}
}

// TestAReplyThatWasNotSentIsNotCounted: the sender tells from the numbers what
// was lost on the way back.
func TestAReplyThatWasNotSentIsNotCounted(t *testing.T) {
	b := newBench(nil)
	packet := stamp.AppendRequest(nil, request(0), nil)
	for range 2 {
		m := stopwatch.Message{From: sender, To: here, Payload: packet}
		out, ok := b.answer(&m, func() time.Time { return b.now }, b.buffer[:])
		if !ok {
			t.Fatal("no answer")
		}
		if got, err := stamp.ParseReply(out.packet, nil); err != nil || got.Sequence != 0 {
			t.Errorf("sequence %d, %v; want 0 until one is sent", got.Sequence, err)
		}
	}
}

func TestRateOfASource(t *testing.T) {
	b := newBench(nil) // 10 a second
	packet := stamp.AppendRequest(nil, request(0), nil)
	answered := func(from string, n int) (count int) {
		for range n {
			if _, ok := b.ask(netip.MustParseAddrPort(from), packet); ok {
				count++
			}
		}
		return count
	}
	for _, step := range []struct {
		name  string
		pause time.Duration
		from  string
		sends int
		want  int
	}{
		{"a burst", 0, "192.0.2.9:50000", 15, 10},
		{"another port of it", 0, "192.0.2.9:50001", 1, 0},
		{"another source", 0, "192.0.2.10:50000", 15, 10},
		{"half a second later", 500 * time.Millisecond, "192.0.2.9:50000", 15, 5},
		{"much later", time.Hour, "192.0.2.9:50000", 15, 10},
		{"IPv6", 0, "[2001:db8::1]:50000", 15, 10},
		{"the same subnet", 0, "[2001:db8::2]:50000", 15, 0},
		{"another subnet", 0, "[2001:db8:0:1::1]:50000", 15, 10},
	} {
		b.now = b.now.Add(step.pause)
		if got := answered(step.from, step.sends); got != step.want {
			t.Errorf("%s: %d answered, want %d", step.name, got, step.want)
		}
	}
}

func TestAllowChangesWhoIsAnswered(t *testing.T) {
	b := newBench(nil)
	packet := stamp.AppendRequest(nil, request(0), nil)
	stranger := netip.MustParseAddrPort("198.51.100.9:50000")
	for _, step := range []struct {
		allow          []string
		sender, strang bool
	}{
		{[]string{"198.51.100.0/24"}, false, true},
		{[]string{"198.51.100.0/24", "192.0.2.9/32"}, true, true},
		{nil, false, false},
		{[]string{"0.0.0.0/0"}, true, true},
	} {
		var allowed []netip.Prefix
		for _, text := range step.allow {
			allowed = append(allowed, netip.MustParsePrefix(text))
		}
		b.reflector.Allow(allowed)
		if _, ok := b.ask(sender, packet); ok != step.sender {
			t.Errorf("allowed %v: %v answered is %v", step.allow, sender, ok)
		}
		if _, ok := b.ask(stranger, packet); ok != step.strang {
			t.Errorf("allowed %v: %v answered is %v", step.allow, stranger, ok)
		}
	}
}

func TestExtensionsAreAnswered(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		ask    stamp.Ask
		tos    int
		want   stamp.Extensions
		dscp   int // −1: left to the socket
	}{
		{"how it was marked", nil, stamp.Ask{Class: true, DSCP: 10}, 46<<2 | 1,
			stamp.Extensions{HasClass: true, Class: stamp.Class{Asked: 10, DSCP: 46, ECN: 1}}, 10},
		{"a mark that is refused", func(c *Config) { c.Refused = []uint8{10} }, stamp.Ask{Class: true, DSCP: 10}, 46 << 2,
			stamp.Extensions{HasClass: true, Class: stamp.Class{Asked: 10, DSCP: 46, Refused: true}}, 46},
		{"a mark that is not known", nil, stamp.Ask{Class: true, DSCP: 10}, -1, stamp.Extensions{}, -1},
		{"clocks", nil, stamp.Ask{Timestamps: true}, 0,
			stamp.Extensions{HasTimestamps: true, Timestamps: stamp.TimestampSources{InMethod: stamp.SoftwareLocal, OutMethod: stamp.SoftwareLocal}}, 0},
		{"a clock that runs free", func(c *Config) {
			c.Clock = func() wire.Clock { return wire.Clock{State: wire.ClockUnsynchronised} }
		}, stamp.Ask{Timestamps: true}, 0,
			stamp.Extensions{HasTimestamps: true, Timestamps: stamp.TimestampSources{In: stamp.FreeRunning, InMethod: stamp.SoftwareLocal, Out: stamp.FreeRunning, OutMethod: stamp.SoftwareLocal}}, 0},
		{"no reply before", nil, stamp.Ask{FollowUp: true}, 0, stamp.Extensions{}, 0},
	} {
		for name, key := range map[string][]byte{"": nil, ", authenticated": secret} {
			t.Run(test.name+name, func(t *testing.T) {
				b := newBench(test.change)
				from := sender
				if key != nil {
					from = netip.MustParseAddrPort("192.0.2.200:50000")
				}
				packet, err := test.ask.Append(stamp.AppendRequest(nil, request(0), key), 7, key)
				if err != nil {
					t.Fatal(err)
				}
				out, ok := b.askMessage(&stopwatch.Message{From: from, To: here, TTL: 61, TOS: test.tos, Payload: packet})
				if !ok {
					t.Fatalf("no answer: %+v", b.counts)
				}
				r, err := stamp.ParseReply(out.packet, key)
				if err != nil {
					t.Fatal(err)
				}
				got, err := stamp.ParseExtensions(r.TLVs, r.Sequence, key)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("extensions (-want +got):\n%s", diff)
				}
				want := stopwatch.Way{From: here, TOS: test.dscp << 2, Stamped: test.ask.FollowUp}
				if test.dscp < 0 {
					want.TOS = -1
				}
				if out.way != want {
					t.Errorf("sent by %+v, want %+v", out.way, want)
				}
			})
		}
	}
}

// TestTLVsWithoutTheirHMAC are answered as the RFC wants: flagged and else as
// they came.
func TestTLVsWithoutTheirHMAC(t *testing.T) {
	b := newBench(nil)
	ask := stamp.Ask{Class: true}
	packet, err := ask.Append(stamp.AppendRequest(nil, request(0), secret), 7, []byte("another key, too"))
	if err != nil {
		t.Fatal(err)
	}
	out, ok := b.ask(netip.MustParseAddrPort("192.0.2.200:50000"), packet)
	if !ok || b.counts.TLVsNotIntact != 1 {
		t.Fatalf("answered is %v, counts %+v", ok, b.counts)
	}
	r, err := stamp.ParseReply(out.packet, secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stamp.ParseExtensions(r.TLVs, r.Sequence, secret); err == nil {
		t.Error("the sender is not told")
	}
}

func TestUnknownClockAndMoment(t *testing.T) {
	b := newBench(func(c *Config) { c.Clock = func() wire.Clock { return wire.Clock{State: wire.ClockUnknown} } })
	out, ok := b.askMessage(&stopwatch.Message{From: sender, To: here, TTL: -1, TOS: -1, Payload: stamp.AppendRequest(nil, request(0), nil)})
	if !ok {
		t.Fatal("no answer")
	}
	r, err := stamp.ParseReply(out.packet, nil)
	if err != nil {
		t.Fatal(err)
	}
	bound, known := r.Error.Bound()
	if r.Error.Synchronised() || !known || bound < unknownError {
		t.Errorf("error estimate: synchronised %v, bound %v, known %v", r.Error.Synchronised(), bound, known)
	}
	if r.Sender.TTL != 255 || r.Received != r.Timestamp || b.counts.Unstamped != 1 {
		t.Errorf("TTL %d, received %x, sent %x, counts %+v", r.Sender.TTL, r.Received, r.Timestamp, b.counts)
	}
}

// TestTheClockIsAskedOnceASecond: what replies say of it is not older.
func TestTheClockIsAskedOnceASecond(t *testing.T) {
	asked := 0
	b := newBench(func(c *Config) {
		c.Rate = 1000
		c.Clock = func() wire.Clock { asked++; return wire.Clock{State: wire.ClockSynchronised} }
	})
	packet := stamp.AppendRequest(nil, request(0), nil)
	for i, want := range []int{1, 1, 1, 2, 2, 2} { // 0 to 2.5 s, in halves
		b.ask(sender, packet)
		if asked != want {
			t.Errorf("packet %d: asked %d times, want %d", i, asked, want)
		}
		b.now = b.now.Add(500 * time.Millisecond)
	}
}

func TestSessionsThatHadToGoAreCounted(t *testing.T) {
	b := newBench(nil) // 4 sessions
	for ssid := range uint16(6) {
		b.ask(sender, stamp.AppendRequest(nil, request(ssid), nil))
	}
	if b.counts.Evicted != 2 || len(b.sessions.entries) != 4 {
		t.Errorf("%d had to go, %d are left; want 2 and 4", b.counts.Evicted, len(b.sessions.entries))
	}
}

func FuzzAnswer(f *testing.F) {
	ask := stamp.Ask{Class: true, Timestamps: true, FollowUp: true, Size: 80}
	for _, key := range [][]byte{nil, secret} {
		packet, err := ask.Append(stamp.AppendRequest(nil, request(1), key), 7, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, uint16(50000), 46<<2, key != nil)
		f.Add(packet[:44], uint16(862), -1, key != nil)
	}
	f.Fuzz(func(t *testing.T, packet []byte, port uint16, tos int, sealed bool) {
		if len(packet) > 9000 {
			return
		}
		b := newBench(nil)
		from := netip.AddrPortFrom(sender.Addr(), port)
		var key []byte
		if sealed {
			from, key = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.200"), port), secret
		}
		out, ok := b.askMessage(&stopwatch.Message{From: from, To: here, TOS: max(-1, min(tos, 255)), Payload: bytes.Clone(packet)})
		if !ok {
			return
		}
		if len(out.packet) > max(len(packet), stamp.SizeUnauthenticated) {
			t.Errorf("%d bytes for %d", len(out.packet), len(packet))
		}
		if _, err := stamp.ParseReply(out.packet, key); err != nil {
			t.Error(err)
		}
	})
}
