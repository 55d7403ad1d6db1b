package reflect

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/stamp"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// turnPackets is how many packets wait for a server when its turn begins; they
// fit into 4 MiB of socket memory.
const turnPackets = 9000

// contender is what the benchmark compares: a socket that takes packets from the
// moment it is opened, and answers from the moment it is started.
type contender struct {
	local    netip.AddrPort
	answered func() uint64
	serve    func(ctx context.Context)
}

// openEcho is the reference: a server of package net on one socket that sends
// back what comes.
func openEcho(b *testing.B) contender {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	}); err != nil {
		b.Fatal(err)
	}
	if err != nil {
		b.Skipf("SKIPPED: needs CAP_NET_ADMIN for a socket that holds %d packets: %v", turnPackets, err)
	}
	var answered atomic.Uint64
	return contender{conn.LocalAddr().(*net.UDPAddr).AddrPort(), answered.Load, func(ctx context.Context) {
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		buffer := make([]byte, 9216)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if _, err := conn.WriteToUDPAddrPort(buffer[:n], from); err == nil {
				answered.Add(1)
			}
		}
	}}
}

func openReflector(b *testing.B, keys []Key) contender {
	r, err := Listen(Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Keys: keys, Rate: 1e9,
		Clock: func() wire.Clock { return wire.Clock{} }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	r.Allow([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	return contender{r.Local()[0], func() uint64 { return r.Counters().Answered }, func(ctx context.Context) {
		if err := r.Run(ctx); err != nil {
			b.Error(err)
		}
	}}
}

// turn fills a server's socket and gives the time and the CPU time that it
// takes to answer. Nothing else of this process runs meanwhile.
func (c contender) turn(b *testing.B, packet []byte) (took, cpu time.Duration) {
	client, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(c.local))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	_ = client.SetReadBuffer(1) // replies are not read
	for range turnPackets {
		if _, err := client.Write(packet); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	used, from := cpuTime(b), time.Now()
	go func() { defer close(ended); c.serve(ctx) }()
	for c.answered() < turnPackets {
		if time.Since(from) > 10*time.Second {
			b.Fatalf("%d of %d packets are answered after 10 s", c.answered(), turnPackets)
		}
		time.Sleep(100 * time.Microsecond)
	}
	took, cpu = time.Since(from), cpuTime(b)-used
	cancel()
	<-ended
	return took, cpu
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkReflectorBesideEcho gives the packets a second that the reflector
// and a plain echo server answer in their best turns, and the ratio. They take
// turns, and the best count, so that other load on the machine falls on
// neither.
func BenchmarkReflectorBesideEcho(b *testing.B) {
	for _, test := range []struct {
		name string
		keys []Key
		ask  stamp.Ask
	}{
		{name: "plain"},
		{name: "follow-up", ask: stamp.Ask{FollowUp: true}},
		{name: "authenticated", keys: []Key{{netip.MustParsePrefix("127.0.0.0/8"), secret}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			var key []byte
			if test.keys != nil {
				key = secret
			}
			packet, err := test.ask.Append(stamp.AppendRequest(nil, request(1), key), 7, key)
			if err != nil {
				b.Fatal(err)
			}
			best := [2]time.Duration{time.Hour, time.Hour}
			bestCPU := best
			for b.Loop() {
				for i, c := range []contender{openEcho(b), openReflector(b, test.keys)} {
					took, cpu := c.turn(b, packet)
					best[i], bestCPU[i] = min(best[i], took), min(bestCPU[i], cpu)
				}
			}
			rate := func(i int) float64 { return turnPackets / best[i].Seconds() }
			b.ReportMetric(rate(0), "echo-packets/s")
			b.ReportMetric(rate(1), "reflector-packets/s")
			b.ReportMetric(rate(1)/rate(0), "of-echo")
			b.ReportMetric(float64(bestCPU[0].Nanoseconds())/turnPackets, "echo-CPU-ns/packet")
			b.ReportMetric(float64(bestCPU[1].Nanoseconds())/turnPackets, "reflector-CPU-ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}
