package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// MaxRTTUS is the largest RTT that the sample codec takes: a minute, far
// beyond Timeout, so that imports from systems with longer patience fit.
const MaxRTTUS = 60_000_000

// Samples are RTTs in the codec of AppendRTTs. In JSON they are base64, and
// none is "" however they came to be none, so that a window has one form.
type Samples []byte

// MarshalJSON gives the samples as a base64 text.
func (s Samples) MarshalJSON() ([]byte, error) {
	text := make([]byte, 2+base64.StdEncoding.EncodedLen(len(s)))
	text[0], text[len(text)-1] = '"', '"'
	base64.StdEncoding.Encode(text[1:], s)
	return text, nil
}

// Equal tells whether two windows have the same samples; nil and empty are the
// same.
func (s Samples) Equal(o Samples) bool { return bytes.Equal(s, o) }

// AppendRTTs appends the codec form of sorted RTTs (whole microseconds) to
// dst: the first value, then the difference of each to the one before, as
// unsigned varints. It panics if the RTTs are not sorted, because a window
// made of them would be refused everywhere.
func AppendRTTs(dst []byte, sorted []uint32) []byte {
	previous := uint32(0)
	for _, v := range sorted {
		if v < previous {
			panic("wire: RTTs are not sorted")
		}
		dst = binary.AppendUvarint(dst, uint64(v-previous))
		previous = v
	}
	return dst
}

// DecodeRTTs appends the RTTs in codec form to dst, in ascending order. It
// refuses every byte sequence that AppendRTTs would not have written, so that
// equal samples have equal bytes.
func DecodeRTTs(dst []uint32, coded []byte) ([]uint32, error) {
	value := uint64(0)
	for i := 0; i < len(coded); {
		// One-byte differences are nearly all of them.
		if b := coded[i]; b < 0x80 {
			value += uint64(b)
			i++
		} else {
			delta, n := binary.Uvarint(coded[i:])
			if n <= 0 {
				return nil, errors.New("rtts: a varint is cut off or too long")
			}
			if want := (bits.Len64(delta) + 6) / 7; n != want {
				return nil, errors.New("rtts: a varint is longer than it needs to be")
			}
			if delta > MaxRTTUS {
				return nil, fmt.Errorf("rtts: a difference of %d µs is above %d", delta, MaxRTTUS)
			}
			value += delta
			i += n
		}
		if value > MaxRTTUS {
			return nil, fmt.Errorf("rtts: %d µs is above %d", value, MaxRTTUS)
		}
		dst = append(dst, uint32(value))
	}
	return dst, nil
}

// NearestRank is the index of the percentile in a sorted list of n values: the
// smallest value such that at least percent of the values are not above it. n
// must be positive and percent within 1 to 100.
func NearestRank(n, percent int) int {
	return (n*percent+99)/100 - 1
}

// StatsOf computes the statistics of sorted RTTs; nil if there are none.
func StatsOf(sorted []uint32) *Stats {
	n := len(sorted)
	if n == 0 {
		return nil
	}
	sum := uint64(0)
	for _, v := range sorted {
		sum += uint64(v)
	}
	return &Stats{
		MinUS:  sorted[0],
		MeanUS: float64(sum) / float64(n),
		P50US:  sorted[NearestRank(n, 50)],
		P95US:  sorted[NearestRank(n, 95)],
		P99US:  sorted[NearestRank(n, 99)],
		MaxUS:  sorted[n-1],
	}
}

// IPDVOf computes the variation of RTTs in the order of sending; nil if there
// are fewer than two.
func IPDVOf(sent []uint32) *IPDV {
	if len(sent) < 2 {
		return nil
	}
	var sum uint64
	var largest uint32
	for i, v := range sent[1:] {
		difference := max(v, sent[i]) - min(v, sent[i])
		sum += uint64(difference)
		largest = max(largest, difference)
	}
	return &IPDV{MeanUS: float64(sum) / float64(len(sent)-1), MaxUS: largest}
}
