package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/serve"
	"github.com/fibergauge/fibergauge/internal/cli"
)

// A reader is added, shown, served what the role allows, and revoked.
func TestReadersCommands(t *testing.T) {
	meshFile, spec := stage(t)
	file := filepath.Join(t.TempDir(), "readers.yaml")
	do := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, status := run(t.Context(), append(append([]string{"readers"}, args...), "--readers", file)...)
		if status != want {
			t.Fatalf("%v: status %d, %s", args, status, stderr)
		}
		return stdout, stderr
	}
	token, said := do(0, "add", "press", "--role", "viewer", "--expires", "90d")
	if !regexp.MustCompile(`^fgr1\.[A-Za-z0-9_-]{43}\n$`).MatchString(token) || strings.Contains(said, strings.TrimSpace(token)) {
		t.Errorf("add prints %q and says %s", token, said)
	}
	if strings.Contains(said, "such carriers") {
		t.Errorf("add of a viewer says %s", said)
	}
	_, said = do(0, "add", "one", "--role", "carrier", "--carrier", "one", "--carrier", "two", "--expires", "never")
	if !strings.Contains(said, `msg="whether there are such carriers only serve can tell, by its mesh: it warns of those that are not there" carriers="one, two"`) {
		t.Errorf("add of a carrier says %s", said)
	}
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), strings.TrimSpace(token)) {
		t.Errorf("%v: the token is in the file", err)
	}
	table, _ := do(0, "list")
	stamp := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	want := `NAME   ROLE     CARRIERS  CREATED               EXPIRES
press  viewer   –         T                     T
one    carrier  one, two  T                     never
`
	if got := stamp.ReplaceAllString(table, "T"+strings.Repeat(" ", 19)); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("list prints\n%s", table)
	}

	ctx, stop := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, "fibergauge-analyzer", about, &grammar{},
			append([]string{"serve", "--mesh", meshFile, "--store", spec, "--listen", "127.0.0.1:0", "--readers", file}, minute()...), io.Discard, writer)
		writer.Close()
	}()
	line := make([]byte, 4096)
	n, err := reader.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSuffix(regexp.MustCompile(`http://\S+`).FindString(string(line[:n])), "/") + serve.ReportPath
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	for authorization, status := range map[string]int{"": 401, "Bearer " + strings.TrimSpace(token): 200} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("%v; the log says %s", err, line[:n])
		}
		var r api.Report
		err = json.NewDecoder(response.Body).Decode(&r)
		response.Body.Close()
		if err != nil || response.StatusCode != status || status == 200 && (r.Excerpt == nil || r.Excerpt.Role != "viewer" || r.Rate.Compliant != 1) {
			t.Errorf("with %.6q: %d, %v, %+v", authorization, response.StatusCode, err, r.Excerpt)
		}
	}
	stop()
	if status := <-done; status != 0 {
		t.Errorf("serve ends with %d", status)
	}

	do(0, "revoke", "press")
	if table, _ := do(0, "list"); strings.Contains(table, "press") {
		t.Errorf("after revoke:\n%s", table)
	}
	_, said = do(2, "revoke", "press")
	if said != "fibergauge-analyzer: there is no reader \"press\"; readers list shows all\n" {
		t.Error(said)
	}
}

func TestReadersBadInput(t *testing.T) {
	meshFile, spec := stage(t)
	dir := t.TempDir()
	file, none := filepath.Join(dir, "readers.yaml"), filepath.Join(dir, "none")
	if _, stderr, status := run(t.Context(), "readers", "add", "--readers", file, "a", "--role", "admin"); status != 0 {
		t.Fatal(stderr)
	}
	add := func(more ...string) []string { return append([]string{"readers", "add", "--readers", file}, more...) }
	serve := func(more ...string) []string {
		return append([]string{"serve", "--mesh", meshFile, "--store", spec}, more...)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{add("b"), "missing flags: --role=ROLE; see fibergauge-analyzer readers add --help"},
		{add("b", "--role", "root"), `--role must be one of "regulator","carrier","viewer","admin" but got "root"; see fibergauge-analyzer readers add --help`},
		{add("b", "--role", "carrier"), "--role carrier needs --carrier ID: whose links, by the mesh"},
		{add("b", "--role", "viewer", "--carrier", "one"), "--carrier goes with --role carrier, not with viewer"},
		{add("a b", "--role", "viewer"), `name: "a b" is not 1 to 64 characters out of A-Z a-z 0-9 . _ -`},
		{add("a", "--role", "viewer"), "there is a reader a already; revoke it first, or choose another name"},
		{add("b", "--role", "viewer", "--expires", "0d"), "--expires 0d is not a number of days or hours such as 90d or 12h, nor never"},
		{add("b", "--role", "viewer", "--expires", "soon"), "--expires soon is not a number of days or hours such as 90d or 12h, nor never"},
		{add("b", "--role", "viewer", "--expires", ""), "--expires  is not a number of days or hours such as 90d or 12h, nor never"},
		{[]string{"readers", "add", "--readers", filepath.Join(none, "r"), "b", "--role", "viewer"}, "write " + filepath.Join(none, "r") + ": there is no such folder; make it, or name another"},
		{[]string{"readers", "list", "--readers", none}, none + ": cannot be read: no such file or directory"},
		{[]string{"readers", "revoke", "--readers", none, "a"}, none + ": cannot be read: no such file or directory"},
		{serve("--readers", none), none + ": cannot be read: no such file or directory"},
		{serve("--listen", "0.0.0.0:0"), "--listen 0.0.0.0:0 is not loopback; without --readers this program serves 127.0.0.0/8 and [::1] only"},
		{serve("--listen", "0.0.0.0:0", "--readers", file), "--listen 0.0.0.0:0 is not loopback, and without TLS everybody on the way could read the tokens; give --tls-certificate and --tls-key"},
		{serve("--listen", "0.0.0.0:0", "--tls-certificate", none, "--tls-key", none), "--listen 0.0.0.0:0 is not loopback; without --readers this program serves 127.0.0.0/8 and [::1] only"},
		{serve("--readers", file, "--tls-key", none), "--tls-certificate goes with --tls-key; give both"},
		{serve("--readers", file, "--tls-certificate", none, "--tls-key", none), "open " + none + ": no such file or directory"},
	} {
		stdout, stderr, status := run(t.Context(), c.args...)
		if want := "fibergauge-analyzer: " + c.want + "\n"; stderr != want || status != cli.StatusUsage || stdout != "" {
			t.Errorf("%s: status %d, stdout %q\n got %swant %s", strings.Join(c.args, " "), status, stdout, stderr, want)
		}
	}
}
