package doctor

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Clock looks at the wall clock and at who keeps it.
func Clock(state func() wire.Clock, root fs.FS) Check {
	return func(context.Context) []Finding {
		clock, daemon := state(), timeDaemon(root)
		return append(clockFindings(clock), daemonFinding(clock, daemon))
	}
}

func clockFindings(clock wire.Clock) []Finding {
	if clock.State == wire.ClockUnknown {
		return []Finding{notAsked("clock", "", "this system does not tell whether the clock is synchronised")}
	}
	state := found("clock", "", "synchronised, within %v by the kernel's own estimate", time.Duration(clock.MaxErrorUS)*time.Microsecond)
	if clock.State != wire.ClockSynchronised {
		state = found("clock", "", "not synchronised: windows may be dated wrongly, and there is no one-way delay; RTTs do not suffer").
			but(StatusWarning, "run chrony, ntpd or systemd-timesyncd, and see that it reaches its servers")
	}
	ppm := float64(clock.FrequencyPPB) / 1000
	frequency := found("clock", "frequency", "corrected by %.1f ppm", ppm)
	if clock.Hurried() {
		frequency = found("clock", "frequency", "corrected by %.1f ppm, above 100 ppm: every RTT is off by that share until it settles", ppm).
			but(StatusWarning, "see what corrects it (chronyc tracking, ntpq -c rv); a bad crystal or a confused daemon does this")
	}
	return []Finding{state.with("max_error_us", clock.MaxErrorUS), frequency.with("frequency_ppb", clock.FrequencyPPB)}
}

func daemonFinding(clock wire.Clock, daemon string) Finding {
	switch {
	case daemon != "":
		return found("clock", "daemon", "%s runs", daemon)
	case clock.State == wire.ClockSynchronised:
		return found("clock", "daemon", "none to be seen from here; the clock is kept from outside, as in a container")
	case clock.State == wire.ClockUnknown:
		return notAsked("clock", "daemon", "none to be seen from here")
	}
	return found("clock", "daemon", "none runs").but(StatusWarning, "install and start chrony")
}

// timeDaemon names what keeps the clock, by the names of the processes, or
// where these are hidden by what it leaves in /run. Empty is none.
func timeDaemon(root fs.FS) string {
	// The kernel cuts names of processes to 15 bytes.
	names := map[string]string{
		"chronyd": "chrony", "ntpd": "ntpd", "ntp-daemon": "ntpd-rs", "systemd-timesyn": "systemd-timesyncd",
		"ptp4l": "ptp4l", "phc2sys": "phc2sys",
	}
	var seen []string
	files, _ := fs.Glob(root, "proc/[0-9]*/comm") // the pattern is well-formed
	for _, file := range files {
		if comm, err := fs.ReadFile(root, file); err == nil {
			if name := names[strings.TrimSpace(string(comm))]; name != "" && !slices.Contains(seen, name) {
				seen = append(seen, name)
			}
		}
	}
	if len(seen) == 0 {
		for _, trace := range []struct{ file, name string }{
			{"run/chrony/chronyd.sock", "chrony"}, {"run/chrony/chronyd.pid", "chrony"}, {"run/ntpd.pid", "ntpd"},
			{"run/systemd/timesync/synchronized", "systemd-timesyncd"},
		} {
			if _, err := fs.Stat(root, trace.file); err == nil {
				return trace.name
			}
		}
	}
	slices.Sort(seen)
	return strings.Join(seen, " and ")
}
