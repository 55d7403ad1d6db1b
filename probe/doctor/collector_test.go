package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// now is the clock of the probe in these tests.
func now() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 500_000_000, time.UTC) }

// certified makes a certificate for 127.0.0.1 that ends when it is told to.
func certified(t *testing.T, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "collector"},
		NotBefore: now().AddDate(-1, 0, 0), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(own)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func assignment() wire.Assignment {
	return wire.Assignment{
		Schema: wire.SchemaAssignment, Site: "here", Cluster: "a", Carrier: "c", Plane: "optical", Address: "192.0.2.1",
		MeshSHA256: strings.Repeat("ab", 32),
		Tasks: []wire.Task{
			{Test: "icmp", Method: "icmp", IntervalMS: 1000, SizeBytes: 84, WindowS: 60, Targets: []wire.Target{
				{Site: "b", Cluster: "b", Address: "192.0.2.2"}, {Site: "c", Cluster: "c", Address: "192.0.2.3"}}},
			{Test: "jumbo", Method: "icmp", IntervalMS: 1000, SizeBytes: 4000, WindowS: 60, Targets: []wire.Target{
				{Site: "b", Cluster: "b", Address: "192.0.2.2"}}},
		},
	}
}

// serve answers the assignment, or instead what a handler does.
func serve(t *testing.T, until time.Time, date string, handler http.HandlerFunc) *Collector {
	t.Helper()
	certificate, pool := certified(t, until)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		if date != "" {
			w.Header().Set("Date", date)
		}
		if handler != nil {
			handler(w, r)
			return
		}
		if r.URL.Path != "/v1/sites/here/assignment" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if err := json.NewEncoder(w).Encode(assignment()); err != nil {
			t.Error(err)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return &Collector{
		URL: server.URL, Base: server.URL, Site: "here", Now: now,
		Client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: now}}},
		Check:  func(*wire.Assignment) error { return nil },
	}
}

func TestAsk(t *testing.T) {
	const (
		answers = "✓ collector URL answers; it assigns 2 tests to 2 targets"
		ninety  = "✓ certificate ends in 90 days, on 2026-06-02"
		near    = "✓ clock offset +0.0 s to the collector, ±0.5 s (it tells whole seconds)"
	)
	far := now().AddDate(0, 0, 90).Add(time.Hour)
	date := func(d time.Duration) string { return now().Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		until   time.Time
		date    string
		handler http.HandlerFunc
		change  func(*Collector)
		want    []string
	}{
		{"all well", far, date(0), nil, nil, []string{answers, ninety, near}},
		{"certificate ends soon", now().AddDate(0, 0, 14).Add(-time.Second), date(0), nil, nil, []string{answers,
			"! certificate ends in 13 days, on 2026-03-18; renew the collector's certificate before that: afterwards windows only wait in the spool", near}},
		{"certificate has ended", now().Add(-time.Hour), date(0), nil, nil, []string{
			"✗ collector URL cannot be reached: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-03-04T05:06:07Z is after 2026-03-04T04:06:07Z; " +
				"renew its certificate"}},
		{"signed by a stranger", far, date(0), nil, func(c *Collector) {
			c.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), Time: now}}}
		}, []string{"✗ collector URL cannot be reached: tls: failed to verify certificate: x509: certificate signed by unknown authority; " +
			"enrol this probe, or give --site and --identity if it is enrolled: the identity says which authority is believed"}},
		{"clock a second ahead", far, date(-time.Second), nil, nil, []string{answers, ninety,
			"✓ clock offset +1.0 s to the collector, ±0.5 s (it tells whole seconds)"}},
		{"clock ahead", far, date(-5 * time.Second), nil, nil, []string{answers, ninety,
			"! clock offset +5.0 s to the collector, ±0.5 s (it tells whole seconds); set this clock or the collector's: windows would be dated wrongly"}},
		{"clock ahead by more than is let pass", far, date(-time.Hour), nil, nil, []string{answers, ninety,
			"✗ clock offset +3600.0 s to the collector, ±0.5 s (it tells whole seconds); set this clock or the collector's: what lies more than a minute in its future is refused"}},
		{"clock behind", far, date(time.Hour), nil, nil, []string{answers, ninety,
			"! clock offset -3600.0 s to the collector, ±0.5 s (it tells whole seconds); set this clock or the collector's: windows would be dated wrongly"}},
		{"no date", far, "", nil, nil, []string{answers, ninety, "– clock offset the collector does not tell its time"}},
		{"unknown site", far, date(0), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(wire.Problem{Schema: wire.SchemaError, Code: wire.CodeUnknownSite, Message: "no such site"})
		}, nil, []string{"✗ collector URL answers 404 Not Found: no such site (unknown_site); check --collector and --site, or see its log", ninety, near}},
		{"unknown site, with advice", far, date(0), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(wire.Problem{Schema: wire.SchemaError, Code: wire.CodeUnknownSite, Message: "no such site; add it to the mesh"})
		}, nil, []string{"✗ collector URL answers 404 Not Found: no such site (unknown_site); add it to the mesh", ninety, near}},
		{"another server", far, date(0), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, nil, []string{
			"✗ collector URL: not the JSON expected: invalid character '<' looking for beginning of value; check --collector and --site; an old probe may not know what a new collector assigns", ninety, near}},
		{"does not check", far, date(0), nil, func(c *Collector) {
			c.Check = func(*wire.Assignment) error { return errors.New("it is for another site; check --site") }
		}, []string{"✗ collector URL: it is for another site; check --site", ninety, near}},
		{"nothing assigned", far, date(0), func(w http.ResponseWriter, _ *http.Request) {
			a := assignment()
			a.Tasks = nil
			_ = json.NewEncoder(w).Encode(a)
		}, nil, []string{"! collector URL answers; it assigns 0 tests to 0 targets; nothing is measured from this site until the mesh says what", ninety, near}},
		{"only a reflector", far, date(0), func(w http.ResponseWriter, _ *http.Request) {
			a := assignment()
			a.Tasks, a.Reflector = nil, &wire.Reflector{Port: 862, Sources: []string{"192.0.2.2"}}
			_ = json.NewEncoder(w).Encode(a)
		}, nil, []string{"✓ collector URL answers; it assigns no test: this site only answers", ninety, near}},
		{"no site", far, date(0), func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked for %s", r.URL.Path)
			}
		}, func(c *Collector) { c.Site = "" }, []string{"✓ collector URL answers; give --site to see what it assigns", ninety, near}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tt.until, tt.date, tt.handler)
			if tt.change != nil {
				tt.change(c)
			}
			all := c.Ask(t.Context())
			for i := range all {
				all[i].Text = strings.Replace(all[i].Text, c.URL, "URL", 1)
			}
			expect(t, all, tt.want...)
		})
	}
}

