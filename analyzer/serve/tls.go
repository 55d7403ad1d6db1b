package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
)

// FollowCertificate follows a certificate and its key, both PEM. A key that
// everybody may read, or others may change, is refused.
func FollowCertificate(certificate, key string, metrics *Metrics, log *slog.Logger) (*Followed[tls.Certificate], error) {
	load := func() (*tls.Certificate, error) {
		// A group may read it: that is how a host gives services the keys of others.
		if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o037 != 0 {
			return nil, fmt.Errorf("key %s is open to others than its owner (mode %04o); a key must not be: chmod 600 %[1]s, or 640 where a group of its own has to read it", key, info.Mode().Perm())
		}
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
