package identity

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Enrolment is what Enrol needs.
type Enrolment struct {
	Dir       string
	Collector string // https URL without a path at its end
	Token     wire.Token
	Again     bool // replace an identity that is good
	UserAgent string
	// Proxy finds the proxy on the way, as in http.Transport; nil: none.
	Proxy func(*http.Request) (*url.URL, error)
}

// ErrEnrolled is that there is a good identity already.
var ErrEnrolled = errors.New("this probe is enrolled already")

// Enrol makes keys and has them certified by a token. The keys are on disk
// before they are spoken of, and are used again where the answer was lost. It
// gives the identity that is in the folder then; beside it may stand an error,
// ErrEnrolled or of the clock.
func Enrol(ctx context.Context, e Enrolment) (*Identity, error) {
	switch now, err := readAny(e.Dir); {
	case err == nil && now.Site != e.Token.Site:
		return nil, fmt.Errorf("%s holds the identity of site %s and the token is for site %s; give --identity another folder, or have a token made for the right site", e.Dir, now.Site, e.Token.Site)
	case err == nil && !e.Again && now.InForce(time.Now()) == nil:
		return now, ErrEnrolled
	case err != nil && !e.Again && there(e.Dir, certificateFile):
		return nil, fmt.Errorf("%w; or replace what is in the folder by --again", err)
	}
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkFolder(e.Dir); err != nil {
		return nil, err
	}
	key, signing, err := enrolKeys(e.Dir)
	if err != nil {
		return nil, err
	}
	ask, err := request(e.Token.Site, key, signing)
	if err != nil {
		return nil, err
	}
	ask.Token = e.Token.String()
	answer, authority, err := e.post(ctx, ask)
	if err != nil {
		return nil, err
	}
	c, err := check(answer, e.Token.Site, key, time.Now())
	if err != nil {
		return nil, err
	}
	// Roots of before are not kept: whoever enrols anew may do so because one
	// of them is not to be believed any longer.
	if err := c.install(e.Dir, with([]*x509.Certificate{authority}, c.root), nil); err != nil {
		return nil, fmt.Errorf("%w; make that possible and run the same again: the token gives the same answer until it expires", err)
	}
	id, err := Read(e.Dir, e.Token.Site)
	if err != nil {
		return nil, err
	}
	return id, id.InForce(time.Now())
}

func there(dir, file string) bool {
	_, err := os.Lstat(filepath.Join(dir, file))
	return err == nil
}

// enrolKeys are the keys to enrol: those of an enrolment that was interrupted,
// or new ones.
func enrolKeys(dir string) (crypto.Signer, ed25519.PrivateKey, error) {
	key, err := privateKey(dir, enrolKeyFile)
	signing, err2 := signingKey(dir, enrolSigningFile)
	if err == nil && err2 == nil && key != nil && signing != nil {
		return key, signing, nil
	}
	// Whatever cannot be read is replaced: it was never in force.
	if key, err = newTLSKey(); err != nil {
		return nil, nil, err
	}
	if _, signing, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, nil, err
	}
	if err = writeKey(dir, enrolKeyFile, key); err == nil {
		err = writeKey(dir, enrolSigningFile, signing)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keep the keys: %w", err)
	}
	return key, signing, nil
}

// post sends the request, and gives the certificate that the token names too.
func (e *Enrolment) post(ctx context.Context, ask *wire.Enrolment) (*wire.Certificate, *x509.Certificate, error) {
	u, err := url.Parse(e.Collector)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return nil, nil, fmt.Errorf("%.200q is not https://HOST[:PORT]", e.Collector)
	}
	var authority *x509.Certificate
	transport := &http.Transport{
		Proxy:           e.Proxy,
		TLSClientConfig: believing(e.Token.Authority, u.Hostname(), &authority),
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := post(ctx, client, e.Collector+"/v1/enrol", e.UserAgent, ask)
	var no *refused
	var lost *unreached
	var explained *Explained
	switch {
	case err == nil:
		return answer, authority, nil
	case errors.As(Explain(err, u.Hostname(), time.Now()), &explained):
		err = explained
	case errors.As(err, &lost):
		err = fmt.Errorf("%w; when it answers run the same again: the keys are kept, and the token gives the same answer until it expires", err)
	case !errors.As(err, &no):
		// An answer that is none of a collector.
	case no.status == http.StatusNotFound:
		err = fmt.Errorf("%w; this collector enrols nobody: give --collector the one that runs with --pki", no)
	case no.code == wire.CodeUnauthenticated && no.message == "":
		err = fmt.Errorf("%w; have another token made: fibergauge-collector pki token %s", no, e.Token.Site)
	case no.status == http.StatusTooManyRequests || no.status == http.StatusServiceUnavailable:
		err = fmt.Errorf("%w; run the same again in a while: the keys are kept", no)
	case no.message == "":
		err = fmt.Errorf("%w; see whether --collector leads to a collector, and see its log", no)
	}
	return nil, nil, err
}

// believing believes a server whose chain holds the certificate that a digest
// names, if that vouches for the server's own and for the name of the host. That
// certificate is put into authority.
func believing(digest wire.Digest, host string, authority **x509.Certificate) *tls.Config {
	verify := func(state tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates {
			if sha256.Sum256(c.Raw) == digest {
				*authority = c
				continue
			}
			between.AddCert(c)
		}
		if *authority == nil {
			return &Explained{
				"the collector shows no certificate of the authority that the token names",
				"see whether --collector is the one that made the token, and whether the collector's --tls-certificate holds the whole chain with the root",
				nil,
			}
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: pool([]*x509.Certificate{*authority}), Intermediates: between, DNSName: host,
		})
		return err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: host,
		// There is no root to verify by yet: VerifyConnection does it, by the
		// digest that the token brings.
		InsecureSkipVerify: true,
		VerifyConnection:   verify,
	}
}
