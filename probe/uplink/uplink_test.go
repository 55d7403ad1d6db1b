package uplink

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/spool"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// memory is a spool in memory.
type memory struct {
	mu       sync.Mutex
	windows  map[uint64]wire.Window
	aside    map[uint64]spool.Refused
	settled  int
	added    chan struct{}
	kept     []byte
	tag      string
	settling error
}

func newMemory(n int) *memory {
	m := &memory{windows: map[uint64]wire.Window{}, aside: map[uint64]spool.Refused{}, added: make(chan struct{}, 1)}
	for i := range n {
		m.windows[uint64(i+1)] = window(i)
	}
	return m
}

func window(n int) wire.Window {
	return wire.Window{Key: wire.Key{Src: "here", Dst: "there", Test: "icmp", Session: 1, StartMS: int64(1_750_000_500_000 + 60_000*n)}}
}

func (m *memory) Oldest(n, _ int) ([]spool.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []spool.Entry
	for _, sequence := range slices.Sorted(maps.Keys(m.windows)) {
		if len(entries) == n {
			break
		}
		entries = append(entries, spool.Entry{Sequence: sequence, Window: m.windows[sequence]})
	}
	return entries, nil
}

func (m *memory) Settle(delivered []uint64, refused map[uint64]spool.Refused) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settling != nil {
		return m.settling
	}
	for _, sequence := range delivered {
		delete(m.windows, sequence)
		m.settled++
	}
	for sequence, why := range refused {
		delete(m.windows, sequence)
		m.aside[sequence] = why
	}
	return nil
}

func (m *memory) Added() <-chan struct{} { return m.added }

func (m *memory) KeepAssignment(data []byte, tag string) error {
	m.kept, m.tag = data, tag
	return nil
}

func (m *memory) Assignment() ([]byte, string, error) { return m.kept, m.tag, nil }

// roundTrip lets a function be the collector, without sockets, so that time
// can be faked.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, header http.Header, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(data))}, nil
}

func problem(status int, code wire.Code, header http.Header) (*http.Response, error) {
	return respond(status, header, wire.Problem{Schema: wire.SchemaError, Code: code, Message: "told so"})
}

// batchOf reads the batch that a request brings.
func batchOf(r *http.Request) *wire.Batch {
	unpacked, err := gzip.NewReader(r.Body)
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		panic(err)
	}
	b, err := wire.DecodeBatch(data)
	if err != nil {
		panic(err)
	}
	return b
}

func ackOf(b *wire.Batch) wire.Ack {
	return wire.Ack{Schema: wire.SchemaAck, Batch: b.Digest().String(), Stored: len(b.Windows), MeshSHA256: meshA}
}

const meshA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func newUplink(m *memory, collector roundTrip, log io.Writer) *Uplink {
	to := Collector{base: "http://collector"}
	client := to.Client(nil)
	client.Transport = collector
	u := New(Config{
		Collector: to, Client: client, Site: "here",
		Poll: 30 * time.Second, Store: m, Take: func(*wire.Assignment) {},
		Check: func(*wire.Assignment) error { return nil },
		Log:   slog.New(slog.NewTextHandler(log, nil)),
	})
	mesh := meshA
	u.mesh.Store(&mesh)
	return u
}

