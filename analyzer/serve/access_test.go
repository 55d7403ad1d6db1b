package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/readers"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/internal/logtest"
)

// guarded is a server over a minute of two carriers, and the tokens of its
// readers by name.
func guarded(t *testing.T) (s *Server, source *scenario.Store, tokens map[string]string, log *logtest.Buffer) {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", []string{
		"zq-one-a a one optical both", "zq-one-b b one optical both",
		"zq-two-a a two optical both", "zq-two-b b two optical both",
	}, nil)
	s, source, period := minute(t)
	s.Mesh, s.Fallback = m, &period
	for _, carrier := range []string{"one", "two"} {
		source.Both(t, m, "zq-"+carrier+"-a", "zq-"+carrier+"-b", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
	}

	created := time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)
	list, err := readers.Parse("r.yaml", []byte("readers: []"))
	if err != nil {
		t.Fatal(err)
	}
	tokens = map[string]string{}
	for _, r := range []readers.Reader{
		{Name: "regulator", Role: readers.Regulator},
		{Name: "one", Role: readers.Carrier, Carriers: []string{"one"}},
		{Name: "two", Role: readers.Carrier, Carriers: []string{"two"}, Expires: time.Now().Add(time.Hour)},
		{Name: "both", Role: readers.Carrier, Carriers: []string{"one", "two"}},
		{Name: "viewer", Role: readers.Viewer},
		{Name: "admin", Role: readers.Admin},
		{Name: "expired", Role: readers.Admin, Expires: created.Add(24 * time.Hour)},
		{Name: "revoked", Role: readers.Admin},
	} {
		r.Created = created
		if list, tokens[r.Name], err = list.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = list.Revoke("revoked"); err != nil {
		t.Fatal(err)
	}
	tokens["unknown"] = "fgr1." + strings.Repeat("A", 43)
	log = new(logtest.Buffer)
	s.Readers = func() *readers.List { return list }
	s.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return s, source, tokens, log
}

// counters is what /metrics shows.
func counters(s *Server) string {
	response := httptest.NewRecorder()
	s.Metrics.handler().ServeHTTP(response, httptest.NewRequest("GET", metricsPath, nil))
	return response.Body.String()
}

// see tells how much of a carrier's link is in a report.
func see(t *testing.T, body []byte, carrier string) string {
	t.Helper()
	var r api.Report
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%v: %.200s", err, body)
	}
	named := bytes.Contains(body, []byte("zq-"+carrier))
	for _, link := range r.Links {
		if link.Carrier == carrier {
			switch {
			case len(link.Ends) == 2 && !link.Withheld && named:
				return "full"
			case link.Withheld && link.Verdict == api.Compliant && !named:
				return "public"
			}
		}
	}
	return "wrong"
}

