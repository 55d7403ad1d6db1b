package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/mesh"
)

// minute is a server over one minute of data between a and b.
func minute(t *testing.T) (*Server, *scenario.Store, report.Period) {
	t.Helper()
	m := scenario.Mesh(t, "Asia/Shanghai", scenario.Sites(), nil)
	period, err := report.ParsePeriod("", "2025-06-03T10:00:00+08:00", "2025-06-03T10:01:00+08:00", m.Location())
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario.Store{}
	s.Both(t, m, "a1", "b1", period.From, period.To, scenario.Same(20_000, 60), 0, nil)
	return &Server{Mesh: m, Policy: policy.Default(), Store: s, GeneratedBy: "test", Metrics: NewMetrics("test"), Log: slog.New(slog.DiscardHandler)}, s, period
}

func TestReport(t *testing.T) {
	s, source, period := minute(t)
	plan, err := report.NewPlan(s.Mesh, s.Policy, period, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := report.Build(t.Context(), plan, source, report.Options{GeneratedBy: "test", Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := report.JSON(made)
	if err != nil {
		t.Fatal(err)
	}
	s.Fallback = &period
	for _, query := range []string{
		"", // the fallback
		"?from=2025-06-03T10:00:00%2B08:00&to=2025-06-03T10:01:00%2B08:00",
		"?from=2025-06-03T10:00:00+08:00&to=2025-06-03T02:01:00Z", // a + that nobody escaped
	} {
		response := httptest.NewRecorder()
		s.Handler(t.Context()).ServeHTTP(response, httptest.NewRequest(http.MethodGet, ReportPath+query, nil))
		if response.Code != http.StatusOK || response.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", query, response.Code, response.Body)
		}
		if !bytes.Equal(response.Body.Bytes(), want) {
			t.Errorf("%s: not the report of the command (-want +got):\n%s", query, cmp.Diff(string(want), response.Body.String()))
		}
	}
}

// beside=1 is no period, and adds what else was measured to whatever is asked.
func TestReportBeside(t *testing.T) {
	s, source, period := minute(t)
	m, err := mesh.Parse("mesh.yaml", []byte(strings.Replace(string(s.Mesh.Bytes()), "judged: icmp",
		"  - {test: stamp, method: stamp, links: [{}], interval_ms: 1000, size_bytes: 128, window_s: 900}\njudged: icmp", 1)))
	if err != nil {
		t.Fatal(err)
	}
	s.Mesh, s.Fallback = m, &period
	w := scenario.Window(m, "a1", "b1", period.From, scenario.Same(20_500, 60), 0)
	w.Test, w.Method = "stamp", "stamp"
	source.Put(t, w)
	const from, to = "from=2025-06-03T10:00:00%2B08:00", "to=2025-06-03T10:01:00%2B08:00"
	for query, want := range map[string]string{
		"":                                       "none",
		"?" + from + "&" + to:                    "none",
		"?beside=1":                              "20.5",
		"?beside=1&" + from + "&" + to:           "20.5",
		"?" + from + "&" + to + "&" + "beside=1": "20.5",
	} {
		response := httptest.NewRecorder()
		s.Handler(t.Context()).ServeHTTP(response, httptest.NewRequest(http.MethodGet, ReportPath+query, nil))
		var made api.Report
		if err := json.Unmarshal(response.Body.Bytes(), &made); err != nil {
			t.Fatalf("%s: %v: %s", query, err, response.Body)
		}
		got := "none"
		if made.Beside != nil {
			got = fmt.Sprint(*made.Beside.Tests[0].Links[0].MeasuredRTTMS)
		}
		if got != want || *made.Pairs[0].MeasuredRTTMS != 20 {
			t.Errorf("%s: beside is %s, want %s", query, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		method, target string
		broken         bool
		status         int
		detail         string
	}{
		{"GET", ReportPath, false, 400, "no period is given; give period, such as 2025-06, or from and to"},
		{"GET", ReportPath + "?period=June", false, 400, `period "June" is not a year, month or day such as 2025, 2025-06 or 2025-06-03`},
		{"GET", ReportPath + "?perod=2025-06", false, 400, `"perod" is no parameter; allowed: period, from, to, beside, trend, lang`},
		{"GET", ReportPath + "?period=2025-06&beside=yes", false, 400, `beside is "yes"; allowed: 1`},
		{"GET", ReportPath + "?beside=1", false, 400, "no period is given; give period, such as 2025-06, or from and to"},
		{"GET", ReportPath + "?period=2025-06&period=2025-07", false, 400, "period is given twice; keep one"},
		{"GET", ReportPath + "?from=2025-06-03", false, 400, "from goes with to; give both"},
		{"GET", ReportPath + "?period=2025-06-03", true, 503, "the store cannot be read now; the log of the analyzer says why"},
		{"GET", "/healthz", true, 503, "the store does not answer; the log of the analyzer says why"},
		{"POST", ReportPath, false, 405, `"POST" is not answered here; use GET`},
		{"GET", "/elsewhere", false, 404, `there is nothing at "/elsewhere"; reports are at /api/v1/report`},
	} {
		s, source, _ := minute(t)
		if c.broken {
			source.Err = errors.New("no answer")
		}
		response := httptest.NewRecorder()
		s.Handler(t.Context()).ServeHTTP(response, httptest.NewRequest(c.method, c.target, nil))
		var got api.Problem
		if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s: %v: %s", c.method, c.target, err, response.Body)
			continue
		}
		want := api.Problem{Type: "about:blank", Title: http.StatusText(c.status), Status: c.status, Detail: c.detail}
		if diff := cmp.Diff(want, got); diff != "" || response.Code != c.status || response.Header().Get("Content-Type") != api.ProblemType {
			t.Errorf("%s %s: %d %s (-want +got):\n%s", c.method, c.target, response.Code, response.Header().Get("Content-Type"), diff)
		}
	}
}

// A query that cannot be read is not one without a period.
func TestFallbackIsNotForBadQueries(t *testing.T) {
	s, _, period := minute(t)
	s.Fallback = &period
	for query, want := range map[string]string{
		"period=2025-06%":    `the query \"period=2025-06%\" cannot be read: invalid URL escape \"%\"`,
		"period=2025-06;a=b": `the query \"period=2025-06;a=b\" cannot be read: invalid semicolon separator in query`,
	} {
		request := httptest.NewRequest(http.MethodGet, ReportPath, nil)
		request.URL.RawQuery = query
		response := httptest.NewRecorder()
		s.Handler(t.Context()).ServeHTTP(response, request)
		if response.Code != http.StatusBadRequest || !strings.Contains(response.Body.String(), want) {
			t.Errorf("%s: %d %.200s", query, response.Code, response.Body)
		}
	}
}

// The server answers over a real socket, and stops when it is told to.
func TestRun(t *testing.T) {
	s, _, period := minute(t)
	s.Fallback = &period
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener, nil) }()
	client := &http.Client{Timeout: time.Minute}
	for path, want := range map[string]string{"/healthz": "ok\n", ReportPath: `{`} {
		response, err := client.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte(want)) {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopping gives %v", err)
	}
}
