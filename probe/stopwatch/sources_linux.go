package stopwatch

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// networkHeader is where a filter finds the IP header (SKF_NET_OFF): a socket of
// UDP shows it the packet from UDP's header on.
const networkHeader = 1<<32 - 0x100000

// Only makes the kernel drop the packets of all sources but those in the
// prefixes, before they wake anybody. Those of IPv4 are given as such for any
// socket. What had come before may still be received. An error means that
// everybody's packets come in: there are too many sources for a filter, or the
// system has none.
func (c *Conn) Only(sources []netip.Prefix) error {
	program := fromOnly(networkHeader, sources)
	var failed error
	err := c.raw.Control(func(fd uintptr) { failed = filter(int(fd), program) })
	if err == nil {
		err = failed
	}
	c.filters.Store(err == nil)
	if err != nil {
		return fmt.Errorf("filter the packets of %d sources: %w", len(sources), plainClosed(err))
	}
	return nil
}

// filter puts a filter in the place of another, without a moment in which
// everybody's packets come in where that can be had.
func filter(fd int, program []bpf.Instruction) error {
	failed := fmt.Errorf("it would have %d instructions, and %d are possible", len(program), unix.BPF_MAXINSNS)
	if len(program) <= unix.BPF_MAXINSNS {
		if failed = Attach(fd, program); failed == nil {
			return nil
		}
	}
	// The old one would drop what is to be received now.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return errors.Join(failed, os.NewSyscallError("setsockopt", err))
	}
	if errors.Is(failed, unix.ENOMEM) { // net.core.optmem_max may hold one of the two
		return Attach(fd, program)
	}
	return failed
}

// Filtered counts the packets that the kernel dropped because of Only, with
// those of a wrong checksum: it has one count for all that it drops. While
// much waits to be received it has the overflows in it too, and all of them are
// taken for such.
func (c *Conn) Filtered() uint64 {
	c.countDrops()
	return c.refused.Load()
}
