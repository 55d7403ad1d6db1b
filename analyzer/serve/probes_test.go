package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/series"
	"github.com/fibergauge/fibergauge/collector/store"
)

// repeating is a store that gives the last entries of its journal once more to whoever
// goes on, as the contract allows.
type repeating struct {
	*scenario.Store
	entries []store.Entry
	repeats int
	read    int
	err     error
}

func (s *repeating) Journal(_ context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		from, _ := strconv.Atoi(string(after))
		for i, e := range s.entries[max(0, from-s.repeats):] {
			s.read++
			e.Cursor = store.Cursor(fmt.Sprint(max(0, from-s.repeats) + i + 1))
			if !yield(e, nil) {
				return
			}
		}
		if s.err != nil {
			yield(store.Entry{}, s.err)
		}
	}
}

func (s *repeating) admit(site string, at, first time.Time, tests ...string) {
	e := store.Entry{At: at, Site: site, Batch: fmt.Sprint("batch ", len(s.entries)), Windows: len(tests)}
	for _, test := range tests {
		e.Spans = append(e.Spans, store.Span{Src: site, Dst: "b1", Test: test, FirstMS: first.UnixMilli(), LastMS: first.UnixMilli(), Windows: 1})
	}
	s.entries = append(s.entries, e)
}

// An entry counts once, however often the store gives it, in the hour of the
// mesh's zone in which it was stored; and the journal is not read from its
// beginning each time.
func TestAdmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source, _ := minute(t)
		s.Mesh = scenario.Mesh(t, "Asia/Kolkata", scenario.Sites(), nil)
		journal := &repeating{Store: source, repeats: 2}
		s.Store = journal
		a := newAdmissions(journal, s.shelf(t.Context()))
		at := time.Date(2025, 6, 3, 10, 0, 0, 0, s.Mesh.Location()).Add(10 * time.Minute)
		quarter := 15 * time.Minute
		follow := func() {
			t.Helper()
			time.Sleep(admissionsFor)
			if err := a.follow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		journal.admit("a1", at, at.Add(-quarter-3*time.Second), "icmp")
		journal.admit("a1", at.Add(time.Minute), at.Add(-quarter), "icmp", "unknown")
		journal.admit("a1", at, at, "icmp")    // earlier than the one before, and of a clock that is behind
		journal.admit("b1", at, at, "unknown") // of a test that no mesh has
		journal.admit("a1", at.Add(time.Hour), at.Add(-24*time.Hour), "icmp")
		follow()
		for range 3 {
			journal.read = 0
			follow()
			if journal.read != 2 {
				t.Errorf("%d entries were read again, want the two that the store repeats", journal.read)
			}
		}
		journal.admit("b1", at.Add(2*time.Hour), at.Add(2*time.Hour-quarter), "icmp")
		follow()
		hour := at.Add(-10 * time.Minute)
		for _, c := range []struct {
			site     string
			from, to time.Time
			want     series.Admissions
		}{
			{"a1", hour, hour.Add(time.Hour), series.Admissions{N: 3, LastMS: at.Add(time.Minute).UnixMilli(), WaitedMS: 60_000}},
			{"a1", hour.Add(time.Hour), hour.Add(2 * time.Hour), series.Admissions{N: 1, LastMS: at.Add(time.Hour).UnixMilli(), WaitedMS: (25*time.Hour - quarter).Milliseconds()}},
			{"a1", hour.Add(-time.Hour), hour, series.Admissions{WaitedMS: -1}},
			{"a1", time.Unix(0, 0), hour.Add(48 * time.Hour), series.Admissions{N: 4, LastMS: at.Add(time.Hour).UnixMilli(), WaitedMS: (25*time.Hour - quarter).Milliseconds()}},
			{"b1", hour, hour.Add(time.Hour), series.Admissions{N: 1, LastMS: at.UnixMilli(), WaitedMS: -1}},
			{"b1", hour.Add(2 * time.Hour), hour.Add(3 * time.Hour), series.Admissions{N: 1, LastMS: at.Add(2 * time.Hour).UnixMilli()}},
			{"c1", hour, hour.Add(time.Hour), series.Admissions{WaitedMS: -1}},
		} {
			if diff := cmp.Diff(c.want, a.of(c.site, c.from.UnixMilli(), c.to.UnixMilli())); diff != "" {
				t.Errorf("%s from %s (-want +got):\n%s", c.site, c.from, diff)
			}
		}
		// What was read before a failure is not read again after it.
		journal.admit("c1", at, at.Add(-quarter), "icmp")
		journal.err = errors.New("no answer")
		time.Sleep(admissionsFor)
		if err := a.follow(t.Context()); err == nil {
			t.Error("no error")
		}
		journal.err = nil
		follow()
		if got := a.of("c1", 0, hour.Add(time.Hour).UnixMilli()); got.N != 1 {
			t.Errorf("after a failure: %+v", got)
		}
	})
}

