// Package influxtest starts real InfluxDB servers for tests: of 2.7 and of
// 1.8, on loopback, with their data in the test's own folder. The executables
// come from scripts/influxd.
package influxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Series are the series of servers that Fibergauge must work with.
func Series() []string { return []string{"1.8", "2.7"} }

// RequireEnv names the environment variable that lists the series, separated
// by commas, whose absence fails a test instead of skipping it.
const RequireEnv = "FIBERGAUGE_REQUIRE_INFLUXD"

// Server is one running server.
type Server struct {
	URL    string
	Series string

	executable string
	folder     string

	mu      sync.Mutex // protects all following fields
	process *exec.Cmd
	exited  chan struct{} // closed when process has ended
	buckets int
}

// What the servers are set up with. They live as long as a test and listen on
// loopback.
const (
	user      = "fibergauge"
	password  = "fibergauge-test"
	org       = "fibergauge"
	token2    = "fibergauge-test-token"
	secret    = "a secret that only tests share"
	startWait = time.Minute
)

// Start runs a server of a series until the test ends. Without an executable it
// is with the test as Executable says.
func Start(t testing.TB, series string) *Server {
	t.Helper()
	s := &Server{Series: series, executable: Executable(t, series), folder: t.TempDir()}
	t.Cleanup(s.Kill)
	// A port that is free now may be taken a moment later, by a test beside
	// this one.
	for attempt := 1; ; attempt++ {
		s.URL = "http://" + freeAddress(t)
		err := s.start(t.Context())
		if err == nil {
			break
		}
		if attempt == 3 {
			t.Fatalf("start InfluxDB %s: %v", series, err)
		}
	}
	if err := s.setUp(t.Context()); err != nil {
		t.Fatalf("set up InfluxDB %s: %v", series, err)
	}
	return s
}

// Executable is the program of a series, for whoever starts it otherwise. Without
// it the test is skipped, or fails if RequireEnv lists the series.
func Executable(t testing.TB, series string) string {
	t.Helper()
	executable, err := find(t.Context(), series)
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv(RequireEnv), ","), series) {
			t.Fatalf("no InfluxDB %s, which %s asks for: %v", series, RequireEnv, err)
		}
		t.Skipf("SKIPPED: no InfluxDB %s to test with: %v", series, err)
	}
	return executable
}

// find asks the script, which builds the server if need be.
func find(ctx context.Context, series string) (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !isFile(filepath.Join(folder, "go.mod")) {
		if folder == filepath.Dir(folder) {
			return "", errors.New("not inside the repository, where scripts/influxd is")
		}
		folder = filepath.Dir(folder)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(folder, "scripts", "influxd"), "path", series)
	var log bytes.Buffer
	cmd.Stderr = &log
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/influxd path %s: %w: %s", series, err, lastLine(log.String()))
	}
	return strings.TrimSpace(string(path)), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the executable and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	cmd, err := s.command()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.mu.Lock()
	s.process, s.exited = cmd, exited
	s.mu.Unlock()

	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); {
		select {
		case <-exited:
			return fmt.Errorf("it ended at once: %s", s.lastLog())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := s.call(ctx, "GET", "/health", "", nil); err == nil {
			return nil
		}
	}
	s.Kill()
	return fmt.Errorf("it did not answer within %s: %s", startWait, s.lastLog())
}

func (s *Server) lastLog() string {
	data, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return lastLine(string(data))
}

// command gives the way to run the series with everything in the folder.
func (s *Server) command() (*exec.Cmd, error) {
	address := strings.TrimPrefix(s.URL, "http://")
	in := func(name string) string { return filepath.Join(s.folder, name) }
	if s.Series != "1.8" {
		return exec.Command(s.executable, "run", "--bolt-path", in("bolt"), "--sqlite-path", in("sqlite"),
			"--engine-path", in("engine"), "--http-bind-address", address, "--reporting-disabled", "--log-level", "warn"), nil
	}
	if err := os.WriteFile(in("influxdb.conf"), nil, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.executable, "run", "-config", in("influxdb.conf"))
	cmd.Env = append(os.Environ(),
		"INFLUXDB_DATA_DIR="+in("data"), "INFLUXDB_META_DIR="+in("meta"), "INFLUXDB_DATA_WAL_DIR="+in("wal"),
		"INFLUXDB_HTTP_BIND_ADDRESS="+address, "INFLUXDB_BIND_ADDRESS=127.0.0.1:0",
		"INFLUXDB_HTTP_AUTH_ENABLED=true", "INFLUXDB_HTTP_FLUX_ENABLED=true", "INFLUXDB_HTTP_LOG_ENABLED=false",
		"INFLUXDB_DATA_QUERY_LOG_ENABLED=false", "INFLUXDB_REPORTING_DISABLED=true")
	return cmd, nil
}

// setUp makes the user and, in 2.x, the organisation.
func (s *Server) setUp(ctx context.Context) error {
	if s.Series == "1.8" {
		return s.influxQL(ctx, "CREATE USER "+user+" WITH PASSWORD '"+password+"' WITH ALL PRIVILEGES")
	}
	body := fmt.Sprintf(`{"username":%q,"password":%q,"org":%q,"bucket":"first","token":%q}`, user, password, org, token2)
	_, err := s.call(ctx, "POST", "/api/v2/setup", "application/json", strings.NewReader(body))
	return err
}

