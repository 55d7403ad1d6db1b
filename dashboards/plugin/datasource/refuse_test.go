package datasource

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// TestMain keeps the SDK from logging what it misses in a test.
func TestMain(m *testing.M) {
	log.DefaultLogger = log.NewNullLogger()
	os.Exit(m.Run())
}

var (
	june = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	july = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC)
)

// sourceAt is a data source with settings.
func sourceAt(t *testing.T, url, jsonData string, secure map[string]string) *Source {
	t.Helper()
	made, err := New(t.Context(), backend.DataSourceInstanceSettings{UID: "uid", Type: PluginID, URL: url, JSONData: []byte(jsonData), DecryptedSecureJSONData: secure})
	if err != nil {
		t.Fatal(err)
	}
	s := made.(*Source)
	t.Cleanup(s.Dispose)
	return s
}

func asked(text string) backend.DataQuery {
	return backend.DataQuery{RefID: "A", JSON: []byte(text), MaxDataPoints: 100, TimeRange: backend.TimeRange{From: june, To: july}}
}

func (s *Source) one(t *testing.T, text string) backend.DataResponse {
	t.Helper()
	response, err := s.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{asked(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return response.Responses["A"]
}

func health(t *testing.T, s *Source) *backend.CheckHealthResult {
	t.Helper()
	result, err := s.CheckHealth(t.Context(), &backend.CheckHealthRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestSettings that cannot work are said by Save & test and by every panel, with
// what to do.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, url, json string
		secure          map[string]string
		want            string
	}{
		{"no URL", "", "{}", nil, "the data source has no URL: enter that of fibergauge-analyzer serve, such as https://analyzer.example:8470"},
		{"no scheme", "analyzer.example:8470", "{}", nil, `address of the analyzer: "analyzer.example:8470" is not one such as https://analyzer.example:8470`},
		{"a token in clear", "http://analyzer.example:8470", "{}", map[string]string{"token": "t"}, "address of the analyzer: by http://analyzer.example:8470 everybody on the way could read the token; use https; or allow it in the settings, as Token over plain HTTP"},
		{"a timeout of nothing", "https://analyzer.example", `{"timeout": 0}`, nil, `the timeout is "0"; allowed: 1 to 600 seconds`},
		{"a timeout in words", "https://analyzer.example", `{"timeout": "soon"}`, nil, "the settings of the data source cannot be read: "},
		{"no certificate", "https://analyzer.example", `{"tlsAuthWithCACert": true}`, map[string]string{"tlsCACert": "not PEM"}, "the certificates in the settings cannot be used: "},
		{"settings of another kind", "https://analyzer.example", `[]`, nil, "the settings of the data source cannot be read: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sourceAt(t, c.url, c.json, c.secure)
			got := health(t, s)
			if got.Status != backend.HealthStatusError || !strings.HasPrefix(got.Message, c.want) {
				t.Errorf("Save & test says %v %q, want %q", got.Status, got.Message, c.want)
			}
			response := s.one(t, "{}")
			if response.Error == nil || !strings.HasPrefix(response.Error.Error(), c.want) || response.Status != backend.StatusBadRequest {
				t.Errorf("a panel says %v %v", response.Status, response.Error)
			}
		})
	}
}

// analyzer answers with what a test says, by path; else as an older one does.
func analyzer(t *testing.T, paths map[string]any) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch answer := paths[r.URL.Path].(type) {
		case nil:
			problem(w, http.StatusNotFound, fmt.Sprintf("there is nothing at %q; reports are at /api/v1/report", r.URL.Path))
		case func(http.ResponseWriter, *http.Request):
			answer(w, r)
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
}

func refusing(status int, detail string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { problem(w, status, detail) }
}

func twoClusters() *api.Network {
	return &api.Network{
		Schema: api.SchemaNetwork, Name: "two", TimeZone: "Asia/Shanghai", Judged: "icmp", Planes: []string{"optical"},
		Hubs:     []api.Named{{ID: "h", EN: "Hub"}},
		Clusters: []api.Cluster{{ID: "aa", Hub: "h", EN: "Aa", Lat: 40, Lon: 115}, {ID: "bb", Hub: "h", EN: "Bb", Lat: 31, Lon: 121}},
		Carriers: []api.Named{{ID: "one", EN: "One"}},
		Tests:    []api.Test{{Test: "icmp", Method: "icmp", IntervalMS: 1000, WindowS: 60}},
		Sites: []api.Site{
			{ID: "a1", Cluster: "aa", Carrier: "one", Plane: "optical", Role: "both", Lat: 40, Lon: 115},
			{ID: "b1", Cluster: "bb", Carrier: "one", Plane: "optical", Role: "both", Lat: 31, Lon: 121},
		},
		Links: []api.NetworkLink{
			{Src: "a1", Dst: "b1", Pair: [2]string{"aa", "bb"}, Carrier: "one", Plane: "optical", Tests: []string{"icmp"}, DistanceKM: 1537},
			{Src: "b1", Dst: "a1", Pair: [2]string{"bb", "aa"}, Carrier: "one", Plane: "optical", Tests: []string{"icmp"}, DistanceKM: 1537},
		},
	}
}

// every is one query of each type that asks the analyzer for more than its
// network.
func every() map[string]string {
	out := map[string]string{}
	for kind := range answers {
		out[kind] = fmt.Sprintf(`{"queryType": %q}`, kind)
		for _, metric := range metrics[kind] {
			if metric == "ipdv" {
				continue // of a month nothing is asked for
			}
			out[kind+" "+metric] = fmt.Sprintf(`{"queryType": %q, "metric": %q}`, kind, metric)
		}
	}
	for _, kind := range []string{TypeMatrix, TypePairs, TypeSites, TypeLinks} {
		out[kind+" range"] = fmt.Sprintf(`{"queryType": %q, "over": "range"}`, kind)
	}
	return out
}

// TestRefusals are told apart, and say what to do, whatever is asked.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(http.ResponseWriter, *http.Request)
		status  backend.Status
		message string
	}{
		{"wrong token", refusing(401, "the token is not known"), backend.StatusUnauthorized,
			"the analyzer does not know the token: put one that fibergauge-analyzer readers gave into the settings of the data source (it says: the token is not known)"},
		{"not allowed", refusing(403, "role public may not read /api/v1/series"), backend.StatusForbidden,
			"the token in the settings of the data source does not allow this: role public may not read /api/v1/series"},
		{"older analyzer, path", refusing(404, `there is nothing at "/api/v1/probes"; reports are at /api/v1/report`), backend.StatusNotImplemented,
			"the analyzer is older than this plugin and does not answer this query: update fibergauge-analyzer (it says: "},
		{"older analyzer, parameter", refusing(400, `"hub" is no parameter; allowed: src, dst`), backend.StatusNotImplemented,
			"the analyzer is older than this plugin and does not answer this query: update fibergauge-analyzer (it says: "},
		{"mine", refusing(400, "with step window a time of at most 8 days is answered; ask for less"), backend.StatusBadRequest,
			"the analyzer refuses the query: with step window a time of at most 8 days is answered; ask for less"},
		{"broken", refusing(500, "see the log"), backend.StatusBadGateway, "the analyzer answers 500 Internal Server Error: see the log"},
		{"another server", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, backend.StatusBadGateway, "no analyzer answers at "},
		{"http to a port of TLS", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", 400)
		}, backend.StatusBadGateway, "what answers at http://127.0.0.1:"},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		}, backend.StatusBadGateway,
			"the address redirects elsewhere, where the token is not sent: enter the address that answers itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(c.answer))
			defer server.Close()
			s := sourceAt(t, server.URL, "{}", nil)
			for name, query := range every() {
				got := s.one(t, query)
				if got.Error == nil || !strings.HasPrefix(got.Error.Error(), c.message) || got.Status != c.status || got.ErrorSource != backend.ErrorSourceDownstream {
					t.Errorf("%s: %v from %s, %v; want %v %q", name, got.Status, got.ErrorSource, got.Error, c.status, c.message)
				}
			}
			if got := health(t, s); got.Status != backend.HealthStatusError || !strings.HasPrefix(got.Message, c.message) {
				t.Errorf("Save & test says %v %q", got.Status, got.Message)
			}
		})
	}
}

