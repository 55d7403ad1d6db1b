package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/portal"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

const pageAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// browserOf is a browser as far as the server sees one: it keeps cookies.
type browserOf struct {
	t       *testing.T
	handler http.Handler
	cookies map[string]*http.Cookie
	header  http.Header // of each request, besides
	address string
	tls     bool
}

func visit(t *testing.T, handler http.Handler) *browserOf {
	t.Helper()
	return &browserOf{t: t, handler: handler, cookies: map[string]*http.Cookie{}, header: http.Header{}, address: "192.0.2.9:1"}
}

func (v *browserOf) do(r *http.Request) *httptest.ResponseRecorder {
	v.t.Helper()
	r.RemoteAddr = v.address
	if v.tls {
		r.TLS = &tls.ConnectionState{}
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", pageAccept)
	}
	for name, values := range v.header {
		r.Header[name] = values
	}
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	response := httptest.NewRecorder()
	v.handler.ServeHTTP(response, r)
	for _, c := range response.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c
		}
	}
	return response
}

func (v *browserOf) get(target string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.do(httptest.NewRequest(http.MethodGet, target, nil))
}

var sealed = regexp.MustCompile(`name="seal" value="([^"]+)"`)

func sealIn(t *testing.T, body string) string {
	t.Helper()
	found := sealed.FindStringSubmatch(body)
	if found == nil {
		t.Fatalf("there is no seal in\n%s", body)
	}
	return found[1]
}

func (v *browserOf) post(target string, form url.Values) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

// login sends the form as a person would.
func (v *browserOf) login(token string) *httptest.ResponseRecorder {
	v.t.Helper()
	seal := sealIn(v.t, v.get("/login").Body.String())
	return v.post("/login", url.Values{"token": {token}, "seal": {seal}, "next": {"/months"}})
}

// siteOf is a portal over a day of two carriers in June 2025, whose windows are
// an hour of it, and the tokens of its readers.
func siteOf(t *testing.T) (*Server, map[string]string) {
	t.Helper()
	s, _, tokens, _ := guarded(t)
	s.Fallback = nil
	return s, tokens
}

// month is a server over a month of two carriers between three clusters, one of
// which is silent at times.
func month(t testing.TB) *Server {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", []string{
		"zq-one-a a one optical both", "zq-one-b b one optical both", "zq-one-c c one optical both",
		"zq-two-a a two optical both", "zq-two-b b two optical both", "zq-two-p a two private-ip both", "zq-two-q b two private-ip both",
	}, nil)
	period, err := report.ParsePeriod("2025-06", "", "", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	// A packet a minute, so that a month is enough and yet not much.
	if m, err = mesh.Parse("mesh.yaml", []byte(strings.Replace(string(m.Bytes()), "interval_ms: 1000", "interval_ms: 60000", 1))); err != nil {
		t.Fatal(err)
	}
	source := &scenario.Store{}
	fill := func(a, b string, us uint32, lost func(time.Time) int) {
		for at := period.From; at.Before(period.To); at = at.Add(2 * time.Hour) {
			if strings.HasPrefix(a, "zq-two") && at.Day()%9 == 0 {
				continue
			}
			rtt := []uint32{us + uint32(at.Day()*11+at.Hour()*15)}
			source.Both(t, m, a, b, at, at.Add(2*time.Hour), rtt[:1-lost(at)], lost(at), nil)
		}
	}
	never := func(time.Time) int { return 0 }
	fill("zq-one-a", "zq-one-b", 20_000, never)
	fill("zq-one-a", "zq-one-c", 19_000, func(at time.Time) int { return at.Day() / 20 * (at.Hour() / 20) })
	fill("zq-one-b", "zq-one-c", 36_000, never)
	fill("zq-two-a", "zq-two-b", 23_000, never)
	fill("zq-two-p", "zq-two-q", 22_200, never)
	return &Server{
		Mesh: m, Policy: policy.Default(), Store: source, GeneratedBy: "test", Metrics: NewMetrics("test"), Log: slog.New(slog.DiscardHandler),
	}
}

// pagePaths are all pages of the month, and what is in each.
func pagePaths() map[string]string {
	return map[string]string{
		"/":                                "Alpha – Beta",
		"/months":                          "/months/2025-06",
		"/months/2025-06":                  "Alpha – Beta",
		"/months/2025-06?plane=private-ip": "private IP",
		"/months/2025-06/pairs/a/b":        "Carriers side by side",
		"/months/2025-06/pairs/b/a?plane=private-ip": "Carriers side by side",
		"/methods": "How a verdict is reached",
	}
}