// The memory is bounded: what is oldest is forgotten first.
func TestAdmissionsAreForgotten(t *testing.T) {
	a := &admissions{sites: map[string][]admittedHour{}}
	const hour = 3_600_000
	for _, site := range []string{"old", "both", "new"} {
		for h := int64(1); h <= 100; h++ {
			if site == "old" && h > 5 || site == "new" && h < 50 {
				continue
			}
			a.sites[site] = append(a.sites[site], admittedHour{fromMS: h * hour, n: 1})
			a.hours++
		}
	}
	a.forget()
	if a.sites["old"] != nil || len(a.sites["both"]) != 90 || len(a.sites["new"]) != 51 || a.hours != 141 {
		t.Errorf("%d, %d, %d; %d hours", len(a.sites["old"]), len(a.sites["both"]), len(a.sites["new"]), a.hours)
	}
	if got := a.of("both", 0, 20*hour); got.N != 9 {
		t.Errorf("%+v", got)
	}
}

// A carrier reads of its own probes only.
func TestProbes(t *testing.T) {
	s, _, tokens, _ := guarded(t)
	handler := s.Handler(t.Context())
	get := func(who, query string) *httptest.ResponseRecorder {
		t.Helper()
		request := httptest.NewRequest("GET", ProbesPath+query, nil)
		request.Header.Set("Authorization", "Bearer "+tokens[who])
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		return response
	}
	for _, c := range []struct {
		who, query string
		want       []string
	}{
		{"admin", "?period=2025-06-03", []string{"zq-one-a", "zq-one-b", "zq-two-a", "zq-two-b"}},
		{"admin", "?period=2025-06", []string{"zq-one-a", "zq-one-b", "zq-two-a", "zq-two-b"}},
		{"admin", "?period=2025-06-03&site=zq-two-b&site=zq-one-a", []string{"zq-one-a", "zq-two-b"}},
		{"admin", "?period=2025-06-03&carrier=two&cluster=a", []string{"zq-two-a"}},
		{"one", "?period=2025-06-03", []string{"zq-one-a", "zq-one-b"}},
		{"one", "?period=2025-06&hub=hub&cluster=b&carrier=two&carrier=one", []string{"zq-one-b"}},
		{"both", "?period=2025-06-03&cluster=a", []string{"zq-one-a", "zq-two-a"}},
	} {
		response := get(c.who, c.query)
		var sites []string
		for _, p := range decoded[api.Probes](t, response).Probes {
			sites = append(sites, p.Site)
			if p.EndsHeard != 1 || p.Ends != 1 || p.LastEnd == nil || *p.LastEnd != "2025-06-03T10:01:00+08:00" {
				t.Errorf("%s %s: %+v", c.who, c.query, p)
			}
		}
		if diff := cmp.Diff(c.want, sites); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.who, c.query, diff)
		}
	}
}

func decoded[T any](t *testing.T, response *httptest.ResponseRecorder) (answer T) {
	t.Helper()
	if response.Code != http.StatusOK {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// The tag of an answer of now is the same within a minute, and another one when
// silence has grown.
func TestTagOfProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := minute(t)
		time.Sleep(time.Until(time.Date(2025, 6, 3, 10, 5, 0, 0, s.Mesh.Location())))
		handler := s.Handler(t.Context())
		var tags []string
		for range 4 {
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, httptest.NewRequest("GET", ProbesPath+"?period=2025-06-03", nil))
			p := decoded[api.Probes](t, response).Probes[0]
			if want := float64(4*60 + len(tags)/3*60); *p.SilentS != want {
				t.Errorf("silent for %v s, want %v", *p.SilentS, want)
			}
			tags = append(tags, response.Header().Get("ETag"))
			time.Sleep(20 * time.Second)
		}
		if tags[0] != tags[1] || tags[1] != tags[2] || tags[2] == tags[3] || slices.Contains(tags, "") {
			t.Errorf("tags %q", tags)
		}
	})
}
