// Package identity says who is who on a TLS listener. It reads the collector's
// certificate, the authorities of the sites and the lists of revoked
// certificates from files, follows their changes, and tells of a connection
// which site it comes from.
package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Files are what a TLS listener lives on. All are PEM.
type Files struct {
	Certificate string // the collector's own, then the others of its chain, with the root
	Key         string
	ClientCA    string // authorities of the sites
	CRL         string // one list or several; empty: nothing is revoked
	TrustDomain string
}

// maxFile bounds what is read of a file: a list of 500 000 certificates.
const maxFile = 32 << 20

// State is what the files said when they were read.
type State struct {
	Certificate tls.Certificate // Leaf is set
	Authorities []*x509.Certificate
	Lists       []*x509.RevocationList
	// Warnings are what works now and will not, or not for everybody.
	Warnings []string

	domain  string
	pool    *x509.CertPool
	revoked map[string]time.Time
	config  *tls.Config
}

// Load reads the files. An error names the file, and says what to do.
func (f Files) Load(now time.Time) (*State, error) {
	s := &State{domain: f.TrustDomain, pool: x509.NewCertPool(), revoked: map[string]time.Time{}}
	if err := s.own(f, now); err != nil {
		return nil, err
	}
	if err := s.authorities(f.ClientCA, now); err != nil {
		return nil, err
	}
	if f.CRL != "" {
		if err := s.lists(f.CRL, now); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *State) own(f Files, now time.Time) error {
	chain, err := certificates(f.Certificate)
	if err != nil {
		return fmt.Errorf("tls-certificate: %w", err)
	}
	key, err := read(f.Key)
	if err != nil {
		return fmt.Errorf("tls-key: %w", err)
	}
	// A group may read it: that is how a host gives services the keys of others.
	if info, err := os.Stat(f.Key); err == nil && info.Mode().Perm()&0o037 != 0 {
		return fmt.Errorf("tls-key: %s is open to others than its owner (mode %04o); a key must not be: chmod 600 %[1]s, or 640 where a group of its own has to read it", f.Key, info.Mode().Perm())
	}
	var text []byte
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if s.Certificate, err = tls.X509KeyPair(text, key); err != nil {
		return fmt.Errorf("tls-key: %s does not fit %s: %w; give the key that the certificate was made for, in PEM and without a passphrase", f.Key, f.Certificate, err)
	}
	leaf := chain[0]
	s.Certificate.Leaf = leaf
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	rooted := false
	for _, c := range chain[1:] {
		if selfSigned(c) {
			roots.AddCert(c)
			rooted = true
		} else {
			between.AddCert(c)
		}
	}
	switch {
	case leaf.IsCA:
		return fmt.Errorf("tls-certificate: the first certificate in %s is that of an authority; put the collector's own first", f.Certificate)
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("tls-certificate: %s is in force from %s, and the clock says %s; set the clock, or wait", f.Certificate, moment(leaf.NotBefore), moment(now))
	case !now.Before(leaf.NotAfter):
		return fmt.Errorf("tls-certificate: %s has ended on %s; have another made, for example: fibergauge-collector pki server", f.Certificate, moment(leaf.NotAfter))
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		return fmt.Errorf("tls-certificate: %s names no host as a subject alternative name; have one made that names the hosts by which probes reach the collector", f.Certificate)
	case !rooted:
		return fmt.Errorf("tls-certificate: %s holds no root; append the certificates of its authority up to the self-signed one, by which probes that enrol believe the collector", f.Certificate)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return fmt.Errorf("tls-certificate: the chain in %s does not hold: %w; put the certificate of each issuer after the one that it signed", f.Certificate, err)
	}
	if left := leaf.NotAfter.Sub(now); left < 30*24*time.Hour {
		// Counted in days, so that the log tells of it each day.
		s.warn("%s ends on %s; have another made (%d days are left)", f.Certificate, moment(leaf.NotAfter), int(left.Hours()/24))
	}
	return nil
}

func (s *State) authorities(path string, now time.Time) error {
	all, err := certificates(path)
	if err != nil {
		return fmt.Errorf("client-ca: %w", err)
	}
	alive := 0
	for _, c := range all {
		if !c.IsCA || !c.BasicConstraintsValid {
			return fmt.Errorf("client-ca: %s holds the certificate %q, which is not that of an authority; take it out", path, c.Subject)
		}
		if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
			s.warn("%s: the authority %q is in force from %s to %s only", path, c.Subject, moment(c.NotBefore), moment(c.NotAfter))
		} else {
			alive++
			if left := c.NotAfter.Sub(now); left < 180*24*time.Hour {
				s.warn("%s: the authority %q ends on %s, and so does all that it issued; put its successor beside it (%d days are left)", path, c.Subject, moment(c.NotAfter), int(left.Hours()/24))
			}
		}
		s.pool.AddCert(c)
	}
	if alive == 0 {
		return fmt.Errorf("client-ca: no authority in %s is in force now; put the new one in", path)
	}
	s.Authorities = all
	return nil
}