// Every page is there for everybody, in both languages, small, and whole.
func TestPages(t *testing.T) {
	v := visit(t, month(t).Handler(t.Context()))
	for target, want := range pagePaths() {
		response := v.get(target)
		body := response.Body.String()
		if response.Code != http.StatusOK || !strings.Contains(body, want) || !strings.Contains(body, `<html lang="en">`) {
			t.Errorf("%s: %d without %q\n%.600s", target, response.Code, want, body)
		}
		if n := strings.Count(body, "<h1"); n != 1 {
			t.Errorf("%s: %d headings of the first level", target, n)
		}
		if strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "onclick") {
			t.Errorf("%s has a style or a script that its Content-Security-Policy refuses", target)
		}
		if response.Body.Len() > 200_000 {
			t.Errorf("%s has %d bytes", target, response.Body.Len())
		}
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		chinese := visit(t, v.handler).get(target + separator + "lang=zh")
		if chinese.Code != http.StatusOK || !strings.Contains(chinese.Body.String(), `<html lang="zh-Hans">`) || !strings.Contains(chinese.Body.String(), "历月结果") {
			t.Errorf("%s in Chinese: %d\n%.600s", target, chinese.Code, chinese.Body)
		}
	}
}

// The language of the query is remembered; without one the browser's counts.
func TestLanguage(t *testing.T) {
	handler := month(t).Handler(t.Context())
	for accept, want := range map[string]string{
		"": "en", "zh-CN,zh;q=0.9,en;q=0.8": "zh-Hans", "fr, en;q=0.5, zh;q=0.4": "en", "fr,zh-TW;q=0.1": "zh-Hans", "zh;q=0": "en", "*": "en",
	} {
		v := visit(t, handler)
		v.header.Set("Accept-Language", accept)
		for _, step := range []struct{ target, want string }{
			{"/months", want}, {"/months?lang=zh", "zh-Hans"}, {"/months", "zh-Hans"}, {"/methods?lang=en", "en"}, {"/methods?lang=fr", "en"}, {"/months", "en"},
		} {
			if body := v.get(step.target).Body.String(); !strings.Contains(body, `<html lang="`+step.want+`">`) {
				t.Errorf("Accept-Language %q, %s: not in %s", accept, step.target, step.want)
			}
		}
	}
}

// What a browser is told not to do.
func TestPageHeaders(t *testing.T) {
	s, tokens := siteOf(t)
	handler := s.Handler(t.Context())
	in := visit(t, handler)
	loggedIn := in.login(tokens["viewer"])
	for name, response := range map[string]*httptest.ResponseRecorder{
		"logged in": loggedIn, "logged in already": in.get("/login"), "logout refused": visit(t, handler).get("/logout"),
		"login": visit(t, handler).get("/login"), "redirect": visit(t, handler).get("/months"),
		"page": in.get("/months"), "refusal": in.get("/nothing"), "style": in.get(portal.CSSPath()),
	} {
		for header, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := response.Header().Get(header); got != want {
				t.Errorf("%s: %s: %q, want %q", name, header, got, want)
			}
		}
		want := "private, no-store"
		switch name {
		case "style":
			want = "public, max-age=31536000, immutable"
		case "logout refused":
			want = "no-store"
		}
		if got := response.Header().Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control: %q, want %q", name, got, want)
		}
	}
}

// Cookies are the strictest that the connection allows.
func TestCookies(t *testing.T) {
	s, tokens := siteOf(t)
	handler := s.Handler(t.Context())
	for _, c := range []struct {
		name, prefix string
		proto        string
		tls, secure  bool
	}{
		{"plain on loopback", "", "", false, false},
		{"with TLS", "__Host-", "", true, true},
		{"behind a proxy with TLS", "__Host-", "https", false, true},
	} {
		v := visit(t, handler)
		v.tls = c.tls
		if c.proto != "" {
			v.header.Set("X-Forwarded-Proto", c.proto)
		}
		v.get("/login?lang=zh")
		if response := v.login(tokens["regulator"]); response.Code != http.StatusSeeOther || response.Header().Get("Location") != "/months" {
			t.Fatalf("%s: login: %d to %q", c.name, response.Code, response.Header().Get("Location"))
		}
		for _, name := range []string{sessionCookie, languageCookie} {
			cookie := v.cookies[c.prefix+name]
			if cookie == nil {
				t.Errorf("%s: no cookie %s among %v", c.name, c.prefix+name, v.cookies)
				continue
			}
			if cookie.Secure != c.secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" {
				t.Errorf("%s: %+v", c.name, cookie)
			}
		}
		if strings.Contains(v.cookies[c.prefix+sessionCookie].Value, "fgr1") {
			t.Errorf("%s: the token is in the cookie", c.name)
		}
	}
}

