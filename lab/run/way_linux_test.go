package run

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestWay passes lines to a server that echoes them, while the way does what a
// fault makes it do.
func TestWay(t *testing.T) {
	f := folder{t.TempDir()}
	if err := os.MkdirAll(f.file("ways"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(f.path) // for short paths
	server, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var heard atomic.Int64
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					heard.Add(1)
					fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
	w, err := openWay(f, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("unix", filepath.Join("ways", "a.sock"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	// ask tells whether a line comes back within a while, or the connection
	// broke.
	ask := func(conn net.Conn, within time.Duration) (answered, broken bool) {
		_, writeErr := fmt.Fprintln(conn, "hello")
		_ = conn.SetReadDeadline(time.Now().Add(within))
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && line == "hello\n", writeErr != nil || err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	const long, short = 10 * time.Second, 200 * time.Millisecond

	conn := dial()
	if answered, _ := ask(conn, long); !answered {
		t.Fatal("an open way does not pass a line")
	}
	w.set(closed)
	if _, broken := ask(conn, long); !broken {
		t.Error("a connection goes on over a closed way")
	}
	if _, broken := ask(dial(), long); !broken {
		t.Error("a closed way takes a connection")
	}
	w.set(open)
	conn = dial()
	if answered, _ := ask(conn, long); !answered {
		t.Error("a way that was opened again passes nothing")
	}

	for _, test := range []struct {
		state passage
		heard int64
	}{{silent, 0}, {deaf, 1}} {
		conn = dial()
		if answered, _ := ask(conn, long); !answered {
			t.Fatal("an open way does not pass a line")
		}
		before := heard.Load()
		w.set(test.state)
		if answered, broken := ask(conn, short); answered || broken {
			t.Errorf("state %d: answered %v, broken %v; want silence", test.state, answered, broken)
		}
		if got := heard.Load() - before; got != test.heard {
			t.Errorf("state %d: the server heard %d lines, want %d", test.state, got, test.heard)
		}
		w.set(open)
		if answered, broken := ask(conn, long); answered || !broken {
			t.Errorf("state %d is over: answered %v, broken %v; want a broken connection, for something was swallowed", test.state, answered, broken)
		}
	}
}