func TestAnswersToABatch(t *testing.T) {
	ok := func(r *http.Request) (*http.Response, error) { return respond(200, nil, ackOf(batchOf(r))) }
	has := func(b *wire.Batch, n int) bool {
		return slices.ContainsFunc(b.Windows, func(w wire.Window) bool { return w.Key == window(n).Key })
	}
	type outcome struct {
		Settled, Left int
		Aside         map[uint64]wire.Code
	}
	none := map[uint64]wire.Code{}
	for _, tt := range []struct {
		name      string
		collector func(call int, r *http.Request) (*http.Response, error)
		want      outcome // of 10 windows, after ten minutes
	}{
		{"stored", func(_ int, r *http.Request) (*http.Response, error) { return ok(r) }, outcome{10, 0, none}},
		{"away for a while", func(call int, r *http.Request) (*http.Response, error) {
			if call < 5 {
				return nil, errors.New("connection refused")
			}
			return ok(r)
		}, outcome{10, 0, none}},
		{"overloaded for a while", func(call int, r *http.Request) (*http.Response, error) {
			if call < 3 {
				return problem(429, wire.CodeOverloaded, http.Header{"Retry-After": {"20"}})
			}
			return ok(r)
		}, outcome{10, 0, none}},
		{"site not known", func(int, *http.Request) (*http.Response, error) { return problem(404, wire.CodeUnknownSite, nil) },
			outcome{0, 10, none}},
		{"not allowed", func(int, *http.Request) (*http.Response, error) { return problem(403, "forbidden", nil) },
			outcome{0, 10, none}},
		{"signature of no enrolled key", func(int, *http.Request) (*http.Response, error) { return problem(403, wire.CodeBadSignature, nil) },
			outcome{0, 10, none}},
		{"no certificate", func(int, *http.Request) (*http.Response, error) { return problem(401, wire.CodeUnauthenticated, nil) },
			outcome{0, 10, none}},
		{"refused by TLS", func(int, *http.Request) (*http.Response, error) {
			return nil, &identity.Explained{Text: "the collector refuses this probe's certificate", Do: "enrol again"}
		}, outcome{0, 10, none}},
		{"refused for a while", func(call int, r *http.Request) (*http.Response, error) {
			if call < 5 {
				return problem(403, wire.CodeBadSignature, nil)
			}
			return ok(r)
		}, outcome{10, 0, none}},
		{"encoding not known", func(int, *http.Request) (*http.Response, error) { return problem(415, wire.CodeUnsupported, nil) },
			outcome{0, 10, none}},
		{"somebody else on the way says 400", func(int, *http.Request) (*http.Response, error) { return respond(400, nil, "go away") },
			outcome{0, 10, none}},
		{"redirected", func(int, *http.Request) (*http.Response, error) {
			return respond(302, http.Header{"Location": {"http://elsewhere/"}}, nil)
		}, outcome{0, 10, none}},
		{"batch too large", func(_ int, r *http.Request) (*http.Response, error) {
			if b := batchOf(r); len(b.Windows) > 3 {
				return problem(413, wire.CodeTooLarge, nil)
			} else {
				return respond(200, nil, ackOf(b))
			}
		}, outcome{10, 0, none}},
		{"batch too large, and come back in a lifetime", func(_ int, r *http.Request) (*http.Response, error) {
			if b := batchOf(r); len(b.Windows) > 5 {
				return problem(413, wire.CodeTooLarge, http.Header{"Retry-After": {"4294967295"}})
			} else {
				return respond(200, nil, ackOf(b))
			}
		}, outcome{10, 0, none}},
		{"too slow for more than three windows", func(_ int, r *http.Request) (*http.Response, error) {
			b := batchOf(r)
			select {
			case <-time.After(time.Duration(len(b.Windows)) * 10 * time.Second):
				return respond(200, nil, ackOf(b))
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}, outcome{10, 0, none}},
		{"one bad window in the batch", func(_ int, r *http.Request) (*http.Response, error) {
			if b := batchOf(r); has(b, 6) {
				return problem(400, wire.CodeBadRequest, nil)
			} else {
				return respond(200, nil, ackOf(b))
			}
		}, outcome{9, 0, map[uint64]wire.Code{7: wire.CodeBadRequest}}},
		{"two refused", func(_ int, r *http.Request) (*http.Response, error) {
			b := batchOf(r)
			ack := ackOf(b)
			for i, w := range b.Windows {
				if w.Key == window(2).Key || w.Key == window(9).Key {
					ack.Refused = append(ack.Refused, wire.Refusal{Index: i, Key: w.Key, Code: wire.CodeForeignLink})
					ack.Stored--
				}
			}
			return respond(200, nil, ack)
		}, outcome{8, 0, map[uint64]wire.Code{3: wire.CodeForeignLink, 10: wire.CodeForeignLink}}},
		{"ack of another batch", func(_ int, r *http.Request) (*http.Response, error) {
			ack := ackOf(batchOf(r))
			ack.Batch = meshA
			return respond(200, nil, ack)
		}, outcome{0, 10, none}},
		{"ack that forgets a window", func(_ int, r *http.Request) (*http.Response, error) {
			ack := ackOf(batchOf(r))
			ack.Stored--
			return respond(200, nil, ack)
		}, outcome{0, 10, none}},
		{"ack that refuses a window not sent", func(_ int, r *http.Request) (*http.Response, error) {
			ack := ackOf(batchOf(r))
			ack.Stored--
			ack.Refused = []wire.Refusal{{Index: 0, Key: window(99).Key}}
			return respond(200, nil, ack)
		}, outcome{0, 10, none}},
		{"ack that refuses a window twice", func(_ int, r *http.Request) (*http.Response, error) {
			ack := ackOf(batchOf(r))
			ack.Stored -= 2
			ack.Refused = []wire.Refusal{{Index: 0, Key: window(0).Key}, {Index: 0, Key: window(0).Key}}
			return respond(200, nil, ack)
		}, outcome{0, 10, none}},
		{"200 that is no ack", func(int, *http.Request) (*http.Response, error) { return respond(200, nil, "hello") }, outcome{0, 10, none}},
		{"202", func(_ int, r *http.Request) (*http.Response, error) { return respond(202, nil, ackOf(batchOf(r))) }, outcome{0, 10, none}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, calls := newMemory(10), 0
				u := newUplink(m, func(r *http.Request) (*http.Response, error) {
					calls++
					return tt.collector(calls-1, r)
				}, io.Discard)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				u.Deliver(ctx, ctx)
				got := outcome{m.settled, len(m.windows), map[uint64]wire.Code{}}
				for sequence, why := range m.aside {
					got.Aside[sequence] = why.Code
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				// Ten minutes at one try in 7.5 s at most, and the first few.
				if calls > 100 {
					t.Errorf("%d requests in ten minutes", calls)
				}
			})
		})
	}
}

