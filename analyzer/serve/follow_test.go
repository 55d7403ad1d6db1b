package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/internal/logtest"
)

// A file that is broken leaves what was there before in force and is told of
// once; mended, it counts.
func TestFollowReaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "readers.yaml")
	var token string
	add := func(name string) {
		t.Helper()
		err := readers.Change(t.Context(), file, true, func(l *readers.List) (_ *readers.List, err error) {
			l, token, err = l.Add(readers.Reader{Name: name, Role: readers.Viewer, Created: time.Unix(1e9, 0).UTC()})
			return l, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("one")
	one := token
	log := new(logtest.Buffer)
	f, err := Follow("readers", []string{file}, func() (*readers.List, error) { return readers.Load(file) }, nil,
		NewMetrics("test"), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	finds := func(token string, want error) {
		t.Helper()
		if _, err := f.Current().Find(token, time.Now()); !errors.Is(err, want) {
			t.Errorf("found: %v, want %v", err, want)
		}
	}
	add("two")
	finds(token, readers.ErrUnknown) // nobody has looked yet
	f.again()
	finds(token, nil)

	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(good), "viewer", "root", 1)
	for _, step := range []func() error{
		func() error { return os.WriteFile(file, []byte(broken), 0o600) },
		func() error { return os.Remove(file) },
		func() error { return errors.Join(os.WriteFile(file, good, 0o600), os.Chmod(file, 0o666)) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		before := strings.Count(log.String(), "is refused, what was there before stays")
		f.again()
		f.again()
		if n := strings.Count(log.String(), "is refused, what was there before stays") - before; n != 1 {
			t.Errorf("told of %d times:\n%s", n, log)
		}
		finds(one, nil)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	err = readers.Change(t.Context(), file, false, func(l *readers.List) (*readers.List, error) { return l.Revoke("one") })
	if err != nil {
		t.Fatal(err)
	}
	f.again()
	finds(one, readers.ErrUnknown)
	finds(token, nil)
}

// writePair writes a certificate for a name and its key.
func writePair(t *testing.T, certificate, key, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// Over TLS 1.3 a reader is served; older versions and plain HTTP are not, and a
// new certificate counts without a restart.
func TestTLS(t *testing.T) {
	s, _, tokens, _ := guarded(t)
	s.Log = slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	writePair(t, certificate, key, "first.example")
	for mode, want := range map[os.FileMode]bool{0o644: false, 0o660: false, 0o640: true} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := FollowCertificate(certificate, key, s.Metrics, s.Log); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "is open to others than its owner (mode 0") {
			t.Errorf("a key of mode %04o: %v", mode, err)
		}
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	followed, err := FollowCertificate(certificate, key, s.Metrics, s.Log)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, TLS(followed)) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	name := func(maxVersion uint16) (string, error) {
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: maxVersion})
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames[0], nil
	}
	if got, err := name(tls.VersionTLS13); err != nil || got != "first.example" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := name(tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is spoken")
	}

	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listener.Addr().String()+ReportPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+tokens["viewer"])
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != 200 {
		t.Fatalf("%v, %d %s", err, response.StatusCode, body)
	}
	if got := see(t, body, "one"); got != "public" {
		t.Errorf("a viewer sees %s", got)
	}

	request.URL.Scheme = "http"
	if response, err := transport.RoundTrip(request); err == nil {
		if response.Body.Close(); response.StatusCode != 400 {
			t.Errorf("plain HTTP is answered with %d", response.StatusCode)
		}
	}

	if err := os.WriteFile(key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	followed.again()
	if got, err := name(tls.VersionTLS13); err != nil || got != "first.example" {
		t.Errorf("with half a key: %q, %v", got, err)
	}
	writePair(t, certificate, key, "second.example")
	followed.again()
	if got, err := name(tls.VersionTLS13); err != nil || got != "second.example" {
		t.Errorf("renewed: %q, %v", got, err)
	}
}

// Whoever says nothing is cut off, headers are bounded, and connections beyond
// the number are closed at once.
func TestHostileClients(t *testing.T) {
	s, _, _, _ := guarded(t)
	s.Log = slog.New(slog.DiscardHandler)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, nil) }()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	huge := dial()
	defer huge.Close()
	if _, err := huge.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 2*maxHeaderBytes) + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := huge.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 431 ") {
		t.Errorf("huge headers: %q, %v", answer[:n], err)
	}
	silent := dial()
	defer silent.Close()
	if n, err := silent.Read(answer); n != 0 || err == nil {
		t.Errorf("a silent client: %q, %v", answer[:n], err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCrowd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 10)
	crowd := newCrowd(listener, 2, 1, func() { refused <- struct{}{} })
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := crowd.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	dial()
	first := <-accepted
	dial() // loopback counts in all only
	<-accepted
	third := dial()
	<-refused
	if n, err := third.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("one too many gets %d bytes, %v", n, err)
	}
	if err := errors.Join(first.Close()); err != nil {
		t.Fatal(err)
	}
	_ = first.Close() // twice, as net/http does; it leaves once
	dial()
	<-accepted
	dial()
	<-refused
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	<-accepted

	one, other := addressOf("192.0.2.1:1"), addressOf("192.0.2.2:1")
	each := newCrowd(nil, 3, 1, nil)
	if !each.enter(one) || each.enter(one) || !each.enter(other) {
		t.Error("the bound of one address is not one")
	}
	each.leave(one)
	each.leave(other)
	if each.open != 0 || len(each.ofOne) != 0 {
		t.Errorf("%d open, %d addresses are remembered", each.open, len(each.ofOne))
	}
}
