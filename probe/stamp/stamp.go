// Package stamp encodes and decodes the test packets of the Simple Two-Way
// Active Measurement Protocol: RFC 8762 with the session identifier and the
// TLVs of RFC 8972 (with its errata 8199 and 8339), unauthenticated and
// authenticated, and the shorter packets of TWAMP-Light peers (RFC 5357). It
// does no I/O, reads no clock and keeps no state: bytes come from and go to
// whoever has the socket. Nothing on the way of a packet that is in order
// allocates, if the buffers appended to have room.
//
// A sender makes a packet with AppendRequest and Ask.Append, and reads the
// answer with ParseReply and ParseExtensions. A reflector reads it with
// ParseRequest, lets Answer.Fill write the answers into its TLVs, in place, and
// makes its own with AppendReply.
//
// Decoding is lenient where the RFCs are (fields that must be zero are not
// looked at, what follows the base packet of an old peer is padding) and strict
// where a measurement would be wrong otherwise (too short, a bad HMAC).
package stamp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Port is the UDP port on which a reflector listens by default (RFC 8762,
// section 4.1).
const Port = 862

// Lengths of packets in bytes, without TLVs.
const (
	SizeUnauthenticated = 44
	SizeAuthenticated   = 112
	// SizeShortRequest and SizeShortReply are what TWAMP-Light peers send at
	// least: their packets end where the fields do, without the padding that
	// makes both ways equally long.
	SizeShortRequest = 14
	SizeShortReply   = 41
)

// hmacCovers is how much of a base packet its HMAC protects (RFC 8762, section
// 4.4).
const hmacCovers = SizeAuthenticated - hmacSize

// Errors of the parsers.
var (
	ErrShort     = errors.New("stamp: the packet is too short")
	ErrHMAC      = errors.New("stamp: the HMAC does not fit; the keys differ or the packet was altered")
	ErrNotIntact = errors.New("stamp: the reflector says that the HMAC over the request's TLVs did not fit; the keys differ or the packet was altered")
	ErrMalformed = errors.New("stamp: a TLV is malformed")
)

// Request is what a session-sender sends.
type Request struct {
	Sequence  uint32
	Timestamp Timestamp // T1
	Error     ErrorEstimate
	SSID      uint16
	TLVs      []byte // as they stand in the packet; see Ask.Append and Answer.Fill
}

// Reply is what a session-reflector answers.
type Reply struct {
	Sequence  uint32    // the reflector's own; equal to the sender's if it is stateless
	Timestamp Timestamp // T3, when the reply was sent
	Error     ErrorEstimate
	SSID      uint16
	Received  Timestamp // T2, when the request came
	Sender    Echo
	TLVs      []byte // as they stand in the packet; see ParseExtensions
}

// Echo is what a reply repeats of the request.
type Echo struct {
	Sequence  uint32
	Timestamp Timestamp // T1
	Error     ErrorEstimate
	TTL       uint8 // of the request when it came
}

// Where the fields stand, after each other; the gaps must be zero.
type layout struct {
	size                                 int
	sequence, timestamp, estimate, ssid  int
	received                             int
	senderSequence, senderTime, senderEE int
	senderTTL                            int
}

func layoutOf(authenticated bool) layout {
	if authenticated {
		return layout{
			size: SizeAuthenticated, sequence: 0, timestamp: 16, estimate: 24, ssid: 26,
			received: 32, senderSequence: 48, senderTime: 64, senderEE: 72, senderTTL: 80,
		}
	}
	return layout{
		size: SizeUnauthenticated, sequence: 0, timestamp: 4, estimate: 12, ssid: 14,
		received: 16, senderSequence: 24, senderTime: 28, senderEE: 36, senderTTL: 40,
	}
}

// AppendRequest appends the packet of r to dst. With a key it is an
// authenticated one.
func AppendRequest(dst []byte, r *Request, key []byte) []byte {
	dst, b, _ := appendHead(dst, r.Sequence, r.Timestamp, r.Error, r.SSID, key)
	sign(b, key)
	return append(dst, r.TLVs...)
}

// AppendReply appends the packet of r to dst. With a key it is an
// authenticated one.
func AppendReply(dst []byte, r *Reply, key []byte) []byte {
	dst, b, l := appendHead(dst, r.Sequence, r.Timestamp, r.Error, r.SSID, key)
	binary.BigEndian.PutUint64(b[l.received:], uint64(r.Received))
	binary.BigEndian.PutUint32(b[l.senderSequence:], r.Sender.Sequence)
	binary.BigEndian.PutUint64(b[l.senderTime:], uint64(r.Sender.Timestamp))
	binary.BigEndian.PutUint16(b[l.senderEE:], uint16(r.Sender.Error))
	b[l.senderTTL] = r.Sender.TTL
	sign(b, key)
	return append(dst, r.TLVs...)
}

// appendHead appends a base packet with the fields that both kinds have. It
// gives dst, the packet in it, and where its fields stand.
func appendHead(dst []byte, sequence uint32, t Timestamp, e ErrorEstimate, ssid uint16, key []byte) ([]byte, []byte, layout) {
	l := layoutOf(key != nil)
	start := len(dst)
	dst = appendZeros(dst, l.size)
	b := dst[start:]
	binary.BigEndian.PutUint32(b[l.sequence:], sequence)
	binary.BigEndian.PutUint64(b[l.timestamp:], uint64(t))
	binary.BigEndian.PutUint16(b[l.estimate:], uint16(e))
	binary.BigEndian.PutUint16(b[l.ssid:], ssid)
	return dst, b, l
}

// appendZeros does not allocate if there is room, not even under the race
// detector, where appending what make gives does.
func appendZeros(dst []byte, n int) []byte {
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	clear(dst[start:])
	return dst
}

// ParseRequest reads a request. With a key it must be an authenticated one
// whose HMAC fits. Without, one as short as SizeShortRequest will do; the SSID
// of such is 0. TLVs is a part of b.
func ParseRequest(b, key []byte) (Request, error) {
	l, err := check(b, key, SizeShortRequest)
	if err != nil {
		return Request{}, err
	}
	r := Request{
		Sequence:  binary.BigEndian.Uint32(b[l.sequence:]),
		Timestamp: Timestamp(binary.BigEndian.Uint64(b[l.timestamp:])),
		Error:     ErrorEstimate(binary.BigEndian.Uint16(b[l.estimate:])),
	}
	if len(b) >= l.size {
		r.SSID, r.TLVs = binary.BigEndian.Uint16(b[l.ssid:]), b[l.size:]
	}
	return r, nil
}

// ParseReply reads a reply. With a key it must be an authenticated one whose
// HMAC fits. Without, one as short as SizeShortReply will do. TLVs is a part
// of b.
func ParseReply(b, key []byte) (Reply, error) {
	l, err := check(b, key, SizeShortReply)
	if err != nil {
		return Reply{}, err
	}
	r := Reply{
		Sequence:  binary.BigEndian.Uint32(b[l.sequence:]),
		Timestamp: Timestamp(binary.BigEndian.Uint64(b[l.timestamp:])),
		Error:     ErrorEstimate(binary.BigEndian.Uint16(b[l.estimate:])),
		SSID:      binary.BigEndian.Uint16(b[l.ssid:]),
		Received:  Timestamp(binary.BigEndian.Uint64(b[l.received:])),
		Sender: Echo{
			Sequence:  binary.BigEndian.Uint32(b[l.senderSequence:]),
			Timestamp: Timestamp(binary.BigEndian.Uint64(b[l.senderTime:])),
			Error:     ErrorEstimate(binary.BigEndian.Uint16(b[l.senderEE:])),
			TTL:       b[l.senderTTL],
		},
	}
	if len(b) >= l.size {
		r.TLVs = b[l.size:]
	}
	return r, nil
}

// check tells how a packet is laid out, and whether it may be read.
func check(b, key []byte, shortest int) (layout, error) {
	l := layoutOf(key != nil)
	if key != nil {
		shortest = l.size
	}
	if len(b) < shortest {
		return l, fmt.Errorf("%w: %d bytes, at least %d are needed", ErrShort, len(b), shortest)
	}
	if key != nil && !fits(digest(key, b[:hmacCovers], nil), b[hmacCovers:SizeAuthenticated]) {
		return l, ErrHMAC
	}
	return l, nil
}

func sign(b, key []byte) {
	if key != nil {
		sum := digest(key, b[:hmacCovers], nil)
		copy(b[hmacCovers:], sum[:])
	}
}