func TestAway(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	got := sourceAt(t, url, "{}", nil).one(t, "{}")
	if want := "no analyzer answers at " + url + ": start fibergauge-analyzer serve, or mend the URL"; got.Error == nil || !strings.HasPrefix(got.Error.Error(), want) || got.Status != backend.StatusBadGateway {
		t.Errorf("%v, %v; want %q", got.Status, got.Error, want)
	}
}

func TestUnknownAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the handshake that is to fail
	server.StartTLS()
	defer server.Close()
	got := sourceAt(t, server.URL, "{}", nil).one(t, "{}")
	if want := "the certificate of " + server.URL + " is not of an authority that Grafana knows"; got.Error == nil || !strings.HasPrefix(got.Error.Error(), want) {
		t.Errorf("%v; want %q", got.Error, want)
	}
}

func TestAnotherName(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the handshake that is to fail
	server.StartTLS()
	defer server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	got := sourceAt(t, server.URL, `{"tlsAuthWithCACert": true, "serverName": "analyzer.invalid"}`, map[string]string{"tlsCACert": string(authority)}).one(t, "{}")
	if want := "the certificate of " + server.URL + " is for another name: enter one that it has as Server name"; got.Error == nil || !strings.HasPrefix(got.Error.Error(), want) {
		t.Errorf("%v; want %q", got.Error, want)
	}
}

