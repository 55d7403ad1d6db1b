// Package pki is a small certificate authority in a folder. Operators make the
// folder, server certificates and tokens by command; probes enrol and renew
// through the one collector that has the folder; what others need of it, the
// root and the list of revoked certificates, are files that they copy.
//
// The folder holds
//
//	authority.pem       the root certificate
//	authority-key.pem   its key
//	crl.pem             the certificates revoked, signed anew on every change
//	issued/SERIAL.pem   every certificate issued
//	tokens/HASH.json    tokens to enrol by, named by the SHA-256 of their secrets
//	lock                held while anything is changed
//
// Every file is written beside its place, made durable and moved there, in an
// order in which a crash between any two leaves a folder that works.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	rootFile    = "authority.pem"
	rootKeyFile = "authority-key.pem"
	crlFile     = "crl.pem"
	lockFile    = "lock"
	issuedDir   = "issued"
	tokensDir   = "tokens"
)

// Lives of what is issued.
const (
	RootLife   = 10 * 365 * 24 * time.Hour
	ServerLife = 397 * 24 * time.Hour
	SiteLife   = 30 * 24 * time.Hour
	CRLLife    = 30 * 24 * time.Hour

	// Backdating lets clocks differ: certificates and keys count from that long
	// before they were made.
	Backdating = 5 * time.Minute
)

// Folder is a certificate authority. It is safe for concurrent use, also by
// several processes.
type Folder struct {
	Dir    string
	Root   *x509.Certificate
	Domain string // trust domain of the sites
}

// Init makes a certificate authority in a folder that has none.
func Init(dir, name, domain string, now time.Time) (*Folder, error) {
	switch {
	case !wire.IsIdentifier(domain) || strings.ToLower(domain) != domain || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, "."):
		return nil, fmt.Errorf("trust domain %.80q is not lower-case letters, digits, . and -", domain)
	case name == "" || len(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, fmt.Errorf("name %.80q is not 1 to 64 printable bytes", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	var f *Folder
	err := locked(dir, func() (err error) {
		if err := vacant(dir); err != nil {
			return err // another was quicker
		}
		f, err = found(dir, name, domain, now)
		return err
	})
	return f, err
}

// vacant tells whether nothing stands in a folder but what an interrupted Init
// left there.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == rootFile:
			return fmt.Errorf("%s holds a certificate authority already; nothing is changed, choose another folder", dir)
		case name == rootKeyFile, name == crlFile, name == lockFile, name == issuedDir, name == tokensDir, strings.HasPrefix(name, temporary):
		default:
			return fmt.Errorf("%s is not empty (%s); choose a new folder", dir, name)
		}
	}
	return nil
}

// found writes the root last, so that a folder without one is not begun.
func found(dir, name, domain string, now time.Time) (*Folder, error) {
	for _, sub := range []string{issuedDir, tokensDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-Backdating), NotAfter: now.Add(RootLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		// Sites of another trust domain are none of this authority's business.
		PermittedDNSDomainsCritical: true, PermittedURIDomains: []string{domain},
	}, &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}}, key.Public(), key)
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	f := &Folder{Dir: dir, Root: root, Domain: domain}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := write(f.path(rootKeyFile), 0o600, encodePEM("PRIVATE KEY", keyDER)); err != nil {
		return nil, err
	}
	if err := f.signCRL(key, nil, big.NewInt(1), now); err != nil {
		return nil, err
	}
	return f, write(f.path(rootFile), 0o644, encodePEM("CERTIFICATE", der))
}

// Open reads a certificate authority.
func Open(dir string) (*Folder, error) {
	der, err := decodePEM(filepath.Join(dir, rootFile), "CERTIFICATE")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pki: %s holds no certificate authority; make one: fibergauge-collector pki init --pki %[1]s", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", filepath.Join(dir, rootFile), err)
	}
	if len(root.PermittedURIDomains) != 1 || !root.IsCA {
		return nil, fmt.Errorf("pki: %s was not made by pki init; for another authority give --client-ca and --crl instead of --pki", filepath.Join(dir, rootFile))
	}
	if err := private(dir); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	f := &Folder{Dir: dir, Root: root, Domain: root.PermittedURIDomains[0]}
	if _, err := f.key(); err != nil {
		return nil, err
	}
	if _, err := f.crl(); err != nil {
		return nil, err
	}
	return f, nil
}

// private tells whether only its owner can enter a folder.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o) and holds the key of the authority; chmod 700 %[1]s", dir, info.Mode().Perm())
	}
	return err
}

// RootPath is the file with the root, for --client-ca of other collectors.
func (f *Folder) RootPath() string { return f.path(rootFile) }

// CRLPath is the file with the list of revoked certificates.
func (f *Folder) CRLPath() string { return f.path(crlFile) }

func (f *Folder) path(parts ...string) string {
	return filepath.Join(append([]string{f.Dir}, parts...)...)
}

// key reads the authority's key, each time anew: it is not kept in memory.
func (f *Folder) key() (crypto.Signer, error) {
	der, err := decodePEM(f.path(rootKeyFile), "PRIVATE KEY")
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", f.path(rootKeyFile), err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(f.Root.PublicKey) {
		return nil, fmt.Errorf("pki: %s is not the key of %s; put the right one back", f.path(rootKeyFile), f.path(rootFile))
	}
	return key, nil
}

// newSerial is random, so that no two processes have to agree on the next one.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of one length
	return new(big.Int).SetBytes(b[:]), nil
}

// Serial is a serial number as it is shown and named.
func Serial(n *big.Int) string { return hex.EncodeToString(n.Bytes()) }

// issue signs a certificate and keeps it. The caller holds the lock.
func (f *Folder) issue(template *x509.Certificate, public crypto.PublicKey, life time.Duration, now time.Time) (*x509.Certificate, error) {
	key, err := f.key()
	if err != nil {
		return nil, err
	}
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	template.NotBefore, template.NotAfter = now.Add(-Backdating), now.Add(life)
	if template.NotAfter.After(f.Root.NotAfter) {
		template.NotAfter = f.Root.NotAfter
	}
	if !now.Before(template.NotAfter) {
		return nil, fmt.Errorf("pki: the authority in %s has ended on %s; make a new one (pki init) and let all probes enrol again", f.Dir, f.Root.NotAfter.Format(time.RFC3339))
	}
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, f.Root, public, key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	issued, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := write(f.path(issuedDir, Serial(issued.SerialNumber)+".pem"), 0o644, encodePEM("CERTIFICATE", der)); err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return issued, nil
}

// Issued gives all certificates that were issued, the earliest first.
func (f *Folder) Issued() ([]*x509.Certificate, error) {
	entries, err := os.ReadDir(f.path(issuedDir))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	var all []*x509.Certificate
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pem" || strings.HasPrefix(e.Name(), temporary) {
			continue
		}
		c, err := f.issued(strings.TrimSuffix(e.Name(), ".pem"))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return byAge(all), nil
}

func (f *Folder) issued(serial string) (*x509.Certificate, error) {
	path := f.path(issuedDir, serial+".pem")
	der, err := decodePEM(path, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", path, err)
	}
	if !bytes.Equal(c.RawIssuer, f.Root.RawSubject) {
		return nil, fmt.Errorf("pki: %s is of another authority", path)
	}
	return c, nil
}
