package identity

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/pki"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func read1(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, path string, parts ...[]byte) {
	t.Helper()
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// set is an authority with a server certificate, and the files of a listener.
func set(t *testing.T) (*pki.Folder, Files) {
	t.Helper()
	dir := t.TempDir()
	folder, err := pki.Init(filepath.Join(dir, "ca"), "Test", "fibergauge", now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Server(dir, []string{"localhost"}, now()); err != nil {
		t.Fatal(err)
	}
	return folder, Files{
		Certificate: filepath.Join(dir, pki.ServerCertificateFile), Key: filepath.Join(dir, pki.ServerKeyFile),
		ClientCA: folder.RootPath(), CRL: folder.CRLPath(), TrustDomain: folder.Domain,
	}
}

func TestLoad(t *testing.T) {
	folder, good := set(t)
	_, other := set(t)
	dir := t.TempDir()
	chain := read1(t, good.Certificate)
	at := strings.Index(string(chain), "-----END CERTIFICATE-----\n") + len("-----END CERTIFICATE-----\n")
	alone, damaged := filepath.Join(dir, "alone.pem"), filepath.Join(dir, "damaged.pem")
	swapped, empty := filepath.Join(dir, "swapped.pem"), filepath.Join(dir, "empty.pem")
	put(t, alone, chain[:at])
	put(t, swapped, chain[at:], chain[:at])
	put(t, damaged, chain[:len(chain)-40])
	put(t, empty)
	for _, c := range []struct {
		name    string
		change  func(*Files)
		at      time.Duration
		want    string // of the error; "" none
		warning string
	}{
		{"good", func(*Files) {}, 0, "", ""},
		{"no list", func(f *Files) { f.CRL = "" }, 0, "", ""},
		{"no certificate", func(f *Files) { f.Certificate = "none.pem" }, 0, "tls-certificate: open none.pem: no such file", ""},
		{"empty certificate", func(f *Files) { f.Certificate = empty }, 0, "holds no PEM block CERTIFICATE", ""},
		{"damaged", func(f *Files) { f.Certificate = damaged }, 0, "is damaged or cut off; copy the file again", ""},
		{"no key", func(f *Files) { f.Key = "none.pem" }, 0, "tls-key: open none.pem: no such file", ""},
		{"another key", func(f *Files) { f.Key = other.Key }, 0, "does not fit", ""},
		{"no root", func(f *Files) { f.Certificate = alone }, 0, "holds no root; append the certificates of its authority", ""},
		{"root first", func(f *Files) { f.Certificate = swapped }, 0, "does not fit", ""},
		{"expired", func(*Files) {}, pki.ServerLife, "has ended on 2027-12-25T12:00:00Z; have another made", ""},
		{"not yet", func(*Files) {}, -time.Hour, "is in force from 2026-11-23T11:55:00Z, and the clock says", ""},
		{"soon", func(f *Files) { f.CRL = "" }, pki.ServerLife - time.Hour, "", "ends on 2027-12-25T12:00:00Z; have another made"},
		{"no authority", func(f *Files) { f.ClientCA = empty }, 0, "client-ca: ", ""},
		{"site as authority", func(f *Files) { f.ClientCA = alone }, 0, "which is not that of an authority; take it out", ""},
		{"no such list", func(f *Files) { f.CRL = empty }, 0, "crl: ", ""},
		{"list of another", func(f *Files) { f.CRL = other.CRL }, 0, "which is no authority in --client-ca, or is not signed by it", ""},
		{"list expired", func(*Files) {}, pki.CRLLife, "", "what it names stays out, what was revoked since is let in; bring the new list"},
	} {
		f := good
		c.change(&f)
		s, err := f.Load(now().Add(c.at))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err == nil && (c.warning == "") != (len(s.Warnings) == 0) || err == nil && !strings.Contains(strings.Join(s.Warnings, " "), c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, s.Warnings, c.warning)
		}
	}
	_ = folder
}

// TestKeeper: what is wrong never takes the place of what was good.
func TestKeeper(t *testing.T) {
	folder, files := set(t)
	failed, loaded := 0, 0
	clock := now()
	k := &Keeper{
		Files: files, Now: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler),
		Failed: func() { failed++ }, Loaded: func(*State) { loaded++ },
	}
	if err := k.Begin(); err != nil {
		t.Fatal(err)
	}
	expect := func(step string, wantFailed, wantLoaded, revoked int) {
		t.Helper()
		k.Look()
		if failed != wantFailed || loaded != wantLoaded || k.Current().Revoked() != revoked {
			t.Errorf("%s: failed %d, loaded %d, revoked %d; want %d, %d, %d", step, failed, loaded, k.Current().Revoked(), wantFailed, wantLoaded, revoked)
		}
	}
	expect("nothing changed", 0, 1, 0)
	before := read1(t, files.CRL)
	token, err := folder.Token("a1", time.Hour, clock)
	if err != nil {
		t.Fatal(err)
	}
	server := read1(t, files.Certificate)
	issued, err := folder.Enrol(token, k.Current().Certificate.Leaf.PublicKey, make([]byte, 32), clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Revoke("a1", "superseded", clock); err != nil {
		t.Fatal(err)
	}
	expect("revoked", 0, 2, 1)
	if err := k.Current().verify(append(k.Current().Authorities[:0:0], issued), clock); err == nil {
		t.Error("the revoked certificate is let in")
	}
	after := read1(t, files.CRL)
	put(t, files.CRL, before)
	expect("the list of before is put back", 1, 2, 1)
	put(t, files.CRL, []byte("half a"))
	expect("a broken list", 2, 2, 1)
	if err := os.Remove(files.CRL); err != nil {
		t.Fatal(err)
	}
	expect("no list", 3, 2, 1)
	put(t, files.CRL, after)
	put(t, files.Certificate, []byte("x"))
	expect("a broken certificate", 4, 2, 1)
	put(t, files.Certificate, server)
	expect("as it was", 4, 2, 1)
	clock = clock.Add(pki.CRLLife)
	expect("an expired list", 4, 2, 1)
	if err := k.Current().verify(append(k.Current().Authorities[:0:0], issued), clock.Add(-time.Hour)); err == nil {
		t.Error("the revoked certificate is let in, because the list has expired")
	}
}
