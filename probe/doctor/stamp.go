package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/measure"
)

// Listen tries to listen on UDP where a reflector would, for a moment.
func Listen(local netip.AddrPort) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return err
	}
	return conn.Close()
}

// STAMP looks whether this host can do what the assignment that Ask has found
// asks of it: listen, and prove who it is. hasKey tells whether there is a key
// for an address.
func (c *Collector) STAMP(listen func(netip.AddrPort) error, hasKey func(netip.Addr) bool) Check {
	return func(context.Context) []Finding {
		if c.assignment == nil {
			return nil // Ask has said why
		}
		all := []Finding{c.reflector(listen)}
		if f, asked := c.keys(hasKey); asked {
			all = append(all, f)
		}
		return all
	}
}

func (c *Collector) reflector(listen func(netip.AddrPort) error) Finding {
	r := c.assignment.Reflector
	if r == nil {
		return notAsked("reflector", "", "nobody measures this site by STAMP")
	}
	own, err := netip.ParseAddr(c.assignment.Address)
	if err != nil || r.Port < 1 || r.Port > 65535 {
		return found("reflector", "", "%.80q port %d is no place to listen on", c.assignment.Address, r.Port).but(StatusFailed, "mend the site's address in the mesh")
	}
	// Behind NAT the site's address is not the host's.
	local := measure.SourceFor(own)
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
		if own.Is6() {
			local = netip.IPv6Unspecified()
		}
	}
	at := netip.AddrPortFrom(local, uint16(r.Port))
	switch err := listen(at); {
	case errors.Is(err, syscall.EADDRINUSE):
		return found("reflector", "", "%v is taken, by this site's own probe if it runs; for %s", at, cli.Count(len(r.Sources), "source"))
	case errors.Is(err, syscall.EACCES):
		return found("reflector", "", "%v is closed to this process: the %s that measure this site get no answer", at, cli.Count(len(r.Sources), "source")).
			but(StatusFailed, giveCapability, "CAP_NET_BIND_SERVICE", "cap_net_bind_service")
	case err != nil:
		return found("reflector", "", "%v cannot be listened on: %v", at, err).but(StatusFailed, "see that the address is up on this host")
	}
	return found("reflector", "", "%v can be listened on; for %s", at, cli.Count(len(r.Sources), "source"))
}

// keys finds the peers that are spoken to only by key and have none; asked is
// whether there are such peers at all.
func (c *Collector) keys(hasKey func(netip.Addr) bool) (f Finding, asked bool) {
	var peers, without []string
	add := func(address string) {
		a, err := netip.ParseAddr(address)
		if err != nil || slices.Contains(peers, address) {
			return
		}
		peers = append(peers, address)
		if !hasKey(a.Unmap()) {
			without = append(without, address)
		}
	}
	for _, task := range c.assignment.Tasks {
		for _, target := range task.Targets {
			if target.STAMP != nil && target.STAMP.Authenticated {
				add(target.Address)
			}
		}
	}
	if r := c.assignment.Reflector; r != nil && r.Authenticated {
		for _, source := range r.Sources {
			add(source)
		}
	}
	if len(without) > 0 {
		named := strings.Join(without[:min(len(without), 5)], ", ")
		if len(without) > 5 {
			named += " and others"
		}
		return found("keys", "", "%s that STAMP is authenticated with, no key for %s", cli.Count(len(peers), "address"), named).
			but(StatusFailed, "give the file of --stamp-keys a prefix that holds them, and the key that their probes have for this site"), true
	}
	return found("keys", "", "%s that STAMP is authenticated with, a key for each; whether theirs is the same only packets show", cli.Count(len(peers), "address")), len(peers) > 0
}
