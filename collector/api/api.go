// Package api is the collector's side of the HTTP interface that probes speak,
// described in docs/openapi-probe.yaml. Requests come from probes; assignments
// are made from the mesh served now; windows go to package admission.
//
// What is here is about the request: whom it comes from, how large it is, how
// often it comes. Whether a window is true is decided in admission. Every
// answer that is not 2xx or 304 is a wire.Problem.
package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/collector/admission"
	"github.com/fibergauge/fibergauge/collector/identity"
	"github.com/fibergauge/fibergauge/collector/metrics"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Identify tells which site sends a request to a path with a site in it, or why
// it is not let in.
type Identify func(r *http.Request) (site string, no *Denial)

// Denial is why a request is not let in.
type Denial struct {
	Code    wire.Code // bad_request, unauthenticated or forbidden
	Message string    // for the sender
}

// SiteInPath believes the path. It is good enough only where nobody but the
// machine itself can connect.
func SiteInPath(r *http.Request) (string, *Denial) {
	site := r.PathValue("site")
	if !wire.IsIdentifier(site) {
		return "", &Denial{wire.CodeBadRequest, fmt.Sprintf("site: %.80q is not 1 to %d characters out of A-Z a-z 0-9 . _ -", site, wire.MaxIdentifier)}
	}
	return site, nil
}

// Certificates tells of TLS connections whose they are. It is package identity's
// Keeper.
type Certificates interface {
	// Site fails where no certificate is shown or it is not in force any longer,
	// and with an *identity.Foreign where it names no site.
	Site(c *tls.ConnectionState) (string, error)
	// Known tells whether a certificate in force is shown, whatever it names.
	Known(c *tls.ConnectionState) bool
}

// SiteInCertificate believes certificates: a path of a site is for the site that
// the certificate of the connection names.
func SiteInCertificate(certificates Certificates) Identify {
	return func(r *http.Request) (string, *Denial) {
		site, no := SiteInPath(r)
		if no != nil {
			return "", no
		}
		own, err := certificates.Site(r.TLS)
		var foreign *identity.Foreign
		switch {
		case errors.As(err, &foreign):
			return "", &Denial{wire.CodeForbidden, err.Error()}
		case err != nil:
			return "", &Denial{wire.CodeUnauthenticated, err.Error()}
		case own != site:
			return "", &Denial{wire.CodeForbidden, fmt.Sprintf("the certificate is of site %s, and the request is for site %s; a probe speaks for its own site only", own, site)}
		}
		return own, nil
	}
}

// MetricsToFriends lets this machine, and whoever shows a certificate that is in
// force, read /metrics.
func MetricsToFriends(certificates Certificates) func(*http.Request) bool {
	return func(r *http.Request) bool {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		// What has no port comes through a Unix socket.
		return err != nil || from.Addr().Unmap().IsLoopback() || certificates.Known(r.TLS)
	}
}

// Enroller is package enrol's Desk. Errors of type *admission.Fault are answered
// as they say.
type Enroller interface {
	Enrol(ctx context.Context, e *wire.Enrolment) (*wire.Certificate, error)
	Renew(ctx context.Context, site string, e *wire.Enrolment) (*wire.Certificate, error)
}

// Admitter is package admission's Desk.
type Admitter interface {
	Admit(ctx context.Context, site string, batch *wire.Batch) (*wire.Ack, error)
}

// Config is everything that the interface needs; no field may be left out but
// those that say so.
type Config struct {
	Mesh     func() *mesh.Mesh // served now; nil before there is one
	Admitter Admitter
	Ready    func(context.Context) error // of the store
	Identify Identify
	Enroller Enroller                 // nil: this collector has no authority
	Scrapes  func(*http.Request) bool // who may read /metrics; nil: everybody
	Metrics  *metrics.Metrics
	Limits   Limits
	Now      func() time.Time
	Log      *slog.Logger
}

// API answers requests.
type API struct {
	Config
	routes  map[string]route
	gate    *gate
	bodies  *arrivals
	scrape  http.Handler
	crowd   *crowd    // who enrols
	quarrel *throttle // log of windows refused
	trouble *throttle // log of requests refused
}

// New makes an API.
func New(c Config) *API {
	a := &API{
		Config:  c,
		gate:    newGate(c.Limits, c.Now),
		bodies:  newArrivals(c.Limits),
		scrape:  c.Metrics.Handler(),
		crowd:   newCrowd(c.Now),
		quarrel: newThrottle(c.Now),
		trouble: newThrottle(c.Now),
	}
	a.routes = map[string]route{
		"/v1/sites/{site}/assignment":  {[]string{http.MethodGet, http.MethodHead}, a.assignment},
		"/v1/sites/{site}/windows":     {[]string{http.MethodPost}, a.windows},
		"/v1/sites/{site}/certificate": {[]string{http.MethodPost}, a.renew},
		"/v1/enrol":                    {[]string{http.MethodPost}, a.enrol},
		"/healthz":                     {[]string{http.MethodGet, http.MethodHead}, a.healthz},
		"/readyz":                      {[]string{http.MethodGet, http.MethodHead}, a.readyz},
		"/metrics":                     {[]string{http.MethodGet, http.MethodHead}, nil},
	}
	return a
}

type route struct {
	methods []string
	answer  func(http.ResponseWriter, *http.Request) *reply
}

// reply is an answer before it is written. The writer goes to the function
// that makes it only for deadlines.
type reply struct {
	status int
	header map[string]string
	body   []byte
	code   wire.Code // of the problem; empty if there is none
	err    error     // cause, for the log
}

