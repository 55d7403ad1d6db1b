package api

import (
	"bufio"
	"bytes"
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

// slowly begins to post a batch to a collector and sends no more than the
// beginning of its body.
func slowly(t *testing.T, address, site string, length int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/sites/%s/windows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", site, length)
	return conn
}

// answerTo reads the answer and that the connection then ends.
func answerTo(t *testing.T, conn net.Conn) string {
	t.Helper()
	all := bufio.NewReader(conn)
	resp, err := http.ReadResponse(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if !resp.Close {
		t.Error("the connection is not closed after the answer")
	}
	if rest, err := io.ReadAll(all); len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("after the answer: %q, %v", rest, err)
	}
	return fmt.Sprintf("%d after %s: %s", resp.StatusCode, resp.Header.Get("Retry-After"), body)
}

// waitArriving waits until bodies are on their way.
func waitArriving(t *testing.T, b *bench, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		b.bodies.mu.Lock()
		now := b.bodies.all.Len()
		b.bodies.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bodies arrive, want %d", now, n)
		}
	}
}

// TestAnswerBeforeTheBody: what is refused by its head is answered at once and
// not waited for. The patience with bodies is longer than the test's.
func TestAnswerBeforeTheBody(t *testing.T) {
	for _, c := range []struct {
		name, site, want string
		change           func(*Limits)
		before           func(*bench)
	}{
		{"too many requests", "a1", "429 after 1000: {\"schema\":\"fibergauge.error/1\",\"code\":\"overloaded\",\"message\":\"site a1 sends more than 0.001 requests a second; put more windows into a batch\"}\n",
			func(l *Limits) { l.SiteRate, l.SiteBurst = 0.001, 1 },
			func(b *bench) { b.do("GET", assignmentPath, "") }},
		{"too many batches", "a1", "503 after 1: {\"schema\":\"fibergauge.error/1\",\"code\":\"overloaded\",\"message\":\"0 batches are in hand; send this one again later\"}\n",
			func(l *Limits) { l.Batches = 0 }, nil},
		{"no such path", "a1/b", "404 after : {\"schema\":\"fibergauge.error/1\",\"code\":\"not_found\",\"message\":\"no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows\"}\n", nil, nil},
		{"control characters", "a%0d%0a1", "400 after : {\"schema\":\"fibergauge.error/1\",\"code\":\"bad_request\",\"message\":\"site: \\\"a%0d%0a1\\\" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -\"}\n", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := DefaultLimits()
			limits.BodyTimeout = time.Minute
			if c.change != nil {
				c.change(&limits)
			}
			b, address, _ := started(t, limits, time.Second)
			if c.before != nil {
				c.before(b)
			}
			if got := answerTo(t, slowly(t, address, c.site, 100_000)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestSlowBodiesKeepNobodyOut: bodies that do not come on, also such that claim
// to be of the same site, neither take the places of batches nor those of bodies.
func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	const cut = "503 after 1: {\"schema\":\"fibergauge.error/1\",\"code\":\"overloaded\",\"message\":\"too many bodies arrive at once, and this one took longest; send it again later, or fewer windows at once\"}\n"
	limits := DefaultLimits()
	limits.Batches, limits.SiteBatches, limits.Arriving, limits.SiteArriving = 1, 1, 5, 3
	limits.BodyTimeout = time.Minute
	b, address, _ := started(t, limits, time.Second)
	healthy := func() {
		t.Helper()
		resp, err := post(address, goodBatch(t))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
			t.Errorf("%d %s, %v", resp.StatusCode, body, err)
		}
	}
	var own, others []net.Conn
	for i := range 3 {
		own = append(own, slowly(t, address, "a1", 100_000))
		waitArriving(t, b, i+1)
	}
	healthy() // cuts off the first of its own site
	if got := answerTo(t, own[0]); got != cut {
		t.Error(got)
	}
	for i := range 3 {
		others = append(others, slowly(t, address, "stranger", 100_000))
		waitArriving(t, b, 3+i)
	}
	healthy() // cuts off the longest of all
	if got := answerTo(t, own[1]); got != cut {
		t.Error(got)
	}
	others[0].Close()
	waitArriving(t, b, 3)
	if n := len(b.store.Keys()); n != 2 {
		t.Errorf("%d windows stored, want 2", n)
	}
}

// TestArrivingBytesAreBounded: the bytes of bodies that are not whole yet are
// counted, and whoever has sent for longest makes room.
func TestArrivingBytesAreBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.ArrivingBytes = 2 << 20
	limits.BodyTimeout = time.Minute
	b, address, _ := started(t, limits, time.Second)
	first := slowly(t, address, "a1", 8<<20)
	waitArriving(t, b, 1)
	if _, err := first.Write(make([]byte, 3<<19)); err != nil {
		t.Fatal(err)
	}
	second := slowly(t, address, "b1", 8<<20)
	waitArriving(t, b, 2)
	if _, err := second.Write(make([]byte, 3<<19)); err != nil {
		t.Fatal(err)
	}
	if got := answerTo(t, first); !strings.HasPrefix(got, "503 after 1") {
		t.Error(got)
	}
	waitArriving(t, b, 1)
	second.Close()
	waitArriving(t, b, 0)
	if b.bodies.bytes != 0 || len(b.bodies.sites) != 0 {
		t.Errorf("%d bytes and %d sites are left", b.bodies.bytes, len(b.bodies.sites))
	}
}

// TestConnectionsMakeRoom: above the limit, who has waited longest without a
// request goes, and who has one in hand stays.
func TestConnectionsMakeRoom(t *testing.T) {
	limits := DefaultLimits()
	limits.Connections = 3
	b, address, _ := started(t, limits, time.Second)
	release := make(chan struct{})
	b.store.Change(func(s *fakestore.Store) { s.Block = release })
	busy := make(chan error, 1)
	go func() {
		resp, err := post(address, goodBatch(t))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", resp.StatusCode)
			}
		}
		busy <- err
	}()
	waitInHand(t, b, 1)
	var idle []net.Conn
	for i := range 4 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nX-Slow: ")
		idle = append(idle, conn)
		if i >= 2 { // the one before the one before had to go
			if n, err := oneByte(idle[i-2]); err == nil {
				t.Errorf("connection %d was sent %d bytes and not closed", i-2, n)
			}
		}
	}
	close(release)
	if err := <-busy; err != nil {
		t.Errorf("the request in hand: %v", err)
	}
	fmt.Fprint(idle[3], "x\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(idle[3]), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the last connection: %v, %v", resp, err)
	}
	idle[2].Close()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(scraped(b), `connections_ended_total{cause="no_request"} 1`); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("connections that ended:\n%s", scraped(b))
		}
	}
	if !strings.Contains(scraped(b), `connections_ended_total{cause="displaced"} 2`) {
		t.Errorf("connections that ended:\n%s", scraped(b))
	}
}

