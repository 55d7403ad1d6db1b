package datasource

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// transport answers without a network, so that time can be faked.
type transport func(*http.Request) (status int, header http.Header, body any)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header, body := f(r)
	text, err := json.Marshal(body)
	if err == nil {
		err = r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, nil
}

func through(t *testing.T, f transport) *Source {
	t.Helper()
	client, err := api.NewClient("http://127.0.0.1:1", api.Options{HTTPClient: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return &Source{now: time.Now, upstream: &upstream{
		client: client, url: "http://127.0.0.1:1", timeout: patience, turns: make(chan struct{}, atOnce), answers: map[string]answer{}, flights: map[string]*flight{},
	}}
}

// TestManyLook: fifty who refresh every ten seconds cost the analyzer one request
// each time, and once it is known what it has, one that it answers with 304.
func TestManyLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var whole, unchanged atomic.Int64
		s := through(t, func(r *http.Request) (int, http.Header, any) {
			time.Sleep(time.Second)
			if r.Header.Get("If-None-Match") == `"1"` {
				unchanged.Add(1)
				return http.StatusNotModified, nil, nil
			}
			whole.Add(1)
			return http.StatusOK, http.Header{"Etag": {`"1"`}}, twoClusters()
		})
		for range 6 {
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					time.Sleep(time.Duration(i) * 20 * time.Millisecond)
					if n, err := s.askNetwork(t.Context()); err != nil || len(n.Links) != 2 {
						t.Errorf("%v", err)
					}
				})
			}
			all.Wait()
			time.Sleep(10 * time.Second)
		}
		if whole.Load() != 1 || unchanged.Load() != 5 {
			t.Errorf("300 askings made %d requests in full and %d that were unchanged, want 1 and 5", whole.Load(), unchanged.Load())
		}
	})
}

// TestBusy: an analyzer that has too much to do is asked again after what it says,
// a few times.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, busy := 0, 3
		s := through(t, func(*http.Request) (int, http.Header, any) {
			if requests++; requests <= busy {
				return http.StatusServiceUnavailable, http.Header{"Retry-After": {"2"}}, api.Problem{Detail: "busy"}
			}
			return http.StatusOK, nil, twoClusters()
		})
		began := time.Now()
		if _, err := s.askNetwork(t.Context()); err != nil || time.Since(began) != 6*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		time.Sleep(freshFor)
		requests, busy = 0, 100
		if _, err := s.askNetwork(t.Context()); err == nil || requests != tries {
			t.Errorf("after %d requests: %v", requests, err)
		}
	})
}

// TestTurns: the analyzer reads two answers at a time for one reader and refuses
// a third, so no more are asked for.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most atomic.Int64
		s := through(t, func(*http.Request) (int, http.Header, any) {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			under.Add(-1)
			return http.StatusOK, nil, &api.Months{}
		})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				q := &Query{From: june.AddDate(0, i, 0), To: july.AddDate(0, i, 0)}
				if _, _, err := s.months(t.Context(), q, &network{Network: twoClusters(), zone: time.UTC}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most.Load() != atOnce {
			t.Errorf("%d requests at once, want %d", most.Load(), atOnce)
		}
	})
}

// TestKept: what is kept stays within its bound, and goes when it is old.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := through(t, nil)
		for i := range 2 * kept {
			_, err := ask(t.Context(), s.upstream, string(rune('a'+i)), func(context.Context, *api.Client) (*int, error) { return &i, nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := s.upstream.held(); n != kept {
			t.Errorf("%d answers are kept, want %d", n, kept)
		}
		time.Sleep(freshFor + time.Millisecond)
		synctest.Wait()
		if n := s.upstream.held(); n != 0 {
			t.Errorf("%d answers are kept that are old", n)
		}
	})
}

// held counts what is kept and what is on its way.
func (u *upstream) held() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.answers) + len(u.flights)
}

// TestForgotten: an answer is not held after it has served, however few others
// follow it.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := through(t, func(*http.Request) (int, http.Header, any) { return http.StatusOK, nil, twoClusters() })
		if _, err := s.askNetwork(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.upstream.held() != 1 {
			t.Errorf("%d answers are kept, want 1", s.upstream.held())
		}
		time.Sleep(freshFor + time.Millisecond)
		synctest.Wait()
		if s.upstream.held() != 0 {
			t.Errorf("%d answers are held that serve nobody", s.upstream.held())
		}
	})
}

// TestAbandoned: what nobody waits for any more makes nobody wait.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := through(t, func(r *http.Request) (int, http.Header, any) {
			if r.URL.Path == "/api/v1/series" {
				select {
				case <-time.After(20 * time.Second):
				case <-r.Context().Done():
				}
			}
			return http.StatusOK, nil, twoClusters()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		for i := range 20 { // a time range each
			all.Go(func() {
				_, _, err := s.askSeries(ctx, api.SeriesQuery{MaxPoints: 1 + i})
				if err == nil {
					t.Error("answered to who has left")
				}
			})
		}
		all.Wait()
		began := time.Now()
		if _, err := s.askNetwork(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Errorf("whoever came after waited %v: %v", time.Since(began), err)
		}
	})
}

// TestMistakeStaysInOneQuery: also one in what several wait for.
func TestMistakeStaysInOneQuery(t *testing.T) {
	s := through(t, func(*http.Request) (int, http.Header, any) { return http.StatusOK, nil, twoClusters() })
	_, err := ask(t.Context(), s.upstream, "spoilt", func(context.Context, *api.Client) (*api.Network, error) { panic("spoilt") })
	if err == nil {
		t.Error("a panic was an answer")
	}
}