// Who has no session is shown the login, and comes back from it; programs are
// refused as before; and nothing of the site is told.
func TestStrangers(t *testing.T) {
	s, _ := siteOf(t)
	handler := s.Handler(t.Context())
	for _, c := range []struct {
		method, target, accept string
		want                   int
		to                     string
	}{
		{"GET", "/", pageAccept, 303, "/login"},
		{"GET", "/months/2025-06?plane=optical", pageAccept, 303, "/login?next=%2Fmonths%2F2025-06%3Fplane%3Doptical"},
		{"GET", "/nothing", pageAccept, 303, "/login?next=%2Fnothing"},
		{"GET", "//evil.example/x", pageAccept, 303, "/login"},
		{"GET", "/months", "application/json", 401, ""},
		{"GET", ReportPath, pageAccept, 401, ""},
		{"GET", "/metrics", pageAccept, 401, ""},
		{"POST", "/months", pageAccept, 401, ""},
		{"DELETE", "/login", pageAccept, 405, ""},
		{"GET", "/logout", pageAccept, 405, ""},
		{"GET", "/static/portal.0.css", pageAccept, 303, "/login?next=%2Fstatic%2Fportal.0.css"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Header.Set("Accept", c.accept)
		response := visit(t, handler).do(r)
		if response.Code != c.want || response.Header().Get("Location") != c.to {
			t.Errorf("%s %s: %d to %q, want %d to %q", c.method, c.target, response.Code, response.Header().Get("Location"), c.want, c.to)
		}
		if strings.Contains(response.Body.String(), "zq-") || strings.Contains(response.Body.String(), "2025-06-") {
			t.Errorf("%s %s tells a stranger\n%s", c.method, c.target, response.Body)
		}
	}
	// None of them holds a connection, or puts an answer into a page of their own.
	for _, c := range [][2]string{{"GET", "/login"}, {"POST", "/login"}, {"POST", "/logout"}, {"GET", "/logout"}, {"GET", "/months"}, {"GET", ReportPath}, {"GET", portal.CSSPath()}} {
		r := httptest.NewRequest(c[0], c[1], nil)
		r.Header.Set("Accept", pageAccept)
		response := visit(t, handler).do(r)
		if response.Header().Get("Connection") != "close" || response.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s %s: %d %v", c[0], c[1], response.Code, response.Header())
		}
	}
	for path := range portal.Files() {
		if response := visit(t, handler).get(path); response.Code != http.StatusOK {
			t.Errorf("%s: %d", path, response.Code)
		}
	}
}

// Where a link from elsewhere may lead after the login.
func TestNext(t *testing.T) {
	for to, want := range map[string]string{
		"": "/", "/months": "/months", "/months/2025-06?plane=optical": "/months/2025-06?plane=optical",
		"//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/", "\\\\evil.example": "/", "javascript:alert(1)": "/",
		"/login": "/", "/logout": "/", "months": "/", "/a\nb": "/", "/%2F/evil.example": "/", "///evil.example": "/", "/x#y": "/x",
	} {
		if got := next(to); got != want {
			t.Errorf("next(%q) = %q, want %q", to, got, want)
		}
	}
}