func (s *Server) influxQL(ctx context.Context, statement string) error {
	_, err := s.call(ctx, "POST", "/query", "application/x-www-form-urlencoded",
		strings.NewReader(url.Values{"q": {statement}, "u": {user}, "p": {password}}.Encode()))
	return err
}

// NewBucket makes an empty bucket and the configuration file for it: what
// follows "influx:" in --store.
func (s *Server) NewBucket(t testing.TB) (configFile string) {
	t.Helper()
	s.mu.Lock()
	s.buckets++
	bucket := fmt.Sprintf("bucket%d", s.buckets)
	s.mu.Unlock()
	if err := s.makeBucket(t.Context(), bucket); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	folder := t.TempDir()
	config := fmt.Sprintf("url: %s\norg: %s\nbucket: %s\ntoken_file: token\nsecret_file: secret\n", s.URL, org, bucket)
	token := token2
	if s.Series == "1.8" {
		config = fmt.Sprintf("url: %s\nbucket: %s/autogen\ntoken_file: token\nsecret_file: secret\n", s.URL, bucket)
		token = user + ":" + password
	}
	for name, content := range map[string]string{"influx.yaml": config, "token": token + "\n", "secret": secret + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatalf("write configuration: %v", err)
		}
	}
	return filepath.Join(folder, "influx.yaml")
}

// ReadOnly makes a token that may only read the bucket of a configuration file
// that NewBucket made, and gives the content of such a file for it: without a
// secret, and with token_file token.
func (s *Server) ReadOnly(t testing.TB, configFile string) (config, token string) {
	t.Helper()
	data, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatalf("read configuration: %v", err)
	}
	config = strings.Replace(string(data), "secret_file: secret\n", "", 1)
	_, bucket, _ := strings.Cut(config, "bucket: ")
	bucket, _, _ = strings.Cut(bucket, "\n")
	if s.Series == "1.8" {
		database, _, _ := strings.Cut(bucket, "/")
		for _, statement := range []string{"CREATE USER reader WITH PASSWORD '" + password + "'", "GRANT READ ON " + database + " TO reader"} {
			if err := s.influxQL(t.Context(), statement); err != nil {
				t.Fatalf("make a reader: %v", err)
			}
		}
		return config, "reader:" + password
	}
	if token, err = s.readToken(t.Context(), bucket); err != nil {
		t.Fatalf("make a reader: %v", err)
	}
	return config, token
}

func (s *Server) readToken(ctx context.Context, bucket string) (string, error) {
	answer, err := s.call(ctx, "GET", "/api/v2/buckets?name="+url.QueryEscape(bucket), "", nil)
	if err != nil {
		return "", err
	}
	var found struct{ Buckets []struct{ ID, OrgID string } }
	if err := json.Unmarshal(answer, &found); err != nil || len(found.Buckets) != 1 {
		return "", fmt.Errorf("buckets: %w: %s", err, answer)
	}
	b := found.Buckets[0]
	body := fmt.Sprintf(`{"orgID":%q,"permissions":[{"action":"read","resource":{"type":"buckets","id":%q,"orgID":%q}}]}`, b.OrgID, b.ID, b.OrgID)
	if answer, err = s.call(ctx, "POST", "/api/v2/authorizations", "application/json", strings.NewReader(body)); err != nil {
		return "", err
	}
	var made struct{ Token string }
	err = json.Unmarshal(answer, &made)
	return made.Token, err
}

func (s *Server) makeBucket(ctx context.Context, bucket string) error {
	if s.Series == "1.8" {
		return s.influxQL(ctx, "CREATE DATABASE "+bucket)
	}
	answer, err := s.call(ctx, "GET", "/api/v2/orgs?org="+org, "", nil)
	if err != nil {
		return err
	}
	var found struct{ Orgs []struct{ ID string } }
	if err := json.Unmarshal(answer, &found); err != nil || len(found.Orgs) != 1 {
		return fmt.Errorf("organisations: %w: %s", err, answer)
	}
	body := fmt.Sprintf(`{"orgID":%q,"name":%q,"retentionRules":[]}`, found.Orgs[0].ID, bucket)
	_, err = s.call(ctx, "POST", "/api/v2/buckets", "application/json", strings.NewReader(body))
	return err
}

// Write writes lines of line protocol into the bucket of a configuration file
// that NewBucket made, as another program would.
func (s *Server) Write(t testing.TB, configFile, lines string) {
	t.Helper()
	if err := s.write(t.Context(), configFile, lines); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func (s *Server) write(ctx context.Context, configFile, lines string) error {
	config, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	_, bucket, _ := strings.Cut(string(config), "bucket: ")
	bucket, _, _ = strings.Cut(bucket, "\n")
	_, err = s.call(ctx, "POST", "/api/v2/write?org="+org+"&bucket="+url.QueryEscape(bucket), "text/plain", strings.NewReader(lines))
	return err
}

// call makes a request as the administrator.
func (s *Server) call(ctx context.Context, method, path, contentType string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	token := token2
	if s.Series == "1.8" {
		token = user + ":" + password
	}
	req.Header.Set("Authorization", "Token "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, answer)
	}
	return answer, err
}

// Kill ends the server as a power cut would, and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	process, exited := s.process, s.exited
	s.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Process.Kill() // it may have ended by itself
	<-exited
}

// Restart runs the server again, on the same port and data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatalf("restart InfluxDB %s: %v", s.Series, err)
	}
}