// TestCollectorOfAnEarlierVersion: a probe that was upgraded before its collector
// gives no window up, says what to do without filling the log, and delivers all
// once the collector is upgraded too.
func TestCollectorOfAnEarlierVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const told = `unknown field \"later\"; upgrade the collector`
		m, begun, largest := newMemory(10), time.Now(), 0
		var log bytes.Buffer
		u := newUplink(m, func(r *http.Request) (*http.Response, error) {
			b := batchOf(r)
			largest = max(largest, len(b.Windows))
			if time.Since(begun) < 5*time.Minute {
				if len(b.Windows) < 10 {
					t.Errorf("a batch of %d windows: the probe looks for one to give up", len(b.Windows))
				}
				return respond(415, nil, wire.Problem{Schema: wire.SchemaError, Code: wire.CodeUnsupported, Message: `unknown field "later"; upgrade the collector`})
			}
			return respond(200, nil, ackOf(b))
		}, &log)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		u.Deliver(ctx, ctx)
		if m.settled != 10 || len(m.windows) != 0 || len(m.aside) != 0 || largest != 10 {
			t.Errorf("%d delivered, %d waiting, %d set aside", m.settled, len(m.windows), len(m.aside))
		}
		if lines := strings.Count(log.String(), told); lines < 1 || lines > 6 {
			t.Errorf("%d lines in the log in five minutes, want one a minute:\n%s", lines, log.String())
		}
	})
}

// TestClockOfTheCollectorIsBehind holds that no window is given up because the
// collector's clock is wrong, and that one which was dated by a wrong clock of
// this host is.
func TestClockOfTheCollectorIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const behind = 5 * time.Minute
		m := newMemory(0)
		for i := range 10 {
			w := window(i)
			w.StartMS = time.Now().Add(time.Duration(i-10) * time.Minute).UnixMilli()
			w.EndMS = w.StartMS + 60_000
			m.windows[uint64(i+1)] = w
		}
		dreamt := window(10)
		dreamt.StartMS = time.Now().Add(24 * time.Hour).UnixMilli()
		dreamt.EndMS = dreamt.StartMS + 60_000
		m.windows[11] = dreamt

		var log bytes.Buffer
		calls := 0
		u := newUplink(m, func(r *http.Request) (*http.Response, error) {
			calls++
			b := batchOf(r)
			ack := ackOf(b)
			for i, w := range b.Windows {
				if w.EndMS > time.Now().Add(-behind).UnixMilli() {
					ack.Refused = append(ack.Refused, wire.Refusal{Index: i, Key: w.Key, Code: wire.CodeFuture})
					ack.Stored--
				}
			}
			return respond(200, nil, ack)
		}, &log)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		u.Deliver(ctx, ctx)
		if m.settled != 10 || len(m.windows) != 0 {
			t.Errorf("%d windows delivered, %d left; want all 10", m.settled, len(m.windows))
		}
		if len(m.aside) != 1 || m.aside[11].Code != wire.CodeFuture {
			t.Errorf("set aside: %v; want the one from tomorrow", m.aside)
		}
		if calls > 100 {
			t.Errorf("%d requests in ten minutes", calls)
		}
		if !strings.Contains(log.String(), "the collector's clock is behind") {
			t.Error("nobody was told")
		}
	})
}

