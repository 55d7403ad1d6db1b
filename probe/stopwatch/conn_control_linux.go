package stopwatch

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Room for the control messages of a packet, a multiple of 8 so that each
// packet's are aligned: a timestamp, TTL, TOS and the address asked take 152
// bytes, and an error takes 64 more.
const controlBytes = 256

// stampedAtSending is SCM_TSTAMP_SND: the moment at which the driver took the
// packet, as against that of a queue or of an acknowledgement.
const stampedAtSending = 0

// eachControl calls do for each control message. The kernel made them, so
// their lengths are only held against the room.
func eachControl(b []byte, do func(level, kind int32, data []byte)) {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		end := int(h.Len)
		if end < unix.CmsgLen(0) || end > len(b) {
			return
		}
		do(h.Level, h.Type, b[unix.CmsgLen(0):end])
		b = b[min(unix.CmsgSpace(end-unix.CmsgLen(0)), len(b)):]
	}
}

// appendControl appends a control message within the room of b and gives its
// data to be filled.
func appendControl(b []byte, level, kind int32, size int) ([]byte, []byte) {
	start := len(b)
	b = b[:start+unix.CmsgSpace(size)]
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[start]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	data := b[start+unix.CmsgLen(0) : start+unix.CmsgLen(size)]
	clear(data)
	return b, data
}

// software takes the kernel's moment out of a SCM_TIMESTAMPING: three moments,
// of which the first is the kernel's and the third the hardware's. 0 is none.
func software(data []byte) int64 {
	if len(data) < int(unsafe.Sizeof(unix.Timespec{})) {
		return 0
	}
	return (*unix.Timespec)(unsafe.Pointer(&data[0])).Nano()
}

// readControl fills in what the control messages tell of a packet received.
func (m *Message) readControl(control []byte) {
	eachControl(control, func(level, kind int32, data []byte) {
		switch {
		case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPING:
			m.At = software(data)
		case level == unix.IPPROTO_IP && kind == unix.IP_TTL, level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT:
			m.TTL = number(data)
		case level == unix.IPPROTO_IP && kind == unix.IP_TOS, level == unix.IPPROTO_IPV6 && kind == unix.IPV6_TCLASS:
			m.TOS = number(data)
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			m.To = netip.AddrFrom4([4]byte(data[8:12]))
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.To = netip.AddrFrom16([16]byte(data[:16]))
		}
	})
}

// number is a control message's integer, which IP_TOS gives as a byte.
func number(data []byte) int {
	switch {
	case len(data) >= 4:
		return int(binary.NativeEndian.Uint32(data))
	case len(data) >= 1:
		return int(data[0])
	}
	return -1
}

// stampOf reads an entry of the error queue. It is false for what is no moment
// of sending, such as an ICMP error.
func stampOf(control []byte) (number uint32, at int64, ok bool) {
	sent := false
	eachControl(control, func(level, kind int32, data []byte) {
		switch {
		case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPING:
			at = software(data)
		case level == unix.IPPROTO_IP && kind == unix.IP_RECVERR, level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR:
			if len(data) < int(unsafe.Sizeof(unix.SockExtendedErr{})) {
				return
			}
			e := (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
			if e.Origin == unix.SO_EE_ORIGIN_TIMESTAMPING && e.Info == stampedAtSending {
				number, sent = e.Data, true
			}
		}
	})
	return number, at, sent && at != 0
}

// appendWay appends the control messages of a packet to be sent.
func appendWay(b []byte, is4 bool, w Way, stamped bool) []byte {
	var data []byte
	if stamped {
		b, data = appendControl(b, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, 4)
		binary.NativeEndian.PutUint32(data, unix.SOF_TIMESTAMPING_TX_SOFTWARE)
	}
	if w.TOS >= 0 {
		level, kind := int32(unix.IPPROTO_IP), int32(unix.IP_TOS)
		if !is4 {
			level, kind = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		b, data = appendControl(b, level, kind, 4)
		binary.NativeEndian.PutUint32(data, uint32(w.TOS))
	}
	switch {
	case !w.From.IsValid():
	case is4:
		b, data = appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		from := w.From.As4()
		copy(data[4:8], from[:])
	default:
		b, data = appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		from := w.From.As16()
		copy(data, from[:])
	}
	return b
}

// addressOf reads a sockaddr_in or sockaddr_in6; invalid if it is neither.
func addressOf(raw []byte) netip.AddrPort {
	switch len(raw) {
	case unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), binary.BigEndian.Uint16(raw[2:]))
	case unix.SizeofSockaddrInet6:
		address := netip.AddrFrom16([16]byte(raw[8:24]))
		if scope := binary.NativeEndian.Uint32(raw[24:]); scope != 0 {
			address = address.WithZone(strconv.Itoa(int(scope)))
		}
		return netip.AddrPortFrom(address, binary.BigEndian.Uint16(raw[2:]))
	}
	return netip.AddrPort{}
}

// putAddress writes a socket address and gives its length. A zone is best given
// by the number of its interface, as addressOf gives it: a name is looked up
// each time, and one that is unknown is left out.
func putAddress(raw *unix.RawSockaddrAny, to netip.AddrPort, is4 bool) uint32 {
	b := (*[unix.SizeofSockaddrAny]byte)(unsafe.Pointer(raw))
	if is4 {
		address := to.Addr().As4()
		binary.NativeEndian.PutUint16(b[:], unix.AF_INET)
		binary.BigEndian.PutUint16(b[2:], to.Port())
		copy(b[4:], address[:])
		return unix.SizeofSockaddrInet4
	}
	address := to.Addr().As16()
	scope := 0
	if zone := to.Addr().Zone(); zone != "" {
		var err error
		if scope, err = strconv.Atoi(zone); err != nil {
			numbered, _ := Numbered(to.Addr())
			scope, _ = strconv.Atoi(numbered.Zone())
		}
	}
	binary.NativeEndian.PutUint16(b[:], unix.AF_INET6)
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.NativeEndian.PutUint32(b[4:], 0)
	copy(b[8:], address[:])
	binary.NativeEndian.PutUint32(b[24:], uint32(scope))
	return unix.SizeofSockaddrInet6
}