// A form from elsewhere, or a forged one, does nothing.
func TestForgedForms(t *testing.T) {
	s, tokens := siteOf(t)
	handler := s.Handler(t.Context())
	good := url.Values{"token": {tokens["regulator"]}}
	for name, change := range map[string]func(v *browserOf, form url.Values){
		"no seal":           func(_ *browserOf, form url.Values) { form.Del("seal") },
		"another seal":      func(_ *browserOf, form url.Values) { form.Set("seal", strings.Repeat("A", 43)) },
		"no cookie":         func(v *browserOf, _ url.Values) { clear(v.cookies) },
		"another's cookie":  func(v *browserOf, _ url.Values) { v.cookies[formCookie].Value = newSecret() },
		"from another site": func(v *browserOf, _ url.Values) { v.header.Set("Sec-Fetch-Site", "cross-site") },
		"from another host": func(v *browserOf, _ url.Values) { v.header.Set("Origin", "https://evil.example") },
		"too long":          func(_ *browserOf, form url.Values) { form.Set("next", strings.Repeat("x", maxFormBytes)) },
	} {
		v := visit(t, handler)
		form := url.Values{"token": good["token"], "seal": {sealIn(t, v.get("/login").Body.String())}}
		change(v, form)
		if response := v.post("/login", form); response.Code != http.StatusForbidden || v.cookies[sessionCookie] != nil {
			t.Errorf("%s: %d, cookies %v", name, response.Code, v.cookies)
		}
	}

	in := visit(t, handler)
	in.login(tokens["regulator"])
	seal := sealIn(t, in.get("/months").Body.String())
	for name, form := range map[string]url.Values{"no seal": {}, "that of a login": {"seal": {sealIn(t, visit(t, handler).get("/login").Body.String())}}} {
		if response := in.post("/logout", form); response.Code != http.StatusForbidden {
			t.Errorf("logout, %s: %d", name, response.Code)
		}
	}
	in.header.Set("Sec-Fetch-Site", "same-site")
	if response := in.post("/logout", url.Values{"seal": {seal}}); response.Code != http.StatusForbidden {
		t.Errorf("logout from a neighbour: %d", response.Code)
	}
	in.header.Set("Sec-Fetch-Site", "same-origin")
	if response := in.get("/months"); response.Code != http.StatusOK {
		t.Fatalf("the session did not outlast forged logouts: %d", response.Code)
	}
	stolen := *in.cookies[sessionCookie]
	if response := in.post("/logout", url.Values{"seal": {seal}}); response.Code != http.StatusSeeOther {
		t.Errorf("logout: %d", response.Code)
	}
	in.cookies[sessionCookie] = &stolen
	if response := in.get("/months"); response.Code != http.StatusSeeOther {
		t.Errorf("after the logout the old cookie still counts: %d", response.Code)
	}
}

// A cookie that somebody put into the browser before the login is not the
// session after it.
func TestLoginMakesANewSession(t *testing.T) {
	s, tokens := siteOf(t)
	v := visit(t, s.Handler(t.Context()))
	v.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: newSecret()}
	planted := v.cookies[sessionCookie].Value
	v.login(tokens["viewer"])
	if v.cookies[sessionCookie].Value == planted {
		t.Error("the planted cookie became a session")
	}
}

// Failed logins are tries as those with a bearer token are.
func TestLoginLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, tokens := siteOf(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		handler := s.Handler(ctx)
		v := visit(t, handler)
		for i := range triesAtOnce {
			token := tokens["unknown"]
			if i%2 == 1 {
				token = "nonsense"
			}
			if response := v.login(token); response.Code != http.StatusUnauthorized {
				t.Fatalf("try %d: %d", i, response.Code)
			}
		}
		response := v.login(tokens["expired"])
		if response.Code != http.StatusTooManyRequests || response.Header().Get("Retry-After") == "" {
			t.Errorf("one try too many: %d", response.Code)
		}
		bearer := httptest.NewRequest(http.MethodGet, ReportPath, nil)
		bearer.Header.Set("Authorization", "Bearer "+tokens["unknown"])
		if response := v.do(bearer); response.Code != http.StatusTooManyRequests {
			t.Errorf("a bearer token has tries of its own: %d", response.Code)
		}
		if response := v.login(tokens["regulator"]); response.Code != http.StatusSeeOther {
			t.Errorf("a good token behind the same address: %d", response.Code)
		}
		time.Sleep(5 * time.Second)
		other := visit(t, handler)
		if response := other.login("nonsense"); response.Code != http.StatusUnauthorized {
			t.Errorf("after a while: %d", response.Code)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, tokens := siteOf(t)
		list := s.Readers()
		s.Readers = func() *readers.List { return list }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		handler := s.Handler(ctx)
		is := func(what string, v *browserOf, want int) {
			t.Helper()
			if response := v.get("/login?next=/months"); response.Code != want {
				t.Errorf("%s: %d, want %d", what, response.Code, want)
			}
		}
		const in, out = http.StatusSeeOther, http.StatusOK // who is in needs no form
		login := func(who string) *browserOf {
			v := visit(t, handler)
			v.login(tokens[who])
			is(who+" at first", v, in)
			return v
		}

		idle := login("regulator")
		time.Sleep(sessionIdle - time.Second)
		is("nearly idle", idle, in)
		time.Sleep(sessionIdle)
		is("idle", idle, out)

		busy := login("regulator")
		for range int(sessionLife/(20*time.Minute)) - 1 {
			time.Sleep(20 * time.Minute)
			is("busy", busy, in)
		}
		time.Sleep(20 * time.Minute)
		is("busy for too long", busy, out)

		revoked := login("viewer")
		var err error
		if list, err = list.Revoke("viewer"); err != nil {
			t.Fatal(err)
		}
		is("revoked", revoked, out)
		// The same name with a new token is somebody else's.
		if list, _, err = list.Add(readers.Reader{Name: "viewer", Role: readers.Admin, Created: time.Now().UTC().Truncate(time.Second)}); err != nil {
			t.Fatal(err)
		}
		is("revoked and added again", revoked, out)
	})
}

