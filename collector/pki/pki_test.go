package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func made(t *testing.T) *Folder {
	t.Helper()
	f, err := Init(filepath.Join(t.TempDir(), "ca"), "Test", "fibergauge", now())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestInit(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("full/notes.txt")
	write("begun/authority-key.pem")
	write("begun/" + temporary + "1")
	write("there/authority.pem")
	write("file")
	if err := os.Mkdir(filepath.Join(dir, "open"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, name, domain, want string }{
		{"new/deep", "N", "fibergauge", ""},
		{"begun", "N", "fibergauge", ""}, // by an Init that a crash ended
		{"there", "N", "fibergauge", "holds a certificate authority already; nothing is changed"},
		{"full", "N", "fibergauge", "is not empty (notes.txt); choose a new folder"},
		{"open", "N", "fibergauge", "is open to others (mode 0755)"},
		{"file", "N", "fibergauge", "not a directory"},
		{"x", "", "fibergauge", `name "" is not 1 to 64 printable bytes`},
		{"x", "a\nb", "fibergauge", `is not 1 to 64 printable bytes`},
		{"x", "N", "a/b", `trust domain "a/b" is not`},
		{"x", "N", "Big", `trust domain "Big" is not`},
	} {
		f, err := Init(filepath.Join(dir, c.dir), c.name, c.domain, now())
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.dir, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.dir, err)
			continue
		}
		info, err := os.Stat(f.path(rootKeyFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: key %v, %v", c.dir, info, err)
		}
		if opened, err := Open(f.Dir); err != nil || !opened.Root.Equal(f.Root) || opened.Domain != c.domain {
			t.Errorf("%s: opened %v, %v", c.dir, opened, err)
		}
		if !f.Root.MaxPathLenZero || !f.Root.NotAfter.Equal(now().Add(RootLife)) {
			t.Errorf("%s: root %+v", c.dir, f.Root)
		}
	}
}

// TestCrash ends each command after each of its writes, and goes on in what is
// left.
func TestCrash(t *testing.T) {
	f := made(t)
	token, err := f.Token("a1", time.Hour, now())
	if err != nil {
		t.Fatal(err)
	}
	key, signing := ecdsaKey(t, elliptic.P256()), ed25519.PublicKey(bytes.Repeat([]byte{1}, 32))
	// A certificate was issued and the token was not marked: nobody has it.
	if err := locked(f.Dir, func() error { _, err := f.site("a1", key.Public(), now()); return err }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{temporary + "1", "issued/" + temporary + "2", "tokens/" + temporary + "3"} {
		if err := os.WriteFile(f.path(name), []byte("half a fi"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, err := f.Enrol(token, key.Public(), signing, now())
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.Enrol(token, key.Public(), signing, now().Add(time.Minute))
	if err != nil || !again.Equal(first) {
		t.Errorf("again: %v, %v", again, err)
	}
	// Revoking the site reaches the one that nobody has, too.
	done, err := f.Revoke("a1", "unspecified", now())
	if err != nil || len(done.Revoked) != 2 {
		t.Errorf("revoked %+v, %v", done, err)
	}
	var refused *Refused
	if _, err := f.Enrol(token, key.Public(), signing, now()); !errors.As(err, &refused) {
		t.Errorf("the token of a revoked certificate: %v", err)
	}
}

func TestTokens(t *testing.T) {
	f := made(t)
	key, other := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256())
	sign, otherSign := ed25519.PublicKey(bytes.Repeat([]byte{1}, 32)), ed25519.PublicKey(bytes.Repeat([]byte{2}, 32))
	token := func() wire.Token {
		t.Helper()
		made, err := f.Token("a1", time.Hour, now())
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	used := token()
	if _, err := f.Enrol(used, key.Public(), sign, now()); err != nil {
		t.Fatal(err)
	}
	unknown := token()
	unknown.Secret = bytes.Repeat([]byte{7}, wire.TokenSecretBytes)
	elsewhere := token()
	elsewhere.Site = "b1"
	for _, c := range []struct {
		name    string
		token   wire.Token
		key     *ecdsa.PrivateKey
		signing ed25519.PublicKey
		at      time.Duration
		want    string
	}{
		{"good", token(), key, sign, 0, ""},
		{"just in time", token(), key, sign, time.Hour - 1, ""},
		{"expired", token(), key, sign, time.Hour, "it has expired on 2026-11-23T13:00:00Z"},
		{"asked again", used, key, sign, 30 * time.Minute, ""},
		{"asked again too late", used, key, sign, time.Hour, "it has expired"},
		{"by another key", used, other, sign, 0, "it has been used, by other keys"},
		{"by another signing key", used, key, otherSign, 0, "it has been used, by other keys"},
		{"unknown", unknown, key, sign, 0, "this collector has made no such token"},
		{"for another site", elsewhere, key, sign, 0, "this collector has made no such token"},
	} {
		_, err := f.Enrol(c.token, c.key.Public(), c.signing, now().Add(c.at))
		var refused *Refused
		if (c.want == "") != (err == nil) || err != nil && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		site string
		life time.Duration
	}{{"a 1", time.Hour}, {"../a", time.Hour}, {"", time.Hour}, {"a1", time.Second}, {"a1", 721 * time.Hour}} {
		if made, err := f.Token(c.site, c.life, now()); err == nil {
			t.Errorf("token %v for %q, %s", made, c.site, c.life)
		}
	}
	// The secret is nowhere in the folder.
	secret := token()
	err := filepath.WalkDir(f.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, secret.Secret) || strings.Contains(string(data)+path, secret.String()[10:40]) || strings.Contains(path, fmt.Sprintf("%x", secret.Secret)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOneTokenManyAtOnce: of many that come with one token, one gets in.
func TestOneTokenManyAtOnce(t *testing.T) {
	f := made(t)
	token, err := f.Token("a1", time.Hour, now())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	in := 0
	var wg sync.WaitGroup
	for i := range 8 {
		key := ecdsaKey(t, elliptic.P256())
		other, err := Open(f.Dir) // as another process
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_, err := other.Enrol(token, key.Public(), bytes.Repeat([]byte{byte(i)}, 32), now())
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				in++
			}
		})
	}
	wg.Wait()
	if in != 1 {
		t.Errorf("%d got in by one token", in)
	}
}

func TestRevoke(t *testing.T) {
	f := made(t)
	issue := func(site string) *x509.Certificate {
		t.Helper()
		c, err := f.Renew(site, ecdsaKey(t, elliptic.P256()).Public(), now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two, other := issue("a1"), issue("a1"), issue("b1")
	open, err := f.Token("a1", time.Hour, now())
	if err != nil {
		t.Fatal(err)
	}
	done, err := f.Revoke(Serial(one.SerialNumber), "key-compromise", now())
	if err != nil || len(done.Revoked) != 1 || len(done.Others) != 1 || !done.Others[0].Equal(two) {
		t.Errorf("by serial: %+v, %v", done, err)
	}
	if done, err = f.Revoke("a1", "superseded", now()); err != nil || len(done.Revoked) != 1 || done.Tokens != 1 {
		t.Errorf("by site: %+v, %v", done, err)
	}
	if done, err = f.Revoke("a1", "superseded", now()); err != nil || len(done.Revoked) != 0 {
		t.Errorf("again: %+v, %v", done, err)
	}
	if _, err := f.Enrol(open, ecdsaKey(t, elliptic.P256()).Public(), nil, now()); err == nil || !strings.Contains(err.Error(), "revoked after it was made") {
		t.Errorf("token from before: %v", err)
	}
	if _, err := f.Revoke("c1", "superseded", now()); err == nil {
		t.Error("an unknown site is revoked")
	}
	list, err := f.crl()
	if err != nil || revokes(list, other) || !revokes(list, one) || !revokes(list, two) || list.Number.Int64() != 3 {
		t.Fatalf("list %+v, %v", list, err)
	}
	if got := list.RevokedCertificateEntries[0].ReasonCode; got != 1 {
		t.Errorf("reason %d is kept, want 1", got)
	}

	if did, err := f.RefreshCRL(now().Add(CRLLife/2 - time.Hour)); did || err != nil {
		t.Errorf("signed anew too early: %v, %v", did, err)
	}
	later := now().Add(CRLLife/2 + time.Hour)
	if did, err := f.RefreshCRL(later); !did || err != nil {
		t.Errorf("not signed anew: %v, %v", did, err)
	}
	if list, err = f.crl(); err != nil || !revokes(list, one) || !list.NextUpdate.Equal(later.Add(CRLLife)) || list.RevokedCertificateEntries[0].ReasonCode != 1 {
		t.Errorf("after that: %+v, %v", list, err)
	}
}

func TestRenewIsBounded(t *testing.T) {
	f := made(t)
	key := ecdsaKey(t, elliptic.P256())
	first, err := f.Renew("a1", key.Public(), now())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Renew("a1", key.Public(), now().Add(time.Hour)); err != nil || !again.Equal(first) {
		t.Errorf("the same key: %v, %v", again, err)
	}
	for range renewals - 1 {
		if _, err := f.Renew("a1", ecdsaKey(t, elliptic.P256()).Public(), now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Renew("a1", ecdsaKey(t, elliptic.P256()).Public(), now()); !errors.Is(err, ErrTooOften) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := f.Renew("b1", ecdsaKey(t, elliptic.P256()).Public(), now()); err != nil {
		t.Errorf("another site: %v", err)
	}
	if _, err := f.Renew("a1", ecdsaKey(t, elliptic.P256()).Public(), now().Add(2*time.Hour)); err != nil {
		t.Errorf("two hours later: %v", err)
	}
	if _, err := f.Renew("a1", key.Public(), now().Add(RootLife)); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("after the authority's end: %v", err)
	}
}

func TestCheckRequest(t *testing.T) {
	request := func(key any) []byte {
		t.Helper()
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"evil.example"}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	rsaKey := func(bits int) *rsa.PrivateKey {
		t.Helper()
		t.Setenv("GODEBUG", "rsa1024min=0")
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := request(ecdsaKey(t, elliptic.P256()))
	bent := bytes.Clone(good)
	bent[len(bent)-1] ^= 1
	for _, c := range []struct {
		name string
		der  []byte
		want string
	}{
		{"P-256", good, ""},
		{"P-384", request(ecdsaKey(t, elliptic.P384())), ""},
		{"P-521", request(ecdsaKey(t, elliptic.P521())), "the key is on curve P-521"},
		{"P-224", request(ecdsaKey(t, elliptic.P224())), "the key is on curve P-224"},
		{"RSA 2048", request(rsaKey(2048)), ""},
		{"RSA 1024", request(rsaKey(1024)), "the RSA key has 1024 bits"},
		{"Ed25519", request(edKey), ""},
		{"not its own signature", bent, "is not signed by its own key"},
		{"cut off", good[:50], "is no certificate request"},
		{"nothing", nil, "is no certificate request"},
	} {
		_, err := CheckRequest(c.der)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestServer(t *testing.T) {
	f := made(t)
	out := t.TempDir()
	issued, err := f.Server(out, []string{"collector.example", "192.0.2.1", "2001:db8::1"}, now())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(f.Root)
	for _, host := range []string{"collector.example", "192.0.2.1", "[2001:db8::1]"} {
		if _, err := issued.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now()}); err != nil {
			t.Error(err)
		}
	}
	key, err := os.ReadFile(filepath.Join(out, ServerKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Server(out, []string{"collector.example"}, now()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(out, ServerKeyFile)); err != nil || !bytes.Equal(key, after) {
		t.Errorf("the key was replaced under a running collector: %v", err)
	}
	for _, host := range []string{"https://x", "x:8862", "", "a b", "-a", "fe80::1%eth0", strings.Repeat("a", 64), "*.example"} {
		if _, err := f.Server(t.TempDir(), []string{host}, now()); err == nil {
			t.Errorf("a certificate is made for %q", host)
		}
	}
}

func FuzzCheckRequest(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		public, err := CheckRequest(der)
		if (public == nil) == (err == nil) {
			t.Errorf("key %v and error %v", public, err)
		}
	})
}
