//go:build !linux

package trace

import "errors"

var errBusy = errors.New("the system has no room for the packet now")

func openSockets(*Flow) (sockets, error) {
	return nil, errors.New("this system is not traced on; use its own traceroute, or a probe on Linux")
}
