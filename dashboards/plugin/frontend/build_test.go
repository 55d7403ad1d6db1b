package frontend

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const script = "../../../scripts/plugin-frontend"

// needs skips the test if a program is not here. Continuous integration takes no
// excuse.
func needs(t *testing.T, programs ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: packages and a browser take long")
	}
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "there is no %s here; scripts/prepare installs it", programs[0])
	return ""
}

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf("SKIPPED: "+format, args...)
}

// modules is the folder that has the packages which a folder here locks. They
// may be not to be had; the script says why.
func modules(t *testing.T, folder string) string {
	t.Helper()
	needs(t, "npm")
	cmd := exec.Command(script, "--modules", folder)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		missing(t, "the packages of %s are not to be had: %s", folder, stderr.String())
	}
	return filepath.Join(strings.TrimSpace(string(out)), "node_modules")
}

func ownModules(t *testing.T) string { t.Helper(); return modules(t, "..") }

// folder is one that ends with the last test.
func folder(t *testing.T) string {
	t.Helper()
	path, err := os.MkdirTemp("", "fibergauge-frontend-")
	if err != nil {
		t.Fatal(err)
	}
	closing = append(closing, func() { os.RemoveAll(path) })
	return path
}

// made is the front end, built once for all tests.
var made string

func built(t *testing.T) string {
	t.Helper()
	if made == "" {
		ownModules(t) // what cannot be had is no fault of the source
		remember(t, "../src", "../package.json", "../package-lock.json", "../tsconfig.json", "../webpack.config.js", "../README.md", "testdata", script)
		out := folder(t)
		build(t, out)
		made = out
	}
	return made
}

// remember reads what other programs build from, so that go test sees that it
// changed and does not give the result of the time before.
func remember(t *testing.T, roots ...string) {
	t.Helper()
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func build(t *testing.T, out string) {
	t.Helper()
	cmd := exec.Command(script, out)
	cmd.Env = append(os.Environ(), "PLUGIN_VERSION=1.2.3", "PLUGIN_DATE=2025-06-30")
	words, err := cmd.CombinedOutput()
	if err != nil || len(words) > 0 {
		t.Fatalf("%s: %v\n%s", script, err, words)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(closing) {
		stop()
	}
	os.Exit(code)
}

// grafana is the packages of a version of Grafana.
type grafana struct {
	name   string // of its beginning in testdata
	folder string // that locks them
	react  string
}

var grafanas = []grafana{
	{"oldest", "..", "17."},
	{"newest", "testdata/newest", "19."},
}

// page serves the front end, and what is Grafana to it.
func (g grafana) page(t *testing.T) http.Handler {
	t.Helper()
	front, packages := built(t), modules(t, g.folder)
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	out := folder(t)
	cmd := exec.Command(filepath.Join(ownModules(t), ".bin/esbuild"), filepath.Join(here, g.name+".js"), "--bundle", "--outfile="+filepath.Join(out, "harness.js"),
		"--loader:.js=jsx", "--loader:.woff2=empty", "--loader:.ttf=empty", "--define:process.env.NODE_ENV=\"production\"", "--define:global=window",
		"--external:fs", "--log-level=error")
	cmd.Env = append(os.Environ(), "NODE_PATH="+packages)
	if words, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, words)
	}
	mux := http.NewServeMux()
	mux.Handle("/harness/", http.StripPrefix("/harness/", http.FileServer(http.Dir(out))))
	mux.Handle("/plugin/", http.StripPrefix("/plugin/", http.FileServer(http.Dir(front))))
	mux.HandleFunc("/public/build/img/icons/", func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(packages, "@grafana/ui/dist/public", strings.TrimPrefix(r.URL.Path, "/public/build"))
		if _, err := os.Stat(path); err == nil {
			http.ServeFile(w, r, path)
			return
		}
		w.Header().Set("Content-Type", "image/svg+xml") // the packages have not all that Grafana has
		_, _ = w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9"/></svg>`))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html lang="en"><title>harness</title><link rel="icon" href="data:,">` +
			`<style>*{box-sizing:border-box}body{margin:0}main{padding:16px}input,textarea,button{font:inherit}` +
			`fieldset{border:0;margin:0;padding:0}label{display:inline-block;margin:0}</style>` +
			`<body><script>window.__grafana_public_path__="/public/"</script><script src="/harness/harness.js"></script><script src="/plugin/module.js"></script></body></html>`))
	})
	return mux
}
