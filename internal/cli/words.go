package cli

import "fmt"

// Count says how many there are of something: 1 window, 3 windows.
func Count[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
