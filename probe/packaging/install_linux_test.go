package packaging

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads what the collector has stored

	"github.com/fibergauge/fibergauge/internal/testnet"
)

const (
	here, there = "198.18.0.1", "198.18.0.2" // RFC 2544
	collector   = "127.0.0.1:8862"
	program     = "usr/bin/fibergauge-probe"
	config      = "etc/fibergauge/probe.yaml"
	service     = "usr/lib/systemd/system/fibergauge-probe.service"
	state       = "var/lib/fibergauge-probe"

	// next is what the one who installs it reads.
	next = "edit /etc/fibergauge/probe.yaml and enrol, then: systemctl enable --now fibergauge-probe"
)

const meshFile = `
version: 1
name: trial
time_zone: UTC
hubs: [{id: h, name: {en: H, zh: H}}]
clusters:
  - {id: a, hub: h, name: {en: A, zh: A}, location: {lat: 40, lon: 115, source: test}}
  - {id: b, hub: h, name: {en: B, zh: B}, location: {lat: 41, lon: 115, source: test}}
carriers: [{id: c, name: {en: C, zh: C}}]
planes: [optical]
sites:
  - {id: here, cluster: a, carrier: c, plane: optical, address: ` + here + `, role: both}
  - {id: there, cluster: b, carrier: c, plane: optical, address: ` + there + `, role: both}
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 100, size_bytes: 84, dscp: 0, window_s: 1}
judged: icmp
`

// insideVariable names the package for the half of the test that runs inside.
const insideVariable = "FIBERGAUGE_PACKAGING_TEST_INSIDE"

// inside runs TestRelease once more, as a process that has mounts, network and
// process identifiers of its own, all of which end with it. There it tries the
// package.
func inside(t *testing.T, file string, needed ...string) {
	if os.Geteuid() != 0 {
		without(t, "needs root to install a package and to make namespaces")
	}
	need(t, append(needed, "setpriv", "systemd-sysusers")...)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestRelease$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), insideVariable+"="+file, "FIBERGAUGE_BIN="+bin(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	switch {
	case errors.Is(err, syscall.EPERM):
		without(t, "needs root for namespaces: %v", err)
	case err != nil:
		t.Fatal(err)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skip("SKIPPED inside, see above")
	}
}

// bin is the folder of the programs: $FIBERGAUGE_BIN, which make test sets, or
// built for this test.
func bin(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("FIBERGAUGE_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	output(t, "go", "build", "-C", repository, "-o", filepath.Join(dir, "fibergauge-collector"), "./collector")
	return dir
}

// connect gives this process's network a neighbour that answers ping, in a
// network of its own, and leaves ping_group_range as the kernel has it at
// first: closed, so that ICMP takes the capability.
func connect(t *testing.T) {
	t.Helper()
	near, far := testnet.Own(t), testnet.New(t)
	testnet.Wire(t, "wire", near, far)
	near.Address(t, "wire", here+"/24")
	far.Address(t, "wire", there+"/24")
}

// collect starts a collector on the mesh and gives the path of its store.
func collect(t *testing.T) (store string) {
	t.Helper()
	dir := t.TempDir()
	mesh := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(mesh, []byte(meshFile), 0o644); err != nil {
		t.Fatal(err)
	}
	store = filepath.Join(dir, "store.sqlite")
	cmd := exec.Command(filepath.Join(bin(t), "fibergauge-collector"), "serve", "--mesh", mesh, "--listen", collector, "--store", "sqlite:"+store)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("collector: %v\n%s", err, &log)
		}
	})
	waitFor(t, "the collector", func() bool {
		res, err := http.Get("http://" + collector + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return store
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not there after a minute", what)
		}
	}
}

// stored is what the collector has of the link.
type stored struct {
	windows, sent, received int
	version, clock, source  string
}

func read(t *testing.T, store string) (s stored) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+store+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(t.Context(), `SELECT count(*), coalesce(sum(sent), 0), coalesce(sum(received), 0),
		coalesce(min(probe_version), ''), coalesce(min(clock), ''), coalesce(min(timestamps), '') FROM rtt WHERE src = 'here' AND dst = 'there' AND counts`).
		Scan(&s.windows, &s.sent, &s.received, &s.version, &s.clock, &s.source)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs the installed service as its unit says until it has measured, and
// stops it as systemd would.
func (m *machine) serve(u unit, store string) {
	t := m.t
	t.Helper()
	// As systemd does for StateDirectory= and ProtectSystem=strict.
	m.must(fmt.Sprintf("install -d -o %s -g %s -m %s /%s", u.only(t, "User"), u.only(t, "Group"), u.only(t, "StateDirectoryMode"), state))
	dir := m.file(state)
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", m.root, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	m.examine(u)
	var log bytes.Buffer
	cmd := m.command(u.confined(t)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor(t, "windows", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("the service ended: %v\n%s", err, &log)
		default:
		}
		return read(t, store).windows >= 3
	})
	m.checkRights(cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the service stopped with %v", err)
	}
	t.Logf("service:\n%s", &log)
	if err := syscall.Mount("", m.root, "", syscall.MS_REMOUNT|syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if s := read(t, store); s.received == 0 || s.version == "" || s.clock == "unknown" || s.source != "kernel" {
		t.Errorf("stored: %+v", s)
	}
}

