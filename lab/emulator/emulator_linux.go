package emulator

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// maxHeld bounds the packets on their way; 9000 bytes each at worst.
const maxHeld = 100_000

// maxPacket is above the MTU of the devices.
const maxPacket = 9216

// Model tells the fate of packets. Sites are named by their numbers.
type Model interface {
	Connected(from, to int) bool
	// Fate is asked for connected sites only; seq counts the packets of one
	// way from 0.
	Fate(from, to int, at time.Duration, seq uint64) wan.Fate
}

// Port is where a site is joined to the network; its number is its place in
// the list given to New.
type Port struct {
	Addr netip.Addr
	TUN  int // descriptor, non-blocking, a whole IP packet a call; not closed
}

// Emulator is one network. It is used once.
type Emulator struct {
	model    Model
	ports    []Port
	byAddr   map[netip.Addr]int
	sent     map[[2]int]uint64 // packets so far, by way
	queue    queue
	order    uint64
	begin    atomic.Int64    // on the monotonic clock in nanoseconds; 0 before Begin
	spare    []*held         // to be used again: the garbage collector would stop the thread
	perPort  []atomic.Uint64 // packets that each site has sent
	counters counters
}

// New makes an emulator between ports. For the model it is time 0 until Begin
// is called.
func New(model Model, ports []Port) *Emulator {
	e := &Emulator{model: model, ports: ports, byAddr: map[netip.Addr]int{}, sent: map[[2]int]uint64{}, perPort: make([]atomic.Uint64, len(ports))}
	for i, p := range ports {
		e.byAddr[p.Addr] = i
	}
	return e
}

// monotonic is CLOCK_MONOTONIC, the clock that the timer follows.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err) // a clock that every kernel has, and memory of ours
	}
	return time.Duration(now.Nano())
}

// Begin makes now the time from which the model counts.
func (e *Emulator) Begin() { e.begin.Store(int64(monotonic())) }

// at is the model's time.
func (e *Emulator) at(now time.Duration) time.Duration {
	if begin := time.Duration(e.begin.Load()); begin != 0 {
		return max(0, now-begin)
	}
	return 0
}

// Sent tells how many packets a site has sent so far.
func (e *Emulator) Sent(port int) uint64 { return e.perPort[port].Load() }

// Run carries packets until the context ends; then it drops what is on its way
// and returns nil.
func (e *Emulator) Run(ctx context.Context) error {
	runtime.LockOSThread() // and never unlocked, for its priority is its own
	wait, err := newWait(e.ports)
	if err != nil {
		return err
	}
	defer wait.close()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(woken); wait.wake() })
	defer func() {
		if !stop() {
			<-woken // it uses what close closes
		}
	}()
	e.counters.realTime.Store(hurry())
	buf := make([]byte, maxPacket)
	for {
		next := time.Duration(-1)
		if len(e.queue) > 0 {
			next = e.queue[0].due
		}
		ready, err := wait.until(next)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		for _, port := range ready {
			if err := e.read(port, buf); err != nil {
				return err
			}
			// A busy site must not hold up what is due meanwhile.
			e.flush()
		}
		e.flush()
	}
}

// hurry asks for real-time priority and a timer without slack. Without the
// privilege the thread stays an ordinary one.
func hurry() (realTime bool) {
	// The slack concerns other sleeps than the timerfd's; refusal harms nobody.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 10, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0) == nil
}

// read takes in what a site has sent, at most some packets at once.
func (e *Emulator) read(port int, buf []byte) error {
	for range 64 {
		n, err := unix.Read(e.ports[port].TUN, buf)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read packets of %s: %w", e.ports[port].Addr, err)
		}
		e.enter(port, buf[:n], monotonic())
	}
	return nil
}

// enter decides the fate of a packet that came from a port.
func (e *Emulator) enter(port int, packet []byte, now time.Duration) {
	e.counters.entered.Add(1)
	e.perPort[port].Add(1)
	src, dst, ok := addresses(packet)
	to, known := e.byAddr[dst]
	if !ok || !known || src != e.ports[port].Addr {
		e.counters.outside.Add(1)
		return
	}
	if !e.model.Connected(port, to) {
		e.counters.unconnected.Add(1)
		return
	}
	way := [2]int{port, to}
	seq := e.sent[way]
	e.sent[way]++
	fate := e.model.Fate(port, to, e.at(now), seq)
	switch {
	case fate.Lost:
		e.counters.lost.Add(1)
		return
	case len(e.queue) >= maxHeld:
		e.counters.overflow.Add(1)
		return
	case !pass(packet, fate.Hops):
		e.counters.expired.Add(1)
		return
	}
	e.counters.duplicated.Add(uint64(fate.Copies - 1))
	e.order++
	h := e.blank()
	h.due, h.order, h.to, h.copies = now+fate.Delay, e.order, to, fate.Copies
	h.packet = append(h.packet[:0], packet...)
	heap.Push(&e.queue, h)
	if n := uint64(len(e.queue)); n > e.counters.flights.Load() {
		e.counters.flights.Store(n)
	}
}

// blank gives one to fill, used before if there is one.
func (e *Emulator) blank() *held {
	if last := len(e.spare) - 1; last >= 0 {
		h := e.spare[last]
		e.spare = e.spare[:last]
		return h
	}
	return new(held)
}

// flush delivers every packet that is due.
func (e *Emulator) flush() {
	for len(e.queue) > 0 {
		now := monotonic()
		if e.queue[0].due > now {
			return
		}
		h := heap.Pop(&e.queue).(*held)
		e.counters.sent(now - h.due)
		for range h.copies {
			e.deliver(h.to, h.packet)
		}
		e.spare = append(e.spare, h)
	}
}

// deliver writes a packet into a site's device. A device that takes none is a
// full or broken site, whose packets are lost, and counted.
func (e *Emulator) deliver(to int, packet []byte) {
	for {
		_, err := unix.Write(e.ports[to].TUN, packet)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			e.counters.overflow.Add(1)
			return
		}
		e.counters.delivered.Add(1)
		return
	}
}
