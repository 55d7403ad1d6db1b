package doctor

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// identityOf is a folder with the identity of site "here", certified by itself;
// roots are what it believes.
func identityOf(t *testing.T, from, until time.Time, roots ...[]byte) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sites"}, NotBefore: from, NotAfter: until,
		URIs: []*url.URL{wire.SiteURI(wire.DefaultTrustDomain, "here")},
	}
	own, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if roots == nil {
		roots = [][]byte{own}
	}
	dir := t.TempDir()
	put := func(name, kind string, ders ...[]byte) {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signing := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tlsKey, err := x509.MarshalPKCS8PrivateKey(key)
	signingKey, err2 := x509.MarshalPKCS8PrivateKey(signing)
	if err := errors.Join(err, err2, os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	put("key.pem", "PRIVATE KEY", tlsKey)
	put("signing-key.pem", "PRIVATE KEY", signingKey)
	put("certificate.pem", "CERTIFICATE", own)
	put("authority.pem", "CERTIFICATE", roots...)
	return dir
}

func TestIdentity(t *testing.T) {
	const (
		signed   = "✓ identity signing windows are signed by key 139e3940e64b5491722088d9a0d741628fc826e09475d341a780acde3c4b8070"
		unsigned = "! identity signing there is no signing key: windows are not signed; enrol this probe (fibergauge-probe enrol): a collector with TLS takes no others, unless told to"
		renews   = "✓ identity renewal the next certificate can be put into DIR"
		good     = `✓ identity site here, certified by "sites"; ends in 29 days, on 2026-04-03; its key fits and is nobody else's to read`
	)
	from := now().Add(-time.Hour)
	fresh := from.AddDate(0, 0, 30)
	for _, tt := range []struct {
		name        string
		from, until time.Time
		change      func(dir string) error
		site        string
		local       bool
		want        []string
	}{
		{"good", from, fresh, nil, "here", false, []string{good, signed, renews}},
		{"a third is left", now().AddDate(0, 0, -20), now().AddDate(0, 0, 10), nil, "here", false, []string{
			`✓ identity site here, certified by "sites"; ends in 9 days, on 2026-03-14; its key fits and is nobody else's to read`, signed, renews}},
		{"less than a quarter is left", now().AddDate(0, 0, -23), now().AddDate(0, 0, 7), nil, "here", false, []string{
			`! identity site here, certified by "sites"; ends in 6 days, on 2026-03-11; its key fits and is nobody else's to read; ` +
				"see in the probe's log why it was not renewed; when it ends, windows only wait in the spool", signed, renews}},
		{"ended", now().AddDate(0, 0, -30), from, nil, "here", false, []string{
			"✗ identity the certificate of site here ended at 2026-03-04T04:06:07Z; have a token made by fibergauge-collector pki token here and enrol again (fibergauge-probe enrol); if it is not 2026-03-04T05:06:07Z now, set the clock", signed, renews}},
		{"not begun", fresh, fresh.AddDate(0, 0, 30), nil, "here", false, []string{
			"✗ identity the clock of this host says 2026-03-04T05:06:07Z, and the certificate of site here begins at 2026-04-03T04:06:07Z; set the clock", signed, renews}},
		{"another site", from, fresh, nil, "there", false, []string{
			"✗ identity the certificate in DIR is of site here, not of there; correct --site or --identity"}},
		{"key open to others", from, fresh, func(dir string) error { return os.Chmod(filepath.Join(dir, "key.pem"), 0o644) }, "here", false, []string{
			"✗ identity DIR/key.pem is open to others than its owner (mode 0644); a key must not be: chmod 600 DIR/key.pem"}},
		{"no root", from, fresh, func(dir string) error { return os.Remove(filepath.Join(dir, "authority.pem")) }, "here", false, []string{
			"✗ identity DIR/authority.pem is missing; enrol this probe first: fibergauge-probe enrol --identity DIR"}},
		{"kept by others", from, fresh, func(dir string) error { return os.Remove(filepath.Join(dir, "signing-key.pem")) }, "here", false, []string{
			good, unsigned, "– identity renewal not enrolled here: whoever put the certificate there renews it"}},
		{"local collector", from, fresh, func(dir string) error { return os.Remove(filepath.Join(dir, "certificate.pem")) }, "here", true, []string{signed}},
		{"no site", from, fresh, nil, "", false, []string{"– identity not asked: --site is absent"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := identityOf(t, tt.from, tt.until)
			if tt.change != nil {
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
			}
			all := Identity(dir, tt.site, !tt.local, now)(t.Context())
			for i := range all {
				all[i].Text, all[i].Do = strings.ReplaceAll(all[i].Text, dir, "DIR"), strings.ReplaceAll(all[i].Do, dir, "DIR")
			}
			expect(t, all, tt.want...)
		})
	}
	expect(t, Identity("", "here", true, now)(t.Context()),
		"✗ identity none, and the collector asks for one; enrol this probe (fibergauge-probe enrol) and give its folder by --identity")
	expect(t, Identity("", "here", false, now)(t.Context()), "– identity not asked: --identity is absent")
}

// TestAskAsTheProbe: what the collector says to the certificate stands in the
// finding.
func TestAskAsTheProbe(t *testing.T) {
	until := time.Now().AddDate(0, 1, 0)
	c := serve(t, until, "", nil)
	certificate, _ := certified(t, until)
	folder, err := identity.Open(identityOf(t, time.Now().Add(-time.Hour), until, certificate.Certificate[0]), "here", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.Client = &http.Client{Transport: folder.Transport(&http.Transport{})}
	f := c.Ask(t.Context())
	f[0].Text = strings.Replace(f[0].Text, c.URL, "URL", 1)
	expect(t, f, "✗ collector URL: the collector's certificate is by an authority that authority.pem does not hold; "+
		"see whether --collector is the right one; if its authority is new, enrol again (fibergauge-probe enrol --again)")
}