// TestSlow gives up after the timeout of the settings, and says so.
func TestSlow(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	}))
	defer server.Close()
	s := sourceAt(t, server.URL, "{}", nil)
	s.upstream.timeout = 20 * time.Millisecond
	got := s.one(t, `{"queryType": "series"}`)
	if want := "has not answered within 20ms: ask for a shorter time, or raise the timeout"; got.Error == nil || !strings.Contains(got.Error.Error(), want) || got.Status != backend.StatusTimeout {
		t.Errorf("%v, %v; want %q", got.Status, got.Error, want)
	}
	<-gone // the analyzer is not kept busy by what nobody waits for
}

// TestCancelled leaves at once, and lets the others have the answer.
func TestCancelled(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		_ = json.NewEncoder(w).Encode(twoClusters())
	}))
	defer server.Close()
	s := sourceAt(t, server.URL, "{}", nil)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.askNetwork(ctx)
		left <- err
	}()
	<-asked
	stays := make(chan error)
	go func() {
		_, err := s.askNetwork(t.Context())
		stays <- err
	}()
	cancel()
	if err := <-left; err == nil {
		t.Error("whoever has left got an answer")
	}
	close(release)
	if err := <-stays; err != nil {
		t.Errorf("who stayed: %v", err)
	}
}

// TestNothingThere: no query of a network without clusters, months or windows is
// an error, and each says why there is nothing.
func TestNothingThere(t *testing.T) {
	empty := map[string]any{
		"/api/v1/network": &api.Network{TimeZone: "UTC"}, "/api/v1/months": &api.Months{},
		"/api/v1/series":  refusing(404, "the mesh of that time measures no such link by this test; /api/v1/network lists the links of now"),
		"/api/v1/heatmap": refusing(404, "the mesh of that time measures no such link by this test; /api/v1/network lists the links of now"),
		"/api/v1/probes":  &api.Probes{}, "/api/v1/annotations": &api.Annotations{}, "/api/v1/status": &api.Status{Server: "fibergauge-analyzer 1"},
	}
	s := sourceAt(t, analyzer(t, empty).URL, "{}", nil)
	for name, query := range every() {
		holdNothing(t, name, s.one(t, query))
	}
	if got := health(t, s); got.Status != backend.HealthStatusOk || !strings.Contains(got.Message, "measures no link that this token may see; it has no windows yet") {
		t.Errorf("Save & test says %v %q", got.Status, got.Message)
	}
	// Links without windows in the time.
	empty["/api/v1/network"] = twoClusters()
	ends := &api.Series{Step: "hour", Merged: 1, Statistic: "p95", Series: []api.LinkSeries{{Src: "a1", Dst: "b1", Pair: [2]string{"aa", "bb"}, Points: []api.Point{}}}}
	empty["/api/v1/series"], empty["/api/v1/heatmap"] = ends, &api.Heatmap{Ends: 2, EdgesMS: []float64{}, Points: []api.HeatmapPoint{}}
	s = sourceAt(t, analyzer(t, empty).URL, "{}", nil)
	for name, query := range every() {
		if !strings.HasPrefix(name, TypeSites) { // they are there
			holdNothing(t, name, s.one(t, query))
		}
	}
}

// holdNothing wants what Grafana takes for no data, and why.
func holdNothing(t *testing.T, name string, got backend.DataResponse) {
	t.Helper()
	if got.Error != nil || len(got.Frames) != 1 || len(got.Frames[0].Fields) != 0 {
		t.Errorf("%s: %v and %d frames, want one without fields", name, got.Error, len(got.Frames))
		return
	}
	if frame := got.Frames[0]; !strings.HasPrefix(name, TypeAnnotations) && (frame.Meta == nil || len(frame.Meta.Notices) != 1) {
		t.Errorf("%s does not say why there is nothing", name)
	}
}

