package doctor

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/probe/measure"
)

// Numbers of capabilities (linux/capability.h).
const (
	capNetBindService = 10
	capNetRaw         = 13
	capSysNice        = 23
)

// stampPort is where a reflector listens by itself (RFC 8762, 4).
const stampPort = 862

const giveCapability = "AmbientCapabilities=%[1]s in the systemd unit, or: setcap %[2]s+ep FILE (all that it shall have in one call)"

// Rights looks at what this process may do. root is the file system from /.
func Rights(root fs.FS) Check {
	return func(context.Context) []Finding {
		effective, err := effective(root)
		if err != nil {
			return []Finding{notAsked("rights", "", "this system has no capabilities to read: %v", err)}
		}
		raw := found("rights", "CAP_NET_RAW", "effective: kernel timestamps of ICMP, and raw sockets")
		if effective&(1<<capNetRaw) == 0 {
			raw = found("rights", "CAP_NET_RAW", "not effective: ICMP is timed in user space, which a busy host lengthens").
				but(StatusWarning, giveCapability, "CAP_NET_RAW", "cap_net_raw")
		}
		return []Finding{raw, lowPort(root, effective), priority(root, effective)}
	}
}

// lowPort looks whether a reflector may listen on its port.
func lowPort(root fs.FS, effective uint64) Finding {
	const subject = "port 862"
	if effective&(1<<capNetBindService) != 0 {
		return found("rights", subject, "CAP_NET_BIND_SERVICE is effective: STAMP can listen there")
	}
	first := stampPort + 1
	if text, err := fs.ReadFile(root, "proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			first = n
		}
	}
	if first <= stampPort {
		return found("rights", subject, "open to everybody (net.ipv4.ip_unprivileged_port_start is %d): a STAMP reflector may listen there", first)
	}
	return found("rights", subject, "closed to this process: a STAMP reflector needs CAP_NET_BIND_SERVICE to listen there").
		but(StatusWarning, "only if this site is to answer STAMP: "+giveCapability, "CAP_NET_BIND_SERVICE", "cap_net_bind_service")
}

// priority looks whether the reflector's thread may go before ordinary work.
func priority(root fs.FS, effective uint64) Finding {
	const subject = "real-time"
	if effective&(1<<capSysNice) != 0 {
		return found("rights", subject, "CAP_SYS_NICE is effective: a reflector goes before all ordinary work")
	}
	limits, err := fs.ReadFile(root, "proc/self/limits")
	if err != nil {
		return notAsked("rights", subject, "the limits of this process cannot be read: %v", err)
	}
	for line := range bytes.Lines(limits) {
		value, ok := bytes.CutPrefix(line, []byte("Max realtime priority"))
		if soft := bytes.Fields(value); ok && len(soft) > 0 && string(soft[0]) != "0" {
			return found("rights", subject, "RTPRIO is %s: a reflector goes before all ordinary work", soft[0])
		}
	}
	return found("rights", subject, "RTPRIO is 0: on a busy host replies wait in the reflector, and what is beyond 200 µs counts against the link").
		but(StatusWarning, "only if this site is to answer STAMP: LimitRTPRIO=1 in the systemd unit, or: setcap cap_sys_nice+ep FILE (all that it shall have in one call)")
}

// effective reads the effective capabilities of this process, one bit each.
func effective(root fs.FS) (uint64, error) {
	status, err := fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
			return strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64)
		}
	}
	return 0, fmt.Errorf("proc/self/status has no CapEff")
}

// PingGroups looks whether ping_group_range admits one of the groups of this
// process.
func PingGroups(root fs.FS, groups []int) Check {
	return func(context.Context) []Finding {
		text, err := fs.ReadFile(root, "proc/sys/net/ipv4/ping_group_range")
		if err != nil {
			return []Finding{notAsked("ping_group_range", "", "this system has none: %v", err)}
		}
		var from, to int
		if _, err := fmt.Sscan(string(text), &from, &to); err != nil {
			return []Finding{notAsked("ping_group_range", "", "%.40q does not read: %v", text, err)}
		}
		const open = `sysctl net.ipv4.ping_group_range="0 2147483647", and the same in /etc/sysctl.d; in each container for itself`
		f := found("ping_group_range", "", "%d %d admits group %d: datagram ICMP sockets", from, to, admitted(groups, from, to))
		if admitted(groups, from, to) < 0 {
			who := "does not admit group " + join(groups)
			if len(groups) > 1 {
				who = "admits none of the groups " + join(groups)
			}
			f = found("ping_group_range", "", "%d %d %s: ICMP takes raw sockets, which cost more the more targets there are", from, to, who).
				but(StatusWarning, open)
		}
		return []Finding{f.with("from", int64(from)).with("to", int64(to))}
	}
}

// admitted is the first of the groups within the range; -1 is none.
func admitted(groups []int, from, to int) int {
	if i := slices.IndexFunc(groups, func(g int) bool { return from <= g && g <= to }); i >= 0 {
		return groups[i]
	}
	return -1
}

func join(numbers []int) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(numbers), "[]")), ", ")
}

// ICMPSockets opens an ICMP socket of each family. hasIPv6 tells whether the
// host has the family at all.
func ICMPSockets(detect func(ipv6 bool) (measure.Mode, error), hasIPv6 bool) Check {
	return func(context.Context) []Finding {
		var all []Finding
		for _, family := range []string{"ipv4", "ipv6"} {
			if family == "ipv6" && !hasIPv6 {
				all = append(all, notAsked("icmp", family, "this host has no IPv6 address but its own"))
				continue
			}
			mode, err := detect(family == "ipv6")
			if err != nil {
				// Its second half is what to do.
				text, do, _ := strings.Cut(err.Error(), "; ")
				all = append(all, found("icmp", family, "%s", text).but(StatusFailed, "%s", do))
				continue
			}
			all = append(all, found("icmp", family, "%s sockets open", mode))
		}
		return all
	}
}
