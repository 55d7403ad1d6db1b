package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"math/big"
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
	opened := func(mode os.FileMode) func(*Files) {
		return func(f *Files) {
			f.Key = filepath.Join(dir, "opened.pem")
			put(t, f.Key, read1(t, good.Key))
			if err := os.Chmod(f.Key, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
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
		{"key for a group", opened(0o640), 0, "", ""},
		{"key for all", opened(0o644), 0, "opened.pem is open to others than its owner (mode 0644); a key must not be: chmod 600 ", ""},
		{"key that a group may write", opened(0o660), 0, "(mode 0660); a key must not be: chmod 600 ", ""},
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

// TestListsOfSeveralAuthorities: what an authority revoked stays out, whatever
// becomes of its list, for as long as the authority is believed.
func TestListsOfSeveralAuthorities(t *testing.T) {
	one, files := set(t)
	dir := t.TempDir()
	two, err := pki.Init(filepath.Join(dir, "ca"), "Other", "fibergauge", now())
	if err != nil {
		t.Fatal(err)
	}
	old := read1(t, two.CRLPath())
	token, err := two.Token("a1", time.Hour, now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := two.Enrol(token, key.Public(), make([]byte, 32), now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Revoke("a1", "key-compromise", now()); err != nil {
		t.Fatal(err)
	}
	files.ClientCA, files.CRL = filepath.Join(dir, "cas.pem"), filepath.Join(dir, "crls.pem")
	first, second := read1(t, one.RootPath()), read1(t, two.RootPath())
	ofOne, ofTwo := read1(t, one.CRLPath()), read1(t, two.CRLPath())
	put(t, files.ClientCA, first, second)
	put(t, files.CRL, ofOne, ofTwo)
	var log bytes.Buffer
	k := &Keeper{
		Files: files, Now: now, Log: slog.New(slog.NewTextHandler(&log, nil)), Failed: func() {}, Loaded: func(*State) {},
	}
	if err := k.Begin(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		authority  []byte // beside the first
		lists      [][]byte
		letIn      bool
		wantLogged string
	}{
		{"both lists", second, [][]byte{ofOne, ofTwo}, false, ""},
		{"its list is gone", second, [][]byte{ofOne}, false, "CN=Other\\\" is gone, and its authority is still in --client-ca; bring the newest list"},
		{"the other list is gone", second, [][]byte{ofTwo}, false, "CN=Test\\\" is gone"},
		{"its list is older", second, [][]byte{ofOne, old}, false, "is number 1 of 2026-11-23T11:55:00Z, older than number 2"},
		{"older and newest", second, [][]byte{ofOne, old, ofTwo}, false, ""},
		{"itself is gone", nil, [][]byte{ofOne}, false, ""},
		{"it comes back without a list", second, [][]byte{ofOne}, true, "holds no list of the authority"},
	} {
		log.Reset()
		put(t, files.ClientCA, first, c.authority)
		put(t, files.CRL, c.lists...)
		k.Look()
		err := k.Current().verify([]*x509.Certificate{issued}, now())
		if (err == nil) != c.letIn {
			t.Errorf("%s: %v; let in is to be %t", c.name, err, c.letIn)
		}
		if !strings.Contains(log.String(), c.wantLogged) {
			t.Errorf("%s: logged %s\nwant %s", c.name, log.String(), c.wantLogged)
		}
	}
}

// TestOlder: lists that have no numbers are told apart by their dates.
func TestOlder(t *testing.T) {
	list := func(number int64, hour int) *x509.RevocationList {
		l := &x509.RevocationList{ThisUpdate: now().Add(time.Duration(hour) * time.Hour)}
		if number > 0 {
			l.Number = big.NewInt(number)
		}
		return l
	}
	for _, c := range []struct {
		a, b *x509.RevocationList
		want bool
	}{
		{list(1, 5), list(2, 0), true},
		{list(2, 0), list(1, 5), false},
		{list(2, 0), list(2, 0), false},
		{list(0, 0), list(0, 1), true},
		{list(0, 0), list(7, 1), true},
		{list(7, 1), list(0, 0), false},
	} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%v %s, %v %s) is %t", c.a.Number, c.a.ThisUpdate, c.b.Number, c.b.ThisUpdate, got)
		}
	}
}
