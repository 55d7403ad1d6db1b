package api

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/metrics"
)

// TestHandshakesDoNotFloodTheLog: lines are bounded, counters are not, and one
// kind of line does not keep the other out.
func TestHandshakesDoNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(1_750_000_000, 0)
	counters := metrics.New("test")
	l := log.New(newServerLog(counters, func() time.Time { return clock }, slog.New(slog.NewTextHandler(&out, nil))), "", 0)
	for i := range 10_000 {
		l.Printf("http: TLS handshake error from 192.0.2.1:%d: EOF", i+1)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 20 {
		t.Errorf("%d lines, want 20", lines)
	}
	out.Reset()
	clock = clock.Add(time.Second)
	l.Printf("http: TLS handshake error from [2001:db8::1]:443: tls: %s\x1b[2J", strings.Repeat("x", 10_000))
	for _, want := range []string{`from=[2001:db8::1]:443 reason=other`, "lines_left_out=9980"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in the log: %s", want, out.String())
		}
	}
	if len(out.String()) > 600 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("what a stranger sent is in the log as it came: %q", out.String())
	}
	out.Reset()
	l.Print("http: Accept error: too many open files; retrying in 5ms")
	if !strings.Contains(out.String(), "too many open files") {
		t.Errorf("the log has %s", out.String())
	}
	w := newBench(t, DefaultLimits())
	w.scrape = counters.Handler()
	body := w.do("GET", "/metrics", "").Body.String()
	for _, want := range []string{`{reason="gone"} 10000`, `{reason="other"} 1`, `{reason="revoked"} 0`} {
		if !strings.Contains(body, fmt.Sprintf("fibergauge_collector_handshakes_failed_total%s\n", want)) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
}

func TestHandshakeReason(t *testing.T) {
	for cause, want := range map[string]metrics.Handshake{
		"tls: failed to verify certificate: x509: certificate signed by unknown authority":             metrics.HandshakeCertificate,
		"the certificate is not in force: x509: certificate has expired or is not yet valid":           metrics.HandshakeCertificate,
		"the certificate was revoked; ask the collector's operators why, and enrol again":              metrics.HandshakeRevoked,
		"remote error: tls: bad certificate":                                                           metrics.HandshakeDisbelieved,
		"tls: client offered only unsupported versions: [303]":                                         metrics.HandshakeVersion,
		"tls: first record does not look like a TLS handshake":                                         metrics.HandshakeNoTLS,
		"client sent an HTTP request to an HTTPS server":                                               metrics.HandshakeNoTLS,
		"read tcp 127.0.0.1:8862->127.0.0.1:5: i/o timeout":                                            metrics.HandshakeTimeout,
		"context deadline exceeded":                                                                    metrics.HandshakeTimeout,
		"read tcp 127.0.0.1:8862->127.0.0.1:5: read: connection reset by peer":                         metrics.HandshakeGone,
		"write tcp 127.0.0.1:8862->127.0.0.1:5: use of closed network connection":                      metrics.HandshakeGone,
		"tls: no cipher suite supported by both client and server; client offered: [1301 1302 1303 0]": metrics.HandshakeOther,
	} {
		if got := handshakeReason(cause); got != want {
			t.Errorf("%s: %s, want %s", cause, got, want)
		}
	}
}
