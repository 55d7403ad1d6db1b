package emulator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// wait sleeps until a device has packets, a moment has come, or somebody
// wakes it.
type wait struct {
	epoll, timer, alarm int
	armed               time.Duration // the moment that the timer is set to; -1 for none
	events              []unix.EpollEvent
	ready               []int
}

func newWait(ports []Port) (*wait, error) {
	w := &wait{epoll: -1, timer: -1, alarm: -1, armed: -1, events: make([]unix.EpollEvent, 64)}
	if err := w.open(ports); err != nil {
		w.close()
		return nil, fmt.Errorf("set up the emulator's clock: %w", err)
	}
	return w, nil
}

func (w *wait) open(ports []Port) (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if w.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return err
	}
	if w.alarm, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	// Beside the descriptor an event carries the number of the port, or one of
	// these.
	if err := w.watch(w.timer, noPort); err != nil {
		return err
	}
	if err := w.watch(w.alarm, noPort); err != nil {
		return err
	}
	for i, p := range ports {
		if err := w.watch(p.TUN, i); err != nil {
			return err
		}
	}
	return nil
}

// noPort marks a descriptor that only wakes.
const noPort = -1

func (w *wait) watch(fd, port int) error {
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(port)})
}

// early is how long before a moment the sleep ends and polling begins: a
// processor that has gone idle takes some 50 µs to come back, in a virtual
// machine above all, and that would be in every RTT twice.
const early = 80 * time.Microsecond

// until sleeps, at most until a moment on the monotonic clock (-1: without
// end), and gives the ports that have packets. It returns shortly before the
// moment, and then at once, so that whoever calls it in a loop meets it exactly.
func (w *wait) until(moment time.Duration) ([]int, error) {
	timeout := -1
	if moment >= 0 {
		if moment -= early; moment <= monotonic() {
			timeout, moment = 0, w.armed
		}
	}
	if moment != w.armed {
		var spec unix.ItimerSpec // zero disarms
		if moment >= 0 {
			spec.Value = unix.NsecToTimespec(max(1, int64(moment)))
		}
		if err := unix.TimerfdSettime(w.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
			return nil, fmt.Errorf("set the emulator's timer: %w", err)
		}
		w.armed = moment
	}
	n, err := unix.EpollWait(w.epoll, w.events, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("wait for packets: %w", err)
	}
	w.ready = w.ready[:0]
	for _, event := range w.events[:max(0, n)] {
		switch {
		case event.Pad != noPort:
			w.ready = append(w.ready, int(event.Pad))
		case int(event.Fd) == w.timer:
			// An expired timer stays readable until it is read or set anew.
			var count [8]byte
			if _, err := unix.Read(w.timer, count[:]); err != nil && !errors.Is(err, unix.EAGAIN) {
				return nil, fmt.Errorf("read the emulator's timer: %w", err)
			}
			w.armed = -1
		}
	}
	return w.ready, nil
}

// wake ends the sleep, from any thread.
func (w *wait) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It fails only where the counter is full, and then it wakes anyway.
	_, _ = unix.Write(w.alarm, one[:])
}

func (w *wait) close() {
	for _, fd := range []int{w.epoll, w.timer, w.alarm} {
		if fd >= 0 {
			_ = unix.Close(fd) // holds no data
		}
	}
}
