package influx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/influx"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/internal/yamlfile"
)

// answering opens a store whose server is the handler.
func answering(t *testing.T, handler http.HandlerFunc, settings ...string) *influx.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := fmt.Sprintf("url: %s\nbucket: b\nsecret: 0123456789abcdef\n%s", server.URL, strings.Join(settings, "\n"))
	s := open(t, configFile(t, config))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func configFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "influx.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func one() store.Admission {
	return store.Admission{
		At: time.UnixMilli(1_748_707_200_000), Site: "a", Batch: "5e",
		Windows: conformance.Windows(1, "a", "b", 1_748_707_200_000, 1),
	}
}

// TestStatus holds that only what is wrong with the data is permanent. Faults
// of the server or of who operates it pass, and the windows wait for that.
func TestStatus(t *testing.T) {
	for _, test := range []struct {
		status    int
		permanent bool
		says      string
	}{
		{http.StatusBadRequest, true, "field type conflict"},
		{http.StatusUnauthorized, false, "check token"},
		{http.StatusForbidden, false, "check token"},
		{http.StatusNotFound, false, "check url, org and bucket"},
		{http.StatusRequestEntityTooLarge, true, "field type conflict"},
		{http.StatusUnprocessableEntity, true, "field type conflict"},
		{http.StatusTooManyRequests, false, "try again"},
		{http.StatusInternalServerError, false, "try again"},
		{http.StatusBadGateway, false, "try again"},
		{http.StatusServiceUnavailable, false, "try again"},
		{http.StatusGatewayTimeout, false, "try again"},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				fmt.Fprint(w, `{"code":"x","message":"field type conflict"}`)
			})
			err := s.Put(t.Context(), one())
			if err == nil || errors.Is(err, store.ErrPermanent) != test.permanent || !strings.Contains(err.Error(), test.says) {
				t.Errorf("put: %v", err)
			}
			// A read refuses no data, whatever the status.
			for _, err := range s.Windows(t.Context(), store.Query{Src: "a", Dst: "b", Test: "t", ToMS: 1}) {
				if err == nil || errors.Is(err, store.ErrPermanent) {
					t.Errorf("windows: %v", err)
				}
			}
		})
	}
}

// TestSeriesLimit holds that a full index is a fault of operation.
func TestSeriesLimit(t *testing.T) {
	const message = "partial write: max-series-per-database limit exceeded: (1000000) dropped=1"
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Influxdb-Error", message)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q}`, message)
	})
	err := s.Put(t.Context(), one())
	if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), "raise max-series-per-database") {
		t.Errorf("put: %v", err)
	}
}

// TestNotInflux has something else answer in the place of InfluxDB. Whatever it
// says, nothing is confirmed and no window is given up.
func TestNotInflux(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"welcome page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Welcome</html>") }, "which InfluxDB does not give; check url"},
		{"login page", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/login" {
				http.Redirect(w, r, "/login", http.StatusFound)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}, "redirections are not followed"},
		{"TLS server", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
		}, "this is not InfluxDB's answer: check url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := answering(t, test.answer)
			_, meshes := s.Meshes(t.Context())
			for name, err := range map[string]error{
				"put": s.Put(t.Context(), one()), "meshes": meshes, "ready": s.Ready(t.Context()),
			} {
				if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// TestJournalAfterWindows holds that no entry is written before the windows
// are confirmed.
func TestJournalAfterWindows(t *testing.T) {
	writes := 0
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v2/write" {
			writes++
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if err := s.Put(t.Context(), one()); err == nil {
		t.Error("a write that failed was confirmed")
	}
	if writes != 1 {
		t.Errorf("%d writes, not 1", writes)
	}
}

// TestSilentServer has a server that takes a request and never answers.
func TestSilentServer(t *testing.T) {
	s := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		<-r.Context().Done()
	}, "timeout: 1s")
	err := s.Put(t.Context(), one())
	if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("put: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, one()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put under a context that ends: %v", err)
	}
}

// TestErrorInTheMiddle has an answer that ends in an error after a good row,
// as Flux reports what goes wrong after it began to answer.
func TestErrorInTheMiddle(t *testing.T) {
	window := conformance.Windows(1, "a", "b", 1, 1)[0]
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		fmt.Fprintf(w, "#datatype,string,long,dateTime:RFC3339,string,string\r\n#group,false,false,false,false,false\r\n"+
			"#default,_result,,,,\r\n,result,table,_time,_value,_field\r\n,,0,1970-01-01T00:00:00.001Z,\"%s\",window\r\n\r\n"+
			"#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,engine: shard closed,897\r\n",
			strings.ReplaceAll(string(window.Canonical()), `"`, `""`))
	})
	var last error
	for _, err := range s.Windows(t.Context(), store.Query{Src: "a", Dst: "b", Test: "t", ToMS: 2}) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "shard closed") {
		t.Errorf("windows: %v", last)
	}
}

