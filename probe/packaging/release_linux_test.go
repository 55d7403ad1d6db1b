package packaging

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const repository = "../.."

// without skips a test that cannot have what it needs; continuous integration
// takes no excuse.
func without(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// need skips a test where a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			without(t, "needs %s: install it", program)
		}
	}
}

// output runs a program and gives what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// release builds the packages and what goes into them.
func release(t *testing.T, umask string, env ...string) (dir string) {
	t.Helper()
	if out, err := exec.Command("git", "rev-parse", "HEAD").CombinedOutput(); err != nil {
		without(t, "needs the git history, where the version comes from: %v %s", err, out)
	}
	dir = filepath.Join(t.TempDir(), "dist")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "umask "+umask+"; exec scripts/release "+dir)
	cmd.Dir = repository
	cmd.Env = append(append(os.Environ(), "PROGRAMS=probe"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return dir
}

// one finds the one file that a pattern means.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", pattern, found, err)
	}
	return found[0]
}

func sum(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		all[e.Name()] = sum(t, filepath.Join(dir, e.Name()))
	}
	return all
}

func TestRelease(t *testing.T) {
	if file := os.Getenv(insideVariable); file != "" {
		if filepath.Ext(file) == ".deb" {
			tryDeb(t, file)
		} else {
			tryRPM(t, file)
		}
		return
	}
	dir := release(t, "022")
	t.Run("same bytes again", func(t *testing.T) {
		again := release(t, "077", "TZ=Asia/Shanghai", "LC_ALL=zh_CN.UTF-8", "GOFLAGS=-tags=other", "GOAMD64=v3", "CGO_ENABLED=1")
		if diff := cmp.Diff(sums(t, dir), sums(t, again)); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
	t.Run("checksums", func(t *testing.T) {
		want := ""
		all := sums(t, dir)
		delete(all, "SHA256SUMS")
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			want += all[name] + "  " + name + "\n"
		}
		got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil || len(names) != 6 {
			t.Errorf("%d files, %v (-want +got)\n%s", len(names), err, diff)
		}
	})
	t.Run("static", func(t *testing.T) { checkStatic(t, dir) })
	t.Run("deb", func(t *testing.T) { checkDeb(t, dir) })
	t.Run("rpm", func(t *testing.T) { checkRPM(t, dir) })
	t.Run("deb installed, measured with, removed", func(t *testing.T) {
		inside(t, one(t, dir, "*_"+runtime.GOARCH+".deb"), "dpkg")
	})
	t.Run("rpm installed, measured with, removed", func(t *testing.T) {
		inside(t, one(t, dir, "*."+rpmNames()[runtime.GOARCH]+".rpm"), "rpm")
	})
}

// TestPackageVersions holds the versions of the packages against the order in
// which the commits came.
func TestPackageVersions(t *testing.T) {
	need(t, "dpkg")
	before := "0~"
	for _, tt := range []struct{ version, want string }{
		{"1abc24cc5d9f-dirty", "0~20260304050607.1abc24cc5d9f+dirty"},
		{"v0.9.0-3-g1abc24cc5d9f", "0.9.0+3.g1abc24cc5d9f"},
		{"v1.0.0-rc1", "1.0.0~rc1"},
		{"v1.0.0-rc1-7-g1abc24cc5d9f", "1.0.0~rc1+7.g1abc24cc5d9f"},
		{"v1.0.0-rc2", "1.0.0~rc2"},
		{"v1.0.0", "1.0.0"},
		{"v1.0.0-dirty", "1.0.0+dirty"},
		{"v1.0.1", "1.0.1"},
		{"v1.0.1-9-g1abc24cc5d9f", "1.0.1+9.g1abc24cc5d9f"},
		{"v1.0.1-10-g1abc24cc5d9f-dirty", "1.0.1+10.g1abc24cc5d9f+dirty"},
		{"v1.0.10", "1.0.10"},
	} {
		script := "source <(sed -n '/^package_version()/,/^}/p' " + repository + "/scripts/release); TZ=UTC SOURCE_DATE_EPOCH=1772600767 package_version " + tt.version
		got := strings.TrimSpace(output(t, "bash", "-c", script))
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.version, got, tt.want)
		}
		if out, err := exec.Command("dpkg", "--compare-versions", got, "gt", before).CombinedOutput(); err != nil {
			t.Errorf("%s does not come after %s: %v %s", got, before, err, out)
		}
		before = got
	}
}

