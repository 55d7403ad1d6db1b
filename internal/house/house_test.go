package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fibergauge/fibergauge"

// pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
	Deps       []string
	GoFiles    []string
	Module     *struct{ Path string }
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Imports,Deps,GoFiles,Module"}, args...)...)
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// rooms says what of ours each part of the house may import besides itself.
// The longest prefix decides. Data flows mesh → probe → collector → analyzer →
// dashboards; imports go the other way, and only to the public contract of the
// neighbour upstream.
var rooms = map[string][]string{
	"mesh":            {"internal/yamlfile"},
	"internal":        {},
	"internal/cli":    {"internal/yamlfile"},
	"probe":           {"internal/durable", "internal/cli", "internal/yamlfile"},
	"probe/wire":      {},
	"collector":       {"internal/durable", "mesh", "probe/wire", "internal/cli", "internal/yamlfile"},
	"collector/store": {"internal/durable", "probe/wire", "internal/yamlfile", "internal/cli"},
	"docs":            {},
	"analyzer":        {"docs", "internal/durable", "internal/keyfile", "mesh", "probe/wire", "collector/store", "internal/cli", "internal/yamlfile"},
	"analyzer/theory": {"mesh"},
	"analyzer/api":    {},
	// It says what a report has, and can say nothing else.
	"analyzer/wording": {"analyzer/api"},
	// What is imported is judged like all else, and not while it is imported.
	"analyzer/imports": {"mesh", "probe/wire", "collector/store"},
	// It writes a mesh, and knows nothing of verdicts.
	"analyzer/distances": {"internal/durable", "internal/yamlfile", "mesh"},
	"dashboards":         {"analyzer/api"},
	"lab":                {"mesh", "analyzer/theory", "internal/cli", "internal/yamlfile"},
	// A history is put into the store as a collector would have done at the time:
	// through a collector that runs now, the journal would show all maintenance
	// as registered too late.
	"lab/generate": {"mesh", "probe/wire", "collector/store", "lab/wan", "internal/cli"},
	// The books of a chaos run are what the programs left: their own readers
	// read them.
	"lab/account": {"mesh", "probe/wire", "probe/spool", "collector/store", "internal/cli"},
	// It explains verdicts from what they were made of, and reads nothing more.
	"analyzer/diagnosis": {"analyzer/api", "analyzer/compliance", "analyzer/latency", "analyzer/policy", "analyzer/theory"},
	// An interval follows from distributions and the policy alone, so that
	// another program can compute it again.
	"analyzer/uncertainty": {"analyzer/latency", "analyzer/policy", "analyzer/theory"},
	// What is signed can be read by whoever knows nothing else of ours.
	"analyzer/manifest": {"internal/keyfile"},
	// What is published follows from the report, and from nothing else.
	"analyzer/publish": {"analyzer/api", "analyzer/policy", "analyzer/wording", "mesh"},
	// A page follows from what a reader may have over the API, and from nothing
	// else.
	"analyzer/portal": {"analyzer/api", "analyzer/publish", "analyzer/publish/chart", "analyzer/wording"},
	// A figure is made of numbers and words; what a report is it need not know.
	"analyzer/publish/chart": {},
}

func under(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

func roomOf(path string) string {
	best := ""
	for room := range rooms {
		if under(path, room) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

func TestImportsFollowTheWayOfTheData(t *testing.T) {
	for _, p := range list(t, "./...") {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		room := roomOf(path)
		if room == "" {
			t.Errorf("%s stands in no room of the house; give it one in this test", path)
			continue
		}
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours || under(target, room) && roomOf(target) == room {
				continue
			}
			allowed := slices.ContainsFunc(rooms[room], func(r string) bool { return under(target, r) && roomOf(target) == roomOf(r) })
			// A part may use its own contract (collector → collector/store).
			allowed = allowed || under(target, room)
			if !allowed {
				t.Errorf("%s imports %s; %s may import only %v", path, target, room, rooms[room])
			}
		}
	}
}

// TestProbeCarriesNoServerCode keeps the binary that carriers run small and
// free of code that is none of its business.
func TestProbeCarriesNoServerCode(t *testing.T) {
	for _, p := range list(t, "./probe") {
		for _, dep := range p.Deps {
			for _, foreign := range []string{"influx", "sqlite", "grafana", "prometheus/client_golang", module + "/collector", module + "/analyzer", module + "/mesh"} {
				if strings.Contains(dep, foreign) {
					t.Errorf("the probe contains %s", dep)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) > 0 && len(p.Doc) < 30 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, vague := range []string{"pkg", "common", "utils", "util", "helpers", "misc"} {
			if slices.Contains(strings.Split(p.ImportPath, "/"), vague) {
				t.Errorf("%s: %q says nothing; name a package after what it is about", p.ImportPath, vague)
			}
		}
	}
}

func TestEveryDependencyIsAccountedFor(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mod, []byte("replace ")) {
		t.Error("go.mod replaces a module; a clean clone would not build the same elsewhere")
	}
	doc, err := os.ReadFile(filepath.Join(root(t), "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	for _, m := range direct.FindAllSubmatch(mod, -1) {
		if !bytes.Contains(doc, append([]byte("`"), append(m[1], '`')...)) {
			t.Errorf("docs/dependencies.md does not say why %s is used and not another", m[1])
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllSubmatch(doc, -1) {
		if !bytes.Contains(mod, append([]byte("\t"), append(m[1], ' ')...)) && !bytes.Contains(mod, append([]byte("require "), m[1]...)) {
			t.Errorf("docs/dependencies.md speaks of %s, which go.mod does not require", m[1])
		}
	}
}

// TestLinksInDocumentsLeadSomewhere follows the relative links of every
// Markdown file.
func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for _, file := range tracked(t) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := filepath.Join(root(t), filepath.Dir(file), string(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			}
		}
	}
}

func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("SKIPPED: git does not list the files here (%v), so documents are not followed", err)
	}
	return strings.Fields(string(out))
}