// Who gets what: every kind of reader and of stranger at every path.
func TestMatrix(t *testing.T) {
	const period = "?from=2025-06-03T10:00:00%2B08:00&to=2025-06-03T10:01:00%2B08:00"
	const june = MonthsPath + "/2025-06"
	endpoints := []struct{ method, target string }{
		{"GET", ReportPath}, {"GET", ReportPath + period}, {"HEAD", ReportPath}, {"POST", ReportPath}, {"GET", ReportPath + "?perod=2025"},
		{"GET", ReadersPath}, {"DELETE", ReadersPath}, {"GET", metricsPath}, {"GET", healthPath}, {"GET", "/elsewhere"}, {"GET", "/api/v1/readers/"}, {"OPTIONS", "*"},
		{"GET", june}, {"GET", MonthsPath}, {"GET", june + "/report.html"}, {"GET", june + "/report.csv?lang=zh"}, {"GET", june + "/pairs"},
		{"GET", june + "/pairs/a/b"}, {"GET", NetworkPath}, {"GET", StatusPath}, {"GET", OpenAPIPath}, {"GET", SchemaPath}, {"PUT", june},
		{"GET", "/api/v1//report"}, {"GET", june + "/../2025-06/pairs"}, {"GET", june + "/"},
		{"GET", SeriesPath + "?a=a&b=b&period=2025-06-03"}, {"GET", WindowsPath + "?period=2025-06-03"},
		{"GET", SeriesPath + "?src=zq-two-a&dst=zq-two-b&period=2025-06-03"}, {"GET", WindowsPath + "?period=2025-06-03&src=zq-two-a"},
		{"GET", AnnotationsPath + "?a=a&b=b&period=2025-06-03"},
		{"GET", SeriesPath + "?period=2025-06-03"}, {"GET", AnnotationsPath + "?period=2025-06-03"}, {"GET", HeatmapPath + "?period=2025-06-03"},
		{"GET", ProbesPath + "?period=2025-06-03"}, {"GET", ProbesPath + "?period=2025-06"},
	}
	known := func(admin, minute int, ends ...int) []int {
		return append([]int{
			200, minute, 200, 405, 400, admin, 405, admin, 200, 404, 404, 404,
			200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 405, 404, 404, 404,
		}, ends...)
	}
	refused := func(status int) []int {
		all := make([]int, len(endpoints))
		for i := range all {
			all[i] = status
		}
		return all
	}
	for _, c := range []struct {
		who      string
		one, two string // how much of each carrier's link is in a report
		want     []int
	}{
		{"regulator", "full", "full", known(403, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)},
		{"one", "full", "public", known(403, 403, 200, 200, 403, 200, 200, 200, 200, 200, 200, 200)},
		{"two", "public", "full", known(403, 403, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)},
		{"both", "full", "full", known(403, 403, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)},
		{"viewer", "public", "public", known(403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403, 403)},
		{"admin", "full", "full", known(200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200)},
		{"expired", "", "", refused(401)},
		{"revoked", "", "", refused(401)},
		{"unknown", "", "", refused(401)},
		{"nobody", "", "", refused(401)},
	} {
		s, _, tokens, _ := guarded(t)
		handler := s.Handler(t.Context())
		for i, endpoint := range endpoints {
			request := httptest.NewRequest(endpoint.method, endpoint.target, nil)
			request.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i) // the bound on tries has its own test
			if token := tokens[c.who]; token != "" {
				request.Header.Set("Authorization", "Bearer "+token)
			}
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			at := fmt.Sprint(c.who, " ", endpoint.method, " ", endpoint.target)
			if response.Code != c.want[i] {
				t.Errorf("%s: %d, want %d: %s", at, response.Code, c.want[i], response.Body)
				continue
			}
			body := response.Body.Bytes()
			switch {
			case response.Code == 200 && endpoint.method == "GET" && strings.HasPrefix(endpoint.target+"?", ReportPath+"?"):
				if one, two := see(t, body, "one"), see(t, body, "two"); one != c.one || two != c.two {
					t.Errorf("%s: sees %s of one and %s of two", at, one, two)
				}
			case response.Code != 200 && (bytes.Contains(body, []byte("zq-")) || response.Header().Get("Content-Type") != api.ProblemType):
				t.Errorf("%s: %d %s", at, response.Code, body)
			case response.Code == 401 && (!strings.HasPrefix(response.Header().Get("WWW-Authenticate"), `Bearer realm="fibergauge"`) || response.Header().Get("Connection") != "close"):
				t.Errorf("%s: headers %v", at, response.Header())
			}
			// Whatever it is, it names no site of which the reader may not know.
			for carrier, sees := range map[string]string{"one": c.one, "two": c.two} {
				if sees != "full" && bytes.Contains(body, []byte("zq-"+carrier)) {
					t.Errorf("%s: a site of carrier %s is in the answer: %s", at, carrier, body)
				}
			}
			for name, token := range tokens {
				if bytes.Contains(body, []byte(strings.TrimPrefix(token, "fgr1."))) {
					t.Errorf("%s: the token of %s is in the answer", at, name)
				}
			}
		}
	}
}

// An archived mesh that cannot be read is told of in the words of its file to
// those who may know them.
func TestFaultOfAMesh(t *testing.T) {
	s, source, tokens, _ := guarded(t)
	broken := bytes.Replace(s.Mesh.Bytes(), []byte("carrier: two"), []byte("carrier: secret"), 1)
	source.Archive = []store.MeshVersion{{SHA256: "x", Bytes: broken, ServedFrom: time.Unix(0, 0)}}
	s.Mesh = nil
	handler := s.Handler(t.Context())
	for who, told := range map[string]bool{"regulator": true, "admin": true, "one": false, "viewer": false} {
		for _, target := range []string{
			ReportPath + "?period=2025-06-03", MonthsPath, MonthsPath + "/2025-06", MonthsPath + "/2025-06/pairs", NetworkPath, StatusPath,
			SeriesPath + "?a=a&b=b&period=2025-06-03", WindowsPath + "?period=2025-06-03",
		} {
			request := httptest.NewRequest("GET", target, nil)
			request.Header.Set("Authorization", "Bearer "+tokens[who])
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			if response.Code == 403 && who == "viewer" {
				continue
			}
			if response.Code != 500 || strings.Contains(response.Body.String(), "secret") != told {
				t.Errorf("%s %s: %d %s", who, target, response.Code, response.Body)
			}
		}
	}
}

