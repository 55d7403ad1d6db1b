package stamp

import "time"

// Timestamp is 64 bits as they stand in a packet; Format says what they mean.
type Timestamp uint64

// Format is how the 64 bits of a Timestamp are to be read.
type Format uint8

// Formats of timestamps.
const (
	NTP Format = iota // seconds since 1900 and a binary fraction, 32 bits each (RFC 5905)
	PTP               // seconds since 1970 and nanoseconds, 32 bits each (RFC 8186)
)

// Stamps of format PTP are made and read here as if they were UTC. IEEE 1588
// counts in TAI, which is 37 s ahead since 2017; a peer that does so differs by
// that in one-way delays, but not in round trips.

// sinceNTPEpoch is the Unix epoch in seconds of NTP.
const sinceNTPEpoch = 2_208_988_800

// Stamp gives a time in this format; the seconds wrap, as they do on the wire.
func (f Format) Stamp(t time.Time) Timestamp { return f.stamp(t.Unix(), int64(t.Nanosecond())) }

// StampUnix is Stamp for a time in nanoseconds since 1970.
func (f Format) StampUnix(ns int64) Timestamp { return f.stamp(split(ns)) }

func (f Format) stamp(seconds, ns int64) Timestamp {
	if f == PTP {
		return Timestamp(uint64(seconds)<<32 | uint64(ns))
	}
	return Timestamp(uint64(seconds+sinceNTPEpoch)<<32 | uint64(ns)<<32/uint64(time.Second))
}

// Unix gives a stamp in nanoseconds since 1970. The seconds of a stamp wrap
// every 136 years; of the times that it may mean this is the one nearest to
// near, which is in nanoseconds since 1970 too. So the difference to near, a
// one-way delay for one, is right wherever both clocks are.
func (f Format) Unix(t Timestamp, near int64) int64 {
	seconds, _ := split(near)
	low := uint32(t >> 32)
	if f == NTP {
		low -= sinceNTPEpoch & (1<<32 - 1)
	}
	seconds += int64(int32(low - uint32(seconds)))
	return seconds*int64(time.Second) + int64(f.fraction(t))
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
	return time.Duration((low*uint64(time.Second) + 1<<31) >> 32)
}

// split gives whole seconds and what is above them, also before 1970.
func split(ns int64) (seconds, above int64) {
	seconds, above = ns/int64(time.Second), ns%int64(time.Second)
	if above < 0 {
		seconds, above = seconds-1, above+int64(time.Second)
	}
	return seconds, above
}
