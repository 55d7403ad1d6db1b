package imports

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Unit is what an RTT in a file is counted in.
type Unit string

// Units of RTTs.
const (
	Milliseconds Unit = "ms"
	Microseconds Unit = "us"
)

// maxNumber is more characters than any RTT needs.
const maxNumber = 64

// ParseRTT reads a decimal number, exactly, and rounds it half up to whole
// microseconds. What no packet can have taken is refused: nothing, less than
// nothing, or more than wire.MaxRTTUS.
func ParseRTT(text string, unit Unit) (uint32, error) {
	digits, point, negative, err := decimal(text)
	if err != nil {
		return 0, fmt.Errorf("%.80q %w", text, err)
	}
	if unit == Milliseconds {
		point += 3
	}
	if negative && digits != "" {
		return 0, fmt.Errorf("%.80q is negative", text)
	}
	us := uint64(0)
	for i := 0; i < point && us <= wire.MaxRTTUS && digits != ""; i++ {
		us *= 10
		if i < len(digits) {
			us += uint64(digits[i] - '0')
		}
	}
	if 0 <= point && point < len(digits) && digits[point] >= '5' {
		us++
	}
	switch {
	case us > wire.MaxRTTUS:
		return 0, fmt.Errorf("%.80q %s is above %d s", text, unit, wire.MaxRTTUS/1_000_000)
	case us == 0:
		return 0, fmt.Errorf("%.80q %s is nothing, which no packet takes", text, unit)
	}
	return uint32(us), nil
}

// decimal takes a number apart: its value is 0.digits × 10^point, and digits
// begins with none of 0.
func decimal(text string) (digits string, point int, negative bool, err error) {
	if len(text) > maxNumber {
		return "", 0, false, errors.New("is too long for a number")
	}
	rest := text
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		negative, rest = rest[0] == '-', rest[1:]
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(rest), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false, errors.New("is not a decimal number")
	}
	point = len(whole)
	if scientific {
		shift, err := tens(exponent)
		if err != nil {
			return "", 0, false, err
		}
		point += shift
	}
	significant := strings.TrimLeft(digits, "0")
	return significant, point - (len(digits) - len(significant)), negative, nil
}

// tens reads an exponent of at most two digits: what has more is absurd.
func tens(text string) (int, error) {
	size := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-"), "0")
	signs := len(text) - len(strings.TrimLeft(text, "+-"))
	if strings.Trim(size, "0123456789") != "" || len(text) == signs || signs > 1 {
		return 0, errors.New("is not a decimal number")
	}
	if len(size) > 2 {
		return 0, errors.New("is out of all proportion")
	}
	n := 0
	for i := range len(size) {
		n = n*10 + int(size[i]-'0')
	}
	if text[0] == '-' {
		n = -n
	}
	return n, nil
}