func TestWholeDays(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "UTC", "America/Havana"} { // where clocks change at midnight
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			period, from, to string
			want             bool
		}{
			{"2025", "", "", true}, {"2025-03", "", "", true}, {"2025-03-09", "", "", true}, {"2025-11-02", "", "", true},
			{"", "2025-06-03", "2025-06-07", true},
			{"", "2025-06-03T10:00:00Z", "2025-06-04", false},
			{"", "2025-06-03", "2025-06-04T00:00:00.001Z", false},
		} {
			p, err := report.ParsePeriod(c.period, c.from, c.to, location)
			if err != nil {
				t.Fatal(err)
			}
			if got := wholeDays(p); got != c.want {
				t.Errorf("%s: %+v, %s to %s: %t", zone, c, p.From, p.To, got)
			}
		}
	}
}

// Just after midnight the day has a window of each link, and the public figures
// of a link would be those of that window.
func TestFirstDayIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, tokens, _ := guarded(t)
		s.Fallback = nil
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		made := s.shelf(ctx)
		handler := s.handler(made)
		for _, step := range []struct {
			at    string
			today int // of the days whose first has begun
		}{
			{"2025-06-03T00:01:00+08:00", 403}, {"2025-06-03T23:59:59.999+08:00", 403}, {"2025-06-04T00:00:00+08:00", 200},
		} {
			at, err := time.Parse(time.RFC3339, step.at)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(at))
			for who, today := range map[string]int{"regulator": 200, "one": step.today, "viewer": step.today} {
				for target, want := range map[string]int{
					ReportPath + "?period=2025-06-03": today, ReportPath + "?from=2025-06-03&to=2025-06-05": today,
					ReportPath + "?period=2025-06-02": 200, ReportPath + "?from=2025-06-02&to=2025-06-04": 200,
					MonthsPath + "/2025-06": 200, MonthsPath + "/2025-06/report.json": 200, MonthsPath + "/2025-06/pairs/a/b": 200,
				} {
					request := httptest.NewRequest("GET", target, nil)
					request.Header.Set("Authorization", "Bearer "+tokens[who])
					response := httptest.NewRecorder()
					handler.ServeHTTP(response, request)
					if response.Code != want {
						t.Errorf("%s, %s %s: %d, want %d: %.200s", step.at, who, target, response.Code, want, response.Body)
					}
				}
			}
		}
		cancel()
		made.Wait()
	})
}

func TestBearer(t *testing.T) {
	for _, c := range []struct {
		values []string
		token  string
		err    error
	}{
		{nil, "", errMissing},
		{[]string{"Bearer fgr1.x"}, "fgr1.x", nil},
		{[]string{"bearer fgr1.x"}, "fgr1.x", nil}, // RFC 9110, section 11.1
		{[]string{"Bearer  fgr1.x"}, " fgr1.x", nil},
		{[]string{"Bearer"}, "", errMalformed},
		{[]string{"Bearer "}, "", errMalformed},
		{[]string{""}, "", errMalformed},
		{[]string{"Basic fgr1.x"}, "", errMalformed},
		{[]string{"fgr1.x"}, "", errMalformed},
		{[]string{"Bearer fgr1.x", "Bearer fgr1.x"}, "", errMalformed},
	} {
		header := http.Header{}
		for _, v := range c.values {
			header.Add("Authorization", v)
		}
		if token, err := bearer(header); token != c.token || err != c.err {
			t.Errorf("%q: %q, %v, want %q, %v", c.values, token, err, c.token, c.err)
		}
	}
}

// However a token comes in, it does not come out in the log or the counters.
func TestNoTokenInTheLog(t *testing.T) {
	s, source, tokens, log := guarded(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, nil) }()
	send := func(raw string) {
		t.Helper()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<20)
		if _, err := conn.Read(buf); err != nil {
			t.Fatalf("%q: %v", raw[:min(40, len(raw))], err)
		}
	}
	for _, token := range tokens {
		for _, raw := range []string{
			"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n",
			"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x" + token + "\r\n\r\n",
			"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: " + token + "\r\n\r\n",
			"GET /healthz HTTP/1.1\r\nHost: a\r\nAuthorization: Basic " + token + "\r\n\r\n",
			"GET " + ReportPath + "?access_token=" + token + " HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET " + ReportPath + "?access_token=" + token + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n",
			"GET " + ReportPath + "?period=" + token + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + tokens["viewer"] + "\r\n\r\n",
			"GET /" + token + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n",
			token + " / HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\n" + token + "\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\x00\r\n\r\n",
		} {
			send(raw)
		}
	}
	source.Err = context.DeadlineExceeded // a store that fails is logged
	send("GET " + ReportPath + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + tokens["viewer"] + "\r\n\r\n")
	counted := counters(s)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"report failed", "a request was refused"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q, so what it lacks proves little:\n%s", want, log)
		}
	}
	for name, token := range tokens {
		for where, text := range map[string]string{"log": log.String(), "counters": counted} {
			if secret := strings.TrimPrefix(token, "fgr1."); strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
				t.Errorf("the token of %s is in the %s", name, where)
			}
		}
	}
}

