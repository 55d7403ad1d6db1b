// Package filing keeps reports as they are filed: files beside a manifest that
// names them (package manifest), revision after revision, and checks whether
// they are still what was filed.
//
//	folder.go   what lies where, and how a revision is written
//	check.go    whether files are as the manifest says, and who signed it
//	explain.go  what differs, in terms of people: a JSON path, a cell, a line
//	result.go   what a check found; table.go says it to people
package filing

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/manifest"
	"github.com/fibergauge/fibergauge/analyzer/publish"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/internal/durable"
)

const (
	manifestSuffix  = ".manifest.json"
	signatureSuffix = ".sig" // after that of the manifest
)

// Stem is how the names of all files of a revision begin. The first has the bare
// name; the others sort behind it, and before the next month.
func Stem(name string, revision int) string {
	if revision == 1 {
		return name
	}
	return fmt.Sprintf("%s_r%02d", name, revision)
}

var revisionSuffix = regexp.MustCompile(`^(.+)_r([0-9]{2,6})$`)

// split is the way back from a stem.
func split(stem string) (name string, revision int) {
	if m := revisionSuffix.FindStringSubmatch(stem); m != nil {
		if n, err := strconv.Atoi(m[2]); err == nil && n > 1 && Stem(m[1], n) == stem {
			return m[1], n
		}
	}
	return stem, 1
}

// ManifestOf is the name of the manifest of files whose names begin with a stem.
func ManifestOf(stem string) string { return stem + manifestSuffix }

// Filed is a revision that lies in a folder.
type Filed struct {
	Manifest *manifest.Manifest
	File     string // of the manifest
	SHA256   string // of the manifest
	Report   *api.Report
}

// ErrAltered says that something in a folder is not what was filed.
var ErrAltered = errors.New("is not as it was filed")

// Newest gives the newest revision of a report that a folder holds; nil where it
// holds none. One that is not as it was filed is an error: what follows from it
// would be wrong.
func Newest(dir, name string) (*Filed, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	newest := 0
	for _, e := range entries {
		stem, isManifest := strings.CutSuffix(e.Name(), manifestSuffix)
		if base, revision := split(stem); isManifest && base == name {
			newest = max(newest, revision)
		}
	}
	if newest == 0 {
		return nil, nil
	}
	file := filepath.Join(dir, ManifestOf(Stem(name, newest)))
	refused := func(why string) error {
		return fmt.Errorf("%s %w: %s; see fibergauge-analyzer verify %s, and bring the original back or file into another folder", file, ErrAltered, why, file)
	}
	r, err := Check([]string{file}, Options{})
	if err != nil {
		return nil, err
	}
	if !r.Good {
		return nil, refused(r.Findings[0].Text())
	}
	data, err := readUpTo(file, manifest.MaxBytes)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(data)
	if err != nil {
		return nil, refused(err.Error())
	}
	if m.Revision != newest {
		return nil, refused(fmt.Sprintf("it is of revision %d", m.Revision))
	}
	text, err := os.ReadFile(filepath.Join(dir, Stem(name, newest)+".json"))
	if err != nil {
		return nil, refused(err.Error())
	}
	filed := &Filed{Manifest: m, File: file, SHA256: manifest.Hash(data), Report: &api.Report{}}
	if err := json.Unmarshal(text, filed.Report); err != nil {
		return nil, refused(err.Error())
	}
	return filed, nil
}

// NameOf is the name of the reports of a period, such as 2025-06.
func NameOf(period string) string { return "report-" + period }

