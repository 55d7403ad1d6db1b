package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Life is the type of a flag that says how long something lasts: 30d, or hours
// and minutes as Go writes them.
type Life time.Duration

// maxLifeDays is more than anybody means, and far from what overflows.
const maxLifeDays = 100 * 365

// UnmarshalText reads the value of a flag.
func (l *Life) UnmarshalText(text []byte) error {
	if digits, inDays := strings.CutSuffix(string(text), "d"); inDays {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n <= maxLifeDays {
			*l = Life(n * 24 * uint64(time.Hour))
			return nil
		}
	} else if d, err := time.ParseDuration(string(text)); err == nil && d >= 0 {
		*l = Life(d)
		return nil
	}
	return fmt.Errorf("%.40q is not a time in days, hours, minutes or seconds such as 2d, 12h, 30m or 1h30m", text)
}
