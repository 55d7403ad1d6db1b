package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// lines are the findings of a check as they stand in a pipe.
func lines(t *testing.T, findings []Finding) string {
	t.Helper()
	var text strings.Builder
	for _, f := range findings {
		if err := f.Write(&text, Style{}); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// expect holds the findings against lines.
func expect(t *testing.T, findings []Finding, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSuffix(lines(t, findings), "\n"), "\n")
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ") // the columns are TestWrite's
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func files(pairs ...string) fs.FS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestRights(t *testing.T) {
	const (
		rawOff  = "! rights CAP_NET_RAW not effective: ICMP is timed in user space, which a busy host lengthens; AmbientCapabilities=CAP_NET_RAW in the systemd unit, or: setcap cap_net_raw+ep FILE (all that it shall have in one call)"
		portOff = "! rights port 862 closed to this process: a STAMP reflector needs CAP_NET_BIND_SERVICE to listen there; only if this site is to answer STAMP: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or: setcap cap_net_bind_service+ep FILE (all that it shall have in one call)"
		rawOn   = "✓ rights CAP_NET_RAW effective: kernel timestamps of ICMP, and raw sockets"
		portOn  = "✓ rights port 862 CAP_NET_BIND_SERVICE is effective: STAMP can listen there"
		niceOff = "! rights real-time RTPRIO is 0: on a busy host replies wait in the reflector, and what is beyond 200 µs counts against the link; only if this site is to answer STAMP: LimitRTPRIO=1 in the systemd unit, or: setcap cap_sys_nice+ep FILE (all that it shall have in one call)"
		niceOn  = "✓ rights real-time RTPRIO is 1: a reflector goes before all ordinary work"
		niceIs  = "– rights real-time the limits of this process cannot be read: open proc/self/limits: file does not exist"
		limits  = "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max nice priority         20                   20                   \n"
	)
	rtprio := func(n string) string {
		return limits + "Max realtime priority     " + n + "                    1                    \n"
	}
	status := func(effective string) string { return "Name:\tx\nCapPrm:\tffff\nCapEff:\t" + effective + "\n" }
	for _, tt := range []struct {
		name string
		root fs.FS
		want []string
	}{
		{"the unit's", files("proc/self/status", status("0000000000002400"), "proc/self/limits", rtprio("1")), []string{rawOn, portOn, niceOn}},
		{"none", files("proc/self/status", status("0000000000000000"), "proc/self/limits", rtprio("0")), []string{rawOff, portOff, niceOff}},
		{"only the port", files("proc/self/status", status("0000000000000400"), "proc/self/limits", limits), []string{rawOff, portOn, niceOff}},
		{"root's", files("proc/self/status", status("000001ffffffffff")),
			[]string{rawOn, portOn, "✓ rights real-time CAP_SYS_NICE is effective: a reflector goes before all ordinary work"}},
		{"ports from 862 open", files("proc/self/status", status("0"), "proc/sys/net/ipv4/ip_unprivileged_port_start", "862\n"),
			[]string{rawOff, "✓ rights port 862 open to everybody (net.ipv4.ip_unprivileged_port_start is 862): a STAMP reflector may listen there", niceIs}},
		{"ports from 863 open", files("proc/self/status", status("0"), "proc/sys/net/ipv4/ip_unprivileged_port_start", "863\n"),
			[]string{rawOff, portOff, niceIs}},
		{"another system", files(), []string{"– rights this system has no capabilities to read: open proc/self/status: file does not exist"}},
	} {
		t.Run(tt.name, func(t *testing.T) { expect(t, Rights(tt.root)(t.Context()), tt.want...) })
	}
}

func TestPingGroups(t *testing.T) {
	const file = "proc/sys/net/ipv4/ping_group_range"
	const remedy = `; sysctl net.ipv4.ping_group_range="0 2147483647", and the same in /etc/sysctl.d; in each container for itself`
	for _, tt := range []struct {
		content string
		groups  []int
		want    string
	}{
		{"0\t2147483647\n", []int{995}, "✓ ping_group_range 0 2147483647 admits group 995: datagram ICMP sockets"},
		{"0\t0\n", []int{995, 0}, "✓ ping_group_range 0 0 admits group 0: datagram ICMP sockets"},
		{"1\t0\n", []int{0, 5}, "! ping_group_range 1 0 admits none of the groups 0, 5: ICMP takes raw sockets, which cost more the more targets there are" + remedy},
		{"100\t200\n", []int{99, 201}, "! ping_group_range 100 200 admits none of the groups 99, 201: ICMP takes raw sockets, which cost more the more targets there are" + remedy},
		{"1\t0\n", []int{5}, "! ping_group_range 1 0 does not admit group 5: ICMP takes raw sockets, which cost more the more targets there are" + remedy},
		{"many", nil, `– ping_group_range "many" does not read: expected integer`},
	} {
		expect(t, PingGroups(files(file, tt.content), tt.groups)(t.Context()), tt.want)
	}
	expect(t, PingGroups(files(), nil)(t.Context()), "– ping_group_range this system has none: open "+file+": file does not exist")
}

func TestICMPSockets(t *testing.T) {
	detect := func(ipv6 bool) (measure.Mode, error) {
		if ipv6 {
			return "", errors.New("open an ICMP socket: permission denied; let the group use datagram sockets")
		}
		return measure.ModeDatagram, nil
	}
	expect(t, ICMPSockets(detect, true)(t.Context()),
		"✓ icmp ipv4 datagram sockets open",
		"✗ icmp ipv6 open an ICMP socket: permission denied; let the group use datagram sockets")
	expect(t, ICMPSockets(detect, false)(t.Context()),
		"✓ icmp ipv4 datagram sockets open",
		"– icmp ipv6 this host has no IPv6 address but its own")
}

func TestTimestamps(t *testing.T) {
	well := Timestamps{
		Echo:       func(context.Context) (wire.Timestamps, string, error) { return wire.TimestampsKernel, "", nil },
		Socket:     func(netip.Addr) (wire.Timestamps, string, error) { return wire.TimestampsKernel, "", nil },
		Interfaces: func() ([]Interface, error) { return []Interface{{Name: "eth0", Multicast: true}}, nil },
		Leave:      func(context.Context, Interface) error { return nil },
	}
	const (
		udp4 = "✓ timestamps udp ipv4 by the kernel: seen with a packet to this host"
		echo = "✓ timestamps icmp by the kernel: seen with an echo to this host"
		eth0 = "✓ timestamps eth0 by the kernel: seen with a packet that left"
	)
	for _, tt := range []struct {
		name   string
		change func(*Timestamps)
		want   []string
	}{
		{"all well", func(*Timestamps) {}, []string{echo, udp4, eth0}},
		{"both families", func(s *Timestamps) { s.IPv6 = true },
			[]string{echo, udp4, "✓ timestamps udp ipv6 by the kernel: seen with a packet to this host", eth0}},
		{"no tap", func(s *Timestamps) {
			s.Echo = func(context.Context) (wire.Timestamps, string, error) {
				return wire.TimestampsUser, "not permitted", nil
			}
		}, []string{"! timestamps icmp in user space: not permitted; RTTs are upper bounds, and on a busy host loose ones; see CAP_NET_RAW above", udp4, eth0}},
		{"no ICMP", func(s *Timestamps) {
			s.Echo = func(context.Context) (wire.Timestamps, string, error) {
				return "", "", errors.New("no ICMP socket opens")
			}
		}, []string{"– timestamps icmp not tried: no ICMP socket opens", udp4, eth0}},
		{"old kernel", func(s *Timestamps) {
			s.Socket = func(netip.Addr) (wire.Timestamps, string, error) { return wire.TimestampsUser, "it gave none", nil }
		}, []string{echo, "! timestamps udp ipv4 in user space: it gave none; RTTs are upper bounds, and on a busy host loose ones", eth0}},
		{"no loopback", func(s *Timestamps) {
			s.Socket = func(netip.Addr) (wire.Timestamps, string, error) { return "", "", errors.New("cannot assign") }
		}, []string{echo, "! timestamps udp ipv4 not tried: cannot assign; see that the loopback interface is up", eth0}},
		{"driver without", func(s *Timestamps) {
			s.Leave = func(context.Context, Interface) error { return errors.New("3 packets left without one") }
		}, []string{echo, udp4, "! timestamps eth0 the moment of leaving is not told: 3 packets left without one; its driver may give none: STAMP that leaves here is timed in user space"}},
		{"no multicast", func(s *Timestamps) {
			s.Interfaces = func() ([]Interface, error) { return []Interface{{Name: "ppp0"}}, nil }
		}, []string{echo, udp4, "– timestamps ppp0 not tried: nothing can be sent there that would reach no other host"}},
		{"no list", func(s *Timestamps) {
			s.Interfaces = func() ([]Interface, error) { return nil, errors.New("netlink says no") }
		}, []string{echo, udp4, "– timestamps interfaces cannot be listed: netlink says no"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well
			tt.change(&s)
			expect(t, s.Check(t.Context()), tt.want...)
		})
	}
	t.Run("many", func(t *testing.T) {
		s, tried := well, 0
		s.Interfaces = func() ([]Interface, error) {
			return slices.Repeat([]Interface{{Name: "veth", Multicast: true}}, mostInterfaces+3), nil
		}
		s.Leave = func(context.Context, Interface) error { tried++; return nil }
		all := s.Check(t.Context())
		if last := all[len(all)-1]; tried != mostInterfaces || last.Text != "3 more were not tried" {
			t.Errorf("%d tried: %+v", tried, last)
		}
	})
}

func TestClock(t *testing.T) {
	const unsynchronised = "! clock not synchronised: windows may be dated wrongly, and there is no one-way delay; RTTs do not suffer; run chrony, ntpd or systemd-timesyncd, and see that it reaches its servers"
	const fast = " corrected by %s ppm, above 100 ppm: every RTT is off by that share until it settles; see what corrects it (chronyc tracking, ntpq -c rv); a bad crystal or a confused daemon does this"
	well := wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 1234, FrequencyPPB: -12_340}
	const synchronised = "✓ clock synchronised, within 1.234ms by the kernel's own estimate"
	const slow = "✓ clock frequency corrected by -12.3 ppm"
	for _, tt := range []struct {
		name  string
		clock wire.Clock
		root  fs.FS
		want  []string
	}{
		{"chrony", well, files("proc/1/comm", "systemd\n", "proc/77/comm", "chronyd\n"), []string{synchronised, slow, "✓ clock daemon chrony runs"}},
		{"PTP", well, files("proc/5/comm", "ptp4l\n", "proc/6/comm", "phc2sys\n", "proc/7/comm", "ptp4l\n"),
			[]string{synchronised, slow, "✓ clock daemon phc2sys and ptp4l runs"}},
		{"name cut by the kernel", well, files("proc/9/comm", "systemd-timesyn\n"), []string{synchronised, slow, "✓ clock daemon systemd-timesyncd runs"}},
		{"processes hidden", well, files("run/ntpd.pid", "9"), []string{synchronised, slow, "✓ clock daemon ntpd runs"}},
		{"a stale trace of another", well, files("run/ntpd.pid", "9", "proc/77/comm", "chronyd\n"), []string{synchronised, slow, "✓ clock daemon chrony runs"}},
		{"container", well, files("proc/1/comm", "sh\n"),
			[]string{synchronised, slow, "✓ clock daemon none to be seen from here; the clock is kept from outside, as in a container"}},
		{"nobody", wire.Clock{State: wire.ClockUnsynchronised}, files(),
			[]string{unsynchronised, "✓ clock frequency corrected by 0.0 ppm", "! clock daemon none runs; install and start chrony"}},
		{"100 ppm", wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 1234, FrequencyPPB: -100_000}, files("proc/1/comm", "ntpd\n"),
			[]string{synchronised, "✓ clock frequency corrected by -100.0 ppm", "✓ clock daemon ntpd runs"}},
		{"above", wire.Clock{State: wire.ClockSynchronised, MaxErrorUS: 1234, FrequencyPPB: -150_000}, files("proc/1/comm", "ntpd\n"),
			[]string{synchronised, "! clock frequency" + fmt.Sprintf(fast, "-150.0"), "✓ clock daemon ntpd runs"}},
		{"another system", wire.Clock{State: wire.ClockUnknown}, files(),
			[]string{"– clock this system does not tell whether the clock is synchronised", "– clock daemon none to be seen from here"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, Clock(func() wire.Clock { return tt.clock }, tt.root)(t.Context()), tt.want...)
		})
	}
}