func TestAskNobody(t *testing.T) {
	expect(t, (&Collector{}).Ask(t.Context()), "– collector not asked: --collector is absent")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	c := &Collector{URL: url, Base: url, Client: &http.Client{}, Now: now}
	got := lines(t, c.Ask(t.Context()))
	if !regexp.MustCompile(`✗ collector +` + url + ` cannot be reached: .*refused; see whether it runs, listens there, and is let through`).MatchString(got) {
		t.Error(got)
	}
}

// TestAskWithoutTLS: on loopback there is no certificate to look at.
func TestAskWithoutTLS(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now().Format(http.TimeFormat))
	}))
	defer server.Close()
	c := &Collector{URL: server.URL, Base: server.URL, Client: server.Client(), Now: now}
	expect(t, c.Ask(t.Context())[1:], "– certificate none: the connection is local and not encrypted",
		"✓ clock offset +0.0 s to the collector, ±0.5 s (it tells whole seconds)")
}

func TestResolve(t *testing.T) {
	known := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.9"), netip.MustParseAddr("2001:db8::9")}, nil
	}
	refuse := func(err error) func(context.Context, string) ([]netip.Addr, error) {
		return func(context.Context, string) ([]netip.Addr, error) { return nil, err }
	}
	const remedy = "; check the name in --collector and the host's /etc/resolv.conf"
	for _, tt := range []struct {
		name, url string
		lookup    func(context.Context, string) ([]netip.Addr, error)
		proxy     string
		want      string
	}{
		{"absent", "", nil, "", "– resolve not asked: --collector is absent"},
		{"socket", "unix:/run/c.sock", nil, "", "– resolve a Unix socket has no name to look up"},
		{"address", "https://192.0.2.1:8862", nil, "", "– resolve 192.0.2.1 is an address"},
		{"known", "https://c.example", known, "", "✓ resolve c.example is 192.0.2.9, 2001:db8::9, looked up in 0s"},
		{"unknown", "https://c.example", refuse(&net.DNSError{Err: "no such host", Name: "c.example", IsNotFound: true}), "",
			"✗ resolve c.example: no address is known" + remedy},
		{"no server", "https://c.example", refuse(&net.DNSError{Err: "i/o timeout", Name: "c.example", Server: "10.0.0.1:53"}), "",
			"✗ resolve c.example: i/o timeout" + remedy},
		{"proxy", "https://c.example", nil, "http://proxy:3128", "– resolve the proxy proxy:3128 looks it up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Collector{URL: tt.url, Base: tt.url, Lookup: tt.lookup, Now: now}
			if tt.proxy != "" {
				c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(tt.proxy) }
			}
			expect(t, c.Resolve(t.Context()), tt.want)
			if strings.HasPrefix(tt.want, "✗") {
				expect(t, c.Ask(t.Context()), "– collector not asked: its name leads nowhere")
				expect(t, c.MTU(nil)(t.Context()), "– mtu there is nothing to send packets to")
			}
		})
	}
}

