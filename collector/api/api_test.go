package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestBadRequests(t *testing.T) {
	good := goodBatch(t)
	asJSON := []string{"Content-Type", "application/json"}
	coded := func(encoding string) []string { return append([]string{"Content-Encoding", encoding}, asJSON...) }
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the good batch does not contain %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     wire.Code
		message                  string
	}{
		{"no such path", "GET", "/", "", nil, 404, wire.CodeNotFound, "no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows"},
		{"another version", "GET", "/v2/sites/a1/assignment", "", nil, 404, wire.CodeNotFound, "no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows"},
		{"doubled slash", "GET", "//v1/sites/a1/assignment", "", nil, 404, wire.CodeNotFound, "no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows"},
		{"no site", "GET", "/v1/sites//assignment", "", nil, 404, wire.CodeNotFound, "no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows"},
		{"trailing slash", "GET", assignmentPath + "/", "", nil, 404, wire.CodeNotFound, "no such path; probes use /v1/sites/{site}/assignment and /v1/sites/{site}/windows"},
		{"pattern as path", "GET", "/v1/sites/%7Bsite%7D/assignment", "", nil, 400, wire.CodeBadRequest, `site: "%7Bsite%7D" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"method of windows", "PUT", windowsPath, good, asJSON, 405, wire.CodeMethodNotAllowed, "this path takes POST only"},
		{"method of assignment", "POST", assignmentPath, "", nil, 405, wire.CodeMethodNotAllowed, "this path takes GET, HEAD only"},
		{"method of metrics", "DELETE", "/metrics", "", nil, 405, wire.CodeMethodNotAllowed, "this path takes GET, HEAD only"},
		{"bad site", "GET", "/v1/sites/a%2Fb/assignment", "", nil, 400, wire.CodeBadRequest, `site: "a%2Fb" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"unknown site asks", "GET", "/v1/sites/z9/assignment", "", nil, 404, wire.CodeUnknownSite, "the mesh has no site z9; check the probe's site, or add it to the mesh"},
		{"unknown site sends", "POST", "/v1/sites/z9/windows", replace(`"site":"a1"`, `"site":"z9"`), asJSON, 404, wire.CodeUnknownSite, "the mesh has no site z9; check the probe's site, or add it to the mesh"},
		{"no media type", "POST", windowsPath, good, nil, 415, wire.CodeUnsupported, `content-type: "" is not application/json`},
		{"media type", "POST", windowsPath, good, []string{"Content-Type", "text/plain"}, 415, wire.CodeUnsupported, `content-type: "text/plain" is not application/json`},
		{"encoding", "POST", windowsPath, good, coded("br"), 415, wire.CodeUnsupported, `content-encoding: "br" is not one of zstd, gzip, identity`},
		{"encodings", "POST", windowsPath, good, coded("gzip, gzip"), 415, wire.CodeUnsupported, `content-encoding: "gzip, gzip" is not one of zstd, gzip, identity`},
		{"not gzip", "POST", windowsPath, good, coded("gzip"), 400, wire.CodeBadRequest, "the body is not valid gzip: gzip: invalid header"},
		{"not zstd", "POST", windowsPath, good, coded("zstd"), 400, wire.CodeBadRequest, "the body is not valid zstd: invalid input: magic number mismatch"},
		{"gzip cut off", "POST", windowsPath, zip(t, good)[:100], coded("gzip"), 400, wire.CodeBadRequest, "the body is not valid gzip: unexpected EOF"},
		{"zstd cut off", "POST", windowsPath, zst(t, good)[:100], coded("zstd"), 400, wire.CodeBadRequest, "the body is not valid zstd: unexpected EOF"},
		{"gzip bomb", "POST", windowsPath, zip(t, strings.Repeat(" ", 20<<20)), coded("gzip"), 413, wire.CodeTooLarge, "the batch is more than 8388608 bytes of JSON; send fewer windows at once"},
		{"zstd bomb", "POST", windowsPath, zst(t, strings.Repeat(" ", 20<<20), zstd.WithWindowSize(1<<20)), coded("zstd"), 413, wire.CodeTooLarge, "the batch is more than 8388608 bytes of JSON; send fewer windows at once"},
		{"zstd with a huge window", "POST", windowsPath, zst(t, strings.Repeat(" ", 20<<20), zstd.WithWindowSize(16<<20)), coded("zstd"), 400, wire.CodeBadRequest, "the body is not valid zstd: window size exceeded"},
		{"too long", "POST", windowsPath, strings.Repeat(" ", wire.MaxBatchBytes+1), asJSON, 413, wire.CodeTooLarge, "the body is more than 8388608 bytes; send fewer windows at once"},
		{"JSON bomb of windows", "POST", windowsPath, `{"windows":[` + strings.Repeat("{},", 2<<20) + "{}]}", asJSON, 413, wire.CodeTooLarge, "the batch has a list of more than 1000; 1 to 1000 windows are allowed"},
		{"1001 windows", "POST", windowsPath, `{"schema":"fibergauge.batch/1","site":"a1","windows":[` + strings.Repeat("{},", 1000) + "{}]}", asJSON, 413, wire.CodeTooLarge, "the batch has a list of more than 1000; 1 to 1000 windows are allowed"},
		{"JSON bomb of brackets", "POST", windowsPath, strings.Repeat("[", 1<<20), asJSON, 415, wire.CodeUnsupported, "the batch is nested deeper than any that this version knows; " + newer},
		{"empty", "POST", windowsPath, "", asJSON, 400, wire.CodeBadRequest, "the body is empty"},
		{"no JSON", "POST", windowsPath, "src,dst,rtt", asJSON, 400, wire.CodeBadRequest, "not the JSON expected: invalid character 's' looking for beginning of value"},
		{"JSON cut off", "POST", windowsPath, good[:200], asJSON, 400, wire.CodeBadRequest, "not the JSON expected: unexpected EOF"},
		{"a list", "POST", windowsPath, "[" + good + "]", asJSON, 400, wire.CodeBadRequest, "the body: a JSON array does not fit there"},
		{"two values", "POST", windowsPath, good + good, asJSON, 400, wire.CodeBadRequest, "more follows after the JSON value"},
		{"unknown field", "POST", windowsPath, replace(`"plane":`, `"plain":1,"plane":`), asJSON, 415, wire.CodeUnsupported, `not the JSON expected: unknown field "plain"; ` + newer},
		{"wrong type", "POST", windowsPath, replace(`"sent":4`, `"sent":"4"`), asJSON, 400, wire.CodeBadRequest, "windows.sent: a JSON string does not fit there"},
		{"negative count", "POST", windowsPath, replace(`"sent":4`, `"sent":-4`), asJSON, 400, wire.CodeBadRequest, "windows.sent: a JSON number -4 does not fit there"},
		{"schema to come", "POST", windowsPath, `{"schema":"fibergauge.batch/2","site":"a1","hello":[]}`, asJSON, 415, wire.CodeUnsupported, `schema: "fibergauge.batch/2" is not "fibergauge.batch/1"; ` + newer},
		{"no schema", "POST", windowsPath, `{"site":"a1","windows":[]}`, asJSON, 400, wire.CodeBadRequest, `schema: "" is not "fibergauge.batch/1"`},
		{"site of the batch", "POST", windowsPath, replace(`"site":"a1"`, `"site":"a 1"`), asJSON, 400, wire.CodeBadRequest, `site: "a 1" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{"no windows", "POST", windowsPath, `{"schema":"fibergauge.batch/1","site":"a1","windows":[]}`, asJSON, 400, wire.CodeBadRequest, "windows: 0 in the batch; 1 to 1000 are allowed"},
		{"another site's batch", "POST", "/v1/sites/b1/windows", good, asJSON, 400, wire.CodeBadRequest, "site: the batch is of a1 and was sent as b1; a probe sends its own windows only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serving(t)
			w := b.do(c.method, c.path, c.body, c.header...)
			expectProblem(t, w, c.status, c.code, c.message)
			if got := b.store.Keys(); got != nil {
				t.Errorf("stored %v", got)
			}
			if want := fmt.Sprintf("code=%s", c.code); !strings.Contains(b.log.String(), want) {
				t.Errorf("the log does not say %s: %s", want, b.log)
			}
		})
	}
}

func TestStoreAway(t *testing.T) {
	b := serving(t)
	b.store.Change(func(s *fakestore.Store) { s.Away = true })
	w := b.post(goodBatch(t))
	expectProblem(t, w, 503, wire.CodeStoreUnavailable, "the store did not confirm; nothing is acknowledged, send the same batch again later")
	if got := w.Header().Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After %q, want 5", got)
	}
	if !strings.Contains(b.log.String(), "the store is away") {
		t.Errorf("the log does not tell the cause: %s", b.log)
	}
	expectProblem(t, b.do("GET", "/readyz", ""), 503, wire.CodeStoreUnavailable, "not ready: the store does not answer")
	b.store.Change(func(s *fakestore.Store) { s.Away = false })
	if w := b.post(goodBatch(t)); w.Code != 200 {
		t.Errorf("after its return: %d %s", w.Code, w.Body)
	}
	if w := b.do("GET", "/readyz", ""); w.Code != 200 || w.Body.String() != "ready\n" {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
}

func TestBeforeTheFirstMesh(t *testing.T) {
	b := newBench(t, DefaultLimits())
	const message = "no mesh is served yet, because the store has not archived it"
	expectProblem(t, b.post(goodBatch(t)), 503, wire.CodeStoreUnavailable, message+"; ask again later")
	expectProblem(t, b.do("GET", assignmentPath, ""), 503, wire.CodeStoreUnavailable, message+"; ask again later")
	expectProblem(t, b.do("GET", "/readyz", ""), 503, wire.CodeStoreUnavailable, "not ready: "+message)
	if w := b.do("GET", "/healthz", ""); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("healthz: %d %s", w.Code, w.Body)
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	b := serving(t)
	b.Config.Ready = nil
	expectProblem(t, b.do("GET", "/readyz", ""), 500, wire.CodeInternal, "a fault of the collector; its log says more")
	if !strings.Contains(b.log.String(), "nil pointer") {
		t.Errorf("the log does not say what happened: %s", b.log)
	}
}

func TestAssignmentTag(t *testing.T) {
	b := serving(t)
	get := func(tags ...string) *httptest.ResponseRecorder {
		var header []string
		for _, tag := range tags {
			header = append(header, "If-None-Match", tag)
		}
		return b.do("GET", assignmentPath, "", header...)
	}
	first := get()
	tag := first.Header().Get("ETag")
	a, err := wire.DecodeAssignment(first.Body.Bytes())
	if err != nil || first.Code != 200 || a.Site != "a1" || len(a.Tasks) != 2 || len(a.Tasks[0].Targets) != 2 || a.Reflector != nil {
		t.Fatalf("%d %+v, %v", first.Code, a, err)
	}
	for _, c := range []struct {
		name string
		tags []string
		want int
	}{
		{"same", []string{tag}, 304},
		{"weak", []string{"W/" + tag}, 304},
		{"in a list", []string{`"x", ` + tag}, 304},
		{"in the second header", []string{`"x"`, tag}, 304},
		{"any", []string{"*"}, 304},
		{"another", []string{`"x"`}, 200},
		{"without quotes", []string{strings.Trim(tag, `"`)}, 200},
	} {
		w := get(c.tags...)
		if w.Code != c.want || w.Header().Get("ETag") != tag || (c.want == 304) != (w.Body.Len() == 0) {
			t.Errorf("%s: %d, tag %s, %d bytes; want %d", c.name, w.Code, w.Header().Get("ETag"), w.Body.Len(), c.want)
		}
	}

	// A site begins: the mesh is the same, the assignment is not.
	b.now = b.now.Add(time.Hour)
	later := get(tag)
	if a, err := wire.DecodeAssignment(later.Body.Bytes()); err != nil || len(a.Tasks[0].Targets) != 3 || a.MeshSHA256 != fakestore.Mesh("now").SHA256() {
		t.Errorf("an hour later: %+v, %v", a, err)
	}
	// The mesh changes.
	tag = later.Header().Get("ETag")
	if err := b.versions.Serve(t.Context(), fakestore.Mesh("next")); err != nil {
		t.Fatal(err)
	}
	if w := get(tag); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Errorf("with another mesh: %d, tag %s", w.Code, w.Header().Get("ETag"))
	}
	// A window measured by the one before is taken all the same.
	if w := b.post(goodBatch(t)); w.Code != 200 || !strings.Contains(w.Body.String(), `"stored":1`) || !strings.Contains(w.Body.String(), fakestore.Mesh("next").SHA256()) {
		t.Errorf("window of the earlier mesh: %d %s", w.Code, w.Body)
	}
}

