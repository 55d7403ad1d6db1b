package stopwatch

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue reads one of a socket's two queues, of packets or of errors, a batch
// at a time.
type queue struct {
	batch     *batch
	flags     int
	read      int // packets in the batch
	given     int // of these, handed out
	failed    error
	readSome  func(fd uintptr) bool // reads; true if there is something to hand on
	readFirst func(fd uintptr)      // reads
}

// init makes the functions once, because one made for each call would be taken
// from the heap. The queue must not be copied afterwards.
func (q *queue) init(b *batch, flags int) {
	q.batch, q.flags = b, flags
	q.readFirst = func(fd uintptr) {
		q.given = 0
		q.read, q.failed = q.batch.receive(int(fd), q.flags)
	}
	q.readSome = func(fd uintptr) bool {
		q.readFirst(fd)
		return q.read > 0 || q.failed != nil
	}
}

// left is how many packets are read and not handed out.
func (q *queue) left() int { return q.read - q.given }

// next hands out a packet by its place in the batch.
func (q *queue) next() int {
	q.given++
	return q.given - 1
}

// fill reads what has come, and never waits.
func (q *queue) fill(raw syscall.RawConn) error {
	if err := raw.Control(q.readFirst); err != nil {
		return plainClosed(err)
	}
	return q.failed
}

// outgoing is the memory of a packet to be sent.
type outgoing struct {
	header  unix.Msghdr
	vector  unix.Iovec
	address unix.RawSockaddrAny
	control [controlBytes / 8]uint64 // aligned
	errno   syscall.Errno
	call    func(fd uintptr)
}

func newOutgoing() *outgoing {
	o := &outgoing{}
	o.header.Iov = &o.vector
	o.header.SetIovlen(1)
	o.header.Name = (*byte)(unsafe.Pointer(&o.address))
	o.call = func(fd uintptr) {
		for {
			if o.header.Controllen > 0 {
				_, _, o.errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&o.header)), unix.MSG_DONTWAIT)
			} else {
				_, _, o.errno = unix.Syscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(o.vector.Base)), uintptr(o.vector.Len),
					unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(o.header.Name)), uintptr(o.header.Namelen))
			}
			if o.errno != unix.EINTR {
				return
			}
		}
	}
	return o
}

func (o *outgoing) prepare(way Way, stamped bool, to netip.AddrPort, is4 bool, payload []byte) {
	o.vector.Base = unsafe.SliceData(payload)
	o.vector.SetLen(len(payload))
	o.header.Namelen = putAddress(&o.address, to, is4)
	room := (*[controlBytes]byte)(unsafe.Pointer(&o.control))
	control := appendWay(room[:0], is4, way, stamped)
	o.header.Control = nil
	if len(control) > 0 {
		o.header.Control = &control[0]
	}
	o.header.SetControllen(len(control))
}

// send sends what is prepared, or fails at once.
func (o *outgoing) send(raw syscall.RawConn) error {
	err := raw.Control(o.call)
	o.vector.Base = nil // the payload is the caller's again
	if err != nil {
		return plainClosed(err)
	}
	if o.errno != 0 {
		return o.errno
	}
	return nil
}