// TestOneSample: a single packet makes a point of every statistic, and no NaN or
// infinity.
func TestOneSample(t *testing.T) {
	ms := 20.5
	one := &api.Series{Step: "hour", Merged: 1, Statistic: "p95", Series: []api.LinkSeries{{
		Src: "a1", Dst: "b1", Pair: [2]string{"aa", "bb"}, Carrier: "one", Plane: "optical",
		Limits: []api.Limit{{From: "2025-06-01T00:00:00Z", To: "2025-07-01T00:00:00Z", DistanceKM: 1537, TheoreticalRTTMS: 15.052511, LimitRTTMS: 22.578766}},
		Points: []api.Point{{From: "2025-06-03T04:00:00Z", To: "2025-06-03T05:00:00Z", Packets: 1, MinMS: &ms, P50MS: &ms, P95MS: &ms, P99MS: &ms, MeanMS: &ms}},
	}}}
	s := sourceAt(t, analyzer(t, map[string]any{"/api/v1/series": one, "/api/v1/network": twoClusters()}).URL, "{}", nil)
	for metric, want := range map[string]float64{"rtt": 20.5, "ratio": ms / one.Series[0].Limits[0].TheoreticalRTTMS, "loss": 0, "packets": 1} {
		got := s.one(t, fmt.Sprintf(`{"queryType": "series", "metric": %q}`, metric))
		if got.Error != nil || len(got.Frames) != 1 || got.Frames[0].Rows() != 1 {
			t.Errorf("%s: %v, %d frames", metric, got.Error, len(got.Frames))
			continue
		}
		if v, ok := got.Frames[0].Fields[1].ConcreteAt(0); !ok || v != want {
			t.Errorf("%s is %v, want %v", metric, v, want)
		}
		got = s.one(t, fmt.Sprintf(`{"queryType": "now", "metric": %q}`, metric))
		if metric == "packets" {
			continue
		}
		if got.Error != nil || len(got.Frames) != 1 || got.Frames[0].Fields[0].At(0) != want || got.Frames[0].Meta.Type != data.FrameTypeNumericMulti {
			t.Errorf("now %s: %v, %v", metric, got.Error, got.Frames)
		}
	}
	// The line of an alert: all packets were lost, so that the ratio is above any limit.
	one.Series[0].Points[0] = api.Point{From: "2025-06-03T04:00:00Z", To: "2025-06-03T05:00:00Z", Packets: 1, Lost: 1, P50Unbounded: true, P95Unbounded: true, P99Unbounded: true}
	s = sourceAt(t, analyzer(t, map[string]any{"/api/v1/series": one, "/api/v1/network": twoClusters()}).URL, "{}", nil)
	got := s.one(t, `{"queryType": "now"}`)
	if len(got.Frames) != 1 || got.Frames[0].Fields[0].At(0) != *infinite() {
		t.Errorf("a link that answers nothing has the ratio %v", got.Frames)
	}
	got = s.one(t, `{"queryType": "series", "metric": "ratio"}`)
	if len(got.Frames) != 1 || !got.Frames[0].Fields[1].NilAt(0) || got.Frames[0].Meta.Notices[0].Severity != data.NoticeSeverityWarning {
		t.Errorf("drawn as %v", got.Frames)
	}
}

// TestYoungMonth: the first weeks of a month, in which no pair can be demonstrated,
// are not shown as a rate of 0.
func TestYoungMonth(t *testing.T) {
	months := &api.Months{Months: []api.MonthSummary{
		{Month: "2025-06", Plane: "optical", Rate: &api.Rate{Total: 1, NotDemonstrated: 1}},
		{Month: "2025-05", Complete: true, Plane: "optical", Rate: &api.Rate{Total: 1, Compliant: 1, Fraction: 1}},
	}}
	pairs := &api.Pairs{Pairs: []api.Pair{{Pair: [2]string{"aa", "bb"}, Plane: "optical", Carrier: "one", Verdict: api.Compliant}}}
	s := sourceAt(t, analyzer(t, map[string]any{
		"/api/v1/network": twoClusters(), "/api/v1/months": months, "/api/v1/months/2025-05/pairs": pairs,
	}).URL, "{}", nil)
	week := asked(`{"queryType": "rate"}`)
	week.TimeRange = backend.TimeRange{From: june.AddDate(0, 0, 5), To: june.AddDate(0, 0, 12)}
	response, err := s.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{week}})
	got := response.Responses["A"]
	if err != nil || got.Error != nil || got.Frames[0].Rows() != 1 {
		t.Fatalf("%v, %v: %v", err, got.Error, got.Frames)
	}
	if v, _ := got.Frames[0].Fields[1].ConcreteAt(0); v != 100.0 {
		t.Errorf("in the second week of June the rate is %v, want that of May", v)
	}
	if got := s.one(t, `{"queryType": "matrix", "metric": "verdict"}`); got.Error != nil || got.Frames[0].Rows() != 2 {
		t.Errorf("the matrix: %v", got.Error)
	}
}
