package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
)

// watch waits for a packet of the test to pass, and takes over what only it
// shows: the flow label that the kernel gave it and, with ICMP, the identifier.
// Where none passes, nothing is changed.
func watch(ctx context.Context, f *Flow, most time.Duration) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("look on as packets pass: %w", err)
	}
	defer unix.Close(fd)
	if err := stopwatch.Attach(fd, leavingFor(f.Destination.Addr().AsSlice())); err != nil {
		return fmt.Errorf("set the filter: %w", err)
	}
	// Only ETH_P_ALL sees what leaves.
	all := uint16(unix.ETH_P_ALL)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8}); err != nil {
		return fmt.Errorf("look on as packets pass: %w", os.NewSyscallError("bind", err))
	}
	buffer := make([]byte, seen)
	for until := time.Now().Add(most); ctx.Err() == nil; {
		left := min(time.Until(until), attention)
		if left <= 0 {
			return nil
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left/time.Millisecond)+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
		if n <= 0 {
			continue
		}
		n, _, err = unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			continue // an interface that went down, for one
		}
		if f.adopt(buffer[:n]) {
			return nil
		}
	}
	return nil
}

// seen is how much of a passing packet is looked at.
const seen = 128

// leavingFor lets pass what leaves this host for an address.
func leavingFor(to []byte) []bpf.Instruction {
	at, version := uint32(16), uint32(4)
	if len(to) == 16 {
		at, version = 24, 6
	}
	words := len(to) / 4
	p := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipFalse: uint8(4 + 2*words)},
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: version, SkipFalse: uint8(1 + 2*words)},
	}
	for i := range words {
		p = append(p,
			bpf.LoadAbsolute{Off: at + uint32(4*i), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: binary.BigEndian.Uint32(to[4*i:]), SkipFalse: uint8(1 + 2*(words-1-i))})
	}
	return append(p, bpf.RetConstant{Val: seen}, bpf.RetConstant{Val: 0})
}
