package pki

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Files of a server certificate.
const (
	ServerCertificateFile = "server.pem"
	ServerKeyFile         = "server-key.pem"
)

var hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Server issues a certificate for a collector at the given hosts, DNS names and
// IP addresses, and writes it into the folder out, the whole chain with the
// root. A key that stands there is used again, so that the running collector
// never sees a certificate without its key.
func (f *Folder) Server(out string, hosts []string, now time.Time) (*x509.Certificate, error) {
	template := serverTemplate(nil, nil)
	for _, host := range hosts {
		if address, err := netip.ParseAddr(host); err == nil && address.Zone() == "" {
			template.IPAddresses = append(template.IPAddresses, address.AsSlice())
		} else if len(host) <= 253 && hostName.MatchString(host) {
			template.DNSNames = append(template.DNSNames, host)
		} else {
			return nil, fmt.Errorf("host %.80q is neither a DNS name nor an IP address; give it without scheme and port", host)
		}
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return nil, err
	}
	key, err := serverKey(filepath.Join(out, ServerKeyFile))
	if err != nil {
		return nil, err
	}
	var issued *x509.Certificate
	err = locked(f.Dir, func() error {
		issued, err = f.issue(template, key.Public(), ServerLife, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	chain := append(encodePEM("CERTIFICATE", issued.Raw), encodePEM("CERTIFICATE", f.Root.Raw)...)
	return issued, write(filepath.Join(out, ServerCertificateFile), 0o644, chain)
}

func serverTemplate(names []string, addresses []net.IP) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "fibergauge-collector"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names, IPAddresses: addresses,
	}
}

// serverKey reads the key that stands at path, or makes one.
func serverKey(path string) (crypto.Signer, error) {
	der, err := decodePEM(path, "PRIVATE KEY")
	if err == nil {
		parsed, err := x509.ParsePKCS8PrivateKey(der)
		if key, ok := parsed.(crypto.Signer); err == nil && ok {
			return key, nil
		}
		return nil, fmt.Errorf("%s stands there and is no key; move it away, or give another folder", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, err
	}
	return key, write(path, 0o600, encodePEM("PRIVATE KEY", der))
}

// CheckRequest reads a certificate request (PKCS #10, DER) and gives its public
// key. Names in it count for nothing.
func CheckRequest(der []byte) (crypto.PublicKey, error) {
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("request: is no certificate request: %w", err)
	}
	switch key := r.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return nil, fmt.Errorf("request: the key is on curve %s; P-256 and P-384 are taken", key.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, fmt.Errorf("request: the RSA key has %d bits; 2048 to 8192 are taken", bits)
		}
	case ed25519.PublicKey:
	default:
		return nil, errors.New("request: the key is neither ECDSA (P-256, P-384) nor RSA nor Ed25519")
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("request: is not signed by its own key: %w", err)
	}
	return r.PublicKey, nil
}

// site issues a certificate for a site. The caller holds the lock.
func (f *Folder) site(site string, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	return f.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: site},
		URIs:        []*url.URL{wire.SiteURI(f.Domain, site)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public, SiteLife, now)
}

// renewals is how many certificates a site may have issued in an hour.
const renewals = 10

// ErrTooOften is that a site renews without measure.
var ErrTooOften = fmt.Errorf("more than %d certificates were issued to the site within an hour; come again later", renewals)

// Renew issues another certificate to a site. The same key within half of the
// life of its certificate is answered by the same one, so that a lost answer can
// be asked for again.
func (f *Folder) Renew(site string, public crypto.PublicKey, now time.Time) (issued *x509.Certificate, err error) {
	err = locked(f.Dir, func() error {
		all, err := f.of(site)
		if err != nil {
			return err
		}
		list, err := f.crl()
		if err != nil {
			return err
		}
		recent := 0
		for _, c := range all {
			if now.Sub(c.NotBefore) < time.Hour+Backdating {
				recent++
			}
			if sameKey(c.PublicKey, public) && c.NotAfter.Sub(now) > SiteLife/2 && !revokes(list, c) {
				issued = c
				return nil
			}
		}
		if recent >= renewals {
			return ErrTooOften
		}
		issued, err = f.site(site, public, now)
		return err
	})
	return issued, err
}

// of gives the certificates issued to a site, the earliest first.
func (f *Folder) of(site string) ([]*x509.Certificate, error) {
	all, err := f.Issued()
	return slices.DeleteFunc(all, func(c *x509.Certificate) bool { return f.SiteOf(c) != site }), err
}

// SiteOf is the site that a certificate of this authority names; "" for that of
// a server.
func (f *Folder) SiteOf(c *x509.Certificate) string {
	site, err := wire.SiteOf(f.Domain, c.URIs)
	if err != nil {
		return ""
	}
	return site
}

func sameKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func byAge(all []*x509.Certificate) []*x509.Certificate {
	slices.SortFunc(all, func(a, b *x509.Certificate) int {
		return cmp.Or(a.NotBefore.Compare(b.NotBefore), a.SerialNumber.Cmp(b.SerialNumber))
	})
	return all
}
