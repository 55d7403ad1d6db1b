package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/reflect"
	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestDutyOfAnAssignment: a reflector lets a source send what the tests ask,
// and answers nobody whom it cannot know.
func TestDutyOfAnAssignment(t *testing.T) {
	keys := []reflect.Key{{Prefix: netip.MustParsePrefix("192.0.2.0/25"), Secret: make([]byte, 16)}}
	for _, test := range []struct {
		name      string
		reflector *wire.Reflector
		sources   []string
		rate      float64
	}{
		{"none", nil, nil, 0},
		{"a collector that does not tell the rate", &wire.Reflector{Port: 862, Sources: []string{"192.0.2.1"}}, []string{"192.0.2.1/32"}, 0},
		{"a slow test", &wire.Reflector{Port: 862, Sources: []string{"192.0.2.1", "192.0.2.2"}, PacketsPerS: 1.0 / 60}, []string{"192.0.2.1/32", "192.0.2.2/32"}, 100 + 2.0/60},
		{"thirty tests at the shortest interval", &wire.Reflector{Port: 862, Sources: []string{"192.0.2.1"}, PacketsPerS: 3000}, []string{"192.0.2.1/32"}, 6100},
		{"three of five in one subnet", &wire.Reflector{Port: 862, Sources: []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8::3", "192.0.2.1"}, PacketsPerS: 1000},
			[]string{"2001:db8::1/128", "2001:db8::2/128", "2001:db8:0:1::1/128", "2001:db8::3/128", "192.0.2.1/32"}, 6100},
		{"a source without a key", &wire.Reflector{Port: 862, Authenticated: true, Sources: []string{"192.0.2.1", "192.0.2.200"}, PacketsPerS: 10}, []string{"192.0.2.1/32"}, 120},
		{"a rate that cannot be", &wire.Reflector{Port: 862, Sources: []string{"192.0.2.1"}, PacketsPerS: -5}, []string{"192.0.2.1/32"}, 0},
		{"a mapped address", &wire.Reflector{Port: 862, Sources: []string{"::ffff:192.0.2.1"}, PacketsPerS: 1}, []string{"192.0.2.1/32"}, 102},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := newResponder(keys, slog.New(slog.DiscardHandler)).dutyOf(&wire.Assignment{Address: "127.0.0.1", Reflector: test.reflector})
			if err != nil {
				t.Fatal(err)
			}
			var sources []string
			for _, s := range d.sources {
				sources = append(sources, s.String())
			}
			if diff := cmp.Diff(test.sources, sources); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if d.rate != test.rate {
				t.Errorf("rate %v, want %v", d.rate, test.rate)
			}
		})
	}
}

// TestResponderFollowsTheRate: a new assignment changes the rate of a reflector
// that runs. Of a burst that is longer than the first rate some is not answered,
// and all of it after the second.
func TestResponderFollowsTheRate(t *testing.T) {
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	to := free.LocalAddr().(*net.UDPAddr)
	free.Close()
	r := newResponder(nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.run(ctx) }()
	defer func() { cancel(); <-ended }()
	follow := func(packetsPerS float64) {
		r.follow(&wire.Assignment{Address: "127.0.0.1", Reflector: &wire.Reflector{Port: to.Port, Sources: []string{"127.0.0.1"}, PacketsPerS: packetsPerS}})
	}
	conn, err := net.DialUDP("udp4", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	packet, buffer := stamp.AppendRequest(nil, &stamp.Request{}, nil), make([]byte, 200)
	var next uint32 // sequence number of the reflector
	// replies counts the answers to so many packets.
	replies := func(packets int) (n int) {
		for range packets {
			if _, err := conn.Write(packet); err != nil {
				return n // nobody listens yet
			}
		}
		for {
			_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			size, err := conn.Read(buffer)
			if err != nil {
				return n
			}
			reply, err := stamp.ParseReply(buffer[:size], nil)
			if err != nil || reply.Sequence != next {
				t.Fatalf("reply %d, want %d: %v", reply.Sequence, next, err)
			}
			next++
			n++
		}
	}
	follow(1)
	waitFor(t, "the reflector", func() bool { return replies(1) == 1 })
	const burst = 150 // whose replies fit into the socket
	waitFor(t, "a burst beyond the rate", func() bool { return replies(burst) < burst })
	follow(100 * burst)
	// It goes on counting, so it is still the same one.
	waitFor(t, "the new rate", func() bool { return replies(burst) == burst })
}