// TestBatchesAreSigned: each try carries a signature over what it sends, and
// what keeps it from passing can be asked for.
func TestBatchesAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		public, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		m, calls := newMemory(10), 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var u *Uplink
		u = newUplink(m, func(r *http.Request) (*http.Response, error) {
			calls++
			b := batchOf(r)
			if b.Signature == nil || b.Signature.Verify(public, b.Canonical()) != nil {
				t.Errorf("call %d: %d windows are signed by %+v", calls, len(b.Windows), b.Signature)
			}
			switch {
			case calls == 1:
				return problem(403, wire.CodeBadSignature, nil)
			case !strings.Contains(u.Trouble(), "403 Forbidden: told so (bad_signature)"):
				t.Errorf("trouble: %q", u.Trouble())
			}
			return respond(200, nil, ackOf(b))
		}, io.Discard)
		u.cfg.Sign = func(b *wire.Batch) { b.Sign(key) }
		over, stop := context.WithCancel(t.Context())
		stop()
		if !u.Deliver(over, ctx) || m.settled != 10 || u.Trouble() != "" {
			t.Errorf("%d settled in %d calls, trouble %q", m.settled, calls, u.Trouble())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		value    string
		min, max time.Duration
	}{
		{"40", 40 * time.Second, 41 * time.Second},
		{"nonsense", 0, time.Second},
		{"999999", maxRetryAfter, maxRetryAfter + time.Second},
		{"Sat, 01 Jan 2000 00:00:50 GMT", 50 * time.Second, 51 * time.Second}, // the bubble begins in 2000
	} {
		t.Run(tt.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var second time.Duration
				ctx, cancel := context.WithCancel(t.Context())
				u := newUplink(newMemory(1), func(r *http.Request) (*http.Response, error) {
					if time.Since(begin) == 0 {
						return problem(503, wire.CodeStoreUnavailable, http.Header{"Retry-After": {tt.value}})
					}
					second = time.Since(begin)
					cancel()
					return nil, errors.New("enough")
				}, io.Discard)
				u.Deliver(ctx, ctx)
				if second < tt.min || second > tt.max {
					t.Errorf("came back after %v; want %v to %v", second, tt.min, tt.max)
				}
			})
		})
	}
}

func TestFailureToSettleKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(3)
		m.settling = errors.New("disk full")
		u := newUplink(m, func(r *http.Request) (*http.Response, error) { return respond(200, nil, ackOf(batchOf(r))) }, io.Discard)
		time.AfterFunc(time.Minute, func() { m.mu.Lock(); m.settling = nil; m.mu.Unlock() })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		u.Deliver(ctx, ctx)
		if m.settled != 3 || u.Delivered() != 3 {
			t.Errorf("%d settled, %d counted", m.settled, u.Delivered())
		}
	})
}

func TestAddedWakesDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(0)
		u := newUplink(m, func(r *http.Request) (*http.Response, error) { return respond(200, nil, ackOf(batchOf(r))) }, io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { u.Deliver(ctx, ctx); close(done) }()
		time.Sleep(time.Hour)
		m.mu.Lock()
		m.windows[1] = window(1)
		m.mu.Unlock()
		m.added <- struct{}{}
		synctest.Wait()
		if u.Delivered() != 1 {
			t.Error("the window was not delivered at once")
		}
		cancel()
		<-done
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUplink(newMemory(3), func(*http.Request) (*http.Response, error) { return nil, errors.New("away") }, io.Discard)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		over, stop := context.WithCancel(t.Context())
		stop()
		begin := time.Now()
		if u.Deliver(over, ctx) || time.Since(begin) != 10*time.Second {
			t.Errorf("drained in %v from a collector that is away", time.Since(begin))
		}
		u = newUplink(newMemory(3), func(r *http.Request) (*http.Response, error) { return respond(200, nil, ackOf(batchOf(r))) }, io.Discard)
		if !u.Deliver(over, t.Context()) || u.Delivered() != 3 {
			t.Errorf("%d drained of 3", u.Delivered())
		}
	})
}

