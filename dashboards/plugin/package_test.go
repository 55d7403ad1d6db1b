package main

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fibergauge/fibergauge/dashboards/plugin/datasource"
)

// TestPackage: what is packed is what Grafana loads, the same bytes each time.
func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: builds the plugin twice")
	}
	for _, tool := range []string{"npm", "zip"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("SKIPPED: %v", err)
		}
	}
	first, second := pack(t), pack(t)
	if !bytes.Equal(first, second) {
		t.Error("packed twice, the bytes differ")
	}
	archive, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) ([]byte, fs.FileMode) {
		t.Helper()
		file, err := archive.Open(datasource.PluginID + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		return data, info.Mode()
	}
	for _, name := range []string{"module.js", "README.md", "LICENSE", "img/logo.svg"} {
		if data, _ := read(name); len(data) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	text, _ := read("plugin.json")
	var manifest struct {
		ID         string `json:"id"`
		Executable string `json:"executable"`
		Info       struct {
			Version string `json:"version"`
		} `json:"info"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.ID != datasource.PluginID || strings.Contains(manifest.Info.Version, "%") {
		t.Errorf("plugin.json: %+v, %v", manifest, err)
	}
	// Grafana starts the file of its own system and processor.
	program, mode := read(manifest.Executable + "_linux_" + runtime.GOARCH)
	if mode.Perm() != 0o755 {
		t.Errorf("the back end has mode %o, and has to be executable", mode.Perm())
	}
	binary, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range binary.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("the back end is not static")
		}
	}
	if info, err := buildinfo.Read(bytes.NewReader(program)); err != nil || !strings.HasSuffix(info.Path, "/dashboards/plugin") {
		t.Errorf("the back end was built of %+v, %v", info, err)
	}
}

// pack gives the zip that scripts/plugin makes for this processor.
func pack(t *testing.T) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugin")
	build := exec.CommandContext(t.Context(), "../../scripts/plugin", dir)
	build.Env = append(os.Environ(), "PLATFORMS=linux_"+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(dir + "/*.zip")
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}
