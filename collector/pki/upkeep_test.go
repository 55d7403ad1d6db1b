package pki

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRenewServer(t *testing.T) {
	const late = ServerLife - serverRenewal
	for _, c := range []struct {
		name   string
		change func(t *testing.T, f *Folder, dir string, issued *x509.Certificate)
		at     time.Duration
		renews bool
		want   string // of the error
	}{
		{"early", nil, late - time.Second, false, ""},
		{"late", nil, late, true, ""},
		{"ended", nil, ServerLife + time.Hour, true, ""},
		{"no key", func(t *testing.T, _ *Folder, dir string, _ *x509.Certificate) {
			if err := os.Remove(filepath.Join(dir, ServerKeyFile)); err != nil {
				t.Fatal(err)
			}
		}, late, false, "no such file"},
		{"another key", func(t *testing.T, f *Folder, dir string, _ *x509.Certificate) {
			other := t.TempDir()
			if _, err := f.Server(other, []string{"other.example"}, now()); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(other, ServerKeyFile), filepath.Join(dir, ServerKeyFile)); err != nil {
				t.Fatal(err)
			}
		}, late, false, "is not the key of"},
		{"revoked", func(t *testing.T, f *Folder, _ string, issued *x509.Certificate) {
			if _, err := f.Revoke(Serial(issued.SerialNumber), "key-compromise", now()); err != nil {
				t.Fatal(err)
			}
		}, late, false, "was revoked, and so is not renewed"},
		{"of another authority", func(t *testing.T, _ *Folder, dir string, _ *x509.Certificate) {
			if _, err := made(t).Server(dir, []string{"collector.example"}, now()); err != nil {
				t.Fatal(err)
			}
		}, late, false, ""},
		{"no certificate at all", func(t *testing.T, _ *Folder, dir string, _ *x509.Certificate) {
			if err := os.WriteFile(filepath.Join(dir, ServerCertificateFile), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, late, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, dir := made(t), t.TempDir()
			issued, err := f.Server(dir, []string{"collector.example", "192.0.2.1"}, now())
			if err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(t, f, dir, issued)
			}
			link := filepath.Join(t.TempDir(), "link.pem")
			if err := os.Symlink(filepath.Join(dir, ServerCertificateFile), link); err != nil {
				t.Fatal(err)
			}
			renewed, err := f.RenewServer(link, filepath.Join(dir, ServerKeyFile), now().Add(c.at))
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if (renewed != nil) != c.renews {
				t.Fatalf("renewed %v, want %t", renewed, c.renews)
			}
			if !c.renews {
				return
			}
			pair, err := tls.LoadX509KeyPair(link, filepath.Join(dir, ServerKeyFile))
			if err != nil || !pair.Leaf.Equal(renewed) {
				t.Fatalf("the files hold %v, %v", pair.Leaf, err)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("the link was replaced: %v, %v", info, err)
			}
			if diff := cmp.Diff(Hosts(issued), Hosts(renewed)); diff != "" || !sameKey(issued.PublicKey, renewed.PublicKey) {
				t.Errorf("hosts (-before +after):\n%sor the key is another", diff)
			}
			roots := x509.NewCertPool()
			roots.AddCert(f.Root)
			if _, err := renewed.Verify(x509.VerifyOptions{Roots: roots, DNSName: "192.0.2.1", CurrentTime: now().Add(c.at)}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClear(t *testing.T) {
	f := made(t)
	at := now()
	site := func(name string) *x509.Certificate {
		t.Helper()
		c, err := f.Renew(name, ecdsaKey(t, elliptic.P256()).Public(), at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	token := func() {
		t.Helper()
		if _, err := f.Token("a1", time.Hour, at); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(step string, removed, issued, tokens int) {
		t.Helper()
		n, err := f.Clear(at)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		all, err := f.Issued()
		if err != nil {
			t.Fatal(err)
		}
		tickets, err := f.Tickets()
		if err != nil {
			t.Fatal(err)
		}
		if n != removed || len(all) != issued || len(tickets) != tokens {
			t.Errorf("%s: removed %d, left are %d certificates and %d tokens; want %d, %d and %d", step, n, len(all), len(tickets), removed, issued, tokens)
		}
	}
	revoked := site("a1")
	if _, err := f.Revoke("a1", "key-compromise", at); err != nil {
		t.Fatal(err)
	}
	token()
	for _, dir := range []string{f.Dir, f.path(issuedDir), f.path(tokensDir)} {
		if err := os.WriteFile(filepath.Join(dir, temporary+"1"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site("b1")
	expect("what was half written", 3, 2, 1)
	at = at.Add(SiteLife + endedKept + time.Hour)
	expect("a clock that may be wrong", 0, 2, 1)
	site("b1")
	token()
	expect("long ended", 3, 1, 1)
	expect("once more", 0, 1, 1)
	list, err := f.crl()
	if err != nil || !revokes(list, revoked) {
		t.Errorf("what was revoked is so no longer: %v", err)
	}
}

func TestEndingServers(t *testing.T) {
	f := made(t)
	server := func(at time.Duration, hosts ...string) {
		t.Helper()
		if _, err := f.Server(t.TempDir(), hosts, now().Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	server(0, "alone.example")
	server(0, "renewed.example", "192.0.2.1")
	server(24*time.Hour, "192.0.2.1", "renewed.example")
	if _, err := f.Renew("a1", ecdsaKey(t, elliptic.P256()).Public(), now().Add(ServerLife-SiteLife)); err != nil {
		t.Fatal(err)
	}
	issued, err := f.Issued()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Duration
		want []string
	}{
		{0, nil},
		{ServerLife - 10*24*time.Hour, []string{"alone.example"}},
		{ServerLife - 9*24*time.Hour, []string{"alone.example", "renewed.example, 192.0.2.1"}},
		{ServerLife, []string{"renewed.example, 192.0.2.1"}},
		{ServerLife + 24*time.Hour, nil},
	} {
		var got []string
		for _, e := range f.EndingServers(issued, 10*24*time.Hour, now().Add(c.at)) {
			got = append(got, Hosts(e))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", c.at, diff)
		}
	}
}