// TestStopLetsTheBatchArrive: a batch that is under way at the stop is waited
// for, not cut off.
func TestStopLetsTheBatchArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(3)
		u := newUplink(m, func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(5 * time.Second):
				return respond(200, nil, ackOf(batchOf(r)))
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}, io.Discard)
		until, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		begin := time.Now()
		if !u.Deliver(until, t.Context()) || m.settled != 3 || time.Since(begin) != 5*time.Second {
			t.Errorf("%d settled in %v", m.settled, time.Since(begin))
		}
	})
}

// meshServer serves assignments as a collector does.
type meshServer struct {
	mu     sync.Mutex // protects all following fields
	mesh   string
	away   bool
	times  []time.Duration
	status []int
	begin  time.Time
}

func (s *meshServer) serve(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Since(s.begin))
	tag := `"` + s.mesh + `"`
	switch {
	case s.away:
		s.status = append(s.status, 0)
		return nil, errors.New("connection refused")
	case r.Header.Get("If-None-Match") == tag:
		s.status = append(s.status, 304)
		return respond(304, nil, nil)
	}
	s.status = append(s.status, 200)
	return respond(200, http.Header{"Etag": {tag}}, wire.Assignment{Schema: wire.SchemaAssignment, Site: "here", MeshSHA256: s.mesh})
}

func (s *meshServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, log := newMemory(0), &bytes.Buffer{}
		s := &meshServer{mesh: "m1", begin: time.Now()}
		u := newUplink(m, s.serve, log)
		var taken []string
		u.cfg.Take = func(a *wire.Assignment) { taken = append(taken, a.MeshSHA256) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { u.Follow(ctx); close(done) }()
		time.Sleep(100 * time.Second)
		u.askAgain("m1") // the mesh in force: no reason to ask
		synctest.Wait()
		before := 0
		s.set(func() { s.mesh, before = "m2", len(s.times) })
		u.askAgain("m2")
		synctest.Wait()
		s.set(func() {
			if len(s.times) != before+1 {
				t.Errorf("%d requests at once after an ack with another mesh; want 1", len(s.times)-before)
			}
			s.away = true
		})
		time.Sleep(100 * time.Second)
		away := 0
		s.set(func() { s.away, away = false, len(s.times) })
		time.Sleep(maxBackoff)
		s.set(func() {
			if len(s.times) == away {
				t.Error("not asked again soon after the collector's return")
			}
		})
		cancel()
		<-done
		if diff := cmp.Diff([]string{"m1", "m2"}, taken); diff != "" {
			t.Errorf("taken (-want +got)\n%s", diff)
		}
		if !slices.Contains(s.status, 304) {
			t.Error("the tag was never sent")
		}
		for i := 1; i < before; i++ {
			if d := s.times[i] - s.times[i-1]; d < 27*time.Second || d > 33*time.Second+1 {
				t.Errorf("%v between two questions; want 30 s ± 10 %%", d)
			}
		}
		if m.tag != `"m2"` || !bytes.Contains(m.kept, []byte("m2")) {
			t.Errorf("kept %s under %s", m.kept, m.tag)
		}
		if n := strings.Count(log.String(), "could not be fetched"); n < 1 || n > 2 {
			t.Errorf("complained %d times in 100 s:\n%s", n, log)
		}
	})
}

// TestCatchUpIsPaced: what is above a moment's work goes out at the pace, and
// without a pace as fast as it is taken.
func TestCatchUpIsPaced(t *testing.T) {
	const n = catchUpBurst + 10*mostWindows
	for _, c := range []struct {
		pace float64
		want time.Duration
	}{{0, 0}, {500, n*time.Second/500 - catchUpBurst*time.Second/500}} {
		synctest.Test(t, func(t *testing.T) {
			u := newUplink(newMemory(n), func(r *http.Request) (*http.Response, error) { return respond(200, nil, ackOf(batchOf(r))) }, io.Discard)
			u.cfg.CatchUp = c.pace
			ctx, cancel := context.WithCancel(t.Context())
			begin, done := time.Now(), make(chan struct{})
			go func() { u.Deliver(ctx, ctx); close(done) }()
			for u.Delivered() < n {
				time.Sleep(time.Millisecond)
			}
			if took := time.Since(begin); took < c.want-time.Second || took > c.want+time.Second {
				t.Errorf("%g a second: %d windows took %v, want %v", c.pace, n, took, c.want)
			}
			cancel()
			<-done
		})
	}
}

