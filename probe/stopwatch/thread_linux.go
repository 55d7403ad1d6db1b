package stopwatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// OwnThread gives the calling goroutine a thread of its own, for good, and that
// real-time priority, above all ordinary work of the host: for a goroutine
// that answers packets and does little for each. Without CAP_SYS_NICE or a
// limit RTPRIO of at least 1 the priority is refused; then the thread is an
// ordinary one.
func OwnThread() error {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0)
	if err != nil {
		return fmt.Errorf("take real-time priority: %w", err)
	}
	return nil
}

// waiter is what a Conn waits with whose Wait holds the thread that calls it:
// then no other thread has to run between the packet and the goroutine that
// answers it.
type waiter struct {
	alarm *os.File       // eventfd, which Wake writes to; closes it when nobody holds it any more
	fds   [2]unix.PollFd // of the socket and the alarm
	until *unix.Timespec
	found int
	errno error
	over  atomic.Bool // the Conn is closed, or will be
	call  func(fd uintptr)
}

func newWaiter() (*waiter, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	w := &waiter{alarm: os.NewFile(uintptr(fd), "eventfd")}
	w.fds = [2]unix.PollFd{{Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN}}
	w.call = func(fd uintptr) {
		w.fds[0].Fd = int32(fd)
		w.found, w.errno = unix.Ppoll(w.fds[:], w.until, nil)
	}
	return w, nil
}

func (w *waiter) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It fails only where the counter is full, and then it wakes anyway.
	_, _ = unix.Write(int(w.fds[1].Fd), one[:])
}

// calm makes the next wait one that is not woken already.
func (w *waiter) calm() {
	var count [8]byte
	_, _ = unix.Read(int(w.fds[1].Fd), count[:])
}

// waitOnThread is Wait for a Conn with a waiter.
func (c *Conn) waitOnThread(deadline time.Time) (bool, error) {
	for {
		if err := c.incoming.fill(c.raw); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return false, err
			}
			return false, fmt.Errorf("receive on %v: %w", c.config.Local, err)
		}
		if c.incoming.left() > 0 {
			c.came()
			return true, nil
		}
		if c.woken.Swap(false) {
			return false, nil
		}
		c.waiter.until = nil
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return false, nil
			}
			until := unix.NsecToTimespec(int64(left))
			c.waiter.until = &until
		}
		if c.waiter.over.Load() {
			return false, net.ErrClosed
		}
		if err := c.raw.Control(c.waiter.call); err != nil {
			return false, plainClosed(err)
		}
		if err := c.waiter.errno; err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("wait on %v: %w", c.config.Local, err)
		}
		if c.waiter.found > 0 && c.waiter.fds[1].Revents != 0 {
			c.waiter.calm()
		}
		// A moment of sending that is there to be read would end every wait.
		if c.waiter.found > 0 && c.waiter.fds[0].Revents&unix.POLLERR != 0 {
			c.keepStamps()
		}
	}
}

// keepStamps reads moments of sending before Sent asks for them.
func (c *Conn) keepStamps() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		s, ok, err := c.stamp()
		if err != nil || !ok {
			return
		}
		if len(c.found) == remembered {
			c.found = c.found[:copy(c.found, c.found[1:])]
		}
		c.found = append(c.found, s)
	}
}