func TestSpool(t *testing.T) {
	const gib = 1 << 30
	free := func(n int64) func(string) (int64, error) { return func(string) (int64, error) { return n, nil } }
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	used := filepath.Join(dir, "used")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(used, 0o700), os.WriteFile(used+"/spool.db", make([]byte, 1<<20), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, dir string
		free      func(string) (int64, error)
		want      []string
	}{
		{"absent", "", free(gib), []string{"– spool not asked: --spool is absent"}},
		{"there", dir, free(2 * gib), []string{"✓ spool " + dir + " can be written", "✓ spool disk 2048 MiB free, at most 1024 MiB are wanted"}},
		{"to be made", dir + "/a/b", free(2 * gib), []string{"✓ spool " + dir + "/a/b is not there yet and can be made", "✓ spool disk 2048 MiB free, at most 1024 MiB are wanted"}},
		{"a file", file, free(2 * gib), []string{"✗ spool " + file + " is not a folder; give --spool a folder that can be written", "✓ spool disk 2048 MiB free, at most 1024 MiB are wanted"}},
		{"tight", dir, free(gib - 1), []string{"✓ spool " + dir + " can be written",
			"! spool disk 1023 MiB free, at most 1024 MiB are wanted; make room, or lower --spool-max-mib to what there is, so that the spool and not the disk sets the limit"}},
		{"tight but for what it has", used, free(gib - 1<<20), []string{"✓ spool " + used + " can be written", "✓ spool disk 1023 MiB free, at most 1024 MiB are wanted"}},
		{"full", dir, free(63 << 20), []string{"✓ spool " + dir + " can be written",
			"✗ spool disk 63 MiB free, at most 1024 MiB are wanted; make room: windows that do not fit are lost while the collector is away"}},
		{"not told", dir, func(string) (int64, error) { return 0, errors.New("no such call") }, []string{"✓ spool " + dir + " can be written",
			"– spool disk the free space is not known: no such call"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, Spool(tt.dir, gib, tt.free)(t.Context()), tt.want...)
			if left, _ := filepath.Glob(filepath.Join(dir, ".fibergauge*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if _, err := os.Stat(dir + "/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestExamine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	check := func(f ...Finding) Check { return func(context.Context) []Finding { return f } }
	var shown []string
	report := Examine(ctx, []Check{
		check(found("a", "", "well"), found("b", "", "bad").but(StatusFailed, "mend it")),
		check(notAsked("c", "", "not asked"), found("d", "", "so so").but(StatusWarning, "better it")),
		func(context.Context) []Finding { cancel(); return nil },
		check(found("e", "", "too late")),
	}, func(f Finding) { shown = append(shown, f.Check) })
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, shown); diff != "" || report.Failed != 1 || report.Warnings != 1 {
		t.Errorf("%d failed, %d warnings (-want +got)\n%s", report.Failed, report.Warnings, diff)
	}
	got, err := json.Marshal(report)
	const want = `{"schema":"fibergauge.doctor/1","version":"","failed":1,"warnings":1,"findings":[` +
		`{"check":"a","status":"ok","text":"well"},{"check":"b","status":"failed","text":"bad","do":"mend it"},` +
		`{"check":"c","status":"not_asked","text":"not asked"},{"check":"d","status":"warning","text":"so so","do":"better it"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestWrite(t *testing.T) {
	f := found("timestamps", "eth0", "the moment of leaving is not told: 3 packets left without one").
		but(StatusWarning, "its driver may give none: STAMP that leaves here is timed in user space")
	long := found("timestamps", "enp175s0f0np0", "by the kernel: seen with a packet that left")
	for _, tt := range []struct {
		name    string
		finding Finding
		style   Style
		want    string
	}{
		{"pipe", f, Style{}, `! timestamps eth0      the moment of leaving is not told: 3 packets left without one; its driver may give none: STAMP that leaves here is timed in user space
`},
		{"80 columns", f, Style{Width: 80}, `! timestamps eth0      the moment of leaving is not told: 3 packets left without
                       one
                       → its driver may give none: STAMP that leaves here is
                         timed in user space
`},
		{"200 columns", f, Style{Width: 200}, `! timestamps eth0      the moment of leaving is not told: 3 packets left without one
                       → its driver may give none: STAMP that leaves here is timed in user space
`},
		{"40 columns", f, Style{Width: 40}, `! timestamps eth0
    the moment of leaving is not told: 3
    packets left without one
    → its driver may give none: STAMP
      that leaves here is timed in user
      space
`},
		{"4 columns", found("icmp", "ipv4", "raw sockets open"), Style{Width: 4}, "✓ icmp ipv4\n    raw\n    sockets\n    open\n"},
		{"long label", long, Style{Width: 80}, `✓ timestamps enp175s0f0np0
                       by the kernel: seen with a packet that left
`},
		{"colour", found("icmp", "ipv4", "raw sockets open"), Style{Color: true, Width: 80}, "\x1b[32m✓\x1b[0m icmp ipv4            raw sockets open\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			if err := tt.finding.Write(&got, tt.style); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
