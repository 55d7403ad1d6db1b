package api

import (
	"log/slog"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/collector/metrics"
)

// serverLog takes the lines that net/http writes about a server. Connections
// that never became TLS are told in no other way; they are counted by reason, and
// a flood of them does not become a flood of log.
type serverLog struct {
	metrics    *metrics.Metrics
	log        *slog.Logger
	handshakes *throttle
	others     *throttle
}

func newServerLog(m *metrics.Metrics, now func() time.Time, log *slog.Logger) *serverLog {
	return &serverLog{metrics: m, log: log, handshakes: newThrottle(now), others: newThrottle(now)}
}

// Write takes a line.
func (l *serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	rest, ok := strings.CutPrefix(text, "http: TLS handshake error from ")
	if !ok {
		if l.others.allow() {
			l.log.Warn(clip(text), l.others.held()...)
		}
		return len(line), nil
	}
	from, cause, _ := strings.Cut(rest, ": ")
	reason := handshakeReason(cause)
	l.metrics.HandshakeFailed(reason)
	if l.handshakes.allow() {
		l.log.Warn("a TLS connection was not made", append([]any{"from", from, "reason", reason, "error", clip(cause)}, l.handshakes.held()...)...)
	}
	return len(line), nil
}

// handshakeReason sorts what crypto/tls, package identity and the network say.
// The errors themselves do not come this far, only their texts.
func handshakeReason(cause string) metrics.Handshake {
	for _, known := range []struct {
		part   string
		reason metrics.Handshake
	}{
		{"the certificate was revoked", metrics.HandshakeRevoked},
		{"failed to verify certificate", metrics.HandshakeCertificate},
		{"the certificate is not in force", metrics.HandshakeCertificate},
		{"remote error", metrics.HandshakeDisbelieved},
		{"unsupported versions", metrics.HandshakeVersion},
		{"protocol version not supported", metrics.HandshakeVersion},
		{"does not look like a TLS handshake", metrics.HandshakeNoTLS},
		{"client sent an HTTP request", metrics.HandshakeNoTLS},
		{"i/o timeout", metrics.HandshakeTimeout},
		{"deadline exceeded", metrics.HandshakeTimeout},
		{"EOF", metrics.HandshakeGone},
		{"connection reset", metrics.HandshakeGone},
		{"broken pipe", metrics.HandshakeGone},
		{"use of closed network connection", metrics.HandshakeGone},
	} {
		if strings.Contains(cause, known.part) {
			return known.reason
		}
	}
	return metrics.HandshakeOther
}
