package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/monthly"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// At the start the webhook is told of what is filed already. The month that is
// filed here is that of yesterday, so that none is due.
func TestServeTellsOfReports(t *testing.T) {
	meshFile, spec := stage(t)
	folder, cache := filepath.Join(t.TempDir(), "filed"), t.TempDir()
	month := time.Now().UTC().AddDate(0, 0, -1).Format("2006-01")
	if _, stderr, status := run(t.Context(), "report", "--mesh", meshFile, "--store", spec, "--period", month, "--format", "all", "--out", folder); status != 0 {
		t.Fatalf("status %d, %s", status, stderr)
	}
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretFile := put(t, t.TempDir(), "secret", secret+"\n")
	type posted struct {
		header http.Header
		body   []byte
	}
	notices := make(chan posted, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		notices <- posted{r.Header, body}
	}))
	defer receiver.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int, 1)
	var log strings.Builder
	go func() {
		done <- cli.Run(ctx, "fibergauge-analyzer", about, &grammar{}, []string{
			"serve", "--mesh", meshFile, "--store", spec, "--cache", cache, "--listen", "127.0.0.1:0",
			"--reports", folder, "--webhook", receiver.URL + "/hook", "--webhook-secret", secretFile,
		}, io.Discard, &log)
	}()
	var got posted
	select {
	case got = <-notices:
	case status := <-done:
		t.Fatalf("status %d: %s", status, log.String())
	}
	stop()
	if status := <-done; status != 0 {
		t.Errorf("status %d: %s", status, log.String())
	}
	var n monthly.Notice
	if err := json.Unmarshal(got.body, &n); err != nil || n.Manifest != "report-"+month+".manifest.json" || n.Revision != 1 {
		t.Errorf("%v: %s", err, got.body)
	}
	key, err := monthly.ParseSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if want := monthly.Signature(key, n.ManifestSHA256, got.header.Get("webhook-timestamp"), got.body); got.header.Get("webhook-signature") != want {
		t.Errorf("signature %q, want %q", got.header.Get("webhook-signature"), want)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) == 0 {
		t.Fatal(err)
	} else {
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "report-"+month+".") {
				t.Errorf("%s was filed", e.Name())
			}
		}
	}
}

func TestFilingOfServeRefuses(t *testing.T) {
	meshFile, spec := stage(t)
	dir := t.TempDir()
	open := put(t, dir, "open", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	short := put(t, dir, "short", "secret")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--webhook", "https://example.org/"}, "--reports-key, --webhook and --webhook-secret are about what --reports files; name its folder"},
		{[]string{"--reports", meshFile}, "--reports " + meshFile + " is a file; name a folder"},
		{[]string{"--reports", dir, "--reports-hour", "24"}, "--reports-hour 24; allowed: 0 to 23"},
		{[]string{"--reports", dir, "--reports-settle", "2000h"}, "--reports-settle 2000h0m0s; allowed: 0s to 1440h"},
		{[]string{"--reports", dir, "--reports-key", short}, "--reports-key: " + short + " holds no private key"},
		{[]string{"--reports", dir, "--webhook-secret", short}, "--webhook-secret signs what is posted; give --webhook"},
		{[]string{"--reports", dir, "--webhook", "http://example.org/"}, "--webhook: http://example.org/: what is posted could be read and changed on the way; use https"},
		{[]string{"--reports", dir, "--webhook", "https://example.org/", "--webhook-secret", open}, "is open to others than its owner (mode 0644); it must not be: chmod 600 " + open},
		{[]string{"--reports", dir, "--webhook", "https://example.org/", "--webhook-secret", short}, "--webhook-secret " + short + ": it has to be whsec_ and 24 to 64 random bytes in Base64"},
	} {
		_, stderr, status := run(t.Context(), append([]string{"serve", "--mesh", meshFile, "--store", spec}, c.args...)...)
		if status != cli.StatusUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d\n got %swant %s", c.args, status, stderr, c.want)
		}
	}
}
