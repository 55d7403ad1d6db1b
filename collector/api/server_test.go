package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// started serves a bench on a real socket until stop is called.
func started(t *testing.T, limits Limits, grace time.Duration) (b *bench, address string, stop func() error) {
	t.Helper()
	b = newBench(t, limits)
	if err := b.versions.Serve(t.Context(), fakestore.Mesh("now")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, l, grace) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return b, l.Addr().String(), stop
}

func post(address, body string) (*http.Response, error) {
	return http.Post("http://"+address+windowsPath, "application/json", strings.NewReader(body))
}

// TestSlowBody sends half a body and then nothing: the collector answers when
// its patience ends, and says why.
func TestSlowBody(t *testing.T) {
	limits := DefaultLimits()
	limits.BodyTimeout = 50 * time.Millisecond
	_, address, _ := started(t, limits, time.Second)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"schema\":", windowsPath)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	want := `{"schema":"fibergauge.error/1","code":"bad_request","message":"the body did not arrive within 50ms; send fewer windows at once"}` + "\n"
	if err != nil || resp.StatusCode != http.StatusRequestTimeout || string(body) != want {
		t.Errorf("%d %s, %v; want 408 %s", resp.StatusCode, body, err, want)
	}
}

// TestSlowStore: the patience with the body must not cut off a store that
// takes longer.
func TestSlowStore(t *testing.T) {
	limits := DefaultLimits()
	limits.BodyTimeout = 50 * time.Millisecond
	b, address, _ := started(t, limits, time.Second)
	release := make(chan struct{})
	b.store.Change(func(s *fakestore.Store) { s.Block = release })
	time.AfterFunc(4*limits.BodyTimeout, func() { close(release) })
	resp, err := post(address, goodBatch(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
}

func TestBodyEndsEarly(t *testing.T) {
	_, address, _ := started(t, DefaultLimits(), time.Second)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"schema\":", windowsPath)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "the body ended before its end: unexpected EOF") {
		t.Errorf("%d %s, %v", resp.StatusCode, body, err)
	}
}

func TestUnencryptedHTTP2(t *testing.T) {
	b, address, _ := started(t, DefaultLimits(), time.Second)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	resp, err := client.Post("http://"+address+windowsPath, "application/json", strings.NewReader(goodBatch(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("%s %d %s, %v", resp.Proto, resp.StatusCode, body, err)
	}
	if len(b.store.Keys()) != 1 {
		t.Errorf("stored %v", b.store.Keys())
	}
}

// TestStopFinishesWhatIsInHand stops while the store is at work: the batch is
// stored and acknowledged, and only then the server ends.
func TestStopFinishesWhatIsInHand(t *testing.T) {
	b, address, stop := started(t, DefaultLimits(), 10*time.Second)
	release := make(chan struct{})
	b.store.Change(func(s *fakestore.Store) { s.Block = release })
	answer := make(chan error, 1)
	go func() {
		resp, err := post(address, goodBatch(t))
		if err != nil {
			answer <- err
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"stored":1`)) {
			err = fmt.Errorf("%d %s", resp.StatusCode, body)
		}
		answer <- err
	}()
	waitInHand(t, b, 1)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	// The listener closes first: then the stop has begun.
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("ended with a batch in hand: %v", err)
	default:
	}
	close(release)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(b.store.Keys()) != 1 {
		t.Errorf("stored %v", b.store.Keys())
	}
}

// TestStopIsBounded: a store that never answers does not keep the collector.
func TestStopIsBounded(t *testing.T) {
	b, address, stop := started(t, DefaultLimits(), 50*time.Millisecond)
	b.store.Change(func(s *fakestore.Store) { s.Block = make(chan struct{}) })
	gone := make(chan error, 1)
	go func() {
		resp, err := post(address, goodBatch(t))
		if err == nil {
			resp.Body.Close()
		}
		gone <- err
	}()
	waitInHand(t, b, 1)
	const want = "stop: requests were still in hand after 50ms and are cut off; their probes send them again"
	if err := stop(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := <-gone; err == nil {
		t.Error("the batch was answered")
	}
	if got := b.store.Keys(); got != nil {
		t.Errorf("stored %v", got)
	}
}

// waitInHand waits until so many batches are at the store.
func waitInHand(t *testing.T, b *bench, n int) {
	t.Helper()
	for b.gate.inHand() < n {
		if t.Context().Err() != nil {
			t.Fatal("the batch does not arrive")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestOversizedHeaderIsRefused(t *testing.T) {
	_, address, _ := started(t, DefaultLimits(), time.Second)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+assignmentPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("x", wire.MaxBatchBytes))
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return // cut off while it was still sending
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}