func TestConfigRefuses(t *testing.T) {
	const good = "url: http://127.0.0.1:8086\nbucket: b\n"
	for _, test := range []struct{ name, config, want string }{
		{"no url", "bucket: b\n", `FILE: url: "" is not of the form http://HOST:PORT or https://HOST:PORT`},
		{"url without scheme", "url: 127.0.0.1:8086\nbucket: b\n", `FILE:1: url: "127.0.0.1:8086" is not of the form http://HOST:PORT or https://HOST:PORT`},
		{"no bucket", "url: http://127.0.0.1:8086\n", `FILE: bucket: is missing; give the bucket's name, or database/retention-policy for InfluxDB 1.8`},
		{"both tokens", good + "token: x\ntoken_file: y\n", `FILE:4: token_file: is given beside token; keep one`},
		{"no such file", good + "token_file: none\n", `FILE:3: token_file: cannot be read: open FOLDER/none: no such file or directory`},
		{"short secret", good + "secret: x\n", `FILE:3: secret: the secret has 1 bytes; at least 16 are needed (try: openssl rand -hex 32)`},
		{"timeout", good + "timeout: 30\n", `FILE:3: timeout: "30" is not a duration from 1s to 1h`},
		{"twice", good + "bucket: c\n", `FILE:3: bucket: is given twice; keep one`},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := configFile(t, test.config)
			_, err := influx.Open(file, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("was opened")
			}
			got := strings.NewReplacer(file, "FILE", filepath.Dir(file), "FOLDER").Replace(err.Error())
			if got != test.want {
				t.Errorf("error\n %s, not\n %s", got, test.want)
			}
		})
	}
}

// TestWithoutSecret reads, as the analyzer does, and refuses to be a collector.
func TestWithoutSecret(t *testing.T) {
	file := configFile(t, "url: http://127.0.0.1:1\nbucket: b\n")
	_, err := influx.Open(file, slog.New(slog.DiscardHandler))
	want := file + ": secret_file: is missing; name the file with the secret that all collectors of this store share (to make it: openssl rand -hex 32)"
	if _, ok := errors.AsType[*yamlfile.Error](err); !ok || err.Error() != want {
		t.Errorf("error\n %v, not\n %s", err, want)
	}
	r, err := influx.OpenReader(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestReader reads with a token that may only read, and without the secret;
// and asks for something that only the right token, organisation and bucket
// give.
func TestReader(t *testing.T) {
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)
			file := server.NewBucket(t)
			s := open(t, file)
			defer s.Close()
			if err := s.Put(t.Context(), one()); err != nil {
				t.Fatal(err)
			}
			config, token := server.ReadOnly(t, file)
			reader := func(config, token string) *influx.Reader {
				folder := filepath.Dir(configFile(t, config))
				if err := os.WriteFile(filepath.Join(folder, "token"), []byte(token), 0o600); err != nil {
					t.Fatal(err)
				}
				r, err := influx.OpenReader(filepath.Join(folder, "influx.yaml"), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = r.Close() })
				return r
			}
			r := reader(config, token)
			if err := r.Ready(t.Context()); err != nil {
				t.Errorf("ready: %v", err)
			}
			n := 0
			for _, err := range r.Windows(t.Context(), store.Query{Src: "a", Dst: "b", Test: "icmp-1s", ToMS: 1 << 42}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != 1 {
				t.Errorf("%d windows, not 1", n)
			}
			for _, wrong := range []struct{ what, config, token, says string }{
				{"token", config, "wrong:token", "check token"},
				{"bucket", strings.Replace(config, "bucket: ", "bucket: no", 1), token, "check url, org and bucket"},
				{"org", strings.Replace(config, "org: ", "org: no", 1), token, "check url, org and bucket"},
			} {
				if wrong.config == config && wrong.what == "org" {
					continue // 1.8 has none
				}
				if err := reader(wrong.config, wrong.token).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), wrong.says) {
					t.Errorf("wrong %s: %v", wrong.what, err)
				}
			}
		})
	}
}

// TestRealRefusals meets the refusals of real servers.
func TestRealRefusals(t *testing.T) {
	for _, series := range influxtest.Series() {
		t.Run(series, func(t *testing.T) {
			server := influxtest.Start(t, series)

			t.Run("another type in the way", func(t *testing.T) {
				file := server.NewBucket(t)
				server.Write(t, file, `rtt,src=a sent="many" 1748707200000000000`)
				s := open(t, file)
				defer s.Close()
				if err := s.Put(t.Context(), one()); !errors.Is(err, store.ErrPermanent) {
					t.Errorf("put: %v", err)
				}
			})

			t.Run("no such bucket", func(t *testing.T) {
				file := server.NewBucket(t)
				config, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				changed := strings.Replace(string(config), "bucket: bucket", "bucket: nobucket", 1)
				if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
					t.Fatal(err)
				}
				s := open(t, file)
				defer s.Close()
				err = s.Put(t.Context(), one())
				if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), "check url, org and bucket") {
					t.Errorf("put: %v", err)
				}
				if err := s.Ready(t.Context()); err == nil {
					t.Error("ready without a bucket")
				}
			})

			t.Run("wrong token", func(t *testing.T) {
				file := server.NewBucket(t)
				if err := os.WriteFile(filepath.Join(filepath.Dir(file), "token"), []byte("wrong:token"), 0o600); err != nil {
					t.Fatal(err)
				}
				s := open(t, file)
				defer s.Close()
				for name, err := range map[string]error{"put": s.Put(t.Context(), one()), "ready": s.Ready(t.Context())} {
					if err == nil || errors.Is(err, store.ErrPermanent) || !strings.Contains(err.Error(), "check token") {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		})
	}
}
