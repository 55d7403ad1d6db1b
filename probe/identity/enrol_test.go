package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// listen runs a collector by TLS on loopback.
func listen(t *testing.T, config *tls.Config, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestEnrol(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	url := listen(t, a.tls(a.server(from, until, "127.0.0.1")), a)
	dir := filepath.Join(t.TempDir(), "identity")
	e := Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-a"), UserAgent: "test"}

	// The answer is lost: the keys are there, and are asked for again.
	a.set(func() {
		a.told = func(http.ResponseWriter) bool { panic(http.ErrAbortHandler) }
	})
	if _, err := Enrol(t.Context(), e); err == nil || !strings.HasSuffix(err.Error(), "when it answers run the same again: the keys are kept, and the token gives the same answer until it expires") {
		t.Errorf("lost answer: %v", err)
	}
	a.set(func() { a.told = nil })
	id, err := Enrol(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	if id.Site != "zjk-a" || id.Signing == nil || !id.Roots[0].Equal(a.root) || len(id.Roots) != 1 {
		t.Errorf("enrolled as %+v", id)
	}
	asked, _ := a.heard()
	if !cmp.Equal(keysOf(t, asked[0]), keysOf(t, asked[1])) {
		t.Error("other keys were asked for when the answer was lost")
	}
	for file, want := range map[string]os.FileMode{".": 0o700, keyFile: 0o600, signingFile: 0o600, certificateFile: 0o644, authorityFile: 0o644} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", file, info.Mode().Perm(), err, want)
		}
	}

	before := contents(t, dir)
	if len(before) != 4 {
		t.Errorf("left %d files", len(before))
	}
	if _, err := Enrol(t.Context(), e); !errors.Is(err, ErrEnrolled) {
		t.Errorf("enrolled twice: %v", err)
	}
	if asked, _ = a.heard(); !cmp.Equal(before, contents(t, dir)) || len(asked) != 2 {
		t.Errorf("the second call changed something, or asked (%d requests)", len(asked))
	}

	e.Again = true
	if _, err := Enrol(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	after := contents(t, dir)
	for _, file := range []string{keyFile, signingFile, certificateFile} {
		if before[file] == after[file] {
			t.Errorf("%s stayed", file)
		}
	}
	if _, err := Read(dir, "zjk-a"); err != nil {
		t.Error(err)
	}
}

// keysOf are the public keys that an enrolment asks to certify.
func keysOf(t *testing.T, e *wire.Enrolment) [2]string {
	t.Helper()
	ask, err := x509.ParseCertificateRequest(e.Request)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(ask.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return [2]string{string(der), string(e.SigningKey)}
}

// TestEnrolAfterARefusal: the keys that were made for a token that was refused
// are those of the next, and leave nothing behind.
func TestEnrolAfterARefusal(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	url := listen(t, a.tls(a.server(from, until, "127.0.0.1")), a)
	dir := filepath.Join(t.TempDir(), "identity")
	a.set(func() { a.told = problem(401, wire.CodeUnauthenticated, "the token has expired; have another made") })
	if _, err := Enrol(t.Context(), Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-a")}); err == nil {
		t.Fatal("enrolled by a token that was refused")
	}
	pending, err := privateKey(dir, enrolKeyFile)
	if err != nil || pending == nil {
		t.Fatalf("the key of the refused enrolment: %v, %v", pending, err)
	}
	a.set(func() { a.told = nil })
	id, err := Enrol(t.Context(), Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-a")})
	if err != nil {
		t.Fatal(err)
	}
	if asked, _ := a.heard(); !cmp.Equal(keysOf(t, asked[0]), keysOf(t, asked[1])) {
		t.Error("the second token was asked to certify other keys than the first")
	}
	if public, ok := id.Certificate.Leaf.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(pending.Public()) {
		t.Error("the certificate is not of the key that was kept")
	}
	if there(dir, enrolKeyFile) || there(dir, enrolSigningFile) {
		t.Error("keys of the refused enrolment lie beside those in force")
	}
}

// TestEnrolInPlaceOfOneThatEnded: no --again is needed where nothing is lost.
func TestEnrolInPlaceOfOneThatEnded(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	url := listen(t, a.tls(a.server(from, until, "127.0.0.1")), a)
	dir := a.folder("zjk-a", from.AddDate(0, -2, 0), from)
	if _, err := Enrol(t.Context(), Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-a")}); err != nil {
		t.Error(err)
	}
}

func TestEnrolFails(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	from, until := month()
	good := a.tls(a.server(from, until, "127.0.0.1"))
	plain := httptest.NewServer(a)
	defer plain.Close()
	for _, tt := range []struct {
		name   string
		server *tls.Config
		change func(a *authority, e *Enrolment)
		want   string
	}{
		{"token that expired", good, func(a *authority, _ *Enrolment) {
			a.told = problem(401, wire.CodeUnauthenticated, "the token has expired; have another made")
		}, "the collector answers 401 Unauthorized: the token has expired; have another made (unauthenticated)"},
		{"collector without --pki", good, func(a *authority, _ *Enrolment) {
			a.told = problem(404, wire.CodeNotFound, "no such path")
		}, "the collector answers 404 Not Found: no such path (not_found); this collector enrols nobody: give --collector the one that runs with --pki"},
		{"overloaded", good, func(a *authority, _ *Enrolment) {
			a.told = problem(503, wire.CodeOverloaded, "again later")
		}, "the collector answers 503 Service Unavailable: again later (overloaded); run the same again in a while: the keys are kept"},
		{"no collector", good, func(a *authority, _ *Enrolment) {
			a.told = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusTeapot); return true }
		}, "the collector answers 418 I'm a teapot; see whether --collector leads to a collector, and see its log"},
		{"another collector", stranger.tls(stranger.server(from, until, "127.0.0.1")), nil,
			"the collector shows no certificate of the authority that the token names; see whether --collector is the one that made the token, and whether the collector's --tls-certificate holds the whole chain with the root"},
		{"another's certificate with this root beside it", func() *tls.Config {
			own := stranger.server(from, until, "127.0.0.1")
			own.Certificate = append(own.Certificate, a.root.Raw)
			return stranger.tls(own)
		}(), nil, "the collector's certificate is by an authority that authority.pem does not hold; see whether --collector is the right one; if its authority is new, enrol again (fibergauge-probe enrol --again)"},
		{"another host", a.tls(a.server(from, until, "collector.example", "192.0.2.7")), nil,
			"the collector's certificate is not for 127.0.0.1 but for collector.example, 192.0.2.7; name the collector as its certificate does, or have one made there that names 127.0.0.1"},
		{"certificate that ended", a.tls(a.server(time.Unix(1_700_000_000, 0), time.Unix(1_700_000_600, 0), "127.0.0.1")), nil,
			"the collector's certificate is in force from 2023-11-14T22:13:20Z to 2023-11-14T22:23:20Z, and this host's clock says NOW; set the clock here if it is wrong, or have the collector's certificate renewed"},
		{"no TLS 1.3", func() *tls.Config {
			c := a.tls(a.server(from, until, "127.0.0.1"))
			c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return c
		}(), nil, "what answers there does not speak TLS 1.3; see whether --collector is the right one, and whether a proxy on the way ends the TLS"},
		{"no TLS", good, func(_ *authority, e *Enrolment) { e.Collector = strings.Replace(plain.URL, "http:", "https:", 1) },
			"what answers there does not speak TLS; see whether the port in --collector is that of https"},
		{"no host", good, func(_ *authority, e *Enrolment) { e.Collector = "https://:8443" }, `"https://:8443" is not https://HOST[:PORT]`},
		{"certificate of another key", good, func(a *authority, _ *Enrolment) {
			a.alter = func(c *wire.Certificate) { c.Chain[0] = a.issue("zjk-a", &newKey(t).PublicKey, from, until).Raw }
		}, "the collector answers with a certificate of another key; nothing was changed"},
		{"without the one between", good, func(a *authority, _ *Enrolment) {
			a.alter = func(c *wire.Certificate) { c.Chain = c.Chain[:1] }
		}, "the collector answers with a certificate that is not good; nothing was changed: x509: certificate signed by unknown authority"},
		{"certificate that is none", good, func(a *authority, _ *Enrolment) {
			a.alter = func(c *wire.Certificate) { c.Chain[0] = []byte("hello") }
		}, "the collector answers with a certificate that cannot be read: x509: malformed certificate"},
		{"answer that is none", good, func(a *authority, _ *Enrolment) {
			a.alter = func(c *wire.Certificate) { c.Schema = "other/1" }
		}, `read the collector's answer: schema: "other/1" is not "fibergauge.certificate/1"`},
		{"redirected", good, func(a *authority, _ *Enrolment) {
			a.told = func(w http.ResponseWriter) bool {
				w.Header().Set("Location", "https://elsewhere.invalid/")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
		}, "the collector answers 307 Temporary Redirect; see whether --collector leads to a collector, and see its log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			speaker := *newAuthority(t)
			speaker.root, speaker.rootKey, speaker.between, speaker.key = a.root, a.rootKey, a.between, a.key
			dir := filepath.Join(t.TempDir(), "identity")
			e := Enrolment{Dir: dir, Token: a.token("zjk-a"), Collector: listen(t, tt.server, &speaker)}
			if tt.change != nil {
				tt.change(&speaker, &e)
			}
			_, err := Enrol(t.Context(), e)
			if err == nil {
				t.Fatal("enrolled")
			}
			got := err.Error()
			if before, after, ok := strings.Cut(got, "clock says "); ok {
				_, after, _ = strings.Cut(after, ";")
				got = before + "clock says NOW;" + after
			}
			if got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			if there(dir, certificateFile) || there(dir, keyFile) {
				t.Error("something was put in its place")
			}
		})
	}
}

// TestEnrolRefusesTheFolder: what would be lost or mixed up is refused before
// anybody is asked.
func TestEnrolRefusesTheFolder(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	url := listen(t, a.tls(a.server(from, until, "127.0.0.1")), a)
	for _, tt := range []struct {
		name   string
		change func(dir string) error
		again  bool
		want   string
	}{
		{"of another site", nil, true, "DIR holds the identity of site zjk-a and the token is for site zjk-b; give --identity another folder, or have a token made for the right site"},
		{"key open to others", func(dir string) error { return os.Chmod(filepath.Join(dir, keyFile), 0o644) }, false,
			"DIR/key.pem is open to others than its owner (mode 0644); a key must not be: chmod 600 DIR/key.pem; or replace what is in the folder by --again"},
		{"folder open to others", func(dir string) error { return os.Chmod(dir, 0o777) }, true,
			"DIR can be changed by others than its owner (mode 0777); whoever does speaks for the site: chmod 700 DIR"},
		{"no folder", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		}, false, "mkdir DIR: not a directory"},
	} {
		dir := a.folder("zjk-a", from, until)
		if tt.change != nil {
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Enrol(t.Context(), Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-b"), Again: tt.again})
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
	if asked, _ := a.heard(); len(asked) != 0 {
		t.Errorf("%d requests", len(asked))
	}
}

// TestEnrolWithAWrongClock: the certificate is kept, and the clock is spoken of.
func TestEnrolWithAWrongClock(t *testing.T) {
	a := newAuthority(t)
	from, until := month()
	url := listen(t, a.tls(a.server(from, until, "127.0.0.1")), a)
	a.begin = time.Hour
	dir := filepath.Join(t.TempDir(), "identity")
	id, err := Enrol(t.Context(), Enrolment{Dir: dir, Collector: url, Token: a.token("zjk-a")})
	if id == nil || err == nil || !strings.HasSuffix(err.Error(), ": set the clock") {
		t.Errorf("%v, %v", id, err)
	}
	if _, err := Read(dir, "zjk-a"); err != nil {
		t.Error(err)
	}
}
