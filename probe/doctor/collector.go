package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/internal/cli"
	"github.com/fibergauge/fibergauge/probe/identity"
	"github.com/fibergauge/fibergauge/probe/wire"
)

const (
	// patience is how long the collector may take.
	patience = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 16 << 20
	// soonDays is how long before its end a certificate is to be renewed.
	soonDays = 14
	// A clock that is off by more than tolerance gets its windows refused
	// (fibergauge-collector serve --future-tolerance).
	tolerance = time.Minute
	// resolution is that of the Date of an answer (RFC 9110, 6.6.1).
	resolution = time.Second
)

// Collector is the collector as the checks see it. Ask fills in what the
// checks after it want to know of the answer.
type Collector struct {
	URL    string // for people; empty: none is given
	Base   string // URL without a path
	Site   string // empty: only whether somebody answers is asked
	Client *http.Client
	Check  func(*wire.Assignment) error
	Now    func() time.Time
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Proxy  func(*http.Request) (*url.URL, error) // as the client has it

	unknown    bool // its name
	assignment *wire.Assignment
}

// host is the name in the URL; empty where there is none to look up.
func (c *Collector) host() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// proxy is the host through which the collector is reached; empty is none.
func (c *Collector) proxy() string {
	req, err := http.NewRequest(http.MethodGet, c.Base, nil)
	if err != nil || c.Proxy == nil {
		return ""
	}
	if u, err := c.Proxy(req); err == nil && u != nil {
		return u.Host
	}
	return ""
}

// Resolve looks the name of the collector up.
func (c *Collector) Resolve(ctx context.Context) []Finding {
	host := c.host()
	switch {
	case c.URL == "":
		return []Finding{notAsked("resolve", "", "not asked: --collector is absent")}
	case host == "":
		return []Finding{notAsked("resolve", "", "a Unix socket has no name to look up")}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return []Finding{notAsked("resolve", "", "%s is an address", host)}
	}
	if proxy := c.proxy(); proxy != "" {
		return []Finding{notAsked("resolve", "", "the proxy %s looks it up", proxy)}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := c.Now()
	addresses, err := c.Lookup(ctx, host)
	if err != nil {
		c.unknown = true
		why := err.Error()
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns) && dns.IsNotFound:
			why = "no address is known"
		case dns != nil:
			why = dns.Err // without the name once more
		}
		return []Finding{found("resolve", "", "%s: %s", host, why).but(StatusFailed, "check the name in --collector and the host's /etc/resolv.conf")}
	}
	names := make([]string, 0, len(addresses))
	for _, a := range addresses {
		names = append(names, a.Unmap().String())
	}
	took := c.Now().Sub(begin).Round(time.Millisecond)
	return []Finding{found("resolve", "", "%s is %s, looked up in %v", host, strings.Join(names, ", "), took).with("took_ms", took.Milliseconds())}
}

// Ask asks the collector for the assignment of the site, or where no site is
// given only whether it answers.
func (c *Collector) Ask(ctx context.Context) []Finding {
	if c.URL == "" {
		return []Finding{notAsked("collector", "", "not asked: --collector is absent")}
	}
	if c.unknown {
		return []Finding{notAsked("collector", "", "not asked: its name leads nowhere")}
	}
	path := "/readyz"
	if c.Site != "" {
		path = "/v1/sites/" + url.PathEscape(c.Site) + "/assignment"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, nil)
	if err != nil {
		return []Finding{found("collector", "", "%s: %v", c.URL, err).but(StatusFailed, "check --collector")}
	}
	begin := c.Now()
	res, err := c.Client.Do(req)
	if err != nil {
		return []Finding{c.unreached(err)}
	}
	defer res.Body.Close()
	end := c.Now()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return []Finding{found("collector", "", "%s: its answer breaks off: %v", c.URL, err).but(StatusFailed, "see what is between here and there")}
	}
	return []Finding{c.answered(res, body), c.certificate(res.TLS), c.offset(res.Header.Get("Date"), begin, end)}
}

