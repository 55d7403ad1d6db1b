package trace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/probe/stopwatch"
)

// errBusy tells of a queue that has no room now.
var errBusy = unix.ENOBUFS

// rawSockets are raw sockets: they get copies of what comes, also of what is
// for another socket. They are used by one goroutine.
type rawSockets struct {
	is4         bool
	destination unix.Sockaddr
	sending     int
	listening   []unix.PollFd
	held        *net.UDPConn // keeps a port of the trace's own; nil: the caller has it
	buffer      [maxSize]byte
	control     [256]byte
}

// openSockets opens what a flow needs, and fills in what the system chooses for
// it: the source and, as far as it can be watched, label and identifier.
func openSockets(ctx context.Context, f *Flow, watched time.Duration) (sockets, error) {
	s := &rawSockets{is4: f.is4(), sending: -1}
	if err := s.open(ctx, f, watched); err != nil {
		s.close()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("%w; give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE, or AmbientCapabilities=CAP_NET_RAW in a systemd unit)", err)
		}
		return nil, err
	}
	return s, nil
}

func (s *rawSockets) open(ctx context.Context, f *Flow, watched time.Duration) (err error) {
	if err := s.chooseSource(f); err != nil {
		return err
	}
	unknown := f.Protocol == ICMP && f.ID == 0 || !s.is4 && f.Label == 0
	if watched > 0 && unknown && s.held == nil {
		if err := watch(ctx, f, watched); err != nil {
			return err
		}
	}
	if f.Protocol == ICMP && f.ID == 0 {
		f.ID = uint16(1 + rand.IntN(1<<16-1))
	}
	s.destination = sockaddr(f.Destination.Addr())
	family, icmp := unix.AF_INET, unix.IPPROTO_ICMP
	if !s.is4 {
		family, icmp = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	// To a socket of IPPROTO_RAW the header is the caller's.
	if s.sending, err = raw(family, unix.IPPROTO_RAW); err != nil {
		return err
	}
	// So that routes that depend on the source are those of the test.
	if err := unix.Bind(s.sending, sockaddr(f.Source.Addr())); err != nil {
		return fmt.Errorf("use the source %v: %w; is it one of this host?", f.Source.Addr(), err)
	}
	if err := s.listen(family, icmp, errorsAndReplies(s.is4, f.ID)); err != nil {
		return err
	}
	if f.Protocol == UDP {
		return s.listen(family, unix.IPPROTO_UDP, datagrams(s.is4, f.Destination.Port(), f.Source.Port()))
	}
	return nil
}

// chooseSource asks the system for the address that it sends from.
func (s *rawSockets) chooseSource(f *Flow) error {
	source, to := f.Source, f.Destination
	if f.Protocol == ICMP {
		source, to = netip.AddrPortFrom(source.Addr(), 0), netip.AddrPortFrom(to.Addr(), 9)
	}
	if !source.Addr().IsValid() || source.Addr().IsUnspecified() {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // sends nothing
		if err != nil {
			return fmt.Errorf("find a route: %w", errors.Unwrap(err))
		}
		source = netip.AddrPortFrom(local(conn).Addr(), source.Port())
		conn.Close()
	}
	if f.Protocol == UDP && source.Port() == 0 {
		var err error
		if s.held, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(source)); err != nil {
			return fmt.Errorf("open a port: %w", err)
		}
		source = local(s.held)
	}
	f.Source = source
	return nil
}

func local(conn *net.UDPConn) netip.AddrPort {
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func raw(family, protocol int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, fmt.Errorf("open a raw socket: %w", err)
	}
	return fd, nil
}