func TestSessionsAreBounded(t *testing.T) {
	list, err := readers.Parse("r.yaml", []byte("readers: []"))
	if err != nil {
		t.Fatal(err)
	}
	list, token, err := list.Add(readers.Reader{Name: "one", Role: readers.Viewer, Created: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	reader, err := list.Find(token, now)
	if err != nil {
		t.Fatal(err)
	}
	s := newSessions(func() *readers.List { return list })
	var secrets []string
	for i := range maxSessionsEach + 2 {
		secrets = append(secrets, s.begin(reader, now.Add(time.Duration(i)*time.Second)))
	}
	later := now.Add(time.Minute)
	for i, secret := range secrets {
		if got, want := s.reader(secret, later) != nil, i >= 2; got != want {
			t.Errorf("session %d of %d: there is %t, want %t", i, len(secrets), got, want)
		}
	}
}

// Everybody sees every page; who may not see the ends of a carrier sees none of
// its sites in any of them.
func TestWhoSeesWhatOnPages(t *testing.T) {
	s := month(t)
	guardedServer, _, tokens, _ := guarded(t)
	s.Readers = guardedServer.Readers
	handler := s.Handler(t.Context())
	for who, see := range map[string][]string{
		"regulator": {"one", "two"}, "admin": {"one", "two"}, "one": {"one"}, "two": {"two"}, "both": {"one", "two"}, "viewer": nil,
	} {
		v := visit(t, handler)
		if response := v.login(tokens[who]); response.Code != http.StatusSeeOther {
			t.Fatalf("%s: login: %d", who, response.Code)
		}
		all := ""
		for target := range pagePaths() {
			response := v.get(target)
			if response.Code != http.StatusOK {
				t.Errorf("%s %s: %d", who, target, response.Code)
			}
			all += response.Body.String()
		}
		for _, carrier := range []string{"one", "two"} {
			if got, want := strings.Contains(all, "zq-"+carrier), slices.Contains(see, carrier); got != want {
				t.Errorf("%s: sites of %s are shown: %t, want %t", who, carrier, got, want)
			}
		}
		if got, want := strings.Contains(all, "what the ends of"), false; got != want {
			t.Errorf("%s: a sentence begins with a small letter", who)
		}
		// The cookie opens the API to the browser, and no more than the token does.
		json := httptest.NewRequest(http.MethodGet, ReportPath+"?period=2025-06", nil)
		response := v.do(json)
		if got, want := strings.Contains(response.Body.String(), "zq-one"), slices.Contains(see, "one"); response.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d from the API, sites of one: %t", who, response.Code, got)
		}
		want := http.StatusForbidden
		if who == "admin" {
			want = http.StatusOK
		}
		if response := v.get(ReadersPath); response.Code != want {
			t.Errorf("%s: readers: %d, want %d", who, response.Code, want)
		}
	}
}

// Why there is no page.
func TestRefusals(t *testing.T) {
	broken := month(t)
	broken.Store.(*scenario.Store).Err = fmt.Errorf("no")
	empty := month(t)
	empty.Store = &scenario.Store{}
	there := month(t)
	for _, c := range []struct {
		what, target string
		server       *Server
		want         int
		say          string
	}{
		{"no page", "/nothing", there, 404, "There is no such page"},
		{"no month", "/months/2025-13", there, 404, "There is no such page"},
		{"a month without data", "/months/2025-05", there, 404, "There is no such page"},
		{"a month to come", "/months/2199-01", there, 404, "There is no such page"},
		{"no pair", "/months/2025-06/pairs/a/x", there, 404, "There is no such page"},
		{"no plane", "/months/2025-06?plane=x", there, 404, "There is no such page"},
		{"no plane of a pair", "/months/2025-06/pairs/a/b?plane=x", there, 404, "There is no such page"},
		{"no fixed period", "/period", there, 404, "There is no such page"},
		{"no such page of months", "/months?before=x", there, 400, "This cannot be asked"},
		{"broken", "/", broken, 503, "The data cannot be read now"},
		{"broken months", "/months", broken, 503, "The data cannot be read now"},
		{"empty", "/", empty, 200, "The store has no data yet"},
		{"empty months", "/months", empty, 200, "The store has no data yet"},
		{"empty methods", "/methods", empty, 200, "The store has no data yet"},
	} {
		response := visit(t, c.server.Handler(t.Context())).get(c.target)
		if response.Code != c.want || !strings.Contains(response.Body.String(), c.say) || strings.Count(response.Body.String(), "<h1") != 1 {
			t.Errorf("%s: %d, want %d and %q\n%s", c.what, response.Code, c.want, c.say, response.Body)
		}
	}
}

// The month that runs is shown up to the last midnight, and says so; on its
// first day the one before is shown.
func TestMonthSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := month(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		made := s.shelf(ctx)
		v := visit(t, s.handler(made))
		sleepUntil := func(stamp string) {
			at, err := time.Parse(time.RFC3339, stamp)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(at))
		}
		sleepUntil("2025-06-17T05:00:00+08:00")
		const soFar = "June 2025 is not over. The figures are those of 1 June 2025 to 16 June 2025"
		for _, target := range []string{"/", "/months/2025-06", "/months/2025-06/pairs/a/b"} {
			if body := v.get(target).Body.String(); !strings.Contains(body, soFar) || !strings.Contains(body, "June 2025 so far") {
				t.Errorf("%s\n%.3000s", target, body)
			}
		}
		link := regexp.MustCompile(`href="(/api/v1/report\?[^"]+)" download`).FindStringSubmatch(v.get("/").Body.String())
		if link == nil {
			t.Fatal("the month so far cannot be downloaded")
		}
		response := v.get(html.UnescapeString(link[1]))
		if body := response.Body.String(); response.Code != http.StatusOK || !strings.Contains(body, "1 June 2025 to 16 June 2025") {
			t.Errorf("%s: %d\n%.500s", link[1], response.Code, body)
		}
		sleepUntil("2025-07-01T05:00:00+08:00")
		if body := v.get("/").Body.String(); strings.Contains(body, soFar) || !strings.Contains(body, "Of July 2025 there is no whole day of data yet. This is June 2025") {
			t.Errorf("on the first of July\n%.3000s", body)
		}
		if body := v.get("/months/2025-06").Body.String(); strings.Contains(body, "not over") || strings.Contains(body, "Of July") {
			t.Errorf("June after its end\n%.3000s", body)
		}
		cancel()
		made.Wait()
	})
}