func (c *Collector) unreached(err error) Finding {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL
	}
	var explained *identity.Explained
	if errors.As(err, &explained) {
		return found("collector", "", "%s: %s", c.URL, explained.Text).but(StatusFailed, "%s", explained.Do)
	}
	f := found("collector", "", "%s cannot be reached: %v", c.URL, err)
	var (
		stranger  x509.UnknownAuthorityError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &stranger):
		// With an identity the error would be an explained one.
		return f.but(StatusFailed, "enrol this probe, or give --site and --identity if it is enrolled: the identity says which authority is believed")
	case errors.As(err, &untrusted):
		return f.but(StatusFailed, "renew its certificate")
	case errors.Is(err, context.DeadlineExceeded):
		return f.but(StatusFailed, "see whether a firewall drops what goes there")
	}
	return f.but(StatusFailed, "see whether it runs, listens there, and is let through")
}

func (c *Collector) answered(res *http.Response, body []byte) Finding {
	if res.StatusCode != http.StatusOK {
		f := found("collector", "", "%s answers %s", c.URL, res.Status)
		do := "check --collector and --site, or see its log"
		var p wire.Problem
		if json.Unmarshal(body, &p) == nil && p.Schema == wire.SchemaError {
			text, advice, more := strings.Cut(p.Message, "; ")
			f.Text += fmt.Sprintf(": %.300s (%s)", text, p.Code)
			if more {
				do = advice
			}
		}
		return f.but(StatusFailed, "%.300s", do)
	}
	if c.Site == "" {
		return found("collector", "", "%s answers; give --site to see what it assigns", c.URL)
	}
	a, err := wire.DecodeAssignment(body)
	if err == nil {
		err = c.Check(a)
	}
	if err != nil {
		text, do, more := strings.Cut(err.Error(), "; ")
		if !more {
			do = "check --collector and --site; an old probe may not know what a new collector assigns"
		}
		return found("collector", "", "%s: %s", c.URL, text).but(StatusFailed, "%s", do)
	}
	c.assignment = a
	to, _ := targetsOf(a)
	targets := len(to)
	f := found("collector", "", "%s answers; it assigns %s to %s", c.URL, cli.Count(len(a.Tasks), "test"), cli.Count(targets, "target"))
	switch {
	case targets == 0 && a.Reflector != nil:
		f = found("collector", "", "%s answers; it assigns no test: this site only answers", c.URL)
	case targets == 0:
		f = f.but(StatusWarning, "nothing is measured from this site until the mesh says what")
	}
	return f.with("tests", int64(len(a.Tasks))).with("targets", int64(targets))
}

func (c *Collector) certificate(state *tls.ConnectionState) Finding {
	if state == nil || len(state.PeerCertificates) == 0 {
		return notAsked("certificate", "", "none: the connection is local and not encrypted")
	}
	own := state.PeerCertificates[0]
	days := int64(own.NotAfter.Sub(c.Now()) / (24 * time.Hour))
	f := found("certificate", "", "ends in %s, on %s", cli.Count(int(days), "day"), own.NotAfter.UTC().Format(time.DateOnly)).with("days_left", days)
	if days < soonDays {
		return f.but(StatusWarning, "renew the collector's certificate before that: afterwards windows only wait in the spool")
	}
	return f
}

// offset holds the clock against the collector's, which tells whole seconds.
func (c *Collector) offset(date string, begin, end time.Time) Finding {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return notAsked("clock", "offset", "the collector does not tell its time")
	}
	// The second began before the answer was sent and had not ended then.
	middle := begin.Add(end.Sub(begin) / 2)
	offset := middle.Sub(theirs.Add(resolution / 2))
	unsure := resolution/2 + end.Sub(begin)/2
	f := found("clock", "offset", "%+.1f s to the collector, ±%.1f s (it tells whole seconds)", offset.Seconds(), unsure.Seconds())
	switch away := offset.Abs() - unsure; {
	case away > tolerance && offset > 0:
		f = f.but(StatusFailed, "set this clock or the collector's: what lies more than a minute in its future is refused")
	case away > resolution:
		f = f.but(StatusWarning, "set this clock or the collector's: windows would be dated wrongly")
	}
	return f.with("offset_ms", offset.Milliseconds()).with("error_ms", unsure.Milliseconds())
}
