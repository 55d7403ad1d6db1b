package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/collector/pki"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/internal/logtest"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// guarded is a collector that runs with TLS.
type guarded struct {
	address string
	roots   *x509.CertPool
	log     *logtest.Buffer
	dir     string
}

// startGuarded runs serve with TLS and the flags given, in a folder with m.yaml,
// server.pem and server-key.pem.
func startGuarded(t *testing.T, dir string, flags ...string) *guarded {
	t.Helper()
	g := &guarded{log: &logtest.Buffer{}, roots: x509.NewCertPool(), dir: dir}
	chain, err := os.ReadFile(filepath.Join(dir, "server.pem"))
	if err != nil || !g.roots.AppendCertsFromPEM(chain) {
		t.Fatal("no server certificate", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		args := append([]string{
			"serve", "--mesh", filepath.Join(dir, "m.yaml"), "--store", "sqlite:" + filepath.Join(dir, "x.db"), "--listen", "127.0.0.1:0",
			"--tls-certificate", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server-key.pem"),
		}, flags...)
		ended <- cli.Run(ctx, "fibergauge-collector", about, &grammar{}, args, io.Discard, g.log)
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("serve ended with status %d; log:\n%s", status, g.log)
		}
	})
	at := regexp.MustCompile(`collector started, with TLS.* address=(\S+)`)
	g.wait(t, "it serves", func() bool {
		m := at.FindStringSubmatch(g.log.String())
		if m == nil {
			return false
		}
		g.address = m[1]
		return (&client{g: g}).ask("GET", "/readyz", nil) == "200"
	})
	return g
}

func (g *guarded) wait(t *testing.T, what string, happened func() bool) {
	t.Helper()
	(&serving{log: g.log}).wait(t, what, happened)
}

// scrape tells whether /metrics has something now.
func (g *guarded) scrape(what *regexp.Regexp) bool {
	c := &client{g: g}
	return c.ask("GET", "/metrics", nil) == "200" && what.MatchString(c.body)
}

// client speaks to a guarded collector.
type client struct {
	g       *guarded
	shown   *tls.Certificate // nil: none
	version uint16           // at most; 0: any
	cache   tls.ClientSessionCache
	from    net.Addr
	resumed bool   // the last connection was
	body    string // last answer
}