// listen opens a socket that gets what a filter lets pass.
func (s *rawSockets) listen(family, protocol int, filter []bpf.Instruction) error {
	fd, err := raw(family, protocol)
	if err != nil {
		return err
	}
	s.listening = append(s.listening, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	if err := stopwatch.Attach(fd, filter); err != nil {
		return fmt.Errorf("set the filter: %w", err)
	}
	// Without it the process's moments count.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	return nil
}

// behindIP begins a filter: it finds where the header behind the IP header
// begins, which a raw socket of IPv6 does not get.
func behindIP(is4 bool) bpf.Instruction {
	if is4 {
		return bpf.LoadMemShift{Off: 0}
	}
	return bpf.LoadConstant{Dst: bpf.RegX, Val: 0}
}

// errorsAndReplies lets pass the errors that quote packets, and the echo replies
// that have an identifier.
func errorsAndReplies(is4 bool, id uint16) []bpf.Instruction {
	kinds, reply := []uint32{unreachableV4, exceededV4, exceededV4}, uint32(echoReply)
	if !is4 {
		kinds, reply = []uint32{unreachableV6, tooBigV6, exceededV6}, echoReplyV6
	}
	return []bpf.Instruction{
		behindIP(is4),
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: kinds[0], SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: kinds[1], SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: kinds[2], SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: reply, SkipFalse: 3},
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(id), SkipFalse: 1},
		bpf.RetConstant{Val: maxSize},
		bpf.RetConstant{Val: 0},
	}
}

// datagrams lets pass what comes from one port to another.
func datagrams(is4 bool, from, to uint16) []bpf.Instruction {
	return []bpf.Instruction{
		behindIP(is4),
		bpf.LoadIndirect{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(from)<<16 | uint32(to), SkipFalse: 1},
		bpf.RetConstant{Val: maxSize},
		bpf.RetConstant{Val: 0},
	}
}

func (s *rawSockets) send(packet []byte) error {
	for {
		switch err := unix.Sendto(s.sending, packet, 0, s.destination); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return errBusy
		case errors.Is(err, unix.EMSGSIZE):
			return fmt.Errorf("%w: %d bytes do not fit the interface; use a smaller size", err, len(packet))
		default:
			return err
		}
	}
}

// atOnce is how many packets are taken from a socket before anything else has
// its turn: the filter lets pass what others' packets cause, too.
const atOnce = 256

func (s *rawSockets) receive(wait time.Duration, do func(message)) error {
	// Rounded up, or the last part of a millisecond would be waited for busily.
	ms := int((wait + time.Millisecond - 1) / time.Millisecond)
	if _, err := unix.Poll(s.listening, ms); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("poll", err)
	}
	for i, listening := range s.listening {
		if listening.Revents == 0 {
			continue
		}
		for range atOnce {
			n, control, _, from, err := unix.Recvmsg(int(listening.Fd), s.buffer[:], s.control[:], 0)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				break
			}
			if err != nil {
				return os.NewSyscallError("recvmsg", err)
			}
			if m, ok := s.message(s.buffer[:n], from); ok {
				m.udp, m.at = i == 1, moment(s.control[:control])
				do(m)
			}
		}
	}
	return nil
}

// message cuts off the IP header, which a raw socket of IPv4 gets.
func (s *rawSockets) message(b []byte, from unix.Sockaddr) (message, bool) {
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		if len(b) < ipv4Header || len(b) < int(b[0]&0xf)*4 {
			return message{}, false
		}
		return message{from: netip.AddrFrom4(from.Addr), data: b[int(b[0]&0xf)*4:]}, true
	case *unix.SockaddrInet6:
		return message{from: netip.AddrFrom16(from.Addr), data: b}, true
	}
	return message{}, false
}

// moment reads the kernel's moment of receiving; 0 is none.
func moment(control []byte) int64 {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			return (*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Nano()
		}
	}
	return 0
}

func (s *rawSockets) close() {
	if s.sending >= 0 {
		_ = unix.Close(s.sending) // holds no data
	}
	for _, l := range s.listening {
		_ = unix.Close(int(l.Fd)) // holds no data
	}
	if s.held != nil {
		_ = s.held.Close() // holds no data
	}
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}
