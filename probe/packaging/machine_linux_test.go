package packaging

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is this machine's file system with a layer above it that takes all
// changes and is forgotten.
type machine struct {
	t           *testing.T
	root, layer string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	top := t.TempDir()
	m := &machine{t: t, root: filepath.Join(top, "root"), layer: filepath.Join(top, "layer")}
	mount := func(kind, target string, flags uintptr, data string) {
		t.Helper()
		source := kind
		if flags&syscall.MS_BIND != 0 {
			source = "/dev"
		}
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			without(t, "needs to mount %s on %s: %v", kind, target, err)
		}
	}
	mount("none", "/", syscall.MS_REC|syscall.MS_PRIVATE, "")
	mount("proc", "/proc", 0, "") // with this process's own identifiers
	mount("tmpfs", top, 0, "mode=0755")
	work := filepath.Join(top, "work")
	for _, dir := range []string{m.root, m.layer, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", m.root, 0, "lowerdir=/,upperdir="+m.layer+",workdir="+work)
	mount("proc", m.file("proc"), 0, "")
	mount("none", m.file("dev"), syscall.MS_BIND|syscall.MS_REC, "")
	mount("tmpfs", m.file("run"), 0, "mode=0755") // no systemd runs here
	mount("tmpfs", m.file("tmp"), 0, "mode=1777")
	t.Cleanup(func() { _ = syscall.Unmount(top, syscall.MNT_DETACH) })
	if _, err := os.Stat(m.file(program)); err == nil {
		without(t, "needs a machine that has no probe installed")
	}
	return m
}

func (m *machine) file(name string) string { return filepath.Join(m.root, name) }

func (m *machine) exists(name string) bool {
	_, err := os.Lstat(m.file(name))
	return err == nil
}

// there holds what is there against what should be.
func (m *machine) there(files map[string]bool) {
	m.t.Helper()
	for name, want := range files {
		if m.exists(name) != want {
			m.t.Errorf("/%s is there: %v", name, !want)
		}
	}
}

// command makes a command inside, not started yet.
func (m *machine) command(argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// sh runs a line of shell inside and gives what it prints and its exit status.
func (m *machine) sh(line string) (string, int) {
	m.t.Helper()
	out, err := m.command("/bin/sh", "-c", line).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatalf("%s: %v", line, err)
	}
	m.t.Logf("$ %s\n%s", line, out)
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// must runs a line of shell that has to succeed.
func (m *machine) must(line string) string {
	m.t.Helper()
	out, status := m.sh(line)
	if status != 0 {
		m.t.Fatalf("%s: exit status %d", line, status)
	}
	return out
}

// bring puts a file inside, below /tmp.
func (m *machine) bring(file string) (name string) {
	m.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	name = "/tmp/" + filepath.Base(file)
	if err := os.WriteFile(m.file(name), data, 0o644); err != nil {
		m.t.Fatal(err)
	}
	return name
}

// left are the files in the layer with the probe's name, and its account.
func (m *machine) left() []string {
	m.t.Helper()
	var names []string
	err := filepath.WalkDir(m.layer, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, m.layer)
		if strings.Contains(name, "fibergauge") && !strings.HasPrefix(name, "/var/lib/dpkg/info") && m.exists(name) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, file := range []string{"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"} {
		if data, err := os.ReadFile(m.file(file)); err == nil && bytes.Contains(data, []byte("fibergauge")) {
			names = append(names, "account in /"+file)
		}
	}
	return names
}
