//go:build !linux

package trace

import (
	"context"
	"errors"
	"time"
)

var errBusy = errors.New("the system has no room for the packet now")

func openSockets(context.Context, *Flow, time.Duration) (sockets, error) {
	return nil, errors.New("this system is not traced on; use its own traceroute, or a probe on Linux")
}
