package pki

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// serverRenewal is how much of its life a server certificate has left when it
	// is renewed: a month before anybody is warned.
	serverRenewal = 60 * 24 * time.Hour
	// endedKept is how long certificates that have ended, and tokens that have
	// expired, are listed.
	endedKept = 90 * 24 * time.Hour
)

// RenewServer issues a server certificate anew, for the same hosts and key, and
// puts it in the place of the one before, where that ends soon and is of this
// authority. It gives nil where there is nothing to renew.
func (f *Folder) RenewServer(certificate, key string, now time.Time) (*x509.Certificate, error) {
	data, err := os.ReadFile(certificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil // who reads it for the listener says what is wrong
	}
	old, err := x509.ParseCertificate(block.Bytes)
	if err != nil || old.CheckSignatureFrom(f.Root) != nil ||
		old.NotAfter.Sub(now) > serverRenewal || !old.NotAfter.Before(f.Root.NotAfter) {
		return nil, nil
	}
	if _, err := os.Stat(key); err != nil {
		return nil, err // serverKey would make one
	}
	own, err := serverKey(key)
	if err != nil {
		return nil, err
	}
	if !sameKey(own.Public(), old.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s; run pki server again", key, certificate)
	}
	// What may be a link stays one.
	place, err := filepath.EvalSymlinks(certificate)
	if err != nil {
		return nil, err
	}
	var issued *x509.Certificate
	err = locked(f.Dir, func() error {
		list, err := f.crl()
		if err != nil {
			return err
		}
		if revokes(list, old) {
			return fmt.Errorf("%s was revoked, and so is not renewed; run pki server again, with another --out for another key", certificate)
		}
		if issued, err = f.issue(serverTemplate(old.DNSNames, old.IPAddresses), old.PublicKey, ServerLife, now); err != nil {
			return err
		}
		return write(place, 0o644, append(encodePEM("CERTIFICATE", issued.Raw), encodePEM("CERTIFICATE", f.Root.Raw)...))
	})
	return issued, err
}

// Clear removes certificates that ended and tokens that expired long ago, and
// what crashes left half written. The list of revoked certificates stays whole.
//
// It removes nothing while no site has a certificate in force: then it may be the
// clock that is wrong, and what it takes for ended could not be revoked any more.
func (f *Folder) Clear(now time.Time) (removed int, err error) {
	err = locked(f.Dir, func() error {
		all, err := f.Issued()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(c *x509.Certificate) bool {
			return f.SiteOf(c) != "" && !now.Before(c.NotBefore) && now.Before(c.NotAfter)
		}) {
			return nil
		}
		var old []string
		for _, c := range all {
			if now.Sub(c.NotAfter) > endedKept {
				old = append(old, f.path(issuedDir, Serial(c.SerialNumber)+".pem"))
			}
		}
		tickets, err := f.tickets()
		if err != nil {
			return err
		}
		for name, t := range tickets {
			if now.Sub(t.Expires) > endedKept {
				old = append(old, f.path(tokensDir, name+".json"))
			}
		}
		for _, dir := range []string{f.Dir, f.path(issuedDir), f.path(tokensDir)} {
			// Who writes here holds the lock, so these are nobody's.
			left, err := filepath.Glob(filepath.Join(dir, temporary+"*"))
			if err != nil {
				return err
			}
			old = append(old, left...)
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("pki: %w", err)
	}
	return removed, err
}

// EndingServers gives the certificates of servers that end within a time, and
// for whose hosts there is none that ends later.
func (f *Folder) EndingServers(issued []*x509.Certificate, within time.Duration, now time.Time) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(issued), func(c *x509.Certificate) bool {
		return f.SiteOf(c) != "" || !now.Before(c.NotAfter) || c.NotAfter.Sub(now) > within ||
			slices.ContainsFunc(issued, func(o *x509.Certificate) bool {
				return f.SiteOf(o) == "" && Hosts(o) == Hosts(c) && o.NotAfter.After(c.NotAfter)
			})
	})
}

// Hosts names those of a server's certificate, in an order that does not hang on
// the one in which they were given.
func Hosts(c *x509.Certificate) string {
	names := slices.Sorted(slices.Values(c.DNSNames))
	var addresses []string
	for _, ip := range c.IPAddresses {
		addresses = append(addresses, ip.String())
	}
	slices.Sort(addresses)
	return strings.Join(append(names, addresses...), ", ")
}
