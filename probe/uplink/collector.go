package uplink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Collector is where the collector listens.
type Collector struct {
	base   string // URL without the slash at its end
	socket string // path of a Unix socket; empty: TCP
}

// ParseCollector reads the address of a collector: an https URL, an http URL of
// this host, or unix:PATH.
func ParseCollector(s string) (Collector, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return Collector{}, errors.New("unix: needs the path of a socket, as in unix:/run/fibergauge/collector.sock")
		}
		// The host is never looked up; it stands in the Host header.
		return Collector{base: "http://collector", socket: path}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Collector{}, fmt.Errorf("%.200q is not a collector; allowed are https://HOST[:PORT], http://127.0.0.1:PORT and unix:PATH", s)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Collector{}, fmt.Errorf("%.200q has more than a host, a port and a path", u.Redacted())
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return Collector{}, fmt.Errorf("http is not encrypted and only allowed to this host; use https://%s", u.Host)
	}
	return Collector{base: strings.TrimRight(u.String(), "/")}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// String is the address for people.
func (c Collector) String() string {
	if c.socket != "" {
		return "unix:" + c.socket
	}
	return c.base
}

// TLS tells whether the collector is reached by TLS.
func (c Collector) TLS() bool { return strings.HasPrefix(c.base, "https:") }

// Client makes an HTTP client for the collector. carry gives a transport the
// identity of the probe; nil: it goes without one.
func (c Collector) Client(carry func(*http.Transport) http.RoundTripper) *http.Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 2,
		TLSHandshakeTimeout: requestTimeout,
		// So that connections of a certificate that was replaced end.
		IdleConnTimeout: 90 * time.Second,
	}
	if c.socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
		}
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   requestTimeout,
		// A collector does not redirect, and a batch must not go elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if carry != nil {
		client.Transport = carry(transport)
	}
	return client
}
