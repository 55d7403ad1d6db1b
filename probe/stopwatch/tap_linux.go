package stopwatch

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tap sees the echo packets of this host's network namespace pass, whoever
// sends them. What passes is kept in memory that the kernel fills, so a process
// that is kept from running loses nothing until that is full.
//
// Where devices are stacked (bond, VLAN), a packet is seen on each of them, in
// the order in which it passed them.
type Tap struct {
	mu      sync.Mutex // protects all following fields
	fd      int        // -1 once closed
	ring    []byte
	next    int // frame that the kernel fills next
	dropped uint64
}

// Shape of the ring. A frame holds a header of the kernel's, an address, and
// headers and data enough for an Echo, with options in the IPv4 header.
const (
	frameSize  = 256
	frameCount = 8192
	blockSize  = 1 << 16
	snapLength = 60 + icmpHeader + EchoData
)

// OpenTap needs CAP_NET_RAW in the namespace.
func OpenTap() (*Tap, error) {
	t, err := openTap()
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("look on as packets pass: %w; give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW in a systemd unit)", err)
	case err != nil:
		return nil, fmt.Errorf("look on as packets pass: %w", err)
	}
	return t, nil
}

func openTap() (t *Tap, err error) {
	// Without a protocol nothing arrives before the filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t = &Tap{fd: fd}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	if err := Attach(fd, echoes()); err != nil {
		return nil, fmt.Errorf("set the filter: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, fmt.Errorf("set the ring's version: %w", err)
	}
	request := unix.TpacketReq{
		Block_size: blockSize, Block_nr: frameCount * frameSize / blockSize,
		Frame_size: frameSize, Frame_nr: frameCount,
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("make the ring: %w", err)
	}
	if t.ring, err = unix.Mmap(fd, 0, frameCount*frameSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map the ring: %w", err)
	}
	// Only ETH_P_ALL sees what leaves.
	all := uint16(unix.ETH_P_ALL)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	return t, nil
}

// Read calls do for each echo packet that has passed since the last Read, in
// order, and does not wait for more. It may be called by several goroutines;
// do must not call the Tap.
func (t *Tap) Read(do func(Echo)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd < 0 {
		return
	}
	for range frameCount {
		frame := t.ring[t.next*frameSize : (t.next+1)*frameSize]
		// The status is the kernel's signal that the rest is written, and ours
		// that it is read.
		status := (*uint32)(unsafe.Pointer(&frame[0]))
		now := atomic.LoadUint32(status)
		if now&unix.TP_STATUS_USER == 0 {
			return
		}
		if now&unix.TP_STATUS_LOSING != 0 {
			t.countDropped()
		}
		header := (*unix.Tpacket2Hdr)(unsafe.Pointer(&frame[0]))
		begin := int(header.Net)
		end := min(begin+int(header.Snaplen), frameSize)
		if begin <= end {
			if e, ok := parseEcho(frame[begin:end]); ok {
				e.At = int64(header.Sec)*1e9 + int64(header.Nsec)
				do(e)
			}
		}
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		t.next = (t.next + 1) % frameCount
	}
}

// Dropped is the number of packets that passed while the ring was full.
func (t *Tap) Dropped() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.countDropped()
	return t.dropped
}

// countDropped adds what was dropped since it was last asked: the kernel
// forgets it then.
func (t *Tap) countDropped() {
	if t.fd < 0 {
		return
	}
	if stats, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		t.dropped += uint64(stats.Drops)
	}
}

// Close ends the looking on.
func (t *Tap) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd < 0 {
		return
	}
	if t.ring != nil {
		_ = unix.Munmap(t.ring) // memory of ours
	}
	_ = unix.Close(t.fd) // holds no data
	t.fd, t.ring = -1, nil
}
