//go:build !linux

package stopwatch

import (
	"errors"
	"fmt"
	"net/netip"
)

// Only does nothing on this system: everybody's packets come in.
func (c *Conn) Only([]netip.Prefix) error {
	return fmt.Errorf("filter the packets by their sources: %w on this system", errors.ErrUnsupported)
}

// Filtered is 0: nothing is filtered.
func (c *Conn) Filtered() uint64 { return 0 }