// checkStatic holds the programs against what their names say.
func checkStatic(t *testing.T, dir string) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		file, err := elf.Open(filepath.Join(dir, "fibergauge-probe_linux_"+arch))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if file.Machine != machine {
			t.Errorf("%s is for %v", arch, file.Machine)
		}
		for _, part := range file.Progs {
			if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static", arch)
			}
		}
	}
	if version := output(t, filepath.Join(dir, "fibergauge-probe_linux_"+runtime.GOARCH), "--version"); strings.Contains(version, "devel") {
		t.Errorf("the version is not the commit's: %s", version)
	}
}

// contents are the files of a package: permissions, what is in them, name.
func contents(t *testing.T, dir, arch string) []string {
	t.Helper()
	return []string{
		"100644 " + sum(t, "probe.yaml") + " /etc/fibergauge/probe.yaml",
		"100755 " + sum(t, filepath.Join(dir, "fibergauge-probe_linux_"+arch)) + " /usr/bin/fibergauge-probe",
		"100644 " + sum(t, "fibergauge-probe.service") + " /usr/lib/systemd/system/fibergauge-probe.service",
		"100644 " + sum(t, "fibergauge-probe.sysusers") + " /usr/lib/sysusers.d/fibergauge-probe.conf",
		"100644 " + sum(t, repository+"/LICENSE") + " /usr/share/doc/fibergauge-probe/copyright",
	}
}

func checkDeb(t *testing.T, dir string) {
	need(t, "dpkg-deb")
	for _, arch := range []string{"amd64", "arm64"} {
		file, root := one(t, dir, "fibergauge-probe_*_"+arch+".deb"), t.TempDir()
		if got := strings.TrimSpace(output(t, "dpkg-deb", "--field", file, "Architecture")); got != arch {
			t.Errorf("%s is for %s", file, got)
		}
		output(t, "dpkg-deb", "--raw-extract", file, root)
		if got, err := os.ReadFile(filepath.Join(root, "DEBIAN/conffiles")); string(got) != "/etc/fibergauge/probe.yaml\n" || err != nil {
			t.Errorf("conffiles: %q %v", got, err)
		}
		var got []string
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			name := strings.TrimPrefix(path, root)
			if err != nil || d.IsDir() || strings.HasPrefix(name, "/DEBIAN/") {
				return err
			}
			info, err := d.Info()
			got = append(got, fmt.Sprintf("100%o %s %s", info.Mode(), sum(t, path), name))
			return err
		})
		if diff := cmp.Diff(contents(t, dir, arch), got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", arch, err, diff)
		}
	}
}

// rpmNames are rpm's names of Go's architectures.
func rpmNames() map[string]string { return map[string]string{"amd64": "x86_64", "arm64": "aarch64"} }

func checkRPM(t *testing.T, dir string) {
	need(t, "rpm")
	for arch, theirs := range rpmNames() {
		file := one(t, dir, "fibergauge-probe-*."+theirs+".rpm")
		output(t, "rpm", "--checksig", "--nosignature", file)
		if got := output(t, "rpm", "-qp", "--qf", "%{ARCH} %{OS}", file); got != theirs+" linux" {
			t.Errorf("%s is for %s", file, got)
		}
		if got := output(t, "rpm", "-qp", "--configfiles", file); got != "/etc/fibergauge/probe.yaml\n" {
			t.Errorf("configuration files: %q", got)
		}
		got := output(t, "rpm", "-qp", "--qf", "[%{FILEMODES:octal} %{FILEDIGESTS} %{FILENAMES}\n]", file)
		if diff := cmp.Diff(contents(t, dir, arch), strings.Split(strings.TrimSpace(got), "\n")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", arch, diff)
		}
	}
}