// ServeHTTP routes, answers, counts and logs. It does not use http.ServeMux,
// whose own answers (redirects, 404, 405) are not Problems.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pattern, site := pathPattern(r.URL.EscapedPath())
	r.SetPathValue("site", site)
	route, known := a.routes[pattern]
	var answer *reply
	switch {
	case !known:
		pattern = "other"
		answer = problem(http.StatusNotFound, wire.CodeNotFound,
			"no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows")
	case !slices.Contains(route.methods, r.Method):
		allowed := strings.Join(route.methods, ", ")
		answer = problem(http.StatusMethodNotAllowed, wire.CodeMethodNotAllowed,
			"this path takes %s only", allowed).with("Allow", allowed)
	case pattern == "/metrics" && a.Scrapes != nil && !a.Scrapes(r):
		answer = problem(http.StatusUnauthorized, wire.CodeUnauthenticated,
			"metrics are for the collector's own machine, and for whoever shows a certificate")
	case pattern == "/metrics":
		a.scrape.ServeHTTP(w, r)
		a.Metrics.Request(pattern, http.StatusOK, "")
		return
	default:
		answer = a.guarded(route, w, r)
	}
	a.Metrics.Request(pattern, answer.status, answer.code)
	a.logAnswer(r, answer)
	answer.write(w)
}

// guarded turns a panic into an answer: one request that nobody foresaw must
// not end the collector.
func (a *API) guarded(route route, w http.ResponseWriter, r *http.Request) (answer *reply) {
	defer func() {
		if p := recover(); p != nil {
			answer = internal(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return route.answer(w, r)
}

// pathPattern gives the pattern of a path and the site in it.
func pathPattern(path string) (pattern, site string) {
	parts := strings.Split(path, "/")
	if len(parts) == 5 && parts[1] == "v1" && parts[2] == "sites" && parts[3] != "" {
		return "/v1/sites/{site}/" + parts[4], parts[3]
	}
	return path, ""
}

func (a *API) logAnswer(r *http.Request, answer *reply) {
	level := slog.LevelWarn
	switch {
	case answer.status < 400:
		a.Log.Debug("request answered", "method", r.Method, "path", clip(r.URL.Path), "status", answer.status)
		return
	case answer.err != nil:
		level = slog.LevelError
	}
	if !a.trouble.allow() {
		return
	}
	attrs := []any{"method", clip(r.Method), "path", clip(r.URL.Path), "status", answer.status, "code", answer.code, "problem", answer.message()}
	if answer.err != nil {
		attrs = append(attrs, "error", answer.err)
	}
	a.Log.Log(r.Context(), level, "request refused", append(attrs, a.trouble.held()...)...)
}

// message takes the text out of a problem.
func (p *reply) message() string {
	var body wire.Problem
	if err := json.Unmarshal(p.body, &body); err != nil {
		return string(p.body)
	}
	return body.Message
}

func (p *reply) with(header, value string) *reply {
	if p.header == nil {
		p.header = map[string]string{}
	}
	p.header[header] = value
	return p
}

// after asks the sender to come back, in whole seconds, at least one.
func (p *reply) after(d time.Duration) *reply {
	seconds := max(1, int((d+time.Second-1)/time.Second))
	return p.with("Retry-After", strconv.Itoa(seconds))
}

func (p *reply) write(w http.ResponseWriter) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(p.status)
	// A client that has gone away is no fault of ours, and there is nobody
	// left to tell.
	_, _ = w.Write(p.body)
}

// problem makes the answer to a request that is not done.
func problem(status int, code wire.Code, format string, args ...any) *reply {
	message := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	answer := jsonReply(status, wire.Problem{Schema: wire.SchemaError, Code: code, Message: message})
	answer.code = code
	return answer
}

func internal(err error) *reply {
	answer := problem(http.StatusInternalServerError, wire.CodeInternal, "a fault of the collector; its log says more")
	answer.err = err
	return answer
}

// jsonReply encodes a message of package wire, which always can be.
func jsonReply(status int, message any) *reply {
	body, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return (&reply{status: status, body: append(body, '\n')}).with("Content-Type", "application/json")
}

// faultReply gives a fault of admission its HTTP form.
func faultReply(fault *admission.Fault) *reply {
	var answer *reply
	switch fault.Code {
	case wire.CodeUnknownSite:
		answer = problem(http.StatusNotFound, fault.Code, "%s", fault.Message)
	case wire.CodeStoreUnavailable:
		answer = problem(http.StatusServiceUnavailable, fault.Code, "%s", fault.Message).after(storePause)
	case wire.CodeTooLarge:
		answer = tooLarge("%s", fault.Message)
	case wire.CodeUnauthenticated:
		answer = problem(http.StatusUnauthorized, fault.Code, "%s", fault.Message)
	case wire.CodeForbidden, wire.CodeBadSignature:
		answer = problem(http.StatusForbidden, fault.Code, "%s", fault.Message)
	case wire.CodeOverloaded:
		answer = problem(http.StatusTooManyRequests, fault.Code, "%s", fault.Message).after(10 * time.Minute)
	case wire.CodeInternal:
		answer = problem(http.StatusInternalServerError, fault.Code, "%s", fault.Message)
	default:
		answer = problem(http.StatusBadRequest, fault.Code, "%s", fault.Message)
	}
	answer.err = fault.Err
	return answer
}

// clip bounds what a stranger can write into the log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
