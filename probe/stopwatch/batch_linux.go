package stopwatch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	bytes  uint32
}

// batch receives many packets by one system call, into memory that is taken
// once. It is for one goroutine at a time; what payload, control and address
// give is valid until the next receive.
type batch struct {
	messages  []message
	vectors   []unix.Iovec
	payloads  []byte
	controls  []byte
	addresses []unix.RawSockaddrAny

	payloadBytes, controlBytes int

	used int // messages that the kernel has written to since they were made ready
}

// newBatch makes room for n packets, each with so many bytes of payload and of
// control messages. controlBytes may be 0.
func newBatch(n, payloadBytes, controlBytes int) *batch {
	b := &batch{
		messages:     make([]message, n),
		vectors:      make([]unix.Iovec, n),
		payloads:     make([]byte, n*payloadBytes),
		controls:     make([]byte, n*controlBytes),
		addresses:    make([]unix.RawSockaddrAny, n),
		payloadBytes: payloadBytes, controlBytes: controlBytes,
		used: n,
	}
	for i := range b.messages {
		h := &b.messages[i].header
		if payloadBytes > 0 {
			b.vectors[i].Base = &b.payloads[i*payloadBytes]
			b.vectors[i].SetLen(payloadBytes)
		}
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.addresses[i]))
		if controlBytes > 0 {
			h.Control = &b.controls[i*controlBytes]
		}
	}
	return b
}

// ready gives back to the kernel's length fields the room that the last
// receive has cut down to what came.
func (b *batch) ready() {
	for i := range b.used {
		h := &b.messages[i].header
		h.Namelen = unix.SizeofSockaddrAny
		h.SetControllen(b.controlBytes)
		h.Flags = 0
	}
	b.used = 0
}

// receive reads what has come, at most the batch full, and never waits.
// Nothing there is 0 and no error. flags may be unix.MSG_ERRQUEUE.
func (b *batch) receive(fd, flags int) (int, error) {
	b.ready()
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.messages[0])),
			uintptr(len(b.messages)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		switch errno {
		case 0:
			b.used = int(n)
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// payload is what was received as packet i; of a truncated packet, its
// beginning.
func (b *batch) payload(i int) []byte {
	// With MSG_TRUNC the kernel tells the length that the packet had.
	n := min(int(b.messages[i].bytes), b.payloadBytes)
	at := i * b.payloadBytes
	return b.payloads[at : at+n : at+b.payloadBytes]
}

// control are the control messages that came with packet i.
func (b *batch) control(i int) []byte {
	at := i * b.controlBytes
	return b.controls[at : at+int(b.messages[i].header.Controllen)]
}

// address is the raw socket address of packet i's other end (sockaddr_in,
// sockaddr_in6 or sockaddr_ll); empty where there was none.
func (b *batch) address(i int) []byte {
	raw := (*[unix.SizeofSockaddrAny]byte)(unsafe.Pointer(&b.addresses[i]))
	return raw[:min(b.messages[i].header.Namelen, unix.SizeofSockaddrAny)]
}

// truncated tells whether packet i, or what the kernel says about it, did not
// fit into its room.
func (b *batch) truncated(i int) bool {
	return b.messages[i].header.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0
}
