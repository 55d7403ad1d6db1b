package stamp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Ask is what a sender wants to know by TLVs, and how large they shall be.
type Ask struct {
	Class      bool  // how the request was marked when it came
	DSCP       uint8 // with Class: how the reply shall be marked, if the reflector permits; commonly as the request is
	Timestamps bool  // where the reflector's timestamps come from
	FollowUp   bool  // when the previous reply really left

	// Size is that of all TLVs together, in bytes; Extra Padding fills what the
	// others leave. 0 is as small as they are.
	Size int
}

// Append appends the TLVs to dst, where the base packet ends that has this
// sequence number. With a key the HMAC TLV closes them, unless they are Extra
// Padding alone. It fails if they do not fit into Size, or leave it 1 to 3
// bytes, which no TLV can fill: so if it does for one packet, it does for each.
func (a *Ask) Append(dst []byte, sequence uint32, key []byte) ([]byte, error) {
	padding, sealed, err := a.plan(key)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	if a.Class {
		dst = appendBlank(dst, ClassOfService, classSize)
		Class{Asked: a.DSCP}.put(dst[len(dst)-classSize:])
	}
	if a.Timestamps {
		dst = appendBlank(dst, TimestampInformation, timestampSourceSize)
	}
	if a.FollowUp {
		dst = appendBlank(dst, FollowUpTelemetry, followUpSize)
	}
	if padding > 0 {
		dst = appendPadding(dst, padding-tlvHeader, sequence)
	}
	if sealed {
		sum := digestTLVs(key, sequence, dst[start:])
		dst = append(appendHeader(dst, Unrecognised, HMAC, hmacSize), sum[:]...)
	}
	return dst, nil
}

// plan gives the bytes of Extra Padding, its header among them, and whether an
// HMAC TLV is needed.
func (a *Ask) plan(key []byte) (padding int, sealed bool, err error) {
	least := 0
	for _, tlv := range [...]struct {
		wanted bool
		size   int
	}{{a.Class, classSize}, {a.Timestamps, timestampSourceSize}, {a.FollowUp, followUpSize}} {
		if tlv.wanted {
			least += tlvHeader + tlv.size
		}
	}
	if sealed = key != nil && least > 0; sealed {
		least += tlvHeader + hmacSize
	}
	padding = a.Size - least
	switch {
	case a.Size == 0 || padding == 0:
		return 0, sealed, nil
	case padding < 0:
		return 0, false, fmt.Errorf("stamp: TLVs of %d bytes do not fit into %d: ask for a larger packet", least, a.Size)
	case padding < tlvHeader:
		return 0, false, fmt.Errorf("stamp: TLVs of %d bytes leave %d of %d, and padding needs %d: ask for a packet %d bytes larger, or %d smaller",
			least, padding, a.Size, tlvHeader, tlvHeader-padding, padding)
	case padding-tlvHeader > 1<<16-1:
		return 0, false, fmt.Errorf("stamp: %d bytes of padding are more than a TLV can say: ask for a smaller packet", padding)
	}
	return padding, sealed, nil
}

// appendBlank appends a TLV whose value the reflector is to fill.
func appendBlank(dst []byte, t Type, size int) []byte {
	return appendZeros(appendHeader(dst, Unrecognised, t, size), size)
}

// appendPadding appends Extra Padding that no link can compress, as section
// 4.1 of RFC 8972 wants it; the same in each packet of the same number.
func appendPadding(dst []byte, size int, sequence uint32) []byte {
	dst = appendHeader(dst, Unrecognised, ExtraPadding, size)
	var random rand.PCG
	random.Seed(uint64(sequence), 0)
	for ; size >= 8; size -= 8 {
		dst = binary.BigEndian.AppendUint64(dst, random.Uint64())
	}
	for word := random.Uint64(); size > 0; size-- {
		dst = append(dst, byte(word))
		word >>= 8
	}
	return dst
}

// Extensions is what a reflector answered by TLVs. What it did not is zero,
// and marked as not there.
type Extensions struct {
	HasClass, HasTimestamps, HasFollowUp bool

	Class      Class
	Timestamps TimestampSources
	FollowUp   FollowUp // not there in the first reply of a session, nor from a stateless reflector
}

// ParseExtensions reads the TLVs of a reply whose base packet has this sequence
// number, the reflector's own. TLVs that the reflector does not know are left
// out: where it knows none, nothing is there and nothing is wrong.
//
// With ErrMalformed, what stood before the malformed one is given, unless the
// bytes make no sense as TLVs at all. With ErrHMAC and ErrNotIntact nothing is.
// So do not call it for a peer that was asked nothing: it may pad with whatever
// it likes.
func ParseExtensions(tlvs []byte, sequence uint32, key []byte) (Extensions, error) {
	s := look(tlvs)
	switch {
	case !s.whole:
		return Extensions{}, fmt.Errorf("%w: it goes beyond the packet", ErrMalformed)
	case s.count == 0:
		return Extensions{}, nil
	case s.flags&NotIntact != 0:
		return Extensions{}, ErrNotIntact
	case s.same&Unrecognised != 0:
		return Extensions{}, nil
	case !s.intact(tlvs, sequence, key):
		return Extensions{}, ErrHMAC
	}
	var e Extensions
	for {
		tlv, _ := next(tlvs)
		if tlv == nil {
			return e, nil
		}
		tlvs = tlvs[len(tlv):]
		flags, t, value := Flags(tlv[0]), Type(tlv[1]), tlv[tlvHeader:]
		switch {
		case flags&Malformed != 0:
			return e, fmt.Errorf("%w: so the reflector says of type %d", ErrMalformed, t)
		case flags&Unrecognised != 0:
		case !t.admits(len(value)):
			return e, fmt.Errorf("%w: type %d has a value of %d bytes", ErrMalformed, t, len(value))
		default:
			e.read(t, value)
		}
	}
}

func (e *Extensions) read(t Type, value []byte) {
	switch t {
	case ClassOfService:
		e.HasClass = true
		e.Class.read(value)
	case TimestampInformation:
		e.HasTimestamps = true
		e.Timestamps.read(value)
	case FollowUpTelemetry:
		e.FollowUp.read(value)
		// Zero is what a reflector says that knows of no earlier reply.
		if e.HasFollowUp = e.FollowUp.Sent != 0; !e.HasFollowUp {
			e.FollowUp = FollowUp{}
		}
	}
}
