package trace

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// width is how many columns the text takes at most.
const width = 80

// Text writes the result for a person, at most 80 columns wide. target is how
// the destination was asked for.
func (r *Result) Text(w io.Writer, target string) {
	from, to := place(r.Source, r.SourcePort), place(r.Address, r.Port)
	if target != r.Address.String() {
		// What cannot be shortened has its room.
		name := []rune(target)
		if room := width - len(to) - len(" ()"); len(name) > room {
			target = string(name[:room-1]) + "…"
		}
		to = fmt.Sprintf("%s (%s)", target, to)
	}
	fmt.Fprintf(w, "%s\n  from %s by %s\n\n", to, from, r.Protocol.words())
	// As wide as the longest address of the family.
	const column = 45
	fmt.Fprintf(w, "  TTL  %-*s %12s\n", column, "address", "RTT")
	for _, h := range r.Hops {
		if h.Address == "" {
			fmt.Fprintf(w, "  %3d  no answer\n", h.TTL)
			continue
		}
		fmt.Fprintf(w, "  %3d  %-*s %9.3f ms\n", h.TTL, column, h.Address, float64(h.RTTUS)/1000)
	}
	if first := len(r.Hops) + 1; r.Beyond == 1 {
		fmt.Fprintf(w, "  %3d  no answer\n", first)
	} else if r.Beyond > 1 {
		fmt.Fprintf(w, "  %3d  no answer, nor up to %d\n", first, first+r.Beyond-1)
	}
	fmt.Fprintf(w, "\n  %s\n", r.summary())
}

// place is an address, with the port if there is one.
func place(a netip.Addr, port uint16) string {
	if port == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}

func (p Protocol) words() string {
	if p == UDP {
		return "STAMP"
	}
	return "ICMP echo"
}

// summary is the outcome in a line.
func (r *Result) summary() string {
	hops := "1 hop"
	if len(r.Hops) != 1 {
		hops = fmt.Sprintf("%d hops", len(r.Hops))
	}
	parts := []string{"reached in " + hops}
	switch {
	case !r.Reached:
		parts[0] = "not reached: " + r.obstacle(fmt.Sprintf("hop %d", len(r.Hops)))
	case r.Unreachable != "":
		parts = append(parts, r.Unreachable)
	}
	if r.Duplicates > 0 {
		parts = append(parts, fmt.Sprintf("%d answered twice", r.Duplicates))
	}
	return strings.Join(parts, ", ")
}

// obstacle says where it went no further; last is what the last hop is called.
func (r *Result) obstacle(last string) string {
	switch {
	case len(r.Hops) == 0:
		return "nobody answered"
	case r.Unreachable != "":
		return last + " says " + r.Unreachable
	case r.Loop:
		return "a loop"
	}
	return fmt.Sprintf("nobody answered after hop %d", len(r.Hops))
}

// Err tells why the destination was not reached; nil if it was.
func (r *Result) Err(target string) error {
	if r.Reached {
		return nil
	}
	last := ""
	if len(r.Hops) > 0 {
		last = r.Hops[len(r.Hops)-1].Address
	}
	advice := "; a firewall may keep the answers away, or nobody listens at the end"
	if r.Protocol == UDP {
		advice += ", or its reflector does not allow this host or has another key"
	}
	if r.Unreachable != "" || r.Loop {
		advice = ""
	}
	return fmt.Errorf("trace %s: not reached: %s%s", target, r.obstacle(last), advice)
}