// examine lets doctor look at the machine with the rights of the service.
func (m *machine) examine(u unit) {
	m.t.Helper()
	argv := u.confined(m.t)
	argv[slices.Index(argv, "run")] = "doctor"
	out, err := m.command(argv...).CombinedOutput()
	for _, want := range []string{"✓ rights CAP_NET_RAW ", "✓ rights port 862 ", "✓ timestamps icmp ", "✓ timestamps wire ", "✓ spool ", "✓ collector ", "✓ mtu wire "} {
		if !bytes.Contains(out, []byte(want)) {
			m.t.Errorf("doctor does not say %q", want)
		}
	}
	m.t.Logf("doctor: %v\n%s", err, out)
	if err != nil {
		m.t.Error("doctor finds something that must be mended")
	}
}

// checkRights holds the running service to two capabilities and no root.
func (m *machine) checkRights(pid int) {
	status, err := os.ReadFile(m.file(fmt.Sprintf("proc/%d/status", pid)))
	if err != nil {
		m.t.Fatal(err)
	}
	const rights = "0000000000002400" // CAP_NET_BIND_SERVICE and CAP_NET_RAW
	for name, want := range map[string]string{
		"Uid": `[1-9]\d*(\t[1-9]\d*){3}`, "Gid": `[1-9]\d*(\t[1-9]\d*){3}`, "NoNewPrivs": "1",
		"CapInh": rights, "CapPrm": rights, "CapEff": rights, "CapBnd": rights, "CapAmb": rights,
	} {
		if !regexp.MustCompile(`(?m)^` + name + `:\t` + want + `$`).Match(status) {
			m.t.Errorf("%s is not %s in\n%s", name, want, status)
		}
	}
}

// trial is what is done with an installed package, whatever its kind.
func (m *machine) trial() {
	t := m.t
	t.Helper()
	u := readUnit(t, m.file(service))
	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		if got := m.must("systemd-analyze verify --man=no fibergauge-probe.service"); got != "" {
			t.Errorf("systemd-analyze verify: %s", got)
		}
		m.must("systemd-analyze security --offline=true --threshold=25 --no-pager fibergauge-probe.service | tail -1; " +
			"systemd-analyze security --offline=true --threshold=25 --no-pager fibergauge-probe.service >/dev/null")
	}
	// As it was shipped it says what is missing, and systemd leaves it at that.
	got, status := m.sh(u.only(t, "ExecStart"))
	if want := "fibergauge-probe: missing flags: --collector=URL, --site=ID; see fibergauge-probe run --help\n"; got != want ||
		fmt.Sprint(status) != u.only(t, "RestartPreventExitStatus") {
		t.Errorf("exit status %d: %s", status, got)
	}
	m.must("sed -i 's/^#site:.*/site: here/; s|^#collector:.*|collector: http://" + collector + "|' /" + config)
	connect(t)
	m.serve(u, collect(t))
}

func tryDeb(t *testing.T, file string) {
	m := newMachine(t)
	deb := m.bring(file)
	if said := m.must("dpkg -i " + deb); !strings.Contains(said, next) {
		t.Error("nobody is told what comes next")
	}
	m.trial()
	edited := sum(t, m.file(config))
	if said := m.must("dpkg -i " + deb); strings.Contains(said, next) || sum(t, m.file(config)) != edited {
		t.Error("the upgrade did not keep the configuration, or says that there is none")
	}
	m.must("dpkg -r fibergauge-probe")
	m.there(map[string]bool{
		program: false, service: false, "usr/lib/sysusers.d/fibergauge-probe.conf": false, config: true, state + "/spool.db": true,
	})
	m.must("dpkg -P fibergauge-probe")
	if left := m.left(); len(left) > 0 {
		t.Errorf("purged, and there is still %v", left)
	}
}

func tryRPM(t *testing.T, file string) {
	m := newMachine(t)
	// Where rpm is a guest, its database does not know what else is installed.
	guest := ""
	if _, err := exec.LookPath("dpkg"); err == nil {
		guest = " --force-debian --nodeps"
	}
	rpm := m.bring(file)
	if said := m.must("rpm -i" + guest + " " + rpm); !strings.Contains(said, next) {
		t.Error("nobody is told what comes next")
	}
	m.trial()
	edited := sum(t, m.file(config))
	if said := m.must("rpm -U --replacepkgs" + guest + " " + rpm); strings.Contains(said, next) || sum(t, m.file(config)) != edited {
		t.Error("the upgrade did not keep the configuration, or says that there is none")
	}
	m.must("rpm -e" + guest + " fibergauge-probe")
	m.there(map[string]bool{program: false, service: false, config: false, config + ".rpmsave": true, state + "/spool.db": true})
}
