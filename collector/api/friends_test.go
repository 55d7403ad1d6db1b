package api

import (
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/fibergauge/fibergauge/collector/identity"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// shown are certificates of which a test says what they are.
type shown struct {
	site string
	err  error
}

func (s shown) Site(*tls.ConnectionState) (string, error) { return s.site, s.err }

func (s shown) Known(*tls.ConnectionState) bool { return s.err == nil }

func TestMetricsAreForFriends(t *testing.T) {
	for _, c := range []struct {
		from string
		err  error
		want int
	}{
		{"192.0.2.7:40000", identity.ErrNone, 401},
		{"[2001:db8::7]:40000", identity.ErrNone, 401},
		{"192.0.2.7:40000", &identity.Ended{Reason: "revoked"}, 401},
		{"192.0.2.7:40000", nil, 200},
		{"127.0.0.1:40000", identity.ErrNone, 200},
		{"[::1]:40000", identity.ErrNone, 200},
		{"@", identity.ErrNone, 200}, // a Unix socket
	} {
		b := serving(t)
		b.Scrapes = MetricsToFriends(shown{"a1", c.err})
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = c.from
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s, %v: %d, want %d", c.from, c.err, w.Code, c.want)
		}
	}
}

func TestSiteInCertificate(t *testing.T) {
	for _, c := range []struct {
		path string
		shown
		want wire.Code
	}{
		{"a1", shown{site: "a1"}, ""},
		{"b1", shown{site: "a1"}, wire.CodeForbidden},
		{"A1", shown{site: "a1"}, wire.CodeForbidden},
		{"a%31", shown{site: "a1"}, wire.CodeBadRequest},
		{"a1", shown{err: identity.ErrNone}, wire.CodeUnauthenticated},
		{"a1", shown{err: &identity.Ended{Reason: "revoked"}}, wire.CodeUnauthenticated},
		{"a1", shown{err: &identity.Foreign{Reason: "names two"}}, wire.CodeForbidden},
		{"a1", shown{err: errors.New("whatever")}, wire.CodeUnauthenticated},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetPathValue("site", c.path)
		site, no := SiteInCertificate(c.shown)(r)
		var got wire.Code
		if no != nil {
			got = no.Code
		}
		if got != c.want || (no == nil) != (site == "a1") {
			t.Errorf("%s as %+v: %q, %+v; want %q", c.path, c.shown, site, no, c.want)
		}
	}
}
