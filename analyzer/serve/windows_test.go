package serve

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/fibergauge/fibergauge/analyzer/export"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/collector/store"
)

// Whose windows are in an export, in both forms.
func TestWindowsOfWhom(t *testing.T) {
	s, source, tokens, _ := guarded(t)
	// The site was another carrier's once.
	w := scenario.Window(s.Mesh, "zq-one-a", "zq-one-b", s.Fallback.To, scenario.Same(20_000, 60), 0)
	w.Carrier = "two"
	source.Put(t, w)
	handler := s.Handler(t.Context())
	for _, c := range []struct {
		who, query string
		want       []string // carriers
	}{
		{"regulator", "", []string{"one", "two", "one", "two", "two"}},
		{"regulator", "&carrier=two", []string{"two", "two", "two"}},
		{"regulator", "&src=zq-two-a", []string{"two"}},
		{"regulator", "&plane=private-ip", nil},
		{"regulator", "&test=stamp", nil},
		{"one", "", []string{"one", "one"}},
		{"one", "&carrier=two", nil},
		{"one", "&src=zq-two-a", nil},
		{"both", "", []string{"one", "two", "one", "two", "two"}},
	} {
		ask := func(query string) []byte {
			request := httptest.NewRequest("GET", WindowsPath+"?period=2025-06-03"+c.query+query, nil)
			request.Header.Set("Authorization", "Bearer "+tokens[c.who])
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			if response.Code != 200 {
				t.Errorf("%s %s: %d %s", c.who, c.query, response.Code, response.Body)
			}
			return response.Body.Bytes()
		}
		rows, err := csv.NewReader(bytes.NewReader(ask(""))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		carrier := slices.Index(rows[0], "carrier")
		for _, row := range rows[1:] {
			got = append(got, row[carrier])
		}
		packed := ask("&format=parquet")
		table, err := parquet.Read[export.Window](bytes.NewReader(packed), int64(len(packed)))
		if err != nil {
			t.Fatal(err)
		}
		var same []string
		for _, row := range table {
			same = append(same, row.Carrier)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || !slices.Equal(got, same) {
			t.Errorf("%s %s: Parquet has %v; CSV (-want +got):\n%s", c.who, c.query, same, diff)
		}
	}
}

// endless has windows without end, and tells when nobody wants more; after some
// it may fail.
type endless struct {
	Store
	failAfter int
	left      chan error
}

func (e *endless) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for record, err := range e.Store.Windows(ctx, q) {
			if err != nil {
				yield(record, err)
				return
			}
			for i := 0; ; i++ {
				if i == e.failAfter {
					yield(store.Record{}, errors.New("no answer"))
					return
				}
				if ctx.Err() != nil || !yield(record, nil) {
					e.left <- context.Cause(ctx)
					return
				}
			}
		}
	}
}

// A reader who leaves in the middle of an export ends it, and one from whom the
// rest is kept sees that it is not whole.
func TestWindowsBrokenOff(t *testing.T) {
	s, _, tokens, _ := guarded(t)
	source := &endless{Store: s.Store, failAfter: -1, left: make(chan error, 1)}
	s.Store = source
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, nil) }()
	ask := func() *http.Response {
		request, err := http.NewRequest("GET", "http://"+listener.Addr().String()+WindowsPath+"?period=2025-06-03", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+tokens["regulator"])
		response, err := (&http.Client{Timeout: time.Minute}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	response := ask()
	if _, err := response.Body.Read(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	<-source.left

	source.failAfter = 10_000
	response = ask()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err == nil || response.StatusCode != 200 || body.Len() == 0 {
		t.Errorf("an export that failed in the middle: status %d, %d bytes, %v", response.StatusCode, body.Len(), err)
	}
	source.failAfter = 10
	response = ask()
	if response.StatusCode != 503 || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("an export that failed at the beginning: %d %v", response.StatusCode, response.Header)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