// Names are those of the reports that a folder holds, by their manifests; one of
// many revisions stands once.
func Names(dir string) ([]string, error) {
	manifests, _, err := list(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range manifests {
		name, _ := split(strings.TrimSuffix(file, manifestSuffix))
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Guarding is the manifest that a file would take something from if it were
// written: one that names it, or that it would be itself, with its signature. A
// link is followed, as who writes does. Empty: there is none.
func Guarding(path string) (string, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if m := strings.TrimSuffix(name, signatureSuffix); strings.HasSuffix(m, manifestSuffix) {
		return filepath.Join(dir, m), nil
	}
	manifests, _, err := list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, file := range manifests {
		data, err := readUpTo(filepath.Join(dir, file), manifest.MaxBytes)
		if err != nil {
			return "", err
		}
		m, err := manifest.Parse(data)
		if file == ManifestOf(name) || err == nil && slices.ContainsFunc(m.Files, func(f manifest.File) bool { return strings.EqualFold(f.Name, name) }) {
			return filepath.Join(dir, file), nil
		}
	}
	return "", nil
}

// As is how a report is filed.
type As struct {
	Key    *manifest.PrivateKey // nil: nobody signs
	Reason string               // why there is a revision, in the words of people; may be empty
	BOM    bool                 // before CSV
}

// Outcome is the newest revision after filing. No Files were written if nothing
// had changed since it.
type Outcome struct {
	Filed
	Files int
}

// File files a report in every form and language, as the next revision of what
// the folder holds under the name. Whoever files into the folder at the same
// moment waits.
func File(dir, name string, r *api.Report, as As) (*Outcome, error) {
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	before, err := Newest(dir, name)
	if err != nil {
		return nil, err
	}
	m := ManifestFor(r, before)
	if before != nil {
		changed, err := report.Revise(before.Report, r, api.Replaced{Number: before.Manifest.Revision, ManifestSHA256: before.SHA256}, as.Reason)
		if err != nil {
			return nil, err
		}
		if !changed {
			return &Outcome{Filed: *before}, nil
		}
	}
	data, err := report.JSON(r)
	if err != nil {
		return nil, err
	}
	stem := Stem(name, m.Revision)
	files, err := publish.All(r, data, stem, as.BOM)
	if err != nil {
		return nil, err
	}
	path, canonical, err := write(dir, stem, files, m, as.Key)
	if err != nil {
		return nil, err
	}
	return &Outcome{Filed{m, path, manifest.Hash(canonical), r}, len(files)}, nil
}

// ManifestFor is the manifest of a report, still without files. Replaced is the
// revision before; nil for the first.
func ManifestFor(r *api.Report, replaced *Filed) *manifest.Manifest {
	m := &manifest.Manifest{
		Schema: manifest.Schema, GeneratedBy: r.GeneratedBy,
		Period:   manifest.Period{From: r.Period.From, To: r.Period.To, TimeZone: r.Period.TimeZone},
		Revision: 1, MeshSHA256: r.MeshSHA256, PolicySHA256: r.PolicySHA256, DataSHA256: r.DataSHA256,
	}
	if replaced != nil {
		m.Revision = replaced.Manifest.Revision + 1
		m.Replaces = &manifest.Replaced{Revision: replaced.Manifest.Revision, ManifestSHA256: replaced.SHA256}
	}
	return m
}

// Write files a revision: its files, then the signature, where there is a key,
// and at last the manifest. Nothing that is there is ever replaced; what is there
// already with the same bytes, after a crash say, is taken as it is. It gives the
// path of the manifest.
func Write(dir, stem string, files []publish.File, m *manifest.Manifest, key *manifest.PrivateKey) (string, error) {
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	path, _, err := write(dir, stem, files, m, key)
	return path, err
}

// write gives the bytes of the manifest besides.
func write(dir, stem string, files []publish.File, m *manifest.Manifest, key *manifest.PrivateKey) (path string, canonical []byte, err error) {
	path = filepath.Join(dir, ManifestOf(stem))
	if _, err := os.Lstat(path); err == nil {
		return "", nil, fmt.Errorf("%s is there already; a filed report is never replaced", path)
	}
	for _, f := range files {
		entry := manifest.FileOf(f.Name, f.Data)
		if filepath.Ext(f.Name) == ".json" {
			entry = entry.WithBlocks(f.Data)
		}
		m.Files = append(m.Files, entry)
	}
	slices.SortFunc(m.Files, func(a, b manifest.File) int { return cmp.Compare(a.Name, b.Name) })
	if key != nil {
		m.Signer = manifest.SignerOf(key.Public())
	}
	canonical, err = m.Encode()
	if err != nil {
		return "", nil, err
	}
	for _, f := range files {
		if err := put(filepath.Join(dir, f.Name), f.Data); err != nil {
			return "", nil, err
		}
	}
	if key != nil {
		signature, err := key.Sign(canonical)
		if err != nil {
			return "", nil, fmt.Errorf("sign the manifest: %w", err)
		}
		// Without a manifest it is of nothing: what a crash left may go.
		if err := replace(path+signatureSuffix, signature); err != nil {
			return "", nil, err
		}
	}
	return path, canonical, replace(path, canonical)
}

// put writes a file that is not there.
func put(path string, data []byte) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return replace(path, data)
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Size() == int64(len(data)) {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			return nil
		}
	}
	return fmt.Errorf("%s is there already and is something else, and no manifest names it; a filed report replaces nothing: move it away, or name another folder or file by --out", path)
}

func replace(path string, data []byte) error {
	if err := durable.Replace(path, "."+filepath.Base(path)+".", 0o644, durable.Bytes(data)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
