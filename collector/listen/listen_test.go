package listen

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ in, want, err string }{
		{"127.0.0.1:8862", "127.0.0.1:8862", ""},
		{"127.1.2.3:0", "127.1.2.3:0", ""},
		{"[::1]:8862", "[::1]:8862", ""},
		{"localhost:8862", "127.0.0.1:8862", ""},
		{"unix:/run/fg.sock", "unix:/run/fg.sock", ""},
		{"unix:fg.sock", "unix:fg.sock", ""},
		{"", "", `listen: "" is not an address; write 127.0.0.1:8862, [::1]:8862 or unix:PATH`},
		{"127.0.0.1", "", `listen: "127.0.0.1" is not an address; write 127.0.0.1:8862, [::1]:8862 or unix:PATH`},
		{"127.0.0.1:http", "", `listen: "http" is not a port; 0 to 65535 are allowed, 0 meaning any free one`},
		{"127.0.0.1:65536", "", `listen: "65536" is not a port; 0 to 65535 are allowed, 0 meaning any free one`},
		{":8862", "", `listen: ":8862" can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:8862, or unix:PATH`},
		{"0.0.0.0:8862", "", `listen: "0.0.0.0:8862" can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:8862, or unix:PATH`},
		{"[::]:8862", "", `listen: "[::]:8862" can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:8862, or unix:PATH`},
		{"192.0.2.1:1", "", `listen: "192.0.2.1:1" can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:1, or unix:PATH`},
		{"collector.example:1", "", `listen: "collector.example:1" can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:1, or unix:PATH`},
		{"unix:", "", "listen: unix: names no path; write unix:/run/fibergauge/collector.sock"},
		{"unix:/" + strings.Repeat("x", 90), "", "listen: the path of the Unix socket is 91 bytes long; at most 90 are allowed"},
	} {
		got, err := ParseAddress(c.in)
		switch {
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("%q: error %v, want %s", c.in, err, c.err)
		case c.err == "" && (err != nil || got.String() != c.want):
			t.Errorf("%q: %v, %v; want %s", c.in, got, err, c.want)
		}
	}
}

// folder is a short one: the path of a socket has to fit the system's limit.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, path string, mode os.FileMode) (net.Listener, error) {
	t.Helper()
	a, err := ParseAddress("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return a.Open(t.Context(), mode)
}

func TestUnixSocket(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "sock")
	for _, mode := range []os.FileMode{0o600, 0o660} {
		l, err := open(t, path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != os.ModeSocket|mode {
			t.Errorf("mode %v, %v; want %v", info.Mode(), err, mode)
		}
		if l.Addr().String() != path {
			t.Errorf("address %s, want %s", l.Addr(), path)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if _, err := open(t, path, mode); err == nil || err.Error() != "listen: another program answers at "+path+"; stop it or choose another path" {
			t.Errorf("second listener: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(folder(t), "sock")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	l, err := open(t, path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	}
}

func TestForeignFilesStay(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path, 0o600); err == nil || err.Error() != "listen: "+path+" exists and is not a socket; choose another path" {
		t.Errorf("over a file: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "precious" {
		t.Errorf("the file is now %q, %v", got, err)
	}
	if _, err := open(t, filepath.Join(dir, "none", "sock"), 0o600); err == nil || !strings.HasPrefix(err.Error(), "listen: the folder of the Unix socket "+filepath.Join(dir, "none", "sock")+" must exist and be writable: ") {
		t.Errorf("without a folder: %v", err)
	}

	// A successor has taken the path over; the predecessor's end leaves it.
	ours, err := open(t, filepath.Join(dir, "sock"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "sock")); err != nil {
		t.Fatal(err)
	}
	theirs, err := open(t, filepath.Join(dir, "sock"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("unix", filepath.Join(dir, "sock")); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := ParseAddress(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	want := "listen: " + l.Addr().String() + " is in use by another program; stop it or choose another port"
	if _, err := a.Open(t.Context(), 0); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
