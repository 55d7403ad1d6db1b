//go:build !linux && !darwin

package doctor

import "errors"

// Free does not know.
func Free(string) (int64, error) { return 0, errors.New("not asked on this system") }