// With a period on the command line that is what the site is about.
func TestFixedPeriod(t *testing.T) {
	s, _, period := minute(t)
	s.Fallback = &period
	v := visit(t, s.Handler(t.Context()))
	for _, target := range []string{"/", "/period", "/period/pairs/a/b", "/methods"} {
		response := v.get(target)
		if response.Code != http.StatusOK || strings.Contains(response.Body.String(), "/months/2025-06/pairs") {
			t.Errorf("%s: %d\n%s", target, response.Code, response.Body)
		}
	}
	if body := v.get("/period/pairs/a/b").Body.String(); !strings.Contains(body, "3 June 2025 10:00</th>") || !strings.Contains(body, "RTT over time, measured from b1 to a1") {
		t.Errorf("its minute is not drawn\n%s", body)
	}
	if body := v.get("/").Body.String(); !strings.Contains(body, "/period/pairs/a/b") || !strings.Contains(body, "Demonstration") {
		t.Errorf("the period is not shown\n%s", body)
	}
}

// Texts of the mesh are texts on every page.
func TestNamesAreNoMarkup(t *testing.T) {
	s := month(t)
	const name = `<script>alert(1)</script>"onmouseover=x`
	changed, err := mesh.Parse("mesh.yaml", []byte(strings.ReplaceAll(string(s.Mesh.Bytes()), "en: Alpha", "en: '"+name+"'")))
	if err != nil {
		t.Fatal(err)
	}
	s.Mesh = changed
	v := visit(t, s.Handler(t.Context()))
	for target := range pagePaths() {
		body := v.get(target).Body.String()
		if strings.Contains(body, "<script>alert") || strings.Contains(body, `"onmouseover`) {
			t.Errorf("%s has the name as markup", target)
		}
	}
	if body := v.get("/months/2025-06").Body.String(); !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Errorf("the name is not there\n%.2000s", body)
	}
}

