package monthly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
)

// receiver answers with what stands next; at last with 200.
type receiver struct {
	answers []int // 0: no answer
	got     []string
	at      []time.Duration // since the first
	began   time.Time
	last    *http.Request
	body    []byte
}

func (r *receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.began.IsZero() {
		r.began = time.Now()
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.last, r.body = request, body
	r.got, r.at = append(r.got, request.Header.Get("webhook-id")), append(r.at, time.Since(r.began))
	code := 200
	if len(r.answers) > 0 {
		code, r.answers = r.answers[0], r.answers[1:]
	}
	if code == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("thanks")), Header: http.Header{}, Request: request}, nil
}

func outcome(sha string) (*filing.Outcome, *api.Report) {
	r := &api.Report{Plane: "optical", Rate: api.Rate{Compliant: 3, Total: 4}}
	return &filing.Outcome{Filed: filing.Filed{
		Manifest: &manifest.Manifest{Revision: 2, Signer: &manifest.Signer{KeyID: "key"}}, File: "reports/report-2025-06_r02.manifest.json", SHA256: sha,
	}}, r
}

func TestWebhook(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []int
		tell    []string // manifests, a day apart
		want    []string
		at      []time.Duration
		failed  int
	}{
		{"delivered", nil, []string{"a"}, []string{"a"}, []time.Duration{0}, 0},
		{"told twice of one", nil, []string{"a", "a"}, []string{"a"}, []time.Duration{0}, 0},
		{"each", nil, []string{"a", "b"}, []string{"a", "b"}, []time.Duration{0, 24 * time.Hour}, 0},
		{
			"tried again", []int{0, 500, 503, 429, 408, 502}, []string{"a"}, []string{"a", "a", "a", "a", "a", "a", "a"},
			[]time.Duration{0, 5 * time.Second, 35 * time.Second, 155 * time.Second, 755 * time.Second, 4355 * time.Second, 7955 * time.Second}, 6,
		},
		{"refused", []int{404}, []string{"a"}, []string{"a"}, []time.Duration{0}, 1},
		{"redirected", []int{302}, []string{"a"}, []string{"a"}, []time.Duration{0}, 1},
		{"refused, and then the next", []int{404}, []string{"a", "b"}, []string{"a", "b"}, []time.Duration{0, 24 * time.Hour}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "webhook.json")
			synctest.Test(t, func(t *testing.T) {
				address, err := ParseWebhook("https://example.org/hook?for=us")
				if err != nil {
					t.Fatal(err)
				}
				to, failed := &receiver{answers: c.answers}, 0
				hook := &Webhook{
					URL: address, Secret: []byte("0123456789abcdef01234567"), State: state,
					Client: &http.Client{Transport: to, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
					Failed: func() { failed++ }, Log: slog.New(slog.DiscardHandler),
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { hook.Run(ctx); close(done) }()
				for _, sha := range c.tell {
					filed, r := outcome(sha)
					hook.Tell(ctx, filed, r)
					time.Sleep(24 * time.Hour)
				}
				stop()
				<-done
				if diff := cmp.Diff(c.want, to.got); diff != "" {
					t.Errorf("posted (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.at, to.at); diff != "" {
					t.Errorf("posted at (-want +got):\n%s", diff)
				}
				if failed != c.failed {
					t.Errorf("%d tries failed, want %d", failed, c.failed)
				}
			})
		})
	}
}

// What is posted can be checked by the receiver, and says what was filed.
func TestWebhookNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		address, err := url.Parse("https://example.org/hook")
		if err != nil {
			t.Fatal(err)
		}
		secret := []byte("0123456789abcdef01234567")
		to := &receiver{}
		hook := &Webhook{URL: address, Secret: secret, Client: &http.Client{Transport: to}, Log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go hook.Run(ctx)
		filed, r := outcome("abc")
		hook.Tell(ctx, filed, r)
		synctest.Wait()
		var got Notice
		if err := json.Unmarshal(to.body, &got); err != nil {
			t.Fatal(err)
		}
		want := Notice{
			Schema: "fibergauge.notice/1", Revision: 2, Manifest: "report-2025-06_r02.manifest.json", ManifestSHA256: "abc",
			KeyID: "key", Plane: "optical", Rate: r.Rate,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		h := to.last.Header
		if to.last.Method != http.MethodPost || h.Get("Content-Type") != "application/json" || h.Get("webhook-timestamp") != "946684800" {
			t.Errorf("%s with %v", to.last.Method, h)
		}
		if sign := h.Get("webhook-signature"); sign != Signature(secret, "abc", "946684800", to.body) {
			t.Errorf("signature %q", sign)
		}
	})
}

// The example of standardwebhooks.com.
func TestSignature(t *testing.T) {
	secret, err := ParseSecret([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := Signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A program that ends is not told twice of what it was told.
func TestWebhookRemembers(t *testing.T) {
	state := filepath.Join(t.TempDir(), "webhook.json")
	for _, c := range []struct {
		name, address string
		before        string // content of the file, where it is not what the run before left
		want          int
	}{
		{"at first", "https://example.org/a", "", 1},
		{"again", "https://example.org/a", "", 0},
		{"another address", "https://example.org/b", "", 1},
		{"damaged", "https://example.org/b", "{", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			if c.before != "" {
				if err := os.WriteFile(state, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			address, err := ParseWebhook(c.address)
			if err != nil {
				t.Fatal(err)
			}
			to := &receiver{}
			hook := &Webhook{URL: address, State: state, Client: &http.Client{Transport: to}, Log: slog.New(slog.DiscardHandler)}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { hook.Run(ctx); close(done) }()
			filed, r := outcome("abc")
			hook.Tell(ctx, filed, r)
			synctest.Wait()
			stop()
			<-done
			if len(to.got) != c.want {
				t.Errorf("%s: posted %d times, want %d", c.name, len(to.got), c.want)
			}
		})
	}
}

// Path and query of an address are what lets anybody post to it: no log has
// them.
func TestWebhookAddressIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		to := &receiver{answers: []int{0, 302, 500, 403}}
		hook := &Webhook{
			URL:    &url.URL{Scheme: "https", Host: "example.org", Path: "/hooks/T0PS3CRET", RawQuery: "key=T0PS3CRET"},
			Client: &http.Client{Transport: to, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
			Log:    slog.New(slog.NewTextHandler(&logged, nil)),
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { hook.Run(ctx); close(done) }()
		for _, sha := range []string{"a", "b", "c", "d"} {
			filed, r := outcome(sha)
			hook.Tell(ctx, filed, r)
			time.Sleep(4 * time.Second)
		}
		stop()
		<-done
		if text := logged.String(); len(to.got) != 4 || strings.Count(text, "error=") != 4 || strings.Contains(text, "T0PS3CRET") || !strings.Contains(text, "connection refused") {
			t.Errorf("of %d posts the log has:\n%s", len(to.got), text)
		}
	})
}

func TestParseWebhook(t *testing.T) {
	for address, good := range map[string]bool{
		"https://example.org/hook": true, "http://127.0.0.1:8080/": true, "http://[::1]:1/x": true, "http://localhost/": true,
		"http://example.org/": false, "https://user:secret@example.org/": false, "example.org": false, "ftp://example.org/": false, "https://": false, "": false,
	} {
		if _, err := ParseWebhook(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, text := range []string{"", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"} {
		if _, err := ParseSecret([]byte(text)); err == nil || !strings.Contains(err.Error(), "whsec_") {
			t.Errorf("secret %q: %v", text, err)
		}
	}
}