func (s *State) lists(path string, now time.Time) error {
	blocks, err := blocks(path, "X509 CRL")
	if err != nil {
		return fmt.Errorf("crl: %w", err)
	}
	listed := map[string]bool{} // authorities that have a list
	for _, der := range blocks {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return fmt.Errorf("crl: %s: %w", path, err)
		}
		by, err := s.vouched(list)
		if err != nil {
			return fmt.Errorf("crl: %s %w", path, err)
		}
		listed[signer(by)] = true
		for _, e := range list.RevokedCertificateEntries {
			s.revoked[revocationKey(list.RawIssuer, e.SerialNumber.Bytes())] = e.RevocationTime
		}
		if !now.Before(list.NextUpdate) {
			s.warn("%s: the list of %q has expired on %s: what it names stays out, what was revoked since is let in; bring the new list", path, list.Issuer, moment(list.NextUpdate))
		}
		s.Lists = append(s.Lists, list)
	}
	for _, c := range s.Authorities {
		if !listed[signer(c)] {
			s.warn("%s holds no list of the authority %q: what it revoked is let in until it ends; add its list", path, c.Subject)
		}
	}
	return nil
}

// signer tells authorities apart by name and key: an authority may have several
// certificates, and its lists are of all of them.
func signer(authority *x509.Certificate) string {
	return string(authority.RawSubject) + "\x00" + string(authority.RawSubjectPublicKeyInfo)
}

// vouched gives the authority whose list it is, and tells whether it is whole.
func (s *State) vouched(list *x509.RevocationList) (*x509.Certificate, error) {
	for _, e := range list.Extensions {
		if e.Id.String() == "2.5.29.27" {
			return nil, errors.New("is a delta list; give the whole one")
		}
	}
	for _, e := range list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, errors.New("is an indirect list; give one that each authority has signed itself")
			}
		}
	}
	for _, c := range s.Authorities {
		if bytes.Equal(c.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(c) == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("is of %q, which is no authority in --client-ca, or is not signed by it; give the list of the authority that issues the sites' certificates, or add that to --client-ca", list.Issuer)
}

func (s *State) warn(format string, args ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, args...))
}

func revocationKey(issuer, serial []byte) string { return string(issuer) + "\x00" + string(serial) }

// supersedes tells why a state must not follow another: without the list of an
// authority that is still believed, or with an older one, revoked certificates
// would be let in again.
func (s *State) supersedes(before *State) error {
	for _, old := range before.Lists {
		by, err := before.vouched(old)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.Authorities, func(c *x509.Certificate) bool { return signer(c) == signer(by) }) {
			continue // nobody that it let in is let in any more
		}
		// Lists of several scopes are as new as the newest of them.
		var newest *x509.RevocationList
		for _, list := range s.Lists {
			if of, err := s.vouched(list); err == nil && signer(of) == signer(by) && (newest == nil || older(newest, list)) {
				newest = list
			}
		}
		switch {
		case newest == nil:
			return fmt.Errorf("crl: the list of %q is gone, and its authority is still in --client-ca; bring the newest list", old.Issuer)
		case older(newest, old):
			return fmt.Errorf("crl: the list of %q is number %d of %s, older than number %d of %s that is in force; bring the newest",
				old.Issuer, newest.Number, moment(newest.ThisUpdate), old.Number, moment(old.ThisUpdate))
		}
	}
	return nil
}

