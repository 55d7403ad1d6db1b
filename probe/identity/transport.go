package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

// transport speaks with the identity in force: it makes new connections when
// that changes, and lets the old ones go.
type transport struct {
	folder *Folder
	base   *http.Transport

	mu      sync.Mutex // protects all following fields
	of      *Identity
	current *http.Transport
}

// Transport makes connections by TLS that carry the identity, otherwise as a
// base does. Its errors say what to do.
func (f *Folder) Transport(base *http.Transport) http.RoundTripper {
	return &transport{folder: f, base: base}
}

// RoundTrip sends a request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	id := t.folder.Current()
	if err := id.InForce(time.Now()); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		t.CloseIdleConnections()
		return nil, err
	}
	res, err := t.by(id).RoundTrip(req)
	if err != nil {
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			err = t.listen(req, id, err)
		}
		return nil, Explain(err, req.URL.Hostname(), time.Now())
	}
	return res, nil
}

// listen finds out what the collector says where it hung up before it was
// listened to. By TLS 1.3 it refuses a certificate when the client is speaking
// already, and what it said is lost: so once more, without speaking.
func (t *transport) listen(req *http.Request, id *Identity, err error) error {
	if t.base.Proxy != nil {
		if proxy, proxied := t.base.Proxy(req); proxy != nil || proxied != nil {
			return err
		}
	}
	port := req.URL.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(req.Context(), listenTime)
	defer cancel()
	dialer := tls.Dialer{Config: id.TLS()}
	conn, failed := dialer.DialContext(ctx, "tcp", net.JoinHostPort(req.URL.Hostname(), port))
	if failed != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok && conn.SetReadDeadline(deadline) != nil {
		return err
	}
	var said *net.OpError
	if _, heard := conn.Read(make([]byte, 1)); errors.As(heard, &said) && said.Op == "remote error" {
		return heard
	}
	return err
}

// listenTime is how long the collector may take to say why it hangs up.
const listenTime = 5 * time.Second

func (t *transport) by(id *Identity) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of != id {
		if t.current != nil {
			t.current.CloseIdleConnections()
		}
		t.of, t.current = id, t.base.Clone()
		t.current.TLSClientConfig = id.TLS()
		// By HTTP/1.1 what the collector says of a certificate is heard; an
		// HTTP/2 connection that ends at its beginning hides it.
		t.current.ForceAttemptHTTP2 = false
	}
	return t.current
}

// CloseIdleConnections is for http.Client.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.CloseIdleConnections()
	}
}

// Explained is an error of a connection in words that say what to do.
type Explained struct {
	Text string // what is wrong
	Do   string // what to do about it
	Err  error
}

func (e *Explained) Error() string { return e.Text + "; " + e.Do }
func (e *Explained) Unwrap() error { return e.Err }

// Explain says what an error of TLS means and what to do about it; any other
// error is given back as it is.
func Explain(err error, host string, now time.Time) error {
	if text, do := explain(err, host, now); text != "" {
		return &Explained{text, do, err}
	}
	return err
}

func explain(err error, host string, now time.Time) (text, do string) {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		noTLS   tls.RecordHeaderError
		remote  *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "the collector's certificate is by an authority that " + authorityFile + " does not hold",
			"see whether --collector is the right one; if its authority is new, enrol again (fibergauge-probe enrol --again)"
	case errors.As(err, &name):
		return fmt.Sprintf("the collector's certificate is not for %s but for %s", host, names(name.Certificate)),
			"name the collector as its certificate does, or have one made there that names " + host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the collector's certificate is in force from %s to %s, and this host's clock says %s",
				moment(invalid.Cert.NotBefore), moment(invalid.Cert.NotAfter), moment(now)),
			"set the clock here if it is wrong, or have the collector's certificate renewed"
	case errors.As(err, &invalid):
		return fmt.Sprintf("the collector's certificate is not good: %v", invalid), "have another made at the collector"
	case errors.As(err, &noTLS), errors.Is(err, http.ErrSchemeMismatch):
		return "what answers there does not speak TLS", "see whether the port in --collector is that of https"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return alert(remote.Err.Error())
	case strings.Contains(err.Error(), "remote error: tls: "):
		// What the server says of a client certificate by TLS 1.3 comes with the
		// first answer, where package http keeps only its text.
		_, said, _ := strings.Cut(err.Error(), "remote error: ")
		return alert(said)
	}
	return "", ""
}

// alert explains what a server says before it hangs up (RFC 8446, 6.2).
func alert(said string) (text, do string) {
	again := "have a token made (fibergauge-collector pki token) and enrol again: fibergauge-probe enrol --again"
	switch said {
	case "tls: unknown certificate authority":
		return "the collector does not know the authority of this probe's certificate",
			"see whether --collector is the right one; if so, " + again
	case "tls: expired certificate":
		return "for the collector, this probe's certificate is not in force",
			"compare the clocks of both; if it has ended, " + again
	case "tls: revoked certificate":
		return "this probe's certificate was revoked", again
	case "tls: bad certificate", "tls: certificate unknown", "tls: access denied":
		return "the collector refuses this probe's certificate: it is revoked, or not one of a site of its mesh",
			"ask the collector's operators why; if it was revoked, " + again
	case "tls: certificate required":
		return "the collector asks for a certificate", again
	case "tls: protocol version not supported":
		return "what answers there does not speak TLS 1.3", "see whether --collector is the right one, and whether a proxy on the way ends the TLS"
	}
	return "the collector breaks the connection off: " + said, "see its log"
}

// names lists what a certificate is for.
func names(c *x509.Certificate) string {
	var all []string
	all = append(all, c.DNSNames...)
	for _, a := range c.IPAddresses {
		all = append(all, a.String())
	}
	if len(all) == 0 {
		return "no host"
	}
	if len(all) > 5 {
		all = append(all[:5], "…")
	}
	return strings.Join(all, ", ")
}
