package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fibergauge/fibergauge/internal/durable"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// patience is how long the collector may take.
	patience = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// request asks for a certificate of a key.
func request(site string, key crypto.Signer, signing ed25519.PrivateKey) (*wire.Enrolment, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: site}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	return &wire.Enrolment{
		Schema: wire.SchemaEnrolment, Request: der,
		SigningKey: signing.Public().(ed25519.PublicKey), SigningProof: ed25519.Sign(signing, der),
	}, nil
}

// refused is an answer without a certificate.
type refused struct {
	status  int
	code    wire.Code
	message string
	after   time.Duration
}

func (r *refused) Error() string {
	text := fmt.Sprintf("the collector answers %d %s", r.status, http.StatusText(r.status))
	if r.message != "" {
		text += fmt.Sprintf(": %.300s (%s)", r.message, r.code)
	}
	return text
}

// unreached is that no answer came, perhaps only back.
type unreached struct{ err error }

func (u *unreached) Error() string { return "reach collector: " + u.err.Error() }
func (u *unreached) Unwrap() error { return u.err }

// post sends a request and reads the answer.
func post(ctx context.Context, client *http.Client, to, userAgent string, e *wire.Enrolment) (*wire.Certificate, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {userAgent}}
	res, err := client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, &unreached{err}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, &unreached{err}
	}
	if res.StatusCode != http.StatusOK {
		r := &refused{status: res.StatusCode}
		if seconds, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16); err == nil {
			r.after = time.Duration(seconds) * time.Second
		}
		var p wire.Problem
		if json.Unmarshal(data, &p) == nil && p.Schema == wire.SchemaError {
			r.code, r.message = p.Code, p.Message
		}
		return nil, r
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("the collector's answer is above %d bytes", maxAnswer)
	}
	c, err := wire.DecodeCertificate(data)
	if err != nil {
		return nil, fmt.Errorf("read the collector's answer: %w", err)
	}
	return c, nil
}

// issued is a certificate that was checked.
type issued struct {
	chain []*x509.Certificate // own first
	root  *x509.Certificate
}

// check takes an answer only if it is a certificate of the key and the site that
// its root vouches for.
func check(answer *wire.Certificate, site string, key crypto.Signer, now time.Time) (*issued, error) {
	var c issued
	between := x509.NewCertPool()
	for i, der := range answer.Chain {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the collector answers with a certificate that cannot be read: %w", err)
		}
		c.chain = append(c.chain, one)
		if i > 0 {
			between.AddCert(one)
		}
	}
	var err error
	if c.root, err = x509.ParseCertificate(answer.Root); err != nil {
		return nil, fmt.Errorf("the collector answers with a root that cannot be read: %w", err)
	}
	own := c.chain[0]
	if !fits(key, own) {
		return nil, errors.New("the collector answers with a certificate of another key; nothing was changed")
	}
	if named, err := siteOf(own); err != nil || named != site {
		return nil, fmt.Errorf("the collector answers with a certificate that is not of site %s; nothing was changed", site)
	}
	if now.Before(own.NotBefore) || now.After(own.NotAfter) {
		// Of the clock is spoken elsewhere; here the chain is in question.
		now = own.NotBefore.Add(own.NotAfter.Sub(own.NotBefore) / 2)
	}
	if _, err := own.Verify(x509.VerifyOptions{
		Roots: pool([]*x509.Certificate{c.root}), Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return nil, fmt.Errorf("the collector answers with a certificate that is not good; nothing was changed: %w", err)
	}
	return &c, nil
}

// install puts a certificate into force; its key is in the folder already. Where
// it follows another, that has to be the one in force still: somebody who enrolled
// meanwhile may have done so because the keys or roots before are not good.
func (c *issued) install(dir string, roots []*x509.Certificate, follows *x509.Certificate) error {
	unlock, err := durable.LockFolder(dir)
	if err != nil {
		return err
	}
	defer unlock()
	if follows != nil {
		now, err := certificates(dir, certificateFile)
		if err != nil {
			return err
		}
		if !now[0].Equal(follows) {
			return fmt.Errorf("%s holds another certificate now than the one that was to be renewed; nothing was changed", dir)
		}
	}
	if err := write(dir, authorityFile, 0o644, inPEM("CERTIFICATE", raw(roots)...)); err != nil {
		return fmt.Errorf("keep the authority: %w", err)
	}
	if err := write(dir, certificateFile, 0o644, inPEM("CERTIFICATE", raw(c.chain)...)); err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	if err := settle(dir); err != nil {
		return fmt.Errorf("put the new keys in their place: %w", err)
	}
	return nil
}

// with adds a root to those there are.
func with(roots []*x509.Certificate, c *x509.Certificate) []*x509.Certificate {
	for _, r := range roots {
		if r.Equal(c) {
			return roots
		}
	}
	return append(roots[:len(roots):len(roots)], c)
}

func raw(all []*x509.Certificate) [][]byte {
	var ders [][]byte
	for _, c := range all {
		ders = append(ders, c.Raw)
	}
	return ders
}
