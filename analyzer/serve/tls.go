package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
)

// FollowCertificate follows a certificate and its key, both PEM.
func FollowCertificate(certificate, key string, metrics *Metrics, log *slog.Logger) (*Followed[tls.Certificate], error) {
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			// Also between two writes of a renewal, when they do not belong
			// together; the next look finds both.
			return nil, fmt.Errorf("certificate %s and key %s: %w", certificate, key, err)
		}
		return &pair, nil
	}
	return Follow("certificate and key", []string{certificate, key}, load, nil, metrics, log)
}

// TLS is TLS 1.3 with the certificate that is in force when somebody connects.
func TLS(certificate *Followed[tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return certificate.Current(), nil
		},
	}
}
