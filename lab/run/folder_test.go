package run

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

func TestPrepareEmptiesOnlyItsOwn(t *testing.T) {
	f, err := findFolder(filepath.Join(t.TempDir(), "deep", "out"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.prepare(); err != nil {
		t.Fatalf("a folder that is not there: %v", err)
	}
	if err := f.write("logs/old.log", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := f.write("report.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := f.prepare(); err != nil {
		t.Fatalf("a folder of an earlier run: %v", err)
	}
	want := []string{".fibergauge-lab", "logs", "spools"}
	if d := cmp.Diff(want, files(t, f.path)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{}, files(t, f.file("logs"))); d != "" {
		t.Error(d)
	}
}

func TestPrepareRefusesAStrangersFolder(t *testing.T) {
	f := folder{t.TempDir()}
	if err := f.write("thesis.doc", []byte("x")); err != nil {
		t.Fatal(err)
	}
	// A folder of the marker's name is not the marker.
	if err := os.Mkdir(f.file(marker), 0o755); err != nil {
		t.Fatal(err)
	}
	err := f.prepare()
	if err == nil || !strings.HasSuffix(err.Error(), "holds something that no lab made; choose another folder or empty it yourself") {
		t.Errorf("error %v", err)
	}
	if d := cmp.Diff([]string{".fibergauge-lab", "thesis.doc"}, files(t, f.path)); d != "" {
		t.Error(d)
	}
	file := folder{f.file("thesis.doc")}
	if err := file.prepare(); err == nil {
		t.Error("a file is taken for a folder")
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func TestFindPrograms(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"fibergauge-probe", "fibergauge-collector", "fibergauge-analyzer"} {
		if _, err := findPrograms(dir, true); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, name)+" is not a program; ") {
			t.Errorf("without %s: error %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := findPrograms(dir, true); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(dir, "fibergauge-probe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := findPrograms(dir, true); err == nil {
		t.Error("a file that cannot be executed is taken for a program")
	}
}

func TestProbingAndMeasured(t *testing.T) {
	m, err := mesh.Parse("mesh.yaml", bytes.ReplaceAll([]byte(meshText), []byte("\t"), nil))
	if err != nil {
		t.Fatal(err)
	}
	w, err := wan.Parse("wan.yaml", []byte("{version: 1, seed: 1, defaults: {rtt_ms: 1}, absent: [b1]}"), m)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	if d := cmp.Diff([]int{0}, Probing(m, w, now)); d != "" {
		t.Error(d)
	}
	// Two tests measure a1 > b1; it is one link. c1 only answers. What an
	// absent probe would measure belongs to the network all the same.
	want := [][2]int{{0, 1}, {0, 2}, {1, 0}, {1, 2}}
	if d := cmp.Diff(want, Measured(m, now)); d != "" {
		t.Error(d)
	}
}

const meshText = `
version: 1
name: test
time_zone: UTC
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: a, hub: h, name: {en: A}, location: {lat: 40, lon: 110}}
  - {id: b, hub: h, name: {en: B}, location: {lat: 38, lon: 110}}
  - {id: c, hub: h, name: {en: C}, location: {lat: 36, lon: 110}}
carriers: [{id: k, name: {en: K}}]
planes: [optical]
sites:
  - {id: a1, cluster: a, carrier: k, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: b, carrier: k, plane: optical, address: 192.0.2.2, role: both}
  - {id: c1, cluster: c, carrier: k, plane: optical, address: 192.0.2.3, role: reflector}
  - {id: d1, cluster: a, carrier: k, plane: optical, address: 192.0.2.4, role: both, until: 2025-01-01}
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 60}
  - {test: big, method: icmp, links: [{from: a}], interval_ms: 1000, size_bytes: 1400, window_s: 60}
judged: icmp
`
