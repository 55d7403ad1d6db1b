package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNewClient(t *testing.T) {
	for _, c := range []struct {
		url  string
		o    Options
		want string // part of the error; empty: none
	}{
		{"https://analyzer.example:8470", Options{Token: "x"}, ""},
		{"https://analyzer.example/below/", Options{}, ""},
		{"http://127.0.0.1:8470", Options{Token: "x"}, ""},
		{"http://[::1]:8470", Options{Token: "x"}, ""},
		{"http://localhost", Options{Token: "x"}, ""},
		{"http://analyzer.example", Options{}, ""},
		{"http://analyzer.example", Options{Token: "x", PlainHTTP: true}, ""},
		{"http://analyzer.example", Options{Token: "x"}, "could read the token; use https"},
		{"http://127.0.0.1.example", Options{Token: "x"}, "could read the token; use https"},
		{"analyzer.example:8470", Options{}, "is not one such as"},
		{"ftp://analyzer.example", Options{}, "is not one such as"},
		{"https://u:p@analyzer.example", Options{}, "is not one such as"},
		{"https://analyzer.example?a=b", Options{}, "is not one such as"},
		{"https://a\x7f", Options{}, "address of the analyzer"},
		{"https://analyzer.example", Options{Token: "x\r\ny"}, "no line breaks"},
	} {
		_, err := NewClient(c.url, c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
}

// What comes back may be anything.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
		status int
	}{
		{"a problem", func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"type":"about:blank","title":"Service Unavailable","status":200,"detail":"the store"}`)
		}, "the analyzer answers 503 Service Unavailable: the store", 503},
		{"another server", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }, "is it a fibergauge-analyzer that answers there?", 502},
		{"304 that nobody asked for", func(w http.ResponseWriter) { w.WriteHeader(304) }, "the analyzer answers 304", 304},
		{"no JSON", func(w http.ResponseWriter) { fmt.Fprint(w, "hello") }, "is it a fibergauge-analyzer that answers there?", 0},
		{"too much", func(w http.ResponseWriter) { fmt.Fprintf(w, `{"name":%q}`, strings.Repeat("x", 1000)) }, "has more than 1000 bytes", 0},
		{"cut off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "900")
			fmt.Fprint(w, `{"name":"x"`)
		}, "unexpected EOF", 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("User-Agent"), "test fibergauge-api/") || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("headers %v", r.Header)
			}
			c.answer(w)
		}))
		client, err := NewClient(server.URL, Options{Token: "secret", UserAgent: "test", MaxBytes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Network(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
		var failed *Error
		if errors.As(err, &failed) != (c.status != 0) || failed != nil && failed.Status != c.status {
			t.Errorf("%s: %#v", c.name, failed)
		}
		if c.status == 503 && (failed.RetryAfter != 7*time.Second || !failed.Temporary()) {
			t.Errorf("%s: %#v", c.name, failed)
		}
		server.Close()
	}
}

// An answer is sent once and then asked for by its tag; what does not fit is
// asked for whole.
func TestCache(t *testing.T) {
	sent, asked := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		tag := `"` + r.URL.RawQuery + `"`
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(304)
			return
		}
		sent++
		w.Header().Set("ETag", tag)
		fmt.Fprintf(w, `{"before":%q}`, r.URL.RawQuery+strings.Repeat(" ", 400))
	}))
	defer server.Close()
	client, err := NewClient(server.URL, Options{CacheBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i, before := range []string{"1", "1", "2", "1", "2", "3", "2", "1"} { // two fit: 3 drives 1 out
		months, err := client.Months(t.Context(), 0, before)
		if err != nil || strings.TrimSpace(months.Before) != "before="+before {
			t.Errorf("%d: %v, %+v", i, err, months)
		}
	}
	if sent != 4 || asked != 8 {
		t.Errorf("%d answers were sent for %d requests", sent, asked)
	}
}

// A redirect is not followed: the token would go to the same host in clear.
func TestClientFollowsNoRedirect(t *testing.T) {
	asked := false
	clear := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer clear.Close()
	server := httptest.NewTLSServer(http.RedirectHandler(clear.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	client, err := NewClient(server.URL, Options{Token: "fgr1.x", HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	var answer *Error
	if _, err := client.Status(t.Context()); !errors.As(err, &answer) || answer.Status != http.StatusTemporaryRedirect || asked {
		t.Errorf("%v; asked elsewhere: %t", err, asked)
	}
}
