package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Reasons are those that a revocation may give (RFC 5280, section 5.3.1).
func Reasons() []string { return slices.Sorted(maps.Keys(reasons())) }

func reasons() map[string]int {
	return map[string]int{"unspecified": 0, "key-compromise": 1, "affiliation-changed": 3, "superseded": 4, "cessation-of-operation": 5}
}

// crl reads the list of revoked certificates.
func (f *Folder) crl() (*x509.RevocationList, error) {
	der, err := decodePEM(f.CRLPath(), "X509 CRL")
	if err != nil {
		return nil, fmt.Errorf("pki: %w; put back the list that was there, also from a collector that has a copy: without it all that was revoked would be let in", err)
	}
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		err = list.CheckSignatureFrom(f.Root)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w; put back the one that was there", f.CRLPath(), err)
	}
	return list, nil
}

// signCRL writes the list. The caller holds the lock.
func (f *Folder) signCRL(key crypto.Signer, revoked []x509.RevocationListEntry, number *big.Int, now time.Time) error {
	// Entries as read bring their extensions; the reason is written anew.
	for i := range revoked {
		revoked[i].Raw, revoked[i].Extensions = nil, nil
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		RevokedCertificateEntries: revoked, Number: number,
		ThisUpdate: now.Add(-Backdating), NextUpdate: now.Add(CRLLife),
	}, f.Root, key)
	if err != nil {
		return fmt.Errorf("pki: sign the list of revoked certificates: %w", err)
	}
	if err := write(f.CRLPath(), 0o644, encodePEM("X509 CRL", der)); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

func revokes(list *x509.RevocationList, c *x509.Certificate) bool {
	return slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(c.SerialNumber) == 0
	})
}

// RefreshCRL signs the list anew where half of its life is over, and tells
// whether it did.
func (f *Folder) RefreshCRL(now time.Time) (refreshed bool, err error) {
	err = locked(f.Dir, func() error {
		list, err := f.crl()
		if err != nil || list.NextUpdate.Sub(now) > CRLLife/2 {
			return err
		}
		key, err := f.key()
		if err != nil {
			return err
		}
		refreshed = true
		return f.signCRL(key, list.RevokedCertificateEntries, new(big.Int).Add(list.Number, big.NewInt(1)), now)
	})
	return refreshed, err
}

// Revocation is what Revoke did.
type Revocation struct {
	Site    string              // of which certificates were revoked; "" for that of a server
	Revoked []*x509.Certificate // now
	Others  []*x509.Certificate // certificates of the site that stay in force
	Tokens  int                 // made void
}

// Revoke revokes one certificate, named by its serial number, or all that a site
// has and may still get by tokens.
func (f *Folder) Revoke(what, reason string, now time.Time) (*Revocation, error) {
	code, ok := reasons()[reason]
	if !ok {
		return nil, fmt.Errorf("reason %.80q is none of %s", reason, strings.Join(Reasons(), ", "))
	}
	var done *Revocation
	err := locked(f.Dir, func() (err error) {
		done, err = f.revoke(what, code, now)
		return err
	})
	return done, err
}

func (f *Folder) revoke(what string, code int, now time.Time) (*Revocation, error) {
	all, err := f.Issued()
	if err != nil {
		return nil, err
	}
	list, err := f.crl()
	if err != nil {
		return nil, err
	}
	done := &Revocation{Site: what}
	one := slices.IndexFunc(all, func(c *x509.Certificate) bool { return Serial(c.SerialNumber) == strings.ToLower(what) })
	if one >= 0 {
		done.Site = f.SiteOf(all[one])
	}
	known := one >= 0
	for i, c := range all {
		if i != one && (done.Site == "" || f.SiteOf(c) != done.Site) {
			continue
		}
		known = true
		if revokes(list, c) || !now.Before(c.NotAfter) {
			continue
		}
		if one >= 0 && i != one {
			done.Others = append(done.Others, c)
			continue
		}
		done.Revoked = append(done.Revoked, c)
	}
	if one < 0 {
		// Before the list, so that after a crash nobody enrols by them.
		if done.Tokens, err = f.void(what, now, &known); err != nil {
			return nil, err
		}
	}
	if !known {
		return nil, fmt.Errorf("%.80q is neither a site that has a certificate or a token, nor the serial number of a certificate; see pki list", what)
	}
	if len(done.Revoked) == 0 {
		return done, nil
	}
	key, err := f.key()
	if err != nil {
		return nil, err
	}
	entries := list.RevokedCertificateEntries
	for _, c := range done.Revoked {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now, ReasonCode: code})
	}
	return done, f.signCRL(key, entries, new(big.Int).Add(list.Number, big.NewInt(1)), now)
}

// void makes the open tokens of a site void.
func (f *Folder) void(site string, now time.Time, known *bool) (int, error) {
	named, err := f.tickets()
	if err != nil {
		return 0, err
	}
	n := 0
	for name, t := range named {
		if t.Site != site {
			continue
		}
		*known = true
		if !t.Open(now) {
			continue
		}
		t.Void = true
		if err := f.keep(name, t); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Revoked tells of which certificates the list says that they are revoked.
func (f *Folder) Revoked() (map[string]time.Time, time.Time, error) {
	list, err := f.crl()
	if err != nil {
		return nil, time.Time{}, err
	}
	revoked := map[string]time.Time{}
	for _, e := range list.RevokedCertificateEntries {
		revoked[Serial(e.SerialNumber)] = e.RevocationTime
	}
	return revoked, list.NextUpdate, nil
}