func TestMetrics(t *testing.T) {
	b := serving(t)
	b.Metrics.MeshServed(b.Mesh())
	b.post(goodBatch(t))
	bad := fakestore.Window(b.Mesh(), 0)
	bad.Test = "none"
	b.post(encode(t, fakestore.Batch(bad)))
	b.do("GET", "/nowhere/1", "")
	b.do("GET", "/nowhere/2", "")
	b.do("GET", assignmentPath, "", "If-None-Match", "*")
	b.store.Change(func(s *fakestore.Store) { s.Away = true })
	b.post(goodBatch(t))
	w := b.do("GET", "/metrics", "")
	for _, want := range []string{
		`fibergauge_collector_requests_total{code="",route="/v1/sites/{site}/windows",status="200"} 2`,
		`fibergauge_collector_requests_total{code="store_unavailable",route="/v1/sites/{site}/windows",status="503"} 1`,
		`fibergauge_collector_requests_total{code="",route="/v1/sites/{site}/assignment",status="304"} 1`,
		`fibergauge_collector_requests_total{code="not_found",route="other",status="404"} 2`,
		`fibergauge_collector_windows_stored_total 1`,
		`fibergauge_collector_windows_refused_total{code="unknown_test"} 1`,
		`fibergauge_collector_store_seconds_count{operation="put"} 2`,
		`fibergauge_collector_store_errors_total{kind="retryable",operation="put"} 1`,
		`fibergauge_collector_mesh_info{name="now",sha256="` + b.Mesh().SHA256() + `"} 1`,
		`fibergauge_collector_build_info{goversion="go`,
		`go_goroutines `,
	} {
		if !strings.Contains(w.Body.String(), "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
}
