package serve

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

func TestAcceptable(t *testing.T) {
	for _, c := range []struct {
		lists []string
		want  float64
	}{
		{nil, 0}, {[]string{""}, 0}, {[]string{"gzip"}, 1}, {[]string{"deflate, GZIP;q=0.5"}, 0.5}, {[]string{"br", "gzip"}, 1},
		{[]string{"gzip;q=0, *"}, 0}, {[]string{"*, gzip;q=0"}, 0}, {[]string{"*;q=0.3"}, 0.3}, {[]string{"identity"}, 0},
		{[]string{"gzip; Q=0.25"}, 0.25}, {[]string{"gzip;q=2"}, 0}, {[]string{"gzip;q=NaN"}, 0}, {[]string{"gzip;q=x"}, 0}, {[]string{"gzipped"}, 0},
	} {
		if got := acceptable(c.lists, "gzip"); got != c.want {
			t.Errorf("%q: %v, want %v", c.lists, got, c.want)
		}
	}
}

func TestCondition(t *testing.T) {
	modified := time.Date(2025, 7, 1, 0, 0, 0, 999_000_000, time.UTC)
	const same, before, after = "Tue, 01 Jul 2025 00:00:00 GMT", "Mon, 30 Jun 2025 23:59:59 GMT", "Tue, 01 Jul 2025 00:00:01 GMT"
	for _, c := range []struct {
		header map[string]string
		want   int
	}{
		{nil, 200},
		{map[string]string{"If-None-Match": `"a"`}, 304},
		{map[string]string{"If-None-Match": `"a-gzip"`}, 304},
		{map[string]string{"If-None-Match": `W/"a"`}, 304},
		{map[string]string{"If-None-Match": `"x", "a"`}, 304},
		{map[string]string{"If-None-Match": `*`}, 304},
		{map[string]string{"If-None-Match": `"x"`}, 200},
		{map[string]string{"If-None-Match": `a`}, 200},
		{map[string]string{"If-None-Match": `"x"`, "If-Modified-Since": after}, 200}, // the tag decides
		{map[string]string{"If-Modified-Since": same}, 304},
		{map[string]string{"If-Modified-Since": after}, 304},
		{map[string]string{"If-Modified-Since": before}, 200},
		{map[string]string{"If-Modified-Since": "yesterday"}, 200},
		{map[string]string{"If-Match": `"a"`}, 200},
		{map[string]string{"If-Match": `"x"`}, 412},
		{map[string]string{"If-Match": `W/"a"`}, 412},
		{map[string]string{"If-Match": `"a"`, "If-None-Match": `"a"`}, 304},
		{map[string]string{"If-Unmodified-Since": before}, 412},
		{map[string]string{"If-Unmodified-Since": same}, 200},
	} {
		header := http.Header{}
		for name, value := range c.header {
			header.Set(name, value)
		}
		if got := condition(header, modified, `"a"`, `"a-gzip"`); got != c.want {
			t.Errorf("%v: %d, want %d", c.header, got, c.want)
		}
	}
}

// What is not dated is answered whatever date is asked for (RFC 9110, section
// 13.1.4).
func TestConditionWithoutADate(t *testing.T) {
	for _, name := range []string{"If-Unmodified-Since", "If-Modified-Since"} {
		header := http.Header{}
		header.Set(name, "Tue, 01 Jul 2025 00:00:00 GMT")
		if got := condition(header, time.Time{}, `"a"`); got != http.StatusOK {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// The same report plain and compressed, whole and asked for again.
func TestReportIsKept(t *testing.T) {
	s, _, period := minute(t)
	s.Fallback = &period
	handler := s.Handler(t.Context())
	ask := func(method string, header ...string) *http.Response {
		request := httptest.NewRequest(method, ReportPath, nil)
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		return response.Result()
	}
	read := func(r io.Reader) []byte {
		t.Helper()
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	plain, packed := ask("GET"), ask("GET", "Accept-Encoding", "gzip")
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if whole := read(plain.Body); !bytes.Equal(whole, read(unpacked)) || len(whole) == 0 {
		t.Error("compressed it is another report")
	}
	for _, r := range []*http.Response{plain, packed} {
		for name, want := range map[string]string{
			"Cache-Control": "private, no-cache", "Content-Type": "application/json", "Age": "0",
			"Last-Modified": plain.Header.Get("Last-Modified"),
		} {
			if got := r.Header.Get(name); got != want || want == "" {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	if vary := plain.Header.Values("Vary"); !slices.Equal(vary, []string{"Accept", "Accept-Encoding"}) {
		t.Errorf("Vary: %q", vary)
	}
	if a, b := plain.Header.Get("ETag"), packed.Header.Get("ETag"); a == b || len(a) != 66 || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("tags %s and %s, coding %q", a, b, packed.Header.Get("Content-Encoding"))
	}
	again := ask("GET", "If-None-Match", plain.Header.Get("ETag"))
	if body := read(again.Body); again.StatusCode != 304 || len(body) != 0 || again.Header.Get("ETag") != plain.Header.Get("ETag") {
		t.Errorf("asked for again: %d, %d bytes, %v", again.StatusCode, len(body), again.Header)
	}
	if head := ask("HEAD"); head.StatusCode != 200 || head.Header.Get("Content-Length") != plain.Header.Get("Content-Length") {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	if refused := ask("GET", "If-Match", `"x"`); refused.StatusCode != 412 || refused.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("If-Match: %d %v", refused.StatusCode, refused.Header)
	}
}
