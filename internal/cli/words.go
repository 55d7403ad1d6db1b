package cli

import (
	"fmt"
	"strings"
)

// Count says how many there are of something: 1 window, 3 windows, 2 addresses.
func Count[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "s") {
		one += "e"
	}
	return fmt.Sprintf("%d %ss", n, one)
}
