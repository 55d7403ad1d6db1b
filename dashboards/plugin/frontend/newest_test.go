package frontend

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Levitate, which is Grafana's, compares what the source uses of the @grafana
// packages with what the newest have: their types, too, of which a browser knows
// nothing.
func TestNewestGrafanaHasWhatIsUsed(t *testing.T) {
	own, newest := ownModules(t), modules(t, "testdata/newest")
	source, work := workshop(t, own), t.TempDir()
	var lock struct{ Dependencies map[string]string }
	data, err := os.ReadFile("testdata/newest/package.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, name := range []string{"@grafana/data", "@grafana/runtime", "@grafana/ui"} {
		// It takes for a package what stands under its name in the working folder,
		// and so fetches nothing. No node_modules may be above it: what is in there it
		// does not compare, and what it finds in there differs between versions.
		target := name + "@" + lock.Dependencies[name]
		targets = append(targets, target)
		copyTypes(t, filepath.Join(newest, name), filepath.Join(work, target))
		copyTypes(t, filepath.Join(own, name), filepath.Join(work, name+"@9.3.8"))
	}
	check := func(path string) (string, error) {
		cmd := exec.Command(filepath.Join(own, ".bin/levitate"), "is-compatible", "--path", filepath.Join(source, path), "--target", strings.Join(targets, ","))
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		words, err := cmd.CombinedOutput()
		return string(words), err
	}
	words, err := check("src/module.ts")
	if strings.Contains(words, "in the npm registry") {
		missing(t, "levitate asks the registry for names, and there is none: %s", words)
	}
	if err != nil || strings.Count(words, "version 9.3.8 locally") != len(targets) {
		t.Errorf("not compatible, or nothing was compared: %v\n%s", err, words)
	}
	// It does find what is gone: 9.3 had Graph, 13 has not.
	gone := "import { Graph } from '@grafana/ui';\nimport { dateTime } from '@grafana/data';\nexport const used = [Graph, dateTime];\n"
	if err := os.WriteFile(filepath.Join(source, "src/gone.ts"), []byte(gone), 0o644); err != nil {
		t.Fatal(err)
	}
	if words, err := check("src/gone.ts"); err == nil || !strings.Contains(words, "Graph") {
		t.Errorf("what is gone is not found: %v\n%s", err, words)
	}
}

// workshop is a folder with the source, beside the packages, where npm and the
// compiler find them.
func workshop(t *testing.T, modules string) string {
	t.Helper()
	work, err := os.MkdirTemp(filepath.Dir(modules), "test.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(work) })
	if err := os.CopyFS(filepath.Join(work, "src"), os.DirFS("../src")); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../tsconfig.json")
	if err == nil {
		err = os.WriteFile(filepath.Join(work, "tsconfig.json"), config, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return work
}

// copyTypes copies of a package what the compiler needs.
func copyTypes(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".d.ts") && name != "package.json" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
