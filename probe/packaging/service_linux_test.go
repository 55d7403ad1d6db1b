package packaging

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// unit holds the settings of a unit file by their names; one that is given
// several times has several values (systemd.syntax(7)).
type unit map[string][]string

func readUnit(t *testing.T, file string) unit {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	u := unit{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[name] = append(u[name], value)
		}
	}
	return u
}

// only is the value of a setting that has one.
func (u unit) only(t *testing.T, name string) string {
	t.Helper()
	if len(u[name]) != 1 {
		t.Fatalf("the unit has %d settings %s=", len(u[name]), name)
	}
	return u[name][0]
}

// confined is the service's command line as its unit confines it, by setpriv
// in the place of systemd: user, capabilities, no new privileges. System call
// filters and the like are systemd's own and are not imitated.
func (u unit) confined(t *testing.T) []string {
	t.Helper()
	capabilities := func(setting string) string {
		list := "-all"
		for _, name := range strings.Fields(u.only(t, setting)) {
			list += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
		}
		return list
	}
	if got := u.only(t, "NoNewPrivileges"); got != "yes" {
		t.Fatalf("NoNewPrivileges=%s", got)
	}
	ambient := capabilities("AmbientCapabilities")
	argv := []string{"/usr/bin/setpriv", "--reuid=" + u.only(t, "User"), "--regid=" + u.only(t, "Group"), "--init-groups",
		"--inh-caps=" + ambient, "--ambient-caps=" + ambient, "--bounding-set=" + capabilities("CapabilityBoundingSet"),
		"--no-new-privs", "--"}
	return append(argv, strings.Fields(u.only(t, "ExecStart"))...)
}

// TestUnitLetsTheProbeWork holds what no test without systemd can try, and what
// the probe cannot do without.
func TestUnitLetsTheProbeWork(t *testing.T) {
	u := readUnit(t, "fibergauge-probe.service")
	for _, family := range []string{"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET"} {
		if !strings.Contains(u.only(t, "RestrictAddressFamilies"), family) {
			t.Errorf("%s is not allowed", family)
		}
	}
	// Whatever groups come before it, the last list has the last word.
	if filters := u["SystemCallFilter"]; !strings.Contains(filters[len(filters)-1], "adjtimex") || len(u["ProtectClock"]) > 0 {
		t.Errorf("the state of the clock cannot be read: %q", filters)
	}
	if filters := u["SystemCallFilter"]; !strings.Contains(filters[len(filters)-1], "sched_setattr") || u.only(t, "LimitRTPRIO") != "1" || len(u["RestrictRealtime"]) > 0 {
		t.Errorf("the reflector's thread gets no priority: %q", filters)
	}
	if u.only(t, "StateDirectory") != "fibergauge-probe" || u.only(t, "ProtectSystem") != "strict" {
		t.Errorf("the spool of probe.yaml cannot be written, or more than that")
	}
}
