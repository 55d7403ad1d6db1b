package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// authority stands in for the collector's: a root, one certificate between, and
// what a collector says when it is asked to certify.
type authority struct {
	t       testing.TB
	root    *x509.Certificate
	rootKey crypto.Signer
	between *x509.Certificate
	key     crypto.Signer

	mu    sync.Mutex // protects all following fields
	life  time.Duration
	begin time.Duration // of the next certificate, from now
	asked []*wire.Enrolment
	shown []*x509.Certificate              // by the client, at each renewal
	told  func(w http.ResponseWriter) bool // answers in the place of the authority
	alter func(*wire.Certificate)          // changes the answer
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// certify signs a template; without an issuer by itself.
func certify(t testing.TB, template *x509.Certificate, public crypto.PublicKey, issuer *x509.Certificate, by crypto.Signer) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, life: 30 * 24 * time.Hour}
	rootKey, key := newKey(t), newKey(t)
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	a.rootKey, a.key = rootKey, key
	a.root = certify(t, ca("root"), &rootKey.PublicKey, nil, rootKey)
	a.between = certify(t, ca("sites"), &key.PublicKey, a.root, rootKey)
	return a
}

func (a *authority) digest() wire.Digest { return sha256.Sum256(a.root.Raw) }

func (a *authority) token(site string) wire.Token {
	return wire.Token{Site: site, Secret: make([]byte, wire.TokenSecretBytes), Authority: a.digest()}
}

// server is the certificate of a collector, with the whole chain.
func (a *authority) server(from, until time.Time, hosts ...string) tls.Certificate {
	key := newKey(a.t)
	template := &x509.Certificate{NotBefore: from, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	own := certify(a.t, template, &key.PublicKey, a.root, a.rootKey)
	return tls.Certificate{Certificate: [][]byte{own.Raw, a.root.Raw}, PrivateKey: key}
}

func (a *authority) tls(own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool([]*x509.Certificate{a.root}),
	}
}

// issue certifies a key for a site.
func (a *authority) issue(site string, public crypto.PublicKey, from, until time.Time) *x509.Certificate {
	return certify(a.t, &x509.Certificate{
		URIs: []*url.URL{wire.SiteURI(wire.DefaultTrustDomain, site)}, NotBefore: from, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public, a.between, a.key)
}

// ServeHTTP answers as the collector of the contract does.
func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.t.Error(err)
		return
	}
	e, err := wire.DecodeEnrolment(body)
	if err != nil {
		a.t.Errorf("enrolment: %v", err)
		return
	}
	var site string
	switch rest, renewal := strings.CutPrefix(r.URL.Path, "/v1/sites/"); {
	case r.Method != http.MethodPost:
		a.t.Errorf("%s %s", r.Method, r.URL)
	case renewal && strings.HasSuffix(rest, "/certificate"):
		site = strings.TrimSuffix(rest, "/certificate")
		if e.Token != "" || len(r.TLS.PeerCertificates) == 0 {
			a.t.Errorf("renewal with token %q and %d certificates", e.Token, len(r.TLS.PeerCertificates))
			return
		}
		a.shown = append(a.shown, r.TLS.PeerCertificates[0])
	case r.URL.Path == "/v1/enrol":
		token, err := wire.ParseToken(e.Token)
		if err != nil {
			a.t.Errorf("token: %v", err)
		}
		site = token.Site
	default:
		a.t.Errorf("asked for %s", r.URL)
	}
	a.asked = append(a.asked, e)
	if a.told != nil && a.told(w) {
		return
	}
	ask, err := x509.ParseCertificateRequest(e.Request)
	if err == nil {
		err = ask.CheckSignature()
	}
	if err != nil {
		a.t.Errorf("request: %v", err)
		return
	}
	from := time.Now().Add(a.begin)
	own := a.issue(site, ask.PublicKey, from, from.Add(a.life))
	answer := wire.Certificate{Schema: wire.SchemaCertificate, Chain: [][]byte{own.Raw, a.between.Raw}, Root: a.root.Raw}
	if a.alter != nil {
		a.alter(&answer)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

// heard are the enrolments that were asked for, and the certificates shown.
func (a *authority) heard() ([]*wire.Enrolment, []*x509.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked), slices.Clone(a.shown)
}

// set changes the authority between requests.
func (a *authority) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func problem(status int, code wire.Code, message string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(wire.Problem{Schema: wire.SchemaError, Code: code, Message: message})
		return true
	}
}

// folder is an identity as an authority of one's own would put it there.
func (a *authority) folder(site string, from, until time.Time) string {
	a.t.Helper()
	dir := a.t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		a.t.Fatal(err)
	}
	key := newKey(a.t)
	own := a.issue(site, &key.PublicKey, from, until)
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, err := range []error{
		writeKey(dir, keyFile, key), writeKey(dir, signingFile, signing),
		write(dir, certificateFile, 0o644, inPEM("CERTIFICATE", own.Raw, a.between.Raw)),
		write(dir, authorityFile, 0o644, inPEM("CERTIFICATE", a.root.Raw)),
	} {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

// contents are the files of a folder.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}
