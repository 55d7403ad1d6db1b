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

// Flags of a TLV, set by the reflector in a reply (RFC 8972, section 4).
type Flags uint8

// Bits of Flags.
const (
	Unrecognised Flags = 1 << 7 // the reflector does not know the type
	Malformed    Flags = 1 << 6 // its length is not that of the type
	NotIntact    Flags = 1 << 5 // the HMAC over the TLVs did not fit
)

// TLV is one extension. Value is a part of the packet.
type TLV struct {
	Flags Flags
	Type  Type
	Value []byte
}

// tlvHeader is flags, type and length.
const tlvHeader = 4

// AppendTLV appends an extension to the TLVs of a packet. It panics if the
// value is longer than a length can say.
func AppendTLV(dst []byte, t TLV) []byte {
	if len(t.Value) > 1<<16-1 {
		panic("stamp: the value of a TLV is too long")
	}
	dst = append(dst, byte(t.Flags), byte(t.Type))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(t.Value)))
	return append(dst, t.Value...)
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
