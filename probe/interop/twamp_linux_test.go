package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/stamp"
)

// Messages of TWAMP-Control without authentication (RFC 5357, section 3), by
// which twamp-rs wants its test packets announced. Only what is not zero there
// is named here.
const (
	sizeGreeting      = 64
	sizeSetUp         = 164
	sizeServerStart   = 48
	sizeRequest       = 112
	sizeAcceptSession = 48
	sizeStart         = 32

	modeUnauthenticated = 1
	commandStart        = 2
	commandRequest      = 5
)

// TestReflectorAgainstTWAMP lets the sender of twamp-rs measure: packets of 14
// bytes, all at once, to which we answer 44. The RTTs that it tells are left
// out: it writes nanoseconds where NTP has a binary fraction, and reads ours as
// if it were the same.
func TestReflectorAgainstTWAMP(t *testing.T) {
	ours, theirs := probe(), filepath.Join(peer(t, "twamp-rs"), "controller")
	reflector, to := reflect(t, ours, "127.0.0.1")
	control, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serveTWAMP(control, to) }()
	_, controlPort, _ := net.SplitHostPort(control.Addr().String())
	cmd := command(t.Context(), theirs, "--responder-addr=127.0.0.1", "--controller-addr=127.0.0.1", "--responder-port="+controlPort, "--responder-reflect-port="+to,
		"--number-of-test-packets="+strconv.Itoa(count), "--timeout=1", "--stop-session-sleep=2")
	cmd.Env = append(cmd.Env, "RUST_LOG=trace") // to hear of every packet
	out, err := cmd.CombinedOutput()
	control.Close()
	if err != nil {
		t.Fatalf("%v: %v, %v\n%s", cmd, err, <-served, out)
	}
	if err := <-served; err != nil {
		t.Fatalf("TWAMP-Control: %v\n%s", err, out)
	}
	checkReflector(t, reflector, "received=10 answered=10 sessions=1")
	if !bytes.Contains(out, []byte("Got back all test packets")) || !bytes.Contains(out, []byte("Packet loss: 0%")) {
		t.Errorf("twamp-rs lost packets:\n%s", out)
	}
	sent, replies := twampSaid(out, "TwampTestPacketUnauth {"), twampSaid(out, "TwampTestPacketUnauthReflected {")
	if len(sent) != count || len(replies) != count {
		t.Fatalf("twamp-rs tells of %d packets and %d replies:\n%s", len(sent), len(replies), out)
	}
	ttl := defaultTTL(t)
	for i, r := range replies {
		// Number, timestamp in two parts, and the error estimate in four.
		const fields = 7
		// What it sent comes back behind T3, of the same fields, two bytes of
		// zeros and T2. Then come two bytes of zeros again and the TTL.
		want := slices.Concat([]uint64{uint64(i)}, r[1:fields], []uint64{0}, r[8:10], sent[i][:fields], []uint64{0, ttl})
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("twamp-rs reads reply %d as (-want +got):\n%s", i, diff)
			continue
		}
		t2, t3 := r[8]<<32|r[9], r[1]<<32|r[2]
		if now := uint64(stamp.NTP.Stamp(time.Now())); t2 > t3 || t3 > now || now-t3 > 60<<32 {
			t.Errorf("twamp-rs reads T2 as %x and T3 as %x; now is %x", t2, t3, now)
		}
	}
}

// defaultTTL is that of packets whose sender does not choose.
func defaultTTL(t *testing.T) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")
	if err != nil {
		t.Fatal(err)
	}
	ttl, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 8)
	if err != nil {
		t.Fatal(err)
	}
	return ttl
}

// twampSaid finds packets of a kind in what twamp-rs says, and gives all
// numbers in them but the padding's.
func twampSaid(said []byte, kind string) (packets [][]uint64) {
	for line := range bytes.Lines(said) {
		_, packet, found := bytes.Cut(line, []byte(kind))
		if !found {
			continue
		}
		packet, _, _ = bytes.Cut(packet, []byte("packet_padding"))
		var numbers []uint64
		for _, digits := range regexp.MustCompile(`\d+`).FindAll(packet, -1) {
			number, _ := strconv.ParseUint(string(digits), 10, 64) // are digits
			numbers = append(numbers, number)
		}
		packets = append(packets, numbers)
	}
	return packets
}