// Failed tries of one address are bounded and counted; others, and whoever has
// a good token, go on.
func TestTriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, tokens, _ := guarded(t)
		handler := s.Handler(t.Context())
		ask := func(address, who string) *httptest.ResponseRecorder {
			request := httptest.NewRequest("GET", healthPath, nil)
			request.RemoteAddr = address
			request.Header.Set("Authorization", "Bearer "+tokens[who])
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			return response
		}
		for i := range triesAtOnce {
			if r := ask("192.0.2.1:1", "unknown"); r.Code != 401 {
				t.Fatalf("try %d: %d", i, r.Code)
			}
		}
		for range 3 {
			if r := ask("192.0.2.1:2", "unknown"); r.Code != 429 || r.Header().Get("Retry-After") != "5" {
				t.Errorf("one too many: %d, Retry-After %q", r.Code, r.Header().Get("Retry-After"))
			}
		}
		if r := ask("192.0.2.1:3", "viewer"); r.Code != 200 {
			t.Errorf("a good token: %d", r.Code)
		}
		if r := ask("192.0.2.2:1", "unknown"); r.Code != 401 {
			t.Errorf("another address: %d", r.Code)
		}
		time.Sleep(5 * time.Second)
		if r := ask("192.0.2.1:4", "unknown"); r.Code != 401 {
			t.Errorf("after the wait: %d", r.Code)
		}
		want := fmt.Sprintf("fibergauge_analyzer_failed_tries_total{token=\"unknown\"} %d\n", triesAtOnce+5)
		if got := counters(s); !strings.Contains(got, want) {
			t.Errorf("the counters lack %s%s", want, got)
		}
	})
}

// A crowd of addresses takes bounded memory, and one that comes then is bounded
// with the rest.
func TestTriesForget(t *testing.T) {
	tries, now := newTries(), time.Unix(0, 0)
	address := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range 3 * triesRemember {
		tries.failed(address(i), now)
	}
	if len(tries.of) > triesRemember {
		t.Errorf("%d addresses are remembered", len(tries.of))
	}
	if wait := tries.failed(address(1<<20), now); wait == 0 {
		t.Error("an address for which there is no room tries as it likes")
	}
	if wait := tries.failed(address(1<<20), now.Add(time.Hour)); wait != 0 || len(tries.of) != 1 {
		t.Errorf("an hour later: wait %s, %d addresses", wait, len(tries.of))
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80":                   "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":          "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:80":      "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":              "fe80::/64",
		"[::1]:80":                       "::1/128",
		"@":                              "invalid Prefix",
		"":                               "invalid Prefix",
		"name.example:80":                "invalid Prefix",
		"[2001:db8:1:2:ffff:4:5:6%x]:80": "2001:db8:1:2::/64",
	} {
		if got := addressOf(remote).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// A reader has one report made at a time, so that two builds at once serve two
// readers. Whoever waits for what is being made already is not refused.
func TestOneReportOfAReaderAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2025, 6, 10, 0, 0, 0, 0, time.UTC))) // the day is over
		s, _, tokens, _ := guarded(t)
		leave := make(chan struct{})
		s.Store = slow{s.Store, leave}
		handler := s.Handler(t.Context())
		ask := func(who, query string) *httptest.ResponseRecorder {
			request := httptest.NewRequest("GET", ReportPath+query, nil)
			request.Header.Set("Authorization", "Bearer "+tokens[who])
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			return response
		}
		codes := make(chan int, 2)
		go func() { codes <- ask("viewer", "").Code }()
		synctest.Wait()
		go func() { codes <- ask("viewer", "").Code }()
		synctest.Wait()
		if r := ask("viewer", "?period=2025-06-03"); r.Code != 429 || r.Header().Get("Retry-After") == "" {
			t.Errorf("another report: %d %s", r.Code, r.Body)
		}
		close(leave)
		for range 2 {
			if code := <-codes; code != 200 {
				t.Errorf("the one that was being made: %d", code)
			}
		}
		if r := ask("viewer", "?period=2025-06-03"); r.Code != 200 {
			t.Errorf("the other report after it: %d", r.Code)
		}
	})
}

// slow is a store whose reads wait; one answer may have several at once.
type slow struct {
	Store
	leave <-chan struct{}
}

func (s slow) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	<-s.leave
	return s.Store.Windows(ctx, q)
}
