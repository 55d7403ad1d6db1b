package datasource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// refuse says to whoever looks at a panel what went wrong, and what to do.
func (u *upstream) refuse(err error) backend.DataResponse {
	status, text := u.explain(err)
	return refused(status, backend.ErrorSourceDownstream, errors.New(text))
}

// explain tells apart what the settings, the network, the analyzer and its rules
// have refused.
func (u *upstream) explain(err error) (backend.Status, string) {
	var answered *api.Error
	var timeout net.Error
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var certificate *tls.CertificateVerificationError
	switch {
	case u.broken != nil:
		return backend.StatusBadRequest, u.broken.Error()
	case errors.As(err, &answered):
		return u.explainAnswer(answered)
	case errors.Is(err, context.Canceled):
		return backend.StatusTimeout, "the query was cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return backend.StatusTimeout, fmt.Sprintf("the analyzer at %s has not answered within %s: ask for a shorter time, or raise the timeout in the settings of the data source; if it never answers, look at its log", u.url, u.timeout)
	case errors.As(err, &authority):
		return backend.StatusBadGateway, fmt.Sprintf("the certificate of %s is not of an authority that Grafana knows: switch on Own authority in the settings of the data source, and put its certificate there", u.url)
	case errors.As(err, &host):
		return backend.StatusBadGateway, fmt.Sprintf("the certificate of %s is for another name: enter one that it has as Server name in the settings of the data source, or have one issued for this address (%v)", u.url, host)
	case errors.As(err, &certificate):
		return backend.StatusBadGateway, fmt.Sprintf("the certificate of %s is not good for it: %v", u.url, err)
	}
	return backend.StatusBadGateway, fmt.Sprintf("no analyzer answers at %s: start fibergauge-analyzer serve, or mend the URL in the settings of the data source (%v)", u.url, err)
}

func (u *upstream) explainAnswer(e *api.Error) (backend.Status, string) {
	switch {
	case older(e):
		return backend.StatusNotImplemented, fmt.Sprintf("the analyzer is older than this plugin and does not answer this query: update fibergauge-analyzer (it says: %s)", e.Detail)
	case e.Status == http.StatusUnauthorized:
		return backend.StatusUnauthorized, fmt.Sprintf("the analyzer does not know the token: put one that fibergauge-analyzer readers gave into the settings of the data source (it says: %s)", e.Detail)
	case e.Status == http.StatusForbidden:
		return backend.StatusForbidden, fmt.Sprintf("the token in the settings of the data source does not allow this: %s", e.Detail)
	case e.Temporary():
		return backend.StatusTooManyRequests, fmt.Sprintf("the analyzer is busy: refresh in a while (it says: %s)", e.Detail)
	case e.Status >= 300 && e.Status < 400:
		return backend.StatusBadGateway, "the address redirects elsewhere, where the token is not sent: enter the address that answers itself"
	case e.Stranger:
		return backend.StatusBadGateway, fmt.Sprintf("what answers at %s, with status %d, is no analyzer, or something in front of it: mend the URL in the settings of the data source; with TLS it begins with https://", u.url, e.Status)
	case e.Status >= 400 && e.Status < 500:
		return backend.Status(e.Status), "the analyzer refuses the query: " + e.Detail
	}
	return backend.StatusBadGateway, e.Error()
}

// older tells whether the analyzer lacks a path or a parameter: nothing else is
// asked of it here than what this version has.
func older(e *api.Error) bool {
	return e.Status == http.StatusNotFound && strings.HasPrefix(e.Detail, "there is nothing at ") ||
		e.Status == http.StatusBadRequest && strings.Contains(e.Detail, " is no parameter; ")
}

// emptyError says that there is nothing to show, which is no mistake of anybody.
type emptyError struct {
	executed string // what was asked of the analyzer
	why      string
}

func (e *emptyError) Error() string { return e.why }

// orEmpty is an error, as emptyError if what was asked for is not there.
func orEmpty(executed string, err error) error {
	if why, none := absent(err); none {
		return &emptyError{executed, why}
	}
	return err
}

// isEmpty tells whether there is just nothing to show.
func isEmpty(err error) bool {
	var empty *emptyError
	return errors.As(err, &empty)
}

// absent tells whether what was asked for is not there, which is no mistake of
// anybody, and says what the analyzer says of it.
func absent(err error) (string, bool) {
	var e *api.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && !older(e) {
		return e.Detail, true
	}
	return "", false
}
