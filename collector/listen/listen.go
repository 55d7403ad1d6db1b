// Package listen opens the address at which a collector answers, and says why
// it will not.
//
// Without TLS nobody can tell who posts windows, so only what the machine
// itself reaches is allowed: a loopback address or a Unix socket. The address
// comes from the command line; the listener goes to the HTTP server, by way of
// TLS where there is some.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unixPrefix marks an address as the path of a Unix socket.
const unixPrefix = "unix:"

// maxSocketPath leaves room in the 107 bytes that Linux takes for the folder
// in which the socket is made ready.
const maxSocketPath = 90

// Address is a place to listen at that was found allowed.
type Address struct {
	network string // "tcp" or "unix"
	address string // host:port or path
}

// ParseAddress reads 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH,
// and refuses every address that another machine could reach.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, unixPrefix); ok {
		if path == "" {
			return Address{}, errors.New("listen: unix: names no path; write unix:/run/fibergauge/collector.sock")
		}
		if len(path) > maxSocketPath {
			return Address{}, fmt.Errorf("listen: the path of the Unix socket is %d bytes long; at most %d are allowed", len(path), maxSocketPath)
		}
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, fmt.Errorf("listen: %q is not an address; write 127.0.0.1:8862, [::1]:8862 or unix:PATH", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("listen: %q is not a port; 0 to 65535 are allowed, 0 meaning any free one", port)
	} else {
		port = strconv.FormatUint(n, 10)
	}
	if host == "localhost" {
		// The resolver might say otherwise; the word means this machine.
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.IsLoopback() {
		return Address{}, fmt.Errorf("listen: %q can be reached from other machines, and without TLS anybody could post windows there; give --tls-certificate (fibergauge-collector pki makes one), or use a loopback address such as 127.0.0.1:%s, or unix:PATH", s, port)
	}
	return Address{"tcp", net.JoinHostPort(host, port)}, nil
}

// ParseAnyAddress reads what ParseAddress does and the addresses that other
// machines reach, also :PORT for all of this machine. It is for TLS.
func ParseAnyAddress(s string) (Address, error) {
	if strings.HasPrefix(s, unixPrefix) {
		return ParseAddress(s)
	}
	host, port, err := net.SplitHostPort(s)
	if err == nil && host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return Address{}, fmt.Errorf("listen: %q is not an IP address of this machine; write 192.0.2.1:8862, :8862 for all, or unix:PATH", s)
		}
	}
	if err != nil || host == "localhost" {
		return ParseAddress(s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("listen: %q is not a port; 0 to 65535 are allowed, 0 meaning any free one", port)
	}
	return Address{"tcp", net.JoinHostPort(host, strconv.FormatUint(n, 10))}, nil
}

// String is the address in the form that ParseAddress reads.
func (a Address) String() string {
	if a.network == "unix" {
		return unixPrefix + a.address
	}
	return a.address
}

// Open listens. A Unix socket gets the given permissions before anybody can
// connect; one that a dead collector left behind is replaced, a live one is an
// error. Closing the listener removes the socket.
func (a Address) Open(ctx context.Context, mode fs.FileMode) (net.Listener, error) {
	if a.network == "unix" {
		return openUnix(ctx, a.address, mode)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, a.network, a.address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen: %s is in use by another program; stop it or choose another port", a)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Check tells whether Open would listen now, and leaves nothing behind.
func (a Address) Check(ctx context.Context) error {
	if a.network != "unix" {
		l, err := a.Open(ctx, 0)
		if err != nil {
			return err
		}
		return l.Close()
	}
	if err := clear(ctx, a.address); err != nil {
		return err
	}
	err := unix.Faccessat(unix.AT_FDCWD, filepath.Dir(a.address), unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err != nil {
		return badFolder(a.address, err)
	}
	return nil
}

func badFolder(path string, err error) error {
	return fmt.Errorf("listen: the folder of the Unix socket %s must exist and be writable: %w", path, err)
}

func openUnix(ctx context.Context, path string, mode fs.FileMode) (_ net.Listener, err error) {
	if err := clear(ctx, path); err != nil {
		return nil, err
	}
	// Bound in a folder that nobody else can enter and moved into place when
	// its permissions are right: a socket is open to connections from the
	// moment it is bound.
	private, err := os.MkdirTemp(filepath.Dir(path), ".fg")
	if err != nil {
		return nil, badFolder(path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(private)) }()
	bound := filepath.Join(private, "s")
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", bound)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	s := &socket{Listener: l, path: path}
	if s.file, err = publish(bound, path, mode); err != nil {
		return nil, fmt.Errorf("listen: %w", errors.Join(err, l.Close()))
	}
	return s, nil
}

func publish(bound, path string, mode fs.FileMode) (fs.FileInfo, error) {
	if err := os.Chmod(bound, mode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(bound)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(bound, path)
}

// clear makes sure that nothing alive or foreign stands at path. What a dead
// collector left there is replaced by the rename.
func clear(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen: %s exists and is not a socket; choose another path", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close() // nothing was written
		return fmt.Errorf("listen: another program answers at %s; stop it or choose another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen: cannot tell whether somebody answers at %s: %w", path, err)
	}
	return nil
}

// socket is a Unix listener that removes its file, but not one that somebody
// else has put in its place since.
type socket struct {
	net.Listener
	path string
	file fs.FileInfo
}

func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
		if err := os.Remove(s.path); err != nil {
			return errors.Join(err, s.Listener.Close())
		}
	}
	return s.Listener.Close()
}

// Addr names the path at which clients connect, not where it was bound.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }
