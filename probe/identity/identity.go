// Package identity is who a probe is: the keys and certificates by which the
// collector believes it, and the roots by which it believes the collector.
//
// They come from a folder. Enrol fills it once, by a token of the collector's
// operators; Renewal keeps the certificate fresh while the probe runs; a site
// with a certificate authority of its own puts the files there by itself. They
// go to package uplink: into each TLS connection, and under each batch. All
// cryptography is that of the standard library.
//
// The files, in PEM:
//
//	key.pem          key of the certificate, PKCS #8, mode 0600
//	certificate.pem  own certificate, then those between it and the root
//	authority.pem    roots by which the collector is believed
//	signing-key.pem  Ed25519 key that signs batches, PKCS #8, mode 0600; optional
//
// Beside them stand, for a moment or after an interruption, the keys of a
// certificate that was asked for: renew-key.pem, or enrol-key.pem and
// enrol-signing-key.pem. certificate.pem is replaced last and at once, and the
// keys that fit it are those in force, so that there is no moment at which a
// power cut leaves a probe without an identity.
package identity

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Names of the files in the folder.
const (
	keyFile         = "key.pem"
	certificateFile = "certificate.pem"
	authorityFile   = "authority.pem"
	signingFile     = "signing-key.pem"

	renewKeyFile     = "renew-key.pem"
	enrolKeyFile     = "enrol-key.pem"
	enrolSigningFile = "enrol-signing-key.pem"
)

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// Identity is what a folder held when it was read.
type Identity struct {
	Site        string
	Certificate tls.Certificate // with its Leaf
	Roots       []*x509.Certificate
	Signing     ed25519.PrivateKey // nil: batches are not signed
}

// Read reads the identity of a site from a folder. Every part has to be there
// and to fit the others, but the signing key may be absent. Whether the
// certificate is in force now is another question: see InForce.
func Read(dir, site string) (*Identity, error) {
	id, err := readAny(dir)
	if err != nil {
		return nil, err
	}
	if id.Site != site {
		return nil, fmt.Errorf("the certificate in %s is of site %s, not of %s; correct --site or --identity", dir, id.Site, site)
	}
	return id, nil
}

// ReadSigningKey reads only the key that signs batches, for a probe that
// reaches its collector without TLS; nil where there is none.
func ReadSigningKey(dir string) (ed25519.PrivateKey, error) {
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	if id, err := readAny(dir); err == nil {
		return id.Signing, nil
	}
	return signingKey(dir, signingFile)
}

// readAny reads the identity of whatever site.
func readAny(dir string) (*Identity, error) {
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	chain, err := certificates(dir, certificateFile)
	if err != nil {
		return nil, err
	}
	id := &Identity{}
	if id.Site, err = siteOf(chain[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, certificateFile), err)
	}
	if id.Roots, err = certificates(dir, authorityFile); err != nil {
		return nil, err
	}
	key, file, err := fittingKey(dir, chain[0])
	if err != nil {
		return nil, err
	}
	id.Certificate = tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		id.Certificate.Certificate = append(id.Certificate.Certificate, c.Raw)
	}
	if file == enrolKeyFile {
		if id.Signing, err = signingKey(dir, enrolSigningFile); err != nil || id.Signing != nil {
			return id, err
		}
	}
	id.Signing, err = signingKey(dir, signingFile)
	return id, err
}

// siteOf gives the site that a certificate names, of any trust domain: which
// domain is believed, the collector decides.
func siteOf(c *x509.Certificate) (string, error) {
	domain := wire.DefaultTrustDomain
	if len(c.URIs) == 1 {
		domain = c.URIs[0].Host
	}
	return wire.SiteOf(domain, c.URIs)
}

// InForce tells whether the certificate can be used at a time.
func (id *Identity) InForce(now time.Time) error {
	own := id.Certificate.Leaf
	switch {
	case now.Before(own.NotBefore):
		return fmt.Errorf("the clock of this host says %s, and the certificate of site %s begins at %s: set the clock",
			moment(now), id.Site, moment(own.NotBefore))
	case now.After(own.NotAfter):
		return fmt.Errorf("the certificate of site %s ended at %s: have a token made by fibergauge-collector pki token %s and enrol again (fibergauge-probe enrol); if it is not %s now, set the clock",
			id.Site, moment(own.NotAfter), id.Site, moment(now))
	}
	return nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// pool holds the roots, in the form of package tls.
func pool(roots []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range roots {
		p.AddCert(c)
	}
	return p
}

// fittingKey finds the key of a certificate, and tells which file it was in.
func fittingKey(dir string, own *x509.Certificate) (crypto.Signer, string, error) {
	var first error
	for _, file := range []string{keyFile, enrolKeyFile, renewKeyFile} {
		key, err := privateKey(dir, file)
		if err == nil && key != nil && fits(key, own) {
			return key, file, nil
		}
		if err == nil && key == nil && file == keyFile {
			err = fmt.Errorf("%s is missing; enrol this probe (fibergauge-probe enrol), or put the key of %s there", filepath.Join(dir, keyFile), certificateFile)
		}
		if err != nil && first == nil {
			first = err
		}
	}
	if first == nil {
		first = fmt.Errorf("%s is not the key of %s in the same folder; put both of one pair there, or enrol again (fibergauge-probe enrol --again)",
			filepath.Join(dir, keyFile), certificateFile)
	}
	return nil, "", first
}

func fits(key crypto.Signer, own *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(own.PublicKey)
}

// signingKey reads the key that signs batches; nil where there is none.
func signingKey(dir, file string) (ed25519.PrivateKey, error) {
	key, err := privateKey(dir, file)
	if err != nil || key == nil {
		return nil, err
	}
	signing, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key; batches are signed by no other (openssl genpkey -algorithm ed25519 makes one)", filepath.Join(dir, file))
	}
	return signing, nil
}

// privateKey reads a private key that nobody else can read; nil where there is
// no such file. The errors tell nothing of the key.
func privateKey(dir, file string) (crypto.Signer, error) {
	path := filepath.Join(dir, file)
	data, mode, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s is open to others than its owner (mode %#o); a key must not be: chmod 600 %s", path, mode.Perm(), path)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM; a key in PKCS #8 is needed (BEGIN PRIVATE KEY)", path)
	}
	if block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds a %.40q; a key in PKCS #8 is needed (openssl pkcs8 -topk8 -nocrypt makes one of it)", path, block.Type)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no key that can be read; it has to be RSA, ECDSA or Ed25519 in PKCS #8", path)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign; it has to be RSA, ECDSA or Ed25519", path)
	}
	return key, nil
}

// certificates reads a file of at least one certificate.
func certificates(dir, file string) ([]*x509.Certificate, error) {
	path := filepath.Join(dir, file)
	data, _, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing; enrol this probe first: fibergauge-probe enrol --identity %s", path, dir)
	}
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s holds a %.40q; only certificates belong there", path, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read: %w", path, len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return all, nil
}

// checkFolder refuses a folder in which others could change the identity.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing; enrol this probe first: fibergauge-probe enrol --identity %s", dir, dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s can be changed by others than its owner (mode %#o); whoever does speaks for the site: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

func read(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, 0, fmt.Errorf("%w; it must belong to the account that this runs as: chown ACCOUNT %s", err, path)
	}
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxFile {
		return nil, 0, fmt.Errorf("%s is above %d bytes", path, maxFile)
	}
	return data, info.Mode(), nil
}

// inPEM writes blocks of one type.
func inPEM(kind string, blocks ...[]byte) []byte {
	var buf bytes.Buffer
	for _, b := range blocks {
		buf.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return buf.Bytes()
}
