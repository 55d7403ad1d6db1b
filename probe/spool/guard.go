package spool

import (
	"fmt"
	"runtime/debug"
)

// guarded runs fn and turns a panic into an error. bbolt panics where a page
// is not what it ought to be, and the system faults where the mapped file is
// cut off; neither may end the probe.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errDamaged, cause)
		}
	}()
	return fn()
}