// TestBackoff: each pause is at random within the upper half of a time that
// doubles up to a limit, and on top of what was asked for where that is longer.
func TestBackoff(t *testing.T) {
	for range 100 {
		var b backoff
		for next := firstBackoff; next < 4*maxBackoff; next *= 2 {
			most := min(next, maxBackoff)
			if got := b.pause(0); got < most/2 || got >= most {
				t.Fatalf("%v is not within %v and %v", got, most/2, most)
			}
		}
		told := map[time.Duration]bool{}
		for range 5 {
			got := b.pause(time.Minute)
			if told[got] = true; got < time.Minute || got > time.Minute+maxBackoff {
				t.Fatalf("%v after being told to wait a minute", got)
			}
		}
		if len(told) < 2 {
			t.Fatal("always the same")
		}
	}
}

// TestFollowWaitsAsTold: the question for the assignment honours Retry-After
// too, beyond the usual time between two of them.
func TestFollowWaitsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		newUplink(newMemory(0), func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Since(begin))
			return problem(429, wire.CodeOverloaded, http.Header{"Retry-After": {"90"}})
		}, io.Discard).Follow(ctx)
		if len(asked) != 3 || asked[0] != 0 {
			t.Fatalf("asked %v", asked)
		}
		for i := 1; i < len(asked); i++ {
			// Never sooner than told, and not all at the same moment.
			if d := asked[i] - asked[i-1]; d < 90*time.Second || d > 90*time.Second+maxBackoff {
				t.Errorf("asked again after %v", d)
			}
		}
	})
}

func TestFollowStartsFromWhatWasKept(t *testing.T) {
	kept, err := json.Marshal(wire.Assignment{Schema: wire.SchemaAssignment, Site: "here", MeshSHA256: "m1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		kept   []byte
		server *meshServer
		hang   bool
		want   []string
	}{
		{"collector away", kept, &meshServer{away: true}, false, []string{"m1"}},
		{"collector does not answer", kept, &meshServer{}, true, []string{"m1"}},
		{"not changed", kept, &meshServer{mesh: "m1"}, false, []string{"m1"}},
		{"changed", kept, &meshServer{mesh: "m2"}, false, []string{"m2"}},
		{"nothing kept, collector away", nil, &meshServer{away: true}, false, nil},
		{"what was kept does not read", []byte("{"), &meshServer{away: true}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(0)
				m.kept, m.tag = tt.kept, `"m1"`
				tt.server.begin = time.Now()
				u := newUplink(m, func(r *http.Request) (*http.Response, error) {
					if tt.hang {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return tt.server.serve(r)
				}, io.Discard)
				var taken []string
				u.cfg.Take = func(a *wire.Assignment) { taken = append(taken, a.MeshSHA256) }
				ctx, cancel := context.WithTimeout(t.Context(), firstTry+time.Second)
				defer cancel()
				u.Follow(ctx)
				if diff := cmp.Diff(tt.want, taken); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestParseCollector(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{"https://collector.example", "https://collector.example", ""},
		{"https://collector.example:8443/fibergauge/", "https://collector.example:8443/fibergauge", ""},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080", ""},
		{"http://[::1]:8080", "http://[::1]:8080", ""},
		{"http://localhost:8080", "http://localhost:8080", ""},
		{"unix:/run/c.sock", "unix:/run/c.sock", ""},
		{"unix:", "", "unix: needs the path of a socket, as in unix:/run/fibergauge/collector.sock"},
		{"http://192.0.2.1:8080", "", "http is not encrypted and only allowed to this host; use https://192.0.2.1:8080"},
		{"collector", "", `"collector" is not a collector; allowed are https://HOST[:PORT], http://127.0.0.1:PORT and unix:PATH`},
		{"ftp://collector.example", "", `"ftp://collector.example" is not a collector; allowed are https://HOST[:PORT], http://127.0.0.1:PORT and unix:PATH`},
		{"https://user:secret@collector.example", "", `"https://user:xxxxx@collector.example" has more than a host, a port and a path`},
		{"https://collector.example?x=1", "", `"https://collector.example?x=1" has more than a host, a port and a path`},
	} {
		c, err := ParseCollector(tt.in)
		got, message := "", ""
		if err == nil {
			got = c.String()
		} else {
			message = err.Error()
		}
		if got != tt.want || message != tt.err {
			t.Errorf("%s: %q, %q\nwant %q, %q", tt.in, got, message, tt.want, tt.err)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, time.Unix(0, 0)); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: %v", s, d)
		}
	})
}