// A country of ten clusters on three planes of three carriers fits into a page.
func TestSizeOfANationalMonth(t *testing.T) {
	text, err := os.ReadFile("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	var out []string
	n := 100
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "planes:"):
			line = "planes: [optical, private-ip, public-internet]"
		case strings.Contains(line, "id: carrier-a, name"):
			out = append(out, line, "  - {id: carrier-b, name: {en: Carrier B, zh: 运营商乙}}")
			line = "  - {id: carrier-c, name: {en: Carrier C, zh: 运营商丙}}"
		case strings.Contains(line, "carrier: carrier-a, plane: optical"):
			for _, plane := range []string{"optical", "private-ip", "public-internet"} {
				for _, carrier := range []string{"a", "b", "c"} {
					n++
					site := strings.Replace(line, "-a, cluster", "-"+carrier+plane[:2]+", cluster", 1)
					site = strings.Replace(site, "carrier-a, plane: optical", "carrier-"+carrier+", plane: "+plane, 1)
					out = append(out, regexp.MustCompile(`192\.0\.2\.\d+`).ReplaceAllString(site, fmt.Sprintf("198.51.100.%d", n)))
				}
			}
			continue
		}
		out = append(out, line)
	}
	m, err := mesh.Parse("national.yaml", []byte(strings.Join(out, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	source := &scenario.Store{}
	from := time.Date(2025, 6, 3, 0, 0, 0, 0, m.Location())
	us := uint32(9_000)
	links := m.Links(m.Test(m.Judged), from, from.AddDate(0, 0, 1))
	for _, link := range links {
		us = 5_000 + (us*7+1_013)%40_000
		source.Put(t, scenario.Window(m, link.Src, link.Dst, from, append(scenario.Same(us, 50), us+500), 1))
	}
	if len(links) != 810 {
		t.Fatalf("there are %d ends, want 810", len(links))
	}
	s := &Server{Mesh: m, Policy: policy.Default(), Store: source, GeneratedBy: "test", Metrics: NewMetrics("test"), Log: slog.New(slog.DiscardHandler)}
	v := visit(t, s.Handler(t.Context()))
	for _, target := range []string{"/", "/months", "/methods", "/months/2025-06", "/months/2025-06?plane=private-ip&lang=zh", "/months/2025-06/pairs/zjk/wuh?lang=en", "/months/2025-06/pairs/zjk/wuh?plane=public-internet"} {
		response := v.get(target)
		if response.Code != http.StatusOK || response.Body.Len() > 200_000 {
			t.Errorf("%s: %d, %d bytes", target, response.Code, response.Body.Len())
		}
		t.Logf("%s: %d bytes", target, response.Body.Len())
	}
}

// A mesh of 29 clusters has 406 pairs, and one of two clusters has one.
func TestManyPairsAndOne(t *testing.T) {
	s := month(t)
	var more strings.Builder
	for i := range 26 {
		fmt.Fprintf(&more, "  - {id: m%d, hub: hub, name: {en: Cluster %[1]d}, location: {lat: %d, lon: 110}}\n", i, 10+i)
	}
	many, err := mesh.Parse("mesh.yaml", []byte(strings.Replace(string(s.Mesh.Bytes()), "carriers:\n", more.String()+"carriers:\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	lone, err := mesh.Parse("mesh.yaml", []byte(regexp.MustCompile(`(?m)^  - \{id: (c|zq-one-c),.*\n`).ReplaceAllString(string(s.Mesh.Bytes()), "")))
	if err != nil {
		t.Fatal(err)
	}
	for pairs, m := range map[int]*mesh.Mesh{406: many, 1: lone} {
		s.Mesh = m
		v := visit(t, s.Handler(t.Context()))
		body := v.get("/months/2025-06").Body.String()
		table := body[strings.Index(body, `id="table-pairs_optical"`):]
		table = table[:strings.Index(table, "</table>")]
		if n := strings.Count(table, "/months/2025-06/pairs/"); n != pairs {
			t.Errorf("of %d pairs %d lead to a page", pairs, n)
		}
		if response := v.get("/months/2025-06/pairs/a/b"); response.Code != http.StatusOK {
			t.Errorf("of %d pairs: %d", pairs, response.Code)
		}
	}
}

// flaky is a store that fails while it is broken.
type flaky struct {
	Store
	broken atomic.Bool
}

func (f *flaky) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	if f.broken.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errors.New("broken")) }
	}
	return f.Store.Windows(ctx, q)
}

// A page that could not be made is made when it is asked for again.
func TestFailedPagesAreNotKept(t *testing.T) {
	s := month(t)
	store := &flaky{Store: s.Store}
	s.Store = store
	v := visit(t, s.Handler(t.Context()))
	if response := v.get("/months/2025-06"); response.Code != http.StatusOK {
		t.Fatal(response.Code)
	}
	store.broken.Store(true)
	if response := v.get("/months/2025-06/pairs/a/b"); response.Code != http.StatusServiceUnavailable {
		t.Errorf("with a broken store: %d", response.Code)
	}
	store.broken.Store(false)
	if response := v.get("/months/2025-06/pairs/a/b"); response.Code != http.StatusOK {
		t.Errorf("after it: %d", response.Code)
	}
}

// A cookie counts where there is no token; a bad token is refused beside it.
func TestSessionAndToken(t *testing.T) {
	s, tokens := siteOf(t)
	handler := s.Handler(t.Context())
	for _, c := range []struct {
		cookie bool
		token  string
		want   int
	}{{true, "", 200}, {false, "", 401}, {true, "unknown", 401}, {true, "expired", 401}, {false, "admin", 200}, {true, "admin", 200}} {
		v := visit(t, handler)
		if c.cookie {
			v.login(tokens["one"])
		}
		r := httptest.NewRequest(http.MethodGet, ReportPath+"?period=2025-06-03", nil)
		r.Header.Set("Accept", "application/json")
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+tokens[c.token])
		}
		response := v.do(r)
		if response.Code != c.want {
			t.Errorf("%+v: %d", c, response.Code)
		} else if c.token == "" && c.want == 200 && (strings.Contains(response.Body.String(), "zq-two") || !strings.Contains(response.Body.String(), "zq-one")) {
			t.Errorf("%+v: sees more than its own", c)
		}
	}
}

