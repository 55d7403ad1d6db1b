package frontend

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

type manifest struct {
	Type, Name, ID, Executable              string
	Backend, Alerting, Annotations, Metrics bool
	Info                                    struct {
		Description, Version, Updated string
		Author                        struct{ Name, URL string }
		Logos                         struct{ Small, Large string }
		Links                         []struct{ Name, URL string }
		Keywords                      []string
	}
	Dependencies struct {
		GrafanaDependency string
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(built(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What Grafana, and its validator of plugins, demand of plugin.json.
func TestManifest(t *testing.T) {
	var m manifest
	if err := json.Unmarshal(read(t, "plugin.json"), &m); err != nil {
		t.Fatal(err)
	}
	// Of the schema of plugin.json.
	for what, c := range map[string][2]string{
		"id":                {m.ID, `^[0-9a-z]+-[0-9a-z]+-datasource$`},
		"type":              {m.Type, `^datasource$`},
		"executable":        {m.Executable, `^gpx_[a-z_]+$`},
		"version":           {m.Info.Version, `^1\.2\.3$`},
		"updated":           {m.Info.Updated, `^2025-06-30$`},
		"grafanaDependency": {m.Dependencies.GrafanaDependency, `^>=9\.3\.0$`},
		"name":              {m.Name, `\S`},
		"author":            {m.Info.Author.Name, `\S`},
		"author's url":      {m.Info.Author.URL, `^https://`},
		"description":       {m.Info.Description, `^.{20,200}$`},
	} {
		if !regexp.MustCompile(c[1]).MatchString(c[0]) {
			t.Errorf("%s is %q, want %s", what, c[0], c[1])
		}
	}
	if _, err := time.Parse(time.DateOnly, m.Info.Updated); err != nil {
		t.Error(err)
	}
	if !m.Backend || !m.Alerting || !m.Annotations || !m.Metrics {
		t.Errorf("back end %t, alerting %t, annotations %t, metrics %t: all have to be there", m.Backend, m.Alerting, m.Annotations, m.Metrics)
	}
	if strings.Contains(strings.ToLower(m.Name), "grafana") || len(m.Info.Keywords) == 0 || len(m.Info.Links) == 0 {
		t.Errorf("name %q, keywords %q, links %q", m.Name, m.Info.Keywords, m.Info.Links)
	}
	for _, link := range m.Info.Links {
		if link.Name == "" || !strings.HasPrefix(link.URL, "https://") {
			t.Errorf("link %q", link)
		}
	}
	for _, logo := range []string{m.Info.Logos.Small, m.Info.Logos.Large} {
		picture := read(t, logo)
		if !bytes.HasPrefix(picture, []byte("<svg ")) || bytes.Contains(picture, []byte("<script")) || bytes.Contains(picture, []byte("href")) {
			t.Errorf("%s is no plain picture", logo)
		}
	}
}

// What is given to people is there, and nothing else.
func TestFrontEndIsWhole(t *testing.T) {
	want := map[string]string{"module.js": "define(", "plugin.json": "{", "README.md": "# ", "LICENSE": "Apache License", "img/logo.svg": "<svg"}
	root := built(t)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		begins, expected := want[name]
		if !expected {
			t.Errorf("nobody needs %s", name)
		} else if data := read(t, name); !strings.HasPrefix(strings.TrimSpace(string(data)), begins) {
			t.Errorf("%s begins with %.20q", name, data)
		}
		delete(want, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("there is no %s", name)
	}
	if readme := string(read(t, "README.md")); strings.Contains(readme, "](../") || !strings.Contains(readme, "## Set up") {
		t.Error("README.md leads out of the plugin, or does not say how to set it up")
	}
}

// A module that runs in every Grafana bundles neither React nor Grafana, asks for
// no jsx-runtime, and speaks to nobody by itself.
func TestModule(t *testing.T) {
	module := read(t, "module.js")
	if !bytes.HasPrefix(module, []byte(`define(["@grafana/data","@grafana/runtime","@grafana/ui","react"],`)) {
		t.Errorf("module.js asks for %.120q", module)
	}
	for _, bad := range []string{"jsx-runtime", "sourceMappingURL", "http-equiv", "eval(", "new Function", "XMLHttpRequest", "fetch(", "localStorage", "document.cookie", "google-analytics", "__SECRET_INTERNALS", "findDOMNode", "defaultProps", "/root/", "/home/", "node_modules"} {
		if bytes.Contains(module, []byte(bad)) {
			t.Errorf("%s stands in module.js", bad)
		}
	}
	if len(module) > 64<<10 {
		t.Errorf("module.js has %d bytes: something was bundled that Grafana has", len(module))
	}
}

// The same source gives the same bytes, wherever and whenever it is built.
func TestBuildIsReproducible(t *testing.T) {
	again := t.TempDir()
	first := built(t)
	build(t, again)
	for _, name := range []string{"module.js", "plugin.json"} {
		data, err := os.ReadFile(filepath.Join(again, name))
		if err != nil {
			t.Fatal(err)
		}
		if before, err := os.ReadFile(filepath.Join(first, name)); err != nil || !bytes.Equal(before, data) {
			t.Errorf("%s is another each time (%v)", name, err)
		}
	}
}
