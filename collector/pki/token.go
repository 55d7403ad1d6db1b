package pki

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Ticket is what is kept of a token: everything but its secret.
type Ticket struct {
	Site    string    `json:"site"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	// Serial is that of the certificate that the token brought; empty: it is open.
	Serial     string            `json:"serial,omitempty"`
	SigningKey ed25519.PublicKey `json:"signing_key,omitempty"`
	Void       bool              `json:"void,omitempty"` // the site was revoked since
}

// Open tells whether a site can still enrol by the token.
func (t Ticket) Open(now time.Time) bool { return t.Serial == "" && !t.Void && now.Before(t.Expires) }

// Refused is why a token is not taken, in words for whoever enrols.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// Token makes a token by which a site can enrol once.
func (f *Folder) Token(site string, life time.Duration, now time.Time) (wire.Token, error) {
	t := wire.Token{Site: site, Secret: make([]byte, wire.TokenSecretBytes), Authority: sha256.Sum256(f.Root.Raw)}
	if !wire.IsIdentifier(site) {
		return t, fmt.Errorf("site %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", site, wire.MaxIdentifier)
	}
	if life < time.Minute || life > 30*24*time.Hour {
		return t, fmt.Errorf("life: %s is not within 1m to 30d", life)
	}
	if _, err := rand.Read(t.Secret); err != nil {
		return t, err
	}
	return t, locked(f.Dir, func() error {
		return f.keep(ticketName(t), Ticket{Site: site, Made: now.UTC(), Expires: now.Add(life).UTC()})
	})
}

// ticketName finds a token by the hash of its secret: how long the search takes
// tells nothing about the secret.
func ticketName(t wire.Token) string {
	sum := sha256.Sum256(t.Secret)
	return hex.EncodeToString(sum[:])
}

func (f *Folder) keep(name string, t Ticket) error {
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic(err) // the type holds nothing that JSON cannot carry
	}
	if err := write(f.path(tokensDir, name+".json"), 0o600, append(data, '\n')); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

func (f *Folder) ticket(name string) (Ticket, error) {
	var t Ticket
	path := f.path(tokensDir, name+".json")
	data, err := os.ReadFile(path)
	if err == nil {
		if err = json.Unmarshal(data, &t); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	if err != nil {
		return t, fmt.Errorf("pki: %w", err)
	}
	return t, nil
}

// Enrol issues a certificate by a token. The token is bound to the keys before
// anybody gets the certificate; the same token with the same keys is answered by
// the same certificate until it expires. Errors of type *Refused are the token's.
func (f *Folder) Enrol(t wire.Token, public crypto.PublicKey, signing ed25519.PublicKey, now time.Time) (issued *x509.Certificate, err error) {
	another := "; have another made: fibergauge-collector pki token " + t.Site
	err = locked(f.Dir, func() error {
		name := ticketName(t)
		kept, err := f.ticket(name)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && kept.Site != t.Site:
			return &Refused{"token: this collector has made no such token" + another}
		case err != nil:
			return err
		case !now.Before(kept.Expires):
			return &Refused{"token: it has expired on " + kept.Expires.Format(time.RFC3339) + another}
		case kept.Void:
			return &Refused{"token: the site was revoked after it was made" + another}
		case kept.Serial == "":
			if issued, err = f.site(kept.Site, public, now); err != nil {
				return err
			}
			kept.Serial, kept.SigningKey = Serial(issued.SerialNumber), signing
			return f.keep(name, kept)
		}
		if issued, err = f.issued(kept.Serial); err != nil {
			return err
		}
		if !sameKey(issued.PublicKey, public) || !bytes.Equal(kept.SigningKey, signing) {
			return &Refused{"token: it has been used, by other keys; if not by you, have the site revoked" + another}
		}
		list, err := f.crl()
		if err != nil {
			return err
		}
		if revokes(list, issued) {
			return &Refused{"token: the certificate that it brought was revoked" + another}
		}
		return nil
	})
	return issued, err
}

// Tickets gives what is kept of all tokens, the earliest first.
func (f *Folder) Tickets() ([]Ticket, error) {
	named, err := f.tickets()
	if err != nil {
		return nil, err
	}
	all := make([]Ticket, 0, len(named))
	for _, t := range named {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Ticket) int { return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.Site, b.Site)) })
	return all, nil
}

func (f *Folder) tickets() (map[string]Ticket, error) {
	entries, err := os.ReadDir(f.path(tokensDir))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	named := map[string]Ticket{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || strings.HasPrefix(name, temporary) || filepath.Base(name) != name {
			continue
		}
		if named[name], err = f.ticket(name); err != nil {
			return nil, err
		}
	}
	return named, nil
}
