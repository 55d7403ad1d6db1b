package stopwatch

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// pair gives two descriptors of UDP sockets on loopback, the first connected
// to the second, which takes the given receive options.
func pair(t testing.TB, options ...int) (from, to int, port int) {
	t.Helper()
	open := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	from, to = open(), open()
	for _, option := range options {
		if err := unix.SetsockoptInt(to, unix.IPPROTO_IP, option, 1); err != nil {
			t.Fatal(err)
		}
	}
	name, err := unix.Getsockname(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(from, name); err != nil {
		t.Fatal(err)
	}
	name, err = unix.Getsockname(from)
	if err != nil {
		t.Fatal(err)
	}
	return from, to, name.(*unix.SockaddrInet4).Port
}

func send(t testing.TB, fd int, payload []byte) {
	t.Helper()
	if _, err := unix.Write(fd, payload); err != nil {
		t.Fatal(err)
	}
}

func TestBatchReceives(t *testing.T) {
	from, to, port := pair(t, unix.IP_RECVTTL)
	b := newBatch(4, 8, 64)
	if n, err := b.receive(to, 0); n != 0 || err != nil {
		t.Fatalf("nothing sent: %d, %v", n, err)
	}
	for _, payload := range []string{"one", "", "exactly8", "more than eight", "five"} {
		send(t, from, []byte(payload))
	}
	// Twice round, so that what the kernel cut down is seen to be given back.
	for round, want := range [][]string{{"one", "", "exactly8", "more tha"}, {"five"}} {
		n, err := b.receive(to, 0)
		if err != nil || n != len(want) {
			t.Fatalf("round %d: %d packets, %v; want %d", round, n, err, len(want))
		}
		for i := range n {
			if got := b.payload(i); !bytes.Equal(got, []byte(want[i])) {
				t.Errorf("round %d, packet %d: %q, want %q", round, i, got, want[i])
			}
			if cut := want[i] == "more tha"; b.truncated(i) != cut {
				t.Errorf("round %d, packet %d: truncated is %v", round, i, b.truncated(i))
			}
			address := b.address(i)
			if len(address) != unix.SizeofSockaddrInet4 || int(binary.BigEndian.Uint16(address[2:])) != port {
				t.Errorf("round %d, packet %d: address %x, want port %d", round, i, address, port)
			}
			controls, err := unix.ParseSocketControlMessage(b.control(i))
			if err != nil || len(controls) != 1 || controls[0].Header.Type != unix.IP_TTL || controls[0].Data[0] == 0 {
				t.Errorf("round %d, packet %d: control messages %v, %v; want a TTL", round, i, controls, err)
			}
		}
	}
}

func TestBatchTellsThatControlMessagesWereCut(t *testing.T) {
	from, to, _ := pair(t, unix.IP_RECVTTL, unix.IP_PKTINFO)
	b := newBatch(1, 8, unix.CmsgSpace(4))
	send(t, from, []byte("x"))
	if n, err := b.receive(to, 0); n != 1 || err != nil || !b.truncated(0) {
		t.Errorf("%d packets, %v, truncated %v; want 1, truncated", n, err, b.truncated(0))
	}
}

func TestBatchTakesNoMemoryForAPacket(t *testing.T) {
	from, to, _ := pair(t, unix.IP_RECVTTL)
	b := newBatch(8, 64, 64)
	payload := make([]byte, 44)
	if n := testing.AllocsPerRun(100, func() {
		send(t, from, payload)
		for {
			if n, err := b.receive(to, 0); err != nil {
				t.Fatal(err)
			} else if n == 0 {
				return
			}
			if len(b.payload(0)) != 44 || len(b.control(0)) == 0 || len(b.address(0)) == 0 {
				t.Error("a part of the packet is missing")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func TestBatchFailsOnABadDescriptor(t *testing.T) {
	if n, err := newBatch(1, 8, 0).receive(-1, 0); n != 0 || err != unix.EBADF {
		t.Errorf("%d, %v; want %v", n, err, unix.EBADF)
	}
}
