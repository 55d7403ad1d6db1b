package monthly

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/filing"
	"github.com/fibergauge/fibergauge/internal/durable"
)

// SchemaNotice names the form of what is posted.
const SchemaNotice = "fibergauge.notice/1"

// Notice is what is posted: that a report was filed, and what it comes to.
type Notice struct {
	Schema         string      `json:"schema"`
	Period         api.Period  `json:"period"`
	Revision       int         `json:"revision"`
	Manifest       string      `json:"manifest"` // name of the file
	ManifestSHA256 string      `json:"manifest_sha256"`
	KeyID          string      `json:"key_id,omitempty"` // that signed it
	Plane          string      `json:"plane"`
	Rate           api.Rate    `json:"rate"`
	Origins        api.Origins `json:"origins"` // windows by what they tell of; only measured ones are of a real network
}

// Webhook posts a notice of each report to one URL, signed as Standard Webhooks
// (standardwebhooks.com) says: who receives it takes webhook-id, which is the
// SHA-256 of the manifest, for the same one when it comes again.
type Webhook struct {
	URL    *url.URL
	Secret []byte // nil: not signed
	// State is the file that remembers what was delivered; empty: nothing does,
	// and what was not delivered before an end is lost.
	State  string
	Client *http.Client // nil: one that follows no redirects
	Failed func()       // after each try that failed; may be nil
	Log    *slog.Logger

	mu   sync.Mutex // protects last
	last *Notice
	wake chan struct{}
	once sync.Once
}

// ParseWebhook reads an address to post to: https, or http on this machine.
func ParseWebhook(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address such as https://example.org/hook", address)
	}
	if u.User != nil {
		return nil, errors.New("an address with a password in it ends up in logs; give --webhook-secret, by which what is posted is signed")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%s: what is posted could be read and changed on the way; use https", address)
	}
	return u, nil
}

// ParseSecret reads a secret as Standard Webhooks writes it: whsec_ and 24 to 64
// bytes in Base64.
func ParseSecret(text []byte) ([]byte, error) {
	const form = "it has to be whsec_ and 24 to 64 random bytes in Base64, such as printf 'whsec_%s' \"$(head -c 32 /dev/urandom | base64)\" makes"
	encoded, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("whsec_"))
	if !ok {
		return nil, errors.New(form)
	}
	secret, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil || len(secret) < 24 || len(secret) > 64 {
		return nil, errors.New(form)
	}
	return secret, nil
}

// Tell has a report posted. A notice that was not delivered yet gives way to a
// newer one.
func (w *Webhook) Tell(_ context.Context, filed *filing.Outcome, r *api.Report) {
	n := &Notice{
		Schema: SchemaNotice, Period: r.Period, Revision: filed.Manifest.Revision,
		Manifest: filepath.Base(filed.File), ManifestSHA256: filed.SHA256,
		Plane: r.Plane, Rate: r.Rate, Origins: r.Data.Origins,
	}
	if signer := filed.Manifest.Signer; signer != nil {
		n.KeyID = signer.KeyID
	}
	w.mu.Lock()
	w.last = n
	w.mu.Unlock()
	select {
	case w.woken() <- struct{}{}:
	default:
	}
}

func (w *Webhook) woken() chan struct{} {
	w.once.Do(func() { w.wake = make(chan struct{}, 1) })
	return w.wake
}

// pauses are between tries; the last one again and again.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour}

// Run posts what is told until the context ends.
func (w *Webhook) Run(ctx context.Context) {
	client := w.Client
	if client == nil {
		client = &http.Client{
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	tries := 0
	for {
		var again <-chan time.Time
		if tries > 0 {
			again = time.After(pauses[min(tries, len(pauses))-1])
		}
		select {
		case <-ctx.Done():
			return
		case <-w.woken():
			tries = 0
		case <-again:
		}
		w.mu.Lock()
		n := w.last
		w.mu.Unlock()
		if n == nil || w.delivered() == n.ManifestSHA256 {
			tries = 0
			continue
		}
		retry, err := w.post(ctx, client, n)
		switch {
		case err == nil:
			tries = 0
			w.Log.Info("the webhook was told of a report", "manifest", n.Manifest)
			w.remember(n)
			continue
		case ctx.Err() != nil:
			return
		}
		if w.Failed != nil {
			w.Failed()
		}
		if !retry {
			tries = 0
			w.Log.Error("the webhook refuses a report, and is not asked again", "manifest", n.Manifest, "error", err)
			continue
		}
		tries++
		w.Log.Warn("the webhook was not told of a report; it is tried again", "manifest", n.Manifest, "in", pauses[min(tries, len(pauses))-1], "error", err)
	}
}

// post tries once. retry tells whether another try may go better.
func (w *Webhook) post(ctx context.Context, client *http.Client, n *Notice) (retry bool, err error) {
	body, err := json.Marshal(n)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "fibergauge-analyzer")
	request.Header.Set("webhook-id", n.ManifestSHA256)
	request.Header.Set("webhook-timestamp", stamp)
	if w.Secret != nil {
		request.Header.Set("webhook-signature", Signature(w.Secret, n.ManifestSHA256, stamp, body))
	}
	response, err := client.Do(request)
	if err != nil {
		// Its text has the whole address, which often is the secret itself.
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err
		}
		return true, fmt.Errorf("%s: %w", w.URL.Host, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	switch code := response.StatusCode; {
	case code/100 == 2:
		return false, nil
	case code/100 == 3:
		return false, fmt.Errorf("it answers %s; give the address that it redirects to", response.Status)
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code/100 == 5:
		return true, fmt.Errorf("it answers %s", response.Status)
	default:
		return false, fmt.Errorf("it answers %s", response.Status)
	}
}

// Signature is that of Standard Webhooks, version 1.
func Signature(secret []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// state is what the file remembers.
type state struct {
	URL            string `json:"url"`
	ManifestSHA256 string `json:"manifest_sha256"` // the newest that was delivered
}

// delivered is the newest manifest that the address was told of.
func (w *Webhook) delivered() string {
	if w.State == "" {
		return ""
	}
	data, err := os.ReadFile(w.State)
	if err != nil {
		return ""
	}
	var s state
	if json.Unmarshal(data, &s) != nil || s.URL != w.URL.String() {
		return ""
	}
	return s.ManifestSHA256
}

func (w *Webhook) remember(n *Notice) {
	if w.State == "" {
		return
	}
	data, err := json.Marshal(state{w.URL.String(), n.ManifestSHA256})
	if err == nil {
		err = durable.Replace(w.State, ".webhook.", 0o600, durable.Bytes(append(data, '\n')))
	}
	if err != nil {
		w.Log.Warn("it cannot be remembered that the webhook was told, so it may be told again", "file", w.State, "error", err)
	}
}
