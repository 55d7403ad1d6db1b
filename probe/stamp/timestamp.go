package stamp

import "time"

// Format is how the 64 bits of a Timestamp are to be read.
type Format uint8

// Formats of timestamps.
const (
	NTP Format = iota // seconds since 1900 and a binary fraction, 32 bits each (RFC 5905)
	PTP               // seconds since 1970 and nanoseconds, 32 bits each (RFC 8186)
)

// sinceNTPEpoch is the Unix epoch in seconds of NTP.
const sinceNTPEpoch = 2_208_988_800

// Stamp gives a time in this format; the seconds wrap, as they do on the wire.
func (f Format) Stamp(t time.Time) Timestamp {
	seconds, ns := uint64(t.Unix()), uint64(t.Nanosecond())
	if f == PTP {
		return Timestamp(seconds<<32 | ns)
	}
	return Timestamp((seconds+sinceNTPEpoch)<<32 | (ns<<32)/1_000_000_000)
}

// Between gives the time from one stamp to a later one of the same clock. It
// is right across a wrap of the seconds, for differences up to 68 years either
// way.
func (f Format) Between(earlier, later Timestamp) time.Duration {
	seconds := int32(uint32(later>>32) - uint32(earlier>>32))
	return time.Duration(seconds)*time.Second + f.fraction(later) - f.fraction(earlier)
}

// fraction is the part of a stamp below the second. A PTP stamp of a broken
// peer may say a second or more; it is taken at its word.
func (f Format) fraction(t Timestamp) time.Duration {
	low := uint64(uint32(t))
	if f == PTP {
		return time.Duration(low)
	}
	// Rounded, so that what Stamp truncated comes out as it went in.
	return time.Duration((low*1_000_000_000 + 1<<31) >> 32)
}
