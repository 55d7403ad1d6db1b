package stamp

import (
	"encoding/binary"
	"fmt"
)

// Type is the type of a TLV.
type Type uint8

// Types of TLVs that are of use here (RFC 8972, section 5.1).
const (
	ExtraPadding         Type = 1
	TimestampInformation Type = 3
	ClassOfService       Type = 4
	FollowUpTelemetry    Type = 7
	HMAC                 Type = 8
)

// Flags of a TLV (RFC 8972, section 4). A sender sets Unrecognised and nothing
// else; the reflector sets each to what it found. So a TLV that comes back as
// it went went to a reflector that does not know TLVs.
type Flags uint8

// Bits of Flags.
const (
	Unrecognised Flags = 1 << 7 // U: the reflector does not know the type
	Malformed    Flags = 1 << 6 // M: its length is not that of the type, or goes beyond the packet
	NotIntact    Flags = 1 << 5 // I: the HMAC over the TLVs did not fit
)

// TLV is one extension. Value is a part of the packet.
type TLV struct {
	Flags Flags
	Type  Type
	Value []byte
}

// Lengths of TLVs in bytes; those of values are without the header, which is
// flags, type and length.
const (
	tlvHeader           = 4
	classSize           = 4
	timestampSourceSize = 4 // at least: sub-TLVs may follow
	followUpSize        = 16
)

// AppendTLV appends an extension to the TLVs of a packet. It panics if the
// value is longer than a length can say.
func AppendTLV(dst []byte, t TLV) []byte {
	if len(t.Value) > 1<<16-1 {
		panic("stamp: the value of a TLV is too long")
	}
	return append(appendHeader(dst, t.Flags, t.Type, len(t.Value)), t.Value...)
}

func appendHeader(dst []byte, f Flags, t Type, length int) []byte {
	return binary.BigEndian.AppendUint16(append(dst, byte(f), byte(t)), uint16(length))
}

// EachTLV calls do for the TLVs of a packet in their order, until do gives
// false. What cannot be read any more is an error; an old peer pads with
// whatever it likes, so a caller that expects no TLVs does not call this.
func EachTLV(b []byte, do func(TLV) bool) error {
	for len(b) > 0 {
		if len(b) < tlvHeader {
			return fmt.Errorf("%w: %d bytes are left for a TLV, at least %d are needed", ErrShort, len(b), tlvHeader)
		}
		end := tlvHeader + int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < end {
			return fmt.Errorf("%w: a TLV of type %d says %d bytes, %d are left", ErrShort, b[1], end-tlvHeader, len(b)-tlvHeader)
		}
		if !do(TLV{Flags(b[0]), Type(b[1]), b[tlvHeader:end:end]}) {
			return nil
		}
		b = b[end:]
	}
	return nil
}

// next gives the TLV that b begins with, header and all, and whether it is all
// there; if not, it is the rest of b. It is nil at the end and where padding
// begins: type 0 is reserved, so zeros after the TLVs, or instead of them, are
// such.
func next(b []byte) (tlv []byte, whole bool) {
	if len(b) < 2 || b[1] == 0 {
		return nil, true
	}
	if len(b) < tlvHeader {
		return b, false
	}
	end := tlvHeader + int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < end {
		return b, false
	}
	return b[:end:end], true
}

// survey is what must be known of the TLVs of a packet before any is used.
type survey struct {
	count    int
	paddings int   // of them, Extra Padding
	flags    Flags // that any of them has
	same     Flags // that all of them have
	hmac     int   // where the first HMAC TLV stands, -1 for nowhere
	last     bool  // nothing but Extra Padding follows it
	whole    bool  // none goes beyond the packet
}

func look(b []byte) survey {
	s := survey{same: ^Flags(0), hmac: -1, last: true}
	for off := 0; ; {
		tlv, whole := next(b[off:])
		s.whole = whole
		if tlv == nil {
			return s
		}
		s.count++
		s.flags |= Flags(tlv[0])
		s.same &= Flags(tlv[0])
		switch t := Type(tlv[1]); {
		case t == ExtraPadding:
			s.paddings++
		case s.hmac >= 0:
			s.last = false
		case t == HMAC:
			s.hmac = off
		}
		if !whole {
			return s
		}
		off += len(tlv)
	}
}

// intact tells whether the TLVs b, of which s was seen, may be used: not if
// there is an HMAC that does not fit, stands in the wrong place or cannot be
// checked for want of a key. With a key there must be one, unless Extra Padding
// is the only TLV (RFC 8972, section 4.8).
func (s survey) intact(b []byte, sequence uint32, key []byte) bool {
	if s.hmac < 0 {
		return key == nil || s.count <= 1 && s.count == s.paddings
	}
	tlv, whole := next(b[s.hmac:])
	if key == nil || !s.last || !whole {
		return false
	}
	return fits(digestTLVs(key, sequence, b[:s.hmac]), tlv[tlvHeader:]) // nor of another length
}

// known tells whether a type is understood here.
func (t Type) known() bool {
	switch t {
	case ExtraPadding, TimestampInformation, ClassOfService, FollowUpTelemetry, HMAC:
		return true
	}
	return false
}

// admits tells whether a value may have this length.
func (t Type) admits(length int) bool {
	switch t {
	case TimestampInformation:
		return length >= timestampSourceSize
	case ClassOfService:
		return length == classSize
	case FollowUpTelemetry:
		return length == followUpSize
	case HMAC:
		return length == hmacSize
	}
	return true
}