// serveTWAMP speaks to one control client, and sends it to a reflector.
func serveTWAMP(listener net.Listener, reflector string) error {
	port, err := strconv.ParseUint(reflector, 10, 16)
	if err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	greeting, accept := make([]byte, sizeGreeting), make([]byte, sizeAcceptSession)
	greeting[15] = modeUnauthenticated
	binary.BigEndian.PutUint16(accept[2:], uint16(port))
	for _, step := range []struct {
		say    []byte
		listen int
	}{{greeting, sizeSetUp}, {make([]byte, sizeServerStart), sizeRequest}, {accept, sizeStart}, {make([]byte, sizeStart), 1}} {
		if _, err := conn.Write(step.say); err != nil {
			return err
		}
		// The last is the first byte of Stop-Sessions, which it sends too short.
		if _, err := io.ReadFull(conn, make([]byte, step.listen)); err != nil {
			return fmt.Errorf("after %d bytes said: %w", len(step.say), err)
		}
	}
	return nil
}

// TestSenderAgainstTWAMP measures by our sender, answered by twamp-rs: 41
// bytes, whatever it is asked. It claims to have kept packets for a quarter of
// the time that it did (see above), so the RTTs are too long, not too short.
func TestSenderAgainstTWAMP(t *testing.T) {
	ours, theirs := probe(), filepath.Join(peer(t, "twamp-rs"), "responder")
	for i, r := range []struct {
		name string
		args []string
	}{
		{"plain", []string{"--plain"}},
		{"44 bytes", []string{"--size=72"}},
		{"TLVs that it cuts off", nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			const controlPorts = 32 // behind those for stamp-suite
			_, found := start(t, regexp.MustCompile(`Listening TWAMP-Control on: (\S+)/tcp`), theirs, "--addr=127.0.0.1", "--port="+port(controlPorts+i))
			relay := newRelay(t)
			relay.to = requestTWAMP(t, found[1], relay.out.LocalAddr())
			go relay.run()
			to := netip.MustParseAddrPort(relay.in.LocalAddr().String()).Port()
			result := measure(t, ours, "127.0.0.1", fmt.Sprint(to), r.args...)
			checkOutcome(t, result, outcome{Sent: count, Received: count, DSCPReceived: -1})
		})
	}
}

// requestTWAMP has a TWAMP server reflect what comes from an address, and gives
// where.
func requestTWAMP(t *testing.T, server string, sender net.Addr) netip.AddrPort {
	t.Helper()
	conn, err := net.Dial("tcp4", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	from, receiver := netip.MustParseAddrPort(sender.String()), netip.MustParseAddrPort(server).Addr()
	setUp, request, begin := make([]byte, sizeSetUp), make([]byte, sizeRequest), make([]byte, sizeStart)
	setUp[3] = modeUnauthenticated
	request[0], request[1] = commandRequest, 4 // IPv4
	binary.BigEndian.PutUint16(request[12:], from.Port())
	copy(request[16:], from.Addr().AsSlice())
	copy(request[32:], receiver.AsSlice())
	begin[0] = commandStart
	var answer []byte
	for _, step := range []struct {
		listen int
		say    []byte
	}{{sizeGreeting, setUp}, {sizeServerStart, request}, {sizeAcceptSession, begin}} {
		answer = make([]byte, step.listen)
		if _, err := io.ReadFull(conn, answer); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(step.say); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(conn, make([]byte, sizeStart)); err != nil {
		t.Fatal(err)
	}
	if answer[0] != 0 {
		t.Fatalf("twamp-rs accepts no session: %x", answer)
	}
	return netip.AddrPortFrom(receiver, binary.BigEndian.Uint16(answer[2:]))
}

// relay passes packets on to a reflector that answers but one port, which our
// sender cannot know before it sends.
type relay struct {
	in, out *net.UDPConn
	to      netip.AddrPort
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	listen := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	return &relay{in: listen(), out: listen()}
}

// run relays packets one by one until the sockets are closed: the reflector
// answers one before the next comes, or never.
func (r *relay) run() {
	packet := make([]byte, 2048)
	for {
		n, from, err := r.in.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		if _, err := r.out.WriteToUDPAddrPort(packet[:n], r.to); err != nil {
			return
		}
		_ = r.out.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, _, err = r.out.ReadFromUDPAddrPort(packet); err != nil {
			return
		}
		if _, err := r.in.WriteToUDPAddrPort(packet[:n], from); err != nil {
			return
		}
	}
}