// older compares lists by number, and by date where one of them has none.
func older(a, b *x509.RevocationList) bool {
	if a.Number != nil && b.Number != nil {
		return a.Number.Cmp(b.Number) < 0
	}
	return a.ThisUpdate.Before(b.ThisUpdate)
}

// Revoked counts the certificates that the lists name.
func (s *State) Revoked() int { return len(s.revoked) }

// certificates reads all certificates of a file.
func certificates(path string) ([]*x509.Certificate, error) {
	all, err := blocks(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	var parsed []*x509.Certificate
	for _, der := range all {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
}

// blocks gives the PEM blocks of one kind that a file holds; there has to be one.
func blocks(path, kind string) ([][]byte, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type == kind {
			all = append(all, block.Bytes)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no PEM block %s; convert it, or give another file", path, kind)
	}
	if strings.Contains(string(data), "-----BEGIN "+kind) {
		return nil, fmt.Errorf("%s: a PEM block %s is damaged or cut off; copy the file again", path, kind)
	}
	return all, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, nil
}

func selfSigned(c *x509.Certificate) bool {
	return c.IsCA && bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// site tells whose certificates a client has shown, judged now: a connection,
// or a session that it resumes, may be older than a revocation.
func (s *State) site(shown []*x509.Certificate, now time.Time) (string, error) {
	if err := s.verify(shown, now); err != nil {
		return "", err
	}
	if shown[0].IsCA {
		return "", &Foreign{"the certificate is that of an authority; enrol the site, and use the certificate that it gets"}
	}
	site, err := wire.SiteOf(s.domain, shown[0].URIs)
	if err != nil {
		return "", &Foreign{err.Error()}
	}
	return site, nil
}

// verify tells whether a chain leads to an authority and nobody in it is revoked.
func (s *State) verify(shown []*x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	chains, err := shown[0].Verify(x509.VerifyOptions{
		Roots: s.pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return &Ended{fmt.Sprintf("the certificate is not in force: %v; enrol again", err)}
	}
	for _, chain := range chains {
		if !s.anyRevoked(chain) {
			return nil
		}
	}
	return &Ended{"the certificate was revoked; ask the collector's operators why, and enrol again by a new token"}
}

func (s *State) anyRevoked(chain []*x509.Certificate) bool {
	for _, c := range chain {
		if _, ok := s.revoked[revocationKey(c.RawIssuer, c.SerialNumber.Bytes())]; ok {
			return true
		}
	}
	return false
}

// Ended is why a certificate is not believed any longer.
type Ended struct{ Reason string }

func (e *Ended) Error() string { return e.Reason }

// Foreign is why a certificate that is in force names no site.
type Foreign struct{ Reason string }

func (e *Foreign) Error() string { return e.Reason }

// ErrNone is that a client has shown no certificate.
var ErrNone = errors.New("no certificate was shown; enrol the probe (fibergauge-probe enrol), and give it --identity")

// Ends tells when what the listener lives on ends: its certificate, the first of
// the authorities and the first of the lists (zero where there is none); and how
// many certificates are revoked.
func (s *State) Ends() (certificate, authority, crl time.Time, revoked int) {
	certificate = s.Certificate.Leaf.NotAfter
	for _, c := range s.Authorities {
		authority = first(authority, c.NotAfter)
	}
	for _, l := range s.Lists {
		crl = first(crl, l.NextUpdate)
	}
	return certificate, authority, crl, s.Revoked()
}

func first(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
