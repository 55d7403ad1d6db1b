package stamp

import "encoding/binary"

// ClockSource is what a clock follows (RFC 8972, section 5.4). 0 is not
// assigned: nothing is known.
type ClockSource uint8

// Sources of clocks.
const (
	FollowsNTP       ClockSource = 1
	FollowsPTP       ClockSource = 2
	FollowsSSU       ClockSource = 3 // Synchronization Supply Unit or Building Integrated Timing Supply
	FollowsSatellite ClockSource = 4 // GPS, GLONASS, LORAN-C, BDS, Galileo
	FreeRunning      ClockSource = 5
)

// Method is how a timestamp was taken (RFC 8972, section 5.5). 0 is not
// assigned: nothing is known.
type Method uint8

// Methods of taking timestamps.
const (
	HardwareAssist Method = 1
	SoftwareLocal  Method = 2
	ControlPlane   Method = 3
)

// TimestampSources is what a reflector says of its timestamps by the Timestamp
// Information TLV (RFC 8972, section 4.3): "in" of T2, "out" of T3.
type TimestampSources struct {
	In        ClockSource
	InMethod  Method
	Out       ClockSource
	OutMethod Method
}

func (s TimestampSources) put(value []byte) {
	value[0], value[1] = byte(s.In), byte(s.InMethod)
	value[2], value[3] = byte(s.Out), byte(s.OutMethod)
}

func (s *TimestampSources) read(value []byte) {
	*s = TimestampSources{ClockSource(value[0]), Method(value[1]), ClockSource(value[2]), Method(value[3])}
}

// FollowUp tells of an earlier reply when it really left, which is known only
// afterwards (Follow-Up Telemetry, RFC 8972, section 4.7).
type FollowUp struct {
	Sequence uint32    // the reflector's own, of the reply told of
	Sent     Timestamp // in the format of the reflector's others
	Method   Method
}

func (f FollowUp) put(value []byte) {
	binary.BigEndian.PutUint32(value, f.Sequence)
	binary.BigEndian.PutUint64(value[4:], uint64(f.Sent))
	value[12] = byte(f.Method)
	clear(value[13:followUpSize])
}

func (f *FollowUp) read(value []byte) {
	*f = FollowUp{binary.BigEndian.Uint32(value), Timestamp(binary.BigEndian.Uint64(value[4:])), Method(value[12])}
}

// Class is what the Class of Service TLV tells (RFC 8972, section 4.4).
type Class struct {
	Asked   uint8 // DSCP1: the DSCP that the sender asked for in the reply
	DSCP    uint8 // DSCP2: that of the request when it came
	ECN     uint8 // of the request when it came
	Refused bool  // RP: the reply has the DSCP of the request, because the reflector's policy forbids Asked
}

func (c Class) put(value []byte) {
	bits := uint16(c.Asked&dscpMask)<<10 | uint16(c.DSCP&dscpMask)<<4 | uint16(c.ECN&ecnMask)<<2
	if c.Refused {
		bits |= 1
	}
	binary.BigEndian.PutUint16(value, bits)
	clear(value[2:classSize])
}

func (c *Class) read(value []byte) {
	bits := binary.BigEndian.Uint16(value)
	*c = Class{
		Asked: uint8(bits>>10) & dscpMask, DSCP: uint8(bits>>4) & dscpMask,
		ECN: uint8(bits>>2) & ecnMask, Refused: bits&3 == 1,
	}
}

// Widths of the fields of an IP header's traffic class, which is DSCP above
// ECN.
const (
	dscpMask = 1<<6 - 1
	ecnMask  = 1<<2 - 1
	ecnBits  = 2
)