// ask gives the status of the answer and the code of its problem, or "tls" where
// there was no connection to ask by.
func (c *client) ask(method, path string, body []byte) string {
	config := &tls.Config{RootCAs: c.g.roots, ServerName: "localhost", MaxVersion: c.version, ClientSessionCache: c.cache}
	if c.shown != nil {
		// Shown whatever the server asks for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.shown, nil }
	}
	dialer := &net.Dialer{LocalAddr: c.from, Timeout: 10 * time.Second}
	raw, err := dialer.Dial("tcp", c.g.address)
	if err != nil {
		return err.Error()
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err.Error()
	}
	conn := tls.Client(raw, config)
	if conn.Handshake() != nil {
		return "tls"
	}
	c.resumed = conn.ConnectionState().DidResume
	r, err := http.NewRequest(method, "https://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.Close = true
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	// By TLS 1.3 a server refuses a certificate after the client's handshake.
	if r.Write(conn) != nil {
		return "tls"
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return "tls"
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	c.body = string(data)
	var problem wire.Problem
	if json.Unmarshal(data, &problem) == nil && problem.Code != "" {
		return fmt.Sprintf("%d %s", answer.StatusCode, problem.Code)
	}
	return fmt.Sprint(answer.StatusCode)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authority signs whatever a test asks for.
type authority struct {
	root *x509.Certificate
	key  crypto.Signer
}

func strangers(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Fibergauge authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{root, key}
}

// certificate is a good one of a site, after change.
func (a *authority) certificate(t *testing.T, site string, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, URIs: []*url.URL{wire.SiteURI("fibergauge", site)}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// signer is how the sites of a test sign.
func signer(t *testing.T, site string) ed25519.PrivateKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, site)
	return ed25519.NewKeyFromSeed(seed)
}

func enrolment(t *testing.T, token, site string, key crypto.Signer) []byte {
	t.Helper()
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "somebody else"}, URIs: []*url.URL{wire.SiteURI("fibergauge", "b1")},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	signing := signer(t, site)
	data, err := json.Marshal(wire.Enrolment{
		Schema: wire.SchemaEnrolment, Token: token, Request: request,
		SigningKey: signing.Public().(ed25519.PublicKey), SigningProof: ed25519.Sign(signing, request),
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func batchOf(t *testing.T, m *mesh.Mesh, site string, key ed25519.PrivateKey) []byte {
	t.Helper()
	w := fakestore.Window(m, 0)
	w.Src = site
	b := &wire.Batch{Schema: wire.SchemaBatch, Site: site, Windows: []wire.Window{w}}
	if key != nil {
		b.Sign(key)
	}
	return b.Encode()
}

// TestIdentities asks every endpoint as everybody.
func TestIdentities(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ca := filepath.Join(dir, "ca")
	folder, err := pki.Init(ca, "Fibergauge authority", "fibergauge", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Server(dir, []string{"localhost", "127.0.0.1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	g := startGuarded(t, dir, "--pki", ca)
	opened, err := open.Writer(t.Context(), "sqlite:"+filepath.Join(dir, "x.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	for _, site := range []string{"a1", "b1", "z9", "old1"} {
		k := store.SigningKey{Site: site, Key: signer(t, site).Public().(ed25519.PublicKey), Enrolled: time.Now().Add(-time.Hour)}
		if err := opened.PutSigningKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	pemKey, err := os.ReadFile(filepath.Join(ca, "authority-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pemKey)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	ours := &authority{folder.Root, parsed.(crypto.Signer)}
	token := func(site string, at time.Time) wire.Token {
		made, err := folder.Token(site, 24*time.Hour, at)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}

	endpoints := []struct {
		name string
		ask  func(c *client, site string) string
	}{
		{"assignment", func(c *client, site string) string { return c.ask("GET", "/v1/sites/"+site+"/assignment", nil) }},
		{"windows", func(c *client, site string) string {
			return c.ask("POST", "/v1/sites/"+site+"/windows", batchOf(t, fakestore.Mesh("now"), site, signer(t, site)))
		}},
		{"certificate", func(c *client, site string) string {
			return c.ask("POST", "/v1/sites/"+site+"/certificate", enrolment(t, "", site, newKey(t)))
		}},
		{"enrol, good token", func(c *client, site string) string {
			return c.ask("POST", "/v1/enrol", enrolment(t, token("y1", time.Now()).String(), "y1", newKey(t)))
		}},
		{"enrol, used token", func(c *client, site string) string {
			used := token("y1", time.Now())
			if _, err := folder.Enrol(used, newKey(t).Public(), signer(t, "y1").Public().(ed25519.PublicKey), time.Now()); err != nil {
				t.Fatal(err)
			}
			return c.ask("POST", "/v1/enrol", enrolment(t, used.String(), "y1", newKey(t)))
		}},
		{"enrol, expired token", func(c *client, site string) string {
			return c.ask("POST", "/v1/enrol", enrolment(t, token("y1", time.Now().Add(-25*time.Hour)).String(), "y1", newKey(t)))
		}},
		{"enrol, another site's token", func(c *client, site string) string {
			bent := token("y1", time.Now())
			bent.Site = "a1"
			return c.ask("POST", "/v1/enrol", enrolment(t, bent.String(), "a1", newKey(t)))
		}},
		{"healthz", func(c *client, _ string) string { return c.ask("GET", "/healthz", nil) }},
		{"readyz", func(c *client, _ string) string { return c.ask("GET", "/readyz", nil) }},
		{"metrics", func(c *client, _ string) string { return c.ask("GET", "/metrics", nil) }},
		{"unknown path", func(c *client, _ string) string { return c.ask("GET", "/v1/sites", nil) }},
	}

	const (
		stranger  = "401 unauthenticated"
		foreign   = "403 forbidden"
		nowhere   = "404 not_found"
		noSite    = "404 unknown_site"
		enrolling = "200,401 unauthenticated,401 unauthenticated,401 unauthenticated,200,200,200,404 not_found"
	)
	none := strings.TrimSuffix(strings.Repeat("tls,", len(endpoints)), ",")
	public := func(assignment, windows, certificate string) string {
		return strings.Join([]string{assignment, windows, certificate, enrolling}, ",")
	}
	revoked := ours.certificate(t, "a1", nil)
	resumed := ours.certificate(t, "a1", nil)
	keep := func(c *tls.Certificate) string {
		parsed, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
		if err := os.WriteFile(filepath.Join(ca, "issued", pki.Serial(parsed.SerialNumber)+".pem"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return pki.Serial(parsed.SerialNumber)
	}
	// Sessions from before the revocation, one for each endpoint.
	var sessions []tls.ClientSessionCache
	for range endpoints {
		cache := tls.NewLRUClientSessionCache(4)
		c := &client{g: g, shown: resumed, cache: cache}
		if got := c.ask("GET", "/v1/sites/a1/assignment", nil); got != "200" {
			t.Fatalf("before the revocation: %s", got)
		}
		if got := c.ask("GET", "/v1/sites/a1/assignment", nil); got != "200" || !c.resumed {
			t.Fatalf("the session is not resumed (%s), so this test shows nothing", got)
		}
		sessions = append(sessions, cache)
	}
	for _, c := range []*tls.Certificate{revoked, resumed} {
		if _, err := folder.Revoke(keep(c), "key-compromise", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	g.wait(t, "the revocation counts", func() bool { return (&client{g: g, shown: resumed}).ask("GET", "/healthz", nil) == "tls" })

	for n, who := range []struct {
		name    string
		shown   *tls.Certificate
		site    string // in the path
		version uint16
		resume  bool
		want    string
	}{
		{"no certificate", nil, "a1", 0, false, public(stranger, stranger, stranger)},
		{"own site", ours.certificate(t, "a1", nil), "a1", 0, false, public("200", "200", "200")},
		{"another site", ours.certificate(t, "b1", nil), "a1", 0, false, public(foreign, foreign, foreign)},
		{"site that the mesh never had", ours.certificate(t, "z9", nil), "z9", 0, false, public(noSite, noSite, "200")},
		{"site whose time is over", ours.certificate(t, "old1", nil), "old1", 0, false, public("200", "200", "200")},
		{"unknown authority of the same name", strangers(t).certificate(t, "a1", nil), "a1", 0, false, none},
		{"expired", ours.certificate(t, "a1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "a1", 0, false, none},
		{"not yet in force", ours.certificate(t, "a1", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "a1", 0, false, none},
		{"revoked", revoked, "a1", 0, false, none},
		{"session from before the revocation", resumed, "a1", 0, true, none},
		{"certificate of a server", ours.certificate(t, "a1", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "a1", 0, false, none},
		{"two sites", ours.certificate(t, "a1", func(c *x509.Certificate) { c.URIs = append(c.URIs, wire.SiteURI("fibergauge", "b1")) }), "a1", 0, false, public(foreign, foreign, foreign)},
		{"no site", ours.certificate(t, "a1", func(c *x509.Certificate) { c.URIs = nil }), "a1", 0, false, public(foreign, foreign, foreign)},
		{"site as a host name", ours.certificate(t, "a1", func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"a1"} }), "a1", 0, false, public(foreign, foreign, foreign)},
		{"another trust domain", ours.certificate(t, "a1", func(c *x509.Certificate) { c.URIs = []*url.URL{wire.SiteURI("elsewhere", "a1")} }), "a1", 0, false, none},
		{"another spelling", ours.certificate(t, "a1", func(c *x509.Certificate) { c.URIs[0].Path = "/site/a1/" }), "a1", 0, false, public(foreign, foreign, foreign)},
		{"authority", ours.certificate(t, "a1", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }), "a1", 0, false, public(foreign, foreign, foreign)},
		{"TLS 1.2", ours.certificate(t, "a1", nil), "a1", tls.VersionTLS12, false, none},
	} {
		t.Run(who.name, func(t *testing.T) {
			want := strings.Split(who.want, ",")
			if len(want) != len(endpoints) {
				t.Fatalf("%d answers are stated of %d endpoints", len(want), len(endpoints))
			}
			for i, e := range endpoints {
				// Each from an address of its own, because enrolling is limited.
				c := &client{g: g, shown: who.shown, version: who.version, from: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}}
				if who.resume {
					c.cache = sessions[i]
				}
				if got := e.ask(c, who.site); got != want[i] {
					t.Errorf("%s: %s, want %s; answer %s", e.name, got, want[i], c.body)
				}
			}
		})
	}

	t.Run("failed handshakes are counted", func(t *testing.T) {
		if resp, err := http.Get("http://" + g.address + "/healthz"); err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %v, %v", resp, err)
		} else {
			resp.Body.Close()
		}
		if conn, err := net.Dial("tcp", g.address); err != nil {
			t.Error(err)
		} else {
			conn.Close()
		}
		if conn, err := tls.Dial("tcp", g.address, &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}); err == nil {
			conn.Close()
			t.Error("a client believes a certificate of an authority that it does not know")
		}
		// Those of the matrix above are among them.
		for _, reason := range []string{"revoked", "certificate", "version", "no_tls", "gone", "disbelieved"} {
			counted := regexp.MustCompile(`fibergauge_collector_handshakes_failed_total\{reason="` + reason + `"\} [1-9]`)
			g.wait(t, "failed handshakes are counted: "+reason, func() bool { return g.scrape(counted) })
		}
		if unknown := regexp.MustCompile(`reason="other"\} [1-9]`); g.scrape(unknown) {
			t.Error("a handshake failed for a reason that is not known")
		}
		if lines := strings.Count(g.log.String(), "a TLS connection was not made"); lines == 0 || lines > 150 {
			t.Errorf("%d lines in the log about failed handshakes", lines)
		}
	})

	t.Run("revoked while connected", func(t *testing.T) {
		shown := ours.certificate(t, "a1", nil)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.roots, Certificates: []tls.Certificate{*shown}}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		get := func() int {
			resp, err := (&http.Client{Transport: transport}).Get("https://" + g.address + "/v1/sites/a1/assignment")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.ProtoMajor != 2 {
				t.Errorf("HTTP/%d is spoken, want 2", resp.ProtoMajor)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp.StatusCode
		}
		if got := get(); got != 200 {
			t.Fatalf("status %d before", got)
		}
		if _, err := folder.Revoke(keep(shown), "superseded", time.Now()); err != nil {
			t.Fatal(err)
		}
		g.wait(t, "it is refused on its own connection", func() bool { return get() == 401 })
	})

	t.Run("a lost answer is given again", func(t *testing.T) {
		again := token("y1", time.Now())
		body := enrolment(t, again.String(), "y1", newKey(t))
		var answers []string
		for range 2 {
			c := &client{g: g, from: &net.TCPAddr{IP: net.IPv4(127, 0, 2, 1)}}
			if got := c.ask("POST", "/v1/enrol", body); got != "200" {
				t.Fatal(got, c.body)
			}
			answers = append(answers, c.body)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s, then %s", answers[0], answers[1])
		}
		got, err := wire.DecodeCertificate([]byte(answers[0]))
		if err != nil {
			t.Fatal(err)
		}
		issued, err := x509.ParseCertificate(got.Chain[0])
		if err != nil || len(issued.URIs) != 1 || issued.URIs[0].String() != "spiffe://fibergauge/site/y1" || issued.IsCA {
			t.Errorf("certificate for %v, %v; the token says y1", issued.URIs, err)
		}
	})

	t.Run("too many enrolments", func(t *testing.T) {
		c := &client{g: g, from: &net.TCPAddr{IP: net.IPv4(127, 0, 3, 1)}}
		g.wait(t, "it is slowed down", func() bool { return c.ask("POST", "/v1/enrol", []byte("{}")) == "429 overloaded" })
	})
}

// TestOutsideAuthority has certificates made by openssl, as an authority with an
// intermediate makes them.
func TestOutsideAuthority(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIPPED: there is no openssl here to make certificates with: apt install openssl")
	}
	dir := folder(t)
	script := exec.Command("bash", "-eu", "-c", outsideScript)
	script.Dir = dir
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	load := func(name string) *tls.Certificate {
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return &c
	}
	g := startGuarded(t, dir, "--client-ca", filepath.Join(dir, "authorities.pem"), "--crl", filepath.Join(dir, "crls.pem"))
	m := fakestore.Mesh("now")
	signed := batchOf(t, m, "a1", signer(t, "a1"))
	for _, c := range []struct{ name, certificate, method, path, body, want string }{
		{"RSA", "rsa", "GET", "/v1/sites/a1/assignment", "", "200"},
		{"ECDSA", "ecdsa", "GET", "/v1/sites/a1/assignment", "", "200"},
		{"another site", "ecdsa", "GET", "/v1/sites/b1/assignment", "", "403 forbidden"},
		{"another trust domain", "elsewhere", "GET", "/v1/sites/a1/assignment", "", "403 forbidden"},
		{"revoked", "revoked", "GET", "/v1/sites/a1/assignment", "", "tls"},
		{"not signed", "rsa", "POST", "/v1/sites/a1/windows", string(batchOf(t, m, "a1", nil)), "403 bad_signature"},
		{"signed by a key that nobody enrolled", "rsa", "POST", "/v1/sites/a1/windows", string(signed), "403 bad_signature"},
		{"no authority to enrol at", "rsa", "POST", "/v1/enrol", "{}", "404 not_found"},
		{"no authority to renew at", "rsa", "POST", "/v1/sites/a1/certificate", "{}", "404 not_found"},
	} {
		asks := &client{g: g, shown: load(c.certificate)}
		var body []byte
		if c.body != "" {
			body = []byte(c.body)
		}
		if got := asks.ask(c.method, c.path, body); got != c.want {
			t.Errorf("%s: %s, want %s; %s", c.name, got, c.want, asks.body)
		}
	}

	spec := "sqlite:" + filepath.Join(dir, "x.db")
	der, err := x509.MarshalPKIXPublicKey(signer(t, "a1").Public())
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(dir, "signing.pub")
	if err := os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	post := func() string {
		return (&client{g: g, shown: load("rsa")}).ask("POST", "/v1/sites/a1/windows", signed)
	}
	if status, out, stderr := run(t.Context(), "key", "add", "--store", spec, "--site", "a1", "--public-key", public); status != 0 {
		t.Fatalf("key add: %d %s %s", status, out, stderr)
	}
	g.wait(t, "the key counts", func() bool { return post() == "200" })
	if status, out, stderr := run(t.Context(), "key", "revoke", "--store", spec, "--site", "a1", "--all"); status != 0 {
		t.Fatalf("key revoke: %d %s %s", status, out, stderr)
	}
	g.wait(t, "the revocation counts", func() bool { return post() == "403 bad_signature" })
	if status, _, stderr := run(t.Context(), "key", "add", "--store", spec, "--site", "a1", "--public-key", public); status != 2 || !strings.Contains(stderr, "was revoked on") {
		t.Errorf("key add of a revoked key: %d %s", status, stderr)
	}

	// What does nothing does not pass for done.
	id := strings.Repeat("0", 64)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--site", "a1", "--key-id", id}, `site "a1" has no signing key ` + id + " in " + spec + ", so nothing is revoked; key list shows whose it is"},
		{[]string{"--site", "b1", "--public-key", public}, `site "b1" has no signing key ` + wire.KeyID(signer(t, "a1").Public().(ed25519.PublicKey)) + " in " + spec + ", so nothing is revoked; key list shows whose it is"},
		{[]string{"--site", "b1", "--all"}, `site "b1" has no signing key in ` + spec + ", so nothing is revoked; key list shows whose keys are there"},
	} {
		status, stdout, stderr := run(t.Context(), append([]string{"key", "revoke", "--store", spec}, c.args...)...)
		if diff := cmp.Diff("fibergauge-collector: key revoke: "+c.want+"\n", stderr); diff != "" || status != 1 || stdout != "" {
			t.Errorf("%v: status %d, %q (-want +got):\n%s", c.args, status, stdout, diff)
		}
	}
	const recipe = "; give an Ed25519 public key in PEM. To make one, at the site: openssl genpkey -algorithm ed25519 -out signing-key.pem; openssl pkey -in signing-key.pem -pubout -out signing.pub\n"
	for file, want := range map[string]string{
		"server.pem":     "is a certificate, which is of the TLS key and says nothing of the one that signs" + recipe,
		"index.txt":      "is not PEM" + recipe,
		"rsa.csr":        `holds "CERTIFICATE REQUEST"` + recipe,
		"server-key.pem": "is a private key, which stays at the site; give what this makes of it there: openssl pkey -in signing-key.pem -pubout -out signing.pub\n",
	} {
		path := filepath.Join(dir, file)
		status, _, stderr := run(t.Context(), "key", "add", "--store", spec, "--site", "a1", "--public-key", path)
		if diff := cmp.Diff("fibergauge-collector: public-key: "+path+" "+want, stderr); diff != "" || status != 2 {
			t.Errorf("%s: status %d (-want +got):\n%s", file, status, diff)
		}
	}
}

// TestLifeOfToken: days are taken, and what is refused is said in words of its own.
func TestLifeOfToken(t *testing.T) {
	dir := folder(t)
	ca := filepath.Join(dir, "ca")
	if status, _, stderr := run(t.Context(), "pki", "init", "--pki", ca); status != 0 {
		t.Fatal(stderr)
	}
	for life, want := range map[string]string{
		"1d":   "",
		"30d":  "",
		"31d":  "fibergauge-collector: pki token: life: 744h0m0s is not within 1m to 30d\n",
		"soon": `fibergauge-collector: --life: "soon" is not a time in days, hours, minutes or seconds such as 2d, 12h, 30m or 1h30m; see fibergauge-collector pki token --help` + "\n",
	} {
		status, stdout, stderr := run(t.Context(), "pki", "token", "--pki", ca, "--life", life, "a1")
		if diff := cmp.Diff(want, stderr); diff != "" || (status == 0) != (want == "") || (stdout != "") != (want == "") {
			t.Errorf("%s: status %d, %q (-want +got):\n%s", life, status, stdout, diff)
		}
	}
	if _, stdout, _ := run(t.Context(), "pki", "list", "--pki", ca); strings.Count(stdout, "\ntoken  site a1 ") != 2 {
		t.Errorf("pki list says\n%s", stdout)
	}
}

// outsideScript is what docs/identity.md tells to do with openssl.
const outsideScript = `
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj '/CN=Outside root' -days 3650 \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -keyout root-key.pem -out root.pem
openssl req -new -newkey rsa:2048 -nodes -subj '/CN=Outside intermediate' -keyout between-key.pem -out between.csr
openssl x509 -req -in between.csr -CA root.pem -CAkey root-key.pem -set_serial 0x11 -days 365 -out between.pem -extfile <(
    printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n')
issue() { # name serial extensions
    openssl x509 -req -in "$1.csr" -CA between.pem -CAkey between-key.pem -set_serial "$2" -days 30 -out own.pem -extfile <(
        printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n'; printf "$3")
    cat own.pem between.pem > "$1.pem"
}
site='extendedKeyUsage=clientAuth\nsubjectAltName=URI:spiffe://'
openssl req -new -newkey rsa:2048 -nodes -subj / -keyout rsa-key.pem -out rsa.csr; issue rsa 0x21 "${site}fibergauge/site/a1\n"
for name in ecdsa elsewhere revoked server; do
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout $name-key.pem -out $name.csr
done
issue ecdsa 0x22 "${site}fibergauge/site/a1\n"
issue elsewhere 0x23 "${site}elsewhere/site/a1\n"
issue revoked 0x24 "${site}fibergauge/site/a1\n"
issue server 0x25 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n'
cat root.pem >> server.pem
printf 'R\t351231235959Z\t250101000000Z\t24\tunknown\t/CN=x\n' > index.txt
echo 01 > number
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\n' > ca.cnf
openssl ca -config ca.cnf -gencrl -crldays 30 -keyfile between-key.pem -cert between.pem -out crls.pem
cat root.pem between.pem > authorities.pem
`

// TestOwnCertificateIsRenewed: the collector that has the authority does not let
// its own certificate end, and pki list tells of one that nobody renews.
func TestOwnCertificateIsRenewed(t *testing.T) {
	dir := folder(t)
	ca := filepath.Join(dir, "ca")
	authority, err := pki.Init(ca, "Fibergauge authority", "fibergauge", time.Now().Add(-pki.ServerLife))
	if err != nil {
		t.Fatal(err)
	}
	before, err := authority.Server(dir, []string{"localhost", "127.0.0.1"}, time.Now().Add(9*24*time.Hour+time.Hour-pki.ServerLife))
	if err != nil {
		t.Fatal(err)
	}
	list := func() string {
		status, stdout, stderr := run(t.Context(), "pki", "list", "--pki", ca)
		if status != 0 {
			t.Fatal(status, stderr)
		}
		return stdout
	}
	warning := "WARNING: certificate " + pki.Serial(before.SerialNumber) + " of the server localhost, 127.0.0.1 ends within 10 days and was not renewed; run pki server again\n"
	if got := list(); !strings.Contains(got, warning) {
		t.Errorf("pki list says\n%s\nwant %s", got, warning)
	}
	g := startGuarded(t, dir, "--pki", ca)
	if !strings.Contains(g.log.String(), "the collector's own certificate was renewed") {
		t.Errorf("log:\n%s", g.log)
	}
	conn, err := tls.Dial("tcp", g.address, &tls.Config{RootCAs: g.roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if shown := conn.ConnectionState().PeerCertificates[0]; time.Until(shown.NotAfter) < pki.ServerLife-time.Hour {
		t.Errorf("the certificate shown ends on %s", shown.NotAfter)
	}
	if got := list(); strings.Contains(got, "WARNING") || !strings.Contains(got, "  server localhost, 127.0.0.1  ") {
		t.Errorf("pki list warns of what was renewed, or does not name its hosts:\n%s", got)
	}
	status, stdout, stderr := run(t.Context(), "check", "--mesh", filepath.Join(dir, "m.yaml"), "--listen", ":0", "--pki", ca,
		"--tls-certificate", filepath.Join(dir, "server.pem"), "--tls-key", filepath.Join(dir, "server-key.pem"))
	if status != 0 || !strings.Contains(stdout, ", for localhost, 127.0.0.1\nsites ") {
		t.Errorf("check: status %d, %s\n%s", status, stderr, stdout)
	}
}