func TestMTU(t *testing.T) {
	assigned := assignment()
	route := func(to netip.Addr) (Way, error) {
		switch to.String() {
		case "192.0.2.2":
			return Way{"eth1", 9000}, nil
		case "192.0.2.3", "192.0.2.9":
			return Way{"eth0", 1500}, nil
		}
		return Way{}, errors.New("network is unreachable")
	}
	expect(t, (&Collector{}).MTU(route)(t.Context()), "– mtu not asked: --collector is absent")
	expect(t, (&Collector{URL: "https://192.0.2.9"}).MTU(route)(t.Context()), "✓ mtu eth0 1500 bytes; the way to the collector")
	expect(t, (&Collector{URL: "unix:/run/c.sock"}).MTU(route)(t.Context()), "– mtu there is nothing to send packets to")
	expect(t, (&Collector{URL: "unix:/run/c.sock", assignment: &assigned}).MTU(route)(t.Context()),
		"✗ mtu eth0 1500 bytes; the way to 1 target, longest packet 4000 bytes; raise the MTU of eth0, or lower size_bytes in the mesh: fragments are not measured",
		"✓ mtu eth1 9000 bytes; the way to 1 target, longest packet 4000 bytes")

	var cutOff wire.Assignment
	cutOff.Tasks = []wire.Task{{SizeBytes: 84}}
	for _, address := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.100.5", "198.51.100.6", "198.51.100.7"} {
		cutOff.Tasks[0].Targets = append(cutOff.Tasks[0].Targets, wire.Target{Address: address})
	}
	all := (&Collector{URL: "unix:/c", assignment: &cutOff}).MTU(route)(t.Context())
	if len(all) != 6 {
		t.Fatalf("%d lines", len(all))
	}
	expect(t, all[4:], "✗ mtu 198.51.100.5 no way leads there: network is unreachable; give the host a route to it",
		"✗ mtu no way leads to 2 more either; as above")
}

func TestSTAMP(t *testing.T) {
	free := func(netip.AddrPort) error { return nil }
	refuse := func(err error) func(netip.AddrPort) error {
		return func(local netip.AddrPort) error {
			// The site's address is not this host's, as behind NAT.
			if local.String() != "0.0.0.0:862" {
				t.Errorf("listens on %v", local)
			}
			return &net.OpError{Op: "listen", Err: err}
		}
	}
	anyKey := func(netip.Addr) bool { return true }
	only := func(a string) func(netip.Addr) bool { return func(b netip.Addr) bool { return b.String() == a } }
	plain, authenticated := assignment(), assignment()
	plain.Reflector = &wire.Reflector{Port: 862, Sources: []string{"192.0.2.2", "192.0.2.3"}}
	authenticated.Reflector = &wire.Reflector{Port: 862, Sources: []string{"192.0.2.2", "192.0.2.4"}, Authenticated: true}
	authenticated.Tasks[0].Targets[0].STAMP = &wire.STAMPTarget{Port: 862, Authenticated: true}
	nowhere := assignment()
	nowhere.Address, nowhere.Reflector = "somewhere", &wire.Reflector{Port: 862}
	silent := assignment()
	const can = "✓ reflector 0.0.0.0:862 can be listened on; for 2 sources"
	for _, tt := range []struct {
		name   string
		a      *wire.Assignment
		listen func(netip.AddrPort) error
		hasKey func(netip.Addr) bool
		want   []string
	}{
		{"not asked", &silent, free, anyKey, []string{"– reflector nobody measures this site by STAMP"}},
		{"open", &plain, free, only(""), []string{can}},
		{"it runs", &plain, refuse(syscall.EADDRINUSE), only(""), []string{"✓ reflector 0.0.0.0:862 is taken, by this site's own probe if it runs; for 2 sources"}},
		{"closed", &plain, refuse(syscall.EACCES), only(""), []string{"✗ reflector 0.0.0.0:862 is closed to this process: the 2 sources that measure this site get no answer; " +
			"AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or: setcap cap_net_bind_service+ep FILE (all that it shall have in one call)"}},
		{"no address", &plain, refuse(syscall.EADDRNOTAVAIL), only(""), []string{"✗ reflector 0.0.0.0:862 cannot be listened on: listen: cannot assign requested address; see that the address is up on this host"}},
		{"no place", &nowhere, free, only(""), []string{`✗ reflector "somewhere" port 862 is no place to listen on; mend the site's address in the mesh`}},
		{"keys", &authenticated, free, anyKey, []string{can, "✓ keys 2 addresses that STAMP is authenticated with, a key for each; whether theirs is the same only packets show"}},
		{"a key is missing", &authenticated, free, only("192.0.2.2"), []string{can,
			"✗ keys 2 addresses that STAMP is authenticated with, no key for 192.0.2.4; give the file of --stamp-keys a prefix that holds them, and the key that their probes have for this site"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, (&Collector{assignment: tt.a}).STAMP(tt.listen, tt.hasKey)(t.Context()), tt.want...)
		})
	}
	if all := (&Collector{}).STAMP(free, anyKey)(t.Context()); len(all) > 0 {
		t.Errorf("without an assignment: %+v", all)
	}
}

// TestRouteToThisHost asks the real system for a way that every host has.
func TestRouteToThisHost(t *testing.T) {
	got, err := RouteTo(netip.MustParseAddr("127.0.0.1"))
	if err != nil || got.Interface == "" || got.MTU < 1280 {
		t.Errorf("%+v %v", got, err)
	}
}