// Without readers a page from elsewhere, whose name was made to point at this
// machine, reads nothing.
func TestOwnNames(t *testing.T) {
	open, _, _ := minute(t)
	guarded, _ := siteOf(t)
	for host, own := range map[string]bool{
		"127.0.0.1:8470": true, "127.0.0.1": true, "127.8.9.1": true, "[::1]:8470": true, "localhost": true, "LocalHost.:8470": true, "a.localhost:1": true, "[::ffff:127.0.0.1]": true,
		"evil.example:8470": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "192.0.2.1:8470": false, "": false, "0.0.0.0": false, "notlocalhost": false,
	} {
		for name, s := range map[string]*Server{"open": open, "guarded": guarded} {
			r := httptest.NewRequest(http.MethodGet, "/login", nil)
			r.Host = host
			response := httptest.NewRecorder()
			s.ownNames(s.Handler(t.Context())).ServeHTTP(response, r)
			if refused := response.Code == http.StatusMisdirectedRequest; refused != (name == "open" && !own) {
				t.Errorf("%s as %q: %d", name, host, response.Code)
			}
		}
	}
}

// held is a store that gives no window before it is told to.
type held struct {
	Store
	release chan struct{}
}

func (s *held) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		select {
		case <-s.release:
			s.Store.Windows(ctx, q)(yield)
		case <-ctx.Done():
			yield(store.Record{}, ctx.Err())
		}
	}
}

// A report that takes long is announced, and a browser asks again without a
// script.
func TestPageOfWhatIsBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, period := minute(t)
		s.Fallback = &period
		store := &held{s.Store, make(chan struct{})}
		s.Store = store
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		made := s.shelf(ctx)
		v := visit(t, s.handler(made))
		began := time.Now()
		response := v.get("/")
		if response.Code != http.StatusAccepted || response.Header().Get("Refresh") != "5" || !strings.Contains(response.Body.String(), "The report is being made") {
			t.Errorf("%d, Refresh %q\n%s", response.Code, response.Header().Get("Refresh"), response.Body)
		}
		if took := time.Since(began); took != pageWaits {
			t.Errorf("it says so after %s", took)
		}
		close(store.release)
		if response := v.get("/"); response.Code != http.StatusOK || response.Header().Get("Refresh") != "" {
			t.Errorf("then: %d", response.Code)
		}
		cancel()
		made.Wait()
	})
}