func oneByte(conn net.Conn) (int, error) { return conn.Read(make([]byte, 1)) }

func scraped(b *bench) string {
	var found []string
	for line := range strings.Lines(b.do("GET", "/metrics", "").Body.String()) {
		if strings.HasPrefix(line, "fibergauge_collector_") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// TestShareOfAnAddress: one address of a network does not displace the others.
func TestShareOfAnAddress(t *testing.T) {
	limits := DefaultLimits()
	limits.Connections = 8 // so a share is 2
	b := newBench(t, limits)
	c := newConnections(limits, b.Metrics)
	open := func(address string) *named {
		conn := &named{address: address}
		c.state(conn, http.StateNew)
		return conn
	}
	a1, here1 := open("192.0.2.1:1"), open("127.0.0.1:1")
	open("192.0.2.1:2")
	a3 := open("192.0.2.1:3")
	six1, here2 := open("[2001:db8::1]:1"), open("127.0.0.1:2")
	open("[2001:db8::2]:1")
	open("[2001:db8::3]:1") // the same /64
	open("[2001:db8:0:1::1]:1")
	if diff := []bool{a1.closed, a3.closed, here1.closed, here2.closed, six1.closed}; fmt.Sprint(diff) != "[true false false false true]" {
		t.Errorf("closed: %v", diff)
	}
	for i := range 10 {
		open(fmt.Sprintf("203.0.113.%d:1", i))
	}
	if len(c.all) != limits.Connections || c.queue.Len() != limits.Connections {
		t.Errorf("%d connections, %d wait; want %d", len(c.all), c.queue.Len(), limits.Connections)
	}
	for conn := range c.all {
		c.state(conn, http.StateClosed)
	}
	if len(c.all)+len(c.held)+c.queue.Len() != 0 {
		t.Errorf("something is remembered: %+v", c)
	}
}

// named is a connection with an address and nothing behind it.
type named struct {
	net.Conn
	address string
	closed  bool
}

func (n *named) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", n.address)
	if err != nil {
		panic(err)
	}
	return a
}
func (n *named) Close() error { n.closed = true; return nil }

// TestReplays: the same batch again and again is acknowledged, and no window is
// stored but the first. Each acknowledgement is an admission of its own; how
// often a site may ask for one bounds them.
func TestReplays(t *testing.T) {
	b := serving(t)
	body := goodBatch(t)
	acks, later := 0, 0
	for range 1000 {
		switch w := b.post(body); w.Code {
		case http.StatusOK:
			acks++
		case http.StatusTooManyRequests:
			later++
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if acks != b.Limits.SiteBurst || acks+later != 1000 {
		t.Errorf("%d acknowledged, %d told to come later; want %d and the rest", acks, later, b.Limits.SiteBurst)
	}
	for _, a := range b.store.Admissions() {
		if len(a.Windows) != 1 || !bytes.Equal(a.Windows[0].Canonical(), b.store.Admissions()[0].Windows[0].Canonical()) {
			t.Errorf("an admission holds %v", a.Windows)
		}
	}
	for _, want := range []string{
		fmt.Sprintf(`requests_total{code="overloaded",route="/v1/sites/{site}/windows",status="429"} %d`, later),
		fmt.Sprintf("windows_stored_total %d", acks),
	} {
		if !strings.Contains(scraped(b), want) {
			t.Errorf("no %s in\n%s", want, scraped(b))
		}
	}
}

// TestRefusalsAreCounted: what a hostile or broken client sends has one code and
// raises one counter.
func TestRefusalsAreCounted(t *testing.T) {
	window := func(change func(*wire.Window)) string {
		w := fakestore.Window(fakestore.Mesh("now"), 0)
		change(&w)
		return encode(t, fakestore.Batch(w))
	}
	for _, c := range []struct {
		name, body, encoding, counter string
	}{
		{"zstd bomb", zst(t, strings.Repeat(" ", 20<<20)), "zstd", `requests_total{code="too_large",route="/v1/sites/{site}/windows",status="413"} 1`},
		{"gzip bomb", zip(t, strings.Repeat(" ", 20<<20)), "gzip", `requests_total{code="too_large",route="/v1/sites/{site}/windows",status="413"} 1`},
		{"JSON bomb", `{"windows":[` + strings.Repeat("{},", 100_000) + "{}]}", "identity", `requests_total{code="too_large",route="/v1/sites/{site}/windows",status="413"} 1`},
		{"rubbish", "\x00\x01\x02", "identity", `requests_total{code="bad_request",route="/v1/sites/{site}/windows",status="400"} 1`},
		{"from the future", window(func(w *wire.Window) { w.StartMS += 600_000; w.EndMS += 600_000 }), "identity", `windows_refused_total{code="future"} 1`},
		{"control characters in the link", window(func(w *wire.Window) { w.Dst = "b\r\n\x1b[2J" }), "identity", `windows_refused_total{code="invalid_window"} 1`},
		{"control characters in the test", window(func(w *wire.Window) { w.Test = "icmp,x=y" }), "identity", `windows_refused_total{code="invalid_window"} 1`},
		{"control characters in the version", window(func(w *wire.Window) { w.ProbeVersion = "1\n" }), "identity", `windows_refused_total{code="invalid_window"} 1`},
		{"another's link", window(func(w *wire.Window) { w.Src, w.Dst = w.Dst, w.Src }), "identity", `windows_refused_total{code="foreign_link"} 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serving(t)
			b.post(c.body, "Content-Encoding", c.encoding)
			if !strings.Contains(scraped(b), c.counter) {
				t.Errorf("no %s in\n%s", c.counter, scraped(b))
			}
			if keys := b.store.Keys(); keys != nil {
				t.Errorf("stored %v", keys)
			}
			if strings.ContainsAny(strings.TrimSuffix(b.log.String(), "\n"), "\r\x1b\x00") {
				t.Errorf("control characters in the log: %q", b.log)
			}
		})
	}
}
